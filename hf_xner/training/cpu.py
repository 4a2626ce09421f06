"""Training on CPUs: attention and dropout without the parts that torch is slow at there.

torch draws dropout masks on a CPU by one Bernoulli call a number, and leaves its fused attention as soon as there is
dropout in it; with short rows the two take a third of a training step. Here a mask takes 16 random bits a number (keep
rates are exact to 1/65,536) and attention is four plain operations. The mathematics is the models' own.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

ATTENTION = "hf_xner_cpu"
_BITS = 16


def dropout(x: torch.Tensor, p: float, training: bool = True) -> torch.Tensor:
    """`torch.nn.functional.dropout`, drawn from torch's CPU generator 16 bits a number.

    Args:
        x: Any shape.
        p: Probability that a number is dropped; it is rounded to a multiple of 1/65,536, and so is the scale.
        training: Off, x comes back as it is.
    """
    dropped = round(p * 2**_BITS)
    if not training or not dropped:
        return x
    if dropped >= 2**_BITS:
        return x * 0
    lanes = 64 // _BITS
    bits = torch.empty(-(-x.numel() // lanes), dtype=torch.int64)
    bits.random_(torch.iinfo(torch.int64).min, None)  # all 64 bits
    drawn = bits.view(torch.int16)[: x.numel()].view(x.shape)
    scale = 1 / (1 - dropped / 2**_BITS)
    return x * (drawn >= dropped - 2 ** (_BITS - 1)).to(x.dtype).mul_(scale)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` with the masks of `dropout`."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drop, in training."""
        return dropout(x, self.p, self.training)


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    position_bias: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention, as transformers' own eager form.

    Args:
        module: The attention layer.
        query: (B, heads, L, h).
        key: Likewise, or with fewer heads, each of which serves as many of the query's (grouped-query attention).
        value: Likewise.
        attention_mask: (B, 1, L, L) or broadcastable, added to the scores; None for none.
        scaling: Factor of the scores; by default 1 / sqrt(h).
        dropout: Of the attention weights.
        position_bias: (B, heads, L, L) or broadcastable, added to the scores (T5); None for none.

    Returns:
        (B, L, heads, h), and no weights, as all but eager attention.
    """
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
    scores = query @ key.transpose(2, 3) * (1 / math.sqrt(query.shape[-1]) if scaling is None else scaling)
    if position_bias is not None:
        scores = scores + position_bias
    if attention_mask is not None:
        scores = scores + attention_mask[:, :, :, : key.shape[-2]]
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    mixed = _drop(weights, dropout, module.training) @ value
    return mixed.transpose(1, 2).contiguous(), None


_drop = dropout  # the argument of `attention` has the name that transformers gives it
AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, eager_mask)


def speed_up_on_cpu(model: Any) -> None:
    """Give a model that is to be trained on a CPU the attention and the dropout above; others stay as they are.

    Dropout modules are exchanged in place; attention only where the model lets it be chosen.

    Args:
        model: A transformers model, still on the CPU.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p).train(child.training))
    # "eager" was asked for by somebody; anything else that runs on CPUs is "sdpa".
    if getattr(model.config, "_attn_implementation", None) == "sdpa":
        model.set_attn_implementation(ATTENTION)
