"""Tests for CSLS: equal to brute force whatever the sizes, blocks and queries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.translation import retrieval
from hf_xner.translation.retrieval import csls
from hf_xner.translation.vectors import normalised


def brute_force(source: np.ndarray, target: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All CSLS scores and both densities, in float64."""
    cosines = source.astype(np.float64) @ target.astype(np.float64).T
    row = np.sort(cosines, axis=1)[:, ::-1][:, :k].mean(1)
    column = np.sort(cosines, axis=0)[::-1][:k].mean(0)
    return 2 * cosines - row[:, None] - column[None], row, column


def spaces(seed: int, n_source: int, n_target: int, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    hub = random.standard_normal(width)
    return tuple(
        normalised((random.standard_normal((size, width)) + 0.5 * hub).astype(np.float32))
        for size in (n_source, n_target)
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    n_source=st.integers(1, 90),
    n_target=st.integers(1, 90),
    block=st.integers(1, 40),
    top=st.integers(1, 5),
    k=st.integers(1, 12),
)
def test_equals_brute_force(seed: int, n_source: int, n_target: int, block: int, top: int, k: int) -> None:
    source, target = spaces(seed, n_source, n_target)
    found = csls(source, target, neighbours=k, top=top, block=block, both_directions=True)
    scores, row, column = brute_force(source, target, k)
    check(found, scores, row, column, np.arange(n_source))


def check(found, scores, row, column, queries) -> None:
    """Compare scores, not rows: near ties may fall either way."""
    best = np.sort(scores[queries], axis=1)[:, ::-1][:, : found.targets.shape[1]]
    np.testing.assert_allclose(found.scores, best, atol=2e-6)
    np.testing.assert_allclose(np.take_along_axis(scores[queries], found.targets, 1), best, atol=2e-6)
    np.testing.assert_allclose(found.source_density, row[queries], atol=1e-6)
    np.testing.assert_allclose(found.target_density, column, atol=1e-6)
    if found.sources is not None:
        backward = scores[found.sources, np.arange(scores.shape[1])]
        np.testing.assert_allclose(backward, scores.max(0), atol=2e-6)


@pytest.mark.parametrize("n_target", [1600, 2111])
def test_equals_brute_force_where_groups_and_bounds_work(n_target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = spaces(1, 1500, n_target, width=30)
    scores, row, column = brute_force(source, target, 10)
    found = csls(source, target, block=128, top=3, both_directions=True)
    check(found, scores, row, column, np.arange(1500))
    # Most rows are proven from their candidates; the others were computed again, not guessed.
    assert 0 < found.computed_again < 1200
    monkeypatch.setattr(retrieval, "KEPT", 1)
    fewer = csls(source, target, block=128)
    assert fewer.computed_again > found.computed_again
    np.testing.assert_array_equal(fewer.targets[:, 0], found.targets[:, 0])


def test_queries_change_nothing_but_what_is_answered() -> None:
    source, target = spaces(2, 700, 1700, width=30)
    scores, row, column = brute_force(source, target, 10)
    queries = np.array([5, 699, 0, 44])
    found = csls(source, target, queries=queries, top=2, block=64, both_directions=True)
    check(found, scores, row, column, queries)
    with pytest.raises(ValueError, match="a query occurs twice"):
        csls(source, target, queries=np.array([1, 1]))


def test_is_deterministic_and_leaves_its_input_alone() -> None:
    source, target = spaces(3, 300, 400)
    source.flags.writeable = False
    before = target.copy()
    first, second = csls(source, target), csls(source, target)
    np.testing.assert_array_equal(first.targets, second.targets)
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(target, before)


def test_identical_vectors_are_no_trouble() -> None:
    same = normalised(np.ones((70, 4), np.float32))
    found = csls(same, same, block=16)
    np.testing.assert_allclose(found.scores, 0, atol=1e-5)


def test_unfit_spaces_are_refused() -> None:
    source, target = spaces(4, 5, 5)
    with pytest.raises(InputError, match=r"shapes \(5, 8\) and \(5, 3\) cannot be compared"):
        csls(source, target[:, :3])
    with pytest.raises(InputError, match="there are no vectors to compare"):
        csls(source[:0], target)
