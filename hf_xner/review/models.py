"""Which tagger is reviewed, and which one taught it."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_xner.errors import InputError
from hf_xner.systems.files import read_json
from hf_xner.systems.run_folder import MARKER, STAGES
from hf_xner.systems.stage_records import RECORD
from hf_xner.systems.stages import StageStore
from hf_xner.systems.summary import STUDENT

MODEL = "model"  # what a stage that trains calls its model; training.fit, not imported for its weight
WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Models:
    """What is reviewed.

    Attributes:
        student: Folder or Hub id of the tagger under review.
        teacher: Folder or Hub id of the tagger that taught it, or None.
        why_no_teacher: What there is to say about a missing teacher; empty where none was wanted.
    """

    student: str
    teacher: str | None
    why_no_teacher: str = ""


def is_run(name: str) -> bool:
    """Tell whether `name` is a run folder."""
    return (Path(name) / MARKER).is_file()


def default_output(name: str) -> Path:
    """Where the review of a run or model lies if nobody says: in the run, or beside where the command was given."""
    return Path(name) / "review" if is_run(name) else Path(f"review-{Path(name).name}")


def find_models(name: str, teacher: str | None = None) -> Models:
    """The tagger of a run or model folder, and its teacher.

    A run's teacher is looked for in the store: the student's stage is the one with the student's weights, and its
    record says which stage's soft labels it learnt from, and theirs which tagger wrote them.

    Args:
        name: Run folder, model folder or Hub id.
        teacher: Folder or Hub id of a teacher; "none" for none; None to look for it.

    Raises:
        InputError: There is a run without a student.
    """
    student = str(Path(name) / STUDENT) if is_run(name) else name
    if is_run(name) and not Path(student).is_dir():
        raise InputError("the run has no student yet", where=name, remedy="start the run's command again to finish it")
    if teacher is not None:
        return Models(student, None if teacher == "none" else teacher)
    if not is_run(name):
        return Models(student, None, "no teacher is known of a model alone; --teacher MODEL names one")
    found, why = _teacher_of(Path(name), Path(student))
    return Models(student, found, why)


def _teacher_of(run: Path, student: Path) -> tuple[str | None, str]:
    stages = _stage_folders(run)
    own = [key for key, folder in stages.items() if _same_weights(folder / MODEL / WEIGHTS, student / WEIGHTS)]
    if not own:
        return None, "the student's stage is no longer in the store; --teacher MODEL names a teacher"
    taught_by = _inputs(stages[own[0]]).get("soft_labels")
    if taught_by is None:
        return None, "this tagger learnt from labels, not from a teacher"
    teachers = _taggers_behind(taught_by, stages)
    if not teachers:
        return None, "the teacher is no longer in the store; --teacher MODEL names one"
    return str(teachers[0] / MODEL), f"the first of {len(teachers)} teachers" if len(teachers) > 1 else ""


def _stage_folders(run: Path) -> dict[str, Path]:
    """Folders of the run's stages that are still there, by key."""
    arguments = (read_json(run / MARKER) or {}).get("arguments", {})
    roots = [StageStore(root).root for root in dict.fromkeys([arguments.get("store"), None])]
    noted: Mapping[str, Mapping[str, str]] = read_json(run / STAGES) or {}
    folders: dict[str, Path] = {}
    for stage in noted.values():
        for root in roots:
            if (root / stage["path"] / RECORD).is_file():
                folders.setdefault(stage["key"], root / stage["path"])
    return folders


def _same_weights(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def _inputs(stage: Path) -> dict[str, str]:
    return json.loads((stage / RECORD).read_text(encoding="utf-8"))["inputs"]


def _taggers_behind(key: str, stages: Mapping[str, Path]) -> list[Path]:
    """Stages with a tagger that a stage comes from, nearest first; what they come from does not count."""
    found: list[Path] = []
    waiting, seen = [key], set()
    while waiting:
        current = waiting.pop(0)
        if current in seen or current not in stages:
            continue
        seen.add(current)
        folder = stages[current]
        if (folder / MODEL / "config.json").is_file():
            found.append(folder)
        else:
            waiting += _inputs(folder).values()
    return found
