"""Word-to-word dictionaries: made from a mapping, kept in a file, and judged against a bilingual one."""

from __future__ import annotations

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.mapping import Mapping
from hf_xner.translation.retrieval import csls
from hf_xner.translation.seeds import read_dictionary
from hf_xner.translation.vectors import WordVectors
from hf_xner.whole_files import whole_file

NEIGHBOURS = 10


@dataclass(frozen=True)
class Accuracy:
    """How well a mapping finds the translations of a bilingual dictionary.

    Attributes:
        precision: P@k for each k: the share of queries with a right translation among the k best.
        queries: Source words that were asked: they and at least one of their translations have vectors.
        missing: Source words of the dictionary that could not be asked.
    """

    precision: dict[int, float]
    queries: int
    missing: int


def build_dictionary(
    source: WordVectors, target: WordVectors, mapping: Mapping, *, neighbours: int = NEIGHBOURS, device: str = "cpu"
) -> dict[str, str]:
    """One target word for every source word: the best by CSLS, whatever the word is (numbers and names too).

    Args:
        source: Source vectors.
        target: Target vectors.
        mapping: A mapping between them.
        neighbours: K of CSLS.
        device: Where similarities are computed.

    Returns:
        Source word -> target word, in the order of the source vocabulary.

    Raises:
        InputError: The mapping has not converged or does not fit the vectors.
    """
    mapping.require_converged()
    found = csls(*mapping.common_space(source, target), neighbours=neighbours, device=device)
    return {word: target.words[row] for word, row in zip(source.words, found.targets[:, 0].tolist(), strict=True)}


def write_dictionary(entries: Map[str, str], path: str | Path) -> None:
    """Write entries as `word TAB translation` lines, whole or not at all; what is blank at an end is left out."""
    with whole_file(Path(path)) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        for word, translation in entries.items():
            if all(text and text == text.strip() for text in (word, translation)):
                file.write(f"{word}\t{translation}\n")


def evaluate_mapping(
    source: WordVectors,
    target: WordVectors,
    mapping: Mapping,
    dictionary: str | Path,
    *,
    at: Sequence[int] = (1, 5),
    neighbours: int = NEIGHBOURS,
    device: str = "cpu",
) -> Accuracy:
    """P@k of CSLS translation against a bilingual dictionary, counted as MUSE does.

    Entries without a vector on either side are left out; a word with several translations is one query.

    Args:
        source: Source vectors.
        target: Target vectors.
        mapping: A mapping between them, converged or not.
        dictionary: A dictionary file (`read_dictionary`).
        at: The values of k.
        neighbours: K of CSLS.
        device: Where similarities are computed.

    Raises:
        InputError: No entry has vectors on both sides.
    """
    gold: dict[int, set[int]] = {}
    words: set[str] = set()
    for word, translation in read_dictionary(dictionary):
        words.add(word)
        first, second = source.find(word), target.find(translation)
        if first is not None and second is not None:
            gold.setdefault(first, set()).add(second)
    if not gold:
        raise InputError(
            "no entry has vectors on both sides",
            where=str(dictionary),
            remedy="check the dictionary's direction, and whether the vectors are of its languages",
        )
    queries = np.array(sorted(gold))
    found = csls(
        *mapping.common_space(source, target), neighbours=neighbours, top=max(at), queries=queries, device=device
    )
    right = np.array(
        [
            [row in gold[query] for row in rows]
            for query, rows in zip(queries.tolist(), found.targets.tolist(), strict=True)
        ]
    )
    precision = {k: float(right[:, :k].any(1).mean()) for k in at}
    return Accuracy(precision, len(gold), len(words) - len(gold))
