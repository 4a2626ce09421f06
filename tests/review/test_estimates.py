"""Intervals that hold what they promise, and forecasts that come true."""

from __future__ import annotations

import numpy as np
import pytest

from hf_xner.review.estimates import Outlook, Ratio
from hf_xner.review.sampling import Planner, inclusion_probabilities, priorities, sentence_weights, take

SENTENCES = 2000


class Text:
    """A made-up text with a tagger of a known quality, and doubts that are only loosely tied to its mistakes."""

    def __init__(self, missed: float, invented: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        # Mistakes come in clumps: some sentences are hard.
        hard = rng.beta(0.4, 0.4, SENTENCES)
        self.there = rng.poisson(0.8, SENTENCES).astype(float)
        self.correct = rng.binomial(self.there.astype(int), 1 - np.clip(2 * missed * hard, 0, 1)).astype(float)
        self.found = self.correct + rng.poisson(2 * invented * hard)
        mistakes = self.there + self.found - 2 * self.correct
        unsure = rng.gamma(0.5, 0.3, SENTENCES) + 0.3 * mistakes * rng.random(SENTENCES)
        self.weights = sentence_weights(self.found, unsure)
        self.shares = {
            "precision": (self.correct, self.found),
            "recall": (self.correct, self.there),
            "f1": (2 * self.correct, self.found + self.there),
        }

    def sample(self, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        chosen, threshold = take(priorities(self.weights, seed), size)
        return chosen, inclusion_probabilities(self.weights[chosen], threshold)

    def ratio(self, measure: str, chosen: np.ndarray, p: np.ndarray) -> Ratio:
        y, d = self.shares[measure]
        return Ratio(y[chosen], d[chosen], p)

    def truth(self, measure: str) -> float:
        y, d = self.shares[measure]
        return y.sum() / d.sum()


TAGGERS = {"excellent": (0.01, 0.01), "good": (0.1, 0.1), "poor": (0.5, 0.6), "hopeless": (0.95, 0.5)}


@pytest.mark.parametrize("size", [25, 100])
@pytest.mark.parametrize("name", TAGGERS)
def test_intervals_of_95_percent_cover_the_truth_at_least_nine_times_in_ten(name, size):
    text = Text(*TAGGERS[name], seed=7)
    draws = 500
    covered = dict.fromkeys(text.shares, 0)
    for seed in range(draws):
        chosen, p = text.sample(size, seed)
        for measure in text.shares:
            estimate = text.ratio(measure, chosen, p).estimate()
            covered[measure] += estimate.low <= text.truth(measure) <= estimate.high
    # 0.92: what is measured is 0.93 to 0.99; 500 draws have a deviation of 0.01.
    assert min(covered.values()) / draws >= 0.92, covered


def test_narrow_intervals_would_not_pass_the_coverage_test():
    text = Text(*TAGGERS["good"], seed=7)
    covered = 0
    for seed in range(300):
        estimate = text.ratio("f1", *text.sample(100, seed)).estimate(confidence=0.8)
        covered += estimate.low <= text.truth("f1") <= estimate.high
    assert 0.72 <= covered / 300 <= 0.88


def test_the_bias_of_ratios_is_small_and_ignoring_the_probabilities_is_not():
    text = Text(*TAGGERS["poor"], seed=3)
    text.weights = sentence_weights(np.zeros(SENTENCES), text.there + text.found - 2 * text.correct)
    values, ignored = [], []
    for seed in range(1500):
        chosen, p = text.sample(50, seed)
        values.append(text.ratio("recall", chosen, p).value)
        ignored.append(text.ratio("recall", chosen, np.ones(50)).value)
    truth, deviation = text.truth("recall"), np.std(values)
    assert abs(np.mean(values) - truth) < 0.15 * deviation
    assert abs(np.mean(ignored) - truth) > 0.3 * deviation


def test_the_unsure_are_worth_looking_at():
    """The same number of sentences tells more than if they were drawn at random, even where doubts say little."""
    text = Text(*TAGGERS["good"], seed=5)
    plain = Text(*TAGGERS["good"], seed=5)
    plain.weights = np.full(SENTENCES, 1 / SENTENCES)

    def error(one: Text, size: int) -> float:
        values = [one.ratio("f1", *one.sample(size, seed)).value for seed in range(600)]
        return float(np.std(values))

    assert error(text, 100) < 0.95 * error(plain, 100)


def test_a_sample_without_a_mistake_does_not_pretend_to_know():
    perfect = Ratio(np.ones(20), np.ones(20), np.full(20, 0.1)).estimate()
    assert perfect.value == 1 and perfect.high == 1 and 0.75 < perfect.low < 0.9
    hopeless = Ratio(np.zeros(20), np.ones(20), np.full(20, 0.1)).estimate()
    assert (hopeless.low, hopeless.high) == pytest.approx((0, 1 - perfect.low))


def test_a_wilson_interval_is_what_a_plain_random_sample_gets():
    """30 of 40 sentences right, of very many: Wilson's interval with t for 39 degrees of freedom."""
    right = np.repeat([1.0, 0.0], [30, 10])
    estimate = Ratio(right, np.ones(40), np.full(40, 1e-9)).estimate()
    t = 2.0226909
    middle = (0.75 + t**2 / 80) / (1 + t**2 / 40)
    half = t * np.sqrt(0.75 * 0.25 / 40 + t**2 / 6400) / (1 + t**2 / 40)
    assert (estimate.low, estimate.high) == pytest.approx((middle - half, middle + half), abs=1e-6)
    assert (estimate.counted, estimate.sentences) == (40, 40)


def test_the_whole_text_needs_no_interval():
    counts = np.array([2.0, 0.0, 1.0]), np.array([3.0, 1.0, 1.0]), np.ones(3)
    everything = Ratio(*counts, whole=True).estimate()
    assert (everything.value, everything.low, everything.high) == (0.6, 0.6, 0.6)
    assert Ratio(*counts).estimate().half_width > 0.2  # certain to be drawn, and not all there is


def test_what_was_certain_to_be_seen_says_little_about_the_rest():
    """All entities lie in sentences that were certain to be drawn, but most of the text was not looked at."""
    estimate = Ratio(np.array([1.0, 1.0, 0.0, 0.0]), np.array([2.0, 2.0, 0.0, 0.0]), np.array([1, 1, 0.1, 0.1]))
    assert estimate.estimate().half_width > 0.2


def test_nothing_to_count_gives_no_figure():
    nothing = Ratio(np.zeros(5), np.zeros(5), np.full(5, 0.5))
    estimate = nothing.estimate()
    assert (estimate.value, estimate.low, estimate.high, estimate.counted) == (None, 0.0, 1.0, 0)
    assert nothing.expected_half_width(np.full(5, 0.9), 2.0) == 0.5


def test_the_forecast_of_more_sentences_comes_true():
    text = Text(*TAGGERS["poor"], seed=9)
    planner = Planner(text.weights)
    forecast, came = [], []
    for seed in range(60):
        chosen, p = text.sample(60, seed)
        forecast.append(Outlook(text.ratio("f1", chosen, p), text.weights[chosen], planner).half_width(180))
        came.append(text.ratio("f1", *text.sample(240, seed)).estimate().half_width)
    assert np.mean(forecast) == pytest.approx(np.mean(came), rel=0.1)


def test_the_cost_of_each_further_sentence():
    text = Text(*TAGGERS["good"], seed=2)
    chosen, p = text.sample(50, 4)
    ratio = text.ratio("f1", chosen, p)
    outlook = Outlook(ratio, text.weights[chosen], Planner(text.weights))
    assert outlook.half_width(0) == pytest.approx(ratio.estimate().half_width)
    widths = [outlook.half_width(more) for more in (0, 1, 10, 100, 1000, SENTENCES - 50)]
    assert widths == sorted(widths, reverse=True) and widths[-1] == 0
    assert outlook.gain_of_one() == pytest.approx(widths[0] - widths[1]) and outlook.gain_of_one() > 0
    needed = outlook.sentences_for(0.03)
    assert outlook.half_width(needed) <= 0.03 < outlook.half_width(needed - 1)
    assert outlook.sentences_for(0.9) == 0
    assert outlook.half_width(outlook.sentences_for(0.0)) == 0
