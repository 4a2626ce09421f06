"""Sentences of words to what `BiLstmCrfForTokenClassification` reads: word vectors and characters.

A word's vector is looked up in the table of its language. Where the table lacks the word, in this order:

1. the word as written, in vectors given at run time (`use_vectors`: the whole file, memory-mapped);
2. the lower-cased word in the table, then in those vectors;
3. what `unseen` says: "zero" (default), "ngrams" (the mean of vectors of its character n-grams, which are saved with
   the table) or "random" (a vector of its own, always the same).

Two languages have a table each, in one common space; identical strings have two vectors. Sentences are read in the
`language` of the extractor ("target" unless told otherwise).

This file travels with saved models, so it imports only NumPy, transformers and their siblings.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from transformers import BatchFeature, FeatureExtractionMixin
from transformers.utils import cached_file

LANGUAGES = ("source", "target")
UNSEEN = ("zero", "ngrams", "random")
STEPS = ("renorm", "center", "map", "scale")
PADDING, UNKNOWN = 0, 1  # rows of the character embedding that stand for no character of the list
SPECIAL_CHARACTERS = 2
VECTORS_FILE = "word_vectors.safetensors"
_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "token", "revision", "subfolder")


@dataclass(frozen=True)
class SpaceStep:
    """One step of the way from a language's own vectors into the common space.

    Attributes:
        kind: "renorm" (rows of length 1), "center" (less `value`, (d,)), "map" (`value`, (d, d): x -> value x) or
            "scale" (times `value`, a number).
        value: The array that it takes, None for "renorm".
    """

    kind: str
    value: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind not in STEPS or (self.value is None) != (self.kind == "renorm"):
            raise ValueError(f"no such step: {self.kind!r} with{'out' if self.value is None else ''} a value")

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """The vectors (N, d) after this step."""
        if self.value is None:
            return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        if self.kind == "center":
            return vectors - self.value
        return vectors @ self.value.T if self.kind == "map" else vectors * self.value


@dataclass
class WordTable:
    """Vectors of one language's words, in the common space.

    Attributes:
        words: V different words.
        vectors: (V, d) float16 or float32.
        steps: How the language's own vectors got there; applied to vectors given at run time.
        ngrams: (buckets, d) vectors of hashed character n-grams, or None.
        index: Row of each word.
    """

    words: Sequence[str]
    vectors: np.ndarray
    steps: Sequence[SpaceStep] = ()
    ngrams: np.ndarray | None = None
    index: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.words) != len(self.vectors):
            raise ValueError(f"{len(self.words)} words for vectors of shape {self.vectors.shape}")
        self.index = {word: row for row, word in enumerate(self.words)}

    def to_common_space(self, vectors: np.ndarray) -> np.ndarray:
        """The language's own vectors (N, d) in the common space, float32."""
        vectors = np.asarray(vectors, dtype=np.float32)
        for step in self.steps:
            vectors = step.apply(vectors)
        return np.asarray(vectors, dtype=np.float32)


