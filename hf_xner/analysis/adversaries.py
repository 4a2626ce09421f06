"""What the discriminators of TransAdv and AdvPicker can tell on held-out sentences, with and without the generator.

    xner analyse adversaries runs/transadv-es runs/transadv-es-watched

The second run has the options of the first and `--generator_step false`. For every model that the runs have trained
against adversaries: accuracy of its own discriminators, and of a fresh linear one that is fitted on its frozen states
on one half of the sentences and asked on the other, which tells what they still give away. The corpora are made from
the source's development set as training made them from its training set (for AdvPicker, the target's development
sentences without their tags); accuracies are means over both classes, 0.5 is chance. Writes adversaries.csv and
adversaries.png/.svg.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.figures import save_figure, write_rows
from hf_xner.analysis.opened_run import OpenedRun, open_run
from hf_xner.errors import InputError

HELP = "transadv: accuracy of discriminators on held-out sentences"
FIGURES = {
    "language": "language, own discriminator",
    "order": "order, own discriminator",
    "probe": "language, fresh linear one",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("run_folders", metavar="RUN", type=Path, nargs="+", help="--output_dir of runs of transadv")
    parser.add_argument("--seed", dest="seed_of_run", type=int, help="which of their seeds (the first)")
    parser.add_argument("--split", default="validation", help="validation (default) or test")
    parser.add_argument("--sentences", type=int, default=1000, help="sentences of each corpus, at most (1000)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go (analysis in the first RUN)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, and say where."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    if arguments.sentences < 4:
        raise InputError(f"{arguments.sentences} sentences say nothing", where="--sentences", remedy="give 4 or more")
    runs = {name: open_run(folder, "transadv") for name, folder in _names(arguments.run_folders).items()}
    seeds = {name: opened.seed(arguments.seed_of_run) for name, opened in runs.items()}
    if len(set(seeds.values())) > 1:
        raise InputError(
            f"the runs have different seeds ({', '.join(f'{name}: {seed}' for name, seed in seeds.items())})",
            where="--seed",
            remedy="name one that all of them have",
        )
    rows = [row for name, opened in runs.items() for row in _measured(name, opened, seeds[name], arguments)]
    if not rows:
        raise InputError("no model of these runs was trained against adversaries", remedy="add --variants transadv")
    for row in rows:
        facts = ", ".join(f"{FIGURES[name]} {row[name]:.3f}" for name in FIGURES if row[name] is not None)
        print(f"{row['run']}, {row['model']}, {row['generator']}: {facts}")
    place = (arguments.output or arguments.run_folders[0] / "analysis") / "adversaries"
    written = [write_rows(place.with_suffix(".csv"), rows), *save_figure(figure(rows), place)]
    print("\n".join(map(str, written)))
    return 0


def _names(folders: Sequence[Path]) -> dict[str, Path]:
    """The folders by their last name, or, where two have the same, by as much of their paths as tells them apart."""
    paths = [folder.resolve() for folder in dict.fromkeys(folders)]
    for parts in range(1, max(len(path.parts) for path in paths)):
        names = {"/".join(path.parts[-parts:]): path for path in paths}
        if len(names) == len(paths):
            return names
    return {str(path): path for path in paths}


def _measured(name_of_run: str, opened: OpenedRun, seed: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each adversarially trained model of a run."""
    from hf_xner.data.feeds import Feed
    from hf_xner.inference.discrimination import discriminator_accuracy
    from hf_xner.inference.loading import load_tagger
    from hf_xner.models.register import register_models
    from hf_xner.systems.files import read_json
    from hf_xner.training.fit_adversarial import ADVERSARIAL

    register_models()
    rows = []
    for name, folder in opened.stages.items():
        if folder.parent.name != "train_adversarially" or not name.endswith(f", seed {seed}"):
            continue
        settings = read_json(folder / "stage.json")["settings"]
        told = settings["adversary"]
        parts: Any = {part: tuple(told["feed"][part]) for part in ("tagging", "language", "order")}
        feed = Feed(**parts, scope=told["feed"]["scope"])
        corpora = held_out(opened, feed.adversarial, arguments.split, arguments.sentences)
        model, tokenizer = load_tagger(str(folder / ADVERSARIAL))
        options = {"max_length": settings["max_length"], "positions": told["positions"]}
        found = discriminator_accuracy(model, tokenizer, corpora, feed, **options)
        rate = told["generator_learning_rate"]
        rows.append(
            {
                "run": name_of_run,
                "seed": seed,
                "model": name.removesuffix(f", seed {seed}"),
                "generator": f"generator at {rate:g}" if told["generator_step"] else "no generator",
                "language": found.get("language"),
                "order": found.get("order"),
                "probe": _probe(model, tokenizer, corpora, feed) if feed.language else None,
            }
        )
    return rows


