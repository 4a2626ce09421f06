"""A run's figures as a card shows them: per cent, mean ± SD over seeds, plain first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hf_xner.systems.report import KINDS, MEASURES, percent

DIRECT_TRANSFER = ("mt", "mt_avg")  # of one teacher, of several
FIRST = ("target_test", "target_dev", "source_test", "source_dev")


@dataclass(frozen=True)
class Row:
    """One line of a table of figures, in per cent.

    Attributes:
        label: What is measured, or which variant.
        plain: Of the plain pipeline.
        tagger: Of hf_xner's Tagger.
    """

    label: str
    plain: str
    tagger: str


@dataclass(frozen=True)
class Gap:
    """How the model differs from another variant in plain F1 on one set.

    Attributes:
        baseline: The other variant.
        points: The difference and its 95 % interval, in points, as text.
        how: The test behind the interval.
        verdict: "ahead", "behind" or "level".
    """

    baseline: str
    points: str
    how: str
    verdict: str


@dataclass(frozen=True)
class SetFigures:
    """Everything measured on one labelled set.

    Attributes:
        key: Its name in `results.json` (target_test, …).
        name: What people call it.
        sentences: How many it has.
        entities: How many gold entities.
        rows: F1, precision, recall and F1 by type of the run's student.
        own: The same for the very model of the run folder (the first seed), where there are several seeds.
        seeds: F1 of each seed.
        variants: F1 of every variant of the run.
        gaps: The student against direct transfer and the baseline.
    """

    key: str
    name: str
    sentences: int
    entities: int
    rows: tuple[Row, ...]
    own: tuple[Row, ...]
    seeds: tuple[Row, ...]
    variants: tuple[Row, ...]
    gaps: tuple[Gap, ...]


def figures_of(results: Mapping[str, Any]) -> tuple[SetFigures, ...]:
    """Figures on every set of a run, the target's test set first."""
    names = sorted(results["sets"], key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return tuple(_set_figures(results, name) for name in names)


def compared_with(results: Mapping[str, Any]) -> list[str]:
    """The variants that the student is held against: direct transfer, and the system's own baseline if it has one."""
    # Pairs with the baseline come first, and the baseline is second in them.
    wanted = [*DIRECT_TRANSFER, *(gap["second"] for gap in results["differences"][:1])]
    return [name for name in dict.fromkeys(wanted) if name in results["variants"] and name != results["student"]]


def _set_figures(results: Mapping[str, Any], key: str) -> SetFigures:
    scores = results["variants"][results["student"]][key]
    seeds = results["seeds"]
    return SetFigures(
        key=key,
        name=results["sets"][key]["name"],
        sentences=results["sets"][key]["sentences"],
        entities=scores["plain"]["support"],
        rows=_rows(scores),
        own=_rows(scores, seed=0) if len(seeds) > 1 else (),
        seeds=tuple(_row(f"seed {seed}", scores, ("f1",), index) for index, seed in enumerate(seeds)),
        variants=tuple(_row(name, sets[key], ("f1",)) for name, sets in results["variants"].items() if key in sets),
        gaps=_gaps(results, key),
    )


def _rows(scores: Mapping[str, Any], seed: int | None = None) -> tuple[Row, ...]:
    measures = [_row(label, scores, (name,), seed) for label, name in _labels()]
    types = [_row(f"F1 {name}", scores, ("per_type", name), seed) for name in scores["plain"]["per_type"]]
    return (*measures, *types)


def _labels() -> list[tuple[str, str]]:
    return [("**F1**", "f1"), *((name, name) for name in MEASURES if name != "f1")]


def _row(label: str, scores: Mapping[str, Any], path: tuple[str, ...], seed: int | None = None) -> Row:
    cells = []
    for kind in KINDS:
        summary = scores[kind]
        for name in path:
            summary = summary.get(name, {"mean": 0.0, "sd": None, "values": [0.0] * (1 + (seed or 0))})
        cells.append(percent(summary if seed is None else {"mean": summary["values"][seed], "sd": None}))
    return Row(label, *cells)


def _gaps(results: Mapping[str, Any], key: str) -> tuple[Gap, ...]:
    """The student against direct transfer and the baseline, over seeds where there are several, and over sentences."""
    student, first_seed = results["student"], results["seeds"][0]
    found = []
    for baseline in compared_with(results):
        for pair in results["differences"]:
            if pair["set"] != key or {pair["first"], pair["second"]} != {student, baseline}:
                continue
            sign = 1.0 if pair["first"] == student else -1.0
            seeds, sentences = pair.get("over_seeds"), pair["over_sentences"]
            if seeds:
                how = f"mean over {seeds['n']} seeds, paired t-test"
                found.append(_gap(baseline, sign, seeds["mean_difference"], seeds, how))
            how = f"seed {first_seed} alone, paired bootstrap over {sentences['n_sentences']} sentences"
            found.append(_gap(baseline, sign, sentences["difference"], sentences, how))
    return tuple(found)


def _gap(baseline: str, sign: float, difference: float, test: Mapping[str, Any], how: str) -> Gap:
    low, high = sorted((100 * sign * test["low"], 100 * sign * test["high"]))
    verdict = "ahead" if low > 0 else "behind" if high < 0 else "level"
    return Gap(baseline, f"{100 * sign * difference:+.2f} [{low:+.2f}, {high:+.2f}]", how, verdict)
