"""The BiLSTM-CRF: the published numbers of weights, what it computes, what it saves, and who can load it."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification, WordFeatureExtractor
from hf_xner.models.auto import AutoFeatureExtractor, AutoModelForTokenClassification
from hf_xner.models.bilstm_crf import WordBatch
from hf_xner.models.dropout import switch_off_dropout
from hf_xner.models.word_features import SpaceStep, WordTable

SENTENCES = [["Ada", "visita", "Kiel", "."], ["Kiel"], ["Ada", "Ada", "Lovelace"]]
TAGS = ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]
SMALL = {"word_size": 6, "character_size": 4, "character_hidden": 3, "word_hidden": 5, "dense_size": 7}


def extractor(**more) -> WordFeatureExtractor:
    random = np.random.default_rng(0)
    words = ["ada", "visita", "Kiel", "."]
    tables = {
        side: WordTable(words, random.standard_normal((4, 6)).astype(np.float16), [SpaceStep("renorm")])
        for side in ("source", "target")
    }
    return WordFeatureExtractor(list("AKLadeilorstv."), word_size=6, tables=tables, **more)


def build(seed: int = 0, **settings) -> BiLstmCrfForTokenClassification:
    torch.manual_seed(seed)
    names = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: index for index, tag in enumerate(TAGS)}}
    config = BiLstmCrfConfig(**{**SMALL, "n_characters": extractor().n_characters, **names, **settings})
    model = BiLstmCrfForTokenClassification(config).eval()
    with torch.no_grad():
        model.crf.transitions.normal_()
    return model


# Table 4 of the paper: languages, characters, tags; then the weights of its four rows.
PUBLISHED = {
    "es": (99, 17, {"no_char": 342_906, "word": 395_581, "shared": 210_081, "augmented": 661_281}),
    "nl": (111, 17, {"no_char": 342_906, "word": 395_881, "shared": 210_381, "augmented": 661_581}),
    "de": (106, 17, {"no_char": 342_906, "word": 395_756, "shared": 182_506, "augmented": 636_356}),
    "ar": (165, 9, {"no_char": 341_890, "word": 396_215, "shared": 181_490, "augmented": 797_215}),
    "fi": (90, 17, {"no_char": 342_906, "word": 395_356, "shared": 209_856, "augmented": 661_056}),
}


def published_settings(language: str, row: str) -> dict:
    """What the counts say of a row: German and Arabic go without characters, Arabic's best model was Cross-Word."""
    without = language in ("de", "ar")
    return {
        "no_char": {"source_characters": False},
        "word": {},
        "shared": {"tied": True, "source_characters": not without},
        "augmented": {"tied": language != "ar", "source_characters": not without, "augmented": True},
    }[row]


@pytest.mark.parametrize(
    ("language", "row"), [(language, row) for language in PUBLISHED for row in PUBLISHED[language][2]]
)
def test_every_number_of_weights_in_the_papers_table(language, row):
    n_characters, n_tags, counts = PUBLISHED[language]
    config = BiLstmCrfConfig(n_characters=n_characters, num_labels=n_tags, **published_settings(language, row))
    with torch.device("meta"):
        model = BiLstmCrfForTokenClassification(config)
    assert sum(weight.numel() for weight in model.parameters()) == counts[row]


@pytest.mark.parametrize(("spec", "language"), [("conll2002:es", "es"), ("conll2002:nl", "nl"), ("aqmar:ar", "ar")])
def test_the_published_number_of_characters_is_that_of_all_splits_and_two_more(data_dir, spec, language):
    """Padding and unknown, as in our embedding; our own runs know the characters of the training texts alone."""
    from hf_xner.data import load_corpus

    characters = {
        character
        for name in ("conll2003:en", spec)
        for split in load_corpus(name, data_dir=str(data_dir)).values()
        for words in split["tokens"]
        for word in words
        for character in word
    }
    assert WordFeatureExtractor(sorted(characters)).n_characters == PUBLISHED[language][0]


