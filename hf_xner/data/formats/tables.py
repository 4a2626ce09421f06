"""CSV and TSV with a header line: one token a row, a column that tells the sentences apart."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hf_xner.data.formats.text import BLANK, RawSentence, place
from hf_xner.errors import InputError

SENTENCE_NAMES = ("sentence_id", "sentence", "sentence #", "sent_id", "sent", "sentence_number", "sentence_no")
TOKEN_NAMES = ("token", "tokens", "word", "words")
TAG_NAMES = ("tag", "tags", "ner_tag", "ner_tags", "ner", "label", "labels", "entity")
DELIMITERS = ("\t", ",", ";")
ONE_SENTENCE = 100  # words that a table of one sentence may have


@dataclass(frozen=True)
class TableLayout:
    """Which columns of a table hold sentences, tokens and tags.

    A sentence ends where the sentence column changes (an empty cell goes on with the sentence above, as in the files
    that fill it in a sentence's first row only) and at an empty row. Names are compared without regard to case. Fields
    may be quoted where the delimiter is a comma or semicolon; in a table with tabs a quote is a character like others.

    Attributes:
        token: Header of the token column, or None for ``token`` or ``word``.
        tag: Header of the tag column, or None for ``tag``, ``ner_tag``, ``ner``, ``label`` or ``entity``, and no tags
            without it.
        delimiter: What separates columns, or None for whichever of tab, comma and semicolon separates the header.
        sentence: Header of the sentence column, or None for ``sentence_id``, ``sent`` or the like, if there is one.
    """

    token: str | None = None
    tag: str | None = None
    delimiter: str | None = None
    sentence: str | None = None

    def header(self, line: str) -> tuple[str, list[str]] | None:
        """Delimiter and lower-cased names of a header line; None if the line is no header of such a table."""
        for delimiter in (self.delimiter,) if self.delimiter else DELIMITERS:
            names = [name.strip(BLANK + '"').lower() for name in line.split(delimiter)]
            if len(names) > 1 and _find(names, self.token, TOKEN_NAMES) is not None:
                return delimiter, names
        return None

    def sentences(self, path: Path, lines: Sequence[str]) -> Iterator[RawSentence]:
        """Yield the sentences of a table.

        Args:
            path: The file, for messages.
            lines: Its lines, the header first.

        Raises:
            InputError: The header names no token column or not the columns asked for, a row has another number of
                columns, or nothing tells the sentences apart.
        """
        found = self.header(lines[0])
        if found is None:
            raise InputError(
                f"the header names no column {self.token or 'token'!r}",
                where=place(path, 1),
                remedy="begin with a line such as sentence_id,token,tag",
            )
        delimiter, names = found
        token, tag = _find(names, self.token, TOKEN_NAMES), _find(names, self.tag, TAG_NAMES)
        number_column = _find(names, self.sentence, SENTENCE_NAMES)
        for wanted, column in ((self.tag, tag), (self.sentence, number_column)):
            if wanted is not None and column is None:
                raise InputError(
                    f"the header names no column {wanted!r}", where=place(path, 1), remedy=f"it has {', '.join(names)}"
                )
        assert token is not None
        rows = list(_rows(path, lines, delimiter, len(names)))
        if number_column is None:
            _refuse_one_sentence(path, rows, names)
        current, sentence = None, RawSentence([], None if tag is None else [], None, [])
        for line, row in rows:
            named = row[number_column].strip() if row and number_column is not None else ""
            if sentence.tokens and (not row or (named and named != current)):
                yield sentence
                sentence = RawSentence([], None if tag is None else [], None, [])
            if row:
                current = named or current
                sentence = sentence._replace(id=sentence.id or named or None)
                sentence.tokens.append(row[token])
                sentence.lines.append(line)
                if sentence.tags is not None and tag is not None:
                    sentence.tags.append(row[tag].strip(BLANK))
        if sentence.tokens:
            yield sentence


def _refuse_one_sentence(path: Path, rows: Sequence[tuple[int, list[str]]], names: Sequence[str]) -> None:
    """Refuse a table without a sentence column if no empty row ends a sentence, but for a short one."""
    filled = [number for number, (_, row) in enumerate(rows) if row]
    if len(filled) > ONE_SENTENCE and filled[-1] - filled[0] + 1 == len(filled):
        raise InputError(
            f"nothing tells the sentences of these {len(filled)} words apart",
            where=str(path),
            remedy="put an empty line between them, or call the column that numbers them sentence_id (for a corpus "
            f"also '{path.name}?sentence=HEADER', one of {', '.join(names)})",
        )


def _rows(path: Path, lines: Sequence[str], delimiter: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells; no cells for an empty row."""
    text = (line + "\n" for line in lines)
    if delimiter == "\t":
        reader = csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(text, delimiter=delimiter)
    last = 1
    try:
        next(reader)
        for row in reader:
            line, last = last + 1, reader.line_num
            if not any(cell.strip(BLANK) for cell in row):
                yield line, []
            elif len(row) == width:
                yield line, row
            else:
                raise InputError(
                    f"found {len(row)} column{'s' * (len(row) != 1)}, expected {width} as in the header",
                    where=place(path, line),
                    remedy='put fields that hold a delimiter between quotes (")',
                )
    except csv.Error as error:
        raise InputError(f"not a table ({error})", where=place(path, last + 1), remedy="check its quotes") from None


def _find(names: Sequence[str], wanted: str | None, usual: Sequence[str]) -> int | None:
    if wanted is not None:
        return names.index(wanted.lower()) if wanted.lower() in names else None
    return next((names.index(name) for name in usual if name in names), None)
