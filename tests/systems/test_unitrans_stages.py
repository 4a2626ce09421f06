"""Soft labels of several models as one, and their votes, sentence by sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hf_xner.data.mixtures import align_tags
from hf_xner.data.rows import RaggedColumn, write_soft_labels
from hf_xner.data.votes import DISAGREED
from hf_xner.systems.mixture_stages import mix_labels
from hf_xner.systems.stages import Stage
from hf_xner.systems.tagger_stages import SoftLabels, TrainedTagger
from hf_xner.systems.unitrans_stages import average_soft_labels, vote_on_text

TAGS = ["O", "B-PER", "I-PER"]
LENGTHS = (2, 0, 5)  # a sentence may have no words
TEXT: Any = SimpleNamespace(digest="text", data=LENGTHS)


@pytest.fixture
def space(tmp_path: Path) -> Any:
    """A workspace that does every stage at once."""

    def run(stage: Stage, work: Callable[[Path], None], *, collective: bool) -> Path:
        folder = tmp_path / stage.name
        folder.mkdir()
        work(folder)
        return folder

    return SimpleNamespace(run=run)


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., SoftLabels]:
    """Makes what a model with some tags says of the text."""

    def make(name: str, tags: list[str] = TAGS) -> SoftLabels:
        chance = np.random.default_rng(len(name))
        model, labels = tmp_path / f"model {name}", tmp_path / f"labels {name}"
        for folder in (model, labels):
            folder.mkdir()
        (model / "config.json").write_text(json.dumps({"id2label": dict(enumerate(tags))}))
        rows = (chance.dirichlet(np.ones(len(tags)), length).reshape(length, len(tags)) for length in LENGTHS)
        write_soft_labels(rows, labels / "soft_labels-00000.arrow")
        return SoftLabels(name, labels, TrainedTagger(f"tagger {name}", model))

    return make


@pytest.mark.parametrize("weights", [None, [3.0, 1.0]])
def test_the_mean_of_several_models(space: Any, part: Callable[..., SoftLabels], weights: list[float] | None):
    one, other = part("a"), part("bb")
    mean = average_soft_labels(space, "mean", TEXT, [one, other], weights)
    first, second = weights or [1.0, 1.0]
    assert [len(row) for row in mean.rows()] == list(LENGTHS)
    for row, ours, theirs in zip(mean.rows(), one.rows(), other.rows(), strict=True):
        np.testing.assert_allclose(row, (first * ours + second * theirs) / (first + second), atol=1e-3)
    assert average_soft_labels(space, "alone", TEXT, [one]) is one


def test_models_agree_on_a_word_or_not(space: Any, part: Callable[..., SoftLabels]):
    one, other = part("a"), part("bb")
    votes = RaggedColumn(vote_on_text(space, "votes", TEXT, [one, other]).read(), "votes")
    seen = set()
    for index, (ours, theirs) in enumerate(zip(one.rows(), other.rows(), strict=True)):
        best, rival = ours.argmax(axis=1), theirs.argmax(axis=1)
        assert votes[index].tolist() == np.where(best == rival, best, DISAGREED).tolist()
        seen |= set((best == rival).tolist())
    assert seen == {True, False}, "the test shows one half only"


def test_tags_in_another_order_are_refused_here_and_meet_by_name_in_a_mixture(
    space: Any, part: Callable[..., SoftLabels]
):
    one, other = part("a"), part("bb", ["B-PER", "O", "I-PER"])
    with pytest.raises(ValueError, match="different tags"):
        average_soft_labels(space, "mean", TEXT, [one, other])
    mixed = mix_labels(space, "mixture", TEXT, [one, other], align_tags({"a": TAGS, "b": other.tag_names()}))
    columns = [[part.tag_names().index(tag) for tag in mixed.tags] for part in (one, other)]
    for row, ours, theirs in zip(mixed.rows(), one.rows(), other.rows(), strict=True):
        np.testing.assert_allclose(row, (ours[:, columns[0]] + theirs[:, columns[1]]) / 2, atol=1e-3)
