"""Text that goes out into the world names no folder of the machine it was written on."""

from __future__ import annotations

import re
from typing import Any

# An absolute path at the start of a text or after a separator; the `//` of a web address is none.
_PATH = re.compile(r"""(?<![^\s=:,'"(\[])~?/(?!/)(?:[^\s/,'"]+/)*([^\s/,'"]+)/?""")


def without_machine_paths(value: Any) -> Any:
    """Return JSON-like `value` with each absolute path in its strings cut down to the path's last part.

    Args:
        value: None, numbers, strings, lists and dicts of them; keys of dicts are treated like values.
    """
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, dict):
        return {_cut(key): without_machine_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        # A word of a command line may be a path with blanks in it.
        value = [
            _last_part(item) if isinstance(item, str) and item.startswith(("/", "~/")) else item for item in value
        ]
        return [without_machine_paths(item) for item in value]
    return value


def _last_part(item: Any) -> Any:
    """Of a list's item, a word of a command line say, that is a path as a whole: it may have blanks in it."""
    if not isinstance(item, str) or not item.startswith(("/", "~/")):
        return item
    return item.rstrip("/").rpartition("/")[2] or item


def _cut(text: str) -> str:
    return _PATH.sub(r"\1", text)
