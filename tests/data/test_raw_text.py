"""Raw text as a corpus: told from columns, split as the Tagger splits, streamed, compressed, several files."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_xner.data import load_corpus, unlabelled
from hf_xner.data.formats.columns import ColumnLayout
from hf_xner.data.formats.raw_text import RawTextLayout
from hf_xner.data.formats.sniffing import LOOKED_AT, sniff
from hf_xner.data.readers import RawText, read_file
from hf_xner.data.sources import locate
from hf_xner.errors import InputError

SPANISH = "El Sr. Ruiz vive en Kiel. Trabaja aquí.\n\nO Globo y E-mail, dice.\nTitular\n"
SPANISH_WORDS = [
    ["El", "Sr.", "Ruiz", "vive", "en", "Kiel", "."],
    ["Trabaja", "aquí", "."],
    ["O", "Globo", "y", "E-mail", ",", "dice", "."],
    ["Titular"],
]
CHINESE = "我爱北京天安门。天安门上太阳升。\n伟大领袖毛主席，指引我们向前进。\n"
THAI = "กรุงเทพมหานครเป็นเมืองหลวง\nประเทศไทยมีประชากรมาก\n"


def write(place: Path, content: str | bytes) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return place


def words(path: Path, **options) -> list[list[str]]:
    return [sentence.tokens for sentence in read_file(path, **options).sentences]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def test_lines_become_sentences_of_words(tmp_path: Path):
    file = read_file(write(tmp_path / "a.txt", SPANISH))
    assert [sentence.tokens for sentence in file.sentences] == SPANISH_WORDS
    assert not file.tagged and file.scheme is None
    assert [(sentence.line, sentence.tags) for sentence in file.sentences] == [
        (1, None),
        (1, None),
        (3, None),
        (4, None),
    ]


@pytest.mark.parametrize("text", [SPANISH, CHINESE, THAI], ids=["es", "zh", "th"])
def test_training_sees_the_words_that_the_tagger_sees(tmp_path: Path, tiny_model_dir: Path, text: str):
    from hf_xner.inference.tagger import Tagger

    tagger = Tagger.from_pretrained(str(tiny_model_dir))
    tagged = [token.text for line in text.splitlines() for token in tagger.tag_text(line).tokens]
    read = words(write(tmp_path / "a.txt", text))
    assert [token for sentence in read for token in sentence] == tagged
    assert [token.text for token in tagger.tag_text(text).tokens] == tagged


def test_scripts_without_spaces_are_no_columns(tmp_path: Path):
    assert words(write(tmp_path / "zh.txt", CHINESE))[1] == list("天安门上太阳升。")
    assert len(words(write(tmp_path / "th.txt", THAI))) == 2


COLUMNS: dict[str, str] = {
    "two columns": "Bonn B-LOC\nist O\n\nAda B-PER\n",
    "tags that are no tags": "Bonn LOC\nist O\nschön O\n",
    "four columns": "Bonn NNP I-NP I-LOC\n, , O O\n",
    "a tab": "Bonn\tNE\nist\tV\n",
    "a document marker": "-DOCSTART-\n\nBonn ist\n",
    "a word a line": "Bonn\nist\nschön\n.\n\nAda\nlacht\n.\n",
    "characters, one a line": "我\n爱\n北\n京\n。\n",
    "long words of an unspaced script, with signs": "ประเทศไทย\nประชากรมากมายเหลือเกิน\n.\n",
    "two columns without tags": "\n".join(f"w{number} NN" for number in range(12)) + "\n",
    "numbered words": "1 Bonn B-LOC - -\n2 ist O - -\n",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_stay_columns(tmp_path: Path, name: str):
    layout = sniff(tmp_path / "f.txt", COLUMNS[name].splitlines())
    assert isinstance(layout, ColumnLayout)


@pytest.mark.parametrize("ending", [".conll", ".tsv", ".iob2", ""])
def test_only_txt_may_be_raw_text(tmp_path: Path, ending: str):
    assert not isinstance(sniff(tmp_path / f"f{ending}", SPANISH.splitlines()), RawTextLayout)


@pytest.mark.parametrize(
    "text",
    ["我爱北京\n天安门上\n", "New York\nParis\nBonn\nKiel\nRom\n"],
    ids=["short unspaced lines", "mostly single words"],
)
def test_what_could_be_either_is_refused_with_both_ways_out(tmp_path: Path, text: str):
    path = write(tmp_path / "f.txt", text)
    with pytest.raises(InputError, match=r"f\.txt: could be raw text as well as .*\?format=text' or.*\?tag=0") as info:
        read_file(path)
    for option in ("?format=text", "?tag=0"):
        assert option in str(info.value)
    source = locate(f"{path}?format=text")
    assert sum(1 for file in source.read("train") for _ in file.sentences) == len(text.splitlines())


def test_words_between_spaces_stay_words(tmp_path: Path, cache):
    text = "El Sr. Ruiz ( Kiel) .\n\nNo , gracias\n"
    spec = f"{write(tmp_path / 'a.txt', text)}?format=words"
    expected = [["El", "Sr.", "Ruiz", "(", "Kiel)", "."], ["No", ",", "gracias"]]
    assert load_corpus(spec)["train"]["tokens"][:] == expected
    assert words(write(tmp_path / "a.words", text)) == expected


@pytest.mark.parametrize("query", ["?format=poem", "?format=text&tag=2"])
def test_a_format_that_makes_no_sense_is_refused(tmp_path: Path, query: str):
    path = write(tmp_path / "a.txt", SPANISH)
    with pytest.raises(InputError, match="a file with columns has no format"):
        load_corpus(f"{path}{query}")


PACKED: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_text_and_columns_are_read_as_what_is_in_them(tmp_path: Path, ending: str, cache):
    packed = write(tmp_path / f"a.txt{ending}", PACKED[ending](SPANISH.encode()))
    assert words(packed) == SPANISH_WORDS
    assert load_corpus(f"{packed}:es")["train"]["tokens"][:] == SPANISH_WORDS
    columns = write(tmp_path / "mine" / f"train.conll{ending}", PACKED[ending](b"Bonn B-LOC\n"))
    assert "ner_tags" in load_corpus(str(columns.parent))["train"].column_names


def test_damaged_archives_are_named(tmp_path: Path):
    cut = gzip.compress(SPANISH.encode() * 1000)[:-20]
    for name, content in {"a.txt.gz": b"no archive", "b.txt.xz": b"no archive", "c.txt.gz": cut}.items():
        path = write(tmp_path / name, content)
        with pytest.raises(InputError, match=rf"{name}: cannot be unpacked .*; fetch or pack it again"):
            list(read_file(path).sentences)


def test_a_folder_of_texts_is_one_text(tmp_path: Path, cache):
    write(tmp_path / "mine" / "b.txt", "Zweiter Text hier.\n")
    write(tmp_path / "mine" / "a.txt.gz", gzip.compress(b"Erster Text hier.\n"))
    write(tmp_path / "mine" / "notes.md", "No text at all\n")
    corpus = load_corpus(f"{tmp_path / 'mine'}:de")
    assert corpus["train"]["tokens"][:] == [["Erster", "Text", "hier", "."], ["Zweiter", "Text", "hier", "."]]
    assert corpus["train"]["id"][:] == ["0", "1"]
    assert list(corpus) == ["train"]


def test_raw_text_to_train_on_beside_tagged_text_to_score_on(tmp_path: Path, cache):
    write(tmp_path / "mine" / "train.txt", SPANISH)
    write(tmp_path / "mine" / "test.conll", "Kiel B-LOC\ncrece O\n")
    corpus = load_corpus(str(tmp_path / "mine"))
    assert unlabelled(corpus["train"])["tokens"][:] == SPANISH_WORDS
    assert corpus["train"].column_names == ["id", "tokens"]
    assert corpus["test"].features["ner_tags"].feature.names == ["O", "B-LOC", "I-LOC"]


def test_text_is_streamed_and_never_held(tmp_path: Path):
    """Reading stops where the reader stops: a bad byte far behind is met only by whoever gets there."""
    lines = 2 * LOOKED_AT + 10
    path = write(tmp_path / "a.txt", b"Ada vive en Kiel.\nNo.\n" * (lines // 2) + b"M\xfcnchen crece.\n")
    file = read_file(path)
    assert isinstance(file.sentences, RawText)
    stream = iter(file.sentences)
    assert [next(stream).tokens for _ in range(lines)][-2:] == [["Ada", "vive", "en", "Kiel", "."], ["No", "."]]
    with pytest.raises(InputError, match=rf"a\.txt:{lines + 1}: byte 0xfc is not utf-8; .*encoding=latin-1"):
        next(stream)
    with pytest.raises(InputError, match=rf"a\.txt:{lines + 1}: byte 0xfc"):
        load_corpus(str(path), cache_dir=tmp_path / "cache")
    assert [s.tokens[0] for s in read_file(path, encodings=("latin-1",)).sentences][-1] == "München"


def test_wide_encodings_and_byte_order_marks(tmp_path: Path):
    for codec, name in (("utf-16", "utf-16"), ("utf-8-sig", "utf-8")):
        path = write(tmp_path / f"{codec}.txt", SPANISH.replace("\n", "\r\n").encode(codec))
        assert words(path, encodings=(name,)) == SPANISH_WORDS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "no sentence"),
        (b"Ada vive.\nEn \x00 Kiel.\n", r":2: a NUL character"),
    ],
    ids=["empty", "blank", "binary"],
)
def test_unusable_text_is_refused(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(InputError, match=message):
        read_file(write(tmp_path / "a.txt", content))


def test_a_changed_text_is_read_anew(tmp_path: Path, cache):
    path = write(tmp_path / "a.txt", SPANISH)
    assert len(load_corpus(str(path))["train"]) == 4
    write(path, SPANISH + "Una frase más.\n")
    assert len(load_corpus(str(path))["train"]) == 5
