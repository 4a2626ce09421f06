"""`xner analyse gain`: what two variants get right and wrong, who taught them, and what is said of it."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hf_xner.analysis.entity_errors import agreement, compare, judge
from hf_xner.analysis.gain_verdict import _change
from hf_xner.analysis.scored_run import open_scored_run
from hf_xner.cli import main
from hf_xner.evaluation.metrics import entity_scores
from hf_xner.evaluation.prediction_files import write_predictions
from hf_xner.systems import stage_records
from hf_xner.systems.stage_records import StageRecord
from tests.systems.toy import Finished

GOLD = ["B-PER I-PER O B-LOC O B-ORG", "O B-MISC O", "B-LOC O O O"]
GOOD = ["B-PER I-PER O B-LOC O B-ORG", "O B-MISC O", "B-LOC O O B-PER"]
# A wrong boundary, a wrong type, a right one; a missed one; a right one and two spurious ones.
POOR = ["B-PER O O B-ORG O B-ORG", "O O O", "B-LOC O B-MISC B-MISC"]


def tags(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_every_entity_is_of_one_kind_and_the_kinds_add_up():
    judged = judge(tags(GOLD), tags(POOR))
    kinds = [sorted(side.values()) for side in (judged.gold, judged.found)]
    assert kinds[0] == ["missed", "right", "right", "wrong_boundary", "wrong_type"]
    assert kinds[1] == ["right", "right", "spurious", "spurious", "wrong_as", "wrong_boundary"]
    # One found for two: one is missed. Two found for one: one is spurious.
    joined = judge([["B-PER", "B-PER", "O"]], [["B-PER", "I-PER", "O"]])
    assert sorted(joined.gold.values()) == ["missed", "wrong_boundary"]
    split = judge([["B-PER", "I-PER", "O"]], [["B-PER", "B-LOC", "O"]])
    assert sorted(split.found.values()) == ["spurious", "wrong_boundary"]


def test_what_one_gains_and_loses_against_the_other_is_counted():
    rows = {(row["type"], row["measure"]): row for row in compare(*map(tags, (GOLD, POOR, GOOD)), ["LOC", "MISC"])}

    def numbers(name: str, measure: str) -> tuple[float, ...]:
        return tuple(rows[name, measure][column] for column in ("first", "second", "difference", "gained", "lost"))

    assert numbers("all", "right") == (2, 5, -3, 0, 3)
    assert numbers("all", "found") == (6, 6, 0, 4, 4)
    assert numbers("all", "spurious") == (2, 1, 1, 2, 1) and numbers("MISC", "spurious") == (2, 0, 2, 2, 0)
    assert numbers("all", "missed") == numbers("MISC", "missed") == (1, 0, 1, 1, 0)
    assert numbers("LOC", "wrong_type") == (1, 0, 1, 1, 0) and numbers("all", "wrong_boundary") == (1, 0, 1, 1, 0)
    assert numbers("all", "words_right") == (8, 12, -4, 0, 4) and numbers("LOC", "words_right") == (1, 2, -1, 0, 1)
    score = entity_scores(tags(GOLD), tags(POOR))
    assert rows["all", "f1"]["first"] == score.f1 and rows["LOC", "f1"]["first"] == score.per_type["LOC"]["f1"]
    assert agreement([["O", "O", "B-LOC", "O"]], [["O", "O", "O", "O"]]) == (0.75, 0.0)


class Fake:
    """A run whose student repeats a teacher that is worse than the baseline's, as a finished run leaves it."""

    def __init__(self, place: Path, seeds: tuple[int, ...] = (1, 2)) -> None:
        self.folder, self.store, self.stages = place / "run", place / "store", {}
        scores: dict[str, Any] = {name: [] for name in ("mt", "without_all", "teacher", "msd")}
        for seed in seeds:
            self._seed(seed, scores)
        sets = {
            name: {"target_test": {kind: dict.fromkeys(("precision", "recall", "f1"), self._summary(values))}}
            for name, values in scores.items()
            for kind in ["plain"]
        }
        results = {"seeds": list(seeds), "student": "msd", "variants": sets, "differences": []}
        run = {"system": "msd", "arguments": {"store": str(self.store)}}
        self.folder.mkdir()
        for name, content in (("run", run), ("results", results), ("stages", self.stages)):
            (self.folder / f"{name}.json").write_text(json.dumps(content))

    @staticmethod
    def _summary(values: list[float]) -> dict[str, Any]:
        return {"mean": sum(values) / len(values), "sd": None, "values": values}

    def _seed(self, seed: int, scores: dict[str, list[float]]) -> None:
        keys = {}
        for teacher, student, predicted in (("mt", "without_all", GOOD), ("teacher", "msd", POOR)):
            keys[teacher] = self._stage("train", f"{teacher}, seed {seed}", {"seed": str(seed)})
            labels = self._stage("soft_labels", f"labels of {teacher}, seed {seed}", {"teacher": keys[teacher]})
            keys[student] = self._stage("distil", f"{student} student, seed {seed}", {"soft_labels": labels})
            for name in (teacher, student):
                key = self._stage("score", f"{name} on target_test, seed {seed}", {"model": keys[name]})
                lines = predicted if seed == 1 or predicted is GOOD else [POOR[0], *GOOD[1:]]
                words = [[f"w{number}" for number in range(len(line.split()))] for line in lines]
                write_predictions(self.store / "score" / key / "plain.conll", words, tags(GOLD), tags(lines))
                scores[name].append(entity_scores(tags(GOLD), tags(lines)).f1)
            history = self.store / "distil" / keys[student] / "history.jsonl"
            records = [{"step": 1, "seconds": 1.0, "loss": 0.5, "loss_kd": 0.5 * seed}, {"step": 2, "seconds": 2.0}]
            history.write_text("".join(json.dumps(record) + "\n" for record in records))

    def _stage(self, kind: str, name: str, inputs: dict[str, str]) -> str:
        record = StageRecord(kind, name, 1, inputs | {"name": name}, {}, None, "", 1.0, False, 1, "0")
        folder = self.store / kind / record.key
        folder.mkdir(parents=True)
        record.write(folder)
        self.stages[name] = {"kind": kind, "key": record.key, "path": f"{kind}/{record.key}"}
        return record.key


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_loss_is_traced_to_errors_and_to_the_teacher(tmp_path: Path, capsys):
    fake = Fake(tmp_path)
    assert main(["analyse", "gain", str(fake.folder)]) == 0
    printed = capsys.readouterr().out
    names = {Path(line).name for line in printed.splitlines()[-3:]}
    assert (
        names == {"gain.csv", "gain.png", "gain.svg"} == {path.name for path in (fake.folder / "analysis").iterdir()}
    )
    assert "msd against without_all on target_test, plain; seeds: 1, 2" in printed
    assert "paired t-test over 2 seeds), below it in 2 of 2 seeds" in printed
    assert "1 more spurious MISC" in printed  # two with seed 1, none with seed 2
    assert "msd agrees with its teacher, teacher, on 100.0 % of words" in printed and "it copies it" in printed
    assert "it comes mostly from the teacher" in printed
    (losses,) = (line for line in printed.splitlines() if line.startswith("msd") and "0.75000" in line)
    assert losses.split() == ["msd", "0.50000", "0.75000"]
    rows = read(fake.folder / "analysis" / "gain.csv")
    assert {row["seed"] for row in rows} == {"1", "2", "mean"}
    (spurious,) = (row for row in rows if (row["seed"], row["type"], row["measure"]) == ("mean", "MISC", "spurious"))
    assert [float(spurious[name]) for name in ("first", "second", "gained", "lost")] == [1, 0, 1, 0]


