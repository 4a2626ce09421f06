"""Sentence vectors of several languages as one training set: which language is this sentence in?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from hf_xner.data.paired_rows import VECTORS
from hf_xner.data.rows import RaggedColumn

CHUNK = 4096


class VectorRows(Sequence[dict[str, Any]]):
    """What a Trainer iterates over: a sentence's vector, memory-mapped, and the number of its language.

    Args:
        languages: One Dataset with a column `vectors` (H,) a language.

    Raises:
        ValueError: A language has no sentence, or another width than the first.
    """

    def __init__(self, languages: Sequence[Dataset]) -> None:
        self._columns = [RaggedColumn(dataset, VECTORS) for dataset in languages]
        self.sizes = [len(column) for column in self._columns]
        if not all(self.sizes):
            raise ValueError(f"language {self.sizes.index(0)} has no sentence")
        widths = {len(column[0]) for column in self._columns}
        if len(widths) > 1:
            raise ValueError(f"vectors of several widths: {sorted(widths)}")
        (self.width,) = widths
        self._starts = np.cumsum([0, *self.sizes])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        """A row: `vector` (H,) and `language`."""
        language = int(np.searchsorted(self._starts, index, side="right")) - 1
        return {"vector": self._columns[language][index - int(self._starts[language])], "language": language}

    def means(self) -> np.ndarray:
        """The mean vector of each language, shape (K, H), float32."""
        return np.stack([_mean(column) for column in self._columns])


def _mean(column: RaggedColumn) -> np.ndarray:
    total = np.zeros(len(column[0]))
    for begin in range(0, len(column), CHUNK):
        rows = range(begin, min(begin + CHUNK, len(column)))
        total += np.stack([column[index] for index in rows]).sum(axis=0, dtype=np.float64)
    return (total / len(column)).astype(np.float32)


def collate_vectors(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """`sentence_vectors` (B, H), `languages` (B,), and `word_mask` (B,), true: what the Trainer counts by."""
    return {
        "sentence_vectors": torch.from_numpy(np.stack([row["vector"] for row in rows])),
        "languages": torch.tensor([row["language"] for row in rows], dtype=torch.long),
        "word_mask": torch.ones(len(rows), dtype=torch.bool),
    }
