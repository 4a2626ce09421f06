from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hf_xner.model_digest import model_digest
from hf_xner.systems import teachers
from hf_xner.systems.stage_records import StageRecord
from hf_xner.systems.teachers import Teachers, find_teachers

from .toy import Finished


def test_the_teacher_of_a_finished_run_is_found(finished: Finished):
    teachers = find_teachers(finished.folder)
    assert [teacher.name for teacher in teachers.found] == ["teacher, seed 1"] and not teachers.gone
    (stage,) = finished.stages("train")
    assert teachers.found[0].folder == stage / "model" and (stage / "model" / "config.json").is_file()


def test_a_moved_store_is_found_where_this_machine_has_its_own(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    marker = json.loads((run / "run.json").read_text())
    marker["arguments"]["store"] = str(tmp_path / "elsewhere")
    (run / "run.json").write_text(json.dumps(marker))
    assert find_teachers(run) == Teachers()
    monkeypatch.setenv("HF_XNER_STORE", str(finished.store))
    assert [teacher.name for teacher in find_teachers(run).found] == ["teacher, seed 1"]


class MadeRun:
    """A run folder and a store with stages of any shape."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder / "run", folder / "store"
        self.folder.mkdir()
        self.stages: dict[str, dict[str, str]] = {}
        self.write("results.json", {"student": "tsl", "seeds": [1], "sets": {"target_test": {}}})
        self.write("run.json", {"arguments": {"store": str(self.store)}})

    def write(self, name: str, content: dict) -> None:
        (self.folder / name).write_text(json.dumps(content))

    def add(self, kind: str, name: str, *, tagger: bool = False, **inputs: str) -> str:
        """Add a stage; returns its key."""
        record = StageRecord(kind, name, 1, {"corpus": "0a1b", **inputs}, {"n": name}, None, "", 0.0, False, 0, "0")
        place = self.store / kind / record.key
        place.mkdir(parents=True)
        record.write(place)
        if tagger:
            (place / "model").mkdir()
            (place / "model" / "config.json").write_text("{}")
        self.stages[name] = {"kind": kind, "key": record.key, "path": f"{kind}/{record.key}"}
        self.write("stages.json", self.stages)
        return record.key


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    return MadeRun(tmp_path)


def unitrans(made: MadeRun, *, student: bool = True) -> None:
    """Theta_teach began with Theta_src; the votes bring all three models in, the soft labels only Theta_teach."""
    source = made.add("train", "source model", tagger=True)
    target = made.add("train", "target model", tagger=True)
    teacher = made.add("train", "teacher", tagger=True, start=source)
    labels = {
        name: made.add("soft_labels", f"of {name}", teacher=key)
        for name, key in zip("stk", (source, target, teacher), strict=True)
    }
    votes = made.add("vote", "votes", **{f"voter {name}": key for name, key in labels.items()})
    key = made.add("distil", "student", tagger=True, soft_labels=labels["k"], aside=votes)
    made.add("score", "tsl on target_test, seed 1", model=key)


def test_the_model_behind_the_soft_labels_comes_first_and_voters_follow(made: MadeRun):
    unitrans(made)
    teachers = find_teachers(made.folder)
    assert teachers.traced and not teachers.gone
    assert [teacher.name for teacher in teachers.found][0] == "teacher"
    assert {teacher.name for teacher in teachers.found} == {"teacher", "source model", "target model"}


def test_what_a_teacher_began_with_is_no_teacher(made: MadeRun):
    source = made.add("train", "source model", tagger=True)
    teacher = made.add("train", "teacher", tagger=True, start=source)
    parts = {f"part {number}": made.add("soft_labels", f"labels {number}", teacher=teacher) for number in range(2)}
    mean = made.add("average", "mean", **parts)
    made.add("calibrate", "calibration", model=made.add("distil", "student", tagger=True, soft_labels=mean))
    assert [teacher.name for teacher in find_teachers(made.folder).found] == ["teacher"]


@pytest.mark.parametrize("weights", [b"those of the student", b"those of another one"])
def test_a_student_that_nobody_looked_at_is_known_by_its_weights(made: MadeRun, weights: bytes):
    """A run on plain text whose source has no dev set scores and calibrates nothing."""
    labels = made.add("soft_labels", "labels", teacher=made.add("train", "teacher", tagger=True))
    made.add("distil", "student", tagger=True, soft_labels=labels)
    (made.store / made.stages["student"]["path"] / "model" / "model.safetensors").write_bytes(weights)
    (made.folder / "student").mkdir()
    (made.folder / "student" / "model.safetensors").write_bytes(b"those of the student")
    teachers = find_teachers(made.folder)
    known = weights == b"those of the student"
    assert teachers.traced is known and [teacher.name for teacher in teachers.found] == ["teacher"][:known]


@pytest.mark.parametrize("kind", ["train", "soft_labels"])
def test_teachers_that_are_gone_are_named(made: MadeRun, kind: str):
    teacher = made.add("train", "teacher", tagger=True)
    labels = made.add("soft_labels", "labels", teacher=teacher)
    made.add("calibrate", "calibration", model=made.add("distil", "student", tagger=True, soft_labels=labels))
    shutil.rmtree(made.store / kind)
    teachers = find_teachers(made.folder)
    assert teachers.traced and not teachers.found
    assert teachers.gone == ("teacher" if kind == "train" else "labels",)


def given(made: MadeRun, tmp_path: Path, names: list[str], **facts: dict) -> list[Path]:
    """A student of the mean of given models; returns their folders."""
    from hf_xner.systems.workspace import model_digest

    folders, parts = [], {}
    for number, name in enumerate(names):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"name": name}))
        folders.append(folder)
        parts[f"teacher {number}"] = made.add("soft_labels", f"labels of {name}", teacher=model_digest(str(folder)))
    mean = made.add("mixture", "mixture by mean, seed 1", **parts)
    made.add("score", "tsl on target_test, seed 1", model=made.add("distil", "student", tagger=True, soft_labels=mean))
    told = {name: {"from": str(folder), "given": True} for name, folder in zip(names, folders, strict=True)}
    results = {"student": "tsl", "seeds": [1], "sets": {"target_test": {}}}
    made.write("results.json", {**results, "teachers": {**told, **facts}})
    return folders


def test_a_teacher_that_was_given_is_found_where_it_came_from(made: MadeRun, tmp_path: Path):
    folders = given(made, tmp_path, ["one", "two"], de={"from": "conll2003:de", "given": False})
    teachers = find_teachers(made.folder)
    assert [(teacher.name, teacher.folder) for teacher in teachers.found] == [("one", folders[0]), ("two", folders[1])]
    assert teachers.traced and not teachers.gone


def test_a_given_teacher_that_has_changed_or_moved_is_named_as_gone(made: MadeRun, tmp_path: Path):
    folders = given(made, tmp_path, ["one", "two", "three"])
    (folders[0] / "config.json").write_text("another model")
    shutil.rmtree(folders[2])
    teachers = find_teachers(made.folder)
    assert [teacher.name for teacher in teachers.found] == ["two"] and set(teachers.gone) == {"one", "three"}
    made.write("results.json", {"student": "tsl", "seeds": [1], "sets": {"target_test": {}}})
    assert set(find_teachers(made.folder).gone) == {"a teacher that was given"}


def test_a_given_teacher_of_the_hub_is_known_by_its_commit(made: MadeRun, tmp_path: Path, monkeypatch):
    (folder,) = given(made, tmp_path, ["one"])
    results = json.loads((made.folder / "results.json").read_text())
    results["teachers"]["one"]["from"] = "org/one"
    made.write("results.json", results)
    known = model_digest(str(folder))
    monkeypatch.setattr(teachers, "model_digest", lambda name: known if name == "org/one" else "")
    (teacher,) = find_teachers(made.folder).found
    assert (teacher.name, teacher.folder) == ("one", "org/one")


def test_a_tagger_trained_on_labels_has_no_teacher(made: MadeRun):
    made.add("calibrate", "calibration", model=made.add("train", "tagger", tagger=True))
    assert find_teachers(made.folder) == Teachers(traced=True)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"student": {"kind": "distil"}}'])
def test_a_run_with_damaged_records_has_no_known_teacher(made: MadeRun, content: str):
    unitrans(made)
    (made.folder / "stages.json").write_text(content)
    assert find_teachers(made.folder) == Teachers()


def test_a_folder_that_is_no_run_has_no_known_teacher(tmp_path: Path):
    assert find_teachers(tmp_path) == Teachers()
