"""Corpora recombined from a corpus and its translation: code-switching and shuffling (TransAdv, section 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.segments import segments, tag_strings, tagged_dataset

if TYPE_CHECKING:
    from datasets import Dataset


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
    if len(source) != len(translated):
        raise InputError(
            f"{len(source)} sentences against {len(translated)} translated ones",
            remedy="give a corpus and its translation",
        )
    ids, rows = list(source["id"]), ([], [])  # type: ignore[var-annotated]
    pairs = zip(source["tokens"], translated["tokens"], tag_strings(source), tag_strings(translated), strict=True)
    for id_, (ours, theirs, our_tags, their_tags) in zip(ids, pairs, strict=True):
        our_segments, their_segments = segments(our_tags), segments(their_tags)
        if [segment.type for segment in our_segments] != [segment.type for segment in their_segments]:
            raise InputError(
                "the sentence and its translation have different entities",
                where=f"sentence {id_!r}",
                remedy="translate the corpus again",
            )
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
            words += [tokens[start + place] for place in random.permutation(end - start).tolist()]
        shuffled.append(words)
    return tagged_dataset(dataset, list(dataset["id"]), shuffled, all_tags)
