"""The tagger under review, and who taught it: found by what the stages say of themselves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.review.models import Models, default_output, find_models
from hf_xner.systems.run_folder import RunFolder
from hf_xner.systems.stages import Stage, StageStore


def model(text: str):
    def work(folder: Path) -> None:
        (folder / "model").mkdir()
        (folder / "model" / "config.json").write_text("{}")
        (folder / "model" / "model.safetensors").write_text(text)

    return work


def make_run(folder: Path, store_dir: Path, *, chain: str = "teacher") -> StageStore:
    """A run whose student learnt from the soft labels of one teacher, two, a given one, or nobody."""
    with RunFolder(
        folder, system="tsl", arguments={"store": str(store_dir)}, command_line=["xner"], device="cpu"
    ) as run:
        store = StageStore(store_dir, run_folder=folder)

        def make(stage: Stage, work) -> Stage:
            store.run(stage, work)
            run.add_stage(stage, store)
            return stage

        base = make(Stage("train", "source model", 1, {"sentences": "a"}), model("base"))
        teachers = [
            make(Stage("train", f"teacher {name}", 1, {"sentences": name, "start": base.key}), model(name))
            for name in ("one", "two")
        ]
        labels = [
            make(Stage("soft_labels", f"soft labels {i}", 1, {"teacher": teacher.key}), lambda place: None)
            for i, teacher in enumerate(teachers)
        ]
        votes = make(Stage("votes", "votes", 1, {"voter 0": base.key}), lambda place: None)
        inputs = {"encoder": "e", "sentences": "t"}
        if chain == "teacher":
            inputs |= {"soft_labels": labels[1].key, "votes": votes.key}
        elif chain == "mean":
            parts = {f"part {i}": stage.key for i, stage in enumerate(labels)}
            mean = make(Stage("soft_labels", "mean", 1, {"sentences": "t", **parts}), lambda place: None)
            inputs |= {"soft_labels": mean.key}
        elif chain == "given":
            said = make(Stage("soft_labels", "labels of mine", 1, {"teacher": "a digest"}), lambda place: None)
            inputs |= {"soft_labels": said.key}
        student = make(Stage("distil", "student, seed 1", 1, inputs), model("student"))
        run.copy(store.path(student) / "model", "student")
        run.describe(seeds=[1])
        run.write_results({"student": "tsl", "sets": {}})
    (folder / "student" / "config.json").write_text('{"xner": {"temperature": 1.5}}')  # as a run does after copying
    return store


def text_of(name: str) -> str:
    return (Path(name) / "model.safetensors").read_text()


def test_the_teacher_of_a_run_is_found_through_its_stages(tmp_path):
    make_run(tmp_path / "run", tmp_path / "store")
    models = find_models(str(tmp_path / "run"))
    assert models.student == str(tmp_path / "run" / "student")
    assert models.teacher is not None and text_of(models.teacher) == "two" and models.why_no_teacher == ""
    assert models.teacher_name == "teacher two (the first of 2 teachers)"  # the other one voted
    assert default_output(str(tmp_path / "run")) == tmp_path / "run" / "review"


def test_of_several_teachers_the_first_is_taken_and_that_is_said(tmp_path):
    make_run(tmp_path / "run", tmp_path / "store", chain="mean")
    models = find_models(str(tmp_path / "run"))
    assert models.teacher is not None and text_of(models.teacher) == "one"
    assert models.teacher_name == "teacher one (the first of 2 teachers)" and models.why_no_teacher == ""


def test_a_store_that_was_given_relatively_or_moved_is_looked_for_in_the_usual_place(tmp_path, own_store):
    store = make_run(tmp_path / "run", tmp_path / "store")
    shutil.move(store.root, own_store)
    models = find_models(str(tmp_path / "run"))
    assert models.teacher is not None and models.teacher.startswith(str(own_store))


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ("distil", "the student's stage is no longer"),
        ("soft_labels", "the teacher is no longer"),
        ("train", "the teacher is no longer"),
    ],
)
def test_a_pruned_store_is_no_mistake(tmp_path, gone, why):
    make_run(tmp_path / "run", tmp_path / "store", chain="mean")
    shutil.rmtree(tmp_path / "store" / gone)
    models = find_models(str(tmp_path / "run"))
    assert models.teacher is None and models.why_no_teacher.startswith(why)


def test_a_tagger_that_learnt_from_labels_has_no_teacher(tmp_path):
    make_run(tmp_path / "run", tmp_path / "store", chain="none")
    assert "learnt from labels" in find_models(str(tmp_path / "run")).why_no_teacher


def test_a_student_of_a_given_teacher_did_not_learn_from_labels(tmp_path):
    make_run(tmp_path / "run", tmp_path / "store", chain="given")
    models = find_models(str(tmp_path / "run"))
    assert models.teacher is None and models.why_no_teacher.startswith("the teacher is no longer")


def test_a_teacher_can_be_named_or_declined(tmp_path):
    make_run(tmp_path / "run", tmp_path / "store")
    student = str(tmp_path / "run" / "student")
    assert find_models(str(tmp_path / "run"), "org/other") == Models(student, "org/other", "other")
    assert find_models(str(tmp_path / "run"), "none") == Models(student, None)


def test_a_model_alone_can_be_reviewed(tmp_path):
    models = find_models("org/unitrans-de")
    assert models.student == "org/unitrans-de" and models.teacher is None and "--teacher" in models.why_no_teacher
    assert default_output("org/unitrans-de") == Path("review-unitrans-de")


def test_a_run_without_a_student_is_refused(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"system": "tsl"}))
    with pytest.raises(InputError, match="the run has no student yet"):
        find_models(str(tmp_path))
