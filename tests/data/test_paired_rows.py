"""Rows of two languages side by side: who meets whom, and that a partner brings nothing but its words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.paired_rows import (
    PairedCollator,
    PairedRows,
    PairSampler,
    read_vectors,
    write_vectors,
)
from hf_xner.data.rows import RowCollator, TrainingRows, read_soft_labels, write_encoded, write_soft_labels

TARGET = [["Kiel", "."], ["the", "bank", "in", "Bonn"], ["", "John"]]
SOURCE = [["Angela", "Merkel", "visited", "Kiel", "."], [], ["a", "bank"]]


def encode(sentences: list[list[str]], tokenizer: Any, path: Path, **options: Any) -> Dataset:
    encoder = WordEncoder(tokenizer, **{"max_length": 20, "truncate": True, **options})
    return write_encoded(Dataset.from_dict({"tokens": sentences}), encoder, path)


@pytest.fixture
def pairs(tiny_tokenizer, tmp_path: Path) -> PairedRows:
    arrays = [np.full((len(words), 6), index, dtype=np.float32) for index, words in enumerate(TARGET)]
    write_soft_labels(iter(arrays), tmp_path / "soft_labels-00000.arrow")
    write_vectors(iter(np.eye(3, 4, dtype=np.float32)), tmp_path / "vectors-00000.arrow")
    rows = TrainingRows(
        encode(TARGET, tiny_tokenizer, tmp_path / "encoded.arrow"), soft_labels=(read_soft_labels(tmp_path), 6)
    )
    partners = TrainingRows(encode(SOURCE, tiny_tokenizer, tmp_path / "partners.arrow"))
    return PairedRows(rows, partners, read_vectors(tmp_path))


def test_a_batch_holds_rows_with_labels_and_partners_with_words_and_vectors(pairs, tiny_tokenizer):
    chosen = [(1, 0), (0, 2), (2, 1)]
    batch = PairedCollator(tiny_tokenizer.pad_token_id)([pairs[pair] for pair in chosen])
    alone = RowCollator(tiny_tokenizer.pad_token_id)([pairs.rows[row] for row, _ in chosen])
    for name, value in alone.items():
        assert batch[name].equal(value), name
    words = tiny_tokenizer.convert_ids_to_tokens(batch["partner_input_ids"][0].tolist())
    assert words == ["[CLS]", *SOURCE[0], "[SEP]"]
    assert batch["partner_attention_mask"].sum(1).tolist() == [7, 4, 2]
    assert batch["partner_input_ids"].shape == (3, 7) and batch["input_ids"].shape == (3, 6), "each as long as needed"
    assert batch["partner_vectors"].equal(torch.eye(3, 4)[[0, 2, 1]])
    assert batch["rows"].tolist() == [1, 1, 1]


def test_no_tag_column_reaches_a_partner(pairs, tiny_tokenizer, tmp_path: Path):
    names = set(PairedCollator(0)([pairs[0, 0]]))
    assert {name for name in names if name.startswith("partner_")} == {
        "partner_input_ids",
        "partner_attention_mask",
        "partner_vectors",
    }
    assert "labels" not in names and "tags" not in pairs[0, 0]
    zeros = [[0] * len(words) for words in SOURCE]
    tagged = Dataset.from_dict({"ner_tags": zeros, "soft_labels": zeros, "votes": zeros})
    encoded = encode(SOURCE, tiny_tokenizer, tmp_path / "tagged.arrow")
    for labels in ({"hard_labels": tagged}, {"soft_labels": (tagged, 1)}, {"votes": tagged}):
        with pytest.raises(ValueError, match="partner rows have labels: only their words may be read"):
            PairedRows(pairs.rows, TrainingRows(encoded, **labels))


def test_a_vector_belongs_to_a_sentence_and_not_to_a_window(pairs, tiny_tokenizer, tmp_path: Path):
    write_vectors(iter(np.eye(3, dtype=np.float32)), tmp_path / "vectors-00000.arrow")
    windows = encode([["bcdef"] * 20, *SOURCE[1:]], tiny_tokenizer, tmp_path / "windows.arrow", truncate=False)
    assert len(windows) > 3
    with pytest.raises(ValueError, match=f"3 vectors for {len(windows)} partner rows"):
        PairedRows(pairs.rows, TrainingRows(windows), read_vectors(tmp_path))


def test_vectors_of_several_processes_are_read_in_order_and_in_full_precision(tmp_path: Path):
    vectors = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    write_vectors(iter(vectors[:3]), tmp_path / "vectors-00000.arrow")
    write_vectors(iter(vectors[3:]), tmp_path / "vectors-00001.arrow")
    assert np.array_equal(np.asarray(read_vectors(tmp_path)["vectors"][:], dtype=np.float32), vectors)


LENGTHS = np.random.default_rng(1).integers(3, 60, 1000)
PARTNER_LENGTHS = np.random.default_rng(2).integers(3, 30, 350)


def epoch(sampler: PairSampler, number: int) -> list[tuple[int, int]]:
    sampler.set_epoch(number)
    return list(sampler)


def test_every_row_comes_once_an_epoch_and_partners_equally_often_over_epochs():
    sampler = PairSampler(LENGTHS, PARTNER_LENGTHS, 8, seed=3)
    seen: Counter[int] = Counter()
    for number in range(7):
        pairs = epoch(sampler, number)
        assert sorted(row for row, _ in pairs) == list(range(1000))
        seen.update(partner for _, partner in pairs)
        drawn = [seen[partner] for partner in range(350)]
        assert max(drawn) - min(drawn) <= 1, "none comes again before all have come"
    assert sum(seen.values()) == 7000 and min(seen.values()) == 20


def test_more_partners_than_rows_take_turns_too():
    sampler = PairSampler(PARTNER_LENGTHS, LENGTHS, 8, seed=3)
    first, second = ({partner for _, partner in epoch(sampler, number)} for number in (0, 1))
    assert len(first) == len(second) == 350 and not first & second


def test_long_rows_meet_long_partners_and_batches_are_even():
    sampler = PairSampler(LENGTHS, PARTNER_LENGTHS, 8, seed=3)
    pairs = np.asarray(epoch(sampler, 0))
    rows, partners = LENGTHS[pairs[:, 0]], PARTNER_LENGTHS[pairs[:, 1]]
    assert np.corrcoef(rows, partners)[0, 1] > 0.98
    for lengths, random in ((rows, LENGTHS), (partners, PARTNER_LENGTHS)):
        spread = np.ptp(lengths.reshape(-1, 8), axis=1).mean()
        assert spread < 1.5 < 10 < np.ptp(random[: len(random) // 8 * 8].reshape(-1, 8), axis=1).mean()


def test_seed_and_epoch_decide_the_pairs():
    sampler = PairSampler(LENGTHS, PARTNER_LENGTHS, 8, seed=3)
    again = PairSampler(LENGTHS, PARTNER_LENGTHS, 8, seed=3)
    assert epoch(sampler, 4) == epoch(again, 4) != epoch(sampler, 5)
    assert epoch(sampler, 4) != epoch(PairSampler(LENGTHS, PARTNER_LENGTHS, 8, seed=4), 4)


def test_rows_need_partners():
    with pytest.raises(ValueError, match="no partner rows"):
        PairSampler(LENGTHS, np.zeros(0), 8, seed=1)
