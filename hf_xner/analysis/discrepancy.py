"""How far teacher and student, source and target are from each other after MSD: the paper's figures 3 and 4.

    xner analyse discrepancy runs/msd-es

Figure 3 (tsne.csv, tsne.png/.svg): [CLS] vectors of teacher and student on random unlabelled source and target
sentences, by t-SNE, for plain distillation, with distillers, and with MMD too. Figure 4 (discrepancy.csv,
discrepancy.png/.svg): MMD^2, symmetric KL and cosine between four pairs of domains for every variant of the run; the
bars are those of MSD and its ablations, as in the paper, where the run has two of them.

MMD^2 is the estimator of the training loss, five kernels and biased, but with one bandwidth for each pair of domains:
the mean over the run's variants of what each would have of its own. With a bandwidth of its own each bar would be on a
scale of its own. KL and cosine are taken between the domains' mean vectors, KL after a softmax, which is our reading
of a paper that does not say how a vector becomes a distribution.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.figures import project, save_figure, write_rows
from hf_xner.analysis.opened_run import OpenedRun, open_run
from hf_xner.errors import InputError

HELP = "MSD: t-SNE of [CLS] vectors, and distances between domains"
SETTINGS = {  # in the order of the paper's figures
    "without_all": "plain distillation",
    "without_mmd": "+ distillers",
    "msd": "MSD",
    "without_distillers": "w/o distillers",
    "without_mmd_l": r"w/o $L_{MMD}^L$",
    "without_mmd_m": r"w/o $L_{MMD}^M$",
}
FIGURE_3 = ("without_all", "without_mmd", "msd")
FIGURE_4 = ("msd", "without_distillers", "without_mmd_l", "without_mmd_m")
GROUPS = ("tea_src", "tea_tgt", "stu_src", "stu_tgt")
PAIRS = (("tea_src", "stu_src"), ("tea_src", "stu_tgt"), ("stu_src", "stu_tgt"), ("tea_src", "tea_tgt"))
Vectors = Mapping[str, np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the --output_dir of a run of msd")
    parser.add_argument("--seed", dest="seed_of_run", type=int, help="which of its seeds (the first)")
    parser.add_argument("--shown", type=int, default=100, help="sentences of each language in the t-SNE (100)")
    parser.add_argument("--measured", type=int, default=500, help="sentences of each language measured (500)")
    parser.add_argument("--sample_seed", type=int, default=0, help="seed of the choice of sentences and of t-SNE (0)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go (RUN/analysis)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, and say where."""
    if min(arguments.shown, arguments.measured) < 3:
        raise InputError("fewer than three sentences say nothing", where="--shown, --measured")
    opened = open_run(arguments.run_folder, "msd")
    seed = opened.seed(arguments.seed_of_run)
    texts = _sentences(opened, max(arguments.shown, arguments.measured), arguments.sample_seed)
    describe = _Describer(opened, texts)
    vectors = {name: found for name in SETTINGS if (found := _vectors(opened, name, seed, describe)) is not None}
    if not vectors:
        raise InputError("this run has made no student", where=str(opened.folder), remedy="add --variants msd")
    place = arguments.output or arguments.run_folder / "analysis"
    rows = _distances(vectors, arguments.measured)
    written = [
        write_rows(place / "discrepancy.csv", rows),
        *save_figure(_bars(rows), place / "discrepancy"),
    ]
    shown = {name: vectors[name] for name in FIGURE_3 if name in vectors and _comparable(vectors[name])}
    if shown:
        points = [
            row
            for name, groups in shown.items()
            for row in _points(name, groups, arguments.shown, arguments.sample_seed)
        ]
        written += [write_rows(place / "tsne.csv", points), *save_figure(_scatter(points), place / "tsne")]
    print("\n".join(map(str, written)))
    return 0


def _sentences(opened: OpenedRun, count: int, seed: int) -> dict[str, list[list[str]]]:
    """Random training sentences of both languages, words alone."""
    from hf_xner.systems.msd_stages import without_tags

    source = without_tags(opened.space.labelled(opened.space.arguments.source[0], "train"))
    texts = {}
    for name, text in (("src", source), ("tgt", opened.space.target_text)):
        chosen = np.random.default_rng(seed).permutation(len(text.data))[:count]
        texts[name] = text.data.select(chosen)["tokens"][:]
    return texts


class _Describer:
    """[CLS] vectors of models on both texts; a teacher of several variants is asked once."""

    def __init__(self, opened: OpenedRun, texts: Mapping[str, Any]) -> None:
        self._longest, self._texts = opened.space.arguments.max_length, texts
        self._known: dict[str, dict[str, np.ndarray]] = {}

    def __call__(self, tagger: Any) -> dict[str, np.ndarray]:
        """Vectors (N, H) by language; of a student of another width its projection, if it has learnt one."""
        from hf_xner.inference.sentence_vectors import sentence_vectors
        from hf_xner.systems.msd_stages import load_research_model

        if tagger.key not in self._known:
            model, tokenizer = load_research_model(tagger)
            self._known[tagger.key] = {
                name: np.stack(list(sentence_vectors(model, tokenizer, sentences, max_length=self._longest)))
                for name, sentences in self._texts.items()
            }
        return self._known[tagger.key]


def _vectors(opened: OpenedRun, variant: str, seed: int, describe: _Describer) -> dict[str, np.ndarray] | None:
    """The four groups of a variant; None if the run has not made it."""
    from hf_xner.systems.msd import STUDENTS

    distillers = variant in STUDENTS and STUDENTS[variant][0]
    teacher = opened.tagger(f"{'teacher with channels' if distillers else 'last-layer teacher'}, seed {seed}")
    student = opened.tagger(f"{variant} student, seed {seed}")
    if teacher is None or student is None:
        return None
    models = {"tea": describe(teacher), "stu": describe(student)}
    return {f"{who}_{name}": vectors for who, found in models.items() for name, vectors in found.items()}


