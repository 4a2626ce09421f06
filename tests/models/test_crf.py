"""The CRF against the enumeration of all tag sequences."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from hf_xner.models import forward_backward
from hf_xner.models.crf import LinearChainCrf

LENGTHS = [4, 1, 3, 2]
N_TAGS = 3


def make(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[LinearChainCrf, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    crf = LinearChainCrf(N_TAGS).to(dtype)
    torch.nn.init.normal_(crf.transitions)
    emissions = torch.randn(len(LENGTHS), max(LENGTHS), N_TAGS, dtype=dtype) * 2
    mask = torch.arange(max(LENGTHS))[None, :] < torch.tensor(LENGTHS)[:, None]
    return crf, emissions, mask


def every_sequence(crf: LinearChainCrf, emissions: torch.Tensor, length: int) -> dict[tuple[int, ...], float]:
    """Score of each tag sequence of one sentence, written out."""
    scores = {}
    for tags in product(range(N_TAGS), repeat=length):
        score = sum(float(emissions[word, tag]) for word, tag in enumerate(tags))
        score += sum(float(crf.transitions.detach()[one, other]) for one, other in zip(tags, tags[1:], strict=False))
        scores[tags] = score
    return scores


def test_partition_likelihood_marginals_and_viterbi_are_those_of_all_sequences():
    crf, emissions, mask = make()
    tags = torch.randint(0, N_TAGS, mask.shape)
    log_z, loss = crf.log_partition(emissions, mask), crf.negative_log_likelihood(emissions, tags, mask)
    marginals, best = crf.log_marginals(emissions, mask).exp(), crf.decode(emissions, mask)
    for row, length in enumerate(LENGTHS):
        scores = every_sequence(crf, emissions[row], length)
        weights = {sequence: torch.tensor(score, dtype=torch.float64).exp() for sequence, score in scores.items()}
        total = sum(weights.values())
        assert log_z[row].item() == pytest.approx(total.log().item(), abs=1e-9)
        assert loss[row].item() == pytest.approx(-(weights[tuple(tags[row, :length].tolist())] / total).log().item())
        assert tuple(best[row, :length].tolist()) == max(scores, key=scores.__getitem__)
        assert (best[row, length:] == -1).all()
        for word in range(length):
            expected = [
                sum(weight for sequence, weight in weights.items() if sequence[word] == tag) / total
                for tag in range(N_TAGS)
            ]
            torch.testing.assert_close(marginals[row, word], torch.stack(expected))
    assert torch.allclose(marginals.sum(-1), torch.ones(mask.shape, dtype=torch.float64))


def test_padding_changes_nothing():
    crf, emissions, mask = make()
    tags = torch.randint(0, N_TAGS, mask.shape)
    other, other_tags = emissions.clone(), tags.clone()
    other[~mask], other_tags[~mask] = 1e4, -100
    for method in (crf.log_partition, crf.decode):
        assert torch.equal(method(emissions, mask), method(other, mask))
    assert torch.equal(crf.log_marginals(emissions, mask)[mask], crf.log_marginals(other, mask)[mask])
    losses = [
        crf.negative_log_likelihood(values, ids, mask) for values, ids in ((emissions, tags), (other, other_tags))
    ]
    assert torch.equal(*losses)


def test_the_gradient_of_log_z_is_the_marginals():
    crf, emissions, mask = make()
    emissions.requires_grad_()
    (gradient,) = torch.autograd.grad(crf.log_partition(emissions, mask).sum(), [emissions])
    torch.testing.assert_close(gradient[mask], crf.log_marginals(emissions, mask).exp()[mask])
    assert gradient[~mask].abs().max() == 0


def test_gradients_of_the_loss_are_right():
    crf, emissions, mask = make()
    tags = torch.randint(0, N_TAGS, mask.shape)

    def loss(values: torch.Tensor, transitions: torch.Tensor) -> torch.Tensor:
        crf.transitions.data = transitions.data
        return torch.func.functional_call(crf, {"transitions": transitions}, (values, tags, mask))

    crf.forward = crf.negative_log_likelihood  # type: ignore[method-assign]
    inputs = (emissions.requires_grad_(), crf.transitions.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)


def test_a_sentence_of_a_thousand_words_keeps_its_digits():
    torch.manual_seed(1)
    emissions = torch.randn(2, 1000, 17) * 5
    mask = torch.ones(2, 1000, dtype=torch.bool)
    crf = LinearChainCrf(17)
    torch.nn.init.normal_(crf.transitions)
    exact = LinearChainCrf(17).double()
    exact.transitions.data = crf.transitions.data.double()
    marginals = crf.log_marginals(emissions, mask).exp()
    assert (marginals - exact.log_marginals(emissions.double(), mask).exp()).abs().max() < 1e-4
    assert torch.equal(crf.decode(emissions, mask), exact.decode(emissions.double(), mask))


@pytest.mark.parametrize("precision", [forward_backward.DOUBLE, forward_backward.SINGLE])
def test_what_is_as_good_as_forbidden_leaves_numbers_finite(precision, monkeypatch):
    monkeypatch.setattr(forward_backward, "precision_on", lambda device: precision)
    crf, emissions, mask = make(dtype=torch.float32)
    crf.transitions.data[0, 1] = -1e4
    emissions[0, 2, 2] = 1e4  # and with it every other tag of that word
    emissions.requires_grad_()
    tags = torch.zeros(mask.shape, dtype=torch.long)
    loss = crf.negative_log_likelihood(emissions, tags, mask)
    loss.sum().backward()
    assert loss[0].item() == pytest.approx(1e4, rel=1e-2) and torch.isfinite(loss).all()
    for values in (emissions.grad, crf.transitions.grad):
        assert torch.isfinite(values).all()
    marginals = crf.log_marginals(emissions, mask).exp()
    assert torch.isfinite(marginals).all()
    assert marginals[0, 2, 2] == pytest.approx(1.0)


def test_float32_where_there_is_no_float64_gives_the_same(monkeypatch):
    crf, emissions, mask = make(dtype=torch.float32)
    tags = torch.zeros(mask.shape, dtype=torch.long)
    found = []
    for precision in (forward_backward.DOUBLE, forward_backward.SINGLE):
        monkeypatch.setattr(forward_backward, "precision_on", lambda device, chosen=precision: chosen)
        values = emissions.clone().requires_grad_()
        loss = crf.negative_log_likelihood(values, tags, mask)
        found.append(
            (loss, *torch.autograd.grad(loss.sum(), [values, crf.transitions]), crf.log_marginals(values, mask))
        )
    for double, single in zip(*found, strict=True):
        torch.testing.assert_close(double, single, rtol=1e-4, atol=1e-5)


def test_tags_by_transitions_there_is_nothing_else_to_learn():
    assert [(name, tuple(weight.shape)) for name, weight in LinearChainCrf(17).named_parameters()] == [
        ("transitions", (17, 17))
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, t, m: (e, t.index_fill(1, torch.tensor(0), -100), m), "every word needs a tag"),
        (lambda e, t, m: (e, t[:, :2], m), "every word needs a tag"),
        (lambda e, t, m: (e[:, :, :2], t, m), "expected emissions"),
        (lambda e, t, m: (e, t, m.long()), "mask must be bool"),
        (lambda e, t, m: (e, t, m.index_fill(1, torch.tensor(0), False)), "at least one word"),
        (lambda e, t, m: (e, t, torch.tensor([[True, False, True, True]]).expand(4, 4)), "padding only after words"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    crf, emissions, mask = make()
    with pytest.raises(ValueError, match=message):
        crf.negative_log_likelihood(*change(emissions, torch.zeros(mask.shape, dtype=torch.long), mask))
