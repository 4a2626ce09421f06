"""msd from its options to its run folder: what the variants share, where they differ, and what never trains."""

from __future__ import annotations

import json
import logging
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from hf_xner.data.paired_rows import read_vectors
from hf_xner.data.rows import read_soft_labels
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.sentence_vectors import sentence_vectors
from hf_xner.launch import train
from hf_xner.models.register import register_models
from hf_xner.systems import msd, msd_stages
from hf_xner.systems.processes import current_processes
from hf_xner.systems.stages import Stage, StageStore
from hf_xner.systems.workspace import Workspace
from hf_xner.training.fit_channels import CHANNELS, ChannelSettings, new_model
from hf_xner.training.history import read_history
from hf_xner.training.msd import PairedTrainer
from hf_xner.training.trainer import TokenClassificationTrainer

from .test_resume import launcher, start
from .toy import Finished, Toy, command_line, stage_folders, subprocess_environment

__all__ = ["launcher"]  # a fixture

TRAINING = ("train", "train_channels", "train_implicit", "distil", "distil_channels")


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def no_training(*_: Any, **__: Any) -> None:
    raise AssertionError("something was trained again")


@pytest.fixture(scope="module")
def made(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Every variant; tests may read what is left, not change it."""
    folder = tmp_path_factory.mktemp("msd")
    options = toy.options(
        folder / "run", folder / "store", variants=["all"], student_epochs=3.0, mmd_model=0.01, mmd_language=0.01
    )
    return Finished(options, folder / "run", folder / "store", train("msd", **options))


@pytest.fixture
def shared(made: Finished, tmp_path: Path) -> Path:
    """A store that holds what the finished run made, to add to."""
    shutil.copytree(made.store, tmp_path / "shared")
    return tmp_path / "shared"


def again(made: Finished, place: Path, store: Path, **more: Any) -> dict[str, Any]:
    """Options of the same run elsewhere."""
    return {**made.options, "output_dir": str(place / "run"), "store": str(store), **more}


def planned(toy: Toy, place: Path, seed: int = 1, **more: Any) -> dict[str, Stage]:
    """The stages of a run by name, without doing anything."""
    arguments = msd.Arguments(**{**toy.options(place / "run", place / "none"), "variants": ["all"], **more})
    store = StageStore(arguments.store, dry_run=True)
    msd.build(Workspace(arguments, store, current_processes()), seed)
    return {stage.name: stage for stage in store._noted.values()}


def test_each_variant_is_what_the_paper_says_and_shares_what_it_can(made: Finished):
    counts = {
        kind: len(made.stages(kind)) for kind in (*TRAINING, "soft_labels", "channel_labels", "sentence_vectors")
    }
    assert counts == {
        "train": 1,  # the last-layer teacher: mt, without_all, without_distillers
        "train_channels": 1,
        "train_implicit": 1,
        "distil": 2,  # without_all, tsl_mmd
        "distil_channels": 5,
        "soft_labels": 2,
        "channel_labels": 1,
        "sentence_vectors": 2,
    }
    assert set(made.results["variants"]) == set(msd.VARIANTS) and made.results["student"] == "msd"
    assert made.results["target_labels_used"] is False
    stages = made.results["stages"]
    losses = {
        name.split()[0]: stage["settings"]["loss"] for name, stage in stages.items() if "distil_c" in stage["kind"]
    }
    on = {name: (len(loss["channels"]), loss["mmd_model"], loss["mmd_language"]) for name, loss in losses.items()}
    assert on == {
        "msd": (4, 0.01, 0.01),
        "without_distillers": (1, 0.01, 0.01),
        "without_mmd_l": (4, 0.01, 0),
        "without_mmd_m": (4, 0, 0.01),
        "without_mmd": (4, 0, 0),
    }
    models = {weights(folder / "model") for kind in TRAINING for folder in made.stages(kind)}
    assert len(models) == 10, "no two variants train the same model"
    pairs = {(gap["first"], gap["second"]) for gap in made.results["differences"]}
    assert pairs >= {(variant, "without_all") for variant in msd.VARIANTS if variant != "without_all"}


def test_every_part_of_the_loss_is_logged(made: Finished):
    expected = {
        "msd": {"loss_kd", "loss_channels", "loss_mmd_model", "loss_mmd_language"},
        "without_distillers": {"loss_kd", "loss_mmd_model", "loss_mmd_language"},
        "without_mmd_l": {"loss_kd", "loss_channels", "loss_mmd_model"},
        "without_mmd_m": {"loss_kd", "loss_channels", "loss_mmd_language"},
        "without_mmd": {"loss_kd", "loss_channels"},
        "teacher": {"loss_ce", "loss_channels"},
        "teacher of implicit": {"loss_ce", "loss_mmd_language"},
    }
    places = {name: stage["path"] for name, stage in json.loads((made.folder / "stages.json").read_text()).items()}
    names = {name: f"{name} student, seed 1" for name in expected}
    names |= {
        "teacher": "teacher with channels, seed 1",
        "teacher of implicit": "teacher of implicit transfer, seed 1",
    }
    for name, parts in expected.items():
        records = [
            record for record in read_history(made.store / places[names[name]] / "history.jsonl") if "loss" in record
        ]
        assert records
        for record in records:
            found = {part: value for part, value in record.items() if part.startswith("loss_")}
            assert set(found) == parts, name
            assert record["loss"] == pytest.approx(sum(found.values()), rel=1e-4)


def test_without_all_is_tsl(made: Finished, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hf_xner.systems.tagger_stages.fit", no_training)
    own = {field for field in made.options if field.startswith("mmd")}
    options = {name: value for name, value in again(made, tmp_path, shared).items() if name not in own}
    results = train("tsl", **{**options, "variants": ["mt", "tsl"]})
    for theirs, ours in (("mt", "mt"), ("tsl", "without_all")):
        assert results["variants"][theirs] == made.results["variants"][ours]


def test_the_student_is_its_last_channel(made: Finished, toy: Toy):
    register_models()
    text = [["Angela", "Merkel", "ib", "Kiel"], ["hed"]]
    for folder in (*made.stages("distil_channels"), *made.stages("train_channels")):
        research, tokenizer = load_tagger(str(folder / CHANNELS))
        plain, _ = load_tagger(str(folder / "model"))
        assert type(plain).__name__ == "BertForTokenClassification"
        assert plain.config.id2label == research.config.id2label and plain.config.xner == research.config.xner
        for one, other in zip(
            *(word_probabilities(model, tokenizer, text) for model in (research, plain)), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-6)
    assert json.loads((made.folder / "student" / "config.json").read_text())["architectures"] == [type(plain).__name__]


def test_commands_of_a_fresh_process_load_the_research_model(made: Finished, tmp_path: Path):
    """Without a question about the code saved beside it, and without that code."""
    (folder,) = made.stages("train_channels")
    shutil.copytree(folder / CHANNELS, tmp_path / "research", ignore=shutil.ignore_patterns("*.py"))
    words = [sys.executable, "-m", "hf_xner.cli", "predict", str(tmp_path / "research"), "--device", "cpu"]
    ended = subprocess.run(
        [*words, "--format", "jsonl"],
        input="John visited Kiel .\n",
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)["ner_tags"]) == 4


def test_what_a_masked_language_model_has_besides_is_not_reported(tmp_path: Path, tiny_tokenizer, capfd, caplog):
    encoder = save_encoder(tmp_path / "mlm", "bert", tiny_tokenizer, auto=AutoModelForMaskedLM)
    assert any("cls.predictions" in name for name in load_file(Path(encoder, "model.safetensors")))
    register_models()
    # Both ways that transformers may take to tell it.
    logging.getLogger("transformers").addHandler(caplog.handler)
    try:
        new_model(encoder, ["O", "B-LOC", "I-LOC"], ChannelSettings((3, 4)))
    finally:
        logging.getLogger("transformers").removeHandler(caplog.handler)
    told = caplog.text + "".join(capfd.readouterr())
    assert "UNEXPECTED" not in told and "LOAD REPORT" not in told and "cls.predictions" not in told


def test_channel_labels_are_stored_in_half_precision_for_every_channel(made: Finished):
    (folder,), (teacher,) = made.stages("channel_labels"), made.stages("train_channels")
    labels = read_soft_labels(folder)
    assert len(labels) == 30 and labels.features["soft_labels"].feature.dtype == "float16"
    assert labels.cache_files, "memory-mapped"
    register_models()
    model, tokenizer = load_tagger(str(teacher / CHANNELS))
    channels, tags = len(model.config.channel_layers), model.config.num_labels
    words = sum(len(row) for row in labels["soft_labels"]) / (channels * tags)
    size = sum(path.stat().st_size for path in folder.glob("*.arrow"))
    assert (channels, tags) == (4, 7) and 2 * 28 * words <= size < 2 * 28 * words + 4000
    corpus = (Path(made.options["target"]) / "train.conll").read_text().split("\n\n")
    sentence = [line.split()[0] for line in corpus[0].splitlines()]
    (expected,) = word_probabilities(
        model, tokenizer, [sentence], read=lambda outputs: outputs.channel_logits.transpose(1, 2)
    )
    found = np.asarray(labels["soft_labels"][0]).reshape(-1, channels, tags)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_teachers_vectors_are_those_of_the_source_sentences(made: Finished):
    corpus = (Path(made.options["source"][0]) / "train.conll").read_text().strip().split("\n\n")
    sentences = [[line.split()[0] for line in part.splitlines()] for part in corpus]
    stages = made.results["stages"]
    for kind, stage, model in (("channels", "train_channels", CHANNELS), ("last layer", "train", "model")):
        (teacher,) = made.stages(stage)
        place = made.store / "sentence_vectors" / stages[f"teacher's [CLS], {kind}, seed 1"]["key"]
        tagger, tokenizer = load_tagger(str(teacher / model))
        expected = np.stack(list(sentence_vectors(tagger, tokenizer, sentences, max_length=64)))
        found = np.asarray(read_vectors(place)["vectors"][:])
        assert found.shape == (40, 32)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tags_of_the_target_change_nothing(made: Finished, toy: Toy, tmp_path: Path):
    """The target's tags, in the files as they are, are replaced by random ones: not one bit of any model differs."""
    chance = random.Random(5)
    other = tmp_path / "target"
    shutil.copytree(toy.target, other)
    lines = (other / "train.conll").read_text().splitlines()
    tags = [f"B-{chance.choice(['PER', 'LOC', 'ORG'])}" if chance.random() < 0.5 else "O" for _ in lines]
    text = [f"{line.split()[0]} {tag}" if line else "" for line, tag in zip(lines, tags, strict=True)]
    (other / "train.conll").write_text("\n".join(text) + "\n")
    assert text != lines
    variants = ["tsl_mmd", "without_distillers", "msd"]
    results = train("msd", **again(made, tmp_path, tmp_path / "store", target=str(other), variants=variants))
    trained = [folder for kind in TRAINING for folder in stage_folders(tmp_path / "store", kind)]
    assert len(trained) == 6, "two students with channels, a plain one, and their teachers"
    for here in trained:
        there = made.store / here.parent.name / here.name
        assert weights(here / "model") == weights(there / "model")
        assert not (here / CHANNELS).exists() or weights(here / CHANNELS) == weights(there / CHANNELS)
    for variant in variants:
        assert results["variants"][variant] == made.results["variants"][variant]


def test_no_tag_column_reaches_a_students_rows(made: Finished, shared: Path, tmp_path: Path, monkeypatch):
    seen = []

    def watch(folder: Path, encoder: str, sentences: Any, *_: Any, partners: Any = None, **more: Any) -> None:
        read = [sentences, partners.sentences] if partners else [sentences]
        seen.append(("tags" if more.get("soft_labels") is None else "", [sorted(part.column_names) for part in read]))
        raise InputError("seen")

    monkeypatch.setattr(msd_stages, "fit_channels", watch)
    for variant in ("msd", "without_mmd", "tsl_mmd"):
        for kind in ("distil_channels", "train_implicit"):
            shutil.rmtree(shared / kind, ignore_errors=True)
        with pytest.raises(InputError, match="seen"):
            train("msd", **again(made, tmp_path / variant, shared, variants=[variant]))
    untagged = ["id", "tokens"]
    assert seen == [
        ("", [untagged, untagged]),
        ("", [untagged]),
        ("tags", [["id", "ner_tags", "tokens"], untagged]),  # a teacher learns from the source's tags
    ]


def test_tags_given_by_mistake_are_refused(made: Finished, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(msd_stages, "without_tags", lambda corpus: corpus)
    monkeypatch.setattr(msd, "without_tags", lambda corpus: corpus)
    shutil.copytree(made.store, tmp_path / "store")
    for kind in ("distil_channels", "sentence_vectors"):
        shutil.rmtree(tmp_path / "store" / kind)
    with pytest.raises(InputError, match=r"a corpus with tags was given for distillation"):
        train("msd", **again(made, tmp_path, tmp_path / "store", variants=["msd"]))


class Stopped(Exception):
    """Stands for a kill."""


def test_a_stopped_student_ends_with_the_weights_of_an_undisturbed_one(
    made: Finished, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An epoch of the student has four steps; it stops in the third."""
    key = made.results["stages"]["msd student, seed 1"]["key"]
    shutil.rmtree(shared / "distil_channels" / key)
    real, calls = PairedTrainer.training_step, 0

    def step(self: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 11:
            raise Stopped
        return real(self, *arguments, **more)

    monkeypatch.setattr(PairedTrainer, "training_step", step)
    options = again(made, tmp_path, shared, variants=["msd"])
    with pytest.raises(Stopped):
        train("msd", **options)
    assert (shared / "distil_channels" / f"{key}.partial" / "checkpoints" / "checkpoint-8").is_dir()
    train("msd", **options)
    assert calls == 11 + 4, "two epochs were not trained again"
    for name in ("model", CHANNELS):
        places = (store / "distil_channels" / key / name for store in (made.store, shared))
        assert weights(next(places)) == weights(next(places)), name
    left = {path.name for path in (shared / "distil_channels" / key).iterdir()}
    assert left == {"model", CHANNELS, "finished", "history.jsonl", "history.png", "stage.json", "used_by.json"}


@pytest.mark.slow
def test_a_stopped_search_for_the_best_model_goes_on_from_the_best_so_far(
    made: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With --eval_every only a new best model is a checkpoint; what came after it is trained again, alike."""
    more = {"variants": ["teacher"], "select_on": "source_dev", "eval_every": 3}
    train("msd", **again(made, tmp_path / "undisturbed", tmp_path / "one", **more))
    real, calls = TokenClassificationTrainer.training_step, 0

    def step(self: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 14:
            raise Stopped
        return real(self, *arguments, **options)

    monkeypatch.setattr(TokenClassificationTrainer, "training_step", step)
    options = again(made, tmp_path / "stopped", tmp_path / "two", **more)
    with pytest.raises(Stopped):
        train("msd", **options)
    (checkpoints,) = (tmp_path / "two").glob("train_channels/*.partial/checkpoints")
    reached = max(int(path.name.split("-")[1]) for path in checkpoints.glob("checkpoint-*"))
    train("msd", **options)
    assert calls == 14 + 20 - reached
    (one,), (two,) = (stage_folders(tmp_path / store, "train_channels") for store in ("one", "two"))
    for name in ("model", CHANNELS):
        assert weights(one / name) == weights(two / name)
    scores = [
        [record["eval_f1"] for record in read_history(place / "history.jsonl") if "eval_f1" in record]
        for place in (one, two)
    ]
    assert scores[0] == scores[1] and len(set(scores[0])) > 2


def test_a_student_of_another_depth_and_width_learns_by_a_map_and_a_projection(
    made: Finished, shared: Path, tmp_path: Path, tiny_tokenizer
):
    from transformers import BertConfig, BertModel

    torch.manual_seed(4)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tiny_tokenizer), max_position_embeddings=64, **small)
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "small")
    tiny_tokenizer.save_pretrained(tmp_path / "small")
    options = again(made, tmp_path, shared, student_encoder=str(tmp_path / "small"))
    results = train("msd", **{**options, "variants": ["without_all", "without_mmd", "msd"]})
    assert len(stage_folders(shared, "train_channels")) == 1, "the teacher is the one that was there"
    settings = results["stages"]["msd student, seed 1"]["settings"]
    assert settings["channels"] == {"layers": [1, 2], "weighting": "softmax", "teacher_hidden_size": 32}
    assert settings["loss"]["channels"] == [1, 3], "of the teacher's channels on layers 1 to 4"
    assert results["stages"]["without_mmd student, seed 1"]["settings"]["channels"]["teacher_hidden_size"] is None
    register_models()
    place = shared / "distil_channels" / results["stages"]["msd student, seed 1"]["key"]
    research, _ = load_tagger(str(place / CHANNELS))
    assert research.projection.weight.shape == (32, 16)
    student, tokenizer = load_tagger(str(tmp_path / "run" / "student"))
    assert student.config.num_hidden_layers == 2 and student.config.hidden_size == 16
    assert next(word_probabilities(student, tokenizer, [["Kiel"]])).shape == (1, 7)
    losses = [record for record in read_history(place / "history.jsonl") if "loss_mmd_model" in record]
    assert losses and all(np.isfinite(record["loss"]) for record in losses)
    plain = results["stages"]["without_all student, seed 1"]["key"]
    assert json.loads((shared / "distil" / plain / "model" / "config.json").read_text())["hidden_size"] == 16


def test_a_teacher_of_twelve_layers_teaches_a_student_of_six(toy: Toy, tmp_path: Path, tiny_tokenizer):
    sizes = {"hidden_size": 16, "vocab_size": len(tiny_tokenizer), "max_position_embeddings": 64}
    deep = save_encoder(tmp_path / "deep", "bert", tiny_tokenizer, num_hidden_layers=12, **sizes)
    flat = save_encoder(tmp_path / "flat", "bert", tiny_tokenizer, num_hidden_layers=6, **sizes)
    options = toy.options(
        tmp_path / "run",
        tmp_path / "store",
        variants=["teacher", "msd"],
        encoder=deep,
        student_encoder=flat,
        freeze_layers=None,
        teacher_epochs=1.0,
        student_epochs=1.0,
    )
    results = train("msd", **options)
    assert set(results["variants"]) == {"teacher", "msd"}
    stages = {name: results["stages"][f"{name}, seed 1"] for name in ("teacher with channels", "msd student")}
    channels = {name: stage["settings"]["channels"]["layers"] for name, stage in stages.items()}
    assert channels == {"teacher with channels": [*range(4, 13)], "msd student": [2, 3, 4, 5, 6]}
    # Layer 2 m of the teacher for layer m of the student, as positions among its channels 4 to 12.
    assert stages["msd student"]["settings"]["loss"]["channels"] == [0, 2, 4, 6, 8]
    research, _ = load_tagger(str(tmp_path / "store" / "distil_channels" / stages["msd student"]["key"] / CHANNELS))
    assert len(research.classifiers) == 5 and research.projection is None
    student, tokenizer = load_tagger(str(tmp_path / "run" / "student"))
    assert student.config.num_hidden_layers == 6
    assert next(word_probabilities(student, tokenizer, [["Kiel"]])).shape == (1, 7)


@pytest.mark.slow
def test_the_best_model_may_be_looked_for_every_few_updates(made: Finished, shared: Path, tmp_path: Path):
    options = again(made, tmp_path, shared, variants=["teacher", "msd"], evaluate_on=["source_dev", "target_dev"])
    results = train("msd", **options, select_on="target_dev", eval_every=3)
    for name, gold, steps, variant in (
        ("teacher with channels, seed 1", "source_dev", [*range(3, 20, 3), 20], "teacher"),
        ("msd student, seed 1", "target_dev", [3, 6, 9, 12], "msd"),
    ):
        stage = results["stages"][name]
        assert stage["settings"]["eval_every"] == 3
        records = [
            record
            for record in read_history(shared / stage["kind"] / stage["key"] / "history.jsonl")
            if "eval_f1" in record
        ]
        assert [record["step"] for record in records] == steps
        best = max(record["eval_f1"] for record in records)
        assert results["variants"][variant][gold]["plain"]["f1"]["mean"] == pytest.approx(best)
    assert results["target_labels_used"] is True


def test_options_reach_the_stages(toy: Toy, tmp_path: Path):
    def settings(name: str, **more: Any) -> Any:
        return planned(toy, tmp_path, **more)[f"{name}, seed 1"].settings

    teacher, student = "teacher with channels", "msd student"
    assert settings(teacher)["loss"] == {"alpha": 0.05} and settings(student)["loss"]["beta"] == 0.05
    assert settings(teacher, weights="released")["loss"] == {"alpha": 0.1}
    assert settings(student, weights="released", beta=0.3)["loss"]["beta"] == 0.3
    assert settings(student)["loss"]["discrepancy"] == {"kernels": 5, "unbiased": False}
    assert (settings(student)["loss"]["mmd_model"], settings(student)["loss"]["mmd_language"]) == (0.001, 0.001)
    assert settings(student, mmd_kernels=1, mmd_unbiased=True)["loss"]["discrepancy"] == {
        "kernels": 1,
        "unbiased": True,
    }
    assert settings("teacher of implicit transfer")["loss"]["mmd"] == 0.05
    assert settings(teacher, channel_weighting="free")["channels"]["weighting"] == "free"
    assert settings(teacher, freeze_layers=None)["channels"]["layers"] == [2, 3, 4], "above the bottom quarter"
    assert settings(teacher, freeze_layers=0)["channels"]["layers"] == [1, 2, 3, 4]
    assert settings(student, channel_layers=[3, 4])["channels"]["layers"] == [3, 4]
    assert settings(student, channel_layers=4)["channels"]["layers"] == [4]
    arguments = msd.Arguments(source=["a"], target="b", output_dir="c")
    assert (arguments.teacher_epochs, arguments.student_epochs, arguments.batch_size) == (10, 10, 32)


def test_an_option_is_part_of_a_key_only_where_it_takes_part(toy: Toy, tmp_path: Path):
    before = planned(toy, tmp_path)
    with_channels = {"msd", "without_mmd_l", "without_mmd_m", "without_mmd"}
    compared = {"msd", "without_mmd_l", "without_mmd_m", "without_distillers", "tsl_mmd"}
    for option, expected in (
        ({"beta": 0.3}, with_channels),
        ({"channel_weighting": "free"}, with_channels),
        ({"mmd_kernels": 1}, compared),
        ({"mmd_model": 0.5}, {"msd", "without_mmd_l", "without_distillers"}),
        ({"mmd_language": 0.5}, {"msd", "without_mmd_m", "without_distillers"}),
        ({"mmd_implicit": 0.5}, {"tsl_mmd"}),
    ):
        after = planned(toy, tmp_path, **option)
        changed = {name.split(" student")[0] for name, stage in after.items() if stage.key != before[name].key}
        assert changed & set(msd.VARIANTS) == expected, option


def test_published_rates_are_for_published_encoders(toy: Toy, tmp_path: Path):
    rates = {"teacher_learning_rate": None, "student_learning_rate": None}
    stages = planned(toy, tmp_path, **rates)
    assert stages["teacher with channels, seed 1"].settings["learning_rate"] == 5e-5
    assert stages["msd student, seed 1"].settings["learning_rate"] == 2e-5
    assert stages["without_all student, seed 1"].settings["learning_rate"] == 2e-5
    built_in = planned(toy, tmp_path, **rates, encoder="xner-mini")
    assert built_in["teacher with channels, seed 1"].settings["learning_rate"] == 5e-4
    assert built_in["msd student, seed 1"].settings["learning_rate"] == 5e-4


def test_the_forward_batch_is_part_of_a_key_only_where_rows_are_compared(toy: Toy, tmp_path: Path):
    whole, halves = planned(toy, tmp_path), planned(toy, tmp_path, micro_batch_size=4)
    differ = {name for name, stage in whole.items() if stage.key != halves[name].key}
    compared = {"msd", "without_distillers", "without_mmd_l", "without_mmd_m"}
    assert differ == {f"{name} student, seed 1" for name in compared} | {
        "teacher of implicit transfer, seed 1",
        "soft labels of implicit transfer, seed 1",
        "tsl_mmd student, seed 1",
    }
    assert whole["msd student, seed 1"].settings["rows_compared"] == 8
    assert halves["msd student, seed 1"].settings["rows_compared"] == 4


def test_a_dry_run_lists_every_stage_of_the_run(made: Finished, tmp_path: Path):
    plan = train("msd", **again(made, tmp_path, tmp_path / "nothing"), dry_run=True)["plan"]
    keys = {stage["key"] for stage in json.loads((made.folder / "stages.json").read_text()).values()}
    assert {key for key in keys if key not in plan} == set()
    assert not (tmp_path / "nothing").exists() and not (tmp_path / "run").exists()


def save_encoder(folder: Path, model_type: str, tokenizer: Any = None, auto: Any = AutoModel, **more: Any) -> str:
    """A tiny encoder with random weights, without a tokenizer unless one is given."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(4)
    config = AutoConfig.for_model(model_type, **{**sizes, "vocab_size": 80, "pad_token_id": 0, **more})
    auto.from_config(config).save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("option", ["encoder", "student_encoder"])
@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            "modernbert",
            "modernbert: ModernBertForTokenClassification has more than a linear classifier.*; use bert, xlm-",
        ),
        ("without-tokenizer", "without-tokenizer: the folder has no tokenizer"),
        ("two-layers", "--freeze_layers: cannot freeze 3 of 2 layers; give a smaller number, or 0"),
        ("albert", "--freeze_layers: AlbertModel has no list of 4 layers to freeze"),
    ],
)
def test_unusable_encoders_are_told_before_anything_trains(
    toy: Toy, tmp_path: Path, tiny_tokenizer, encoder: str, option: str, message: str, dry_run: bool
):
    path = tmp_path / encoder
    if encoder == "without-tokenizer":
        save_encoder(path, "bert")
    elif encoder == "two-layers":
        save_encoder(path, "bert", tiny_tokenizer, num_hidden_layers=2)
    else:
        save_encoder(path, encoder, tiny_tokenizer)
    options = toy.options(tmp_path / "run", tmp_path / "store", freeze_layers=3, dry_run=dry_run)
    with pytest.raises(InputError, match=message):
        train("msd", **{**options, option: str(path)})
    assert not list(tmp_path.glob("store/*train*/*"))


def test_an_encoder_that_gets_no_channels_need_not_become_another_class(toy: Toy, tmp_path: Path, tiny_tokenizer):
    encoder = save_encoder(tmp_path / "modernbert", "modernbert", tiny_tokenizer)
    stages = planned(toy, tmp_path, student_encoder=encoder, variants=["teacher", "without_all"])
    assert "without_all student, seed 1" in stages


def test_lambda_below_0_is_told_with_its_remedy(made: Finished, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The gradient of free weights drives them down; a large rate shows where to."""
    for weighting in ("softmax", "free"):
        assert "lambda is below" not in caplog.text
        more = {"variants": ["teacher"], "teacher_learning_rate": 0.1, "channel_weighting": weighting}
        train("msd", **again(made, tmp_path / weighting, tmp_path / weighting / "store", **more))
    (folder,) = stage_folders(tmp_path / "free" / "store", "train_channels")
    below = [weight < 0 for weight in load_tagger(str(folder / CHANNELS))[0].channel_weights().tolist()]
    layers = ", ".join(str(layer) for layer, negative in enumerate(below, start=1) if negative)
    assert layers and f"lambda is below 0 for {sum(below)} of 3 auxiliary channels (layers {layers})" in caplog.text
    assert "use --channel_weighting softmax" in caplog.text


def test_help_says_what_free_weights_come_to():
    (option,) = (found for found in fields(msd.Arguments) if found.name == "channel_weighting")
    assert "maximise its loss" in option.metadata["help"] and "maximise its loss" in (msd.__doc__ or "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ["tsl"]}, r"--variants: \['tsl'\] is not among mt, teacher, "),
        ({"weights": "best"}, "--weights: 'best' is not one of paper, released"),
        ({"channel_weighting": "none"}, "--channel_weighting: 'none' is not one of softmax, free"),
        ({"alpha": -1.0}, "--alpha: -1.0 is less than 0"),
        ({"mmd_kernels": 0}, "--mmd_kernels, --eval_every: at least 1 is needed"),
        ({"lora_rank": 4}, "--lora_rank: channels are trained with the encoder itself; leave it out"),
        ({"channel_layers": [2, 3]}, r"--channel_layers: \[2, 3\] do not ascend from 1 or more to the last layer, 4"),
        ({"channel_layers": []}, r"--channel_layers: \[\] do not ascend from 1 or more to the last layer, 4"),
        ({"channel_layers": 3}, r"--channel_layers: \[3\] do not ascend from 1 or more to the last layer, 4"),
        ({"channel_layers": ["4"]}, r"--channel_layers: \['4'\] is not a list of whole numbers"),
        ({"channel_layers": 4.5}, "--channel_layers: 4.5 is not a list of whole numbers"),
        ({"beta": float("nan")}, "--beta: nan is not a finite number"),
        ({"alpha": "inf"}, "--alpha: inf is not a finite number"),
        ({"student_encoder": "/nowhere/at/all"}, "no encoder could be loaded"),
        ({"target": ""}, "no target corpus|takes one of each"),
    ],
)
def test_mistakes_are_told_before_anything_trains(toy: Toy, tmp_path: Path, options: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        train("msd", **{**toy.options(tmp_path / "run", tmp_path / "store"), **options})
    assert not stage_folders(tmp_path / "store", "train")


@pytest.mark.slow
def test_killed_at_every_stage_it_ends_with_the_same_weights(made: Finished, launcher: Any, tmp_path: Path):
    """The teachers take 20 steps, a student 12; each start is killed further on."""
    store = tmp_path / "store"
    options = {**made.options, "variants": ["teacher", "msd"], "output_dir": tmp_path / "run", "store": store}
    argv = ["msd", *command_line(options)]
    kills = [
        ("in a training step", 8, "train_channels"),
        ("before a checkpoint is complete", 3, "train_channels"),
        ("after a model is saved", 1, "train_channels"),
        ("in a training step", 11, "distil_channels"),
        ("after a model is saved", 1, "distil_channels"),
    ]
    for point, call, kind in kills:
        process = launcher.Process(target=start, args=(argv, str(tmp_path / "out.txt"), point, call))
        process.start()
        process.join(900)
        assert process.exitcode == -signal.SIGKILL, f"{point}: {(tmp_path / 'out.txt').read_text()[-2000:]}"
        assert list(store.glob(f"{kind}/*.partial")), point
    process = launcher.Process(target=start, args=(argv, str(tmp_path / "out.txt"), None, 0))
    process.start()
    process.join(900)
    assert process.exitcode == 0, (tmp_path / "out.txt").read_text()[-2000:]
    for kind in ("train_channels", "distil_channels"):
        (folder,) = stage_folders(store, kind)
        for name in ("model", CHANNELS):
            assert weights(folder / name) == weights(made.store / kind / folder.name / name)


@pytest.mark.slow
def test_two_processes_run_msd_end_to_end(made: Finished, tmp_path: Path):
    store, run = tmp_path / "store", tmp_path / "run"
    for kind in ("train", "train_channels"):
        shutil.copytree(made.store / kind, store / kind)
    options = again(made, tmp_path, store, micro_batch_size=4, variants=["without_distillers", "msd", "tsl_mmd"])
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
        + ["--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0"]
        + ["-m", "hf_xner.launch", "msd", *command_line(options)],
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "world size 2" in (run / "log.txt").read_text().splitlines()[0]
    stages = json.loads((run / "stages.json").read_text())
    name = "msd student, seed 1"
    assert stages[name]["key"] == made.results["stages"][name]["key"], "two processes, the same rows compared"
    (alone,), (together,) = made.stages("channel_labels"), stage_folders(store, "channel_labels")
    assert len(list(together.glob("soft_labels-*.arrow"))) == 2
    one, two = (np.concatenate(read_soft_labels(folder)["soft_labels"][:]) for folder in (alone, together))
    np.testing.assert_allclose(one, two, atol=1e-3)
    records = [
        record for record in read_history(store / stages[name]["path"] / "history.jsonl") if "loss_mmd_model" in record
    ]
    assert records and all(np.isfinite(record["loss"]) for record in records)
    assert json.loads((run / "results.json").read_text())["student"] == "msd"
