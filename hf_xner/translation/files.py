"""Text files plain or compressed, read line by line with their numbers, and folders written whole or not at all."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from hf_xner.errors import InputError

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, unpacking `.gz` and `.xz`.

    Raises:
        InputError: There is no such file, or it cannot be opened.
    """
    try:
        return cast(BinaryIO, _OPENERS.get(path.suffix, open)(path, "rb"))
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), remedy="check the path") from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot be read ({reason})", where=str(path), remedy="name a readable file") from None


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a UTF-8 text file, plain, `.gz` or `.xz`.

    Only line feeds end a line (words may hold U+0085 or U+2028); the line feed, a carriage return before it and a byte
    order mark are dropped.

    Args:
        path: The file.

    Raises:
        InputError: It is missing, cannot be unpacked, or a line is not UTF-8; the message names the line.
    """
    number = 0
    try:
        with open_bytes(path) as file:
            for number, raw in enumerate(file, start=1):
                line = raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
                yield number, line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise InputError(
            f"byte 0x{error.object[error.start]:02x} is not UTF-8",
            where=f"{path}:{number}",
            remedy="convert the file to UTF-8 (iconv)",
        ) from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"cannot be unpacked after line {number} ({error})", where=str(path), remedy="fetch the file again"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=str(path), remedy="name a readable file"
        ) from None


def check_replaceable(path: Path, marker: str) -> Path:
    """Refuse an output folder that holds what this program has not written.

    Args:
        path: The folder to write.
        marker: A file that every folder of this kind holds.

    Returns:
        The path made absolute: `.` has no name to put anything beside.

    Raises:
        InputError: `path` is a file, or a folder that holds something but not the marker.
    """
    path = path.resolve()
    if path.exists() and not path.is_dir():
        raise InputError("is a file, not a folder", where=str(path), remedy="give another folder")
    if path.is_dir() and any(path.iterdir()) and not (path / marker).is_file():
        raise InputError(
            f"holds other things (no {marker}), which would be lost",
            where=str(path),
            remedy="give a new or an empty folder",
        )
    return path


@contextmanager
def whole_folder(path: Path, marker: str) -> Iterator[Path]:
    """Give a new folder beside `path` to write into; its content takes the place of `path`'s only if all went well.

    Args:
        path: The folder.
        marker: See `check_replaceable`.

    Raises:
        InputError: `path` may not be replaced.
    """
    path = check_replaceable(path, marker)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    old = path.with_name(f".{path.name}.{os.getpid()}.old.tmp")
    aside.mkdir(parents=True, exist_ok=False)
    try:
        yield aside
        if path.exists():
            # What is inside moves, not the folder: it may be somebody's working directory.
            old.mkdir()
            for folder, into in ((path, old), (aside, path)):
                for child in folder.iterdir():
                    child.rename(into / child.name)
        else:
            aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
