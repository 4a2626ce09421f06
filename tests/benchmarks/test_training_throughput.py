"""The papers' loop that the benchmark measures against minimises the same objective as hf_xner."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import memory
import msd_ways
import papers_loop
import pytest
import torch
import training_throughput
from datasets import Dataset
from training_material import TAGS, ChosenRows, choose_block, write_rows
from transformers import AutoConfig

from hf_xner.data.paired_rows import PairedCollator, PairSampler
from hf_xner.data.rows import RowCollator
from hf_xner.data.sampling import LengthBucketSampler
from hf_xner.inference.loading import load_encoder_for_tagging
from hf_xner.models.freezing import freeze_bottom
from hf_xner.training.trainer import soft_label_loss

LONGEST = 48
WORDS = ["Angela", "Merkel", "visited", "Kiel", ".", "bcd", "the", "bank", "in", "", "John", "Bonn"]


@pytest.fixture(scope="module")
def text() -> Dataset:
    """Sentences of 1 to 30 words; one word in twelve gives no sub-word, some sentences are cut."""
    sentences = [[WORDS[(start + step) % 12] for step in range(1 + start * 7 % 30)] for start in range(64)]
    return Dataset.from_dict({"tokens": sentences})


def _model(encoder: Path) -> Any:
    torch.manual_seed(0)
    model = load_encoder_for_tagging(str(encoder), TAGS).eval()
    with torch.no_grad():
        model.classifier.weight.mul_(50)  # probabilities far from uniform, or any loss would look alike
    freeze_bottom(model)
    return model


def test_both_compute_the_same_loss_and_gradient(text, tiny_tokenizer, tiny_encoder_dir, tmp_path):
    rows = write_rows(text, tiny_tokenizer, None, tmp_path, LONGEST)
    block = choose_block(rows, 8, 4, 0, tiny_tokenizer.pad_token_id)
    features = papers_loop.build_features(rows, len(TAGS), tiny_tokenizer.pad_token_id, LONGEST)
    assert any(batch["input_ids"].shape[1] < LONGEST for batch in block.batches)
    for number, batch in enumerate(block.batches):
        ours, theirs = _model(tiny_encoder_dir), _model(tiny_encoder_dir)
        outputs = ours(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        our_loss = soft_label_loss(outputs, batch, batch["word_mask"].sum())["loss_kd"]
        their_loss = papers_loop.soft_label_loss(
            theirs, features.dataset(block.chosen[8 * number : 8 * number + 8]).tensors
        )
        assert our_loss.item() == pytest.approx(their_loss.item(), abs=1e-6)
        assert our_loss.item() > 0.01
        our_loss.backward()
        their_loss.backward()
        for (name, left), (_, right) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert (left.grad is None) == (right.grad is None), name
            if left.grad is not None:
                assert torch.allclose(left.grad, right.grad, atol=1e-6), name


def test_trainer_forms_the_batches_of_the_block(text, tiny_tokenizer, tmp_path):
    rows = write_rows(text, tiny_tokenizer, None, tmp_path, LONGEST)
    block = choose_block(rows, 8, 4, 3, 0)
    chosen = ChosenRows(rows, block.chosen)
    order = list(LengthBucketSampler(chosen.lengths, 8, 1))
    collate = RowCollator(0)
    formed = [collate([chosen[index] for index in order[begin : begin + 8]]) for begin in range(0, len(order), 8)]
    assert sorted(batch["input_ids"].shape[1] for batch in formed) == sorted(
        batch["input_ids"].shape[1] for batch in block.batches
    )
    assert block.subwords == sum(int(batch["attention_mask"].sum()) for batch in formed)
    assert len(set(block.chosen.tolist())) == 32


def test_benchmark_measures_every_way(text, tiny_encoder_dir):
    args = argparse.Namespace(
        encoder=str(tiny_encoder_dir), steps=2, blocks=2, batch_size=8, max_length=LONGEST, precision="bf16"
    )
    rounds, precisions = training_throughput.measure(text, args)
    result = training_throughput.summary(rounds, precisions)
    assert precisions == {"hf_xner": "bf16", "papers' loop": "fp32", "floor": "bf16", "hf_xner, fp32": "fp32"}
    assert result["sentences"] == 32
    assert result["ways"]["hf_xner"]["padding"] < result["ways"]["papers' loop"]["padding"]
    assert all(ratio["min"] <= ratio["median"] <= ratio["max"] for ratio in result["speed_ratios"].values())
    assert "hf_xner / papers' loop" in training_throughput.describe(result)


def test_memory_path_reads_every_sentence(text, tiny_encoder_dir):
    point = memory.one_point(100, text, str(tiny_encoder_dir))
    assert (point["sentences"], point["batches"]) == (100, 4)
    assert point["disk_mb"] > 0


def test_students_of_msd_and_tsl_train_on_as_many_subwords(text, tiny_encoder_dir, tiny_tokenizer, tmp_path):
    source = Dataset.from_dict({"tokens": [["John", "visited"] * (1 + index % 9) for index in range(40)]})
    config = AutoConfig.from_pretrained(tiny_encoder_dir)
    material = msd_ways.write_material(text, source, tiny_tokenizer, config, 3, LONGEST, tmp_path)
    chosen = msd_ways.choose_pairs(material, 8, 2, 0)
    assert chosen.shape == (16, 2) and len(set(chosen[:, 0])) == 16
    pairs = msd_ways.ChosenPairs(material.pairs, chosen[:, 0], chosen[:, 1])
    sampler = PairSampler(pairs.rows.lengths, pairs.partners.lengths, 8, 1)
    batch = PairedCollator(0)([pairs[pair] for pair in sampler])
    ours = batch["attention_mask"].sum() + batch["partner_attention_mask"].sum()
    indices = [*chosen[:, 0], *(len(material.pairs.rows) + chosen[:, 1])]
    joined = RowCollator(0)([material.joined[int(index)] for index in indices])
    assert ours == joined["attention_mask"].sum()
    assert batch["soft_labels"].shape[-1] == 3 * len(TAGS) and joined["soft_labels"].shape[-1] == len(TAGS)
    args = argparse.Namespace(
        encoder=str(tiny_encoder_dir), steps=2, blocks=2, batch_size=8, max_length=LONGEST, precision="bf16"
    )
    result = msd_ways.measure_msd(text, source, args)
    assert len(result["blocks"]) == 2 and all(set(block["readings"]) == {"tsl", "msd"} for block in result["blocks"])
    ratios = [block["readings"]["msd"]["wall_s"] / block["readings"]["tsl"]["wall_s"] for block in result["blocks"]]
    assert result["time_ratio"]["median"] == pytest.approx(sum(ratios) / 2)
    assert "msd / tsl" in msd_ways.describe_msd(result)
