from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.systems.stages import Stage, StageStore

DAY = 86400


def make_stage(**changes: object) -> Stage:
    parts: dict = {"kind": "train", "name": "teacher seed 1", "version": 1, "inputs": {"text": "ab"}}
    return Stage(**{**parts, "settings": {"rate": 5e-5, "epochs": 3}, **changes})


def write_model(folder: Path) -> None:
    (folder / "model.txt").write_text("weights")


def test_prune_keeps_what_runs_use(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    store = StageStore(tmp_path / "store", run_folder=run)
    used = store.run(make_stage(), write_model)
    unused = StageStore(tmp_path / "store").run(make_stage(version=2), write_model)
    assert [stage.path for stage in store.prune(unused=True)] == [unused]
    assert unused.is_dir()
    assert [stage.path for stage in store.prune(unused=True, dry_run=False)] == [unused]
    assert used.is_dir() and not unused.exists() and not unused.with_name(unused.name + ".lock").exists()
    run.rmdir()
    assert [stage.path for stage in store.prune(unused=True, dry_run=False)] == [used]
    assert store.list_stages() == []


def test_a_second_run_counts_as_a_user_too(tmp_path: Path):
    runs = [tmp_path / "one", tmp_path / "two"]
    for run in runs:
        run.mkdir()
        StageStore(tmp_path / "store", run_folder=run).run(make_stage(), write_model)
    (stage,) = StageStore(tmp_path / "store").list_stages()
    assert stage.used_by == tuple(runs)


def test_prune_by_age_looks_at_the_last_use(tmp_path: Path):
    store = StageStore(tmp_path)
    places = [store.run(make_stage(version=version), write_model) for version in (1, 2)]
    for place in places:
        os.utime(place / "stage.json", (time.time() - 10 * DAY,) * 2)
    store.run(make_stage(version=1), write_model)
    assert [stage.path for stage in store.prune(older_than_days=9)] == places[1:]
    assert store.prune(older_than_days=11) == []


def test_prune_must_be_told_what(tmp_path: Path):
    with pytest.raises(InputError, match="nothing says which stages are to go; give --unused"):
        StageStore(tmp_path).prune()


def test_half_removed_stages_are_cleared_away(tmp_path: Path):
    store = StageStore(tmp_path)
    place = store.run(make_stage(), write_model)
    place.rename(place.with_name(place.name + ".removing"))
    assert store.list_stages() == []
    store.prune(unused=True, dry_run=False)
    assert not list(tmp_path.glob("*/*.removing"))
