"""One finished run of msd to analyse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.systems.toy import SOURCE, SOURCE_WORDS, TARGET, TARGET_WORDS, Finished, Toy, write_corpus


@pytest.fixture(scope="session")
def msd_run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_dir: Path) -> Finished:
    """A small run of msd with the corpora that it needs; tests may read what it left, not change it."""
    from hf_xner.launch import train

    folder = tmp_path_factory.mktemp("msd")
    source = write_corpus(folder / "source", SOURCE, SOURCE_WORDS, {"train": 40, "dev": 9, "test": 11}, seed=1)
    target = write_corpus(folder / "target", TARGET, TARGET_WORDS, {"train": 30, "dev": 7, "test": 13}, seed=11)
    options = Toy(source, target, tiny_encoder_dir).options(
        folder / "run",
        folder / "store",
        variants=["teacher", "without_all", "without_distillers", "without_mmd", "msd"],
        evaluate_on=["source_test"],
    )
    return Finished(options, folder / "run", folder / "store", train("msd", **options))


@pytest.fixture(scope="session")
def transadv_run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_dir: Path) -> Finished:
    """A small run of transadv and AdvPicker's teacher; tests may read what it left, not change it."""
    from hf_xner.launch import train

    folder = tmp_path_factory.mktemp("transadv")
    source = write_corpus(folder / "source", SOURCE, SOURCE_WORDS, {"train": 40, "dev": 20, "test": 11}, seed=1)
    target = write_corpus(folder / "target", TARGET, TARGET_WORDS, {"train": 30, "dev": 20, "test": 13}, seed=11)
    dictionary = folder / "dictionary.txt"
    pairs = zip(SOURCE_WORDS, TARGET_WORDS, strict=True)
    dictionary.write_text("".join(f"{word}\t{other}\n" for word, other in pairs))
    options = Toy(source, target, tiny_encoder_dir).options(
        folder / "run",
        folder / "store",
        variants=["mt", "entity", "context", "tladv"],
        dictionary=str(dictionary),
        keep_types=["none"],
        adversarial_rows=4,
        generator_learning_rate=1e-3,
        teacher_epochs=1.0,
        evaluate_on=["source_test"],
    )
    return Finished(options, folder / "run", folder / "store", train("transadv", **options))
