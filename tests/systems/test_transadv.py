"""TransAdv and AdvPicker from options to run folder: what is shared, what is made anew, and what never trains."""

from __future__ import annotations

import json
import logging
import random
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import load_from_disk

from hf_xner.data.rows import RaggedColumn, read_soft_labels
from hf_xner.errors import InputError
from hf_xner.launch import train
from hf_xner.systems import translation_checks
from hf_xner.systems.transadv import PREFERENCE, RECIPES, VARIANTS
from hf_xner.systems.transadv_arguments import Arguments
from hf_xner.systems.transadv_stages import nearest_to_half
from hf_xner.systems.unitrans import Arguments as UniTransArguments
from hf_xner.training.fit_adversarial import ADVERSARIAL
from hf_xner.training.history import read_history
from hf_xner.training.transadv import AdversarialTrainer

from .toy import (
    SOURCE_WORDS,
    TARGET_WORDS,
    Finished,
    Toy,
    command_line,
    stage_folders,
    subprocess_environment,
    write_sentences,
    write_toy_dictionary,
)

KINDS = (
    "translate",
    "code_switch",
    "shuffle",
    "train",
    "train_adversarially",
    "soft_labels",
    "average",
    "distil",
    "pick",
)


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_dictionary(tmp_path_factory.mktemp("dictionary") / "dictionary.txt")


@pytest.fixture(scope="module")
def small(toy: Toy, dictionary: Path):
    """Options of a small run."""

    def options(output_dir: Path, store: Path, **more: Any) -> dict[str, Any]:
        quick = {"teacher_epochs": 1.0, "student_epochs": 1.0, "dictionary": str(dictionary), "seeds": [1]}
        quick |= {"generator_learning_rate": 1e-3, "adversarial_rows": 4, "keep_types": ["none"]}
        return toy.options(output_dir, store, **{**quick, **more})

    return options


