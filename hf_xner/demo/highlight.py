"""A tagged text as pieces with and without a type, and a colour for every type."""

from __future__ import annotations

from collections.abc import Iterable

from hf_xner.inference.results import TaggedSentence

Pieces = list[tuple[str, str | None]]

# White letters are legible on each of them (4.5:1, WCAG AA), and they are tints and shades of them that text lies on.
_KNOWN = {"PER": "#2563c4", "LOC": "#1f7a33", "ORG": "#b34e07", "MISC": "#8446c0"}
_OTHERS = ("#b3305f", "#0c737a", "#7a6000", "#566072", "#a03f28", "#465d9e", "#557014", "#8f428a")


def pieces(tagged: TaggedSentence, *, at_most: int | None = None) -> Pieces:
    """Cut a text at the borders of its entities; joined, the pieces are the text.

    Args:
        tagged: The text.
        at_most: Characters to give; no entity is cut in two, the one at the border is left out.
    """
    found: Pieces = []
    reached = 0
    end = len(tagged.text) if at_most is None else min(at_most, len(tagged.text))
    for entity in tagged.entities:
        if entity.end > end:
            end = min(end, entity.start)
            break
        if entity.start > reached:
            found.append((tagged.text[reached : entity.start], None))
        found.append((tagged.text[entity.start : entity.end], entity.type))
        reached = entity.end
    if end > reached:
        found.append((tagged.text[reached:end], None))
    return found


def joined_pieces(texts: Iterable[TaggedSentence], *, at_most: int) -> tuple[Pieces, bool]:
    """The first texts, one under the other.

    Args:
        texts: Tagged texts.
        at_most: Characters to give.

    Returns:
        The pieces, and whether something was left out.
    """
    found: Pieces = []
    left = at_most
    for number, tagged in enumerate(texts):
        if left <= 0:
            return found, True
        if number:
            found.append(("\n", None))
        found += pieces(tagged, at_most=left)
        if len(tagged.text) > left:
            return found, True
        left -= len(tagged.text) + 1
    return found, False


def colours(types: Iterable[str]) -> dict[str, str]:
    """A colour for each type; the four of CoNLL always have the same."""
    rest = [name for name in sorted(set(types)) if name not in _KNOWN]
    return _KNOWN | {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(rest)}
