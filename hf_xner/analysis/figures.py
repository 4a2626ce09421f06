"""What every analysis writes: figures as PNG and SVG, their data as CSV, vectors in two dimensions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.errors import InputError


def save_figure(figure: Any, path: Path) -> list[Path]:
    """Write a matplotlib figure beside its data.

    Args:
        figure: A `matplotlib.figure.Figure`, made without pyplot so that no display is needed.
        path: Where, without suffix.

    Returns:
        The PNG and the SVG.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    written = [path.with_suffix(suffix) for suffix in (".png", ".svg")]
    for place in written:
        figure.savefig(place, dpi=150, bbox_inches="tight")
    return written


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows of one shape as CSV, the first row's keys as the header.

    Raises:
        InputError: There are no rows.
    """
    if not rows:
        raise InputError("there is nothing to write", where=str(path), remedy="give more sentences")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def project(vectors: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """t-SNE to two dimensions (van der Maaten and Hinton, 2008), started from the principal components.

    Args:
        vectors: (N, H), N at least 3.
        seed: Random seed.

    Returns:
        (N, 2) float32.

    Raises:
        InputError: Fewer than three vectors.
    """
    from sklearn.manifold import TSNE

    if len(vectors) < 3:
        raise InputError(f"{len(vectors)} vectors cannot be laid out", remedy="give at least three sentences")
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    layout = TSNE(n_components=2, init="pca", perplexity=perplexity, random_state=seed)
    return np.asarray(layout.fit_transform(np.asarray(vectors, dtype=np.float32)), dtype=np.float32)
