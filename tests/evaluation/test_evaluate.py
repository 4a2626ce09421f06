"""The plain and the tagger figure of a model on a corpus."""

from __future__ import annotations

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import evaluate_model
from hf_xner.inference.tagger import Tagger

# Not the order of the model's labels: tags meet by name.
NAMES = ["O", "I-PER", "B-PER", "I-ORG", "B-ORG", "B-MISC", "I-MISC", "I-LOC", "B-LOC"]


@pytest.fixture(scope="module")
def model(tiny_model_dir):
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification.from_pretrained(tiny_model_dir, dtype=torch.float32)


def corpus(sentences: list[list[str]], tags: list[list[str]]) -> Dataset:
    features = Features(
        {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=NAMES))}
    )
    ids = [str(index) for index in range(len(sentences))]
    return Dataset.from_dict({"id": ids, "tokens": sentences, "ner_tags": tags}, features=features)


def test_label_order_of_corpus_and_model_does_not_matter(model, tiny_tokenizer):
    """User demand 6: a model that is right scores 100, whatever the order of the corpus' labels."""
    sentences = [["Angela", "Merkel", "visited", "Kiel"], ["the", "bank"], [], ["Bonn", "", "."]]
    right = [tagged.tags for tagged in Tagger(model, tiny_tokenizer).tag_words(sentences)]
    outcome = evaluate_model(model, tiny_tokenizer, corpus(sentences, right))
    assert outcome.gold == right == outcome.predictions["plain"]
    assert outcome.scores["plain"].accuracy == 1.0
    assert outcome.scores["plain"].f1 == (1.0 if outcome.scores["plain"].support else 0.0)
    assert outcome.scores["plain"].n_tokens == 9


def test_every_word_is_scored_and_only_the_plain_figure_cuts_long_sentences(model, tiny_tokenizer):
    sentences = [["John", "the"] * 60, ["Kiel"]]
    gold = [["B-LOC", "O"] * 60, ["B-LOC"]]
    outcome = evaluate_model(model, tiny_tokenizer, corpus(sentences, gold))
    plain, tagger = outcome.predictions["plain"], outcome.predictions["tagger"]
    assert [len(tags) for tags in plain] == [len(tags) for tags in tagger] == [120, 1]
    assert plain[0][62:] == ["O"] * 58
    assert tagger == [tagged.tags for tagged in Tagger(model, tiny_tokenizer, decoding="viterbi").tag_words(sentences)]
    truncating = Tagger(model, tiny_tokenizer, decoding="argmax", on_long_input="truncate")
    assert plain == [tagged.tags for tagged in truncating.tag_words(sentences)]
    assert {scores.n_tokens for scores in outcome.scores.values()} == {121}
    assert {scores.support for scores in outcome.scores.values()} == {61}


def test_one_figure_may_be_asked_for(model, tiny_tokenizer):
    outcome = evaluate_model(model, tiny_tokenizer, corpus([["Kiel"]], [["O"]]), kinds=("tagger",))
    assert list(outcome.scores) == list(outcome.predictions) == ["tagger"]


def test_a_corpus_without_sentences_scores_nothing(model, tiny_tokenizer):
    outcome = evaluate_model(model, tiny_tokenizer, corpus([], []))
    assert outcome.scores["plain"].f1 == 0.0 and outcome.scores["plain"].n_sentences == 0


def test_the_model_keeps_its_mode_and_an_unlabelled_corpus_is_refused(model, tiny_tokenizer):
    model.train()
    evaluate_model(model, tiny_tokenizer, corpus([["Kiel"]], [["O"]]))
    assert model.training
    model.eval()
    with pytest.raises(InputError, match="no tags to score against; give a labelled corpus"):
        evaluate_model(model, tiny_tokenizer, corpus([["Kiel"]], [["O"]]).remove_columns("ner_tags"))
