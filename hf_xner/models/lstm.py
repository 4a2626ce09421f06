"""A bidirectional LSTM with one bias vector a gate, whose directions may share their weights.

`torch.nn.LSTM` has two bias vectors, which the published number of weights of Bari et al. (AAAI 2020) has not, and no
shared directions.

This file travels with saved models, so it imports only torch and its siblings.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .recurrence import JoinedLinear, Packing, Recurrence, pack


class LstmWeights(nn.Module):
    """Weights of one direction: 4 (in h + h h + h) numbers, gates in torch's order (input, forget, cell, output).

    Args:
        n_inputs: Width of the input.
        n_hidden: Width of the state, h.
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.n_hidden = n_hidden
        self.weight_input = nn.Parameter(torch.empty(4 * n_hidden, n_inputs))
        self.weight_hidden = nn.Parameter(torch.empty(4 * n_hidden, n_hidden))
        self.bias = nn.Parameter(torch.empty(4 * n_hidden))

    def run(self, inputs: Tensor) -> Tensor:
        """States (B, W, h) from the left to the right of inputs (B, W, n), by torch's fused kernel."""
        start = inputs.new_zeros(1, len(inputs), self.n_hidden)
        # torch's kernel wants its second bias too.
        weights = [self.weight_input, self.weight_hidden, self.bias, torch.zeros_like(self.bias)]
        return torch.lstm(inputs, (start, start), weights, True, 1, 0.0, self.training, False, True)[0]


class BiLstm(nn.Module):
    """Reads sentences from both ends; what stands at padding changes nothing.

    Trains with `Recurrence` on CPUs and with torch's fused kernel elsewhere; that reads the words of the backward
    direction in reverse order, padding last again, which is about twice as fast as packed sequences.

    Args:
        n_inputs: Width of the input.
        n_hidden: Width of one direction's state, h.
        tied: Use one set of weights for both directions (Cross-Shared).
    """

    def __init__(self, n_inputs: int, n_hidden: int, *, tied: bool = False) -> None:
        super().__init__()
        self.forward_weights = LstmWeights(n_inputs, n_hidden)
        self.backward_weights = None if tied else LstmWeights(n_inputs, n_hidden)

    def forward(self, inputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """States of both directions, (B, W, 2h), forward first; undefined at padding.

        Args:
            inputs: Parts of the input side by side, each (B, W, its width); those that need no gradient cost none.
            lengths: (B,) int64, words of each row, at least one.
        """
        if not _by_hand(inputs[0]):
            return self._fused(inputs, lengths)
        packing, states = self._packed(inputs, lengths)
        forward, backward = states.unbind()
        states = torch.cat([forward, backward.index_select(0, packing.turned)], dim=1)
        batch, width = inputs[0].shape[:2]
        rows = states.new_zeros(batch * width, states.shape[1]).index_copy(0, packing.places, states)
        return rows.view(batch, width, -1)

    def summarise(self, inputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        """Last state of each direction, (B, 2h).

        Args:
            inputs: As for `forward`.
            lengths: (B,) int64, at least one each.
        """
        if _by_hand(inputs[0]):
            packing, states = self._packed(inputs, lengths)
            return states.index_select(1, packing.ends).transpose(0, 1).flatten(1)
        forward, backward = self._fused(inputs, lengths).chunk(2, dim=2)
        last = (lengths - 1)[:, None, None].expand(-1, 1, forward.shape[2])
        return torch.cat([forward.gather(1, last)[:, 0], backward[:, 0]], dim=1)

    def _packed(self, inputs: Sequence[Tensor], lengths: Tensor) -> tuple[Packing, Tensor]:
        """States (2, N, h), each direction in its own order of reading."""
        packing = pack(lengths, inputs[0].shape[1])
        both = (self.forward_weights, self.backward_weights or self.forward_weights)
        weight, bias = torch.cat([part.weight_input for part in both]), torch.cat([part.bias for part in both])
        parts = [part.flatten(0, 1).index_select(0, packing.places) for part in inputs]
        gates: Tensor = JoinedLinear.apply(weight, bias, *parts)
        forward, backward = gates.chunk(2, dim=1)
        gates = torch.stack([forward, backward.index_select(0, packing.turned)])
        hidden = torch.stack([part.weight_hidden for part in both])
        states: Tensor = Recurrence.apply(gates, hidden, packing.sizes)
        return packing, states

    def _fused(self, inputs: Sequence[Tensor], lengths: Tensor) -> Tensor:
        joined = torch.cat(list(inputs), dim=2)
        turned = _reverse(joined, lengths)
        if self.backward_weights is None:
            states, turned_states = self.forward_weights.run(torch.cat([joined, turned])).chunk(2)
        else:
            states, turned_states = self.forward_weights.run(joined), self.backward_weights.run(turned)
        return torch.cat([states, _reverse(turned_states, lengths)], dim=2)


def _by_hand(inputs: Tensor) -> bool:
    """Whether `Recurrence` computes: its steps are short enough for a CPU only, and it gains in the backward pass."""
    return inputs.device.type == "cpu" and torch.is_grad_enabled()


def _reverse(values: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths` elements of each row (B, W, n) in reverse order; the rest repeats the first element."""
    batch, width, size = values.shape
    places = (lengths[:, None] - 1 - torch.arange(width, device=values.device)).clamp(min=0)
    places = places + torch.arange(0, batch * width, width, device=values.device)[:, None]
    # Rows of a flat tensor: gather would take its index number by number.
    return values.reshape(batch * width, size).index_select(0, places.reshape(-1)).reshape(values.shape)
