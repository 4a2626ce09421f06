"""The picture of which source languages a target's sentences resemble: alpha, and the heat map of all languages."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIMILARITY_FIGURE = "similarity"  # .csv, .png, .svg


def save_similarity(folder: Path, languages: Sequence[str], heat: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the heat map as CSV, PNG and SVG.

    Args:
        folder: Where.
        languages: Names of the K sources.
        heat: For each text (the sources' own and the target, which comes last) `alpha`, the mean weights of the
            sources (K,), `scores`, the mean scores (K,), and `tau`.
    """
    with (folder / f"{SIMILARITY_FIGURE}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "language", "alpha", "score", "tau"])
        for text, facts in heat.items():
            for language, alpha, score in zip(languages, facts["alpha"], facts["scores"], strict=True):
                writer.writerow([text, language, f"{alpha:.6f}", f"{score:.6f}", f"{facts['tau']:.6g}"])
    figure = draw_heat_map(
        list(heat), list(languages), np.array([facts["alpha"] for facts in heat.values()]), "mean weight of the source"
    )
    for suffix in (".png", ".svg"):
        figure.savefig(folder / f"{SIMILARITY_FIGURE}{suffix}", dpi=150, bbox_inches="tight")


def draw_heat_map(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, label: str) -> Any:
    """A heat map of shares with its numbers in it.

    Args:
        rows: Names of the rows.
        columns: Names of the columns.
        values: Shape (rows, columns), between 0 and 1; NaN for a cell that is empty.
        label: What they are.

    Returns:
        A matplotlib figure that needs no display.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 + 0.8 * len(columns), 1.2 + 0.5 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    image = axes.imshow(values, vmin=0.0, vmax=1.0, cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("source")
    axes.set_ylabel("sentences of")
    for row, column in np.argwhere(~np.isnan(values)):
        value = values[row, column]
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value > 0.6 else "black")
    figure.colorbar(image, ax=axes, label=label)
    return figure
