"""tsl from its options to its run folder: what is shared, what is made anew, and what never trains."""

from __future__ import annotations

import json
import logging
import random
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from hf_xner.data.rows import read_soft_labels
from hf_xner.launch import train
from hf_xner.training.history import read_history

from .toy import TARGET, TARGET_WORDS, Finished, Toy, stage_folders, write_corpus


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def no_training(*_: Any, **__: Any) -> None:
    raise AssertionError("something was trained again")


@pytest.fixture
def shared(finished: Finished, tmp_path: Path) -> Path:
    """A store that holds what the finished run made, to add to."""
    shutil.copytree(finished.store, tmp_path / "shared")
    return tmp_path / "shared"


def test_the_run_folder_holds_what_the_user_wants(finished: Finished):
    names = {path.name for path in finished.folder.iterdir()}
    wanted = {"student", "predictions_source_dev", "predictions_target_test", "history.jsonl", "history.png"}
    assert names == wanted | {"log.txt", "results.json", "run.json", "stages.json"}
    log = (finished.folder / "log.txt").read_text().splitlines()
    assert "world size 1, device" in log[0]
    config = json.loads((finished.folder / "student" / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert config["xner"]["temperature"] == pytest.approx(finished.results["calibration"]["temperature"])
    predictions = (finished.folder / "predictions_target_test" / "plain.conll").read_text().strip().split("\n\n")
    assert len(predictions) == 13 and all(len(line.split()) == 3 for line in predictions[0].splitlines())


def test_results_say_how_they_came_about(finished: Finished):
    results = json.loads((finished.folder / "results.json").read_text())
    assert {"torch", "transformers", "hf_xner"} <= results["versions"].keys()
    assert results["seeds"] == [1] and results["system"] == "tsl" and results["command"]
    assert results["arguments"]["teacher_learning_rate"] == 0.005
    assert len(results["data"]) == 4, "both training texts and both evaluation sets"
    assert {len(digest) for digest in results["data"].values()} == {64}
    assert results["student"] == "tsl" and results["oracle"] is False
    assert set(results["variants"]) == {"mt", "hl", "tsl"}
    assert str(finished.folder.parent) not in json.dumps(results)
    scores = results["variants"]["mt"]["source_dev"]["plain"]
    assert scores["f1"]["n"] == 1 and scores["f1"]["sd"] is None and set(scores["per_type"]) == {"LOC", "ORG", "PER"}
    assert scores["f1"]["mean"] > 0.3, "the toy is meant to be learnt, or these tests show nothing"
    pairs = [(gap["first"], gap["second"], gap["set"]) for gap in results["differences"]]
    assert ("tsl", "mt", "target_test") in pairs and ("hl", "mt", "target_test") in pairs


def test_teacher_outputs_are_computed_once_and_shared_by_the_variants(finished: Finished):
    counts = {kind: len(finished.stages(kind)) for kind in ("train", "soft_labels", "distil")}
    assert counts == {"train": 1, "soft_labels": 1, "distil": 2}
    (folder,) = finished.stages("soft_labels")
    labels = read_soft_labels(folder)
    assert len(labels) == 30 and labels.features["soft_labels"].feature.dtype == "float16"
    assert all(abs(sum(row) - len(row) / 7) < 0.01 * len(row) for row in labels["soft_labels"])
    hard, soft = (weights(folder / "model") for folder in finished.stages("distil"))
    assert hard != soft


def test_the_same_command_again_trains_nothing(finished: Finished, monkeypatch, caplog):
    monkeypatch.setattr("hf_xner.systems.tagger_stages.fit", no_training)
    monkeypatch.setattr("hf_xner.systems.tagger_stages.word_probabilities", no_training)
    monkeypatch.setattr("hf_xner.systems.tagger_stages.evaluate_model", no_training)
    with caplog.at_level(logging.INFO, "hf_xner"):
        again = train("tsl", **finished.options)
    assert again == finished.results
    stages = [record.getMessage() for record in caplog.records if record.getMessage().startswith("stage ")]
    assert stages and all(message.endswith("is in the store") for message in stages)


def test_a_second_seed_gets_a_teacher_and_a_student_of_its_own(finished: Finished, shared: Path, tmp_path: Path):
    options = {**finished.options, "store": str(shared), "output_dir": str(tmp_path / "run")}
    results = train("tsl", **{**options, "variants": ["mt", "tsl"], "seeds": [1, 2]})
    counts = {kind: len(stage_folders(shared, kind)) for kind in ("train", "soft_labels", "distil")}
    assert counts == {"train": 2, "soft_labels": 2, "distil": 3}
    assert len({weights(folder / "model") for folder in stage_folders(shared, "train")}) == 2
    assert len({weights(folder / "model") for folder in stage_folders(shared, "distil")}) == 3
    f1 = results["variants"]["mt"]["target_test"]["plain"]["f1"]
    before = finished.results["variants"]["mt"]["target_test"]["plain"]["f1"]
    assert f1["n"] == 2 and f1["values"][0] == before["mean"]
    assert f1["mean"] == pytest.approx(sum(f1["values"]) / 2) and f1["sd"] is not None
    assert all("over_seeds" in gap for gap in results["differences"])
    assert weights(tmp_path / "run" / "student") == weights(finished.folder / "student")


def test_a_dry_run_lists_the_stages_and_does_nothing(finished: Finished, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr("hf_xner.systems.tagger_stages.fit", no_training)
    options = {**finished.options, "output_dir": str(tmp_path / "run"), "dry_run": True}
    plan = train("tsl", **{**options, "store": str(tmp_path / "nothing")})["plan"]
    assert plan in capsys.readouterr().out
    for stage in ("teacher, seed 1", "soft labels, seed 1", "hl student, seed 1", "tsl on target_test, seed 1"):
        assert stage in plan
    assert " 0 of" not in plan and "done" not in plan
    assert not (tmp_path / "run").exists() and not (tmp_path / "nothing").exists()
    assert "0 of " in train("tsl", **options)["plan"]


def test_a_dry_run_lists_every_stage_of_the_run(finished: Finished, tmp_path: Path):
    options = {**finished.options, "output_dir": str(tmp_path / "run"), "dry_run": True}
    plan = train("tsl", **{**options, "store": str(tmp_path / "nothing")})["plan"]
    keys = {stage["key"] for stage in json.loads((finished.folder / "stages.json").read_text()).values()}
    assert {key for key in keys if key not in plan} == set()


def test_one_teacher_serves_two_targets_and_nothing_leaves_the_machine(
    finished: Finished, shared: Path, tmp_path: Path, monkeypatch
):
    def resolve(host: Any, *_: Any, **__: Any) -> None:
        raise AssertionError(f"a run asked where {host} is")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    other = write_corpus(tmp_path / "other", TARGET, TARGET_WORDS, {"train": 12, "test": 5}, seed=70)
    options = {**finished.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "target": str(other)}
    train("tsl", **{**options, "variants": ["tsl"]})
    counts = {kind: len(stage_folders(shared, kind)) for kind in ("train", "soft_labels", "distil")}
    assert counts == {"train": 1, "soft_labels": 2, "distil": 3}


def test_less_target_text_is_the_beginning_of_it(finished: Finished, shared: Path, tmp_path: Path):
    options = {**finished.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "variants": ["tsl"]}
    train("tsl", **options, max_target_sentences=10)
    assert len(stage_folders(shared, "train")) == 1
    long, short = sorted((read_soft_labels(folder) for folder in stage_folders(shared, "soft_labels")), key=len)[::-1]
    assert len(short) == 10
    assert short["soft_labels"][:] == long["soft_labels"][:10]


def test_tags_of_the_target_change_nothing(finished: Finished, toy: Toy, tmp_path: Path):
    """The target's tags, in the files as they are, are replaced by random ones: not one bit of the student differs."""
    chance = random.Random(5)
    other = tmp_path / "target"
    shutil.copytree(toy.target, other)
    lines = (other / "train.conll").read_text().splitlines()
    tags = [f"B-{chance.choice(['PER', 'LOC', 'ORG'])}" if chance.random() < 0.5 else "O" for _ in lines]
    text = [f"{line.split()[0]} {tag}" if line else "" for line, tag in zip(lines, tags, strict=True)]
    (other / "train.conll").write_text("\n".join(text) + "\n")
    assert text != lines
    options = {**finished.options, "target": str(other), "variants": ["mt", "tsl", "hl"]}
    results = train("tsl", **{**options, "store": str(tmp_path / "store"), "output_dir": str(tmp_path / "run")})
    for kind in ("train", "soft_labels", "distil"):
        there, here = finished.stages(kind), stage_folders(tmp_path / "store", kind)
        assert [folder.name for folder in there] == [folder.name for folder in here]
    for there, here in zip(finished.stages("distil"), stage_folders(tmp_path / "store", "distil"), strict=True):
        assert weights(there / "model") == weights(here / "model")
    assert results["variants"] == finished.results["variants"]


def test_the_best_epoch_is_kept_and_an_oracle_is_marked(finished: Finished, tmp_path: Path):
    options = {**finished.options, "output_dir": str(tmp_path / "run"), "store": str(tmp_path / "store")}
    results = train("tsl", **{**options, "variants": ["mt", "tsl"], "select_on": "target_test"})
    assert results["oracle"] is True and json.loads((tmp_path / "run" / "results.json").read_text())["oracle"] is True
    for kind, variant, gold in (("train", "mt", "source_dev"), ("distil", "tsl", "target_test")):
        (folder,) = stage_folders(tmp_path / "store", kind)
        history = [record["eval_f1"] for record in read_history(folder / "history.jsonl") if "eval_f1" in record]
        assert len(history) == (4 if kind == "train" else 2)
        assert results["variants"][variant][gold]["plain"]["f1"]["mean"] == pytest.approx(max(history), abs=1e-12)


def test_supervised_training_selects_on_the_dev_set(toy: Toy, tmp_path: Path):
    shared_options = toy.options(tmp_path / "run", tmp_path / "store", epochs=3.0, learning_rate=0.005)
    options = {
        name: value
        for name, value in shared_options.items()
        if name != "target" and not name.startswith(("teacher", "student"))
    }
    results = train("supervised", **options, select_on="source_dev", evaluate_on=["source_dev", "source_test"])
    history = read_history(tmp_path / "run" / "history.jsonl")
    best = max(record.get("eval_f1", 0.0) for record in history)
    assert results["variants"]["supervised"]["source_dev"]["plain"]["f1"]["mean"] == pytest.approx(best)
    assert results["oracle"] is False and set(results["sets"]) == {"source_dev", "source_test"}


def test_lora_ends_in_the_encoders_own_class(finished: Finished, toy: Toy, tmp_path: Path):
    from transformers import AutoModelForTokenClassification

    options = {**finished.options, "output_dir": str(tmp_path / "run"), "store": str(tmp_path / "store")}
    train("tsl", **{**options, "variants": ["tsl"], "lora_rank": 2})
    model, report = AutoModelForTokenClassification.from_pretrained(
        tmp_path / "run" / "student", output_loading_info=True
    )
    assert type(model).__name__ == "BertForTokenClassification"
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert not list((tmp_path / "run" / "student").glob("adapter*"))
    before = AutoModelForTokenClassification.from_pretrained(toy.encoder).state_dict()
    moved = [name for name, value in model.state_dict().items() if not value.equal(before.get(name, value))]
    assert any("attention.self.query.weight" in name for name in moved)
    assert not any("embeddings" in name for name in moved)
