"""Sentences that train the BiLSTM-CRF: which are short enough, their tags, and batches of like length."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from datasets import Dataset

from hf_xner.data.sampling import LengthBucketSampler
from hf_xner.data.word_rows import WordRows
from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import gold_tags
from hf_xner.labels import convert_tags, entity_types
from hf_xner.models.word_features import WordFeatureExtractor

logger = logging.getLogger("hf_xner")


class LabelledSentences:
    """Sentences that train, with tags in the scheme that is learnt."""

    def __init__(
        self,
        extractor: WordFeatureExtractor,
        sentences: Dataset,
        tags: Sequence[str],
        scheme: str,
        longest: int,
        language: str,
    ) -> None:
        words, gold = sentences["tokens"][:], gold_tags(sentences)
        kept = _short_enough(words, longest, language)
        ids = {tag: index for index, tag in enumerate(tags)}
        self.tags = [_tag_ids(convert_tags(gold[row], "iob2", scheme), ids) for row in kept]
        self.rows = WordRows(extractor, [words[row] for row in kept], language=language)


def _tag_ids(tags: Sequence[str], ids: dict[str, int]) -> np.ndarray:
    unknown = sorted(set(tags) - ids.keys())
    if unknown:
        raise InputError(
            f"the corpus has the tag {unknown[0]}, which the tagger does not know",
            remedy=f"rename types with --label_map; it knows {', '.join(entity_types(ids))}",
        )
    return np.array([ids[tag] for tag in tags], dtype=np.int64)


def read_text(extractor: WordFeatureExtractor, text: Dataset, longest: int) -> WordRows:
    words = text["tokens"][:]
    return WordRows(extractor, [words[row] for row in _short_enough(words, longest, "target")], language="target")


def check_lengths(sentences: Dataset, longest: int, language: str) -> np.ndarray:
    """Words of each of the sentences that train.

    Args:
        sentences: `tokens`.
        longest: Longer sentences do not train.
        language: "source" or "target", for the message.

    Raises:
        InputError: There is none.
    """
    words = sentences["tokens"][:]
    return np.array([len(words[row]) for row in _kept(words, longest, language)], dtype=np.int64)


def _kept(sentences: Sequence[Sequence[str]], longest: int, language: str) -> list[int]:
    """Numbers of the sentences that have words, but not too many."""
    kept = [row for row, words in enumerate(sentences) if 0 < len(words) <= longest]
    if not kept:
        raise InputError(
            f"none of the {len(sentences)} {language} sentences has between 1 and {longest} words",
            where="--longest_sentence",
            remedy="raise it, or split the sentences",
        )
    return kept


def _short_enough(sentences: Sequence[Sequence[str]], longest: int, language: str) -> list[int]:
    """As `_kept`; says how many are too long."""
    kept = _kept(sentences, longest, language)
    too_long = sum(len(words) > longest for words in sentences)
    if too_long:
        logger.info("%d %s sentences of more than %d words do not train", too_long, language, longest)
    return kept


class SentenceStream:
    """Batches of sentences of like length with their tags, epoch after epoch; a function of the seed alone."""

    def __init__(self, rows: WordRows, tags: Sequence[np.ndarray], batch_size: int, seed: int) -> None:
        self.rows = rows
        self.tags = tags
        self._size = batch_size
        self._sampler = LengthBucketSampler(rows.lengths, batch_size, seed)
        self._epoch: int | None = None
        self._batches: list[list[int]] = []

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self._size)

    def batch(self, epoch: int, step: int) -> list[int]:
        """Rows of one batch."""
        if epoch != self._epoch:
            self._sampler.set_epoch(epoch)
            order = list(self._sampler)
            self._batches = [order[begin : begin + self._size] for begin in range(0, len(order), self._size)]
            self._epoch = epoch
        return self._batches[step]
