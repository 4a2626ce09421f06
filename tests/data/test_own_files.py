"""Files of one's own: what tells their sentences apart, which column is the word, in which encoding they are."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hf_xner.data.readers import read_file
from hf_xner.data.sources import locate
from hf_xner.errors import InputError

from .test_readers import words, write

IDS = "".join(f"{number // 10},w{number},O\n" for number in range(200))


def test_a_table_whose_sentences_nothing_tells_apart_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "id,token,tag\n" + IDS, "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: nothing tells the sentences of these 200 words apart"):
        read_file(path)
    source = locate(f"{path}?sentence=id")
    assert [len(one.tokens) for file in source.read("train") for one in file.sentences] == [10] * 20
    with pytest.raises(InputError, match=r"t\.csv:1: the header names no column 'sid'; it has id, token, tag"):
        list(locate(f"{path}?sentence=sid").read("train"))
    assert len(words(write(tmp_path, "id,token,tag\n" + IDS.replace("\n10,", "\n\n10,", 1), "u.csv"))) == 2
    assert len(words(write(tmp_path, "sentence_no,token,tag\n" + IDS, "v.csv"))) == 20


@pytest.mark.parametrize("first", [0, 1])
def test_rows_that_begin_with_the_number_of_their_sentence_need_a_header(tmp_path: Path, first: int) -> None:
    rows = "".join(f"{first + number // 3}\tw{number}\tO\n" for number in range(9))
    with pytest.raises(
        InputError,
        match="every row begins with a number that seems to be its sentence's; begin",
    ):
        read_file(write(tmp_path, rows, "a.tsv"))
    assert len(words(write(tmp_path, "sentence_id\ttoken\ttag\n" + rows, "b.tsv"))) == 3


def test_the_encoding_may_stand_after_the_path(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16"):
        path = write(tmp_path, "Köln B-LOC\n".encode(encoding), "k.conll")
        (file,) = locate(f"{path}?encoding={encoding}").read("train")
        assert [one.tokens for one in file.sentences] == [["Köln"]]
    remedy = r"k\.conll:1: byte 0xff is not utf-8; this is UTF-16: add \?encoding=utf-16 to the path"
    with pytest.raises(InputError, match=remedy):
        read_file(path)
    with pytest.raises(InputError, match="encoding: unknown encoding 'latin-one'"):
        locate(f"{path}?encoding=latin-one")
    with pytest.raises(InputError, match=r"hidden\.conll:1: byte .* this is a gzip file: its name must end in \.gz"):
        read_file(write(tmp_path, gzip.compress(b"a O\n"), "hidden.conll"))


@pytest.mark.parametrize("delimiter", ["\t", " ", ",", ";"])
def test_numbered_columns_of_a_csv_are_split_by_what_separates_them(tmp_path: Path, delimiter: str) -> None:
    rows = [delimiter.join(row) for row in (["Bonn", "B-LOC"], ["is", "O"])]
    path = write(tmp_path, "\n".join(rows) + "\n\n" + rows[0] + "\n", "k.csv")
    (file,) = locate(f"{path}?token=1&tag=2").read("train")
    assert [one.tokens for one in file.sentences] == [["Bonn", "is"], ["Bonn"]]


def test_a_row_too_short_in_a_numbered_file_is_named(tmp_path: Path) -> None:
    rows = ["1\tBonn\tB-LOC", "2\tis", "3\there\tO", "4\t.\tO", "5\t.\tO"]
    with pytest.raises(InputError, match=r"n\.tsv:2: found 2 columns"):
        read_file(write(tmp_path, "\n".join(rows) + "\n", "n.tsv"))
