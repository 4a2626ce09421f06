"""The forward-backward algorithm of a linear chain (Rabiner, 1989), batched, with its gradient written out.

Probabilities are rescaled at every word and kept in float64, so that a word costs one small matrix product each way
and long sentences lose no digits. Scores more than 300 below the best of their word, or below the best transition,
count as 300 below: e^-300 of something is nothing, and nothing here may become 0. Apple's GPUs have no float64: there
it is float32, and 40.

This file travels with saved models, so it imports only torch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

DOUBLE, SINGLE = (torch.float64, -300.0), (torch.float32, -40.0)


class Chain(NamedTuple):
    """Rescaled forward probabilities of B sentences of W words and C tags.

    Attributes:
        forward: (W, B, C), of a tag given the words up to its own; sums to 1. At padding those of the last word.
        norms: (W, B, 1), what each word's were divided by; 1 at padding.
        factors: (W, B, C), exp(emission), the best of a word 1.
        passes: (C, C), exp(transition), the best one 1.
        log_z: (B,), log of the sum over all tag sequences of exp(score).
    """

    forward: Tensor
    norms: Tensor
    factors: Tensor
    passes: Tensor
    log_z: Tensor


def precision_on(device: torch.device) -> tuple[torch.dtype, float]:
    """What a device computes in, and what a score is at least."""
    return SINGLE if device.type == "mps" else DOUBLE


def run_forward(emissions: Tensor, transitions: Tensor, mask: Tensor) -> Chain:
    """From the first word to the last.

    Args:
        emissions: (B, W, C).
        transitions: (C, C), a column's tag after a row's.
        mask: (B, W) bool, True at words, which come first.
    """
    dtype, least = precision_on(emissions.device)
    scores, words = emissions.to(dtype).transpose(0, 1), mask.T.unsqueeze(2)
    best, best_pass = scores.amax(dim=2, keepdim=True), transitions.to(dtype).max()
    factors = (scores - best).clamp(min=least).exp()
    passes = (transitions.to(dtype) - best_pass).clamp(min=least).exp()
    forward, norms = torch.empty_like(factors), torch.empty_like(best)
    before: Tensor | None = None
    for values, norm, factor, is_word, ends in zip(forward, norms, factors, words, _ends(mask), strict=True):
        raw = factor if before is None else (before @ passes).mul_(factor)
        torch.sum(raw, dim=1, keepdim=True, out=norm)
        torch.div(raw, norm, out=values)
        if before is not None and ends:
            torch.where(is_word, values, before, out=values)
        before = values
    norms.masked_fill_(~words, 1.0)
    log_z = norms.log().sum(dim=0) + best.masked_fill(~words, 0.0).sum(dim=0)
    return Chain(forward, norms, factors, passes, log_z.squeeze(1) + best_pass * (mask.sum(dim=1) - 1))


def run_backward(chain: Chain, mask: Tensor) -> tuple[Tensor, Tensor]:
    """From the last word to the first.

    Returns:
        (W, B, C): what a word's forward probabilities are multiplied by to become marginals; and (W - 1, B, C): what
        pairs of a word and the next one are multiplied by at the second one's tag, 0 at padding.
    """
    words = mask.T.unsqueeze(2)
    weights = chain.factors / chain.norms * words
    following = torch.empty_like(weights)
    following[-1] = 1.0
    turned = chain.passes.T
    steps = list(zip(following[:-1], following[1:], weights[1:], words[1:], _ends(mask)[1:], strict=True))
    for before, after, weight, is_word, ends in reversed(steps):
        weight.mul_(after)
        torch.matmul(weight, turned, out=before)
        if ends:
            torch.where(is_word, before, after, out=before)
    return following, weights[1:]


def _ends(mask: Tensor) -> list[bool]:
    """For each word whether a sentence has ended before it."""
    ended: list[bool] = (~mask.all(dim=0)).tolist()
    return ended


class LogPartition(torch.autograd.Function):
    """log Z of B sentences, (B,); its gradient is the marginals of tags and of pairs. Not differentiable twice.

    Takes emissions (B, W, C), transitions (C, C) and mask (B, W).
    """

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, transitions: Tensor, mask: Tensor) -> Tensor:
        """The forward pass."""
        chain = run_forward(emissions, transitions, mask)
        ctx.save_for_backward(*chain, mask)
        ctx.dtype = emissions.dtype
        return chain.log_z.to(emissions.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """The backward pass, weighted by the sentences' gradients."""
        *saved, mask = ctx.saved_tensors
        chain = Chain(*saved)
        following, pair_weights = run_backward(chain, mask)
        weight = grad.to(chain.norms.dtype).unsqueeze(1)
        marginals = chain.forward * following * (mask.T.unsqueeze(2) * weight)
        pairs = torch.einsum("wbi,wbj->ij", chain.forward[:-1] * weight, pair_weights) * chain.passes
        return marginals.transpose(0, 1).to(ctx.dtype), pairs.to(ctx.dtype), None
