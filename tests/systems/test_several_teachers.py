"""tsl with several teachers: what is shared, how they are weighed, and mixtures that predict themselves."""

from __future__ import annotations

import json
import logging
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from hf_xner import InputError
from hf_xner.data import load_corpus, sample
from hf_xner.data.rows import read_soft_labels
from hf_xner.evaluation.prediction_files import read_predictions
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.launch import train
from hf_xner.systems import several_teachers, tsl
from hf_xner.systems.summary import summarise_run

from .toy import SOURCE, TARGET, Finished, Toy, command_line, stage_folders, subprocess_environment, write_corpus

VARIANTS = ["mt", "mt_avg", "mt_sim", "hl_sim", "avg", "sim", "cosine", "joint"]
MEASURES = ["bilinear", "cosine"]


def options(toy: Toy, folder: Path, store: Path, **more: Any) -> dict[str, Any]:
    """Options of a small run with two sources."""
    quick = {"teacher_epochs": 1.0, "student_epochs": 1.0, "max_target_sentences": 16}
    # The [CLS] states of an encoder that nobody has trained are all alike.
    quick |= {"similarity_embedding": "mean", "similarity_epochs": 8.0, "similarity_learning_rate": 0.01}
    quick |= {"similarity_batch_size": 38}  # half of all sentences: two processes share every batch evenly
    return toy.options(folder, store, **{**quick, **more})


