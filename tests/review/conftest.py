"""Sessions without a model, and truths to review against."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hf_xner.labels import Span
from hf_xner.review.sampling import priorities, sentence_weights, take
from hf_xner.review.session import Answer, DrawnSentence, Session, write_session

TYPES = ["LOC", "ORG", "PER"]


def drawn(number: int, words: str, entities: list[tuple], priority: float = 1.0, **more) -> DrawnSentence:
    spans = [Span(*entity) for entity in entities]
    values = {"before": "", "after": "", "scores": [0.75] * len(spans), "teacher": None, "weight": 0.1}
    return DrawnSentence(number, words.split(), entities=spans, priority=priority, **{**values, **more})


def facts(**more) -> dict:
    return {
        "name": "student",
        "student": "digest",
        "teacher": False,
        "why_no_teacher": "no teacher is known of a model alone",
        "types": TYPES,
        "decoding": "model",
        "text": {"name": "text.txt", "kind": "text", "sha256": "00", "sentences": 4, "words": 20},
        "found": {"LOC": 2, "PER": 1},
        "random_share": 1 / 3,
        "seed": 1,
        "next_priority": 0.0,
        "agreement": None,
        **more,
    }


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Three of four sentences drawn."""
    sentences = [
        drawn(2, "Ana Ruiz vive en Kiel .", [("PER", 0, 1), ("LOC", 4, 5)], 3.0, before="Antes .", after="Luego ."),
        drawn(0, "El Banco de Bonn crece", [("LOC", 3, 4)], 2.0, teacher=None),
        drawn(3, "nada aquí", [], 1.5),
    ]
    weights = np.full(4, 0.25)
    return write_session(
        tmp_path / "review", facts(next_priority=0.5), sentences, (weights, np.array([2, 0.5, 3, 1.5]))
    )


def judged(truth: list[set], found: list[list[tuple[Span, float]]], unsure, size: int, seed: int) -> SimpleNamespace:
    """What a session is to `Judgement`: a sample of a text, judged by an oracle."""
    weights = sentence_weights([len(entities) for entities in found], unsure)
    priority = priorities(weights, seed)
    order, threshold = take(priority, size)
    sample = []
    for number in map(int, order):
        spans, scores = [span for span, _ in found[number]], [score for _, score in found[number]]
        sentence = DrawnSentence(number, [], "", "", spans, scores, None, weights[number], priority[number])
        sample.append((sentence, Answer("corrected", list(truth[number]))))
    return SimpleNamespace(judged=sample, threshold=threshold)


def capital_tagger(words: list[str]) -> list[tuple[Span, float]]:
    """A poor tagger with honest doubts: every run of capitals inside a sentence is an entity, its type by length."""
    entities = []
    start = 1
    while start < len(words):
        end = start
        while end < len(words) and words[end][:1].isupper():
            end += 1
        if end > start:
            name = {1: "LOC", 2: "PER"}.get(end - start, "ORG")
            entities.append((Span(name, start, end), 0.9 if end - start == 2 else 0.5))
        start = max(end, start) + 1
    return entities
