"""CSLS dictionary: ours against MUSE's way on a CPU, with the bare matrix product as the floor; then a whole corpus.

    python benchmarks/translation.py --size 100000 --json runs/bench/translation.json
    python benchmarks/translation.py --size 0 --corpus conll2003:en      # the corpus alone

MUSE multiplies the spaces three times (neighbourhoods of either side, then scores), in blocks of 1,024 queries with
a full top-k each time. All ways run in this process, on the same vectors and threads. Times are wall clock; processor
seconds beside them tell what a busy machine adds. Memory is what the process grew by at its peak, inputs excluded.

The corpus is translated word by word as `xner translate` and UniTrans do it, once the dictionary exists: PER copied,
case as in the source. Without --dictionary every word of it has a translation made up.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peak_memory import PeakMemory, resident_memory

from hf_xner.data import load_corpus
from hf_xner.errors import InputError
from hf_xner.translation.augment import translate_corpus
from hf_xner.translation.retrieval import csls
from hf_xner.translation.seeds import read_dictionary
from hf_xner.translation.translators import TableTranslator

BLOCK = 1024
K = 10


def main() -> None:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", type=int, default=100_000, help="words of each language (default 100000; 0: no CSLS)"
    )
    parser.add_argument("--width", type=int, default=300, help="components of a vector (default 300)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the fastest counts (default 1)")
    parser.add_argument(
        "--corpus", metavar="SPEC", help="labelled corpus (conll2003:en where at hand, else sample:en)"
    )
    parser.add_argument("--dictionary", metavar="FILE", type=Path, help="translate it by this dictionary")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    report = {
        "threads": args.threads,
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
    }
    if args.size:
        report |= compare_ways(args)
    report["corpus"] = translate(args.corpus, args.dictionary, args.repeat)
    facts = (
        "{corpus}: {sentences} sentences, {words} words translated in {wall_s:.1f} s, {processor_s:.1f} processor s"
    )
    print(facts.format(**report["corpus"]))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def compare_ways(args: argparse.Namespace) -> dict[str, Any]:
    """Find translations in every way, print a table, and give the figures."""
    source, target = vectors(args.size, args.width)
    ways: dict[str, Callable[[], Any]] = {
        "one product (floor)": lambda: product(source, target),
        "hf_xner": lambda: csls(source, target, neighbours=K),
        "MUSE's way": lambda: muse(source, target),
    }
    rows: dict[str, dict[str, float]] = {}
    answers: dict[str, np.ndarray] = {}
    for name, way in ways.items():
        rows[name], result = measured(way, args.repeat)
        answers[name] = result.targets[:, 0] if name == "hf_xner" else result
    ours, theirs = rows["hf_xner"], rows["MUSE's way"]
    report = {
        "size": args.size,
        "width": args.width,
        "ways": rows,
        "times_faster_wall": theirs["wall_s"] / ours["wall_s"],
        "times_faster_processor": theirs["processor_s"] / ours["processor_s"],
        "same_translations": float(np.mean(answers["hf_xner"] == answers["MUSE's way"])),
    }
    print(f"{args.size} x {args.size} x {args.width}, {args.threads} threads")
    for name, row in rows.items():
        print(f"{name:22}{row['wall_s']:9.1f} s{row['processor_s']:9.1f} processor s{row['extra_mb']:9.0f} MB")
    print(
        f"{report['times_faster_wall']:.2f} x faster ({report['times_faster_processor']:.2f} x in processor time), "
        f"{report['same_translations']:.2%} the same translations"
    )
    return report


def translate(spec: str | None, dictionary: Path | None, repeat: int) -> dict[str, Any]:
    """Translate the training set of a corpus; seconds (the fastest run) from Dataset and dictionary to Dataset."""
    if spec is None:
        try:
            return translate("conll2003:en", dictionary, repeat)
        except InputError:  # it may not be passed around; the built-in one is small
            return translate("sample:en", dictionary, repeat)
    data = load_corpus(spec)["train"]
    words = [word for tokens in data["tokens"] for word in tokens]
    entries = {word: word[::-1] for word in words} if dictionary is None else dict(read_dictionary(dictionary))
    translator = TableTranslator(entries)
    row, _ = measured(lambda: translate_corpus(data, translator), repeat)
    return {"corpus": spec, "sentences": len(data), "words": len(words), "entries": len(translator.entries), **row}


def vectors(size: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two spaces with hubs and a falling spectrum, one a perturbed permutation of the other, rows of length 1."""
    random = np.random.default_rng(0)
    spectrum = np.exp(-np.arange(width) / (width / 3)).astype(np.float32)
    base = random.standard_normal((size, width), dtype=np.float32) * spectrum + 0.3 * spectrum
    spaces = []
    for rows in (np.arange(size), random.permutation(size)):
        space = base[rows] + 0.3 * spectrum * random.standard_normal((size, width), dtype=np.float32)
        spaces.append(space / np.linalg.norm(space, axis=1, keepdims=True))
    return spaces[0], spaces[1]


def product(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Every similarity once, thrown away."""
    left, right = torch.from_numpy(source), torch.from_numpy(target).T
    for begin in range(0, len(left), BLOCK):
        left[begin : begin + BLOCK].mm(right)
    return np.zeros(0)


def muse(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Best targets by CSLS as MUSE computes them without faiss."""
    left, right = torch.from_numpy(source), torch.from_numpy(target)
    left_density, right_density = _density(right, left), _density(left, right)
    transposed = right.T.contiguous()
    best = []
    for begin in range(0, len(left), BLOCK):
        scores = left[begin : begin + BLOCK].mm(transposed)
        scores.mul_(2)
        scores.sub_(left_density[begin : begin + BLOCK, None] + right_density[None, :])
        best.append(scores.topk(2, dim=1, largest=True, sorted=True)[1][:, 0])
    return torch.cat(best).numpy()


def _density(space: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
    transposed = space.T.contiguous()
    return torch.cat(
        [
            queries[begin : begin + BLOCK].mm(transposed).topk(K, dim=1, largest=True, sorted=True)[0].mean(1)
            for begin in range(0, len(queries), BLOCK)
        ]
    )


def measured(way: Callable[[], Any], repeat: int) -> tuple[dict[str, float], Any]:
    """Seconds (the fastest run) and peak growth of memory (the largest), with the last result."""
    best = {"wall_s": float("inf"), "processor_s": float("inf"), "extra_mb": 0.0}
    result: Any = None
    for _ in range(repeat):
        with PeakMemory(resident_memory) as peak:
            wall, processor = time.perf_counter(), time.process_time()
            result = way()
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
        best["wall_s"] = min(best["wall_s"], wall)
        best["processor_s"] = min(best["processor_s"], processor)
        best["extra_mb"] = max(best["extra_mb"], peak.growth / 1e6)
    return best, result


if __name__ == "__main__":
    main()
