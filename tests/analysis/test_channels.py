"""`xner analyse channels`: the F1 of every channel, and lambda."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from datasets import DatasetDict

from hf_xner.analysis.channels import _figure
from hf_xner.cli import main
from hf_xner.inference.loading import load_tagger
from hf_xner.models.register import register_models
from hf_xner.systems.workspace import Workspace
from hf_xner.training.fit_channels import CHANNELS
from tests.systems.toy import Finished


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_single_channel_has_no_weights_to_draw():
    scores = [{"model": "teacher", "set": "target_test", "layer": 2, "f1": 0.5}]
    weights = [{"model": "teacher", "layer": 1, "lambda": 0.4}]
    assert [len(_figure(scores, rows).axes) for rows in ([], weights)] == [1, 2]


def test_every_channel_is_scored_and_lambda_is_that_of_the_model(msd_run: Finished, tmp_path: Path, capsys):
    sets = ("source_test", "target_dev")
    assert main(["analyse", "channels", str(msd_run.folder), "--sets", *sets, "--output", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.split()
    names = {"channels.csv", "lambda.csv", "channels.png", "channels.svg"}
    assert {Path(path).name for path in printed} == names and all(Path(path).stat().st_size > 0 for path in printed)
    scores = {(row["model"], row["set"], row["layer"]): float(row["f1"]) for row in read(tmp_path / "channels.csv")}
    models = ("teacher", "without_mmd", "msd")  # those with auxiliary channels
    assert set(scores) == {(model, name, layer) for model in models for name in sets for layer in "1234"}
    for model in models:
        reported = msd_run.results["variants"][model]["source_test"]["plain"]["f1"]["mean"]
        assert scores[model, "source_test", "4"] == pytest.approx(reported, abs=1e-12)
    assert scores["teacher", "source_test", "4"] > 0.2, "the toy is meant to be learnt, or this shows nothing"
    register_models()
    (teacher,) = msd_run.stages("train_channels")
    model, _ = load_tagger(str(teacher / CHANNELS))
    weights = [float(row["lambda"]) for row in read(tmp_path / "lambda.csv") if row["model"] == "teacher"]
    assert weights == pytest.approx(model.channel_weights().tolist()) and sum(weights) == pytest.approx(1)


def test_default_sets_that_are_not_there_are_skipped_and_asked_ones_refused(
    msd_run: Finished, tmp_path: Path, capsys, caplog, monkeypatch: pytest.MonkeyPatch
):
    """A target without a labelled test split, of which the run itself only warned."""
    real = Workspace.corpus

    def corpus(self: Workspace, spec: str) -> object:
        return DatasetDict(
            {split: part for split, part in real(self, spec).items() if (spec, split) != (spec_of_target, "test")}
        )

    spec_of_target = msd_run.options["target"]
    monkeypatch.setattr(Workspace, "corpus", corpus)
    argv = ["analyse", "channels", str(msd_run.folder), "--output", str(tmp_path)]
    assert main(argv) == 0
    assert {row["set"] for row in read(tmp_path / "channels.csv")} == {"source_test"}
    assert f"{spec_of_target} has no labelled test split: nothing to score as target_test" in caplog.text
    capsys.readouterr()
    assert main([*argv, "--sets", "source_test", "target_test"]) == 2
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert f"--sets: {spec_of_target} has no labelled test split; leave target_test out" in line
    spec_of_target = msd_run.options["source"][0]
    monkeypatch.setattr("hf_xner.analysis.channels.DEFAULT_SETS", ("source_test",))
    assert main(argv) == 2
    assert "--sets: there is no labelled test split to score" in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path: Path, capsys):
    assert main(["analyse", "channels", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "there is no finished run of msd; give the --output_dir of one" in line


def test_a_store_that_was_cleared_is_told(msd_run: Finished, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hf_xner.systems.stages.StageStore.__init__", _empty(tmp_path))
    assert main(["analyse", "channels", str(msd_run.folder)]) == 2
    assert "is not in the store" in capsys.readouterr().err


def _empty(root: Path):
    def init(self, *_: object, **__: object) -> None:
        self.root = root

    return init
