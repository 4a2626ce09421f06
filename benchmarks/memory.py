"""Peak memory of the training data path: flat in the number of unlabelled sentences.

    python benchmarks/memory.py --json runs/bench/memory.json

Each number of sentences is measured in a process of its own: sentences are encoded and written, soft labels are
written, and one epoch of batches is read back, as a student's training does, without the model. What counts is
anonymous memory (RssAnon), at its peak, above what the process had with everything imported and loaded; pages of
memory-mapped files belong to the system, which takes them back when it needs them. Beside it, by calculation: the
tensors that the papers' code would keep for the same sentences.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter
from datasets.utils.logging import disable_progress_bar
from machine import describe_machine, machine_facts, table, write_report
from papers_loop import bytes_per_row
from peak_memory import PeakMemory
from torch.utils.data import DataLoader
from training_material import TAGS, corpora_at_hand, target_text, write_rows

from hf_xner.data.rows import RowCollator
from hf_xner.data.sampling import LengthBucketSampler
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_tokenizer
from hf_xner.models.builtin import resolve_encoder

BATCH_SIZE = 32
MAX_LENGTH = 128
MEGABYTE = 1_000_000


def main() -> int:
    """Measure every number of sentences, print a table, write JSON; returns the exit code."""
    args = _parser().parse_args()
    disable_progress_bar()
    try:
        spec = args.corpus or corpora_at_hand(args.data_dir)[0]
        if args.one:
            print(json.dumps(one_point(args.sentences[0], target_text(spec, args.data_dir), args.encoder)))
            return 0
        points = [_in_own_process(count, spec, args) for count in args.sentences]
    except InputError as error:
        print(f"memory: {error}", file=sys.stderr)
        return 2
    facts = machine_facts()
    print(f"{describe_machine(facts)}\n{spec}, repeated to the length wanted, {Path(args.encoder).name}")
    print(
        table(
            ["sentences", "anonymous memory, peak growth", "files on disk", "papers' tensors (calculated)", "time"],
            [
                [
                    str(point["sentences"]),
                    f"{point['peak_growth_mb']:.1f} MB",
                    f"{point['disk_mb']:.1f} MB",
                    f"{point['papers_tensors_mb']:.1f} MB",
                    f"{point['seconds']:.0f} s",
                ]
                for point in points
            ],
        )
    )
    report = {"machine": facts, "corpus": spec, "encoder": Path(args.encoder).name, "points": points}
    write_report(args.json, report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sentences", type=int, nargs="+", default=[10_000, 100_000], help="numbers (default 10000 100000)"
    )
    parser.add_argument("--corpus", metavar="SPEC", help="default: conll2002:es where it is at hand, else sample:es")
    parser.add_argument("--data_dir", help="folder with corpora; HF_XNER_DATA is looked at after it")
    parser.add_argument("--encoder", default="xner-mini", help="encoder whose tokenizer is used (default xner-mini)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--one", action="store_true", help="measure the first number in this process, print JSON")
    return parser


def _in_own_process(count: int, spec: str, args: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", "--sentences", str(count), "--corpus", spec]
    command += ["--encoder", args.encoder, *(["--data_dir", args.data_dir] if args.data_dir else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def one_point(count: int, text: Dataset, encoder: str) -> dict[str, Any]:
    """Peak growth of anonymous memory while `count` sentences are written and read once, in batches."""
    tokenizer = load_tokenizer(resolve_encoder(encoder))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sentences = _repeated(text, count, folder / "text.arrow")
        data_path(sentences.select(range(min(count, 200))), tokenizer, folder / "warm-up")
        start = time.perf_counter()
        with PeakMemory() as memory:
            batches = data_path(sentences, tokenizer, folder / "rows")
        seconds = time.perf_counter() - start
        disk = sum(path.stat().st_size for path in (folder / "rows").iterdir())
    return {
        "sentences": count,
        "batches": batches,
        "peak_growth_mb": memory.growth / MEGABYTE,
        "disk_mb": disk / MEGABYTE,
        "papers_tensors_mb": count * bytes_per_row(MAX_LENGTH, len(TAGS)) / MEGABYTE,
        "seconds": seconds,
    }


def _repeated(text: Dataset, count: int, path: Path) -> Dataset:
    """The sentences over and over, `count` in all, in a memory-mapped file as a corpus is."""

    def endless() -> Iterator[list[str]]:
        while True:
            for batch in text.iter(1000):
                yield from batch["tokens"]

    with ArrowWriter(path=str(path), features=Features({"tokens": List(Value("string"))})) as writer:
        for _, tokens in zip(range(count), endless(), strict=False):
            writer.write({"tokens": tokens})
        writer.finalize()
    return Dataset.from_file(str(path))


def data_path(sentences: Dataset, tokenizer: Any, folder: Path) -> int:
    """Write the rows, read one epoch of batches; returns the number of batches."""
    folder.mkdir()
    rows = write_rows(sentences, tokenizer, None, folder, MAX_LENGTH)
    loader = DataLoader(
        rows,
        batch_size=BATCH_SIZE,
        sampler=LengthBucketSampler(rows.lengths, BATCH_SIZE, seed=1),
        collate_fn=RowCollator(tokenizer.pad_token_id or 0),
    )
    return sum(1 for _ in loader)


if __name__ == "__main__":
    sys.exit(main())
