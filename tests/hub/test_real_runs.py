"""Runs that were really trained: their records are what cards and pushes read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hf_xner.hub.plan import make_plan
from hf_xner.launch import train
from tests.systems.toy import (
    SOURCE,
    SOURCE_WORDS,
    TARGET,
    TARGET_WORDS,
    Toy,
    write_corpus,
    write_toy_dictionary,
    write_toy_vectors,
)

pytestmark = pytest.mark.slow

RECIPES: dict[str, dict[str, Any]] = {
    "tsl": {"variants": ["mt", "tsl"]},
    "supervised": {"target": "", "evaluate_on": ["source_test"], "epochs": 1.0, "learning_rate": 0.005},
    "msd": {"variants": ["mt", "msd"]},
    "unitrans": {"variants": ["mt", "unitrans"], "student_epochs": 1.0},
    "transadv": {"variants": ["mt", "transadv"], "student_epochs": 1.0, "adversarial_rows": 4},
    "augmented": {"variants": ["source_mono", "cross_augmented"], "epochs": 2, "draws": 2, "map_by": "identical"},
}
OF_TRAINING = ("teacher_epochs", "student_epochs", "teacher_learning_rate", "student_learning_rate")
OF_ENCODERS = ("encoder", "freeze_layers", "freeze_embeddings", "precision", "micro_batch_size")
NOT_OF = {"supervised": OF_TRAINING, "augmented": (*OF_TRAINING, *OF_ENCODERS)}


@pytest.mark.parametrize("system", RECIPES)
def test_a_trained_run_is_ready_to_be_pushed(system: str, tmp_path: Path, tiny_encoder_dir: Path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("HF_XNER_CACHE", str(tmp_path / "vectors"))
    sizes = {"train": 24, "dev": 9, "test": 11}
    source = write_corpus(tmp_path / "source", SOURCE, SOURCE_WORDS, sizes, seed=1)
    target = write_corpus(tmp_path / "target", TARGET, TARGET_WORDS, sizes, seed=11)
    toy = Toy(source, target, tiny_encoder_dir)
    options = toy.options(tmp_path / "run", tmp_path / "store", **{"teacher_epochs": 1.0, **RECIPES[system]})
    options = {name: value for name, value in options.items() if name not in NOT_OF.get(system, ())}
    if system in ("unitrans", "transadv"):
        options["dictionary"] = str(write_toy_dictionary(tmp_path / "dictionary.txt"))
    if system == "augmented":
        options["source_vectors"], options["target_vectors"] = map(str, write_toy_vectors(tmp_path))
    train(system, **options)
    plan = make_plan(tmp_path / "run", f"org/{system}", research=True)
    research = {file.path for file in plan.files if file.path.startswith("research/")}
    notes = [note for note in plan.notes if not note.startswith("the card quotes")]
    if system == "msd":
        assert {"research/config.json", "research/model.safetensors", "research/multi_channel.py"} <= research
        assert notes == []
    else:
        assert not research and [note.partition(":")[0] for note in notes] == ["no research model goes up"]
    (card,) = [file.read().decode() for file in plan.files if file.path == "README.md"]
    assert "## How good it is" in card and "**F1**" in card, "the card is whole"
    assert "see `results.json`" not in card and ("trust_remote_code=True" in card) is (system in ("msd", "augmented"))
    everything = b"".join(file.read() for file in plan.files)
    assert os.fsencode(tmp_path) not in everything
