"""Word vectors: the fastText text format, and the look-up every translator shares."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.files import numbered_lines
from hf_xner.whole_files import whole_file

ZERO_REPLACEMENT = 0.01  # MUSE's: a vector without direction has no cosine
CHUNK = 4096  # lines parsed before they become one array


NORMALISATIONS = ("renorm", "center")


@dataclass(eq=False)
class WordVectors:
    """Words and their vectors, most frequent word first.

    Attributes:
        words: V different words.
        vectors: Shape (V, d), float32; may be memory-mapped and read-only.
        name: Where they come from, for messages.
        origin: How to load them again (`path`, `limit`, `lowercase`, `normalise`); kept with a mapping.
        index: Row of each word.
    """

    words: Sequence[str]
    vectors: np.ndarray
    name: str = "vectors"
    origin: dict[str, Any] = field(default_factory=dict)
    index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.words) != len(self.vectors):
            raise InputError(f"{len(self.words)} words for an array of shape {self.vectors.shape}", where=self.name)
        if not len(self.words) or not self.vectors.shape[1]:
            raise InputError("no vectors", where=self.name, remedy="give a file that holds some")
        self.index = {word: row for row, word in enumerate(self.words)}
        if len(self.index) < len(self.words):
            raise InputError("a word occurs twice", where=self.name, remedy="keep one vector a word")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def width(self) -> int:
        """Number of components, d."""
        return int(self.vectors.shape[1])

    def find(self, word: str) -> int | None:
        """Row of the word as written, else of its lower-cased form, else None."""
        row = self.index.get(word)
        return self.index.get(word.lower()) if row is None else row

    def head(self, n_words: int) -> WordVectors:
        """The n most frequent words."""
        if n_words >= len(self):
            return self
        return WordVectors(self.words[:n_words], self.vectors[:n_words], self.name, {**self.origin, "limit": n_words})

    def normalise(self, steps: Sequence[str]) -> WordVectors:
        """The vectors after some steps, in order: "renorm" (rows of length 1) and "center" (mean row 0), as in MUSE.

        Vectors trained on little text share a strong common direction, which "renorm center renorm" takes away.

        Raises:
            InputError: A step is unknown.
        """
        vectors = np.asarray(self.vectors, dtype=np.float32)
        for step in steps:
            if step not in NORMALISATIONS:
                raise InputError(
                    f"{step!r} is not one of {', '.join(NORMALISATIONS)}",
                    where="normalisation of vectors",
                    remedy="give renorm center renorm, say, or nothing",
                )
            vectors = normalised(vectors) if step == "renorm" else vectors - vectors.mean(axis=0)
        done = [*self.origin.get("normalise", ()), *steps]
        return WordVectors(self.words, vectors, self.name, {**self.origin, "normalise": done}) if steps else self

    def digest(self) -> str:
        """SHA-256 of words and numbers."""
        total = hashlib.sha256("\n".join(self.words).encode())
        for begin in range(0, len(self), CHUNK):
            total.update(np.ascontiguousarray(self.vectors[begin : begin + CHUNK], dtype="<f4").tobytes())
        return total.hexdigest()


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32, shape unchanged; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), dtype=np.float32)


def read_vectors(path: str | Path, *, limit: int | None = None, lowercase: bool = False) -> WordVectors:
    """Read a `.vec` text file: a word and its numbers a line, with or without the header "words width".

    Args:
        path: The file, plain, `.gz` or `.xz`.
        limit: Keep the first so many different words.
        lowercase: Lower-case all words; of those that then coincide the first counts, as in MUSE.

    Returns:
        The vectors; one that is all zero gets 0.01 in its first component, as in MUSE.

    Raises:
        InputError: A line is broken, has another width than the first, holds something that is no (finite) number, or
            a word twice; or the file ends before the number of words that its header promises.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise InputError(f"a limit of {limit} words", where=str(path), remedy="ask for at least one")
    reader = _Reader(path, lowercase)
    for number, line in numbered_lines(path):
        if number == 1 and _is_header(line):
            reader.promise(line)
            continue
        reader.add(number, line)
        if len(reader.words) == limit:
            break
    else:
        reader.check_promise()
    origin = {"path": str(path.resolve()), "limit": limit, "lowercase": lowercase}
    return WordVectors(reader.words, reader.vectors(), str(path), origin)


