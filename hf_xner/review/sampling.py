"""Which sentences to look at: a random sample that prefers those that tell most, with known probabilities.

Every sentence i of the N in the text has a weight, a mixture of three drawings with the shares s, (1-s)/2, (1-s)/2:

    q_i = s / N  +  (1-s)/2 * sqrt(m_i) / sum_j sqrt(m_j)  +  (1-s)/2 * sqrt(u_i) / sum_j sqrt(u_j)

m_i: entities that the tagger finds in it; u_i: its *expected number of wrong words*, the sum over words of 1 - (the
calibrated probability of the word's tag). The first part is uniformly random: a sentence of which the tagger is
wrongly sure is never out of reach, and none counts much more than 1/s times what it would in a plain random sample.
The other two go to sentences with something to judge, and to the unsure. Square roots, because the deviation of a
count grows with the root of its size.

Sentences are taken by falling *priority* q_i / U_i, with U_i uniform on (0, 1] (priority sampling: Duffield, Lund and
Thorup, JACM 2007). Let t be the priority of the first sentence that was not taken (0 if all were). Then

    p_i = min(1, q_i / t)

is the probability, given the other sentences' numbers, with which sentence i was taken, and for *any* quantity y the
Horvitz-Thompson sum over the sample of y_i / p_i estimates the text's total without bias, however large the sample is;
the errors of different sentences are uncorrelated. So one may stop after any sentence and go on later: the first k
sentences are a sample of size k, and the first N are the text itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

RANDOM_SHARE = 1 / 3


def sentence_weights(entities: ArrayLike, unsure: ArrayLike, random_share: float = RANDOM_SHARE) -> Array:
    """The weights q of all sentences of a text.

    Args:
        entities: (N,) entities that the tagger finds in each.
        unsure: (N,) expected number of wrong words in each.
        random_share: s, above 0, at most 1. Where the tagger finds nothing at all, or is sure of everything, that part
            falls to the others.

    Returns:
        (N,) weights, all above 0, summing to 1.
    """
    if not 0 < random_share <= 1:
        raise ValueError(f"random_share {random_share} is not above 0 and at most 1")
    sizes = [np.sqrt(np.asarray(measure, dtype=np.float64)) for measure in (entities, unsure)]
    weights = np.full(len(sizes[0]), random_share / len(sizes[0]))
    for size in sizes:
        if size.any():
            weights += (1 - random_share) / 2 * size / size.sum()
    return weights / weights.sum()


def priorities(weights: Array, seed: int) -> Array:
    """A random priority for every sentence; see the module.

    Args:
        weights: (N,) q.
        seed: The same seed gives the same priorities.

    Returns:
        (N,) priorities, above 0.
    """
    return weights / (1 - np.random.default_rng(seed).random(len(weights)))


def take(priority: Array, size: int) -> tuple[NDArray[np.int64], float]:
    """The sentences with the highest priorities.

    Args:
        priority: (N,) priorities.
        size: How many; all of them if there are fewer.

    Returns:
        Their numbers, highest priority first, and the threshold: the priority of the next one, 0 where none is left.
    """
    order = np.argsort(-priority, kind="stable")
    threshold = float(priority[order[size]]) if size < len(order) else 0.0
    return order[:size].astype(np.int64), threshold


def inclusion_probabilities(weights: Array, threshold: float) -> Array:
    """The probabilities p with which the sentences of a sample were taken.

    Args:
        weights: (k,) q of the sentences taken.
        threshold: The highest priority among those not taken; 0 where none is left.
    """
    return np.ones(len(weights)) if threshold <= 0 else np.minimum(1.0, weights / threshold)


class Planner:
    """What inclusion probabilities a sample of another size would have.

    Args:
        weights: (N,) q of the whole text.
    """

    def __init__(self, weights: Array) -> None:
        self._falling = np.sort(weights)[::-1]
        self._rest = np.cumsum(self._falling[::-1])[::-1]

    @property
    def size(self) -> int:
        """N, the number of sentences in the text."""
        return len(self._falling)

    def probabilities(self, weights: Array, size: int) -> Array:
        """p of some sentences in a sample of `size`: min(1, c q), with c such that they sum to `size` over the text.

        Args:
            weights: (k,) q of the sentences.
            size: The size asked about; N or more takes all.
        """
        if size >= self.size:
            return np.ones(len(weights))
        # With the j heaviest certain, c = (size - j) / (weight of the others); right for the first j that fits.
        certain = np.arange(size)
        factors = (size - certain) / self._rest[:size]
        fits = factors * self._falling[:size] <= 1
        factor = factors[np.argmax(fits)] if fits.any() else 1 / self._falling[size - 1]
        return np.minimum(1.0, factor * weights)
