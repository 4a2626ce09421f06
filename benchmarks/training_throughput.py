"""Sentences per second of the student's training: hf_xner against the loop of the papers' code.

    python benchmarks/training_throughput.py --json runs/bench/training_throughput.json

Same model, same sentences, same process. Ways of training take turns, block by block, forwards and backwards, so
that a drift of the machine cancels; a ratio is formed within a block, and median, least and greatest ratio are
reported. The papers' loop pads every row to the longest length and multiplies in float32; hf_xner in float32 shows
what padding alone gives. The floor is the encoder's bare forward and backward pass over hf_xner's batches. The
teacher's probabilities are random: speed does not depend on them.

A second table sets a student's step of MSD, source rows, channels and MMD included, against one of tsl over as many
sub-words. A third sets an iteration of TransAdv's adversarial training against the sum of its encoder passes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from adversarial_ways import TRANSADV, describe_transadv, measure_transadv, summarise_transadv
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar
from machine import describe_machine, machine_facts, table, write_report
from msd_ways import MSD, TSL, describe_msd, measure_msd
from papers_loop import build_features
from training_material import TAGS, Block, choose_block, corpora_at_hand, source_of, target_text, write_rows
from training_ways import FloorWay, PapersWay, Reading, TrainerWay, Way
from transformers.utils import logging

from hf_xner.data.encoding import longest_input
from hf_xner.data.rows import TrainingRows
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_encoder_for_tagging, load_tokenizer
from hf_xner.models.builtin import resolve_encoder
from hf_xner.models.freezing import freeze_bottom
from hf_xner.systems.arguments import learning_rate, use_bf16
from hf_xner.training.settings import FitSettings

OURS, OURS_FP32, PAPERS, FLOOR = "hf_xner", "hf_xner, fp32", "papers' loop", "floor"
WARM_UP_STEPS = 3


@dataclass
class Round:
    """One block and what each way took for it.

    Attributes:
        sentences: Sentences of the block.
        subwords: Real sub-words.
        positions: Positions that each way computes, padding included.
        readings: Seconds by way.
    """

    sentences: int
    subwords: int
    positions: dict[str, int]
    readings: dict[str, Reading]


def main() -> int:
    """Run, print a table for each corpus, write JSON; returns the exit code."""
    args = _parser().parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    disable_progress_bar()
    logging.disable_progress_bar()
    facts = machine_facts()
    print(describe_machine(facts), flush=True)
    results = {}
    try:
        for spec in args.corpora or corpora_at_hand(args.data_dir):
            text, results[spec] = target_text(spec, args.data_dir), {}
            if TSL in args.students:
                rounds, precisions = measure(text, args)
                results[spec] = summary(rounds, precisions)
                print(f"\n{spec}, {Path(args.encoder).name}: {describe(results[spec])}", flush=True)
            if MSD in args.students:
                source = target_text(source_of(spec), args.data_dir)
                results[spec][MSD] = measure_msd(text, source, args)
                print(f"\n{spec}, {Path(args.encoder).name}: {describe_msd(results[spec][MSD])}", flush=True)
            if TRANSADV in args.students:
                source = target_text(source_of(spec), args.data_dir)
                results[spec][TRANSADV] = summarise_transadv(measure_transadv(text, source, args))
                print(f"\n{spec}, {Path(args.encoder).name}: {describe_transadv(results[spec][TRANSADV])}", flush=True)
    except InputError as error:
        print(f"training_throughput: {error}", file=sys.stderr)
        return 2
    settings = {name: getattr(args, name) for name in ("steps", "blocks", "batch_size", "max_length", "precision")}
    write_report(
        args.json,
        {"machine": facts, "encoder": Path(args.encoder).name, "settings": settings, "corpora": results},
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpora",
        nargs="+",
        metavar="SPEC",
        help="corpora to train on (default: conll2002:es conll2002:nl where they are at hand, else sample:es)",
    )
    parser.add_argument(
        "--students",
        nargs="+",
        choices=(TSL, MSD, TRANSADV),
        default=[TSL, MSD, TRANSADV],
        help="whose tables to print (all); of transadv it is the teacher's",
    )
    parser.add_argument("--data_dir", help="folder with corpora; HF_XNER_DATA is looked at after it")
    parser.add_argument("--encoder", default="xner-mini", help="xner-mini (default), a folder or a Hub id")
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps of a block (default 10)")
    parser.add_argument("--blocks", type=int, default=5, help="blocks of each way (default 5)")
    parser.add_argument("--batch_size", type=int, default=32, help="sentences of a step (default 32)")
    parser.add_argument("--max_length", type=int, default=128, help="longest row in sub-words (default 128)")
    parser.add_argument("--precision", default="auto", choices=("auto", "bf16", "fp32"), help="hf_xner's (auto)")
    parser.add_argument("--threads", type=int, help="threads of torch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def measure(text: Dataset, args: argparse.Namespace) -> tuple[list[Round], dict[str, str]]:
    """Time every way on the same blocks of a text; returns the rounds, and the precision of each way."""
    encoder = resolve_encoder(args.encoder)
    tokenizer = load_tokenizer(encoder)
    torch.manual_seed(0)
    model = load_encoder_for_tagging(encoder, TAGS)
    freeze_bottom(model)
    pad_id = tokenizer.pad_token_id or 0
    longest = longest_input(tokenizer, model.config, args.max_length)
    with tempfile.TemporaryDirectory() as name:
        rows = write_rows(text, tokenizer, model.config, Path(name), longest)
        ways = _ways(model, rows, args, pad_id, longest, Path(name))
        warm_up = choose_block(rows, args.batch_size, min(WARM_UP_STEPS, args.steps), args.blocks, pad_id)
        _round(ways, warm_up, longest, backwards=False)
        rounds = []
        for number in range(args.blocks):
            block = choose_block(rows, args.batch_size, args.steps, number, pad_id)
            rounds.append(_round(ways, block, longest, backwards=number % 2 == 1))
    return rounds, {name: way.precision for name, way in ways.items()}


def _ways(
    model: Any, rows: TrainingRows, args: argparse.Namespace, pad_id: int, longest: int, folder: Path
) -> dict[str, Way]:
    bf16 = use_bf16(args.precision)
    settings = FitSettings(
        learning_rate=learning_rate(None, args.encoder, "student", 1e-4),
        batch_size=args.batch_size,
        micro_batch_size=args.batch_size,
        bf16=bf16,
    )
    features = build_features(rows, len(TAGS), pad_id, longest)
    ways: dict[str, Way] = {
        OURS: TrainerWay(model, rows, settings, pad_id, folder),
        PAPERS: PapersWay(model, features, settings, WARM_UP_STEPS + args.blocks * args.steps),
        FLOOR: FloorWay(model, bf16),
    }
    if bf16:
        ways[OURS_FP32] = TrainerWay(model, rows, replace(settings, bf16=False), pad_id, folder)
    return ways


def _round(ways: dict[str, Way], block: Block, longest: int, *, backwards: bool) -> Round:
    names = list(reversed(ways)) if backwards else list(ways)
    readings = {name: ways[name].run(block) for name in names}
    padded = dict.fromkeys(ways, block.positions) | {PAPERS: len(block.chosen) * longest}
    return Round(len(block.chosen), block.subwords, padded, readings)


def summary(rounds: list[Round], precisions: dict[str, str]) -> dict[str, Any]:
    """Speeds over all rounds, and ratios of speeds within each round."""
    sentences, subwords = sum(round_.sentences for round_ in rounds), sum(round_.subwords for round_ in rounds)
    ways = {}
    for name, precision in precisions.items():
        seconds = sum(round_.readings[name].wall_s for round_ in rounds)
        ways[name] = {
            "precision": precision,
            "sentences_per_s": sentences / seconds,
            "subwords_per_s": subwords / seconds,
            "padding": 1 - subwords / sum(round_.positions[name] for round_ in rounds),
        }
    pairs = [(OURS, PAPERS), (OURS_FP32, PAPERS), (OURS, FLOOR)]
    return {
        "sentences": sentences,
        "subwords": subwords,
        "ways": ways,
        "speed_ratios": {
            f"{first} / {second}": _ratios(rounds, first, second) for first, second in pairs if first in precisions
        },
        "blocks": [asdict(round_) for round_ in rounds],
    }


def _ratios(rounds: list[Round], first: str, second: str) -> dict[str, float]:
    def over(seconds: Callable[[Reading], float]) -> list[float]:
        return [seconds(item.readings[second]) / seconds(item.readings[first]) for item in rounds]

    wall = over(lambda reading: reading.wall_s)
    whole = sum(item.readings[second].wall_s for item in rounds) / sum(item.readings[first].wall_s for item in rounds)
    return {
        "median": statistics.median(wall),
        "min": min(wall),
        "max": max(wall),
        "all_blocks": whole,
        "processor_time_median": statistics.median(over(lambda reading: reading.processor_s)),
    }


def describe(result: dict[str, Any]) -> str:
    """Two tables: speeds, and ratios of speeds."""
    speeds = [
        [
            name,
            way["precision"],
            f"{way['sentences_per_s']:.1f}",
            f"{way['subwords_per_s']:.0f}",
            f"{100 * way['padding']:.1f} %",
        ]
        for name, way in result["ways"].items()
    ]
    names = ("median", "min", "max", "all_blocks", "processor_time_median")
    ratios = [
        [name, *(f"{ratio[measure_name]:.2f}" for measure_name in names)]
        for name, ratio in result["speed_ratios"].items()
    ]
    return "\n".join(
        [
            f"{result['sentences']} sentences a way, {len(result['blocks'])} blocks",
            table(["way", "precision", "sentences/s", "sub-words/s", "padding"], speeds),
            table(["speed ratio", "median", "min", "max", "all blocks", "processor time"], ratios),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
