"""The Tagger and transformers' own pipeline, entity by entity, on what both can do, with a trained tagger.

Both can: WordPiece, sentences within the model's limit, the best tag of each word's first sub-word. The pipeline takes
a punctuation mark inside a word ("U.S.") for a word of its own, so entities are compared where no word has one; tags
and scores of first sub-words are compared everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_xner.inference.tagger import Tagger

pytestmark = pytest.mark.slow
N_SENTENCES = 400


@pytest.fixture(scope="module")
def tagger(trained_model_dir) -> Tagger:
    return Tagger.from_pretrained(str(trained_model_dir), device="cpu", decoding="argmax", temperature=1.0)


@pytest.fixture(scope="module")
def pipe(trained_model_dir) -> Any:
    from transformers import pipeline

    return pipeline("token-classification", model=str(trained_model_dir), device=-1)


@pytest.fixture(scope="module", params=["conll2003:en", "conll2002:es", "conll2002:nl"])
def sentences(request, data_dir: Path, tagger: Tagger) -> list[list[str]]:
    """Real sentences of several languages that fit the model."""
    from hf_xner.data.corpora import load_corpus

    corpus = load_corpus(request.param, data_dir=str(data_dir))["test"]["tokens"]
    return [words for words in corpus[: 2 * N_SENTENCES] if 0 < len(words) < 80][:N_SENTENCES]


def whole(tagger: Tagger, words: list[str]) -> bool:
    """Whether the pipeline takes each word for one: its sub-words after the first are marked as such, none unknown."""
    pieces = [tagger.tokenizer.tokenize(word) for word in words]
    return all(
        several
        and tagger.tokenizer.unk_token not in several
        and all(piece.startswith("##") for piece in several[1:])
        and sum(len(piece.removeprefix("##")) for piece in several) == len(word)
        for several, word in zip(pieces, words, strict=True)
    )


def assert_equal_entities(found: list[dict], tagged) -> None:
    assert [(entity["entity_group"], entity["start"], entity["end"]) for entity in found] == [
        (entity.type, entity.start, entity.end) for entity in tagged.entities
    ]
    for theirs, ours in zip(found, tagged.entities, strict=True):
        # The pipeline's score is the mean of its words' probabilities, ours the geometric mean.
        words = [token.score for token in tagged.tokens[ours.first_word : ours.end_word]]
        assert float(theirs["score"]) == pytest.approx(sum(words) / len(words), abs=1e-4)


def test_every_entity_of_presplit_words(tagger, pipe, sentences):
    chosen = [words for words in sentences if whole(tagger, words)]
    assert len(chosen) > 100
    expected = pipe(chosen, is_split_into_words=True, aggregation_strategy="first")
    answers = tagger.tag_words(chosen)
    for found, tagged in zip(expected, answers, strict=True):
        assert_equal_entities(found, tagged)
    assert sum(len(tagged.entities) for tagged in answers) > 50


def test_every_entity_of_raw_text(tagger, pipe, sentences):
    """Where our splitter finds the corpus' words, and one sentence: what the pipeline takes the text for."""
    texts = [" ".join(words) for words in sentences if whole(tagger, words)]
    answers = tagger.tag_text(texts)
    alike = [
        (text, tagged)
        for text, tagged in zip(texts, answers, strict=True)
        if len(tagged.sentences) == 1 and [token.text for token in tagged.tokens] == text.split(" ")
    ]
    assert len(alike) > 80
    for found, (_, tagged) in zip(pipe([text for text, _ in alike], aggregation_strategy="first"), alike, strict=True):
        assert_equal_entities(found, tagged)


def test_every_tag_and_score_of_first_subwords(tagger, pipe, sentences):
    expected = pipe(sentences, is_split_into_words=True, ignore_labels=[])
    answers = tagger.tag_words(sentences)
    compared = 0
    for subwords, tagged in zip(expected, answers, strict=True):
        by_start = {subword["start"]: subword for subword in reversed(subwords)}
        for token in tagged.tokens:
            if token.start in by_start:  # a word of characters that the tokenizer drops has no sub-word
                theirs = by_start[token.start]
                assert theirs["entity"] == token.tag
                assert float(theirs["score"]) == pytest.approx(token.score, abs=1e-4)
                compared += 1
    assert compared > 0.99 * sum(map(len, sentences))
