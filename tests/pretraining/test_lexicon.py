from __future__ import annotations

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.pretraining.lexicon import (
    Lexicon,
    cased_pairs,
    dictionary_files,
    encode_lexicon,
    read_dictionary,
    usual_case,
)


def test_case_follows_the_language():
    english = usual_case({"house": 9, "House": 2, "London": 5})
    german = usual_case({"Haus": 9, "haus": 1, "London": 3})
    assert cased_pairs([("house", "haus"), ("nothing", "haus")], english, german) == [
        ("house", "Haus"),
        ("House", "Haus"),
    ]
    assert cased_pairs([("haus", "house")], german, english) == [("Haus", "house")]


def test_identical_words_are_left_out(tmp_path):
    (tmp_path / "en-es.txt").write_text("the\tel\nMadrid madrid\n", encoding="utf-8")
    assert read_dictionary(tmp_path / "en-es.txt") == [("the", "el")]


def test_a_bad_line_is_named(tmp_path):
    (tmp_path / "en-es.txt").write_text("the el\nbig red dog\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"en-es.txt:2: 3 words instead of 2"):
        read_dictionary(tmp_path / "en-es.txt")


def test_a_missing_direction_is_named(tmp_path):
    (tmp_path / "en-es.txt").write_text("the el\n", encoding="utf-8")
    with pytest.raises(InputError, match="no en-es.rev.txt or en-es.rev.txt.xz"):
        dictionary_files(tmp_path, "es")
    assert dictionary_files(tmp_path, "fi") is None


@pytest.fixture
def lexicon(prepared, tmp_path):
    encode_lexicon([("dog", "perro"), ("house", "casa vieja"), ("house", "casa")], prepared[1], tmp_path / "l.npz")
    return Lexicon(tmp_path / "l.npz")


def test_words_that_the_vocabulary_cannot_spell_are_left_out(prepared, tmp_path):
    """All of them would be one unknown sub-word, with everybody's translations."""
    encode_lexicon([("dog", "부엌"), ("챕터", "house"), ("dog", "perro")], prepared[1], tmp_path / "l.npz")
    assert len(Lexicon(tmp_path / "l.npz")) == 1
    assert len(Lexicon(tmp_path / "l.npz").translations.popitem()[1]) == 1


def test_each_direction_replaces_words_of_its_first_language(prepared):
    data, tokenizer = prepared
    ids = {word: tokenizer.convert_tokens_to_ids(word) for word in ("dog", "perro")}
    assert (ids["dog"], ids["perro"]) in Lexicon(data / "en-es.lexicon.npz").single_pairs()
    assert (ids["perro"], ids["dog"]) in Lexicon(data / "es-en.lexicon.npz").single_pairs()


def test_replacement(prepared, lexicon):
    _, tokenizer = prepared
    ids = np.array(tokenizer("the dog sees the house", add_special_tokens=False)["input_ids"])
    starts = np.ones(len(ids), bool)
    pieces, replaced = lexicon.replace(ids, starts, rate=1.0, rng=np.random.default_rng(0))
    text = tokenizer.decode(np.concatenate(pieces))
    assert text in {"the perro sees the casa", "the perro sees the casa vieja", "the perro sees the casa viejo"}
    assert len(pieces) == len(replaced)
    assert replaced[1] == ids[1] and replaced[0] is None
    same, _ = lexicon.replace(ids, starts, rate=0.0, rng=np.random.default_rng(0))
    assert np.array_equal(np.concatenate(same), ids)


def test_rate(prepared, lexicon):
    _, tokenizer = prepared
    dog, perro = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("dog", "perro"))
    ids = np.full(20_000, dog)
    pieces, _ = lexicon.replace(ids, np.ones(len(ids), bool), rate=0.4, rng=np.random.default_rng(0))
    assert (np.concatenate(pieces) == perro).mean() == pytest.approx(0.4, abs=0.02)


def test_single_pairs(prepared, lexicon):
    _, tokenizer = prepared
    ids = {
        word: tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("dog", "perro", "house", "casa")
    }
    assert set(lexicon.single_pairs()) == {(ids["dog"], ids["perro"]), (ids["house"], ids["casa"])}
