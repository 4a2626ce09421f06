"""Tell the layout of a user's own file from its name and its first lines, and refuse where that would be guessing."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from pathlib import Path

from hf_xner.data.formats.columns import DOCUMENT, LANGUAGE_PREFIX, METADATA, STRUCTURE, ColumnLayout, split_runs
from hf_xner.data.formats.conllu import FEATURE, WIDTH, ConlluLayout
from hf_xner.data.formats.parquet import ParquetLayout
from hf_xner.data.formats.raw_text import FORMATS, RawTextLayout, is_raw_text
from hf_xner.data.formats.records import JsonlLayout
from hf_xner.data.formats.tables import TOKEN_NAMES, TableLayout
from hf_xner.data.formats.text import BLANK, place, suffix_of
from hf_xner.errors import InputError

Layout = ColumnLayout | ConlluLayout | JsonlLayout | TableLayout | ParquetLayout | RawTextLayout

LOOKED_AT = 2000  # lines; enough to meet an entity in every corpus at hand
TAG = re.compile(r"O|[BIMES]-\S+")
# Phrase types of the chunk column that CoNLL-2000 and CoNLL-2003 have beside the entities.
CHUNK = re.compile(r"O|[BI]-(?:NP|VP|PP|ADVP|ADJP|SBAR|PRT|CONJP|INTJ|LST|UCP|NC|VC|PC)")
WORDS = {".words", ".tok"}  # as in `xner predict`: a sentence a line, its words between spaces
DELIMITERS = {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";"}
OPTIONS = ("token", "tag", "sentence", "delimiter", "comment", "scheme", "format", "encoding")
NUMBERS = 5  # rows that all begin with a number: so many are no accident


def layout_from_options(path: Path, options: dict[str, str]) -> Layout | None:
    """The layout that the options after a path ask for: ``words.tsv?token=2&tag=3``.

    Args:
        path: The file; its ending decides between columns, tables, JSON lines and parquet.
        options: ``format`` (``text`` for raw text, ``words`` for a sentence a line with its words between spaces),
            ``token`` and ``tag`` (a column's number, counted from 1, or its name; ``tag=0`` for a file without
            tags), ``sentence`` (the name of the column that tells sentences apart), ``delimiter`` (a character or
            tab, space, comma, semicolon), ``comment`` (the beginning of lines to skip).

    Returns:
        The layout, or None where no option speaks of it.

    Raises:
        InputError: An option is unknown or makes no sense for the file.
    """
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}", where=str(path), remedy=f"use {', '.join(OPTIONS)}")
    if "format" in options:
        if options["format"] not in FORMATS or len(options) > 1:
            raise InputError(
                f"format={options['format']} with {len(options) - 1} other options",
                where=str(path),
                remedy="write format=text or format=words alone; a file with columns has no format",
            )
        return RawTextLayout(options["format"])
    token, tag = options.get("token"), options.get("tag")
    delimiter = options.get("delimiter")
    delimiter = None if delimiter is None else DELIMITERS.get(delimiter, delimiter)
    suffix = suffix_of(path)
    if suffix in {".jsonl", ".parquet"} and (token or tag):
        kind = JsonlLayout if suffix == ".jsonl" else ParquetLayout
        return kind(token or "tokens", tag)
    sentence = options.get("sentence")
    if sentence is not None or any(name is not None and not name.isdecimal() for name in (token, tag)):
        return TableLayout(token, tag, delimiter, sentence)
    if not {"token", "tag", "delimiter", "comment"} & set(options):
        return None
    comment = options.get("comment")
    return ColumnLayout(
        token=_column(path, token, "1"),
        tag=None if tag == "0" else _column(path, tag, "0"),
        delimiter=delimiter,
        comments=(comment,) if comment else (),
    )


def sniff(path: Path, lines: Sequence[str]) -> Layout:
    """Tell how a text file is laid out.

    Args:
        path: The file; ``.jsonl`` and ``.conllu`` are what they say, all others are told by their lines. Of these
            only ``.txt`` may be raw text.
        lines: Its lines.

    Returns:
        Its layout.

    Raises:
        InputError: Two columns could hold the tags, or raw text cannot be told from one word a line.
    """
    suffix = suffix_of(path)
    if suffix == ".jsonl":
        return JsonlLayout()
    if suffix in WORDS:
        return RawTextLayout("words")
    rows = _rows(lines)
    if suffix == ".txt" and is_raw_text(path, rows, lines):
        return RawTextLayout()
    delimiter = "\t" if rows and "\t" in rows[0] else " "
    lined_up = delimiter == " " and bool(rows) and "" in rows[0].split(" ")
    cells = [split_runs(row) if lined_up else row.split(delimiter) for row in rows]
    width = len(cells[0]) if cells else 1
    begun = cells
    cells = [row for row in cells if len(row) == width]
    if suffix == ".conllu" or (width == WIDTH and any(FEATURE.search(row[-1]) for row in cells)):
        return ConlluLayout()
    if suffix in {".csv", ".tsv"} and TableLayout().header(lines[0]) is not None:
        return TableLayout()
    prefixed = delimiter == "\t" and _share_prefix(rows)
    if suffix in {".csv", ".tsv"}:
        _refuse_unnamed_table(path, lines[0], cells)
    if width == 1:
        return ColumnLayout(tag=None, delimiter=delimiter)
    refuse_sentence_numbers(begun, str(path), f", or say which column is the word: '{path.name}?token=2'")
    if numbers_words(begun):
        tag = next((column for column in range(2, width) if _all_match(TAG, cells, column)), -1)
        return ColumnLayout(token=1, tag=tag, delimiter=delimiter, comments=("#",))
    return ColumnLayout(tag=_tag_column(path, cells, width), delimiter=delimiter, prefixed=prefixed)


def _rows(lines: Sequence[str]) -> list[str]:
    """The first lines that hold tokens."""
    held = (
        line
        for line in lines
        if line.strip(BLANK)
        and not line.startswith((DOCUMENT, "##"))
        and not METADATA.match(line)
        and not STRUCTURE.fullmatch(line.split("\t")[0])
    )
    rows = list(islice(held, LOOKED_AT))
    # A line that begins with # is a comment or the token "#": the others tell the layout either way.
    return [row for row in rows if not row.startswith("#")] or rows


def _refuse_unnamed_table(path: Path, first: str, cells: Sequence[Sequence[str]]) -> None:
    """Refuse a table whose header names no tokens: its rows would be taken for one word each."""
    rows = [cell[0] for cell in cells if len(cell) == 1]
    for delimiter in (",", ";"):
        if len(cells) > 1 and len(widths := _widths(rows, delimiter)) == 1 and widths != {1}:
            raise InputError(
                f"a table, but {first!r} names no column {TOKEN_NAMES[0]!r} or {TOKEN_NAMES[2]!r}",
                where=place(path, 1),
                remedy="begin with a line such as sentence_id,token,tag, or name the columns: "
                f"'{path.name}?sentence=HEADER&token=HEADER&tag=HEADER'",
            )


def _widths(rows: Iterable[str], delimiter: str) -> set[int]:
    """Numbers of columns that a table's rows have; none if they are no table."""
    try:
        return {len(row) for row in csv.reader(rows, delimiter=delimiter)}
    except csv.Error:  # a carriage return within a row, or a cell of over 128 KiB
        return set()


