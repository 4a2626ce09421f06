"""Every word that has a sub-word is seen exactly once, whatever the length."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hf_xner.data.encoding import NO_SUBWORD, WordEncoder, longest_input
from hf_xner.errors import InputError

WORDS = st.lists(st.sampled_from(["Angela", "bcdefghij", "", "\u200b", ".", "Kiel", "東京", "unknown"]), max_size=60)


@pytest.fixture(scope="module")
def encode(tiny_tokenizer):
    def run(words, **options):
        return next(WordEncoder(tiny_tokenizer, **options).encode([words]))

    return run


def first_subwords(tokenizer, words):
    """The expected (word, id) pairs, straight from the tokenizer."""
    if not words:
        return {}
    encoding = tokenizer([words], is_split_into_words=True, add_special_tokens=False).encodings[0]
    found: dict[int, int] = {}
    for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
        found.setdefault(word, piece)
    return found


@given(words=WORDS, max_length=st.integers(4, 40), overlap=st.integers(0, 30))
@settings(max_examples=150, deadline=None)
def test_every_word_with_a_subword_has_one_position(tiny_tokenizer, words, max_length, overlap):
    if overlap >= max_length - 2:
        overlap = 0
    windows = next(WordEncoder(tiny_tokenizer, max_length=max_length, overlap=overlap).encode([words]))
    seen: dict[int, int] = {}
    for window in windows:
        assert len(window.input_ids) <= max_length
        for offset, position in enumerate(window.positions):
            if position != NO_SUBWORD:
                assert window.first_word + offset not in seen
                seen[window.first_word + offset] = window.input_ids[position]
    assert seen == first_subwords(tiny_tokenizer, words)


def test_truncation_keeps_one_window_and_its_first_words(encode):
    (window,) = encode(["Angela"] * 50, max_length=12, truncate=True)
    assert len(window.input_ids) == 12
    assert window.positions == list(range(1, 11))


def test_a_word_at_a_seam_comes_from_the_window_where_it_has_more_context(encode):
    windows = encode(["Angela"] * 30, max_length=22, overlap=10)
    assert len(windows) == 2
    first, second = windows
    # 20 sub-words fit; the second window begins at 10 and the seam lies in the middle of the overlap, at 15.
    assert first.first_word + len(first.positions) == second.first_word == 15
    assert second.positions[0] == 1 + 5


def test_words_that_vanish_in_tokenisation_keep_their_place(encode):
    (window,) = encode(["Angela", "", "Merkel", "\u200b", "."], max_length=16)
    assert window.positions == [1, NO_SUBWORD, 2, NO_SUBWORD, 3]


def test_decomposed_words_are_encoded_as_composed_ones():
    """Most vocabularies know no letters with separate accents: the whole word would be unknown."""
    from hf_xner.models.builtin import resolve_encoder

    tokenizer = AutoTokenizer.from_pretrained(resolve_encoder("xner-mini"))
    encoder = WordEncoder(tokenizer)
    composed = ["España", "Müller", "서울", "!"]
    decomposed = [unicodedata.normalize("NFD", word) for word in composed]
    assert decomposed != composed and list(encoder.encode([decomposed])) == list(encoder.encode([composed]))
    assert tokenizer.unk_token_id not in next(encoder.encode([decomposed]))[0].input_ids


@pytest.mark.parametrize("words", [[], [""], ["\u200b", ""]])
def test_a_sentence_without_subwords_gives_one_empty_window(encode, words):
    (window,) = encode(words, max_length=16)
    assert len(window.input_ids) == 2
    assert all(position == NO_SUBWORD for position in window.positions)


def test_slow_tokenizers_are_refused_with_the_remedy():
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match=r"Slow is not a fast tokenizer .*; use an encoder with a tokenizer\.json"):
        WordEncoder(Slow())


def test_an_overlap_that_leaves_no_room_is_refused(tiny_tokenizer):
    with pytest.raises(InputError, match="windows of 12 sub-words with an overlap of 10 leave no room"):
        WordEncoder(tiny_tokenizer, max_length=12, overlap=10)


def test_the_longest_input_is_the_smallest_bound(tiny_tokenizer):
    class Config:
        max_position_embeddings = 50
        model_type = "bert"

    assert longest_input(tiny_tokenizer, Config) == 50
    assert longest_input(tiny_tokenizer, Config, 20) == 20
    Config.model_type = "xlm-roberta"
    assert longest_input(tiny_tokenizer, Config) == 48
