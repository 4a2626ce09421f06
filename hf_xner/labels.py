"""Tag schemes: tags to entity spans and back, and what may follow what.

Four schemes are known, each by the letters that stand before an entity's type:

====== =========================== ==========================================================
scheme letters                     an entity of three tokens, and one right after it
====== =========================== ==========================================================
iob1   I, and B only where needed  ``I-LOC I-LOC I-LOC B-LOC`` (CoNLL-2003 English)
iob2   B, I (also called BIO)      ``B-LOC I-LOC I-LOC B-LOC`` (CoNLL-2002; used everywhere here)
iobes  B, I, E, S (also BIOES)     ``B-LOC I-LOC E-LOC S-LOC``
bmes   B, M, E, S                  ``B-LOC M-LOC E-LOC S-LOC``
====== =========================== ==========================================================

Tags that break their scheme are read as the ``conlleval`` script of the CoNLL shared tasks reads them: an entity
starts at ``B-``, after ``O``, and wherever the type changes. So an *orphan*, an ``I-X`` that no ``X`` precedes, opens
an entity; :func:`orphan_positions` reports where that happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hf_xner.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMES = ("iob1", "iob2", "iobes", "bmes")
OUTSIDE = "O"

_ALIASES = {"bio": "iob2", "bioes": "iobes"}
_LETTERS = {"iob1": "BI", "iob2": "BI", "iobes": "BIES", "bmes": "BMES"}
_ALL_LETTERS = "BIMES"
# Letters that go on with an entity, and letters after which one can go on.
_CONTINUING = frozenset("IME")
_OPEN = frozenset("BIM")


class Span(NamedTuple):
    """One entity.

    Attributes:
        type: Its type, ``LOC`` for instance.
        start: Its first token.
        end: The token after its last.
    """

    type: str
    start: int
    end: int


class Transitions(NamedTuple):
    """Which tags a well-formed sentence may hold where.

    Attributes:
        start: (C,) bool, tag may stand first.
        step: (C, C) bool, ``step[i, j]``: tag j may follow tag i.
        end: (C,) bool, tag may stand last.
    """

    start: NDArray[np.bool_]
    step: NDArray[np.bool_]
    end: NDArray[np.bool_]


def normalise_scheme(name: str) -> str:
    """Give a scheme's canonical name.

    Args:
        name: One of :data:`SCHEMES` or an alias (``bio``, ``bioes``), in any case.

    Returns:
        One of :data:`SCHEMES`.

    Raises:
        InputError: The scheme is unknown.
    """
    lowered = name.strip().lower()
    scheme = _ALIASES.get(lowered, lowered)
    if scheme not in SCHEMES:
        known = ", ".join((*SCHEMES, *_ALIASES))
        raise InputError(f"unknown tag scheme {name!r}", remedy=f"use one of {known}")
    return scheme


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag of any scheme into its letter and its type.

    Args:
        tag: ``O``, or a letter, a hyphen and a type. The type may itself hold hyphens.

    Returns:
        ``("B", "LOC")`` for ``B-LOC``; ``("O", "")`` for ``O``.

    Raises:
        InputError: The tag is malformed.
    """
    parts = _split(tag, _ALL_LETTERS) if isinstance(tag, str) else None
    if parts is None:
        raise _malformed(tag, _ALL_LETTERS, where=None)
    return parts


def detect_scheme(sentences_of_tags: Iterable[Sequence[str]]) -> str:
    """Tell which scheme a corpus is in.

    ``M-`` means BMES, ``E-`` or ``S-`` without it IOBES. Between IOB1 and IOB2 the entities that only one of the two
    allows are counted (IOB1 opens with ``I-``, IOB2 with a ``B-`` that separates nothing) and the majority decides:
    real IOB2 files do hold a few orphans. Where nothing tells (no entity at all) it is IOB2.

    Args:
        sentences_of_tags: The tags of each sentence.

    Returns:
        One of :data:`SCHEMES`.

    Raises:
        InputError: A tag is malformed, or ``I-`` and ``M-`` both occur.
    """
    letters: set[str] = set()
    only_iob1 = only_iob2 = 0
    for number, tags in enumerate(sentences_of_tags, start=1):
        parts = _split_all(tags, _ALL_LETTERS, sentence=number)
        letters.update(letter for letter, _ in parts)
        previous = Span("", -1, -1)
        for span in _spans(parts):
            if parts[span.start][0] == "I":
                only_iob1 += 1
            elif previous.type != span.type or previous.end != span.start:
                only_iob2 += 1
            previous = span
    if {"I", "M"} <= letters:
        raise InputError(
            "tags with I- and tags with M- in one corpus: no scheme has both",
            remedy="give every sentence the same scheme (IOBES has I-, BMES has M-)",
        )
    if "M" in letters:
        return "bmes"
    if letters & {"E", "S"}:
        return "iobes"
    return "iob1" if only_iob1 > only_iob2 else "iob2"


