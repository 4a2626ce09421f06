"""Is one tagger better than another? Between two prediction files: the bootstrap. Over seeds: the t-test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import TagSentences, sentence_counts

# Cells (resamples x distinct sentences) drawn at once: bounds memory to some 50 MB.
_CELLS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class BootstrapResult:
    """How two taggers compare on one corpus.

    Attributes:
        first_f1: F1 of the first, 0..1.
        second_f1: F1 of the second, 0..1.
        difference: first - second.
        low: Lower end of the difference's confidence interval.
        high: Upper end of it.
        p_value: See :func:`paired_bootstrap`.
        confidence: Level of the interval, 0..1.
        samples: Resamples drawn.
        n_sentences: Sentences in the corpus.
    """

    first_f1: float
    second_f1: float
    difference: float
    low: float
    high: float
    p_value: float
    confidence: float
    samples: int
    n_sentences: int

    def to_dict(self) -> dict:
        """Give everything as plain numbers, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PairedTTest:
    """How two methods compare over seeds.

    Attributes:
        mean_difference: Mean of first - second.
        sd: Standard deviation (n - 1) of the differences.
        t: Student's t; None where all differences are equal, so that it does not exist.
        p_value: Two-sided. Where t does not exist: 1 if the differences are 0, else 0.
        low: Lower end of the mean difference's confidence interval.
        high: Upper end of it.
        confidence: Level of the interval, 0..1.
        n: Pairs.
    """

    mean_difference: float
    sd: float
    t: float | None
    p_value: float
    low: float
    high: float
    confidence: float
    n: int

    def to_dict(self) -> dict:
        """Give everything as plain numbers, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Summary:
    """Scores over seeds.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation (n - 1); None for a single score.
        n: How many.
    """

    mean: float
    sd: float | None
    n: int

    def to_dict(self) -> dict:
        """Give everything as plain numbers, ready for JSON."""
        return asdict(self)


def paired_bootstrap(
    gold: TagSentences,
    first: TagSentences,
    second: TagSentences,
    *,
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    scheme: str = "iob2",
) -> BootstrapResult:
    """Compare two predictions for one corpus by resampling its sentences (Efron, 1979; Koehn, EMNLP 2004).

    Every resample draws as many sentences as the corpus has, with replacement, the same ones for both taggers, and
    takes the difference d* of their micro F1. The interval runs between quantiles of d*. The p-value is two-sided:
    twice the smaller of (1 + #{d* <= 0}) / (1 + samples) and (1 + #{d* >= 0}) / (1 + samples), at most 1. It cannot
    fall below 2 / (1 + samples).

    Args:
        gold: Gold tags, a list a sentence.
        first: One tagger's tags of the same sentences.
        second: The other's.
        samples: Resamples to draw.
        seed: Makes the drawing repeatable.
        confidence: Level of the interval, between 0 and 1.
        scheme: The scheme of all tags.

    Returns:
        The difference (first - second), its interval and p-value.

    Raises:
        InputError: The corpora do not fit together, are empty, or an option is out of range.
    """
    if samples < 1:
        raise InputError(f"{samples} bootstrap samples", remedy="ask for at least 1; 1000 is usual")
    _check_confidence(confidence)
    if not len(gold):
        raise InputError("no sentences to resample", remedy="give a corpus of at least one sentence")
    first_counts = np.array(sentence_counts(gold, first, scheme), dtype=np.float64)
    second_counts = np.array(sentence_counts(gold, second, scheme), dtype=np.float64)
    # columns: gold, first's predicted and correct, second's predicted and correct
    counts = np.concatenate([first_counts, second_counts[:, 1:]], axis=1)
    first_f1, second_f1 = _f1_pair(counts.sum(axis=0))
    resampled = _resample(counts, samples, np.random.default_rng(seed))
    first_resampled, second_resampled = _f1_pair(resampled)
    differences = first_resampled - second_resampled
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail])
    below, above = np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0)
    return BootstrapResult(
        first_f1=float(first_f1),
        second_f1=float(second_f1),
        difference=float(first_f1 - second_f1),
        low=float(low),
        high=float(high),
        p_value=min(1.0, 2 * (1 + int(min(below, above))) / (1 + samples)),
        confidence=confidence,
        samples=samples,
        n_sentences=len(gold),
    )


def paired_t_test(
    first_scores: Sequence[float], second_scores: Sequence[float], *, confidence: float = 0.95
) -> PairedTTest:
    """Compare two methods run with the same seeds (Student's t-test for paired samples, two-sided).

    Args:
        first_scores: One method's score for each seed.
        second_scores: The other's, in the same order of seeds.
        confidence: Level of the interval, between 0 and 1.

    Returns:
        The mean difference (first - second), its deviation, interval and p-value.

    Raises:
        InputError: The numbers of scores differ, there are fewer than two, or the confidence is out of range.
    """
    _check_confidence(confidence)
    if len(first_scores) != len(second_scores):
        raise InputError(
            f"{len(first_scores)} scores of the first method, {len(second_scores)} of the second",
            remedy="give both methods the same seeds",
        )
    n = len(first_scores)
    if n < 2:
        raise InputError(f"{n} pair(s) of scores", remedy="run both methods with at least two seeds")
    differences = np.asarray(first_scores, dtype=np.float64) - np.asarray(second_scores, dtype=np.float64)
    mean, sd = float(differences.mean()), float(differences.std(ddof=1))
    if sd <= 1e-12 * max(1.0, abs(mean)):
        # Equal up to rounding: a t of 1e15 would be a statement about floating point.
        p_value = 1.0 if abs(mean) <= 1e-12 else 0.0
        return PairedTTest(mean, 0.0, None, p_value, mean, mean, confidence, n)
    error = sd / math.sqrt(n)
    t = mean / error
    half_width = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    p_value = 2 * float(stats.t.sf(abs(t), n - 1))
    return PairedTTest(mean, sd, t, p_value, mean - half_width, mean + half_width, confidence, n)


def summarise(scores: Sequence[float]) -> Summary:
    """Give mean and standard deviation (n - 1) of scores over seeds.

    Args:
        scores: One score a seed.

    Returns:
        The summary.

    Raises:
        InputError: There is no score.
    """
    if not len(scores):
        raise InputError("no scores to summarise", remedy="give at least one")
    values = np.asarray(scores, dtype=np.float64)
    return Summary(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None, len(values))


def _resample(counts: NDArray[np.float64], samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw resamples of the rows of (N, K) counts and add each up: (samples, K).

    Sentences with the same counts are interchangeable, so how often each *kind* of sentence is drawn is a multinomial
    over a few dozen kinds: the same distribution as drawing sentence by sentence, without N draws a resample.
    """
    kinds, sizes = np.unique(counts, axis=0, return_counts=True)
    share = sizes / sizes.sum()
    at_once = max(1, _CELLS_AT_ONCE // len(kinds))
    parts = [
        rng.multinomial(len(counts), share, size=min(at_once, samples - done)) @ kinds
        for done in range(0, samples, at_once)
    ]
    return np.concatenate(parts)


def _f1_pair(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Micro F1 of both taggers from (..., 5) summed counts."""
    gold, first_found, first_correct, second_found, second_correct = np.moveaxis(counts, -1, 0)
    return _f1(gold, first_found, first_correct), _f1(gold, second_found, second_correct)


def _f1(gold: NDArray[np.float64], found: NDArray[np.float64], correct: NDArray[np.float64]) -> NDArray[np.float64]:
    # 2 correct / (gold + found) is the harmonic mean of precision and recall; nothing correct gives 0.
    return 2 * correct / np.maximum(gold + found, 1)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence}", remedy="give a number between 0 and 1, such as 0.95")
