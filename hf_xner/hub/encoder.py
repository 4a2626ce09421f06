"""What a card says about the model that a run's student began with: an encoder, or a tagger that was given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.hub.lineage import MIXED, is_as_it_is, lineage_of
from hf_xner.models.builtin import ENCODERS
from hf_xner.systems.files import read_json
from hf_xner.systems.run_folder import MARKER, RESULTS
from hf_xner.systems.summary import STUDENT

HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder.

    Attributes:
        name: Its name, without folders of a machine.
        licence: Conditions of use of its weights.
        hub: Its Hub id, None for one that came from a folder or with hf_xner.
        built_in: It comes with hf_xner.
        tagger: It is a tagger that was given, and the student is a copy of it.
    """

    name: str
    licence: str
    hub: str | None = None
    built_in: bool = False
    tagger: bool = False

    @property
    def research_only(self) -> bool:
        """Whether its weights are known to be for research only; what the Hub says of them, the run does not know."""
        return self.hub is None and "research" in self.licence


def encoder_of(results: dict[str, Any], asked: dict[str, Any], config: dict[str, Any]) -> EncoderFacts | None:
    """The model that a run's student began with; None for a student without one, and where it cannot be told.

    Args:
        results: The run's `results.json`, in which folders are cut down to their last part.
        asked: The arguments in its `run.json`, which hold whole folders; may be empty.
        config: The student's configuration.
    """
    if "auto_map" in config and "encoder_config" not in config:
        return None
    arguments, variant = results["arguments"], str(results["student"])
    if arguments.get("distil_to"):
        return _model(results, asked, "distil_to")
    if arguments.get("student_encoder") and not is_as_it_is(variant):
        return _model(results, asked, "student_encoder")
    if results["system"] == "tsl" and is_as_it_is(variant):
        lineage = lineage_of(results)
        if variant in MIXED or (lineage.given and (lineage.sources or len(lineage.given) > 1)):
            return None
        if lineage.given:
            return _model(results, asked, "teacher", lineage.given[0])
    return _model(results, asked, "encoder")


def teacher_encoder_of(results: dict[str, Any], asked: dict[str, Any]) -> EncoderFacts | None:
    """The encoder of a student's teacher, where the student has another one; its licence counts too."""
    other = results["arguments"].get("student_encoder")
    if not other or other == results["arguments"]["encoder"] or is_as_it_is(str(results["student"])):
        return None
    return _model(results, asked, "encoder")


def _model(results: dict[str, Any], asked: dict[str, Any], option: str, index: int | None = None) -> EncoderFacts:
    """The model that an option names, or the one at a place in its list."""
    tagger = index is not None
    name = str(_one(results["arguments"].get(option), index))
    given = str(_one(asked.get(option), index) or name)
    if given in ENCODERS and not tagger:
        return EncoderFacts(given, _licence_in(ENCODERS[given].path) or "research-only", built_in=True)
    recorded = _one((results.get("model_folders") or {}).get(option), index)
    if _was_folder(name, given) if recorded is None else recorded:
        folder = Path(given).expanduser()
        licence = _licence_in(folder)
        run = folder.parent if folder.name == STUDENT else folder
        if (run / MARKER).is_file():  # its card lies beside its student, and its name says more
            folder, licence = run, licence or _licence_in(run) or _licence_of_run(run)
        return EncoderFacts(folder.name or Path(name).name, licence or "not stated", tagger=tagger)
    licence = f"that of [its own card](https://huggingface.co/{name})"
    return EncoderFacts(name, licence, hub=name, tagger=tagger)


def _licence_of_run(run: Path) -> str | None:
    """The licence of what a run's student was made from, where that is for research only: so is the student."""
    results, marker, config = (read_json(run / name) for name in (RESULTS, MARKER, f"{STUDENT}/config.json"))
    if not isinstance(results, dict) or not {"system", "student", "arguments"} <= results.keys():
        return None
    asked = marker.get("arguments") if isinstance(marker, dict) else None
    models = encoder_of(results, asked or {}, config or {}), teacher_encoder_of(results, asked or {})
    return next((model.licence for model in models if model is not None and model.research_only), None)


def _one(value: Any, index: int | None) -> Any:
    """An option's value, or one of its list; None where there is none."""
    if index is None:
        return value
    return value[index] if isinstance(value, list) and index < len(value) else None


def _was_folder(name: str, given: str) -> bool:
    """Whether an option named a folder, guessed for a run that has not recorded it.

    Args:
        name: The option in `results.json`, cut down to the last part where it was absolute.
        given: The option as it was given.
    """
    folder = Path(given).expanduser()
    return given != name or folder.is_dir() or given.startswith(".") or not HUB_ID.fullmatch(given)


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
