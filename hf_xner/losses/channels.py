"""Losses over the channels of a multi-channel model: one on the main channel, one on the auxiliary ones (MSD).

The auxiliary part is sum_m lambda_m L_m with the model's trained weights; alpha and beta, which weigh it against the
main part, are the caller's. Where nothing keeps the weights positive, this sum is made small by making them negative.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional


class ChannelLosses(NamedTuple):
    """Two parts of one loss.

    Attributes:
        main: Loss of the last channel, a scalar.
        auxiliary: Weighted sum of the losses of the others, a scalar; 0 if there are none.
    """

    main: torch.Tensor
    auxiliary: torch.Tensor


def channel_mse(
    channel_logits: torch.Tensor,
    soft_labels: torch.Tensor,
    weights: torch.Tensor,
    mask: torch.Tensor,
    items: torch.Tensor | int | None = None,
) -> ChannelLosses:
    """Layer by layer, the squared error between the student's and the teacher's probabilities (MSD, Eq. 11 and 12).

    L_m = 1/(N C) sum_i sum_c (softmax(logits_mi)_c - soft_labels_mic)^2.

    Args:
        channel_logits: The student's, main channel last, shape (B, K, L, C).
        soft_labels: The teacher's probabilities of the matching channels, shape (B, K, L, C); only read where `mask`
            is true.
        weights: Of the auxiliary channels, shape (K - 1,).
        mask: Boolean, shape (B, L): true at first sub-words.
        items: Words of the accumulated batch; see `hf_xner.losses.reduction.masked_mean`.

    Returns:
        Both parts, float32.
    """
    probabilities = torch.softmax(channel_logits.float(), dim=-1)
    values = functional.mse_loss(probabilities, soft_labels.float(), reduction="none").mean(dim=-1)
    return _weigh(_mean_per_channel(values, mask, items), weights)


def channel_cross_entropy(
    channel_logits: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
    mask: torch.Tensor,
    items: torch.Tensor | int | None = None,
) -> ChannelLosses:
    """Cross-entropy of every channel against the same tags, to train the teacher (L_main and L_aux of MSD).

    Args:
        channel_logits: Main channel last, shape (B, K, L, C).
        labels: Tag ids, shape (B, L); only read where `mask` is true.
        weights: Of the auxiliary channels, shape (K - 1,).
        mask: Boolean, shape (B, L): true at first sub-words.
        items: Words of the accumulated batch; see `hf_xner.losses.reduction.masked_mean`.

    Returns:
        Both parts, float32, in nats.
    """
    safe = torch.where(mask, labels, torch.zeros_like(labels))
    targets = safe.unsqueeze(1).expand(channel_logits.shape[:3])
    values = functional.cross_entropy(channel_logits.float().permute(0, 3, 1, 2), targets, reduction="none")
    return _weigh(_mean_per_channel(values, mask, items), weights)


def _mean_per_channel(values: torch.Tensor, mask: torch.Tensor, items: torch.Tensor | int | None) -> torch.Tensor:
    """`masked_mean` of each channel's values (B, K, L), shape (K,).

    Channels are summed after masking: otherwise what stands outside the mask would reach the weights' gradient.
    """
    total = torch.where(mask.unsqueeze(1), values, values.new_zeros(())).sum(dim=(0, 2))
    count = mask.sum() if items is None else torch.as_tensor(items, device=values.device)
    return total / count.clamp(min=1)


def _weigh(losses: torch.Tensor, weights: torch.Tensor) -> ChannelLosses:
    return ChannelLosses(main=losses[-1], auxiliary=(weights.float() * losses[:-1]).sum())
