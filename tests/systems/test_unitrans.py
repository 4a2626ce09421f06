"""unitrans from its options to its variants: what is translated, who votes, what is shared, what never trains."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, load_from_disk

from hf_xner.data.rows import RaggedColumn, read_soft_labels
from hf_xner.data.votes import read_votes
from hf_xner.errors import InputError
from hf_xner.launch import train
from hf_xner.systems import unitrans
from hf_xner.systems.processes import SingleProcess
from hf_xner.systems.stages import StageStore
from hf_xner.systems.translation_checks import refuse_tags_of_target
from hf_xner.systems.translation_stages import translate_source
from hf_xner.systems.unitrans import VARIANTS, Arguments
from hf_xner.systems.workspace import Workspace

from .toy import SOURCE_WORDS, TARGET_WORDS, Finished, Toy, stage_folders, write_sentences

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dictionary") / "toy.txt"
    pairs = [*zip(SOURCE_WORDS, TARGET_WORDS, strict=True), ("kiel", "bonn"), ("john", "gab")]
    path.write_text("".join(f"{word} {translation}\n" for word, translation in pairs), encoding="utf-8")
    return path


def options_of(toy: Toy, folder: Path, dictionary: Path, **more: Any) -> dict[str, Any]:
    return toy.options(folder / "run", folder / "store", dictionary=str(dictionary), **more)


@pytest.fixture(scope="module")
def whole(toy: Toy, dictionary: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Every variant, the ensemble of two runs included; tests may read what it left, not change it."""
    folder = tmp_path_factory.mktemp("unitrans")
    options = options_of(toy, folder, dictionary, variants=list(VARIANTS), ensemble_size=2, student_epochs=1.0)
    return Finished(options, folder / "run", folder / "store", train("unitrans", **options))


def records(run: Finished) -> dict[str, dict[str, Any]]:
    return json.loads((run.folder / "stages.json").read_text())


def stage(run: Finished, kind: str, name: str) -> Path:
    return run.store / kind / records(run)[name]["key"]


def test_every_row_of_the_papers_table_is_a_variant(whole: Finished):
    assert set(whole.results["variants"]) == set(VARIANTS)
    assert whole.results["student"] == "unitrans" and whole.results["target_labels_used"] is False
    students = {"src_student", "trans_student", "without_soft", "without_hard", "unitrans", "ensemble"}
    models = {name: weights(stage(whole, "distil", f"{name} student, seed 1") / "model") for name in students}
    assert len(set(models.values())) == len(students), "two ablations came out the same"


def test_each_distinct_model_is_trained_once(whole: Finished):
    # Theta_src, Theta_trans, Theta_teach of two runs for the ensemble, and one model of both corpora.
    assert len(whole.stages("train")) == 7 and len(whole.stages("distil")) == 6
    assert len(whole.stages("translate")) == 1 and len(whole.stages("vote")) == 2


def test_the_teacher_goes_on_from_the_source_model_on_translated_sentences(whole: Finished):
    inputs = json.loads((stage(whole, "train", "teacher, seed 1") / "stage.json").read_text())["inputs"]
    assert inputs["start"] == records(whole)["source model, seed 1"]["key"]
    assert inputs["sentences"] == records(whole)["translation"]["key"]


def test_the_translated_corpus_keeps_tags_persons_and_unknown_words(whole: Finished, toy: Toy):
    corpus = load_from_disk(str(stage(whole, "translate", "translation") / "corpus"))
    original = [line.split() for line in (toy.source / "train.conll").read_text().splitlines() if line]
    names = corpus.features["ner_tags"].feature.names
    ours = [
        (word, names[tag])
        for words, tags in zip(corpus["tokens"], corpus["ner_tags"], strict=True)
        for word, tag in zip(words, tags, strict=True)
    ]
    assert [tag for _, tag in ours] == [tag for _, tag in original]
    table = dict(zip(SOURCE_WORDS, TARGET_WORDS, strict=True)) | {"Kiel": "Bonn"}
    for (word, tag), (before, _) in zip(ours, original, strict=True):
        assert word == (before if tag.endswith("PER") else table.get(before, before))
    assert any(word == "John" for word, _ in ours), "John is in the dictionary, and a person"


