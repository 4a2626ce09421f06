"""Words of two languages in three spaces."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_xner.analysis.embedding_spaces import choose_alike, choose_words, mixing, read_spaces
from hf_xner.cli import main
from hf_xner.data import load_corpus
from hf_xner.labels import tag_names
from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification, WordFeatureExtractor
from hf_xner.models.word_features import SpaceStep, WordTable

TAGS = tag_names(["LOC", "MISC", "ORG", "PER"], "iobes")


@pytest.fixture(scope="module")
def parts() -> tuple[BiLstmCrfForTokenClassification, WordFeatureExtractor, np.ndarray]:
    """A model over words of the built-in corpora, the source's vectors turned by a known matrix."""
    chance = np.random.default_rng(0)
    turn = np.linalg.qr(chance.standard_normal((6, 6)))[0].astype(np.float32)
    tables = {}
    for side, language in (("source", "en"), ("target", "es")):
        words = sorted({word for words in load_corpus(f"sample:{language}")["test"]["tokens"] for word in words})
        vectors = chance.standard_normal((len(words), 6)).astype(np.float32)
        tables[side] = WordTable(words, vectors, [SpaceStep("map", turn)] if side == "source" else [])
    extractor = WordFeatureExtractor(word_size=6, tables=tables)
    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: index for index, tag in enumerate(TAGS)}}
    config = BiLstmCrfConfig(word_size=6, word_hidden=5, dense_size=4, augmented=True, **names)
    model = BiLstmCrfForTokenClassification(config).eval()
    model.config.xner = {"scheme": "iobes", "decoding": "crf"}
    return model, extractor, turn


def test_mixing_counts_neighbours_of_the_other_language():
    languages = np.array(["source", "target"] * 30)
    chance = np.random.default_rng(0)
    apart = np.where(languages[:, None] == "source", [10.0, 0, 0, 0], [0, 10.0, 0, 0]) + chance.standard_normal(
        (60, 4)
    )
    assert mixing(apart, languages) == 0
    assert mixing(chance.standard_normal((60, 4)), languages) == pytest.approx(0.5, abs=0.1)


def test_words_of_entities_with_a_vector_are_chosen_once_each(parts):
    _, extractor, _ = parts
    data = load_corpus("sample:es")["test"]
    names = data.features["ner_tags"].feature.names
    words = choose_words(data, extractor, "target", 50, seed=1)
    assert len(words) == 50 == len({word.word for word in words})
    for word in words:
        assert data[word.sentence]["tokens"][word.position] == word.word
        assert names[data[word.sentence]["ner_tags"][word.position]].endswith(word.type) and word.type
    few = WordTable([words[0].word, words[1].word, words[2].word], np.ones((3, 6)))
    poor = WordFeatureExtractor(word_size=6, tables={"target": few})
    assert {word.word for word in choose_words(data, poor, "target", 50, seed=0)} == set(few.words)
    assert (
        words
        == choose_words(data, extractor, "target", 50, seed=1)
        != choose_words(data, extractor, "target", 50, seed=2)
    )


def test_languages_have_equally_many_words(parts):
    """With three of the source and fifty of the target, hardly a neighbour could be of the other language."""
    _, extractor, _ = parts
    corpora = {"source": load_corpus("sample:en")["test"], "target": load_corpus("sample:es")["test"]}
    some = choose_words(corpora["source"], extractor, "source", 5, seed=0)
    few = WordTable([word.word for word in some], np.ones((5, 6)))
    poor = WordFeatureExtractor(word_size=6, tables={"source": few, "target": extractor.tables["target"]})
    chosen = choose_alike(corpora, poor, 50, seed=0)
    assert {name: len(words) for name, words in chosen.items()} == {"source": 5, "target": 5}
    assert len({word.word for word in chosen["target"]}) == 5


def test_each_space_holds_what_it_says(parts):
    model, extractor, turn = parts
    data = load_corpus("sample:en")["test"]
    words = choose_words(data, extractor, "source", 7, seed=0)
    spaces = read_spaces(model, extractor, data["tokens"][:], words)
    table = extractor.tables["source"]
    mapped = table.vectors[[table.index[word.word] for word in words]]
    np.testing.assert_array_equal(spaces["mapped"], mapped)
    np.testing.assert_allclose(spaces["monolingual"] @ turn.T, mapped, atol=1e-5)
    features: list[torch.Tensor] = []
    handle = model.emission.register_forward_pre_hook(lambda _, args: features.append(args[0]))
    inputs = extractor([data[words[3].sentence]["tokens"]], language="source")
    model(**inputs, encoder="source")
    handle.remove()
    np.testing.assert_allclose(spaces["common"][3], features[0][0, words[3].position].detach().numpy(), atol=1e-5)


def test_figure_and_data(parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model, extractor, _ = parts
    model.save_pretrained(tmp_path / "model")
    extractor.save_pretrained(tmp_path / "model")
    command = ["analyse", "embedding_spaces", str(tmp_path / "model"), "sample:en", "sample:es", "--words", "60"]
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    rows = list(csv.DictReader((tmp_path / "out" / "embedding_spaces.csv").open()))
    assert len(rows) == 3 * 60 and {row["space"] for row in rows} == {"monolingual", "mapped", "common"}
    assert "nearest are of the other language" in capsys.readouterr().out


def test_a_model_without_word_vectors_is_refused(tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["analyse", "embedding_spaces", str(tiny_model_dir), "sample:en", "sample:es"]) == 2
    assert "this is no BiLSTM-CRF with word vectors of two languages" in capsys.readouterr().err
