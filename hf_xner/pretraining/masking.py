"""Dynamic whole-word masking."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_xner.pretraining.tokenizer import MASK, SPECIAL_TOKENS

IGNORE = -100
KEPT, RANDOM = 0.1, 0.1  # of the chosen sub-words: left as they are, replaced by a random sub-word; the rest masked


def mask_rows(ids: Any, labels: Any, continuation: Any, *, rate: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Choose words, hide them and ask for them.

    Args:
        ids: Sub-words (B, L), int64. Special tokens are never chosen.
        labels: (B, L), int64, `IGNORE` except where a label is already set; such words are not chosen.
        continuation: Bool (V,): sub-words that continue a word.
        rate: Probability with which a word is chosen.
        rng: Source of randomness.

    Returns:
        New ids and labels (B, L).
    """
    starts = ~continuation[ids]
    starts[:, 0] = True
    word = np.cumsum(starts.ravel()) - 1
    taken = ((ids < len(SPECIAL_TOKENS)) | (labels != IGNORE)).ravel()
    chosen_words = rng.random(int(word[-1]) + 1) < rate
    chosen_words[word[taken]] = False
    chosen = chosen_words[word].reshape(ids.shape)
    labels = np.where(chosen, ids, labels)
    draw = rng.random(ids.shape)
    hidden = np.where(chosen & (draw >= KEPT + RANDOM), MASK, ids)
    noise = rng.integers(len(SPECIAL_TOKENS), len(continuation), ids.shape)
    return np.where(chosen & (draw < RANDOM), noise, hidden), labels
