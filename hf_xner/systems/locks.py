"""A lock between processes that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A lock belongs to the open file, which a forked helper (a data loader's worker, a `map` process) inherits. Such a
# helper can outlive a killed parent; it must not keep the parent's lock.
_held: set[int] = set()


def _forget_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _held.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    if descriptor in _held:  # not so in a forked helper
        _held.discard(descriptor)
        os.close(descriptor)


def _is_current(descriptor: int, path: Path) -> bool:
    """Tell whether the open file is still the one under `path` (a holder may have removed it)."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock `path`, after waiting for whoever holds it.

    Args:
        path: The lock's file; made where it is missing, and left there.
        on_wait: Called once if another process holds the lock.
    """
    told = False
    while True:
        descriptor = _open(path)
        try:
            if not _try(descriptor):
                if not told:
                    on_wait()
                    told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_current(descriptor, path):
                yield
                return
        finally:
            _close(descriptor)


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock `path` if nobody does, without waiting; gives False where somebody holds it."""
    descriptor = _open(path)
    try:
        yield _try(descriptor) and _is_current(descriptor, path)
    finally:
        _close(descriptor)


def is_locked(path: Path) -> bool:
    """Tell whether some process holds the lock `path`; looks only, also into a store that may not be written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # none there, or none that we may look at
        return False
    _held.add(descriptor)
    try:
        # Shared: over NFS an exclusive lock takes a file that is open for writing.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks, where nobody can hold one
        return False
    finally:
        _close(descriptor)
