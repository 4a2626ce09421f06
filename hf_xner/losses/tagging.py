"""The supervised loss: cross-entropy at first sub-words."""

from __future__ import annotations

import torch
from torch.nn import functional

from hf_xner.losses.reduction import masked_mean


def tagging_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, items: torch.Tensor | int | None = None
) -> torch.Tensor:
    """L = -(1/N) sum_i log p(y_i): the mean over words of the accumulated batch, in nats.

    Args:
        logits: Shape (B, L, C).
        labels: Tag ids, shape (B, L); only read where `mask` is true.
        mask: Boolean, shape (B, L): true at first sub-words.
        items: Words of the accumulated batch; see `masked_mean`.

    Returns:
        A scalar, float32.
    """
    safe = torch.where(mask, labels, torch.zeros_like(labels))
    values = functional.cross_entropy(logits.float().transpose(1, 2), safe, reduction="none")
    return masked_mean(values, mask, items)
