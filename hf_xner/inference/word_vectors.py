"""Word vectors in context: an encoder's last hidden state at the first sub-word of each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.inference.batches import batches_by_size
from hf_xner.inference.probabilities import run_rows


def word_vectors(
    model: Any, tokenizer: Any, sentences: Sequence[Sequence[str]], *, batch_subwords: int = 4096
) -> list[np.ndarray]:
    """The vector of every word of some sentences, dropout off; long sentences are windowed.

    Args:
        model: A tagger; its encoder alone is run.
        tokenizer: Its fast tokenizer.
        sentences: Sentences of words, few enough for their vectors to fit into memory.
        batch_subwords: Sub-words, padding included, in one batch.

    Returns:
        Arrays (n_words, H), float32; NaN for a word without a sub-word.
    """
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, model.config))
    windows = [(row, window) for row, pieces in enumerate(encoder.encode(sentences)) for window in pieces]
    windows.sort(key=lambda item: len(item[1].input_ids), reverse=True)
    results: list[np.ndarray] = []
    for span in batches_by_size([len(window.input_ids) for _, window in windows], batch_subwords):
        items = [windows[place] for place in span]
        rows = [window.input_ids for _, window in items]
        states = run_rows(model.base_model, rows, tokenizer.pad_token_id or 0, read=_states).cpu().numpy()
        if not results:
            results = [np.full((len(words), states.shape[-1]), np.nan, dtype=np.float32) for words in sentences]
        for state, (row, window) in zip(states, items, strict=True):
            positions = np.asarray(window.positions, dtype=np.int64)
            kept = positions >= 0
            results[row][window.first_word + np.flatnonzero(kept)] = state[positions[kept]]
    return results


def _states(outputs: Any) -> torch.Tensor:
    return outputs.last_hidden_state
