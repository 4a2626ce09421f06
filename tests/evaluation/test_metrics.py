"""Entity scores: equal to conlleval's report and to seqeval's figures, on random tags and on real files."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import metrics as seqeval_metrics

from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import entity_scores, format_conlleval, local_metric_path, sentence_counts
from hf_xner.labels import convert_tags, tag_names

from .conlleval_port import conlleval

TAGS = tag_names(["LOC", "PER", "A-B"])
GOLD = [["B-LOC", "I-LOC", "O", "B-PER"], ["O", "B-PER", "I-PER"]]
PREDICTED = [["B-LOC", "I-LOC", "O", "B-LOC"], ["I-PER", "B-PER", "I-PER"]]

pairs = st.lists(st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), max_size=8), max_size=5).map(
    lambda corpus: (
        [[gold for gold, _ in sentence] for sentence in corpus],
        [[predicted for _, predicted in sentence] for sentence in corpus],
    )
)


def columns(gold: list[list[str]], predicted: list[list[str]]) -> list[str]:
    lines = []
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        lines += [f"w {a} {b}" for a, b in zip(gold_tags, predicted_tags, strict=True)] + [""]
    return lines


def assert_equals_seqeval(gold: list[list[str]], predicted: list[list[str]], scheme: str = "iob2") -> None:
    scores = entity_scores(gold, predicted, scheme)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert scores.precision == seqeval_metrics.precision_score(gold, predicted)
        assert scores.recall == seqeval_metrics.recall_score(gold, predicted)
        assert scores.f1 == seqeval_metrics.f1_score(gold, predicted)
        assert scores.accuracy == seqeval_metrics.accuracy_score(gold, predicted)
        report = seqeval_metrics.classification_report(gold, predicted, output_dict=True)
    assert scores.macro_f1 == pytest.approx(report["macro avg"]["f1-score"], abs=1e-15)
    for name, entry in scores.per_type.items():
        theirs = report[name]
        assert (entry["precision"], entry["recall"], entry["f1"], entry["support"]) == (
            theirs["precision"],
            theirs["recall"],
            theirs["f1-score"],
            theirs["support"],
        )
    assert set(report) - {"micro avg", "macro avg", "weighted avg"} == set(scores.per_type)


@given(pairs)
def test_report_equals_conlleval_on_random_tags(corpus: tuple[list[list[str]], list[list[str]]]) -> None:
    assert format_conlleval(entity_scores(*corpus)) == conlleval(columns(*corpus))


@given(pairs.filter(lambda corpus: any(tag != "O" for side in corpus for tags in side for tag in tags)))
def test_figures_equal_seqeval_on_random_tags(corpus: tuple[list[list[str]], list[list[str]]]) -> None:
    assert_equals_seqeval(*corpus)


@given(pairs.filter(lambda corpus: any(tag != "O" for side in corpus for tags in side for tag in tags)))
def test_figures_equal_seqeval_on_iobes(corpus: tuple[list[list[str]], list[list[str]]]) -> None:
    gold, predicted = ([convert_tags(tags, "iob2", "iobes") for tags in side] for side in corpus)
    assert_equals_seqeval(gold, predicted, "iobes")


def corrupt(gold: list[list[str]], seed: int) -> list[list[str]]:
    """Spoil one tag in eight as taggers do: wrong types, borders, orphans, misses and inventions."""
    rng = random.Random(seed)
    tags = sorted({tag for sentence in gold for tag in sentence})
    return [[rng.choice(tags) if rng.random() < 0.125 else tag for tag in sentence] for sentence in gold]


def last_column(path, encoding: str = "utf-8") -> list[list[str]]:
    blocks = path.read_text(encoding=encoding).split("\n\n")
    return [[line.split()[-1] for line in block.split("\n") if line.strip()] for block in blocks if block.strip()]


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("conll2002/es/esp.testb", "iob2"), ("conll2002/nl/ned.testb", "iob2"), ("conll2003/en/eng.testb", "iob1")],
)
def test_equal_to_conlleval_and_seqeval_on_real_files(data_dir, name: str, scheme: str) -> None:
    gold = last_column(data_dir / "corpora" / name)
    predicted = corrupt(gold, seed=7)
    scores = entity_scores(gold, predicted, scheme)
    assert 0.2 < scores.f1 < 0.95
    assert format_conlleval(scores) == conlleval(columns(gold, predicted))
    assert_equals_seqeval(gold, predicted, scheme)


def test_scores_by_hand() -> None:
    scores = entity_scores(GOLD, PREDICTED)
    assert (scores.support, scores.predicted, scores.correct) == (3, 4, 2)
    assert (scores.precision, scores.recall) == (0.5, 2 / 3)
    assert scores.f1 == pytest.approx(4 / 7)
    assert (scores.n_sentences, scores.n_tokens, scores.correct_tokens) == (2, 7, 5)
    assert scores.accuracy == 5 / 7
    assert sentence_counts(GOLD, PREDICTED) == [(2, 2, 1), (1, 2, 1)]


def test_macro_and_per_type_figures_stand_beside_micro() -> None:
    """urchade/GLiNER PR #304: macro and per-label scores beside the micro average."""
    scores = entity_scores(GOLD, PREDICTED)
    assert scores.per_type["LOC"] == {
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 1,
        "predicted": 2,
        "correct": 1,
    }
    assert scores.per_type["PER"]["f1"] == 0.5
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.f1 != scores.macro_f1


