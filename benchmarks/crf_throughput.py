"""Sentences per second of the BiLSTM-CRF's training: hf_xner's batches against loops over sentences.

    python benchmarks/crf_throughput.py --json runs/bench/crf_throughput.json

Same model, same sentences, same steps of SGD, same process, same threads. Ways of training take turns, block by block,
forwards and backwards, so that a drift of the machine cancels; a ratio is formed within a block, and median, least and
greatest ratio are reported, of wall-clock time and of processor time (which other processes on the machine disturb
less). The loops over sentences compute the same gradient as programs do whose CRF knows no mask, by log-sum-exps from
word to word that autograd goes back through: "sentence by sentence" runs the whole model on one sentence at a time,
"CRF by sentence" only the CRF. The first has torch's fused LSTM, as programs do; the last two ways are hf_xner with
torch's LSTMs in place of its own. Word vectors are random: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from datasets.utils.logging import disable_progress_bar
from machine import describe_machine, machine_facts, table, write_report
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from training_ways import Clock, Reading

from hf_xner.data import load_corpus
from hf_xner.data.sampling import LengthBucketSampler
from hf_xner.data.word_rows import WordRows, pad_tags
from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import gold_tags
from hf_xner.inference.device import local_device
from hf_xner.labels import convert_tags, entity_types, tag_names
from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification, WordFeatureExtractor, lstm
from hf_xner.models.lstm import BiLstm

OURS, SENTENCES, CRF_ONLY = "hf_xner", "sentence by sentence", "CRF by sentence"
FUSED, PACKED = "torch's fused LSTM", "torch's packed LSTM"
MAX_GRAD_NORM, RATE = 5.0, 0.1
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class Material:
    """A labelled corpus, looked up.

    Attributes:
        rows: The sentences.
        tags: Their tag ids.
        names: The tags.
        n_characters: Rows of the character embedding.
    """

    rows: WordRows
    tags: list[np.ndarray]
    names: list[str]
    n_characters: int


def main() -> int:
    """Run, print, write JSON; returns the exit code."""
    args = _parser().parse_args()
    torch.set_num_threads(args.threads)
    disable_progress_bar()
    facts = machine_facts()
    print(describe_machine(facts), flush=True)
    results = {}
    try:
        for spec in args.corpora or _corpora_at_hand(args.data_dir):
            material = read_material(spec, args.data_dir)
            results[spec] = measure(material, args)
            print(f"\n{spec}: {describe(results[spec])}", flush=True)
    except InputError as error:
        print(f"crf_throughput: {error}", file=sys.stderr)
        return 2
    settings = {name: getattr(args, name) for name in ("steps", "blocks", "batch_size", "tied")}
    write_report(args.json, {"machine": facts, "settings": settings, "corpora": results})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--corpora", nargs="+", metavar="SPEC", help="default: conll2003:en if at hand, else sample:en"
    )
    parser.add_argument("--data_dir", help="folder with corpora; HF_XNER_DATA is looked at after it")
    parser.add_argument("--steps", type=int, default=10, help="steps of a block (default 10)")
    parser.add_argument("--blocks", type=int, default=5, help="blocks of each way (default 5)")
    parser.add_argument("--batch_size", type=int, default=16, help="sentences of a step (default 16, as published)")
    parser.add_argument("--tied", action="store_true", help="directions share their weights (Cross-Shared)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1, as in training)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser


def _corpora_at_hand(data_dir: str | None) -> list[str]:
    try:
        load_corpus("conll2003:en", data_dir=data_dir)
    except InputError:
        return ["sample:en"]
    return ["conll2003:en"]


def read_material(spec: str, data_dir: str | None = None) -> Material:
    """The training sentences of a corpus with random vectors."""
    data = load_corpus(spec, data_dir=data_dir)["train"]
    sentences = data["tokens"][:]
    names = tag_names(entity_types(data.features["ner_tags"].feature.names), "iobes")
    ids = {name: index for index, name in enumerate(names)}
    characters = sorted({character for words in sentences for word in words for character in word})
    extractor = WordFeatureExtractor(characters, unseen="random")
    tags = [np.array([ids[tag] for tag in convert_tags(gold, "iob2", "iobes")]) for gold in gold_tags(data)]
    return Material(WordRows(extractor, sentences), tags, names, extractor.n_characters)


class Way:
    """Trains on batches; what a step computes is what the ways differ in.

    Args:
        material: The corpus.
        loss: Negative log-likelihood of a batch, summed; or computes its gradient itself and returns None.
        tied: Whether directions share their weights.
        dropout: Dropout.
    """

    def __init__(
        self,
        material: Material,
        loss: Callable[[Any, Material, list[int]], torch.Tensor | None],
        *,
        tied: bool,
        dropout: float = 0.5,
    ) -> None:
        torch.manual_seed(0)
        config = BiLstmCrfConfig(
            n_characters=material.n_characters, num_labels=len(material.names), tied=tied, dropout=dropout
        )
        model: Any = BiLstmCrfForTokenClassification(config)
        self.model = model.to(local_device()).train()
        self._material, self._loss = material, loss
        self._optimiser = torch.optim.SGD(self.model.parameters(), lr=RATE)

    def gradient(self, rows: list[int]) -> None:
        """Leave the gradient of a batch in the model."""
        self._optimiser.zero_grad(set_to_none=True)
        loss = self._loss(self.model, self._material, rows)
        if loss is not None:
            loss.backward()

    def run(self, batches: list[list[int]]) -> Reading:
        """One step a batch."""
        clock = Clock()
        clock.start()
        for rows in batches:
            self.gradient(rows)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM)
            self._optimiser.step()
        return clock.stop()


def batched_loss(model: Any, material: Material, rows: list[int]) -> torch.Tensor:
    """hf_xner's."""
    batch = material.rows.batch(rows, device=model.device)
    emissions = model.all_emissions(batch, ("source",))["source"]
    tags = pad_tags(material.tags, rows, device=model.device)
    return model.crf.negative_log_likelihood(emissions, tags, batch.mask).sum()


