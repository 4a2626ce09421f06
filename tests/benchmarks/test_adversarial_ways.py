"""An iteration of adversarial training and its encoder passes are timed over the same batches."""

from __future__ import annotations

import argparse
from pathlib import Path

import adversarial_ways
import pytest
import torch
import training_throughput
from datasets import Dataset
from training_material import TAGS

from hf_xner.data.feeds import FEEDS
from hf_xner.data.phase_rows import PHASES, PhaseCollator, PhaseSampler
from hf_xner.errors import InputError
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.fit_adversarial import load_adversarial

WORDS = ["Angela", "Merkel", "visited", "Kiel", ".", "bcd", "the", "bank", "in", "", "John", "Bonn"]


@pytest.fixture(scope="module")
def text() -> Dataset:
    return Dataset.from_dict({"tokens": [[WORDS[(a + b) % 12] for b in range(1 + a * 7 % 30)] for a in range(40)]})


def test_corpora_have_as_many_rows_of_either_text(text: Dataset, tiny_tokenizer, tmp_path: Path):
    source = Dataset.from_dict({"tokens": [["the"] * 40] * 30})
    rows = adversarial_ways.write_corpora(text, source, tiny_tokenizer, None, FEEDS["src"], 16, 64, tmp_path, 0)
    assert {name: len(part) for name, part in rows.corpora.items()} == dict.fromkeys(FEEDS["src"].corpora, 16)
    assert set(rows.lengths["source"]) == set(rows.lengths["source_switched"]) == {42}
    assert len(set(rows.lengths["translated"])) > 5
    with pytest.raises(InputError, match="there are 30 sentences and 31 are needed"):
        adversarial_ways.write_corpora(text, source, tiny_tokenizer, None, FEEDS["src"], 31, 64, tmp_path, 0)


def test_passes_run_the_encoder_once_a_batch_and_the_discriminators_batch_without_gradient(
    text: Dataset, tiny_tokenizer, tiny_encoder_dir: Path, tmp_path: Path
):
    torch.manual_seed(0)
    model = load_adversarial(str(tiny_encoder_dir), TAGS, AdversarialSettings(FEEDS["src"]))
    rows = adversarial_ways.write_corpora(text, text, tiny_tokenizer, None, FEEDS["src"], 8, 64, tmp_path, 0)
    draws = list(PhaseSampler(rows.lengths, FEEDS["src"], 4))
    collate = PhaseCollator(0, FEEDS["src"], outside=0, special=(1, 1))
    batches = [collate([rows[draw] for draw in draws[begin : begin + 4]]) for begin in range(0, len(draws), 4)]
    assert [batch["phase"] for batch in batches] == [*PHASES] * 2
    assert [len(batch["input_ids"]) for batch in batches] == [4, 24, 24] * 2
    passes = adversarial_ways.PassesWay(model, bf16=False)
    seen: list[tuple[int, bool]] = []
    passes._encoder.register_forward_hook(
        lambda _, __, output: seen.append((len(output.last_hidden_state), output.last_hidden_state.requires_grad))
    )
    assert passes.run(batches).wall_s > 0
    assert seen == [(4, True), (24, False), (24, True)] * 2
    assert all(weight.grad is None for weight in passes._encoder.parameters())


def test_benchmark_compares_both_on_the_same_batches(text: Dataset, tiny_encoder_dir: Path):
    args = argparse.Namespace(
        encoder=str(tiny_encoder_dir), steps=2, blocks=2, batch_size=4, max_length=48, precision="fp32"
    )
    result = adversarial_ways.summarise_transadv(adversarial_ways.measure_transadv(text, text, args))
    assert result["iterations"] == 4 and result["rows"] == 4 * (4 + 24 + 24)
    assert 0.5 < result["time_ratio"]["min"] <= result["time_ratio"]["median"] <= result["time_ratio"]["max"]
    assert result["bound"] == 1.15 and len(result["blocks"]) == 2
    assert "transadv / encoder passes" in adversarial_ways.describe_transadv(result)
    assert "transadv" in training_throughput._parser().parse_args([]).students
