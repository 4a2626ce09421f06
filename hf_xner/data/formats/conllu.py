"""CoNLL-U with entities in its last column, as NorNE writes them: ``SpaceAfter=No|name=B-PER`` (or ``NER=B-PER``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hf_xner.data.formats.columns import METADATA
from hf_xner.data.formats.text import BLANK, RawSentence, place
from hf_xner.errors import InputError

WIDTH = 10
WORD = re.compile(r"[0-9]+")
# Multi-word tokens (1-2) and empty nodes (1.1) stand beside the words they are made of.
NO_WORD = re.compile(r"[0-9]+[-.][0-9]+")


FEATURE = re.compile(r"(?:^|\|)(name|NER|ner)=")


@dataclass(frozen=True)
class ConlluLayout:
    """Tokens in the second of ten columns, tags as ``name=``, ``NER=`` or ``ner=`` in the tenth."""

    def sentences(self, path: Path, lines: Sequence[str]) -> Iterator[RawSentence]:
        """Yield the sentences of a file.

        Args:
            path: The file, for messages.
            lines: Its lines. In a file where no word has the feature the sentences have no tags.

        Raises:
            InputError: A line has not ten columns, or one word has the feature and another has not.
        """
        found = (FEATURE.search(line.rpartition("\t")[2]) for line in lines if "\t" in line and line[0] != "#")
        feature = next((match[1] for match in found if match), None)
        tagged = feature is not None
        sentence = RawSentence([], [] if tagged else None, None, [])
        for number, line in enumerate(lines, start=1):
            if line.startswith("#"):
                metadata = METADATA.match(line)
                if metadata and metadata.group(2) and not sentence.tokens:
                    sentence = sentence._replace(id=metadata.group(2))
            elif line.strip(BLANK):
                self._add(sentence, path, number, line.split("\t"), feature)
            elif sentence.tokens:
                yield sentence
                sentence = RawSentence([], [] if tagged else None, None, [])
        if sentence.tokens:
            yield sentence

    def _add(self, sentence: RawSentence, path: Path, number: int, cells: list[str], feature: str | None) -> None:
        if len(cells) != WIDTH:
            raise InputError(
                f"found {len(cells)} column{'s' * (len(cells) != 1)}, expected {WIDTH}",
                where=place(path, number),
                remedy="CoNLL-U separates columns by a tab and sentences by an empty line",
            )
        if NO_WORD.fullmatch(cells[0]):
            return
        if not WORD.fullmatch(cells[0]):
            raise InputError(
                f"{cells[0]!r} is not the number of a word",
                where=place(path, number),
                remedy="CoNLL-U numbers the words of a sentence in its first column",
            )
        sentence.tokens.append(cells[1])
        sentence.lines.append(number)
        if sentence.tags is not None and feature is not None:
            sentence.tags.append(self._tag(path, number, cells[9], f"{feature}="))

    def _tag(self, path: Path, number: int, misc: str, start: str) -> str:
        for item in misc.split("|"):
            if item.startswith(start):
                return item[len(start) :]
        raise InputError(
            f"no {start} in the last column",
            where=place(path, number),
            remedy=f"write {start}O for a word outside of entities",
        )
