"""Counts beside the published tables, and one corpus given twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from hf_xner.data.checks import check_corpus, compare_counts, refuse_same_corpus, require_split, same_corpus
from hf_xner.data.info import Published
from hf_xner.errors import InputError

FIXTURES = Path(__file__).parent / "fixtures"


def corpus(**splits: list[list[str]]) -> DatasetDict:
    return DatasetDict({name: Dataset.from_dict({"tokens": rows}) for name, rows in splits.items()})


def test_counts_that_differ_for_a_known_reason() -> None:
    published = Published(14_987, 23_499, 14_041, None, "markers")
    assert compare_counts(published, 14_041, 23_499) == ("14,041 sentences against 14,987 published: markers", True)
    assert compare_counts(published, 14_987, 23_499) == ("as published (markers)", True)
    verdict, explained = compare_counts(published, 14_000, 23_499)
    assert not explained
    assert verdict == "14,000 sentences against 14,987 published: NOT EXPLAINED; the known files hold 14,041 sentences"
    verdict, explained = compare_counts(published, 14_041, None)
    assert not explained and "no entities against 23,499 published: NOT EXPLAINED" in verdict
    assert compare_counts(None, 1, 1) == ("no published counts", True)


def test_spanish_is_explained_split_by_split(data_dir: Path) -> None:
    report = check_corpus("conll2002:es", data_dir=data_dir)
    train, validation, test = report.splits
    assert report.explained and all(split.known and split.orphans == 1 for split in report.splits)
    assert (train.longest, train.types["ORG"], train.schemes) == (1_238, 7_390, ("iob2",))
    assert validation.verdict.startswith("4,352 entities against 4,351 published: one sentence begins with an I-")
    assert test.first_orphan is not None and test.first_orphan.endswith("esp.testb:9291")


def test_truncated_copies_are_not_explained(data_dir: Path) -> None:
    report = check_corpus("conll2003:en", data_dir=data_dir / "samples" / "conll2003_en")
    assert not report.explained and not any(split.known for split in report.splits)
    assert "NOT EXPLAINED" in report.splits[0].verdict


def test_duplicates_and_blank_tokens(tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("a O\n\na O\n\nb B-LOC\n\n\u200b O\nc O\n", encoding="utf-8")
    (tmp_path / "test.conll").write_text("a O\n\nd O\n")
    report = check_corpus(str(tmp_path))
    assert [split.repeated for split in report.splits] == [1, 0]
    assert report.splits[0].blank_tokens == 1 and report.splits[0].longest_at.endswith("train.conll:7")
    assert report.shared == {("train", "test"): 1}


def test_sample_is_checked_without_files() -> None:
    report = check_corpus("sample:es")
    assert [split.entities is None for split in report.splits] == [True, False]
    assert report.explained


def test_the_same_corpus_as_source_and_target() -> None:
    one, copy = corpus(train=[["a"], ["b"]], test=[["c"]]), corpus(train=[["a"], ["b"]])
    other = corpus(train=[["b"], ["a"]], test=[["d"]])
    assert same_corpus(one, copy) and not same_corpus(one, other)
    with pytest.raises(
        InputError, match=r"the same corpus as source \(a\.conll\) and as target \(b\.conll\); give another"
    ):
        refuse_same_corpus(one, copy, "a.conll", "b.conll")
    refuse_same_corpus(one, other, "a.conll", "b.conll")


def test_splits_that_a_command_cannot_do_without() -> None:
    rows = corpus(train=[["a"]])
    assert len(require_split(rows, "train", "mine")) == 1
    with pytest.raises(InputError, match=r"mine: no split 'test': there are train; give a file for it"):
        require_split(rows, "test", "mine")
    with pytest.raises(
        InputError, match=r"mine: no tags in the split 'train', and they are needed here; give files with"
    ):
        require_split(rows, "train", "mine", tags=True)
