"""A linear-chain conditional random field (Lafferty et al., 2001), exact and batched.

A tag sequence scores the sum of its emissions and of the transitions between neighbouring tags. There are no start or
stop states: the published number of weights of Bari et al. (AAAI 2020) leaves no room for them. The libraries that
offer a batched CRF all add them, which is why this one is here.

This file travels with saved models, so it imports only torch and its siblings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .decoding import best_sequences
from .forward_backward import LogPartition, run_backward, run_forward

TINY = 1e-37  # a normal number in float32 too


class LinearChainCrf(nn.Module):
    """Transitions between C tags, and what follows from them and a sentence's emissions.

    In every method `emissions` are (B, W, C) and `mask` is (B, W) bool, True at words, which come first in their row
    and of which every row has at least one.

    Args:
        n_tags: C.

    Attributes:
        transitions: (C, C), the weight of a column's tag after a row's.
    """

    def __init__(self, n_tags: int) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(n_tags, n_tags))

    def negative_log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """-log p(tags | sentence), shape (B,).

        Args:
            emissions: Scores of tags.
            tags: (B, W) int64; what stands at padding does not count.
            mask: True at words.

        Raises:
            ValueError: Shapes do not fit, a row has no word, or a word has no tag (a negative one).
        """
        _check(emissions, mask, self.transitions)
        if tags.shape != mask.shape or bool((tags[mask] < 0).any()):
            raise ValueError("every word needs a tag: tags must be (B, W) and not negative where the mask is true")
        return self.log_partition(emissions, mask) - self.score(emissions, tags, mask)

    def score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Score of one tag sequence a sentence, shape (B,)."""
        tags = tags.masked_fill(~mask, 0)
        emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        passed = self.transitions[tags[:, :-1], tags[:, 1:]]
        return (emitted * mask).sum(dim=1) + (passed * mask[:, 1:]).sum(dim=1)

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log Z: the log of the sum over all tag sequences of exp(score), shape (B,); the forward algorithm."""
        log_z: Tensor = LogPartition.apply(emissions, self.transitions, mask)
        return log_z

    @torch.no_grad()
    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Log-probability of every tag of every word, all other words summed out; forward-backward, (B, W, C).

        At padding all tags are equally probable, so that a softmax is defined everywhere.
        """
        _check(emissions, mask, self.transitions)
        chain = run_forward(emissions, self.transitions, mask)
        marginals = (chain.forward * run_backward(chain, mask)[0]).transpose(0, 1)
        log_marginals = (marginals / marginals.sum(dim=2, keepdim=True)).clamp(min=TINY).log().to(emissions.dtype)
        uniform = -torch.tensor(float(emissions.shape[2]), device=emissions.device, dtype=emissions.dtype).log()
        return torch.where(mask.unsqueeze(2), log_marginals, uniform)

    @torch.no_grad()
    def decode(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The most probable tag sequence of every sentence (Viterbi, 1967): (B, W) int64, -1 at padding."""
        _check(emissions, mask, self.transitions)
        return best_sequences(emissions, mask, self.transitions)[0]


def _check(emissions: Tensor, mask: Tensor, transitions: Tensor) -> None:
    if emissions.dim() != 3 or mask.shape != emissions.shape[:2] or emissions.shape[2] != len(transitions):
        raise ValueError(
            f"expected emissions (B, W, {len(transitions)}) and mask (B, W), found {tuple(emissions.shape)} and "
            f"{tuple(mask.shape)}"
        )
    if mask.dtype != torch.bool or not bool(mask[:, :1].all()) or bool((mask[:, 1:] & ~mask[:, :-1]).any()):
        raise ValueError("mask must be bool, with at least one word first in every row and padding only after words")
