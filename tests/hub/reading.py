"""Reading cards in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hf_xner.hub.card import model_card
from hf_xner.hub.run_facts import collect_facts


def card_of(run: Path, **options: Any) -> str:
    """The card of a run for the repository org/tsl-es."""
    return model_card(collect_facts(run), repo="org/tsl-es", **options)


def front_matter(card: str) -> dict[str, Any]:
    """Its metadata."""
    return yaml.safe_load(card.split("---\n")[1])
