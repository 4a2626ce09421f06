from __future__ import annotations

import json
import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.pretraining.corpus import (
    encode_language,
    encode_pairs,
    load_text,
    read_lines,
    sample_lines,
    sampling_probabilities,
    text_files,
)
from hf_xner.pretraining.tokenizer import SEP

SIZES = st.dictionaries(st.text("abc", min_size=1), st.integers(1, 10**9), min_size=1, max_size=6)


@given(SIZES, st.floats(0, 1))
def test_probabilities_sum_to_one_and_keep_the_order(sizes, smoothing):
    shares = sampling_probabilities(sizes, smoothing)
    assert sum(shares.values()) == pytest.approx(1)
    for one in sizes:
        for other in sizes:
            if sizes[one] <= sizes[other]:
                assert shares[one] <= shares[other] * (1 + 1e-9)


def test_smoothing():
    sizes = {"en": 900, "fi": 100}
    assert sampling_probabilities(sizes, 1)["fi"] == pytest.approx(0.1)
    assert sampling_probabilities(sizes, 0.5)["fi"] == pytest.approx(0.25)
    assert sampling_probabilities(sizes, 0)["fi"] == pytest.approx(0.5)


def test_files_plain_and_compressed_and_twice(tmp_path):
    (tmp_path / "en.txt").write_text("one\n\n two \n", encoding="utf-8")
    with lzma.open(tmp_path / "es.txt.xz", "wt", encoding="utf-8") as out:
        out.write("ni\u006e\u0303o\n")
    files = text_files([tmp_path, tmp_path], ["en", "es"])
    assert [len(paths) for paths in files.values()] == [2, 2]
    assert list(read_lines(files["en"][0])) == ["one", "two"]
    assert list(read_lines(files["es"][0])) == ["niño"]  # composed


def test_line_ends_of_old_macs_and_a_byte_order_mark(tmp_path):
    (tmp_path / "en.txt").write_bytes(b"\xef\xbb\xbfone\rtwo\r")
    assert list(read_lines(tmp_path / "en.txt")) == ["one", "two"]


def test_a_missing_language_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no xx.txt or xx.txt.xz; add the file or leave the language out"):
        text_files([tmp_path], ["xx"])


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / "en.txt"
    path.write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"en.txt:2: cannot be read \('utf-8' codec"):
        list(read_lines(path))


def test_sample_takes_about_as_much_as_asked(tmp_path):
    for language, lines in (("en", 3000), ("fi", 300)):
        (tmp_path / f"{language}.txt").write_text("a line of text\n" * lines, encoding="utf-8")
    files = text_files([tmp_path], ["en", "fi"])
    assert sum(map(len, sample_lines(files, smoothing=0.5, characters=10_000))) == pytest.approx(10_000, rel=0.1)


def test_encoding_loses_nothing(toy, prepared):
    data, tokenizer = prepared
    lines = list(read_lines(toy / "es.txt"))
    text = load_text(data, "es", with_words=True)
    assert text.ids.dtype == np.uint16
    expected = [i for ids in tokenizer(lines, add_special_tokens=False)["input_ids"] for i in [*ids, SEP]]
    assert text.ids.tolist() == expected
    assert text.words["casa"] == sum(line.split().count("casa") for line in lines)


def test_encoding_leaves_no_partial_file(toy, prepared, tmp_path):
    encode_language([toy / "en.txt"], prepared[1], tmp_path / "en.ids")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["en.ids", "en.json"]
    assert json.loads((tmp_path / "en.json").read_text())["size"] == len(load_text(tmp_path, "en").ids)


def test_pairs_alternate(toy, prepared):
    data, tokenizer = prepared
    with np.load(data / "en-es.npz") as arrays:
        sides = np.split(arrays["ids"], arrays["ends"][:-1])
    english, other = next(read_lines(toy / "en-es.tsv")).split("\t")
    assert tokenizer.decode(sides[0]) == english and tokenizer.decode(sides[1]) == other
    assert len(sides) == 400


def test_a_line_without_tab_is_named(prepared, tmp_path):
    (tmp_path / "en-es.tsv").write_text("one\tuno\ntwo\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"en-es.tsv:2: one column instead of two; write English TAB other"):
        encode_pairs(tmp_path / "en-es.tsv", prepared[1], tmp_path / "en-es.npz")


def test_pairs_with_an_empty_side_and_columns_after_the_second_are_let_be(prepared, tmp_path):
    (tmp_path / "en-es.tsv").write_text("the dog\tel perro\tCC BY\n\tcasa\nhouse\t \n", encoding="utf-8")
    encode_pairs(tmp_path / "en-es.tsv", prepared[1], tmp_path / "en-es.npz")
    with np.load(tmp_path / "en-es.npz") as arrays:
        sides = np.split(arrays["ids"], arrays["ends"][:-1])
    assert [prepared[1].decode(side) for side in sides] == ["the dog", "el perro"]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_text_is_refused_and_leaves_nothing(prepared, tmp_path, text):
    (tmp_path / "fi.txt").write_text(text, encoding="utf-8")
    (tmp_path / "en-fi.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"fi.txt: no text; fill it or leave the language out"):
        encode_language([tmp_path / "fi.txt"], prepared[1], tmp_path / "fi.ids")
    with pytest.raises(InputError, match=r"en-fi.tsv: no pair of lines; fill or remove it"):
        encode_pairs(tmp_path / "en-fi.tsv", prepared[1], tmp_path / "en-fi.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["en-fi.tsv", "fi.txt"]


def test_what_is_read_once_comes_last_where_rows_are_held_out(tmp_path, caplog):
    for name in ("once", "thrice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "en.txt").write_text("one\n", encoding="utf-8")
    once, thrice = tmp_path / "once", tmp_path / "thrice"
    (once / "en.txt.xz").write_bytes(lzma.compress(b"one\n"))  # unpacked beside it: not read as well
    assert text_files([once, *[thrice] * 3], ["en"])["en"] == [thrice / "en.txt"] * 3 + [once / "en.txt"]
    assert not caplog.text
    text_files([thrice] * 2, ["en"])
    assert "en: all text is read more than once" in caplog.text


def test_words_of_scripts_with_vowel_signs_are_counted_whole(prepared, tmp_path):
    (tmp_path / "hi.txt").write_text("हिन्दी भाषा, हिन्दी\n", encoding="utf-8")
    encode_language([tmp_path / "hi.txt"], prepared[1], tmp_path / "hi.ids")
    assert load_text(tmp_path, "hi", with_words=True).words == {"हिन्दी": 2, "भाषा": 1}
