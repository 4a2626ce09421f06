"""The commands with which a person corrects the entities of a sentence: `2-3 PER`, `4 -`, several with commas."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hf_xner.errors import InputError
from hf_xner.labels import Span

_CORRECTION = re.compile(r"(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?\s+(\S+)|(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?(-)")
NOTHING = "-"
REMEDY = "write 2-3 PER (words 2 to 3 are one entity of this type) or 4 - (word 4 is in none)"


def correct(entities: Sequence[Span], line: str, length: int, types: Sequence[str]) -> list[Span]:
    """Apply what a person typed.

    Args:
        entities: The sentence's entities as they stand.
        line: `FIRST[-LAST] TYPE` makes these words one entity, in place of all that it overlaps; `FIRST[-LAST] -`
            takes these words out of their entities, whose other words stay. Words count from 1. Several are separated
            by commas or semicolons and applied in order. A type may be in any case, or its beginning.
        length: Words in the sentence.
        types: The entity types that there are.

    Returns:
        The entities after it, in order.

    Raises:
        InputError: The line is no such command, names words that are not there or a type that is unknown.
    """
    corrected = list(entities)
    for part in re.split("[,;]", line):
        corrected = _apply(corrected, part.strip(), length, types)
    return corrected


def _apply(entities: list[Span], command: str, length: int, types: Sequence[str]) -> list[Span]:
    match = _CORRECTION.fullmatch(command)
    if match is None:
        raise InputError(f"{command[:40]!r} is no correction", remedy=REMEDY)
    first, last, name = (match[1], match[2], match[3]) if match[1] else (match[4], match[5], match[6])
    begin, end = int(first) - 1, int(last or first)
    if not 0 <= begin < end <= length:
        words = f"is no word {first}" if last is None else f"are no words {first} to {last}"
        raise InputError(f"there {words}", remedy=f"the sentence has words 1 to {length}")
    if name == NOTHING:
        return sorted((part for entity in entities for part in _without(entity, begin, end)), key=_start)
    kept = [entity for entity in entities if entity.end <= begin or end <= entity.start]
    return sorted([*kept, Span(_known(name, types), begin, end)], key=_start)


def _start(entity: Span) -> int:
    return entity.start


def _without(entity: Span, begin: int, end: int) -> list[Span]:
    """What is left of an entity without some words."""
    parts = (
        Span(entity.type, entity.start, min(entity.end, begin)),
        Span(entity.type, max(entity.start, end), entity.end),
    )
    return [part for part in parts if part.start < part.end]


def _known(name: str, types: Sequence[str]) -> str:
    """The type meant: by name, by name in any case, or by a beginning that only one has."""
    lowered = name.lower()
    exact = [known for known in types if known == name] or [known for known in types if known.lower() == lowered]
    fitting = exact or [known for known in types if known.lower().startswith(lowered)]
    if len(fitting) != 1:
        what = f"there is no type {name[:40]!r}" if not fitting else f"{name!r} may be {' or '.join(fitting)}"
        raise InputError(what, remedy=f"use one of {', '.join(types)}")
    return fitting[0]
