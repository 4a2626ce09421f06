"""Data for the training benchmarks: a corpus' unlabelled sentences, encoded, with a random teacher's soft labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from hf_xner.data import load_corpus, unlabelled
from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.data.rows import RowCollator, TrainingRows, read_soft_labels, write_encoded, write_soft_labels
from hf_xner.data.sampling import POOL, LengthBucketSampler
from hf_xner.errors import InputError

TAGS = ["O", *(f"{prefix}-{kind}" for kind in ("LOC", "MISC", "ORG", "PER") for prefix in "BI")]
REAL_CORPORA = ("conll2002:es", "conll2002:nl")
BUILT_IN_CORPUS = "sample:es"


def corpora_at_hand(data_dir: str | None) -> list[str]:
    """The real corpora that are there, or else the built-in one."""
    found = []
    for spec in REAL_CORPORA:
        try:
            load_corpus(spec, data_dir=data_dir)
        except InputError:
            continue
        found.append(spec)
    return found or [BUILT_IN_CORPUS]


def source_of(spec: str) -> str:
    """The English corpus that goes with a target."""
    return "sample:en" if spec.startswith("sample:") else "conll2003:en"


def target_text(spec: str, data_dir: str | None) -> Dataset:
    """The unlabelled training sentences of a corpus."""
    return unlabelled(load_corpus(spec, data_dir=data_dir)["train"])


def random_soft_labels(counts: Iterable[int], n_tags: int, seed: int = 0) -> Iterator[np.ndarray]:
    """A peaked random distribution over tags for every word: arrays (n_words, C), one for each of `counts`."""
    random = np.random.default_rng(seed)
    for count in counts:
        yield random.dirichlet(np.full(n_tags, 0.1), size=count).astype(np.float32)


def write_rows(text: Dataset, tokenizer: Any, model_config: Any, folder: Path, max_length: int) -> TrainingRows:
    """What a student's training reads, on disk in `folder`: windows, and soft labels in float16, memory-mapped."""
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, model_config, max_length), truncate=True)
    encoded = write_encoded(text, encoder, folder / "encoded.arrow")
    counts = (len(tokens) for batch in text.iter(1000) for tokens in batch["tokens"])
    write_soft_labels(random_soft_labels(counts, len(TAGS)), folder / "soft_labels-00000.arrow")
    return TrainingRows(encoded, soft_labels=(read_soft_labels(folder), len(TAGS)))


class ChosenRows(TrainingRows):
    """Some of the rows, still read from the same memory-mapped files."""

    def __init__(self, rows: TrainingRows, chosen: np.ndarray) -> None:
        self._rows = rows
        self._chosen = chosen
        self.lengths = rows.lengths[chosen]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        return self._rows[int(self._chosen[index])]


@dataclass(frozen=True)
class Block:
    """The sentences of one measurement, the same for every way of training.

    Attributes:
        chosen: Indices of the rows, shape (sentences,): batch after batch, as hf_xner's sampler forms them.
        batches: The collated batches.
        subwords: Real sub-words.
    """

    chosen: np.ndarray
    batches: list[dict[str, torch.Tensor]]
    subwords: int

    @property
    def positions(self) -> int:
        """Positions of hf_xner's batches, padding included."""
        return sum(batch["input_ids"].numel() for batch in self.batches)


def choose_block(rows: TrainingRows, batch_size: int, steps: int, seed: int, pad_id: int) -> Block:
    """Take `steps` batches of an epoch, evenly over all lengths.

    The batches are those of the sampler's first pool, so that their padding is that of a whole epoch. Trained on these
    rows alone, the sampler forms the same batches again, since no two of them overlap in length.

    Raises:
        InputError: The corpus has fewer batches.
    """
    pool = list(LengthBucketSampler(rows.lengths, batch_size, seed))[: POOL * batch_size]
    whole = len(pool) // batch_size
    if whole < steps:
        raise InputError(f"{len(rows)} sentences make {whole} batches of {batch_size}", remedy="lower --steps")
    batches = np.asarray(pool[: whole * batch_size]).reshape(whole, batch_size)
    batches = batches[np.argsort(rows.lengths[batches].max(axis=1), kind="stable")]
    offset = np.random.default_rng(seed).random()
    chosen = batches[((np.arange(steps) + offset) * whole / steps).astype(int)]
    collate = RowCollator(pad_id)
    return Block(
        chosen=chosen.ravel(),
        batches=[collate([rows[int(index)] for index in batch]) for batch in chosen],
        subwords=int(rows.lengths[chosen].sum()),
    )
