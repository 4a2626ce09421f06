"""Any system takes plain text as its target; scored is what has labels."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from hf_xner.data import load_corpus
from hf_xner.data.rows import read_soft_labels
from hf_xner.launch import train

from .toy import TARGET, TARGET_WORDS, Finished, Toy, make_sentences, stage_folders


def prose() -> str:
    """Several sentences a line, full stops glued to words."""
    sentences = [" ".join(word for word, _ in sentence) for sentence in make_sentences(TARGET, TARGET_WORDS, 12, 21)]
    return "\n".join(
        f"{one.removesuffix(' .')}. Bonn {two}" for one, two in zip(sentences[::2], sentences[1::2], strict=True)
    )


@pytest.mark.parametrize("system", ["tsl", "msd"])
def test_every_system_takes_a_text_file(toy: Toy, tmp_path: Path, system: str, caplog: pytest.LogCaptureFixture):
    (tmp_path / "mine.txt").write_text(prose())
    chosen = toy.options(tmp_path / "run", tmp_path / "store", target=f"{tmp_path}/mine.txt:sw", dry_run=True)
    with caplog.at_level(logging.WARNING, "hf_xner"):
        plan = train(system, **chosen)["plan"]
    assert "student, seed 1" in plan and "target_test" not in plan
    assert "nothing to score as target_test" in caplog.text


def test_raw_text_to_train_on_and_tagged_sentences_to_score_on(finished: Finished, tmp_path: Path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "train.txt").write_text(prose())
    shutil.copy(Path(finished.options["target"]) / "test.conll", mine / "test.conll")
    shutil.copytree(finished.store / "train", tmp_path / "store" / "train")
    chosen = {**finished.options, "store": str(tmp_path / "store"), "output_dir": str(tmp_path / "run")}
    results = train("tsl", **{**chosen, "target": str(mine), "variants": ["mt", "tsl"]})
    assert set(results["variants"]["tsl"]) == {"source_dev", "target_test"}
    assert results["variants"]["mt"] == finished.results["variants"]["mt"], "the same teacher on the same test set"
    words = load_corpus(str(mine))["train"]["tokens"][:]
    assert any("." in sentence for sentence in words) and len(words) >= 6, "split into sentences and words"
    (labelled,) = stage_folders(tmp_path / "store", "soft_labels")
    assert [len(row) // 7 for row in read_soft_labels(labelled)["soft_labels"]] == [len(words) for words in words]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["data"].keys() >= {f"{mine} train, unlabelled"}