def test_votes_are_the_words_on_which_all_three_models_agree(whole: Finished):
    parts = [
        RaggedColumn(read_soft_labels(stage(whole, "soft_labels", f"soft labels of {model}, seed 1")), "soft_labels")
        for model in ("mt", "teacher", "data_transfer")
    ]
    votes = RaggedColumn(read_votes(stage(whole, "vote", "votes, seed 1")), "votes")
    agreed = 0
    for index in range(len(votes)):
        best = [part[index].reshape(-1, 7).argmax(axis=-1) for part in parts]
        for word, given in enumerate(votes[index]):
            said = {int(tags[word]) for tags in best}
            assert given == (said.pop() if len(said) == 1 else -1)
            agreed += given >= 0
    total = sum(len(votes[index]) for index in range(len(votes)))
    assert 0 < agreed < total, "the toy must show both"


def test_the_ensemble_learns_from_the_mean_of_the_runs(whole: Finished):
    parts = [
        RaggedColumn(
            read_soft_labels(stage(whole, "soft_labels", f"soft labels of teacher, seed {seed}")), "soft_labels"
        )
        for seed in (1, 2)
    ]
    mean = RaggedColumn(read_soft_labels(stage(whole, "average", "teacher, mean of 2")), "soft_labels")
    for index in range(len(mean)):
        expected = (parts[0][index].astype(np.float32) + parts[1][index].astype(np.float32)) / 2
        assert np.allclose(mean[index], expected, atol=1e-3)


def test_tags_of_the_target_change_nothing(whole: Finished, toy: Toy, dictionary: Path, tmp_path: Path):
    chance = random.Random(5)
    other = tmp_path / "target"
    shutil.copytree(toy.target, other)
    lines = (other / "train.conll").read_text().splitlines()
    text = [f"{line.split()[0]} {chance.choice(['B-PER', 'B-LOC', 'O'])}" if line else "" for line in lines]
    (other / "train.conll").write_text("\n".join(text) + "\n")
    options = options_of(toy, tmp_path, dictionary, variants=["unitrans"], student_epochs=1.0)
    train("unitrans", **{**options, "target": str(other)})
    assert weights(tmp_path / "run" / "student") == weights(whole.folder / "student")


def test_a_dry_run_lists_every_stage_and_does_nothing(whole: Finished, tmp_path: Path):
    options = {**whole.options, "output_dir": str(tmp_path / "run"), "store": str(tmp_path / "store"), "dry_run": True}
    plan = train("unitrans", **options)["plan"]
    assert [record["key"] for record in records(whole).values() if record["key"] not in plan] == []
    assert not (tmp_path / "store").exists() and not (tmp_path / "run").exists()


def test_tsl_and_unitrans_share_the_teacher_and_its_student(whole: Finished, toy: Toy, tmp_path: Path):
    shutil.copytree(whole.store, tmp_path / "store")
    options = toy.options(tmp_path / "run", tmp_path / "store", variants=["mt", "tsl"], student_epochs=1.0)
    train("tsl", **options)
    assert len(stage_folders(tmp_path / "store", "train")) == 7
    assert len(stage_folders(tmp_path / "store", "distil")) == 6


def test_a_corpus_that_is_translated_already_is_taken_as_it_is(toy: Toy, whole: Finished, tmp_path: Path):
    translated = tmp_path / "translated.conll"
    translated.write_text((toy.source / "train.conll").read_text().replace("the", "ib"), encoding="utf-8")
    options = toy.options(tmp_path / "run", tmp_path / "store", variants=["data_transfer"], translated=str(translated))
    train("unitrans", **options)
    assert not stage_folders(tmp_path / "store", "translate") and len(stage_folders(tmp_path / "store", "train")) == 1


def test_the_target_corpus_cannot_be_given_as_the_translated_one(toy: Toy, tmp_path: Path):
    options = toy.options(tmp_path / "run", tmp_path / "store", variants=["data_transfer"], translated=str(toy.target))
    with pytest.raises(InputError, match="same corpus"):
        train("unitrans", **options)


