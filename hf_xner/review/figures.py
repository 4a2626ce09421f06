"""What the judged sentences of a session say: estimates, scores that can be trusted, and what more sentences bring."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from hf_xner.labels import Span
from hf_xner.review.estimates import Estimate, Outlook, Ratio
from hf_xner.review.sampling import Planner, inclusion_probabilities
from hf_xner.review.session import SKIPPED, Session

MEASURES = ("precision", "recall", "f1")
FURTHER = (10, 50, 100, 500)
HALF_WIDTHS = (0.1, 0.05, 0.02)
# Fewer than so many counted, in fewer than so many sentences, say nothing worth a row.
ENOUGH, ENOUGH_SENTENCES = 10, 5
ENOUGH_TO_FORECAST = 5  # sentences with anything to count
BANDS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)
ENOUGH_SCORES = 30

Choice = Callable[[Span, float], bool]


class Judgement:
    """The judged sentences as numbers.

    Skipped sentences hold nothing to count: the figures are those of the text without sentences that would be skipped.

    Args:
        session: A session with at least one judged sentence.
    """

    def __init__(self, session: Session) -> None:
        judged = session.judged
        self.weights = np.array([sentence.weight for sentence, _ in judged])
        self.p = inclusion_probabilities(self.weights, session.threshold)
        self._whole = session.threshold <= 0
        self._kept = [answer.status != SKIPPED for _, answer in judged]
        self._gold = [set(answer.entities) for _, answer in judged]
        self._student = [list(zip(sentence.entities, sentence.scores, strict=True)) for sentence, _ in judged]
        self._teacher = [[(span, 1.0) for span in sentence.teacher or ()] for sentence, _ in judged]

    def ratio(self, measure: str, *, who: str = "student", type_: str | None = None, threshold: float = 0.0) -> Ratio:
        """Precision, recall or F1 as a ratio over sentences.

        Args:
            measure: One of `MEASURES`.
            who: "student" or "teacher".
            type_: One entity type alone.
            threshold: Leave out what the student finds with a lower score.
        """

        def chosen(span: Span, score: float = 1.0) -> bool:
            return (type_ is None or span.type == type_) and score >= threshold

        found, correct = self._counts(chosen, who)
        there = self._count([[span for span in gold if chosen(span)] for gold in self._gold])
        return {
            "precision": lambda: Ratio(correct, found, self.p, self._whole),
            "recall": lambda: Ratio(correct, there, self.p, self._whole),
            "f1": lambda: Ratio(2 * correct, found + there, self.p, self._whole),
        }[measure]()

    def band(self, low: float, high: float) -> dict[str, Any]:
        """How often entities that score from `low` to below `high` (1 included) are right, and their mean score."""

        def chosen(_: Span, score: float) -> bool:
            return low <= score < high or score == high == 1

        found, correct = self._counts(chosen, "student")
        scores = np.array(
            [
                sum(score for span, score in entities if chosen(span, score)) if kept else 0.0
                for entities, kept in zip(self._student, self._kept, strict=True)
            ]
        )
        right = Ratio(correct, found, self.p, self._whole).estimate()
        share = Ratio(found, self._counts(lambda span, score: True, "student")[0], self.p).value
        return {"low": low, "high": high, "share": share, "score": Ratio(scores, found, self.p).value, "right": right}

    @property
    def found(self) -> int:
        """Entities that the tagger found in the judged sentences."""
        return int(self._counts(lambda span, score: True, "student")[0].sum())

    def _counts(self, chosen: Choice, who: str) -> tuple[np.ndarray, np.ndarray]:
        """Entities found, and correct ones among them, in each sentence."""
        side = self._student if who == "student" else self._teacher
        spans = [[span for span, score in entities if chosen(span, score)] for entities in side]
        correct = [[span for span in found if span in gold] for found, gold in zip(spans, self._gold, strict=True)]
        return self._count(spans), self._count(correct)

    def _count(self, spans: list[list[Span]]) -> np.ndarray:
        return np.array([len(part) * kept for part, kept in zip(spans, self._kept, strict=True)], dtype=np.float64)


def current(session: Session, measure: str = "f1") -> Estimate | None:
    """The estimate so far; None before the first answer."""
    return Judgement(session).ratio(measure).estimate() if session.position else None


def figures(session: Session) -> dict[str, Any]:
    """Everything that the report prints, as plain values ready for JSON."""
    judged = session.judged
    statuses = [answer.status for _, answer in judged]
    content: dict[str, Any] = {
        "name": session.facts["name"],
        "text": session.facts["text"],
        "found_in_text": session.facts["found"],
        "judged": len(judged),
        "drawn": len(session.drawn),
        "confidence": 0.95,
        **{status: statuses.count(status) for status in ("confirmed", "corrected", "skipped")},
        "agreement": session.facts["agreement"],
        "teacher_name": session.facts.get("teacher_name", ""),  # reviews begun by earlier versions have none
        "why_no_teacher": session.facts["why_no_teacher"],
    }
    if not judged:
        return content
    judgement = Judgement(session)
    content["estimates"] = {measure: judgement.ratio(measure).estimate().to_dict() for measure in MEASURES}
    content["per_type"] = {name: _of_type(judgement, name) for name in session.types}
    # Earlier versions drew more without the teacher: it did not find nothing there, it was not asked.
    if session.facts["teacher"] and all(sentence.teacher is not None for sentence, _ in judged):
        content["teacher"] = {
            measure: judgement.ratio(measure, who="teacher").estimate().to_dict() for measure in MEASURES
        }
    content["scores"] = _scores(judgement) if judgement.found >= ENOUGH_SCORES else None
    content["outlook"] = _outlook(session, judgement)
    return content


def _of_type(judgement: Judgement, name: str) -> dict[str, Any] | None:
    estimates = {measure: judgement.ratio(measure, type_=name).estimate() for measure in MEASURES}
    if estimates["f1"].counted < ENOUGH or estimates["f1"].sentences < ENOUGH_SENTENCES:
        return None
    return {measure: estimate.to_dict() for measure, estimate in estimates.items()}


def _scores(judgement: Judgement) -> dict[str, Any]:
    """Whether scores mean what they say, and what a threshold would do."""
    bands = [judgement.band(low, high) for low, high in zip(BANDS, (*BANDS[1:], 1.0), strict=True)]
    seen = [band for band in bands if band["share"]]
    return {
        "entities": judgement.found,
        "calibration_error": sum(band["share"] * abs(band["right"].value - band["score"]) for band in seen),
        "bands": [{**band, "right": band["right"].to_dict()} for band in seen],
        "thresholds": [
            {"threshold": threshold}
            | {m: judgement.ratio(m, threshold=threshold).estimate().to_dict() for m in MEASURES}
            for threshold in BANDS
        ],
    }


def _outlook(session: Session, judgement: Judgement) -> dict[str, Any] | None:
    """What further sentences would do to the interval of F1; None where there is too little to go by."""
    ratio = judgement.ratio("f1")
    if ratio.estimate().sentences < ENOUGH_TO_FORECAST:
        return None
    outlook = Outlook(ratio, judgement.weights, Planner(session.weights()[0]))
    left = outlook.sentences - len(judgement.weights)
    seconds = [answer.seconds for _, answer in session.judged if answer.seconds is not None]
    return {
        "half_width": outlook.half_width(0),
        "gain_of_one": outlook.gain_of_one() if left else 0.0,
        "left": left,
        "after": {str(more): outlook.half_width(more) for more in FURTHER if more <= left},
        "sentences_for": {str(width): outlook.sentences_for(width) for width in HALF_WIDTHS},
        "seconds_a_sentence": median(seconds) if seconds else None,
    }
