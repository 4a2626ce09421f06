"""Constrained decoding: the most probable tag sequence among the allowed ones (Viterbi, 1967).

Nothing is learned here. A transition is either allowed (weight 0) or impossible (weight minus infinity), as in
UniTrans (Wu et al., IJCAI 2020), whose published decoder constrains transitions but not the first word: leave
``start_allowed`` and ``end_allowed`` out to get that behaviour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# A tag of probability zero (minus infinity) stays possible at this price, so that constraints outrank any
# probability and a path always exists; log-probabilities of real models are far above it.
LOWEST_LOG_PROBABILITY = -1e4


class Constraints(NamedTuple):
    """Which of C tags may follow one another, stand first and stand last.

    Attributes:
        step_allowed: (C, C) bool, from row to column.
        start_allowed: (C,) bool, or None for no constraint.
        end_allowed: (C,) bool, or None for no constraint.
    """

    step_allowed: Tensor
    start_allowed: Tensor | None
    end_allowed: Tensor | None


def build_constraints(
    step: Sequence[Sequence[bool | int]],
    start: Sequence[bool | int] | None = None,
    end: Sequence[bool | int] | None = None,
    *,
    device: torch.device | str | None = None,
) -> Constraints:
    """Build the tensors that :func:`viterbi_decode` takes from the nested lists that a configuration holds.

    Args:
        step: C rows of C truth values (or 0 and 1): column may follow row.
        start: C truth values: the tag may stand first. None for no constraint.
        end: C truth values: the tag may stand last. None for no constraint.
        device: Where the tensors are to live.

    Returns:
        The tensors.

    Raises:
        ValueError: The lists do not fit together.
    """
    n_tags = len(step)
    rows = [*step, *(row for row in (start, end) if row is not None)]
    if not n_tags or any(len(row) != n_tags for row in rows):
        raise ValueError(
            f"expected {n_tags} rows and columns of allowed transitions, found lengths {[len(row) for row in rows]}"
        )

    def as_bool(values: Sequence) -> Tensor:
        return torch.tensor(values, dtype=torch.bool, device=device)

    return Constraints(
        step_allowed=as_bool([list(row) for row in step]),
        start_allowed=None if start is None else as_bool(list(start)),
        end_allowed=None if end is None else as_bool(list(end)),
    )


@torch.no_grad()
def viterbi_decode(
    log_probs: Tensor,
    mask: Tensor,
    step_allowed: Tensor,
    start_allowed: Tensor | None = None,
    end_allowed: Tensor | None = None,
) -> Tensor:
    """Find the most probable allowed tag sequence of each sentence.

    Args:
        log_probs: (B, W, C), log-probabilities of C tags for W words of B sentences. Logits give the same answer.
        mask: (B, W) bool, True at words, which come first in their row; False at padding.
        step_allowed: (C, C) bool, column may follow row.
        start_allowed: (C,) bool, may stand first; None for no constraint.
        end_allowed: (C,) bool, may stand last; None for no constraint.

    Returns:
        (B, W) int64: tag indices, -1 at padding.

    Raises:
        ValueError: Shapes do not fit, a row of the mask has a gap, or the constraints leave a sentence no sequence.
    """
    mask = mask.bool()
    _check_shapes(log_probs, mask, step_allowed, start_allowed, end_allowed)
    emissions = log_probs.to(torch.float64 if log_probs.dtype == torch.float64 else torch.float32)
    emissions = emissions.clamp(min=LOWEST_LOG_PROBABILITY)
    start, end = (None if part is None else _penalty(part, emissions) for part in (start_allowed, end_allowed))
    tags, best = best_sequences(emissions, mask, _penalty(step_allowed, emissions), start, end)
    _check_feasible(best, mask)
    return tags


@torch.no_grad()
def best_sequences(
    emissions: Tensor, mask: Tensor, step: Tensor, start: Tensor | None = None, end: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Find the tag sequence of the highest score: emissions plus weights of transitions, start and end.

    Args:
        emissions: (B, W, C), scores of C tags for W words of B sentences.
        mask: (B, W) bool, True at words, which come first in their row.
        step: (C, C), weights of transitions from row to column; minus infinity where impossible.
        start: (C,), weights of first tags; None for none.
        end: (C,), weights of last tags; None for none.

    Returns:
        (B, W) int64, tag indices, -1 at padding; and (B,), minus infinity where no sequence is possible. Other values
        of the latter are the score up to a constant of the sentence.
    """
    batch, n_words, n_tags = emissions.shape
    if batch == 0 or n_words == 0:
        empty = torch.full((batch, n_words), -1, dtype=torch.long, device=emissions.device)
        return empty, emissions.new_zeros(batch)
    score = emissions[:, 0] if start is None else emissions[:, 0] + start
    stay = torch.arange(n_tags, device=score.device).expand(batch, n_tags)
    back_pointers = []
    for word in range(1, n_words):
        best, pointer = (score.unsqueeze(2) + step).max(dim=1)
        # Only differences within a sentence matter; kept near zero, long sentences lose no digits.
        best = best + emissions[:, word]
        best = best - best.amax(dim=1, keepdim=True).clamp(min=torch.finfo(best.dtype).min)
        inside = mask[:, word].unsqueeze(1)
        score = torch.where(inside, best, score)
        back_pointers.append(torch.where(inside, pointer, stay))
    best, tag = (score if end is None else score + end).max(dim=1)
    return _trace_back(tag, back_pointers).masked_fill(~mask, -1), best


def _trace_back(last_tag: Tensor, back_pointers: list[Tensor]) -> Tensor:
    """Follow the pointers from each sentence's last tag, through padding (which points to itself), to its first."""
    tag = last_tag
    tags = [tag]
    for pointer in reversed(back_pointers):
        tag = pointer.gather(1, tag.unsqueeze(1)).squeeze(1)
        tags.append(tag)
    return torch.stack(tags[::-1], dim=1)


def _penalty(allowed: Tensor, like: Tensor) -> Tensor:
    """Weights of transitions: 0 where allowed, minus infinity elsewhere."""
    allowed = allowed.to(device=like.device, dtype=torch.bool)
    return torch.zeros(allowed.shape, dtype=like.dtype, device=like.device).masked_fill(~allowed, -torch.inf)


def _check_shapes(
    log_probs: Tensor, mask: Tensor, step_allowed: Tensor, start_allowed: Tensor | None, end_allowed: Tensor | None
) -> None:
    if log_probs.dim() != 3 or mask.shape != log_probs.shape[:2]:
        raise ValueError(
            f"expected log_probs (B, W, C) and mask (B, W), found {tuple(log_probs.shape)} and {tuple(mask.shape)}"
        )
    n_tags = log_probs.shape[2]
    expected = {"step_allowed": (n_tags, n_tags), "start_allowed": (n_tags,), "end_allowed": (n_tags,)}
    for name, tensor in (
        ("step_allowed", step_allowed),
        ("start_allowed", start_allowed),
        ("end_allowed", end_allowed),
    ):
        if tensor is not None and tuple(tensor.shape) != expected[name]:
            raise ValueError(f"expected {name} of shape {expected[name]}, found {tuple(tensor.shape)}")
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError("mask has a gap: the words of a sentence must come first in its row, padding after them")


def _check_feasible(best: Tensor, mask: Tensor) -> None:
    stuck = torch.isneginf(best) & mask.any(dim=1)
    if stuck.any():
        row = int(stuck.nonzero()[0])
        raise ValueError(
            f"the constraints allow no tag sequence of {int(mask[row].sum())} words (row {row} of the batch)"
        )
