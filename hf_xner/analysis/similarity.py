"""Which sources the targets of several runs resemble: alpha of multi-source TSL as one heat map.

    xner analyse similarity runs/tsl-es runs/tsl-nl runs/tsl-de --output similarity

A row a run (its target; the mean over its seeds), a column a source. Writes alpha.csv, alpha.png and alpha.svg. What a
single run's sources make of each other's sentences is in its own folder, in `similarity/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.figures import save_figure, write_rows
from hf_xner.errors import InputError

HELP = "TSL: weights of the sources, over several runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run folders of tsl with several sources")
    parser.add_argument("--measure", default="bilinear", help="bilinear (default), cosine, l2 or l1")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("similarity"), help="where the files go")


def run(arguments: argparse.Namespace) -> int:
    """Collect, write, and say where."""
    from hf_xner.systems.readable import table
    from hf_xner.systems.similarity_figure import draw_heat_map

    found = [weights_of(folder, arguments.measure) for folder in arguments.runs]
    rows = [row for run_rows in found for row in run_rows]
    sources = list(dict.fromkeys(row["source"] for row in rows))
    targets = _names([run_rows[0] for run_rows in found])
    values = np.full((len(found), len(sources)), np.nan)
    for place, run_rows in enumerate(found):
        for row in run_rows:
            values[place, sources.index(row["source"])] = row["alpha"]
    written = [write_rows(arguments.output / "alpha.csv", rows)]
    written += save_figure(draw_heat_map(targets, sources, values, "alpha"), arguments.output / "alpha")
    cells = [
        [name, *("" if np.isnan(value) else f"{value:.3f}" for value in line)]
        for name, line in zip(targets, values, strict=True)
    ]
    print(table(["target", *sources], cells))
    print("\n".join(map(str, written)))
    return 0


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What runs are called, by a row of each: their target, with the run where several have the same."""
    targets = [row["target"] for row in rows]
    return [row["target"] if targets.count(row["target"]) == 1 else f"{row['target']} ({row['run']})" for row in rows]


def weights_of(folder: Path, measure: str) -> list[dict[str, Any]]:
    """alpha of one run: a row a source, with mean, least and greatest over the seeds.

    Args:
        folder: The run folder.
        measure: The similarity.

    Raises:
        InputError: The run has not finished, or has no such weights.
    """
    from hf_xner.systems.files import read_json

    results = read_json(folder / "results.json")
    if not isinstance(results, dict):
        raise InputError("there is no finished run", where=str(folder), remedy="give the --output_dir of one")
    seeds = results.get("language_weights", {}).get(measure)
    if not seeds:
        raise InputError(
            f"the run has no weights by {measure}",
            where=str(folder),
            remedy=f"it has {', '.join(results.get('language_weights', {})) or 'none'}; sim makes bilinear ones",
        )
    alphas: Sequence[dict[str, float]] = [facts["alpha"] for facts in seeds.values()]
    values = {name: [alpha[name] for alpha in alphas] for name in alphas[0]}
    return [
        {
            "run": folder.name,
            "target": results["arguments"]["target"],
            "source": name,
            "alpha": float(np.mean(found)),
            "least": min(found),
            "greatest": max(found),
            "seeds": len(found),
        }
        for name, found in values.items()
    ]
