"""`xner runs list | show RUN | prune`: what the stage store holds, for whom, and what can go."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError

if TYPE_CHECKING:
    from hf_xner.systems.stage_records import StoredStage


def add_parser(subparsers: Any) -> None:
    """Add `runs` and its three actions to the command line."""
    parser = subparsers.add_parser("runs", help="list runs and stored stages, show a run, remove unused stages")
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|show|prune")
    listing = actions.add_parser("list", help="runs known to the store, and its stages")
    listing.set_defaults(run=run)
    show = actions.add_parser("show", help="one run: its command, stages and results")
    show.add_argument("run_folder", metavar="RUN", type=Path, help="the run's --output_dir")
    show.set_defaults(run=run)
    prune = actions.add_parser(
        "prune",
        help="remove stages that no run uses",
        description="Removes stages that no existing run folder uses and no process works on.",
    )
    prune.add_argument("--older_than", metavar="DAYS", type=float, help="only those not asked for during so many days")
    prune.add_argument("--unused", action="store_true", help="all of them, whatever their age")
    prune.add_argument("--yes", action="store_true", help="remove them; otherwise they are only listed")
    prune.set_defaults(run=run)
    for action in (listing, prune):
        action.add_argument(
            "--store", metavar="DIR", help="the stage store; default: HF_XNER_STORE, or that of all runs"
        )


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says; returns the exit code."""
    if args.action == "list":
        return list_runs(args.store)
    if args.action == "show":
        return show_run(args.run_folder)
    return prune_stages(older_than=args.older_than, unused=args.unused, really=args.yes, root=args.store)


def list_runs(root: str | None = None) -> int:
    """Print the runs that the store knows, and every stage with its size, age and users."""
    from hf_xner.systems.readable import readable_bytes, table
    from hf_xner.systems.stages import StageStore

    store = StageStore(root)
    stages = store.list_stages()
    runs = sorted({run for stage in stages for run in stage.used_by})
    if runs:
        print(table(["run", "system", "started", "state"], [_run_row(run) for run in runs]), end="\n\n")
    if stages:
        print(_stage_table(stages), end="\n\n")
    total = readable_bytes(sum(stage.bytes for stage in stages))
    print(f"{store.root}: {len(stages)} stages, {total}, used by {len(runs)} runs")
    return 0


def show_run(folder: Path) -> int:
    """Print what a run was asked to do, which stages it used, and its results."""
    from hf_xner.systems.files import read_json
    from hf_xner.systems.readable import table
    from hf_xner.systems.run_folder import MARKER, RESULTS, STAGES

    facts = read_json(folder / MARKER)
    if not isinstance(facts, dict):
        raise InputError(
            f"holds no run (no readable {MARKER})", where=str(folder), remedy="`xner runs list` shows the known ones"
        )
    for name in ("system", "command", "started", "versions", "seeds", "data"):
        value = facts.get(name)
        print(f"{name + ':':10}{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    stages = read_json(folder / STAGES) or {}
    if stages:
        rows = [[name, stage["kind"], stage["key"]] for name, stage in stages.items()]
        print("\n" + table(["stage", "kind", "key"], rows))
    results = read_json(folder / RESULTS)
    print(f"\n{RESULTS}:" if results else "\nnot finished: start the same command again to go on")
    if results:
        figures = {name: value for name, value in results.items() if name not in {*facts, "arguments"}}
        print(json.dumps(figures, indent=1, ensure_ascii=False))
    return 0


def prune_stages(*, older_than: float | None, unused: bool, really: bool, root: str | None = None) -> int:
    """Remove unused stages, or list those that would go."""
    from hf_xner.systems.readable import readable_bytes
    from hf_xner.systems.stages import StageStore

    if older_than is not None and older_than < 0:
        raise InputError(f"{older_than} is not a number of days", where="--older_than", remedy="give 0 or more")
    chosen = StageStore(root).prune(older_than_days=older_than, unused=unused, dry_run=not really)
    if not chosen:
        print("nothing to remove: every stage is used by a run, being worked on, or too young")
        return 0
    print(_stage_table(chosen), end="\n\n")
    size = readable_bytes(sum(stage.bytes for stage in chosen))
    print(f"{'removed' if really else 'would remove'} {len(chosen)} stages, {size}", end="\n" if really else "")
    if not really:
        print("; give --yes to do it")
    return 0


def _run_row(folder: Path) -> list[str]:
    from hf_xner.systems.files import read_json
    from hf_xner.systems.run_folder import MARKER, RESULTS

    facts = read_json(folder / MARKER)
    facts = facts if isinstance(facts, dict) else {}
    state = "finished" if (folder / RESULTS).exists() else "not finished"
    return [str(folder), str(facts.get("system", "?")), str(facts.get("started", "?")), state]


def _stage_table(stages: Sequence[StoredStage]) -> str:
    from hf_xner.systems.readable import readable_bytes, readable_seconds, table

    now = time.time()
    rows = [
        [
            stage.kind,
            stage.key,
            stage.name,
            "at work" if stage.locked else stage.status,
            readable_bytes(stage.bytes),
            readable_seconds(max(0.0, now - stage.last_used)),
            str(len(stage.used_by)),
        ]
        for stage in stages
    ]
    return table(["kind", "key", "stage", "status", "size", "last used", "runs"], rows)