def held_out(opened: OpenedRun, names: Sequence[str], split: str, count: int) -> dict[str, Any]:
    """The corpora of these names, made of sentences that nothing was trained on.

    Args:
        opened: The run.
        names: Names of `hf_xner.data.feeds`.
        split: Where the sentences are from.
        count: How many of each corpus, at most: the first.

    Raises:
        InputError: There is no such split, or the run was given a translation without it.
    """
    from dataclasses import replace

    from hf_xner.data import unlabelled
    from hf_xner.data.checks import require_split
    from hf_xner.systems.translation_stages import translate_source
    from hf_xner.translation.switching import code_switch, shuffle_spans

    options = opened.space.arguments
    made: dict[str, Any] = {}
    another = f"look at another one: --split {'validation' if split == 'test' else 'test'}"
    if "target_text" in names:
        target = require_split(opened.space.corpus(options.target), split, options.target, remedy=another)
        made["target_text"] = _first(unlabelled(target), count)
    if set(names) - {"target_text"}:
        require_split(opened.space.corpus(options.source[0]), split, options.source[0], tags=True, remedy=another)
        source = opened.space.labelled(options.source[0], split)
        made["source"] = _first(source.data, count)
        if set(names) - {"target_text", "source", "source_shuffled"}:
            # A given translation is compared with the whole split, sentence by sentence.
            part = replace(source, data=made["source"], digest=f"{source.digest}, first {count}")
            whole = options.translated is not None
            translated = translate_source(opened.space, f"translation, {split}", source if whole else part).data
            made["translated"] = _first(translated, count)
            made["source_switched"], made["translated_switched"] = code_switch(made["source"], made["translated"])
            made["translated_shuffled"] = shuffle_spans(made["translated"], seed=options.shuffle_seed)
        made["source_shuffled"] = shuffle_spans(made["source"], seed=options.shuffle_seed)
    return {name: made[name] for name in names}


def _first(data: Any, count: int) -> Any:
    return data.select(range(min(count, len(data))))


def _probe(model: Any, tokenizer: Any, corpora: Mapping[str, Any], feed: Any) -> float:
    """Accuracy of a fresh linear discriminator on first sub-words: even sentences fit it, odd ones ask."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    vectors, classes, odd = _states(model, tokenizer, {name: corpora[name] for name in feed.language}, feed)
    if any(len(np.unique(classes[half])) < 2 for half in (odd, ~odd)):
        raise InputError(
            f"of {feed.scope} words these sentences have only one language, so there is nothing to tell apart",
            where="--sentences",
            remedy="take more of them",
        )
    centre, scale = vectors[~odd].mean(axis=0), vectors[~odd].std(axis=0) + 1e-6
    vectors = (vectors - centre) / scale
    probe = LogisticRegression(max_iter=500, class_weight="balanced").fit(vectors[~odd], classes[~odd])
    return float(balanced_accuracy_score(classes[odd], probe.predict(vectors[odd])))


def _states(
    model: Any, tokenizer: Any, corpora: Mapping[str, Any], feed: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (N, H) of the words that the feed shows, their languages (N,), and whether their sentence is odd (N,)."""
    from hf_xner.data.feeds import CORPORA
    from hf_xner.inference.word_vectors import word_vectors

    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for name, data in corpora.items():
        made = CORPORA[name]
        outside = data.features["ner_tags"].feature.names.index("O") if "ner_tags" in data.column_names else None
        for row, states in enumerate(word_vectors(model, tokenizer, data["tokens"][:])):
            entity = (
                np.zeros(len(states), dtype=bool) if outside is None else np.asarray(data[row]["ner_tags"]) != outside
            )
            shown = {"all": np.ones_like(entity), "entity": entity, "context": ~entity}[feed.scope]
            shown &= ~np.isnan(states).any(axis=1)
            languages = np.where(entity, made.entity, made.context)
            parts.append((states[shown], languages[shown], np.full(int(shown.sum()), row % 2 == 1)))
    vectors, classes, odd = (np.concatenate(column) for column in zip(*parts, strict=True))
    return vectors, classes, odd


def figure(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Bars: a group a model, a bar a discriminator.

    Args:
        rows: What was measured.
    """
    from matplotlib.figure import Figure

    result = Figure(figsize=(2.5 + 1.1 * len(rows), 4), layout="constrained")
    axes = result.subplots()
    width = 0.8 / len(FIGURES)
    for number, (name, label) in enumerate(FIGURES.items()):
        there = [(place, row[name]) for place, row in enumerate(rows) if row[name] is not None]
        if there:
            places, values = zip(*there, strict=True)
            axes.bar(
                [place + (number - 1) * width for place in places], values, width, label=label, color=f"C{number}"
            )
    axes.axhline(0.5, color="grey", linestyle=":", label="chance")
    axes.set_xticks(range(len(rows)))
    several = len({row.get("run") for row in rows}) > 1
    labels = [f"{row['model']}{', ' + row['run'] if several else ''}\n{row['generator']}" for row in rows]
    axes.set_xticklabels(labels, rotation=30, ha="right", fontsize=8)
    axes.set_ylim(0, 1)
    axes.set_ylabel("accuracy, held-out sentences")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=8)
    return result
