"""What a push would send: the plain student at the root, its card, its figures; the research model if asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.hub.card import CARD, bare_card, card_files, checked
from hf_xner.hub.clean import cleaned_config, cleaned_results, refuse_private
from hf_xner.hub.files import Upload, model_files, total_size
from hf_xner.hub.machine import this_machine
from hf_xner.hub.run_facts import read_results
from hf_xner.hub.secrets import known_secrets
from hf_xner.systems.files import read_json
from hf_xner.systems.readable import readable_bytes
from hf_xner.systems.run_folder import RESULTS
from hf_xner.systems.summary import RESEARCH, STUDENT

_CONFIGS = ("config.json", "tokenizer_config.json", "generation_config.json")


@dataclass(frozen=True)
class CardOptions:
    """What the author says about the model beyond what the run knows.

    Attributes:
        licence: Hub id of a licence.
        language: Code of the language it is for.
        examples: How many tagged sentences the card quotes.
    """

    licence: str | None = None
    language: str | None = None
    examples: int = 5


@dataclass(frozen=True)
class PushPlan:
    """What would go up.

    Attributes:
        repo: The repository.
        title: What is pushed, for the commit.
        results: `results.json` as it is published.
        files: The files.
        notes: What the author should know, a line each.
        bare: The card says next to nothing, because a whole one could not be written.
    """

    repo: str
    title: str
    results: dict[str, Any]
    files: list[Upload]
    notes: list[str]
    bare: bool = False

    def listing(self) -> str:
        """The files with their sizes, and the notes."""
        width = max(len(file.path) for file in self.files)
        lines = [f"  {file.path.ljust(width)}  {readable_bytes(file.size):>9}" for file in self.files]
        lines.append(f"  {len(self.files)} files, {readable_bytes(total_size(self.files))}")
        return "\n".join([*lines, *self.notes])


def make_plan(folder: Path, repo: str, *, research: bool = False, options: CardOptions | None = None) -> PushPlan:
    """Collect what a run publishes, clean it and check it; sends nothing and needs no network.

    Args:
        folder: The run folder.
        repo: The repository it is for, ORG/NAME.
        research: Take the research model and its code too.
        options: What the author says.

    Raises:
        InputError: The run is unfinished or an oracle, its card does not do, or something private would go up.
    """
    results = read_results(folder)
    refuse_oracle(folder, results)
    options = options or CardOptions()
    machine = this_machine()
    results = cleaned_results(results, machine)
    files, notes = _card(folder, repo, options)
    bare = any(file.path == CARD and file.read() == bare_card(repo).encode() for file in files)
    files.append(_json(RESULTS, results, folder / RESULTS))
    student, left_out = _model(folder / STUDENT, "")
    files += student
    if left_out:
        notes.append(f"left out, because a model needs no such files: {', '.join(left_out)}")
    files += _research(folder, notes, wanted=research)
    # A name that the repository's address tells anyway is no secret.
    refuse_private(files, machine.knowing(repo.partition("/")[0]), known_secrets())
    return PushPlan(repo, _title(results), results, sorted(files, key=lambda file: file.path), notes, bare)


def _title(results: Mapping[str, Any]) -> str:
    arguments = results.get("arguments") or {}
    corpora = " to ".join(filter(None, (", ".join(arguments.get("source") or []), arguments.get("target"))))
    return f"{results.get('student')} by {results.get('system')}, {corpora}"


def refuse_oracle(folder: Path, results: Mapping[str, Any]) -> None:
    """Refuse a run whose model was chosen on the very labels that it is scored on.

    Raises:
        InputError: It is one.
    """
    asked = (results.get("arguments") or {}).get("select_on")
    if results.get("oracle", asked == "target_test"):
        raise InputError(
            "is an oracle run: its best epoch was picked on the target's test labels, so its figures mean nothing to "
            "others and it is not published",
            where=str(folder),
            remedy="train again with another --select_on",
        )


def _card(folder: Path, repo: str, options: CardOptions) -> tuple[list[Upload], list[str]]:
    """The card, and what belongs to it; a card that the author has written into the run folder goes before ours."""
    texts, notes = card_files(
        folder, repo=repo, licence=options.licence, language=options.language, examples=options.examples
    )
    own = folder / CARD
    if own.is_file():
        texts[CARD] = checked(_own_card(own))
        notes = [f"{CARD} is the one in the run folder"]
    sources = {CARD: own} if own.is_file() else {}
    return [Upload(path, text.encode(), sources.get(path)) for path, text in texts.items()], notes


def _own_card(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as UTF-8 ({error})", where=str(path), remedy="save it as UTF-8") from error


def _model(folder: Path, prefix: str) -> tuple[list[Upload], list[str]]:
    config = read_json(folder / "config.json") or {}
    own, others = model_files(folder, with_code="auto_map" in config)
    return [_upload(path, prefix) for path in own], [f"{prefix}{name}" for name in others]


def _upload(path: Path, prefix: str) -> Upload:
    if path.name in _CONFIGS:
        content = read_json(path)
        cleaned = cleaned_config(content) if isinstance(content, dict) else content
        if cleaned != content:
            return _json(f"{prefix}{path.name}", cleaned, path)
    return Upload(f"{prefix}{path.name}", path, path)


def _research(folder: Path, notes: list[str], *, wanted: bool) -> Iterator[Upload]:
    """The research model with its code, in a folder of its own."""
    place = folder / RESEARCH
    there = (place / "config.json").is_file()
    if wanted and not there:
        notes.append(f"no research model goes up: the run has none (there is no {RESEARCH}/ in {folder})")
    if there and not wanted:
        notes.append("the run has a research model too; --also-research-model sends it along")
    if wanted and there:
        files, left_out = _model(place, f"{RESEARCH}/")
        yield from files
        if left_out:
            notes.append(f"left out, because a model needs no such files: {', '.join(left_out)}")


def _json(path: str, content: Any, source: Path) -> Upload:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    return Upload(path, text.encode(), source)
