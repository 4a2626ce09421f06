"""Has an adversarial mapping found anything? The criterion alone cannot say: it is 0.3 here and 0.8 there.

Three signs, none of which the mapping was learnt from:

* Strings that both vocabularies hold (numbers, names, punctuation) are mostly their own translations under a right
  mapping, and almost never under a wrong one. Where there are enough of them, they decide.
* Otherwise, runs that started apart must translate alike (right mappings are all alike) and rise above the floor:
  clouds of a marked shape draw wrong runs, too, to one and the same mapping, but to a poor one.
* Or the criterion must be far above the floor, which is what the same refinement makes of a random rotation:
  refinement fits even noise, and a failed run that has matched no more than the clouds' shapes lies above it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_xner.translation.refinement import Refined

MIN_SHARED = 20  # fewer shared strings prove nothing
SELF_TRANSLATED = 0.1  # share of the shared strings that must be translated into themselves
AGREEMENT = 0.4  # share of frequent words that two runs must translate alike
MARGIN = 0.5  # share of the way from the floor to 1 that the criterion must have gone
AGREED_MARGIN = 0.2  # the same for runs that translate alike


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        converged: Whether the best run is more than noise.
        reason: Why, in words, with the numbers.
        criteria: Criterion of each run after refinement.
        floor: Criterion from a random rotation after the same refinement.
        agreement: Largest share of frequent words that the best run and another one translate alike.
        shared: Frequent words that both vocabularies hold.
        self_translated: Share of them that the best run translates into themselves.
    """

    converged: bool
    reason: str
    criteria: list[float]
    floor: float
    agreement: float
    shared: int
    self_translated: float


def judge(runs: Sequence[Refined], floor: Refined, shared: np.ndarray) -> Verdict:
    """Tell whether the best of some adversarial runs has converged.

    Args:
        runs: The runs, refined.
        floor: A random rotation, refined likewise.
        shared: (n, 2) rows (moving, fixed) of the frequent words that both vocabularies hold.

    Returns:
        The verdict.
    """
    best = max(runs, key=lambda run: run.criterion)
    others = [run for run in [*runs, floor] if run is not best]
    agreement = max(float(np.mean(best.translations == other.translations)) for other in others)
    needed = floor.criterion + MARGIN * (1 - floor.criterion)
    needed_agreed = floor.criterion + AGREED_MARGIN * (1 - floor.criterion)
    criteria = [run.criterion for run in runs]
    reason = (
        f"criterion {', '.join(f'{value:.3f}' for value in criteria)}; {floor.criterion:.3f} from a random rotation"
    )
    own = float(np.mean(best.translations[shared[:, 0]] == shared[:, 1])) if len(shared) else 0.0
    if len(shared) >= MIN_SHARED:
        converged = own >= SELF_TRANSLATED
        reason += f"; {own:.1%} of {len(shared)} shared words are their own translation, {SELF_TRANSLATED:.0%} needed"
    else:
        converged = best.criterion >= (needed_agreed if agreement >= AGREEMENT else needed)
        reason += f", {needed:.3f} needed, or {needed_agreed:.3f} by runs that agree on {AGREEMENT:.0%} of frequent "
        reason += f"words (they agree on {agreement:.0%})"
    return Verdict(converged, reason, criteria, floor.criterion, agreement, len(shared), own)


def random_rotation(width: int, seed: int) -> np.ndarray:
    """A random orthogonal matrix, (d, d) float32, uniformly distributed."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((width, width)))
    return np.asarray(q * np.sign(np.diag(r)), dtype=np.float32)
