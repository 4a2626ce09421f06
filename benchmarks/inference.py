"""Tagging: hf_xner against transformers' pipeline, its precisions and runtimes against each other.

    xner train supervised --source conll2003:en --epochs 1 --output_dir runs/tagger    # any tagger will do
    python benchmarks/inference.py --model runs/tagger/student --json runs/bench/inference.json

Everything is timed in one run on the same sentences: the ways take turns, block by block, forwards and backwards, so
that a drift of the machine cancels; a ratio is formed within a block, and median, least and greatest are reported,
for the clock and for processor time (which does not count what other programs took). The pipeline gets each sentence
as a string, its words joined by spaces, and so does hf_xner by `tag_text`, which also splits it into words and
decodes as the model says; `tag_words` gets the words. "best" is the fastest of several batch sizes, block by block.

The ONNX graphs are exported on the way. F1 is the tagger's and the plain one on the whole corpus. Latency is of single
sentences of words, one call each. Memory is the growth of resident memory in a process of its own that loads a tagger
and streams; it has the model in it, and must not depend on how many sentences there are.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine, machine_facts, table, write_report
from peak_memory import PeakMemory, resident_memory
from transformers import pipeline
from transformers.utils import logging

from hf_xner.commands.labelled import check_types, load_labelled
from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import evaluate_model
from hf_xner.inference.device import native_bf16
from hf_xner.inference.export import export_tagger
from hf_xner.inference.tagger import Tagger

DEFAULT, OURS, WORDS = "pipeline, default", "tag_text, fp32", "tag_words, fp32"
BF16, AUTOCAST, ONNX, INT8 = "tag_text, bf16", "tag_text, bf16 autocast", "tag_text, onnx", "tag_text, onnx int8"
BEST = "pipeline, best batch size"


@dataclass(frozen=True)
class Reading:
    """What a way took for a block.

    Attributes:
        wall_s: Seconds by the clock.
        processor_s: Seconds of processor time of this process.
    """

    wall_s: float
    processor_s: float


Block = list[list[str]]
Way = Callable[[Block], object]


def main() -> int:
    """Run, print the tables, write JSON; returns the exit code."""
    args = _parser().parse_args()
    if args.stream_child:
        return stream_child(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    facts = machine_facts()
    print(describe_machine(facts), flush=True)
    try:
        report = measure(args)
    except InputError as error:
        print(f"inference: {error}", file=sys.stderr)
        return 2
    write_report(args.json, {"machine": facts, **report})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a tagger: folder or Hub id (see above how to get one)")
    parser.add_argument("--corpus", metavar="SPEC", default="conll2002:nl", help="default conll2002:nl")
    parser.add_argument("--split", default="test", help="default test")
    parser.add_argument("--data_dir", help="folder with corpora; HF_XNER_DATA is looked at after it")
    parser.add_argument("--blocks", type=int, default=6, help="blocks of each way (default 6)")
    parser.add_argument(
        "--sentences", type=int, default=1000, help="sentences of a block, drawn from the corpus (default 1000)"
    )
    parser.add_argument(
        "--distinct", action="store_true", help="leave repeated sentences out (hf_xner reads them once)"
    )
    parser.add_argument(
        "--batch_sizes", type=int, nargs="+", default=[4, 8, 16, 32], help="of the pipeline (default 4 8 16 32)"
    )
    parser.add_argument("--latency", type=int, default=200, help="single sentences to time (default 200)")
    parser.add_argument(
        "--stream", type=int, nargs="*", default=[10_000, 100_000], help="sentences to stream for the memory figures"
    )
    parser.add_argument("--no_f1", action="store_true", help="leave the F1 figures out")
    parser.add_argument("--threads", type=int, help="threads of torch and onnxruntime; default: torch's own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--stream_child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    return parser


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Time every way, take F1, latency and memory; prints each table as soon as it is there."""
    corpus = load_labelled(args.corpus, args.split, data_dir=args.data_dir)
    sentences = [words for words in corpus["tokens"][:] if words]
    if args.distinct:
        sentences = [list(words) for words in dict.fromkeys(map(tuple, sentences))]
    with tempfile.TemporaryDirectory() as name:
        export = Path(name) / "export"
        for int8 in (False, True):
            export_tagger(args.model, export, int8=int8)
        taggers = load_taggers(args.model, str(export))
        check_types(taggers[OURS].model.config, corpus, model=args.model, spec=args.corpus)
        ways = _ways(taggers, args)
        blocks = _blocks(sentences, args.blocks, args.sentences)
        repeated = 1 - sum(len(set(map(tuple, block))) for block in blocks) / sum(map(len, blocks))
        tokenizer = taggers[OURS].tokenizer
        subwords = [_subwords(tokenizer, block) for block in blocks]
        rounds = time_blocks(ways, blocks)
        report: dict[str, Any] = {
            "model": Path(args.model).name,
            "corpus": f"{args.corpus} {args.split}",
            "settings": {name: getattr(args, name) for name in ("blocks", "sentences", "distinct", "batch_sizes")},
            "sentences_a_block": len(blocks[0]),
            "repeated_sentences": repeated,
            "ways": speeds(rounds, blocks, subwords),
            "speed_ratios": ratios(rounds),
            "rounds": [{name: vars(reading) for name, reading in round_.items()} for round_ in rounds],
        }
        print(describe_speeds(report), flush=True)
        report["latency"] = latency(taggers, args, sentences)
        print(describe_latency(report["latency"]), flush=True)
        if not args.no_f1:
            report["f1"] = f1_figures(taggers, corpus)
            print(describe_f1(report["f1"]), flush=True)
        report["memory"] = memory(args, str(export))
        print(describe_memory(report["memory"]), flush=True)
    return report


