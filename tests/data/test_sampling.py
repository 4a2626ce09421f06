"""Bucketing changes the order, never the set."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset

from hf_xner.data.sampling import LengthBucketSampler, share_of


def test_every_row_comes_once_and_in_another_order_each_epoch():
    sampler = LengthBucketSampler(np.random.default_rng(0).integers(3, 100, 1003), 8, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == sorted(second) == list(range(1003))
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first


@pytest.mark.parametrize("rows", [0, 1, 5, 8, 11])
def test_shares_are_the_rows_in_order_whatever_the_processes(rows: int):
    data = Dataset.from_dict({"a": list(range(rows))})
    shares = [share_of(data, 8, rank)["a"][:] for rank in range(8)]
    assert [row for share in shares for row in share] == list(range(rows))


def test_padding_is_small_and_batches_are_not_sorted():
    lengths = np.random.default_rng(0).geometric(0.05, 20_000) + 2
    order = np.array(list(LengthBucketSampler(lengths, 32, seed=3)))
    batches = lengths[order[: len(order) // 32 * 32]].reshape(-1, 32)
    padded = batches.max(1).sum() * 32
    assert padded / batches.sum() < 1.04
    correlation = np.corrcoef(np.arange(len(batches)), batches.mean(1))[0, 1]
    assert abs(correlation) < 0.1


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9])
def test_small_sets(rows):
    assert sorted(LengthBucketSampler(np.arange(rows), 8, seed=0)) == list(range(rows))
