"""Column files: one token a line, columns separated by a delimiter, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hf_xner.data.formats.text import BLANK, RawSentence, place, suffix_of
from hf_xner.errors import InputError

DOCUMENT = "-DOCSTART-"
# Lines that CoNLL-U, UNER and MultiCoNER put before a sentence. A token never looks like this: after a "#" of its
# own comes its tag, a part of speech or "_", and "#text" is a hashtag.
METADATA = re.compile(r"#\s+(?:(id|sent_id)\s*=?\s+(\S+)|(?:text|newdoc|newpar|global\.columns)\b)")
LANGUAGE_PREFIX = re.compile(r"([A-Za-z]{2,8}(?:-[A-Za-z]{1,9})*):")
STRUCTURE = re.compile(r"<[A-Z]+>")
SEPARATORS = {"\t": "a tab", " ": "a space", ",": "a comma", ";": "a semicolon"}


def escaped(word: str) -> str:
    """A word as a column file can hold it: one that would begin a comment or a document begins with `_` instead."""
    return f"_{word[1:]}" if word.startswith(DOCUMENT) or METADATA.match(f"{word} O") else word


@dataclass(frozen=True)
class ColumnLayout:
    """What the columns of a file mean.

    Document markers (``-DOCSTART-``) are dropped and end a sentence; where one is glued to the sentence after it, as
    in the Dutch files of CoNLL-2002, that sentence stays whole. Lines such as ``<HEADLINE>`` with nothing in their
    other columns (FiNER) are dropped likewise.

    Attributes:
        token: Column of the token, counted from 0; negative counts from the end.
        tag: Column of the tag, or None for a file without tags.
        widths: Numbers of columns that the format may have; empty for any.
        delimiter: What separates columns, or None for a tab where the first line has one and a space elsewhere.
        comments: Beginnings of lines to skip.
        prefixed: Tokens carry their language (``en:token``, WikiAnn): it is dropped from all of them where the first
            line has one.
    """

    token: int = 0
    tag: int | None = -1
    widths: tuple[int, ...] = ()
    delimiter: str | None = None
    comments: tuple[str, ...] = ()
    prefixed: bool = False

    def sentences(self, path: Path, lines: Sequence[str]) -> Iterator[RawSentence]:
        """Yield the sentences of a file.

        Args:
            path: The file, for messages.
            lines: Its lines.

        Raises:
            InputError: A line has another number of columns than the first, or no tag.
        """
        splitter = _Splitter(self, path, lines)
        draft = _Draft()
        for number, line in enumerate(lines, start=1):
            metadata = METADATA.match(line) if line.startswith("#") else None
            if not line.strip(BLANK) or line.startswith(DOCUMENT):
                yield from draft.finish(tagged=self.tag is not None)
            elif metadata:
                draft.id = metadata.group(2) or draft.id
            elif not (self.comments and line.startswith(self.comments)):
                cells = splitter.cells(line, number)
                if cells is None:
                    yield from draft.finish(tagged=self.tag is not None)
                else:
                    draft.add(*cells, number)
        yield from draft.finish(tagged=self.tag is not None)


@dataclass
class _Draft:
    """The sentence being read."""

    id: str | None = None
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, token: str, tag: str, line: int) -> None:
        self.tokens.append(token)
        self.tags.append(tag)
        self.lines.append(line)

    def finish(self, tagged: bool) -> Iterator[RawSentence]:
        if self.tokens:
            yield RawSentence(self.tokens, self.tags if tagged else None, self.id, self.lines)
            self.id, self.tokens, self.tags, self.lines = None, [], [], []


def _delimiter(path: Path, line: str) -> str:
    """What separates the columns of a line: a tab or a space, and in a `.csv` without tabs its comma or semicolon."""
    if "\t" in line:
        return "\t"
    return next((sign for sign in ",;" if suffix_of(path) == ".csv" and sign in line), " ")


class _Splitter:
    """Lines to token and tag, all lines with as many columns as the first."""

    def __init__(self, layout: ColumnLayout, path: Path, lines: Sequence[str]) -> None:
        self.layout = layout
        self.path = path
        first = _first_line(layout, lines)
        self.delimiter = layout.delimiter or _delimiter(path, first)
        self.width = len(first.split(self.delimiter))
        # Columns lined up by several spaces, or a space at the end: then runs of spaces are one delimiter.
        if self.delimiter == " " and self.width not in layout.widths:
            self.width = len(split_runs(first))
        self.prefix = self._prefix(first)
        self.tag = layout.tag if layout.tag is None or layout.tag >= 0 else self.width + layout.tag
        self.fits = self._fits()

    def cells(self, line: str, number: int) -> tuple[str, str] | None:
        """Token and tag of a line (tag "" in untagged files); None for a line that only marks structure."""
        cells = line.split(self.delimiter)
        if len(cells) != self.width and self.delimiter == " ":
            cells = split_runs(line)
        if len(cells) != self.width or not self.fits:
            raise self._wrong_width(len(cells), number)
        if self.tag is None:
            return self._bare(cells[self.layout.token], number), ""
        if not cells[self.tag].strip():
            if STRUCTURE.fullmatch(cells[0]) and not any(cells[1:]):
                return None
            raise InputError(
                f"no tag in column {self.tag + 1}",
                where=place(self.path, number),
                remedy="write O for a token outside of entities",
            )
        return self._bare(cells[self.layout.token], number), cells[self.tag].strip(BLANK)

    def _fits(self) -> bool:
        needed = max(_needed(self.layout.token), 1 if self.tag is None else _needed(self.tag))
        same = self.tag is not None and self.tag == self.layout.token % max(1, self.width)
        return needed <= self.width and not same and (not self.layout.widths or self.width in self.layout.widths)

    def _wrong_width(self, found: int, number: int) -> InputError:
        if found != self.width:
            expected = f"{self.width} as in the first line"
        elif self.layout.widths:
            expected = " or ".join(map(str, self.layout.widths))
        else:
            expected = "a token and a tag"
        separator = SEPARATORS.get(self.delimiter, repr(self.delimiter))
        return InputError(
            f"found {found} column{'s' * (found != 1)}, expected {expected}",
            where=place(self.path, number),
            remedy=f"separate columns by {separator} and sentences by an empty line",
        )

    def _prefix(self, first: str) -> str | None:
        match = LANGUAGE_PREFIX.match(first) if self.layout.prefixed else None
        return match.group(1) if match else None

    def _bare(self, token: str, number: int) -> str:
        if self.prefix is None:
            return token
        language, colon, bare = token.partition(":")
        if language != self.prefix or not colon:
            raise InputError(
                f"the token {token!r} lacks the language that the first one has",
                where=place(self.path, number),
                remedy=f"write {self.prefix}:{token}",
            )
        return bare


def split_runs(line: str) -> list[str]:
    """Split at runs of spaces."""
    return [cell for cell in line.split(" ") if cell]


def _needed(column: int) -> int:
    return column + 1 if column >= 0 else -column


def _first_line(layout: ColumnLayout, lines: Sequence[str]) -> str:
    """The first line that holds a token."""
    for line in lines:
        skipped = line.startswith(DOCUMENT) or METADATA.match(line) or line.startswith(layout.comments or ("\0",))
        if line.strip(BLANK) and not skipped and not STRUCTURE.fullmatch(line.split("\t")[0]):
            return line
    return next((line for line in lines if line.strip(BLANK)), "")