def write_vectors(vectors: WordVectors, path: str | Path) -> None:
    """Write a `.vec` text file with its header, whole or not at all.

    Raises:
        InputError: A word holds white space that the format cannot express.
    """
    for word in vectors.words:
        if not word or any(character in word for character in " \t\n\r"):
            raise InputError(f"the word {word!r} cannot stand in a .vec file", where=vectors.name, remedy="drop it")
    with whole_file(Path(path)) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.width}\n")
        for word, row in zip(vectors.words, vectors.vectors, strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in row.tolist())}\n")


def _is_header(line: str) -> bool:
    cells = line.split()
    return len(cells) == 2 and all(cell.isascii() and cell.isdigit() for cell in cells)


class _Reader:
    """Lines to words and one array, checked as they come."""

    def __init__(self, path: Path, lowercase: bool) -> None:
        self.path = path
        self.lowercase = lowercase
        self.words: list[str] = []
        self.width: int | None = None
        self.promised: int | None = None
        self._width_from = "the first line"
        self._lines: dict[str, int] = {}  # word as written -> its line
        self._known: set[str] = set()
        self._rows: list[np.ndarray] = []
        self._chunks: list[np.ndarray] = []

    def promise(self, header: str) -> None:
        count, width = map(int, header.split())
        if not width:
            raise self._error(1, "the header promises vectors of width 0", "fetch the file again")
        self.promised, self.width, self._width_from = count, width, "the header"

    def check_promise(self) -> None:
        found = len(self._lines)
        if self.promised is not None and found != self.promised:
            raise InputError(
                f"the header promises {self.promised} words, the file holds {found}",
                where=str(self.path),
                remedy="fetch the file again, or mend its header",
            )

    def add(self, number: int, line: str) -> None:
        word, _, numbers = line.partition(" ")
        if not word or "\t" in word or not numbers.strip(" "):
            raise self._error(
                number, "expected a word, a space and its numbers", "remove the line or fetch the file again"
            )
        values = self._values(number, numbers)
        if word in self._lines:
            raise self._error(
                number, f"the word {word!r} is already on line {self._lines[word]}", "keep one vector a word"
            )
        self._lines[word] = number
        if self.lowercase:
            word = word.lower()
        if word not in self._known:
            self._known.add(word)
            self.words.append(word)
            self._keep(values)

    def vectors(self) -> np.ndarray:
        if self._rows:
            self._chunks.append(np.stack(self._rows))
            self._rows = []
        # Chunk by chunk, each let go once it is copied: a second copy of a large file would not fit.
        whole = np.empty((sum(map(len, self._chunks)), self.width or 0), np.float32)
        begin = len(whole)
        while self._chunks:
            chunk = self._chunks.pop()
            whole[begin - len(chunk) : begin] = chunk
            begin -= len(chunk)
        return whole

    def _keep(self, values: np.ndarray) -> None:
        if not values.any():
            values[0] = ZERO_REPLACEMENT
        self._rows.append(values)
        if len(self._rows) == CHUNK:
            self._chunks.append(np.stack(self._rows))
            self._rows = []

    def _values(self, number: int, numbers: str) -> np.ndarray:
        try:
            # Before 2.3 numpy warns of what it cannot read, and leaves it out.
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)
                values = np.fromstring(numbers, dtype=np.float32, sep=" ")
        except (ValueError, DeprecationWarning):
            culprit = next((cell for cell in numbers.split(" ") if not _is_number(cell)), numbers)
            raise self._error(number, f"{culprit!r} is not a number", "words may not hold spaces") from None
        if self.width is None:
            self.width = len(values)
        if len(values) != self.width:
            raise self._error(
                number,
                f"{len(values)} numbers, expected {self.width} as in {self._width_from}",
                "remove the line or fetch the file again",
            )
        if not np.isfinite(values).all():
            raise self._error(number, "a number is not finite", "remove the line or train the vectors again")
        return values

    def _error(self, number: int, what: str, remedy: str) -> InputError:
        return InputError(what, where=f"{self.path}:{number}", remedy=remedy)


def _is_number(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True
