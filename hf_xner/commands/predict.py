"""`xner predict MODEL [FILE]`: tags raw text, words, CoNLL or JSON lines, from a file or a pipe, in order."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from io import IOBase
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hf_xner.errors import InputError
from hf_xner.whole_files import whole_file

if TYPE_CHECKING:
    from hf_xner.inference.inputs import Item
    from hf_xner.inference.results import TaggedSentence
    from hf_xner.inference.tagger import Tagger


def add_parser(subparsers: Any) -> None:
    """Add `predict` to the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="tag text, words, CoNLL or JSON lines with a trained model",
        description="Tags a file or standard input, one answer for each line or sentence, in order.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a token classifier")
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="what to tag; - (default) for stdin")
    parser.add_argument(
        "--input",
        choices=("text", "words", "conll", "jsonl"),
        help="text: a raw text a line; words: a sentence a line, words between spaces; conll: columns, the word "
        "first or after its number, or a table with a header (.csv, .tsv); jsonl: objects with 'text' or 'tokens'. By "
        "default what the file's extension says (.gz, .bz2 and .xz after it are unpacked); text for stdin",
    )
    parser.add_argument("--output", metavar="FILE", default="-", help="where to; - (default) for stdout")
    parser.add_argument(
        "--format",
        choices=("conll", "jsonl", "inline"),
        default="conll",
        help="conll: 'token [gold] tag' columns; jsonl: offsets and scores too; inline: text with [entities TYPE]",
    )
    parser.add_argument(
        "--decoding",
        choices=("model", "argmax", "viterbi"),
        default="model",
        help="model (default): as the model was evaluated; viterbi: only tag sequences that the scheme allows",
    )
    parser.add_argument("--threshold", type=float, default=0.0, help="leave out entities with a lower score (0..1)")
    parser.add_argument(
        "--on_long_input",
        choices=("stride", "error", "truncate"),
        default="stride",
        help="sentences longer than the model takes: read in overlapping windows (default), refused, or cut",
    )
    parser.add_argument("--max_length", type=int, help="longest window in sub-words; default: what the model takes")
    parser.add_argument(
        "--overlap", type=int, help="sub-words that windows share, up to half a window; default: a quarter of one"
    )
    parser.add_argument(
        "--batch_subwords",
        type=int,
        help="sub-words in one batch: speed against memory; default: as suits the device",
    )
    parser.add_argument(
        "--chunk",
        type=int,
        help="sentences read ahead, to be batched by length: 1 answers at once. Default 1024, on a terminal 1",
    )
    parser.add_argument("--vectors", metavar="FILE", help="BiLSTM-CRF: vectors of words that the model itself lacks")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, …; default: a GPU if there is one")
    parser.add_argument(
        "--dtype",
        choices=("fp32", "bf16", "int8", "float32", "bfloat16"),
        metavar="{fp32,bf16,int8}",
        help="precision: fp32 (default), bf16 (for processors that have it), int8 (for exports made with it)",
    )
    parser.add_argument("--threads", type=int, help="of the processor; default: what torch takes")
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="share the work among so many, each with its own model and its share of the threads (default 1)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Tag what `args` say; returns the exit code."""
    from transformers.utils import logging

    from hf_xner.inference.inputs import kind_of, read_items
    from hf_xner.inference.outputs import FORMATS, in_iob2

    kind = kind_of(args.file, args.input)
    if not 0 <= args.threshold <= 1:
        raise InputError(f"--threshold {args.threshold}", remedy="give a number between 0 and 1")
    logging.disable_progress_bar()
    with _opened_input(args.file) as source, _opened_output(args.output, args.file) as target, _tagger(args) as tagger:
        chunk = args.chunk or (1 if isinstance(source, IOBase) and source.isatty() else 1024)
        for item, tagged in _answers(tagger, read_items(source, args.file, kind), args.threshold, chunk):
            answer = FORMATS[args.format](item, in_iob2(tagged, tagger.decoder.scheme))
            target.write(answer.encode("utf-8", "replace"))
            target.flush()
    return 0


def _tagger(args: argparse.Namespace) -> Tagger:
    from hf_xner.inference.tagger import Tagger

    return Tagger.from_pretrained(
        args.model,
        device=args.device,
        dtype=args.dtype,
        threads=args.threads,
        processes=args.processes,
        vectors=args.vectors,
        decoding=args.decoding,
        max_length=args.max_length,
        overlap=args.overlap,
        on_long_input=args.on_long_input,
        batch_subwords=args.batch_subwords,
    )


def _answers(
    tagger: Tagger, items: Iterator[Item], threshold: float, chunk: int
) -> Iterator[tuple[Item, TaggedSentence]]:
    """Pair each item with its answer; the two copies of the stream are never more than a chunk apart."""
    first = next(items, None)
    if first is None:
        return
    items, ahead = tee(_put_back(first, items))
    contents: Iterator[Any] = (item.content for item in ahead)
    stream = tagger.stream_text if isinstance(first.content, str) else tagger.stream_words
    answers = stream(contents, threshold=threshold, chunk=chunk)
    yield from zip(items, answers, strict=True)


def _put_back(first: Item, rest: Iterator[Item]) -> Iterator[Item]:
    yield first
    yield from rest


def _unpacked(path: Path) -> Iterator[bytes]:
    """The lines of a packed file, which this generator holds, so that only what goes wrong in it is its fault."""
    from hf_xner.data.formats.text import open_bytes

    with open_bytes(path, may_be_empty=True) as file:
        yield from file


@contextlib.contextmanager
def _opened_input(name: str) -> Iterator[Iterable[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    from hf_xner.data.formats.text import COMPRESSED

    with contextlib.ExitStack() as stack:
        if Path(name).suffix.lower() in COMPRESSED:
            yield _unpacked(Path(name))
            return
        try:
            source = stack.enter_context(open(name, "rb"))
        except OSError as error:
            raise InputError(
                f"cannot read the file ({error.strerror})", where=name, remedy="check the path"
            ) from error
        yield source


@contextlib.contextmanager
def _opened_output(name: str, source: str) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears under its name once it is complete.

    Raises:
        InputError: It is the file to tag, or cannot be written.
    """
    if name == "-":
        yield sys.stdout.buffer
        return
    if source != "-" and os.path.realpath(name) == os.path.realpath(source):
        raise InputError("this is the file to tag", where=f"--output {name}", remedy="name another one")
    try:
        with whole_file(Path(name)) as aside, open(aside, "wb") as stream:
            yield stream
    except OSError as error:
        raise InputError(
            f"cannot write the file ({error.strerror or error})", where=name, remedy="check the folder and free space"
        ) from error
