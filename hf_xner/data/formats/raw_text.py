"""Raw text: lines of any length, split into sentences and words exactly as the Tagger splits them later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import regex

from hf_xner.data.formats.columns import DOCUMENT, split_runs
from hf_xner.data.formats.text import RawSentence
from hf_xner.data.splitting import split_text, split_words
from hf_xner.errors import InputError

FORMATS = ("text", "words")
# Of a file in which no line has a space: words a line of it, on average, up to which it has one a line, and from
# which it is text of a script without spaces. Between the two it could be either.
ONE_A_LINE, UNSPACED = 3, 8
SAME_WIDTH = 10  # lines with equally many words: so many are no accident, they are columns
_SIGNS = regex.compile(r"[\p{P}\p{S}]+", regex.VERSION1)


@dataclass(frozen=True)
class RawTextLayout:
    """Text that nobody has split into words yet, or not into sentences.

    Attributes:
        format: "text": a line break ends a sentence, and `hf_xner.data.splitting` finds the others and the words.
            "words": a line is a sentence, with its words between spaces.
    """

    format: str = "text"

    def sentences(self, path: Path, lines: Iterable[str]) -> Iterator[RawSentence]:
        """Yield the sentences of a text, without tags; an empty line gives none.

        Args:
            path: The file, for messages.
            lines: Its lines; any iterable, read one by one.
        """
        for number, line in enumerate(lines, start=1):
            if self.format == "words":
                sentences = [words] if (words := line.split()) else []
            else:
                sentences = [[word.text for word in sentence] for sentence in split_text(line)]
            for tokens in sentences:
                yield RawSentence(tokens, None, None, [number] * len(tokens))


def is_raw_text(path: Path, rows: Sequence[str], lines: Sequence[str]) -> bool:
    """Tell a `.txt` file of raw text from one with columns, or with one word a line.

    Args:
        path: The file, for messages.
        rows: Its first lines that hold something.
        lines: All its first lines.

    Raises:
        InputError: It could be raw text as well as one word a line.
    """
    if not rows or "\t" in rows[0] or any(line.startswith(DOCUMENT) for line in lines):
        return False
    cells = [split_runs(row) for row in rows]
    if sum(_has_tag(row) for row in cells) * 2 >= len(cells):
        return False
    widths = {len(row) for row in cells}
    if widths == {1}:
        return _is_unspaced(path, rows)
    if len(widths) == 1 and len(rows) >= SAME_WIDTH:
        return False
    short = sum(len(row) == 1 and len(split_words(row[0])) < ONE_A_LINE for row in cells)
    if short * 2 > len(cells):
        raise _unclear(path)
    return True


def _has_tag(cells: Sequence[str]) -> bool:
    return any(cell == "O" or (cell[1:2] == "-" and cell[0] in "BIMES" and len(cell) > 2) for cell in cells[1:])


def _is_unspaced(path: Path, rows: Sequence[str]) -> bool:
    """Whether lines without any space are text, such as Chinese, and not one word each."""
    if sum(bool(_SIGNS.fullmatch(row)) for row in rows) * 100 >= len(rows):
        return False  # a full stop has no line of its own in a text
    words = sum(len(split_words(row)) for row in rows) / len(rows)
    if ONE_A_LINE <= words < UNSPACED:
        raise _unclear(path)
    return words >= UNSPACED


def _unclear(path: Path) -> InputError:
    return InputError(
        "could be raw text as well as one word a line",
        where=str(path),
        remedy=f"say which, in quotes: '{path}?format=text' or, for words without tags, '{path}?tag=0'",
    )
