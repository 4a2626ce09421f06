"""Which tagger is reviewed, and which one taught it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hf_xner.errors import InputError
from hf_xner.systems.run_folder import MARKER
from hf_xner.systems.summary import STUDENT
from hf_xner.systems.teachers import find_teachers

NONE = "none"
REMEDY = "--teacher MODEL names one"


@dataclass(frozen=True)
class Models:
    """What is reviewed.

    Attributes:
        student: Folder or Hub id of the tagger under review.
        teacher: Folder or Hub id of the tagger that taught it, or None.
        teacher_name: What people call it.
        why_no_teacher: What there is to say about a missing teacher; empty where none was wanted.
    """

    student: str
    teacher: str | None
    teacher_name: str = ""
    why_no_teacher: str = ""


def is_run(name: str) -> bool:
    """Tell whether `name` is a run folder."""
    return (Path(name) / MARKER).is_file()


def default_output(name: str) -> Path:
    """Where the review of a run or model lies if nobody says: in the run, or beside where the command was given."""
    return Path(name) / "review" if is_run(name) else Path(f"review-{Path(name).name}")


def find_models(name: str, teacher: str | None = None) -> Models:
    """The tagger of a run or model folder, and its teacher.

    A run's teacher is looked for in the store; of several the nearest is taken, the one behind the soft labels.

    Args:
        name: Run folder, model folder or Hub id.
        teacher: Folder or Hub id of a teacher; "none" for none; None to look for it.

    Raises:
        InputError: There is a run without a student.
    """
    student = str(Path(name) / STUDENT) if is_run(name) else name
    if is_run(name) and not Path(student).is_dir():
        raise InputError("the run has no student yet", where=name, remedy="start the run's command again to finish it")
    if teacher == NONE:
        return Models(student, None)
    if teacher is not None:
        return Models(student, teacher, Path(teacher).name)
    if not is_run(name):
        return Models(student, None, why_no_teacher=f"no teacher is known of a model alone; {REMEDY}")
    return _with_teacher(Path(name), student)


def _with_teacher(run: Path, student: str) -> Models:
    """The student of a run and the nearest of its teachers that are still in the store."""
    teachers = find_teachers(run)
    if teachers.found:
        first, several = teachers.found[0], len(teachers.found) > 1
        called = f"{first.name} (the first of {len(teachers.found)} teachers)" if several else first.name
        return Models(student, str(first.folder), called)
    if not teachers.traced:
        why = f"the student's stage is no longer in the store; {REMEDY}"
    elif teachers.gone:
        why = f"the teacher is no longer where it was; {REMEDY}"
    else:
        why = "this tagger learnt from labels, not from a teacher"
    return Models(student, None, why_no_teacher=why)