def _comparable(groups: Vectors) -> bool:
    return len({vectors.shape[1] for vectors in groups.values()}) == 1


def _distances(vectors: Mapping[str, Vectors], count: int) -> list[dict[str, Any]]:
    """The three measures of every variant, for the pairs of domains whose vectors have one width."""
    rows: list[dict[str, Any]] = []
    for pair in PAIRS:
        domains = {variant: [groups[name][:count] for name in pair] for variant, groups in vectors.items()}
        same = {variant: found for variant, found in domains.items() if found[0].shape[1] == found[1].shape[1]}
        for variant, values in _measures(same).items():
            rows += [
                {"variant": variant, "pair": "-".join(pair), "measure": name, "value": value}
                for name, value in values.items()
            ]
    order = list(vectors)
    return sorted(rows, key=lambda row: order.index(row["variant"]))


def _measures(domains: Mapping[str, list[np.ndarray]]) -> dict[str, dict[str, float]]:
    """The three measures between two domains, for each variant; MMD with one bandwidth for all of them."""
    import torch

    from hf_xner.losses.discrepancy import cosine_of_means, mean_squared_distance, mmd_squared, symmetric_kl

    tensors = {variant: [torch.from_numpy(part) for part in parts] for variant, parts in domains.items()}
    widths = [float(mean_squared_distance(*parts)) for parts in tensors.values()]
    bandwidth = sum(widths) / max(1, len(widths))
    return {
        variant: {
            "MMD^2": float(mmd_squared(*parts, bandwidth=bandwidth)),
            "symmetric KL": float(symmetric_kl(*parts)),
            "cosine": float(cosine_of_means(*parts)),
        }
        for variant, parts in tensors.items()
    }


def _points(variant: str, groups: Vectors, count: int, seed: int) -> list[dict[str, Any]]:
    """All four groups of a setting in one plane."""
    parts = [groups[name][:count] for name in GROUPS]
    plane = project(np.concatenate(parts), seed=seed)
    names = [name for name, part in zip(GROUPS, parts, strict=True) for _ in part]
    return [
        {"variant": variant, "group": name, "x": float(x), "y": float(y)}
        for name, (x, y) in zip(names, plane, strict=True)
    ]


def _for_figure_4(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of MSD and its ablations, whose bars the others would dwarf; all rows if these are no two."""
    chosen = [row for row in rows if row["variant"] in FIGURE_4]
    return chosen if len({row["variant"] for row in chosen}) > 1 else rows


def _bars(rows: list[dict[str, Any]]) -> Any:
    """A row of panels for each measure, a panel for each pair, a bar for each variant."""
    from matplotlib.figure import Figure

    rows = _for_figure_4(rows)
    measures, pairs, variants = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("measure", "pair", "variant")
    )
    figure = Figure(figsize=(2.9 * len(pairs), 2.3 * len(measures) + 0.8), layout="constrained")
    grid = figure.subplots(len(measures), len(pairs), squeeze=False, sharex=True)
    values = {(row["measure"], row["pair"], row["variant"]): row["value"] for row in rows}
    for line, measure in enumerate(measures):
        for column, pair in enumerate(pairs):
            axes = grid[line][column]
            there = [name for name in variants if (measure, pair, name) in values]
            axes.bar(
                [variants.index(name) for name in there],
                [values[measure, pair, name] for name in there],
                color=[f"C{variants.index(name)}" for name in there],
            )
            axes.set_xticks(range(len(variants)), [SETTINGS[name] for name in variants], rotation=45, ha="right")
            axes.tick_params(labelsize=7)
            axes.grid(axis="y", alpha=0.3)
            if line == 0:
                axes.set_title(pair, fontsize=9)
            if column == 0:
                axes.set_ylabel(measure.replace("^2", "²"))
            if measure == "cosine":
                _zoom(axes, [values[measure, pair, name] for name in there])
    figure.supxlabel("MMD²: one bandwidth for all bars of a panel, the mean over the variants", fontsize=8)
    return figure


def _zoom(axes: Any, values: list[float]) -> None:
    """Cosines near 1 differ in the decimals: begin the axis where the bars begin to differ."""
    low = min(values)
    if low > 0.5:
        axes.set_ylim(max(0.0, low - 0.3 * (1 - low) - 0.01), 1.0)


def _scatter(points: list[dict[str, Any]]) -> Any:
    """A panel for each setting; colour tells the language, shape the model."""
    from matplotlib.figure import Figure

    variants = list(dict.fromkeys(point["variant"] for point in points))
    figure = Figure(figsize=(4 * len(variants), 4), layout="constrained")
    for axes, variant in zip(figure.subplots(1, len(variants), squeeze=False)[0], variants, strict=True):
        for group in GROUPS:
            chosen = [point for point in points if (point["variant"], point["group"]) == (variant, group)]
            axes.scatter(
                [point["x"] for point in chosen],
                [point["y"] for point in chosen],
                s=12,
                alpha=0.7,
                marker="o" if group.startswith("tea") else "^",
                color="C0" if group.endswith("src") else "C1",
                facecolors=None if group.startswith("tea") else "none",
                label=group,
            )
        axes.set_title("+ MMD" if variant == "msd" else SETTINGS[variant])
        axes.set_xticks([])
        axes.set_yticks([])
        axes.legend(fontsize=7)
    return figure
