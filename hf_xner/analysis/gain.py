"""Where a variant's gain, or loss, against the baseline of its run comes from. No model is run: the run stored it all.

    xner analyse gain runs/msd-es
    xner analyse gain runs/unitrans-es --variant data_transfer --against mt

Compares the run's student (or --variant) with the baseline of its system (or --against): scores by type; entities that
are missed, spurious, of a wrong boundary or type, with those that one of the two gets wrong alone; words that both,
one or neither tags right; their teachers and the last losses of both trainings; and a verdict. Writes gain.csv (every
seed and their mean) and gain.png/.svg. Gold tags are only compared with. Works with a run of any system.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.analysis.figures import save_figure, write_rows
from hf_xner.errors import InputError

if TYPE_CHECKING:
    from hf_xner.analysis.gain_verdict import Gain, Taught
    from hf_xner.analysis.scored_run import ScoredRun
    from hf_xner.evaluation.prediction_files import PredictionFile

HELP = "any system: where a gain or loss against the baseline comes from"
SHOWN = 4  # stages that are gone, by name
SETS = ("source_dev", "source_test", "target_dev", "target_test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the --output_dir of a finished run")
    parser.add_argument("--variant", help="what is looked at (the run's student)")
    parser.add_argument("--against", help="what it is compared with (the baseline of the run's system)")
    parser.add_argument("--set", dest="set_name", choices=SETS, default="target_test", help="(target_test)")
    parser.add_argument("--kind", choices=("plain", "tagger"), default="plain", help="which predictions (plain)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go (RUN/analysis)")


def run(arguments: argparse.Namespace) -> int:
    """Compare, write, and say where."""
    from hf_xner.analysis.scored_run import open_scored_run

    opened = open_scored_run(arguments.run_folder)
    pair = _pair(opened, arguments)
    where = (arguments.set_name, arguments.kind)
    stored = {seed: files for seed in opened.seeds if (files := _stored(opened, pair, seed, *where)) is not None}
    if not stored:
        raise InputError(
            f"predictions of {' and '.join(pair)} on {arguments.set_name} are no longer in the store",
            where=str(opened.store),
            remedy="repeat the command of the run, or set HF_XNER_STORE to its store",
        )
    gain, rows = _measure(opened, pair, stored, *where)
    place = arguments.output or arguments.run_folder / "analysis"
    written = [write_rows(place / "gain.csv", rows), *save_figure(_figure(gain), place / "gain")]
    seeds = ", ".join(map(str, stored))
    print(f"{pair[0]} against {pair[1]} on {arguments.set_name}, {arguments.kind}; seeds: {seeds}")
    print("".join(f"{line}\n" for line in _gone(opened, stored)))
    print("\n\n".join(_report(opened, gain, list(stored), *where)) + "\n")
    print("\n".join(map(str, written)))
    return 0


def _pair(opened: ScoredRun, arguments: argparse.Namespace) -> tuple[str, str]:
    """The two variants."""
    first = arguments.variant or opened.results["student"]
    second = arguments.against or opened.baseline()
    scored = opened.scored(arguments.set_name)
    for name, option in ((first, "--variant"), (second, "--against")):
        if name not in scored:
            raise InputError(
                f"{name!r} was not scored on {arguments.set_name}",
                where=str(opened.folder),
                remedy=f"give {option} one of {', '.join(scored)}" if scored else "give another --set",
            )
    if first == second:
        raise InputError(
            f"{first!r} would be compared with itself", where=str(opened.folder), remedy="give --variant or --against"
        )
    return first, second


def _gone(opened: ScoredRun, stored: Mapping[int, Any]) -> list[str]:
    """What is no longer in the store."""
    seeds = [str(seed) for seed in opened.seeds if seed not in stored]
    lines = [f"Left out, for predictions are no longer in the store: seed {seed}" for seed in seeds]
    if opened.gone:
        names = "; ".join(opened.gone[:SHOWN]) + (" …" if len(opened.gone) > SHOWN else "")
        lines.append(f"{len(opened.gone)} stages are no longer in the store, and what needs them is missing: {names}")
    return lines


Files = tuple["PredictionFile", "PredictionFile"]


def _stored(opened: ScoredRun, pair: tuple[str, str], seed: int, set_name: str, kind: str) -> Files | None:
    """Both variants' predictions of a seed, if they are there."""
    first, second = (opened.predictions(name, set_name, seed, kind) for name in pair)
    return None if first is None or second is None else (first, second)


