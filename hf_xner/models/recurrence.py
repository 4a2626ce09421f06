"""An LSTM's recurrence without padding, with its gradient written out, for training on CPUs.

Products with the inputs are one matrix product for all words and both directions (`JoinedLinear`); what is left is a
small product a step (`Recurrence`). Rows are sorted by length and packed by step, as torch packs sequences: row r of
step t is the t-th element of the r-th longest row, so that a step costs only what goes on. torch's fused kernel
computes padding, both directions apart and the gradient of inputs that need none; hf_xner trains with it elsewhere.

This file travels with saved models, so it imports only torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Packing(NamedTuple):
    """Where the N elements of B rows stand when packed by step.

    Attributes:
        sizes: Rows that go on at each step, falling.
        places: (N,), where each packed element stands in the padded rows laid end to end.
        turned: (N,), the packed element that stands there when every row is read from its end; its own inverse.
        ends: (B,), the packed element at the end of each row.
    """

    sizes: list[int]
    places: Tensor
    turned: Tensor
    ends: Tensor


def pack(lengths: Tensor, width: int) -> Packing:
    """The packing of rows padded to a width.

    Args:
        lengths: (B,) int64, elements of each row, at least one.
        width: Elements of a row with its padding.
    """
    falling, rows = lengths.sort(descending=True, stable=True)
    active = torch.arange(int(falling[0]), device=lengths.device).unsqueeze(1) < falling
    sizes = active.sum(dim=1)
    begins = sizes.cumsum(0) - sizes
    step, rank = active.nonzero().unbind(1)
    ends = torch.empty_like(lengths)
    ends[rows] = begins[falling - 1] + torch.arange(len(lengths), device=lengths.device)
    return Packing(sizes.tolist(), rows[rank] * width + step, begins[falling[rank] - 1 - step] + rank, ends)


class JoinedLinear(torch.autograd.Function):
    """A linear layer on parts of an input side by side, (N, outputs). Not differentiable twice.

    Takes weight (outputs, inputs), bias (outputs,) and parts (N, their width); one that needs no gradient costs none.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *parts: Tensor) -> Tensor:
        """Weight times input, plus bias."""
        joined = torch.cat(parts, dim=1)
        ctx.save_for_backward(weight, joined)
        ctx.widths = [part.shape[1] for part in parts]
        return torch.addmm(bias, joined, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Of weight, bias and parts."""
        weight, joined = ctx.saved_tensors
        columns = weight.split(ctx.widths, dim=1)
        parts = [
            grad @ part if needed else None for part, needed in zip(columns, ctx.needs_input_grad[2:], strict=True)
        ]
        return grad.T @ joined, grad.sum(dim=0), *parts


class Recurrence(torch.autograd.Function):
    """States of D directions at N packed elements, (D, N, h). Not differentiable twice.

    Takes what the inputs give to the gates, (D, N, 4h) in torch's order (input, forget, cell, output), the states'
    weights (D, 4h, h), and the packing's sizes.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
        """From the first step to the last."""
        gates = gates.to(weight.dtype, copy=True)
        cells, bounded, states = (gates.new_empty(*gates.shape[:2], weight.shape[2]) for _ in range(3))
        transposed = [direction.T for direction in weight]
        kept = (gates, *gates.chunk(4, 2), cells, bounded, states)
        steps = zip(*(values.split(sizes, 1) for values in kept), strict=True)
        before: tuple[tuple[Tensor, ...], Tensor] | None = None
        for (gate, i, f, g, o, cell, tanh, state), gate_apart, state_apart in zip(
            steps, _apart(gates, sizes), _apart(states, sizes), strict=True
        ):
            if before is not None:
                for part, state_before, direction in zip(gate_apart, before[0], transposed, strict=True):
                    part.addmm_(state_before[: len(part)], direction)
            candidate = g.tanh()
            gate.sigmoid_()  # of all four, for it is one block of memory
            g.copy_(candidate)
            torch.mul(i, candidate, out=cell)
            if before is not None:
                cell.addcmul_(f, before[1][:, : cell.shape[1]])
            torch.tanh(cell, out=tanh)
            torch.mul(o, tanh, out=state)
            before = state_apart, cell
        ctx.save_for_backward(gates, cells, bounded, states, weight)
        ctx.sizes = sizes
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """From the last step to the first: of gates before their activation, and of the states' weights."""
        gates, cells, bounded, states, weight = ctx.saved_tensors
        sizes = ctx.sizes
        slopes = _slopes(gates, cells, bounded, sizes)
        grad_states, grad_gates = grad.to(weight.dtype, copy=True), torch.empty_like(gates)
        by_gate = grad_gates.unflatten(2, (4, -1))
        kept = (grad_states, *slopes, gates.chunk(4, 2)[1], by_gate[:, :, :3], by_gate[:, :, 3])
        steps = zip(*(values.split(sizes, 1) for values in kept), strict=True)
        every = list(zip(steps, _apart(grad_states, sizes), _apart(grad_gates, sizes), strict=True))
        after: tuple[tuple[Tensor, ...], Tensor, Tensor] | None = None
        for (state, cell_slope, inner_slopes, output_slope, f, inner, output), state_apart, gate_apart in reversed(
            every
        ):
            if after is not None:
                for part, gate_after, direction in zip(state_apart, after[0], weight, strict=True):
                    part[: len(gate_after)].addmm_(gate_after, direction)
            cell = state * cell_slope
            if after is not None:
                cell[:, : after[1].shape[1]].addcmul_(after[1], after[2])
            torch.mul(cell.unsqueeze(2), inner_slopes, out=inner)
            torch.mul(state, output_slope, out=output)
            after = gate_apart, cell, f
        befores = _one_step_before(states, sizes)
        grad_weight = [direction.T @ before for direction, before in zip(grad_gates, befores, strict=True)]
        return grad_gates, torch.stack(grad_weight), None


def _apart(values: Tensor, sizes: list[int]) -> Iterator[tuple[Tensor, ...]]:
    """For each step the rows of every direction; small products of one matrix each are faster than batched ones."""
    return zip(*(direction.split(sizes) for direction in values), strict=True)


def _slopes(gates: Tensor, cells: Tensor, bounded: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """What gradients are multiplied by on their way back, for all steps at once.

    Returns:
        From a state to its cell, (D, N, h); from a cell to its input, forget and cell gate, (D, N, 3, h); and from a
        state to its output gate, (D, N, h).
    """
    i, _, g, o = gates.chunk(4, 2)
    slopes = torch.addcmul(gates, gates, gates, value=-1.0)  # s (1 - s) of sigmoids
    to_input, to_forget, to_cell, to_output = slopes.chunk(4, 2)
    to_input.mul_(g)
    to_forget.mul_(_one_step_before(cells, sizes))
    to_cell.copy_(i - i * g * g)
    to_output.mul_(bounded)
    return o - o * bounded * bounded, slopes.unflatten(2, (4, -1))[:, :, :3], to_output


def _one_step_before(values: Tensor, sizes: list[int]) -> Tensor:
    """What stood in the same row one step before, (D, N, h); zero at the first."""
    first = values.new_zeros(len(values), sizes[0], values.shape[2])
    parts = zip(values.split(sizes, 1), sizes[1:], strict=False)
    return torch.cat([first, *(part[:, :size] for part, size in parts)], dim=1)
