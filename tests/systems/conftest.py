"""Fixtures of the systems' tests: the toy corpora, and one finished run on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .toy import SOURCE, SOURCE_WORDS, TARGET, TARGET_WORDS, Finished, Toy, write_corpus


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_dir: Path) -> Iterator[Toy]:
    folder = tmp_path_factory.mktemp("toy")
    sizes = {"train": 40, "dev": 9, "test": 11}
    source = write_corpus(folder / "source", SOURCE, SOURCE_WORDS, sizes, seed=1)
    target = write_corpus(folder / "target", TARGET, TARGET_WORDS, {"train": 30, "dev": 7, "test": 13}, seed=11)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
        yield Toy(source, target, tiny_encoder_dir)


@pytest.fixture(scope="session")
def finished(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """tsl with direct transfer, hard and soft labels; tests may read what it left, not change it."""
    from hf_xner.launch import train

    folder = tmp_path_factory.mktemp("finished")
    options = toy.options(
        folder / "run",
        folder / "store",
        variants=["mt", "hl", "tsl"],
        evaluate_on=["source_dev", "target_test"],
        seeds=[1],
    )
    return Finished(options, folder / "run", folder / "store", train("tsl", **options))
