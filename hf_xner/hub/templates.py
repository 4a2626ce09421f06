"""The templates of cards, in `hub_cards/`: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError

ENDING = ".md.jinja"
_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "hub_cards", _PACKAGE.parent / "hub_cards")
_BLANK_LINES = re.compile(r"\n{3,}")


def render(name: str, **values: Any) -> str:
    """Fill a template.

    Args:
        name: Its file name without the ending.
        values: What it uses; one that it uses and does not get is an error.

    Raises:
        InputError: There is no such template.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PLACES),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown: what comes from outside goes through `cell`, or through `code` into a block
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": cell, "code": code}
    try:
        template = environment.get_template(name + ENDING)
    except jinja2.TemplateNotFound as error:
        raise InputError(
            f"there is no card template {error.name}",
            where="hub_cards",
            remedy="install hf_xner again, or give another system a template of its own there",
        ) from error
    return _BLANK_LINES.sub("\n\n", template.render(**values)).strip() + "\n"


def cell(text: object) -> str:
    """Text for a table or a line of Markdown: nothing in it ends the cell or opens a tag."""
    return " ".join(str(text).split()).replace("|", r"\|").replace("<", "&lt;").replace("`", "'")


def code(text: object) -> str:
    """Text for a fenced code block: nothing in it ends the block."""
    return str(text).replace("```", "'''")
