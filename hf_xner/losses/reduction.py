"""Masked means, shared by every loss.

All losses here take a mask, because a padded position, a special token or a continuation sub-word must never count,
and a count of items, because under gradient accumulation the mean runs over the whole accumulated batch.
"""

from __future__ import annotations

import torch


def masked_mean(values: torch.Tensor, mask: torch.Tensor, items: torch.Tensor | int | None = None) -> torch.Tensor:
    """Sum of `values` where `mask` is true, divided by the number of items.

    Args:
        values: Shape (B, L).
        mask: Boolean, shape (B, L): true at first sub-words.
        items: Words in the accumulated batch of all processes; by default the true positions of `mask`. At least 1
            is assumed, so an empty mask gives 0 and not NaN.

    Returns:
        A scalar.
    """
    total = torch.where(mask, values, values.new_zeros(())).sum()
    count = mask.sum() if items is None else torch.as_tensor(items, device=values.device)
    return total / count.clamp(min=1)
