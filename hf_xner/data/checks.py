"""What a corpus really holds, against what the papers' tables say, and whether two corpora are one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from hf_xner.data.checksums import KNOWN_FILES
from hf_xner.data.digest import content_digest
from hf_xner.data.formats.text import file_digest
from hf_xner.data.info import CorpusInfo, Published
from hf_xner.data.readers import Sentence, TaggedFile
from hf_xner.data.sources import Source, locate
from hf_xner.errors import InputError
from hf_xner.labels import spans_from_tags

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


@dataclass(frozen=True)
class SplitReport:
    """What one split holds.

    Attributes:
        split: Its name.
        files: Its files.
        known: All of them are, byte for byte, the copies that the registry's counts were taken from.
        sentences: Number of sentences.
        tokens: Number of tokens.
        entities: Number of entities by conlleval's rule; None without tags.
        types: Entities of each type, in alphabetical order.
        schemes: Schemes that its files were in.
        orphans: Entities that no ``B-`` opens.
        first_orphan: Where the first is (``file:line``), or None.
        longest: Tokens of the longest sentence.
        longest_at: Where it begins.
        blank_tokens: Tokens that are empty or hold only spaces and zero-width characters.
        repeated: Sentences that stand in the split before, word by word.
        published: What the tables say, or None.
        verdict: How the counts compare with that, in words.
        explained: They are the published ones, or differ in a way that is known, or nothing is published.
    """

    split: str
    files: tuple[str, ...]
    known: bool
    sentences: int
    tokens: int
    entities: int | None
    types: dict[str, int]
    schemes: tuple[str, ...]
    orphans: int
    first_orphan: str | None
    longest: int
    longest_at: str
    blank_tokens: int
    repeated: int
    published: Published | None
    verdict: str
    explained: bool


@dataclass(frozen=True)
class CorpusReport:
    """What a corpus holds.

    Attributes:
        spec: Its spec.
        info: What is known about it.
        splits: A report for each split.
        shared: For each pair of splits the sentences of the second that also stand in the first.
    """

    spec: str
    info: CorpusInfo
    splits: tuple[SplitReport, ...]
    shared: dict[tuple[str, str], int]

    @property
    def explained(self) -> bool:
        """Whether every count is as published or differs in a way that is known."""
        return all(split.explained for split in self.splits)


def check_corpus(spec: str, *, data_dir: str | Path | None = None, encoding: str | None = None) -> CorpusReport:
    """Read a corpus and compare it with what is published about it.

    Args:
        spec: Its spec.
        data_dir: Folder with corpora; see `hf_xner.data.corpora.load_corpus`.
        encoding: Encoding of the files, where it is not the corpus' own.

    Returns:
        Counts, verdicts, orphans, schemes, longest sentences and duplicates.

    Raises:
        InputError: The corpus cannot be found or read.
    """
    source = locate(spec, data_dir=data_dir, encoding=encoding)
    published = source.info.published.get(source.config, {})
    reports, texts = [], {}
    for split in source.splits:
        files = list(source.read(split))
        texts[split] = Counter(tuple(sentence.tokens) for sentence in _sentences(files))
        reports.append(_report(source, split, files, texts[split], published.get(split)))
    shared = {
        (one, other): sum(count for text, count in texts[other].items() if text in texts[one])
        for one, other in combinations(texts, 2)
    }
    return CorpusReport(spec, source.info, tuple(reports), shared)


def compare_counts(published: Published | None, sentences: int, entities: int | None) -> tuple[str, bool]:
    """Say how counts compare with published ones.

    Args:
        published: What the tables say; None for nothing.
        sentences: Sentences counted.
        entities: Entities counted, or None without tags.

    Returns:
        The verdict, and whether it is as published or explained.
    """
    if published is None:
        return "no published counts", True
    found = {"sentences": sentences, "entities": entities}
    tables = {"sentences": published.sentences, "entities": published.entities}
    known = {"sentences": published.true_sentences, "entities": published.true_entities}
    differences = [
        (name, found[name], table) for name, table in tables.items() if table is not None and found[name] != table
    ]
    if not differences:
        return "as published" + (f" ({published.why})" if published.why else ""), True
    text = ", ".join(f"{_number(count)} {name} against {table:,} published" for name, count, table in differences)
    if all(count is not None and count == known[name] for name, count, _ in differences):
        return f"{text}: {published.why}", True
    wanted = ", ".join(f"{known[name] or table:,} {name}" for name, _, table in differences)
    return f"{text}: NOT EXPLAINED; the known files hold {wanted}", False


def same_corpus(one: DatasetDict, other: DatasetDict) -> bool:
    """Whether any split of one corpus has the same sentences, in the same order, as any of another.

    Args:
        one: A corpus.
        other: Another.
    """
    digests = {content_digest(split, ["tokens"]) for split in one.values()}
    return any(content_digest(split, ["tokens"]) in digests for split in other.values())


def refuse_same_corpus(source: DatasetDict, target: DatasetDict, source_spec: str, target_spec: str) -> None:
    """Refuse a corpus that is given as source and as target, whatever it is called.

    Args:
        source: The labelled source corpus.
        target: The target corpus.
        source_spec: What the user called the source.
        target_spec: What the user called the target.

    Raises:
        InputError: They share a split.
    """
    if same_corpus(source, target):
        raise InputError(
            f"the same corpus as source ({source_spec}) and as target ({target_spec})",
            remedy="give another target; a tagger for the source language itself is trained by xner train supervised",
        )


def require_split(
    corpus: DatasetDict, split: str, spec: str, *, tags: bool = False, remedy: str = "give a file for it"
) -> Dataset:
    """Get a split that a command cannot do without.

    Args:
        corpus: The corpus.
        split: The split.
        spec: What the user called the corpus.
        tags: Its tags are needed.
        remedy: What to do if it is not there.

    Returns:
        The split.

    Raises:
        InputError: It is not there, has no sentence, or has no tags where they are needed.
    """
    if split not in corpus:
        raise InputError(f"no split {split!r}: there are {', '.join(corpus)}", where=spec, remedy=remedy)
    if not len(corpus[split]):
        raise InputError(f"no sentence in the split {split!r}", where=spec, remedy="give at least one")
    if tags and "ner_tags" not in corpus[split].column_names:
        raise InputError(
            f"no tags in the split {split!r}, and they are needed here",
            where=spec,
            remedy="give files with a tag for every token",
        )
    return corpus[split]


def _number(count: int | None) -> str:
    return "no" if count is None else f"{count:,}"


def _report(
    source: Source,
    split: str,
    files: list[TaggedFile],
    texts: Mapping[tuple[str, ...], int],
    published: Published | None,
) -> SplitReport:
    sentences = list(_sentences(files))
    tagged = all(file.tagged for file in files)
    types = Counter(span.type for sentence in sentences for span in spans_from_tags(sentence.tags or ()))
    entities = sum(types.values()) if tagged else None
    longest, place = _longest(files)
    verdict, explained = compare_counts(published, len(sentences), entities)
    return SplitReport(
        split=split,
        files=tuple(str(file.path) for file in files),
        known=bool(source.files) and all(file_digest(file.path) in KNOWN_FILES for file in files),
        sentences=len(sentences),
        tokens=sum(len(sentence.tokens) for sentence in sentences),
        entities=entities,
        types=dict(sorted(types.items())),
        schemes=tuple(sorted({file.scheme for file in files if file.scheme})),
        orphans=sum(file.orphans for file in files),
        first_orphan=next((file.first_orphan for file in files if file.first_orphan), None),
        longest=longest,
        longest_at=place,
        blank_tokens=sum(not _visible(token) for sentence in sentences for token in sentence.tokens),
        repeated=sum(texts.values()) - len(texts),
        published=published,
        verdict=verdict,
        explained=explained,
    )


def _sentences(files: list[TaggedFile]) -> Iterator[Sentence]:
    return (sentence for file in files for sentence in file.sentences)


def _longest(files: list[TaggedFile]) -> tuple[int, str]:
    length, path, line = max(
        ((len(sentence.tokens), file.path, sentence.line) for file in files for sentence in file.sentences),
        key=lambda item: item[0],
        default=(0, Path(), 0),
    )
    return length, f"{path}:{line}"


def _visible(token: str) -> bool:
    return any(char.isprintable() and not char.isspace() for char in token)