def test_scores_go_into_json_and_back() -> None:
    plain = entity_scores(GOLD, PREDICTED).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain["per_type"]) == ["LOC", "PER"]


@pytest.mark.parametrize("corpus", [[], [[]], [["O", "O"], []]])
def test_a_corpus_without_entities_scores_zero_without_warnings(corpus: list[list[str]]) -> None:
    """urchade/GLiNER #91: division by zero in the evaluation of a custom set."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = entity_scores(corpus, corpus)
    assert (scores.precision, scores.recall, scores.f1, scores.macro_f1) == (0.0, 0.0, 0.0, 0.0)
    assert scores.accuracy == (1.0 if scores.n_tokens else 0.0)
    assert scores.per_type == {}
    assert format_conlleval(scores) == conlleval(columns(corpus, corpus))


def test_the_familiar_report() -> None:
    assert format_conlleval(entity_scores(GOLD, PREDICTED)) == (
        "processed 7 tokens with 3 phrases; found: 4 phrases; correct: 2.\n"
        "accuracy:  71.43%; precision:  50.00%; recall:  66.67%; FB1:  57.14\n"
        "              LOC: precision:  50.00%; recall: 100.00%; FB1:  66.67  2\n"
        "              PER: precision:  50.00%; recall:  50.00%; FB1:  50.00  2\n"
    )


def test_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="2 gold sentences, but 1 predicted ones; give one list of tags for every"):
        entity_scores(GOLD, PREDICTED[:1])
    with pytest.raises(InputError, match="sentence 2: 3 gold tags, but 2 predicted ones; give one predicted tag"):
        entity_scores(GOLD, [PREDICTED[0], PREDICTED[1][:2]])
    with pytest.raises(InputError, match="predicted sentence 1, token 2 of 2: 'B-' is not a tag; write O or"):
        entity_scores([["O", "O"]], [["O", "B-"]])
    with pytest.raises(InputError, match="gold sentence 1: expected a list of tags, found the string 'O'"):
        entity_scores(["O"], ["O"])
    with pytest.raises(InputError, match="gold sentence 1, token 1 of 1: 4 is not a tag; give tag names"):
        entity_scores([[4]], [[4]])  # type: ignore[list-item]
    with pytest.raises(InputError, match="unknown tag scheme 'x'"):
        entity_scores([], [], "x")


def test_five_thousand_sentences_take_a_third_of_a_second() -> None:
    rng = random.Random(0)
    gold = [rng.choices(TAGS, k=25) for _ in range(5000)]
    predicted = corrupt(gold, seed=1)
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        entity_scores(gold, predicted)
        best = min(best, time.process_time() - started)
    assert best < 0.3


def test_the_evaluate_module_needs_no_network(tmp_path) -> None:
    """huggingface/evaluate #373: the metric itself needs the Hub. Ours does not, and gives the same figures."""
    code = (
        "import json, sys, evaluate\n"
        "metric = evaluate.load(sys.argv[1])\n"
        "gold, predicted = json.loads(sys.argv[2])\n"
        "print('RESULT' + json.dumps(metric.compute(predictions=predicted, references=gold)))\n"
        "iobes = metric.compute(predictions=[['S-LOC']], references=[['S-LOC']], scheme='iobes')\n"
        "assert iobes['f1'] == 1.0, iobes\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "HF_MODULES_CACHE": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code, local_metric_path(), json.dumps([GOLD, PREDICTED])],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    [line] = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    assert json.loads(line.removeprefix("RESULT")) == entity_scores(GOLD, PREDICTED).to_dict()
