"""Training rows: encoded windows joined, word by word, with hard or soft labels, all read from memory-mapped Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, List, Value, concatenate_datasets
from datasets.arrow_writer import ArrowWriter

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.votes import DISAGREED

ENCODED_FEATURES = Features(
    {
        "sentence": Value("int32"),
        "first_word": Value("int32"),
        "input_ids": List(Value("int32")),
        "positions": List(Value("int32")),
        "end": Value("int32"),
    }
)
IGNORE = -100


class RaggedColumn:
    """Rows of a list column as NumPy views on the memory-mapped Arrow buffers: no copy, no Python lists.

    Args:
        dataset: A Dataset without an indices mapping (`flatten_indices()` first if it was shuffled or selected).
        name: A column of lists of numbers.
    """

    def __init__(self, dataset: Dataset, name: str) -> None:
        if dataset._indices is not None:
            dataset = dataset.flatten_indices()
        chunks = dataset.data.column(name).chunks
        self._starts = np.cumsum([0, *(len(chunk) for chunk in chunks)])
        self._offsets = [chunk.offsets.to_numpy() for chunk in chunks]
        self._values = [chunk.values.to_numpy(zero_copy_only=False) for chunk in chunks]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> np.ndarray:
        """The values of a row, shape (length of the row,): a view."""
        part = int(np.searchsorted(self._starts, index, side="right")) - 1
        offsets, row = self._offsets[part], index - int(self._starts[part])
        return self._values[part][offsets[row] : offsets[row + 1]]

    def lengths(self) -> np.ndarray:
        """Number of values in each row, shape (rows,)."""
        return np.concatenate([np.diff(offsets) for offsets in self._offsets] or [np.zeros(0, dtype=np.int64)])


def write_encoded(sentences: Dataset, encoder: WordEncoder, path: Path) -> Dataset:
    """Encode the `tokens` column into rows of one window each, on disk; returns the memory-mapped result.

    Args:
        sentences: A Dataset with a `tokens` column.
        encoder: The encoder; with `truncate` every sentence gives one row.
        path: Arrow file to write.
    """
    with ArrowWriter(path=str(path), features=ENCODED_FEATURES, writer_batch_size=2000) as writer:
        windows = encoder.encode(tokens for batch in sentences.iter(1000) for tokens in batch["tokens"])
        for sentence, pieces in enumerate(windows):
            for window in pieces:
                writer.write(
                    {
                        "sentence": sentence,
                        "first_word": window.first_word,
                        "input_ids": window.input_ids,
                        "positions": window.positions,
                        "end": window.end,
                    }
                )
        writer.finalize()
    return Dataset.from_file(str(path))


class TrainingRows(Sequence[dict[str, Any]]):
    """What a Trainer iterates over: one encoded window with its labels at first sub-words.

    Args:
        encoded: Rows written by `write_encoded`.
        hard_labels: Dataset whose `ner_tags` (tag ids) belong to the encoded sentences, or None.
        soft_labels: Datasets whose `soft_labels` (flat, n_words x C, float16) belong to the encoded sentences, with
            C; or None. Only one of the two kinds may be given: a target corpus never comes with tags.
        votes: Dataset whose `votes` (tag ids that several models agree on, or -1) belong to the encoded sentences;
            beside soft labels, or None.
        orderable: Of each sentence whether its words have more than one order, shape (sentences,); or None.
    """

    def __init__(
        self,
        encoded: Dataset,
        *,
        hard_labels: Dataset | None = None,
        soft_labels: tuple[Dataset, int] | None = None,
        votes: Dataset | None = None,
        orderable: np.ndarray | None = None,
    ) -> None:
        if hard_labels is not None and soft_labels is not None:
            raise ValueError("rows have tags (source) or soft labels (target), never both")
        if hard_labels is not None and votes is not None:
            raise ValueError("votes are for rows without tags")
        self._ids = RaggedColumn(encoded, "input_ids")
        self._positions = RaggedColumn(encoded, "positions")
        self._sentence = np.asarray(encoded.data.column("sentence"))
        self._first_word = np.asarray(encoded.data.column("first_word"))
        self._end = np.asarray(encoded.data.column("end"))
        self._orderable = orderable
        self._tags = None if hard_labels is None else RaggedColumn(hard_labels, "ner_tags")
        self._soft = None if soft_labels is None else RaggedColumn(soft_labels[0], "soft_labels")
        self._votes = None if votes is None else RaggedColumn(votes, "votes")
        self._n_tags = 0 if soft_labels is None else soft_labels[1]
        self.lengths = self._ids.lengths()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def labelled(self) -> bool:
        """Whether rows come with tags, soft labels or votes."""
        return any(column is not None for column in (self._tags, self._soft, self._votes))

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        """A row: `input_ids` (L,), `positions` (words,), and `tags` (words,) or `soft_labels` (words, C), `votes`.

        Beside these `end`, after the last sub-word of its words, and `orderable` where it is known.
        """
        sentence, first = int(self._sentence[index]), int(self._first_word[index])
        positions = self._positions[index]
        row: dict[str, Any] = {"input_ids": self._ids[index], "positions": positions, "end": int(self._end[index])}
        words = slice(first, first + len(positions))
        if self._tags is not None:
            row["tags"] = self._tags[sentence][words]
        if self._soft is not None:
            row["soft_labels"] = self._soft[sentence].reshape(-1, self._n_tags)[words]
        if self._votes is not None:
            row["votes"] = self._votes[sentence][words]
        if self._orderable is not None:
            row["orderable"] = bool(self._orderable[sentence])
        return row

    def n_words(self) -> int:
        """Words that have a sub-word, and so count in the loss."""
        return sum(int((self._positions[index] >= 0).sum()) for index in range(len(self)))


class RowCollator:
    """Pads a batch of rows to its own longest row and lays the labels on first sub-words.

    Gives `input_ids`, `attention_mask` (B, L) and `word_mask` (B, L) (true at first sub-words, from tokenisation
    alone), with `labels` (B, L; -100 elsewhere) or `soft_labels` (B, L, C; zero elsewhere); rows with votes also give
    `votes` (B, L; -1 elsewhere) and `vote_mask` (B, L; true where there is one).

    Args:
        pad_id: The tokenizer's padding id.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        import torch

        length = max(len(row["input_ids"]) for row in rows)
        shape = (len(rows), length)
        input_ids = np.full(shape, self.pad_id, dtype=np.int64)
        attention_mask = np.zeros(shape, dtype=np.int64)
        word_mask = np.zeros(shape, dtype=bool)
        labels = np.full(shape, IGNORE, dtype=np.int64) if "tags" in rows[0] else None
        soft = rows[0].get("soft_labels")
        soft_labels = None if soft is None else np.zeros((*shape, soft.shape[1]), dtype=np.float32)
        votes = np.full(shape, DISAGREED, dtype=np.int64) if "votes" in rows[0] else None
        for index, row in enumerate(rows):
            size = len(row["input_ids"])
            input_ids[index, :size] = row["input_ids"]
            attention_mask[index, :size] = 1
            kept = row["positions"] >= 0
            positions = row["positions"][kept]
            word_mask[index, positions] = True
            if labels is not None:
                labels[index, positions] = row["tags"][kept]
            if soft_labels is not None:
                soft_labels[index, positions] = row["soft_labels"][kept]
            if votes is not None:
                votes[index, positions] = row["votes"][kept]
        batch = {"input_ids": input_ids, "attention_mask": attention_mask, "word_mask": word_mask}
        if labels is not None:
            batch["labels"] = labels
        if soft_labels is not None:
            batch["soft_labels"] = soft_labels
        if votes is not None:
            batch |= {"votes": votes, "vote_mask": votes != DISAGREED}
        return {name: torch.from_numpy(array) for name, array in batch.items()}


def write_soft_labels(probabilities: Iterator[np.ndarray], path: Path) -> None:
    """Write word probabilities (n_words, C) as a flat float16 column `soft_labels`, one row a sentence."""
    features = Features({"soft_labels": List(Value("float16"))})
    with ArrowWriter(path=str(path), features=features, writer_batch_size=2000) as writer:
        for array in probabilities:
            writer.write({"soft_labels": array.astype(np.float16).ravel()})
        writer.finalize()


def read_soft_labels(folder: Path) -> Dataset:
    """The soft labels that every process of a run wrote into `folder`, in sentence order, memory-mapped."""
    return concatenate_datasets([Dataset.from_file(str(path)) for path in sorted(folder.glob("soft_labels-*.arrow"))])
