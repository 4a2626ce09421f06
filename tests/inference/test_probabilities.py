"""One forward pass over words: batches without much padding, the same answers however they are formed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.data.encoding import WordEncoder
from hf_xner.inference.batches import batches_by_size
from hf_xner.inference.probabilities import evaluating, read_windows

LENGTHS = st.lists(st.integers(1, 60), max_size=60).map(lambda lengths: sorted(lengths, reverse=True))


@given(lengths=LENGTHS, budget=st.integers(1, 200), slack=st.none() | st.integers(0, 50))
def test_batches_hold_every_row_once_within_budget_and_slack(lengths, budget, slack):
    batches = list(batches_by_size(lengths, budget, slack))
    assert [row for batch in batches for row in batch] == list(range(len(lengths)))
    for batch in batches:
        rows = [lengths[row] for row in batch]
        assert len(rows) == 1 or len(rows) * rows[0] <= budget
        assert slack is None or len(rows) * rows[0] - sum(rows) <= slack


@given(lengths=LENGTHS, budget=st.integers(1, 200), slack=st.integers(0, 50))
def test_a_batch_ends_only_where_another_row_would_not_fit(lengths, budget, slack):
    batches = list(batches_by_size(lengths, budget, slack))
    for batch, following in zip(batches, batches[1:], strict=False):
        rows = [lengths[row] for row in (*batch, following[0])]
        assert len(rows) * rows[0] > budget or len(rows) * rows[0] - sum(rows) > slack


@pytest.mark.parametrize(("budget", "slack"), [(1, None), (64, 0), (256, 8), (4096, None)])
def test_batches_change_no_probability(tiny_model_dir, tiny_tokenizer, budget, slack):
    from transformers import AutoModelForTokenClassification

    model = AutoModelForTokenClassification.from_pretrained(tiny_model_dir).eval()
    sentences = [["the", "bank", "visited"] * (number % 9) + ["Kiel"] for number in range(30)]
    windows = list(WordEncoder(tiny_tokenizer, max_length=64).encode(sentences))
    sizes = [len(words) for words in sentences]
    together = read_windows(model, windows, sizes, 0, batch_subwords=budget, slack=slack)
    for array, several, size in zip(together, windows, sizes, strict=True):
        [alone] = read_windows(model, [several], [size], 0, batch_subwords=4096)
        np.testing.assert_allclose(array, alone, atol=1e-5)


def test_a_model_in_training_is_put_back_into_it():
    model = torch.nn.Sequential(torch.nn.Dropout())
    with evaluating(model):
        assert not model.training and not model[0].training
    assert model.training and model[0].training
    with evaluating(model.eval()):
        assert not model.training
    assert not model.training
