"""What the store writes beside a finished stage, and what it can tell about every stage it holds."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hf_xner.systems.files import folder_bytes, read_json, write_json
from hf_xner.systems.locks import is_locked

logger = logging.getLogger(__name__)

RECORD = "stage.json"
USED_BY = "used_by.json"
KEY_LENGTH = 20
PARTIAL = ".partial"
LOCK = ".lock"
REMOVING = ".removing"


def stage_key(kind: str, version: int, inputs: Mapping[str, str], settings: Mapping[str, Any]) -> str:
    """Return the first 20 hexadecimal digits of the SHA-256 of what makes a stage what it is."""
    content = {"kind": kind, "version": version, "inputs": inputs, "settings": settings}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


@dataclass(frozen=True)
class StageRecord:
    """The content of a `stage.json`.

    Attributes:
        kind: What sort of work it was.
        name: Label of the stage in the run that made it.
        version: Version of the code of this kind of stage.
        inputs: Digests or stage keys of what went in, by name.
        settings: The settings that the result depends on.
        units: Amount of work, such as sentences x epochs.
        created: UTC time at which it was finished.
        seconds: Duration of the attempt that finished it.
        resumed: Whether an earlier, killed attempt had done part of the work.
        bytes: Size of its files.
        hf_xner: Version of the library.
    """

    kind: str
    name: str
    version: int
    inputs: dict[str, str]
    settings: dict[str, Any]
    units: float | None
    created: str
    seconds: float
    resumed: bool
    bytes: int
    hf_xner: str

    @property
    def key(self) -> str:
        """The address of the stage."""
        return stage_key(self.kind, self.version, self.inputs, self.settings)

    def write(self, folder: Path) -> None:
        """Write the record into the stage's folder."""
        write_json(folder / RECORD, asdict(self))


def read_record(folder: Path, *, key: str, warn: bool = True) -> StageRecord | None:
    """Return the record of the stage in `folder`, or None if there is no whole record of the stage `key`."""
    path = folder / RECORD
    if not path.exists():
        if warn and folder.exists():
            logger.warning("%s: has no %s; the stage counts as absent", folder, RECORD)
        return None
    try:
        record = StageRecord(**read_json(path))
        if record.key == key:
            return record
    except (TypeError, ValueError, AttributeError):
        pass
    if warn:
        logger.warning("%s: is damaged; the stage counts as absent", path)
    return None


@dataclass(frozen=True)
class StoredStage:
    """A stage as it lies in the store.

    Attributes:
        kind: What sort of work it is.
        key: Its address.
        name: Label in the run that made it; empty for a partial or damaged one.
        status: "done", "partial" (a killed or running attempt) or "damaged".
        bytes: Size of its files.
        last_used: When a run last asked for it, in seconds since the epoch.
        used_by: The run folders that use it and still exist.
        locked: Whether a process is working on it now.
        path: Its folder.
        record: Its `stage.json`, where it is done.
    """

    kind: str
    key: str
    name: str
    status: str
    bytes: int
    last_used: float
    used_by: tuple[Path, ...]
    locked: bool
    path: Path
    record: StageRecord | None


def stored_stages(root: Path) -> Iterator[StoredStage]:
    """Give every stage in the store, ordered by kind and key."""
    for folder in sorted(path for path in root.glob("*/*") if path.is_dir()):
        if len(folder.name.removesuffix(PARTIAL)) != KEY_LENGTH:
            continue
        try:
            yield look_at(folder)
        except FileNotFoundError:  # finished or removed meanwhile
            continue


def look_at(folder: Path) -> StoredStage:
    """Return what there is to know about the stage in `folder`.

    Raises:
        FileNotFoundError: It is not there any more.
    """
    key = folder.name.removesuffix(PARTIAL)
    record = None if folder.name.endswith(PARTIAL) else read_record(folder, key=key, warn=False)
    status = "partial" if folder.name.endswith(PARTIAL) else "damaged" if record is None else "done"
    return StoredStage(
        kind=folder.parent.name,
        key=key,
        name="" if record is None else record.name,
        status=status,
        bytes=folder_bytes(folder),
        last_used=(folder if record is None else folder / RECORD).stat().st_mtime,
        used_by=existing_users(folder),
        locked=is_locked(lock_path(folder.parent, key)),
        path=folder,
        record=record,
    )


def lock_path(kind_folder: Path, key: str) -> Path:
    """Return the place of a stage's lock."""
    return kind_folder / f"{key}{LOCK}"


def touch(folder: Path) -> None:
    """Note that the stage in `folder` was used now; a store that may only be read stays as it is."""
    try:
        os.utime(folder / RECORD)
    except OSError as error:
        logger.debug("%s: %s", folder, error)


def add_user(folder: Path, run_folder: Path) -> None:
    """Note in the stage's folder that `run_folder` uses it (best effort: the store may be read-only)."""
    users = recorded_users(folder)
    run = str(run_folder.resolve())
    if run in users:
        return
    try:
        write_json(folder / USED_BY, [*users, run])
    except OSError as error:
        logger.debug("%s: %s", folder, error)


def recorded_users(folder: Path) -> list[str]:
    """Return the run folders noted in a stage's folder, whether or not they still exist."""
    users = read_json(folder / USED_BY)
    return [user for user in users if isinstance(user, str)] if isinstance(users, list) else []


def existing_users(folder: Path) -> tuple[Path, ...]:
    """Return the run folders that use the stage in `folder` and still exist."""
    return tuple(path for path in map(Path, recorded_users(folder)) if path.is_dir())


def remove_stage(folder: Path) -> None:
    """Remove a stage's folder; killed midway it leaves nothing that could be taken for a stage."""
    aside = folder.with_name(folder.name + REMOVING)
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    shutil.rmtree(aside)


def clear_half_removed(root: Path) -> None:
    """Finish removals that were killed midway."""
    for folder in root.glob(f"*/*{REMOVING}"):
        shutil.rmtree(folder, ignore_errors=True)
