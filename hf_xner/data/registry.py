"""The corpora that hf_xner knows by name."""

from __future__ import annotations

from hf_xner.data import citations
from hf_xner.data.configurations import (
    MULTICONER2_LANGUAGES,
    MULTICONER2_TYPES,
    MULTICONER_LANGUAGES,
    NORWEGIAN,
    UNER_TREEBANKS,
    WIKIANN_LANGUAGES,
)
from hf_xner.data.formats.columns import ColumnLayout
from hf_xner.data.formats.conllu import ConlluLayout
from hf_xner.data.info import CorpusInfo, HubSource, Published
from hf_xner.data.label_maps import NAMED_MAPS
from hf_xner.errors import InputError

_CONLL_TYPES = ("LOC", "MISC", "ORG", "PER")
_CONLL_TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
_TWO_COLUMNS = {"train": ("train.txt",), "validation": ("dev.txt", "valid.txt"), "test": ("test.txt",)}
_CONVERTED = {split: f"{{config}}/{split}/*.parquet" for split in ("train", "validation", "test")}
_MARKERS = "published sentence counts include the -DOCSTART- lines, which are no sentences"
_GLUED = "-DOCSTART- opens {} real sentences; Bari et al. subtract them and give {}"
_ORPHAN = "one sentence begins with an I- that no B- opens: an entity by conlleval's rule, not counted as published"


def _sizes(train: tuple[int, int], validation: tuple[int, int], test: tuple[int, int]) -> dict[str, Published]:
    return {"train": Published(*train), "validation": Published(*validation), "test": Published(*test)}


def _multiconer_files(*splits: tuple[str, str]) -> dict[str, tuple[str, ...]]:
    return {
        split: (f"{{config}}_{name}.conll", f"{{folder}}/{{config}}_{name}.conll", f"{{config}}-{name}.conll")
        for split, name in splits
    }


def _norne_files() -> dict[str, tuple[str, ...]]:
    names = {"train": "train", "validation": "dev", "test": "test"}
    return {
        split: (f"{{stem}}-ud-{name}.conllu", f"ud/{{short}}/{{stem}}-ud-{name}.conllu")
        for split, name in names.items()
    }


def _norne(name: str, title: str, types: tuple[str, ...], note: str) -> CorpusInfo:
    return CorpusInfo(
        name=name,
        title=title,
        configs=NORWEGIAN,
        types=types,
        licence="stated in the corpus' repository",
        homepage="https://github.com/ltgoslo/norne",
        citation=citations.NORNE,
        files=_norne_files(),
        layout=ConlluLayout(),
        type_map=NAMED_MAPS["norne4"] if name == "norne4" else {},
        folder="norne",
        note=note,
        hub=HubSource("ltg/norne", {split: f"*{{variety}}/{split}*.parquet" for split in _norne_files()}),
    )


def _finer(name: str, title: str, types: tuple[str, ...], files: dict[str, tuple[str, ...]], note: str) -> CorpusInfo:
    counts = _sizes((13_497, 17_646), (986, 1_223), (3_512, 4_124))
    return CorpusInfo(
        name=name,
        title=title,
        configs={"fi": {}},
        types=types,
        licence="stated in the corpus' repository",
        homepage="https://github.com/mpsilfve/finer-data",
        citation=citations.FINER if name == "finer" else f"{citations.FINER}\n{citations.BARI}",
        files=files,
        layout=ColumnLayout(tag=1, widths=(2, 3)),
        type_map=NAMED_MAPS["finer4"] if name == "finer4" else {},
        folder="finer",
        published={"fi": counts},
        note=note,
    )


_FINER_FILES: dict[str, tuple[str, ...]] = {
    "train": ("digitoday.2014.train.csv",),
    "validation": ("digitoday.2014.dev.csv",),
    "test": ("digitoday.2015.test.csv",),
}
_MLOWNER_EN = {
    "train": Published(15_300, 23_553),
    "validation": Published(800, 1_230),
    "test": Published(
        10_000,
        15_429,
        800,
        1_230,
        "the papers sample 10,000 sentences of the official test set; here the dev file serves",
    ),
}

