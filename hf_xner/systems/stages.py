"""Named, resumable stages in a store that is addressed by what went into them.

A stage is worked on in `<root>/<kind>/<key>.partial/` and finished by one atomic rename to `<root>/<kind>/<key>/`, so
that whatever lies under a final name is whole. The key comes from the stage's inputs, settings and code version, not
from the run that made it: the teacher trained for Spanish serves Dutch, every ablation and every student seed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.inference.memory import give_memory_back
from hf_xner.systems import stage_records
from hf_xner.systems.files import (
    clear_disk_errors,
    folder_bytes,
    is_left_over,
    plain,
    require_place_for_folder,
    sync_entry,
    sync_folder,
)
from hf_xner.systems.locks import locked, locked_if_free
from hf_xner.systems.plan import PlannedStage, encoder_of, format_plan, seconds_per_unit
from hf_xner.systems.processes import Processes, current_processes, on_all, on_main
from hf_xner.systems.readable import readable_bytes, readable_seconds
from hf_xner.systems.stage_records import StageRecord, StoredStage, read_record
from hf_xner.version import __version__

logger = logging.getLogger(__name__)

STORE_VARIABLE = "HF_XNER_STORE"
STORE_REMEDY = (
    f"make room there, or set {STORE_VARIABLE} to a folder with room that you may write to, and start the same "
    "command again: it goes on where it stopped"
)
SECONDS_PER_DAY = 86400


SELECTED_ON = "selected_on"  # the input that picked the best epoch of a training


@dataclass(frozen=True)
class Stage:
    """One piece of work, described by everything that its result depends on.

    Attributes:
        kind: What sort of work: "train", "soft_labels", "distil", "predict", … (names a folder of the store).
        name: Label for people, such as "teacher seed 1"; not part of the key.
        version: Version of the code that does this kind of work; raised when its results change.
        inputs: Digest of the content, or key of the stage, behind each input.
        settings: Everything else that the result depends on; JSON values.
        units: Amount of work, such as sentences x epochs, for estimates; not part of the key.
        bytes_estimate: Expected size of the result; not part of the key.
        seconds_estimate: Expected duration where the store has not measured one; not part of the key.
    """

    kind: str
    name: str
    version: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    units: float | None = None
    bytes_estimate: int | None = None
    seconds_estimate: float | None = None

    def __post_init__(self) -> None:
        """Keep a plain copy of the parts, so that the key cannot change any more.

        Raises:
            TypeError: A part has no JSON form.
            ValueError: A setting is NaN or infinite, or the kind does not do as a folder's name.
        """
        if not self.kind.replace("_", "").isalnum():
            raise ValueError(f"the kind of a stage names a folder, and {self.kind!r} does not do for that")
        for name, digest in self.inputs.items():
            if not isinstance(digest, str):
                raise TypeError(f"inputs.{name}: {type(digest).__name__} is not a digest or a key")
        object.__setattr__(self, "inputs", plain(self.inputs, where="inputs", cast=False))
        object.__setattr__(self, "settings", plain(self.settings, where="settings", cast=False))

    @property
    def key(self) -> str:
        """The stage's address: 20 hexadecimal digits that depend on kind, version, inputs and settings alone."""
        return stage_records.stage_key(self.kind, self.version, self.inputs, self.settings)


