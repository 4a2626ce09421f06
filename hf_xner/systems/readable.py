"""Sizes, durations and tables for people."""

from __future__ import annotations

from collections.abc import Sequence


def readable_bytes(count: float | None) -> str:
    """Return a size such as `713.4 MB` (powers of 1000), or `?` where it is not known."""
    if count is None:
        return "?"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def readable_seconds(seconds: float | None) -> str:
    """Return a duration such as `4.2 s`, `12 min`, `3 h 05 min` or `2 d 4 h`, or `?` where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines of left-aligned columns under a header."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
