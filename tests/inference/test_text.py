"""The splitter lies in the data room; its old place still leads there."""

from __future__ import annotations

from hf_xner.data import splitting
from hf_xner.inference import text


def test_the_tagger_splits_as_the_data_room_does():
    assert {name: getattr(text, name) for name in text.__all__} == {
        name: getattr(splitting, name) for name in text.__all__
    }
    assert {"Piece", "iterate_sentences", "split_sentences", "split_text", "split_words"} == set(text.__all__)
