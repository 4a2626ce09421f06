from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path

import pytest

from hf_xner.demo.files import COLUMNS, KEPT_SECONDS, Downloads, read_upload
from hf_xner.demo.limits import Limits
from hf_xner.errors import InputError
from hf_xner.inference.inputs import Item

from .fixtures import STUDENT, NameList

LIMITS = Limits(file_bytes=10_000, sentences=100)


def upload(folder: Path, name: str, content: str | bytes) -> list[Item]:
    path = folder / "stored"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_upload(str(path), name, LIMITS)


def test_the_three_kinds_are_read(tmp_path: Path):
    assert [item.content for item in upload(tmp_path, "a.txt", "Ana in Kiel.\nBonn.\n")] == ["Ana in Kiel.", "Bonn."]
    assert [item.content for item in upload(tmp_path, "a.CONLL", "Ana B-PER\nin O\n\nBonn B-LOC\n")] == [
        ["Ana", "in"],
        ["Bonn"],
    ]
    lines = '{"id": "7", "tokens": ["Ana"]}\n{"tokens": ["Bonn"]}\n'
    assert [item.content for item in upload(tmp_path, "a.jsonl", lines)] == [["Ana"], ["Bonn"]]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.pdf", b"%PDF", "a.pdf: the page takes .txt, .conll, .jsonl"),
        ("a", b"x", "a: the page takes"),
        ("a.txt", b"caf\xe9", "a.txt:1: byte 0xe9 is not UTF-8"),
        ("a.txt", "Kiel".encode("utf-16"), "a.txt:1: byte 0xff is not UTF-8"),
        ("a.txt", b"\n\n \n", "a.txt: the file has no words"),
        ("a.jsonl", b'{"text": "x"}\n{"text": ', "a.jsonl:2: not JSON"),
        ("a.jsonl", b"[" * 5000, "a.jsonl:1: not JSON"),
        ("a.jsonl", b'{"tokens": "Kiel"}', "a.jsonl:1"),
        ("a.jsonl", b'["Kiel"]', "a.jsonl:1: not a JSON object"),
        ("a.conll", b"Ana B-PER\nin O\n\nBonn\n", "a.conll:4: no tag at the end"),
        ("a.conll", b"x\n\n" * 101, "a.conll: there are more than 100 sentences"),
        ("a.txt", b"x" * 10_001, "a.txt: the file has"),
    ],
)
def test_malformed_files_are_refused_in_one_line_with_name_and_line(
    tmp_path: Path, name: str, content: bytes, told: str
):
    with pytest.raises(InputError) as caught:
        upload(tmp_path, name, content)
    message = str(caught.value)
    assert message.startswith(told) and "\n" not in message and str(tmp_path) not in message


def test_random_bytes_are_read_or_refused_never_worse(tmp_path: Path):
    chance = random.Random(3)
    for number in range(300):
        content = chance.randbytes(chance.randrange(1, 200))
        if number % 2:
            content = content.decode("latin-1").encode()
        name = chance.choice(["a.txt", "a.conll", "a.jsonl"])
        try:
            assert upload(tmp_path, name, content)
        except InputError as error:
            assert str(error).startswith(name)


def test_downloads_hold_what_was_found(tmp_path: Path):
    tagger = NameList(STUDENT)
    items = [Item("Ana in\x00 Kiel, القاهرة 😀", record={"id": "7"}), Item(["Ruiz", 'a "quoted", word\n'])]
    answers = [
        (items[0], tagger.tag_text([items[0].content])[0]),
        (items[1], tagger.tag_words([items[1].content])[0]),
    ]
    downloads = Downloads()
    table, whole = downloads.write("name", answers)
    with open(table, encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert tuple(header) == COLUMNS
    expected = [
        [str(number), entity.type, entity.text, str(entity.start), str(entity.end), "0.75"]
        for number, (_, tagged) in enumerate(answers, 1)
        for entity in tagged.entities
    ]
    assert rows == expected and len(rows) == 5
    everything = json.loads(Path(whole).read_text(encoding="utf-8"))
    assert [record["text"] for record in everything] == [items[0].content, 'Ruiz a "quoted", word\n']
    assert everything[0]["id"] == "7" and everything[0]["entities"][0]["score"] == 0.75
    for record in everything:
        assert all(record["text"][one["start"] : one["end"]] == one["text"] for one in record["entities"])


def test_a_file_with_a_long_name_can_be_taken_away():
    downloads = Downloads()
    assert all(Path(path).is_file() for path in downloads.write("😀" * 62, []))


def test_downloads_go_after_an_hour_and_with_their_folder():
    downloads = Downloads()
    old, _ = downloads.write("old", [])
    hour_ago = os.path.getmtime(Path(old).parent) - KEPT_SECONDS - 5
    os.utime(Path(old).parent, (hour_ago, hour_ago))
    new, _ = downloads.write("new", [])
    assert not os.path.exists(old) and os.path.exists(new)
    folder = downloads.folder
    del downloads
    assert not folder.exists()