def sentence_loss(model: Any, material: Material, rows: list[int]) -> None:
    """Each sentence by itself; gradients add up, and memory holds one sentence's graph at a time."""
    with torchs_lstm(BiLstm._fused):
        for row in rows:
            sentence_crf_loss(model, material, [row]).backward()


def sentence_crf_loss(model: Any, material: Material, rows: list[int]) -> torch.Tensor:
    """The encoder on the batch, the CRF on each sentence by itself."""
    batch = material.rows.batch(rows, device=model.device)
    emissions = model.all_emissions(batch, ("source",))["source"]
    losses = []
    for number, row in enumerate(rows):
        tags = torch.from_numpy(material.tags[row]).to(model.device)
        losses.append(one_sentences_loss(emissions[number, : len(tags)], tags, model.crf.transitions))
    return torch.stack(losses).sum()


def one_sentences_loss(emissions: torch.Tensor, tags: torch.Tensor, transitions: torch.Tensor) -> torch.Tensor:
    """-log p(tags) of one sentence, emissions (W, C), word after word under autograd."""
    ahead = emissions[0]
    for emission in emissions[1:]:
        ahead = torch.logsumexp(ahead.unsqueeze(1) + transitions, dim=0) + emission
    score = emissions.gather(1, tags.unsqueeze(1)).sum() + transitions[tags[:-1], tags[1:]].sum()
    return torch.logsumexp(ahead, dim=0) - score


