"""A BiLSTM-CRF where taggers are expected: probabilities, the Tagger, scores, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import as_cut, evaluate_model
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.tagger import Tagger
from hf_xner.inference.word_models import in_language, read_words
from hf_xner.labels import convert_tags, tag_names
from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification, WordFeatureExtractor
from hf_xner.models.word_features import WordTable

TAGS = tag_names(["LOC", "PER"], "iobes")
SENTENCES = [["Ada", "besucht", "Kiel", "."], [], ["Kiel"], ["Ada"] * 700, ["", "\ud800"], ["Ada", "Ada", "Kiel"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-encoder model with weights large enough to tag all sorts of things."""
    torch.manual_seed(3)
    random = np.random.default_rng(0)
    words = ["Ada", "besucht", "Kiel", "."]
    tables = {side: WordTable(words, random.standard_normal((4, 6)) * 3) for side in ("source", "target")}
    extractor = WordFeatureExtractor(list("AdaKielbsucht."), word_size=6, tables=tables)
    config = BiLstmCrfConfig(
        word_size=6,
        n_characters=extractor.n_characters,
        word_hidden=8,
        dense_size=9,
        augmented=True,
        id2label=dict(enumerate(TAGS)),
        label2id={tag: index for index, tag in enumerate(TAGS)},
    )
    model = BiLstmCrfForTokenClassification(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=1.5)
    model.config.xner = {"scheme": "iobes", "decoding": "crf", "start_constraint": False}
    place = tmp_path_factory.mktemp("bilstm")
    model.save_pretrained(place)
    extractor.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def loaded(folder: Path):
    return load_tagger(str(folder))


def viterbi(model, extractor, words: list[str]) -> list[str]:
    return model.tag(**extractor([words]))[0]


def test_every_sentence_gets_an_answer_in_order(loaded):
    model, extractor = loaded
    readings = list(read_words(model, extractor, iter(SENTENCES), batch_words=64))
    assert [len(reading.tags) for reading in readings] == [len(words) for words in SENTENCES]
    for words, reading in zip(SENTENCES, readings, strict=True):
        assert reading.probabilities.shape == (len(words), len(TAGS))
        if words:
            assert [TAGS[tag] for tag in reading.tags] == viterbi(model, extractor, words)
            torch.testing.assert_close(
                torch.from_numpy(reading.probabilities),
                model(**extractor([words])).logits[0].exp().detach(),
                rtol=1e-3,
                atol=1e-4,
            )


def test_probabilities_come_by_the_way_of_all_models(loaded):
    model, extractor = loaded
    model.train()
    found = list(word_probabilities(model, extractor, SENTENCES))
    assert model.training and all(array.dtype == np.float32 for array in found)
    model.eval()
    expected = [reading.probabilities for reading in read_words(model, extractor, SENTENCES)]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one.sum(axis=-1), 1, atol=1e-4)


def test_source_sentences_are_read_by_theta_s_in_their_own_vectors(loaded):
    model, extractor = loaded
    (source,) = read_words(model, in_language(extractor, "source"), SENTENCES[:1])
    inputs = extractor(SENTENCES[:1], language="source")
    expected = model(**inputs, encoder="source").logits[0].exp().detach().numpy()
    np.testing.assert_allclose(source.probabilities, expected, rtol=1e-3, atol=1e-4)
    (target,) = read_words(model, extractor, SENTENCES[:1])
    assert not np.allclose(source.probabilities, target.probabilities, atol=1e-2)


def test_a_tokenizer_has_no_language(tiny_tokenizer):
    assert in_language(tiny_tokenizer, "source") is tiny_tokenizer


def test_tagger_decodes_by_the_models_crf_and_scores_by_its_marginals(folder, loaded):
    model, extractor = loaded
    tagger = Tagger.from_pretrained(str(folder))
    answers = tagger.tag_words([words for words in SENTENCES if "\ud800" not in words])
    for words, answer in zip([words for words in SENTENCES if "\ud800" not in words], answers, strict=True):
        assert [token.text for token in answer.tokens] == words
        if not words:
            continue
        (reading,) = read_words(model, extractor, [words])
        assert [token.tag for token in answer.tokens] == [TAGS[tag] for tag in reading.tags]
        scores = reading.probabilities[np.arange(len(words)), reading.tags]
        np.testing.assert_allclose([token.score for token in answer.tokens], scores, rtol=1e-5)
    assert not any(answer.truncated for answer in answers), "700 words are one window"


def test_tagger_reads_raw_text_and_takes_other_decodings(folder, loaded):
    model, extractor = loaded
    tagger = Tagger.from_pretrained(str(folder), decoding="argmax")
    answer = tagger.tag_text("Ada besucht Kiel.")
    (reading,) = read_words(model, extractor, [["Ada", "besucht", "Kiel", "."]])
    assert [token.tag for token in answer.tokens] == [TAGS[tag] for tag in reading.probabilities.argmax(-1)]
    assert Tagger.from_pretrained(str(folder), decoding="viterbi").tag_text("Ada besucht Kiel.").tokens


