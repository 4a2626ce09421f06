"""Specs to DatasetDicts: the registry, local folders, own files, the cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, DatasetDict, Features, List, Value

from hf_xner.data.corpora import content_digest, describe, list_corpora, load_corpus, unlabelled
from hf_xner.errors import InputError
from hf_xner.labels import spans_from_tags, tag_names

FIXTURES = Path(__file__).parent / "fixtures"
CONLL = tag_names(["LOC", "MISC", "ORG", "PER"])


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrow")


@pytest.fixture(autouse=True)
def no_data_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_XNER_DATA", raising=False)


def counts(corpus: DatasetDict) -> dict[str, tuple[int, int]]:
    """Sentences and entities of each split: in well-formed IOB2 an entity is a B-."""
    found = {}
    for split, rows in corpus.items():
        tags = rows.data.column("ner_tags").combine_chunks().flatten().to_numpy()
        opening = [number for number, name in enumerate(rows.features["ner_tags"].feature.names) if name[0] == "B"]
        found[split] = (len(rows), int(np.isin(tags, opening).sum()))
    return found


def all_tags(rows) -> list[list[str]]:
    names = rows.features["ner_tags"].feature.names
    return [[names[tag] for tag in tags] for tags in rows["ner_tags"]]


FULL = {
    "conll2003:en": [(14_041, 23_499), (3_250, 5_942), (3_453, 5_648)],
    "conll2002:es": [(8_323, 18_798), (1_915, 4_352), (1_517, 3_559)],
    "conll2002:nl": [(15_806, 13_344), (2_895, 2_616), (5_195, 3_941)],
    "aqmar:ar": [(2_166, 4_705), (267, 644), (254, 558)],
    "multiconer:en": [(15_300, 23_553), (800, 1_230), (800, 1_230)],
    "multiconer:es": [(15_300, 22_528), (800, 1_176), (800, 1_176)],
    "multiconer:ko": [(15_300, 24_643), (800, 1_302), (800, 1_302)],
}


SLOW = {"multiconer:en", "multiconer:es"}


@pytest.mark.parametrize("spec", [pytest.param(spec, marks=[pytest.mark.slow] * (spec in SLOW)) for spec in FULL])
def test_full_corpora_have_their_true_counts(data_dir: Path, cache: Path, spec: str) -> None:
    corpus = load_corpus(spec, data_dir=data_dir, cache_dir=cache)
    assert counts(corpus) == dict(zip(("train", "validation", "test"), FULL[spec], strict=True))
    for rows in corpus.values():
        names = tag_names(describe(spec).types)
        assert rows.features == Features(
            {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))}
        )


# Sample folder as --data_dir: spec, and sentences and entities of each split.
SAMPLES = [
    ("conll2003:en", "conll2003_en", [(40, 99), (40, 117), (40, 101)]),
    ("conll2003:de", "conll2003_de", [(40, 38), (40, 55)]),
    ("conll2003:en", "conll_unitrans_txt/en", [(40, 99), (40, 117), (40, 101)]),
    ("conll2003:de", "conll_unitrans_txt/de", [(40, 24), (40, 38), (40, 55)]),
    ("conll2002:es", "conll_unitrans_txt/es", [(40, 80), (40, 96), (40, 144)]),
    ("conll2002:nl", "conll_unitrans_txt/nl", [(40, 46), (40, 37), (40, 36)]),
    ("conll2002:es", "conll2002_nltk_utf8", [(40, 80), (40, 96), (40, 144)]),
    ("conll2002:es", "conll2002_latin1_REENCODED", [(40, 80), (40, 96), (40, 144)]),
    ("conll2002:nl", "conll2002_latin1_REENCODED", [(40, 46), (40, 37), (40, 36)]),
    ("norne:no", "norne_no", [(40, 14), (40, 41)]),
    ("norne4:no", "norne_no", [(40, 14), (40, 41)]),
    ("norne:nn", "norne_nn", [(40, 0), (40, 1)]),
    ("multiconer:tr", "", [(40, 62), (40, 63), (40, 63)]),
    ("multiconer:ru", "multiconer", [(40, 49), (40, 56), (40, 56)]),
    ("finer:fi", "finer_fi", [(40, 74), (40, 59), (32, 55)]),
    ("finer4:fi", "finer_fi", [(40, 74), (40, 59), (32, 55)]),
    ("finer4:fi", "bari2020_finer_fi", [(40, 74), (40, 59), (40, 67)]),
    ("aqmar:ar", "bari2020_aqmar_ar", [(40, 51), (40, 74), (40, 51)]),
    ("uner:zh_gsd", "uner", [(40, 84), (40, 51), (40, 45)]),
    ("uner:de_pud", "uner", [(40, 40)]),
]


@pytest.mark.parametrize(("spec", "folder", "wanted"), SAMPLES, ids=lambda value: str(value)[:40])
def test_original_files_load_by_their_spec(data_dir: Path, cache: Path, spec: str, folder: str, wanted: list) -> None:
    corpus = load_corpus(spec, data_dir=data_dir / "samples" / folder, cache_dir=cache)
    assert list(counts(corpus).values()) == wanted


def test_two_copies_of_a_corpus_are_the_same_content(data_dir: Path, cache: Path) -> None:
    folders = ("conll2003_en", "conll_unitrans_txt/en")
    iob1, iob2 = (load_corpus("conll2003:en", data_dir=data_dir / "samples" / f, cache_dir=cache) for f in folders)
    for split in iob1:
        columns = ["tokens", "ner_tags"]
        assert content_digest(iob1[split], columns) == content_digest(iob2[split], columns)


def test_finer4_of_the_original_files_is_that_of_bari(data_dir: Path, cache: Path) -> None:
    folders = ("finer_fi", "bari2020_finer_fi")
    one, other = (load_corpus("finer4:fi", data_dir=data_dir / "samples" / f, cache_dir=cache) for f in folders)
    assert content_digest(one["train"], ["tokens", "ner_tags"]) == content_digest(
        other["train"], ["tokens", "ner_tags"]
    )


def test_nodalida2019(cache: Path) -> None:
    corpus = load_corpus("nodalida2019:no", data_dir=FIXTURES, cache_dir=cache)
    assert counts(corpus) == {"train": (4, 7), "validation": (2, 3), "test": (2, 3)}
    assert corpus["train"].features["ner_tags"].feature.names == CONLL
    assert all_tags(corpus["train"])[1] == ["B-ORG", "O", "B-ORG", "I-ORG", "I-ORG", "O", "O", "O"]
    assert all_tags(corpus["test"])[1] == ["B-PER", "I-PER", "I-PER", "I-PER", "O", "O", "O"]


def test_wikiann_raw_files(cache: Path) -> None:
    corpus = load_corpus("wikiann:sw", data_dir=FIXTURES, cache_dir=cache)
    assert counts(corpus) == {"train": (3, 5), "validation": (1, 2), "test": (1, 2)}
    assert corpus["train"]["tokens"][1] == ["Benki", "ya", "Pwani", ":", "tawi", "la", "Tanga"]
    assert corpus["train"]["tokens"][2][0] == ""


def test_data_variable_is_looked_at_after_data_dir(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, word in (("given", "Bonn"), ("variable", "Kiel")):
        folder = tmp_path / name / "corpora" / "conll2003" / "en"
        folder.mkdir(parents=True)
        (folder / "train.txt").write_text(f"{word} B-LOC\n")
    monkeypatch.setenv("HF_XNER_DATA", str(tmp_path / "variable"))
    assert load_corpus("conll2003:en", cache_dir=cache)["train"]["tokens"][0] == ["Kiel"]
    given = load_corpus("conll2003:en", data_dir=tmp_path / "given", cache_dir=cache)
    assert given["train"]["tokens"][0] == ["Bonn"]


def test_train_txt_among_several_languages_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "conll2002").mkdir()
    (tmp_path / "conll2002" / "train.txt").write_text("Bonn B-LOC\n")
    with pytest.raises(
        InputError, match=r"no files of conll2002:es; looked for esp\.train, esp\.testa, esp\.testb in "
    ):
        load_corpus("conll2002:es", data_dir=tmp_path)


def test_the_built_in_sample(cache: Path) -> None:
    english, spanish = (load_corpus(f"sample:{language}", cache_dir=cache) for language in ("en", "es"))
    assert list(english) == ["train", "validation", "test"]
    assert list(spanish) == ["train", "test"]
    assert spanish["train"].column_names == ["id", "tokens"]
    assert spanish["test"].features["ner_tags"].feature.names == CONLL


def own(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return folder


def test_own_folder_of_mixed_formats(tmp_path: Path, cache: Path) -> None:
    folder = own(
        tmp_path,
        train__conll="Bonn B-LOC\nja O\n",
        dev__jsonl='{"tokens": ["Ada"], "ner_tags": ["B-PER"]}',
        test__csv="sentence_id,token,tag\n1,Oslo,B-LOC\n",
        README__md="not a split",
    )
    corpus = load_corpus(f"{folder}:de", cache_dir=cache)
    assert counts(corpus) == {"train": (1, 1), "validation": (1, 1), "test": (1, 1)}
    assert corpus["train"].features["ner_tags"].feature.names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    info = describe(f"{folder}:de")
    assert (info.types, info.language, info.observed) == (("LOC", "PER"), "de", True)


def test_own_unlabelled_text_beside_labelled_text(tmp_path: Path, cache: Path) -> None:
    folder = own(tmp_path, train__jsonl='{"tokens": ["a", "b"]}\n', test__conll="Bonn B-LOC\n")
    corpus = load_corpus(str(folder), cache_dir=cache)
    assert corpus["train"].column_names == ["id", "tokens"]
    assert corpus["test"].column_names == ["id", "tokens", "ner_tags"]


def test_one_file_is_the_split_train_and_options_name_columns(tmp_path: Path, cache: Path) -> None:
    folder = own(tmp_path, words__tsv="1|Bonn|x|S-LOC\n2|ja|x|O\n")
    corpus = load_corpus(f"{folder}/words.tsv:de?token=2&tag=4&delimiter=|&scheme=bioes", cache_dir=cache)
    assert list(corpus) == ["train"] and corpus["train"]["tokens"][0] == ["Bonn", "ja"]
    assert all_tags(corpus["train"]) == [["B-LOC", "O"]]
    table = own(tmp_path, t__csv="Wort,Typ\nBonn,B-LOC\n") / "t.csv"
    assert load_corpus(f"{table}?token=Wort&tag=Typ", cache_dir=cache)["train"]["tokens"][0] == ["Bonn"]
    with pytest.raises(InputError, match=r"unknown option 'colour'; use token, tag, sentence, delimiter, comment"):
        load_corpus(f"{table}?colour=red", cache_dir=cache)


def test_an_edited_file_is_read_anew(tmp_path: Path, cache: Path) -> None:
    path = own(tmp_path, a__conll="Bonn B-LOC\n") / "a.conll"
    stamp = os.stat(path)
    first = load_corpus(str(path), cache_dir=cache)
    path.write_text("Kiel B-LOC\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert load_corpus(str(path), cache_dir=cache)["train"]["tokens"] == [["Kiel"]]
    assert first["train"]["tokens"] == [["Bonn"]]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_corpus("nodalida2019:no", data_dir=FIXTURES, cache_dir=cache)
    monkeypatch.setattr("hf_xner.data.sources.read_file", lambda *args, **options: pytest.fail("read again"))
    load_corpus("nodalida2019:no", data_dir=FIXTURES, cache_dir=cache)


def test_label_maps_apply_by_name(data_dir: Path, cache: Path) -> None:
    samples = data_dir / "samples"
    full = load_corpus("multiconer:de", data_dir=samples, cache_dir=cache)["train"]
    mapped = load_corpus("multiconer:de", data_dir=samples, label_map=["conll"], cache_dir=cache)["train"]
    assert mapped.features["ner_tags"].feature.names == CONLL
    rename = {"CORP": "ORG", "GRP": "ORG", "CW": "MISC", "PROD": "MISC"}
    for before, after in zip(all_tags(full), all_tags(mapped), strict=True):
        spans = [(rename.get(span.type, span.type), *span[1:]) for span in spans_from_tags(before)]
        assert spans_from_tags(after) == spans
    without = load_corpus("conll2003:en", data_dir=samples / "conll2003_en", label_map="MISC=O", cache_dir=cache)
    assert "B-MISC" not in without["train"].features["ner_tags"].feature.names


def test_label_order_of_a_permuted_corpus_does_not_matter(tmp_path: Path, cache: Path) -> None:
    """User demand 6: tags meet by name."""
    from datasets import Dataset

    rows = {"tokens": [["Bonn", "Ada"]]}
    for name, names, tags in (("a", ["O", "B-LOC", "B-PER"], [1, 2]), ("b", ["B-PER", "O", "B-LOC"], [2, 0])):
        features = Features(tokens=List(Value("string")), ner_tags=List(ClassLabel(names=names)))
        Dataset.from_dict(rows | {"ner_tags": [tags]}, features).to_parquet(tmp_path / f"{name}.parquet")
    one, other = (load_corpus(str(tmp_path / f"{name}.parquet"), cache_dir=cache)["train"] for name in "ab")
    assert content_digest(one, ["tokens", "ner_tags"]) == content_digest(other, ["tokens", "ner_tags"])


def test_unlabelled_is_exactly_id_and_tokens(cache: Path) -> None:
    rows = load_corpus("nodalida2019:no", data_dir=FIXTURES, cache_dir=cache)["train"]
    bare = unlabelled(rows)
    assert bare.column_names == ["id", "tokens"] and bare.data.column_names == ["id", "tokens"]
    assert content_digest(bare, ["tokens"]) == content_digest(rows, ["tokens"])
    with pytest.raises(InputError, match="no column 'id' among tokens"):
        unlabelled(rows.select_columns(["tokens"]))


def test_no_loading_script_is_needed(data_dir: Path, cache: Path) -> None:
    """User demand 12: builders are classes in this package, and every corpus says where it comes from."""
    from datasets import GeneratorBasedBuilder

    from hf_xner.data.builders import BUILDERS

    assert {info.name for info in list_corpora()} == set(BUILDERS)
    assert all(issubclass(builder, GeneratorBasedBuilder) for builder in BUILDERS.values())
    for info in list_corpora():
        assert info.licence and info.title and (info.name == "sample" or (info.homepage and "@" in info.citation))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conll2003", "conll2003 needs a language; write conll2003:en"),
        ("conll2003:xx", "unknown language 'xx' in conll2003:xx; conll2003 has en, de"),
        ("klingon:en", "'klingon:en' is no known corpus, and there is no such file or folder; give a path, or one of"),
        ("", "'' is no known corpus"),
        ("no/such/file.conll", "'no/such/file.conll' is no known corpus, and there is no such file"),
        (
            "finer:fi",
            r"no files of finer:fi; looked for digitoday\.2014\.train\.csv, .*; get them from https://.*--data_dir",
        ),
        ("conll2003:de", r"no files of conll2003:de; .*; get them from https://"),
        (
            "wikiann:ar",
            r"HF_HUB_OFFLINE is set.*; fetch them with: hf download unimelb-nlp/wikiann .*'ar/train-\*\.parquet'",
        ),
    ],
)
def test_what_cannot_be_found_says_where_and_how(spec: str, message: str, cache: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_corpus(spec, cache_dir=cache)
    assert "\n" not in str(caught.value)


def test_data_dir_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such folder; check --data_dir"):
        load_corpus("conll2003:en", data_dir=tmp_path / "gone")


def test_errors_inside_a_builder_come_out_plain_and_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "conll2003" / "en"
    folder.mkdir(parents=True)
    (folder / "eng.train").write_text("EU NNP I-NP I-ORG\nin IN I-PP I-DATE\n")
    cache = tmp_path / "cache"
    with pytest.raises(InputError, match=r"eng\.train:2: tag 'I-DATE' has a type that conll2003 does not have"):
        load_corpus("conll2003:en", data_dir=tmp_path, cache_dir=cache)
    assert not list(cache.rglob("*.arrow"))


def test_own_folders_that_are_unclear(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"empty: no file for any split; name them train, dev and test"):
        load_corpus(str(empty))
    folder = own(tmp_path, dev__txt="a O\n", testa__txt="a O\n")
    with pytest.raises(
        InputError, match=r"mine: dev\.txt and testa\.txt could both be the split validation; keep one"
    ):
        load_corpus(str(folder))


def test_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from hf_xner.data.builders import CorpusBuilder

    def full(self: CorpusBuilder, *args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CorpusBuilder, "_generate_examples", full)
    with pytest.raises(InputError, match=r"no space left for the corpus cache; free some, or set HF_DATASETS_CACHE"):
        load_corpus("nodalida2019:no", data_dir=FIXTURES, cache_dir=tmp_path)
