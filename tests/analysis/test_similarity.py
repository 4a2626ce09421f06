"""alpha of several runs as one table and heat map."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hf_xner.analysis.similarity import weights_of
from hf_xner.cli import main
from hf_xner.systems.similarity_figure import draw_heat_map


def finished_run(folder: Path, target: str, *alphas: dict[str, float]) -> Path:
    folder.mkdir(parents=True)
    seeds = {f"seed {number}": {"alpha": alpha, "tau": 1.0} for number, alpha in enumerate(alphas, start=1)}
    results = {"arguments": {"target": target}, "language_weights": {"bilinear": seeds}}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_runs_are_rows_and_sources_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    spanish = finished_run(tmp_path / "es", "conll2002:es", {"en": 0.4, "nl": 0.6}, {"en": 0.6, "nl": 0.4})
    dutch = finished_run(tmp_path / "nl", "conll2002:nl", {"en": 0.3, "de": 0.7})
    assert main(["analyse", "similarity", str(spanish), str(dutch), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()[2:4]] == [
        ["conll2002:es", "0.500", "0.500"],
        ["conll2002:nl", "0.300", "0.700"],
    ]
    with (tmp_path / "out" / "alpha.csv").open() as file:
        rows = list(csv.DictReader(file))
    first = rows[0]
    assert (first["target"], first["source"], first["seeds"]) == ("conll2002:es", "en", "2")
    assert [float(first[name]) for name in ("alpha", "least", "greatest")] == [0.5, 0.4, 0.6]
    assert (tmp_path / "out" / "alpha.png").stat().st_size > 0 and (tmp_path / "out" / "alpha.svg").exists()


def test_runs_with_one_target_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = [
        finished_run(tmp_path / "warm", "conll2002:es", {"en": 0.4, "nl": 0.6}),
        finished_run(tmp_path / "cold", "conll2002:es", {"en": 0.3, "de": 0.7}),
    ]
    assert main(["analyse", "similarity", *map(str, runs), "--output", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:4]] == [
        ["conll2002:es", "(warm)", "0.400", "0.600"],
        ["conll2002:es", "(cold)", "0.300", "0.700"],
    ]
    with (tmp_path / "out" / "alpha.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == ["warm", "warm", "cold", "cold"]


def test_an_empty_cell_has_no_number_in_it():
    axes = draw_heat_map(["es", "nl"], ["en", "nl"], np.array([[0.4, 0.6], [1.0, np.nan]]), "alpha").axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.40", "0.60", "1.00"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["es", "nl"]


def test_runs_without_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = finished_run(tmp_path / "es", "conll2002:es", {"en": 1.0})
    for argv, message in (
        ([str(tmp_path / "nothing")], "nothing: there is no finished run"),
        ([str(folder), "--measure", "l1"], "no weights by l1; it has bilinear"),
    ):
        assert main(["analyse", "similarity", *argv, "--output", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
    assert weights_of(folder, "bilinear")[0]["alpha"] == 1.0 and not (tmp_path / "out").exists()
