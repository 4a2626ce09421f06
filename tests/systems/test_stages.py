from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.systems.stage_records import stage_key
from hf_xner.systems.stages import Stage, StageStore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def make_stage(**changes: object) -> Stage:
    parts: dict = {"kind": "train", "name": "teacher seed 1", "version": 1, "inputs": {"text": "ab"}}
    return Stage(**{**parts, "settings": {"rate": 5e-5, "epochs": 3}, **changes})


def write_model(folder: Path) -> None:
    (folder / "model.txt").write_text("weights")


def script(tmp_path: Path, body: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(
        "import os, sys, time, signal\nfrom pathlib import Path\n"
        "from hf_xner.systems.stages import Stage, StageStore\n"
        "stage = Stage('train', 'teacher', 1, {'text': 'ab'}, {'rate': 5e-5})\n" + body
    )
    return [sys.executable, str(path)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **more}


def test_key_is_the_same_in_every_process():
    code = (
        "from hf_xner.systems.stages import Stage;"
        "print(Stage('train', 'x', 1, {'b': '1', 'a': '2'}, {'z': {'q': 1, 'p': [0.1, None]}, 'y': 'é'}).key)"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env=environment(PYTHONHASHSEED=seed), capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    here = Stage("train", "other", 1, {"a": "2", "b": "1"}, {"y": "é", "z": {"p": (0.1, None), "q": 1}}).key
    assert keys == {f"{here}\n".encode()}
    assert len(here) == 20


@given(st.dictionaries(st.text(), JSON, max_size=4), st.dictionaries(st.text(), JSON, max_size=4))
def test_key_depends_on_content_and_not_on_order(settings: dict, others: dict):
    turned = dict(reversed(settings.items()))
    assert make_stage(settings=settings).key == make_stage(settings=turned).key
    if json.dumps(settings, sort_keys=True) != json.dumps(others, sort_keys=True):
        assert make_stage(settings=settings).key != make_stage(settings=others).key


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "distil"},
        {"version": 2},
        {"inputs": {"text": "ac"}},
        {"inputs": {"texts": "ab"}},
        {"settings": {"rate": 5.000000000000001e-5, "epochs": 3}},
        {"settings": {"rate": 5e-5, "epochs": 3.0}},
        {"settings": {"rate": 5e-5}},
    ],
)
def test_key_changes_with_everything_that_counts(change: dict):
    assert make_stage(**change).key != make_stage().key


def test_key_does_not_change_with_what_does_not_count():
    assert make_stage(name="x", units=3.0, bytes_estimate=9).key == make_stage().key


def test_key_survives_a_later_change_of_the_settings_it_was_made_from():
    settings = {"rate": [1]}
    stage = make_stage(settings=settings)
    before = stage.key
    settings["rate"].append(2)
    assert stage.key == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"x": {"y": object()}}, r"settings\.x\.y: object has no place in JSON"),
        ({"x": [{1, 2}]}, r"settings\.x\[0\]: set has no place"),
        ({1: 2}, "settings: the key 1 is not a string"),
        ({"x": float("nan")}, r"settings\.x: nan has no place"),
        ({"x": Path("a")}, r"settings\.x: PosixPath has no place"),
    ],
)
def test_settings_that_are_not_json_are_refused(settings: dict, message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        make_stage(settings=settings)


def test_numpy_settings_are_refused():
    import numpy as np

    with pytest.raises(TypeError, match=r"settings\.x: float32 has no place"):
        make_stage(settings={"x": np.float32(0.1)})


@pytest.mark.parametrize("kind", ["", "a/b", "..", "a b"])
def test_kind_must_do_as_a_folder(kind: str):
    with pytest.raises(ValueError, match="names a folder"):
        make_stage(kind=kind)


def test_inputs_must_be_digests():
    with pytest.raises(TypeError, match=r"inputs\.text: int is not a digest"):
        make_stage(inputs={"text": 3})


def test_work_is_done_once_and_recorded(tmp_path: Path):
    store = StageStore(tmp_path)
    calls = []

    def work(folder: Path) -> None:
        calls.append(folder)
        write_model(folder)

    place = store.run(make_stage(units=10.0), work)
    assert store.run(make_stage(name="another label"), work) == place
    assert len(calls) == 1 and calls[0].name.endswith(".partial") and not calls[0].exists()
    assert (place / "model.txt").read_text() == "weights"
    record = json.loads((place / "stage.json").read_text())
    assert {name: record[name] for name in ("kind", "name", "version", "inputs", "settings", "units", "bytes")} == {
        "kind": "train",
        "name": "teacher seed 1",
        "version": 1,
        "inputs": {"text": "ab"},
        "settings": {"rate": 5e-5, "epochs": 3},
        "units": 10.0,
        "bytes": 7,
    }
    assert record["seconds"] >= 0 and record["resumed"] is False
    assert os.uname().nodename not in record.values()


def test_default_store_is_named_by_the_environment(own_store: Path):
    assert StageStore().root == own_store


def test_failed_work_leaves_its_folder_to_the_next_attempt(tmp_path: Path):
    store = StageStore(tmp_path)

    def fails(folder: Path) -> None:
        (folder / "checkpoint-1").mkdir()
        raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        store.run(make_stage(), fails)
    assert [stage.status for stage in store.list_stages()] == ["partial"]

    def goes_on(folder: Path) -> None:
        assert (folder / "checkpoint-1").is_dir()

    place = store.run(make_stage(), goes_on)
    assert json.loads((place / "stage.json").read_text())["resumed"] is True


def test_refused_input_leaves_nothing(tmp_path: Path):
    store = StageStore(tmp_path, run_folder=tmp_path / "run")

    def refuses(folder: Path) -> None:
        raise InputError("unknown tag", where="a.conll:3")

    with pytest.raises(InputError, match=r"^a\.conll:3: unknown tag$"):
        store.run(make_stage(), refuses)
    assert store.list_stages() == []


def wrapped_full_disk(folder: Path) -> None:
    raise RuntimeError("I/O error: No space left on device (os error 28)")


def full_disk(folder: Path) -> None:
    (folder / "half").write_text("x")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / "half"))


