from __future__ import annotations

import logging

import pytest

from hf_xner.evaluation.evaluate import Evaluation
from hf_xner.systems.tagger_stages import warn_of_silence


@pytest.mark.parametrize(
    ("gold", "predicted", "warned"),
    [(["B-LOC", "O"], ["O", "O"], True), (["B-LOC", "O"], ["O", "B-PER"], False), (["O", "O"], ["O", "O"], False)],
)
def test_a_tagger_that_finds_nothing_is_told_of(gold, predicted, warned, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="hf_xner"):
        warn_of_silence("tsl on target_test, seed 1", Evaluation({}, {"plain": [predicted]}, [gold]))
    told = [record.getMessage() for record in caplog.records]
    assert [message.startswith("tsl on target_test, seed 1: not one entity is found") for message in told] == (
        [True] if warned else []
    )
