"""Where two taggers differ on a text: a hint at how hard it is, and no accuracy: both may be wrong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from hf_xner.labels import Span

EXAMPLES = 20  # kept, evenly likely from the whole text


class Agreement:
    """Counts, sentence by sentence, on how many entities a teacher and its student agree.

    Args:
        seed: Decides which examples are kept.
    """

    def __init__(self, seed: int = 0) -> None:
        self._chance = Random(seed)
        self._both = self._student = self._teacher = self._sentences = self._differing = 0
        self._kinds: Counter[tuple[str, str]] = Counter()
        self._examples: list[dict[str, Any]] = []

    def add(self, words: Sequence[str], student: Sequence[Span], teacher: Sequence[Span]) -> None:
        """Count one sentence."""
        ours, theirs = set(student), set(teacher)
        self._sentences += 1
        self._both += len(ours & theirs)
        self._student += len(ours - theirs)
        self._teacher += len(theirs - ours)
        if ours == theirs:
            return
        self._differing += 1
        self._kinds.update(_kinds(ours - theirs, theirs - ours))
        self._keep({"words": list(words), "student": sorted(ours, key=_place), "teacher": sorted(theirs, key=_place)})

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain values.

        Returns:
            `sentences`, `differing_sentences`; entities that `both` have, `student_only`, `teacher_only`; `rate`:
            2 both / (entities of the one + of the other), 1 where neither has any; `kinds`: what the one sees where
            the other sees something else, with counts, most frequent first; `examples`.
        """
        total = 2 * self._both + self._student + self._teacher
        return {
            "sentences": self._sentences,
            "differing_sentences": self._differing,
            "both": self._both,
            "student_only": self._student,
            "teacher_only": self._teacher,
            "rate": 2 * self._both / total if total else 1.0,
            "kinds": [
                {"student": ours, "teacher": theirs, "count": count}
                for (ours, theirs), count in self._kinds.most_common()
            ],
            "examples": self._examples,
        }

    def _keep(self, example: dict[str, Any]) -> None:
        """Keep a uniformly random choice of all examples seen (reservoir sampling)."""
        if len(self._examples) < EXAMPLES:
            self._examples.append(example)
        elif (place := self._chance.randrange(self._differing)) < EXAMPLES:
            self._examples[place] = example


def _kinds(student_only: set[Span], teacher_only: set[Span]) -> list[tuple[str, str]]:
    """Pair what the student alone sees with what the teacher sees there: another type, other borders, or nothing."""
    kinds = []
    met: set[Span] = set()
    for ours in sorted(student_only, key=_place):
        there = [theirs for theirs in teacher_only if theirs.start < ours.end and ours.start < theirs.end]
        met.update(there)
        kinds += [_kind(ours, theirs) for theirs in there] or [(ours.type, "-")]
    return kinds + [("-", theirs.type) for theirs in sorted(teacher_only - met, key=_place)]


def _kind(ours: Span, theirs: Span) -> tuple[str, str]:
    return (ours.type, theirs.type) if ours.type != theirs.type else (ours.type, f"{theirs.type}, other borders")


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.type
