"""One process or several: who decides, who waits, and what becomes of the others when one fails.

The processes of one launch speak through the launcher's key-value store, not through collective operations of a
process group. So waiting has no time limit (a group's barrier gives up after ten or thirty minutes, less than a stage
that only the main process runs may take), a failure reaches processes that wait for something else, and nothing
depends on whether, when and for which device somebody sets up a process group.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from hf_xner.errors import InputError

T = TypeVar("T")
LONGEST_PAUSE = 0.2  # seconds between two looks at the launcher's store


class Processes(Protocol):
    """The processes of one launch; each holds its own view.

    Attributes:
        rank: Number of this process, from 0, the main one.
        world_size: Number of processes.
    """

    rank: int
    world_size: int

    def barrier(self) -> None:
        """Wait until every process is here."""
        ...

    def broadcast(self, value: Any) -> Any:
        """Return the main process's `value` on every process, once all are here."""
        ...

    def fail(self, error: BaseException) -> None:
        """Let the others know, without waiting for them, that this process is about to end with `error`."""
        ...


class ProcessFailed(RuntimeError):
    """Another process of this launch ended with an error, so this one cannot go on."""


class SingleProcess:
    """The usual case: one process, nothing to wait for."""

    rank = 0
    world_size = 1

    def barrier(self) -> None:
        """Return at once."""

    def broadcast(self, value: Any) -> Any:
        """Return `value`."""
        return value

    def fail(self, error: BaseException) -> None:
        """Do nothing: nobody else has to know."""


class DistributedProcesses:
    """Several processes started by `torchrun` or `accelerate launch`.

    Args:
        store: A `torch.distributed.Store` that all processes share.
        rank: Number of this process.
        world_size: Number of processes.
    """

    def __init__(self, store: Any, rank: int, world_size: int) -> None:
        self.rank = rank
        self.world_size = world_size
        self._store = store
        self._turn = 0

    @classmethod
    def from_environment(cls) -> DistributedProcesses:
        """Meet the others at the place that the launcher has put into the environment (`MASTER_ADDR`, `RANK`, …)."""
        from torch.distributed import PrefixStore, rendezvous

        store, rank, world_size = next(iter(rendezvous("env://")))
        return cls(PrefixStore("hf_xner", store), rank, world_size)

    def barrier(self) -> None:
        """Wait, as long as it takes, until every process is here.

        Raises:
            ProcessFailed: Another process has failed.
        """
        self._meet(None)

    def broadcast(self, value: Any) -> Any:
        """Return the main process's `value` on every process.

        Raises:
            ProcessFailed: Another process has failed.
        """
        return self._meet(value)

    def fail(self, error: BaseException) -> None:
        """Let the others know that this process is about to end with `error`."""
        self._store.set("failed", f"process {self.rank} failed: {type(error).__name__}: {error}")

    def _meet(self, value: Any) -> Any:
        self._turn += 1
        here, said, read = (f"{self._turn}/{name}" for name in ("here", "said", "read"))
        try:
            if self.rank == 0:
                self._store.set(said, pickle.dumps(value))
            self._store.add(here, 1)
            self._wait_for(lambda: self._store.add(here, 0) == self.world_size)
            value = pickle.loads(self._store.get(said))
            # The main process may hold the store itself: it must not end while others still have to read.
            self._store.add(read, 1)
            if self.rank == 0:
                self._wait_for(lambda: self._store.add(read, 0) == self.world_size)
                for key in (here, said, read):
                    self._store.delete_key(key)
        except _store_errors() as error:
            raise ProcessFailed(f"the processes have lost each other: {error}") from error
        return value

    def _wait_for(self, arrived: Callable[[], bool]) -> None:
        pause = 0.002
        while not arrived():
            if self._store.check(["failed"]):
                raise ProcessFailed(self._store.get("failed").decode())
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _store_errors() -> tuple[type[Exception], ...]:
    from torch.distributed import DistError

    return (DistError,)


def current_processes() -> Processes:
    """Return the processes of this launch; imports torch only if the environment names several."""
    size = os.environ.get("WORLD_SIZE", "1")
    if size.isdigit() and int(size) > 1 and "RANK" in os.environ:
        return _distributed()
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    if distributed is not None and distributed.is_available() and _group_size(distributed) > 1:
        return _distributed()
    return SingleProcess()


def _group_size(distributed: Any) -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


@lru_cache(maxsize=1)
def _distributed() -> DistributedProcesses:
    return DistributedProcesses.from_environment()


def on_main(processes: Processes, work: Callable[[], T]) -> T:
    """Run `work` on the main process only and return its result on all of them.

    Args:
        processes: The processes of this launch; all of them must call this.
        work: What to do; its result must be picklable.

    Raises:
        InputError: `work` raised one; every process gets it.
        ProcessFailed: `work` failed in another way, on the other processes (the main one raises the error itself).
    """
    if processes.world_size == 1:
        return work()
    result: tuple[T | None, InputError | None] = (None, None)
    if processes.rank == 0:
        try:
            result = (work(), None)
        except InputError as error:
            result = (None, error)
        except BaseException as error:
            processes.fail(error)
            raise
    value, refused = processes.broadcast(result)
    if refused is not None:
        raise refused
    return value


def on_all(processes: Processes, work: Callable[[], T]) -> T:
    """Run `work` on every process and return its own result on each, once all have succeeded.

    A process that fails raises at once and does not wait: the others may be inside a collective operation that can
    only end with this process. Those that have finished raise `ProcessFailed`; those that wait in such an operation
    are ended by the launcher.

    Args:
        processes: The processes of this launch; all of them must call this.
        work: What to do.
    """
    try:
        result = work()
    except BaseException as error:
        processes.fail(error)
        raise
    processes.barrier()
    return result
