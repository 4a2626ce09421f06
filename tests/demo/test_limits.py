from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hf_xner.demo.limits import Deadline, Limits
from hf_xner.errors import InputError
from hf_xner.inference.inputs import Item

LIMITS = Limits(characters=50, file_bytes=100, sentences=3)


def test_a_text_within_the_limits_is_taken():
    LIMITS.check_text("One. Two. Three.")
    LIMITS.check_text("x" * 50)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x" * 51, "51 characters, and the page takes 50"),
        ("", "there is no text"),
        (" \n\t\u200b\x00 ", "there is no text"),
        ("a\nb\nc\nd", "more than 3 sentences"),
    ],
)
def test_other_texts_are_refused_with_what_to_do(text: str, told: str):
    with pytest.raises(InputError, match=told) as caught:
        LIMITS.check_text(text)
    assert caught.value.remedy


def test_sentences_are_not_counted_to_the_end_of_a_long_text():
    text = "a\n" * 5_000_000
    with pytest.raises(InputError, match="more than 3 sentences"):
        Limits(characters=len(text), sentences=3).check_text(text)


def test_empty_and_large_files_are_refused_by_the_name_their_owner_knows(tmp_path: Path):
    path = tmp_path / "0a1b.tmp"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="^mine.txt: the file is empty"):
        LIMITS.check_file(str(path), "mine.txt")
    path.write_bytes(b"x" * 101)
    with pytest.raises(InputError, match="^mine.txt: the file has .* MB, and the page takes") as caught:
        LIMITS.check_file(str(path), "mine.txt")
    assert str(path) not in str(caught.value)
    path.write_bytes(b"x" * 100)
    LIMITS.check_file(str(path), "mine.txt")


def test_items_are_read_no_further_than_allowed():
    read = []

    def items():
        for number in range(10):
            read.append(number)
            yield Item(["word"])

    with pytest.raises(InputError, match="f.conll: there are more than 3 sentences"):
        LIMITS.take(items(), "f.conll")
    assert len(read) == 4


def test_texts_of_a_file_count_by_their_sentences_and_empty_ones_do_not():
    assert len(LIMITS.take([Item("One. Two."), Item(""), Item("Three.")], "f.txt")) == 3
    with pytest.raises(InputError, match="more than 3"):
        LIMITS.take([Item("One. Two."), Item("Three. Four.")], "f.txt")
    with pytest.raises(InputError, match="more than 3 sentences or lines"):
        LIMITS.take([Item("One."), *[Item("")] * 15], "f.txt")
    with pytest.raises(InputError, match="no words"):
        LIMITS.take([Item(""), Item([])], "f.txt")


def test_the_deadline_stops_a_model_before_its_next_batch():
    now = [0.0]
    deadline = Deadline(10, clock=lambda: now[0])
    model = torch.nn.Identity()
    with deadline.over(model):
        model(torch.ones(1))
        now[0] = 10.5
        with pytest.raises(InputError, match="stopped after 10 seconds"):
            model(torch.ones(1))
    model(torch.ones(1))  # the clock is looked at no longer