def _measure(
    opened: ScoredRun, pair: tuple[str, str], stored: Mapping[int, Files], set_name: str, kind: str
) -> tuple[Gain, list[dict[str, Any]]]:
    """The comparison, and the rows of its CSV."""
    from hf_xner.analysis.entity_errors import compare, mean_over, types_of
    from hf_xner.analysis.gain_verdict import Gain

    corpora = [tags for first, second in stored.values() for tags in (first.gold, first.predicted, second.predicted)]
    types = types_of(*corpora)
    by_seed = {
        seed: compare(first.gold, first.predicted, second.predicted, types) for seed, (first, second) in stored.items()
    }
    means = mean_over(list(by_seed.values()))
    pairs = [(rows[0]["first"], rows[0]["second"]) for rows in by_seed.values()]  # F1 over all types stands first
    low, high = _interval(pairs, next(iter(stored.values())))
    taught = {name: _taught(opened, name, stored, side, set_name, kind) for side, name in enumerate(pair)}
    gain = Gain(*pair, means, by_seed, low, high, taught)
    parts = {str(seed): rows for seed, rows in by_seed.items()}
    if len(parts) > 1:
        parts["mean"] = means
    names = {"variant": pair[0], "against": pair[1]}
    return gain, [{"seed": seed, **names, **row} for seed, rows in parts.items() for row in rows]


def _interval(scores: Sequence[tuple[float, float]], files: Files) -> tuple[float, float]:
    """The 95 % interval of the F1 difference, as a run reports it: over seeds, or over sentences of the only one."""
    from hf_xner.evaluation.significance import paired_bootstrap, paired_t_test

    if len(scores) > 1:
        test = paired_t_test([first for first, _ in scores], [second for _, second in scores])
        return test.low, test.high
    first, second = files
    bootstrap = paired_bootstrap(first.gold, first.predicted, second.predicted, samples=2000)
    return bootstrap.low, bootstrap.high


def _taught(
    opened: ScoredRun, variant: str, stored: Mapping[int, Files], side: int, set_name: str, kind: str
) -> Taught:
    """Who taught a variant, and how far it says what its teacher says, mean over seeds."""
    from hf_xner.analysis.entity_errors import agreement
    from hf_xner.analysis.gain_verdict import Taught
    from hf_xner.analysis.scored_run import VOTES

    own = _f1(opened, variant, stored, set_name, kind)
    teachers = opened.teachers(variant, set_name, next(iter(stored)))
    voters = opened.teachers(variant, set_name, next(iter(stored)), VOTES)
    if len(teachers) != 1 or teachers[0] not in opened.scored(set_name):
        return Taught(own, teachers, voters)
    shares = []
    for seed, files in stored.items():
        said = opened.predictions(teachers[0], set_name, seed, kind)
        if said is not None:
            shares.append(agreement(files[side].predicted, said.predicted))
    words, named = (sum(share[part] for share in shares) / max(1, len(shares)) for part in range(2))
    alike = (words, named) if shares else None
    return Taught(own, teachers, voters, _f1(opened, teachers[0], stored, set_name, kind), alike)


def _f1(opened: ScoredRun, variant: str, stored: Mapping[int, Any], set_name: str, kind: str) -> float:
    values = opened.results["variants"][variant][set_name][kind]["f1"]["values"]
    chosen = [value for seed, value in zip(opened.seeds, values, strict=True) if seed in stored]
    return sum(chosen) / len(chosen)


def _report(opened: ScoredRun, gain: Gain, seeds: Sequence[int], set_name: str, kind: str) -> list[str]:
    """The tables and the verdict."""
    from hf_xner.analysis.gain_verdict import verdict

    losses = _losses(opened, gain, seeds, set_name)
    return [
        _variants(opened, gain, set_name, kind),
        *_seeds(gain),
        _types(gain),
        _words(gain),
        *losses,
        "\n".join(f"* {line}" for line in verdict(gain)),
    ]


def _variants(opened: ScoredRun, gain: Gain, set_name: str, kind: str) -> str:
    """Figures of the two, of their teachers and of the baseline, over all seeds of the run."""
    from hf_xner.systems.readable import table
    from hf_xner.systems.report import MEASURES, percent

    roles: dict[str, list[str]] = {gain.first: ["looked at"], gain.second: ["compared with"]}
    for name in (gain.first, gain.second):
        for role, names in (("taught", gain.taught[name].teachers), ("voted for", gain.taught[name].voters)):
            for teacher in names:
                roles.setdefault(teacher, []).append(f"{role} {name}")
    if opened.baseline() in opened.scored(set_name):
        roles.setdefault(opened.baseline(), []).append("baseline")
    rows = []
    for name, what in roles.items():
        scores = opened.results["variants"].get(name, {}).get(set_name)
        cells = ["not scored", "", ""] if scores is None else [percent(scores[kind][measure]) for measure in MEASURES]
        rows.append([name, "; ".join(what), *cells])
    return table(["variant", "", "precision", "recall", "F1"], rows)


