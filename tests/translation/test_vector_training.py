"""Tests for training vectors from text."""

from __future__ import annotations

import lzma
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.translation.vector_training import VectorTraining, train_vectors

TEXT = "Das Haus ist alt .\ndas haus IST neu .\nein Mann geht nach Hause .\n" * 40
SMALL = VectorTraining(width=8, epochs=2, min_count=5, buckets=500)


def test_the_same_seed_gives_the_same_vectors(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    path = tmp_path / "de.txt.xz"
    path.write_bytes(lzma.compress(TEXT.encode()))
    first, again = (train_vectors([path], SMALL) for _ in range(2))
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert first.words[0] == "." and first.width == 8 and {"Haus", "haus"} <= set(first.words)
    assert np.isfinite(first.vectors).all()
    other = train_vectors([path], VectorTraining(width=8, epochs=2, min_count=5, buckets=500, seed=1))
    assert not np.array_equal(first.vectors, other.vectors)


def test_lower_case_and_own_splitter(tmp_path: Path) -> None:
    pytest.importorskip("gensim")
    path = tmp_path / "de.txt"
    path.write_text(TEXT, encoding="utf-8")
    settings = VectorTraining(width=8, epochs=1, buckets=500, lowercase=True)
    # A "word" with a space has no place in a .vec file.
    vectors = train_vectors([path], settings, split=lambda line: [*line.split(), "two words"])
    assert "Haus" not in vectors.index and "haus" in vectors.index and "two words" not in vectors.index


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *((name, 0, "give 1 or more") for name in ("width", "epochs", "workers", "min_count", "buckets", "window")),
        ("subsampling", -0.1, "give 0 or more"),
        ("subsampling", float("nan"), "give 0 or more"),
        ("rate", 0.0, "is no learning rate"),
        ("longest", 2, "below the shortest n-gram, 3"),
    ],
)
def test_settings_that_train_nothing_are_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(InputError, match=f"--{name}: .*{message}"):
        VectorTraining(**{name: value})


def test_too_little_text_and_no_gensim_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("einmal\n", encoding="utf-8")
    if "gensim" in sys.modules or __import__("importlib.util").util.find_spec("gensim"):
        with pytest.raises(InputError, match="no word occurs 5 times; give more text or lower --min_count"):
            train_vectors([path], SMALL)
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(InputError, match=r'needs gensim; install it: pip install "hf_xner\[vectors\]"'):
        train_vectors([path], SMALL)
