"""Slow: vectors trained from real text, mapped, and judged against MUSE's test dictionary."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.inference.text import split_words
from hf_xner.translation.adversarial import AdversarialSettings
from hf_xner.translation.convergence import random_rotation
from hf_xner.translation.dictionary import evaluate_mapping
from hf_xner.translation.files import numbered_lines
from hf_xner.translation.mapping import learn_adversarially, learn_from_pairs
from hf_xner.translation.refinement import SUPERVISED, Refinement
from hf_xner.translation.seeds import identical_pairs
from hf_xner.translation.vector_training import VectorTraining, train_vectors
from hf_xner.translation.vectors import WordVectors

LINES = 25_000


def small_vectors(text: Path, folder: Path) -> WordVectors:
    lines = islice((line for number, line in numbered_lines(text) if number % 4 == 0), LINES)
    part = folder / f"{text.name.split('.')[0]}.txt"
    part.write_text("\n".join(lines), encoding="utf-8")
    settings = VectorTraining(width=100, epochs=5, buckets=100_000, lowercase=True)
    return train_vectors([part], settings, split=lambda line: [piece.text for piece in split_words(line)])


@pytest.mark.slow
def test_real_vectors(data_dir: Path, tmp_path: Path) -> None:
    """Identical strings find translations even from little text; an adversarial run too short is found out."""
    dictionary = data_dir / "dict" / "en-es.train0-5000.txt.xz"
    if not dictionary.is_file() or not (data_dir / "text" / "es.txt.xz").is_file():
        pytest.skip(f"no text or dictionary in {data_dir}")
    source, target = (small_vectors(data_dir / "text" / f"{name}.txt.xz", tmp_path) for name in ("en", "es"))
    mapping = learn_from_pairs(source, target, identical_pairs(source, target), settings=SUPERVISED)
    accuracy = evaluate_mapping(source, target, mapping, dictionary)
    chance = evaluate_mapping(source, target, replace(mapping, matrix=random_rotation(100, seed=0)), dictionary)
    # Under a million words a language: little, but far above chance.
    assert accuracy.queries > 2000 and accuracy.precision[5] > 1.5 * accuracy.precision[1]
    assert accuracy.precision[1] > 0.015 > 0.002 > chance.precision[1]
    short = AdversarialSettings(epochs=1, updates=200, hidden=128, most_frequent=10_000)
    with pytest.raises(InputError, match="has not converged .* shared words are their own translation"):
        learn_adversarially(source, target, adversarial=short, settings=Refinement(rounds=2))
