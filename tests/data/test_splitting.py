"""Splitting of raw text."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hf_xner.data.splitting import split_sentences, split_text, split_words

ANY_TEXT = st.text(st.characters(), max_size=80)  # surrogates, controls and unassigned characters included
PROSE = st.lists(
    st.sampled_from(
        [
            "Mr.",
            "U.S.",
            "3.5",
            "Kiel",
            "o'clock",
            "'s",
            "n't",
            "don't",
            "。",
            "北京",
            "ไทย",
            "!",
            "?",
            "...",
            "\n",
            " ",
            ". ",
        ]
        + [
            "a@b.de",
            "https://x.org/a.",
            "\u200b",
            "\u200f",
            "\ufeff",
            "e\u0301",
            "👩\u200d👧",
            "1\ufe0f\u20e3",
            "।",
            "हिन्दी",
            "\x00",
        ]
    ),
    max_size=30,
).map("".join)


def words(text: str) -> list[str]:
    return [word.text for word in split_words(text)]


def sentences(text: str) -> list[str]:
    return [sentence.text for sentence in split_sentences(text)]


def is_blank(character: str) -> bool:
    """White space, controls and format characters, told by the standard library rather than by the splitter."""
    return character.isspace() or unicodedata.category(character) in {"Cc", "Cf"}


@pytest.mark.parametrize("split", [split_words, split_sentences])
@settings(max_examples=300, deadline=None)
@given(text=ANY_TEXT | PROSE)
@example(text="\ud83d\x00\u200d")
@example(text="\u0600a\u0301")
def test_offsets_are_in_order_and_cover_every_visible_character_once(split, text):
    end = 0
    covered = set()
    for piece in split(text):
        assert piece.start >= end and piece.end > piece.start
        assert text[piece.start : piece.end] == piece.text
        covered.update(range(piece.start, piece.end))
        end = piece.end
    missed = {
        character for position, character in enumerate(text) if position not in covered and not is_blank(character)
    }
    # Default-ignorable letters and marks (Hangul fillers, variation selectors) are invisible too.
    assert all(
        unicodedata.category(character) in {"Lo", "Mn", "Cn"} and ord(character) > 0x300 for character in missed
    )
    assert not any(character in "aéK3.?!。北ไहA" for character in missed)


@settings(max_examples=200, deadline=None)
@given(text=PROSE)
def test_words_of_sentences_are_never_white_space(text):
    for sentence in split_sentences(text):
        assert not is_blank(sentence.text[0])
        for word in split_words(sentence.text):
            assert not any(character.isspace() for character in word.text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Merkel's U.S. trip cost $3.5.", "Merkel 's U.S. trip cost $ 3.5 ."),
        ("1,000 men at 10:30, 6-4 on 2020-10-12", "1,000 men at 10:30 , 6-4 on 2020-10-12"),
        ("It isn't five o'clock (yet)!", "It is n't five o'clock ( yet ) !"),
        ("l'Ajuntament d'Alacant, D'Alema, O'Neill", "l' Ajuntament d' Alacant , D'Alema , O'Neill"),
        ("Mr. J. Smith of Foo Inc., Kiel.", "Mr. J. Smith of Foo Inc. , Kiel ."),
        ("AT&T's long-term F-16 deal", "AT&T 's long-term F-16 deal"),
        ("see https://a.org/b?c=1. Or mail x.y@z.de!", "see https://a.org/b?c=1 . Or mail x.y@z.de !"),
        ("z.B. am 3. Oktober in Kiel", "z.B. am 3. Oktober in Kiel"),
        ("f.eks. Oslo, bl.a. Bergen", "f.eks. Oslo , bl.a. Bergen"),
        ("zo'n man uit 's-Gravenhage in '98", "zo'n man uit 's-Gravenhage in '98"),
        ("EE.UU. gana; ¿qué?", "EE.UU. gana ; ¿ qué ?"),
        ("Ankara'da col·legi", "Ankara'da col·legi"),
        ("US$5, +44 .500 U.S.-led", "US$ 5 , +44 .500 U.S.-led"),
        ("EU:n ja AOL:ltä: niin", "EU:n ja AOL:ltä : niin"),
        ("regen- en sneeuwbuien - ja", "regen- en sneeuwbuien - ja"),
        ("well ... yes -- no", "well ... yes -- no"),
        ("我在北京2020年用iPhone", "我 在 北 京 2020 年 用 iPhone"),
        ("スーパー", "ス ー パ ー"),
        ("서울에서 열린다.", "서울에서 열린다 ."),
        ("إلى القاهرة، ثم؟", "إلى القاهرة ، ثم ؟"),
        ("दिल्ली राजधानी है।", "दिल्ली राजधानी है ।"),
        ("ที่กรุง", "ที่ ก รุ ง"),
        ("👩\u200d👧🇩🇪ok", "👩\u200d👧 🇩🇪 ok"),
        ("\ufeffKiel\u200b\x00Bonn\u200f", "Kiel Bonn"),
        ("می\u200cخواهم Donau\u00addampfer", "می\u200cخواهم Donau\u00addampfer"),
        ("e\u0301te\u0301", "e\u0301te\u0301"),
        ("", ""),
    ],
)
def test_words(text, expected):
    assert words(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith left. He ran! Why? No.", ["Mr. Smith left.", "He ran!", "Why?", "No."]),
        ("The U.S. President of Yahoo! is here.", ["The U.S. President of Yahoo! is here."]),
        ("one line\nanother\r\n\r\nthird", ["one line", "another", "third"]),
        ("Am 3. Oktober usw. Danach z.B. Kiel.", ["Am 3. Oktober usw.", "Danach z.B. Kiel."]),
        ("¿Qué? ¡Sí! «Hola.» (Bien.) Ella", ["¿Qué?", "¡Sí!", "«Hola.»", "(Bien.)", "Ella"]),
        ("好。他说！是", ["好。", "他说！", "是"]),
        ("दिल्ली है। मैं हूँ।", ["दिल्ली है।", "मैं हूँ।"]),
        ("أين؟ هنا. نعم", ["أين؟", "هنا.", "نعم"]),
        ("He was born in 1990. Bonn grew.", ["He was born in 1990.", "Bonn grew."]),
        ("J. R. R. Tolkien wrote 3.5 books.", ["J. R. R. Tolkien wrote 3.5 books."]),
        (" \n\t\u200b\n", []),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


def test_words_follow_the_corpora(data_dir):
    """Joined by spaces and split again, the words of CoNLL-2003 English stay what they were, with few exceptions."""
    lines = (data_dir / "corpora/conll2003/en/eng.testa").read_text().splitlines()
    gold = [line.split()[0] for line in lines if line.strip() and not line.startswith("-DOCSTART-")]
    kept = sum(words(word) == [word] for word in gold if not word.endswith("."))
    assert kept / sum(not word.endswith(".") for word in gold) > 0.99


@pytest.mark.parametrize(
    "run",
    [
        "a",
        ".",
        "!",
        " ",
        "A.",
        "a.",
        "a-",
        "1.",
        "1,",
        "é",
        "e\u0301",
        "\u200d",
        "'",
        "北",
        "ก",
        "a@",
        "www.",
        "x\u200b",
        "Dr. ",
    ],
)
def test_very_long_runs_take_linear_time(run):
    text = run * (200_000 // len(run))
    begin = time.process_time()  # other work on the machine must not count
    for sentence in split_sentences(text + "B"):
        split_words(sentence.text)
    assert time.process_time() - begin < 20


def test_a_text_comes_apart_into_sentences_of_words_with_their_places():
    text = "Dr. Ada lives in Kiel.  She's\nfine. 我爱北京。ok"
    found = split_text(text)
    assert [[word.text for word in sentence] for sentence in found] == [
        ["Dr.", "Ada", "lives", "in", "Kiel", "."],
        ["She", "'s"],
        ["fine", "."],
        ["我", "爱", "北", "京", "。"],
        ["ok"],
    ]
    assert all(text[word.start : word.end] == word.text for sentence in found for word in sentence)
