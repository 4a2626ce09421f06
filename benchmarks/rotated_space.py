"""Does adversarial mapping find what is there to find? One language's vectors against a rotated, perturbed copy.

    python benchmarks/rotated_space.py en.vec --components 50 --updates 3000 --rounds 10

The copy is turned by a random rotation, and every vector gets Gaussian noise of a share of its length. Printed are
what the discriminator tells apart in each epoch, and P@1: how many of the most frequent words are translated into
themselves after the adversarial phase with refinement, beside refinement of the identity alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from machine import describe_machine, machine_facts, write_report

from hf_xner.translation.adversarial import AdversarialSettings
from hf_xner.translation.convergence import random_rotation
from hf_xner.translation.mapping import learn_adversarially
from hf_xner.translation.refinement import Refinement, Refiner
from hf_xner.translation.vector_cache import load_vectors
from hf_xner.translation.vectors import WordVectors


def main(argv: Sequence[str] | None = None) -> int:
    """Turn the vectors, map them back, print what came of it, write JSON."""
    args = _parse(argv)
    source = load_vectors(args.vectors, limit=args.max_words, lowercase=True)
    target = turned(source, args.noise, args.seed)
    adversarial = AdversarialSettings(
        epochs=args.epochs,
        updates=args.updates,
        hidden=args.hidden,
        most_frequent=args.most_frequent,
        components=args.components,
        device=args.device,
    )
    settings = Refinement(rounds=args.rounds, device=args.device)
    epochs: list[dict[str, float]] = []

    def told(entry: dict[str, float]) -> None:
        epochs.append(entry)
        right = f"{entry['discriminator_accuracy']:.1%}"
        print(f"epoch {entry['epoch']:.0f}: discriminator {right} right, {entry['seconds']:.0f} s", flush=True)

    facts = machine_facts()
    print(describe_machine(facts))
    started = time.perf_counter()
    mapping = learn_adversarially(
        source, target, adversarial=adversarial, settings=settings, accept_failure=True, on_epoch=told
    )
    seconds = time.perf_counter() - started
    refiner = Refiner(source.vectors, target.vectors, settings)
    unaided = refiner.refine(np.eye(source.width, dtype=np.float32)).matrix
    words = min(len(source), settings.max_rank)
    found = {name: precision(refiner, matrix) for name, matrix in (("unaided", unaided), ("mapped", mapping.matrix))}
    state = "converged" if mapping.converged else "NOT CONVERGED"
    print(f"{state}: {mapping.facts['verdict']['reason']}; {seconds:.0f} s")
    print(f"P@1 of {words} words: {found['mapped']:.1%}; {found['unaided']:.1%} by refinement of the identity alone")
    report = {
        "machine": facts,
        "noise": args.noise,
        "adversarial": asdict(adversarial),
        "refinement": asdict(settings),
    }
    write_report(args.json, report | {"epochs": epochs, "precision": found, "verdict": mapping.facts["verdict"]})
    return 0


def turned(source: WordVectors, noise: float, seed: int) -> WordVectors:
    """The same words, their vectors rotated and then moved in a random direction by `noise` times their lengths."""
    # Not the rotation that `learn_adversarially` takes its floor from, which would then be the solution.
    vectors = source.vectors @ random_rotation(source.width, seed + 1).T
    drawn = np.random.default_rng(seed).standard_normal(vectors.shape, dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    moved = vectors + noise * lengths * drawn / np.sqrt(source.width)
    return WordVectors(source.words, np.asarray(moved, np.float32), name=f"{source.name}, turned")


def precision(refiner: Refiner, matrix: np.ndarray) -> float:
    """Share of the most frequent words whose translation is their own row."""
    pairs = refiner.dictionary(matrix)
    rows = min(len(refiner.moving), refiner.settings.max_rank)
    return float((pairs[:, 0] == pairs[:, 1]).sum() / rows)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, help="vectors of any language")
    parser.add_argument("--noise", type=float, default=0.2, help="length of the noise, as a share of a vector's")
    parser.add_argument("--max_words", type=int, default=20_000)
    parser.add_argument("--components", type=int, help="principal components to map first; default: whole vectors")
    parser.add_argument("--updates", type=int, default=31_250, help="mapping updates an epoch")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=512, help="width of the discriminator (MUSE: 2048)")
    parser.add_argument("--most_frequent", type=int, default=5_000, help="words drawn from (MUSE: 75000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the rotation and the noise")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
