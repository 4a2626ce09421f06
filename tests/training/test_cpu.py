"""Attention and dropout for training on CPUs: the same mathematics, drawn and computed otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hf_xner.inference.loading import load_encoder_for_tagging
from hf_xner.training.cpu import ATTENTION, Dropout, dropout, speed_up_on_cpu
from hf_xner.training.fit import prepare
from hf_xner.training.settings import FitSettings

TAGS = ["O", "B-X", "I-X"]


@pytest.fixture
def model(tiny_encoder_dir: Path) -> Any:
    torch.manual_seed(0)
    return load_encoder_for_tagging(str(tiny_encoder_dir), TAGS).eval()


def padded_batch() -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 20, (4, 11), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, 7:] = 0
    mask[1, 2:] = 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_each_number_is_dropped_as_often_as_asked_wherever_it_stands(rate: float):
    torch.manual_seed(0)
    kept = dropout(torch.ones(1000, 404), rate)
    for lane in range(4):
        share = float((kept.flatten()[lane::4] == 0).float().mean())
        assert share == pytest.approx(rate, abs=0.01)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)], rel=1e-4)


def test_masks_come_from_the_seed_and_differ_from_call_to_call():
    x = torch.ones(50, 7)
    torch.manual_seed(3)
    first, second = dropout(x, 0.5), dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5), first) and not torch.equal(first, second)


def test_nothing_is_dropped_out_of_training_or_at_rate_zero():
    x = torch.randn(3, 5)
    assert dropout(x, 0.5, training=False) is x and dropout(x, 0.0) is x
    assert not dropout(x, 1.0).any()
    assert Dropout(0.5).eval()(x) is x


def test_the_gradient_flows_where_numbers_were_kept():
    x = torch.ones(40, 9, requires_grad=True)
    torch.manual_seed(0)
    y = dropout(x, 0.3)
    y.sum().backward()
    assert x.grad is not None and torch.allclose(x.grad, y.detach())


def test_attention_is_the_models_own(model: Any):
    batch = padded_batch()
    words = batch["attention_mask"].bool()
    outputs = {}
    for name in ("eager", "sdpa", ATTENTION):
        model.set_attn_implementation(name)
        model.zero_grad()
        logits = model(**batch).logits[words]
        logits.square().sum().backward()
        outputs[name] = (logits.detach(), model.classifier.weight.grad.clone())
    for name in ("sdpa", ATTENTION):
        for ours, theirs in zip(outputs[name], outputs["eager"], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["grouped queries", "relative positions"])
def test_attention_of_other_architectures_is_theirs(kind: str):
    from transformers import Qwen2Config, Qwen2ForTokenClassification, T5Config, T5ForTokenClassification

    torch.manual_seed(0)
    if kind == "grouped queries":
        size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "vocab_size": 30}
        model: Any = Qwen2ForTokenClassification(Qwen2Config(**size, num_attention_heads=4, num_key_value_heads=2))
    else:
        shape = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 4, "vocab_size": 30}
        model = T5ForTokenClassification(T5Config(**shape, initializer_factor=5.0))
    model.eval()
    batch = padded_batch()
    words = batch["attention_mask"].bool()
    with torch.no_grad():
        expected = model(**batch).logits[words]
        speed_up_on_cpu(model)
        assert model.config._attn_implementation == ATTENTION, "or nothing is compared"
        assert torch.allclose(model(**batch).logits[words], expected, atol=1e-5)


def test_attention_weights_are_dropped_in_training_alone(model: Any):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    speed_up_on_cpu(model)
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and "attention.self" not in name:
            module.p = 0.0
    batch = padded_batch()
    whole = model(**batch).logits
    assert torch.equal(whole, model(**batch).logits)
    model.train()
    assert not torch.allclose(whole, model(**batch).logits, atol=1e-4)


def test_dropout_keeps_its_rates_and_mode_and_the_saved_model_knows_nothing_of_it(model: Any, tmp_path: Path):
    rates = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    names = list(model.state_dict())
    speed_up_on_cpu(model)
    replaced = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert [module.p for module in replaced] == rates and {type(module) for module in replaced} == {Dropout}
    assert not any(module.training for module in replaced) and list(model.state_dict()) == names
    model.save_pretrained(tmp_path)
    assert ATTENTION not in (tmp_path / "config.json").read_text()
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["BertForTokenClassification"]


def test_an_attention_that_was_asked_for_stays(model: Any):
    model.set_attn_implementation("eager")
    speed_up_on_cpu(model)
    assert model.config._attn_implementation == "eager"


@pytest.mark.skipif(torch.cuda.is_available(), reason="trains on a GPU here")
def test_training_on_a_cpu_uses_both(model: Any):
    prepared = prepare(model, FitSettings(freeze_layers=0))
    assert prepared.config._attn_implementation == ATTENTION
    assert any(type(module) is Dropout for module in prepared.modules())
