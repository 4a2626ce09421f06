"""Scores that mean what they say: temperature scaling and the calibration error (Guo et al., ICML 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from hf_xner.errors import InputError

# Taggers come out at about 1 to 3; the bounds only keep perfect predictions from running to 0.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
# What a probability stored as 0 (float16 soft labels) stands for: below float16's smallest, e^-16.6.
_LOG_OF_ZERO = -25.0


def fit_temperature(log_probs: ArrayLike, gold: ArrayLike) -> float:
    """Find the temperature that makes probabilities fit labelled words best (Guo et al., 2017, eq. 9).

    Fit it on labelled words that the model was not trained on: the source's dev set. The most probable tag stays the
    most probable.

    Args:
        log_probs: (N, C) log-probabilities or logits of N words.
        gold: (N,) indices of their gold tags.

    Returns:
        T, to divide log-probabilities by before a softmax, such that the mean negative log-likelihood of the gold tags
        is smallest. Between 0.05 and 20.

    Raises:
        InputError: Shapes do not fit, there is no word, an index is out of range or a score is not a number.
    """
    scores = _finite_scores(log_probs)
    indices = np.asarray(gold)
    if scores.ndim != 2 or indices.shape != scores.shape[:1]:
        raise InputError(
            f"expected scores (N, C) and gold tags (N,), found {scores.shape} and {indices.shape}",
            remedy="give one row of scores and one gold index a word",
        )
    if not len(indices):
        raise InputError("no words to fit a temperature on", remedy="give labelled words")
    outside = np.flatnonzero((indices < 0) | (indices >= scores.shape[1]) | (indices != np.floor(indices)))
    if len(outside):
        raise InputError(
            f"gold index {indices[outside[0]]} of word {outside[0]} is not one of {scores.shape[1]} tags",
            remedy="drop padding (-100) and map tags to the model's labels by name",
        )
    rows = np.arange(len(scores))
    indices = indices.astype(np.int64)

    def negative_log_likelihood(log_temperature: float) -> float:
        return -float(_log_softmax(scores / np.exp(log_temperature))[rows, indices].mean())

    bounds = (np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE))
    found = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def apply_temperature(log_probs: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Turn log-probabilities or logits into calibrated probabilities.

    Args:
        log_probs: (..., C) log-probabilities or logits.
        temperature: T, above 0; 1 changes nothing.

    Returns:
        (..., C) softmax(log_probs / T).

    Raises:
        InputError: The temperature is not above 0, or a score is not a number.
    """
    if not temperature > 0:
        raise InputError(f"temperature {temperature}", remedy="give a number above 0")
    return np.exp(_log_softmax(_finite_scores(log_probs) / temperature))


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Measure how far confidences are from how often they are right (Guo et al., 2017, eq. 3).

    Predictions are put into bins of equal width by confidence; the error is the mean, over predictions, of their bin's
    abs(share of correct predictions - mean confidence).

    Args:
        confidences: (N,) the probability that each prediction was given, 0..1.
        correct: (N,) whether it was right.
        bins: Number of bins; the literature uses 15.

    Returns:
        The error, 0 (calibrated) to 1.

    Raises:
        InputError: Shapes do not fit, there is no prediction, a confidence is outside 0..1 or bins below 1.
    """
    confidences = np.asarray(confidences, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if confidences.ndim != 1 or confidences.shape != right.shape:
        raise InputError(
            f"expected two arrays (N,), found {confidences.shape} and {right.shape}",
            remedy="give one confidence and one truth value a prediction",
        )
    if not len(confidences):
        raise InputError("no predictions to measure calibration on", remedy="give at least one")
    if bins < 1:
        raise InputError(f"{bins} bins", remedy="give at least 1; 15 is usual")
    # float32 softmax may exceed 1 by rounding
    outside = np.flatnonzero(~((confidences >= 0) & (confidences <= 1 + 1e-5)))
    if len(outside):
        raise InputError(
            f"confidence {confidences[outside[0]]} of prediction {outside[0]} is not between 0 and 1",
            remedy="give probabilities, not logits",
        )
    # Bins are closed on the right, as in the paper: ((m - 1) / M, m / M].
    bin_of = np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=right - confidences, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidences))


def _finite_scores(log_probs: ArrayLike) -> NDArray[np.float64]:
    """Give scores as float64, with a finite stand-in for the logarithm of 0."""
    scores = np.array(log_probs, dtype=np.float64)
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise InputError("a score is not a finite number", remedy="give log-probabilities or logits")
    if np.isneginf(scores).any():
        top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
        if np.isneginf(top).any():
            raise InputError("a word whose scores are all minus infinity", remedy="give log-probabilities or logits")
        scores = np.where(np.isneginf(scores), top + _LOG_OF_ZERO, scores)
    return scores


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
