"""The sample: known probabilities, unbiased totals, growing without forgetting."""

from __future__ import annotations

import numpy as np
import pytest

from hf_xner.review.sampling import Planner, inclusion_probabilities, priorities, sentence_weights, take


@pytest.fixture
def weights() -> np.ndarray:
    rng = np.random.default_rng(0)
    return sentence_weights(rng.poisson(0.7, 300), rng.gamma(0.5, 1.0, 300))


def test_weights_are_the_mixture_that_the_docstring_states():
    entities, unsure = np.array([0, 1, 4, 0]), np.array([0.0, 0.25, 0.25, 1.0])
    expected = 0.5 / 4 + 0.25 * np.array([0, 1, 2, 0]) / 3 + 0.25 * np.array([0, 0.5, 0.5, 1]) / 2
    np.testing.assert_allclose(sentence_weights(entities, unsure, 0.5), expected)
    np.testing.assert_allclose(sentence_weights(entities, unsure, 1.0), 0.25)


def test_a_tagger_that_finds_nothing_leaves_the_sampling_to_chance_and_doubt():
    np.testing.assert_allclose(sentence_weights(np.zeros(4), np.zeros(4)), 0.25)
    only_doubt = sentence_weights(np.zeros(2), np.array([0.0, 1.0]))
    np.testing.assert_allclose(only_doubt, [0.25, 0.75])
    with pytest.raises(ValueError, match="random_share 0"):
        sentence_weights(np.zeros(2), np.zeros(2), 0)


@pytest.mark.parametrize("size", [5, 40, 200])
def test_totals_are_estimated_without_bias_and_plain_sums_are_not(weights, size):
    """Horvitz-Thompson: over many samples the mean of sum(y / p) is the total, whatever y is."""
    rng = np.random.default_rng(1)
    values = np.stack([rng.poisson(1.0, 300), weights * rng.random(300) * 300, np.ones(300)])
    totals, plain = [], []
    for seed in range(3000):
        sample, threshold = take(priorities(weights, seed), size)
        p = inclusion_probabilities(weights[sample], threshold)
        totals.append((values[:, sample] / p).sum(axis=1))
        plain.append(values[:, sample].sum(axis=1) * 300 / size)
    truth = values.sum(axis=1)
    error = np.std(totals, axis=0) / np.sqrt(len(totals))
    assert (abs(np.mean(totals, axis=0) - truth) < 4 * error).all()
    assert abs(np.mean(plain, axis=0) - truth)[1] > 10 * error[1]  # the test can tell


def test_a_larger_sample_holds_the_smaller_one_in_the_same_order(weights):
    priority = priorities(weights, 3)
    small, threshold = take(priority, 20)
    large, _ = take(priority, 90)
    assert large[:20].tolist() == small.tolist()
    assert threshold == priority[large[20]]
    everything, nothing_left = take(priority, 1000)
    assert sorted(everything) == list(range(300)) and nothing_left == 0
    assert (inclusion_probabilities(weights, nothing_left) == 1).all()


def test_the_seed_decides(weights):
    assert take(priorities(weights, 1), 50)[0].tolist() == take(priorities(weights, 1), 50)[0].tolist()
    assert take(priorities(weights, 1), 50)[0].tolist() != take(priorities(weights, 2), 50)[0].tolist()


@pytest.mark.parametrize("size", [1, 10, 150, 299, 300, 500])
def test_planned_probabilities_sum_to_the_size_and_keep_the_order_of_weights(weights, size):
    p = Planner(weights).probabilities(weights, size)
    assert p.sum() == pytest.approx(min(size, 300))
    assert (p > 0).all() and (p <= 1).all()
    below = p < 1
    np.testing.assert_allclose(p[below] / weights[below], (p[below] / weights[below]).mean() if below.any() else 1)


def test_planned_probabilities_are_those_that_come_true_on_average(weights):
    planned = Planner(weights).probabilities(weights, 60)
    taken = np.zeros(300)
    for seed in range(4000):
        taken[take(priorities(weights, seed), 60)[0]] += 1 / 4000
    assert abs(taken - planned).max() < 0.04
