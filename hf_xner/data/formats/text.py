"""Bytes to lines, and the sentence that every layout reads from them."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hf_xner.errors import InputError

BLANK = " \t"


class RawSentence(NamedTuple):
    """A sentence as its file has it: nothing converted yet.

    Attributes:
        tokens: Its tokens; one may be empty or hold nothing but zero-width characters.
        tags: One tag a token in the file's own scheme and types, or None where the file has no tags.
        id: The file's own name for the sentence, or None.
        lines: For each token the line (row, in a table without lines) it stands on, counted from 1.
    """

    tokens: list[str]
    tags: list[str] | None
    id: str | None
    lines: list[int]


def place(path: Path, line: int | None = None) -> str:
    """Name a line for an error message: ``file:line``, or ``file: row n`` in files without lines."""
    if line is None:
        return str(path)
    return f"{path}: row {line}" if path.suffix == ".parquet" else f"{path}:{line}"


def read_bytes(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        InputError: It is missing, a folder, unreadable or empty.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), remedy="check the path") from None
    except IsADirectoryError:
        raise InputError("a folder where a file is needed", where=str(path), remedy="name the file in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read ({reason})", where=str(path), remedy="check its permissions") from None
    if not data:
        raise InputError("the file is empty", where=str(path), remedy="give a file with at least one sentence")
    return data


def read_lines(path: Path, encodings: Sequence[str] = ("utf-8",)) -> list[str]:
    """Decode a file and split it into lines.

    Only line feeds (with or without a carriage return) end a line: tokens may hold U+2028 or U+0085.

    Args:
        path: The file.
        encodings: Encodings to try, in order. A byte order mark before UTF-8 is dropped.

    Returns:
        The lines without their ends.

    Raises:
        InputError: The file is missing or empty, in none of the encodings, or holds NUL characters.
    """
    data = read_bytes(path)
    text = _decode(path, data, encodings)
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise InputError("a NUL character", where=place(path, line), remedy="this is no text file: give another")
    return [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        InputError: The file is missing, unreadable or empty.
    """
    return hashlib.sha256(read_bytes(path)).hexdigest()


def _decode(path: Path, data: bytes, encodings: Sequence[str]) -> str:
    first_failure: UnicodeDecodeError | None = None
    for name in encodings:
        try:
            return data.decode(_codec(name))
        except UnicodeDecodeError as error:
            first_failure = first_failure or error
        except UnicodeError as error:
            raise InputError(f"not {name} ({error})", where=str(path), remedy="give --encoding") from None
    assert first_failure is not None
    start = first_failure.start
    line = data.count(b"\n", 0, start) + 1
    raise InputError(
        f"byte 0x{data[start]:02x} is not {encodings[0]}",
        where=place(path, line),
        remedy="name the file's encoding, as in --encoding latin-1",
    )


def _codec(name: str) -> str:
    try:
        codec = codecs.lookup(name)
        # rot13, zlib and the like are codecs too, but not of text.
        "".encode(codec.name)
    except (LookupError, ValueError, TypeError):
        raise InputError(f"unknown encoding {name!r}", where="--encoding", remedy="utf-8 or latin-1, say") from None
    return "utf-8-sig" if codec.name == "utf-8" else codec.name
