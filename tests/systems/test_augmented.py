"""augmented from its options to its run folder: what is shared, what is made anew, and what never trains."""

from __future__ import annotations

import json
import logging
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_xner.data.rows import read_soft_labels
from hf_xner.errors import InputError
from hf_xner.evaluation.prediction_files import read_predictions
from hf_xner.inference.tagger import Tagger
from hf_xner.labels import convert_tags, tag_names
from hf_xner.launch import main, train
from hf_xner.systems.augmented_stages import TRAIN_VERSION, iob2_columns
from hf_xner.systems.summary import summarise_run
from hf_xner.training import augmented as training
from hf_xner.translation.mapping import Mapping
from hf_xner.translation.vectors import WordVectors, write_vectors

from .toy import TARGET, TARGET_WORDS, Toy, stage_folders, write_corpus, write_toy_vectors

WIDTH = 8


@dataclass(frozen=True)
class Pair:
    """The toy corpora, and vectors of both languages, one space turned against the other."""

    toy: Toy
    source_vectors: Path
    target_vectors: Path

    def options(self, output_dir: Path, store: Path, **more: Any) -> dict[str, Any]:
        small = {"epochs": 2, "draws": 2, "batch_size": 8, "evaluation_steps": 4, "evaluate_on": ["target_test"]}
        return {
            "source": [str(self.toy.source)],
            "target": str(self.toy.target),
            "output_dir": str(output_dir),
            "store": str(store),
            "source_vectors": str(self.source_vectors),
            "target_vectors": str(self.target_vectors),
            "map_by": "identical",
            **small,
            **more,
        }


