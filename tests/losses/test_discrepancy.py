"""MMD against the published formula written out, its gradient, and its degenerate cases."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_xner.losses.discrepancy import (
    cosine_of_means,
    mean_squared_distance,
    mmd_squared,
    mmd_squared_to_each,
    squared_distances,
    symmetric_kl,
)


def vectors(rows, width=6, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64) + shift


def as_published(x, y, kernels=5):
    """The paper's code as method-facts tells it: one big matrix, kernels added one by one, blocks averaged."""
    both = torch.cat([x, y])
    distances = (both.unsqueeze(0) - both.unsqueeze(1)).square().sum(-1)
    count = len(both)
    width = distances.sum() / (count**2 - count) / 2 ** (kernels // 2)
    kernel = sum(torch.exp(-distances / (width * 2**index)) for index in range(kernels))
    n = len(x)
    return (kernel[:n, :n].mean() + kernel[n:, n:].mean() - kernel[:n, n:].mean() - kernel[n:, :n].mean()).item()


@settings(max_examples=30)
@given(
    n=st.integers(1, 5),
    m=st.integers(1, 5),
    seed=st.integers(0, 99),
    shift=st.floats(-3, 3),
    k=st.sampled_from([1, 5]),
)
def test_mmd_is_the_published_one(n, m, seed, shift, k):
    x, y = vectors(n, seed=seed), vectors(m, seed=seed + 100, shift=shift)
    value = mmd_squared(x, y, kernels=k).item()
    assert value == pytest.approx(as_published(x, y, k), abs=1e-10)
    assert -1e-12 <= value <= 2 * k


def test_mmd_of_two_vectors_by_hand():
    x, y = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    # The only distance is 25, and so is the bandwidth.
    expected = sum(2 - 2 * math.exp(-(2.0 ** (2 - index))) for index in range(5))
    assert mmd_squared(x, y).item() == pytest.approx(expected, rel=1e-6)
    assert mmd_squared(x, y, kernels=1).item() == pytest.approx(2 - 2 * math.exp(-1), rel=1e-6)


def test_several_samples_at_once_are_the_single_values():
    teacher, source, target = vectors(4), vectors(4, seed=1), vectors(3, seed=2, shift=1.0)
    both = mmd_squared_to_each(teacher, [source, target])
    assert both[0].item() == pytest.approx(mmd_squared(teacher, source).item(), abs=1e-12)
    assert both[1].item() == pytest.approx(mmd_squared(teacher, target).item(), abs=1e-12)


def test_the_references_own_distances_are_computed_once(monkeypatch):
    import hf_xner.losses.discrepancy as module

    shapes = []

    def counted(x, y):
        shapes.append((len(x), len(y)))
        return squared_distances(x, y)

    monkeypatch.setattr(module, "squared_distances", counted)
    module.mmd_squared_to_each(vectors(4), [vectors(3), vectors(2)])
    assert shapes == [(4, 4), (3, 3), (4, 3), (2, 2), (4, 2)]


def test_unbiased_mmd_by_pairs():
    x, y = vectors(3), vectors(4, seed=1)
    width = mean_squared_distance(x, y)

    def kernel(a, b):
        return torch.exp(-(a - b).square().sum() / width).item()

    def within(rows):
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    across = sum(kernel(a, b) for a in x for b in y) / 12
    expected = within(x) + within(y) - 2 * across
    assert mmd_squared(x, y, kernels=1, unbiased=True).item() == pytest.approx(expected, abs=1e-12)


def test_the_unbiased_estimator_is_about_zero_for_one_distribution_and_the_biased_one_is_not():
    draws = [(vectors(8, seed=seed), vectors(8, seed=seed + 1000)) for seed in range(200)]
    unbiased = sum(mmd_squared(x, y, unbiased=True).item() for x, y in draws) / 200
    biased = sum(mmd_squared(x, y).item() for x, y in draws) / 200
    assert abs(unbiased) < 0.03 and biased > 0.3


@pytest.mark.parametrize("kernels", [1, 5])
@pytest.mark.parametrize("unbiased", [False, True])
def test_gradients_in_double_precision(kernels, unbiased):
    x, y = vectors(3, 4).requires_grad_(), vectors(2, 4, seed=1).requires_grad_()
    width = mean_squared_distance(x, y)
    assert torch.autograd.gradcheck(
        lambda a, b: mmd_squared(a, b, kernels=kernels, unbiased=unbiased, bandwidth=width), (x, y)
    )


def test_gradients_of_kl_and_cosine_in_double_precision():
    x, y = vectors(3, 4).requires_grad_(), vectors(2, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(symmetric_kl, (x, y))
    assert torch.autograd.gradcheck(cosine_of_means, (x, y))


def test_no_gradient_goes_through_the_bandwidth():
    x, y = vectors(3).requires_grad_(), vectors(4, seed=1)
    width = mean_squared_distance(x, y)
    assert not width.requires_grad
    assert width.item() == pytest.approx(torch.pdist(torch.cat([x, y])).square().mean().item())
    (free,) = torch.autograd.grad(mmd_squared(x, y), x)
    (fixed,) = torch.autograd.grad(mmd_squared(x, y, bandwidth=width), x)
    torch.testing.assert_close(free, fixed)


@pytest.mark.parametrize("bandwidth", [0, 0.0, torch.tensor(0.0)])
def test_a_bandwidth_of_nothing_stays_finite(bandwidth):
    x, y = vectors(3).requires_grad_(), vectors(4, seed=1)
    value = mmd_squared(x, y, bandwidth=bandwidth)
    (gradient,) = torch.autograd.grad(value, x)
    assert torch.isfinite(value) and torch.isfinite(gradient).all()
    assert mmd_squared(x, x, bandwidth=bandwidth).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("kernels", [1, 5])
@pytest.mark.parametrize("shapes", [(1, 1), (1, 4), (4, 1), (3, 3)])
@pytest.mark.parametrize("same", [False, True], ids=["random", "identical"])
def test_one_sentence_and_identical_vectors_stay_finite(unbiased, kernels, shapes, same):
    n, m = shapes
    x = torch.full((n, 16), 7.3) if same else vectors(n, 16).float()
    y = torch.full((m, 16), 7.3) if same else vectors(m, 16, seed=1).float()
    x.requires_grad_()
    value = mmd_squared(x, y, kernels=kernels, unbiased=unbiased)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all()
    if same:
        assert value.item() == pytest.approx(0, abs=1e-5) and x.grad.abs().max() < 1e-3


def test_far_from_the_origin_float32_keeps_its_digits():
    x, y = vectors(4, 32), vectors(4, 32, seed=1)
    far = mmd_squared((x + 100).float(), (y + 100).float()).item()
    assert far == pytest.approx(mmd_squared(x, y).item(), abs=1e-4)


def test_autocast_does_not_lower_the_precision():
    x, y = vectors(4, 32).float(), vectors(4, 32, seed=1).float()
    plain = mmd_squared(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert mmd_squared(x, y).item() == plain.item()
    half = mmd_squared(x.bfloat16(), y.bfloat16())
    assert half.dtype == torch.float32 and half.item() == pytest.approx(plain.item(), abs=0.05)


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="MMD needs at least one vector in every set"):
        mmd_squared(vectors(0), vectors(2))


def test_symmetric_kl_by_hand():
    x = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])  # 3/4, 1/4
    y = torch.zeros(1, 2)  # 1/2, 1/2
    forward = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    backward = 0.5 * math.log(2 / 3) + 0.5 * math.log(2)
    assert symmetric_kl(x, y).item() == pytest.approx(forward + backward, rel=1e-5)
    assert symmetric_kl(x, x).item() == 0


def test_cosine_of_means_by_hand():
    x, y = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    assert cosine_of_means(x, y).item() == pytest.approx(math.sqrt(0.5))
    assert cosine_of_means(torch.zeros(2, 3), torch.ones(1, 3)).item() == 0
