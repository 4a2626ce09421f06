"""Every format that real corpora come in, and every way in which a file can be wrong."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pytest

from hf_xner.data.formats.columns import ColumnLayout
from hf_xner.data.readers import read_file
from hf_xner.errors import InputError
from hf_xner.labels import spans_from_tags


def write(tmp_path: Path, content: str | bytes, name: str = "file.conll") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def words(path: Path, **options) -> list[list[str]]:
    return [sentence.tokens for sentence in read_file(path, **options).sentences]


def entities(path: Path, **options) -> list[tuple[str, ...]]:
    return [
        (span.type, *sentence.tokens[span.start : span.end])
        for sentence in read_file(path, **options).sentences
        for span in spans_from_tags(sentence.tags)
    ]


# What each sample folder holds: sentences, entities and scheme of one of its files, all told from the file alone.
SAMPLES = {
    "conll2002_nltk_utf8/esp.train": (40, 80, "iob2"),
    "conll2002_nltk_utf8/ned.train": (40, 46, "iob2"),
    "conll2003_en/eng.train": (40, 99, "iob1"),
    "conll2003_de/deuutf.testa": (40, 38, "iob1"),
    "conll_unitrans_txt/de/dev.txt": (40, 38, "iob2"),
    "conll_unitrans_txt/en/train.txt": (40, 99, "iob2"),
    "conll_unitrans_txt/es/test.txt": (40, 144, "iob2"),
    "conll_unitrans_txt/nl/train.txt": (40, 46, "iob2"),
    "bari2020_aqmar_ar/ar.testb": (40, 51, "iob2"),
    "bari2020_aqmar_ar/ar.testb.iob2": (40, 51, "iob2"),
    "bari2020_finer_fi/fi.train": (40, 74, "iob2"),
    "finer_fi/digitoday.2014.train.csv": (40, 74, "iob2"),
    "multiconer/ko_train.conll": (40, 63, "iob2"),
    "multiconer/zh_dev.conll": (40, 54, "iob2"),
    "norne_no/no_bokmaal-ud-test.conllu": (40, 41, "iob2"),
    "norne_no/ndt_ap001_0000.conll": (40, 66, "iob2"),
    "norne_nn/no_nynorsk-ud-test.conllu": (40, 1, "iob2"),
    "uner/de_pud-ud-test.iob2": (40, 40, "iob2"),
    "uner/zh_gsd-ud-train.iob2": (40, 84, "iob2"),
    "germeval2014/NER-de-dev.tsv": (40, 47, "iob2"),
    "turku_ner_fi/dev.tsv": (40, 27, "iob2"),
    "turkish_wikiner_tr/test.conll": (40, 125, "iob2"),
    "atisner_tr/test.tsv": (40, 103, "iob2"),
    "hiner_hi/validation.conll": (40, 115, "iob2"),
    "il_ner_hi/Hindi-test.txt": (40, 127, "iob2"),
    "msra_zh/msra_test_bio.txt": (40, 163, "iob2"),
    "peoplesdaily_zh/example.dev": (40, 81, "iob2"),
    "weibo_zh/weiboNER_2nd_conll.train": (40, 57, "iob2"),
    "resume_zh/train.char.bmes": (40, 188, "bmes"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_custom_conll_files_just_work(data_dir: Path, name: str) -> None:
    """User demand 13: delimiter, columns, scheme, document markers and comments are told from the file."""
    file = read_file(data_dir / "samples" / name)
    count = sum(len(spans_from_tags(sentence.tags)) for sentence in file.sentences)
    assert (len(file.sentences), count, file.scheme) == SAMPLES[name]
    assert not any(token.startswith("-DOCSTART-") for sentence in file.sentences for token in sentence.tokens)


@pytest.mark.parametrize("name", ["esp.train", "esp.testb", "ned.testa"])
def test_latin_1_gives_the_same_sentences_as_utf_8(data_dir: Path, name: str) -> None:
    utf8 = read_file(data_dir / "samples/conll2002_nltk_utf8" / name)
    latin1 = read_file(data_dir / "samples/conll2002_latin1_REENCODED" / name, encodings=("latin-1",))
    assert utf8.sentences == latin1.sentences


def test_german_latin_1_is_refused_as_utf_8_with_line_and_remedy(data_dir: Path) -> None:
    path = data_dir / "samples/conll2003_de/deu.testa"
    with pytest.raises(InputError, match=r"deu\.testa:3: byte 0xdf is not utf-8; .*encoding=latin-1"):
        read_file(path)
    assert (
        read_file(path, encodings=("utf-8", "latin-1")).sentences
        == read_file(path.with_name("deuutf.testa")).sentences
    )


def test_released_and_iob2_files_of_bari_agree(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = data_dir / "corpora/aqmar/ar"
    with caplog.at_level(logging.WARNING):
        released = read_file(folder / "ar.train")
    converted = read_file(folder / "ar.train.iob2")
    assert [(s.tokens, s.tags) for s in released.sentences] == [(s.tokens, s.tags) for s in converted.sentences]
    assert (released.orphans, converted.orphans) == (46, 0)
    assert "46 entities without an opening B- (the first: " in caplog.text and "ar.train:2210)" in caplog.text
    assert len(caplog.records) == 1


def test_zero_width_tokens_keep_their_place(data_dir: Path) -> None:
    path = data_dir / "corpora/aqmar/ar/ar.testa.iob2"
    lines = path.read_text(encoding="utf-8").split("\n")
    assert [token for tokens in words(path) for token in tokens] == [line.split(" ")[0] for line in lines if line]
    assert "\u200f" in {token for tokens in words(path) for token in tokens}


def test_crlf_and_blank_lines_of_one_space(tmp_path: Path) -> None:
    path = write(tmp_path, "-DOCSTART- O\r\n \r\nAda B-PER\r\nslept O\r\n \r\nBonn B-LOC\r\n")
    assert words(path) == [["Ada", "slept"], ["Bonn"]]


def test_a_file_without_line_feeds_has_lines_that_end_in_carriage_returns(tmp_path: Path) -> None:
    assert words(write(tmp_path, "Ada B-PER\rslept O\r\rBonn B-LOC\r")) == [["Ada", "slept"], ["Bonn"]]
    text = tmp_path / "text.txt"
    text.write_bytes(b"Ada slept in Bonn .\rShe woke up again in Paris .\r")
    assert [len(sentence) for sentence in words(text)] == [5, 7]


def test_byte_order_mark_is_not_part_of_the_first_token(tmp_path: Path) -> None:
    assert words(write(tmp_path, b"\xef\xbb\xbfBonn B-LOC\n")) == [["Bonn"]]


def test_dutch_document_marker_goes_and_its_sentence_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "-DOCSTART- -DOCSTART- O\nDe Art O\nKust N B-LOC\n\n-DOCSTART- -DOCSTART- O\nJa Int O\n")
    assert words(path) == [["De", "Kust"], ["Ja"]]


def test_unicode_line_separators_stay_inside_tokens(tmp_path: Path) -> None:
    assert words(write(tmp_path, "a\u2028b O\nc\x85 O\n\xa0 B-LOC\n")) == [["a\u2028b", "c\x85", "\xa0"]]


def test_empty_token_keeps_its_place(tmp_path: Path) -> None:
    assert words(write(tmp_path, "a\tO\n\tO\nb\tB-LOC\n")) == [["a", "", "b"]]
    assert words(write(tmp_path, "# id x1\tdomain=d\na _ _ O\n _ _ O\nb _ _ B-LOC\n")) == [["a", "", "b"]]


def test_columns_lined_up_by_spaces(tmp_path: Path) -> None:
    assert words(write(tmp_path, "Bonn   NNP B-LOC\nis     VBZ O\n")) == [["Bonn", "is"]]


def test_hash_is_a_token_and_metadata_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, "# id s1\tdomain=train\n# _ _ O\nbonn _ _ B-LOC\n\n# id s2\tdomain=train\nja _ _ O\n")
    file = read_file(path)
    assert [(s.id, s.tokens, s.line) for s in file.sentences] == [("s1", ["#", "bonn"], 2), ("s2", ["ja"], 6)]


def test_iob1_becomes_iob2(tmp_path: Path) -> None:
    path = write(
        tmp_path, "Bonn NNP I-NP I-LOC\nBern NNP I-NP B-LOC\n, , O O\nAda NNP I-NP I-PER\nLee NNP I-NP I-PER\n"
    )
    assert read_file(path).scheme == "iob1"
    assert read_file(path).sentences[0].tags == ["B-LOC", "B-LOC", "O", "B-PER", "I-PER"]


def test_wikiann_prefix_is_dropped_and_colons_stay(tmp_path: Path) -> None:
    path = write(tmp_path, "en:Bonn\tB-LOC\nen::\tO\nen:\tO\nen:10:30\tO\n")
    assert words(path) == [["Bonn", ":", "", "10:30"]]
    broken = write(tmp_path, "en:Bonn\tB-LOC\nBern\tB-LOC\n")
    with pytest.raises(InputError, match=r":2: the token 'Bern' lacks the language .*; write en:Bern"):
        read_file(broken, ColumnLayout(delimiter="\t", prefixed=True))


def test_conllu_skips_multi_word_tokens_and_empty_nodes(tmp_path: Path) -> None:
    def row(number: str, token: str, misc: str) -> str:
        return "\t".join([number, token, *["_"] * 7, misc])

    rows = [
        "# sent_id = 7",
        "# text = Bonn ved",
        row("1-2", "Bonnved", "_"),
        row("1", "Bonn", "SpaceAfter=No|name=B-GPE_LOC"),
    ]
    rows += [row("1.1", "hidden", "_"), row("2", "ved", "name=O"), ""]
    sentence = read_file(write(tmp_path, "\n".join(rows), "x.conllu")).sentences[0]
    assert (sentence.id, sentence.tokens, sentence.tags) == ("7", ["Bonn", "ved"], ["B-GPE_LOC", "O"])
    with pytest.raises(InputError, match=r"x\.conllu:2: no name= in the last column; write name=O"):
        read_file(write(tmp_path, "\n".join([row("1", "a", "name=O"), row("2", "b", "_")]), "x.conllu"))


@pytest.mark.parametrize("feature", ["name", "NER", "ner"])
def test_conllu_may_call_entities_otherwise(tmp_path: Path, feature: str) -> None:
    rows = [
        "\t".join(["1", "Bonn", *["_"] * 7, f"LINE=3|{feature}=B-LOC"]),
        "\t".join(["2", ".", *["_"] * 7, f"{feature}=O"]),
    ]
    path = write(tmp_path, "# text = |name=Bonn\t|NE=x\n" + "\n".join(rows) + "\n", "x.conllu")
    assert entities(path) == [("LOC", "Bonn")]


def test_conllu_without_entities_is_unlabelled_text(tmp_path: Path) -> None:
    path = write(tmp_path, "\t".join(["1", "Bonn", *["_"] * 8]) + "\n", "x.conllu")
    assert not read_file(path).tagged


def test_finer_structure_lines_and_nested_column(tmp_path: Path) -> None:
    path = write(tmp_path, "<HEADLINE>\t\t\n\t\t\nKemi\tB-LOC\tB-ORG\n<BODY>\t\t\nOulu\tB-LOC\tO\n", "x.csv")
    assert words(path, layout=ColumnLayout(tag=1, widths=(2, 3))) == [["Kemi"], ["Oulu"]]


def test_two_columns_that_look_like_tags_are_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, "Kemi\tB-LOC\tB-ORG\nja\tO\tO\n")
    with pytest.raises(InputError, match=r"columns 2 and 3 both look like tags; say which, as in .*\?tag=2"):
        read_file(path)


def test_klue_spaces_are_tokens(data_dir: Path) -> None:
    path = data_dir / "samples/klue_ko/klue-ner-v1.1_dev.tsv"
    file = read_file(path, ColumnLayout(delimiter="\t", comments=("##",)))
    assert len(file.sentences) == 40 and " " in file.sentences[0].tokens


def test_one_column_is_unlabelled_text(tmp_path: Path) -> None:
    file = read_file(write(tmp_path, "Bonn\nlies\n\nJa\n"))
    assert [s.tokens for s in file.sentences] == [["Bonn", "lies"], ["Ja"]]
    assert not file.tagged and file.sentences[0].tags is None


def test_jsonl(tmp_path: Path) -> None:
    path = write(tmp_path, '{"id": 7, "tokens": ["Bonn", ""], "ner_tags": ["B-LOC", "O"]}\n\n', "x.jsonl")
    assert read_file(path).sentences[0][:3] == (["Bonn", ""], ["B-LOC", "O"], "7")
    assert not read_file(write(tmp_path, '{"tokens": ["a"]}\n', "x.jsonl")).tagged


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing\n", r"x\.jsonl:1: not JSON"),
        ("[1]\n", r":1: no 'tokens' in this line; write \{"),
        ('{"tokens": "abc"}\n', r":1: the tokens are not a list of strings"),
        ('{"tokens": ["a"], "tags": ["O", "O"]}\n', r":1: 1 tokens but 2 tags; give every token"),
        ('{"tokens": ["a"], "tags": [3]}\n', r":1: the tags are numbers, .*; write them as strings"),
        ('{"tokens": ["a"], "tags": ["O"]}\n{"tokens": ["a"]}\n', r":2: tags in some lines and none in others"),
        ('{"tokens": ["\\ud800"]}\n', r":1: half a surrogate pair"),
    ],
)
def test_jsonl_errors_name_the_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_file(write(tmp_path, content, "x.jsonl"))


def test_csv(tmp_path: Path) -> None:
    path = write(tmp_path, 'sentence_id,token,tag\n1,"Bonn, Stadt",B-LOC\n1,"""",O\n2,ja,O\n', "x.csv")
    assert words(path) == [["Bonn, Stadt", '"'], ["ja"]]
    first_only = write(
        tmp_path, "Sentence #;Word;POS;Tag\nSentence: 1;Bonn;NN;B-LOC\n;ja;X;O\nSentence: 2;a;X;O\n", "y.csv"
    )
    assert words(first_only) == [["Bonn", "ja"], ["a"]]
    assert not read_file(write(tmp_path, "sentence_id,token\n1,a\n", "z.csv")).tagged
    for header in ("text,tag", "text;tag;pos"):  # of which the first row would be a word like the others
        rows = "Kiel" + header[4] + header[4].join(["B-LOC"] * header.count(header[4]))
        rows += "\n" + rows.replace("Kiel", f'"{header[4]}"')  # a field that holds the delimiter
        with pytest.raises(
            InputError, match=f"u.csv:1: a table, but '{header}' names no column 'token' or 'word'; begin"
        ):
            read_file(write(tmp_path, f"{header}\n{rows}\n", "u.csv"))
    with pytest.raises(InputError, match=r"x\.csv:3: found 2 columns, expected 3 as in the header"):
        read_file(write(tmp_path, "sentence_id,token,tag\n1,a,O\n1,b\n", "x.csv"))


