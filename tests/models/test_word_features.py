"""Words to vectors and characters: who is looked up where, and what is kept in files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hf_xner.models import WordFeatureExtractor
from hf_xner.models.word_features import SpaceStep, WordTable, ngram_buckets

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
STEPS = (SpaceStep("center", np.array([1.0, 1.0, 1.0])), SpaceStep("map", np.eye(3)[::-1] * 2.0))


def table(words=("Kiel", "kiel", "der", "ß"), **more) -> WordTable:
    return WordTable(list(words), VECTORS, STEPS, **more)


def extractor(**more) -> WordFeatureExtractor:
    return WordFeatureExtractor(list("Kiel"), word_size=3, tables={"target": table()}, **more)


def test_as_written_then_lower_cased_then_zero():
    vectors, found = extractor().look_up(["Kiel", "kiel", "KIEL", "Der", "sonst", ""])
    assert vectors.tolist() == [*VECTORS[[0, 1, 1, 2]].tolist(), [0, 0, 0], [0, 0, 0]]
    assert found.tolist() == [True, True, True, True, False, False]


def test_vectors_given_later_are_brought_into_the_common_space_and_come_second():
    reader = extractor()
    outside = np.array([[5.0, 6.0, 7.0], [8.0, 9.0, 10.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    reader.use_vectors({"Bonn": 0, "KIEL": 1, "der": 2}, outside)
    vectors, found = reader.look_up(["Bonn", "KIEL", "der", "bonn"])
    # Less the mean, the order turned, doubled; the table's own "der" stays.
    assert vectors.tolist() == [[12, 10, 8], [18, 16, 14], VECTORS[2].tolist(), [0, 0, 0]]
    assert found.tolist() == [True, True, True, False]
    assert reader.in_language("target").look_up(["Bonn"])[1].all(), "the same extractor by another name knows them too"


def test_vectors_given_later_may_be_mapped_from_disk(tmp_path):
    np.save(tmp_path / "all.npy", VECTORS + 10)
    reader = extractor()
    reader.use_vectors({"Bonn": 3}, np.load(tmp_path / "all.npy", mmap_mode="r"))
    assert reader.look_up(["Bonn"])[0][0].tolist() == [2 * value for value in (VECTORS[3] + 9)[::-1].tolist()]


def test_unseen_words_by_their_ngrams():
    ngrams = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    reader = WordFeatureExtractor(word_size=3, unseen="ngrams", tables={"target": table(ngrams=ngrams)})
    vectors, found = reader.look_up(["Bonn", "bonn", "Kiel", ""])
    expected = ngrams[ngram_buckets("bonn", 3, 6, 50)].mean(axis=0)
    np.testing.assert_allclose(vectors[0], expected, rtol=1e-6)
    assert np.array_equal(vectors[0], vectors[1]) and np.array_equal(vectors[2], VECTORS[0])
    assert not vectors[3].any() and found.tolist() == [False, False, True, False]


def test_ngrams_stand_between_brackets_and_leave_the_whole_word_out():
    # <ab>: three characters <ab, ab>; four would be the word itself.
    assert len(ngram_buckets("ab", 3, 6, 1000)) == 2
    assert len(ngram_buckets("abcd", 3, 6, 1000)) == 4 + 3 + 2
    assert ngram_buckets("abcd", 3, 6, 1000) == ngram_buckets("abcd", 3, 6, 1000)


def test_random_vectors_are_the_words_own_in_every_language_and_every_process():
    one, other = (WordFeatureExtractor(word_size=300, unseen="random", language=name) for name in ("source", "target"))
    vectors, found = one.look_up(["Kiel", "kiel"])
    assert np.array_equal(vectors, other.look_up(["Kiel", "kiel"])[0]) and found.all()
    assert not np.allclose(vectors[0], vectors[1])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=0.15)
    assert vectors[0, 0] == pytest.approx(0.0966, abs=1e-4), "not Python's hash, which differs from run to run"


def test_characters_are_rows_after_padding_and_unknown():
    reader = extractor(longest_word=4)
    spelt, counts = reader.spell(["Kiel", "Eis", "", "Kielkiel"])
    assert reader.n_characters == 6 and counts.tolist() == [4, 3, 1, 4]
    assert spelt.tolist() == [[2, 3, 4, 5], [1, 3, 1, 0], [1, 0, 0, 0], [2, 3, 4, 5]]
    assert reader.without_characters().n_characters == 0


def test_every_word_of_a_batch_is_looked_up_once():
    inputs = extractor()([["Kiel", "der", "Kiel"], ["der"]])
    assert inputs["word_vectors"].shape == (2, 3) and inputs["word_characters"].shape == (2, 4)
    assert inputs["word_ids"].tolist() == [[0, 1, 0], [1, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("sentences", ["Kiel", ["Kiel"], [["Kiel"], []]])
def test_what_is_no_sentence_of_words_is_refused(sentences):
    with pytest.raises(ValueError, match="expected sentences, each a list of at least one word"):
        extractor()(sentences)


def test_files_hold_everything(tmp_path):
    words = ["a b", "\u2028", "e\u0301", "\r"]
    before = WordFeatureExtractor(
        ["K", "\u200f", "\n"],
        word_size=3,
        unseen="ngrams",
        tables={"source": table(ngrams=VECTORS), "target": table(words, ngrams=VECTORS[:2])},
    )
    before.save_pretrained(tmp_path)
    after = WordFeatureExtractor.from_pretrained(tmp_path)
    assert after.characters == before.characters and after.unseen == "ngrams" and after.language == "target"
    for side in ("source", "target"):
        one, other = before.tables[side], after.tables[side]
        assert other.words == one.words
        assert np.array_equal(other.vectors, one.vectors) and np.array_equal(other.ngrams, one.ngrams)
        np.testing.assert_allclose(other.to_common_space(VECTORS), one.to_common_space(VECTORS))
    facts = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert facts["table_facts"]["target"] == {"words": 4, "steps": ["center", "map"]}
    assert {path.stat().st_mode & 0o044 for path in tmp_path.iterdir()} == {0o044}, "readable for others"


def test_saving_again_after_loading_changes_nothing(tmp_path):
    extractor().save_pretrained(tmp_path / "one")
    WordFeatureExtractor.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_settings_can_be_changed_while_loading(tmp_path):
    extractor().save_pretrained(tmp_path)
    assert WordFeatureExtractor.from_pretrained(tmp_path, language="source").language == "source"


def test_a_missing_table_is_an_error_that_names_the_file(tmp_path):
    extractor().save_pretrained(tmp_path)
    (tmp_path / "words_target.txt").unlink()
    with pytest.raises(OSError, match="words_target.txt"):
        WordFeatureExtractor.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WordFeatureExtractor(word_size=4, tables={"target": table()}), "vectors of 4 components"),
        (lambda: WordFeatureExtractor(word_size=3, tables={"es": table()}), "'es'"),
        (lambda: extractor(unseen="ngrams"), "no vectors of n-grams"),
        (lambda: extractor(unseen="mean"), "no such choice"),
        (lambda: WordTable(["a"], VECTORS), "1 words for vectors"),
        (lambda: SpaceStep("map"), "no such step"),
        (lambda: extractor().use_vectors({}, np.zeros((1, 9), np.float32)), "vectors of 3 components"),
        (lambda: extractor().use_vectors({}, VECTORS, language="source"), "for 'source'"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