@contextmanager
def torchs_lstm(states: Callable[[BiLstm, Sequence[torch.Tensor], torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """BiLSTMs give these states, by one of torch's kernels."""
    with patch.object(lstm, "_by_hand", return_value=False), patch.object(BiLstm, "_fused", states):
        yield


def fused_loss(model: Any, material: Material, rows: list[int]) -> torch.Tensor:
    """hf_xner's, with torch's fused LSTM."""
    with torchs_lstm(BiLstm._fused):
        return batched_loss(model, material, rows)


def packed_loss(model: Any, material: Material, rows: list[int]) -> torch.Tensor:
    """hf_xner's, with packed sequences."""
    with torchs_lstm(_packed_states):
        return batched_loss(model, material, rows)


def _packed_states(lstm: BiLstm, inputs: Sequence[torch.Tensor], lengths: torch.Tensor) -> torch.Tensor:
    joined = torch.cat(list(inputs), dim=2)
    packed = pack_padded_sequence(joined, lengths.cpu(), batch_first=True, enforce_sorted=False)
    weights: list[torch.Tensor] = []
    for part in (lstm.forward_weights, lstm.backward_weights or lstm.forward_weights):
        weights += [part.weight_input, part.weight_hidden, part.bias, torch.zeros_like(part.bias)]
    start = joined.new_zeros(2, len(joined), lstm.forward_weights.n_hidden)
    data, *_ = torch.lstm(packed.data, packed.batch_sizes, (start, start), weights, True, 1, 0.0, lstm.training, True)
    states = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
    return pad_packed_sequence(states, batch_first=True)[0]


LOSSES = {
    OURS: batched_loss,
    SENTENCES: sentence_loss,
    CRF_ONLY: sentence_crf_loss,
    FUSED: fused_loss,
    PACKED: packed_loss,
}


def choose_batches(lengths: np.ndarray, batch_size: int, steps: int, seed: int) -> list[list[int]]:
    """Some batches of an epoch, evenly over all lengths.

    Raises:
        InputError: The corpus has fewer.
    """
    order = list(LengthBucketSampler(lengths, batch_size, seed))
    batches = [order[begin : begin + batch_size] for begin in range(0, len(order) - batch_size + 1, batch_size)]
    if len(batches) < steps:
        raise InputError(f"{len(lengths)} sentences make {len(batches)} batches", remedy="lower --steps")
    batches.sort(key=lambda rows: int(lengths[rows].max()))
    offset = np.random.default_rng(seed).random()
    return [batches[int((step + offset) * len(batches) / steps)] for step in range(steps)]


def measure(material: Material, args: argparse.Namespace) -> dict[str, Any]:
    """Time every way on the same blocks."""
    ways = {name: Way(material, loss, tied=args.tied) for name, loss in LOSSES.items()}
    lengths = material.rows.lengths
    for way in ways.values():
        way.run(choose_batches(lengths, args.batch_size, WARM_UP_STEPS, args.blocks))
    blocks = []
    for number in range(args.blocks):
        batches = choose_batches(lengths, args.batch_size, args.steps, number)
        names = list(reversed(ways)) if number % 2 else list(ways)
        readings = {name: ways[name].run(batches) for name in names}
        words = int(sum(lengths[rows].sum() for rows in batches))
        blocks.append({"sentences": len(batches) * args.batch_size, "words": words, "readings": readings})
    return summary(blocks, len(material.rows))


def summary(blocks: list[dict[str, Any]], corpus_size: int) -> dict[str, Any]:
    """Speeds over all blocks, and ratios of speeds within each block."""
    sentences, words = (sum(block[name] for block in blocks) for name in ("sentences", "words"))
    speeds, ratios = {}, {}
    for name in LOSSES:
        seconds, processor = (
            sum(getattr(block["readings"][name], clock) for block in blocks) for clock in ("wall_s", "processor_s")
        )
        speeds[name] = {
            "sentences_per_s": sentences / seconds,
            "words_per_s": words / seconds,
            "sentences_per_processor_s": sentences / processor,
            "processor_s_per_epoch": corpus_size * processor / sentences,
        }
        if name != OURS:
            ratios[f"{OURS} / {name}"] = {
                "wall": _spread([_ratio(block, name, "wall_s") for block in blocks]),
                "processor": _spread([_ratio(block, name, "processor_s") for block in blocks]),
            }
    told = [block | {"readings": {name: asdict(part) for name, part in block["readings"].items()}} for block in blocks]
    return {"sentences": sentences, "words": words, "ways": speeds, "speed_ratios": ratios, "blocks": told}


def _ratio(block: dict[str, Any], name: str, clock: str) -> float:
    return float(getattr(block["readings"][name], clock) / getattr(block["readings"][OURS], clock))


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def describe(result: dict[str, Any]) -> str:
    """Two tables: speeds, and ratios of speeds."""
    names = ("sentences_per_s", "words_per_s", "sentences_per_processor_s", "processor_s_per_epoch")
    speeds = [[name, *(f"{speed[part]:.1f}" for part in names)] for name, speed in result["ways"].items()]
    ratios = [
        [name, *(f"{ratio[clock][part]:.2f}" for clock in ("wall", "processor") for part in ("median", "min", "max"))]
        for name, ratio in result["speed_ratios"].items()
    ]
    head = ["way", "sentences/s", "words/s", "sentences/processor s", "processor s/epoch"]
    return "\n".join(
        [
            f"{result['sentences']} sentences a way, {len(result['blocks'])} blocks",
            table(head, speeds),
            table(["speed ratio", "median", "min", "max", "processor: median", "min", "max"], ratios),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
