from __future__ import annotations

import pytest

from hf_xner.errors import InputError
from hf_xner.pretraining.tokenizer import continuation_flags, load_tokenizer, train_tokenizer

LINES = ["El niño de España vio a la niña .", "中国人 in China .", "El niño ZÜRICH Zürich"] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(LINES, vocab_size=200)


def test_accents_and_case_survive(tokenizer):
    assert tokenizer.tokenize("niño") == ["niño"]
    assert tokenizer.decode(tokenizer("Zürich", add_special_tokens=False)["input_ids"]) == "Zürich"
    assert tokenizer("el")["input_ids"] != tokenizer("El")["input_ids"]


def test_chinese_characters_are_words_of_their_own(tokenizer):
    assert tokenizer.tokenize("中国人") == ["中", "国", "人"]


def test_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    for line in LINES[:3]:
        assert again(line)["input_ids"] == tokenizer(line)["input_ids"]
    assert again.model_max_length == 512 and again.is_fast


def test_special_tokens_come_first(tokenizer):
    assert tokenizer.convert_ids_to_tokens(range(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_a_foreign_tokenizer_is_refused(tiny_tokenizer, tmp_path):
    from transformers import BertTokenizer

    pieces = ["a", "b", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="do not have the ids 0 to 4; train the tokenizer with this script"):
        load_tokenizer(tmp_path)


def test_continuations(tokenizer):
    flags = continuation_flags(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert [piece for piece, flag in zip(pieces, flags, strict=True) if flag] == [
        piece for piece in pieces if piece.startswith("##")
    ]
    assert flags.any() and not flags[:5].any()


def test_too_little_text():
    with pytest.raises(InputError, match="vocabulary of only 5 sub-words; give more text"):
        train_tokenizer([], vocab_size=100)
