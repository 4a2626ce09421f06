"""Sentence vectors of several languages as one training set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from hf_xner.data.paired_rows import read_vectors, write_vectors
from hf_xner.data.vector_rows import VectorRows, collate_vectors


def stored(folder: Path, vectors: np.ndarray) -> Dataset:
    """As two processes would have written them."""
    folder.mkdir()
    for number, share in enumerate(np.array_split(vectors, 2)):
        write_vectors(iter(share), folder / f"vectors-{number:05d}.arrow")
    return read_vectors(folder)


def test_rows_are_the_languages_one_after_the_other(tmp_path: Path):
    first, second = np.arange(15, dtype=np.float32).reshape(5, 3), -np.arange(9, dtype=np.float32).reshape(3, 3)
    rows = VectorRows([stored(tmp_path / "a", first), stored(tmp_path / "b", second)])
    assert len(rows) == 8 and rows.sizes == [5, 3] and rows.width == 3
    assert [rows[index]["language"] for index in range(8)] == [0] * 5 + [1] * 3
    np.testing.assert_array_equal(np.stack([rows[index]["vector"] for index in range(8)]), np.vstack([first, second]))
    np.testing.assert_allclose(rows.means(), np.stack([first.mean(0), second.mean(0)]))


def test_means_of_many_rows_are_exact(tmp_path: Path):
    vectors = np.random.default_rng(0).normal(loc=100, size=(5000, 2)).astype(np.float32)
    rows = VectorRows([stored(tmp_path / "a", vectors)])
    np.testing.assert_allclose(rows.means()[0], vectors.astype(np.float64).mean(0), rtol=1e-6)


def test_a_batch(tmp_path: Path):
    rows = VectorRows([stored(tmp_path / "a", np.ones((2, 3), dtype=np.float32))])
    batch = collate_vectors([rows[0], rows[1]])
    assert batch["sentence_vectors"].shape == (2, 3) and batch["sentence_vectors"].dtype == torch.float32
    assert batch["languages"].tolist() == [0, 0] and batch["word_mask"].tolist() == [True, True]


def test_an_empty_language_and_vectors_of_two_encoders_are_refused(tmp_path: Path):
    some = stored(tmp_path / "a", np.ones((2, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="language 1 has no sentence"):
        VectorRows([some, some.select([])])
    with pytest.raises(ValueError, match=r"several widths: \[3, 4\]"):
        VectorRows([some, stored(tmp_path / "b", np.ones((2, 4), dtype=np.float32))])