@pytest.fixture(scope="module")
def table(small, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Every variant by one command; tests may read what it left, not change it."""
    folder = tmp_path_factory.mktemp("table")
    options = small(folder / "run", folder / "store", variants=["all"])
    return Finished(options, folder / "run", folder / "store", train("transadv", **options))


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def stages_of(run: Path) -> dict[str, dict[str, str]]:
    return json.loads((run / "stages.json").read_text())


def place_of(run: Finished, name: str) -> Path:
    return run.store / stages_of(run.folder)[name]["path"]


def record_of(run: Finished, name: str) -> dict[str, Any]:
    return json.loads((place_of(run, name) / "stage.json").read_text())


def counts(store: Path) -> dict[str, int]:
    return {kind: len(stage_folders(store, kind)) for kind in KINDS}


def test_the_whole_table_trains_each_distinct_model_once(table: Finished):
    """Adversarially: Theta_src with both, either discriminator; Theta_entity and Theta_context after each of those
    that keep the language discriminator, and without MLADV; AdvPicker's teacher. Plainly: the source alone,
    Theta_order four times, and Theta_entity and Theta_context without LDIS."""
    assert counts(table.store) == {
        "translate": 1,
        "code_switch": 1,
        "shuffle": 2,
        "train_adversarially": 3 + 2 * 3 + 1,
        "train": 1 + 4 + 2,
        "soft_labels": 4 * 4 + 1,
        "average": 7,
        "distil": 8 + 1,
        "pick": 1,
    }
    assert set(table.results["variants"]) == set(VARIANTS) and len(VARIANTS) == 15
    students = {weights(folder / "model") for folder in table.stages("distil")}
    teachers = {
        weights(folder / "model") for kind in ("train", "train_adversarially") for folder in table.stages(kind)
    }
    assert len(students) == 9 and len(teachers) == 17
    assert table.results["student"] == "transadv" and PREFERENCE[0] == "transadv"
    assert set(PREFERENCE) == set(VARIANTS)


def test_teachers_are_made_of_what_the_paper_says(table: Finished):
    def inputs(name: str) -> dict[str, str]:
        return {key: value for key, value in record_of(table, f"{name}, seed 1")["inputs"].items() if key != "encoder"}

    stages = stages_of(table.folder)
    src, translation = stages["Theta_src, seed 1"]["key"], stages["translation"]["key"]
    switched = stages["code-switched"]["key"]
    assert set(inputs("Theta_src")) == {
        *("source", "translated", "source_switched", "translated_switched", "source_shuffled", "translated_shuffled")
    }
    assert inputs("Theta_entity") == {
        "translated": translation,
        "translated_switched": f"{switched}/translated_switched",
        "start": src,
    }
    assert inputs("Theta_context") == {
        "translated": translation,
        "source_switched": f"{switched}/source_switched",
        "start": src,
    }
    assert inputs("Theta_order")["start"] == src and set(inputs("Theta_order")) == {"sentences", "start"}
    assert set(inputs("Theta_src without MLADV")) == {"sentences"}
    assert set(inputs("Theta_src without language")) == {
        *("source", "translated", "source_shuffled", "translated_shuffled")
    }
    assert set(inputs("Theta_entity without language")) == {"sentences", "start"}
    assert set(inputs("tladv")) == {"source", "target_text"}
    scopes = [
        record_of(table, f"Theta_{who}, seed 1")["settings"]["adversary"]["feed"]["scope"]
        for who in ("src", "entity", "context")
    ]
    assert scopes == ["all", "entity", "context"]


def test_no_target_text_reaches_transadvs_teachers(table: Finished):
    text = record_of(table, "tladv, seed 1")["inputs"]["target_text"]
    for folder in [*table.stages("train"), *table.stages("train_adversarially")]:
        record = json.loads((folder / "stage.json").read_text())
        assert (text in record["inputs"].values()) == (record["name"] == "tladv, seed 1"), record["name"]


def test_the_discriminator_of_a4_keeps_training_in_a5_and_a6(table: Finished, monkeypatch, small, tmp_path: Path):
    """Theta_entity begins with Theta_src and its language discriminator: with no rate at all it stays what it was."""
    from safetensors.torch import load_file

    def discriminator(name: str) -> dict[str, Any]:
        state = load_file(place_of(table, name) / ADVERSARIAL / "model.safetensors")
        return {key: value for key, value in state.items() if key.startswith("language_discriminator")}

    src = discriminator("Theta_src, seed 1")
    for who in ("entity", "context"):
        other = discriminator(f"Theta_{who}, seed 1")
        fresh = discriminator(f"Theta_{who} without MLADV, seed 1")
        assert src.keys() == other.keys() == fresh.keys()
        key = "language_discriminator.hidden.weight"
        near, far = float((src[key] - other[key]).norm()), float((src[key] - fresh[key]).norm())
        assert 0 < near < far / 2, who
    assert not list((place_of(table, "Theta_order, seed 1")).glob(ADVERSARIAL)), "Theta_order has none"


def test_united_soft_labels_are_the_mean_of_the_teachers(table: Finished):
    united = RaggedColumn(read_soft_labels(place_of(table, "united soft labels of transadv, seed 1")), "soft_labels")
    three = RaggedColumn(
        read_soft_labels(place_of(table, "united soft labels of without_order, seed 1")), "soft_labels"
    )
    parts = [
        RaggedColumn(read_soft_labels(place_of(table, f"soft labels of Theta_{who}, seed 1")), "soft_labels")
        for who in ("src", "entity", "context", "order")
    ]
    assert len(united) == 30
    for row in range(30):
        said = [np.asarray(part[row], dtype=np.float32) for part in parts]
        assert np.allclose(united[row], np.mean(said, axis=0), atol=1e-3)
        assert np.allclose(three[row], np.mean(said[:3], axis=0), atol=1e-3)


@pytest.mark.slow
def test_teachers_may_count_differently(table: Finished, small, tmp_path: Path):
    shutil.copytree(table.store, tmp_path / "store")
    options = small(tmp_path / "run", tmp_path / "store", variants=["transadv"], teacher_weights=[3.0, 1.0, 0.0, 0.0])
    train("transadv", **options)
    assert counts(tmp_path / "store") == {**counts(table.store), "average": 8, "distil": 10}
    key = stages_of(tmp_path / "run")["united soft labels of transadv, seed 1"]["path"]
    united = RaggedColumn(read_soft_labels(tmp_path / "store" / key), "soft_labels")
    src, entity = (
        RaggedColumn(read_soft_labels(place_of(table, f"soft labels of Theta_{who}, seed 1")), "soft_labels")
        for who in ("src", "entity")
    )
    expected = 0.75 * np.asarray(src[0], dtype=np.float32) + 0.25 * np.asarray(entity[0], dtype=np.float32)
    assert np.allclose(united[0], expected, atol=1e-3)


def test_without_mmkd_the_student_learns_from_theta_src_alone(table: Finished):
    stages = stages_of(table.folder)
    labels = record_of(table, "without_mmkd student, seed 1")["inputs"]["soft_labels"]
    assert labels == stages["soft labels of Theta_src, seed 1"]["key"]
    assert (
        record_of(table, "without_mmkd student, seed 1")["inputs"]["sentences"]
        == (record_of(table, "transadv student, seed 1")["inputs"]["sentences"])
    )


def test_advpicker_distils_on_the_sentences_whose_language_is_hardest_to_tell(table: Finished):
    picked = json.loads((place_of(table, "picked sentences, seed 1") / "picked.json").read_text())
    distance = np.abs(np.asarray(picked["scores"]) - 0.5)
    assert len(distance) == 30 and len(picked["rows"]) == 24 and picked["rows"] == sorted(picked["rows"])
    left_out = sorted(set(range(30)) - set(picked["rows"]))
    assert distance[picked["rows"]].max() <= distance[left_out].min()
    assert len(set(np.round(distance, 6))) > 5
    stages = stages_of(table.folder)
    student = record_of(table, "advpicker student, seed 1")
    assert student["inputs"]["sentences"] == stages["picked sentences, seed 1"]["key"]
    labels = read_soft_labels(place_of(table, "soft labels of picked sentences, seed 1"))
    assert len(labels) == 24


def test_nearest_to_half_of_ties_takes_the_first():
    assert nearest_to_half([0.9, 0.4, 0.6, 0.5, 0.1], 0.6) == [1, 2, 3]
    assert nearest_to_half([0.9, 0.4, 0.6, 0.5, 0.1], 0.4) == [1, 3]
    assert nearest_to_half([0.2], 0.1) == [0]


def test_losses_and_accuracies_are_in_the_history(table: Finished):
    def names(stage: str) -> set[str]:
        return {name for record in read_history(place_of(table, stage) / "history.jsonl") for name in record}

    full = names("Theta_src, seed 1")
    assert {"loss_ner", "loss_language", "loss_order", "loss_generator_language", "loss_generator_order"} <= full
    assert {"language_accuracy", "order_accuracy"} <= full
    assert not any("order" in name for name in names("Theta_src without order, seed 1"))
    assert not any("language" in name for name in names("Theta_src without language, seed 1"))


def test_switched_and_shuffled_corpora_keep_words_and_tags_together(table: Finished):
    folder = place_of(table, "code-switched")
    switched = {part: load_from_disk(str(folder / part)) for part in ("source_switched", "translated_switched")}
    translated = load_from_disk(str(place_of(table, "translation") / "corpus"))
    assert [len(data) for data in switched.values()] == [40, 40]
    assert switched["source_switched"]["ner_tags"][:] == translated["ner_tags"][:]
    contexts = {
        part: {
            word
            for words, tags in zip(data["tokens"], data["ner_tags"], strict=True)
            for word, tag in zip(words, tags, strict=True)
            if tag == 0
        }
        for part, data in switched.items()
    }
    assert set(TARGET_WORDS) <= contexts["translated_switched"] and "the" in contexts["source_switched"]
    shuffled = load_from_disk(str(place_of(table, "shuffled translated") / "corpus"))
    assert shuffled["ner_tags"][:] == translated["ner_tags"][:]
    assert [sorted(words) for words in shuffled["tokens"]] == [sorted(words) for words in translated["tokens"]]
    assert shuffled["tokens"][:] != translated["tokens"][:]


def no_training(*_: Any, **__: Any) -> None:
    raise AssertionError("something was trained again")


def test_the_same_command_again_trains_nothing(table: Finished, monkeypatch, caplog):
    monkeypatch.setattr("hf_xner.systems.tagger_stages.fit", no_training)
    monkeypatch.setattr("hf_xner.systems.transadv_stages.fit_adversarial", no_training)
    monkeypatch.setattr("hf_xner.systems.transadv_stages.language_scores", no_training)
    with caplog.at_level(logging.INFO, "hf_xner"):
        assert train("transadv", **table.options) == table.results
    stages = [record.getMessage() for record in caplog.records if record.getMessage().startswith("stage ")]
    assert stages and all(message.endswith("is in the store") for message in stages)


def test_a_dry_run_lists_every_stage_of_the_table_and_does_nothing(table: Finished, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("hf_xner.systems.tagger_stages.fit", no_training)
    monkeypatch.setattr("hf_xner.systems.transadv_stages.fit_adversarial", no_training)
    options = {**table.options, "output_dir": str(tmp_path / "run"), "dry_run": True}
    plan = train("transadv", **{**options, "store": str(tmp_path / "nothing")})["plan"]
    assert not (tmp_path / "run").exists() and not (tmp_path / "nothing").exists()
    assert {stage["key"] for stage in stages_of(table.folder).values() if stage["key"] not in plan} == set()
    assert "0 of " in train("transadv", **options)["plan"]


def test_ablations_share_theta_src_with_what_was_there(table: Finished, small, tmp_path: Path):
    options = small(tmp_path / "run", tmp_path / "store", variants=["src", "without_mmkd"])
    train("transadv", **options)
    assert counts(tmp_path / "store") == {
        **dict.fromkeys(KINDS, 0),
        **{"translate": 1, "code_switch": 1, "shuffle": 2, "train_adversarially": 1, "soft_labels": 1, "distil": 1},
    }
    for kind in ("train_adversarially", "distil"):
        (folder,) = stage_folders(tmp_path / "store", kind)
        assert weights(folder / "model") == weights(table.store / kind / folder.name / "model")


def with_random_tags(corpus: Path, place: Path) -> Path:
    chance = random.Random(5)
    shutil.copytree(corpus, place)
    lines = (place / "train.conll").read_text().splitlines()
    tags = [f"B-{chance.choice(['PER', 'LOC', 'ORG'])}" if chance.random() < 0.5 else "O" for _ in lines]
    text = [f"{line.split()[0]} {tag}" if line else "" for line, tag in zip(lines, tags, strict=True)]
    (place / "train.conll").write_text("\n".join(text) + "\n")
    assert text != lines
    return place


def test_tags_of_the_target_change_nothing(table: Finished, toy: Toy, small, tmp_path: Path):
    """The target's tags are replaced by random ones: not one bit of any teacher or student differs."""
    target = with_random_tags(toy.target, tmp_path / "target")
    options = small(tmp_path / "run", tmp_path / "store", variants=["transadv", "advpicker"], target=str(target))
    results = train("transadv", **options)
    assert counts(tmp_path / "store")["train_adversarially"] == 4
    for kind in ("train", "train_adversarially", "distil"):
        made = stage_folders(tmp_path / "store", kind)
        assert made
        for folder in made:
            assert weights(folder / "model") == weights(table.store / kind / folder.name / "model"), kind
    for variant in ("transadv", "advpicker"):
        assert results["variants"][variant] == table.results["variants"][variant]


class Stopped(Exception):
    """Stands for a kill."""


@pytest.mark.slow
def test_stopped_in_adversarial_training_and_started_again_it_ends_with_the_same_figures(
    table: Finished, small, tmp_path: Path, monkeypatch
):
    options = small(tmp_path / "run", tmp_path / "store", variants=["entity"], teacher_epochs=2.0)
    undisturbed = train(
        "transadv", **{**options, "output_dir": str(tmp_path / "other"), "store": str(tmp_path / "s2")}
    )
    real, calls = AdversarialTrainer.training_step, []

    def reached(self: Any, *arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 30 + 34:  # Theta_src has two epochs of 5 turns, Theta_entity of 10
            raise Stopped
        return real(self, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(AdversarialTrainer, "training_step", reached)
        with pytest.raises(Stopped):
            train("transadv", **options)
    (partial,) = (tmp_path / "store").glob("train_adversarially/*.partial")
    assert (partial / "checkpoints" / "checkpoint-30").is_dir()
    assert train("transadv", **options)["variants"] == undisturbed["variants"]
    for one, other in zip(
        *(stage_folders(tmp_path / store, "train_adversarially") for store in ("store", "s2")), strict=True
    ):
        assert one.name == other.name
        for model in ("model", ADVERSARIAL):
            assert weights(one / model) == weights(other / model)


@pytest.mark.slow
def test_the_best_epoch_is_picked_where_the_options_say(small, tmp_path: Path):
    options = small(tmp_path / "run", tmp_path / "store", variants=["src"], teacher_epochs=3.0, select_on="target_dev")
    published = {**options, "teachers_like_student": True, "output_dir": str(tmp_path / "published")}
    outcomes = {}
    for name, chosen in (("source_dev", options), ("target_dev", published)):
        results = train("transadv", **{**chosen, "evaluate_on": ["source_dev", "target_dev"]})
        run = Finished(chosen, Path(chosen["output_dir"]), tmp_path / "store", results)
        history = read_history(place_of(run, "Theta_src, seed 1") / "history.jsonl")
        scores = [record["eval_f1"] for record in history if "eval_f1" in record]
        assert len(scores) == 3
        outcomes[name] = (max(scores), results["variants"]["src"][name]["plain"]["f1"]["mean"])
        assert results["target_labels_used"] is (name == "target_dev") and results["chosen_on"] == name
    assert all(found == pytest.approx(best, abs=1e-12) for best, found in outcomes.values())


def test_trainings_of_one_epoch_are_the_same_whatever_picks_epochs(table: Finished, small, tmp_path: Path):
    shutil.copytree(table.store, tmp_path / "store")
    options = small(tmp_path / "run", tmp_path / "store", variants=["without_mmkd"], select_on="source_dev")
    train("transadv", **options)
    assert counts(tmp_path / "store") == counts(table.store)
    train("transadv", **{**options, "student_epochs": 2.0, "output_dir": str(tmp_path / "longer")})
    assert counts(tmp_path / "store") == {**counts(table.store), "distil": counts(table.store)["distil"] + 1}


@pytest.mark.slow
def test_a_student_with_dropout_is_another_one(table: Finished, small, tmp_path: Path):
    shutil.copytree(table.store, tmp_path / "store")
    train("transadv", **small(tmp_path / "run", tmp_path / "store", variants=["advpicker"], student_dropout=True))
    assert counts(tmp_path / "store") == {**counts(table.store), "distil": 10}


@pytest.mark.slow
def test_discriminators_can_be_left_out_of_a5_and_a6_without_mladv(table: Finished, small, tmp_path: Path):
    shutil.copytree(table.store, tmp_path / "store")
    train("transadv", **small(tmp_path / "run", tmp_path / "store", variants=["without_mladv"], without_mladv="none"))
    assert counts(tmp_path / "store") == {
        **counts(table.store),
        **{"train": 9, "soft_labels": 19, "average": 8, "distil": 10},
    }


def test_a_given_translation_may_name_its_tags_in_another_order(table: Finished, toy: Toy, small, tmp_path: Path):
    """It lacks organisations, so its ids mean other tags than the source's; they meet by name."""
    lines = (toy.source / "train.conll").read_text().splitlines()
    other = dict(zip(SOURCE_WORDS, TARGET_WORDS, strict=True))
    translated = [f"{other.get(line.split()[0], line.split()[0])} {line.split()[1]}" if line else "" for line in lines]
    without = [line.split()[0] + " O" if line.endswith("-ORG") else line for line in translated]
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "train.conll").write_text("\n".join(without) + "\n")
    plain = [line.split()[0] + " O" if line.endswith("-ORG") else line for line in lines]
    (tmp_path / "source").mkdir()
    for name in ("dev", "test"):
        shutil.copy(toy.source / f"{name}.conll", tmp_path / "source")
    (tmp_path / "source" / "train.conll").write_text("\n".join(plain) + "\n")
    options = small(tmp_path / "run", tmp_path / "store", variants=["order"], translated=str(tmp_path / "given"))
    del options["dictionary"]
    train("transadv", **{**options, "source": [str(tmp_path / "source")]})
    (shuffled,) = (
        load_from_disk(str(folder / "corpus"))
        for folder in stage_folders(tmp_path / "store", "shuffle")
        if "translated" in json.loads((folder / "stage.json").read_text())["name"]
    )
    names = shuffled.features["ner_tags"].feature.names
    assert "B-ORG" in names, "the source's dev set has them"
    found = {names[tag] for tags in shuffled["ner_tags"] for tag in tags}
    assert found == {"O", "B-LOC", "B-PER", "I-PER"}


@pytest.mark.parametrize("strategy", ["word", "phrase", "word_phrase"])
def test_corpora_are_made_by_every_strategy_of_figure_4(small, tmp_path: Path, monkeypatch, strategy: str):
    """Entities are translated as phrases in two of them; switching codes swaps them whole."""

    def answer(self: Any, texts: list[str]) -> list[str]:
        return [" ".join(reversed(text.split())).upper() for text in texts]

    monkeypatch.setattr("hf_xner.translation.google.GoogleTranslator._request", answer)
    more = {"google": True, "translation_source": "en", "target_language": "eo", "strategy": strategy}
    more |= {"dictionary": None, "translation_cache": str(tmp_path / "cache.sqlite"), "variants": ["context", "order"]}
    train("transadv", **small(tmp_path / "run", tmp_path / "store", **more))
    (switched,), shuffled = (stage_folders(tmp_path / "store", kind) for kind in ("code_switch", "shuffle"))
    data = load_from_disk(str(switched / "source_switched"))
    names = data.features["ner_tags"].feature.names
    for tokens, tags in zip(data["tokens"], data["ner_tags"], strict=True):
        assert all(
            word.isupper() is (names[tag] != "O") for word, tag in zip(tokens, tags, strict=True) if word.isalpha()
        )
    text = {" ".join(tokens) for tokens in data["tokens"]}
    assert any(("MERKEL ANGELA" if strategy != "word" else "ANGELA MERKEL") in sentence for sentence in text)
    assert len(shuffled) == 2


def test_translations_by_phrases_may_have_other_lengths(toy: Toy, small, tmp_path: Path):
    """As the phrase strategies of Figure 4 give them: entities are swapped span by span."""
    lines = (toy.source / "train.conll").read_text().splitlines()
    longer = [f"{line}\nfa I-LOC" if line == "Kiel B-LOC" else line for line in lines]
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "train.conll").write_text("\n".join(longer) + "\n")
    options = small(tmp_path / "run", tmp_path / "store", variants=["context"], translated=str(tmp_path / "given"))
    del options["dictionary"]
    assert train("transadv", **options)["student"] == "context"
    (folder,) = stage_folders(tmp_path / "store", "code_switch")
    for part, wanted in (("source_switched", True), ("translated_switched", False)):
        words = [word for tokens in load_from_disk(str(folder / part))["tokens"] for word in tokens]
        assert ("fa" in words) == wanted and "Kiel" in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variants": ["transad"]}, r"--variants: \['transad'\] is not among transadv, without_ldis"),
        (
            {"language_corpora": ["source"]},
            "--language_corpora: source: a language discriminator needs words of both languages; the default is sou",
        ),
        (
            {"order_corpora": ["source", "sauce"]},
            "--order_corpora: there is no corpus 'sauce', only source, translated",
        ),
        ({"tagging_corpora": ["target_text"]}, "--tagging_corpora: target_text has no tags: it feeds no tagging loss"),
        ({"positions": "lines"}, "--positions: 'lines' is not one of words, pieces, attended"),
        (
            {"teacher_weights": [1.0, 2.0]},
            r"--teacher_weights: \[1.0, 2.0\] are no weights of four teachers; give one",
        ),
        (
            {"teacher_weights": [0.0, 0.0, 0.0, 1.0], "variants": ["without_order"]},
            "every teacher of without_order has weight 0; give one of src, entity, context more",
        ),
        ({"teacher_weights": [1.0, "much", 1.0, 1.0]}, r"--teacher_weights: 'much' is not a number"),
        ({"teacher_weights": 1}, r"--teacher_weights: \[1.0\] are no weights of four teachers"),
        ({"teacher_weights": [1.0, float("nan"), 1.0, 1.0]}, "are no weights of four teachers"),
        ({"teacher_weights": [1.0, float("inf"), 1.0, 1.0]}, "are no weights of four teachers"),
        ({"google": True}, "found --dictionary and --google ways to translate"),
        (
            {"strategy": "phrase"},
            "--strategy phrase: --dictionary translates words, not phrases; take the strategy word",
        ),
        ({"dictionary": None, "google": True, "target_language": "eo"}, "--translation_source: Google must be told"),
        ({"dictionary": None, "google": True, "translation_source": "en"}, "--target_language: Google must be told"),
        ({"picked_share": 0.0}, "--picked_share: 0.0 is no share"),
        ({"adversarial_rows": 3}, "2 corpora of 3 rows each are less than a batch of 8; give at least 4"),
        (
            {"variants": ["without_odis"], "language_corpora": ["source_switched"]},
            "--adversarial_rows: 1 corpora of 4 rows each are less than a batch of 8; give at least 8",
        ),
        ({"adversarial_momentum": 1.0}, "--adversarial_momentum: 1.0 is not from 0 to below 1; give 0.5"),
        ({"lora_rank": 4}, "--lora_rank: adversarial training has no LoRA adapters"),
        ({"source": []}, "transadv takes one of each"),
        ({"max_grad_norm": -1.0}, "--max_grad_norm: -1.0|-1.0 is less than 0"),
        ({"discriminator_learning_rate": 0.0}, "0.0 is not a positive number"),
        ({"strategy": "sentence"}, "--strategy"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_at_once(small, tmp_path: Path, options: dict, message: str):
    with pytest.raises(InputError, match=message):
        Arguments(**small(tmp_path / "run", tmp_path / "store", **options))


@pytest.mark.parametrize("translated", [False, True], ids=["a dictionary of nothing", "a given translation"])
def test_a_translation_that_is_the_source_again_is_refused(toy: Toy, small, tmp_path: Path, translated: bool):
    """Discriminators would be shown the same words as two languages, and teachers no word of the target's."""
    (tmp_path / "reversed.txt").write_text("ib\tthe\nec\ta\n")
    options = small(tmp_path / "run", tmp_path / "store", variants=["order"])
    options |= (
        {"dictionary": None, "translated": options["source"][0]}
        if translated
        else {"dictionary": str(tmp_path / "reversed.txt")}
    )
    remedy = "give .* in the other language" if translated else "is the translation of these languages"
    with pytest.raises(InputError, match=f"no word of the source is translated; {remedy}"):
        train("transadv", **options)
    assert not stage_folders(tmp_path / "store", "train")


def test_a_translation_that_leaves_most_sentences_alone_is_told(small, tmp_path: Path):
    (tmp_path / "poor.txt").write_text("(\t[\n")
    options = small(tmp_path / "run", tmp_path / "store", variants=["order"], dictionary=str(tmp_path / "poor.txt"))
    (told,) = (what for what in train("transadv", **options)["warnings"] if "as they were" in what)
    assert told.startswith("translation left ")


@pytest.mark.parametrize("foreign", [False, True])
def test_a_translation_into_another_language_is_told(small, tmp_path: Path, monkeypatch, foreign: bool):
    monkeypatch.setattr(translation_checks, "MANY_WORDS", 3)
    monkeypatch.setattr(translation_checks, "FREQUENT", 3)
    options = small(tmp_path / "run", tmp_path / "store", variants=["order"])
    if foreign:
        (tmp_path / "other.txt").write_text("".join(f"{word}\tzz{word}\n" for word in SOURCE_WORDS))
        options["dictionary"] = str(tmp_path / "other.txt")
    warnings = train("transadv", **options)["warnings"]
    assert any("is it of that language?" in what for what in warnings) == foreign


def test_weights_are_only_asked_of_variants_that_average(small, tmp_path: Path):
    alone = ["mt", "order", "without_mmkd", "advpicker"]
    Arguments(**small(tmp_path / "run", tmp_path / "store", variants=alone, teacher_weights=[0.0, 1.0, 0.0, 0.0]))


def test_advpickers_student_alone_trains_without_dropout(table: Finished, small, tmp_path: Path):
    said = {
        variant: record_of(table, f"{variant} student, seed 1")["settings"].get("dropout", True)
        for variant in (*(name for name, recipe in RECIPES.items() if recipe.distils), "advpicker")
    }
    assert [variant for variant, dropout in said.items() if not dropout] == ["advpicker"]


def test_one_variant_may_be_called_so(toy: Toy, tmp_path: Path):
    from hf_xner.launch import _module, _parse

    for system in ("transadv", "unitrans", "msd", "tsl", "augmented"):
        module = _module(system)
        variant = module.PREFERENCE[-1]
        given = {"variant": variant, "source": toy.source, "target": toy.target, "output_dir": tmp_path}
        more = {"source_vectors": "a.vec", "target_vectors": "b.vec"}
        argv = command_line(given | (more if system in ("transadv", "unitrans", "augmented") else {}))
        assert _parse(module, system, argv).variants == [variant]


def test_defaults_are_the_papers(toy: Toy, tmp_path: Path):
    needed = {"output_dir": str(tmp_path / "run"), "mapping": "maps/en-es"}
    arguments = Arguments(source=[str(toy.source)], target=str(toy.target), **needed)
    assert (arguments.teacher_epochs, arguments.student_epochs, arguments.batch_size) == (10, 10, 32)
    assert (arguments.warmup, arguments.max_grad_norm, arguments.weight_decay) == (0.05, 0, 0.01)
    assert arguments.discriminator_learning_rate == 5e-3 and arguments.order_discriminator == "bilstm"
    assert arguments.picked_share == 0.8 and len(set(arguments.teacher_weights)) == 1
    from hf_xner.systems.transadv import _Models

    class Space:
        def __init__(self, encoder: str) -> None:
            self.arguments = Arguments(source=[str(toy.source)], target=str(toy.target), encoder=encoder, **needed)

        def labelled(self, *_: str) -> None:
            return None

    published = _Models(Space("bert-base-multilingual-cased"), 1).adversary(arguments.feed())  # type: ignore[arg-type]
    assert published.generator_learning_rate == pytest.approx(6e-7)
    own = _Models(Space("xner-mini"), 1)
    assert own.adversary(arguments.feed()).generator_learning_rate == pytest.approx(own._teacher_rate() / 100)


def test_without_a_translator_only_advpicker_runs(small, tmp_path: Path):
    options = small(tmp_path / "run", tmp_path / "store", variants=["tladv"])
    del options["dictionary"]
    assert set(train("transadv", **options)["variants"]) == {"tladv"}


UNITRANS = {field.name for field in fields(UniTransArguments)}
NOTHING = r"found no way to translate; give one of --translated, --mapping, --source_vectors and --target_vectors, "
NOTHING += "--dictionary, --translation_model, --google"


def test_what_cannot_be_translated_is_told_before_anything_trains(small, toy: Toy, tmp_path: Path, monkeypatch):
    """Of the default variants the first needs no translation; it does not train in vain."""
    monkeypatch.setattr("hf_xner.systems.tagger_stages.fit", no_training)
    monkeypatch.setattr("hf_xner.systems.transadv_stages.fit_adversarial", no_training)
    options = {**small(tmp_path / "run", tmp_path / "store"), "dictionary": None}
    given = write_sentences(tmp_path / "given" / "train.conll", [[("Kiel", "B-LOC")]] * 40).parent
    for more, message in (
        ({}, NOTHING),
        ({"mapping": str(tmp_path / "nowhere")}, "nowhere"),
        ({"translated": str(given)}, "the sentence and its translation have different entities"),
        ({"google": True, "translation_source": "en", "target_language": "eo"}, "GOOGLE_TRANSLATE_API_KEY"),
    ):
        monkeypatch.delenv("GOOGLE_TRANSLATE_API_KEY", raising=False)
        more |= {"translation_cache": str(tmp_path / "cache")}
        with pytest.raises(InputError, match=message):
            train("transadv", **options, **more)
        with pytest.raises(InputError, match=message):
            train("unitrans", **{k: v for k, v in options.items() if k in UNITRANS}, **more)


def test_every_recipe_is_a_variant_of_the_published_table():
    assert [name for name, recipe in RECIPES.items() if recipe.distils] == [
        *("transadv", "without_ldis", "without_odis", "without_entity", "without_context", "without_order"),
        *("without_mladv", "without_mmkd"),
    ]


@pytest.mark.slow
def test_two_processes_run_transadv_and_advpicker_end_to_end(table: Finished, small, tmp_path: Path):
    options = small(tmp_path / "run", tmp_path / "store", variants=["transadv", "advpicker"], micro_batch_size=4)
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
        + ["--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0"]
        + ["-m", "hf_xner.launch", "transadv", *command_line(options)],
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "world size 2" in (tmp_path / "run" / "log.txt").read_text().splitlines()[0]
    made = counts(tmp_path / "store")
    assert made["train_adversarially"] == 4 and made["distil"] == 2 and made["pick"] == 1
    for folder in stage_folders(tmp_path / "store", "train_adversarially"):
        there, here = (
            [record["step"] for record in read_history(place / folder.name / "history.jsonl")]
            for place in (table.store / "train_adversarially", folder.parent)
        )
        assert there == here