def test_parquet_of_datasets_and_of_strings(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, List, Value

    rows = {"tokens": [["Bonn", "ja"], []], "ner_tags": [[2, 0], []], "langs": [["de", "de"], []]}
    features = Features(
        tokens=List(Value("string")),
        ner_tags=List(ClassLabel(names=["O", "B-PER", "B-LOC"])),
        langs=List(Value("string")),
    )
    Dataset.from_dict(rows, features).to_parquet(tmp_path / "x.parquet")
    assert [s.tags for s in read_file(tmp_path / "x.parquet").sentences] == [["B-LOC", "O"], []]
    Dataset.from_dict({"tokens": [["a"]], "tags": [["B-LOC"]]}).to_parquet(tmp_path / "y.parquet")
    assert read_file(tmp_path / "y.parquet").sentences[0].tags == ["B-LOC"]
    Dataset.from_dict({"tokens": [["a"]], "ner_tags": [[1]]}).to_parquet(tmp_path / "z.parquet")
    with pytest.raises(InputError, match=r"z\.parquet: row 1: the tags are numbers"):
        read_file(tmp_path / "z.parquet")
    for tags in ([None, ["B-LOC"]], [["B-LOC"], None]):
        Dataset.from_dict({"tokens": [["a"], ["b"]], "tags": tags}).to_parquet(tmp_path / "p.parquet")
        with pytest.raises(InputError, match=r"p\.parquet: row 2: tags in some lines and none in others"):
            read_file(tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"w\.parquet: not a parquet file"):
        read_file(write(tmp_path, "no", "w.parquet"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"file\.conll: the file is empty; give a file with at least one sentence"),
        (b"\n \n\n", r"file\.conll: no sentence in this file"),
        (b"-DOCSTART- O\n\n", r"file\.conll: no sentence in this file"),
        (b"a O\nb B-LOC\nc\n", r"file\.conll:3: found 1 column, expected 2 as in the first line; .* by a space"),
        (b"a\tO\nb O\n", r"file\.conll:2: found 1 column, expected 2 .*; separate columns by a tab"),
        (b"a O\nb \n", r"file\.conll:2: no tag in column 2; write O for a token outside"),
        (b"a O\nb LOC\n", r"file\.conll:2: 'LOC' is not a tag; write O or B-TYPE"),
        (b"a O\nb\xff O\n", r"file\.conll:2: byte 0xff is not utf-8; name a corpus' encoding after its path"),
        (b"a O\n\0 O\n", r"file\.conll:2: a NUL character"),
        (b"a B-X\nb I-X\nc M-X\n", r"file\.conll: tags with I- and tags with M-"),
        (b"plain text as it comes\nof any length\n", r"file\.conll:2: found 3 columns, expected 5"),
    ],
)
def test_bad_input_gets_one_line_with_file_line_and_remedy(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_file(write(tmp_path, content))
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.conll: no such file; check the path"):
        read_file(tmp_path / "gone.conll")
    with pytest.raises(InputError, match="a folder where a file is needed"):
        read_file(tmp_path)


def test_unknown_tag_of_a_known_corpus(tmp_path: Path) -> None:
    path = write(tmp_path, "a O\n\nb B-LOC\nc B-DATE\n")
    with pytest.raises(
        InputError, match=r":4: tag 'B-DATE' has a type that conll2002 does not have \(LOC, PER\); correct"
    ):
        read_file(path, types={"LOC", "PER"}, corpus="conll2002")
    with pytest.raises(InputError, match=r"file\.conll: no tags, and conll2002 has some; give the file with tags"):
        read_file(write(tmp_path, "a\nb\n"), ColumnLayout(tag=None), types={"LOC"}, corpus="conll2002")


def test_given_scheme_that_the_tags_are_not_in(tmp_path: Path) -> None:
    path = write(tmp_path, "a O\n\nb S-LOC\n")
    with pytest.raises(InputError, match=r":3: 'S-LOC' does not belong to the scheme"):
        read_file(path, scheme="iob2")
    with pytest.raises(InputError, match="unknown tag scheme 'iob9'"):
        read_file(path, scheme="iob9")


def test_wrong_number_of_columns_for_the_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":1: found 2 columns, expected 4; separate"):
        read_file(write(tmp_path, "a O\n"), ColumnLayout(widths=(4,)))


def test_unknown_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, "a O\n")
    for name in ("klingon", "rot13", "zlib"):
        with pytest.raises(InputError, match=f"encoding: unknown encoding '{name}'"):
            read_file(path, encodings=(name,))


def test_utf_16(tmp_path: Path) -> None:
    assert words(write(tmp_path, "Köln B-LOC\n".encode("utf-16")), encodings=("utf-16",)) == [["Köln"]]
