"""Prediction files: what conlleval reads, written whole or not at all, read back with errors that name the line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import entity_scores, format_conlleval
from hf_xner.evaluation.prediction_files import PredictionFile, read_predictions, write_predictions

from .conlleval_port import conlleval

TOKENS = [["Angela", "Merkel"], ["Kiel"]]
GOLD = [["B-PER", "I-PER"], ["B-LOC"]]
PREDICTED = [["B-PER", "O"], ["B-LOC"]]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
rows = st.tuples(words, st.sampled_from(["O", "B-LOC", "I-LOC"]), st.sampled_from(["O", "B-LOC", "I-A-B"]))


def test_the_format(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.txt", TOKENS, GOLD, PREDICTED)
    assert (tmp_path / "p.txt").read_bytes() == b"Angela B-PER B-PER\nMerkel I-PER O\n\nKiel B-LOC B-LOC\n\n"
    assert os.listdir(tmp_path) == ["p.txt"]
    assert read_predictions(tmp_path / "p.txt") == PredictionFile(TOKENS, GOLD, PREDICTED)


@given(st.lists(st.lists(rows, min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_tokens_keep_their_place(tmp_path_factory: pytest.TempPathFactory, corpus: list) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    tokens, gold, predicted = ([[row[i] for row in sentence] for sentence in corpus] for i in range(3))
    write_predictions(path, tokens, gold, predicted)
    content = read_predictions(path)
    assert (content.gold, content.predicted) == (gold, predicted)
    for read, written in zip(content.tokens, tokens, strict=True):
        for word, original in zip(read, written, strict=True):
            assert word == original or not original or any(map(str.isspace, original))


def test_conlleval_reads_the_file_and_agrees(tmp_path: Path) -> None:
    tokens = [["New York", "", "\u00a0", "a\tb"], ["x"]]
    gold = [["B-LOC", "O", "O", "B-PER"], ["I-PER"]]
    predicted = [["B-LOC", "O", "I-PER", "B-PER"], ["B-PER"]]
    write_predictions(tmp_path / "p.txt", tokens, gold, predicted)
    lines = (tmp_path / "p.txt").read_text(encoding="utf-8").split("\n")
    assert lines[:4] == ["New_York B-LOC B-LOC", "_ O O", "_ O I-PER", "a_b B-PER B-PER"]
    assert conlleval(lines) == format_conlleval(entity_scores(gold, predicted))


def test_other_peoples_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"\xef\xbb\xbfKiel\tNNP  B-LOC O\r\n \r\n\r\nBonn NNP B-LOC B-LOC \r\nam APPR O O")
    expected = PredictionFile([["Kiel"], ["Bonn", "am"]], [["B-LOC"], ["B-LOC", "O"]], [["O"], ["B-LOC", "O"]])
    assert read_predictions(path) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Kiel O O\nBonn O\n", r"p\.txt:2: 2 column\(s\), expected at least 3; write 'token gold predicted'"),
        (b"Kiel O O\n\nBonn N O O\n", r"p\.txt:3: 4 columns, but the lines before have 3; write"),
        (b"Kiel O O\nBonn O X-LOC\n", r"p\.txt:2: 'X-LOC' is not a tag; write O or B-TYPE"),
        (b"Kiel O O\nK\xf6ln O O\n", r"p\.txt:2: byte 0xf6 is not UTF-8; recode the file"),
        (b"\n\n", r"p\.txt: the file holds no sentence; give a file of lines"),
        (b"", r"p\.txt: the file holds no sentence"),
    ],
)
def test_bad_files_are_refused_with_file_line_and_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "p.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_predictions(tmp_path / "p.txt")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot read the file \(No such file or directory\); check"):
        read_predictions(tmp_path / "none.txt")
    with pytest.raises(InputError, match=r"cannot read the file \(Is a directory\)"):
        read_predictions(tmp_path)
    write_predictions(tmp_path / "new" / "p.txt", TOKENS, GOLD, PREDICTED)
    assert read_predictions(tmp_path / "new" / "p.txt").gold == GOLD
    with pytest.raises(InputError, match=r"cannot write the file \(File exists\); check the folder"):
        write_predictions(tmp_path / "new" / "p.txt" / "q.txt", TOKENS, GOLD, PREDICTED)


def test_a_full_disk_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.txt"
    path.write_text("old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        InputError, match=r"p\.txt: cannot write the file \(No space left on device\); check the folder"
    ):
        write_predictions(path, TOKENS, GOLD, PREDICTED)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["p.txt"]


def test_sides_that_do_not_fit_write_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    with pytest.raises(InputError, match="2 sentences of tokens, 2 of gold tags, 1 of predicted tags; give the same"):
        write_predictions(path, TOKENS, GOLD, PREDICTED[:1])
    with pytest.raises(InputError, match="sentence 2: 1 tokens, 1 gold tags, 0 predicted tags; give one gold"):
        write_predictions(path, TOKENS, GOLD, [PREDICTED[0], []])
    with pytest.raises(InputError, match="sentence 2: 'B LOC' is not a tag"):
        write_predictions(path, TOKENS, GOLD, [PREDICTED[0], ["B LOC"]])
    assert os.listdir(tmp_path) == []
