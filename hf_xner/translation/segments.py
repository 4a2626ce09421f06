"""A tagged sentence as a row of stretches: entities, and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_xner.errors import InputError
from hf_xner.labels import spans_from_tags

if TYPE_CHECKING:
    from datasets import Dataset


class Segment(NamedTuple):
    """A stretch of a sentence: an entity, or everything up to the next one.

    Attributes:
        type: Entity type, or None between entities.
        start: First token.
        end: Token after the last.
    """

    type: str | None
    start: int
    end: int


def segments(tags: Sequence[str]) -> list[Segment]:
    """Cut a sentence at its entities' borders; every token is in exactly one segment."""
    found: list[Segment] = []
    end = 0
    for span in spans_from_tags(tags):
        if span.start > end:
            found.append(Segment(None, end, span.start))
        found.append(Segment(span.type, span.start, span.end))
        end = span.end
    if end < len(tags):
        found.append(Segment(None, end, len(tags)))
    return found


def carried(tag: str, n_units: int) -> list[str]:
    """Tags of the units that one token has become: only the first keeps its B-."""
    return [tag, *[f"I-{tag[2:]}" if tag.startswith("B-") else tag] * (n_units - 1)]


def entity_tags(entity_type: str | None, length: int) -> list[str]:
    """Tags of a segment of so many tokens."""
    if entity_type is None:
        return ["O"] * length
    return [f"B-{entity_type}", *[f"I-{entity_type}"] * (length - 1)]


def tag_strings(dataset: Dataset) -> list[list[str]]:
    """The tags of every sentence by name.

    Raises:
        InputError: The dataset has no tags with names.
    """
    names = _tag_names(dataset)
    return [[names[tag] for tag in tags] for tags in dataset["ner_tags"]]


def tagged_dataset(like: Dataset, ids: list[str], tokens: list[list[str]], tags: list[list[str]]) -> Dataset:
    """A Dataset with the features of another: id, tokens, ner_tags."""
    from datasets import Dataset as HfDataset
    from datasets import Features

    numbers = {name: number for number, name in enumerate(_tag_names(like))}
    features = Features({name: like.features[name] for name in ("id", "tokens", "ner_tags")})
    columns: dict[str, Any] = {
        "id": ids,
        "tokens": tokens,
        "ner_tags": [[numbers[tag] for tag in sentence] for sentence in tags],
    }
    return HfDataset.from_dict(columns, features=features)


def _tag_names(dataset: Dataset) -> list[str]:
    missing = [name for name in ("id", "tokens", "ner_tags") if name not in dataset.column_names]
    if missing:
        raise InputError(f"no column {missing[0]!r}", remedy="only a labelled corpus can be translated or recombined")
    names = getattr(getattr(dataset.features["ner_tags"], "feature", None), "names", None)
    if not names:
        raise InputError("the tags have no names", where="ner_tags", remedy="load the corpus with `load_corpus`")
    return list(names)
