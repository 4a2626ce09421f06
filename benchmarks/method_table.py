"""One table of F1 over targets, variants and seeds, by one command; trainings run side by side.

    python benchmarks/method_table.py unitrans --source conll2003:en --targets conll2002:es conll2002:nl \\
        --seeds 1 2 3 --jobs 2 --output runs/tables/unitrans -- --variants all --mapping maps/en-{language}

Options after `--` go to `xner train`; `{language}` and `{target}` in them stand for the target's. Everything trained
lies in the stage store, so that a killed table goes on where it was, and a second table reuses what it shares with the
first. Every row carries its difference to the system's baseline, with the 95 % interval of the paired t-test over
seeds (of sentences where there is one seed); rows below it are named with the command that says why.

A source that is also among the targets is left out where it is the target, so that

    python benchmarks/method_table.py tsl --source conll2003:en conll2002:es conll2002:nl --targets conll2002:es \\
        conll2002:nl --output runs/tables/tsl-multi -- --variants all

transfers to each language from the others. A target may bring its own sources, SOURCE[+SOURCE]=TARGET, and
`--select_on` names rules that pick the best epoch, each a training of its own in its own folder:

    python benchmarks/method_table.py msd --source conll2003:en --targets conll2002:es multiconer:en=multiconer:es \\
        --select_on none source_dev target_dev --output runs/tables/msd -- --variants all

`--late VARIANT` names variants that need the models of all seeds (ensembles): they wait for the last pass.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from machine import describe_machine, machine_facts, table, write_report
from table_runs import RULES, Plan, columns_of, split_options, train_columns

from hf_xner.systems.report import percent
from hf_xner.systems.runner import baseline_of

KINDS = ("plain", "tagger")
Test = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, print the table, write JSON."""
    args, options = _parse(list(sys.argv[1:] if argv is None else argv))
    started = time.monotonic()
    columns = columns_of(args.targets, args.source, args.select_on or [None])
    plan = Plan(args.system, args.seeds, args.jobs, args.output, lambda column: options, args.late)
    results = train_columns(plan, columns)
    baselines = {name: baseline(args.system, result) for name, result in results.items()}
    folders = {column.name: column.folder(args.output) for column in columns}
    facts = machine_facts()
    print(describe_machine(facts))
    print(format_table(results, baselines))
    print()
    parts = (format_gaps(results, baselines), format_weights(results), format_losses(results, baselines, folders))
    print("\n\n".join(filter(None, parts)))
    report = {"machine": facts, "system": args.system, "options": options, "seconds": time.monotonic() - started}
    write_report(args.output / "table.json", report | {"results": results})
    return 0


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    own, rest = split_options(argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system")
    parser.add_argument("--source", nargs="+", default=[], help="sources of the targets that bring none of their own")
    parser.add_argument("--targets", nargs="+", required=True, metavar="[SOURCE[+SOURCE]=]TARGET")
    parser.add_argument("--select_on", nargs="+", choices=RULES, help="rules, a training each; else the options' own")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, each with its share of the cores")
    parser.add_argument("--late", nargs="*", default=[], help="variants that wait for the models of all seeds")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(own)
    if args.select_on and "--select_on" in rest:
        parser.error("--select_on stands before -- or after it, not in both places")
    return args, rest


def baseline(system: str, result: Mapping[str, Any]) -> str:
    """The variant that a run compares the others with."""
    return baseline_of(import_module(f"hf_xner.systems.{system}"), result["variants"])


def format_table(results: dict[str, Any], baselines: Mapping[str, str], set_name: str = "target_test") -> str:
    """Variants by runs: plain and tagger F1, mean and SD over seeds, each with its difference to the baseline's.

    Args:
        results: Results of each column.
        baselines: The variant that a column's others are compared with.
        set_name: The evaluation set.
    """
    header = ["variant"]
    for name in results:
        header += [cell for kind in KINDS for cell in (f"{name} {kind}", f"- {baselines[name]}")]
    rows = []
    for variant in dict.fromkeys(name for result in results.values() for name in result["variants"]):
        row = [variant]
        for name, result in results.items():
            scores = result["variants"].get(variant, {}).get(set_name)
            if scores is None:  # what is made of one source of several is not made for every target
                row += [""] * (2 * len(KINDS))
                continue
            gaps = gaps_to(result, variant, baselines[name], set_name)
            row += [cell for kind in KINDS for cell in (percent(scores[kind]["f1"]), _interval(gaps.get(kind)))]
        rows.append(row)
    return table(header, rows)


def gaps_to(result: Mapping[str, Any], variant: str, other: str, set_name: str) -> dict[str, Test]:
    """How a variant differs from another by kind, as far as it was tested: difference, and ends of the interval.

    A single seed's tagger was not tested: its difference comes alone.
    """
    found = (gap for gap in result["differences"] if gap["set"] == set_name)
    gap = next((gap for gap in found if (gap["first"], gap["second"]) == (variant, other)), None)
    if gap is None:
        return {}
    tests = _tests(gap)
    if "tagger" not in tests:
        scores = [result["variants"][name][set_name]["tagger"]["f1"]["mean"] for name in (variant, other)]
        tests["tagger"] = {"difference": scores[0] - scores[1]}
    return tests


def format_losses(
    results: Mapping[str, Any],
    baselines: Mapping[str, str],
    folders: Mapping[str, Path],
    set_name: str = "target_test",
) -> str:
    """The rows that lie below the baseline, each with the command that looks for the cause; empty where none does."""
    lines = [
        f"{variant}, {name}: {kind} {_interval(test)}\n    xner analyse gain {folders[name]} --variant {variant} "
        f"--against {baselines[name]}{'' if kind == 'plain' else f' --kind {kind}'}"
        for name, result in results.items()
        for variant, kind, test in _losses(result, baselines[name], set_name)
    ]
    return "\n".join(["below the baseline:", *lines]) if lines else ""


def _losses(result: Mapping[str, Any], other: str, set_name: str) -> Iterator[tuple[str, str, Test]]:
    """Variants below the baseline: the first kind of F1 in which they are."""
    for variant in result["variants"]:
        tests = gaps_to(result, variant, other, set_name)
        below = [(kind, tests[kind]) for kind in KINDS if kind in tests and _middle(tests[kind]) < 0]
        if below:
            yield variant, *below[0]


def format_weights(results: dict[str, Any]) -> str:
    """Weights of the sources, mean over seeds, for each target and similarity; empty where there are none."""
    rows = []
    for target, result in results.items():
        for measure, seeds in result.get("language_weights", {}).items():
            alphas = [facts["alpha"] for facts in seeds.values()]
            means = {name: sum(alpha[name] for alpha in alphas) / len(alphas) for name in alphas[0]}
            rows.append([target, measure, ", ".join(f"{name} {value:.3f}" for name, value in means.items())])
    return table(["target", "similarity", "weights"], rows) if rows else ""


def format_gaps(
    results: dict[str, Any], baselines: Mapping[str, str] | None = None, set_name: str = "target_test"
) -> str:
    """Differences with the 95 % interval of the paired t-test over seeds (of sentences where there is one seed).

    Args:
        results: Results of each column.
        baselines: Variants whose pairs are left out, by column: the table itself has them.
        set_name: The evaluation set.
    """
    header = ["difference", *(f"{name} {kind}" for name in results for kind in KINDS)]
    rows: dict[str, list[str]] = {}
    for number, (name, result) in enumerate(results.items()):
        left_out = (baselines or {}).get(name)
        for gap in (gap for gap in result["differences"] if gap["set"] == set_name and gap["second"] != left_out):
            row = rows.setdefault(f"{gap['first']} - {gap['second']}", [""] * (len(header) - 1))
            tests = _tests(gap)
            row[2 * number : 2 * number + 2] = [_interval(tests.get(kind)) for kind in KINDS]
    return table(header, [[name, *cells] for name, cells in rows.items()]) if rows or not baselines else ""


def _tests(gap: Mapping[str, Any]) -> dict[str, Test]:
    """What was tested of a pair, by kind; over sentences it is plain F1 of the first seed alone."""
    tests = {"plain": gap.get("over_seeds") or gap.get("over_sentences"), "tagger": gap.get("over_seeds_tagger")}
    return {kind: test for kind, test in tests.items() if test is not None}


def _middle(test: Test) -> float:
    return test["mean_difference"] if "mean_difference" in test else test["difference"]


def _interval(test: Test | None) -> str:
    if test is None:
        return ""
    ends = f" [{100 * test['low']:+.2f}, {100 * test['high']:+.2f}]" if "low" in test else ""
    return f"{100 * _middle(test):+.2f}{ends}"


if __name__ == "__main__":
    sys.exit(main())
