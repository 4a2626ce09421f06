"""Corpora recombined from a corpus and its translation: code-switching and shuffling (TransAdv, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.segments import segments, tag_strings, tagged_dataset

if TYPE_CHECKING:
    from datasets import Dataset


def refuse_other_entities(source: Dataset, translated: Dataset, *, contexts: bool = False) -> None:
    """Refuse a translation that is not, row by row, one of these sentences.

    Lengths may differ, as those of phrases do; entities may not.

    Args:
        source: Source sentences with tags.
        translated: What is said to be their translations; tags meet by name.
        contexts: The words between entities must stand at the same places among them, too.

    Raises:
        InputError: There are more or fewer rows, or a row has entities of other types or in another order; the
            message names the sentence.
    """
    if len(source) != len(translated):
        raise InputError(
            f"{len(source)} sentences against {len(translated)} translated ones",
            remedy="give a corpus and its translation",
        )
    for id_, ours, theirs in zip(source["id"], tag_strings(source), tag_strings(translated), strict=True):
        found, wanted = ([kind for kind, _, _ in segments(tags) if contexts or kind] for tags in (theirs, ours))
        if found != wanted:
            what = "entities or stretches of words between them" if contexts else "entities"
            raise InputError(
                f"the sentence and its translation have different {what}",
                where=f"sentence {id_!r}",
                remedy="translate the corpus again",
            )


def code_switch(source: Dataset, translated: Dataset) -> tuple[Dataset, Dataset]:
    """Swap the entities of a corpus with those of its translation, span by span.

    Works for word-by-word translations (then it is a swap token by token) and for phrase-wise ones, whose spans may
    differ in length.

    Args:
        source: Source sentences with tags.
        translated: Their translations, row by row, with the same entities in the same order.

    Returns:
        Source contexts with translated entities, and translated contexts with source entities.

    Raises:
        InputError: The two do not belong together; the message names the sentence.
    """
    refuse_other_entities(source, translated, contexts=True)
    ids, rows = list(source["id"]), ([], [])  # type: ignore[var-annotated]
    pairs = zip(source["tokens"], translated["tokens"], tag_strings(source), tag_strings(translated), strict=True)
    for ours, theirs, our_tags, their_tags in pairs:
        our_segments, their_segments = segments(our_tags), segments(their_tags)
        for result, swap in zip(rows, (False, True), strict=True):
            tokens: list[str] = []
            tags: list[str] = []
            for our, their in zip(our_segments, their_segments, strict=True):
                if (our.type is None) != swap:
                    tokens += ours[our.start : our.end]
                    tags += our_tags[our.start : our.end]
                else:
                    tokens += theirs[their.start : their.end]
                    tags += their_tags[their.start : their.end]
            result.append((tokens, tags))
    first, second = (
        tagged_dataset(source, ids, [row[0] for row in result], [row[1] for row in result]) for result in rows
    )
    return first, second


def shuffle_spans(dataset: Dataset, *, seed: int = 0) -> Dataset:
    """Shuffle the words inside every entity and inside every stretch between entities; the tags stay in place.

    What has another order gets one: drawn orders that change nothing are drawn again.

    Args:
        dataset: Sentences with tags.
        seed: Random seed.

    Returns:
        As many sentences, with the same ids and tags.
    """
    random = np.random.default_rng(seed)
    shuffled = []
    all_tags = tag_strings(dataset)
    for tokens, tags in zip(dataset["tokens"], all_tags, strict=True):
        words: list[str] = []
        for _, start, end in segments(tags):
            words += _reordered(tokens[start:end], random)
        shuffled.append(words)
    return tagged_dataset(dataset, list(dataset["id"]), shuffled, all_tags)


def _reordered(words: list[str], random: np.random.Generator) -> list[str]:
    if len(set(words)) < 2:
        return words
    while True:
        drawn = [words[place] for place in random.permutation(len(words)).tolist()]
        if drawn != words:
            return drawn


def has_several_orders(tokens: Sequence[str], tags: Sequence[str]) -> bool:
    """Whether `shuffle_spans` can change a sentence; the same for the sentence and its shuffled copy."""
    return any(len(set(tokens[start:end])) > 1 for _, start, end in segments(tags))