@pytest.fixture(scope="module")
def pair(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("vectors")
    source_vectors, target_vectors = write_toy_vectors(folder, WIDTH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_XNER_CACHE", str(folder / "cache"))
        yield Pair(toy, source_vectors, target_vectors)


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    options: dict[str, Any]
    results: dict[str, Any]

    @property
    def folder(self) -> Path:
        return Path(self.options["output_dir"])

    @property
    def store(self) -> Path:
        return Path(self.options["store"])


VARIANTS = ["source_mono_random", "source_mono", "cross_word_no_char", "cross_word", "cross_shared", "cross_augmented"]


@pytest.fixture(scope="module")
def done(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Most variants, the upper bound, and a plain student; tests may read what it left, not change it."""
    folder = tmp_path_factory.mktemp("augmented")
    options = pair.options(
        folder / "run",
        folder / "store",
        variants=[*VARIANTS, "supervised"],
        epochs=10,
        distil_to=str(pair.toy.encoder),
        student_learning_rate=0.005,
        freeze_layers=0,
        precision="fp32",
        evaluate_on=["source_dev", "target_test"],
    )
    return Done(options, train("augmented", **options))


def weights(store: Path, kind: str) -> list[bytes]:
    return sorted((folder / "model" / "model.safetensors").read_bytes() for folder in stage_folders(store, kind))


def test_every_variant_is_scored_by_the_crf(done: Done):
    assert set(done.results["variants"]) == {*VARIANTS, "supervised", "distilled"}
    for variant in VARIANTS:
        for scores in done.results["variants"][variant].values():
            assert scores["plain"]["f1"] == scores["tagger"]["f1"], "one decoding, the model's own"
    source = done.results["variants"]["cross_word"]["source_dev"]["tagger"]["f1"]["mean"]
    assert source > 0.3, "the toy is meant to be learnt, or these tests show nothing"
    assert done.results["student"] == "distilled" and done.results["oracle"] is False


def test_stages_are_shared(done: Done):
    counts = {
        "mapping": 1,
        "word_features": 3,  # random, monolingual, mapped
        "train_bilstm": 6,
        "augment": 1,
        "soft_labels": 1,
        "distil": 1,
    }
    assert {kind: len(stage_folders(done.store, kind)) for kind in counts} == counts
    for folder in stage_folders(done.store, "train_bilstm"):
        assert {path.name for path in folder.iterdir()} - {"stage.json", "used_by.json"} <= {
            "model",
            "history.jsonl",
            "history.png",
            "used_by",
        }


def test_tables_are_linked_in_the_store_and_real_in_the_run_folder(pair: Pair, done: Done, tmp_path: Path):
    linked = [folder / "model" / "word_vectors.safetensors" for folder in stage_folders(done.store, "augment")]
    assert linked[0].stat().st_nlink > 1
    options = {**done.options, "output_dir": str(tmp_path / "run"), "variants": ["cross_augmented"]}
    shutil.copytree(done.store, tmp_path / "store")
    train("augmented", **{**options, "store": str(tmp_path / "store"), "distil_to": None})
    student = tmp_path / "run" / "student"
    assert all(path.stat().st_nlink == 1 for path in student.iterdir())
    predicted = read_predictions(tmp_path / "run" / "predictions_target_test" / "tagger.conll")
    tagger = Tagger.from_pretrained(str(student))
    answers = tagger.tag_words(predicted.tokens)
    found = [convert_tags([token.tag for token in answer.tokens], "iobes") for answer in answers]
    assert found == predicted.predicted, "what was scored is what the user gets"
    assert f'Tagger.from_pretrained("{student}")' in summarise_run(tmp_path / "run"), "no pipeline can load it"
    assert "pipeline(" in summarise_run(done.folder)


def test_the_distilled_student_is_a_plain_encoder_with_iob2_tags(done: Done):
    config = json.loads((done.folder / "student" / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"]
    assert set(config["label2id"]) == set(tag_names(["LOC", "ORG", "PER"]))
    assert config["xner"]["scheme"] == "iob2"
    (folder,) = stage_folders(done.store, "soft_labels")
    for row in read_soft_labels(folder)["soft_labels"]:
        assert len(row) % 7 == 0 and sum(row) == pytest.approx(len(row) / 7, abs=0.01 * len(row))


def test_iob2_probabilities_are_sums():
    names, columns = iob2_columns(tag_names(["LOC", "PER"], "iobes"))
    assert names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    iobes = np.arange(9, dtype=np.float32) / 36
    # O; B I E S of LOC; B I E S of PER.
    np.testing.assert_allclose(iobes @ columns * 36, [0, 1 + 4, 2 + 3, 5 + 8, 6 + 7], rtol=1e-6)
    same, unit = iob2_columns(tag_names(["LOC"]))
    assert same == tag_names(["LOC"]) and np.array_equal(unit, np.eye(3))


def test_the_same_command_again_trains_nothing(done: Done, monkeypatch):
    def no_training(*_: Any, **__: Any) -> None:
        raise AssertionError("something was done again")

    for name in ("train_on_labels", "train_jointly"):
        monkeypatch.setattr(f"hf_xner.systems.augmented_stages.{name}", no_training)
    monkeypatch.setattr("hf_xner.systems.augmented_vectors.build_table", no_training)
    monkeypatch.setattr("hf_xner.systems.translation_stages.learn_from_pairs", no_training)
    assert train("augmented", **done.options) == done.results


def test_no_tag_of_the_target_reaches_any_model(pair: Pair, done: Done, tmp_path: Path):
    """Other tags on the same words: the same weights, bit for bit."""
    target = tmp_path / "target"
    write_corpus(target, TARGET, TARGET_WORDS, {"train": 30, "dev": 7, "test": 13}, seed=11)
    chance = random.Random(0)
    for path in target.glob("*.conll"):
        tags = sorted({line.split()[1] for line in path.read_text().splitlines() if line})
        lines = (f"{line.split()[0]} {chance.choice(tags)}" if line else "" for line in path.read_text().splitlines())
        path.write_text("\n".join(lines) + "\n")
    options = {**done.options, "target": str(target), "store": str(tmp_path / "store")}
    options |= {"output_dir": str(tmp_path / "run"), "variants": ["cross_word", "cross_shared", "cross_augmented"]}
    train("augmented", **{**options, "distil_to": None})
    assert weights(tmp_path / "store", "augment") == weights(done.store, "augment")
    assert set(weights(tmp_path / "store", "train_bilstm")) < set(weights(done.store, "train_bilstm"))


def test_broken_off_in_joint_training_and_started_again(pair: Pair, done: Done, tmp_path: Path, monkeypatch):
    real, calls = training._JointRound.loss, []

    def break_off(self: Any, model: Any, step: int) -> Any:
        calls.append(step)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(self, model, step)

    options = {**done.options, "store": str(tmp_path / "store"), "output_dir": str(tmp_path / "run")}
    options |= {"variants": ["cross_augmented"], "distil_to": None}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training._JointRound, "loss", break_off)
        train("augmented", **options)
    assert [path.name for path in (tmp_path / "store").glob("augment/*.partial")]
    train("augmented", **options)
    assert weights(tmp_path / "store", "augment") == weights(done.store, "augment")


def test_a_given_mapping_says_where_its_vectors_are(pair: Pair, done: Done, tmp_path: Path):
    (folder,) = stage_folders(done.store, "mapping")
    shutil.copytree(done.store, tmp_path / "store")
    options = {**done.options, "mapping": str(folder / "mapping"), "variants": ["cross_word"], "distil_to": None}
    options |= {"source_vectors": None, "target_vectors": None, "store": str(tmp_path / "store")}
    results = train("augmented", **{**options, "output_dir": str(tmp_path / "run")})
    assert not stage_folders(tmp_path / "store", "mapping")[1:], "nothing was mapped"
    there = done.results["variants"]["cross_word"]["target_test"]["tagger"]["f1"]
    assert results["variants"]["cross_word"]["target_test"]["tagger"]["f1"] == there
    changed = tmp_path / "changed.vec"
    changed.write_text(pair.source_vectors.read_text().replace("Kiel", "Köln"), encoding="utf-8")
    given = {"source_vectors": str(changed), "target_vectors": str(pair.target_vectors)}
    with pytest.raises(InputError, match="not the vectors that the mapping was learnt from"):
        train("augmented", **{**options, **given, "output_dir": str(tmp_path / "other")})


@pytest.mark.parametrize("mapped", ["source", "target"])
def test_either_side_can_be_the_one_that_moves(pair: Pair, tmp_path: Path, mapped: str):
    options = pair.options(tmp_path / "run", tmp_path / "store", variants=["cross_word"], epochs=1)
    train("augmented", **options, mapped=mapped, scheme="iob2", unseen="ngrams", select_on="source_dev")
    facts = json.loads((tmp_path / "run" / "student" / "preprocessor_config.json").read_text())["table_facts"]
    assert {side for side in facts if "map" in facts[side]["steps"]} == {mapped}
    config = json.loads((tmp_path / "run" / "student" / "config.json").read_text())
    assert config["xner"]["scheme"] == "iob2" and set(config["label2id"]) == set(tag_names(["LOC", "ORG", "PER"]))


def test_choosing_on_the_targets_test_set_is_an_oracle(pair: Pair, tmp_path: Path):
    options = pair.options(tmp_path / "run", tmp_path / "store", variants=["cross_shared_no_char"], epochs=1)
    results = train("augmented", **options, select_on="target_test")
    assert results["oracle"] is True and results["target_labels_used"] is True
    records = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    best = max(record["eval_f1"] for record in records if "eval_f1" in record)
    assert results["variants"]["cross_shared_no_char"]["target_test"]["tagger"]["f1"]["mean"] == pytest.approx(best)


def test_a_dry_run_shows_every_stage_and_makes_none(pair: Pair, tmp_path: Path):
    options = pair.options(tmp_path / "run", tmp_path / "store", variants=["all"], distil_to="xner-mini")
    plan = train("augmented", **options, dry_run=True)["plan"]
    for name in ("mapping", "mapped vectors", "source_mono_random_no_char, seed 1", "cross_augmented, seed 1"):
        assert name in plan
    assert "distilled student, seed 1" in plan and not (tmp_path / "store").exists()


def test_vectors_of_two_widths_are_refused(pair: Pair, tmp_path: Path):
    narrow = tmp_path / "narrow.vec"
    write_vectors(WordVectors(["Kiel", "the"], np.ones((2, 3), np.float32)), narrow)
    options = pair.options(tmp_path / "run", tmp_path / "store", source_vectors=str(narrow))
    with pytest.raises(InputError, match=f"vectors of 3 and of {WIDTH} components in one model"):
        train("augmented", **options, variants=["source_mono"])
    with pytest.raises(InputError, match="cannot be mapped orthogonally"):
        train("augmented", **options, variants=["cross_word"])


def test_a_mapping_that_is_noise_is_not_trained_on(pair: Pair, tmp_path: Path):
    options = pair.options(tmp_path / "run", tmp_path / "store", variants=["cross_word"])
    options |= {"map_by": "adversarial", "mapping_epochs": 1, "mapping_updates": 1}
    with pytest.raises(InputError, match="the mapping has not converged|run converged"):
        train("augmented", **options)


@pytest.mark.parametrize("variants", [["source_mono"], ["source_mono_random", "source_mono"]])
def test_vectors_of_another_language_are_told_in_every_run(pair: Pair, tmp_path: Path, variants: list[str], caplog):
    """The target's words are looked up too, whichever variants read them, and whatever the store has already."""
    poor = tmp_path / "poor.vec"
    random = np.random.default_rng(0).standard_normal((4, WIDTH)).astype(np.float32)
    write_vectors(WordVectors(["Kiel", "Bonn", "und", "der"], random), poor)
    options = pair.options(tmp_path / "run", tmp_path / "store", variants=variants, epochs=1, seeds=[1, 2])
    options |= {"target_vectors": str(poor)}
    for run in ("run", "again"):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "hf_xner"):
            results = train("augmented", **{**options, "output_dir": str(tmp_path / run)})
        (warning,) = results["warnings"]
        coverage = results["word_coverage"]["monolingual"]
        assert coverage["target"] < 0.5 < coverage["source"] and "random" not in results["word_coverage"]
        share = f"{100 * coverage['target']:.0f} %"
        assert (
            warning
            == f"only {share} of the running target words have a vector: are --target_vectors of that language?"
        )
        assert [record.getMessage() for record in caplog.records if "have a vector" in record.getMessage()] == [
            warning
        ]


def test_vectors_that_know_the_words_are_not_warned_of(done: Done):
    assert "warnings" not in done.results
    for coverage in done.results["word_coverage"].values():
        assert min(coverage.values()) > 0.5


def given_mapping(folder: Path, width: int, *, converged: bool = True) -> str:
    facts = {side: {"normalise": []} for side in ("source", "target")}
    Mapping(np.eye(width, dtype=np.float32), "source", 0.5, converged, facts).save(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest_threshold": 9, "longest_threshold": 8}, "no threshold between 9 and 8 words leaves a target"),
        ({"longest_threshold": 1}, "no threshold between 7 and 1 words leaves a target sentence"),
        ({"distil_to": "xner-mnii"}, "--distil_to xner-mnii: no encoder could be loaded"),
        ({"mapping": lambda place: str(place / "nowhere")}, "holds no mapping"),
        ({"mapping": lambda place: given_mapping(place / "m", WIDTH, converged=False)}, "has not converged"),
        (
            {"mapping": lambda place: given_mapping(place / "m", 3)},
            f"a mapping of 3 components for vectors of {WIDTH}",
        ),
        ({"target_vectors": "absent.vec"}, "absent.vec: no such file"),
        ({"longest_sentence": 1}, "none of the 40 source sentences has between 1 and 1 words"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ", ".join(value),
)
def test_what_only_a_late_stage_reads_is_refused_before_anything_trains(
    pair: Pair, tmp_path: Path, options: dict[str, Any], message: str
):
    given = {name: value(tmp_path) if callable(value) else value for name, value in options.items()}
    chosen = pair.options(tmp_path / "run", tmp_path / "store", variants=["source_mono_random", "cross_augmented"])
    with pytest.raises(InputError, match=message):
        train("augmented", **chosen | given)
    assert not (tmp_path / "store").exists()


def test_a_training_without_clipping_is_not_the_one_that_once_did_nothing(pair: Pair, tmp_path: Path):
    options = pair.options(tmp_path / "run", tmp_path / "store", variants=["source_mono_random"], epochs=1)
    train("augmented", **options, max_grad_norm=0.0, learning_rate=0.01)
    (folder,) = stage_folders(tmp_path / "store", "train_bilstm")
    record = json.loads((folder / "stage.json").read_text())
    assert record["version"] == TRAIN_VERSION + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ["cross_wrod"]}, "--variants: 'cross_wrod' is not one of"),
        ({"source_vectors": None}, "--source_vectors, --target_vectors: mapped vectors need those of both languages"),
        ({"mapped": "both"}, "--mapped: 'both' is not one of source, target"),
        ({"map_by": "magic"}, "--map_by: 'magic' is not one of adversarial, identical"),
        ({"scheme": "iob1"}, "--scheme: 'iob1' is not one of iobes, iob2"),
        ({"scheme": "bilou"}, "unknown tag scheme 'bilou'"),
        ({"unseen": "random"}, "--unseen: 'random' is not one of zero, ngrams"),
        ({"augment_from": "source_mono"}, "--augment_from: 'source_mono' is not one of cross_word_no_char"),
        ({"loss_over": "words"}, "--loss_over: 'words' is not one of sum, sentences"),
        ({"normalise_vectors": ["center", "whiten"]}, "--normalise_vectors: 'whiten' is not one of renorm, center"),
        ({"dropout": 1.0}, "dropout is in"),
        ({"keep_words": -1}, "--keep_words: -1 is less than 0"),
        ({"draws": 0}, "--draws: 0 is less than 1"),
        ({"source": ["sample:en", "sample:de"]}, "2 sources"),
        (
            {"variants": ["supervised"], "distil_to": "xner-mini"},
            "--distil_to: the student would learn from the upper",
        ),
        ({"mapping": "nowhere"}, "holds no mapping"),
        ({"source_vectors": "absent.vec"}, "no such file"),
        ({"longest_threshold": 1}, "no threshold between 7 and 1 words leaves a target sentence"),
    ],
)
def test_what_cannot_be_meant_is_one_line(pair: Pair, tmp_path: Path, options: dict[str, Any], message: str, capsys):
    given = pair.options(tmp_path / "run", tmp_path / "store", variants=["cross_augmented"], epochs=1) | options
    words = ["augmented"]
    for name, value in given.items():
        if value is not None:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    assert main(words) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xner: ")]
    assert len(told) == 1 and message in told[0]
