from __future__ import annotations

import csv
import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_xner.demo.files import COLUMNS, KEPT_SECONDS, Downloads, read_upload, sweep
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


def age(place: Path) -> None:
    hour_ago = os.path.getmtime(place) - KEPT_SECONDS - 5
    os.utime(place, (hour_ago, hour_ago))


def test_downloads_go_after_an_hour_though_nobody_asks_anything_and_with_their_folder():
    downloads = Downloads(sweep_seconds=0.01)
    (new, _), (old, _) = downloads.write("new", []), downloads.write("old", [])
    age(Path(old).parent)
    wait_until(lambda: not os.path.exists(old))
    assert os.path.exists(new)
    folder, before = downloads.folder, threading.active_count()
    del downloads
    assert not folder.exists()
    wait_until(lambda: threading.active_count() < before)


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not reached() and time.monotonic() < end:
        time.sleep(0.01)
    assert reached()


def test_what_goes_while_it_is_looked_at_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another thread may have removed what was listed; the rest is swept all the same."""
    names = "abc"
    for name in names:
        (tmp_path / name).mkdir()
        age(tmp_path / name)
    listed = [tmp_path / "a", tmp_path / "gone", tmp_path / "b", tmp_path / "c"]
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(listed))
    sweep(tmp_path)
    assert not any((tmp_path / name).exists() for name in names)
    monkeypatch.undo()
    sweep(tmp_path / "gone")