@pytest.fixture(scope="module")
def sources(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two labelled corpora that share no words but names."""
    words = ["ib", "fa", "the", "mi"]
    other = write_corpus(tmp_path_factory.mktemp("other"), TARGET, words, {"train": 36, "dev": 6, "test": 6}, seed=40)
    return [f"{toy.source}:en", f"{other}:nl"]


@pytest.fixture(scope="module")
def several(toy: Toy, sources: list[str], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Variants of every kind for two sources; tests may read what it left, not change it."""
    folder = tmp_path_factory.mktemp("several")
    chosen = options(toy, folder / "run", folder / "store", source=sources, variants=VARIANTS)
    return Finished(chosen, folder / "run", folder / "store", train("tsl", **chosen))


@pytest.fixture
def shared(several: Finished, tmp_path: Path) -> Path:
    """A store that holds what the finished run made, to add to."""
    shutil.copytree(several.store, tmp_path / "shared")
    return tmp_path / "shared"


def stage(run: Finished, name: str) -> Path:
    """Folder of a stage of the run, by its name."""
    return run.store / json.loads((run.folder / "stages.json").read_text())[name]["path"]


def soft_labels(folder: Path) -> list[np.ndarray]:
    return [np.array(row).reshape(-1, 7) for row in read_soft_labels(folder)["soft_labels"]]


def counts(store: Path) -> dict[str, int]:
    kinds = ("train", "soft_labels", "sentence_vectors", "similarity", "language_weights", "mixture", "distil")
    return {kind: len(stage_folders(store, kind)) for kind in kinds}


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def plan(chosen: dict[str, Any]) -> dict[str, str]:
    """Keys of the stages of a run, by name."""
    lines = train("tsl", **{**chosen, "dry_run": True})["plan"].splitlines()[2:-1]
    return {cells[0].strip(): cells[2] for line in lines if (cells := re.split(r"  +", line))}


def test_every_row_of_the_tables_can_be_made(several: Finished, tmp_path: Path):
    chosen = {**several.options, "output_dir": str(tmp_path / "run"), "variants": ["all"]}
    stages = plan(chosen)
    students = ("tsl_en", "tsl_nl", "hl_en", "hl_nl", "hl_avg", "hl_sim", "avg", "sim", "cosine", "l2", "l1")
    assert {f"{name} student, seed 1" for name in students} <= stages.keys()
    scored = {
        name.removesuffix(" on target_test, seed 1") for name in stages if name.endswith("on target_test, seed 1")
    }
    assert scored == {*students, "mt_en", "mt_nl", "mt_avg", "mt_sim", "joint"}
    assert sum(name.startswith("soft labels of") for name in stages) == 2
    pairs = [("hl_sim", "sim"), ("hl_avg", "avg"), ("avg", "sim"), ("cosine", "l2"), ("l2", "l1"), ("tsl_en", "hl_en")]
    assert all(stages[f"{one} student, seed 1"] != stages[f"{other} student, seed 1"] for one, other in pairs)


def test_the_usual_variants_depend_on_the_number_of_teachers(several: Finished, toy: Toy, tmp_path: Path):
    chosen = {name: value for name, value in several.options.items() if name != "variants"}
    arguments = tsl.Arguments(**chosen)
    assert arguments.variants == ["mt_avg", "avg", "sim"]
    assert tsl.Arguments(**{**chosen, "source": chosen["source"][:1]}).variants == ["mt", "tsl"]
    given = {**chosen, "source": [], "teacher": ["a", "b"]}
    assert tsl.Arguments(**given).variants == ["mt_avg", "avg"], "nothing says what their languages are like"
    assert tsl.Arguments(**given, teacher_text=["x", "y"]).variants == ["mt_avg", "avg", "sim"]


def test_the_run_has_a_tagger_of_every_variant(several: Finished):
    made = {"mt_en", "mt_nl", *VARIANTS} - {"mt"}
    assert set(several.results["variants"]) == made
    assert several.results["student"] == "sim"
    assert weights(several.folder / "student") == weights(stage(several, "sim student, seed 1") / "model")
    compared = {gap["second"] for gap in several.results["differences"] if gap["first"] == "avg"}
    assert "mt_avg" in compared
    for scores in several.results["variants"].values():
        assert {"plain", "tagger"} == scores["target_test"].keys()
    assert several.results["teachers"]["nl"]["types"] == ["LOC", "ORG", "PER"]
    assert not several.results["teachers"]["nl"]["given"] and "warnings" not in several.results


def test_each_teacher_reads_a_text_once_whatever_is_made_of_it(several: Finished):
    assert counts(several.store) == {
        "train": 3,  # two teachers, and one of both sources
        "soft_labels": 4,  # each on the target's text, and on the test set for the mixtures that predict
        "sentence_vectors": 3,
        "similarity": 2,
        "language_weights": 2,
        "mixture": 3,  # by two measures, and the mean
        "distil": 4,
    }


def test_a_mixture_is_the_weighted_sum_of_what_the_teachers_say(several: Finished):
    parts = [soft_labels(stage(several, f"soft labels of {name}, seed 1")) for name in ("en", "nl")]
    for measure in MEASURES:
        seed = ", seed 1" if measure == "bilinear" else ""
        facts = json.loads((stage(several, f"weights by {measure}{seed}") / "weights.json").read_text())
        alpha = [facts["alpha"][name] for name in ("en", "nl")]
        assert sum(alpha) == pytest.approx(1) and abs(alpha[0] - 0.5) > 1e-4
        assert several.results["language_weights"][measure]["seed 1"]["alpha"] == facts["alpha"]
        mixed = soft_labels(stage(several, f"mixture by {measure}, seed 1"))
        for first, second, both in zip(*parts, mixed, strict=True):
            np.testing.assert_allclose(both, alpha[0] * first + alpha[1] * second, atol=1e-3)
    mean = soft_labels(stage(several, "mixture by mean, seed 1"))
    for first, second, both in zip(*parts, mean, strict=True):
        np.testing.assert_allclose(both, (first + second) / 2, atol=1e-3)


def test_alpha_is_the_mean_of_the_sentences_weights_at_tau(several: Finished):
    folder = stage(several, "weights by bilinear, seed 1")
    facts, rows = json.loads((folder / "weights.json").read_text()), np.load(folder / "weights.npy")
    assert rows.shape == (16, 2) and facts["sentences"] == 16
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows.mean(axis=0), list(facts["alpha"].values()), atol=1e-6)
    assert facts["temperature"] == "variance" and facts["tau"] > 0
    assert list(facts["heat_map"]) == ["en", "nl", "target text"]
    own = [facts["heat_map"][name]["alpha"][number] for number, name in enumerate(("en", "nl"))]
    assert min(own) > 0.5, "each source's sentences are most like itself"


