"""Telling languages apart: the cross-entropy, and how far the language embeddings are from orthonormal."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from hf_xner.losses.similarity import identification_loss, orthogonality


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("count", "width"), [(3, 768), (2, 5), (4, 3), (1, 1)])
def test_both_forms_equal_their_definitions(count: int, width: int):
    languages = draw(count, width)
    p = languages.T.double()  # H x K, as in the paper
    hidden = (p @ p.T - torch.eye(width)).square().sum()
    few = (p.T @ p - torch.eye(count)).square().sum()
    torch.testing.assert_close(orthogonality(languages).double(), hidden, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(orthogonality(languages, "languages").double(), few, rtol=1e-5, atol=1e-3)


def test_the_forms_train_alike_and_the_papers_has_a_floor():
    languages = draw(3, 768).requires_grad_()
    (first,) = torch.autograd.grad(orthogonality(languages), languages)
    (second,) = torch.autograd.grad(orthogonality(languages, "languages"), languages)
    assert torch.equal(first, second) and first.abs().max() > 0
    orthonormal = torch.eye(3, 768)
    assert orthogonality(orthonormal).item() == 765 and orthogonality(orthonormal, "languages").item() == 0


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="unknown form 'both': use one of hidden, languages"):
        orthogonality(draw(2, 3), "both")


def test_identification_is_the_cross_entropy_over_the_sentences_that_count():
    logits, languages = draw(5, 3), torch.tensor([0, 2, 1, 1, 0])
    everything = torch.ones(5, dtype=torch.bool)
    torch.testing.assert_close(
        identification_loss(logits, languages, everything), functional.cross_entropy(logits, languages)
    )
    mask = torch.tensor([True, True, False, True, False])
    torch.testing.assert_close(
        identification_loss(logits, languages, mask), functional.cross_entropy(logits[mask], languages[mask])
    )


def test_parts_of_a_batch_add_up_to_the_whole():
    logits, languages, mask = draw(6, 3), torch.tensor([0, 1, 2, 0, 1, 2]), torch.ones(6, dtype=torch.bool)
    weights = torch.tensor([0.5, 1.0, 2.0])
    whole = identification_loss(logits, languages, mask, weights=weights)
    parts = [
        identification_loss(logits[part], languages[part], mask[part], 6, weights) for part in (slice(2), slice(2, 6))
    ]
    torch.testing.assert_close(sum(parts), whole)


def test_class_weights_are_factors_of_a_languages_sentences():
    logits, languages, mask = draw(4, 2), torch.tensor([0, 0, 0, 1]), torch.ones(4, dtype=torch.bool)
    values = functional.cross_entropy(logits, languages, reduction="none")
    weighted = identification_loss(logits, languages, mask, weights=torch.tensor([2 / 3, 2.0]))
    torch.testing.assert_close(weighted, (values * torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0])).mean())
