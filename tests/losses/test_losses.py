"""The losses against a hand computation, and what must not change them."""

from __future__ import annotations

import math

import pytest
import torch

from hf_xner.losses.distillation import harden, soft_label_mse
from hf_xner.losses.tagging import tagging_cross_entropy


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[0.0, 0.0], [math.log(3), 0.0], [9.0, 0.0]]])
    labels = torch.tensor([[1, 0, -100]])
    mask = torch.tensor([[True, True, False]])
    expected = (math.log(2) - math.log(0.75)) / 2
    assert tagging_cross_entropy(logits, labels, mask).item() == pytest.approx(expected)


def test_soft_label_mse_is_a_mean_over_words_and_tags_of_squared_probabilities():
    logits = torch.tensor([[[0.0, 0.0], [math.log(3), 0.0]]])
    soft = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]])
    mask = torch.ones(1, 2, dtype=torch.bool)
    expected = ((0.25 + 0.25) / 2 + (0.0625 + 0.0625) / 2) / 2
    assert soft_label_mse(logits, soft, mask).item() == pytest.approx(expected)


def test_hard_labels_are_one_hot():
    assert harden(torch.tensor([[0.2, 0.5, 0.3]])).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("kind", ["tags", "soft"])
def test_padding_in_the_distillation_loss_changes_nothing(kind):
    """User demand 14: padding changes neither loss nor gradient."""
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 4)
    mask = torch.tensor([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=torch.bool)
    soft, labels = torch.rand(2, 5, 4).softmax(-1), torch.randint(0, 4, (2, 5))

    def run(extra):
        more = torch.nn.functional.pad
        x = more(logits, (0, 0, 0, extra), value=7.0).requires_grad_()
        m = more(mask, (0, extra))
        if kind == "tags":
            loss = tagging_cross_entropy(x, more(labels, (0, extra), value=-100), m)
        else:
            loss = soft_label_mse(x, more(soft, (0, 0, 0, extra)), m)
        loss.backward()
        return loss.item(), x.grad[:, :5]

    loss, gradient = run(0)
    padded_loss, padded_gradient = run(11)
    assert padded_loss == pytest.approx(loss, rel=1e-6)
    torch.testing.assert_close(padded_gradient, gradient, rtol=1e-6, atol=1e-9)


def test_an_empty_mask_gives_zero_and_not_nan():
    mask = torch.zeros(1, 2, dtype=torch.bool)
    logits = torch.randn(1, 2, 3, requires_grad=True)
    loss = soft_label_mse(logits, torch.rand(1, 2, 3), mask)
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(logits.grad).all()


def test_values_outside_the_mask_may_be_anything():
    mask = torch.tensor([[True, False]])
    logits = torch.tensor([[[1.0, 0.0], [float("inf"), float("nan")]]])
    assert torch.isfinite(tagging_cross_entropy(logits, torch.tensor([[0, 99]]), mask))


def test_items_replace_the_batch_own_count():
    mask = torch.ones(1, 2, dtype=torch.bool)
    logits, soft = torch.zeros(1, 2, 2), torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert soft_label_mse(logits, soft, mask, 4).item() == pytest.approx(soft_label_mse(logits, soft, mask).item() / 2)
