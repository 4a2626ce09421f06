"""MSD's channels after training: entity F1 of every layer's classifier, and the weights lambda of the auxiliary ones.

    xner analyse channels runs/msd-es

Writes channels.csv, lambda.csv and channels.png/.svg: a panel for each evaluation set with the F1 of every channel of
the teacher and of each student that has some, and one with lambda. Tags are only scored against.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from hf_xner.analysis.figures import save_figure, write_rows
from hf_xner.analysis.opened_run import OpenedRun, open_run
from hf_xner.errors import InputError

HELP = "MSD: F1 of every channel, and lambda"
SETS = {"source_dev": "validation", "source_test": "test", "target_dev": "validation", "target_test": "test"}
DEFAULT_SETS = ("source_test", "target_test")

logger = logging.getLogger("hf_xner")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the --output_dir of a run of msd")
    parser.add_argument("--seed", dest="seed_of_run", type=int, help="which of its seeds (the first)")
    parser.add_argument(
        "--sets",
        nargs="+",
        choices=SETS,
        help=f"labelled sets to score (those there are of {', '.join(DEFAULT_SETS)})",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go (RUN/analysis)")


def run(arguments: argparse.Namespace) -> int:
    """Score, write, and say where."""
    opened = open_run(arguments.run_folder, "msd")
    models = models_with_channels(opened, opened.seed(arguments.seed_of_run))
    if not models:
        raise InputError(
            "no model of this run has channels", where=str(opened.folder), remedy="make one of --variants teacher msd"
        )
    place = arguments.output or arguments.run_folder / "analysis"
    golds = _golds(opened, arguments.sets)
    scores = [row for name, model in models.items() for row in _scores(name, model, golds)]
    weights = [row for name, model in models.items() for row in _weights(name, model)]
    written = [write_rows(place / "channels.csv", scores)]
    if weights:  # a model with one channel has none to weigh
        written.append(write_rows(place / "lambda.csv", weights))
    written += save_figure(_figure(scores, weights), place / "channels")
    print("\n".join(map(str, written)))
    return 0


def models_with_channels(opened: OpenedRun, seed: int) -> dict[str, tuple[Any, Any]]:
    """Teacher and students with auxiliary channels, by name, each with its tokenizer."""
    from hf_xner.systems.msd import STUDENTS
    from hf_xner.systems.msd_stages import load_research_model

    stages = {"teacher": f"teacher with channels, seed {seed}"}
    stages |= {name: f"{name} student, seed {seed}" for name, (distillers, *_) in STUDENTS.items() if distillers}
    found = {name: opened.tagger(stage) for name, stage in stages.items()}
    return {name: load_research_model(tagger) for name, tagger in found.items() if tagger is not None}


def _golds(opened: OpenedRun, asked: list[str] | None) -> dict[str, Any]:
    """The labelled sets by name: those asked for, or those of the default ones that the corpora have.

    Raises:
        InputError: One that was asked for is not there, or no default one is.
    """
    space, golds = opened.space, {}
    for name in asked or DEFAULT_SETS:
        spec = space.arguments.source[0] if name.startswith("source") else space.arguments.target
        split, corpus = SETS[name], space.corpus(spec)
        if split in corpus and "ner_tags" in corpus[split].column_names:
            golds[name] = space.labelled(spec, split)
        elif asked:
            raise InputError(f"{spec} has no labelled {split} split", where="--sets", remedy=f"leave {name} out")
        else:
            logger.warning("%s has no labelled %s split: nothing to score as %s", spec, split, name)
    if not golds:
        raise InputError("there is no labelled test split to score", where="--sets", remedy="try --sets source_dev")
    return golds


def _scores(name: str, loaded: tuple[Any, Any], golds: dict[str, Any]) -> list[dict[str, Any]]:
    """Scores of every channel of a model on every set."""
    from hf_xner.evaluation.metrics import entity_scores
    from hf_xner.inference.probabilities import word_probabilities
    from hf_xner.systems.msd_stages import every_channels_logits

    model, tokenizer = loaded
    tags = [model.config.id2label[index] for index in range(model.config.num_labels)]
    rows: list[dict[str, Any]] = []
    for set_name, corpus in golds.items():
        gold = [[corpus.tag_names[tag] for tag in sentence] for sentence in corpus.data["ner_tags"]]
        arrays = word_probabilities(model, tokenizer, corpus.data["tokens"], read=every_channels_logits)
        best = [array.argmax(axis=-1) for array in arrays]  # (n_words, K)
        for channel, layer in enumerate(model.config.channel_layers):
            predicted = [[tags[tag] for tag in sentence[:, channel]] for sentence in best]
            score = entity_scores(gold, predicted)
            row = {"model": name, "set": set_name, "layer": layer}
            rows.append(row | {"precision": score.precision, "recall": score.recall, "f1": score.f1})
    return rows


def _weights(name: str, loaded: tuple[Any, Any]) -> list[dict[str, Any]]:
    """lambda of every auxiliary channel of a model."""
    model, _ = loaded
    if model.channel_weights is None:
        return []
    values = model.channel_weights().detach().tolist()
    layers = model.config.channel_layers[:-1]
    return [{"model": name, "layer": layer, "lambda": value} for layer, value in zip(layers, values, strict=True)]


def _figure(scores: list[dict[str, Any]], weights: list[dict[str, Any]]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    sets = list(dict.fromkeys(row["set"] for row in scores))
    panels = [(name, "F1", [row for row in scores if row["set"] == name], "f1") for name in sets]
    if weights:
        panels.append(("weights of the auxiliary channels", "λ", weights, "lambda"))
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for axes, (title, label, rows, value) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        for name in dict.fromkeys(row["model"] for row in rows):
            points = [(row["layer"], row[value]) for row in rows if row["model"] == name]
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("layer")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    return figure