def test_part_of_the_target_cannot_be_given_as_a_translation(toy: Toy, tmp_path: Path):
    """Neither as it is, nor if the source happens to have the same entities, as a parallel corpus would."""
    target = (toy.target / "train.conll").read_text().split("\n\n")
    options = toy.options(tmp_path / "run", tmp_path / "store", variants=["data_transfer"])
    for name, sentences in (("shorter", target[1:]), ("parallel", [text.upper() for text in target[1:]])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.conll").write_text("\n\n".join(sentences), encoding="utf-8")
    given = {"translated": str(tmp_path / "shorter"), "dry_run": True}
    with pytest.raises(InputError, match="40 sentences against 29 translated ones"):
        train("unitrans", **{**options, **given})
    with pytest.raises(InputError, match="29 of its 29 sentences stand in the target corpus, whose tags must not"):
        train("unitrans", **{**options, **given, "source": [str(tmp_path / "parallel")], "evaluate_on": []})


@pytest.mark.parametrize(("words", "refused"), [(3, False), (11, True)])
def test_one_shared_sentence_may_be_chance_only_if_it_is_short(words: int, refused: bool):
    tag = ClassLabel(names=["O", "B-LOC", "I-LOC"])
    features = Features({"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(tag)})

    def rows(first: str) -> Dataset:
        tokens = [[first] + ["Kiel"] * (words - 1), *([f"{first}{number}", "Kiel"] for number in range(199))]
        tags = [[0, 1] + [0] * (len(row) - 2) for row in tokens]
        ids = [str(number) for number in range(len(tokens))]
        return Dataset.from_dict({"id": ids, "tokens": tokens, "ner_tags": tags}, features)

    source, given = rows("in"), rows("em")
    target = DatasetDict(test=given.select([0]))
    with pytest.raises(InputError, match="1 of its 200 sentences") if refused else nullcontext():
        refuse_tags_of_target(source, given, target, "some:eo")


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("word", ["IN", "BANK", "OF", "KIEL", "SITS", "John"]),
        ("phrase", ["IN", "KIEL", "OF", "BANK", "SITS", "John"]),
        ("word_phrase", ["IN", "KIEL", "OF", "BANK", "SITS", "John"]),
    ],
)
def test_google_translates_by_every_strategy(
    toy: Toy, tmp_path: Path, monkeypatch, strategy: str, expected: list[str]
):
    asked: list[str] = []

    def answer(self: Any, texts: list[str]) -> list[str]:
        assert (self.source, self.target) == ("en", "eo")
        asked.extend(texts)
        return [" ".join(reversed(text.split())).upper() for text in texts]

    monkeypatch.setattr("hf_xner.translation.google.GoogleTranslator._request", answer)
    words, tags = ["in", "Bank", "of", "Kiel", "sits", "John"], ["O", "B-ORG", "I-ORG", "I-ORG", "O", "B-PER"]
    shutil.copytree(toy.source, tmp_path / "source")
    write_sentences(tmp_path / "source" / "train.conll", [list(zip(words, tags, strict=True))])
    options = toy.options(tmp_path / "run", tmp_path / "store", source=[f"{tmp_path / 'source'}:en"], google=True)
    options |= {"translation_cache": str(tmp_path / "cache.sqlite"), "target_language": "eo", "strategy": strategy}
    space = Workspace(Arguments(**options), StageStore(tmp_path / "store"), SingleProcess())
    data = translate_source(space, "translation", space.labelled(options["source"][0], "train")).data
    assert (
        data["tokens"][0] == expected
        and [data.features["ner_tags"].feature.names[i] for i in data["ner_tags"][0]] == tags
    )
    phrases = {"word": [], "phrase": ["Bank of Kiel"], "word_phrase": ["Bank of Kiel"]}[strategy]
    assert [text for text in asked if " " in text] == phrases and "John" not in asked


def write_vec(path: Path, words: list[str], vectors: np.ndarray) -> Path:
    rows = [f"{word} {' '.join(f'{value:.6f}' for value in row)}" for word, row in zip(words, vectors, strict=True)]
    path.write_text("\n".join([f"{len(words)} {vectors.shape[1]}", *rows]) + "\n", encoding="utf-8")
    return path


def test_vectors_are_mapped_as_a_stage_of_the_run(toy: Toy, tmp_path: Path):
    random_numbers = np.random.default_rng(0)
    shared = [f"{a}{b}0" for a in LETTERS[:10] for b in LETTERS[:12]]
    vectors = random_numbers.normal(size=(len(shared) + 5, 8)).astype(np.float32)
    rotation = np.linalg.qr(random_numbers.normal(size=(8, 8)))[0].astype(np.float32)
    source = write_vec(tmp_path / "source.vec", [*SOURCE_WORDS, *shared], vectors)
    target = write_vec(tmp_path / "target.vec", [*TARGET_WORDS, *shared], vectors @ rotation.T)
    options = toy.options(
        tmp_path / "run",
        tmp_path / "store",
        variants=["data_transfer"],
        source_vectors=str(source),
        target_vectors=str(target),
        teacher_epochs=1.0,
    )
    train("unitrans", **options)
    (folder,) = stage_folders(tmp_path / "store", "translate")
    words = {word for tokens in load_from_disk(str(folder / "corpus"))["tokens"] for word in tokens}
    assert set(TARGET_WORDS) <= words and not set(SOURCE_WORDS) & words


def test_the_targets_language_decides_the_rules_whatever_its_configuration_is_called(toy: Toy, tmp_path: Path):
    def options(target: str) -> Any:
        given = toy.options(tmp_path / "run", tmp_path / "store", dictionary="somewhere.txt", target=target)
        return unitrans.Arguments(**given).translation_options()

    assert options("uner:de_pud").casing == options(f"{toy.target}:de").casing == "target"
    assert options("uner:zh_gsd").rule_settings()["units"] and not options("conll2002:es").rule_settings()["units"]


def test_noise_from_shared_words_ends_the_run(toy: Toy, tmp_path: Path):
    random_numbers = np.random.default_rng(0)
    words = [*SOURCE_WORDS, *(f"{a}{b}0" for a in LETTERS[:10] for b in LETTERS[:12])]
    source, target = (
        write_vec(tmp_path / f"{side}.vec", words, random_numbers.normal(size=(len(words), 8))) for side in "ab"
    )
    options = toy.options(tmp_path / "run", tmp_path / "store", variants=["data_transfer"])
    with pytest.raises(InputError, match="the mapping has not converged"):
        train("unitrans", **options, source_vectors=str(source), target_vectors=str(target))
    assert not stage_folders(tmp_path / "store", "translate")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"variants": ["unitrans"], "dictionary": None}, "no way to translate"),
        ({"variants": ["unitrans"], "mapping": "somewhere"}, "--mapping and --dictionary"),
        ({"variants": ["nothing"]}, "not among"),
        ({"source_vectors": "a.vec"}, "both languages"),
        ({"vote_mean": "median"}, "agreed, words"),
        ({"ensemble_size": 0}, "at least 1"),
        ({"strategy": "sentence"}, "word, phrase, word_phrase"),
    ],
)
def test_mistakes_are_named_before_anything_trains(
    toy: Toy, dictionary: Path, tmp_path: Path, more: dict[str, Any], message: str
):
    with pytest.raises(InputError, match=message):
        train("unitrans", **{**options_of(toy, tmp_path, dictionary), **more, "dry_run": True})


def test_a_start_without_constraint_is_scored_and_kept_for_the_tagger(whole: Finished, tmp_path: Path):
    shutil.copytree(whole.store, tmp_path / "store")
    options = {**whole.options, "store": str(tmp_path / "store"), "output_dir": str(tmp_path / "run")}
    train("unitrans", **{**options, "variants": ["mt"]}, start_constraint=False)
    config = json.loads((tmp_path / "run" / "student" / "config.json").read_text())
    assert config["xner"]["start_constraint"] is False and config["xner"]["decoding"] == "viterbi"
    before = json.loads((whole.folder / "student" / "config.json").read_text())
    assert before["xner"]["start_constraint"] is True
    assert len(stage_folders(tmp_path / "store", "score")) == len(whole.stages("score")) + 1
    assert len(stage_folders(tmp_path / "store", "train")) == len(whole.stages("train"))