def _seeds(gain: Gain) -> list[str]:
    """Differences in scores of each of several seeds."""
    from hf_xner.analysis.entity_errors import SCORES
    from hf_xner.systems.readable import table

    if len(gain.by_seed) < 2:
        return []
    rows = [
        [str(seed), *(f"{100 * row['difference']:+.2f}" for row in found[: len(SCORES)])]
        for seed, found in gain.by_seed.items()
    ]
    return [table(["difference, seed", "F1", *SCORES[1:]], rows)]


def _types(gain: Gain) -> str:
    """Differences in scores (points) and in counts; in brackets what the first has alone, and the second alone."""
    from hf_xner.analysis.entity_errors import ALL, ERRORS, RIGHT
    from hf_xner.analysis.gain_verdict import describe_change, describe_scores
    from hf_xner.systems.readable import table

    kinds = ("found", RIGHT, *ERRORS)
    rows = [
        [name, *describe_scores(gain, name), *(describe_change(gain.row(kind, name)) for kind in kinds)]
        for name in (ALL, *gain.types)
    ]
    header = ["difference", "F1", "precision", "recall", *(kind.replace("_", " ") for kind in kinds)]
    return f"{table(header, rows)}\n(in brackets: only with {gain.first}, only with {gain.second})"


def _words(gain: Gain) -> str:
    from hf_xner.analysis.entity_errors import ALL
    from hf_xner.systems.readable import table

    rows = []
    for name in (ALL, *gain.types):
        total, right = gain.row("words", name)["first"], gain.row("words_right", name)
        counts = (
            right["first"] - right["gained"],
            right["gained"],
            right["lost"],
            total - right["first"] - right["lost"],
        )
        rows.append([name, *(f"{count:,.0f}" for count in counts)])
    header = ["words tagged right by", "both", f"{gain.first} alone", f"{gain.second} alone", "neither"]
    return table(header, rows)


def _losses(opened: ScoredRun, gain: Gain, seeds: Sequence[int], set_name: str) -> list[str]:
    """The loss and its parts as last logged, mean over seeds; those of different losses do not compare."""
    from hf_xner.systems.readable import table

    found: dict[str, dict[str, float]] = {}
    missing = []
    for name in (gain.first, gain.second):
        lasts = [last for seed in seeds if (last := _last_losses(opened.history(name, set_name, seed)))]
        if lasts:
            found[name] = {part: sum(last.get(part, 0.0) for last in lasts) / len(lasts) for part in lasts[0]}
        else:
            missing.append(f"There is no training history of {name} in the store.")
    parts = list(dict.fromkeys(part for losses in found.values() for part in losses))
    rows = [
        [name, *(f"{losses[part]:.5f}" if part in losses else "" for part in parts)] for name, losses in found.items()
    ]
    return [table(["last loss of", *parts], rows), *missing] if rows else missing


def _last_losses(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    logged = [record for record in reversed(history) if record.get("loss") is not None]
    # A training of a few steps logs its mean alone.
    last: Mapping[str, Any] = next(iter([*logged, *(record for record in history if "train_loss" in record)]), {})
    return {
        name: value
        for name, value in last.items()
        if value is not None and (name in ("loss", "train_loss") or name.startswith("loss_"))
    }


def _figure(gain: Gain) -> Any:
    """A panel for each kind of error: by type, errors of the first alone upwards, of the second alone downwards."""
    from matplotlib.figure import Figure

    from hf_xner.analysis.entity_errors import ERRORS

    figure = Figure(figsize=(3.2 * len(ERRORS), 3.4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(ERRORS), sharey=True, squeeze=False)[0], ERRORS, strict=True):
        rows = [gain.row(kind, name) for name in gain.types]
        places = range(len(rows))
        axes.bar(places, [row["gained"] for row in rows], color="#c0504d", label=f"only {gain.first}")
        axes.bar(places, [-row["lost"] for row in rows], color="#4a7ebb", label=f"only {gain.second}")
        axes.plot(places, [row["difference"] for row in rows], "D", color="black", markersize=5, label="difference")
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(list(places), gain.types, rotation=45, ha="right")
        axes.set_title(kind.replace("_", " "))
        axes.grid(axis="y", alpha=0.3)
    figure.axes[0].set_ylabel("entities")
    figure.axes[0].legend(fontsize=7)
    return figure
