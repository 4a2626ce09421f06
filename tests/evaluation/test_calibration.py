"""Temperature scaling finds the temperature that was put in; the calibration error equals a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.evaluation.calibration import apply_temperature, expected_calibration_error, fit_temperature


def words(n: int = 20_000, n_tags: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and gold tags drawn from their softmax: a perfectly calibrated model."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((n, n_tags))
    gold = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return logits, gold


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_scores_to_threshold_on_temperature_is_recovered_and_the_error_falls(temperature: float) -> None:
    """urchade/GLiNER #69: scores that people can threshold on."""
    logits, gold = words()
    overconfident = logits * temperature
    fitted = fit_temperature(overconfident, gold)
    assert fitted == pytest.approx(temperature, rel=0.03)

    def error(probabilities: np.ndarray) -> float:
        return expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold)

    before = error(apply_temperature(overconfident, 1.0))
    after = error(apply_temperature(overconfident, fitted))
    assert after < 0.012
    if temperature != 1.0:
        assert before > 3 * after


def test_the_fit_is_the_minimum_of_the_likelihood() -> None:
    logits, gold = words(500)
    fitted = fit_temperature(logits * 1.7, gold)

    def loss(temperature: float) -> float:
        return -np.log(apply_temperature(logits * 1.7, temperature)[np.arange(500), gold]).mean()

    assert loss(fitted) <= min(loss(t) for t in np.linspace(0.3, 5, 200)) + 1e-9


def test_logits_and_log_probabilities_give_the_same_temperature() -> None:
    logits, gold = words(2000)
    log_probs = np.log(apply_temperature(logits, 1.0))
    assert fit_temperature(log_probs, gold) == pytest.approx(fit_temperature(logits, gold), rel=1e-6)


def test_temperature_leaves_the_argmax_and_any_leading_shape_alone() -> None:
    logits, _ = words(60)
    hot = apply_temperature(logits.reshape(6, 10, 5), 3.0)
    assert hot.shape == (6, 10, 5)
    assert np.allclose(hot.sum(axis=-1), 1)
    assert (hot.reshape(60, 5).argmax(axis=1) == logits.argmax(axis=1)).all()
    assert hot.max() < apply_temperature(logits, 1.0).max()


def test_probabilities_stored_as_zero_do_not_break_the_fit() -> None:
    logits, gold = words(3000)
    with np.errstate(divide="ignore"):
        log_probs = np.log(apply_temperature(logits * 6, 1.0).astype(np.float16).astype(np.float64))
    assert np.isneginf(log_probs).any()
    fitted = fit_temperature(log_probs, gold)
    assert fitted == pytest.approx(6, rel=0.1)
    assert np.isfinite(apply_temperature(log_probs, fitted)).all()


def test_a_perfect_model_stays_within_the_bounds() -> None:
    assert 0.05 <= fit_temperature([[4.0, 0.0], [0.0, 4.0]], [0, 1]) < 0.2
    assert 19 < fit_temperature([[4.0, 0.0], [0.0, 4.0]], [1, 0]) <= 20


def test_calibration_error_by_hand() -> None:
    # Bin (0.8, 0.9]: 2 predictions, mean 0.85, half right. Bin (0.5, 0.6]: 1, 0.6, right.
    error = expected_calibration_error([0.8 + 1e-9, 0.9, 0.6], [True, False, True], bins=10)
    assert error == pytest.approx((2 * 0.35 + 1 * 0.4) / 3)
    assert expected_calibration_error([1.0, 1.0], [1, 1]) == 0.0
    assert expected_calibration_error([0.0, 1.0], [0, 0]) == 0.5


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30), st.integers(1, 20))
def test_calibration_error_lies_between_the_overall_gap_and_one(pairs: list[tuple[float, bool]], bins: int) -> None:
    confidences, correct = np.array([c for c, _ in pairs]), np.array([r for _, r in pairs])
    error = expected_calibration_error(confidences, correct, bins)
    overall = expected_calibration_error(confidences, correct, bins=1)
    assert overall == pytest.approx(abs(confidences.mean() - correct.mean()))
    assert overall - 1e-12 <= error <= 1 + 1e-12


def test_misuse_is_refused() -> None:
    with pytest.raises(InputError, match=r"expected scores \(N, C\) and gold tags \(N,\), found \(2, 3\) and \(3,\)"):
        fit_temperature(np.zeros((2, 3)), [0, 1, 2])
    with pytest.raises(InputError, match="gold index -100 of word 1 is not one of 3 tags; drop padding"):
        fit_temperature(np.zeros((2, 3)), [0, -100])
    with pytest.raises(InputError, match="gold index 3 of word 0 is not one of 3 tags"):
        fit_temperature(np.zeros((1, 3)), [3])
    with pytest.raises(InputError, match="no words to fit a temperature on; give labelled words"):
        fit_temperature(np.zeros((0, 3)), [])
    with pytest.raises(InputError, match="a score is not a finite number; give log-probabilities"):
        fit_temperature([[np.nan, 0.0]], [0])
    with pytest.raises(InputError, match="a word whose scores are all minus infinity"):
        apply_temperature([[-np.inf, -np.inf]], 1.0)
    with pytest.raises(InputError, match="temperature 0; give a number above 0"):
        apply_temperature([[0.0, 1.0]], 0)
    with pytest.raises(InputError, match=r"expected two arrays \(N,\), found \(2,\) and \(1,\)"):
        expected_calibration_error([0.5, 0.5], [True])
    with pytest.raises(InputError, match="no predictions to measure calibration on"):
        expected_calibration_error([], [])
    with pytest.raises(InputError, match="confidence 3.0 of prediction 1 is not between 0 and 1; give probabilities"):
        expected_calibration_error([0.5, 3.0], [True, True])
    with pytest.raises(InputError, match="0 bins; give at least 1"):
        expected_calibration_error([0.5], [True], bins=0)
