"""Bootstrap and t-test: against resampling done the long way, against scipy, and their own coverage."""

from __future__ import annotations

import json
import random
import time

import numpy as np
import pytest
from scipy import stats

from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import entity_scores
from hf_xner.evaluation.significance import paired_bootstrap, paired_t_test, summarise

TAGS = ["O", "O", "O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def corpus(n_sentences: int, seed: int = 0, longest: int = 30) -> list[list[str]]:
    rng = random.Random(seed)
    return [rng.choices(TAGS, k=rng.randint(3, longest)) for _ in range(n_sentences)]


def spoil(gold: list[list[str]], share: float, seed: int) -> list[list[str]]:
    rng = random.Random(seed)
    return [[rng.choice(TAGS) if rng.random() < share else tag for tag in sentence] for sentence in gold]


def test_point_estimates_are_the_scores() -> None:
    gold = corpus(80)
    first, second = spoil(gold, 0.1, 1), spoil(gold, 0.3, 2)
    result = paired_bootstrap(gold, first, second)
    assert result.first_f1 == pytest.approx(entity_scores(gold, first).f1)
    assert result.second_f1 == pytest.approx(entity_scores(gold, second).f1)
    assert result.difference == pytest.approx(result.first_f1 - result.second_f1)
    assert result.low < result.difference < result.high
    assert result.low > 0
    assert result.p_value == pytest.approx(2 / 1001)
    assert (result.samples, result.n_sentences) == (1000, 80)


@pytest.mark.parametrize("longest", [4, 30])  # short sentences: few kinds of counts, each many times
def test_interval_and_p_value_equal_resampling_with_rescoring(longest: int) -> None:
    gold = corpus(40, longest=longest)
    first, second = spoil(gold, 0.2, 1), spoil(gold, 0.23, 2)
    rng = np.random.default_rng(3)
    differences = []
    for _ in range(1000):
        drawn = rng.integers(0, 40, size=40)
        f1 = [entity_scores([gold[i] for i in drawn], [side[i] for i in drawn]).f1 for side in (first, second)]
        differences.append(f1[0] - f1[1])
    result = paired_bootstrap(gold, first, second, samples=20_000, confidence=0.9)
    low, high = np.quantile(differences, [0.05, 0.95])
    assert result.low == pytest.approx(low, abs=0.012)
    assert result.high == pytest.approx(high, abs=0.012)
    share = np.mean(np.array(differences) <= 0)
    assert 0.02 < share < 0.98
    assert result.p_value == pytest.approx(2 * min(share, 1 - share), abs=0.07)


def test_swapping_the_taggers_mirrors_the_result() -> None:
    gold = corpus(50)
    first, second = spoil(gold, 0.2, 1), spoil(gold, 0.22, 2)
    one, other = (
        paired_bootstrap(gold, first, second, samples=5000),
        paired_bootstrap(gold, second, first, samples=5000),
    )
    assert one.difference == pytest.approx(-other.difference)
    assert one.low == pytest.approx(-other.high, abs=0.01)
    assert one.p_value == pytest.approx(other.p_value, abs=0.05)


def test_same_seed_same_figures_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = corpus(60)
    arguments = (gold, spoil(gold, 0.2, 1), spoil(gold, 0.2, 2))
    expected = paired_bootstrap(*arguments, seed=5)
    assert paired_bootstrap(*arguments, seed=5) == expected
    assert paired_bootstrap(*arguments, seed=6) != expected
    monkeypatch.setattr("hf_xner.evaluation.significance._CELLS_AT_ONCE", 500)
    assert paired_bootstrap(*arguments, seed=5) == expected


def test_a_tagger_does_not_differ_from_itself() -> None:
    gold = corpus(30)
    first = spoil(gold, 0.2, 1)
    result = paired_bootstrap(gold, first, first)
    assert (result.difference, result.low, result.high, result.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_corpus_without_entities_gives_plain_numbers() -> None:
    result = paired_bootstrap([["O"], ["O"]], [["O"], ["O"]], [["O"], ["O"]], samples=10)
    assert (result.difference, result.p_value) == (0.0, 1.0)
    json.dumps(result.to_dict(), allow_nan=False)


def test_ten_thousand_samples_of_three_thousand_sentences_take_two_seconds() -> None:
    gold = corpus(3000)
    first, second = spoil(gold, 0.2, 1), spoil(gold, 0.22, 2)
    started = time.process_time()
    paired_bootstrap(gold, first, second, samples=10_000)
    assert time.process_time() - started < 2


def test_bootstrap_refuses_misuse() -> None:
    gold = corpus(3)
    with pytest.raises(InputError, match="3 gold sentences, but 2 predicted ones"):
        paired_bootstrap(gold, gold, gold[:2])
    with pytest.raises(InputError, match="no sentences to resample; give a corpus"):
        paired_bootstrap([], [], [])
    with pytest.raises(InputError, match="0 bootstrap samples; ask for at least 1"):
        paired_bootstrap(gold, gold, gold, samples=0)
    with pytest.raises(InputError, match="confidence 95; give a number between 0 and 1"):
        paired_bootstrap(gold, gold, gold, confidence=95)


def test_t_test_equals_scipy() -> None:
    first, second = [79.3, 78.9, 80.1, 79.0, 79.6], [78.2, 78.8, 78.9, 79.1, 78.0]
    ours, theirs = paired_t_test(first, second), stats.ttest_rel(first, second)
    interval = theirs.confidence_interval(0.95)
    assert ours.t == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert ours.mean_difference == pytest.approx(0.78)
    assert ours.sd == pytest.approx(np.std(np.subtract(first, second), ddof=1))
    assert ours.n == 5
    json.dumps(ours.to_dict(), allow_nan=False)


def test_t_test_of_equal_differences_has_no_t() -> None:
    same = paired_t_test([0.7, 0.8, 0.9], [0.7, 0.8, 0.9])
    assert (same.t, same.p_value, same.mean_difference, same.sd) == (None, 1.0, 0.0, 0.0)
    shifted = paired_t_test([0.7, 0.8, 0.9], [0.6, 0.7, 0.8])
    assert (shifted.t, shifted.p_value) == (None, 0.0)
    assert shifted.low == shifted.high == pytest.approx(0.1)


def test_t_test_refuses_misuse() -> None:
    with pytest.raises(InputError, match="2 scores of the first method, 3 of the second; give both methods the same"):
        paired_t_test([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match=r"1 pair\(s\) of scores; run both methods with at least two seeds"):
        paired_t_test([1], [2])
    with pytest.raises(InputError, match="confidence 0; give"):
        paired_t_test([1, 2], [2, 3], confidence=0)


def test_several_seeds_give_mean_and_deviation() -> None:
    """urchade/GLiNER #36: one number that nobody can reproduce; several seeds tell how far it moves."""
    summary = summarise([1.0, 2.0, 4.0])
    assert (summary.mean, summary.sd, summary.n) == (pytest.approx(7 / 3), pytest.approx(1.5275252), 3)
    assert summarise([3.0]).to_dict() == {"mean": 3.0, "sd": None, "n": 1}
    with pytest.raises(InputError, match="no scores to summarise; give at least one"):
        summarise([])
