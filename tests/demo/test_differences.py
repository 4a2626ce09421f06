from __future__ import annotations

import random

from hf_xner.demo.differences import ADDED, MISSING, OTHER_EXTENT, OTHER_TYPE, differences
from hf_xner.inference.results import Entity


def entity(kind: str, start: int, end: int, score: float = 0.5) -> Entity:
    return Entity(kind, "x" * (end - start), start, end, 0, 0, score)


def kinds(student: list[Entity], teacher: list[Entity]) -> list[tuple[str, int, int]]:
    return [(found.kind, found.start, found.end) for found in differences(student, teacher)]


def test_the_same_entities_are_no_difference_whatever_their_scores():
    assert kinds([entity("PER", 0, 4, 0.9)], [entity("PER", 0, 4, 0.1)]) == []
    assert kinds([], []) == []


def test_each_kind_of_difference():
    assert kinds([entity("PER", 0, 4)], []) == [(ADDED, 0, 4)]
    assert kinds([], [entity("PER", 0, 4)]) == [(MISSING, 0, 4)]
    assert kinds([entity("PER", 0, 4)], [entity("LOC", 0, 4)]) == [(OTHER_TYPE, 0, 4)]
    assert kinds([entity("PER", 0, 4)], [entity("PER", 2, 9)]) == [(OTHER_EXTENT, 0, 9)]


def test_neighbours_that_only_touch_are_two_differences():
    assert kinds([entity("PER", 0, 4)], [entity("LOC", 4, 9)]) == [(ADDED, 0, 4), (MISSING, 4, 9)]


def test_what_overlaps_by_way_of_another_is_one_difference():
    student = [entity("ORG", 0, 20)]
    teacher = [entity("ORG", 0, 5), entity("LOC", 8, 20)]
    (found,) = differences(student, teacher)
    assert (found.kind, found.student, found.teacher) == (OTHER_EXTENT, tuple(student), tuple(teacher))


def test_differences_and_what_is_common_make_up_both_sides():
    chance = random.Random(7)

    def some() -> list[Entity]:
        borders = sorted(chance.sample(range(40), 2 * chance.randrange(6)))
        return [entity(chance.choice(["PER", "LOC"]), *pair) for pair in zip(borders[::2], borders[1::2], strict=True)]

    def marks(entities) -> set[tuple[str, int, int]]:
        return {(one.type, one.start, one.end) for one in entities}

    for _ in range(300):
        student, teacher = some(), some()
        found = differences(student, teacher)
        common = marks(student) & marks(teacher)
        assert marks(one for difference in found for one in difference.student) | common == marks(student)
        assert marks(one for difference in found for one in difference.teacher) | common == marks(teacher)
        assert all(first.end <= second.start for first, second in zip(found, found[1:], strict=False))
