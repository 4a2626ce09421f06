"""Learning which language a sentence is in, from its vector (Wu et al., ACL 2020, section 3.2, Eq. 9 and 10)."""

from __future__ import annotations

import torch
from torch.nn import functional

from hf_xner.losses.reduction import masked_mean

REGULARISERS = ("hidden", "languages")


def identification_loss(
    logits: torch.Tensor,
    languages: torch.Tensor,
    mask: torch.Tensor,
    items: torch.Tensor | int | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean cross-entropy of softmax(s(u, mu_1), …, s(u, mu_K)) against the language that u is in.

    Args:
        logits: The scores s, shape (B, K).
        languages: Number of each sentence's language, shape (B,).
        mask: Boolean, shape (B,): true where a row is a sentence that counts.
        items: Sentences of the accumulated batch; see `masked_mean`.
        weights: A factor for each language, shape (K,), or None for 1.

    Returns:
        A scalar, float32, in nats.
    """
    values = functional.cross_entropy(logits.float(), languages, weight=weights, reduction="none")
    return masked_mean(values, mask, items)


def orthogonality(languages: torch.Tensor, form: str = "hidden") -> torch.Tensor:
    """How far the language embeddings P = [mu_1 … mu_K] are from being orthonormal.

    "hidden": ||P P^T - I||_F^2 over H x H, as in the paper (Eq. 10); it cannot fall below H - K, as P has rank K.
    "languages": ||P^T P - I||_F^2 over K x K, an option of the released program. The two differ by exactly H - K, a
    constant, so they train alike; neither needs the H x H matrix.

    Args:
        languages: The embeddings, shape (K, H).
        form: "hidden" or "languages".

    Returns:
        A scalar, float32.

    Raises:
        ValueError: The form is neither.
    """
    if form not in REGULARISERS:
        raise ValueError(f"unknown form {form!r}: use one of {', '.join(REGULARISERS)}")
    count, width = languages.shape
    with torch.autocast(device_type=languages.device.type, enabled=False):
        full = languages.float()
        penalty = (full @ full.T - torch.eye(count, device=full.device)).square().sum()
    return penalty + (width - count) if form == "hidden" else penalty
