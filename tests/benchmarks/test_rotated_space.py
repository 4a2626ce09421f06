"""The benchmark of adversarial mapping turns a space as it says, and counts the words that come back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rotated_space

from hf_xner.translation.convergence import random_rotation
from hf_xner.translation.refinement import Refinement, Refiner
from hf_xner.translation.vectors import WordVectors, write_vectors


@pytest.fixture
def vectors() -> WordVectors:
    random = np.random.default_rng(3)
    return WordVectors([f"w{row}" for row in range(1000)], random.standard_normal((1000, 12)).astype(np.float32))


def test_the_copy_is_rotated_and_moved_by_a_share_of_its_lengths(vectors: WordVectors) -> None:
    still = rotated_space.turned(vectors, noise=0.0, seed=0)
    np.testing.assert_allclose(still.vectors @ still.vectors.T, vectors.vectors @ vectors.vectors.T, atol=1e-3)
    assert np.abs(still.vectors - vectors.vectors).max() > 0.5
    moved = rotated_space.turned(vectors, noise=0.2, seed=0).vectors - still.vectors
    shares = np.linalg.norm(moved, axis=1) / np.linalg.norm(vectors.vectors, axis=1)
    assert shares.mean() == pytest.approx(0.2, rel=0.05)
    # The floor of an adversarial run starts from this rotation: it must not be the solution.
    floor = vectors.vectors @ random_rotation(12, seed=0).T
    assert np.abs(still.vectors - floor).max() > 0.5


def test_precision_counts_words_that_come_back(vectors: WordVectors) -> None:
    turned = rotated_space.turned(vectors, noise=0.0, seed=4)
    refiner = Refiner(vectors.vectors, turned.vectors, Refinement(max_rank=1000, criterion_words=1000))
    assert rotated_space.precision(refiner, random_rotation(12, seed=5)) == 1
    assert rotated_space.precision(refiner, np.eye(12, dtype=np.float32)) < 0.2


def test_nothing_is_found_under_noise(vectors: WordVectors, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_vectors(vectors, tmp_path / "a.vec")
    short = ["--updates", "3", "--epochs", "1", "--hidden", "8", "--components", "4", "--rounds", "0", "--noise", "9"]
    assert rotated_space.main([str(tmp_path / "a.vec"), *short, "--json", str(tmp_path / "a.json")]) == 0
    assert "NOT CONVERGED" in capsys.readouterr().out
    report = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert report["adversarial"]["components"] == 4 and len(report["epochs"]) == 1
    assert 0 <= report["precision"]["mapped"] < 0.1 and not report["verdict"]["converged"]
