"""Is a seeded mapping more than noise? Some of its pairs are kept from it, and it must find them.

The criterion cannot say: refinement fits noise to criteria that good mappings of small vectors have, too. Nor does
the rank: foreign words and numbers are close to each other in every space, so that noise finds their neighbourhood,
but hardly ever the right one at the first place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hf_xner.translation.refinement import Refinement, Refiner
from hf_xner.translation.retrieval import csls
from hf_xner.translation.vectors import normalised

SHARE = 5  # one word in so many is held out
MOST = 300  # held out at most: enough to tell
FEWEST = 5  # held out at least: fewer prove nothing
HITS = 3  # words that must be found at least
PRECISION = 0.05  # share of the words that must be found: noise finds none, small vectors 15 %
CHANCE = 10  # times above chance, where vocabularies are tiny
WORDS = 15_000  # most frequent words of either side that the check looks at
ROUNDS = 5  # refinement rounds of the check at most


@dataclass(frozen=True)
class HeldOut:
    """What became of the pairs that were held out.

    Attributes:
        converged: Whether enough of them were found.
        reason: Why, in words, with the numbers.
        words: Moving words held out.
        precision: Share of them that were translated rightly (P@1).
        needed: The share that was needed.
    """

    converged: bool
    reason: str
    words: int = 0
    precision: float = 0.0
    needed: float = PRECISION


def check_pairs(moving: np.ndarray, fixed: np.ndarray, pairs: np.ndarray, settings: Refinement) -> HeldOut:
    """Map with some seed pairs left out, refine, and see whether the mapping finds them.

    To be cheap the check refines among the most frequent words alone (and those held out), and for few rounds.

    Args:
        moving: (V_a, d) raw vectors that are mapped.
        fixed: (V_b, d) raw vectors that stay.
        pairs: (n, 2) seed: moving row, fixed row.
        settings: The refinement whose result is to be trusted.

    Returns:
        The verdict.
    """
    held, rest = split(pairs)
    words = np.unique(held[:, 0])
    if len(words) < FEWEST:
        known = len(np.unique(pairs[:, 0]))
        return HeldOut(
            False,
            f"{known} words in the seed are too few to hold some out and look for them, {FEWEST * SHARE} needed",
            len(words),
        )
    rows = [np.union1d(np.arange(min(len(side), WORDS)), held[:, place]) for place, side in enumerate((moving, fixed))]
    few = replace(settings, rounds=min(settings.rounds, ROUNDS))
    refiner = Refiner(moving[rows[0]], fixed[rows[1]], few)
    start = Refiner(moving, fixed, few).solve(rest)
    matrix = refiner.refine(start, len(rest)).matrix
    found = csls(
        normalised(refiner.moving @ matrix.T),
        normalised(refiner.fixed),
        neighbours=settings.neighbours,
        queries=np.searchsorted(rows[0], words),
        device=settings.device,
    )
    gold = set(map(tuple, held.tolist()))
    hits = sum(pair in gold for pair in zip(words.tolist(), rows[1][found.targets[:, 0]].tolist(), strict=True))
    return _verdict(hits, len(words), chance=1 / len(refiner.fixed))


def split(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs to hold out, and the others; all pairs of a moving word stay together.

    Frequent words are held out, chosen by lot with a fixed seed: vectors of rare ones prove little.
    """
    ranks = np.maximum(pairs[:, 0], pairs[:, 1])
    by_rank = pairs[np.argsort(ranks, kind="stable"), 0]
    words = by_rank[np.sort(np.unique(by_rank, return_index=True)[1])]
    size = min(MOST, len(words) // SHARE)
    chosen = np.random.default_rng(0).permutation(words[: size * SHARE])[:size]
    held = np.isin(pairs[:, 0], chosen)
    return pairs[held], pairs[~held]


def _verdict(hits: int, words: int, chance: float) -> HeldOut:
    needed = max(PRECISION, HITS / words, CHANCE * chance)
    precision = hits / words
    return HeldOut(
        precision >= needed,
        f"{precision:.1%} of {words} seed words held out are translated rightly, {needed:.0%} needed",
        words,
        precision,
        needed,
    )
