"""Constrained decoding equals an exhaustive search, whatever the scheme, the padding and the constraints."""

from __future__ import annotations

import time
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_xner.labels import SCHEMES, allowed_transitions, convert_tags, tag_names
from hf_xner.models.decoding import Constraints, build_constraints, viterbi_decode


def constraints_of(names: list[str], scheme: str) -> Constraints:
    allowed = allowed_transitions(names, scheme)
    return build_constraints(allowed.step.tolist(), allowed.start.tolist(), allowed.end.tolist())


def exhaustive(log_probs: torch.Tensor, constraints: Constraints) -> list[int]:
    """The best allowed path of one sentence (W, C), by trying all."""
    step, start, end = constraints
    best, best_score = None, -float("inf")
    for path in product(range(log_probs.shape[1]), repeat=log_probs.shape[0]):
        if start is not None and not start[path[0]]:
            continue
        if end is not None and not end[path[-1]]:
            continue
        if not all(step[a, b] for a, b in zip(path, path[1:], strict=False)):
            continue
        score = sum(float(log_probs[word, tag]) for word, tag in enumerate(path))
        if score > best_score:
            best, best_score = list(path), score
    assert best is not None
    return best


@settings(max_examples=40, deadline=None)
@given(
    scheme=st.sampled_from(SCHEMES),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    with_start=st.booleans(),
    with_end=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_equals_exhaustive_search(
    scheme: str, lengths: list[int], with_start: bool, with_end: bool, seed: int
) -> None:
    names = tag_names(["X"] if scheme in ("iobes", "bmes") else ["X", "Y"], scheme)
    step, start, end = constraints_of(names, scheme)
    constraints = Constraints(step, start if with_start else None, end if with_end else None)
    generator = torch.Generator().manual_seed(seed)
    log_probs = (3 * torch.randn(len(lengths), 5, len(names), generator=generator)).log_softmax(-1)
    mask = torch.arange(5)[None, :] < torch.tensor(lengths)[:, None]
    decoded = viterbi_decode(log_probs, mask, *constraints)
    assert decoded.shape == (len(lengths), 5)
    assert decoded.dtype == torch.long
    for row, length in enumerate(lengths):
        assert decoded[row, :length].tolist() == exhaustive(log_probs[row, :length], constraints)
        assert decoded[row, length:].tolist() == [-1] * (5 - length)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_decoded_tags_are_well_formed_however_wild_the_scores(scheme: str) -> None:
    names = tag_names(["A", "B", "C"], scheme)
    log_probs = (10 * torch.randn(16, 30, len(names), generator=torch.Generator().manual_seed(1))).log_softmax(-1)
    decoded = viterbi_decode(log_probs, torch.ones(16, 30, dtype=torch.bool), *constraints_of(names, scheme))
    for row in decoded.tolist():
        tags = [names[tag] for tag in row]
        assert convert_tags(tags, scheme, scheme) == tags


def test_without_start_constraint_a_sentence_may_open_with_i_as_in_unitrans() -> None:
    names = ["O", "B-X", "I-X"]
    step, start, _ = constraints_of(names, "iob2")
    log_probs = torch.tensor([[[0.1, 0.2, 0.7], [0.2, 0.1, 0.7]]]).log()
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert viterbi_decode(log_probs, mask, step).tolist() == [[2, 2]]
    assert viterbi_decode(log_probs, mask, step, start).tolist() == [[1, 2]]


def test_what_stands_in_padding_changes_nothing() -> None:
    names = tag_names(["X"])
    log_probs = torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(2)).log_softmax(-1)
    mask = torch.arange(6)[None, :] < torch.tensor([[2], [6], [4]])
    expected = viterbi_decode(log_probs, mask, *constraints_of(names, "iob2"))
    disturbed = torch.where(mask[..., None], log_probs, torch.full_like(log_probs, 1e9))
    assert torch.equal(viterbi_decode(disturbed, mask, *constraints_of(names, "iob2")), expected)


