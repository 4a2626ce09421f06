"""From judged sentences to precision, recall and F1 of the whole text, with intervals, and what more would bring.

All three are ratios of totals over the text: precision sum(correct) / sum(found), recall sum(correct) / sum(there),
F1 2 sum(correct) / (sum(found) + sum(there)). With y and d for numerator and denominator of each sentence of the
sample and p for its inclusion probability (see :mod:`hf_xner.review.sampling`):

    r = Y / D,   Y = sum y_i / p_i,   D = sum d_i / p_i                                  (ratio of unbiased totals)
    v = sum (1 - p_i) (y_i - r d_i)^2 / p_i^2 / D^2                                      (its linearised variance)

The interval is Wilson's, as if r were a share among n = r (1 - r) / v independent ones (n: the *effective size*, Korn
and Graubard, Survey Methodology 1998), with Student's t in place of the normal quantile, for k' - 1 degrees of freedom
where k' sentences of the sample hold anything to count:

    (r + t^2/2n  +-  t sqrt(r (1 - r) / n + t^2/4n^2)) / (1 + t^2/n)

Wilson's keeps within 0..1 and does not shrink to a point where a small sample happens to hold no mistake. There (r is
0 or 1) v says nothing, and n = D^2 / sum (1 - p_i) d_i^2 / p_i^2 is taken, as if each sentence were all right or all
wrong. Where the whole text was judged all p_i are 1, and the interval is the figure itself.

The ratio's bias falls as 1/k and is small against the interval. Stopping as soon as the interval looks good makes it a
little too narrow: fix the number of sentences beforehand where that matters.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats

from hf_xner.review.sampling import Array, Planner

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A share of the whole text, estimated from a sample.

    Attributes:
        value: The estimate, 0..1; None where the sample holds nothing to count.
        low: Lower end of the interval.
        high: Upper end of it.
        counted: What was counted in the sample: the denominator's sum, unweighted.
        sentences: Sentences of the sample in which there was anything to count.
        effective_size: n, see the module; None for the whole text or nothing.
    """

    value: float | None
    low: float
    high: float
    counted: int
    sentences: int
    effective_size: float | None

    @property
    def half_width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2

    def to_dict(self) -> dict:
        """Give everything as plain numbers, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Ratio:
    """Numerator and denominator of a share, sentence by sentence of a sample.

    Attributes:
        y: (k,) numerators.
        d: (k,) denominators.
        p: (k,) inclusion probabilities.
        whole: Whether the sample is the whole text. (All p may be 1 by chance where it is not.)
    """

    y: Array
    d: Array
    p: Array
    whole: bool = False

    def estimate(self, confidence: float = CONFIDENCE) -> Estimate:
        """The share and its interval."""
        sentences = int(np.count_nonzero(self.d))
        counted = round(float(self.d.sum()))
        value = self.value
        if value is None:
            return Estimate(None, 0.0, 1.0, counted, sentences, None)
        size = self._effective_size((1 - self.p) / self.p**2, sentences, self.whole)
        low, high = _wilson(value, size, sentences, confidence)
        return Estimate(value, low, high, counted, sentences, None if math.isinf(size) else size)

    @property
    def value(self) -> float | None:
        """r; None where there is nothing to count."""
        total = float((self.d / self.p).sum())
        return float((self.y / self.p).sum()) / total if total > 0 else None

    def expected_half_width(self, p: Array, growth: float, confidence: float = CONFIDENCE) -> float:
        """Half the length that the interval would have in a sample of another size.

        Args:
            p: (k,) inclusion probabilities that these sentences would have in it.
            growth: Its size / k.
            confidence: Level of the interval.
        """
        value = self.value
        if value is None:
            return 0.5
        # The variance sums (1 - p) / p over the text; the sample stands for it with weights of its own.
        sentences = np.count_nonzero(self.d) * growth
        size = self._effective_size((1 - p) / p / self.p, sentences, whole=bool(p.min() >= 1))
        low, high = _wilson(value, size, sentences, confidence)
        return (high - low) / 2

    def _effective_size(self, weights: Array, sentences: float, whole: bool) -> float:
        """n of the module; `weights` of squared errors, `whole` where the whole text is judged."""
        value = self.value or 0.0
        total = float((self.d / self.p).sum())
        variance = float((weights * (self.y - value * self.d) ** 2).sum()) / total**2
        clustered = float((weights * self.d**2).sum()) / total**2
        spread = value * (1 - value)
        if spread > 1e-12 and variance > 1e-30:
            return spread / variance
        if clustered > 1e-30:
            return 1 / clustered
        # All that was counted was certain to be looked at, but others might hold something too.
        return math.inf if whole else max(1.0, sentences)


def _wilson(value: float, size: float, sentences: float, confidence: float) -> tuple[float, float]:
    if math.isinf(size):
        return value, value
    t = float(stats.t.ppf((1 + confidence) / 2, max(1.0, sentences - 1)))
    scale = 1 + t * t / size
    middle = (value + t * t / 2 / size) / scale
    half = t * math.sqrt(value * (1 - value) / size + t * t / 4 / size**2) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


class Outlook:
    """What further sentences would bring.

    Args:
        ratio: The share of interest, on the sentences judged so far.
        weights: (k,) weights q of these sentences.
        planner: The text's weights.
        confidence: Level of the interval.
    """

    def __init__(self, ratio: Ratio, weights: Array, planner: Planner, confidence: float = CONFIDENCE) -> None:
        self._ratio = ratio
        self._weights = weights
        self._planner = planner
        self._confidence = confidence
        self._judged = len(weights)
        now = self._formula(self._judged)
        # Inclusion probabilities were drawn, not planned: begin where the interval really is.
        self._scale = ratio.estimate(confidence).half_width / now if now > 0 else 1.0

    @property
    def sentences(self) -> int:
        """N, the number of sentences in the text."""
        return self._planner.size

    def half_width(self, more: int) -> float:
        """Half the length of the interval, 0..1, after so many more sentences."""
        return self._scale * self._formula(self._judged + more)

    def gain_of_one(self) -> float:
        """By how much, 0..1, one further sentence shortens half the interval."""
        return max(0.0, self.half_width(0) - self.half_width(1))

    def sentences_for(self, half_width: float) -> int:
        """How many more sentences make half the interval at most `half_width` (0..1)."""
        fewest, most = 0, max(0, self.sentences - self._judged)
        while fewest < most:
            middle = (fewest + most) // 2
            if self.half_width(middle) <= half_width:
                most = middle
            else:
                fewest = middle + 1
        return fewest

    def _formula(self, size: int) -> float:
        p = self._planner.probabilities(self._weights, size)
        return self._ratio.expected_half_width(p, size / self._judged, self._confidence)
