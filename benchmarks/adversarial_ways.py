"""An iteration of adversarial training against the sum of its encoder passes: the price of everything else.

An iteration of Theta_src is a tagging step, a discriminators' and a generator's. Its encoder passes are forward and
backward over the tagging batch, forward alone over the discriminators' (which need no gradient below them), forward
and backward over the generator's. Everything else is heads, losses, optimisers, reading and collating rows, logging.
Tags are random: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from machine import table
from training_material import TAGS
from training_ways import Clock, Reading, train_an_epoch

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.data.feeds import CORPORA, FEEDS, TARGET, Feed
from hf_xner.data.phase_rows import DISCRIMINATOR, PHASES, PhaseCollator, PhaseRows, PhaseSampler
from hf_xner.data.rows import TrainingRows, write_encoded
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_tokenizer
from hf_xner.inference.probabilities import autocast
from hf_xner.models.builtin import resolve_encoder
from hf_xner.systems.arguments import use_bf16
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.fit import prepare
from hf_xner.training.fit_adversarial import load_adversarial
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import tagging_loss
from hf_xner.training.transadv import AdversarialTrainer

TRANSADV, PASSES = "transadv", "encoder passes"
BOUND = 1.15  # seconds of an iteration for one of its encoder passes, at most


@dataclass
class IterationRound:
    """One block: its iterations, the rows of the three phases' batches, and what each way took for it."""

    iterations: int
    rows: int
    readings: dict[str, Reading]


def write_corpora(
    text: Dataset,
    source: Dataset,
    tokenizer: Any,
    config: Any,
    feed: Feed,
    rows: int,
    max_length: int,
    folder: Path,
    seed: int,
) -> PhaseRows:
    """As many random rows of every corpus that a feed names: source sentences, or target ones for translated ones.

    Raises:
        InputError: One of the texts has fewer sentences.
    """
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, config, max_length), truncate=True)
    random = np.random.default_rng(seed)
    made = {}
    for name in feed.corpora:
        sentences = text if CORPORA[name].context == TARGET else source
        if len(sentences) < rows:
            raise InputError(f"there are {len(sentences)} sentences and {rows} are needed", remedy="lower --steps")
        chosen = sentences.select(sorted(random.permutation(len(sentences))[:rows].tolist()))
        tagged = Dataset.from_dict(
            {
                "tokens": chosen["tokens"][:],
                "ner_tags": [random.integers(0, len(TAGS), len(words)).tolist() for words in chosen["tokens"]],
            },
            features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}),
        )
        made[name] = TrainingRows(write_encoded(tagged, encoder, folder / f"{name}.arrow"), hard_labels=tagged)
    return PhaseRows(made, feed)


class PassesWay:
    """The encoder's passes alone, over the batches of an epoch, ready-made."""

    def __init__(self, model: Any, bf16: bool) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder = copy.deepcopy(model).to(device).backbone.train()
        self._bf16, self._device = bf16, device

    def run(self, batches: list[dict[str, Any]]) -> Reading:
        """All batches once."""
        names = ("input_ids", "attention_mask")
        inputs = [(batch["phase"], {name: batch[name].to(self._device) for name in names}) for batch in batches]
        clock = Clock()
        clock.start()
        for phase, batch in inputs:
            with torch.set_grad_enabled(phase != DISCRIMINATOR), autocast(self._device, self._bf16):
                states = self._encoder(**batch).last_hidden_state
            if phase != DISCRIMINATOR:
                states.float().sum().backward()
                self._encoder.zero_grad()
        return clock.stop()


def measure_transadv(text: Dataset, source: Dataset, args: argparse.Namespace) -> list[IterationRound]:
    """Time iterations and their encoder passes on the same batches, in turn."""
    encoder = resolve_encoder(args.encoder)
    tokenizer = load_tokenizer(encoder)
    bf16 = use_bf16(args.precision)
    settings = FitSettings(
        batch_size=args.batch_size, micro_batch_size=args.batch_size, bf16=bf16, epochs=1.0, max_grad_norm=0.0
    )
    adversary = AdversarialSettings(FEEDS["src"])
    torch.manual_seed(0)
    model = prepare(load_adversarial(encoder, TAGS, adversary), settings)
    special = WordEncoder(tokenizer)
    collate = PhaseCollator(
        tokenizer.pad_token_id or 0, adversary.feed, outside=0, special=(len(special.prefix), len(special.suffix))
    )
    passes = PassesWay(model, bf16)
    trainer: Any = partial(AdversarialTrainer, adversary=adversary)
    rounds = []
    for number in range(-1, args.blocks):  # the first warms up
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            count = args.steps * args.batch_size
            drawn = (count, args.max_length, folder, number + 1)
            rows = write_corpora(text, source, tokenizer, model.config, adversary.feed, *drawn)
            draws = list(PhaseSampler(rows.lengths, adversary.feed, args.batch_size, seed=settings.seed))
            batches = [
                collate([rows[draw] for draw in draws[begin : begin + args.batch_size]])
                for begin in range(0, len(draws), args.batch_size)
            ]
            readings = {}
            for way in (TRANSADV, PASSES) if number % 2 else (PASSES, TRANSADV):
                if way == PASSES:
                    readings[way] = passes.run(batches)
                else:
                    readings[way] = train_an_epoch(trainer, model, rows, collate, tagging_loss, settings, folder)
            total = sum(len(batch["input_ids"]) for batch in batches)
            rounds.append(IterationRound(len(batches) // len(PHASES), total, readings))
    return rounds[1:]


def summarise_transadv(rounds: list[IterationRound]) -> dict[str, Any]:
    """Iterations a second, and how long one takes for a second of its encoder passes, block by block."""
    iterations = sum(round_.iterations for round_ in rounds)
    ratios = [round_.readings[TRANSADV].wall_s / round_.readings[PASSES].wall_s for round_ in rounds]
    work = [round_.readings[TRANSADV].processor_s / round_.readings[PASSES].processor_s for round_ in rounds]
    return {
        "iterations": iterations,
        "rows": sum(round_.rows for round_ in rounds),
        "seconds_per_iteration": {
            name: sum(round_.readings[name].wall_s for round_ in rounds) / iterations for name in (TRANSADV, PASSES)
        },
        "time_ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "processor_time_ratio_median": statistics.median(work),
        "bound": BOUND,
        "blocks": [
            {
                "iterations": round_.iterations,
                "rows": round_.rows,
                "readings": {name: dict(vars(reading)) for name, reading in round_.readings.items()},
            }
            for round_ in rounds
        ],
    }


def describe_transadv(result: dict[str, Any]) -> str:
    """A table of seconds, and the ratio."""
    seconds = [[name, f"{value:.2f}"] for name, value in result["seconds_per_iteration"].items()]
    ratio = result["time_ratio"]
    cells = [f"{ratio[name]:.2f}" for name in ("median", "min", "max")]
    processor = f"{result['processor_time_ratio_median']:.2f}"
    return "\n".join(
        [
            f"{result['iterations']} iterations of Theta_src over {result['rows']} rows, "
            f"{len(result['blocks'])} blocks",
            table(["way", "seconds an iteration"], seconds),
            table(
                ["time ratio", "median", "min", "max", "processor time", "at most"],
                [[f"{TRANSADV} / {PASSES}", *cells, processor, f"{result['bound']:.2f}"]],
            ),
        ]
    )
