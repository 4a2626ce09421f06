"""An adversarial start from the principal components of two spaces, solved again for the whole vectors.

Vectors of 300 components ask much of discriminator and mapping; few are cheaper by an order of magnitude and are
mapped by fewer updates. Published programs take whole vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.adversarial import AdversarialResult, AdversarialSettings, train_adversarial
from hf_xner.translation.refinement import Refiner

LENGTH = 4.0  # mean length of reduced vectors: about that of 300-wide skip-gram vectors, for which MUSE's rates are


def principal_components(vectors: np.ndarray, components: int, most_frequent: int) -> np.ndarray:
    """The principal components of a space, whose mean and axes are those of its most frequent words.

    Args:
        vectors: (V, d) raw vectors, the most frequent word's first.
        components: k.
        most_frequent: How many of them the mean and the axes are taken from.

    Returns:
        (V, k) float32, `LENGTH` long in the mean over the most frequent words.

    Raises:
        InputError: There are not that many components.
    """
    frequent = np.asarray(vectors[:most_frequent], np.float32)
    if not 1 <= components <= min(frequent.shape):
        raise InputError(
            f"{components} principal components of {len(frequent)} vectors of {frequent.shape[1]}",
            where="--components",
            remedy=f"give 1 to {min(frequent.shape)}",
        )
    mean = frequent.mean(axis=0)
    axes = np.linalg.svd(frequent - mean, full_matrices=False)[2][:components]
    reduced = np.asarray(vectors - mean, np.float32) @ axes.T
    length = float(np.linalg.norm(reduced[:most_frequent], axis=1).mean())
    return reduced * np.float32(LENGTH / length if length else 1.0)


def train_on_components(
    refiner: Refiner,
    settings: AdversarialSettings,
    seed: int,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> AdversarialResult:
    """`train_adversarial` between the principal components of two spaces, and the whole vectors' mapping from it.

    The dictionary that the reduced mapping makes holds the pairs that the whole one is solved on (Procrustes).

    Args:
        refiner: The two spaces (raw vectors) and the criterion.
        settings: Settings; `components` of them are taken.
        seed: Random seed.
        on_epoch: Called after each epoch with its facts.

    Returns:
        The mapping of the whole vectors (the identity where the components' makes no dictionary), with criterion and
        epochs of the components'.
    """
    assert settings.components is not None
    moving, fixed = (
        principal_components(space, settings.components, settings.most_frequent)
        for space in (refiner.moving, refiner.fixed)
    )
    reduced = Refiner(moving, fixed, refiner.settings)
    found = train_adversarial(reduced, settings, seed, on_epoch)
    pairs = reduced.dictionary(found.matrix)
    whole = refiner.solve(pairs) if len(pairs) else np.eye(refiner.moving.shape[1], dtype=np.float32)
    return replace(found, matrix=whole)
