"""Tests for the `.vec` reader, its cache and the look-up."""

from __future__ import annotations

import gzip
import lzma
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.translation import vector_cache
from hf_xner.translation.vector_cache import load_vectors
from hf_xner.translation.vectors import WordVectors, normalised, read_vectors, write_vectors

PLAIN = "Haus 1 2 3\nhaus 4 5 6\nnull 0 0 0\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("header", ["", "3 3\n", "\ufeff3 3\n"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_reads_with_and_without_a_header(tmp_path: Path, header: str, end: str) -> None:
    vectors = read_vectors(write(tmp_path / "a.vec", header + PLAIN.replace("\n", end)))
    assert list(vectors.words) == ["Haus", "haus", "null"]
    assert vectors.vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors.vectors[:2], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_allclose(vectors.vectors[2], [0.01, 0, 0])


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_reads_packed_files(tmp_path: Path, suffix: str, pack) -> None:
    path = tmp_path / f"a.vec{suffix}"
    path.write_bytes(pack(PLAIN.encode()))
    assert len(read_vectors(path)) == 3
    path.write_bytes(pack(PLAIN.encode() * 50)[:-9])
    with pytest.raises(InputError, match="cannot be unpacked after line|is already on line"):
        read_vectors(path)


def test_limit_and_lowercase(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vec", "3 3\n" + PLAIN)
    assert list(read_vectors(path, limit=1).words) == ["Haus"]
    merged = read_vectors(path, lowercase=True)
    assert list(merged.words) == ["haus", "null"]
    np.testing.assert_array_equal(merged.vectors[0], [1, 2, 3])
    # The limit counts words that are kept.
    assert list(read_vectors(path, lowercase=True, limit=2).words) == ["haus", "null"]
    with pytest.raises(InputError, match="a limit of 0 words; ask for at least one"):
        read_vectors(path, limit=0)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a 1 2\nb 1 2\na 3 4\n", 3, "the word 'a' is already on line 1; keep one vector a word"),
        ("a 1 2\nb 1\n", 2, "1 numbers, expected 2 as in the first line"),
        ("2 2\na 1 2 3\n", 2, "3 numbers, expected 2 as in the header"),
        ("a 1 2\nb c 1 2\n", 2, "'c' is not a number"),
        ("a 1 2\nb 1 nan\n", 2, "a number is not finite"),
        ("a 1 2\n\nb 1 2\n", 2, "expected a word, a space and its numbers"),
        ("a 1 2\n 1 2\n", 2, "expected a word, a space and its numbers"),
        ("a 1 2\nb\t1 2\n", 2, "expected a word, a space and its numbers"),
        ("a 1 2\nb \n", 2, "expected a word, a space and its numbers"),
        ("2 0\na\n", 1, "the header promises vectors of width 0"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = write(tmp_path / "a.vec", text)
    with pytest.raises(InputError) as error:
        read_vectors(path)
    assert str(error.value).startswith(f"{path}:{line}: {message}")


def test_broken_lines_are_named_whatever_numpy_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As numpy 2.2 does: it warns, and gives what stands before."""

    def older(numbers: str, **_: object) -> np.ndarray:
        found = [float(digits) for digits in re.findall(r"\d+", numbers)]
        if not re.fullmatch(r"[\d ]+", numbers):
            warnings.warn("string or file could not be read to its end", DeprecationWarning, stacklevel=2)
        return np.array(found, dtype=np.float32)

    monkeypatch.setattr(np, "fromstring", older)
    assert len(read_vectors(write(tmp_path / "a.vec", PLAIN))) == 3
    for line in ("b 3 4 x", "b 3 4x"):
        with pytest.raises(InputError, match=r"a.vec:2: '4?x' is not a number"):
            read_vectors(write(tmp_path / "a.vec", f"a 1 2\n{line}\n"))


def test_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the header promises 5 words, the file holds 1; fetch the file again"):
        read_vectors(write(tmp_path / "short.vec", "5 2\na 1 2\n"))
    with pytest.raises(InputError, match="no such file"):
        read_vectors(tmp_path / "absent.vec")
    with pytest.raises(InputError, match="no vectors"):
        read_vectors(write(tmp_path / "empty.vec", ""))
    (tmp_path / "latin.vec").write_bytes("a 1 2\né 1 2\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.vec:2: byte 0xe9 is not UTF-8"):
        read_vectors(tmp_path / "latin.vec")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=80) | st.text("ab 1.e-\n\t", max_size=40).map(str.encode))
def test_no_file_breaks_the_reader_otherwise(tmp_path: Path, data: bytes) -> None:
    """Whatever the bytes are: sound vectors or an error that names the file."""
    path = tmp_path / "fuzz.vec"
    path.write_bytes(data)
    try:
        vectors = read_vectors(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        return
    assert np.isfinite(vectors.vectors).all()
    assert vectors.vectors.any(axis=1).all()
    assert vectors.vectors.shape == (len(vectors.index), vectors.width)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(
        st.text(st.characters(exclude_characters=" \t\n\r\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=5),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_what_is_written_is_read(tmp_path: Path, words: list[str]) -> None:
    numbers = np.arange(1, 2 * len(words) + 1, dtype=np.float32).reshape(-1, 2) / 7
    write_vectors(WordVectors(words, numbers), tmp_path / "a.vec")
    again = read_vectors(tmp_path / "a.vec")
    assert list(again.words) == words
    np.testing.assert_allclose(again.vectors, numbers, rtol=1e-5)


def test_words_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the word 'a b' cannot stand in a .vec file"):
        write_vectors(WordVectors(["a b"], np.ones((1, 2), np.float32)), tmp_path / "a.vec")
    assert not list(tmp_path.iterdir())


def test_the_cache_is_mapped_and_notices_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write(tmp_path / "a.vec", PLAIN), tmp_path / "cache"
    first = load_vectors(path, cache_dir=cache)
    assert isinstance(first.vectors, np.memmap)
    assert first.origin == {"path": str(path.resolve()), "limit": None, "lowercase": False}
    assert first.digest() == read_vectors(path).digest()
    with monkeypatch.context() as patch:
        patch.setattr(vector_cache, "read_vectors", lambda *_, **__: pytest.fail("read again"))
        assert load_vectors(path, cache_dir=cache).digest() == first.digest()
    assert len(load_vectors(path, cache_dir=cache, limit=2)) == 2
    assert len(load_vectors(path, cache_dir=cache, lowercase=True)) == 2
    write(path, "neu 1 2 3\n")
    os.utime(path, ns=(1, 1))
    assert list(load_vectors(path, cache_dir=cache).words) == ["neu"]
    with pytest.raises(InputError, match="no such file; train vectors with"):
        load_vectors(tmp_path / "absent.vec", cache_dir=cache)


def test_look_up_is_exact_then_lower_case() -> None:
    vectors = WordVectors(["Rose", "rose", "kiel"], np.eye(3, dtype=np.float32))
    assert [vectors.find(word) for word in ("Rose", "rose", "ROSE", "Kiel", "Bonn")] == [0, 1, 1, 2, None]


def test_sets_of_vectors_are_checked() -> None:
    with pytest.raises(InputError, match="a word occurs twice"):
        WordVectors(["a", "a"], np.eye(2, dtype=np.float32))
    with pytest.raises(InputError, match=r"1 words for an array of shape \(2, 2\)"):
        WordVectors(["a"], np.eye(2, dtype=np.float32))
    assert len(WordVectors(["a", "b"], np.eye(2, dtype=np.float32)).head(1)) == 1


def test_normalised_rows_have_length_one() -> None:
    rows = normalised(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], atol=1e-7)
