"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _own_descriptor(path: Path) -> int | None:
    """The open file of this process that a path such as `/dev/stdout` stands for; None for other paths."""
    place = os.path.abspath(path)
    for _ in range(40):  # links may go in circles
        folder, name = os.path.split(place)
        if os.path.realpath(folder) in (os.path.realpath("/proc/self/fd"), "/dev/fd") and name.isdecimal():
            return int(name)
        if not os.path.islink(place):
            return None
        place = os.path.abspath(os.path.join(folder, os.readlink(place)))
    return None


def _pour(source: Path, descriptor: int) -> None:
    """Write a file's content to an open file, after what was written to it before."""
    sys.stdout.flush()
    with source.open("rb") as content, os.fdopen(os.dup(descriptor), "wb") as sink:
        shutil.copyfileobj(content, sink)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to; what is written there takes the place of `path` only if all went well.

    A device or a pipe (`/dev/null`, `/dev/stdout`, a FIFO) is itself the path to write to: a file in its place would
    break it for everybody, and root may do that.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    descriptor = _own_descriptor(path)
    if descriptor is not None:  # `/dev/stdout` of a program whose output goes to a file, which is somebody else's
        with tempfile.TemporaryDirectory() as place:
            aside = Path(place) / "whole"
            yield aside
            _pour(aside, descriptor)
        return
    path = Path(os.path.realpath(path))  # a link goes on being one
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    finally:
        with suppress(OSError):
            aside.unlink()
