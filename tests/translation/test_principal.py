"""Tests for adversarial mapping that starts from principal components."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.translation.adversarial import AdversarialSettings
from hf_xner.translation.convergence import random_rotation
from hf_xner.translation.dictionary import build_dictionary
from hf_xner.translation.mapping import learn_adversarially
from hf_xner.translation.principal import LENGTH, principal_components, train_on_components
from hf_xner.translation.refinement import Refinement, Refiner
from hf_xner.translation.vectors import WordVectors

REFINE = Refinement(rounds=3, max_rank=1000, criterion_words=800)
SETTINGS = AdversarialSettings(epochs=4, updates=1000, hidden=128, beta=0.01, rate=0.3, components=8)


def widened(vectors: WordVectors, width: int, seed: int) -> WordVectors:
    """The same words with weak noise in further components, all turned at random."""
    random = np.random.default_rng(seed)
    noise = 0.02 * random.standard_normal((len(vectors), width - vectors.width))
    wide = np.concatenate([vectors.vectors, noise], axis=1) @ random_rotation(width, seed)
    return WordVectors(vectors.words, wide.astype(np.float32))


def test_components_are_centred_uncorrelated_and_of_one_length() -> None:
    random = np.random.default_rng(0)
    vectors = (random.standard_normal((300, 6)) * [9, 5, 3, 1, 0.5, 0.1] + 7).astype(np.float32)
    reduced = principal_components(vectors, 3, most_frequent=200)
    assert reduced.shape == (300, 3) and reduced.dtype == np.float32
    frequent = reduced[:200].astype(np.float64)
    np.testing.assert_allclose(frequent.mean(axis=0), 0, atol=1e-4)
    covariance = np.cov(frequent.T)
    assert covariance[0, 0] > covariance[1, 1] > covariance[2, 2] > 0
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-3)
    assert np.linalg.norm(frequent, axis=1).mean() == pytest.approx(LENGTH, rel=1e-4)
    # A longer copy of a space has the same components, up to their signs.
    np.testing.assert_allclose(np.abs(principal_components(3 * vectors, 3, 200)), np.abs(reduced), atol=1e-3)


def test_whole_vectors_are_mapped_from_their_components(turned_spaces) -> None:
    source, target = (widened(vectors, 24, seed) for seed, vectors in enumerate(turned_spaces))
    mapping = learn_adversarially(source, target, adversarial=SETTINGS, settings=REFINE)
    assert mapping.converged and mapping.matrix.shape == (24, 24)
    np.testing.assert_allclose(mapping.matrix @ mapping.matrix.T, np.eye(24), atol=1e-4)
    translations = build_dictionary(source, target, mapping)
    right = [translations.get(word) == word.replace("s", "t", 1) for word in source.words if word[1].isdigit()]
    assert np.mean(right) > 0.9
    assert mapping.facts["adversarial"]["components"] == 8


@pytest.mark.parametrize("components", [0, 9])
def test_components_that_there_are_not(turned_spaces, components: int) -> None:
    with pytest.raises(InputError, match=rf"--components: {components} principal components of 600 vectors of 8"):
        learn_adversarially(*turned_spaces, adversarial=replace(SETTINGS, components=components), settings=REFINE)


def test_components_that_make_no_dictionary_leave_the_identity(turned_spaces, monkeypatch) -> None:
    source, target = turned_spaces
    monkeypatch.setattr(Refiner, "dictionary", lambda self, matrix: np.zeros((0, 2), dtype=np.int64))
    short = AdversarialSettings(epochs=1, updates=1, hidden=8, components=4)
    found = train_on_components(Refiner(source.vectors, target.vectors, REFINE), short, seed=0)
    np.testing.assert_array_equal(found.matrix, np.eye(8))
    assert len(found.epochs) == 1 and found.criterion == found.epochs[0]["criterion"]
