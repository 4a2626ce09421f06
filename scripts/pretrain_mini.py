"""Make a small multilingual BERT encoder from plain text files, one per language.

    python scripts/pretrain_mini.py --text ../shared/data/text --languages en es nl de no fi ar ko \
        --parallel ../shared/data/text/parallel --dictionaries ../shared/data/dict --output_dir runs/mini --steps 40000

It trains a cased WordPiece tokenizer, encodes the text, trains word2vec vectors of the sub-words (`pip install
"hf_xner[pretrain]"` for gensim), and trains a masked language model from them, in bf16 where the machine has it. Every
step is skipped whose result is already in `--output_dir`, and training goes on from its last checkpoint: after a kill,
give the same command again. With other `--steps` it is prolonged, or ended early with a proper decay of the rate. The
encoder is then in `<output_dir>/encoder`, with its loss curve; `<output_dir>/curve` holds one for each checkpoint.

Your own languages: put `<code>.txt` (one sentence or short paragraph a line, UTF-8, may be .xz) into a folder. English
in, `en-<code>.tsv` (English TAB other), `en-<code>.txt` and `en-<code>.rev.txt` (dictionaries, an English word and its
translation a line, ordered by English and by the other language) make translations meet; languages that lack them go
without, and dictionaries are of no use for languages without blanks between words. A folder given to --text twice
counts twice, and --corpora adds the train sentences of tagged corpora, without their tags.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.pretraining.card import model_card, read_manifest, readable, save_card

PREPARES = ("languages", "vocab_size", "corpora", "corpora_times", "vector_epochs")
CHANGEABLE = {"steps", "decay", "growth", "save_minutes", "workers"}  # of a training that has begun
SHORTEST_ROW = 8
UNRECORDED = {"output_dir", "data_dir", "manifests", "prepare_only", "save_minutes", "workers"}


def parser() -> argparse.ArgumentParser:
    """The options."""
    usage, _, details = (__doc__ or "").partition("\n\n")
    result = argparse.ArgumentParser(
        description=usage, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = result.add_argument
    add("--text", nargs="+", type=Path, required=True, help="folders with <language>.txt or <language>.txt.xz")
    add("--languages", nargs="+", required=True, help="language codes, as in the file names")
    add("--output_dir", type=Path, required=True, help="everything goes here")
    add("--parallel", type=Path, help="folder with en-<language>.tsv[.xz]")
    add("--dictionaries", type=Path, help="folder with en-<language>.txt[.xz] and en-<language>.rev.txt[.xz]")
    add("--corpora", nargs="*", default=[], metavar="SPEC", help="tagged corpora whose train sentences are text, too")
    add("--corpora_times", type=int, default=3, help="how often each of these sentences counts (%(default)s)")
    add("--data_dir", type=Path, help="folder with local corpora (or HF_XNER_DATA)")
    add("--vocab_size", type=int, default=40_000, help="sub-words in the vocabulary (%(default)s)")
    add("--vector_epochs", type=int, default=4, help="passes of word2vec (%(default)s)")
    add("--manifests", nargs="*", type=Path, default=[], help="tables of sources and licences, for the model card")
    add("--prepare_only", action="store_true", help="stop before training, to train on another machine")
    shape = result.add_argument_group("shape")
    shape.add_argument("--layers", type=int, default=12, help="(%(default)s)")
    shape.add_argument("--hidden", type=int, default=192, help="width (%(default)s)")
    shape.add_argument("--heads", type=int, default=6, help="heads, at least 32 wide each (%(default)s)")
    shape.add_argument("--intermediate", type=int, default=384, help="feed-forward width (%(default)s)")
    shape.add_argument("--positions", type=int, default=512, help="longest input (%(default)s)")
    rows = result.add_argument_group("rows")
    rows.add_argument("--length", type=int, default=64, help="sub-words in a row (%(default)s)")
    rows.add_argument("--smoothing", type=float, default=0.5, help="exponent of language sampling (%(default)s)")
    rows.add_argument("--switched", type=float, default=0.4, help="share of code-switched rows (%(default)s)")
    rows.add_argument("--switch_rate", type=float, default=0.4, help="words replaced in them (%(default)s)")
    rows.add_argument("--asked_back", type=float, default=0.3, help="replaced words asked for (%(default)s)")
    rows.add_argument("--parallel_rows", type=float, default=0.1, help="share of parallel rows (%(default)s)")
    rows.add_argument("--mask_rate", type=float, default=0.2, help="words masked (%(default)s)")
    schedule = result.add_argument_group("schedule")
    schedule.add_argument("--steps", type=int, required=True, help="optimisation steps")
    schedule.add_argument("--batch", type=int, default=64, help="rows in a step (%(default)s)")
    schedule.add_argument(
        "--growth",
        nargs="*",
        default=[],
        metavar="LAYERS:STEP",
        help="train with so many layers until that step, then double up (3:8000 6:16000)",
    )
    schedule.add_argument("--learning_rate", type=float, default=1e-3, help="peak rate (%(default)s)")
    schedule.add_argument("--warmup", type=int, default=300, help="steps (%(default)s)")
    schedule.add_argument("--decay", type=float, default=0.2, help="share of steps at the end (%(default)s)")
    schedule.add_argument("--candidates", type=int, default=4096, help="sampled softmax, 0: full (%(default)s)")
    schedule.add_argument("--save_minutes", type=float, default=10.0, help="between checkpoints (%(default)s)")
    schedule.add_argument("--workers", type=int, default=0, help="processes that make rows (%(default)s)")
    schedule.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    return result


def parse_growth(values: list[str], layers: int) -> list[tuple[int, int]]:
    """Read LAYERS:STEP pairs.

    Raises:
        InputError: A pair is malformed, or depths are no growing sequence of multiples that leads to `layers`.
    """
    growth = []
    for value in values:
        parts = value.split(":")
        if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
            raise InputError(f"'{value}' is not LAYERS:STEP", where="--growth", remedy="write for example 3:8000")
        growth.append((int(parts[0]), int(parts[1])))
    depths, steps = [*(depth for depth, _ in growth), layers], [step for _, step in growth]
    if any(after % before or after == before for before, after in zip(depths, depths[1:], strict=False)):
        found = f"depths {depths} are not each a multiple of the one before"
        raise InputError(found, where="--growth", remedy="write for example 3:8000 6:16000 before 12 layers")
    if steps != sorted(set(steps)):
        raise InputError(f"steps {steps} do not increase", where="--growth", remedy="give them in order")
    return growth


def check(options: argparse.Namespace) -> list[tuple[int, int]]:
    """Refuse what would fail after an hour of preparation; gives the growth.

    Raises:
        InputError: Options do not fit each other.
    """
    if options.languages != list(dict.fromkeys(options.languages)):
        raise InputError("a language is named twice", where="--languages", remedy="name each once")
    growth = parse_growth(options.growth, options.layers)
    if growth and options.steps <= growth[-1][1]:
        found = f"{options.steps} steps end before the last growth at step {growth[-1][1]}"
        raise InputError(found, where="--steps", remedy="give more, or leave that growth out")
    for name in ("layers", "hidden", "heads", "intermediate", "steps", "batch"):
        if getattr(options, name) < 1:
            raise InputError(f"{getattr(options, name)} is too few", where=f"--{name}", remedy="give 1 or more")
    width, rest = divmod(options.hidden, options.heads)
    if rest or width < 32:
        raise InputError(
            f"{options.hidden} are no {options.heads} heads of one width, 32 or more",
            where="--hidden, --heads",
            remedy="give for example 192 and 6",
        )
    if not SHORTEST_ROW <= options.length <= options.positions:
        raise InputError(
            f"rows of {options.length} sub-words",
            where="--length",
            remedy=f"give {SHORTEST_ROW} to {options.positions} (--positions)",
        )
    return growth


def run(options: argparse.Namespace) -> None:
    """Prepare, train, export."""
    growth = check(options)
    sources = [entry for path in options.manifests for entry in read_manifest(path, options.languages)]
    # After the checks: importing torch takes longer than they do.
    from hf_xner.pretraining.corpus import subword_counts
    from hf_xner.pretraining.domain import check_languages, corpus_text
    from hf_xner.pretraining.export import export_encoder, loss_curve, save_curve
    from hf_xner.pretraining.initialise import Vectors, vector_width
    from hf_xner.pretraining.prepare import (
        BEGUN,
        check_prepared,
        check_sources,
        prepare_data,
        prepare_tokenizer,
        prepare_vectors,
    )
    from hf_xner.pretraining.rows import RowSettings
    from hf_xner.pretraining.train import COMPLETE, Schedule, Shape, stages, train

    def chosen(kind: type) -> dict[str, Any]:
        return {field.name: getattr(options, field.name) for field in fields(kind) if hasattr(options, field.name)}

    shape, schedule = Shape(**chosen(Shape)), Schedule(**(chosen(Schedule) | {"growth": growth}))
    # Where nothing parallel and no dictionary was prepared, rows are plain whatever these shares are.
    rows = RowSettings(**(chosen(RowSettings) | {"parallel": options.parallel_rows}))
    folder: Path = options.output_dir
    # Before anything is written that another command would stumble over.
    check_languages(options.corpora, options.languages)
    check_sources(folder, options.text, options.languages, options.parallel, options.dictionaries)
    folder.mkdir(parents=True, exist_ok=True)
    check_prepared(folder, {name: getattr(options, name) for name in PREPARES})
    tokenizer = prepare_tokenizer(folder, options.text, options.languages, options.vocab_size)
    domain = corpus_text(folder, options.corpora, options.languages, options.data_dir) * options.corpora_times
    data = prepare_data(
        folder,
        tokenizer,
        texts=[*options.text, *domain],
        languages=options.languages,
        parallel=options.parallel,
        dictionaries=options.dictionaries,
    )

    def vectors() -> Vectors:
        width = vector_width(options.hidden)
        return prepare_vectors(
            folder,
            data,
            tokenizer,
            options.languages,
            dimensions=width,
            epochs=options.vector_epochs,
            seed=options.seed,
        )

    if options.prepare_only:
        vectors()
        return
    begun = asdict(shape) | asdict(rows) | asdict(schedule)
    begun["parallel_rows"] = begun.pop("parallel")
    begun = {name: value for name, value in begun.items() if name not in CHANGEABLE}
    if not any(folder.glob(f"stage-*/checkpoint-*/{COMPLETE}")):  # nothing to go on with, so nothing to agree with
        (folder / BEGUN).unlink(missing_ok=True)
    check_prepared(folder, begun, name=BEGUN, done="trained")
    model = train(
        folder,
        data,
        tokenizer,
        options.languages,
        vectors,
        shape=shape,
        rows=rows,
        schedule=schedule,
    )
    export_encoder(model, tokenizer, folder / "encoder")
    depths = [layers for layers, _, _ in stages(shape, schedule)]
    curve = loss_curve(folder, depths, options.batch, options.length)
    save_curve(curve, folder / "encoder")
    card = model_card(
        languages=options.languages,
        sources=sources,
        settings={name: readable(value) for name, value in vars(options).items() if name not in UNRECORDED},
        curve=curve,
        subwords=subword_counts(data, options.languages),
    )
    save_card(folder / "encoder", card)
    print(f"the encoder is in {folder / 'encoder'}")


def main() -> int:
    """Run; user errors give one line and exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("gensim").setLevel(logging.WARNING)
    try:
        run(parser().parse_args())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
