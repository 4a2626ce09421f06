"""From a run's student back to the taggers that taught it, by the records of the stage store."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.model_digest import model_digest
from hf_xner.systems.files import read_json
from hf_xner.systems.run_folder import MARKER, RESULTS, STAGES
from hf_xner.systems.stage_records import StageRecord, read_record
from hf_xner.systems.stages import StageStore
from hf_xner.systems.summary import STUDENT

MODEL = "model"  # folder of a stage that made a tagger
WEIGHTS = "model.safetensors"
CALIBRATION = "calibration"  # the run's stage that looked at its student


@dataclass(frozen=True)
class Teacher:
    """A tagger whose output a student learnt from.

    Attributes:
        name: What the run calls the stage that made it, such as "teacher, seed 1", or a teacher that was given.
        folder: The tagger, for `Tagger.from_pretrained`; of one that was given it may be the Hub id.
    """

    name: str
    folder: Path | str


@dataclass(frozen=True)
class Teachers:
    """What is known about the teachers of a run's student.

    Attributes:
        found: Those whose taggers are still in the store: the one behind the soft labels first.
        gone: What the run calls those that are not.
        traced: Whether the store still tells where the student came from; without it both are empty.
    """

    found: tuple[Teacher, ...] = ()
    gone: tuple[str, ...] = ()
    traced: bool = False


def find_teachers(run: Path) -> Teachers:
    """Find the teachers of a run's student.

    The student's stage is the one that was scored or calibrated as the student; in a run without any labelled set the
    one with the student's very weights. It names what went into it: soft labels, whose stage names the tagger that
    gave them, and so on. The first taggers met on this way are the teachers; a tagger that a teacher itself began with
    is none. A teacher that was given has no stage: the run's results tell where it came from. A tagger trained on
    labels (direct transfer, an upper bound) has no teacher.

    Args:
        run: The run folder; its stages are looked for in the store that its `run.json` names and in this machine's.
    """
    results, stages = read_json(run / RESULTS), read_json(run / STAGES)
    if not isinstance(results, dict) or not isinstance(stages, dict):
        return Teachers()
    trail = _Trail(_stores(run), stages, _given(results))
    student = trail.looked_at(results) or trail.with_weights(run / STUDENT / WEIGHTS)
    if student is None:
        return Teachers()
    found, gone = trail.teachers(student)
    return Teachers(tuple(found), tuple(gone), traced=True)


def _stores(run: Path) -> list[Path]:
    marker = read_json(run / MARKER)
    arguments = marker.get("arguments", {}) if isinstance(marker, dict) else {}
    return [StageStore(root).root for root in dict.fromkeys([arguments.get("store"), None])]


def _given(results: Mapping[str, Any]) -> dict[str, str]:
    """Folder or Hub id of each teacher that the run was given, by its name there."""
    teachers = results.get("teachers")
    facts = teachers.items() if isinstance(teachers, dict) else ()
    return {name: one["from"] for name, one in facts if isinstance(one, dict) and one.get("given") and "from" in one}


class _Trail:
    """The stages of one run.

    Args:
        stores: Where they may lie.
        stages: The run's `stages.json`.
        given: Teachers that no stage made.
    """

    def __init__(
        self, stores: Sequence[Path], stages: Mapping[str, Mapping[str, str]], given: Mapping[str, str]
    ) -> None:
        self._stores = stores
        self._given = given
        whole = ((name, stage) for name, stage in stages.items() if isinstance(stage, dict))
        self._stages = {name: stage for name, stage in whole if {"key", "path"} <= stage.keys()}
        self._names = {stage["key"]: name for name, stage in self._stages.items()}

    def looked_at(self, results: Mapping[str, Any]) -> StageRecord | None:
        """The record of the stage that made the student, by the stages that looked at it, which name its key."""
        variant, seed = results["student"], results["seeds"][0]
        looked = [CALIBRATION, *(f"{variant} on {name}, seed {seed}" for name in results["sets"])]
        keys = [record.inputs.get("model", "") for name in looked if (record := self._record(name)) is not None]
        return next((record for key in keys if (record := self._record(self._names.get(key))) is not None), None)

    def with_weights(self, student: Path) -> StageRecord | None:
        """The record of the first stage whose tagger has these weights."""
        same = (name for name in self._stages if _same_content(self._path(name) / MODEL / WEIGHTS, student))
        return next((record for name in same if (record := self._record(name)) is not None), None)

    def teachers(self, student: StageRecord) -> tuple[list[Teacher], list[str]]:
        """Taggers that are there, and names of those that are not, nearest first."""
        found: list[Teacher] = []
        gone: list[str] = []
        lost = False
        seen: set[str] = set()
        level = list(student.inputs.items())
        while level:
            deeper: list[tuple[str, str]] = []
            for role, key in sorted(level, key=lambda pair: pair[0] != "soft_labels"):
                name = self._names.get(key)
                if (name or key) in seen or (name is None and role != "teacher"):
                    continue  # met before, or an encoder or a corpus
                seen.add(name or key)
                if name is None:
                    if key in self._given_by_digest:
                        found.append(self._given_by_digest[key])
                    else:
                        lost = True
                    continue
                record, folder = self._record(name), self._path(name) / MODEL
                if (folder / "config.json").is_file():
                    found.append(Teacher(name, folder))
                elif record is None or role == "teacher":
                    gone.append(name)
                else:
                    deeper += record.inputs.items()
            level = deeper
        if lost:  # changed or removed since, and no longer known by its digest
            names = [name for name in self._given if name not in {teacher.name for teacher in found}]
            gone += names or ["a teacher that was given"]
        return found, gone

    @cached_property
    def _given_by_digest(self) -> dict[str, Teacher]:
        """The given teachers that can still be had, by the digest that stages know them by."""
        teachers = {}
        for name, place in self._given.items():
            try:
                teachers[model_digest(place)] = Teacher(name, Path(place) if Path(place).is_dir() else place)
            except InputError:  # neither folder nor Hub id, or the Hub is out of reach
                continue
        return teachers

    def _path(self, name: str) -> Path:
        """The stage's folder in the first store that has it."""
        places = [store / self._stages[name]["path"] for store in self._stores]
        return next((place for place in places if place.is_dir()), places[0])

    def _record(self, name: str | None) -> StageRecord | None:
        if name is None or name not in self._stages:
            return None
        return read_record(self._path(name), key=self._stages[name]["key"], warn=False)


def _same_content(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)