def test_the_run_folder_shows_the_weights(several: Finished):
    for name in ("similarity", "similarity_cosine"):
        names = {path.name for path in (several.folder / name).iterdir()}
        assert names == {"similarity.csv", "similarity.png", "similarity.svg", "weights.json", "weights.npy"}
    lines = (several.folder / "similarity" / "similarity.csv").read_text().splitlines()
    assert lines[0] == "text,language,alpha,score,tau" and len(lines) == 1 + 3 * 2


def test_a_mixture_predicts_by_what_its_teachers_say_together(several: Finished, toy: Toy):
    gold = load_corpus(str(toy.target))["test"]
    taggers = [load_tagger(str(stage(several, f"teacher of {name}, seed 1") / "model")) for name in ("en", "nl")]
    said = [list(word_probabilities(model, tokenizer, gold["tokens"])) for model, tokenizer in taggers]
    names = gold.features["ner_tags"].feature.names
    alpha = list(several.results["language_weights"]["bilinear"]["seed 1"]["alpha"].values())
    for variant, (one, other) in {"mt_avg": (0.5, 0.5), "mt_sim": alpha}.items():
        file = read_predictions(stage(several, f"{variant} on target_test, seed 1") / "plain.conll")
        wanted = [one * first + other * second for first, second in zip(*said, strict=True)]
        found = [[names[tag] for tag in array.argmax(axis=-1)] for array in wanted]
        flat = [[tag for tags in sentences for tag in tags] for sentences in (file.predicted, found)]
        different = sum(one != other for one, other in zip(*flat, strict=True))
        assert different <= 1, "but for a tie that rounding to float16 decides"
        assert file.tokens == [[word or "_" for word in words] for words in gold["tokens"]]


def test_what_single_sources_give_is_shared_with_runs_of_one_source(several: Finished, toy: Toy, tmp_path: Path):
    chosen = {**several.options, "output_dir": str(tmp_path / "run"), "variants": ["mt", "hl", "tsl"]}
    of_both, of_one = plan(chosen), plan({**chosen, "source": chosen["source"][1:]})
    for alone, among in (
        ("teacher, seed 1", "teacher of nl, seed 1"),
        ("soft labels, seed 1", "soft labels of nl, seed 1"),
        ("tsl student, seed 1", "tsl_nl student, seed 1"),
        ("hl student, seed 1", "hl_nl student, seed 1"),
        ("mt on target_test, seed 1", "mt_nl on target_test, seed 1"),
    ):
        assert of_one[alone] == of_both[among], alone


def test_a_dry_run_lists_every_stage_of_the_run(several: Finished, tmp_path: Path):
    chosen = {**several.options, "output_dir": str(tmp_path / "run"), "dry_run": True}
    shown = train("tsl", **{**chosen, "store": str(tmp_path / "nothing")})["plan"]
    keys = {stage["key"] for stage in json.loads((several.folder / "stages.json").read_text()).values()}
    assert {key for key in keys if key not in shown} == set()
    assert not (tmp_path / "nothing").exists()
    assert "0 of " in train("tsl", **chosen)["plan"]


def test_a_second_seed_has_teachers_and_a_learned_similarity_of_its_own(several: Finished, tmp_path: Path):
    chosen = {**several.options, "output_dir": str(tmp_path / "run"), "seeds": [1, 2], "dry_run": True}
    shown = train("tsl", **{**chosen, "variants": ["avg", "sim", "cosine"], "evaluate_on": []})["plan"]
    to_do = [line.split("  ")[0] for line in shown.splitlines() if " to do " in line]
    assert to_do == [
        "teacher of en, seed 2",
        "soft labels of en, seed 2",
        "teacher of nl, seed 2",
        "soft labels of nl, seed 2",
        "mixture by mean, seed 2",
        "avg student, seed 2",
        "similarity by bilinear, seed 2",
        "weights by bilinear, seed 2",
        "mixture by bilinear, seed 2",
        "sim student, seed 2",
        "mixture by cosine, seed 2",
        "cosine student, seed 2",
    ]


