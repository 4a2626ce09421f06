"""Discriminators and the generator against them (TransAdv, section 3.2; AdvPicker, section 3.1).

Two classes, 0 and 1: of a word its language (target 0, source 1), of a sentence its order (shuffled 0, ordered 1). A
discriminator minimises the binary cross-entropy with the true classes, the generator with the classes flipped.

The formulas of the paper are sums over words; its rates are AdvPicker's, which were chosen for the mean over the words
of each class, both added. `denominators` offers both, and the mean over all words.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from hf_xner.losses.reduction import masked_mean

MEANS = ("classes", "all", "sentences")


def discriminator_loss(
    logits: torch.Tensor, classes: torch.Tensor, mask: torch.Tensor, items: torch.Tensor | None = None
) -> torch.Tensor:
    """L_l or L_o: -(1/N_1 sum_{i: y=1} log p_i + 1/N_0 sum_{i: y=0} log (1 - p_i)), p = sigmoid(logits).

    Args:
        logits: Of class 1, shape (B, L) for words or (B,) for sentences.
        classes: 0 or 1, same shape; only read where `mask` is true.
        mask: Boolean, same shape: what has a class and takes part.
        items: N_0 and N_1 of the accumulated batch of all processes, shape (2,); see `denominators`. By default how
            often each class occurs here. At least 1 is assumed, so a class without members adds 0.

    Returns:
        A scalar, float32, in nats.
    """
    return _over_classes(logits, classes, classes, mask, items)


def generator_loss(
    logits: torch.Tensor, classes: torch.Tensor, mask: torch.Tensor, items: torch.Tensor | None = None
) -> torch.Tensor:
    """L_g: as `discriminator_loss`, with the classes flipped; N_c still counts the members of class c.

    Args:
        logits: Of class 1, shape (B, L) for words or (B,) for sentences.
        classes: The true ones, same shape.
        mask: Boolean, same shape.
        items: As for `discriminator_loss`.

    Returns:
        A scalar, float32, in nats.
    """
    return _over_classes(logits, classes, 1 - classes, mask, items)


def _over_classes(
    logits: torch.Tensor,
    classes: torch.Tensor,
    wanted: torch.Tensor,
    mask: torch.Tensor,
    items: torch.Tensor | None,
) -> torch.Tensor:
    values = functional.binary_cross_entropy_with_logits(logits.float(), wanted.float(), reduction="none")
    parts = [
        masked_mean(values, mask & (classes == number), None if items is None else items[number]) for number in (0, 1)
    ]
    return parts[0] + parts[1]


def class_counts(classes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Members of class 0, of class 1, and sentences with any: what `denominators` needs, summed over batches.

    Args:
        classes: 0 or 1, shape (B, L) or (B,).
        mask: Boolean, same shape.

    Returns:
        Shape (3,), int64.
    """
    sentences = mask.any(dim=-1) if mask.dim() > 1 else mask
    return torch.stack([(mask & (classes == 0)).sum(), (mask & (classes == 1)).sum(), sentences.sum()])


def denominators(counts: torch.Tensor, mean: str = "classes") -> torch.Tensor:
    """N_0 and N_1 of the losses, shape (2,).

    Args:
        counts: What `class_counts` gives, summed over everything that makes up one step.
        mean: "classes": each class has its own mean (AdvPicker); "all": one mean over both; "sentences": the paper's
            sum over the words of a sentence, as a mean over sentences.

    Raises:
        ValueError: Another mean.
    """
    if mean == "classes":
        return counts[:2]
    if mean == "all":
        return counts[:2].sum().expand(2)
    if mean == "sentences":
        return counts[2].expand(2)
    raise ValueError(f"mean must be one of {', '.join(MEANS)}, found {mean!r}")


def class_hits(logits: torch.Tensor, classes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What a discriminator gets right: for each class how many, and of how many, shape (2, 2), int64.

    Args:
        logits: Of class 1, shape (B, L) or (B,).
        classes: 0 or 1, same shape.
        mask: Boolean, same shape.
    """
    right = (logits > 0) == (classes == 1)
    members = [mask & (classes == number) for number in (0, 1)]
    return torch.stack([torch.stack([(right & member).sum(), member.sum()]) for member in members])


def balanced_accuracy(hits: torch.Tensor) -> float:
    """Mean over the classes that occur of the share that is right: guessing gives 0.5 however uneven they are.

    Args:
        hits: What `class_hits` gives, summed over batches.

    Returns:
        Between 0 and 1; NaN where nothing was counted.
    """
    right, members = hits[:, 0].double(), hits[:, 1]
    there = members > 0
    return float((right[there] / members[there]).mean())
