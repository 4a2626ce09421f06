from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.pretraining.masking import IGNORE, mask_rows
from hf_xner.pretraining.tokenizer import CLS, MASK, PAD, SEP

CONTINUATION = np.arange(100) >= 70  # ids 70 to 99 continue a word


def rows(seed: int, count: int = 200, length: int = 40):
    ids = np.random.default_rng(seed).integers(5, 100, (count, length))
    ids[:, 0], ids[:, 30], ids[:, 31:] = CLS, SEP, PAD
    return ids


def test_rates():
    ids = rows(0, 2000)
    masked, labels = mask_rows(ids, np.full_like(ids, IGNORE), CONTINUATION, rate=0.2, rng=np.random.default_rng(0))
    words = (ids >= 5).sum()
    asked = labels != IGNORE
    assert asked.sum() / words == pytest.approx(0.2, abs=0.01)
    assert (masked == MASK).sum() / asked.sum() == pytest.approx(0.8, abs=0.01)
    assert (masked[asked] == ids[asked]).mean() == pytest.approx(0.1, abs=0.015)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_only_words_change_and_labels_are_the_originals(seed, rate):
    ids = rows(seed, 5)
    masked, labels = mask_rows(
        ids, np.full_like(ids, IGNORE), CONTINUATION, rate=rate, rng=np.random.default_rng(seed)
    )
    special = ids < 5
    assert (masked[special] == ids[special]).all() and (labels[special] == IGNORE).all()
    asked = labels != IGNORE
    assert (labels[asked] == ids[asked]).all()
    assert (masked[~asked] == ids[~asked]).all()


def test_words_are_masked_whole():
    ids = rows(3)
    _, labels = mask_rows(ids, np.full_like(ids, IGNORE), CONTINUATION, rate=0.3, rng=np.random.default_rng(1))
    asked = labels != IGNORE
    follows = CONTINUATION[ids][:, 2:] & ~(ids[:, 1:-1] < 5)  # a continuation has the fate of what it continues
    assert (asked[:, 2:][follows] == asked[:, 1:-1][follows]).all()


def test_labels_that_are_set_stay():
    ids = rows(4)
    before = np.full_like(ids, IGNORE)
    before[:, 5] = 7
    masked, labels = mask_rows(ids, before, CONTINUATION, rate=1.0, rng=np.random.default_rng(1))
    assert (labels[:, 5] == 7).all() and (masked[:, 5] == ids[:, 5]).all()
