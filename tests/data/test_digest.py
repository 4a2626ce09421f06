"""The checksum is of the content and of nothing else."""

from __future__ import annotations

import time

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value, concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_xner.data.digest import content_digest
from hf_xner.errors import InputError

SENTENCES = st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=4), max_size=6)


def words(sentences: list[list[str]]) -> Dataset:
    return Dataset.from_dict({"tokens": sentences}, Features(tokens=List(Value("string"))))


@settings(deadline=None, max_examples=60)
@given(sentences=SENTENCES, cut=st.integers(0, 6))
def test_chunks_selections_and_caches_leave_no_trace(sentences: list[list[str]], cut: int) -> None:
    whole = words(sentences)
    wanted = content_digest(whole, ["tokens"])
    if sentences:
        parts = [words(part) for part in (sentences[:cut], sentences[cut:]) if part]
        assert content_digest(concatenate_datasets(parts), ["tokens"]) == wanted
    backwards = words(sentences[::-1])
    assert content_digest(backwards.select(range(len(sentences))[::-1]), ["tokens"]) == wanted
    padded = words([["x"], *sentences, ["y"]]).select(range(1, len(sentences) + 1))
    assert content_digest(padded, ["tokens"]) == wanted


@settings(deadline=None, max_examples=100)
@given(one=SENTENCES, other=SENTENCES)
def test_different_content_has_a_different_digest(one: list[list[str]], other: list[list[str]]) -> None:
    same = content_digest(words(one), ["tokens"]) == content_digest(words(other), ["tokens"])
    assert same == (one == other)


def test_changed_tags_do_not_change_the_digest_of_the_tokens() -> None:
    def corpus(tags: list[int], names: list[str]) -> Dataset:
        features = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=names)))
        return Dataset.from_dict({"tokens": [["a", "b"]], "ner_tags": [tags]}, features)

    one, other, renamed = corpus([0, 1], ["O", "B-X"]), corpus([0, 0], ["O", "B-X"]), corpus([0, 1], ["O", "B-Y"])
    assert content_digest(one, ["tokens"]) == content_digest(other, ["tokens"])
    assert content_digest(one, ["ner_tags"]) != content_digest(other, ["ner_tags"])
    assert content_digest(one, ["ner_tags"]) != content_digest(renamed, ["ner_tags"])
    assert content_digest(one, ["tokens", "ner_tags"]) != content_digest(one, ["ner_tags", "tokens"])


def test_soft_labels_and_missing_values_count() -> None:
    soft = Features(soft=List(Value("float16")))
    one = Dataset.from_dict({"soft": [np.ones(3, dtype=np.float16), np.zeros(1, dtype=np.float16)]}, soft)
    other = Dataset.from_dict({"soft": [np.ones(3, dtype=np.float16), np.ones(1, dtype=np.float16)]}, soft)
    assert content_digest(one, ["soft"]) != content_digest(other, ["soft"])
    nulls = [Dataset.from_dict({"x": values}, Features(x=Value("string"))) for values in (["", None], [None, ""])]
    assert content_digest(nulls[0], ["x"]) != content_digest(nulls[1], ["x"])


def test_missing_column() -> None:
    with pytest.raises(InputError, match="no column 'ner_tags'; there are tokens"):
        content_digest(words([["a"]]), ["ner_tags"])


def test_fast_on_fifteen_thousand_sentences() -> None:
    dataset = words([[f"word{n % 977}"] * 15 for n in range(15_000)])
    start = time.perf_counter()
    content_digest(dataset, ["tokens"])
    assert time.perf_counter() - start < 0.3
