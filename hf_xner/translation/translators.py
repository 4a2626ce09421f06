"""One protocol for everything that translates words, and the translators that need no model: dictionaries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Map
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hf_xner.errors import InputError
from hf_xner.translation.dictionary import build_dictionary
from hf_xner.translation.mapping import Mapping
from hf_xner.translation.seeds import read_dictionary
from hf_xner.translation.vector_cache import load_vectors

DICTIONARY_FILE = "dictionary.tsv"


@runtime_checkable
class WordTranslator(Protocol):
    """Translates words one by one, without context.

    Attributes:
        identity: Everything that decides its translations, as one string: caches and stages are addressed by it.
    """

    identity: str

    def translate_words(self, words: Sequence[str]) -> list[str | None]:
        """One translation a word, in order; None for a word it does not know (the caller copies it)."""
        ...


@runtime_checkable
class PhraseTranslator(WordTranslator, Protocol):
    """Translates phrases too."""

    def translate_phrases(self, phrases: Sequence[str]) -> list[str | None]:
        """One translation a phrase, in order; None where there is none."""
        ...


class TableTranslator:
    """Looks words up in a table: as written, else lower-cased.

    Args:
        entries: Source word -> target word.
        lowercase: Lower-case the words before they are looked up, and their translations, as UniTrans does.
        name: What the table is, for messages.
    """

    def __init__(self, entries: Map[str, str], *, lowercase: bool = True, name: str = "table") -> None:
        if not entries:
            raise InputError("the dictionary is empty", where=name, remedy="give one with entries")
        self.name = name
        self.lowercase = lowercase
        self.entries: dict[str, str] = {}
        for word, translation in entries.items():
            # Where several spellings fall together, the first (most frequent) counts.
            self.entries.setdefault(
                word.lower() if lowercase else word, translation.lower() if lowercase else translation
            )
        content = "\n".join(f"{word}\t{translation}" for word, translation in self.entries.items())
        self.identity = f"table:{lowercase}:{hashlib.sha256(content.encode()).hexdigest()}"

    def translate_words(self, words: Sequence[str]) -> list[str | None]:
        """One entry a word, None for words out of vocabulary."""
        if self.lowercase:
            return [self.entries.get(word.lower()) for word in words]
        return [self.entries[word] if word in self.entries else self.entries.get(word.lower()) for word in words]


class MuseTranslator(TableTranslator):
    """The nearest target word by CSLS in mapped vectors (MUSE's way)."""

    @classmethod
    def from_folder(cls, folder: str | Path, *, lowercase: bool = True) -> MuseTranslator:
        """Use a folder written by `xner vectors map`: its dictionary, or its mapping and vectors.

        Raises:
            InputError: There is no mapping, it has not converged, or its vectors are gone or changed.
        """
        folder = Path(folder)
        mapping = Mapping.load(folder)
        mapping.require_converged()
        table = folder / DICTIONARY_FILE
        entries = dict(read_dictionary(table)) if table.is_file() else build_dictionary(*load_pair(mapping), mapping)
        return cls(entries, lowercase=lowercase, name=str(folder))


class DictionaryTranslator(TableTranslator):
    """A bilingual dictionary file; of several translations the most frequent one, else the first in the file.

    Args:
        path: A MUSE or FreeDict file (`read_dictionary`).
        frequencies: How often words occur in the target language (any case): unlabelled target text counted.
        lowercase: See `TableTranslator`.
    """

    def __init__(self, path: str | Path, *, frequencies: Map[str, int] | None = None, lowercase: bool = True) -> None:
        counts: dict[str, int] = {}
        for word, count in (frequencies or {}).items():
            counts[word.lower()] = counts.get(word.lower(), 0) + count
        best: dict[str, str] = {}
        for word, translation in read_dictionary(path):
            key = word.lower() if lowercase else word
            if key not in best or counts.get(translation.lower(), 0) > counts.get(best[key].lower(), 0):
                best[key] = translation
        super().__init__(best, lowercase=lowercase, name=str(path))


def load_pair(mapping: Mapping, cache_dir: str | Path | None = None) -> tuple[Any, Any]:
    """Load the vectors that a saved mapping was learnt from: (source, target).

    Raises:
        InputError: A file is gone, or no longer holds what the mapping was learnt from.
    """
    pair = []
    for side in ("source", "target"):
        facts = mapping.facts.get(side, {})
        if "path" not in facts:
            raise InputError(
                f"the mapping does not say where its {side} vectors are",
                where=mapping.facts.get("folder"),
                remedy="make it with `xner vectors map`",
            )
        vectors = load_vectors(
            facts["path"], limit=facts.get("limit"), lowercase=facts.get("lowercase", False), cache_dir=cache_dir
        )
        vectors = vectors.normalise(facts.get("normalise", ()))
        if vectors.digest() != facts["digest"]:
            raise InputError(
                "these are not the vectors that the mapping was learnt from",
                where=facts["path"],
                remedy="map them again with `xner vectors map`",
            )
        pair.append(vectors)
    return pair[0], pair[1]
