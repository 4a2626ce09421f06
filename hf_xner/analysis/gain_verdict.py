"""Where a gain or loss comes from, in plain language, from counts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hf_xner.analysis.entity_errors import ALL, BOUNDARY, ERRORS, MISSED, RIGHT, SCORES, SPURIOUS, TYPE

# Words of entities that a student tags as its teacher does, if it says what its teacher says, or nearly so.
COPIES, FOLLOWS = 0.95, 0.85
MOSTLY = 2 / 3  # of a difference
NAMES = {
    MISSED: "missed {}",
    SPURIOUS: "spurious {}",
    BOUNDARY: "{} with a wrong boundary",
    TYPE: "{} taken for others",
}
NAMED = 3  # kinds of errors that are told, of those that grew and of those that shrank


@dataclass(frozen=True)
class Taught:
    """A tagger and whoever taught it.

    Attributes:
        f1: Its own F1, mean over seeds.
        teachers: Variants (or stages) whose probabilities it learnt; empty where it was trained on labels.
        voters: Variants whose votes it learnt.
        teacher_f1: F1 of its teacher where there is one, and it was scored.
        alike: Shares of words, and of words that either calls part of an entity, tagged as its teacher tags them.
    """

    f1: float
    teachers: list[str] = field(default_factory=list)
    voters: list[str] = field(default_factory=list)
    teacher_f1: float | None = None
    alike: tuple[float, float] | None = None

    @property
    def teacher(self) -> str:
        """The one teacher, or all of them."""
        return " and ".join(self.teachers)

    @property
    def origin_f1(self) -> float | None:
        """F1 of what it begins with: its teacher's, or its own where it has none."""
        return self.f1 if not self.teachers else self.teacher_f1


@dataclass(frozen=True)
class Gain:
    """Two variants of a run, compared.

    Attributes:
        first: The variant.
        second: What it is compared with.
        rows: Scores and counts, mean over seeds; see `entity_errors.compare`.
        by_seed: The same of each seed.
        low: Lower end of the 95 % interval of the F1 difference.
        high: Upper end of it.
        taught: Who taught the two, by variant.
    """

    first: str
    second: str
    rows: list[dict[str, Any]]
    by_seed: dict[int, list[dict[str, Any]]]
    low: float
    high: float
    taught: dict[str, Taught]

    def row(self, measure: str, entity_type: str = ALL) -> dict[str, Any]:
        """The row of a measure and type."""
        return next(row for row in self.rows if (row["measure"], row["type"]) == (measure, entity_type))

    @property
    def types(self) -> list[str]:
        """Entity types, without "all"."""
        return [row["type"] for row in self.rows if row["measure"] == "f1" and row["type"] != ALL]


def verdict(gain: Gain) -> list[str]:
    """What there is to say, a sentence or two a line; the most important first."""
    return [*_difference(gain), *_precision_and_recall(gain), *_errors(gain), *_types(gain), *_teachers(gain)]


def _difference(gain: Gain) -> Iterator[str]:
    difference = gain.row("f1")["difference"]
    seeds = len(gain.by_seed)
    how = "paired bootstrap over sentences" if seeds == 1 else f"paired t-test over {seeds} seeds"
    words = f"{_points(difference)} points of F1 [{_points(gain.low)}, {_points(gain.high)}] (95 %, {how})"
    below = sum(rows[0]["difference"] < 0 for rows in gain.by_seed.values())  # F1 of all types stands first
    told = f", below it in {below} of {seeds} seeds" if seeds > 1 else ""
    yield f"{gain.first} against {gain.second}: {words}{told}."
    if gain.low <= 0 <= gain.high:
        yield "The interval holds 0: what follows describes these predictions, and may be chance."
    for name, value in ((gain.first, "first"), (gain.second, "second")):
        if not gain.row("found")[value]:
            yield f"{name} finds no entity at all: its training collapsed; try a lower learning rate or more warmup."


def _change(name: str, value: float) -> str:
    return f"{name} {'rose' if value > 0 else 'fell'} by {abs(100 * value):.2f} points" if value else f"{name} stayed"


