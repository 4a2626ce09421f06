"""Word vectors trained from plain text, for languages that have none."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.files import numbered_lines
from hf_xner.translation.vectors import WordVectors

MAX_SENTENCE = 10_000  # gensim cuts longer ones silently


@dataclass(frozen=True)
class VectorTraining:
    """Settings of fastText skip-gram; the defaults are fastText's but for buckets and subsampling.

    Attributes:
        width: Components of a vector.
        epochs: Passes over the text.
        min_count: Rarer words get no vector.
        window: Largest distance between a word and one it predicts.
        negative: Noise words for each real one.
        rate: First learning rate; it falls linearly.
        subsampling: Threshold above which frequent words are skipped at random. fastText's 1e-4 is for billions of
            words: from a few million it leaves too little, and all vectors point the same way.
        shortest: Shortest character n-gram.
        longest: Longest one.
        buckets: Hash buckets of n-grams; each takes 4 x `width` bytes (fastText has 2,000,000).
        lowercase: Lower-case the text first.
        seed: Random seed; the same seed gives the same vectors with one worker only.
        workers: Threads.
    """

    width: int = 300
    epochs: int = 5
    min_count: int = 5
    window: int = 5
    negative: int = 5
    rate: float = 0.05
    subsampling: float = 1e-3
    shortest: int = 3
    longest: int = 6
    buckets: int = 500_000
    lowercase: bool = False
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "min_count", "window", "shortest", "buckets", "workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{getattr(self, name)} is too small", where=f"--{name}", remedy="give 1 or more")
        for name in ("negative", "subsampling", "seed"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{getattr(self, name)} is too small", where=f"--{name}", remedy="give 0 or more")
        if not 0 < self.rate < float("inf"):
            raise InputError(f"{self.rate} is no learning rate", where="--rate", remedy="give a positive number")
        if self.longest < self.shortest:
            raise InputError(
                f"{self.longest} is below the shortest n-gram, {self.shortest}",
                where="--longest",
                remedy="give a larger number",
            )


def train_vectors(
    files: Sequence[str | Path],
    settings: VectorTraining | None = None,
    *,
    split: Callable[[str], Iterable[str]] = str.split,
) -> WordVectors:
    """Train skip-gram vectors with sub-words (Bojanowski et al. 2017) on plain text.

    Args:
        files: UTF-8 text, a sentence or short paragraph a line, plain, `.gz` or `.xz`.
        settings: Settings.
        split: Line to words.

    Returns:
        Vectors of every word that occurs often enough, most frequent first.

    Raises:
        InputError: gensim is missing, a file cannot be read, or no word occurs often enough.
    """
    settings = settings or VectorTraining()
    try:
        from gensim.models import FastText
    except ImportError as error:
        raise InputError(
            "training vectors needs gensim", remedy='install it: pip install "hf_xner[vectors]"'
        ) from error
    text = _Text([Path(path) for path in files], settings.lowercase, split)
    model: Any = FastText(
        sg=1,
        vector_size=settings.width,
        window=settings.window,
        negative=settings.negative,
        alpha=settings.rate,
        sample=settings.subsampling,
        min_count=settings.min_count,
        min_n=settings.shortest,
        max_n=settings.longest,
        bucket=settings.buckets,
        seed=settings.seed,
        workers=settings.workers,
        epochs=settings.epochs,
    )
    model.build_vocab(corpus_iterable=text)
    where = ", ".join(map(str, files))
    if not len(model.wv):
        raise InputError(
            f"no word occurs {settings.min_count} times", where=where, remedy="give more text or lower --min_count"
        )
    model.train(corpus_iterable=text, total_examples=model.corpus_count, epochs=settings.epochs)
    return WordVectors(list(model.wv.index_to_key), np.array(model.wv.vectors, dtype=np.float32), where)


class _Text:
    """The sentences of some files; can be read again and again."""

    def __init__(self, files: list[Path], lowercase: bool, split: Callable[[str], Iterable[str]]) -> None:
        self.files = files
        self.lowercase = lowercase
        self.split = split

    def __iter__(self) -> Iterator[list[str]]:
        for path in self.files:
            for _, line in numbered_lines(path):
                text = unicodedata.normalize("NFC", line)
                # A .vec file cannot hold a word with a space in it.
                words = [word for word in self.split(text.lower() if self.lowercase else text) if not _has_space(word)]
                for begin in range(0, len(words), MAX_SENTENCE):
                    yield words[begin : begin + MAX_SENTENCE]


def _has_space(word: str) -> bool:
    return any(character.isspace() for character in word)