def ngram_buckets(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """Hash buckets of the character n-grams of a word between angle brackets, the word with brackets itself left out.

    Args:
        word: The word.
        shortest: Shortest n-gram, in characters.
        longest: Longest one.
        buckets: Number of buckets.
    """
    framed = f"<{word}>"
    return [
        zlib.crc32(framed[start : start + size].encode("utf-8", "surrogatepass")) % buckets
        for size in range(shortest, min(longest, len(framed) - 1) + 1)
        for start in range(len(framed) - size + 1)
    ]


class WordFeatureExtractor(FeatureExtractionMixin):
    """Looks up words and characters; saved and loaded with its tables.

    Args:
        characters: The characters that the model knows, in the order of its embedding, whose first two rows stand for
            padding and for every other character. None for a model without characters.
        word_size: Components of a word vector.
        language: The table that sentences are looked up in: "source" or "target".
        unseen: What words without a vector get: "zero", "ngrams" or "random".
        longest_word: Characters of a word that are read; longer words are addresses and the like.
        shortest_ngram: Shortest character n-gram of "ngrams".
        longest_ngram: Longest one.
        tables: `WordTable`s by language. Read from files of their own by `from_pretrained`.
        more: As for every feature extractor.

    Raises:
        ValueError: A table's width is not `word_size`, a name is unknown, or "ngrams" lacks vectors of n-grams.
    """

    model_input_names = ["word_vectors", "word_ids", "attention_mask", "word_characters", "character_counts"]
    reads_words = True  # sentences of words, not sub-words of a tokenizer

    def __init__(
        self,
        characters: Sequence[str] | None = None,
        word_size: int = 300,
        language: str = "target",
        unseen: str = "zero",
        longest_word: int = 40,
        shortest_ngram: int = 3,
        longest_ngram: int = 6,
        tables: Mapping[str, WordTable] | None = None,
        **more: Any,
    ) -> None:
        self.characters = None if characters is None else list(characters)
        self.word_size = word_size
        self.language = language
        self.unseen = unseen
        self.longest_word = longest_word
        self.shortest_ngram = shortest_ngram
        self.longest_ngram = longest_ngram
        self._rows = {character: row for row, character in enumerate(characters or (), start=SPECIAL_CHARACTERS)}
        self._tables: dict[str, WordTable] = {}
        self._outside: dict[str, tuple[Mapping[str, int], np.ndarray]] = {}
        if unseen not in UNSEEN or language not in LANGUAGES:
            raise ValueError(f"no such choice: unseen {unseen!r}, language {language!r}")
        # What the saved file says of the tables is there for people.
        super().__init__(**{name: value for name, value in more.items() if name not in ("table_facts", *LANGUAGES)})
        self._take(tables or {})

    def _take(self, tables: Mapping[str, WordTable]) -> None:
        for language, table in tables.items():
            if language not in LANGUAGES or table.vectors.shape[1] != self.word_size:
                raise ValueError(
                    f"expected a table of {' or '.join(LANGUAGES)} with vectors of {self.word_size} components, found "
                    f"{language!r} with {table.vectors.shape[1]}"
                )
            if self.unseen == "ngrams" and table.ngrams is None:
                raise ValueError(f"unseen is 'ngrams', and the {language} table has no vectors of n-grams")
        self._tables = dict(tables)

    @property
    def n_characters(self) -> int:
        """Rows of the character embedding: 0, or the characters and two more."""
        return len(self._rows) + SPECIAL_CHARACTERS if self.characters is not None else 0

    @property
    def tables(self) -> dict[str, WordTable]:
        """The tables by language."""
        return self._tables

    def in_language(self, language: str) -> WordFeatureExtractor:
        """The same extractor, its tables shared, for sentences of "source" or "target"."""
        return self._changed(language=language)

    def without_characters(self) -> WordFeatureExtractor:
        """The same extractor, its tables shared, for a model that reads no characters."""
        return self._changed(characters=None)

    def _changed(self, **changes: Any) -> WordFeatureExtractor:
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        other = type(self)(**{**settings, **changes}, tables=self._tables)
        other._outside = self._outside
        return other

    def use_vectors(self, index: Mapping[str, int], vectors: np.ndarray, *, language: str = "target") -> None:
        """Look words that the table lacks up in other vectors too: those that the table was pruned from, as a rule.

        Args:
            index: Row of each word.
            vectors: (V, d), the language's own (not mapped) vectors; may be memory-mapped, and stays so.
            language: "source" or "target".

        Raises:
            ValueError: They have another width, or there is no table for the language to say how they are mapped.
        """
        if language not in self._tables or vectors.shape[1] != self.word_size:
            raise ValueError(
                f"expected vectors of {self.word_size} components for a language with a table, found "
                f"{vectors.shape[1]} for {language!r}"
            )
        self._outside[language] = (index, vectors)

    def look_up(self, words: Sequence[str], *, language: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of words.

        Args:
            words: N words.
            language: Which table; by default the extractor's own language.

        Returns:
            (N, d) float32, and (N,) bool: whether the word, as written or lower-cased, has a vector (with "random"
            every word has).
        """
        language = language or self.language
        vectors = np.zeros((len(words), self.word_size), dtype=np.float32)
        found = np.zeros(len(words), dtype=bool)
        table = self._tables.get(language)
        if table is not None:
            inside, outside = self._places(words, table, self._outside.get(language, ({}, None))[0])
            rows = np.flatnonzero(inside >= 0)
            vectors[rows] = table.vectors[inside[rows]]
            rows = np.flatnonzero(outside >= 0)
            if len(rows):
                vectors[rows] = table.to_common_space(self._outside[language][1][outside[rows]])
            found = (inside >= 0) | (outside >= 0)
        for row in np.flatnonzero(~found) if self.unseen != "zero" else ():
            vectors[row] = self._unseen_vector(words[int(row)], table)
        return vectors, found | (self.unseen == "random")

    def _places(
        self, words: Sequence[str], table: WordTable, outside: Mapping[str, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each word its row in the table, and for those not in it in the vectors outside; -1 for none."""
        places = np.full((2, len(words)), -1, dtype=np.int64)
        for number, word in enumerate(words):
            lowered = word.lower()
            if word in table.index:
                places[0, number] = table.index[word]
            elif word in outside:
                places[1, number] = outside[word]
            elif lowered in table.index:
                places[0, number] = table.index[lowered]
            elif lowered in outside:
                places[1, number] = outside[lowered]
        return places[0], places[1]

    def _unseen_vector(self, word: str, table: WordTable | None) -> np.ndarray:
        if self.unseen == "random":
            # Uniform, of length 1 on average, as random embeddings of such taggers usually are.
            bound = (3.0 / self.word_size) ** 0.5
            random = np.random.default_rng(zlib.crc32(word.encode("utf-8", "surrogatepass")))
            return random.uniform(-bound, bound, self.word_size).astype(np.float32)
        assert table is not None and table.ngrams is not None
        buckets = ngram_buckets(word.lower(), self.shortest_ngram, self.longest_ngram, len(table.ngrams))
        if not buckets:
            return np.zeros(self.word_size, dtype=np.float32)
        return np.asarray(table.ngrams[buckets], dtype=np.float32).mean(axis=0)

    def spell(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Characters of words: (N, K) int64 rows of the embedding, padded, and (N,) int64 counts, at least 1."""
        rows = [[self._rows.get(character, UNKNOWN) for character in word[: self.longest_word]] for word in words]
        rows = [row or [UNKNOWN] for row in rows]
        counts = np.array([len(row) for row in rows], dtype=np.int64)
        spelt = np.full((len(rows), max(counts, default=1)), PADDING, dtype=np.int64)
        for number, row in enumerate(rows):
            spelt[number, : len(row)] = row
        return spelt, counts

    def __call__(
        self, sentences: Sequence[Sequence[str]], *, language: str | None = None, return_tensors: str | None = "pt"
    ) -> BatchFeature:
        """Inputs of the model for sentences of words.

        Args:
            sentences: B sentences, each a list of at least one word.
            language: "source" or "target"; by default the extractor's own.
            return_tensors: "pt" (default), "np" or None.

        Raises:
            ValueError: A sentence is a string, or has no words.
        """
        if isinstance(sentences, str) or any(isinstance(words, str) or not len(words) for words in sentences):
            raise ValueError("expected sentences, each a list of at least one word (one sentence is [words])")
        words = list(dict.fromkeys(word for sentence in sentences for word in sentence))
        place = {word: number for number, word in enumerate(words)}
        shape = (len(sentences), max((len(sentence) for sentence in sentences), default=0))
        word_ids, mask = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, sentence in enumerate(sentences):
            word_ids[row, : len(sentence)] = [place[word] for word in sentence]
            mask[row, : len(sentence)] = 1
        data = {
            "word_vectors": self.look_up(words, language=language)[0],
            "word_ids": word_ids,
            "attention_mask": mask,
        }
        if self.characters is not None:
            data["word_characters"], data["character_counts"] = self.spell(words)
        return BatchFeature(data, tensor_type=return_tensors)

    def to_dict(self) -> dict[str, Any]:
        """The settings, and facts about the tables, which have files of their own."""
        settings = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        facts = {
            language: {"words": len(table.words), "steps": [step.kind for step in table.steps]}
            for language, table in self._tables.items()
        }
        return {**settings, "table_facts": facts, "feature_extractor_type": type(self).__name__}

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **more: Any) -> list[str]:
        """Write `preprocessor_config.json`, code and tables into a folder; with `push_to_hub` also onto the Hub.

        Args:
            save_directory: The folder.
            push_to_hub: Push as `push_to_hub` does.
            more: `repo_id` (by default the folder's name) and other options of `push_to_hub`.

        Returns:
            The paths of settings and tables.
        """
        folder = os.fspath(save_directory)
        os.makedirs(folder, exist_ok=True)
        written = [*super().save_pretrained(folder), *self.save_tables(folder)]
        if push_to_hub:
            self.push_to_hub(more.pop("repo_id", os.path.basename(os.path.abspath(folder))), **more)
        return written

    def save_settings(self, folder: str | os.PathLike) -> None:
        """Write everything but the tables."""
        super().save_pretrained(folder)

    def table_files(self) -> list[str]:
        """Names of the files that hold the tables."""
        return [VECTORS_FILE, *map(_words_file, self._tables)] if self._tables else []

    def save_tables(self, folder: str | os.PathLike) -> list[str]:
        """Write the tables alone; returns the paths."""
        from safetensors.numpy import save

        paths = [os.path.join(folder, name) for name in self.table_files()]
        if paths:
            with open(paths[0], "wb") as binary:
                binary.write(save({name: np.ascontiguousarray(array) for name, array in _arrays(self._tables)}))
        for path, table in zip(paths[1:], self._tables.values(), strict=True):
            with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
                file.write("\n".join(table.words))
        return paths

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike, **more: Any
    ) -> WordFeatureExtractor:
        """Read what `save_pretrained` wrote, from a folder or the Hub.

        Args:
            pretrained_model_name_or_path: Folder or Hub id.
            more: Settings to change (`language`, `unseen`), and options of the Hub (`revision`, `token`, …).

        Raises:
            OSError: There is no such extractor, or one of its files is missing.
        """
        name = os.fspath(pretrained_model_name_or_path)
        settings, _ = cls.get_feature_extractor_dict(name, **more)
        options = {option: more[option] for option in _HUB_OPTIONS if option in more}
        tables = _read_tables(name, settings.pop("table_facts", {}), options)
        changed = {key: value for key, value in more.items() if key in settings}
        return cls(**{**settings, **changed}, tables=tables)


def _words_file(language: str) -> str:
    return f"words_{language}.txt"


def _arrays(tables: Mapping[str, WordTable]) -> Iterator[tuple[str, np.ndarray]]:
    """Everything numeric in the tables, by the name that it has in the file."""
    for language, table in tables.items():
        yield f"{language}.vectors", table.vectors
        if table.ngrams is not None:
            yield f"{language}.ngrams", table.ngrams
        for number, step in enumerate(table.steps):
            if step.value is not None:
                yield f"{language}.step{number}", np.asarray(step.value, dtype=np.float32)


def _read_tables(name: str, facts: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, WordTable]:
    from safetensors.numpy import load_file

    def path(file: str) -> str:
        found = cached_file(name, file, **options)
        assert found is not None  # it raises where there is none
        return found

    if not facts:
        return {}
    arrays = load_file(path(VECTORS_FILE))
    tables = {}
    for language, table in facts.items():
        with open(path(_words_file(language)), "rb") as file:
            words = file.read().decode("utf-8", "surrogatepass").split("\n")
        steps = [SpaceStep(kind, arrays.get(f"{language}.step{number}")) for number, kind in enumerate(table["steps"])]
        tables[language] = WordTable(words, arrays[f"{language}.vectors"], steps, arrays.get(f"{language}.ngrams"))
    return tables
