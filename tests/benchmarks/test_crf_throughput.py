"""The loops that the benchmark measures against compute hf_xner's own gradient."""

from __future__ import annotations

import argparse

import crf_throughput
import pytest
import torch
from crf_throughput import LOSSES, OURS, Material, Way, choose_batches

from hf_xner.models.lstm import BiLstm


@pytest.fixture(scope="module")
def material() -> Material:
    return crf_throughput.read_material("sample:en")


@pytest.mark.parametrize("tied", [False, True])
def test_all_ways_compute_the_same_gradient(material: Material, tied: bool):
    (rows,) = choose_batches(material.rows.lengths, 6, 1, seed=0)
    gradients = {}
    for name, loss in LOSSES.items():
        way = Way(material, loss, tied=tied, dropout=0.0)
        way.gradient(rows)
        gradients[name] = torch.cat([weight.grad.flatten() for weight in way.model.parameters()])
    assert gradients[OURS].norm() > 1
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, gradients[OURS], rtol=1e-3, atol=1e-3, msg=name)
    assert BiLstm._fused.__name__ == "_fused", "torch's ways leave the class as it was"


def test_batches_come_from_all_lengths_and_are_whole(material: Material):
    lengths = material.rows.lengths
    batches = choose_batches(lengths, 16, 8, seed=1)
    assert [len(rows) for rows in batches] == [16] * 8
    longest = [int(lengths[rows].max()) for rows in batches]
    assert longest == sorted(longest) and longest[0] < longest[-1]


def test_benchmark_measures_every_way(material: Material):
    args = argparse.Namespace(steps=2, blocks=2, batch_size=4, tied=False)
    result = crf_throughput.measure(material, args)
    assert result["sentences"] == 16 and set(result["ways"]) == set(LOSSES)
    for ratio in result["speed_ratios"].values():
        assert 0 < ratio["wall"]["min"] <= ratio["wall"]["median"] <= ratio["wall"]["max"]
    assert "hf_xner / sentence by sentence" in crf_throughput.describe(result)
