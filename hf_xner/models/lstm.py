"""A bidirectional LSTM with one bias vector a gate, whose directions may share their weights.

`torch.nn.LSTM` has two bias vectors, which the published number of weights of Bari et al. (AAAI 2020) has not, and no
shared directions.

This file travels with saved models, so it imports only torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
        """States (B, W, h) from the left to the right of inputs (B, W, n)."""
        start = inputs.new_zeros(1, len(inputs), self.n_hidden)
        # torch's kernel wants its second bias too.
        weights = [self.weight_input, self.weight_hidden, self.bias, torch.zeros_like(self.bias)]
        return torch.lstm(inputs, (start, start), weights, True, 1, 0.0, self.training, False, True)[0]


class BiLstm(nn.Module):
    """Reads sentences from both ends; what stands at padding changes nothing.

    The backward direction reads the words in reverse order, padding last again. On CPUs that is about twice as fast as
    packed sequences, which bypass the fused kernel.

    Args:
        n_inputs: Width of the input.
        n_hidden: Width of one direction's state, h.
        tied: Use one set of weights for both directions (Cross-Shared).
    """

    def __init__(self, n_inputs: int, n_hidden: int, *, tied: bool = False) -> None:
        super().__init__()
        self.forward_weights = LstmWeights(n_inputs, n_hidden)
        self.backward_weights = None if tied else LstmWeights(n_inputs, n_hidden)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """States of both directions, (B, W, 2h), forward first; undefined at padding.

        Args:
            inputs: (B, W, n).
            lengths: (B,) int64, words of each row.
        """
        turned = _reverse(inputs, lengths)
        if self.backward_weights is None:
            states, turned_states = self.forward_weights.run(torch.cat([inputs, turned])).chunk(2)
        else:
            states, turned_states = self.forward_weights.run(inputs), self.backward_weights.run(turned)
        return torch.cat([states, _reverse(turned_states, lengths)], dim=2)

    def summarise(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Last state of each direction, (B, 2h), of rows that have at least one element.

        Args:
            inputs: (B, W, n).
            lengths: (B,) int64.
        """
        states = self(inputs, lengths)
        forward, backward = states.chunk(2, dim=2)
        last = (lengths - 1)[:, None, None].expand(-1, 1, forward.shape[2])
        return torch.cat([forward.gather(1, last)[:, 0], backward[:, 0]], dim=1)


def _reverse(values: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths` elements of each row (B, W, n) in reverse order; the rest repeats the first element."""
    batch, width, size = values.shape
    places = (lengths[:, None] - 1 - torch.arange(width, device=values.device)).clamp(min=0)
    places = places + torch.arange(0, batch * width, width, device=values.device)[:, None]
    # Rows of a flat tensor: gather would take its index number by number.
    return values.reshape(batch * width, size).index_select(0, places.reshape(-1)).reshape(values.shape)
