"""From word vectors and a mapping to the tables that a word model looks its words up in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hf_xner.errors import InputError
from hf_xner.models.word_features import SpaceStep, WordTable, ngram_buckets
from hf_xner.translation.mapping import Mapping, Side
from hf_xner.translation.vectors import WordVectors


def require_width(mapping: Mapping, vectors: WordVectors) -> None:
    """Refuse a mapping for vectors of another width.

    Raises:
        InputError: It is.
    """
    if len(mapping.matrix) != vectors.width:
        raise InputError(
            f"a mapping of {len(mapping.matrix)} components for vectors of {vectors.width}",
            where=vectors.name,
            remedy="use the vectors that it was learnt from",
        )


def space_steps(vectors: WordVectors, mapping: Mapping | None, side: Side, *, length: float | None) -> list[SpaceStep]:
    """The steps by which a language's own vectors get into the common space.

    Args:
        vectors: The vectors that the mapping was learnt from, as they are in their file (not normalised).
        mapping: The mapping; None for vectors that stay by themselves.
        side: Which of the mapping's sides they are.
        length: Length that all vectors are brought to; None for the length that they come with.

    Raises:
        InputError: The mapping is for vectors of another width.
    """
    if mapping is not None:
        require_width(mapping, vectors)
    steps: list[SpaceStep] = []
    current = np.asarray(vectors.vectors, dtype=np.float32)
    for kind in () if mapping is None else mapping.facts.get(side, {}).get("normalise", ()):
        steps.append(SpaceStep(kind, current.mean(axis=0) if kind == "center" else None))
        current = steps[-1].apply(current)
    if mapping is not None and mapping.mapped == side:
        steps.append(SpaceStep("map", np.asarray(mapping.matrix, dtype=np.float32)))
    if length is not None:
        steps += [SpaceStep("renorm"), SpaceStep("scale", np.array(length, dtype=np.float32))]
    return steps


def build_table(
    vectors: WordVectors, steps: Iterable[SpaceStep], needed: Iterable[str], most_frequent: int
) -> WordTable:
    """A table of the most frequent words and of those that a text needs, in float16.

    Args:
        vectors: The language's own vectors.
        steps: See `space_steps`.
        needed: Words of the text, as written; their lower-cased forms are kept too where they have vectors.
        most_frequent: So many most frequent words are kept, for texts still unknown.
    """
    rows = set(range(min(most_frequent, len(vectors))))
    for word in needed:
        rows.update(vectors.index[form] for form in (word, word.lower()) if form in vectors.index)
    chosen = np.array(sorted(rows), dtype=np.int64)
    table = WordTable([vectors.words[row] for row in chosen], np.zeros((len(chosen), vectors.width)), list(steps))
    table.vectors = table.to_common_space(vectors.vectors[chosen]).astype(np.float16)
    return table


def fit_ngrams(
    table: WordTable,
    *,
    shortest: int = 3,
    longest: int = 6,
    buckets: int = 50_000,
    iterations: int = 30,
    penalty: float = 1.0,
) -> np.ndarray:
    """Vectors of character n-grams whose means come close to the vectors of the words that they make up.

    A "bag of sub-words" (Zhao et al., EMNLP 2018) by ridge regression: it needs nothing but the words' vectors, so it
    does for files that come without fastText's own n-grams.

    Args:
        table: The words (lower-cased here) and their vectors.
        shortest: Shortest n-gram.
        longest: Longest one.
        buckets: Hash buckets.
        iterations: Steps of the conjugate gradients, all components at once.
        penalty: Weight of the squared length of the n-grams' vectors.

    Returns:
        (buckets, d) float16.
    """
    from scipy.sparse import csr_matrix

    columns, borders, weights = [], [0], []
    for word in table.words:
        places = ngram_buckets(word.lower(), shortest, longest, buckets)
        columns.extend(places)  # none for a word of one character
        weights.extend([1.0 / max(1, len(places))] * len(places))
        borders.append(len(columns))
    parts = csr_matrix(
        (np.array(weights, dtype=np.float32), columns, borders), shape=(len(table.words), buckets), dtype=np.float32
    )
    targets = np.asarray(table.vectors, dtype=np.float32)
    return _ridge(parts, targets, penalty, iterations).astype(np.float16)


def _ridge(parts: Any, targets: np.ndarray, penalty: float, iterations: int) -> np.ndarray:
    """X that minimises |parts X - targets|^2 + penalty |X|^2: conjugate gradients, each column for itself."""
    transposed = parts.T.tocsr()
    found = np.zeros((transposed.shape[0], targets.shape[1]), dtype=np.float32)
    residual = np.asarray(transposed @ targets, dtype=np.float32)
    direction = residual.copy()
    norms = np.square(residual).sum(axis=0)
    tiny = np.finfo(np.float32).tiny
    for _ in range(iterations):
        product = transposed @ (parts @ direction) + penalty * direction
        step = norms / np.maximum((direction * product).sum(axis=0), tiny)
        found += step * direction
        residual -= step * product
        following = np.square(residual).sum(axis=0)
        direction = residual + following / np.maximum(norms, tiny) * direction
        norms = following
    return found
