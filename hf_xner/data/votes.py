"""Voted labels: the tag that several models agree on, word by word (UniTrans, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter

DISAGREED = -1
VOTES_FILE = "votes.arrow"


def vote(probabilities: Sequence[np.ndarray]) -> np.ndarray:
    """The tag that is every model's best, O included; no confidence is asked for, as published.

    Args:
        probabilities: One array (n_words, C) a model, tags in the same order.

    Returns:
        (n_words,) int16: the tag's id, or `DISAGREED`.
    """
    best = np.stack([array.argmax(axis=-1) for array in probabilities])
    return np.where((best == best[0]).all(axis=0), best[0], DISAGREED).astype(np.int16)


def write_votes(votes: Iterator[np.ndarray], folder: Path) -> None:
    """Write votes (n_words,) as a column `votes`, one row a sentence."""
    features = Features({"votes": List(Value("int16"))})
    with ArrowWriter(path=str(folder / VOTES_FILE), features=features, writer_batch_size=2000) as writer:
        for array in votes:
            writer.write({"votes": array})
        writer.finalize()


def read_votes(folder: Path) -> Dataset:
    """What `write_votes` wrote, memory-mapped."""
    return Dataset.from_file(str(folder / VOTES_FILE))
