from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hf_xner.commands.runs import add_parser
from hf_xner.errors import InputError
from hf_xner.systems.run_folder import RunFolder
from hf_xner.systems.stages import Stage, StageStore


def xner(*arguments: str) -> int:
    parser = argparse.ArgumentParser("xner")
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["runs", *arguments])
    return args.run(args)


def make_run(folder: Path) -> None:
    with RunFolder(
        folder, system="tsl", arguments={"seed": 1}, command_line=["xner", "train", "tsl"], device="c"
    ) as run:
        run.describe(seeds=[1], data={"sample:es": "ab"})
        store = StageStore(run_folder=folder)
        stage = Stage("train", "teacher seed 1", 1)
        store.run(stage, lambda place: None)
        run.add_stage(stage, store)
        run.write_results({"f1": 0.75})


def test_list_names_runs_and_stages(tmp_path: Path, own_store: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path / "es")
    StageStore().run(Stage("distil", "student seed 4", 1), lambda place: None)
    assert xner("list") == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'es'}  tsl" in out and "finished" in out
    assert "teacher seed 1" in out and "student seed 4" in out
    assert f"{own_store}: 2 stages" in out and "used by 1 runs" in out


def test_list_of_an_absent_store_is_empty(own_store: Path, capsys: pytest.CaptureFixture[str]):
    assert xner("list") == 0
    assert capsys.readouterr().out == f"{own_store}: 0 stages, 0 B, used by 0 runs\n"
    assert not own_store.exists()


def test_show_gives_command_stages_and_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path / "es")
    assert xner("show", str(tmp_path / "es")) == 0
    out = capsys.readouterr().out
    assert "command:  xner train tsl" in out and "teacher seed 1" in out and '"f1": 0.75' in out
    (tmp_path / "es" / "results.json").unlink()
    xner("show", str(tmp_path / "es"))
    assert "not finished: start the same command again" in capsys.readouterr().out


def test_show_refuses_what_is_no_run(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no run \(no readable run\.json\); `xner runs list` shows"):
        xner("show", str(tmp_path))


def test_prune_lists_first_and_removes_with_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path / "es")
    unused = StageStore().run(Stage("distil", "student seed 4", 1), lambda place: None)
    assert xner("prune", "--unused") == 0
    out = capsys.readouterr().out
    assert "would remove 1 stages" in out and "--yes" in out and "teacher" not in out and unused.exists()
    assert xner("prune", "--unused", "--older_than", "1", "--yes") == 0
    assert "nothing to remove" in capsys.readouterr().out and unused.exists()
    assert xner("prune", "--unused", "--yes") == 0
    assert capsys.readouterr().out.rstrip().splitlines()[-1].startswith("removed 1 stages")
    assert [stage.name for stage in StageStore().list_stages()] == ["teacher seed 1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing says which stages are to go"),
        (["--older_than", "-1"], "--older_than: -1.0 is not a number of days"),
    ],
)
def test_prune_refuses_what_it_cannot_understand(arguments: list[str], message: str):
    with pytest.raises(InputError, match=message):
        xner("prune", *arguments)


def test_the_command_imports_nothing_heavy():
    code = (
        "import sys, argparse; from hf_xner.commands.runs import add_parser, run;"
        "p = argparse.ArgumentParser(); add_parser(p.add_subparsers()); a = p.parse_args(['runs', 'list']); a.run(a);"
        "assert not {'torch', 'transformers', 'datasets', 'matplotlib', 'numpy'} & set(sys.modules)"
    )
    root = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=True)
