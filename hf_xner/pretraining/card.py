"""The encoder's model card: how it was made, from what, under which licences."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_xner.data.formats.text import place, read_lines
from hf_xner.errors import InputError

LICENCE_COLUMNS = ("licence_as_stated", "licence")
CURVE_POINTS = 12
# Words of licences that leave everybody everything, and words that take some of it back.
OPEN = {"cc0", "by", "public", "mit", "apache", "bsd", "gpl", "lgpl", "odc", "pddl", "unlicense"}
RESTRICTED = {"nc", "nd", "non", "noncommercial", "research", "academic", "none", "not", "no", "unstated", "unknown"}


def read_manifest(path: Path, languages: Sequence[str]) -> list[tuple[str, str, str]]:
    """Read sources and licences from a tab-separated file: columns lang, source, licence (or licence_as_stated).

    Returns:
        (language, source, licence) for the languages wanted, each once; an empty licence is "none stated".

    Raises:
        InputError: The file cannot be read, or a column is missing.
    """
    rows = csv.DictReader(read_lines(path), delimiter="\t", quoting=csv.QUOTE_NONE)
    names = rows.fieldnames or []
    licence = next((name for name in LICENCE_COLUMNS if name in names), None)
    if licence is None or not {"lang", "source"} <= set(names):
        raise InputError(
            "no columns lang, source and licence",
            where=place(path, 1),
            remedy="begin with a line of these, tabs between them",
        )
    found = [(row["lang"], row["source"], row[licence] or "none stated") for row in rows if row["lang"] in languages]
    return list(dict.fromkeys(found))


def model_card(
    *,
    languages: Sequence[str],
    sources: Sequence[tuple[str, str, str]],
    settings: dict[str, Any],
    curve: Sequence[dict[str, float]],
    subwords: Mapping[str, int],
    table: str = "",
) -> str:
    """Write the card.

    Args:
        languages: Language codes.
        sources: (language, source, licence) of everything the encoder was trained on.
        settings: The options of the run, which reproduce it.
        curve: What `export.loss_curve` gives.
        subwords: Sub-words of each language's text.
        table: Markdown table of scores, from `scripts/evaluate_mini.py`.
    """
    header = [
        "language:",
        *(f'- "{language}"' for language in languages),  # in YAML a plain no is false
        "library_name: transformers",
        "license: other",
    ]
    parts = [
        "\n".join(["---", *header, "---"]),
        "# A small multilingual BERT encoder\n\n"
        f"BERT encoder without pooler and output layer, for {', '.join(languages)}. Made by "
        "`scripts/pretrain_mini.py` of hf_xner: cased WordPiece that keeps accents; word2vec vectors of sub-words as "
        "a start; masked language modelling on text, code-switched text and parallel lines. Float16 on disk, float32 "
        "once loaded.\n\n"
        f"**For research, tests and demonstrations.** {_licence_note(sources)} It is far weaker than encoders "
        "trained on more.",
    ]
    if table:
        parts.append(f"## What it reaches\n\n{table}")
    parts.append("## Training\n\n" + "\n".join(f"- {name}: {value}" for name, value in settings.items()))
    if curve:
        parts.append("## Loss\n\nIn nats; `loss_curve.json` has every point.\n\n" + _curve_table(curve))
    amounts = ", ".join(f"{language} {number / 1e6:.1f}" for language, number in subwords.items())
    parts.append(f"## Data\n\nMillion sub-words of text: {amounts}. Much of it is read more than once.")
    if sources:
        rows = [f"| {language} | {source} | {licence} |" for language, source, licence in sources]
        parts.append("\n".join(["| language | source | licence as stated |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _licence_note(sources: Sequence[tuple[str, str, str]]) -> str:
    if not sources:
        return "Where its text is from, and under which licences, was not recorded (`--manifests`)."
    unclear = any(is_restricted(licence) for _, _, licence in sources)
    return "Its text has the licences listed below" + (
        ": some is for non-commercial use or research only, or states no licence." if unclear else "."
    )


def is_restricted(licence: str) -> bool:
    """Whether a licence, as stated, excludes some use or is none."""
    words = set(re.findall(r"[a-z0-9]+", licence.lower()))
    return not words & OPEN or bool(words & RESTRICTED)


def _curve_table(curve: Sequence[dict[str, float]]) -> str:
    losses = [point for point in curve if "loss" in point]
    every = max(1, len(losses) // CURVE_POINTS)
    chosen = losses[::-1][::every][::-1]
    lines = [f"| {p['step']} | {p['subwords'] / 1e6:.1f} | {p['layers']} | {p['loss']:.3f} |" for p in chosen]
    return "\n".join(["| step | million sub-words | layers | training loss |", "|---|---|---|---|", *lines])


def save_card(folder: Path, card: str) -> None:
    """Write the card as the folder's README.md."""
    (folder / "README.md").write_text(card, encoding="utf-8")


def readable(value: Any) -> str:
    """An option's value as the card shows it: of paths, the last part."""
    values = value if isinstance(value, list) else [value]
    return " ".join(item.name if isinstance(item, Path) else str(item) for item in values)
