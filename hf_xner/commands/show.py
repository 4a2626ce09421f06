"""`xner show RUN`: the figures of a finished run and a few sentences as its student tags them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Add `show` to the command line."""
    parser = subparsers.add_parser("show", help="figures and tagged sentences of a finished run")
    parser.add_argument("run_folder", metavar="RUN", help="the run's --output_dir")
    parser.add_argument("--sentences", type=int, default=5, help="how many tagged sentences (default 5)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table of scores and the sentences."""
    from hf_xner.systems.files import read_json
    from hf_xner.systems.report import format_results

    folder = Path(arguments.run_folder)
    results = read_json(folder / "results.json")
    if results is None:
        raise InputError(
            "there is no results.json", where=str(folder), remedy="give the --output_dir of a run that has finished"
        )
    print(format_results(results["variants"], results["differences"]))
    for place in sorted(folder.glob("predictions_*")):
        print(f"\n{place.name.removeprefix('predictions_')}, as tagged by {results['student']}:")
        for line in tagged_examples(place / "tagger.conll", arguments.sentences):
            print(f"  {line}")
    print(f"\nThe model is in {folder / 'student'}:")
    print(f'  pipeline("token-classification", model="{folder / "student"}", aggregation_strategy="simple")')
    return 0


def tagged_examples(path: Path, count: int) -> list[str]:
    """Sentences spread over a prediction file, entities in brackets: `[PER Ana Ruiz] vive en [LOC Madrid] .`"""
    from hf_xner.evaluation.prediction_files import read_predictions

    file = read_predictions(path)
    chosen = [index for index, tags in enumerate(file.predicted) if any(tag != "O" for tag in tags)]
    step = max(1, len(chosen) // max(1, count))
    return [bracketed(file.tokens[index], file.predicted[index]) for index in chosen[::step][:count]]


def bracketed(tokens: list[str], tags: list[str]) -> str:
    """One sentence with its entities in brackets."""
    from hf_xner.labels import spans_from_tags

    words = list(tokens)
    for span in spans_from_tags(tags):
        words[span.start] = f"[{span.type} {words[span.start]}"
        words[span.end - 1] += "]"
    return " ".join(words)
