"""Plain text to memory-mapped arrays of sub-words, one per language, and how often each language is drawn."""

from __future__ import annotations

import codecs
import json
import logging
import lzma
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import regex

from hf_xner.data.formats.text import byte_lines
from hf_xner.errors import InputError
from hf_xner.pretraining.tokenizer import SEP

WORD = regex.compile(r"[\w\p{M}]+")  # with the vowel signs of Hindi, say, which `\w` of re leaves out
BATCH_LINES = 2000

logger = logging.getLogger(__name__)


def text_files(folders: Sequence[Path], languages: Sequence[str]) -> dict[str, list[Path]]:
    """Find `<language>.txt` or `<language>.txt.xz` in the folders.

    Args:
        folders: Searched in this order; a folder named twice is read twice, which doubles the weight of its text. In
            each, the plain file goes before the packed one.
        languages: Language codes, as in the file names.

    Returns:
        The files of each language, those that are read more than once first: rows at the end of all are held out.

    Raises:
        InputError: A language has no file anywhere.
    """
    found: dict[str, list[Path]] = {language: [] for language in languages}
    for language, folder in ((language, folder) for language in languages for folder in folders):
        if (path := find_packed(folder, f"{language}.txt")) is not None:
            found[language].append(path)
    for language, unordered in found.items():
        if not unordered:
            raise InputError(
                f"no {language}.txt or {language}.txt.xz",
                where=", ".join(map(str, folders)),
                remedy="add the file or leave the language out of --languages",
            )
        files = found[language] = sorted(unordered, key=unordered.count, reverse=True)
        if files.count(files[-1]) > 1:
            logger.warning("%s: all text is read more than once, so that held-out rows are trained on, too", language)
    return found


