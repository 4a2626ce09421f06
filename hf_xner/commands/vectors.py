"""`xner vectors train TEXT…` and `xner vectors map SOURCE.vec TARGET.vec`: word vectors, and a mapping between two."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError

if TYPE_CHECKING:
    from hf_xner.translation.mapping import Mapping
    from hf_xner.translation.refinement import Refinement
    from hf_xner.translation.vectors import WordVectors


def add_parser(subparsers: Any) -> None:
    """Add `vectors` and its two actions to the command line."""
    parser = subparsers.add_parser("vectors", help="train word vectors, map one language's vectors into another's")
    actions = parser.add_subparsers(dest="action", required=True, metavar="train|map")
    _add_train(actions)
    _add_map(actions)


def _add_train(actions: Any) -> None:
    parser = actions.add_parser(
        "train",
        help="train vectors from plain text",
        description="Trains fastText skip-gram vectors with sub-words. The same seed gives the same vectors with one "
        "worker; more workers are faster and give others each time.",
    )
    parser.add_argument("text", metavar="TEXT", nargs="+", type=Path, help="UTF-8 text, a line a paragraph; .gz, .xz")
    parser.add_argument("--output", metavar="FILE", type=Path, required=True, help="the .vec file to write")
    parser.add_argument("--lowercase", action="store_true", help="lower-case the text first, as MUSE's vectors are")
    parser.add_argument("--width", type=int, default=300, help="components of a vector (default 300)")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the text (default 5)")
    parser.add_argument("--min_count", type=int, default=5, help="rarer words get no vector (default 5)")
    parser.add_argument("--buckets", type=int, default=500_000, help="hash buckets of character n-grams")
    parser.add_argument("--subsampling", type=float, default=1e-3, help="threshold of frequent words (default 0.001)")
    parser.add_argument("--max_words", type=int, help="write only so many most frequent words")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    parser.add_argument("--workers", type=int, default=1, help="threads (default 1: reproducible)")
    parser.set_defaults(run=run_train)


def _add_map(actions: Any) -> None:
    parser = actions.add_parser(
        "map",
        help="map one language's vectors into the other's",
        description="Learns an orthogonal mapping from identical strings (default), a dictionary, or nothing "
        "(--adversarial), refines it, and writes it with a word-to-word dictionary. What has been learnt is told from "
        "noise, by seed pairs held out or by the criteria of adversarial runs; if it is no better, nothing is written "
        "and the figures are told. With pairs the mapping is then learnt again from all of them.",
    )
    parser.add_argument("source", metavar="SOURCE.vec", type=Path, help="vectors of the source language")
    parser.add_argument("target", metavar="TARGET.vec", type=Path, help="vectors of the target language")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder to write")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--dictionary", metavar="FILE", type=Path, help="seed dictionary, source to target")
    start.add_argument("--adversarial", action="store_true", help="use neither identical strings nor a dictionary")
    parser.add_argument("--mapped", choices=("source", "target"), default="source", help="the side that moves")
    parser.add_argument("--max_words", type=int, default=100_000, help="most frequent words used (default 100000)")
    parser.add_argument("--cased", action="store_true", help="keep case; by default words are lower-cased")
    parser.add_argument(
        "--normalise",
        nargs="*",
        default=[],
        metavar="STEP",
        help="renorm (length 1), center (mean 0), in order; default none, as published. For vectors from little text: "
        "renorm center renorm",
    )
    parser.add_argument("--rounds", type=int, default=5, help="refinement rounds (default 5; UniTrans 3)")
    parser.add_argument("--validation", metavar="FILE", type=Path, help="choose the best round by P@1 on this file")
    parser.add_argument("--accept_failure", action="store_true", help="write a mapping that has not converged too")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    adversarial = parser.add_argument_group("adversarial")
    adversarial.add_argument("--epochs", type=int, default=5, help="epochs (default 5)")
    adversarial.add_argument("--updates", type=int, default=31_250, help="mapping updates an epoch (default 31250)")
    adversarial.add_argument("--most_frequent", type=int, default=75_000, help="words drawn from (default 75000)")
    adversarial.add_argument("--hidden", type=int, default=2048, help="width of the discriminator (default 2048)")
    adversarial.add_argument(
        "--components",
        type=int,
        metavar="N",
        help="map N principal components first, then whole vectors by the dictionary found: cheaper, and found by "
        "fewer updates; default: whole vectors from the start, as published",
    )
    adversarial.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run a seed (default 0)")
    parser.set_defaults(run=run_map)


def run_train(args: argparse.Namespace) -> int:
    """Train vectors and write them; returns the exit code."""
    from hf_xner.inference.text import split_words
    from hf_xner.translation.vector_training import VectorTraining, train_vectors
    from hf_xner.translation.vectors import write_vectors

    settings = VectorTraining(
        width=args.width,
        epochs=args.epochs,
        min_count=args.min_count,
        buckets=args.buckets,
        subsampling=args.subsampling,
        lowercase=args.lowercase,
        seed=args.seed,
        workers=args.workers,
    )
    if args.max_words is not None and args.max_words < 1:
        raise InputError(f"{args.max_words} is too small", where="--max_words", remedy="give 1 or more")
    started = time.perf_counter()
    vectors = train_vectors(args.text, settings, split=lambda line: [piece.text for piece in split_words(line)])
    if args.max_words is not None:
        vectors = vectors.head(args.max_words)
    write_vectors(vectors, args.output)
    print(f"{args.output}: {len(vectors)} words of width {vectors.width}, {time.perf_counter() - started:.0f} s")
    return 0


def run_map(args: argparse.Namespace) -> int:
    """Learn a mapping, write it with its dictionary; returns the exit code."""
    from hf_xner.translation.dictionary import build_dictionary, write_dictionary
    from hf_xner.translation.files import check_replaceable
    from hf_xner.translation.mapping import FACTS_FILE
    from hf_xner.translation.refinement import SUPERVISED, Refinement
    from hf_xner.translation.translators import DICTIONARY_FILE
    from hf_xner.translation.vector_cache import load_vectors

    check_replaceable(args.output, FACTS_FILE)
    defaults = Refinement() if args.adversarial else SUPERVISED
    settings = Refinement(
        rounds=args.rounds, dictionary=defaults.dictionary, max_rank=defaults.max_rank, device=args.device
    )
    source, target = (
        load_vectors(path, limit=args.max_words, lowercase=not args.cased).normalise(args.normalise)
        for path in (args.source, args.target)
    )
    started = time.perf_counter()
    learn = _adversarial if args.adversarial else _from_pairs
    mapping = learn(args, source, target, settings)
    mapping.save(args.output)
    seconds = time.perf_counter() - started
    state = "" if mapping.converged else ", NOT CONVERGED"
    print(f"{args.output}: criterion {mapping.criterion:.3f}{state}, {seconds:.0f} s")
    if mapping.converged:
        entries = build_dictionary(source, target, mapping, device=args.device)
        write_dictionary(entries, args.output / DICTIONARY_FILE)
        print(f"{args.output / DICTIONARY_FILE}: {len(entries)} words, such as {_examples(entries)}")
    return 0


def _from_pairs(args: argparse.Namespace, source: WordVectors, target: WordVectors, settings: Refinement) -> Mapping:
    from hf_xner.translation.mapping import learn_from_pairs
    from hf_xner.translation.seeds import dictionary_pairs, identical_pairs

    seed = dictionary_pairs(args.dictionary, source, target) if args.dictionary else identical_pairs(source, target)
    validation = dictionary_pairs(args.validation, source, target) if args.validation else None
    print(f"{len(seed.rows)} seed pairs ({seed.origin})")
    mapping = learn_from_pairs(
        source,
        target,
        seed,
        settings=settings,
        mapped=args.mapped,
        validation=validation,
        accept_failure=args.accept_failure,
    )
    print(mapping.facts["verdict"]["reason"])
    return mapping


def _adversarial(args: argparse.Namespace, source: WordVectors, target: WordVectors, settings: Refinement) -> Mapping:
    from hf_xner.translation.adversarial import AdversarialSettings
    from hf_xner.translation.mapping import learn_adversarially

    if args.validation:
        raise InputError("needs a seed", where="--validation", remedy="adversarial runs are chosen by the criterion")

    def told(facts: dict[str, float]) -> None:
        print(
            f"seed {facts['seed']} epoch {facts['epoch']}: criterion {facts['criterion']:.3f}, discriminator "
            f"{facts['discriminator_accuracy']:.0%} right, {facts['seconds']:.0f} s",
            flush=True,
        )

    adversarial = AdversarialSettings(
        epochs=args.epochs,
        updates=args.updates,
        most_frequent=args.most_frequent,
        hidden=args.hidden,
        device=args.device,
        components=args.components,
    )
    return learn_adversarially(
        source,
        target,
        adversarial=adversarial,
        settings=settings,
        seeds=args.seeds,
        mapped=args.mapped,
        accept_failure=args.accept_failure,
        on_epoch=told,
    )


def _examples(entries: dict[str, str]) -> str:
    differing = [f"{word} -> {found}" for word, found in entries.items() if word != found and word.isalpha()]
    return ", ".join(differing[:5])
