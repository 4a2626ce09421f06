"""Where the files of a corpus are: local folders first, the Hub second."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from hf_xner.data.formats.parquet import ParquetLayout
from hf_xner.data.formats.sniffing import Layout, layout_from_options
from hf_xner.data.formats.text import check_encoding, suffix_of
from hf_xner.data.info import SPLITS, CorpusInfo, HubSource
from hf_xner.data.readers import Sentence, TaggedFile, read_file
from hf_xner.data.specs import CorpusSpec, parse_spec
from hf_xner.errors import InputError

DATA_VARIABLE = "HF_XNER_DATA"
ENDINGS = {".conll", ".conllu", ".txt", ".tsv", ".csv", ".iob2", ".bio", ".bioes", ".bmes", ".jsonl", ".parquet"}
logger = logging.getLogger(__name__)
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "valid": "validation",
    "val": "validation",
    "validation": "validation",
    "testa": "validation",
    "test": "test",
    "testing": "test",
    "testb": "test",
}


@dataclass(frozen=True)
class Source:
    """The files of one corpus configuration, ready to be read.

    Attributes:
        spec: What was asked for.
        info: What is known about it.
        config: The configuration.
        files: For each split its files; empty for the built-in sample.
        encodings: Encodings to try, in order.
        options: A local file's options.
    """

    spec: str
    info: CorpusInfo
    config: str
    files: dict[str, tuple[Path, ...]]
    encodings: tuple[str, ...] = ("utf-8",)
    options: dict[str, str] = field(default_factory=dict)

    @property
    def built_in(self) -> bool:
        """Whether it is the sample corpus, which comes from the package."""
        return self.info.name == "sample"

    def layout(self, path: Path) -> Layout | None:
        """How a file is written, or None to tell it from the file."""
        if self.options:
            return layout_from_options(path, self.options)
        if path.suffix == ".parquet":
            return ParquetLayout(names=self.info.hub.names if self.info.hub else ())
        return self.info.layout

    def read(self, split: str) -> Iterator[TaggedFile]:
        """Read a split's files, types as in `info.types`.

        Raises:
            InputError: A file is unusable.
        """
        if self.built_in:
            yield _sample(self.config)[split]
        for path in self.files.get(split, ()):
            yield read_file(
                path,
                self.layout(path),
                encodings=self.encodings,
                scheme=self.options.get("scheme"),
                type_map=self.info.type_map,
                types=None if self.info.observed else self.info.file_types,
                corpus=self.info.name,
            )

    @property
    def splits(self) -> list[str]:
        """The splits that there are."""
        there = _sample(self.config) if self.built_in else self.files
        return [split for split in SPLITS if split in there]


def locate(spec: str | CorpusSpec, *, data_dir: str | Path | None = None, encoding: str | None = None) -> Source:
    """Find the files of a corpus.

    Args:
        spec: Its spec.
        data_dir: Folder to look in; the folder that HF_XNER_DATA names comes after it.
        encoding: Encoding of its files; None for the corpus' own.

    Returns:
        The files.

    Raises:
        InputError: The spec means nothing, or nothing was found; the message says where it was looked for and how to
            fetch it.
    """
    parsed = parse_spec(spec) if isinstance(spec, str) else spec
    if parsed.info is None:
        source = _own_files(parsed)
    elif parsed.info.name == "sample":
        return Source(parsed.text, _configured(parsed.info, parsed.config), parsed.config, {})
    else:
        info = _configured(parsed.info, parsed.config)
        folders = _folders(info, parsed.config, data_dir)
        files = _find(info, parsed.config, folders) or _fetch(info, parsed.config, [folder for folder, _ in folders])
        source = Source(parsed.text, info, parsed.config, files, info.encodings)
    return replace(source, encodings=(encoding,)) if encoding else source


def _configured(info: CorpusInfo, config: str) -> CorpusInfo:
    return replace(info, config=config)


def _folders(info: CorpusInfo, config: str, data_dir: str | Path | None) -> list[tuple[Path, bool]]:
    """Folders to look in, each with whether it speaks for this configuration alone."""
    name = info.folder or info.name
    single = len(info.configs) == 1
    folders: list[tuple[Path, bool]] = []
    for root, given in ((data_dir, True), (os.environ.get(DATA_VARIABLE), False)):
        if root:
            place = Path(root).expanduser()
            folders += [(place / name / config, True), (place / "corpora" / name / config, True)]
            folders += [(place / name, single), (place / "corpora" / name, single), (place, given)]
    if data_dir and not Path(data_dir).expanduser().is_dir():
        raise InputError("no such folder", where=str(data_dir), remedy="check --data_dir")
    return folders


def _find(info: CorpusInfo, config: str, folders: Sequence[tuple[Path, bool]]) -> dict[str, tuple[Path, ...]]:
    """The files of the first folder that holds any."""
    for folder, certain in folders:
        found: dict[str, tuple[Path, ...]] = {}
        for split, templates in info.files.items():
            for template in templates:
                path = folder / info.names(config, template)
                # "train.txt" in a folder of several languages could be any of them.
                if (certain or "{" in template) and path.is_file():
                    found[split] = (path,)
                    break
        found = found or _fetched_by_hand(info, config, folder)
        if found:
            return found
    return {}


def _fetched_by_hand(info: CorpusInfo, config: str, folder: Path) -> dict[str, tuple[Path, ...]]:
    """Files as `hf download` lays them down."""
    if info.hub is None or not folder.is_dir():
        return {}
    found = {}
    for split, pattern in info.hub.files.items():
        name = info.names(config, pattern)
        if "/" in name:
            found[split] = tuple(sorted({*folder.glob(name), *folder.glob(f"*/{name}")}))
    return _with_test(info, {split: paths for split, paths in found.items() if paths})


def _with_test(info: CorpusInfo, files: dict[str, tuple[Path, ...]]) -> dict[str, tuple[Path, ...]]:
    """Let validation serve as test where the registry says so."""
    if info.files.get("test") == info.files.get("validation") and "validation" in files:
        return {**files, "test": files["validation"]}
    return files


def _fetch(info: CorpusInfo, config: str, looked: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    hub = info.hub if info.hub and config in (info.hub.configs or info.configs) else None
    places = ", ".join(map(str, looked)) or f"no folder (neither --data_dir nor {DATA_VARIABLE} names one)"
    files = ", ".join(dict.fromkeys(info.names(config, names[0]) for names in info.files.values()))
    what = f"no files of {info.name}:{config}; looked for {files} in {places}"
    if hub is None:
        raise InputError(what, remedy=f"get them from {info.homepage} and name their folder with --data_dir")
    patterns = {split: info.names(config, pattern) for split, pattern in hub.files.items()}
    includes = " ".join(f"--include '{pattern}'" for pattern in patterns.values())
    by_hand = (
        f"fetch them with: hf download {hub.repository} --repo-type dataset --revision {hub.revision} {includes} "
        "--local-dir FOLDER, and give --data_dir FOLDER"
    )
    folder, reason = _download(hub, list(patterns.values()))
    found = {} if folder is None else _matching(folder, patterns)
    if not found:
        reason = reason or "no such files there"
        raise InputError(f"{what}, then on the Hub in {hub.repository} ({reason})", remedy=by_hand)
    return _with_test(info, found)


def _download(hub: HubSource, patterns: list[str]) -> tuple[Path | None, str]:
    """The folder of the downloaded (or cached) files, or why there is none."""
    from huggingface_hub import constants, snapshot_download

    try:
        folder = snapshot_download(hub.repository, repo_type="dataset", revision=hub.revision, allow_patterns=patterns)
    # Offline, refused, vanished, unreachable: whatever it is, the remedy is to fetch by hand.
    except Exception as error:
        if constants.HF_HUB_OFFLINE:
            return None, "HF_HUB_OFFLINE is set, and they are not in the cache"
        lines = str(error).strip().splitlines()
        return None, f"{type(error).__name__}: {lines[0][:120] if lines else 'no reason given'}"
    return Path(folder), ""


def _matching(folder: Path, patterns: dict[str, str]) -> dict[str, tuple[Path, ...]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {
        split: tuple(path for path in paths if fnmatch(path.relative_to(folder).as_posix(), pattern))
        for split, pattern in patterns.items()
    }
    return {split: files for split, files in found.items() if files}


def _own_files(spec: CorpusSpec) -> Source:
    """A user's folder, or file (which becomes the split train).

    A folder in which no file speaks of a split, but with files of raw text (`.txt`), is one text: all of them.
    """
    assert spec.path is not None
    files: dict[str, tuple[Path, ...]] = {"train": (spec.path,)}
    if spec.path.is_dir():
        files = _splits(spec.path)
    info = CorpusInfo(
        name=str(spec.path),
        title="files of your own",
        configs={spec.config: {}},
        types=(),
        config=spec.config or None,
        observed=True,
    )
    options = dict(spec.options)
    encoding = options.pop("encoding", "utf-8")
    check_encoding(encoding)
    for path in (path for paths in files.values() for path in paths):
        layout_from_options(path, options)
    return Source(spec.text, info, spec.config, files, (encoding,), options)


def _splits(folder: Path) -> dict[str, tuple[Path, ...]]:
    candidates: dict[str, list[Path]] = {}
    passed_over = []
    for path in sorted(folder.iterdir()):
        split = _split_of(path)
        if split:
            candidates.setdefault(split, []).append(path)
        elif path.is_file() and suffix_of(path) in ENDINGS - {".txt"}:
            passed_over.append(path.name)
    if candidates and passed_over:
        logger.warning("%s: %s is no train, dev or test, and is passed over", folder, ", ".join(passed_over))
    # Corpora that come twice, as released and as IOB2.
    chosen = {split: [p for p in paths if p.suffix == ".iob2"] or paths for split, paths in candidates.items()}
    for split, paths in chosen.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            raise InputError(f"{names} could both be the split {split}", where=str(folder), remedy="keep one of them")
    if not chosen:
        texts = tuple(path for path in sorted(folder.iterdir()) if path.is_file() and suffix_of(path) == ".txt")
        if texts:
            return {"train": texts}
        raise InputError(
            "no file for any split",
            where=str(folder),
            remedy="name them train, dev and test with an ending such as .conll, .jsonl, .csv or .parquet; or put "
            ".txt files of raw text there",
        )
    return {split: tuple(chosen[split]) for split in SPLITS if split in chosen}


def _split_of(path: Path) -> str | None:
    """The split that a file's name speaks of: train.txt, en_dev.conll, eng.testa, no_bokmaal-ud-test.conllu."""
    words = path.name.lower().replace("_", ".").replace("-", ".").split(".")
    if not path.is_file() or (suffix_of(path) not in ENDINGS and words[-1] not in SPLIT_WORDS):
        return None
    splits = {SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS}
    return splits.pop() if len(splits) == 1 else None


@lru_cache(maxsize=8)
def _sample(language: str) -> dict[str, TaggedFile]:
    from hf_xner.data import sample

    return {
        split: TaggedFile(
            Path(f"sample:{language}") / split,
            [Sentence(list(tokens), tags and list(tags), None, n) for n, (tokens, tags) in enumerate(rows, start=1)],
            "iob2" if rows and rows[0][1] is not None else None,
            0,
            None,
        )
        for split, rows in sample.load(language).items()
    }
