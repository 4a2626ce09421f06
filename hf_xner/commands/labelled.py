"""A labelled split for a command, and whether a model's types fit it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset


def load_labelled(
    spec: str, split: str, *, data_dir: str | None = None, label_map: Sequence[str] | None = None
) -> Dataset:
    """One labelled split of a corpus.

    Raises:
        InputError: There is no such corpus or split, or it has no tags.
    """
    from hf_xner.data.corpora import load_corpus

    splits = load_corpus(spec, data_dir=data_dir, label_map=label_map)
    if split not in splits:
        raise InputError(f"no split {split!r}", where=spec, remedy=f"use --split with one of {', '.join(splits)}")
    if "ner_tags" not in splits[split].features:
        raise InputError("the corpus has no tags to score against", where=spec, remedy="give a labelled corpus")
    return splits[split]


def check_types(config: Any, dataset: Dataset, *, model: str, spec: str) -> None:
    """Refuse to score a model on a corpus with other entity types.

    Args:
        config: The model's, with `id2label`.
        dataset: A labelled split.
        model: The model's name, for the message.
        spec: The corpus' name, for the message.

    Raises:
        InputError: The types differ.
    """
    from hf_xner.data.corpora import describe
    from hf_xner.data.label_maps import check_compatible
    from hf_xner.labels import entity_types

    check_compatible(
        entity_types(config.id2label.values()),
        entity_types(dataset.features["ner_tags"].feature.names),
        model=model,
        corpus=spec,
        observed=describe(spec).observed,
    )
