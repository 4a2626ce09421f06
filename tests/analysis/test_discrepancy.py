"""`xner analyse discrepancy`: the paper's figures 3 and 4."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hf_xner.analysis import discrepancy
from hf_xner.cli import main
from hf_xner.losses.discrepancy import cosine_of_means, mean_squared_distance, mmd_squared
from tests.systems.toy import Finished


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_discrepancies_of_every_variant_and_the_three_settings_of_figure_3(msd_run: Finished, tmp_path: Path):
    argv = [
        "analyse",
        "discrepancy",
        str(msd_run.folder),
        "--shown",
        "12",
        "--measured",
        "25",
        "--output",
        str(tmp_path),
    ]
    assert main(argv) == 0
    for name in ("discrepancy.png", "discrepancy.svg", "tsne.png", "tsne.svg"):
        assert (tmp_path / name).stat().st_size > 0
    rows = read(tmp_path / "discrepancy.csv")
    values = {(row["variant"], row["pair"], row["measure"]): float(row["value"]) for row in rows}
    assert len(values) == len(rows) == 4 * 4 * 3
    assert {variant for variant, *_ in values} == {"without_all", "without_mmd", "msd", "without_distillers"}
    assert all(np.isfinite(value) for value in values.values())
    teachers = {name: values[name, "tea_src-tea_tgt", "MMD^2"] for name, *_ in values}
    assert teachers["msd"] == teachers["without_mmd"] != teachers["without_all"] == teachers["without_distillers"]
    points = read(tmp_path / "tsne.csv")
    assert len(points) == 3 * 4 * 12 and {point["variant"] for point in points} == set(discrepancy.FIGURE_3)
    assert {point["group"] for point in points} == set(discrepancy.GROUPS)


def test_sentences_are_drawn_by_seed_and_have_no_tags(msd_run: Finished):
    opened = discrepancy.open_run(msd_run.folder, "msd")
    first, again, other = (discrepancy._sentences(opened, 10, seed) for seed in (0, 0, 1))
    assert first == again != other
    assert set(first) == {"src", "tgt"} and all(len(sentences) == 10 for sentences in first.values())
    assert all(isinstance(word, str) for sentence in first["tgt"] for word in sentence)


def test_measures_are_those_of_the_losses():
    generator = np.random.default_rng(0)
    groups: Any = {name: generator.standard_normal((30, 5)).astype(np.float32) for name in discrepancy.GROUPS}
    rows = discrepancy._distances({"msd": groups}, 20)
    cosine = {row["pair"]: row["value"] for row in rows if row["measure"] == "cosine"}
    one, other = (torch.from_numpy(groups[name][:20]) for name in ("tea_src", "stu_tgt"))
    assert cosine["tea_src-stu_tgt"] == pytest.approx(float(cosine_of_means(one, other)))
    same = discrepancy._distances({"msd": dict.fromkeys(discrepancy.GROUPS, groups["tea_src"])}, 30)
    for row in same:
        assert row["value"] == pytest.approx(1.0 if row["measure"] == "cosine" else 0.0, abs=1e-5)


def test_variants_are_compared_by_one_bandwidth():
    """With a bandwidth of its own, a variant's MMD would not know how long its vectors are."""
    generator = np.random.default_rng(0)
    groups: Any = {name: generator.standard_normal((30, 5)).astype(np.float32) for name in discrepancy.GROUPS}
    shrunk = {name: vectors / 2 for name, vectors in groups.items()}
    rows = discrepancy._distances({"msd": groups, "without_mmd_l": shrunk}, 30)
    bars = {(row["variant"], row["pair"]): row["value"] for row in rows if row["measure"] == "MMD^2"}
    for pair in discrepancy.PAIRS:
        one, other = (torch.from_numpy(groups[name]) for name in pair)
        width = (1 + 0.25) / 2 * mean_squared_distance(one, other)
        expected = [mmd_squared(scale * one, scale * other, bandwidth=width).item() for scale in (1, 0.5)]
        found = [bars[variant, "-".join(pair)] for variant in ("msd", "without_mmd_l")]
        assert found == pytest.approx(expected, rel=1e-4) and found[1] < 0.9 * found[0]
    assert [row["variant"] for row in rows] == ["msd"] * 12 + ["without_mmd_l"] * 12


def test_domains_of_different_width_are_compared_within_a_model_only():
    wide, narrow = np.ones((9, 5), dtype=np.float32), np.ones((9, 3), dtype=np.float32)
    groups = {"tea_src": wide, "tea_tgt": wide, "stu_src": narrow, "stu_tgt": narrow}
    pairs = {row["pair"] for row in discrepancy._distances({"without_mmd": groups}, 9)}
    assert pairs == {"stu_src-stu_tgt", "tea_src-tea_tgt"} and not discrepancy._comparable(groups)


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--seed", "9"], "the run has no seed 9; it has [1]"), (["--shown", "2"], "fewer than three sentences")],
)
def test_mistakes_end_with_one_line(msd_run: Finished, capsys, more: list[str], message: str):
    assert main(["analyse", "discrepancy", str(msd_run.folder), *more]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
