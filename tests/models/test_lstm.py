"""The BiLSTM against torch's own, sentence by sentence."""

from __future__ import annotations

import pytest
import torch

from hf_xner.models.lstm import BiLstm

LENGTHS = torch.tensor([5, 1, 3])


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


@pytest.mark.parametrize("tied", [False, True])
def test_states_are_those_of_each_sentence_alone(tied):
    lstm, inputs = make(tied)
    states, own = lstm(inputs, LENGTHS), torchs_own(lstm)
    summary = lstm.summarise(inputs, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        expected, (last, _) = own(inputs[row : row + 1, :length])
        torch.testing.assert_close(states[row, :length], expected[0])
        torch.testing.assert_close(summary[row], torch.cat([last[0, 0], last[1, 0]]))


@pytest.mark.parametrize("tied", [False, True])
def test_gradients_are_those_of_each_sentence_alone(tied):
    lstm, inputs = make(tied)
    lstm.train()
    mask = torch.arange(5)[None, :] < LENGTHS[:, None]
    lstm(inputs, LENGTHS)[mask].square().sum().backward()
    own = torchs_own(lstm)
    sum(own(inputs[row : row + 1, :length])[0].square().sum() for row, length in enumerate(LENGTHS)).backward()
    expected = own.weight_ih_l0.grad + own.weight_ih_l0_reverse.grad if tied else own.weight_ih_l0.grad
    torch.testing.assert_close(lstm.forward_weights.weight_input.grad, expected, rtol=1e-4, atol=1e-5)


def test_what_stands_at_padding_changes_nothing():
    lstm, inputs = make(False)
    other = inputs.clone()
    other[1, 1:], other[2, 3:] = 1e3, -1e3
    mask = torch.arange(5)[None, :] < LENGTHS[:, None]
    assert torch.equal(lstm(inputs, LENGTHS)[mask], lstm(other, LENGTHS)[mask])


def test_tied_directions_read_a_palindrome_alike():
    lstm, inputs = make(True)
    palindrome = torch.cat([inputs[:1], inputs[:1].flip(1)], dim=1)
    forward, backward = lstm(palindrome, torch.tensor([10])).chunk(2, dim=2)
    torch.testing.assert_close(forward, backward.flip(1))


def test_one_bias_vector_a_gate():
    count = 4 * (350 * 100 + 100 * 100 + 100)
    assert sum(weight.numel() for weight in BiLstm(350, 100).parameters()) == 2 * count
    assert sum(weight.numel() for weight in BiLstm(350, 100, tied=True).parameters()) == count
