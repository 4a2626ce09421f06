from __future__ import annotations

import pytest
import torch

from hf_xner.pretraining.masking import IGNORE
from hf_xner.pretraining.model import MaskedEncoder, build_config, grow


def make(candidates: int = 0, layers: int = 2, vocab: int = 60) -> MaskedEncoder:
    torch.manual_seed(0)
    config = build_config(
        vocab, layers=layers, hidden=64, heads=2, intermediate=64, positions=32, candidates=candidates
    )
    return MaskedEncoder(config)


def batch(vocab: int = 60) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    ids = torch.randint(5, vocab, (8, 16))
    labels = torch.where(torch.rand(8, 16) < 0.2, ids, IGNORE)
    return {"input_ids": ids, "labels": labels}


def test_loss_is_that_of_the_stock_model():
    model = make().eval()
    data = batch()
    hidden = model.bert(data["input_ids"]).last_hidden_state
    expected = torch.nn.functional.cross_entropy(
        model.decoder(hidden).reshape(-1, 60), data["labels"].reshape(-1), ignore_index=IGNORE
    )
    assert model(**data).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_sampled_softmax_over_everything_is_the_full_one():
    # With so many draws every sub-word is a candidate and the correction vanishes.
    model = make(candidates=20_000).train()
    sampled = model(**batch()).loss
    assert sampled.item() == pytest.approx(model.eval()(**batch()).loss.item(), rel=1e-4)


def test_sampled_softmax_is_close_and_trains_only_candidates():
    model = make(candidates=50, vocab=1000).train()
    losses = torch.stack([model(**batch(1000)).loss for _ in range(30)])
    assert losses.mean().item() == pytest.approx(model.eval()(**batch(1000)).loss.item(), abs=0.15)
    model.train()(**batch(1000)).loss.backward()
    touched = (model.decoder.weight.grad.abs().sum(1) > 0).sum()
    assert 5 < touched < 120


def test_candidates_follow_the_counts():
    model = make()
    counts = torch.zeros(60)
    counts[7] = 999
    model.set_counts(counts)
    assert model.frequency.sum().item() == pytest.approx(1)
    assert (model.frequency[7] / model.frequency[8]).item() == pytest.approx(1000**0.75, rel=1e-3)


def test_no_logits_of_the_whole_vocabulary_come_back():
    output = make().eval()(**batch())
    assert output.logits is None


def test_growing_keeps_what_was_learnt():
    model = make(layers=2).eval()
    grown = grow(model, 6).eval()
    assert len(grown.bert.encoder.layer) == grown.config.num_hidden_layers == 6
    assert model.config.num_hidden_layers == 2
    assert grown(**batch()).loss.item() == pytest.approx(model(**batch()).loss.item(), rel=1e-3)
    grown.train()(**batch()).loss.backward()
    assert all(layer.output.dense.weight.grad.abs().sum() > 0 for layer in grown.bert.encoder.layer)


def test_growing_takes_multiples():
    with pytest.raises(ValueError, match="5 layers are no multiple of 2"):
        grow(make(layers=2), 5)
