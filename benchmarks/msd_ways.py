"""A student's step of MSD against one of tsl over as many sub-words: the price of channels and MMD.

Both train on the same target and source sentences. tsl has them all as rows to distil on, twice as many a step, in
batches of its own making; MSD has target rows with labels of every channel and source rows beside them. The teachers'
probabilities and vectors are random: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from machine import table
from training_material import TAGS, ChosenRows, random_soft_labels, write_rows
from training_ways import Reading, train_an_epoch

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.data.paired_rows import PairedCollator, PairedRows, PairSampler, read_vectors, write_vectors
from hf_xner.data.rows import RowCollator, TrainingRows, read_soft_labels, write_encoded, write_soft_labels
from hf_xner.data.sampling import POOL
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_encoder_for_tagging, load_tokenizer
from hf_xner.models.builtin import resolve_encoder
from hf_xner.models.freezing import default_frozen_layers
from hf_xner.systems.arguments import use_bf16
from hf_xner.training.fit import prepare
from hf_xner.training.fit_channels import ChannelSettings, new_model
from hf_xner.training.msd import PairedTrainer, StudentLoss
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import TokenClassificationTrainer, soft_label_loss

TSL, MSD = "tsl", "msd"
BOUND = 1.35  # seconds of a step of MSD for one of tsl, at most


@dataclass(frozen=True)
class Material:
    """The same sentences as each of the two trains on them.

    Attributes:
        pairs: Target rows with labels of every channel; source rows with a vector each.
        joined: Target rows and then source rows, with labels of the last channel.
    """

    pairs: PairedRows
    joined: TrainingRows


class ChosenPairs(PairedRows):
    """Some of the rows and some of the partners, still read from the same memory-mapped files."""

    def __init__(self, pairs: PairedRows, rows: np.ndarray, partners: np.ndarray) -> None:
        self._pairs, self._chosen = pairs, (rows, partners)
        self.rows, self.partners = ChosenRows(pairs.rows, rows), ChosenRows(pairs.partners, partners)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, pair: tuple[int, int]) -> dict[str, Any]:  # type: ignore[override]
        rows, partners = self._chosen
        return self._pairs[int(rows[pair[0]]), int(partners[pair[1]])]


def write_material(
    text: Dataset, source: Dataset, tokenizer: Any, config: Any, channels: int, max_length: int, folder: Path
) -> Material:
    """Encode both texts, with random labels and vectors, in `folder`."""
    places = {name: folder / name for name in ("pairs", "partners", "joined")}
    for place in places.values():
        place.mkdir()
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, config, max_length), truncate=True)
    encoded = write_encoded(text, encoder, places["pairs"] / "encoded.arrow")
    counts = [len(tokens) for batch in text.iter(1000) for tokens in batch["tokens"]]
    flat = random_soft_labels((count * channels for count in counts), len(TAGS))
    write_soft_labels(flat, places["pairs"] / "soft_labels-00000.arrow")
    rows = TrainingRows(encoded, soft_labels=(read_soft_labels(places["pairs"]), channels * len(TAGS)))
    vectors = np.random.default_rng(0).standard_normal((len(source), config.hidden_size)).astype(np.float32)
    write_vectors(iter(vectors), places["partners"] / "vectors-00000.arrow")
    partners = TrainingRows(write_encoded(source, encoder, places["partners"] / "encoded.arrow"))
    both = concatenate_datasets([part.select_columns(["tokens"]) for part in (text, source)])
    return Material(
        PairedRows(rows, partners, read_vectors(places["partners"])),
        write_rows(both, tokenizer, config, places["joined"], max_length),
    )


def choose_pairs(material: Material, batch_size: int, steps: int, seed: int) -> np.ndarray:
    """Pairs of `steps` batches of an epoch, evenly over all lengths; shape (steps x batch_size, 2).

    Raises:
        InputError: The corpus has fewer batches.
    """
    pairs = material.pairs
    order = list(PairSampler(pairs.rows.lengths, pairs.partners.lengths, batch_size, seed))[: POOL * batch_size]
    whole = len(order) // batch_size
    if whole < steps:
        raise InputError(f"{len(pairs)} sentences make {whole} batches of {batch_size}", remedy="lower --steps")
    batches = np.asarray(order[: whole * batch_size]).reshape(whole, batch_size, 2)
    batches = batches[np.argsort(pairs.rows.lengths[batches[:, :, 0]].max(axis=1), kind="stable")]
    offset = np.random.default_rng(seed).random()
    return batches[((np.arange(steps) + offset) * whole / steps).astype(int)].reshape(-1, 2)


@dataclass
class PairRound:
    """One block: its sub-words, and what each way took for it."""

    subwords: int
    readings: dict[str, Reading]


def measure_msd(text: Dataset, source: Dataset, args: argparse.Namespace) -> dict[str, Any]:
    """Time both ways on the same blocks, in turn; returns what `summarise_msd` does."""
    encoder = resolve_encoder(args.encoder)
    tokenizer = load_tokenizer(encoder)
    settings = FitSettings(
        batch_size=args.batch_size, micro_batch_size=args.batch_size, bf16=use_bf16(args.precision), epochs=1.0
    )
    torch.manual_seed(0)
    plain = load_encoder_for_tagging(encoder, TAGS)
    depth = plain.config.num_hidden_layers
    layers = tuple(range(default_frozen_layers(depth) + 1, depth + 1))
    model = new_model(encoder, TAGS, ChannelSettings(layers))
    loss = StudentLoss(channels=tuple(range(len(layers))))
    plain, model = prepare(plain, settings), prepare(model, settings)
    twice = replace(settings, batch_size=2 * args.batch_size, micro_batch_size=2 * args.batch_size)
    pad_id = tokenizer.pad_token_id or 0
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        material = write_material(text, source, tokenizer, plain.config, len(layers), args.max_length, folder)

        def tsl(chosen: np.ndarray) -> Reading:
            indices = np.concatenate([chosen[:, 0], len(material.pairs.rows) + chosen[:, 1]])
            rows = ChosenRows(material.joined, indices)
            return train_an_epoch(
                TokenClassificationTrainer, plain, rows, RowCollator(pad_id), soft_label_loss, twice, folder
            )

        def msd(chosen: np.ndarray) -> Reading:
            rows = ChosenPairs(material.pairs, chosen[:, 0], chosen[:, 1])
            return train_an_epoch(PairedTrainer, model, rows, PairedCollator(pad_id), loss, settings, folder)

        ways = {TSL: tsl, MSD: msd}
        for number in range(-1, args.blocks):  # the first warms up
            chosen = choose_pairs(material, args.batch_size, args.steps, number + 1)
            names = list(reversed(ways)) if number % 2 else list(ways)
            readings = {way: ways[way](chosen) for way in names}
            lengths = material.pairs.rows.lengths[chosen[:, 0]], material.pairs.partners.lengths[chosen[:, 1]]
            rounds.append(PairRound(int(sum(part.sum() for part in lengths)), readings))
    return summarise_msd(rounds[1:], "bf16" if settings.bf16 else "fp32")


def summarise_msd(rounds: list[PairRound], precision: str) -> dict[str, Any]:
    """Speeds over all blocks, and how long MSD takes for one second of tsl, block by block."""
    subwords = sum(round_.subwords for round_ in rounds)
    ratios = [round_.readings[MSD].wall_s / round_.readings[TSL].wall_s for round_ in rounds]
    work = [round_.readings[MSD].processor_s / round_.readings[TSL].processor_s for round_ in rounds]
    return {
        "precision": precision,
        "subwords": subwords,
        "subwords_per_s": {
            name: subwords / sum(round_.readings[name].wall_s for round_ in rounds) for name in (TSL, MSD)
        },
        "time_ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "processor_time_ratio_median": statistics.median(work),
        "bound": BOUND,
        "blocks": [{"subwords": round_.subwords, "readings": vars_of(round_.readings)} for round_ in rounds],
    }


def vars_of(readings: dict[str, Reading]) -> dict[str, dict[str, float]]:
    """Readings as plain numbers."""
    return {name: dict(vars(reading)) for name, reading in readings.items()}


def describe_msd(result: dict[str, Any]) -> str:
    """A table of speeds, and the ratio."""
    speeds = [[name, f"{value:.0f}"] for name, value in result["subwords_per_s"].items()]
    ratio = result["time_ratio"]
    cells = [f"{ratio[name]:.2f}" for name in ("median", "min", "max")]
    processor = f"{result['processor_time_ratio_median']:.2f}"
    return "\n".join(
        [
            f"students over {result['subwords']} sub-words of both languages, {len(result['blocks'])} blocks, "
            f"{result['precision']}",
            table(["student", "sub-words/s"], speeds),
            table(
                ["time ratio", "median", "min", "max", "processor time", "at most"],
                [[f"{MSD} / {TSL}", *cells, processor, f"{result['bound']:.2f}"]],
            ),
        ]
    )
