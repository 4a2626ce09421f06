"""Files of tagged sentences, whatever their format, to sentences in IOB2.

The layouts in `hf_xner.data.formats` know how a file is written; here its tags are checked, their scheme is detected
on the whole file and converted, and orphans (an ``I-`` that no ``B-`` opens) are counted and reported.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from hf_xner.data.formats.parquet import ParquetLayout
from hf_xner.data.formats.raw_text import RawTextLayout
from hf_xner.data.formats.sniffing import LOOKED_AT, Layout, sniff
from hf_xner.data.formats.text import RawSentence, iterate_lines, place, read_lines, suffix_of
from hf_xner.errors import InputError
from hf_xner.labels import (
    OUTSIDE,
    convert_tags,
    detect_scheme,
    normalise_scheme,
    orphan_positions,
    spans_from_tags,
    split_tag,
    tags_from_spans,
)

logger = logging.getLogger(__name__)


class Sentence(NamedTuple):
    """A sentence with its tags in IOB2.

    Attributes:
        tokens: Its tokens.
        tags: One tag a token, well-formed IOB2; None in a file without tags.
        id: The file's own name for it, or None.
        line: The line (row) of its first token, counted from 1.
    """

    tokens: list[str]
    tags: list[str] | None
    id: str | None
    line: int


@dataclass(frozen=True)
class TaggedFile:
    """What a file holds.

    Attributes:
        path: The file.
        sentences: Its sentences, in order; of raw text they are read anew, from the file, each time they are iterated.
        scheme: The scheme that its tags were in, or None for a file without tags.
        orphans: Entities that no ``B-`` opens though the scheme demands one; each is an entity all the same.
        first_orphan: Where the first of them is (``file:line``), or None.
    """

    path: Path
    sentences: Iterable[Sentence]
    scheme: str | None
    orphans: int
    first_orphan: str | None

    @property
    def tagged(self) -> bool:
        """Whether the file has tags."""
        return self.scheme is not None


@dataclass(frozen=True)
class RawText:
    """The sentences of raw text, read one by one whenever they are iterated, so that it may be of any size.

    Attributes:
        path: The file.
        layout: How it is written.
        encodings: Encodings to try, in order.
    """

    path: Path
    layout: RawTextLayout
    encodings: Sequence[str]

    def __iter__(self) -> Iterator[Sentence]:
        """Yield the sentences."""
        return map(_plain, self.layout.sentences(self.path, iterate_lines(self.path, self.encodings)))


def iter_raw(path: Path, layout: Layout | None = None, encodings: Sequence[str] = ("utf-8",)) -> Iterator[RawSentence]:
    """Yield the sentences of a file as they stand there.

    Args:
        path: The file.
        layout: How it is written; None to tell it from the file.
        encodings: Encodings to try, in order.

    Raises:
        InputError: The file is missing, empty, undecodable or breaks its format; the message names file and line.
    """
    if isinstance(layout, ParquetLayout) or (layout is None and path.suffix == ".parquet"):
        yield from (layout if isinstance(layout, ParquetLayout) else ParquetLayout()).sentences(path)
        return
    lines = read_lines(path, encodings)
    yield from (layout or sniff(path, lines)).sentences(path, lines)  # type: ignore[call-arg]


def read_file(
    path: Path | str,
    layout: Layout | None = None,
    *,
    encodings: Sequence[str] = ("utf-8",),
    scheme: str | None = None,
    type_map: Mapping[str, str | None] | None = None,
    types: Collection[str] | None = None,
    corpus: str = "the corpus",
) -> TaggedFile:
    """Read a file of tagged sentences and convert its tags to IOB2.

    Args:
        path: The file.
        layout: How it is written; None to tell it from the file.
        encodings: Encodings to try, in order.
        scheme: The scheme of its tags; None to detect it on the whole file.
        type_map: The file's types to those wanted, None for a type to drop; types it does not name stay.
        types: Types that the file may hold; None for any. A file of such a corpus must have tags.
        corpus: Name of the corpus, for messages.

    Returns:
        The file's sentences, and what was found about its tags.

    Raises:
        InputError: The file is missing, empty or undecodable, breaks its format, or holds a tag that is malformed or
            of an unknown type. The message names file and line and says what to do.
    """
    path = Path(path)
    text = _raw_text(path, layout, encodings)
    if text is not None and types is None:
        if next(iter(text), None) is None:
            raise _no_sentence(path)
        return TaggedFile(path, text, None, 0, None)
    raw = list(iter_raw(path, layout, encodings))
    if not raw:
        raise _no_sentence(path)
    if raw[0].tags is None:
        if types is not None:
            raise InputError(f"no tags, and {corpus} has some", where=str(path), remedy="give the file with tags")
        return TaggedFile(path, [_plain(sentence) for sentence in raw], None, 0, None)
    type_map = type_map or {}
    _check_tags(path, raw, types, corpus)
    scheme = _scheme(path, raw, scheme)
    orphans = [
        sentence.lines[position] for sentence in raw for position in orphan_positions(sentence.tags or (), scheme)
    ]
    first_orphan = place(path, orphans[0]) if orphans else None
    if orphans:
        logger.warning(
            "%d entit%s without an opening B- (the first: %s), read as conlleval reads them: as entities",
            len(orphans),
            "y" if len(orphans) == 1 else "ies",
            first_orphan,
        )
    return TaggedFile(path, [_converted(one, scheme, type_map) for one in raw], scheme, len(orphans), first_orphan)


def map_types(tags: Sequence[str], mapping: Mapping[str, str | None]) -> list[str]:
    """Rename or drop the entity types of a sentence in IOB2, entity by entity, so that merged types stay apart.

    Args:
        tags: Tags in IOB2.
        mapping: Type to its new name, or to None to drop it; types it does not name stay.

    Returns:
        The new tags, well-formed.
    """
    renamed = ((mapping.get(span.type, span.type), span.start, span.end) for span in spans_from_tags(tags))
    return tags_from_spans([(name, start, end) for name, start, end in renamed if name is not None], len(tags))


def _raw_text(path: Path, layout: Layout | None, encodings: Sequence[str]) -> RawText | None:
    """The file as raw text, if it is some; its first lines tell."""
    if layout is None and suffix_of(path) == ".txt":
        layout = sniff(path, list(islice(iterate_lines(path, encodings), 2 * LOOKED_AT)))
    return RawText(path, layout, encodings) if isinstance(layout, RawTextLayout) else None


def _no_sentence(path: Path) -> InputError:
    return InputError("no sentence in this file", where=str(path), remedy="give a file with at least one")


def _plain(sentence: RawSentence) -> Sentence:
    return Sentence(sentence.tokens, None, sentence.id, _first_line(sentence))


def _converted(sentence: RawSentence, scheme: str, type_map: Mapping[str, str | None]) -> Sentence:
    tags = convert_tags(sentence.tags or (), scheme)
    if type_map:
        tags = map_types(tags, type_map)
    return Sentence(sentence.tokens, tags, sentence.id, _first_line(sentence))


def _first_line(sentence: RawSentence) -> int:
    return sentence.lines[0] if sentence.lines else 1


def _check_tags(
    path: Path,
    sentences: Sequence[RawSentence],
    types: Collection[str] | None,
    corpus: str,
) -> None:
    """Refuse the first tag that is malformed or of a type that the corpus does not have."""
    bad: dict[str, InputError] = {}
    for tag in set(chain.from_iterable(sentence.tags or () for sentence in sentences)):
        try:
            name = split_tag(tag)[1]
        except InputError as error:
            bad[tag] = InputError(f"{error.what}", remedy=error.remedy)
            continue
        if tag != OUTSIDE and types is not None and name not in types:
            known = ", ".join(sorted(types))
            bad[tag] = InputError(
                f"tag {tag!r} has a type that {corpus} does not have ({known})",
                remedy="correct it, or load the file by its path as a corpus of its own",
            )
    if not bad:
        return
    for sentence in sentences:
        for tag, line in zip(sentence.tags or (), sentence.lines, strict=True):
            if tag in bad:
                raise InputError(bad[tag].what, where=place(path, line), remedy=bad[tag].remedy)


def _scheme(path: Path, sentences: Sequence[RawSentence], scheme: str | None) -> str:
    try:
        if scheme is None:
            return detect_scheme(sentence.tags or () for sentence in sentences)
        scheme = normalise_scheme(scheme)
    except InputError as error:
        raise InputError(error.what, where=str(path), remedy=error.remedy) from None
    for sentence in sentences:
        try:
            spans_from_tags(sentence.tags or (), scheme)
        except InputError as error:
            raise InputError(error.what, where=place(path, _first_line(sentence)), remedy=error.remedy) from None
    return scheme
