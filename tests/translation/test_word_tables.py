"""Vectors and a mapping to tables: the steps into the common space, who is kept, n-grams."""

from __future__ import annotations

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.models import WordFeatureExtractor
from hf_xner.translation.mapping import learn_from_pairs
from hf_xner.translation.refinement import Refinement
from hf_xner.translation.seeds import identical_pairs
from hf_xner.translation.vectors import WordVectors, normalised
from hf_xner.translation.word_tables import build_table, fit_ngrams, space_steps

FEW = Refinement(rounds=1, max_rank=300, criterion_words=200)


@pytest.mark.parametrize("mapped", ["source", "target"])
@pytest.mark.parametrize("steps", [(), ("renorm", "center", "renorm")])
def test_the_steps_lead_where_the_mapping_leads(like_spaces, mapped, steps):
    source, target = like_spaces
    ours, theirs = source.normalise(steps), target.normalise(steps)
    mapping = learn_from_pairs(ours, theirs, identical_pairs(ours, theirs), settings=FEW, mapped=mapped)
    expected = mapping.common_space(ours, theirs)
    for side, vectors, common in zip(("source", "target"), like_spaces, expected, strict=True):
        table = build_table(vectors, space_steps(vectors, mapping, side, length=3.0), [], len(vectors))
        np.testing.assert_allclose(table.to_common_space(vectors.vectors), 3 * common, atol=1e-5)
        np.testing.assert_allclose(table.vectors.astype(np.float32), 3 * common, atol=2e-3)
        assert table.vectors.dtype == np.float16 and table.words == list(vectors.words)
        assert ("map" in [step.kind for step in table.steps]) == (side == mapped)


def test_without_a_length_the_mapping_keeps_the_vectors_own(like_spaces):
    source, target = like_spaces
    mapping = learn_from_pairs(source, target, identical_pairs(source, target), settings=FEW)
    table = build_table(source, space_steps(source, mapping, "source", length=None), [], 100)
    lengths = np.linalg.norm(table.vectors.astype(np.float32), axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(source.vectors[:100], axis=1), rtol=1e-3)


def test_means_are_those_of_the_vectors_that_were_mapped():
    """Vectors given at prediction, a whole file maybe, are centred by the same mean."""
    vectors = WordVectors(["a", "b"], np.array([[1.0, 0.0], [0.0, 3.0]], dtype=np.float32))

    class Given:
        matrix, mapped, facts = np.eye(2), "target", {"source": {"normalise": ["center"]}}

    steps = space_steps(vectors, Given(), "source", length=None)  # type: ignore[arg-type]
    assert [step.kind for step in steps] == ["center"] and steps[0].value.tolist() == [0.5, 1.5]


def test_frequent_words_and_those_of_the_text_are_kept():
    words = ["the", "of", "Kiel", "kiel", "rare", "unused"]
    vectors = WordVectors(words, np.arange(12, dtype=np.float32).reshape(6, 2) + 1)
    table = build_table(vectors, [], ["RARE", "Kiel", "absent"], 2)
    assert table.words == ["the", "of", "Kiel", "kiel", "rare"]
    assert table.vectors.tolist() == vectors.vectors[:5].tolist()


def test_a_mapping_of_another_width_is_refused(like_spaces):
    source, target = like_spaces
    mapping = learn_from_pairs(source, target, identical_pairs(source, target), settings=FEW)
    narrow = WordVectors(["a"], np.ones((1, 4), dtype=np.float32), "narrow.vec")
    with pytest.raises(InputError, match="narrow.vec: a mapping of 20 components for vectors of 4"):
        space_steps(narrow, mapping, "source", length=None)


def test_ngrams_foretell_words_that_were_held_back():
    """Words are made of parts that mean something; a held-back word is a new combination of known parts."""
    random = np.random.default_rng(0)
    stems = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnr"]
    endings = ["heit", "keit", "ung", "lich", "isch", "stadt", "burg", "dorf"]
    meaning = {part: random.standard_normal(16) for part in (*stems, *endings)}
    words = [stem + ending for stem in stems for ending in endings]
    random.shuffle(words)
    vectors = np.stack([meaning[word[:3]] + meaning[word[3:]] for word in words]).astype(np.float32)
    known = WordVectors(words[:700], vectors[:700])
    table = build_table(known, [], [], 700)
    table.ngrams = fit_ngrams(table, buckets=4000, penalty=0.01)
    assert table.ngrams.shape == (4000, 16) and table.ngrams.dtype == np.float16
    extractor = WordFeatureExtractor(word_size=16, unseen="ngrams", tables={"target": table})
    guessed, found = extractor.look_up(words[700:])
    assert not found.any()
    cosines = (normalised(guessed) * normalised(vectors[700:])).sum(axis=1)
    assert cosines.mean() > 0.8
    assert abs((normalised(guessed) * normalised(np.roll(vectors[700:], 1, axis=0))).sum(axis=1).mean()) < 0.4