def test_tags_of_the_target_change_nothing(several: Finished, toy: Toy, shared: Path, tmp_path: Path):
    """The target's tags are replaced by random ones: not one bit of alpha, mixtures and students differs."""
    chance = random.Random(5)
    other = tmp_path / "target"
    shutil.copytree(toy.target, other)
    lines = (other / "train.conll").read_text().splitlines()
    tags = [f"B-{chance.choice(['PER', 'LOC', 'ORG'])}" if chance.random() < 0.5 else "O" for _ in lines]
    text = [f"{line.split()[0]} {tag}" if line else "" for line, tag in zip(lines, tags, strict=True)]
    (other / "train.conll").write_text("\n".join(text) + "\n")
    assert text != lines
    store = tmp_path / "store"
    shutil.copytree(several.store / "train", store / "train")
    chosen = {**several.options, "target": str(other), "store": str(store), "output_dir": str(tmp_path / "run")}
    results = train("tsl", **{**chosen, "variants": ["mt_sim", "sim"]})
    path = stage(several, "sim student, seed 1").relative_to(several.store)
    assert weights(store / path / "model") == weights(several.store / path / "model")
    for variant, scores in results["variants"].items():
        assert scores == several.results["variants"][variant]
    assert results["language_weights"]["bilinear"] == several.results["language_weights"]["bilinear"]


def test_each_sentence_may_have_weights_of_its_own(several: Finished, shared: Path, tmp_path: Path):
    chosen = {**several.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "weight_level": "sentence"}
    before = counts(shared)
    train("tsl", **{**chosen, "variants": ["mt_sim", "sim"]})
    run = Finished(chosen, tmp_path / "run", shared, {})
    after = counts(shared)
    # The weights are those of before; what is new are the test set's, which it needs for its own sentences.
    assert after["language_weights"] == before["language_weights"] + 1 and after["mixture"] == before["mixture"] + 1
    rows = np.load(stage(run, "weights by bilinear, seed 1") / "weights.npy")
    parts = [soft_labels(stage(run, f"soft labels of {name}, seed 1")) for name in ("en", "nl")]
    mixed = soft_labels(stage(run, "mixture by bilinear, seed 1"))
    assert np.ptp(rows[:, 0]) > 0.01
    for alpha, first, second, both in zip(rows, *parts, mixed, strict=True):
        np.testing.assert_allclose(both, alpha[0] * first + alpha[1] * second, atol=1e-3)
    assert np.load(stage(run, "weights of mt_sim on target_test, seed 1") / "weights.npy").shape == (13, 2)


def test_the_released_program_weighs_the_test_set_by_its_own_sentences(
    several: Finished, shared: Path, tmp_path: Path
):
    chosen = {**several.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "variants": ["mt_sim"]}
    results = train("tsl", **chosen, mt_weights="test")
    assert "language_weights" not in results, "the target's training text is not asked"
    run = Finished(chosen, tmp_path / "run", shared, {})
    facts = json.loads((stage(run, "weights of mt_sim on target_test, seed 1") / "weights.json").read_text())
    assert facts["sentences"] == 13
    assert facts["alpha"] != several.results["language_weights"]["bilinear"]["seed 1"]["alpha"]


def test_mixtures_alone_leave_figures_and_no_student(several: Finished, shared: Path, tmp_path: Path, capsys):
    chosen = {**several.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "variants": ["mt_avg"]}
    results = train("tsl", **chosen)
    assert results["student"] == "mt_avg" and results["calibration"] is None
    assert not (tmp_path / "run" / "student").exists()
    assert (tmp_path / "run" / "predictions_target_test" / "plain.conll").exists()
    printed = capsys.readouterr().out
    assert "mt_avg" in printed and "The model is in" not in printed
    assert summarise_run(tmp_path / "run") in printed


