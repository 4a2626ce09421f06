"""Sentences as a word model reads them: every different word looked up and spelt once for a whole corpus."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from hf_xner.models.bilstm_crf import WordBatch
    from hf_xner.models.word_features import WordFeatureExtractor

NO_TAG = -100


class WordRows:
    """The words of a corpus, ready to be put into batches.

    Args:
        extractor: Gives the vectors and characters.
        sentences: Sentences of at least one word.
        language: "source" or "target"; by default the extractor's own.

    Attributes:
        lengths: Words of each sentence, (N,) int64.
        coverage: Share of the running words that have a vector (of the whole corpus, for a subset too).
    """

    def __init__(
        self, extractor: WordFeatureExtractor, sentences: Sequence[Sequence[str]], *, language: str | None = None
    ) -> None:
        place: dict[str, int] = {}
        self._ids = [
            np.array([place.setdefault(word, len(place)) for word in words], dtype=np.int64) for words in sentences
        ]
        words = list(place)
        self.lengths = np.array([len(ids) for ids in self._ids], dtype=np.int64)
        self._vectors, found = extractor.look_up(words, language=language)
        self._spelling = None if extractor.characters is None else extractor.spell(words)
        running = np.concatenate(self._ids) if self._ids else np.zeros(0, dtype=np.int64)
        self.coverage = float(found[running].mean()) if len(running) else 1.0

    def __len__(self) -> int:
        return len(self._ids)

    def subset(self, rows: Sequence[int]) -> WordRows:
        """The sentences of some rows; what was looked up is shared."""
        part = copy(self)
        part._ids = [self._ids[row] for row in rows]
        part.lengths = self.lengths[np.asarray(rows, dtype=np.int64)]
        return part

    def batch(self, rows: Sequence[int], *, device: torch.device | str | None = None) -> WordBatch:
        """The sentences of some rows, padded to their own longest; every different word once.

        Args:
            rows: Numbers of sentences.
            device: Where the tensors are to live.
        """
        from hf_xner.models.bilstm_crf import WordBatch

        ids = [self._ids[row] for row in rows]
        words, places = np.unique(np.concatenate(ids), return_inverse=True)
        lengths = self.lengths[np.asarray(rows)]
        mask = np.arange(lengths.max())[None, :] < lengths[:, None]
        word_ids = np.zeros(mask.shape, dtype=np.int64)
        word_ids[mask] = places
        batch = WordBatch(*(_tensor(array, device) for array in (self._vectors[words], word_ids, mask)))
        if self._spelling is None:
            return batch
        characters, counts = (part[words] for part in self._spelling)
        return replace(
            batch,
            characters=_tensor(np.ascontiguousarray(characters[:, : counts.max()]), device),
            n_characters=_tensor(counts, device),
        )


def _tensor(array: np.ndarray, device: torch.device | str | None) -> torch.Tensor:
    import torch

    return torch.from_numpy(array).to(device)


def pad_tags(
    tags: Sequence[np.ndarray], rows: Sequence[int], *, device: torch.device | str | None = None
) -> torch.Tensor:
    """Tag ids of some rows, (B, W) int64, -100 at padding.

    Args:
        tags: Tag ids of every sentence.
        rows: Numbers of sentences.
        device: Where the tensor is to live.
    """
    chosen = [tags[row] for row in rows]
    padded = np.full((len(chosen), max(map(len, chosen))), NO_TAG, dtype=np.int64)
    for number, array in enumerate(chosen):
        padded[number, : len(array)] = array
    return _tensor(padded, device)
