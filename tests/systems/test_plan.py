from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_xner.systems.stages import Stage, StageStore


def make_stage(**changes: object) -> Stage:
    parts: dict = {"kind": "train", "name": "teacher seed 1", "version": 1, "inputs": {"text": "ab"}}
    return Stage(**{**parts, "settings": {"rate": 5e-5, "epochs": 3}, **changes})


def write_model(folder: Path) -> None:
    (folder / "model.txt").write_text("weights")


def test_dry_run_does_no_work_and_touches_nothing(tmp_path: Path):
    store = StageStore(tmp_path / "store", dry_run=True)
    place = store.run(make_stage(), lambda folder: pytest.fail("worked"))
    assert place == store.path(make_stage()) and not (tmp_path / "store").exists()
    assert [stage.status for stage in store.plan()] == ["to do"]


def write_record(store: StageStore, stage: Stage, seconds: float) -> None:
    record = json.loads((store.run(stage, write_model) / "stage.json").read_text())
    (store.path(stage) / "stage.json").write_text(json.dumps({**record, "seconds": seconds}))


def test_plan_shows_status_and_estimates(tmp_path: Path):
    store = StageStore(tmp_path)
    done = make_stage(units=100.0, settings={"encoder": "mini", "seed": 1})
    write_record(store, done, seconds=50.0)
    write_record(store, make_stage(units=100.0, settings={"encoder": "large", "seed": 1}), seconds=5000.0)
    with pytest.raises(RuntimeError):
        store.run(make_stage(settings={"encoder": "mini", "seed": 3}), failing)

    dry = StageStore(tmp_path, dry_run=True)
    dry.run(done, write_model)
    dry.run(
        make_stage(name="two", units=300.0, bytes_estimate=2000, settings={"encoder": "mini", "seed": 2}), write_model
    )
    dry.run(make_stage(name="three", units=10.0, settings={"encoder": "mini", "seed": 3}), write_model)
    dry.run(make_stage(name="four", units=10.0, settings={"encoder": "other"}), write_model)
    dry.run(make_stage(name="two again", units=300.0, settings={"encoder": "mini", "seed": 2}), write_model)
    plan = {stage.name: (stage.status, stage.seconds, stage.bytes) for stage in dry.plan()}
    assert plan == {
        "teacher seed 1": ("done", 0.0, 0),
        "two": ("to do", 150.0, 2000),
        "three": ("partial", 5.0, None),
        "four": ("to do", None, None),
    }
    text = dry.format_plan()
    assert text.splitlines()[-1] == (
        "3 of 4 stages to do; time 3 min and that of 1 not yet known; disk 2.0 kB and that of 2 not yet known"
    )
    assert "two" in text and "partial" in text


def failing(folder: Path) -> None:
    (folder / "x").write_text("x")
    raise RuntimeError


def test_resumed_attempts_do_not_count_as_measured(tmp_path: Path):
    store = StageStore(tmp_path)
    with pytest.raises(RuntimeError):
        store.run(make_stage(units=10.0), failing)
    store.run(make_stage(units=10.0), write_model)
    dry = StageStore(tmp_path, dry_run=True)
    dry.run(make_stage(version=2, units=10.0), write_model)
    assert dry.plan()[0].seconds is None