def test_scores_without_variance_weigh_all_alike_with_a_warning(
    several: Finished, shared: Path, tmp_path: Path, monkeypatch, caplog
):
    def all_the_same(model: Any, tokenizer: Any, sentences: Any, **_: Any) -> Any:
        return (np.ones(32, dtype=np.float32) for _ in sentences)

    monkeypatch.setattr("hf_xner.systems.mixture_stages.sentence_vectors", all_the_same)
    for folder in ("sentence_vectors", "similarity", "language_weights"):
        shutil.rmtree(shared / folder)
    chosen = {**several.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "variants": ["cosine"]}
    with caplog.at_level(logging.WARNING, "hf_xner"):
        results = train("tsl", **chosen)
    facts = results["language_weights"]["cosine"]["seed 1"]
    assert facts["tau"] == 0 and facts["alpha"] == {"en": 0.5, "nl": 0.5}
    assert "the same (by cosine): no variance" in caplog.text


def test_a_hard_choice_by_a_small_tau_is_told_each_time(caplog):
    facts = {"alpha": {"en": 0.9, "nl": 0.1}, "tau": 2e-5, "temperature": "variance", "one_sided": 0.97}
    with caplog.at_level(logging.WARNING, "hf_xner"):
        several_teachers._say("cosine", facts | {"one_sided": 0.5})
        several_teachers._say("cosine", facts | {"alpha": {"en": 1.0}})
        assert not caplog.records
        several_teachers._say("cosine", facts)
    assert re.search(r"by cosine, 97 % .* one source: tau, the variance .* --similarity_temperature std", caplog.text)


def test_tau_may_be_the_standard_deviation(several: Finished, shared: Path, tmp_path: Path):
    chosen = {**several.options, "store": str(shared), "output_dir": str(tmp_path / "run"), "variants": ["mt_sim"]}
    results = train("tsl", **chosen, similarity_temperature="std")
    after, before = (found["language_weights"]["bilinear"]["seed 1"] for found in (results, several.results))
    assert after["tau"] == pytest.approx(before["tau"] ** 0.5)
    assert after["alpha"] != before["alpha"]


