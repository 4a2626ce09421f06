"""The BiLSTM against torch's own, sentence by sentence."""

from __future__ import annotations

import pytest
import torch

from hf_xner.models import lstm as lstm_module
from hf_xner.models.lstm import BiLstm
from hf_xner.models.recurrence import JoinedLinear, Recurrence, pack

LENGTHS = torch.tensor([5, 1, 3])
MASK = torch.arange(5)[None, :] < LENGTHS[:, None]


def make(tied: bool, seed: int = 0) -> tuple[BiLstm, torch.Tensor]:
    torch.manual_seed(seed)
    lstm = BiLstm(6, 4, tied=tied)
    for weight in lstm.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return lstm, torch.randn(3, 5, 6)


def torchs_own(lstm: BiLstm) -> torch.nn.LSTM:
    """The same weights in `torch.nn.LSTM`, whose second bias is 0."""
    own = torch.nn.LSTM(6, 4, bidirectional=True, batch_first=True)
    for suffix, part in (("", lstm.forward_weights), ("_reverse", lstm.backward_weights or lstm.forward_weights)):
        values = {"weight_ih": part.weight_input, "weight_hh": part.weight_hidden, "bias_ih": part.bias}
        for name, value in values.items():
            getattr(own, f"{name}_l0{suffix}").data = value.data.clone()
        getattr(own, f"bias_hh_l0{suffix}").data.zero_()
    return own


BY_HAND = pytest.mark.parametrize("by_hand", [True, False], ids=["recurrence", "fused"])
TIED = pytest.mark.parametrize("tied", [False, True])


@pytest.fixture
def way(by_hand: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lstm_module, "_by_hand", lambda inputs: by_hand)


@BY_HAND
@TIED
@pytest.mark.usefixtures("way")
def test_states_are_those_of_each_sentence_alone(tied):
    lstm, inputs = make(tied)
    states, own = lstm([inputs], LENGTHS), torchs_own(lstm)
    summary = lstm.summarise([inputs], LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        expected, (last, _) = own(inputs[row : row + 1, :length])
        torch.testing.assert_close(states[row, :length], expected[0])
        torch.testing.assert_close(summary[row], torch.cat([last[0, 0], last[1, 0]]))


@BY_HAND
@TIED
@pytest.mark.usefixtures("way")
def test_gradients_are_those_of_each_sentence_alone(tied):
    lstm, inputs = make(tied)
    lstm.train()
    inputs.requires_grad_()
    ((lstm([inputs], LENGTHS)[MASK] ** 2).sum() + lstm.summarise([inputs], LENGTHS).sum()).backward()
    own, alone = torchs_own(lstm), inputs.detach().clone().requires_grad_()
    for row, length in enumerate(LENGTHS):
        states, (last, _) = own(alone[row : row + 1, :length])
        (states.square().sum() + last.sum()).backward()
    torch.testing.assert_close(inputs.grad, alone.grad, rtol=1e-4, atol=1e-5)
    for mine, theirs in (("weight_input", "weight_ih_l0"), ("weight_hidden", "weight_hh_l0"), ("bias", "bias_ih_l0")):
        forward, backward = (getattr(own, theirs + suffix).grad for suffix in ("", "_reverse"))
        found = [getattr(part, mine).grad for part in (lstm.forward_weights, lstm.backward_weights) if part]
        expected = [forward + backward] if tied else [forward, backward]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@TIED
def test_parts_side_by_side_are_one_input(tied):
    lstm, inputs = make(tied)
    torch.testing.assert_close(lstm(inputs.split([4, 2], dim=2), LENGTHS)[MASK], lstm([inputs], LENGTHS)[MASK])
    with torch.no_grad():
        fused = lstm(inputs.split([4, 2], dim=2), LENGTHS)
    torch.testing.assert_close(fused[MASK], lstm([inputs], LENGTHS)[MASK])


@pytest.mark.parametrize("sizes", [[3, 2, 2, 1], [2], [1, 1, 1]], ids=["falling", "one step", "one row"])
def test_recurrence_has_the_numerical_gradient(sizes):
    torch.manual_seed(0)
    gates = torch.randn(2, sum(sizes), 12, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 12, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *values: Recurrence.apply(*values, sizes), (gates, weight))


def test_joined_linear_has_the_numerical_gradient_and_none_for_fixed_parts():
    torch.manual_seed(0)
    weight, bias, part = (
        torch.randn(*size, dtype=torch.float64, requires_grad=True) for size in ((3, 5), (3,), (4, 2))
    )
    fixed = torch.randn(4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *given: JoinedLinear.apply(*given, fixed), (weight, bias, part))
    expected = torch.cat([part, fixed], dim=1) @ weight.T + bias
    torch.testing.assert_close(JoinedLinear.apply(weight, bias, part, fixed), expected)


def test_packing_leads_back_to_every_element():
    packing = pack(LENGTHS, 5)
    assert packing.sizes == [3, 2, 2, 1, 1]
    assert packing.places.tolist() == [0, 10, 5, 1, 11, 2, 12, 3, 4]
    assert torch.equal(packing.turned[packing.turned], torch.arange(9))
    assert packing.places[packing.turned].tolist() == [4, 12, 5, 3, 11, 2, 10, 1, 0]
    assert packing.places[packing.ends].tolist() == [4, 5, 12]


@BY_HAND
@pytest.mark.usefixtures("way")
def test_what_stands_at_padding_changes_nothing():
    lstm, inputs = make(False)
    other = inputs.clone()
    other[1, 1:], other[2, 3:] = 1e3, -1e3
    assert torch.equal(lstm([inputs], LENGTHS)[MASK], lstm([other], LENGTHS)[MASK])


@BY_HAND
@pytest.mark.usefixtures("way")
def test_tied_directions_read_a_palindrome_alike():
    lstm, inputs = make(True)
    palindrome = torch.cat([inputs[:1], inputs[:1].flip(1)], dim=1)
    forward, backward = lstm([palindrome], torch.tensor([10])).chunk(2, dim=2)
    torch.testing.assert_close(forward, backward.flip(1))


def test_one_bias_vector_a_gate():
    count = 4 * (350 * 100 + 100 * 100 + 100)
    assert sum(weight.numel() for weight in BiLstm(350, 100).parameters()) == 2 * count
    assert sum(weight.numel() for weight in BiLstm(350, 100, tied=True).parameters()) == count
