"""Which layer of a teacher teaches which layer of a student, where their depths differ."""

from __future__ import annotations

from collections.abc import Sequence

Match = tuple[int, int]


def map_channels(
    teacher_layers: Sequence[int], teacher_depth: int, student_layers: Sequence[int], student_depth: int
) -> list[Match]:
    """Match channels by relative depth, layer / depth; the last layers always match.

    Each channel of the model that has fewer is given the other's nearest one, the lower of two equally near ones. Of
    channels that would share one, the nearest keeps it, and the others are left out.

    Args:
        teacher_layers: Channel layers of the teacher, ascending, its depth last.
        teacher_depth: Layers of the teacher.
        student_layers: Channel layers that the student may have, ascending, its depth last.
        student_depth: Layers of the student.

    Returns:
        (student's layer, teacher's layer), both ascending.
    """
    if len(student_layers) <= len(teacher_layers):
        return _nearest(student_layers, student_depth, teacher_layers, teacher_depth)
    swapped = _nearest(teacher_layers, teacher_depth, student_layers, student_depth)
    return [(student, teacher) for teacher, student in swapped]


def _nearest(fewer: Sequence[int], depth: int, others: Sequence[int], other_depth: int) -> list[Match]:
    """Match each of `fewer`; distances are compared as whole numbers, so that halves are equal."""

    def distance(layer: int, other: int) -> int:
        return abs(layer * other_depth - other * depth)

    kept: dict[int, int] = {}  # by the other model's layer
    for layer in fewer:
        other = min(others, key=lambda candidate: (distance(layer, candidate), candidate))
        if other not in kept or distance(layer, other) < distance(kept[other], other):
            kept[other] = layer
    return [(layer, other) for other, layer in sorted(kept.items())]
