"""Rows join words, sub-words and labels without ever looking at a tag to find a word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.rows import (
    IGNORE,
    RaggedColumn,
    RowCollator,
    TrainingRows,
    read_soft_labels,
    write_encoded,
    write_soft_labels,
)

SENTENCES = [["Angela", "Merkel", "visited", "Kiel", "."], ["", "Bonn"], [], ["bcdef"] * 20]


@pytest.fixture
def encoded(tiny_tokenizer, tmp_path):
    sentences = Dataset.from_dict({"tokens": SENTENCES})
    return write_encoded(sentences, WordEncoder(tiny_tokenizer, max_length=20, overlap=4), tmp_path / "encoded.arrow")


def test_labels_lie_on_first_subwords_only(encoded, tiny_tokenizer):
    tags = Dataset.from_dict({"ner_tags": [[7, 8, 0, 1, 0], [0, 1], [], list(range(1, 9)) * 2 + [1] * 4]})
    rows = TrainingRows(encoded, hard_labels=tags)
    batch = RowCollator(tiny_tokenizer.pad_token_id)([rows[index] for index in range(len(rows))])
    assert (batch["labels"] != IGNORE).equal(batch["word_mask"])
    assert batch["labels"][0][batch["word_mask"][0]].tolist() == [7, 8, 0, 1, 0]
    assert batch["labels"][1][batch["word_mask"][1]].tolist() == [1]
    assert batch["labels"].numpy()[batch["word_mask"].numpy()].size == 5 + 1 + 20


def test_soft_labels_follow_their_words_into_windows(encoded, tiny_tokenizer, tmp_path):
    arrays = [np.eye(9, dtype=np.float32)[np.arange(len(words)) % 9] for words in SENTENCES]
    write_soft_labels(iter(arrays[:1]), tmp_path / "soft_labels-00000.arrow")
    write_soft_labels(iter(arrays[1:]), tmp_path / "soft_labels-00001.arrow")
    rows = TrainingRows(encoded, soft_labels=(read_soft_labels(tmp_path), 9))
    batch = RowCollator(tiny_tokenizer.pad_token_id)([rows[index] for index in range(len(rows))])
    found = batch["soft_labels"][batch["word_mask"]].argmax(-1).tolist()
    assert found == [0, 1, 2, 3, 4, 1, *(index % 9 for index in range(20))]
    assert batch["soft_labels"][~batch["word_mask"]].abs().sum() == 0


def test_a_batch_is_padded_to_its_own_longest_row(encoded, tiny_tokenizer):
    rows = TrainingRows(encoded)
    batch = RowCollator(tiny_tokenizer.pad_token_id)([rows[0], rows[1]])
    assert batch["input_ids"].shape == (2, 7)
    assert batch["attention_mask"].sum(1).tolist() == [7, 3]
    assert all(isinstance(value, torch.Tensor) for value in batch.values())


def test_tags_and_soft_labels_together_are_refused(encoded):
    tags = Dataset.from_dict({"ner_tags": [[0]]})
    with pytest.raises(ValueError, match="never both"):
        TrainingRows(encoded, hard_labels=tags, soft_labels=(tags, 1))


def test_ragged_columns_respect_selection_and_order():
    data = Dataset.from_dict({"numbers": [[1], [2, 3], [], [4, 5, 6]]})
    column = RaggedColumn(data.select([3, 0, 2]), "numbers")
    assert [column[index].tolist() for index in range(3)] == [[4, 5, 6], [1], []]
    assert column.lengths().tolist() == [3, 1, 0]


def test_words_in_rows_are_counted(encoded):
    assert TrainingRows(encoded).n_words() == 26