@pytest.mark.parametrize("work", [full_disk, wrapped_full_disk])
def test_full_disk_is_one_clear_line_and_the_work_can_go_on(tmp_path: Path, work):
    store = StageStore(tmp_path)
    with pytest.raises(InputError, match="the disk is full; make room there, or set HF_XNER_STORE") as caught:
        store.run(make_stage(), work)
    assert str(caught.value).startswith(f"{tmp_path}: ") and "\n" not in str(caught.value)
    assert not store.path(make_stage()).exists()
    assert (store.run(make_stage(), write_model) / "model.txt").exists()


def test_disk_that_fills_up_when_the_record_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = StageStore(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="the disk is full"):
            store.run(make_stage(), write_model)
    assert [stage.status for stage in store.list_stages()] == ["partial"]
    assert not list(tmp_path.rglob("*.tmp"))
    assert store.run(make_stage(), write_model).is_dir()


def test_other_errors_of_the_work_stay_what_they_are(tmp_path: Path):
    def work(folder: Path) -> None:
        raise FileNotFoundError(errno.ENOENT, "gone", "elsewhere.txt")

    with pytest.raises(FileNotFoundError):
        StageStore(tmp_path).run(make_stage(), work)


def test_store_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: is a file, not a folder; make room there, or set HF_XNER_STORE"):
        StageStore(tmp_path / "file" / "store").run(make_stage(), write_model)


@pytest.mark.parametrize("content", ["", '{"kind": "tra', "[]", "null", '{"kind": "train"}'])
def test_damaged_record_counts_as_absent(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str):
    store = StageStore(tmp_path)
    place = store.run(make_stage(), write_model)
    (place / "stage.json").write_text(content)
    (place / "model.txt").write_text("damaged")
    assert [stage.status for stage in store.list_stages()] == ["damaged"]
    with caplog.at_level(logging.WARNING):
        store.run(make_stage(), write_model)
    assert "is damaged; the stage counts as absent" in caplog.text
    assert (place / "model.txt").read_text() == "weights"


def test_record_of_another_stage_counts_as_damaged(tmp_path: Path):
    store = StageStore(tmp_path)
    place = store.run(make_stage(), write_model)
    record = json.loads((place / "stage.json").read_text())
    (place / "stage.json").write_text(json.dumps({**record, "version": 7}))
    assert [stage.status for stage in store.list_stages()] == ["damaged"]


def test_attempt_killed_between_record_and_rename_is_finished_without_work(tmp_path: Path):
    store = StageStore(tmp_path)
    place = store.run(make_stage(), write_model)
    place.rename(place.with_name(place.name + ".partial"))

    def never(folder: Path) -> None:
        raise AssertionError("the work was there")

    heir = StageStore(tmp_path, run_folder=tmp_path / "heir")
    folder = heir.run(make_stage(), never)
    assert (folder / "model.txt").exists()
    assert str(tmp_path / "heir") in (folder / "used_by.json").read_text(encoding="utf-8")


