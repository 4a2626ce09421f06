"""Losses of discriminators and generator: values by hand, gradients that oppose each other, masks that hold."""

from __future__ import annotations

import math

import pytest
import torch

from hf_xner.losses.adversarial import (
    balanced_accuracy,
    class_counts,
    class_hits,
    denominators,
    discriminator_loss,
    generator_loss,
)

LOGITS = torch.tensor([[0.0, 2.0, -1.0], [1.0, 5.0, 9.0]])
CLASSES = torch.tensor([[0, 1, 1], [0, 1, 0]])
MASK = torch.tensor([[True, True, True], [True, False, False]])


def nats(logit: float, wanted: int) -> float:
    return math.log1p(math.exp(-logit if wanted else logit))


def test_each_class_has_its_own_mean_and_both_are_added():
    expected = (nats(0, 0) + nats(1, 0)) / 2 + (nats(2, 1) + nats(-1, 1)) / 2
    assert discriminator_loss(LOGITS, CLASSES, MASK).item() == pytest.approx(expected)


def test_the_generator_wants_the_other_class_of_the_same_words():
    expected = (nats(0, 1) + nats(1, 1)) / 2 + (nats(2, 0) + nats(-1, 0)) / 2
    assert generator_loss(LOGITS, CLASSES, MASK).item() == pytest.approx(expected)


def test_a_fooled_discriminator_pleases_the_generator():
    fooled = torch.where(CLASSES == 1, -8.0, 8.0)
    assert generator_loss(fooled, CLASSES, MASK) < 0.01 < 8 < discriminator_loss(fooled, CLASSES, MASK)


def test_gradients_of_the_two_oppose_each_other_and_vanish_outside_the_mask():
    gradients = []
    for loss in (discriminator_loss, generator_loss):
        logits = LOGITS.clone().requires_grad_()
        loss(logits, CLASSES, MASK).backward()
        gradients.append(logits.grad)
    assert (gradients[0][MASK] * gradients[1][MASK] < 0).all()
    assert not any(gradient[~MASK].any() for gradient in gradients)


def test_sentences_are_classified_like_words():
    logits, classes = torch.tensor([3.0, -3.0, 0.5]), torch.tensor([1, 0, 0])
    mask = torch.tensor([True, True, False])
    expected = nats(3, 1) + nats(-3, 0)
    assert discriminator_loss(logits, classes, mask).item() == pytest.approx(expected)


def test_a_batch_in_parts_gives_the_loss_of_the_whole():
    for mean in ("classes", "all", "sentences"):
        items = denominators(class_counts(CLASSES, MASK), mean)
        whole = discriminator_loss(LOGITS, CLASSES, MASK, items)
        parts = [discriminator_loss(LOGITS[[row]], CLASSES[[row]], MASK[[row]], items) for row in (0, 1)]
        assert sum(parts).item() == pytest.approx(whole.item()), mean


@pytest.mark.parametrize(("mean", "zeros", "ones"), [("classes", 2, 2), ("all", 4, 4), ("sentences", 2, 2)])
def test_what_the_means_run_over(mean: str, zeros: int, ones: int):
    counts = class_counts(CLASSES, MASK)
    assert counts.tolist() == [2, 2, 2]
    assert denominators(counts, mean).tolist() == [zeros, ones]
    uneven = class_counts(CLASSES, torch.tensor([[True, False, True], [True, True, True]]))
    assert uneven.tolist() == [3, 2, 2]
    expected = {"classes": [3, 2], "all": [5, 5], "sentences": [2, 2]}[mean]
    assert denominators(uneven, mean).tolist() == expected


def test_the_papers_sum_over_words_is_the_mean_over_sentences_times_their_number():
    items = denominators(class_counts(CLASSES, MASK), "sentences")
    total = sum(nats(float(LOGITS[place]), int(CLASSES[place])) for place in [(0, 0), (0, 1), (0, 2), (1, 0)])
    assert 2 * discriminator_loss(LOGITS, CLASSES, MASK, items).item() == pytest.approx(total)


def test_another_mean_is_refused():
    with pytest.raises(ValueError, match="mean must be one of classes, all, sentences, found 'median'"):
        denominators(torch.tensor([1, 1, 1]), "median")


def test_an_absent_class_adds_nothing_and_an_empty_mask_gives_zero():
    one_class = torch.ones_like(CLASSES)
    expected = (nats(0, 1) + nats(2, 1) + nats(-1, 1) + nats(1, 1)) / 4
    assert discriminator_loss(LOGITS, one_class, MASK).item() == pytest.approx(expected)
    assert discriminator_loss(LOGITS, CLASSES, torch.zeros_like(MASK)).item() == 0


def test_padding_changes_nothing():
    wide = [torch.nn.functional.pad(value, (0, 4)) for value in (LOGITS, CLASSES, MASK)]
    for loss in (discriminator_loss, generator_loss):
        assert loss(*wide).item() == pytest.approx(loss(LOGITS, CLASSES, MASK).item())


def test_half_precision_logits_are_counted_in_full_precision():
    loss = discriminator_loss(LOGITS.bfloat16(), CLASSES, MASK)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(discriminator_loss(LOGITS, CLASSES, MASK).item(), abs=1e-2)


def test_accuracy_is_the_mean_over_classes():
    logits = torch.tensor([1.0, 1.0, 1.0, 1.0, -1.0, 1.0])
    classes = torch.tensor([1, 1, 1, 1, 0, 0])
    hits = class_hits(logits, classes, torch.ones(6, dtype=torch.bool))
    assert hits.tolist() == [[1, 2], [4, 4]]
    assert balanced_accuracy(hits) == pytest.approx(0.75)
    assert balanced_accuracy(hits + hits) == pytest.approx(0.75)
    always = class_hits(torch.ones(6), classes, torch.ones(6, dtype=torch.bool))
    assert balanced_accuracy(always) == 0.5
    assert math.isnan(balanced_accuracy(torch.zeros(2, 2, dtype=torch.long)))
