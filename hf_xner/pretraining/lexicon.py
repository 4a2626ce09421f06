"""Bilingual dictionaries as sub-words: what a word in one language may be replaced by in another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.errors import InputError
from hf_xner.pretraining.corpus import encode_lines, find_packed, numbered_lines
from hf_xner.pretraining.tokenizer import UNKNOWN

HUB = "en"  # dictionaries and parallel lines are between English and each other language
FREQUENT_WORDS = 40_000  # words of a language, most frequent first, that can be replaced or stand in for another


def dictionary_files(folder: Path, language: str) -> tuple[Path, Path] | None:
    """Find `en-<language>.txt` and `en-<language>.rev.txt`, plain or xz; both have the English word first.

    The first lists the translations of English words, the second those of the language's words into English.

    Returns:
        Both files, or None if the language has neither.

    Raises:
        InputError: One of them is missing.
    """
    names = (f"en-{language}.txt", f"en-{language}.rev.txt")
    forward, backward = (find_packed(folder, name) for name in names)
    if (forward is None) != (backward is None):
        missing = names[0] if forward is None else names[1]
        raise InputError(f"no {missing} or {missing}.xz", where=str(folder), remedy="add it: both ways are needed")
    return None if forward is None or backward is None else (forward, backward)


def read_dictionary(path: Path) -> list[tuple[str, str]]:
    """Read word pairs, one a line, separated by a blank or a tab, without pairs of identical words.

    Raises:
        InputError: A line does not hold two words.
    """
    pairs = []
    for number, line in numbered_lines(path):
        columns = line.split()
        if len(columns) != 2:
            raise InputError(
                f"{len(columns)} words instead of 2",
                where=f"{path}:{number}",
                remedy="write an English word and its translation",
            )
        if columns[0].lower() != columns[1].lower():
            pairs.append((columns[0], columns[1]))
    return pairs


def usual_case(words: dict[str, int]) -> dict[str, str]:
    """The most frequent way of writing each lower-cased word, for the frequent words of a language."""
    best: dict[str, tuple[int, str]] = {}
    for word, count in sorted(words.items(), key=lambda item: -item[1]):
        lower = word.lower()
        if lower in best:
            best[lower] = max(best[lower], (count, word))
        elif len(best) < FREQUENT_WORDS:
            best[lower] = (count, word)
    return {lower: word for lower, (_, word) in best.items()}


def cased_pairs(
    pairs: Sequence[tuple[str, str]], source: dict[str, str], target: dict[str, str]
) -> list[tuple[str, str]]:
    """Give dictionary pairs, which are lower-cased, the case each language uses ("house" and "Haus").

    A word that is usually lower-cased gets a second pair with a capital, for the starts of sentences.

    Args:
        pairs: (word, translation), lower-cased.
        source: `usual_case` of the words' language; pairs with unknown words are dropped.
        target: `usual_case` of the translations' language; likewise.
    """
    cased = []
    for word, translation in pairs:
        if word.lower() not in source or translation.lower() not in target:
            continue
        word, translation = source[word.lower()], target[translation.lower()]
        cased.append((word, translation))
        if word[0] != (capital := word[0].upper()):
            cased.append((capital + word[1:], translation[0].upper() + translation[1:]))
    return cased


def encode_lexicon(pairs: Sequence[tuple[str, str]], tokenizer: Any, target: Path) -> None:
    """Write pairs as sub-words: `.npz` with `ids` and `ends` (2 * pairs,), even entries are the words replaced.

    A pair with a word that the vocabulary cannot spell is left out: all such words would be one.
    """
    words = encode_lines((word for pair in pairs for word in pair), tokenizer)
    spelt = (pair for pair in zip(words, words, strict=True) if all(len(ids) and UNKNOWN not in ids for ids in pair))
    encoded = [ids for pair in spelt for ids in pair]
    partial = target.with_suffix(".partial.npz")
    flat = np.fromiter((i for ids in encoded for i in ids), dtype=np.int64)
    np.savez(partial, ids=flat, ends=np.cumsum([len(ids) for ids in encoded], dtype=np.int64))
    os.replace(partial, target)


class Lexicon:
    """Translations of words into one language, by sub-words.

    Args:
        path: What `encode_lexicon` wrote.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            entries = np.split(arrays["ids"], arrays["ends"][:-1]) if len(arrays["ends"]) else []
        self.translations: dict[bytes, list[Any]] = {}
        for word, translation in zip(entries[::2], entries[1::2], strict=True):
            self.translations.setdefault(word.tobytes(), []).append(translation)

    def __len__(self) -> int:
        return len(self.translations)

    def single_pairs(self) -> list[tuple[int, int]]:
        """Pairs in which word and translation are one sub-word each."""
        return [
            (int(np.frombuffer(key, dtype=np.int64)[0]), int(translation[0]))
            for key, translations in self.translations.items()
            if len(key) == np.dtype(np.int64).itemsize
            for translation in translations
            if len(translation) == 1
        ]

    def replace(self, ids: Any, starts: Any, *, rate: float, rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
        """Replace a share of the words by translations.

        Args:
            ids: Sub-words (n,) int64 of a stretch of text.
            starts: Bool (n,): true where a word starts.
            rate: Probability with which a word that has a translation is replaced.
            rng: Source of randomness.

        Returns:
            Pieces of the new stretch, and, for each piece, None or, where a one-sub-word translation took the place
            of one sub-word, the id that stood there.
        """
        borders = np.flatnonzero(starts)
        chosen = np.flatnonzero(rng.random(len(borders)) < rate)
        draws = rng.random(len(chosen))
        ends = np.append(borders[1:], len(ids))
        pieces, replaced, done = [], [], 0
        for word, draw in zip(chosen, draws, strict=True):
            begin, end = borders[word], ends[word]
            translations = self.translations.get(ids[begin:end].tobytes())
            if translations is None:
                continue
            translation = translations[int(draw * len(translations))]
            pieces += [ids[done:begin], translation]
            replaced += [None, ids[begin] if end - begin == 1 == len(translation) else None]
            done = end
        pieces.append(ids[done:])
        replaced.append(None)
        return pieces, replaced