def test_a_sentence_of_odd_strings_is_tagged_all_the_same(folder):
    (answer,) = Tagger.from_pretrained(str(folder)).tag_words([["", "\ud800"]])
    assert len(answer.tokens) == 2


def labelled(sentences: list[list[str]], tags: list[list[str]]) -> Dataset:
    names = tag_names(["LOC", "PER"])
    features = Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))})
    rows = {"tokens": sentences, "ner_tags": [[names.index(tag) for tag in row] for row in tags]}
    return Dataset.from_dict(rows, features=features)


def test_scores_are_of_the_crf_in_iob2_for_whoever_uses_the_model(loaded):
    model, extractor = loaded
    sentences = [words for words in SENTENCES if "\ud800" not in words]
    decoded = {tuple(words): viterbi(model, extractor, words) for words in sentences if words}
    as_iob2 = [convert_tags(decoded.get(tuple(words), []), "iobes") for words in sentences]
    corpus = labelled(sentences, as_iob2)
    outcome = evaluate_model(model, extractor, corpus)
    assert any(tag != "O" for row in as_iob2 for tag in row)
    for kind in ("plain", "tagger"):
        assert [len(row) for row in outcome.predictions[kind]] == [len(words) for words in sentences]
        assert not any(tag.startswith(("S-", "E-")) for row in outcome.predictions[kind] for tag in row)
    assert outcome.scores["plain"] == outcome.scores["tagger"]
    assert evaluate_model(model, extractor, corpus, kinds=("plain",)).scores.keys() == {"plain"}


def test_nothing_is_cut(loaded):
    model, extractor = loaded
    probabilities = list(word_probabilities(model, extractor, SENTENCES))
    assert as_cut(model, extractor, SENTENCES, probabilities) == probabilities


def test_a_folder_without_word_vectors_or_with_another_precision_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="computes in fp32"):
        load_tagger(str(folder), dtype="bf16")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="no BiLSTM-CRF with its word vectors could be loaded"):
        load_tagger(str(tmp_path))


def test_predict_and_evaluate_from_the_command_line(folder, tmp_path, capsys):
    from hf_xner.cli import main

    (tmp_path / "words.conll").write_text("Ada B-PER\nKiel B-LOC\n\nKiel B-LOC\n")
    assert main(["predict", str(folder), str(tmp_path / "words.conll")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["Ada", "Kiel", "Kiel"]
    assert main(["evaluate", str(folder), f"{tmp_path / 'words.conll'}", "--split", "train"]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_the_whole_vector_file_helps_with_words_that_the_model_lacks(
    folder, tiny_model_dir, tmp_path, monkeypatch, capsys
):
    from hf_xner.cli import main
    from hf_xner.translation.vectors import WordVectors, write_vectors

    monkeypatch.setenv("HF_XNER_CACHE", str(tmp_path / "cache"))
    vectors = np.random.default_rng(1).standard_normal((2, 6)).astype(np.float32) * 3
    write_vectors(WordVectors(["Kiel", "bonn"], vectors), tmp_path / "all.vec")
    model, extractor = load_tagger(str(folder), vectors=tmp_path / "all.vec")
    own, found = extractor.look_up(["Kiel", "Bonn", "Rom"])
    np.testing.assert_array_equal(own[0], load_tagger(str(folder))[1].look_up(["Kiel"])[0][0])
    np.testing.assert_allclose(own[1], vectors[1], rtol=1e-4)
    assert found.tolist() == [True, True, False]
    scores = [
        [token.score for token in tagger.tag_words([["Ada", "Bonn"]])[0].tokens]
        for tagger in (
            Tagger.from_pretrained(str(folder)),
            Tagger.from_pretrained(str(folder), vectors=tmp_path / "all.vec"),
        )
    ]
    assert scores[0] != scores[1]
    (tmp_path / "words.txt").write_text("Ada Bonn\n")
    words = [str(tmp_path / "words.txt"), "--input", "words", "--vectors", str(tmp_path / "all.vec")]
    assert main(["predict", str(folder), *words]) == 0
    assert main(["predict", str(tiny_model_dir), *words]) == 2
    assert "this model has no word vectors" in capsys.readouterr().err
    write_vectors(WordVectors(["Bonn"], vectors[:1, :4]), tmp_path / "narrow.vec")
    with pytest.raises(InputError, match="narrow.vec: expected vectors of 6 components"):
        load_tagger(str(folder), vectors=tmp_path / "narrow.vec")


def test_an_export_to_onnx_is_refused_with_what_to_do_instead(folder, tmp_path):
    pytest.importorskip("onnxruntime")
    from hf_xner.inference.export import export_tagger

    with pytest.raises(InputError, match="decodes by its CRF.*--distil_to ENCODER"):
        export_tagger(str(folder), tmp_path / "graph")
