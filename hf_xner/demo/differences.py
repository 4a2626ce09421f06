"""What two taggers make of one text: entities that only one has, or that they see differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_xner.inference.results import Entity

ADDED = "only the student"
MISSING = "only the teacher"
OTHER_TYPE = "another type"
OTHER_EXTENT = "another extent"


@dataclass(frozen=True)
class Difference:
    """One place where they differ.

    Attributes:
        kind: `ADDED`, `MISSING`, `OTHER_TYPE` (same characters), or `OTHER_EXTENT` (they overlap).
        start: Its first character.
        end: The character after its last.
        student: The student's entities there, in order.
        teacher: The teacher's.
    """

    kind: str
    start: int
    end: int
    student: tuple[Entity, ...]
    teacher: tuple[Entity, ...]


def differences(student: Sequence[Entity], teacher: Sequence[Entity]) -> list[Difference]:
    """Compare the entities of one text.

    Entities with the same characters and type count as the same, whatever their scores. Of the rest, those that
    overlap (also by way of a third one) are one difference.

    Args:
        student: Its entities, in order, without overlaps.
        teacher: Likewise.
    """
    return [found for group in _groups(student, teacher) if (found := _difference(*group)) is not None]


def _groups(
    student: Sequence[Entity], teacher: Sequence[Entity]
) -> list[tuple[tuple[Entity, ...], tuple[Entity, ...]]]:
    """Put together what overlaps."""
    both = [(entity, True) for entity in student] + [(entity, False) for entity in teacher]
    both.sort(key=lambda pair: (pair[0].start, pair[0].end))
    groups: list[list[tuple[Entity, bool]]] = []
    reached = -1
    for entity, is_students in both:
        if entity.start >= reached:
            groups.append([])
        groups[-1].append((entity, is_students))
        reached = max(reached, entity.end)
    return [
        (
            tuple(entity for entity, is_students in group if is_students),
            tuple(entity for entity, is_students in group if not is_students),
        )
        for group in groups
    ]


def _difference(student: tuple[Entity, ...], teacher: tuple[Entity, ...]) -> Difference | None:
    if _marks(student) == _marks(teacher):
        return None
    if not teacher:
        kind = ADDED
    elif not student:
        kind = MISSING
    else:
        kind = OTHER_TYPE if _places(student) == _places(teacher) else OTHER_EXTENT
    everything = (*student, *teacher)
    start, end = min(entity.start for entity in everything), max(entity.end for entity in everything)
    return Difference(kind, start, end, student, teacher)


def _marks(entities: Sequence[Entity]) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in entities]


def _places(entities: Sequence[Entity]) -> list[tuple[int, int]]:
    return [(entity.start, entity.end) for entity in entities]
