"""Readers on files that nobody would write: sentences or an InputError, never anything else."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hf_xner.data.formats.columns import ColumnLayout
from hf_xner.data.readers import read_file
from hf_xner.errors import InputError
from hf_xner.labels import spans_from_tags

NAMES = st.sampled_from(["f.conll", "f.txt", "f.tsv", "f.csv", "f.jsonl", "f.conllu", "f.parquet", "f.iob2", "f"])
CELLS = st.sampled_from(
    [
        "O",
        "B-LOC",
        "I-LOC",
        "E-LOC",
        "S-PER",
        "M-X",
        "a",
        "",
        "#",
        "# id 1",
        "-DOCSTART-",
        "en:a",
        "1",
        "2",
        "1-2",
        "_",
    ]
    + [
        "<HEADLINE>",
        '"',
        "token",
        "tag",
        "name=O",
        "name=B-X",
        "\u200b",
        "\u2028",
        "B-",
        "-",
        "😀",
        "\ufeff",
        "{}",
        "[]",
    ]
)
LINES = st.lists(CELLS, max_size=5).flatmap(
    lambda cells: st.sampled_from(["\t", " ", ","]).map(lambda d: d.join(cells))
)
FILES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
    st.tuples(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"])).map(
        lambda t: t[1].join(t[0]).encode()
    ),
)


@settings(max_examples=600, deadline=None)
@given(content=FILES, name=NAMES)
@example(content=b"\ra\nb", name="f.tsv")
@example(content=b"a" * (1 << 18) + b",b\nc,d", name="f.csv")
def test_whatever_a_file_holds_it_gives_sentences_or_an_input_error(
    tmp_path_factory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        file = read_file(path)
    except InputError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        return
    assert file.sentences
    for sentence in file.sentences:
        assert all(isinstance(token, str) for token in sentence.tokens)
        assert (sentence.tags is not None) == file.tagged
        if sentence.tags is not None:
            assert len(sentence.tags) == len(sentence.tokens)
            spans_from_tags(sentence.tags, "iob2")


TOKENS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\t\0"), min_size=1, max_size=6
).filter(lambda token: not token.startswith(("#", "-DOCSTART-", "<", " ", "\ufeff")))
TAGGED = st.lists(
    st.lists(st.tuples(TOKENS, st.sampled_from(["O", "B-LOC", "B-PER"])), min_size=1, max_size=6),
    min_size=1,
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@given(sentences=TAGGED)
def test_what_is_written_is_read(tmp_path_factory, sentences: list[list[tuple[str, str]]]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.conll"
    path.write_bytes(
        "\n\n".join("\n".join(f"{token}\t{tag}" for token, tag in sentence) for sentence in sentences).encode()
    )
    read = read_file(path, ColumnLayout(delimiter="\t"))
    assert [list(zip(s.tokens, s.tags, strict=True)) for s in read.sentences] == sentences