class StageStore:
    """Runs stages once and keeps what they made.

    Args:
        root: Folder of the store; by default the environment's `HF_XNER_STORE`, or `~/.cache/hf_xner/store`.
        dry_run: Do no work: `run` only notes the stage, for `plan`.
        run_folder: The run that asks; noted beside each stage, so that `prune` does not take it away.
    """

    def __init__(
        self, root: str | Path | None = None, *, dry_run: bool = False, run_folder: str | Path | None = None
    ) -> None:
        default = os.environ.get(STORE_VARIABLE) or Path.home() / ".cache" / "hf_xner" / "store"
        self.root = Path(root if root is not None else default).expanduser().absolute()
        self.dry_run = dry_run
        self.run_folder = None if run_folder is None else Path(run_folder)
        self._noted: dict[str, Stage] = {}
        self._told: set[str] = set()

    def path(self, stage: Stage) -> Path:
        """Return the folder in which the result of `stage` is, or will be."""
        return self.root / stage.kind / stage.key

    def run(
        self,
        stage: Stage,
        work: Callable[[Path], None],
        *,
        processes: Processes | None = None,
        collective: bool = False,
    ) -> Path:
        """Return the folder with the result of `stage`, doing the work only if it is not there yet.

        Two runs that ask for the same stage at the same time share the work: the second waits. A killed or failed
        attempt leaves its folder for the next one, so that a Trainer can go on from the checkpoints in it.

        Args:
            stage: What is wanted.
            work: Does it, in the folder it is given (which may hold what an earlier attempt left).
            processes: The processes of this launch, all of which must call this; found out if not given.
            collective: Whether every process takes part in the work, as in training; otherwise only the main one
                works.

        Raises:
            InputError: The disk is full, the store cannot be written to, or the work itself refused its input.
        """
        if self.dry_run:
            self._noted.setdefault(stage.key, stage)
            return self.path(stage)
        processes = current_processes() if processes is None else processes
        partial = self._partial(stage)
        with ExitStack() as held:
            resumed = on_main(processes, lambda: self._begin(stage, held))
            if resumed is None:
                return self.path(stage)
            start = time.monotonic()
            try:
                self._work(partial, work, processes, collective)
            except InputError:
                if processes.rank == 0:
                    _drop_if_empty(partial)
                raise
            on_main(processes, lambda: self._finish(stage, seconds=time.monotonic() - start, resumed=resumed))
        give_memory_back()
        return self.path(stage)

    def _begin(self, stage: Stage, held: ExitStack) -> bool | None:
        """Take the stage's lock and make its folder; None if it is done, else whether an earlier attempt left work."""
        require_place_for_folder(self.root, STORE_REMEDY)
        with clear_disk_errors(self.root, STORE_REMEDY):
            if read_record(self.path(stage), key=stage.key, warn=False):
                self._use(stage)
                return None
            held.enter_context(
                locked(self._lock(stage), on_wait=lambda: _log(stage, "another process is at it; waits"))
            )
            if read_record(self.path(stage), key=stage.key):
                held.close()
                self._use(stage)
                return None
            if self.path(stage).exists():
                stage_records.remove_stage(self.path(stage))
            partial = self._partial(stage)
            partial.mkdir(parents=True, exist_ok=True)
            if read_record(partial, key=stage.key, warn=False):  # killed between the record and the rename
                self._rename(stage)
                held.close()
                self._use(stage)
                return None
            resumed = not _is_empty(partial)
            self._note_user(partial)
        _log(stage, "goes on where an earlier attempt stopped" if resumed else "starts")
        return resumed

    def _use(self, stage: Stage) -> None:
        """Note that the finished `stage` is used, by whom and when."""
        if stage.key not in self._told:  # the variants of a table ask for the same stage many times
            self._told.add(stage.key)
            _log(stage, "is in the store")
        folder = self.path(stage)
        stage_records.touch(folder)
        if self.run_folder is None or str(self.run_folder.resolve()) in stage_records.recorded_users(folder):
            return
        try:
            with locked(self._lock(stage)):
                self._note_user(folder)
        except OSError as error:  # a store that may only be read
            logger.debug("%s: %s", folder, error)

    def _work(self, partial: Path, work: Callable[[Path], None], processes: Processes, collective: bool) -> None:
        def attempt() -> None:
            if not partial.is_dir():
                raise InputError(
                    "the main process's folder is not visible here",
                    where=str(partial),
                    remedy=f"set {STORE_VARIABLE} to a folder that all machines share",
                )
            with clear_disk_errors(self.root, STORE_REMEDY):
                work(partial)

        if collective:
            on_all(processes, attempt)
        else:
            on_main(processes, attempt)

    def _finish(self, stage: Stage, *, seconds: float, resumed: bool) -> None:
        partial = self._partial(stage)
        record = StageRecord(
            kind=stage.kind,
            name=stage.name,
            version=stage.version,
            inputs=dict(stage.inputs),
            settings=dict(stage.settings),
            units=stage.units,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=round(seconds, 3),
            resumed=resumed,
            bytes=folder_bytes(partial),
            hf_xner=__version__,
        )
        with clear_disk_errors(self.root, STORE_REMEDY):
            sync_folder(partial)
            record.write(partial)
            self._rename(stage)
        self._told.add(stage.key)
        _log(stage, f"done in {readable_seconds(seconds)}, {readable_bytes(record.bytes)}")

    def _rename(self, stage: Stage) -> None:
        self._partial(stage).rename(self.path(stage))
        sync_entry(self.path(stage).parent)

    def _partial(self, stage: Stage) -> Path:
        return self.path(stage).with_name(stage.key + stage_records.PARTIAL)

    def _lock(self, stage: Stage) -> Path:
        return stage_records.lock_path(self.root / stage.kind, stage.key)

    def _note_user(self, folder: Path) -> None:
        if self.run_folder is not None:
            stage_records.add_user(folder, self.run_folder)

    def plan(self) -> list[PlannedStage]:
        """Return the stages noted by a dry run, in order and each once, with estimates for those still to do."""
        records = [stage.record for stage in self.list_stages() if stage.record is not None]
        return [self._planned(stage, records) for stage in self._noted.values()]

    def format_plan(self) -> str:
        """Return the plan as a table with a total."""
        return format_plan(self.plan())

    def _planned(self, stage: Stage, records: list[StageRecord]) -> PlannedStage:
        if read_record(self.path(stage), key=stage.key, warn=False):
            return PlannedStage(stage.name, stage.kind, stage.key, "done", 0.0, 0)
        status = "partial" if self._partial(stage).is_dir() else "to do"
        rate = seconds_per_unit(records, stage.kind, encoder_of(stage.inputs, stage.settings))
        seconds = stage.seconds_estimate if rate is None or stage.units is None else rate * stage.units
        return PlannedStage(stage.name, stage.kind, stage.key, status, seconds, stage.bytes_estimate)

    def list_stages(self) -> list[StoredStage]:
        """Return every stage in the store, done, partial or damaged, with its size and users."""
        return list(stage_records.stored_stages(self.root))

    def prune(
        self, *, older_than_days: float | None = None, unused: bool = False, dry_run: bool = True
    ) -> list[StoredStage]:
        """Remove stages that no existing run folder uses and no process works on.

        Args:
            older_than_days: Only those that no run has asked for during so many days.
            unused: All of them, whatever their age.
            dry_run: Remove nothing, only tell.

        Returns:
            The stages removed, or to be removed.

        Raises:
            InputError: Neither `older_than_days` nor `unused` says what is to go.
        """
        if older_than_days is None and not unused:
            raise InputError("nothing says which stages are to go", remedy="give --unused, --older_than DAYS, or both")
        latest = time.time() - (older_than_days or 0) * SECONDS_PER_DAY
        chosen = [stage for stage in self.list_stages() if _is_prunable(stage, latest)]
        if dry_run:
            return chosen
        stage_records.clear_half_removed(self.root)
        return [stage for stage in chosen if self._remove(stage, latest)]

    def _remove(self, stage: StoredStage, latest: float) -> bool:
        lock = stage_records.lock_path(stage.path.parent, stage.key)
        with locked_if_free(lock) as free:
            # Somebody may have asked for it since the list was made.
            now = stage_records.look_at(stage.path) if free else None
            if now is None or not _is_prunable(now, latest, locked_by_me=True):
                return False
            stage_records.remove_stage(stage.path)
            lock.unlink(missing_ok=True)
        return True


def _is_prunable(stage: StoredStage, latest: float, *, locked_by_me: bool = False) -> bool:
    return (locked_by_me or not stage.locked) and not stage.used_by and stage.last_used <= latest


def _is_empty(partial: Path) -> bool:
    return all(path.name == stage_records.USED_BY or is_left_over(path) for path in partial.iterdir())


def _drop_if_empty(partial: Path) -> None:
    if partial.is_dir() and _is_empty(partial):
        stage_records.remove_stage(partial)


def _log(stage: Stage, what: str) -> None:
    logger.info("stage %s (%s/%s): %s", stage.name, stage.kind, stage.key, what)
