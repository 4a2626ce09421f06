"""Rows of two languages side by side: each row that is learnt from has a partner, of which only the words are read.

MSD's student learns from target rows, and the [CLS] states of source sentences go with them; the teacher of implicit
transfer learns from source rows, and target sentences go with it. A partner never has tags.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, List, Value, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from torch.utils.data import Sampler

from hf_xner.data.rows import RaggedColumn, RowCollator, TrainingRows
from hf_xner.data.sampling import POOL, LengthBucketSampler

VECTORS = "vectors"
PARTNER = "partner_"

Pair = tuple[int, int]


class PairedRows(Sequence[dict[str, Any]]):
    """What a Trainer iterates over: a row with its labels, and a partner without any.

    Args:
        rows: The rows to learn from.
        partners: Rows without labels, one a sentence.
        vectors: A Dataset whose column `vectors` (H,) holds the teacher's [CLS] vector of each partner, or None.

    Raises:
        ValueError: The partners have labels, or there are not as many vectors as partners.
    """

    def __init__(self, rows: TrainingRows, partners: TrainingRows, vectors: Dataset | None = None) -> None:
        if partners.labelled:
            raise ValueError("partner rows have labels: only their words may be read")
        if vectors is not None and len(vectors) != len(partners):
            raise ValueError(f"{len(vectors)} vectors for {len(partners)} partner rows")
        self.rows = rows
        self.partners = partners
        self._vectors = None if vectors is None else RaggedColumn(vectors, VECTORS)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, pair: Pair) -> dict[str, Any]:  # type: ignore[override]
        """The row with its labels, `partner_input_ids` (L',), and `partner_vectors` (H,) if there are some."""
        index, partner = pair
        found = self.rows[index] | {PARTNER + "input_ids": self.partners[partner]["input_ids"]}
        return found if self._vectors is None else found | {PARTNER + VECTORS: self._vectors[partner]}


class PairedCollator(RowCollator):
    """Pads rows and partners each to their own longest row.

    Gives what `RowCollator` gives for the rows, with `partner_input_ids`, `partner_attention_mask` (B, L'),
    `partner_vectors` (B, H) if there are some, and `rows` (B,), ones, to count by.
    """

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        partners = [
            {"input_ids": row[PARTNER + "input_ids"], "positions": np.zeros(0, dtype=np.int64)} for row in rows
        ]
        padded = super().__call__(partners)
        batch = super().__call__(rows)
        batch |= {PARTNER + name: padded[name] for name in ("input_ids", "attention_mask")}
        if PARTNER + VECTORS in rows[0]:
            batch[PARTNER + VECTORS] = torch.from_numpy(np.stack([row[PARTNER + VECTORS] for row in rows]))
        return batch | {"rows": torch.ones(len(rows), dtype=torch.long)}


def write_vectors(vectors: Iterator[np.ndarray], path: Path) -> None:
    """Write sentence vectors (H,) as a float32 column `vectors`, one row a sentence."""
    features = Features({VECTORS: List(Value("float32"))})
    with ArrowWriter(path=str(path), features=features, writer_batch_size=2000) as writer:
        for vector in vectors:
            writer.write({VECTORS: vector})
        writer.finalize()


def read_vectors(folder: Path) -> Dataset:
    """The vectors that every process of a run wrote into `folder`, in sentence order, memory-mapped."""
    return concatenate_datasets([Dataset.from_file(str(path)) for path in sorted(folder.glob(f"{VECTORS}-*.arrow"))])


class PairSampler(Sampler[Pair]):
    """Yields a row and its partner, in the order of a `LengthBucketSampler` over the rows.

    An epoch is one pass over the rows. Partners are drawn without replacement, over epochs too: each comes once before
    any comes again. Within a pool of 200 batches the longest rows get the longest partners, by rank, so that a batch
    of partners has like lengths too and short sentences are not compared with long ones, which the random batches of
    the released program never are on average.

    Everything depends on seed and epoch alone, so that a resumed run continues it.

    Args:
        lengths: Sub-words of each row, shape (rows,).
        partner_lengths: Sub-words of each partner, shape (partners,).
        batch_size: Rows of one batch (of all processes together).
        seed: Seed of the order.

    Raises:
        ValueError: There are no partners.
    """

    def __init__(self, lengths: np.ndarray, partner_lengths: np.ndarray, batch_size: int, seed: int) -> None:
        if not len(partner_lengths):
            raise ValueError("there are no partner rows")
        self._rows = LengthBucketSampler(lengths, batch_size, seed)
        self.partner_lengths = np.asarray(partner_lengths)

    def __len__(self) -> int:
        return len(self._rows)

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self._rows.set_epoch(epoch)

    def __iter__(self) -> Iterator[Pair]:
        order = np.fromiter(self._rows, dtype=np.int64, count=len(self))
        partners = self._draw(self._rows.epoch * len(self), len(self))
        pool = POOL * self._rows.batch_size
        for begin in range(0, len(order), pool):
            rows, drawn = order[begin : begin + pool], partners[begin : begin + pool]
            matched = np.empty_like(drawn)
            matched[np.argsort(self._rows.lengths[rows], kind="stable")] = drawn[
                np.argsort(self.partner_lengths[drawn], kind="stable")
            ]
            yield from zip(rows.tolist(), matched.tolist(), strict=True)

    def _draw(self, begin: int, count: int) -> np.ndarray:
        """Part of an endless series of permutations of the partners."""
        size = len(self.partner_lengths)
        first, last = begin // size, (begin + count - 1) // size
        drawn = np.concatenate([self._permutation(number) for number in range(first, last + 1)])
        return drawn[begin - first * size :][:count]

    def _permutation(self, number: int) -> np.ndarray:
        generator = torch.Generator().manual_seed(self._rows.seed * 100_003 + 50_021 + number)
        return torch.randperm(len(self.partner_lengths), generator=generator).numpy()