def test_a_run_killed_while_it_mixes_goes_on(several: Finished, tmp_path: Path, monkeypatch):
    store = tmp_path / "store"
    for kind in ("train", "soft_labels", "sentence_vectors"):
        shutil.copytree(several.store / kind, store / kind)
    chosen = {**several.options, "store": str(store), "output_dir": str(tmp_path / "run"), "variants": ["sim"]}
    from hf_xner.systems import mixture_stages

    real, calls = mixture_stages.mix, []

    def killed(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(mixture_stages, "mix", killed)
    with pytest.raises(KeyboardInterrupt):
        train("tsl", **chosen)
    assert list(store.glob("mixture/*.partial"))
    results = train("tsl", **chosen)
    assert results["variants"]["sim"] == several.results["variants"]["sim"]
    path = stage(several, "sim student, seed 1").relative_to(several.store)
    assert weights(store / path / "model") == weights(several.store / path / "model")


def test_sources_with_other_types_meet_as_asked(toy: Toy, sources: list[str], shared: Path, tmp_path: Path):
    fewer = write_corpus(tmp_path / "fewer", SOURCE, ["the", "a"], {"train": 20, "dev": 4, "test": 4}, seed=3)
    for path in fewer.glob("*.conll"):
        path.write_text(path.read_text().replace("B-ORG", "O").replace("I-ORG", "O"))
    chosen = options(toy, tmp_path / "run", shared, source=[sources[0], f"{fewer}:de"], variants=["avg"])
    with pytest.raises(InputError, match=r"en has LOC, ORG, PER; de has LOC, PER; rename .*--types common or union"):
        train("tsl", **chosen)
    with pytest.raises(
        InputError, match=r"joint: .*cannot be one: .*LOC, ORG, PER; .*LOC, PER; rename .* leave joint"
    ):
        train("tsl", **{**chosen, "variants": ["joint"], "types": "union"})
    with pytest.raises(InputError, match=r"what the teachers teach has LOC, PER; .*target.* has LOC, ORG, PER"):
        train("tsl", **chosen, types="common")
    rows = plan({**chosen, "variants": ["all"], "types": "union"})
    assert "joint on target_test, seed 1" not in rows and "l1 on target_test, seed 1" in rows
    train("tsl", **chosen, types="union")
    config = json.loads((tmp_path / "run" / "student" / "config.json").read_text())
    assert set(config["label2id"]) == {"O", *(f"{letter}-{name}" for letter in "BI" for name in ("LOC", "ORG", "PER"))}


def test_three_sources_of_the_built_in_corpus(toy: Toy, tmp_path: Path):
    """K = 3, as the paper has it: three of the corpus' languages teach a fourth (their test sets, labelled)."""
    labelled = Path(sample.__file__).parent
    specs = ["sample:en", f"{labelled}/test_de.conll:de", f"{labelled}/test_nl.conll:nl"]
    quick = {"teacher_epochs": 0.05, "similarity_epochs": 1.0, "evaluate_on": ["target_test"]}
    chosen = options(toy, tmp_path / "run", tmp_path / "store", source=specs, **quick)
    results = train("tsl", **{**chosen, "target": "sample:es", "variants": ["mt", "mt_avg", "sim"]})
    assert set(results["variants"]) == {"mt_en", "mt_de", "mt_nl", "mt_avg", "sim"} and results["student"] == "sim"
    alpha = results["language_weights"]["bilinear"]["seed 1"]["alpha"]
    assert list(alpha) == ["en", "de", "nl"] and sum(alpha.values()) == pytest.approx(1)
    run = Finished(chosen, tmp_path / "run", tmp_path / "store", results)
    counted = counts(run.store)
    assert (counted["train"], counted["mixture"], counted["distil"]) == (3, 1, 1)
    said = [read_soft_labels(stage(run, f"soft labels of {name}, seed 1"))["soft_labels"] for name in alpha]
    mixed = read_soft_labels(stage(run, "mixture by bilinear, seed 1"))["soft_labels"]
    for *parts, both in zip(*said, mixed, strict=True):
        np.testing.assert_allclose(both, np.array(list(alpha.values())) @ np.array(parts), atol=2e-3)


@pytest.mark.slow
def test_two_processes_give_the_same_weights_and_a_student(several: Finished, tmp_path: Path):
    store, run = tmp_path / "store", tmp_path / "run"
    shutil.copytree(several.store / "train", store / "train")
    chosen = {**several.options, "store": store, "output_dir": run, "variants": ["mt_sim", "sim"]}
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
        + ["--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0"]
        + ["-m", "hf_xner.launch", "tsl", *command_line({**chosen, "micro_batch_size": 4})],
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    results = json.loads((run / "results.json").read_text())
    alone, together = (found["language_weights"]["bilinear"]["seed 1"] for found in (several.results, results))
    assert together["alpha"]["en"] == pytest.approx(alone["alpha"]["en"], abs=1e-3)
    assert together["tau"] == pytest.approx(alone["tau"], rel=1e-2)
    assert [len(list(folder.glob("vectors-*.arrow"))) for folder in stage_folders(store, "sentence_vectors")] == [
        2
    ] * 3
    assert (run / "student" / "model.safetensors").stat().st_size > 0
    one, two = (
        read_predictions(folder / "predictions_target_test" / "plain.conll").gold for folder in (several.folder, run)
    )
    assert one == two


def test_joined_corpora_are_all_of_each(toy: Toy, sources: list[str]):
    from hf_xner.systems.workspace import Labelled, joined

    parts = [Labelled(spec, "train", load_corpus(spec)["train"], f"digest {spec}") for spec in sources]
    both = joined(parts)
    assert isinstance(both.data, Dataset) and len(both.data) == sum(len(part.data) for part in parts)
    assert both.data["tokens"][-1] == parts[1].data["tokens"][-1]
    assert both.digest != joined(parts[::-1]).digest and joined(parts[:1]) is parts[0]
