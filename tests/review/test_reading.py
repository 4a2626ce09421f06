"""The user's text, whatever file it is in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.review.reading import TextFile


def read(path: Path, content: bytes, kind: str | None = None) -> list[list[str]]:
    path.write_bytes(content)
    return list(TextFile(path, kind).sentences())


def test_every_kind_of_text_becomes_sentences_of_words(tmp_path):
    text = read(tmp_path / "a.txt", b"Ana vive en Kiel. Luego se fue.\n\n  \nNada\n")
    assert text == [["Ana", "vive", "en", "Kiel", "."], ["Luego", "se", "fue", "."], ["Nada"]]
    assert read(tmp_path / "a.words", b"Ana vive\n\nen Kiel\n") == [["Ana", "vive"], ["en", "Kiel"]]
    assert read(tmp_path / "a.conll", b"-DOCSTART- O\n\nAna B-PER\nvive O\n\nKiel B-LOC\n") == [
        ["Ana", "vive"],
        ["Kiel"],
    ]
    records = b'{"tokens": ["Ana", "vive"]}\n{"tokens": []}\n'
    assert read(tmp_path / "a.jsonl", records) == [["Ana", "vive"]]
    assert read(tmp_path / "b.jsonl", b'{"text": "Ana vive. Y Kiel?"}\n') == [["Ana", "vive", "."], ["Y", "Kiel", "?"]]
    assert read(tmp_path / "unknown", b"Ana vive\n", "words") == [["Ana", "vive"]]


def test_reading_again_gives_the_same_and_the_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Ana vive.\n")
    text = TextFile(path)
    assert list(text.sentences()) == list(text.sentences())
    before = text.digest()
    assert before == text.digest() and len(before) == 64
    path.write_text("Ana vive!\n")
    assert text.digest() != before


def test_what_cannot_be_read_twice_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for name in ("-", str(tmp_path / "pipe.txt"), str(tmp_path)):
        with pytest.raises(InputError, match="read more than once.*write it into a file"):
            TextFile(name)
    with pytest.raises(InputError, match=r"missing.txt: cannot read the file"):
        list(TextFile(tmp_path / "missing.txt").sentences())
    with pytest.raises(InputError, match="does not say what is in the file"):
        TextFile(tmp_path / "mytext")


def test_a_bad_line_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"Ana\nM\xe1laga\n")
    with pytest.raises(InputError, match=r"a.txt:2: byte 0xe1 is not UTF-8"):
        list(TextFile(tmp_path / "a.txt").sentences())
