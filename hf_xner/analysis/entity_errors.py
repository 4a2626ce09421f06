"""What is wrong with a tagger's entities, and which errors one tagger makes that another does not.

A gold entity is right, `wrong_boundary` (an entity of its type overlaps it), `wrong_type` (one of another type stands
there) or `missed`; a found entity is right, one of the first two, or `spurious`. Gold and found entities are paired
one to one, the better fit first, so that

    gold  = right + wrong_boundary + wrong_type + missed
    found = right + wrong_boundary + wrong_type + spurious

where, type by type, the second line has `wrong_as` (found as this type, of another) instead of `wrong_type`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hf_xner.evaluation.metrics import TagSentences, entity_scores
from hf_xner.labels import OUTSIDE, Span, spans_from_tags, split_tag

RIGHT, MISSED, SPURIOUS, BOUNDARY, TYPE, AS = (
    "right",
    "missed",
    "spurious",
    "wrong_boundary",
    "wrong_type",
    "wrong_as",
)
ERRORS = (MISSED, SPURIOUS, BOUNDARY, TYPE)
SCORES = ("f1", "precision", "recall")
ALL = "all"

# From the best fit to the worst.
FITS: tuple[tuple[str, Callable[[Span, Span], bool]], ...] = (
    (RIGHT, lambda gold, found: gold == found),
    (TYPE, lambda gold, found: gold[1:] == found[1:]),
    (BOUNDARY, lambda gold, found: gold.type == found.type and _overlap(gold, found)),
    (TYPE, lambda gold, found: _overlap(gold, found)),
)


class Place(NamedTuple):
    """An entity of a corpus: its sentence and its span."""

    sentence: int
    span: Span


@dataclass(frozen=True)
class Judged:
    """What became of every entity.

    Attributes:
        gold: Gold entities: right, missed, wrong_boundary or wrong_type.
        found: Found entities: right, spurious, wrong_boundary or wrong_as.
    """

    gold: dict[Place, str]
    found: dict[Place, str]

    def places(self, kind: str, entity_type: str) -> set[Place]:
        """The entities of a kind and type ("all": of any)."""
        side = self.found if kind in (SPURIOUS, AS) else self.gold
        return {place for place, what in side.items() if what == kind and entity_type in (ALL, place.span.type)}


def judge(gold: TagSentences, predicted: TagSentences) -> Judged:
    """Judge all entities of a corpus (IOB2 tags, a list a sentence)."""
    judged = Judged({}, {})
    for number, (gold_tags, tags) in enumerate(zip(gold, predicted, strict=True)):
        ours, theirs = spans_from_tags(gold_tags), spans_from_tags(tags)
        kinds, matched = _pair(ours, theirs)
        judged.gold.update((Place(number, span), kinds.get(span, MISSED)) for span in ours)
        judged.found.update((Place(number, span), matched.get(span, SPURIOUS)) for span in theirs)
    return judged


def _pair(gold: Sequence[Span], found: Sequence[Span]) -> tuple[dict[Span, str], dict[Span, str]]:
    kinds: dict[Span, str] = {}
    matched: dict[Span, str] = {}
    for kind, fits in FITS:
        for one in gold:
            if one in kinds:
                continue
            other = next((span for span in found if span not in matched and fits(one, span)), None)
            if other is not None:
                kinds[one], matched[other] = kind, AS if kind == TYPE else kind
    return kinds, matched


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end


def types_of(*corpora: TagSentences) -> list[str]:
    """The entity types in tags, sorted."""
    tags = {tag for corpus in corpora for sentence in corpus for tag in sentence}
    return sorted({split_tag(tag)[1] for tag in tags if tag != OUTSIDE})


def compare(
    gold: TagSentences, first: TagSentences, second: TagSentences, types: Sequence[str]
) -> list[dict[str, Any]]:
    """Scores and counts of two taggers on one corpus.

    Args:
        gold: Gold tags, a list a sentence.
        first: One tagger's tags.
        second: The other's.
        types: Entity types to list after "all".

    Returns:
        Rows: `type`, `measure`, `first`, `second`, `difference`; of counts also `gained` and `lost`: entities or words
        of this kind with the first tagger alone, and with the second alone. `words` and `words_right` of a type are
        those of its gold entities.
    """
    scores = [entity_scores(gold, tags) for tags in (first, second)]
    judged = [judge(gold, tags) for tags in (first, second)]
    rows = []
    for name in (ALL, *types):
        for measure in SCORES:
            rows.append(_row(name, measure, *(_score(score.to_dict(), name, measure) for score in scores)))
        found = [{place for place in one.found if name in (ALL, place.span.type)} for one in judged]
        rows.append(_counted(name, "found", *found))
        for kind in (RIGHT, *ERRORS, AS):
            rows.append(_counted(name, kind, *(one.places(kind, name) for one in judged)))
        words = [_right_words(gold, tags, name) for tags in (first, second)]
        rows.append(_row(name, "words", *(float(len(flags)) for flags in words)))
        rows.append(_counted(name, "words_right", *({i for i, right in enumerate(flags) if right} for flags in words)))
    return rows


def _row(name: str, measure: str, first: float, second: float) -> dict[str, Any]:
    row = {"type": name, "measure": measure, "first": first, "second": second, "difference": first - second}
    return row | {"gained": None, "lost": None}


def _counted(name: str, measure: str, first: set[Any], second: set[Any]) -> dict[str, Any]:
    both = len(first & second)
    row = _row(name, measure, float(len(first)), float(len(second)))
    return row | {"gained": float(len(first) - both), "lost": float(len(second) - both)}


def _score(scores: Mapping[str, Any], name: str, measure: str) -> float:
    return scores[measure] if name == ALL else scores["per_type"].get(name, {measure: 0.0})[measure]


def _right_words(gold: TagSentences, predicted: TagSentences, name: str) -> list[bool]:
    pairs = (pair for one, other in zip(gold, predicted, strict=True) for pair in zip(one, other, strict=True))
    return [tag == found for tag, found in pairs if name in (ALL, split_tag(tag)[1])]


def agreement(first: TagSentences, second: TagSentences) -> tuple[float, float]:
    """Share of words that two taggers tag alike: of all, and of those that either calls part of an entity."""
    pairs = [pair for one, other in zip(first, second, strict=True) for pair in zip(one, other, strict=True)]
    named = [pair for pair in pairs if pair != (OUTSIDE, OUTSIDE)]
    shares = [sum(one == other for one, other in some) / len(some) if some else 1.0 for some in (pairs, named)]
    return shares[0], shares[1]


def mean_over(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The mean of rows of the same types and measures over seeds."""
    numbers = ("first", "second", "difference", "gained", "lost")
    means = []
    for rows in zip(*seeds, strict=True):
        known = {name: [row[name] for row in rows] for name in numbers}
        values = {name: None if None in some else sum(some) / len(some) for name, some in known.items()}
        means.append(dict(rows[0]) | values)
    return means
