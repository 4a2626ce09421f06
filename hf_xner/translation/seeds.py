"""Word pairs: the identical strings of two vocabularies, and bilingual dictionary files."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.files import numbered_lines, open_bytes
from hf_xner.translation.vectors import WordVectors


@dataclass(frozen=True)
class SeedPairs:
    """Pairs of rows in two sets of vectors.

    Attributes:
        rows: (n, 2) int64: source row, target row.
        origin: `identical` or the dictionary's file.
    """

    rows: np.ndarray
    origin: str

    def oriented(self, mapped: str) -> np.ndarray:
        """(n, 2) rows, those of the side that moves first."""
        return self.rows if mapped == "source" else self.rows[:, ::-1]


def identical_pairs(source: WordVectors, target: WordVectors) -> SeedPairs:
    """Every word that both vocabularies hold, digits and punctuation among them.

    Raises:
        InputError: There is none.
    """
    rows = [(row, target.index[word]) for row, word in enumerate(source.words) if word in target.index]
    if not rows:
        raise InputError(
            "the vocabularies share no word, so identical strings give no seed",
            where=f"{source.name}, {target.name}",
            remedy="give a seed dictionary, or map adversarially",
        )
    return SeedPairs(np.array(rows, dtype=np.int64), "identical")


def dictionary_pairs(path: str | Path, source: WordVectors, target: WordVectors) -> SeedPairs:
    """The entries of a dictionary file whose words both have vectors.

    Raises:
        InputError: The file cannot be read, or no entry has both.
    """
    rows = {
        (first, second)
        for word, translation in read_dictionary(path)
        if (first := source.find(word)) is not None and (second := target.find(translation)) is not None
    }
    if not rows:
        raise InputError(
            "no entry has vectors on both sides", where=str(path), remedy="check the dictionary's direction and case"
        )
    return SeedPairs(np.array(sorted(rows), dtype=np.int64), str(path))


def read_dictionary(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yield the entries of a bilingual dictionary, in file order.

    MUSE's format is a word, a tab or space, and a translation a line (a word with several translations takes several
    lines; with a tab, both may hold spaces). FreeDict's is TEI: `.tei` or `.xml`.

    Args:
        path: The file, plain, `.gz` or `.xz`.

    Raises:
        InputError: It cannot be read, or a line has no translation.
    """
    path = Path(path)
    kind = Path(path.stem).suffix if path.suffix in {".gz", ".xz"} else path.suffix
    yield from _tei_entries(path) if kind in {".tei", ".xml"} else _lines(path)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            raise InputError(
                f"expected a word and a translation, found {len(cells)} columns",
                where=f"{path}:{number}",
                remedy="separate them by one tab",
            )
        yield cells[0].strip(), cells[1].strip()


def _tei_entries(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with open_bytes(path) as file:
            for _, element in ElementTree.iterparse(file):
                if _name(element) == "entry":
                    yield from _entry(element)
                    element.clear()
    except (ElementTree.ParseError, EOFError, OSError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"is no TEI dictionary ({error})", where=str(path), remedy="fetch it again") from None


def _entry(entry: ElementTree.Element) -> Iterator[tuple[str, str]]:
    words = [element.text.strip() for element in entry.iter() if _name(element) == "orth" and element.text]
    # A translation inside an example is that of the example, not of the word.
    examples = [cited for cited in entry.iter() if _name(cited) == "cit" and cited.get("type") == "example"]
    exempt = {cited for example in examples for cited in example.iter()}
    for cited in entry.iter():
        if _name(cited) == "cit" and cited.get("type") in {"trans", "translation"} and cited not in exempt:
            quotes = [element.text.strip() for element in cited.iter() if _name(element) == "quote" and element.text]
            yield from ((word, quote) for word in words for quote in quotes if word and quote)


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]