_ENTRIES = (
    CorpusInfo(
        name="conll2003",
        title="CoNLL-2003 shared task: Reuters (en) and Frankfurter Rundschau (de) news",
        configs={"en": {"stem": "eng"}, "de": {"stem": "deu"}},
        types=_CONLL_TYPES,
        licence="research use only; the German text needs a licence of its own",
        homepage="https://www.clips.uantwerpen.be/conll2003/ner/",
        citation=citations.CONLL2003,
        files={
            "train": ("{stem}.train", *_TWO_COLUMNS["train"]),
            "validation": ("{stem}.testa", *_TWO_COLUMNS["validation"]),
            "test": ("{stem}.testb", *_TWO_COLUMNS["test"]),
        },
        layout=ColumnLayout(widths=(2, 4, 5)),
        encodings=("utf-8", "latin-1"),
        published={
            "en": {
                "train": Published(14_987, 23_499, 14_041, None, _MARKERS),
                "validation": Published(3_466, 5_942, 3_250, None, _MARKERS),
                "test": Published(3_684, 5_648, 3_453, None, _MARKERS),
            },
            "de": {
                "train": Published(12_705, 11_851, 12_152, None, _MARKERS),
                "validation": Published(3_068, 4_833, 2_867, None, _MARKERS),
                "test": Published(3_160, 3_673, 3_005, None, _MARKERS),
            },
        },
        note="IOB1 in the original files, converted. German is on no trustworthy Hub repository: local files only.",
        hub=HubSource(
            "eriktks/conll2003",
            {s: f"conll2003/{s}/*.parquet" for s in _CONVERTED},
            "refs/convert/parquet",
            _CONLL_TAGS,
            ("en",),
        ),
    ),
    CorpusInfo(
        name="conll2002",
        title="CoNLL-2002 shared task: EFE (es) and De Morgen (nl) news",
        configs={"es": {"stem": "esp"}, "nl": {"stem": "ned"}},
        types=_CONLL_TYPES,
        licence="research use in the context of the shared task only",
        homepage="https://www.clips.uantwerpen.be/conll2002/ner/",
        citation=citations.CONLL2002,
        files={
            "train": ("{stem}.train", *_TWO_COLUMNS["train"]),
            "validation": ("{stem}.testa", *_TWO_COLUMNS["validation"]),
            "test": ("{stem}.testb", *_TWO_COLUMNS["test"]),
        },
        layout=ColumnLayout(widths=(2, 3)),
        encodings=("utf-8", "latin-1"),
        published={
            "es": {
                "train": Published(8_323, 18_798, None, None, "18,797 B- tags and one sentence-initial orphan I-"),
                "validation": Published(1_915, 4_351, None, 4_352, _ORPHAN),
                "test": Published(1_517, 3_558, None, 3_559, _ORPHAN),
            },
            "nl": {
                "train": Published(15_806, 13_344, why=_GLUED.format(287, "15,519")),
                "validation": Published(2_895, 2_616, why=_GLUED.format(74, "2,821")),
                "test": Published(5_195, 3_941, why=_GLUED.format(119, "5,076")),
            },
        },
        note="The original files are latin-1, later copies UTF-8: both are read.",
        hub=HubSource("eriktks/conll2002", _CONVERTED, "refs/convert/parquet", _CONLL_TAGS),
    ),
    CorpusInfo(
        name="wikiann",
        title="WikiAnn (PAN-X): Wikipedia sentences with automatic tags, splits of Rahimi et al.",
        configs={language: {} for language in WIKIANN_LANGUAGES},
        types=("LOC", "ORG", "PER"),
        licence="none stated; the text is Wikipedia's (CC BY-SA)",
        homepage="https://huggingface.co/datasets/unimelb-nlp/wikiann",
        citation=citations.WIKIANN,
        files={
            split: tuple(f"{name}{end}" for name in names for end in ("", ".tsv", ".txt", ".parquet"))
            for split, names in {
                "train": ("train", "train-{config}", "{config}-train"),
                "validation": ("dev", "dev-{config}", "{config}-dev", "validation"),
                "test": ("test", "test-{config}", "{config}-test"),
            }.items()
        },
        layout=ColumnLayout(widths=(2,), delimiter="\t", prefixed=True),
        published={
            "en": _sizes((20_000, 27_931), (10_000, 14_146), (10_000, 13_958)),
            "ar": _sizes((20_000, 22_500), (10_000, 11_266), (10_000, 11_259)),
            "hi": _sizes((5_000, 6_124), (1_000, 1_226), (1_000, 1_228)),
            "zh": _sizes((20_000, 25_031), (10_000, 12_493), (10_000, 12_532)),
        },
        note="Tags are projected from links, not annotated. Chinese has one character a token.",
        hub=HubSource(
            "unimelb-nlp/wikiann",
            {s: f"{{config}}/{s}-*.parquet" for s in _CONVERTED},
            "main",
            ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
        ),
    ),
    _norne(
        "norne",
        "NorNE: Norwegian Bokmål (no) and Nynorsk (nn), all nine types",
        ("DRV", "EVT", "GPE_LOC", "GPE_ORG", "LOC", "MISC", "ORG", "PER", "PROD"),
        "norne4 has four types.",
    ),
    _norne(
        "norne4",
        "NorNE with its types reduced to four",
        _CONLL_TYPES,
        "GPE_LOC is LOC, GPE_ORG is ORG; PROD, EVT and DRV are MISC.",
    ),
    CorpusInfo(
        name="nodalida2019",
        title="Johansen's Norwegian Bokmål corpus (NoDaLiDa 2019), as used by UniTrans",
        configs={"no": {"stem": "no_bokmaal", "short": "nob"}},
        types=_CONLL_TYPES,
        licence="stated in the corpus' repository",
        homepage="https://github.com/ljos/navnkjenner",
        citation=citations.NODALIDA2019,
        files={
            split: tuple(
                f"{stem}{name}{end}"
                for stem in ("{stem}-ud-", "{short}/", "{short}.", "{short}-", "")
                for end in (".bioes", ".conll", ".tsv", ".txt", "")
            )
            for split, name in {"train": "train", "validation": "dev", "test": "test"}.items()
        },
        type_map=NAMED_MAPS["nodalida"],
        published={"no": _sizes((15_686, 10_934), (2_410, 1_615), (1_939, 1_391))},
        note="BIOES in its files, with GEO, ORG, OTH and PRS: read as LOC, ORG, MISC and PER.",
    ),
    CorpusInfo(
        name="multiconer",
        title="MultiCoNER 2022 (v1; mLOWNER in the papers): short, lower-cased, complex entities",
        configs=MULTICONER_LANGUAGES,
        types=("CORP", "CW", "GRP", "LOC", "PER", "PROD"),
        licence="CC BY 4.0",
        homepage="https://multiconer.github.io/",
        citation=citations.MULTICONER,
        files=_multiconer_files(("train", "train"), ("validation", "dev"), ("test", "dev")),
        layout=ColumnLayout(widths=(4,), delimiter=" "),
        published={
            "en": _MLOWNER_EN,
            "ko": {"train": Published(15_300, 24_643), "validation": Published(800, 1_302)},
            "ru": {"train": Published(15_300, 19_840), "validation": Published(800, 1_042)},
            "tr": {"train": Published(15_300, 23_305), "validation": Published(800, 1_245)},
            "es": {"train": Published(15_300), "validation": Published(800)},
        },
        note="The dev file serves as validation and as test. The papers' tables print ORG for CORP.",
        hub=HubSource(
            "samanjoy2/multiconer_v1",
            {s: f"{{folder}}/{{config}}_{f}.conll" for s, f in (("train", "train"), ("validation", "dev"))},
        ),
    ),
    CorpusInfo(
        name="multiconer2",
        title="MultiCoNER 2023 (v2): 33 fine types",
        configs=MULTICONER2_LANGUAGES,
        types=MULTICONER2_TYPES,
        licence="CC BY 4.0",
        homepage="https://multiconer.github.io/",
        citation=citations.MULTICONER2,
        files=_multiconer_files(("train", "train"), ("validation", "dev"), ("test", "test")),
        layout=ColumnLayout(widths=(4,), delimiter=" "),
        note="--label_map conll gives LOC, MISC, ORG and PER, medical types dropped.",
        hub=HubSource(
            "MultiCoNER/multiconer_v2",
            {
                s: f"{{folder}}/{{config}}_{f}.conll"
                for s, f in (("train", "train"), ("validation", "dev"), ("test", "test"))
            },
        ),
    ),
    _finer(
        "finer",
        "FiNER: Finnish technology news (Digitoday)",
        ("DATE", "EVENT", "LOC", "ORG", "PER", "PRO"),
        _FINER_FILES,
        "Nested entities (third column) are ignored. finer4 has four types.",
    ),
    _finer(
        "finer4",
        "FiNER with its types reduced to four by Bari et al.",
        _CONLL_TYPES,
        {
            "train": ("fi.train.iob2", "fi.train", *_FINER_FILES["train"]),
            "validation": ("fi.testa.iob2", "fi.testa", *_FINER_FILES["validation"]),
            "test": ("fi.testb.iob2", "fi.testb", *_FINER_FILES["test"]),
        },
        "PRO, EVENT and DATE are MISC.",
    ),
    CorpusInfo(
        name="aqmar",
        title="AQMAR: Arabic Wikipedia, the splits of Bari et al.",
        configs={"ar": {}},
        types=_CONLL_TYPES,
        licence="CC BY-SA 3.0",
        homepage="https://www.cs.cmu.edu/~ark/ArabicNER/",
        citation=f"{citations.AQMAR}\n{citations.BARI}",
        files={
            "train": ("ar.train.iob2", "ar.train"),
            "validation": ("ar.testa.iob2", "ar.testa"),
            "test": ("ar.testb.iob2", "ar.testb"),
        },
        layout=ColumnLayout(widths=(2,), delimiter=" "),
        published={"ar": _sizes((2_166, 4_705), (267, 644), (254, 558))},
        note="The .iob2 files are read where they are there; the others hold 46, 3 and 6 orphans, read the same way.",
    ),
    CorpusInfo(
        name="uner",
        title="Universal NER: treebanks of Universal Dependencies",
        configs=UNER_TREEBANKS,
        types=("LOC", "ORG", "PER"),
        licence="CC BY-SA 4.0; the text has its treebank's",
        homepage="https://www.universalner.org/",
        citation=citations.UNER,
        files={
            split: (f"{{config}}-ud-{name}.iob2",)
            for split, name in {"train": "train", "validation": "dev", "test": "test"}.items()
        },
        layout=ColumnLayout(token=1, tag=2, widths=(5,), delimiter="\t", comments=("#",)),
        type_map={"OTH": None, "O": None},
        note="OTH, which the authors annotated and do not count, is O. PUD treebanks have a test split only.",
    ),
    CorpusInfo(
        name="sample",
        title="The built-in corpus: small, news-like, written for hf_xner",
        configs={language: {} for language in ("en", "de", "es", "nl", "no")},
        types=_CONLL_TYPES,
        licence="that of hf_xner",
        note="English has train, validation and test; the others unlabelled train and a test set written by hand.",
    ),
)

CORPORA: dict[str, CorpusInfo] = {entry.name: entry for entry in _ENTRIES}


def corpus(name: str) -> CorpusInfo:
    """Look a corpus up.

    Raises:
        InputError: It is not in the registry.
    """
    if name not in CORPORA:
        raise InputError(f"unknown corpus {name!r}", remedy=f"known are {', '.join(CORPORA)}; or give a path")
    return CORPORA[name]
