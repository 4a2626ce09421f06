"""Losses over all rows of a forward batch, whichever process has them.

A mean over words is a sum that every process can take its share of. MMD is none: it compares every row with every
other. So the vectors are gathered, each process computes the same value from all of them, and the gradient flows
through its own rows alone; averaged over processes, that is the gradient of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import PartialState
from accelerate.utils import gather


def gather_rows(sets: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The rows of all processes, in the order of processes; this process's own keep their gradient.

    Args:
        sets: Tensors of one shape (B, H), the same on every process; one exchange serves all of them.

    Returns:
        Tensors of shape (processes x B, H), float32.
    """
    own = torch.stack([vectors.float() for vectors in sets])
    state = PartialState()
    if state.num_processes == 1:
        return list(own)
    parts = list(gather(own.detach().unsqueeze(0).contiguous()))
    parts[state.process_index] = own
    return list(torch.cat(parts, dim=1))


def counted_once(value: torch.Tensor) -> torch.Tensor:
    """Make of a value that every process has computed a share: shares sum to the value, gradients stay whole.

    Args:
        value: A scalar from gathered rows.
    """
    share = 1.0 / PartialState().num_processes
    return value if share == 1.0 else share * value.detach() + (value - value.detach())