def find_packed(folder: Path, name: str) -> Path | None:
    """Find a file, plain or else packed (`.xz`)."""
    return next((path for path in (folder / name, folder / f"{name}.xz") if path.is_file()), None)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the non-empty lines of a UTF-8 text file, plain or xz, in composed Unicode form (NFC)."""
    return (line for _, line in numbered_lines(path))


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what `read_lines` does, each line with its number in the file, counted from 1."""
    opener = lzma.open if path.suffix == ".xz" else open
    number = 0
    try:
        with opener(path, "rb") as lines:
            for number, data in enumerate(byte_lines(lines), 1):
                line = data.removeprefix(codecs.BOM_UTF8).decode() if number == 1 else data.decode()
                if line.strip():
                    yield number, unicodedata.normalize("NFC", line.strip(" \r\n"))
    except (UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        where = f"{path}:{number}" if isinstance(error, UnicodeDecodeError) else str(path)
        remedy = "give UTF-8 text, plain or packed with xz"
        raise InputError(f"cannot be read ({error})", where=where, remedy=remedy) from error


def sampling_probabilities(sizes: dict[str, int], smoothing: float) -> dict[str, float]:
    """Smoothed language sampling, p proportional to size ** smoothing.

    Args:
        sizes: Sub-words of each language.
        smoothing: 1 draws languages by size, 0 evenly.

    Returns:
        A probability for each language; they sum to 1.
    """
    weights = {language: float(size) ** smoothing for language, size in sizes.items()}
    total = sum(weights.values())
    return {language: weight / total for language, weight in weights.items()}


def sample_lines(files: dict[str, list[Path]], *, smoothing: float, characters: int) -> Iterator[str]:
    """Yield lines for the tokenizer's training: every language, evenly spread over its files, smoothed by size.

    Args:
        files: The files of each language.
        smoothing: Exponent on the size of a language on disk.
        characters: About how many characters to yield in all.
    """
    sizes = {language: sum(path.stat().st_size for path in paths) for language, paths in files.items()}
    shares = sampling_probabilities(sizes, smoothing)
    for language, paths in files.items():
        length = sum(len(line) for path in paths for line in read_lines(path))
        keep = min(1.0, shares[language] * characters / max(length, 1))
        budget = 0.0
        for line in (line for path in paths for line in read_lines(path)):
            budget += keep * len(line)
            if budget >= len(line):
                budget -= len(line)
                yield line


def id_type(vocab_size: int) -> Any:
    """The smallest unsigned type that holds every id."""
    return np.uint16 if vocab_size <= 2**16 else np.uint32


def encode_lines(lines: Iterable[str], tokenizer: Any) -> Iterator[Any]:
    """Yield the sub-word ids (list of int) of each line, without special tokens."""
    iterator = iter(lines)
    while batch := list(islice(iterator, BATCH_LINES)):
        encodings = tokenizer(batch, add_special_tokens=False, truncation=False, verbose=False).encodings
        yield from (encoding.ids for encoding in encodings)


def encode_language(files: Sequence[Path], tokenizer: Any, target: Path) -> None:
    """Write the sub-words of a language as one flat array, `[SEP]` after every line, and count its words.

    Writes `target` (raw ids) and, beside it, `.json` with the ids' type and number and the counts of the 200,000 most
    frequent words as written. Both are finished by an atomic rename, the array last.

    Args:
        files: Text files of the language.
        tokenizer: The tokenizer.
        target: The array's path.

    Raises:
        InputError: There is no text in the files.
    """
    dtype = id_type(len(tokenizer))
    words: Counter[str] = Counter()
    size = 0

    def counted() -> Iterator[str]:
        for line in (line for path in files for line in read_lines(path)):
            words.update(WORD.findall(line))
            yield line

    partial = target.with_suffix(".partial")
    with partial.open("wb") as out:
        for ids in encode_lines(counted(), tokenizer):
            array = np.array([*ids, SEP], dtype=dtype)
            array.tofile(out)
            size += len(array)
    if not size:
        partial.unlink()
        raise InputError("no text", where=", ".join(map(str, files)), remedy="fill it or leave the language out")
    note = {"dtype": np.dtype(dtype).name, "size": size, "words": dict(words.most_common(200_000))}
    write_json(target.with_suffix(".json"), note)
    os.replace(partial, target)


@dataclass(frozen=True)
class LanguageText:
    """The encoded text of one language.

    Attributes:
        ids: Memory-mapped flat array of sub-word ids, `[SEP]` at line ends.
        words: Counts of its frequent words, as written.
    """

    ids: Any
    words: dict[str, int]


def load_text(folder: Path, language: str, *, with_words: bool = False) -> LanguageText:
    """Memory-map what `encode_language` wrote to `<language>.ids`."""
    note = json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))
    ids = np.memmap(folder / f"{language}.ids", dtype=note["dtype"], mode="r")
    return LanguageText(ids, note["words"] if with_words else {})


def subword_counts(folder: Path, languages: Sequence[str]) -> dict[str, int]:
    """Sub-words of each language's text, line ends included."""
    return {language: len(load_text(folder, language).ids) for language in languages}


def encode_pairs(path: Path, tokenizer: Any, target: Path) -> None:
    """Write parallel lines (English TAB other) as one flat array of ids with line offsets.

    Args:
        path: A `.tsv` or `.tsv.xz` file.
        tokenizer: The tokenizer.
        target: A `.npz` path: `ids`, and `ends` (2 * pairs,) where line i ends; even lines are English.

    Raises:
        InputError: A line has fewer than two columns, or no line has text in both.
    """
    lines: list[str] = []
    for number, line in numbered_lines(path):
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) < 2:
            raise InputError("one column instead of two", where=f"{path}:{number}", remedy="write English TAB other")
        if all(columns[:2]):
            lines.extend(columns[:2])
    if not lines:
        raise InputError("no pair of lines", where=str(path), remedy="fill or remove it")
    encoded = list(encode_lines(lines, tokenizer))
    ends = np.cumsum([len(ids) for ids in encoded])
    flat = np.fromiter((i for ids in encoded for i in ids), dtype=id_type(len(tokenizer)))
    partial = target.with_suffix(".partial.npz")
    np.savez(partial, ids=flat, ends=ends)
    os.replace(partial, target)


def write_json(path: Path, value: Any) -> None:
    """Write JSON aside and rename it into place."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    os.replace(partial, path)
