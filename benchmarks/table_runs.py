"""The trainings behind a table: one run for each target and rule, seeds side by side, found again where they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.data.specs import parse_spec
from hf_xner.errors import InputError

RULES = ("none", "source_dev", "target_dev", "target_test")


@dataclass(frozen=True)
class Pair:
    """What a table transfers from and to.

    Attributes:
        sources: Source corpora.
        target: Target corpus.
        name: What the user calls it: the target, or SOURCE=TARGET.
    """

    sources: tuple[str, ...]
    target: str
    name: str

    @property
    def folder(self) -> str:
        """Name of its run folder; of a target with the default sources the target's alone."""
        text = self.target if self.name == self.target else f"{'+'.join(self.sources)}-to-{self.target}"
        return text.replace(":", "-").replace("/", "_")


def parse_pair(text: str, default: Sequence[str]) -> Pair:
    """Read TARGET, or SOURCE[+SOURCE]=TARGET; paths of corpora may hold + and = themselves.

    Args:
        text: What was given to `--targets`.
        default: The sources of a target that brings none. The target is left out where it is among them.

    Raises:
        InputError: The target has no source.
    """
    for at in (at for at, letter in enumerate(text) if letter == "="):
        before, target = text[:at], text[at + 1 :]
        sources = [before] if _is_corpus(before) else before.split("+")
        if all(map(_is_corpus, (*sources, target))):
            return Pair(tuple(sources), target, text)
    if not default:
        raise InputError(f"{text} has no source", where="--targets", remedy="give --source, or SOURCE=TARGET")
    return Pair(tuple(source for source in default if source != text), text, text)


def _is_corpus(text: str) -> bool:
    try:
        return bool(parse_spec(text))
    except InputError:
        return False


@dataclass(frozen=True)
class Column:
    """One run: a pair, and the rule that picks the best epoch (None: what the options say)."""

    pair: Pair
    rule: str | None = None

    @property
    def name(self) -> str:
        """Head of its columns."""
        return self.pair.name if self.rule is None else f"{self.pair.name}, {self.rule}"

    def folder(self, output: Path) -> Path:
        """Its run folder."""
        return (output if self.rule is None else output / self.rule) / self.pair.folder


@dataclass(frozen=True)
class Plan:
    """How the runs of a table are made.

    Attributes:
        system: The system.
        seeds: Seeds of every run.
        jobs: Trainings side by side.
        output: Where the run folders go.
        options: Options of a column for `xner train`; `{language}` and `{target}` in them stand for the target's.
        late: Variants that wait for the models of all seeds.
    """

    system: str
    seeds: Sequence[int]
    jobs: int
    output: Path
    options: Callable[[Column], list[str]]
    late: Sequence[str] = ()


def split_options(argv: list[str]) -> tuple[list[str], list[str]]:
    """A table's own words, and those after `--`, which go to every `xner train`."""
    return (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])


def columns_of(targets: Sequence[str], sources: Sequence[str], rules: Sequence[str | None]) -> list[Column]:
    """The runs of a table, grouped by rule."""
    pairs = [parse_pair(target, sources) for target in targets]
    return [Column(pair, rule) for rule in rules for pair in pairs]


def train_columns(plan: Plan, columns: Sequence[Column]) -> dict[str, dict[str, Any]]:
    """Train what is missing; the results of every run by its column's name."""
    # Neighbours have different seeds, so that they seldom wait for the same teacher.
    parts = [(column, seed) for column in columns for seed in plan.seeds]
    with ThreadPoolExecutor(plan.jobs) as pool:
        if plan.jobs > 1:
            list(pool.map(lambda part: train(plan, part[0], [part[1]], early=True), parts))
        list(pool.map(lambda column: train(plan, column, plan.seeds, early=False), columns))
    return {
        column.name: json.loads((column.folder(plan.output) / "results.json").read_text(encoding="utf-8"))
        for column in columns
    }


def train(plan: Plan, column: Column, seeds: Sequence[int], *, early: bool) -> None:
    """One `xner train`: a part (one seed) whose models go into the store, or all seeds with their scores."""
    pair = column.pair
    language = parse_spec(pair.target).config or ""
    rule = [] if column.rule is None else ["--select_on", column.rule]
    chosen = [word.replace("{language}", language).replace("{target}", pair.target) for word in plan.options(column)]
    if early:
        chosen = [word for word in chosen if word not in plan.late]
    folder = column.folder(plan.output)
    place = folder.with_name(f"{folder.name}-part{seeds[0]}") if early else folder
    command = [sys.executable, "-m", "hf_xner.launch", plan.system, "--source", *pair.sources, "--target", pair.target]
    command += ["--seeds", *map(str, seeds), "--output_dir", str(place), *rule, *chosen]
    threads = max(1, (os.cpu_count() or 1) // plan.jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
