"""One table of F1 over targets, variants and seeds, by one command; trainings run side by side, one thread each.

    python benchmarks/method_table.py unitrans --source conll2003:en --targets conll2002:es conll2002:nl \\
        --seeds 1 2 3 --jobs 2 --output runs/tables/unitrans -- --variants all --mapping mappings/en-{language}

Options after `--` go to `xner train`; `{language}` and `{target}` in them stand for the target's. Everything trained
lies in the stage store, so that a killed table goes on where it was, and a second table reuses what it shares with the
first. A source that is also among the targets is left out where it is the target, so that

    python benchmarks/method_table.py tsl --source conll2003:en conll2002:es conll2002:nl --targets conll2002:es \\
        conll2002:nl --output runs/tables/tsl-multi -- --variants all

transfers to each language from the others. `--late VARIANT` names variants that need the models of all seeds
(ensembles): they wait for the last pass.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from machine import describe_machine, machine_facts, table, write_report

from hf_xner.data.specs import parse_spec

KINDS = ("plain", "tagger")


def main(argv: Sequence[str] | None = None) -> int:
    """Train what is missing, print the table, write JSON."""
    args, options = _parse(list(sys.argv[1:] if argv is None else argv))
    started = time.monotonic()
    # Neighbours have different seeds, so that they seldom wait for the same teacher.
    rounds = [(target, seed) for target in args.targets for seed in args.seeds]
    if args.jobs > 1:
        with ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(lambda pair: train_target(args, options, pair[0], [pair[1]], early=True), rounds))
    for target in args.targets:
        train_target(args, options, target, args.seeds, early=False)
    results = {
        target: json.loads((target_folder(args, target) / "results.json").read_text()) for target in args.targets
    }
    facts = machine_facts()
    print(describe_machine(facts))
    print(format_table(results))
    print()
    print("\n\n".join(filter(None, (format_gaps(results), format_weights(results)))))
    report = {"machine": facts, "system": args.system, "options": options, "seconds": time.monotonic() - started}
    write_report(args.output / "table.json", report | {"results": results})
    return 0


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    own, rest = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("system")
    parser.add_argument("--source", nargs="+", required=True)
    parser.add_argument("--targets", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, each with its share of the cores")
    parser.add_argument("--late", nargs="*", default=[], help="variants that wait for the models of all seeds")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args(own), rest


def target_folder(args: argparse.Namespace, target: str) -> Path:
    return args.output / target.replace(":", "-").replace("/", "_")


def train_target(args: argparse.Namespace, options: list[str], target: str, seeds: list[int], *, early: bool) -> None:
    """One `xner train`: a part (one seed) whose models go into the store, or all seeds with their scores."""
    language = parse_spec(target).config or ""
    chosen = [option.replace("{language}", language).replace("{target}", target) for option in options]
    if early:
        chosen = [option for option in chosen if option not in args.late]
    folder = target_folder(args, target)
    place = folder.with_name(f"{folder.name}-part{seeds[0]}") if early else folder
    sources = [source for source in args.source if source != target]
    command = [sys.executable, "-m", "hf_xner.launch", args.system, "--source", *sources, "--target", target]
    command += ["--seeds", *map(str, seeds), "--output_dir", str(place), *chosen]
    threads = max(1, (os.cpu_count() or 1) // args.jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr)


def format_table(results: dict[str, Any], set_name: str = "target_test") -> str:
    """Variants by targets: plain and tagger F1, mean and SD over seeds, in points."""
    header = ["variant", *(f"{target} {kind}" for target in results for kind in KINDS)]
    rows = []
    for variant in dict.fromkeys(name for result in results.values() for name in result["variants"]):
        scores = [result["variants"].get(variant, {}).get(set_name) for result in results.values()]
        # What is made of one source of several is not made for every target.
        rows.append([variant, *("" if score is None else _cell(score[k]["f1"]) for score in scores for k in KINDS)])
    return table(header, rows)


def format_weights(results: dict[str, Any]) -> str:
    """Weights of the sources, mean over seeds, for each target and similarity; empty where there are none."""
    rows = []
    for target, result in results.items():
        for measure, seeds in result.get("language_weights", {}).items():
            alphas = [facts["alpha"] for facts in seeds.values()]
            means = {name: sum(alpha[name] for alpha in alphas) / len(alphas) for name in alphas[0]}
            rows.append([target, measure, ", ".join(f"{name} {value:.3f}" for name, value in means.items())])
    return table(["target", "similarity", "weights"], rows) if rows else ""


def format_gaps(results: dict[str, Any], set_name: str = "target_test") -> str:
    """Differences with the 95 % interval of the paired t-test over seeds (of sentences where there is one seed)."""
    header = ["difference", *(f"{target} {kind}" for target in results for kind in KINDS)]
    rows: dict[str, list[str]] = {}
    for number, result in enumerate(results.values()):
        for gap in (gap for gap in result["differences"] if gap["set"] == set_name):
            row = rows.setdefault(f"{gap['first']} - {gap['second']}", [""] * (len(header) - 1))
            plain = gap.get("over_seeds") or gap.get("over_sentences")  # sentences: plain F1 of the first seed alone
            tests = (plain, gap.get("over_seeds_tagger"))
            row[2 * number : 2 * number + 2] = map(_interval, tests)
    return table(header, [[name, *cells] for name, cells in rows.items()])


def _cell(summary: dict[str, Any]) -> str:
    spread = "" if summary["sd"] is None else f" ± {100 * summary['sd']:.2f}"
    return f"{100 * summary['mean']:.2f}{spread}"


def _interval(test: dict[str, Any] | None) -> str:
    if test is None:
        return ""
    middle = test["mean_difference"] if "mean_difference" in test else test["difference"]
    return f"{100 * middle:+.2f} [{100 * test['low']:+.2f}, {100 * test['high']:+.2f}]"


if __name__ == "__main__":
    sys.exit(main())
