"""Losses over channels against the single-channel losses and by hand."""

from __future__ import annotations

import pytest
import torch

from hf_xner.losses.channels import channel_cross_entropy, channel_mse
from hf_xner.losses.distillation import soft_label_mse
from hf_xner.losses.tagging import tagging_cross_entropy

B, K, L, C = 2, 3, 5, 4
MASK = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
WEIGHTS = torch.tensor([0.3, 0.7])


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(B, K, L, C, generator=generator)
    soft = torch.randn(B, K, L, C, generator=generator).softmax(-1)
    labels = torch.randint(0, C, (B, L), generator=generator).masked_fill(~MASK, -100)
    return logits, soft, labels


def run(kind, logits, soft, labels, weights=WEIGHTS, mask=MASK, items=None):
    if kind == "mse":
        return channel_mse(logits, soft, weights, mask, items)
    return channel_cross_entropy(logits, labels, weights, mask, items)


def single(kind, channel, logits, soft, labels, items=None):
    if kind == "mse":
        return soft_label_mse(logits[:, channel], soft[:, channel], MASK, items).item()
    return tagging_cross_entropy(logits[:, channel], labels, MASK, items).item()


@pytest.mark.parametrize("items", [None, 11])
@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_main_is_the_last_channel_and_auxiliary_the_weighted_sum_of_the_others(kind, items):
    data = batch()
    losses = run(kind, *data, items=items)
    assert losses.main.item() == pytest.approx(single(kind, 2, *data, items), rel=1e-6)
    expected = 0.3 * single(kind, 0, *data, items) + 0.7 * single(kind, 1, *data, items)
    assert losses.auxiliary.item() == pytest.approx(expected, rel=1e-6)


def test_squared_error_by_hand():
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 0.0]]]])
    soft = torch.tensor([[[[1.0, 0.0]], [[0.5, 0.5]]]])
    losses = channel_mse(logits, soft, torch.tensor([2.0]), torch.ones(1, 1, dtype=torch.bool))
    assert losses.main.item() == 0 and losses.auxiliary.item() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_one_channel_has_no_auxiliary_loss(kind):
    logits, soft, labels = batch()
    losses = run(kind, logits[:, 2:], soft[:, 2:], labels, weights=torch.zeros(0))
    assert losses.auxiliary.item() == 0
    assert losses.main.item() == run(kind, logits, soft, labels).main.item()


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_the_gradient_of_a_weight_is_its_channels_loss(kind):
    data = batch()
    weights = WEIGHTS.clone().requires_grad_()
    run(kind, *data, weights=weights).auxiliary.backward()
    expected = [single(kind, 0, *data), single(kind, 1, *data)]
    assert weights.grad.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_padding_changes_neither_losses_nor_gradients(kind):
    logits, soft, labels = batch()
    pad = torch.nn.functional.pad

    def value_and_gradients(extra):
        x = pad(logits, (0, 0, 0, extra), value=7.0).requires_grad_()
        weights = WEIGHTS.clone().requires_grad_()
        losses = run(
            kind, x, pad(soft, (0, 0, 0, extra)), pad(labels, (0, extra), value=-100), weights, pad(MASK, (0, extra))
        )
        (losses.main + losses.auxiliary).backward()
        return losses, x.grad[:, :, :L], weights.grad

    for plain, padded in zip(value_and_gradients(0), value_and_gradients(9), strict=True):
        torch.testing.assert_close(plain, padded, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_what_stands_outside_the_mask_reaches_neither_losses_nor_the_weights_gradient(kind):
    logits, soft, labels = batch()
    clean = run(kind, logits, soft, labels)
    outside = ~MASK[:, None, :, None]
    weights = WEIGHTS.clone().requires_grad_()
    dirty = run(kind, logits.masked_fill(outside, float("nan")), soft, labels, weights)
    dirty.auxiliary.backward()
    assert dirty.main.item() == clean.main.item() and dirty.auxiliary.item() == clean.auxiliary.item()
    assert torch.isfinite(weights.grad).all()


@pytest.mark.parametrize("kind", ["mse", "cross-entropy"])
def test_an_empty_mask_gives_zero(kind):
    losses = run(kind, *batch(), mask=torch.zeros_like(MASK))
    assert losses.main.item() == 0 and losses.auxiliary.item() == 0


def test_half_precision_soft_labels_and_logits_are_compared_in_float32():
    logits, soft, _ = batch()
    losses = channel_mse(logits.bfloat16(), soft.half(), WEIGHTS, MASK)
    assert losses.main.dtype == losses.auxiliary.dtype == torch.float32
    assert losses.main.item() == pytest.approx(channel_mse(logits, soft, WEIGHTS, MASK).main.item(), rel=0.05)


def test_a_gradient_agrees_with_a_finite_difference():
    logits, soft, _ = batch()
    x = logits[:1, :, :2].clone().requires_grad_()
    losses = channel_mse(x, soft[:1, :, :2], WEIGHTS, MASK[:1, :2])
    losses.auxiliary.backward()
    step = 1e-2
    bumped = x.detach().clone()
    bumped[0, 1, 0, 2] += step
    lowered = x.detach().clone()
    lowered[0, 1, 0, 2] -= step
    args = (soft[:1, :, :2], WEIGHTS, MASK[:1, :2])
    slope = (channel_mse(bumped, *args).auxiliary - channel_mse(lowered, *args).auxiliary) / (2 * step)
    assert x.grad[0, 1, 0, 2].item() == pytest.approx(slope.item(), rel=1e-2)
