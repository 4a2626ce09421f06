"""Channels meet by relative depth."""

from __future__ import annotations

import pytest

from hf_xner.training.channel_map import map_channels


def test_equal_depths_match_one_to_one():
    layers = list(range(4, 13))
    assert map_channels(layers, 12, layers, 12) == [(layer, layer) for layer in layers]


def test_a_shallow_student_learns_from_every_second_layer():
    assert map_channels(range(4, 13), 12, range(2, 7), 6) == [(2, 4), (3, 6), (4, 8), (5, 10), (6, 12)]


def test_a_deep_student_gives_every_layer_of_a_shallow_teacher_one_of_its_own():
    assert map_channels(range(2, 7), 6, range(4, 13), 12) == [(4, 2), (6, 3), (8, 4), (10, 5), (12, 6)]


@pytest.mark.parametrize(("teacher", "student"), [(12, 4), (12, 5), (24, 12), (4, 12), (7, 5), (5, 7), (3, 3)])
def test_no_layer_serves_twice_and_the_last_layers_match(teacher: int, student: int):
    layers = {depth: range(depth // 4 + 1, depth + 1) for depth in (teacher, student)}
    matches = map_channels(layers[teacher], teacher, layers[student], student)
    for side in zip(*matches, strict=True):
        assert list(side) == sorted(set(side))
    assert matches[-1] == (student, teacher)
    assert all(abs(low / student - high / teacher) <= 0.5 / min(student, teacher) + 1e-9 for low, high in matches)


def test_channels_that_would_share_a_teacher_leave_it_to_the_nearest():
    assert map_channels([1, 12], 12, [2, 3, 6], 6) == [(2, 1), (6, 12)]