def spans_from_tags(tags: Sequence[str], scheme: str = "iob2") -> list[Span]:
    """Read the entities off a sentence's tags, leniently, exactly as conlleval does.

    Args:
        tags: One tag a token.
        scheme: The scheme they are in.

    Returns:
        The entities in the order of the text.

    Raises:
        InputError: A tag is malformed or has a letter that the scheme lacks.
    """
    return _spans(_split_all(tags, _letters(scheme)))


def orphan_positions(tags: Sequence[str], scheme: str = "iob2") -> list[int]:
    """Find the entities that no ``B-`` (or ``S-``) opens though the scheme demands one.

    Args:
        tags: One tag a token.
        scheme: The scheme they are in. IOB1 opens entities with ``I-``, so it has no orphans.

    Returns:
        The first token of each such entity.

    Raises:
        InputError: A tag is malformed or has a letter that the scheme lacks.
    """
    parts = _split_all(tags, _letters(scheme))
    if normalise_scheme(scheme) == "iob1":
        return []
    return [span.start for span in _spans(parts) if parts[span.start][0] in _CONTINUING]


def tags_from_spans(spans: Iterable[tuple[str, int, int]], length: int, scheme: str = "iob2") -> list[str]:
    """Write entities as tags.

    Args:
        spans: Entities (type, start, end), in any order; they may not overlap.
        length: Tokens in the sentence.
        scheme: The scheme to write.

    Returns:
        One tag a token.

    Raises:
        InputError: A span is empty, reaches outside the sentence, overlaps another or has an unusable type.
    """
    scheme = normalise_scheme(scheme)
    tags = [OUTSIDE] * length
    previous = Span("", 0, 0)
    for span in sorted((Span(*span) for span in spans), key=lambda span: span.start):
        _check_span(span, previous, length)
        touches = previous.end == span.start and previous.type == span.type
        tags[span.start : span.end] = _entity_tags(span.type, span.end - span.start, scheme, touches)
        previous = span
    return tags


def convert_tags(tags: Sequence[str], source_scheme: str, target_scheme: str = "iob2") -> list[str]:
    """Rewrite a sentence's tags in another scheme; the entities stay those that conlleval sees.

    Args:
        tags: One tag a token.
        source_scheme: The scheme they are in.
        target_scheme: The scheme wanted. Converting a scheme to itself mends orphans.

    Returns:
        One tag a token, well-formed.

    Raises:
        InputError: A tag is malformed or has a letter that the source scheme lacks.
    """
    return tags_from_spans(spans_from_tags(tags, source_scheme), len(tags), target_scheme)


def entity_types(tag_names: Iterable[str]) -> list[str]:
    """List the entity types that occur in tags of any scheme.

    Args:
        tag_names: Tags, repeated or not.

    Returns:
        The types, sorted, each once.

    Raises:
        InputError: A tag is malformed.
    """
    types = {split_tag(tag)[1] for tag in dict.fromkeys(tag_names)}
    return sorted(types - {""})


def tag_names(types: Iterable[str], scheme: str = "iob2") -> list[str]:
    """List a scheme's tags: ``O``, then those of each type, types sorted.

    Args:
        types: Entity types.
        scheme: The scheme.

    Returns:
        ``["O", "B-LOC", "I-LOC", "B-MISC", ...]`` for IOB2.

    Raises:
        InputError: A type is empty or holds white space.
    """
    letters = _letters(scheme)
    ordered = sorted(set(types))
    for name in ordered:
        _check_type(name)
    return [OUTSIDE, *(f"{letter}-{name}" for name in ordered for letter in letters)]


def allowed_transitions(tag_names: Sequence[str], scheme: str = "iob2") -> Transitions:
    """Tell which tags may stand first, follow one another and stand last in a well-formed sentence.

    Args:
        tag_names: The C tags in the order of a model's labels.
        scheme: The scheme they are in.

    Returns:
        Boolean arrays over these tags.

    Raises:
        InputError: A tag is malformed or has a letter that the scheme lacks.
    """
    import numpy as np

    parts = _split_all(tag_names, _letters(scheme))
    scheme = normalise_scheme(scheme)
    border = (OUTSIDE, "")
    return Transitions(
        start=np.array([_may_follow(border, tag, scheme) for tag in parts], dtype=bool),
        step=np.array([[_may_follow(before, tag, scheme) for tag in parts] for before in parts], dtype=bool),
        end=np.array([_may_follow(tag, border, scheme) for tag in parts], dtype=bool),
    )


