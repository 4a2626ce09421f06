"""Scores and accuracies of discriminators on held-out sentences: whatever the batch, and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.data.feeds import FEEDS, SOURCE, TARGET, Feed
from hf_xner.inference.discrimination import discriminator_accuracy, language_scores
from hf_xner.models.adversarial import AdversarialConfig, AdversarialForTokenClassification

SENTENCES = [["the", "bank"], ["John"], [], ["Angela", "Merkel", "visited", "Kiel", "."], ["bcd", "", "in"]] * 3
FEED = Feed(
    tagging=("source",),
    language=("source", "translated", "source_switched"),
    order=("source", "source_shuffled"),
)


@pytest.fixture(scope="module")
def model(tiny_encoder_dir: Path) -> AdversarialForTokenClassification:
    from transformers import AutoModel

    torch.manual_seed(0)
    backbone = AutoModel.from_pretrained(tiny_encoder_dir, add_pooling_layer=False)
    config = AdversarialConfig(
        encoder_config=backbone.config, id2label={0: "O", 1: "B-X"}, label2id={"O": 0, "B-X": 1}, language_width=8
    )
    made = AdversarialForTokenClassification(config)
    made.backbone.load_state_dict(backbone.state_dict())
    with torch.no_grad():
        made.language_discriminator.hidden.weight.mul_(50)
        made.language_discriminator.output.weight.mul_(50)
        made.order_discriminator.output.weight.mul_(500)
    return made.train()


def by_hand(model, tokenizer, words: list[str]) -> tuple[np.ndarray, list[int | None]]:
    """Logits of every position, and the word of each."""
    encoding = tokenizer(words, is_split_into_words=True) if words else tokenizer("")
    model.eval()
    with torch.no_grad():
        output = model(torch.tensor([encoding["input_ids"]]), heads=("language",))
    return output.language_logits[0].numpy(), encoding.word_ids()


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def test_a_sentences_score_is_the_mean_probability_over_its_positions(model, tiny_tokenizer):
    for positions in ("attended", "pieces", "words"):
        found = list(language_scores(model, tiny_tokenizer, SENTENCES, positions=positions))
        assert len(found) == len(SENTENCES)
        for words, score in zip(SENTENCES, found, strict=True):
            logits, word_ids = by_hand(model, tiny_tokenizer, words)
            inside = np.array([word is not None for word in word_ids])
            first = inside & np.array([i == 0 or word != word_ids[i - 1] for i, word in enumerate(word_ids)])
            chosen = {"attended": np.ones_like(inside), "pieces": inside, "words": first}[positions]
            expected = sigmoid(logits[chosen]).mean() if chosen.any() else 0.5
            assert score == pytest.approx(expected, abs=1e-5), (positions, words)
    assert len({round(score, 4) for score in found}) > 3


def test_the_model_is_put_back_into_the_mode_it_was_in(model, tiny_tokenizer):
    model.train()
    list(language_scores(model, tiny_tokenizer, SENTENCES[:2]))
    assert model.training


def test_long_sentences_are_cut_as_in_training(model, tiny_tokenizer):
    long = ["John", "visited"] * 60
    assert list(language_scores(model, tiny_tokenizer, [long], max_length=10, positions="pieces")) == pytest.approx(
        list(language_scores(model, tiny_tokenizer, [long[:8]], positions="pieces"))
    )


def corpus(sentences: list[list[str]], tags: list[list[str]], names: list[str]) -> Dataset:
    return Dataset.from_dict(
        {"tokens": sentences, "ner_tags": [[names.index(tag) for tag in row] for row in tags]},
        features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))}),
    )


@pytest.mark.parametrize("names", [["O", "B-X"], ["B-X", "O"]])
def test_accuracy_is_counted_over_words_by_their_language(model, tiny_tokenizer, names: list[str]):
    """Also where a corpus numbers its tags in another way than the model does."""
    source = corpus([["the", "bank"], ["John", "in"]], [["O", "O"], ["B-X", "O"]], names)
    data = dict.fromkeys(("source", "translated", "source_switched", "source_shuffled"), source)
    found = discriminator_accuracy(model, tiny_tokenizer, data, FEED, positions="words")
    says: list[tuple[int, bool]] = []
    for name in FEED.language:
        for words, tags in ((["the", "bank"], "OO"), (["John", "in"], "XO")):
            logits, word_ids = by_hand(model, tiny_tokenizer, words)
            for logit, word in zip(logits, word_ids, strict=True):
                if word is None:
                    continue
                inside = tags[word] == "X"
                language = {"source": SOURCE, "translated": TARGET}.get(name, TARGET if inside else SOURCE)
                says.append((language, bool(logit > 0)))
    recall = [np.mean([said == bool(wanted) for wanted, said in says if wanted == kind]) for kind in (SOURCE, TARGET)]
    assert found["language"] == pytest.approx(np.mean(recall))
    assert found["order"] == 0.5, "the same sentences, called ordered and shuffled"


def test_only_discriminators_that_are_there_and_fed_are_asked(model, tiny_tokenizer):
    text = Dataset.from_dict({"tokens": [["the", "bank"]]})
    source = corpus([["the"]], [["O"]], ["O", "B-X"])
    found = discriminator_accuracy(
        model, tiny_tokenizer, {"source": source, "target_text": text}, FEEDS["advpicker"], positions="attended"
    )
    assert set(found) == {"language"}
