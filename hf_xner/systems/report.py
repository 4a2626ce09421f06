"""From score folders to results: mean and SD over seeds, differences with intervals, a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from hf_xner.evaluation.prediction_files import read_predictions
from hf_xner.evaluation.significance import paired_bootstrap, paired_t_test, summarise
from hf_xner.systems.files import read_json
from hf_xner.systems.readable import table

KINDS = ("plain", "tagger")
MANY = 5  # variants; with more, comparing all pairs takes minutes and tells nobody anything
MEASURES = ("precision", "recall", "f1")

Folders = Mapping[int, Mapping[str, Mapping[str, Path]]]
"""Score folders by seed, variant and evaluation set."""


def collect(folders: Folders) -> dict[str, Any]:
    """Scores of every variant on every evaluation set, over seeds.

    Args:
        folders: Score folders by seed, variant and evaluation set.

    Returns:
        {variant: {set: {"plain" | "tagger": {measure: {"mean", "sd", "n", "values"}, "per_type": {...}}}}}; F1 and the
        others between 0 and 1; "values" in the order of the seeds.
    """
    results: dict[str, Any] = {}
    for variant, sets in next(iter(folders.values())).items():
        results[variant] = {}
        for name in sets:
            scores = [read_json(folders[seed][variant][name] / "scores.json") for seed in folders]
            results[variant][name] = {kind: _over_seeds([score[kind] for score in scores]) for kind in KINDS}
    return results


def _over_seeds(scores: list[dict[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {name: _summary([score[name] for score in scores]) for name in (*MEASURES, "macro_f1")}
    types = sorted({name for score in scores for name in score["per_type"]})
    summary["per_type"] = {
        name: _summary([score["per_type"].get(name, {"f1": 0.0})["f1"] for score in scores]) for name in types
    }
    summary["support"] = scores[0]["support"]
    return summary


def _summary(values: list[float]) -> dict[str, Any]:
    return summarise(values).to_dict() | {"values": values}


def differences(folders: Folders, set_name: str, baseline: str, main: str) -> list[dict[str, Any]]:
    """How variants differ in plain F1 on one evaluation set: each from the baseline, then from each other.

    With several seeds a paired t-test over seeds (of the tagger's F1 too); always a paired bootstrap over sentences,
    for the first seed. Of more than five variants only the pairs with `baseline` or `main` are compared.
    """
    seeds = list(folders)
    variants = [name for name in folders[seeds[0]] if set_name in folders[seeds[0]][name]]
    pairs = sorted(combinations(variants, 2), key=lambda pair: baseline not in pair)
    if len(variants) > MANY:
        pairs = [pair for pair in pairs if baseline in pair or main in pair]
    rows = []
    for one, other in pairs:
        first, second = (other, one) if one == baseline else (one, other)
        places = {name: [folders[seed][name][set_name] for seed in seeds] for name in (first, second)}
        row: dict[str, Any] = {"first": first, "second": second, "set": set_name}
        if len(seeds) > 1:
            for key, kind in (("over_seeds", "plain"), ("over_seeds_tagger", "tagger")):
                values = {
                    name: [read_json(folder / "scores.json")[kind]["f1"] for folder in places[name]]
                    for name in (first, second)
                }
                row[key] = paired_t_test(values[first], values[second]).to_dict()
        one_file, other_file = (read_predictions(places[name][0] / "plain.conll") for name in (first, second))
        row["over_sentences"] = paired_bootstrap(
            one_file.gold, one_file.predicted, other_file.predicted, samples=2000
        ).to_dict()
        rows.append(row)
    return rows


def format_results(results: Mapping[str, Any], gaps: list[dict[str, Any]]) -> str:
    """The tables that a run prints: F1 by variant, then the differences with their 95 % intervals (in points)."""
    rows = []
    for variant, sets in results.items():
        for name, kinds in sets.items():
            plain = kinds["plain"]
            rows.append(
                [variant, name, *(percent(plain[measure]) for measure in MEASURES), percent(kinds["tagger"]["f1"])]
            )
    text = table(["variant", "set", "precision", "recall", "F1 plain", "F1 tagger"], rows)
    return text + ("\n\n" + _format_differences(gaps) if gaps else "")


def percent(summary: Mapping[str, Any]) -> str:
    """Mean and SD of scores over seeds, as `27.39 ± 2.06`; without SD for a single seed."""
    spread = "" if summary["sd"] is None else f" ± {100 * summary['sd']:.2f}"
    return f"{100 * summary['mean']:.2f}{spread}"


def _format_differences(gaps: list[dict[str, Any]]) -> str:
    rows = []
    for gap in gaps:
        seeds, sentences = gap.get("over_seeds"), gap["over_sentences"]
        rows.append(
            [
                f"{gap['first']} - {gap['second']}",
                gap["set"],
                "" if seeds is None else _interval(seeds["mean_difference"], seeds),
                _interval(sentences["difference"], sentences),
            ]
        )
    return table(["difference in F1", "set", "over seeds (t-test)", "over sentences (bootstrap, first seed)"], rows)


def _interval(difference: float, test: Mapping[str, Any]) -> str:
    low, high = 100 * test["low"], 100 * test["high"]
    return f"{100 * difference:+.2f} [{low:+.2f}, {high:+.2f}] p = {test['p_value']:.3f}"
