"""Bytes to lines, and the sentence that every layout reads from them."""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

from hf_xner.errors import InputError

BLANK = " \t"
COMPRESSED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
BLOCK = 1 << 20  # bytes
ENCODING = "name a corpus' encoding after its path, as in words.conll?encoding=latin-1, or recode the file"
# What files begin with that are no UTF-8 text, and what to do.
NO_TEXT = {
    b"\x1f\x8b": "this is a gzip file: its name must end in .gz",
    b"\xfd7zXZ": "this is an xz file: its name must end in .xz",
    b"BZh": "this is a bzip2 file: its name must end in .bz2",
    b"PK\x03\x04": "this is a zip file: unpack it",
    b"\xff\xfe": "this is UTF-16: add ?encoding=utf-16 to the path, or recode the file",
    b"\xfe\xff": "this is UTF-16: add ?encoding=utf-16 to the path, or recode the file",
}


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


def suffix_of(path: Path) -> str:
    """What a file's name says about its content, lower case: of `text.txt.gz` that is `.txt`."""
    return Path(path.stem).suffix.lower() if path.suffix.lower() in COMPRESSED else path.suffix.lower()


@contextmanager
def open_bytes(path: Path, *, may_be_empty: bool = False) -> Iterator[IO[bytes]]:
    """Open a file to read; what is compressed (`.gz`, `.bz2`, `.xz`) is read as what is in it.

    Args:
        path: The file.
        may_be_empty: Whether it may hold nothing.

    Raises:
        InputError: It is missing, a folder, unreadable, damaged or empty. What is raised while it is open counts as
            its damage, so nothing else should be done meanwhile.
    """
    try:
        with COMPRESSED.get(path.suffix.lower(), open)(_checked(path), "rb") as file:
            if not may_be_empty and not file.peek(1):
                raise InputError("the file is empty", where=str(path), remedy="give a file with at least one sentence")
            yield file
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), remedy="check the path") from None
    except IsADirectoryError:
        raise InputError("a folder where a file is needed", where=str(path), remedy="name the file in it") from None
    except (gzip.BadGzipFile, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"cannot be unpacked ({error})", where=str(path), remedy="fetch or pack it again") from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot be read ({reason})", where=str(path), remedy="check its permissions") from None


def _checked(path: Path) -> Path:
    if "\0" in str(path):
        raise FileNotFoundError(path)
    return path


def read_bytes(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        InputError: As `open_bytes`.
    """
    with open_bytes(path) as file:
        return file.read()


def iterate_lines(path: Path, encodings: Sequence[str] = ("utf-8",)) -> Iterator[str]:
    """Yield what `read_lines` returns, one line after the other, so that a file of any size can be read.

    Args:
        path: The file.
        encodings: Encodings to try; with more than one, or one that is no superset of ASCII, the file is read whole.

    Raises:
        InputError: As `read_lines`, when the line is reached.
    """
    codec = _codec(encodings[0])
    if len(encodings) > 1 or "\n".encode(codec).removeprefix(codecs.BOM_UTF8) != b"\n":
        yield from read_lines(path, encodings)
        return
    with open_bytes(path) as file:
        for number, data in enumerate(byte_lines(file), start=1):
            try:
                text = data.decode(codec if number == 1 else codec.removesuffix("-sig"))
            except UnicodeDecodeError as error:
                raise _undecodable(path, data, error.start, number, encodings[0]) from None
            if "\0" in text:
                raise _nul(path, number)
            yield text


def byte_lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of an open file or a pipe, one by one, without their ends.

    Args:
        stream: Lines up to their line feed. A first one without any is the whole text: its lines end in carriage
            returns, as those of old Macs.
    """
    lines = iter(stream)
    first = next(lines, b"")
    if not first:
        return
    if not first.endswith(b"\n"):
        yield from first.removesuffix(b"\r").split(b"\r")
        return
    for data in chain([first], lines):
        yield data.removesuffix(b"\n").removesuffix(b"\r")


def read_lines(path: Path, encodings: Sequence[str] = ("utf-8",)) -> list[str]:
    """Decode a file and split it into lines.

    Only line feeds (with or without a carriage return) end a line, in a file without any line feed carriage returns:
    tokens may hold U+2028 or U+0085.

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
        raise _nul(path, text.count("\n", 0, nul) + 1)
    if "\n" not in text:
        return text.split("\r")
    return [line[:-1] if line.endswith("\r") else line for line in text.split("\n")]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, of a compressed file of those in it.

    Raises:
        InputError: The file is missing, unreadable or empty.
    """
    digest = hashlib.sha256()
    with open_bytes(path) as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def _decode(path: Path, data: bytes, encodings: Sequence[str]) -> str:
    first_failure: UnicodeDecodeError | None = None
    for name in encodings:
        try:
            return data.decode(_codec(name))
        except UnicodeDecodeError as error:
            first_failure = first_failure or error
        except UnicodeError as error:
            raise InputError(f"not {name} ({error})", where=str(path), remedy=ENCODING) from None
    assert first_failure is not None
    start = first_failure.start
    raise _undecodable(path, data, start, data.count(b"\n", 0, start) + 1, encodings[0])


def _undecodable(path: Path, data: bytes, start: int, line: int, encoding: str) -> InputError:
    known = [remedy for magic, remedy in NO_TEXT.items() if line == 1 and data.startswith(magic)]
    return InputError(
        f"byte 0x{data[start]:02x} is not {encoding}",
        where=place(path, line),
        remedy=known[0] if known else ENCODING,
    )


def _nul(path: Path, line: int) -> InputError:
    return InputError("a NUL character", where=place(path, line), remedy="this is no text file: give another")


def check_encoding(name: str) -> None:
    """Refuse what is no encoding of text.

    Raises:
        InputError: There is none of that name.
    """
    _codec(name)


def _codec(name: str) -> str:
    try:
        codec = codecs.lookup(name)
        # rot13, zlib and the like are codecs too, but not of text.
        "".encode(codec.name)
    except (LookupError, ValueError, TypeError):
        raise InputError(f"unknown encoding {name!r}", where="encoding", remedy="utf-8 or latin-1, say") from None
    return "utf-8-sig" if codec.name == "utf-8" else codec.name