def _may_follow(before: tuple[str, str], tag: tuple[str, str], scheme: str) -> bool:
    """Decide one transition; a sentence's border counts as ``O`` on both sides."""
    (letter_before, type_before), (letter, type_) = before, tag
    same_entity_possible = letter_before in _OPEN and type_before == type_
    if scheme == "iob1":
        return letter != "B" or same_entity_possible
    if scheme == "iob2":
        return letter != "I" or same_entity_possible
    # Every entity is closed by E or S: an open one must go on, and only an open one can.
    return same_entity_possible if letter in _CONTINUING else letter_before not in _OPEN


def _spans(parts: Sequence[tuple[str, str]]) -> list[Span]:
    spans = []
    start = -1
    letter_before, type_before = OUTSIDE, ""
    for position, (letter, type_) in enumerate(parts):
        if not (letter in _CONTINUING and letter_before in _OPEN and type_ == type_before):
            if start >= 0:
                spans.append(Span(type_before, start, position))
            start = -1 if letter == OUTSIDE else position
        letter_before, type_before = letter, type_
    if start >= 0:
        spans.append(Span(type_before, start, len(parts)))
    return spans


def _entity_tags(name: str, length: int, scheme: str, touches: bool) -> list[str]:
    """Tag one entity; ``touches`` says that one of the same type ends right before it."""
    if scheme in ("iob1", "iob2"):
        first = "I" if scheme == "iob1" and not touches else "B"
        return [f"{first}-{name}"] + [f"I-{name}"] * (length - 1)
    if length == 1:
        return [f"S-{name}"]
    inside = "I" if scheme == "iobes" else "M"
    return [f"B-{name}", *[f"{inside}-{name}"] * (length - 2), f"E-{name}"]


def _letters(scheme: str) -> str:
    return _LETTERS[normalise_scheme(scheme)]


@lru_cache(maxsize=4096)
def _split(tag: str, letters: str) -> tuple[str, str] | None:
    """Split a tag into letter and type, or give None where it is malformed. Cached: corpora repeat few tags."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, hyphen, name = tag.partition("-")
    if len(letter) != 1 or letter not in letters or not hyphen or not name or any(map(str.isspace, name)):
        return None
    return letter, name


def _split_all(tags: Sequence[str], letters: str, sentence: int | None = None) -> list[tuple[str, str]]:
    if isinstance(tags, str):
        raise InputError(f"expected a list of tags, found the string {tags!r}", remedy="give one tag a token")
    parts = []
    for position, tag in enumerate(tags, start=1):
        part = _split(tag, letters) if isinstance(tag, str) else None
        if part is None:
            where = f"token {position} of {len(tags)}"
            raise _malformed(tag, letters, where=where if sentence is None else f"sentence {sentence}, {where}")
        parts.append(part)
    return parts


def _malformed(tag: object, letters: str, where: str | None) -> InputError:
    forms = ", ".join(f"{letter}-TYPE" for letter in letters)
    remedy = f"write O or {forms}" if isinstance(tag, str) else "give tag names such as 'B-LOC', not label numbers"
    known = isinstance(tag, str) and _split(tag, _ALL_LETTERS) is not None
    if known:
        remedy += ", or name the scheme that the tags are in"
    what = "does not belong to the scheme" if known else "is not a tag"
    return InputError(f"{tag!r} {what}", where=where, remedy=remedy)


def _check_span(span: Span, previous: Span, length: int) -> None:
    _check_type(span.type)
    if not 0 <= span.start < span.end <= length:
        raise InputError(
            f"entity {span.type} from {span.start} to {span.end} is empty or outside a sentence of {length} tokens",
            remedy="give 0 <= start < end <= length, the end exclusive, in tokens",
        )
    if span.start < previous.end:
        raise InputError(
            f"entities {previous.type} [{previous.start}, {previous.end}) and {span.type} "
            f"[{span.start}, {span.end}) overlap",
            remedy="tags hold flat entities only: drop one of the two",
        )


def _check_type(name: str) -> None:
    if not name or any(map(str.isspace, name)):
        raise InputError(f"{name!r} cannot be an entity type", remedy="give a name without white space")
