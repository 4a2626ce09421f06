"""The folder that the user named for a run: what was asked, what came out, and pointers into the store.

run.json       the command, its arguments, versions, seeds, data checksums (may name paths of this machine)
log.txt        what happened, readable
stages.json    which stages of the store the run used
results.json   the figures, with all that is needed to get them again (names no path of this machine)
student/ …     copies out of the store, as real files
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from hf_xner.errors import InputError
from hf_xner.systems.files import (
    clear_disk_errors,
    copy_folder,
    is_left_over,
    plain,
    read_json,
    require_place_for_folder,
    write_json,
)
from hf_xner.systems.portable import without_machine_paths
from hf_xner.systems.processes import Processes, current_processes, on_main
from hf_xner.systems.stage_records import RECORD, USED_BY
from hf_xner.systems.stages import Stage, StageStore
from hf_xner.version import __version__

MARKER = "run.json"
RESULTS = "results.json"
STAGES = "stages.json"
LOG = "log.txt"
LIBRARIES = ("torch", "transformers", "datasets", "accelerate")
REMEDY = "give another --output_dir"
# Where a run puts its files does not make it another run.
LATER = {"copy_unlettered": False}  # options that older runs did not have, and what they did all the same
NOT_PART_OF_A_RUN = ("output_dir", "store", "data_dir", "micro_batch_size")

logger = logging.getLogger(__name__)


class RunFolder:
    """One run's output folder; a context manager that keeps the log while it is open.

    Nothing is written before `with`. If the run is refused with an `InputError` and has written nothing but its own
    marks, these are taken away again.

    Args:
        output_dir: The folder: absent, empty, or of an earlier run of the same system with the same arguments.
        system: What runs: "tsl", "supervised", …
        arguments: Every argument of the run; JSON values. `output_dir` among them is not compared.
        command_line: The command as started; by default this process's own.
        device: What the run computes on, for the log's first line; found out if not given.
        processes: The processes of this launch, all of which must call every method; only the main one writes.

    Raises:
        InputError: The folder holds something else.
    """

    def __init__(
        self,
        output_dir: str | Path,
        *,
        system: str,
        arguments: Mapping[str, Any],
        command_line: Sequence[str] | None = None,
        device: str | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.path = Path(output_dir).expanduser().absolute()
        self.system = system
        self.arguments: dict[str, Any] = plain(arguments, where="arguments")
        self.command_line = list(sys.argv if command_line is None else command_line)
        self._device = device
        self._processes = current_processes() if processes is None else processes
        self._facts: dict[str, Any] = {"seeds": [], "data": {}}
        self._stages: dict[str, dict[str, str]] = {}
        self._handler: logging.Handler | None = None
        self._level = logging.NOTSET
        self._was_there = self.path.exists()
        self._is_new = on_main(self._processes, self._check)

    @property
    def arguments_digest(self) -> str:
        """Digest of the arguments that make the run what it is."""
        text = json.dumps(_compared(self.arguments), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def _check(self) -> bool:
        """Return whether the folder is new; False where it is an earlier start of the same run."""
        require_place_for_folder(self.path, REMEDY)
        if not self.path.exists() or all(is_left_over(path) for path in self.path.iterdir()):
            return True
        earlier = read_json(self.path / MARKER)
        if not isinstance(earlier, dict) or "arguments_digest" not in earlier:
            raise InputError("the output folder holds something else", where=str(self.path), remedy=REMEDY)
        if earlier.get("system") != self.system:
            found = f"the output folder holds a run of {earlier.get('system')}, not of {self.system}"
            raise InputError(found, where=str(self.path), remedy=REMEDY)
        if earlier["arguments_digest"] != self.arguments_digest:
            found = f"the output folder holds a run of {self.system} with other arguments"
            raise InputError(f"{found} ({self._differences(earlier)})", where=str(self.path), remedy=REMEDY)
        return False

    def _differences(self, earlier: Mapping[str, Any]) -> str:
        there, here = _compared(earlier.get("arguments", {})), _compared(self.arguments)
        names = sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
        return ", ".join(f"{name}: {there.get(name)!r} there, {here.get(name)!r} here" for name in names)

    def __enter__(self) -> RunFolder:
        """Make the folder, write `run.json` and open the log."""
        on_main(self._processes, self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log; a refused run that has made nothing leaves nothing."""
        if self._processes.rank != 0:
            return
        if error is not None:
            logger.error("%s: %s", type(error).__name__, error)
        self._close_log()
        if isinstance(error, InputError) and self._is_new:
            self._withdraw()

    def _start(self) -> None:
        with clear_disk_errors(self.path, REMEDY):
            self.path.mkdir(parents=True, exist_ok=True)
            earlier = read_json(self.path / MARKER) or {}
            now = _now()
            self._facts = {
                "seeds": earlier.get("seeds", []),
                "data": earlier.get("data", {}),
                "started": earlier.get("started", now),
                "starts": [*earlier.get("starts", []), now],
            }
            self._stages = read_json(self.path / STAGES) or {}
            self._write_marker()
            self._open_log()

    def _write_marker(self) -> None:
        write_json(
            self.path / MARKER,
            {
                "system": self.system,
                "command": shlex.join(self.command_line),
                "arguments": self.arguments,
                "arguments_digest": self.arguments_digest,
                "versions": versions(),
                **self._facts,
            },
        )

    def _open_log(self) -> None:
        handler = logging.FileHandler(self.path / LOG, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S"))
        package = logging.getLogger("hf_xner")
        self._level = package.level
        if package.getEffectiveLevel() > logging.INFO:
            package.setLevel(logging.INFO)
        package.addHandler(handler)
        self._handler = handler
        logger.info("world size %d, device %s", self._processes.world_size, self._device or device_name())
        logger.info("command: %s", shlex.join(self.command_line))

    def _close_log(self) -> None:
        if self._handler is not None:
            package = logging.getLogger("hf_xner")
            package.removeHandler(self._handler)
            package.setLevel(self._level)
            self._handler.close()
            self._handler = None

    def _withdraw(self) -> None:
        left = {path.name for path in self.path.iterdir()}
        if left <= {MARKER, LOG}:
            for name in left:
                (self.path / name).unlink()
            if not self._was_there:
                self.path.rmdir()

    def describe(self, *, seeds: Sequence[int] | None = None, data: Mapping[str, str] | None = None) -> None:
        """Note what the run works with, in `run.json` and later in `results.json`.

        Args:
            seeds: Every seed of the run.
            data: Checksum of the content of each corpus, by its specification; added to those already noted.
        """
        if seeds is not None:
            self._facts["seeds"] = list(seeds)
        self._facts["data"] = {**self._facts["data"], **(data or {})}
        self._on_main_disk(self._write_marker)

    def add_stage(self, stage: Stage, store: StageStore) -> None:
        """Note in `stages.json` that the run uses `stage`."""
        place = store.path(stage).relative_to(store.root)
        self._stages[stage.name] = {"kind": stage.kind, "key": stage.key, "path": place.as_posix()}
        self._on_main_disk(lambda: write_json(self.path / STAGES, self._stages))

    def copy(self, source: Path, name: str) -> Path:
        """Copy a folder of the store into the run folder, as real files and without the store's own notes.

        Args:
            source: A stage's folder, or one inside it.
            name: Name of the copy; an older copy is replaced.

        Returns:
            The copy.
        """
        target = self.path / name
        self._on_main_disk(lambda: copy_folder(source, target, leave_out=(RECORD, USED_BY)))
        return target

    def write_results(self, results: Mapping[str, Any]) -> Path:
        """Write `results.json`: the figures, and the command, versions, seeds and data checksums behind them.

        Absolute paths in it are cut down to their last part, so that the file can be published as it is.

        Args:
            results: Scores and whatever else the system reports; JSON values or NumPy scalars, no NaN.
        """
        content = {
            "system": self.system,
            "command": shlex.join(without_machine_paths(self.command_line)),
            "versions": versions(),
            "seeds": self._facts["seeds"],
            "data": self._facts["data"],
            "arguments": _compared(self.arguments),
            **results,
        }
        path = self.path / RESULTS
        self._on_main_disk(lambda: write_json(path, without_machine_paths(plain(content, where=RESULTS))))
        return path

    def _on_main_disk(self, work: Callable[[], None]) -> None:
        def write() -> None:
            with clear_disk_errors(self.path, "make room there, and start the same command again"):
                work()

        on_main(self._processes, write)


def _compared(arguments: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in arguments.items() if name not in NOT_PART_OF_A_RUN}
    return {name: value for name, value in kept.items() if name not in LATER or value != LATER[name]}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python, hf_xner and the libraries that figures depend on, importing none of them."""
    found = {"python": platform.python_version(), "hf_xner": __version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def device_name() -> str:
    """Return the name of the accelerator that torch would use, or `cpu`."""
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "mps" if torch.backends.mps.is_available() else "cpu"
