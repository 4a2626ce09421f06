"""What `xner predict` reads."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.inference.inputs import READERS, Item, kind_of, read_items


def items(text: str | bytes, kind: str) -> list[Item]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(read_items(io.BytesIO(raw), "input", kind))


def test_each_line_of_text_is_one_input():
    assert items("\ufeffKiel. Bonn.\r\n\nx", "text") == [Item("Kiel. Bonn."), Item(""), Item("x")]


def test_each_line_of_words_is_one_sentence():
    assert items("Kiel  is\there\n\nx\n", "words") == [Item(["Kiel", "is", "here"]), Item([]), Item(["x"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kiel NNP B-LOC\nis VBZ O\n\n\nx NN O\n", [(["Kiel", "is"], ["B-LOC", "O"]), (["x"], ["O"])]),
        ("-DOCSTART- -X- O\n\nKiel B-LOC\r\n\r\n", [(["Kiel"], ["B-LOC"])]),
        ("-DOCSTART- -DOCSTART- O\nKiel N B-LOC\n", [(["Kiel"], ["B-LOC"])]),
        ("# id 7f domain=en\nKiel _ _ B-LOC\n# _ _ O\n", [(["Kiel", "#"], ["B-LOC", "O"])]),
        ("10\u00a0000 O\n\u00a0 B-LOC\n", [(["10\u00a0000", "\u00a0"], ["O", "B-LOC"])]),
        ("#text O\n", [(["#text"], ["O"])]),
        ("New York\tB-LOC\n", [(["New York"], ["B-LOC"])]),
        ("Kiel\nis\n\nhere\n", [(["Kiel", "is"], None), (["here"], None)]),
        ("Kiel NNP\nis VBZ\n", [(["Kiel", "is"], None)]),
        ("1 Kiel B-LOC\n2 is O\n\n1 here O\n", [(["Kiel", "is"], ["B-LOC", "O"]), (["here"], ["O"])]),
        ("1\tKiel\tB-LOC\t-\t-\n2\tis\tO\t-\t-\n", [(["Kiel", "is"], None)]),
        (
            "1 Kiel B-LOC\n\n1 x O\n\n1 is O\n2 . O\n",
            [(["Kiel"], ["B-LOC"]), (["x"], ["O"]), (["is", "."], ["O"] * 2)],
        ),
        ("1 CD O\n\nKiel NNP B-LOC\nis VBZ O\n", [(["1"], ["O"]), (["Kiel", "is"], ["B-LOC", "O"])]),
        ("12 O\n6 O\n2 O\n4 O\n10 O\n", [(["12", "6", "2", "4", "10"], ["O"] * 5)]),
        ("0 O\n0 O\n0 O\n0 O\n0 O\n", [(["0"] * 5, ["O"] * 5)]),
        ("3 CD O\n1 CD O\n2 CD O\n4 CD O\n5 CD O\n", [(["3", "1", "2", "4", "5"], ["O"] * 5)]),
        ("Kiel B-LOC\r\r\nis O\r\r\n\r\r\nx O\r\r\n", [(["Kiel", "is"], ["B-LOC", "O"]), (["x"], ["O"])]),
        ("1" * 5000 + " O\n2 O\n", [(["1" * 5000, "2"], ["O"] * 2)]),
        ("Kiel B-LOC\ris O\r\rhere O\r", [(["Kiel", "is"], ["B-LOC", "O"]), (["here"], ["O"])]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_columns(text, expected):
    assert [(item.content, item.gold) for item in items(text, "conll")] == expected


TABLE = "sentence_id,token,tag\n1,Kiel,B-LOC\n1,is,O\n2,here,O\n"


def test_tables_are_read_as_corpora_are():
    expected = [Item(["Kiel", "is"], ["B-LOC", "O"]), Item(["here"], ["O"])]
    for name, text in (("a.csv", TABLE), ("a.tsv", TABLE.replace(",", "\t"))):
        assert list(read_items(io.BytesIO(text.encode()), name, kind_of(name, None))) == expected
    words = io.BytesIO(b"token\tO\nKiel\tB-LOC\n")  # in columns a token may be called so
    assert list(read_items(words, "a.conll", "conll")) == [Item(["token", "Kiel"], ["O", "B-LOC"])]
    columns = io.BytesIO(b"Kiel\tB-LOC\nis\tO\n")
    assert list(read_items(columns, "a.csv", "conll")) == [Item(["Kiel", "is"], ["B-LOC", "O"])]
    with pytest.raises(InputError, match=r"a.csv:1: the header names no column 'token'"):
        list(read_items(io.BytesIO(b"1,Kiel\n1,is\n"), "a.csv", "conll"))


def test_numbers_of_sentences_are_not_tagged_as_words():
    rows = "".join(f"{number // 3}\tKiel\tO\n" for number in range(9))
    with pytest.raises(InputError, match="input: every row begins with a number that seems to be its sentence's"):
        items(rows, "conll")


def test_json_lines():
    lines = '{"id": "a", "tokens": ["Kiel", ""], "ner_tags": ["B-LOC", "O"]}\n\n{"tokens": []}\n'
    assert items(lines, "jsonl") == [Item(["Kiel", ""], ["B-LOC", "O"], {"id": "a"}), Item([])]
    assert items('{"text": "Kiel"}', "jsonl") == [Item("Kiel")]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (b"ok\nK\xf6ln\n", "text", "input:2: byte 0xf6 is not UTF-8; recode the input"),
        ("Kiel B-LOC\nis\n", "conll", None),
        ("Kiel B-LOC\n\nis\n", "conll", "input:3: no tag at the end of 'is'; give every word a tag"),
        ("Kiel B-LOC\n\nis Z-LOC\n", "conll", "input:3: no tag at the end of 'is Z-LOC'"),
        ("1\tKiel\tKiel\tPROPN\t_\t_\t0\troot\t_\t_\n", "conll", "input:1: this looks like CoNLL-U.*cut -f2"),
        ('{"text": "a"}\n{"tokens": []}\n', "jsonl", "input:2: expected 'text' as in the lines before"),
        ('{"text": "a", "tokens": []}\n', "jsonl", "input:1: expected either 'text' or 'tokens'"),
        ("{\n", "jsonl", "input:1: not JSON"),
        ("[]\n", "jsonl", "input:1: not a JSON object"),
        ('{"text": ["a"]}\n', "jsonl", "input:1: 'text' is not a string; for words use 'tokens'"),
        ('{"text": "\\ud800"}\n', "jsonl", "input:1: half a surrogate pair in a text"),
        ('{"tokens": "ab"}\n', "jsonl", "input:1: the tokens are not a list of strings"),
        ('{"tokens": ["a"], "ner_tags": []}\n', "jsonl", "input:1: 1 tokens but 0 tags"),
    ],
)
def test_bad_input_names_file_and_line(text, kind, message):
    if message is None:  # the first sentence decides whether there are tags at all
        assert [item.gold for item in items(text, kind)] == [None]
        return
    with pytest.raises(InputError, match=message):
        items(text, kind)


@settings(max_examples=200)
@given(kind=st.sampled_from(sorted(READERS)), data=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_line(kind, data):
    try:
        for item in items(data, kind):
            assert item.gold is None or len(item.gold) == len(item.content)
    except InputError as error:
        assert "input:" in str(error)


def test_the_kind_is_said_by_option_or_extension_never_guessed():
    """User demand 3."""
    assert kind_of("-", None) == "text"
    assert kind_of("a/B.TXT", None) == "text"
    assert kind_of("a.conll", None) == "conll"
    assert kind_of("a.jsonl", None) == "jsonl"
    assert kind_of("a.txt.gz", None) == "text"
    assert kind_of("a.conll", "words") == "words"
    with pytest.raises(
        InputError, match=r"eng.testb: the name does not say .*; add --input text\|words\|conll\|jsonl"
    ):
        kind_of("eng.testb", None)
