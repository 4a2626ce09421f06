"""Answers as HTML. Everything that comes from outside goes through `escape`, and nothing is built elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from hf_xner.demo.differences import Difference
from hf_xner.demo.highlight import Pieces
from hf_xner.inference.results import Entity

Colours = Mapping[str, str]


def paragraph(text: str, *, kind: str = "note") -> str:
    """A line of plain text.

    Args:
        text: The text; "" gives nothing.
        kind: "note", "warning", "status" (read out by screen readers when it appears) or "error" (read out at once).
    """
    if not text:
        return ""
    role = {"error": ' role="alert"', "status": ' role="status"'}.get(kind, "")
    return f'<p class="xner-{kind}"{role}>{escape(text)}</p>'


def highlighted(title: str, pieces: Pieces, colours: Colours, *, cut: bool = False) -> str:
    """A text with its entities marked; every paragraph takes its direction from its own letters.

    Args:
        title: What stands above it.
        pieces: The text, see `hf_xner.demo.highlight`.
        colours: Of the types.
        cut: Whether the text goes on.
    """
    body = "".join(escape(text) if name is None else _mark(text, name, colours) for text, name in pieces)
    end = " …" if cut else ""
    return (
        f'<section class="xner-box"><h3>{escape(title)}</h3>'
        f'<div class="xner-text" dir="auto" tabindex="0" role="region" aria-label="{escape(title)}">{body}{end}</div>'
        "</section>"
    )


def side_by_side(boxes: Sequence[str]) -> str:
    """Highlighted texts beside each other, or under each other where there is no room."""
    return f'<div class="xner-views">{"".join(boxes)}</div>'


def entity_table(
    rows: Sequence[tuple[int, Entity]], colours: Colours, *, at_most: int, with_input: bool = False
) -> str:
    """A table of entities with scores and offsets.

    Args:
        rows: The number of its input, and the entity.
        colours: Of the types.
        at_most: Rows to show; the rest is counted.
        with_input: Whether to show the numbers.
    """
    heads = ["Entity", "Type", "Score", "Start", "End", *(["Input"] if with_input else [])]
    body = [
        [
            _foreign(entity.text),
            _type(entity.type, colours),
            f"{entity.score:.2f}",
            str(entity.start),
            str(entity.end),
            *([str(number)] if with_input else []),
        ]
        for number, entity in rows[:at_most]
    ]
    note = f"{len(rows) - at_most:,} more are in the files to download." if len(rows) > at_most else ""
    return _table("Entities", heads, body) + paragraph(note)


def difference_table(rows: Sequence[Difference], teacher: str, colours: Colours) -> str:
    """What the student has and its teacher has not, and the other way round.

    Args:
        rows: The differences.
        teacher: The teacher's name.
        colours: Of the types.
    """
    caption = f"What the transfer added: the student against {teacher}"
    if not rows:
        return _table(caption, [], []) + paragraph("Both find the same entities in this text.")
    body = [
        [
            escape(row.kind),
            _entities(row.student, colours),
            _entities(row.teacher, colours),
            f"{row.start}–{row.end}",
        ]
        for row in rows
    ]
    return _table(caption, ["Difference", "Student", "Teacher", "Characters"], body)


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table from cells that are HTML already."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>" for cells in rows)
    if not body:
        return f'<h3 class="xner-caption">{escape(caption)}</h3>'
    return (
        f'<table class="xner-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _entities(entities: Sequence[Entity], colours: Colours) -> str:
    return " ".join(f"{_foreign(entity.text)} {_type(entity.type, colours)}" for entity in entities) or "–"


def _foreign(text: str) -> str:
    return f'<bdi dir="auto">{escape(text)}</bdi>'


def _mark(text: str, name: str, colours: Colours) -> str:
    label = _type(name, colours)
    return f'<mark class="xner-mark" style="--type:{colours[name]}"><bdi>{escape(text)}</bdi>{label}</mark>'


def _type(name: str, colours: Colours) -> str:
    return f'<span class="xner-type" style="--type:{colours[name]}">{escape(name)}</span>'
