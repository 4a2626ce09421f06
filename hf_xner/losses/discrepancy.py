"""How far two sets of sentence vectors are from each other: MMD, symmetric KL, cosine (Ma et al., EMNLP 2022).

MSD compares the student's [CLS] states on source and on target sentences with the teacher's on source sentences. Rows
are whole sentences, so there is no mask here; leave out rows that stand for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

# Smallest bandwidth, a squared distance: vectors that all coincide would give 0.
EPSILON = 1e-6


def squared_distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances, shape (n, m), in float32 at least, by one matrix product.

    Rounding is relative to the vectors' lengths, so take out what they have in common before.

    Args:
        x: Shape (n, H).
        y: Shape (m, H).
    """
    with torch.autocast(device_type=x.device.type, enabled=False):
        x, y = _full_precision(x), _full_precision(y)
        lengths = x.square().sum(dim=1).unsqueeze(1) + y.square().sum(dim=1).unsqueeze(0)
        return (lengths - 2 * x @ y.T).clamp(min=0)


def mean_squared_distance(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean over the pairs of different rows of x and y together: the bandwidth of the kernels, without gradient.

    Args:
        x: Shape (n, H).
        y: Shape (m, H).

    Returns:
        A scalar.
    """
    x, y = _centred([x, y])
    return _bandwidth(squared_distances(x, x), squared_distances(y, y), squared_distances(x, y))


def mmd_squared(
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    kernels: int = 5,
    unbiased: bool = False,
    bandwidth: torch.Tensor | float | None = None,
) -> torch.Tensor:
    """MMD^2(x, y) = mean G(x, x') + mean G(y, y') - 2 mean G(x, y).

    Args:
        x: Shape (n, H).
        y: Shape (m, H).
        kernels: See `mmd_squared_to_each`.
        unbiased: See `mmd_squared_to_each`.
        bandwidth: See `mmd_squared_to_each`.

    Returns:
        A scalar.
    """
    return mmd_squared_to_each(x, [y], kernels=kernels, unbiased=unbiased, bandwidth=bandwidth)[0]


def mmd_squared_to_each(
    reference: torch.Tensor,
    samples: Sequence[torch.Tensor],
    *,
    kernels: int = 5,
    unbiased: bool = False,
    bandwidth: torch.Tensor | float | None = None,
) -> list[torch.Tensor]:
    """MMD^2 between a reference and each of several samples; the reference's own distances are computed once.

    G is a sum of k Gaussian kernels, exp(-D / (b 2^(i - floor(k/2)))) for i = 0…k-1: bandwidths b/4, b/2, b, 2b and 4b
    for five, b for one. As in the released program, b is the mean squared distance over each pair of sets and has no
    gradient.

    Args:
        reference: Shape (n, H): the teacher's vectors on source sentences.
        samples: Shapes (m, H), m as it comes: the student's vectors on source and on target sentences.
        kernels: Number of kernels.
        unbiased: Leave the distance of a vector to itself out of the means, so that two samples of one distribution
            give 0 on average, and negative values too. A set of one vector has no other distance and keeps it. The
            released program does not leave it out.
        bandwidth: b, to compare several pairs of sets by one measure; at least `EPSILON` is taken.

    Returns:
        One scalar for each sample, float32 at least; between 0 and 2 `kernels` unless unbiased.

    Raises:
        ValueError: A set is empty.
    """
    if any(len(vectors) == 0 for vectors in (reference, *samples)):
        raise ValueError("MMD needs at least one vector in every set")
    centred, *rest = _centred([reference, *samples])
    within = squared_distances(centred, centred)
    given = None if bandwidth is None else torch.as_tensor(bandwidth).to(within).clamp(min=EPSILON)
    results = []
    for sample in rest:
        blocks = (within, squared_distances(sample, sample), squared_distances(centred, sample))
        width = _bandwidth(*blocks) if given is None else given
        first, second, across = (_gaussian_kernels(block, width, kernels) for block in blocks)
        results.append(_mean_within(first, unbiased) + _mean_within(second, unbiased) - 2 * across.mean())
    return results


def symmetric_kl(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """KL(p || q) + KL(q || p) of p = softmax(mean of x) and q = softmax(mean of y), in nats; a scalar.

    The paper does not say how a vector becomes a distribution; softmax is our reading.

    Args:
        x: Shape (n, H).
        y: Shape (m, H).
    """
    log_p = functional.log_softmax(_full_precision(x).mean(dim=0), dim=0)
    log_q = functional.log_softmax(_full_precision(y).mean(dim=0), dim=0)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum()


def cosine_of_means(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cosine between the mean vectors, a scalar; 0 where one of them is 0.

    Args:
        x: Shape (n, H).
        y: Shape (m, H).
    """
    return functional.cosine_similarity(_full_precision(x).mean(dim=0), _full_precision(y).mean(dim=0), dim=0)


def _full_precision(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _centred(sets: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The sets minus their common mean, which changes no distance and saves digits."""
    full = [_full_precision(vectors) for vectors in sets]
    centre = torch.cat([vectors.detach() for vectors in full]).mean(dim=0)
    return [vectors - centre for vectors in full]


def _bandwidth(first: torch.Tensor, second: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """sum D_ij / (n^2 - n) over both sets together, at least `EPSILON`, without gradient."""
    count = sum(across.shape)
    total = first.detach().sum() + second.detach().sum() + 2 * across.detach().sum()
    return (total / (count * (count - 1))).clamp(min=EPSILON)


def _gaussian_kernels(distances: torch.Tensor, bandwidth: torch.Tensor, kernels: int) -> torch.Tensor:
    """Sum of the kernels, from the widest to the narrowest: halving a bandwidth squares its kernel."""
    kernel = torch.exp(-distances / (bandwidth * 2.0 ** (kernels - 1 - kernels // 2)))
    total = kernel
    for _ in range(kernels - 1):
        kernel = kernel.square()
        total = total + kernel
    return total


def _mean_within(kernel: torch.Tensor, unbiased: bool) -> torch.Tensor:
    count = len(kernel)
    if not unbiased or count == 1:
        return kernel.mean()
    return (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