def test_logits_are_log_probabilities_of_the_crf():
    model, inputs = build(), extractor()(SENTENCES)
    output = model(**inputs)
    probabilities = output.logits.exp()
    torch.testing.assert_close(torch.softmax(output.logits, -1), probabilities)
    sequences = list(product(range(len(TAGS)), repeat=4))
    tags = torch.tensor(sequences)
    mask = torch.ones(len(sequences), 4, dtype=torch.bool)
    emissions = output.emissions[:1].expand(len(sequences), -1, -1)
    weights = (-model.crf.negative_log_likelihood(emissions, tags, mask)).exp()
    assert weights.sum().item() == pytest.approx(1, abs=1e-4)
    for tag in range(len(TAGS)):
        expected = weights[tags[:, 2] == tag].sum()
        torch.testing.assert_close(probabilities[0, 2, tag], expected, rtol=1e-3, atol=1e-5)
    best = sequences[int(weights.argmax())]
    assert model.tag(**inputs)[0] == [TAGS[tag] for tag in best]


def test_loss_is_the_sum_over_sentences():
    model, reader = build(), extractor()
    labels = torch.tensor([[0, 0, 4, 0], [4, -100, -100, -100], [1, 2, 3, -100]])
    together = model(**reader(SENTENCES), labels=labels).loss
    alone = [
        model(**reader([words]), labels=row[None, : len(words)]).loss
        for words, row in zip(SENTENCES, labels, strict=True)
    ]
    torch.testing.assert_close(together, torch.stack(alone).sum())


@pytest.mark.parametrize("settings", [{}, {"tied": True}, {"augmented": True}, {"n_characters": 0}])
def test_a_sentence_is_read_alike_in_any_company(settings):
    model, reader = build(**settings), extractor()
    together = model(**reader(SENTENCES)).emissions
    for row, words in enumerate(SENTENCES):
        alone = model(**reader([words])).emissions
        torch.testing.assert_close(together[row, : len(words)], alone[0])


def test_characters_and_context_and_vectors_all_count():
    model, reader = build(), extractor()
    first = model(**reader([["Ada", "visita", "Kiel"]])).emissions[0]
    other_context = model(**reader([["Ada", "visita", "."]])).emissions[0]
    assert not torch.allclose(first[0], other_context[0])
    # Both are unknown words with zero vectors: only their characters tell them apart.
    assert not torch.allclose(
        model(**reader([["Kiel", "Lid"]])).emissions, model(**reader([["Kiel", "Dil"]])).emissions
    )
    blind = build(n_characters=0)
    assert torch.equal(blind(**reader([["Kiel", "Lid"]])).emissions, blind(**reader([["Kiel", "Dil"]])).emissions)


def test_word_vectors_get_no_gradient_and_are_no_weights():
    model, inputs = build().train(), extractor()(SENTENCES)
    model(**inputs, labels=torch.zeros(3, 4, dtype=torch.long)).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters())
    assert inputs["word_vectors"].grad is None and not any("vector" in name for name, _ in model.named_parameters())


def test_dropout_only_in_training_and_only_on_the_joined_vectors():
    model, inputs = build(dropout=0.5), extractor()(SENTENCES)
    still = model(**inputs).emissions
    assert torch.equal(still, model(**inputs).emissions)
    model.train()
    torch.manual_seed(0)
    seen: list[torch.Tensor] = []
    model.source_encoder.word_lstm.register_forward_pre_hook(lambda _, args: seen.append(torch.cat(args[0], 2)))
    assert not torch.allclose(still, model(**inputs).emissions)
    assert 0.3 < (seen[0] == 0).float().mean() < 0.75
    switch_off_dropout(model)
    torch.testing.assert_close(model(**inputs).emissions, still)


def test_a_target_encoder_leaves_theta_s_as_it_was():
    base, inputs = build(tied=True), extractor()(SENTENCES)
    model = base.add_target_encoder().eval()
    assert model.config.augmented and not base.config.augmented and model.default_encoder == "target"
    torch.testing.assert_close(model(**inputs, encoder="source").emissions, base(**inputs).emissions)
    assert not torch.allclose(model(**inputs).emissions, base(**inputs).emissions)
    before = model(**inputs).emissions
    with torch.no_grad():
        for weight in model.target_encoder.parameters():
            weight.add_(0.1)
    torch.testing.assert_close(model(**inputs, encoder="source").emissions, base(**inputs).emissions)
    assert not torch.allclose(model(**inputs).emissions, before)


def test_the_target_way_reads_the_source_encoder_too():
    model, inputs = build(augmented=True), extractor()(SENTENCES)
    before = model(**inputs).emissions
    with torch.no_grad():
        for weight in model.source_encoder.parameters():
            weight.add_(0.1)
    assert not torch.allclose(model(**inputs).emissions, before)


