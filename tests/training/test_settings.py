"""Settings make a stage's key: what changes a result is in them, what does not is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hf_xner.training.fit import rows_in_a_forward_batch, training_arguments
from hf_xner.training.settings import FitSettings

SETTINGS = FitSettings()


def test_settings_that_change_nothing_leave_no_trace():
    assert replace(SETTINGS, micro_batch_size=4).as_dict() == SETTINGS.as_dict()
    assert replace(SETTINGS, eval_every=20).as_dict() == SETTINGS.as_dict(), "nothing is selected"
    best = replace(SETTINGS, select="best")
    assert "eval_every" not in best.as_dict(), "the keys of stages from before the option stay"
    assert replace(best, eval_every=20).as_dict() == best.as_dict() | {"eval_every": 20}


def test_evaluation_every_few_updates_saves_only_what_is_best(tmp_path: Path):
    settings = replace(SETTINGS, select="best", eval_every=20)
    arguments = training_arguments(tmp_path, settings, selects=True)
    assert (arguments.eval_strategy, arguments.eval_steps, arguments.save_strategy) == ("steps", 20, "best")
    unselected = training_arguments(tmp_path, settings, selects=False)
    assert (unselected.eval_strategy, unselected.save_strategy) == ("no", "epoch")
    by_epoch = training_arguments(tmp_path, replace(settings, eval_every=None), selects=True)
    assert (by_epoch.eval_strategy, by_epoch.save_strategy) == ("epoch", "epoch")


@pytest.mark.parametrize(
    ("batch", "micro", "processes", "rows"), [(32, 32, 1, 32), (32, 8, 1, 8), (32, 32, 2, 32), (32, 8, 2, 16)]
)
def test_rows_that_all_processes_read_at_a_time(batch: int, micro: int, processes: int, rows: int):
    settings = replace(SETTINGS, batch_size=batch, micro_batch_size=micro)
    assert rows_in_a_forward_batch(settings, processes) == rows
