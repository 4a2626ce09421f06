"""Reads what `xner predict` is given: one item at a time, so that a pipe of any length can be tagged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from hf_xner.data.formats.columns import DOCUMENT, METADATA, split_runs
from hf_xner.data.formats.records import check_strings, check_tags, check_text
from hf_xner.data.formats.sniffing import numbers_words, refuse_sentence_numbers
from hf_xner.data.formats.tables import TableLayout
from hf_xner.data.formats.text import BLANK, byte_lines, suffix_of
from hf_xner.errors import InputError
from hf_xner.labels import split_tag

EXTENSIONS = {
    ".txt": "text",
    ".words": "words",
    ".tok": "words",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".tsv": "conll",
    ".csv": "conll",
    ".jsonl": "jsonl",
}


HELD = 100  # sentences of one word that are read before what their columns mean is decided
Rows = list[tuple[int, list[str]]]  # of a sentence: lines and their columns


@dataclass(frozen=True)
class Item:
    """One input.

    Attributes:
        content: A raw text, or a list of words.
        gold: Gold tags of the words, where the input has them.
        record: Fields to hand on to the output (an `id`).
    """

    content: str | list[str]
    gold: list[str] | None = None
    record: dict[str, Any] | None = None


def kind_of(name: str, kind: str | None) -> str:
    """The kind of input of a file: as said, or by its extension; standard input ("-") is raw text.

    Raises:
        InputError: The extension says nothing.
    """
    if kind is not None:
        return kind
    if name == "-":
        return "text"
    known = EXTENSIONS.get(suffix_of(Path(name)))
    if known is not None:
        return known
    raise InputError(
        "the name does not say what is in the file", where=name, remedy=f"add --input {'|'.join(READERS)}"
    )


def read_items(stream: Iterable[bytes], name: str, kind: str) -> Iterator[Item]:
    """Yield the inputs of a stream.

    Args:
        stream: Lines of bytes, UTF-8.
        name: Its name, for messages.
        kind: "text" (a line is a text), "words" (a line is a sentence, its words between spaces), "conll" (columns,
            the word first, or after its number in the sentence, a tag last where there are tags; of a name in .csv or
            .tsv also a table with a header) or "jsonl" (objects with `text` or `tokens`).

    Raises:
        InputError: A line is not what the kind says; names file and line.
    """
    return READERS[kind](_lines(stream, name), name)


def _lines(stream: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(byte_lines(stream), start=1):
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"byte 0x{raw[error.start]:02x} is not UTF-8",
                where=f"{name}:{number}",
                remedy="recode the input, for instance with iconv -f latin1 -t utf8",
            ) from None
        text = text.removeprefix("\ufeff") if number == 1 else text
        yield number, text.rstrip("\r")


def _texts(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Item]:
    return (Item(text) for _, text in lines)


def _words(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Item]:
    return (Item(text.split()) for _, text in lines)


def _conll(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Item]:
    lines = iter(lines)
    if suffix_of(Path(name)) in {".csv", ".tsv"}:
        first = next(lines, None)
        if first is None:
            return
        if TableLayout().header(first[1]) or (suffix_of(Path(name)) == ".csv" and set(",;") & set(first[1])):
            yield from _table([first[1], *(line for _, line in lines)], name)
            return
        lines = chain([first], lines)
    yield from _sentences(lines, name)


def _table(lines: list[str], name: str) -> Iterator[Item]:
    """As corpora are read; a table is no pipe, so it may be read whole."""
    return (Item(sentence.tokens, sentence.tags) for sentence in TableLayout().sentences(Path(name), lines))


def _sentences(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Item]:
    columns: Columns | None = None
    held: list[Rows] = []
    for rows in _blocks(lines, name):
        held.append(rows)
        # A sentence of one word does not tell whether 1 is its number or the word.
        if columns is None and len(rows) == 1 and numbers_words(_cells(rows)) and len(held) < HELD:
            continue
        columns = columns or _meaning([row for block in held for row in block], name)
        yield from (_sentence(block, columns, name) for block in held)
        held = []
    if held:
        columns = columns or _meaning([row for block in held for row in block], name)
        yield from (_sentence(block, columns, name) for block in held)


def _blocks(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Rows]:
    """Yield the rows of each sentence."""
    rows: Rows = []
    for number, line in lines:
        if line.strip(BLANK) and not line.startswith(DOCUMENT):
            if not METADATA.match(line):
                rows.append((number, _columns(line, f"{name}:{number}")))
            continue
        if rows:
            yield rows
            rows = []
    if rows:
        yield rows


class Columns(NamedTuple):
    """What the columns of a file mean: which is the word, and whether the last one is a tag."""

    word: int
    tagged: bool


def _cells(rows: Rows) -> list[list[str]]:
    return [columns for _, columns in rows]


def _meaning(rows: Rows, name: str) -> Columns:
    """Tell from its first sentences what a file's columns mean."""
    cells = _cells(rows)
    refuse_sentence_numbers(cells, name)
    word = 1 if numbers_words(cells) else 0
    return Columns(word, all(len(columns) > word + 1 and _is_tag(columns[-1]) for columns in cells))


