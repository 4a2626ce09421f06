"""A tagger on a labelled corpus: the two figures that are reported wherever F1 is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import EntityScores, entity_scores
from hf_xner.inference.decoding import TagDecoder
from hf_xner.inference.probabilities import word_probabilities

KINDS = ("plain", "tagger")


@dataclass(frozen=True)
class Evaluation:
    """Scores and predictions of a model.

    Attributes:
        scores: For "plain" and "tagger", or the one that was asked for, the scores.
        predictions: For each of them IOB2 tags, a list a sentence.
        gold: Gold tags, a list a sentence.
    """

    scores: dict[str, EntityScores]
    predictions: dict[str, list[list[str]]]
    gold: list[list[str]]


def evaluate_model(
    model: Any,
    tokenizer: Any,
    dataset: Dataset,
    *,
    kinds: Sequence[str] = KINDS,
    batch_subwords: int = 4096,
    bf16: bool = False,
) -> Evaluation:
    """Score a model on a corpus; tags meet by name.

    * "plain": what users of transformers' pipeline get: argmax for each word; a sentence longer than the model takes
      is cut, and the words cut off count as tagged "O".
    * "tagger": what `hf_xner.inference.tagger.Tagger` adds: windows, so that every word is read, and constrained
      decoding with the start constraint of the model's configuration.

    Only sentences longer than the model takes are read twice.

    Args:
        model: A token classifier whose `config.id2label` holds tag names of any scheme.
        tokenizer: Its fast tokenizer.
        dataset: `tokens` and `ner_tags` (IOB2 ClassLabels).
        kinds: "plain", "tagger" or both.
        batch_subwords: Sub-words, padding included, in one batch.
        bf16: Run matrix products in bfloat16.

    Returns:
        Scores, predictions and gold tags of all sentences.

    Raises:
        InputError: The dataset has no tags, or the model's labels are not tags.
    """
    gold = gold_tags(dataset)
    sentences = dataset["tokens"][:]
    options: dict[str, Any] = {"batch_subwords": batch_subwords, "bf16": bf16}
    probabilities = list(word_probabilities(model, tokenizer, sentences, **options))
    predictions: dict[str, list[list[str]]] = {}
    if "plain" in kinds:
        plain = list(probabilities)
        long = _too_long(model, tokenizer, sentences)
        cut = word_probabilities(model, tokenizer, [sentences[index] for index in long], truncate=True, **options)
        for index, array in zip(long, cut, strict=True):
            plain[index] = array
        predictions["plain"] = _decode(model, "argmax", plain)
    if "tagger" in kinds:
        predictions["tagger"] = _decode(model, "viterbi", probabilities)
    scores = {kind: entity_scores(gold, tags) for kind, tags in predictions.items()}
    return Evaluation(scores, predictions, gold)


def gold_tags(dataset: Dataset) -> list[list[str]]:
    """The tags of a labelled dataset by name, a list a sentence.

    Raises:
        InputError: It has none.
    """
    feature = dataset.features.get("ner_tags")
    if feature is None:
        raise InputError("the corpus has no tags to score against", remedy="give a labelled corpus")
    names = feature.feature.names
    return [[names[tag] for tag in tags] for tags in dataset["ner_tags"][:]]


def _too_long(model: Any, tokenizer: Any, sentences: Sequence[Sequence[str]]) -> list[int]:
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, model.config))
    return [index for index, windows in enumerate(encoder.encode(sentences)) if len(windows) > 1]


def _decode(model: Any, method: str, probabilities: Sequence[np.ndarray]) -> list[list[str]]:
    decoder = TagDecoder.from_config(model.config, method=method)
    return [decoder.iob2(tag_ids) for tag_ids in decoder.decode(probabilities)]