def test_a_student_of_votes_alone_has_no_teacher_of_probabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """UniTrans' `without_soft` is given soft labels as all students are, and its loss leaves them out."""
    opened = open_scored_run(Fake(tmp_path).folder)
    assert opened.teachers("msd", "target_test", 1) == ["teacher"]
    settings: dict[str, Any] = {}
    read = stage_records.read_record
    monkeypatch.setattr(stage_records, "read_record", lambda *a, **more: replace(read(*a, **more), settings=settings))
    for soft, expected in ((True, ["teacher"]), (False, [])):
        settings["targets"] = {"eta": 1.0, "mean_over": "agreed", "soft": soft}
        assert opened.teachers("msd", "target_test", 1) == expected


def test_what_stayed_is_no_fall():
    assert [_change("recall", value) for value in (0.012, -0.5, 0.0)] == [
        "recall rose by 1.20 points",
        "recall fell by 50.00 points",
        "recall stayed",
    ]


def test_what_is_no_longer_in_the_store_is_told(tmp_path: Path, capsys):
    fake = Fake(tmp_path)

    def lose(name: str) -> None:
        shutil.rmtree(fake.store / fake.stages[name]["path"])

    lose("msd student, seed 1")
    lose("msd on target_test, seed 2")
    assert main(["analyse", "gain", str(fake.folder)]) == 0
    printed = capsys.readouterr().out
    assert "Left out, for predictions are no longer in the store: seed 2" in printed
    assert "2 stages are no longer in the store, and what needs them is missing: msd student, seed 1" in printed
    assert "There is no training history of msd in the store" in printed and "paired bootstrap" in printed
    lose("without_all on target_test, seed 1")
    assert main(["analyse", "gain", str(fake.folder)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "predictions of msd and without_all on target_test are no longer in the store" in line


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path, capsys):
    fake = Fake(tmp_path)
    for options, message in (
        (["--variant", "tsl"], "give --variant one of mt, without_all, teacher, msd"),
        (["--set", "source_dev"], "'msd' was not scored on source_dev"),
        (["--variant", "mt", "--against", "mt"], "compared with itself"),
    ):
        assert main(["analyse", "gain", str(fake.folder), *options]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert message in line
    assert main(["analyse", "gain", str(tmp_path)]) == 2
    assert "there is no finished run" in capsys.readouterr().err


def test_a_real_run_knows_its_teachers_and_gives_its_own_figures(msd_run: Finished, tmp_path: Path, capsys):
    for variant, teacher in (("msd", "teacher"), ("without_distillers", "last-layer teacher"), ("teacher", None)):
        words = ["analyse", "gain", str(msd_run.folder), "--set", "source_test", "--variant", variant]
        assert main([*words, "--output", str(tmp_path)]) == 0
        printed = capsys.readouterr().out
        lines = [line for line in printed.splitlines() if f"taught {variant}" in line]
        assert [line.startswith(f"{teacher}  ") for line in lines] == ([] if teacher is None else [True])
        assert "train_loss" in printed and "no longer" not in printed
    gaps = [gap for gap in msd_run.results["differences"] if gap["set"] == "source_test"]
    (gap,) = (gap["over_sentences"] for gap in gaps if (gap["first"], gap["second"]) == ("teacher", "without_all"))
    interval = f"{100 * gap['difference']:+.2f} points of F1 [{100 * gap['low']:+.2f}, {100 * gap['high']:+.2f}]"
    assert gap["difference"] > 0.1 and interval in printed
    total = next(row for row in read(tmp_path / "gain.csv") if row["measure"] == "f1")
    assert float(total["difference"]) == pytest.approx(gap["difference"], abs=1e-12)
