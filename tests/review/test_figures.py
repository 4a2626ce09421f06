"""From judged sentences to figures: against full annotation, on texts whose every tag is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hf_xner.data import load_corpus
from hf_xner.data.readers import read_file
from hf_xner.evaluation.metrics import entity_scores
from hf_xner.labels import Span, spans_from_tags, tags_from_spans
from hf_xner.review.figures import BANDS, MEASURES, Judgement, current, figures
from hf_xner.review.session import Session, write_session

from .conftest import capital_tagger, drawn, facts, judged

Sentences = list[tuple[list[str], list[str]]]


def sample_es() -> Sentences:
    data = load_corpus("sample:es")["test"]
    names = data.features["ner_tags"].feature.names
    return [(row["tokens"], [names[tag] for tag in row["ner_tags"]]) for row in data]


def conll_es(data_dir: Path) -> Sentences:
    file = read_file(data_dir / "corpora" / "conll2002" / "es" / "esp.testb")
    return [(sentence.tokens, sentence.tags) for sentence in file.sentences]


@pytest.fixture(params=["sample:es", "conll2002:es"])
def annotated(request) -> Sentences:
    return sample_es() if request.param == "sample:es" else conll_es(request.getfixturevalue("data_dir"))


def test_estimates_agree_with_full_annotation(annotated):
    """Means over samples hit the figures of the whole test set; intervals hold them as often as they say."""
    truth = [set(spans_from_tags(tags)) for _, tags in annotated]
    found = [capital_tagger(words) for words, _ in annotated]
    lengths = [len(words) for words, _ in annotated]
    unsure, predicted = [], []
    for length, entities in zip(lengths, found, strict=True):
        unsure.append(sum(1 - score for _, score in entities) + 0.01 * length)
        predicted.append(tags_from_spans([span for span, _ in entities], length))
    whole = entity_scores([tags for _, tags in annotated], predicted)
    values: dict[str, list[float]] = {measure: [] for measure in MEASURES}
    covered = dict.fromkeys(MEASURES, 0)
    draws = 250
    for seed in range(draws):
        judgement = Judgement(judged(truth, found, unsure, 60, seed))
        for measure in MEASURES:
            estimate = judgement.ratio(measure).estimate()
            values[measure].append(estimate.value)
            covered[measure] += estimate.low <= getattr(whole, measure) <= estimate.high
    for measure in MEASURES:
        deviation = np.std(values[measure])
        assert abs(np.mean(values[measure]) - getattr(whole, measure)) < 0.25 * deviation
        assert covered[measure] / draws >= 0.9
    everything = Judgement(judged(truth, found, unsure, len(annotated), 1))
    for measure in MEASURES:
        estimate = everything.ratio(measure).estimate()
        assert estimate.value == pytest.approx(getattr(whole, measure), abs=1e-12)
        assert estimate.half_width == 0
    for name, scores in whole.per_type.items():
        assert everything.ratio("f1", type_=name).value == pytest.approx(scores["f1"] or 0, abs=1e-12)


def test_scores_are_held_against_the_truth():
    """Entities with score 0.9 are right 9 times in 10 here, those with 0.6 never: the bands say so."""
    rng = np.random.default_rng(0)
    truth, found = [], []
    for _ in range(1500):
        sure, right = rng.random() < 0.5, rng.random() < 0.9
        found.append([(Span("PER", 0, 1), 0.9 if sure else 0.6)])
        truth.append({Span("PER", 0, 1)} if sure and right else set())
    judgement = Judgement(judged(truth, found, [0.1 if entities[0][1] == 0.9 else 0.4 for entities in found], 400, 1))
    bands = {low: judgement.band(low, high) for low, high in zip(BANDS, (*BANDS[1:], 1.0), strict=True)}
    assert bands[0.9]["right"].low < 0.9 < bands[0.9]["right"].high and bands[0.9]["score"] == pytest.approx(0.9)
    assert bands[0.5]["right"].value == 0 and bands[0.5]["score"] == pytest.approx(0.6)
    assert bands[0.5]["share"] == pytest.approx(0.5, abs=0.06)
    assert not bands[0.8]["share"]
    kept = judgement.ratio("precision", threshold=0.7)
    assert kept.value == pytest.approx(bands[0.9]["right"].value)
    assert judgement.ratio("precision").value == pytest.approx(0.45, abs=0.06)
    assert judgement.ratio("recall", threshold=0.7).value == 1 and judgement.ratio("recall", threshold=0.95).value == 0


def test_a_score_of_one_lies_in_the_last_band():
    judgement = Judgement(judged([set()], [[(Span("PER", 0, 1), 1.0)]], [0.5], 1, 1))
    assert judgement.band(0.95, 1.0)["share"] == 1 and judgement.band(0.9, 0.95)["share"] == 0


@pytest.mark.parametrize("asked", [True, False])
def test_the_teacher_is_measured_only_where_it_was_asked_about_every_sentence(tmp_path, asked: bool):
    """Reviews of earlier versions may hold sentences that were drawn without it."""
    sentences = [
        drawn(0, "Ana vive", [("PER", 0, 1)], 2.0, teacher=[Span("PER", 0, 1)]),
        drawn(1, "nada", [], 1.0, teacher=[] if asked else None),
    ]
    session = write_session(tmp_path / "review", facts(teacher=True), sentences, (np.full(2, 0.5), np.ones(2)))
    session.answer(0, [Span("PER", 0, 1)])
    assert figures(session)["teacher"]["recall"]["value"] == 1
    session.answer(1, [])
    assert ("teacher" in figures(session)) is asked


def test_figures_of_a_session(session: Session, monkeypatch):
    monkeypatch.setattr("hf_xner.review.figures.ENOUGH_TO_FORECAST", 1)
    assert current(session) is None
    assert figures(session)["judged"] == 0 and "estimates" not in figures(session)
    session.answer(0, [Span("PER", 0, 2), Span("LOC", 4, 5)], 3.0)
    session.answer(1, None, 100.0)
    session.answer(2, [], 5.0)
    content = figures(session)
    assert (content["judged"], content["confirmed"], content["corrected"], content["skipped"]) == (3, 1, 1, 1)
    # One of two found is right, one of two is there: the skipped sentence's entity counts nowhere.
    assert [content["estimates"][measure]["value"] for measure in MEASURES] == pytest.approx([0.5, 0.5, 0.5])
    assert content["estimates"]["f1"]["counted"] == 4
    assert content["per_type"] == {"LOC": None, "ORG": None, "PER": None}
    assert content["scores"] is None and "teacher" not in content
    assert content["outlook"]["left"] == 1 and content["outlook"]["seconds_a_sentence"] == 5.0
    assert content["outlook"]["sentences_for"]["0.02"] == 1
    assert current(session).value == pytest.approx(0.5)


def test_too_little_seen_gives_no_forecast_and_nothing_seen_no_figure(session: Session):
    session.answer(0, [])
    assert figures(session)["outlook"] is None and figures(session)["estimates"]["f1"]["value"] == 0
    session.answer(0, None)
    assert figures(session)["outlook"] is None and figures(session)["estimates"]["f1"]["value"] is None