def _columns(line: str, where: str) -> list[str]:
    # As corpora are read: other white space is a part of words.
    columns = [cell.strip(BLANK) for cell in line.rstrip(BLANK).split("\t")] if "\t" in line else split_runs(line)
    if len(columns) >= 8 and columns[0].isdigit():
        raise InputError(
            "this looks like CoNLL-U, whose first column is a number",
            where=where,
            remedy="cut out the column of words, as in cut -f2",
        )
    return columns


def _is_tag(value: str) -> bool:
    try:
        split_tag(value)
    except InputError:
        return False
    return True


def _sentence(rows: Rows, meaning: Columns, name: str) -> Item:
    for number, columns in rows:
        if len(columns) <= meaning.word:
            raise InputError(
                f"no word in {' '.join(columns)[:60]!r}",
                where=f"{name}:{number}",
                remedy="write its number and the word, as in the first sentence",
            )
    words = [columns[meaning.word] for _, columns in rows]
    if not meaning.tagged:
        return Item(words)
    for number, columns in rows:
        if len(columns) < meaning.word + 2 or not _is_tag(columns[-1]):
            raise InputError(
                f"no tag at the end of {' '.join(columns)[:60]!r}",
                where=f"{name}:{number}",
                remedy="give every word a tag, or none",
            )
    return Item(words, [columns[-1] for _, columns in rows])


def _records(lines: Iterable[tuple[int, str]], name: str) -> Iterator[Item]:
    first: str | None = None
    for number, line in lines:
        if not line.strip():
            continue
        where = f"{name}:{number}"
        record = _record(line, where)
        keys = [key for key in ("text", "tokens") if key in record]
        if len(keys) != 1 or (first is not None and keys != [first]):
            raise InputError(
                f"expected {first!r} as in the lines before" if first else "expected either 'text' or 'tokens'",
                where=where,
                remedy='write {"text": "…"} on every line, or {"tokens": ["…", "…"]} on every line',
            )
        first = keys[0]
        yield _item(record, first, where)


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({error})", where=where, remedy="write one object a line") from None
    if not isinstance(record, dict):
        raise InputError("not a JSON object", where=where, remedy='write one {"text": "…"} a line')
    return record


def _item(record: dict[str, Any], key: str, where: str) -> Item:
    handed_on = {"id": record["id"]} if "id" in record else None
    if key == "text":
        if not isinstance(record["text"], str):
            raise InputError("'text' is not a string", where=where, remedy="for words use 'tokens'")
        return Item(check_text(record["text"], "text", where), None, handed_on)
    words = check_strings(record["tokens"], "token", where)
    gold = record.get("ner_tags")
    if gold is not None:
        check_tags(gold, len(words), where)
    return Item(words, gold, handed_on)


READERS: dict[str, Callable[[Iterable[tuple[int, str]], str], Iterator[Item]]] = {
    "text": _texts,
    "words": _words,
    "conll": _conll,
    "jsonl": _records,
}
