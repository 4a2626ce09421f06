"""Files that are either whole or not there: atomic JSON, synced folders, and one clear line when the disk is full."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError

FULL_DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
NOT_PERMITTED_ERRNOS = (errno.EACCES, errno.EPERM, errno.EROFS)
# safetensors and Arrow put the operating system's words into errors of their own that carry no errno.
FULL_DISK_WORDS = ("No space left on device", "Disk quota exceeded")
# torch's writer says neither: an error while less than this is free is taken for a full disk.
NOTHING_FREE = 64 * 1024


def plain(value: Any, *, where: str = "value", cast: bool = True) -> Any:
    """Return `value` built from what JSON has: None, bool, int, float, str, list, dict.

    Args:
        value: Mappings with string keys, lists, tuples and scalars.
        where: Name of the value, for the message.
        cast: Turn zero-dimensional arrays and tensors into Python numbers; otherwise they are refused.

    Raises:
        TypeError: Something has no JSON form.
        ValueError: A number is NaN or infinite.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}: {value} has no place in JSON")
        return float(value)
    if isinstance(value, Mapping):
        return {_string_key(key, where): plain(item, where=f"{where}.{key}", cast=cast) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, where=f"{where}[{index}]", cast=cast) for index, item in enumerate(value)]
    if cast and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return plain(value.item(), where=where)
    raise TypeError(f"{where}: {type(value).__name__} has no place in JSON")


def _string_key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{where}: the key {key!r} is not a string")
    return str.__str__(key)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as JSON under `path`, all of it or nothing.

    Args:
        path: The file; an older one is replaced at once, never half overwritten.
        value: Anything `plain` accepts; NaN and infinities are refused.
    """
    path = Path(path)
    text = json.dumps(plain(value, where=path.name), indent=1, ensure_ascii=False, allow_nan=False)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file, or None where there is no file, or none that can be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def is_left_over(path: Path) -> bool:
    """Tell whether `path` is what a killed `write_json` left behind."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def folder_bytes(folder: Path) -> int:
    """Return the size of all files under `folder`, in bytes; files that vanish meanwhile count as nothing."""
    return sum(_size(path) for path in folder.rglob("*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0


def sync_folder(folder: Path) -> None:
    """Have every file and directory under `folder` reach the disk (a disk may report that it is full only now)."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            continue
        sync_entry(path)


def sync_entry(path: Path) -> None:
    """Have one file, or the names in one directory, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_folder(source: Path, target: Path, *, leave_out: tuple[str, ...] = ()) -> None:
    """Copy a folder as real files; `target` is replaced as a whole once the copy is complete.

    Args:
        source: Folder to copy.
        target: Where it is to be.
        leave_out: Names at the top of `source` that are not copied.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    old = target.with_name(f".{target.name}.{os.getpid()}.old.tmp")

    def skipped(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder) == source and name in leave_out]

    try:
        shutil.copytree(source, aside, ignore=skipped)
        sync_folder(aside)
        if target.exists():
            target.rename(old)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def is_full_disk(error: BaseException, folder: Path) -> bool:
    """Tell whether `error`, or one that led to it, says that the disk under `folder` is full."""
    for cause in error_chain(error):
        if isinstance(cause, OSError) and cause.errno in FULL_DISK_ERRNOS:
            return True
        if any(words in str(cause) for words in FULL_DISK_WORDS):
            return True
    return isinstance(error, (OSError, RuntimeError)) and _free_bytes(folder) < NOTHING_FREE


def error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and whatever led to it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _free_bytes(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


@contextmanager
def clear_disk_errors(folder: Path, remedy: str) -> Iterator[None]:
    """Turn "disk full" and "not permitted" under `folder` into an `InputError` with the path and the remedy."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_full_disk(error, folder):
            raise InputError("the disk is full", where=str(folder), remedy=remedy) from error
        if isinstance(error, OSError) and error.errno in NOT_PERMITTED_ERRNOS and _is_about(error, folder):
            raise InputError(f"cannot be written to ({error.strerror})", where=str(folder), remedy=remedy) from error
        raise


def _is_about(error: OSError, folder: Path) -> bool:
    if error.filename is None:
        return False
    name = Path(os.fsdecode(error.filename))
    return name == folder or folder in name.parents or name in folder.parents


def require_place_for_folder(path: Path, remedy: str) -> None:
    """Refuse a folder name where a file is in the way.

    Raises:
        InputError: `path`, or a part of it, is there and is no folder.
    """
    for place in [path, *path.parents]:
        if place.exists():
            if not place.is_dir():
                raise InputError("is a file, not a folder", where=str(place), remedy=remedy)
            return
