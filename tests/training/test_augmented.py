"""Training of the BiLSTM-CRF on a toy pair of languages: what is learnt, from what, and what is refused."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.data.word_rows import WordRows
from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import evaluate_model
from hf_xner.inference.word_models import tag_rows
from hf_xner.labels import tag_names
from hf_xner.models import BiLstmCrfForTokenClassification, WordFeatureExtractor
from hf_xner.models.word_features import WordTable
from hf_xner.training import augmented, pseudo_labels
from hf_xner.training.augmented import DevelopmentSet, train_jointly, train_on_labels
from hf_xner.training.augmented_settings import JointSettings, TaggerSettings
from hf_xner.training.history import read_history
from hf_xner.training.pseudo_labels import PseudoLabels

NAMES = {"PER": ["Ana Ruiz", "Max", "Eva Lund"], "LOC": ["Kiel", "Bad Orb", "Rom"]}
WORDS = {"source": ["visits", "in", "the", "left"], "target": ["besucht", "im", "das", "verliess"]}
FRAMES = ["{PER} 0 {LOC} .", "1 {LOC} 3 {PER} 2 2 {LOC} .", "{PER} , {PER} 3 {LOC} 1 2"]
TAGS = tag_names(NAMES)
SMALL: dict[str, Any] = {"batch_size": 8, "evaluation_steps": 3}


def sentences(language: str, count: int, seed: int = 0) -> Dataset:
    """Labelled sentences of 5 to 20 words."""
    chance = random.Random(f"{language}{seed}")
    rows: dict[str, list] = {"tokens": [], "ner_tags": []}
    for _ in range(count):
        tokens, tags = [], []
        for part in " ".join(chance.choices(FRAMES, k=chance.randrange(1, 4))).split():
            kind = part.strip("{}")
            words = chance.choice(NAMES[kind]).split() if kind in NAMES else [part]
            words = [WORDS[language][int(word)] if word.isdigit() else word for word in words]
            tokens += words
            tags += [f"{'I' if place else 'B'}-{kind}" if kind in NAMES else "O" for place in range(len(words))]
        rows["tokens"].append(tokens)
        rows["ner_tags"].append([TAGS.index(tag) for tag in tags])
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))})
    return Dataset.from_dict(rows, features=features)


def unlabelled(data: Dataset) -> Dataset:
    return data.remove_columns("ner_tags")


@pytest.fixture(scope="module")
def extractor() -> WordFeatureExtractor:
    """Translations have one vector; names have none, and only their characters."""
    vectors = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    tables = {side: WordTable([*WORDS[side], ".", ","], vectors) for side in ("source", "target")}
    characters = sorted(
        {character for words in (*WORDS.values(), *NAMES.values()) for word in words for character in word}
    )
    return WordFeatureExtractor([*characters, ".", ","], word_size=8, tables=tables)


def load(folder: Path) -> BiLstmCrfForTokenClassification:
    return BiLstmCrfForTokenClassification.from_pretrained(folder / "model").eval()


def f1(folder: Path, extractor: WordFeatureExtractor, data: Dataset, language: str) -> float:
    return evaluate_model(load(folder), extractor.in_language(language), data).scores["tagger"].f1


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def theta_s(extractor, tmp_path_factory) -> Path:
    """A source tagger, half trained."""
    folder = tmp_path_factory.mktemp("theta_s")
    train_on_labels(folder, extractor, sentences("source", 48), TaggerSettings(epochs=10, **SMALL))
    return folder


def joint(
    folder: Path, theta_s: Path, extractor: WordFeatureExtractor, *, target: Dataset | None = None, **more: Any
) -> None:
    text = unlabelled(sentences("target", 40)) if target is None else target
    dev = more.pop("dev", None)
    settings = JointSettings(**{"draws": 3, **SMALL, **more})
    train_jointly(folder, theta_s / "model", extractor, sentences("source", 48), text, settings, dev=dev)


def test_the_source_is_learnt_and_carries_over_in_a_common_space(theta_s, extractor, tmp_path):
    assert f1(theta_s, extractor, sentences("source", 20, seed=1), "source") > 0.9
    transferred = f1(theta_s, extractor, sentences("target", 20, seed=1), "target")
    assert transferred > 0.8
    apart = WordFeatureExtractor(
        extractor.characters,
        word_size=8,
        tables={
            "source": extractor.tables["source"],
            "target": WordTable(extractor.tables["target"].words, -4 * extractor.tables["target"].vectors),
        },
    )
    assert f1(theta_s, apart, sentences("target", 20, seed=1), "target") < transferred - 0.1


def test_iobes_is_trained_and_iob2_scored(theta_s, extractor):
    model = load(theta_s)
    assert model.config.xner == {"scheme": "iobes", "decoding": "crf", "start_constraint": False}
    assert set(model.tag_names) == set(tag_names(NAMES, "iobes"))
    tags = {tag for row in model.tag(**extractor(sentences("source", 20)["tokens"], language="source")) for tag in row}
    assert {"S-LOC", "E-LOC", "B-PER", "E-PER"} <= tags and not any(tag.startswith("I-") for tag in tags)
    predictions = evaluate_model(model, extractor.in_language("source"), sentences("source", 20)).predictions["tagger"]
    assert {tag for row in predictions for tag in row} == {"O", "B-LOC", "I-LOC", "B-PER", "I-PER"}


def test_the_papers_arabic_is_trained_in_iob2(extractor, tmp_path):
    train_on_labels(tmp_path, extractor, sentences("source", 8), TaggerSettings(epochs=1, scheme="iob2", **SMALL))
    assert set(load(tmp_path).tag_names) == set(TAGS)


def test_the_same_seed_gives_the_same_weights_and_another_one_others(extractor, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        settings = TaggerSettings(epochs=1, seed=seed, **SMALL)
        train_on_labels(tmp_path / name, extractor, sentences("source", 16), settings)
    assert weights(tmp_path / "one") == weights(tmp_path / "again") != weights(tmp_path / "other")


def test_the_best_weights_on_the_development_set_are_kept(extractor, tmp_path):
    settings = TaggerSettings(epochs=2, select="best", **SMALL)
    dev = DevelopmentSet(sentences("source", 20, seed=1), "source")
    train_on_labels(tmp_path, extractor, sentences("source", 48), settings, dev=dev)
    scores = [record["eval_f1"] for record in read_history(tmp_path / "history.jsonl") if "eval_f1" in record]
    assert len(scores) == 4, "12 steps, one evaluation in three"
    assert f1(tmp_path, extractor, dev.data, "source") == pytest.approx(max(scores))


def test_joint_training_leaves_a_two_encoder_model_that_knows_the_target(theta_s, extractor, tmp_path):
    joint(tmp_path, theta_s, extractor)
    model = load(tmp_path)
    assert model.config.augmented and model.target_encoder is not None
    assert f1(tmp_path, extractor, sentences("target", 20, seed=1), "target") > 0.8
    assert f1(tmp_path, extractor, sentences("source", 20, seed=1), "source") > 0.8, "theta_s still learns its own"
    names = {name for record in read_history(tmp_path / "history.jsonl") for name in record}
    assert {"draw", "threshold", "sentences"} <= names


def test_no_tag_of_the_target_can_get_in(theta_s, extractor, tmp_path):
    with pytest.raises(InputError, match="a target corpus with tags was given"):
        joint(tmp_path, theta_s, extractor, target=sentences("target", 40))


def test_pseudo_labels_are_theta_s_own_and_renewed_every_round(theta_s, extractor, tmp_path, monkeypatch):
    asked: list[tuple[str, list[np.ndarray]]] = []

    def spy(model: Any, rows: WordRows, chosen: Sequence[int], *, encoder: str) -> list[np.ndarray]:
        asked.append((encoder, tag_rows(model, rows, chosen, encoder=encoder)))
        return asked[-1][1]

    monkeypatch.setattr(pseudo_labels, "tag_rows", spy)
    joint(tmp_path, theta_s, extractor, draws=2)
    assert [encoder for encoder, _ in asked] == ["source", "source"]
    (first, second) = (np.concatenate(tags) for _, tags in asked)
    assert len(first) != len(second) or (first != second).any()


@pytest.mark.parametrize("detach", [False, True])
def test_each_loss_reaches_its_own_weights(theta_s, extractor, tmp_path, monkeypatch, detach):
    """L_s: theta_s. L_t(theta_s): theta_s. L_t(theta_t): the target encoder, and theta_s unless kept out."""
    reached: dict[str, set[str]] = {}
    real = augmented._JointRound.loss

    def look(self: Any, model: Any, step: int) -> Any:
        loss = real(self, model, step)
        for name, part in loss.parts.items():
            gradients = torch.autograd.grad(part, list(model.parameters()), retain_graph=True, allow_unused=True)
            names = [key for key, _ in model.named_parameters()]
            reached[name] = {key.split(".")[0] for key, grad in zip(names, gradients, strict=True) if grad is not None}
        return loss

    monkeypatch.setattr(augmented._JointRound, "loss", look)
    joint(tmp_path, theta_s, extractor, draws=1, detach_source=detach)
    own = {"source_encoder", "dense", "emission", "crf", "characters"}
    assert reached["loss_source"] == reached["loss_pseudo_source"] == own
    theirs = {"target_encoder", "augmentation", "dense", "emission", "crf", "characters"}
    assert reached["loss_pseudo_target"] == theirs | (set() if detach else {"source_encoder"})


class Killed(Exception):
    pass


@pytest.mark.parametrize(("draw", "step"), [(0, 0), (0, 1), (1, 0), (2, 1)])
def test_killed_and_started_again_joint_training_ends_as_if_nothing_had_happened(
    theta_s, extractor, tmp_path, monkeypatch, draw, step
):
    text = sentences("target", 20, seed=2)
    options = {"select": "best", "dev": DevelopmentSet(text, "target"), "evaluation_steps": 2}
    joint(tmp_path / "whole", theta_s, extractor, **options)
    real = augmented._JointRound.loss

    def break_off(self: Any, model: Any, number: int) -> Any:
        if (self.draw, number) == (draw, step):
            raise Killed
        return real(self, model, number)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(augmented._JointRound, "loss", break_off)
        joint(tmp_path / "broken", theta_s, extractor, **options)
    joint(tmp_path / "broken", theta_s, extractor, **options)
    assert weights(tmp_path / "whole") == weights(tmp_path / "broken")
    left = {path.name for path in (tmp_path / "broken").iterdir()}
    assert left == {"model", "history.jsonl", "history.png"}

    def records(name: str) -> list[dict]:
        return [{**record, "seconds": 0} for record in read_history(tmp_path / name / "history.jsonl")]

    assert records("whole") == records("broken")


def test_a_training_that_has_saved_its_model_is_not_done_again(extractor, tmp_path, monkeypatch):
    train_on_labels(tmp_path, extractor, sentences("source", 8), TaggerSettings(epochs=1, **SMALL))
    before = weights(tmp_path)
    monkeypatch.setattr(augmented, "SgdTraining", None)
    train_on_labels(tmp_path, extractor, sentences("source", 8), TaggerSettings(epochs=1, **SMALL))
    assert weights(tmp_path) == before


def rows_of(extractor: WordFeatureExtractor, lengths: Sequence[int]) -> WordRows:
    return WordRows(extractor, [["das"] * length for length in lengths])


def test_thresholds_lie_between_the_shortest_and_the_longest_sentence(extractor, tmp_path):
    pseudo = PseudoLabels(tmp_path, rows_of(extractor, range(3, 40)), JointSettings(batch_size=1))
    drawn = [pseudo.draw(round_) for round_ in range(200)]
    thresholds = {threshold for threshold, _ in drawn}
    assert min(thresholds) >= 3 and max(thresholds) <= 39 and len(thresholds) > 25
    for threshold, chosen in drawn:
        assert chosen == [row for row, length in enumerate(range(3, 40)) if length <= threshold]
    assert drawn == [pseudo.draw(round_) for round_ in range(200)], "a function of seed and round"


def test_a_threshold_that_leaves_too_few_sentences_is_drawn_again(extractor, tmp_path):
    rows = rows_of(extractor, [10] * 20 + [12] * 20)
    pseudo = PseudoLabels(tmp_path, rows, JointSettings(batch_size=16, shortest_threshold=1))
    drawn = [pseudo.draw(round_) for round_ in range(50)]
    assert all(threshold >= 10 for threshold, _ in drawn) and {len(chosen) for _, chosen in drawn} == {20, 40}
    few = PseudoLabels(tmp_path, rows_of(extractor, [4, 90]), JointSettings(batch_size=16, longest_threshold=50))
    assert {tuple(few.draw(round_)[1]) for round_ in range(20)} == {(0,)}, "no more than there are"


def test_almost_no_chance_of_a_useful_threshold_ends_with_all_sentences(extractor, tmp_path):
    settings = JointSettings(batch_size=2, shortest_threshold=1, longest_threshold=10**7)
    rows = rows_of(extractor, [3, 4])
    assert PseudoLabels(tmp_path, rows, settings).draw(0)[1] == [0, 1]
    unlucky = JointSettings(batch_size=2, shortest_threshold=-(10**9), longest_threshold=4)
    assert PseudoLabels(tmp_path, rows, unlucky).draw(0) == (4, [0, 1])


@pytest.mark.parametrize(("low", "high"), [(1, 4), (30, 20)])
def test_bounds_that_leave_no_sentence_are_refused(extractor, tmp_path, low, high):
    settings = JointSettings(shortest_threshold=low, longest_threshold=high)
    with pytest.raises(InputError, match=f"no threshold between {low} and {high} words leaves a target sentence"):
        PseudoLabels(tmp_path, rows_of(extractor, [5, 25]), settings)


def test_sentences_over_the_cap_do_not_train_and_are_counted(extractor, tmp_path, caplog, monkeypatch):
    seen: list[int] = []
    real = augmented._LabelledRound.loss
    monkeypatch.setattr(
        augmented._LabelledRound,
        "loss",
        lambda self, model, step: seen.extend(self.source.batch(self.epoch, step)) or real(self, model, step),
    )
    data = sentences("source", 30)
    short = sum(len(tokens) <= 10 for tokens in data["tokens"])
    with caplog.at_level(logging.INFO, "hf_xner"):
        train_on_labels(tmp_path, extractor, data, TaggerSettings(epochs=1, longest_sentence=10, **SMALL))
    assert sorted(seen) == list(range(short)) and 0 < short < 30
    assert f"{30 - short} source sentences of more than 10 words do not train" in caplog.text
    with pytest.raises(InputError, match="none of the 30 source sentences has between 1 and 2 words"):
        train_on_labels(tmp_path / "x", extractor, data, TaggerSettings(longest_sentence=2, **SMALL))


def test_tags_that_the_tagger_does_not_know_are_refused_by_name(theta_s, extractor, tmp_path):
    data = sentences("source", 8)
    names = [tag.replace("LOC", "GPE") for tag in TAGS]
    renamed = data.cast_column("ner_tags", List(ClassLabel(names=names)))
    text = unlabelled(sentences("target", 20))
    with pytest.raises(InputError, match="the corpus has the tag .-GPE, which the tagger does not know"):
        train_jointly(tmp_path, theta_s / "model", extractor, renamed, text, JointSettings(**SMALL))


@pytest.mark.parametrize(("language", "way"), [("source", "source"), ("target", "target")])
def test_a_development_set_is_read_by_the_encoder_of_its_language(
    theta_s, extractor, tmp_path, monkeypatch, language, way
):
    asked: set[str] = set()
    real = augmented._Evaluation.__call__

    def look(self: Any) -> float:
        asked.add(self.encoder)
        return real(self)

    monkeypatch.setattr(augmented._Evaluation, "__call__", look)
    dev = DevelopmentSet(sentences(language, 8, seed=3), language)
    joint(tmp_path, theta_s, extractor, draws=1, select="best", dev=dev)
    assert asked == {way}


def test_training_ends_when_the_development_score_no_longer_rises(theta_s, extractor, tmp_path, monkeypatch):
    monkeypatch.setattr(augmented._Evaluation, "__call__", lambda self: 0.5)
    dev = DevelopmentSet(sentences("target", 4), "target")
    joint(tmp_path, theta_s, extractor, draws=9, patience=2, select="best", dev=dev)
    rounds = [record["draw"] for record in read_history(tmp_path / "history.jsonl") if "draw" in record]
    assert rounds == [0, 1, 2], "the first stays the best, and two more bring nothing"