KILLED_SOMEWHERE = """
import hf_xner.systems.files as files
point = os.environ.get('POINT')
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def work(folder):
    if point == 'before writing':
        die()
    done = sorted(folder.glob('part-*'))
    for index in range(len(done), 4):
        with (folder / 'half').open('w') as file:
            file.write('part')
            if point == f'in part {index}':
                file.flush()
                die()
        (folder / 'half').rename(folder / f'part-{index}')
real_fsync, real_rename = os.fsync, Path.rename
def fsync(descriptor):
    if point == 'at sync':
        die()
    real_fsync(descriptor)
def rename(self, target):
    if point == 'before rename' and self.name.endswith('.partial'):
        die()
    real_rename(self, target)
    if point == 'after rename' and self.name.endswith('.partial'):
        die()
os.fsync, Path.rename = fsync, rename
StageStore(sys.argv[1]).run(stage, work)
"""


@pytest.mark.parametrize(
    "point", ["before writing", "in part 0", "in part 3", "at sync", "before rename", "after rename"]
)
def test_killed_at_any_moment_and_started_again_gives_the_same(tmp_path: Path, point: str):
    command = [*script(tmp_path, KILLED_SOMEWHERE), str(tmp_path / "store")]
    killed = subprocess.run(command, env=environment(POINT=point))
    assert killed.returncode == -signal.SIGKILL
    after_kill = [stage.status for stage in StageStore(tmp_path / "store").list_stages()]
    assert after_kill == (["done"] if point == "after rename" else ["partial"])
    subprocess.run(command, env=environment(), check=True)
    (stage,) = StageStore(tmp_path / "store").list_stages()
    assert stage.status == "done"
    contents = {path.name: path.read_text() for path in stage.path.glob("part-*")}
    assert contents == {f"part-{index}": "part" for index in range(4)}


SLOW_WORK = """
import logging
logging.basicConfig(level=logging.INFO)
def work(folder):
    with open(sys.argv[2], 'a') as file:
        file.write('worked\\n')
    time.sleep(1.5)
    (folder / 'model.txt').write_text('weights')
print((StageStore(sys.argv[1]).run(stage, work) / 'model.txt').read_text())
"""


def test_two_runs_at_once_share_the_work(tmp_path: Path):
    command = [*script(tmp_path, SLOW_WORK), str(tmp_path / "store"), str(tmp_path / "calls")]
    both = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [out for out, _ in outputs] == ["weights\n", "weights\n"]
    assert (tmp_path / "calls").read_text() == "worked\n"
    assert sum("another process is at it; waits" in log for _, log in outputs) == 1


HANGING_WORK = """
def work(folder):
    Path(sys.argv[2]).write_text('at work')
    time.sleep(100)
StageStore(sys.argv[1]).run(stage, work)
"""


def test_killed_worker_frees_the_stage(tmp_path: Path):
    sign = tmp_path / "sign"
    command = [*script(tmp_path, HANGING_WORK), str(tmp_path / "store"), str(sign)]
    process = subprocess.Popen(command, env=environment())
    while not sign.exists():
        time.sleep(0.02)
    store = StageStore(tmp_path / "store")
    assert [stage.locked for stage in store.list_stages()] == [True]
    assert store.prune(unused=True, dry_run=False) == []
    process.kill()
    process.wait()
    assert [stage.locked for stage in store.list_stages()] == [False]
    store.run(Stage("train", "teacher", 1, {"text": "ab"}, {"rate": 5e-5}), write_model)


def test_stage_key_pins_the_form():
    """A change of the form would throw away everybody's store."""
    assert stage_key("train", 1, {"text": "ab"}, {"rate": 5e-5}) == make_stage(settings={"rate": 5e-5}).key
    assert make_stage(settings={"rate": 5e-5}).key == "27c760562449ee82361c"


def test_a_run_says_once_that_a_stage_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        for store in (StageStore(tmp_path), StageStore(tmp_path)):
            for _ in range(3):
                store.run(make_stage(), write_model)
    told = [record.getMessage().split(": ")[-1].split(" in ")[0] for record in caplog.records]
    assert told == ["starts", "done", "is"]