def test_logits_and_half_precision_give_the_same_tags() -> None:
    logits = torch.randn(4, 8, 9, generator=torch.Generator().manual_seed(3))
    logits = logits.to(torch.bfloat16).float()
    names = tag_names(["A", "B", "C", "D"])
    mask = torch.ones(4, 8, dtype=torch.bool)
    constraints = constraints_of(names, "iob2")
    expected = viterbi_decode(logits.log_softmax(-1), mask, *constraints)
    assert torch.equal(viterbi_decode(logits, mask, *constraints), expected)
    assert torch.equal(viterbi_decode(logits.bfloat16(), mask, *constraints), expected)


def test_a_probability_of_zero_does_not_break_the_constraints() -> None:
    # As float16 soft labels have it: the second word is I-X for certain, the first O for certain.
    probabilities = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    step, start, end = constraints_of(["O", "B-X", "I-X"], "iob2")
    [[first, second]] = viterbi_decode(probabilities.log(), torch.ones(1, 2, dtype=torch.bool), step, start).tolist()
    assert step[first, second]
    assert start is not None and start[first]


def test_empty_sentences_and_empty_batches() -> None:
    constraints = constraints_of(["O", "B-X", "I-X"], "iob2")
    mask = torch.tensor([[False, False], [True, False]])
    assert viterbi_decode(torch.zeros(2, 2, 3), mask, *constraints).tolist() == [[-1, -1], [0, -1]]
    assert viterbi_decode(torch.zeros(0, 4, 3), torch.zeros(0, 4).bool(), *constraints).shape == (0, 4)
    assert viterbi_decode(torch.zeros(2, 0, 3), torch.zeros(2, 0).bool(), *constraints).shape == (2, 0)


def test_long_sentences_lose_no_digits() -> None:
    # 20,000 words of equal cost, and one whose tags differ by little: the sum is in the tens of thousands.
    log_probs = torch.full((1, 20_000, 3), -3.0)
    log_probs[0, 19_000, 1] += 1e-4
    allowed = torch.ones(3, 3, dtype=torch.bool)
    decoded = viterbi_decode(log_probs, torch.ones(1, 20_000, dtype=torch.bool), allowed)
    assert decoded[0, 19_000] == 1


def test_is_quick() -> None:
    constraints = constraints_of(tag_names(["A", "B", "C", "D"]), "iob2")
    log_probs = torch.randn(64, 128, 9).log_softmax(-1)
    mask = torch.ones(64, 128, dtype=torch.bool)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        viterbi_decode(log_probs, mask, *constraints)
        best = min(best, time.perf_counter() - started)
    assert best < 0.5


def test_lists_of_a_configuration_become_tensors() -> None:
    step, start, end = build_constraints([[1, 0], [True, True]], [1, 0])
    assert step.tolist() == [[True, False], [True, True]]
    assert start is not None and start.tolist() == [True, False]
    assert end is None
    with pytest.raises(ValueError, match=r"expected 2 rows and columns .* found lengths \[2, 2, 3\]"):
        build_constraints([[1, 0], [1, 1]], [1, 0, 1])
    with pytest.raises(ValueError, match=r"found lengths \[2, 1\]"):
        build_constraints([[1, 0], [1]])


def test_misuse_is_refused() -> None:
    step = torch.ones(3, 3, dtype=torch.bool)
    mask = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"expected log_probs \(B, W, C\) and mask \(B, W\), found \(2, 3\)"):
        viterbi_decode(torch.zeros(2, 3), mask, step)
    with pytest.raises(ValueError, match=r"expected step_allowed of shape \(3, 3\), found \(2, 2\)"):
        viterbi_decode(torch.zeros(1, 2, 3), mask, torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"expected start_allowed of shape \(3,\), found \(1, 3\)"):
        viterbi_decode(torch.zeros(1, 2, 3), mask, step, torch.ones(1, 3))
    with pytest.raises(ValueError, match="mask has a gap"):
        viterbi_decode(torch.zeros(1, 2, 3), torch.tensor([[False, True]]), step)
    with pytest.raises(ValueError, match=r"allow no tag sequence of 2 words \(row 0"):
        viterbi_decode(torch.zeros(1, 2, 3), mask, torch.zeros(3, 3))
