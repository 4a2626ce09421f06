"""A tagger on a labelled corpus: the two figures that are reported wherever F1 is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from datasets import Dataset

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import EntityScores, entity_scores
from hf_xner.inference.decoding import TagDecoder
from hf_xner.inference.loading import reads_words
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.word_models import read_words

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
    start_constraint: bool | None = None,
    batch_subwords: int = 4096,
    bf16: bool = False,
) -> Evaluation:
    """Score a model on a corpus; tags meet by name.

    * "plain": what users of transformers' pipeline get: argmax for each word; a sentence longer than the model takes
      is cut, and the words cut off count as tagged "O".
    * "tagger": what `hf_xner.inference.tagger.Tagger` adds: windows, so that every word is read, and constrained
      decoding with the start constraint of the model's configuration.

    Only sentences longer than the model takes are read twice. A BiLSTM-CRF takes sentences of any length and has one
    decoding, the Viterbi of its CRF: both figures are the same.

    Args:
        model: A token classifier whose `config.id2label` holds tag names of any scheme.
        tokenizer: Its fast tokenizer.
        dataset: `tokens` and `ner_tags` (IOB2 ClassLabels).
        kinds: "plain", "tagger" or both.
        start_constraint: Whether the tagger's first and last words are constrained too; by default what the model's
            configuration says.
        batch_subwords: Sub-words, padding included, in one batch.
        bf16: Run matrix products in bfloat16.

    Returns:
        Scores, predictions and gold tags of all sentences.

    Raises:
        InputError: The dataset has no tags, or the model's labels are not tags.
    """
    gold = gold_tags(dataset)
    sentences = dataset["tokens"][:]
    if reads_words(tokenizer):
        return _evaluate_word_model(model, tokenizer, sentences, gold, kinds)
    options: dict[str, Any] = {"batch_subwords": batch_subwords, "bf16": bf16}
    probabilities = list(word_probabilities(model, tokenizer, sentences, **options))
    predictions: dict[str, list[list[str]]] = {}
    if "plain" in kinds:
        plain = as_cut(model, tokenizer, sentences, probabilities, **options)
        predictions["plain"] = _decode(model, "argmax", plain)
    if "tagger" in kinds:
        predictions["tagger"] = _decode(model, "viterbi", probabilities, start_constraint)
    scores = {kind: entity_scores(gold, tags) for kind, tags in predictions.items()}
    return Evaluation(scores, predictions, gold)


def as_cut(
    model: Any,
    tokenizer: Any,
    sentences: Sequence[Sequence[str]],
    probabilities: Sequence[np.ndarray],
    **options: Any,
) -> list[np.ndarray]:
    """What a plain pipeline reads: of each sentence longer than the model takes only the beginning, the rest is "O".

    Args:
        model: A token classifier.
        tokenizer: Its fast tokenizer.
        sentences: The sentences.
        probabilities: (n_words, C) of each, every word read; those of long sentences are replaced.
        options: As for `word_probabilities`.
    """
    plain = list(probabilities)
    long = _too_long(model, tokenizer, sentences)
    cut = word_probabilities(model, tokenizer, [sentences[index] for index in long], truncate=True, **options)
    for index, array in zip(long, cut, strict=True):
        plain[index] = array
    return plain


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


def _evaluate_word_model(
    model: Any, extractor: Any, sentences: Sequence[Sequence[str]], gold: list[list[str]], kinds: Sequence[str]
) -> Evaluation:
    """A BiLSTM-CRF: whole sentences and its own Viterbi, for whoever uses it."""
    decoder = TagDecoder.from_config(model.config, method="argmax")  # for its names and scheme
    tags = [decoder.iob2(reading.tags) for reading in read_words(model, extractor, sentences)]
    scores = entity_scores(gold, tags)
    return Evaluation(dict.fromkeys(kinds, scores), dict.fromkeys(kinds, tags), gold)


def _too_long(model: Any, tokenizer: Any, sentences: Sequence[Sequence[str]]) -> list[int]:
    if reads_words(tokenizer):
        return []
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, model.config))
    return [index for index, windows in enumerate(encoder.encode(sentences)) if len(windows) > 1]


def _decode(
    model: Any, method: str, probabilities: Sequence[np.ndarray], start_constraint: bool | None = None
) -> list[list[str]]:
    decoder = TagDecoder.from_config(model.config, method=method)
    if start_constraint is not None:
        decoder = replace(decoder, start_constraint=start_constraint)
    return [decoder.iob2(tag_ids) for tag_ids in decoder.decode(probabilities)]
