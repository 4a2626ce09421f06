"""Small spaces and corpora made in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from scipy.linalg import expm

from hf_xner.labels import tag_names
from hf_xner.translation.vectors import WordVectors

MakeCorpus = Callable[..., Dataset]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small tensors on a shared machine: threads only get in each other's way."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_corpus() -> MakeCorpus:
    """A labelled corpus from (tokens, tags) pairs."""

    def make(*sentences: tuple[Sequence[str], Sequence[str]]) -> Dataset:
        names = tag_names(["LOC", "MISC", "ORG", "PER"])
        features = Features(
            {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))}
        )
        rows = {
            "id": [str(index) for index in range(len(sentences))],
            "tokens": [list(tokens) for tokens, _ in sentences],
            "ner_tags": [[names.index(tag) for tag in tags] for _, tags in sentences],
        }
        return Dataset.from_dict(rows, features=features)

    return make


def clustered(random: np.random.Generator, size: int, width: int) -> np.ndarray:
    """Vectors in lopsided clusters of falling spectrum: no rotation but one maps them onto themselves."""
    spectrum = np.exp(-np.arange(width) / (width / 2))
    centres = random.standard_normal((30, width)) * spectrum * 1.5 + spectrum
    weights = random.dirichlet(np.full(30, 0.5))
    points = centres[random.choice(30, size, p=weights)] + random.standard_normal((size, width)) * spectrum
    return points.astype(np.float32)


@pytest.fixture(scope="session")
def rotation() -> np.ndarray:
    """An orthogonal 20 x 20 matrix."""
    return np.linalg.qr(np.random.default_rng(5).standard_normal((20, 20)))[0].astype(np.float32)


@pytest.fixture(scope="session")
def like_spaces(rotation: np.ndarray) -> tuple[WordVectors, WordVectors]:
    """A space, and the same rotated, perturbed and in another order; word `s17` means `t17`, and a tenth is shared."""
    random = np.random.default_rng(0)
    size = 1200
    vectors = clustered(random, size, 20)
    rotated = vectors @ rotation.T + 0.05 * random.standard_normal(vectors.shape).astype(np.float32)
    order = np.argsort(np.arange(size) + random.uniform(0, 20, size))
    source = [f"shared{i}" if i % 10 == 0 else f"s{i}" for i in range(size)]
    target = [f"shared{i}" if i % 10 == 0 else f"t{i}" for i in order]
    return WordVectors(source, vectors, "source.vec"), WordVectors(target, rotated[order], "target.vec")


@pytest.fixture(scope="session")
def unlike_spaces(like_spaces: tuple[WordVectors, WordVectors]) -> tuple[WordVectors, WordVectors]:
    """Two spaces that have nothing to do with each other."""
    source = like_spaces[0]
    other = clustered(np.random.default_rng(99), len(source), 20)
    return source, WordVectors([f"u{i}" for i in range(len(source))], other, "unlike.vec")


@pytest.fixture(scope="session")
def turned_spaces() -> tuple[WordVectors, WordVectors]:
    """A space, and the same turned by up to 103 degrees and perturbed; some words are shared."""
    random = np.random.default_rng(0)
    vectors = clustered(random, 600, 8)
    plane = np.random.default_rng(5).standard_normal((8, 8))
    turn = expm(1.8 * (plane - plane.T) / np.linalg.norm(plane - plane.T, 2))
    spectrum = np.exp(-np.arange(8) / 4)
    turned = (vectors + 0.03 * spectrum * random.standard_normal(vectors.shape)) @ turn.T
    names = [[f"shared{i}" if i % 10 == 0 else f"{side}{i}" for i in range(600)] for side in "st"]
    return WordVectors(names[0], vectors), WordVectors(names[1], turned.astype(np.float32))