def _share_prefix(rows: Iterable[str]) -> bool:
    prefixes = {match.group(1) if (match := LANGUAGE_PREFIX.match(row)) else None for row in rows}
    return len(prefixes) == 1 and None not in prefixes


def numbers_words(cells: Sequence[Sequence[str]]) -> bool:
    """Whether the first column counts the words of each sentence, as UNER's and GermEval's does."""
    numbers = _numbers(cells)
    follows = (number == 1 or number == before + 1 for before, number in pairwise(numbers))
    return len(cells[0]) > 2 and numbers[0] == 1 and min(numbers) > 0 and all(follows)


def refuse_sentence_numbers(cells: Sequence[Sequence[str]], where: str, columns: str = "") -> None:
    """Refuse rows that begin with the number of their sentence: it would be taken for the word.

    Args:
        cells: The columns of a file's first rows.
        where: The file, for the message.
        columns: How else to say which column is the word, for the message.

    Raises:
        InputError: All rows begin with a number, none smaller than the one before and most of them the same.
    """
    numbers = _numbers(cells)
    steps = [after - before for before, after in pairwise(numbers)]
    words = all(len(row) > 2 or (len(row) == 2 and not TAG.fullmatch(row[1])) for row in cells)
    if len(cells) >= NUMBERS and words and min(numbers) >= 0 <= min(steps) and steps.count(0) * 2 >= len(steps):
        raise InputError(
            "every row begins with a number that seems to be its sentence's",
            where=where,
            remedy="begin with a line sentence_id TAB token TAB tag and call the file .tsv, or leave the numbers out "
            f"and put an empty line after each sentence{columns}",
        )


def _numbers(cells: Sequence[Sequence[str]]) -> list[int]:
    """What rows begin with, -1 for what is no number of words or sentences."""
    return [int(row[0]) if row[0].isdecimal() and len(row[0]) < 10 else -1 for row in cells]


def _all_match(pattern: re.Pattern[str], cells: Sequence[Sequence[str]], column: int) -> bool:
    return all(pattern.fullmatch(row[column]) for row in cells)


def _tag_column(path: Path, cells: Sequence[Sequence[str]], width: int) -> int:
    candidates = [column for column in range(1, width) if _all_match(TAG, cells, column)]
    telling = [column for column in candidates if any(row[column] != "O" for row in cells)]
    entities = [column for column in telling if not _all_match(CHUNK, cells, column)]
    if len(entities) > 1:
        numbers = " and ".join(str(column + 1) for column in entities)
        raise InputError(
            f"columns {numbers} both look like tags",
            where=str(path),
            remedy=f"say which, as in {path}?tag={entities[0] + 1}",
        )
    if entities:
        return entities[0]
    empty = [column for column in candidates if column not in telling]
    return empty[-1] if empty else -1


def _column(path: Path, number: str | None, default: str) -> int:
    """A column counted from 1 as an index; 0 stands for the last."""
    value = int(number or default)
    if value > 1000:
        raise InputError(f"column {value}", where=str(path), remedy="give a column's number, counted from 1")
    return value - 1
