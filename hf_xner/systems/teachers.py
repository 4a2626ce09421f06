"""From a run's student back to the taggers that taught it, by the records of the stage store."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        name: What the run calls the stage that made it, such as "teacher, seed 1".
        folder: The tagger, for `Tagger.from_pretrained`.
    """

    name: str
    folder: Path


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
    is none. A tagger trained on labels (direct transfer, an upper bound) has no teacher.

    Args:
        run: The run folder; its stages are looked for in the store that its `run.json` names and in this machine's.
    """
    results, stages = read_json(run / RESULTS), read_json(run / STAGES)
    if not isinstance(results, dict) or not isinstance(stages, dict):
        return Teachers()
    trail = _Trail(_stores(run), stages)
    student = trail.looked_at(results) or trail.with_weights(run / STUDENT / WEIGHTS)
    if student is None:
        return Teachers()
    found, gone = trail.teachers(student)
    return Teachers(tuple(found), tuple(gone), traced=True)


def _stores(run: Path) -> list[Path]:
    marker = read_json(run / MARKER)
    arguments = marker.get("arguments", {}) if isinstance(marker, dict) else {}
    return [StageStore(root).root for root in dict.fromkeys([arguments.get("store"), None])]


class _Trail:
    """The stages of one run.

    Args:
        stores: Where they may lie.
        stages: The run's `stages.json`.
    """

    def __init__(self, stores: Sequence[Path], stages: Mapping[str, Mapping[str, str]]) -> None:
        self._stores = stores
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
        seen: set[str] = set()
        level = list(student.inputs.items())
        while level:
            deeper: list[tuple[str, str]] = []
            for role, key in sorted(level, key=lambda pair: pair[0] != "soft_labels"):
                name = self._names.get(key)
                if name is None or name in seen:
                    continue  # an encoder, a corpus, or met before
                seen.add(name)
                record, folder = self._record(name), self._path(name) / MODEL
                if (folder / "config.json").is_file():
                    found.append(Teacher(name, folder))
                elif record is None or role == "teacher":
                    gone.append(name)
                else:
                    deeper += record.inputs.items()
            level = deeper
        return found, gone

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
