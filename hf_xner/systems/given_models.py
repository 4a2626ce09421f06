"""Teachers that the user has already: folders or Hub ids, and what is known of the labels they were trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.data.specs import parse_spec
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_tagger, unusable
from hf_xner.labels import OUTSIDE, entity_types, split_tag
from hf_xner.model_digest import model_digest
from hf_xner.models.register import register_models
from hf_xner.systems.files import read_json
from hf_xner.systems.run_folder import RESULTS
from hf_xner.systems.stage_records import RECORD
from hf_xner.systems.summary import STUDENT

CARD = "README.md"
REMEDY = "give a tagger's folder, such as RUN/student, or its Hub id"


@dataclass(frozen=True)
class GivenModel:
    """A tagger that no stage of this run makes.

    Attributes:
        name: Folder or Hub id.
        digest: Digest of its files, or its Hub id with the revision that is used.
        folder: Its folder on this machine.
        tag_names: Its tags by id.
    """

    name: str
    digest: str
    folder: Path
    tag_names: tuple[str, ...]

    @property
    def types(self) -> list[str]:
        """Its entity types."""
        return entity_types(self.tag_names)


def given_model(name: str, *, load: bool = True) -> GivenModel:
    """Open a tagger and check that it is one.

    Args:
        name: Folder (of a run, too: its student is meant) or Hub id.
        load: Load its weights once, which downloads what is not here; without, only its configuration is read.

    Raises:
        InputError: It is no token classifier with named tags, cannot be loaded, or its tags are in IOB1, in which a
            tag cannot be read without its neighbours.
    """
    name = _student_of(name)
    config = _configuration(name)
    tags = tuple(config.id2label[number] for number in range(len(config.id2label)))
    _check(name, config, tags)
    if load:
        load_tagger(name)
    return GivenModel(name, model_digest(name), _folder(name), tags)


def _student_of(name: str) -> str:
    folder = Path(name).expanduser()
    if not folder.exists():
        if name.startswith(("/", ".", "~")):
            raise InputError("no such folder", where=name, remedy=REMEDY)
        return name
    if not folder.is_dir():
        raise InputError("a file where a model's folder is needed", where=name, remedy=REMEDY)
    if not (folder / "config.json").is_file() and (folder / STUDENT / "config.json").is_file():
        folder = folder / STUDENT
    if not (folder / "config.json").is_file():
        raise InputError("the folder holds no model (no config.json)", where=name, remedy=REMEDY)
    return str(folder)


def _configuration(name: str) -> Any:
    from transformers import AutoConfig

    register_models()
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise unusable(name, "tagger", error) from error


def _check(name: str, config: Any, tags: Iterable[str]) -> None:
    classes = config.architectures or []
    if classes and not any("TokenClassification" in found for found in classes):
        raise InputError(f"a {classes[0]}, which is no tagger", where=name, remedy=REMEDY)
    remedy = "name its tags O, B-LOC, I-LOC and so on: set id2label and label2id in its config.json"
    if OUTSIDE not in config.label2id:
        raise InputError(f"none of its tags ({', '.join(sorted(tags)[:3])}…) is O", where=name, remedy=remedy)
    for tag in tags:
        try:
            split_tag(tag)
        except InputError as error:
            raise InputError(error.what, where=name, remedy=remedy) from None
    if (getattr(config, "xner", None) or {}).get("scheme") == "iob1":
        raise InputError("its tags are in IOB1, and IOB2 or IOBES is needed", where=name, remedy=REMEDY)


def _folder(name: str) -> Path:
    """The folder itself, or the one in the cache that what is used of a Hub model lies in."""
    if Path(name).is_dir():
        return Path(name)
    from transformers.utils import cached_file

    return Path(str(cached_file(name, "config.json"))).parent


@dataclass(frozen=True)
class Seen:
    """What speaks for a model having been trained on labels of the target or its language.

    Attributes:
        reason: A clause for a warning.
        surely: They are the very labels of the target.
    """

    reason: str
    surely: bool = False


def labels_seen(model: GivenModel, target: str, language: str | None, digest: str | None) -> Seen | None:
    """Whether a model was trained on labels of the target or its language, as far as it is recorded.

    Looked at are the record of the stage that made the model, the results of its run, and its card.

    Args:
        model: The model.
        target: The target's spec.
        language: The target's language code, where the spec says it.
        digest: Digest of the target's labelled training split, where it has one.

    Returns:
        What speaks for it, or None.
    """
    folder = Path(model.name)
    stage = read_json(folder.parent / RECORD) if folder.is_dir() else None
    if isinstance(stage, dict) and digest is not None and stage.get("inputs", {}).get("sentences") == digest:
        return Seen(f"was trained on the labels of {target}", surely=True)
    results = read_json(folder.parent / RESULTS) if folder.name == STUDENT else None
    if isinstance(results, dict):
        if digest is not None and digest in results.get("data", {}).values():
            return Seen(f"was trained on the labels of {target}", surely=True)
        for spec in _labelled_specs(results):
            if spec == target or (language is not None and _language(spec) == language):
                return Seen(f"was trained on the labels of {spec}", surely=spec == target)
        return None
    if language is not None and language in _card_languages(model):
        return Seen(f"is for {language} by its card, and may have been trained on labels of it")
    return None


def _labelled_specs(results: dict[str, Any]) -> list[str]:
    arguments = results.get("arguments", {})
    specs = list(arguments.get("source") or [])
    return specs + ([arguments["target"]] if results.get("target_labels_used") and arguments.get("target") else [])


def _language(spec: str) -> str | None:
    try:
        return parse_spec(spec).language
    except InputError:  # a path of another machine, or cut down for publication
        return spec.rpartition(":")[2] if ":" in spec else None


def _card_languages(model: GivenModel) -> list[str]:
    """Languages in the front matter of a model's card; none where there is no card, or it cannot be had or read."""
    from huggingface_hub import ModelCard

    path = Path(model.name) / CARD
    try:
        card = ModelCard.load(path if path.is_file() else model.name) if _has_card(model) else None
    except Exception:  # offline, refused, malformed: a card is a hint and nothing depends on it
        return []
    language = None if card is None else card.data.language
    return [language] if isinstance(language, str) else list(language or [])


def _has_card(model: GivenModel) -> bool:
    return (Path(model.name) / CARD).is_file() or not Path(model.name).is_dir()