def load_taggers(model: str, export: str) -> dict[str, Tagger]:
    """One model in every precision and runtime that this processor is good at."""
    threads = torch.get_num_threads()
    taggers = {
        OURS: Tagger.from_pretrained(model, device="cpu"),
        ONNX: Tagger.from_pretrained(export, dtype="fp32", threads=threads),
        INT8: Tagger.from_pretrained(export, dtype="int8", threads=threads),
    }
    if native_bf16(torch.device("cpu")):
        taggers[BF16] = Tagger.from_pretrained(model, device="cpu", dtype="bf16")
        taggers[AUTOCAST] = Tagger.from_pretrained(model, device="cpu", bf16=True)
    return taggers


def _ways(taggers: dict[str, Tagger], args: argparse.Namespace) -> dict[str, Way]:
    reference = pipeline("token-classification", model=args.model, device=-1)
    ways: dict[str, Way] = {
        DEFAULT: lambda block: reference(_texts(block)),
        WORDS: taggers[OURS].tag_words,
    }
    for size in args.batch_sizes:
        ways[_batched(size)] = lambda block, size=size: reference(_texts(block), batch_size=size)
    for name, tagger in taggers.items():
        ways[name] = lambda block, tagger=tagger: tagger.tag_text(_texts(block))
    return ways


def _batched(size: int) -> str:
    return f"pipeline, batches of {size}"


def _texts(block: Block) -> list[str]:
    return [" ".join(words) for words in block]


def _blocks(sentences: Block, blocks: int, size: int) -> list[Block]:
    """Sentences in random order, cut into blocks; the order begins again where there are too few.

    A block holds no sentence more often than the corpus does: a tagger that reads equal ones once would have less to
    do.
    """
    order = list(sentences)
    size = min(size, len(order))
    random.Random(0).shuffle(order)
    stream = itertools.cycle(order)
    return [list(itertools.islice(stream, size)) for _ in range(blocks)]


def _subwords(tokenizer: Any, block: Block) -> int:
    encoded = tokenizer(block, is_split_into_words=True, add_special_tokens=False, truncation=False, verbose=False)
    return sum(map(len, encoded["input_ids"]))


