"""JSON lines: one sentence a line, ``{"id": "1", "tokens": ["…"], "ner_tags": ["O"]}``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.data.formats.text import BLANK, RawSentence, place
from hf_xner.errors import InputError

TAG_NAMES = ("ner_tags", "tags", "labels")


@dataclass(frozen=True)
class JsonlLayout:
    """Which fields of a JSON object hold tokens and tags.

    Attributes:
        token: Field of the list of tokens.
        tag: Field of the list of tags (strings), or None for the first of ``ner_tags``, ``tags``, ``labels``.
    """

    token: str = "tokens"
    tag: str | None = None

    def sentences(self, path: Path, lines: Sequence[str]) -> Iterator[RawSentence]:
        """Yield the sentences of a file.

        Args:
            path: The file, for messages.
            lines: Its lines.

        Raises:
            InputError: A line is no JSON object, has no tokens, or tags that do not fit them.
        """
        tagged: bool | None = None
        for number, line in enumerate(lines, start=1):
            if line.strip(BLANK):
                sentence = self._sentence(place(path, number), number, line)
                tagged = same_tagging(tagged, sentence.tags is not None, place(path, number))
                yield sentence

    def _sentence(self, where: str, number: int, line: str) -> RawSentence:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not JSON ({error})", where=where, remedy="write one object a line") from None
        if not isinstance(record, dict) or self.token not in record:
            raise InputError(
                f"no {self.token!r} in this line",
                where=where,
                remedy='write {"tokens": ["a", "b"], "ner_tags": ["O", "O"]}',
            )
        tokens = check_strings(record[self.token], "token", where)
        name = self.tag or next((name for name in TAG_NAMES if name in record), None)
        tags = None if name is None else record.get(name)
        if tags is not None:
            check_tags(tags, len(tokens), where)
        own_id = record.get("id")
        own_id = None if own_id is None else check_text(str(own_id), "id", where)
        return RawSentence(tokens, tags, own_id, [number] * len(tokens))


def same_tagging(before: bool | None, tagged: bool, where: str) -> bool:
    """Refuse a file that is tagged in parts: what is None before the first sentence is the same for all after it.

    Raises:
        InputError: This sentence has tags and those before had none, or the other way round.
    """
    if before not in (None, tagged):
        raise InputError(
            "tags in some lines and none in others", where=where, remedy="give every sentence tags, or none"
        )
    return tagged


def check_strings(values: Any, kind: str, where: str) -> list[str]:
    """Refuse what is not a list of strings that can be written again.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InputError(
            f"the {kind}s are not a list of strings",
            where=where,
            remedy=f"give one string a {kind}, split beforehand",
        )
    check_text("".join(values), kind, where)
    return values


def check_text(text: str, kind: str, where: str) -> str:
    r"""Refuse half of a surrogate pair (``"\ud800"`` in JSON), which no file can hold.

    Raises:
        InputError: There is one.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"half a surrogate pair in a {kind}", where=where, remedy="mend its \\u escape") from None
    return text


def check_tags(tags: Any, length: int, where: str) -> None:
    """Refuse tags that are numbers, or not as many as the tokens.

    Raises:
        InputError: They are.
    """
    if isinstance(tags, list) and any(isinstance(tag, int) for tag in tags):
        raise InputError(
            "the tags are numbers, which say nothing without their names",
            where=where,
            remedy='write them as strings: "B-LOC"',
        )
    check_strings(tags, "tag", where)
    if len(tags) != length:
        raise InputError(
            f"{length} tokens but {len(tags)} tags", where=where, remedy="give every token exactly one tag"
        )
