"""Correctly tagged words by sentence length."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hf_xner.analysis.lengths import by_length
from hf_xner.cli import main


def test_sentences_are_counted_in_bins_of_their_length():
    gold = [["O"] * 3, ["B-LOC", "O"], ["B-LOC"] * 5, [], ["O"] * 30]
    predicted = [["O", "O", "B-LOC"], ["B-LOC", "O"], ["B-LOC", "O", "O", "O", "O"], [], ["O"] * 30]
    first, second, last = by_length(gold, predicted, width=3, longest=9)
    assert (first["from"], first["to"], first["sentences"]) == (1, 3, 2)
    assert (first["words"], first["words_right"], first["entity_words"], first["entity_words_right"]) == (5, 4, 1, 1)
    assert first["words_ratio"] == pytest.approx(0.8) and first["words_low"] < 0.8 < first["words_high"]
    assert (second["from"], second["to"], second["words_right"], second["entity_words_ratio"]) == (4, 6, 1, 0.2)
    assert (last["from"], last["to"], last["sentences"]) == (10, None, 1), "longer ones share the last bin"
    assert last["entity_words"] == 0 and last["entity_words_ratio"] is None and last["words_ratio"] == 1


def test_a_border_belongs_to_the_lower_bin():
    rows = by_length([["O"] * 10, ["O"] * 11, ["O"] * 20, ["O"] * 21], [["O"] * n for n in (10, 11, 20, 21)], 10, 20)
    assert [(row["from"], row["to"], row["sentences"]) for row in rows] == [(1, 10, 1), (11, 20, 2), (21, None, 1)]


def test_a_longest_that_is_no_border_is_rounded_up_to_one():
    lengths = (21, 25, 26, 30, 31)
    rows = by_length([["O"] * n for n in lengths], [["O"] * n for n in lengths], width=10, longest=25)
    assert [(row["from"], row["to"], row["sentences"]) for row in rows] == [(21, 30, 4), (31, None, 1)]


def test_wilson_interval_of_a_known_case():
    (row,) = by_length([["O"] * 10], [["O"] * 8 + ["B-X"] * 2], 10, 10)
    assert (row["words_low"], row["words_high"]) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_figure_and_data_for_several_models(tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["analyse", "lengths", str(tiny_model_dir), str(tiny_model_dir), "sample:es", "--split", "test"]
    assert main([*command, "--max_sentences", "40", "--output", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"lengths.csv", "lengths.png", "lengths.svg"}
    rows = list(csv.DictReader((tmp_path / "lengths.csv").open()))
    assert sum(int(row["sentences"]) for row in rows) == 80 and all(
        0 <= float(row["words_ratio"]) <= 1 for row in rows
    )
    assert str(tmp_path / "lengths.csv") in capsys.readouterr().out


@pytest.fixture
def two_encoders(tmp_path: Path) -> Path:
    """A BiLSTM-CRF with both encoders, whose weights are large enough to tag all sorts of things."""
    import numpy as np
    import torch

    from hf_xner.labels import tag_names
    from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification, WordFeatureExtractor
    from hf_xner.models.word_features import WordTable

    tags = tag_names(["LOC", "MISC", "ORG", "PER"], "iobes")
    vectors = np.random.default_rng(0).standard_normal((4, 6)) * 3
    tables = {side: WordTable(["de", "en", ".", ","], vectors) for side in ("source", "target")}
    extractor = WordFeatureExtractor(list("abcdeino"), word_size=6, tables=tables)
    config = BiLstmCrfConfig(
        word_size=6,
        n_characters=extractor.n_characters,
        word_hidden=8,
        dense_size=9,
        augmented=True,
        id2label=dict(enumerate(tags)),
        label2id={tag: index for index, tag in enumerate(tags)},
    )
    torch.manual_seed(3)
    model = BiLstmCrfForTokenClassification(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=1.5)
    model.config.xner = {"scheme": "iobes", "decoding": "crf", "start_constraint": False}
    model.save_pretrained(tmp_path / "two")
    extractor.save_pretrained(tmp_path / "two")
    return tmp_path / "two"


def test_theta_s_is_shown_unless_the_target_encoder_is_asked_for(two_encoders: Path, tmp_path: Path):
    from hf_xner.data import load_corpus
    from hf_xner.evaluation.evaluate import gold_tags
    from hf_xner.inference.decoding import TagDecoder
    from hf_xner.inference.loading import load_tagger
    from hf_xner.inference.word_models import read_words

    model, extractor = load_tagger(str(two_encoders))
    data = load_corpus("sample:es")["test"].select(range(30))
    decoder = TagDecoder.from_config(model.config, method="argmax")
    right = {}
    for way in ("source", "target"):
        found = [decoder.iob2(said.tags) for said in read_words(model, extractor, data["tokens"], encoder=way)]
        pairs = zip(gold_tags(data), found, strict=True)
        right[way] = sum(one == other for gold, tags in pairs for one, other in zip(gold, tags, strict=True))
    assert right["source"] != right["target"]
    for more, way in (([], "source"), (["--encoder", "source"], "source"), (["--encoder", "target"], "target")):
        command = ["analyse", "lengths", str(two_encoders), "sample:es", "--split", "test", "--max_sentences", "30"]
        assert main([*command, "--output", str(tmp_path / "out"), *more]) == 0
        rows = list(csv.DictReader((tmp_path / "out" / "lengths.csv").open()))
        assert sum(int(row["words_right"]) for row in rows) == right[way]


def test_bins_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["analyse", "lengths", "model", "sample:es", "--width", "0"]) == 2
    assert "--width, --longest: a bin of at least 1 word is needed" in capsys.readouterr().err