def time_blocks(ways: dict[str, Way], blocks: Sequence[Block]) -> list[dict[str, Reading]]:
    """The readings of every way for every block, after a warm-up."""
    for way in ways.values():
        way(blocks[0][:20])
    rounds = []
    for number, block in enumerate(blocks):
        names = list(reversed(ways)) if number % 2 else list(ways)
        rounds.append({name: _timed(lambda name=name, block=block: ways[name](block)) for name in names})
    return rounds


def _timed(work: Callable[[], object]) -> Reading:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Reading(time.perf_counter() - wall, time.process_time() - processor)


def speeds(
    rounds: Sequence[dict[str, Reading]], blocks: Sequence[Block], subwords: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Words, sub-words and sentences per second of each way, over all blocks."""
    words = sum(len(sentence) for block in blocks for sentence in block)
    figures = {}
    for name in rounds[0]:
        wall = sum(round_[name].wall_s for round_ in rounds)
        figures[name] = {
            "tokens_per_s": words / wall,
            "subwords_per_s": sum(subwords) / wall,
            "sentences_per_s": sum(map(len, blocks)) / wall,
            "tokens_per_processor_s": words / sum(round_[name].processor_s for round_ in rounds),
        }
    return figures


def ratios(rounds: Sequence[dict[str, Reading]]) -> dict[str, dict[str, float]]:
    """How many times as fast one way is as another, block by block."""
    names = list(rounds[0])
    batched = [name for name in names if name.startswith("pipeline") and name != DEFAULT]
    pairs = [(OURS, DEFAULT), (OURS, BEST), (WORDS, DEFAULT), (WORDS, BEST)]
    pairs += [(name, OURS) for name in (ONNX, INT8, BF16, AUTOCAST) if name in names]

    def seconds(round_: dict[str, Reading], name: str, clock: str) -> float:
        chosen = [DEFAULT, *batched] if name == BEST else [name]
        return min(getattr(round_[one], clock) for one in chosen)

    found = {}
    for first, second in pairs:
        wall = [seconds(round_, second, "wall_s") / seconds(round_, first, "wall_s") for round_ in rounds]
        busy = [seconds(round_, second, "processor_s") / seconds(round_, first, "processor_s") for round_ in rounds]
        found[f"{first} / {second}"] = {
            "median": statistics.median(wall),
            "min": min(wall),
            "max": max(wall),
            "processor_time_median": statistics.median(busy),
        }
    return found


def latency(taggers: dict[str, Tagger], args: argparse.Namespace, sentences: Block) -> list[dict[str, Any]]:
    """Milliseconds for a sentence by itself, median and 95th percentile: of the corpus, and of several lengths."""
    reference = pipeline("token-classification", model=args.model, device=-1)
    ways: dict[str, Callable[[list[str]], object]] = {DEFAULT: lambda words: reference(" ".join(words))}
    ways |= {name: lambda words, tagger=tagger: tagger.tag_words([words]) for name, tagger in taggers.items()}
    drawn = random.Random(1).sample(sentences, min(args.latency, len(sentences)))
    words = [word for sentence in drawn for word in sentence]
    material = {"the corpus": drawn}
    for length in (8, 32, 128):
        starts = range(0, min(len(words) - length + 1, 20 * length), length)
        material[f"{length} words"] = [words[start : start + length] for start in starts]
    figures = []
    for what, inputs in material.items():
        if len(inputs) < 2:  # too few words were drawn for percentiles of texts of this length
            continue
        for sentence, way in itertools.product(inputs[:5], ways.values()):
            way(sentence)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for sentence, name in itertools.product(inputs, ways):  # the ways take turns, sentence by sentence
            times[name].append(1000 * _timed(lambda name=name, sentence=sentence: ways[name](sentence)).wall_s)
        for name, values in times.items():
            cuts = statistics.quantiles(values, n=20)
            figures.append({"text": what, "way": name, "p50_ms": statistics.median(values), "p95_ms": cuts[-1]})
    return figures


def f1_figures(taggers: dict[str, Tagger], corpus: Any) -> dict[str, dict[str, float]]:
    """F1 in percent of each precision, plain and tagger."""
    figures = {}
    for name, tagger in taggers.items():
        outcome = evaluate_model(tagger.model, tagger.tokenizer, corpus, bf16=tagger.bf16)
        figures[name] = {kind: 100 * scores.f1 for kind, scores in outcome.scores.items()}
    return figures


def memory(args: argparse.Namespace, export: str) -> list[dict[str, Any]]:
    """Peak growth of resident memory, in MB, of processes that load a tagger and stream so many sentences."""
    figures = []
    for (name, model, dtype), count in itertools.product(
        [(OURS, args.model, "fp32"), (INT8, export, "int8")], args.stream
    ):
        command = [sys.executable, __file__, "--model", model, "--dtype", dtype, "--stream_child", str(count)]
        command += ["--corpus", args.corpus, "--split", args.split, "--threads", str(torch.get_num_threads())]
        command += ["--data_dir", args.data_dir] if args.data_dir else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        figures.append({"way": name, "sentences": count, **json.loads(done.stdout.splitlines()[-1])})
    return figures


def stream_child(args: argparse.Namespace) -> int:
    """Load a tagger and stream sentences of the corpus; prints the memory that took as JSON."""
    torch.set_num_threads(args.threads or torch.get_num_threads())
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    sentences = [
        words for words in load_labelled(args.corpus, args.split, data_dir=args.data_dir)["tokens"][:] if words
    ]

    def endless() -> Iterator[list[str]]:
        # A number makes each sentence another one, so that none is read from an earlier answer.
        for number, words in enumerate(itertools.cycle(sentences)):
            yield [*words, str(number)]

    with PeakMemory(resident_memory) as peak:
        tagger = Tagger.from_pretrained(args.model, dtype=args.dtype, device="cpu", threads=args.threads)
        begin = time.perf_counter()
        entities = sum(
            len(tagged.entities) for tagged in tagger.stream_words(itertools.islice(endless(), args.stream_child))
        )
        seconds = time.perf_counter() - begin
    print(json.dumps({"peak_mb": peak.growth / 1e6, "seconds": seconds, "entities": entities}))
    return 0


def describe_speeds(report: dict[str, Any]) -> str:
    """Tables of speeds and of their ratios."""
    rows = [
        [
            name,
            f"{way['tokens_per_s']:.0f}",
            f"{way['subwords_per_s']:.0f}",
            f"{way['sentences_per_s']:.0f}",
            f"{way['tokens_per_processor_s']:.0f}",
        ]
        for name, way in report["ways"].items()
    ]
    names = ("median", "min", "max", "processor_time_median")
    ratio_rows = [[name, *(f"{ratio[key]:.2f}" for key in names)] for name, ratio in report["speed_ratios"].items()]
    settings = report["settings"]
    size = report["sentences_a_block"]
    repeated = "each once" if settings["distinct"] else f"{100 * report['repeated_sentences']:.0f} % of them repeated"
    return "\n".join(
        [
            f"\n{report['corpus']}, {settings['blocks']} blocks of {size} sentences, {repeated}",
            table(["way", "tokens/s", "sub-words/s", "sentences/s", "tokens/processor s"], rows),
            "",
            table(["speed ratio", "median", "min", "max", "processor time"], ratio_rows),
        ]
    )


def describe_latency(figures: Sequence[dict[str, Any]]) -> str:
    """A table with a row for each kind of text and way."""
    rows = [[f"{row['text']}: {row['way']}", f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}"] for row in figures]
    return "\n" + table(["single sentence", "p50 ms", "p95 ms"], rows)


def describe_f1(figures: dict[str, dict[str, float]]) -> str:
    """A table with a row for each precision."""
    rows = [[name, *(f"{row[kind]:.2f}" for kind in ("plain", "tagger"))] for name, row in figures.items()]
    return "\n" + table(["F1", "plain", "tagger"], rows)


def describe_memory(figures: Sequence[dict[str, Any]]) -> str:
    """A table with a row for each stream."""
    rows = [[f"{row['way']}", str(row["sentences"]), f"{row['peak_mb']:.0f}"] for row in figures]
    return "\n" + table(["memory", "sentences", "peak MB"], rows)


if __name__ == "__main__":
    sys.exit(main())
