"""What a run tells of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hf_xner.systems.runner import _chosen_on_what_is_scored


@pytest.mark.parametrize(
    ("select_on", "dev", "test", "expected"),
    [
        ("target_dev", "a", "b", False),
        ("target_dev", "a", "a", True),  # MultiCoNER has one file for both
        ("target_dev", "a", None, False),
        ("target_test", "b", "b", True),
        ("source_dev", "a", "a", False),
        ("none", "a", "a", False),
    ],
)
def test_weights_chosen_on_the_sentences_they_are_scored_on_are_an_oracles(select_on, dev, test, expected):
    picked = {"none": {}, "source_dev": {"key": "s"}, "target_dev": {"key": dev}, "target_test": {"key": test}}
    space: Any = SimpleNamespace(
        arguments=SimpleNamespace(select_on=select_on),
        selected_on=picked[select_on],
        picked_on=lambda key: select_on,
    )
    sets: Any = {} if test is None else {"target_test": SimpleNamespace(digest=test)}
    assert _chosen_on_what_is_scored(space, sets) is expected