def _precision_and_recall(gain: Gain) -> Iterator[str]:
    precision, recall, found, right = (gain.row(name) for name in ("precision", "recall", "found", RIGHT))
    changes = [(name, row["difference"]) for name, row in (("Precision", precision), ("recall", recall))]
    joined = ", but " if changes[0][1] * changes[1][1] < 0 else " and "
    changed = joined.join(_change(name, value) for name, value in changes)
    yield (
        f"{changed}: {found['first']:,.0f} entities found instead of {found['second']:,.0f}, "
        f"{right['first']:,.0f} right instead of {right['second']:,.0f} ({right['gained']:,.0f} won, "
        f"{right['lost']:,.0f} lost)."
    )


def _errors(gain: Gain) -> Iterator[str]:
    changes = [
        (gain.row(kind, name)["difference"], NAMES[kind].format(name)) for kind in ERRORS for name in gain.types
    ]
    for word, sign in (("more", 1), ("fewer", -1)):
        largest = sorted((change for change in changes if change[0] * sign > 0), key=lambda change: -abs(change[0]))
        if largest:
            told = ", ".join(f"{abs(count):,.0f} {word} {what}" for count, what in largest[:NAMED])
            yield f"Errors that {'grew' if sign > 0 else 'shrank'}: {told}."


def _types(gain: Gain) -> Iterator[str]:
    """The types that lose and gain most right entities."""
    rows = [gain.row(RIGHT, name) for name in gain.types]
    told = []
    for word, best in (("most lost", min), ("most won", max)):
        row = best(rows, key=lambda row: row["difference"], default=None)
        if row is not None and (row["difference"] < 0) == (best is min) and row["difference"]:
            f1 = gain.row("f1", row["type"])["difference"]
            told.append(f"{word} with {row['type']} ({row['difference']:+,.0f} right, F1 {_points(f1)})")
    if told:
        yield f"By type: {', '.join(told)}."


def _teachers(gain: Gain) -> Iterator[str]:
    for name in (gain.first, gain.second):
        yield from _teacher(name, gain.taught[name])
    yield from _shares(gain)


def _teacher(name: str, taught: Taught) -> Iterator[str]:
    if not taught.teachers:
        return
    if taught.teacher_f1 is None or taught.alike is None:
        yield f"{name} learnt from {taught.teacher}, which cannot be compared with it here."
        return
    words, named = taught.alike
    gap = taught.f1 - taught.teacher_f1
    how = "copies it" if named >= COPIES else "follows it closely" if named >= FOLLOWS else "departs from it"
    yield (
        f"{name} agrees with its teacher, {taught.teacher}, on {100 * words:.1f} % of words, {100 * named:.1f} % of "
        f"those that either calls part of an entity: it {how}; its F1 is {_points(gap)} points from its teacher's."
    )


def _shares(gain: Gain) -> Iterator[str]:
    """How much of the difference the teachers had already."""
    first, second = gain.taught[gain.first], gain.taught[gain.second]
    if not first.teachers or first.origin_f1 is None or second.origin_f1 is None:
        return
    whole, taught = first.f1 - second.f1, first.origin_f1 - second.origin_f1
    learnt = whole - taught
    names = [one.teacher or name for name, one in ((gain.first, first), (gain.second, second))]
    if names[0] == names[1]:
        yield f"Both begin with {names[0]}: the difference is all in how the student is made."
        return
    told = (
        f"Of the difference, {_points(taught)} lie between what they begin with ({names[0]} "
        f"{100 * first.origin_f1:.2f}, {names[1]} {100 * second.origin_f1:.2f}), {_points(learnt)} in what is learnt "
        "from there"
    )
    for part, where in ((taught, "the teacher"), (learnt, "the student's training")):
        if whole and part / whole >= MOSTLY:
            told += f": it comes mostly from {where}"
            break
    yield f"{told}."


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def describe_scores(gain: Gain, entity_type: str) -> list[str]:
    """F1, precision and recall differences of a type, in points."""
    return [_points(gain.row(name, entity_type)["difference"]) for name in SCORES]


def describe_change(row: dict[str, Any]) -> str:
    """A count's difference, and what was gained and lost for it: `+6 (10, 4)`."""
    return f"{row['difference']:+,.0f} ({row['gained']:,.0f}, {row['lost']:,.0f})"
