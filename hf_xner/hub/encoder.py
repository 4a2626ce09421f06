"""What a card says about the encoder that a run began with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.models.builtin import ENCODERS

HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder.

    Attributes:
        name: Its name, without folders of a machine.
        licence: Conditions of use of its weights.
        hub: Its Hub id, None for one that came from a folder or with hf_xner.
        built_in: It comes with hf_xner.
    """

    name: str
    licence: str
    hub: str | None = None
    built_in: bool = False

    @property
    def research_only(self) -> bool:
        """Whether its weights may be used for research only."""
        return "research" in self.licence


def encoder_of(results: dict[str, Any], asked: dict[str, Any], config: dict[str, Any]) -> EncoderFacts | None:
    """The encoder that a run's student began with; None for a model without one.

    Args:
        results: The run's `results.json`, in which folders are cut down to their last part.
        asked: The arguments in its `run.json`, which tell a folder from a Hub id; may be empty.
        config: The student's configuration.
    """
    if "auto_map" in config and "encoder_config" not in config:
        return None
    option = "distil_to" if results["arguments"].get("distil_to") else "encoder"
    name = str(results["arguments"][option])
    given = str(asked.get(option, name))
    if given in ENCODERS:
        return EncoderFacts(given, _licence_in(ENCODERS[given].path) or "research-only", built_in=True)
    folder = Path(given).expanduser()
    if given != name or folder.is_dir() or given.startswith(".") or not HUB_ID.fullmatch(given):
        return EncoderFacts(Path(name).name, _licence_in(folder) or "not stated")
    return EncoderFacts(name, f"that of [its own card](https://huggingface.co/{name})", hub=name)


def _licence_in(folder: Path) -> str | None:
    """The licence in the front matter of a model's README, if there is one."""
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    try:
        data = ModelCard.load(folder / "README.md").data
    except (OSError, ValueError, YAMLError):
        return None
    licence = data.get("license_name") if data.get("license") == "other" else data.get("license")
    return str(licence) if licence else None
