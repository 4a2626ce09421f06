"""Learning from a teacher's probabilities.

In every system here the distance is the squared error between probabilities after softmax at temperature 1, never
between logits, as a mean over words and over the C tags (TSL, Eq. 2 and 3; UniTrans' L_soft; MSD, Eq. 11).
"""

from __future__ import annotations

import torch
from torch.nn import functional

from hf_xner.losses.reduction import masked_mean


def soft_label_mse(
    logits: torch.Tensor, soft_labels: torch.Tensor, mask: torch.Tensor, items: torch.Tensor | int | None = None
) -> torch.Tensor:
    """L = 1/(N C) sum_i sum_c (softmax(logits_i)_c - soft_labels_ic)^2.

    Args:
        logits: The student's, shape (B, L, C).
        soft_labels: The teacher's probabilities, shape (B, L, C); only read where `mask` is true.
        mask: Boolean, shape (B, L): true at first sub-words.
        items: Words of the accumulated batch; see `masked_mean`.

    Returns:
        A scalar, float32, between 0 and 2/C.
    """
    probabilities = torch.softmax(logits.float(), dim=-1)
    values = functional.mse_loss(probabilities, soft_labels.float(), reduction="none").mean(dim=-1)
    return masked_mean(values, mask, items)


def harden(soft_labels: torch.Tensor) -> torch.Tensor:
    """One-hot vectors of the most probable tag (TSL's hard-label variant HL keeps the squared error), same shape."""
    n_tags = soft_labels.shape[-1]
    return functional.one_hot(soft_labels.argmax(dim=-1), n_tags).to(soft_labels.dtype)