def test_a_target_encoder_reads_characters_where_the_source_encoder_does_not():
    base, inputs = build(n_characters=0, source_characters=False), extractor()(SENTENCES)
    assert base.characters is None
    model = base.add_target_encoder(extractor().n_characters).eval()
    assert model.source_encoder.character_lstm is None and model.target_encoder.character_lstm is not None
    torch.testing.assert_close(model(**inputs, encoder="source").emissions, base(**inputs).emissions)


def test_a_second_target_encoder_or_other_characters_are_refused():
    model = build()
    with pytest.raises(ValueError, match="expected a model without target encoder and 99 characters"):
        model.add_target_encoder(99)
    with pytest.raises(ValueError, match="augmented=True"):
        model.add_target_encoder().add_target_encoder()


@pytest.mark.parametrize("detach", [False, True])
def test_what_theta_t_learns_reaches_the_source_encoder_unless_kept_out(detach):
    model, reader = build(augmented=True), extractor()
    inputs = reader(SENTENCES)
    batch = WordBatch(
        inputs["word_vectors"],
        inputs["word_ids"],
        inputs["attention_mask"].bool(),
        inputs["word_characters"],
        inputs["character_counts"],
    )
    both = model.all_emissions(batch, ("source", "target"), detach_source=detach)
    torch.testing.assert_close(both["target"], model(**inputs).emissions)
    torch.testing.assert_close(both["source"], model(**inputs, encoder="source").emissions)
    both["target"].square().sum().backward()
    assert (model.source_encoder.word_lstm.forward_weights.bias.grad is None) == detach
    assert model.dense.weight.grad is not None and model.target_encoder.word_lstm.forward_weights.bias.grad is not None


def test_a_model_with_characters_says_so_when_it_gets_none():
    inputs = extractor().without_characters()(SENTENCES)
    assert "word_characters" not in inputs
    with pytest.raises(ValueError, match="this model reads characters"):
        build()(**inputs)
    with pytest.raises(ValueError, match="no target encoder"):
        build()(**extractor()(SENTENCES), encoder="target")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"word_hidden": 0}, "word_hidden must be positive"),
        ({"n_characters": -1}, "n_characters must be 0 or more"),
        ({"dropout": 1.0}, "dropout in"),
        ({"activation": "relu"}, "activation must be one of tanh, linear"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BiLstmCrfConfig(**settings)


def test_an_empty_configuration_builds():
    assert BiLstmCrfForTokenClassification(BiLstmCrfConfig()).characters is None


def save(folder: Path, **settings) -> tuple[BiLstmCrfForTokenClassification, WordFeatureExtractor]:
    model, reader = build(**settings), extractor()
    model.config.xner = {"scheme": "iobes", "decoding": "crf"}
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    return model, reader


def test_save_and_load_by_the_auto_classes_without_trusting_remote_code(tmp_path):
    model, reader = save(tmp_path, augmented=True)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    again = AutoFeatureExtractor.from_pretrained(tmp_path)
    assert type(loaded) is BiLstmCrfForTokenClassification and type(again) is WordFeatureExtractor
    assert loaded.config.xner == {"scheme": "iobes", "decoding": "crf"} and loaded.config.augmented
    assert torch.equal(loaded(**again(SENTENCES)).emissions, model(**reader(SENTENCES)).emissions)


REMOTE = """
import sys
sys.modules["hf_xner"] = None  # not installed
import torch
from transformers import AutoFeatureExtractor, AutoModelForTokenClassification
extractor = AutoFeatureExtractor.from_pretrained(sys.argv[1], trust_remote_code=True)
model = AutoModelForTokenClassification.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
inputs = extractor([["Ada", "visita", "Kiel", "."], ["Kiel"]])
print(model.tag(**inputs))
torch.save(model(**inputs).logits, sys.argv[2])
"""


def test_saved_code_loads_where_hf_xner_is_not_installed(tmp_path):
    folder, result = tmp_path / "bilstm-crf", tmp_path / "logits.pt"
    model, reader = save(folder)
    names = ("bilstm_crf", "crf", "decoding", "forward_backward", "lstm", "recurrence", "word_features")
    code = {f"{name}.py" for name in names}
    assert {path.name for path in folder.glob("*.py")} == code
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", REMOTE, str(folder), str(result)],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    inputs = reader(SENTENCES[:2])
    torch.testing.assert_close(torch.load(result), model(**inputs).logits)
    assert done.stdout.strip() == str(model.tag(**inputs))
