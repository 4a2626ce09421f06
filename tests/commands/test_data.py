"""`xner data …` as it is typed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from hf_xner.commands import data
from hf_xner.errors import InputError

FIXTURES = Path(__file__).parents[1] / "data" / "fixtures"


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    data.add_parser(parser.add_subparsers())
    args = parser.parse_args(["data", *arguments])
    return args.run(args)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "arrow")


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    output = capsys.readouterr().out
    assert "conll2003     CoNLL-2003 shared task" in output and " zh-min-nan " in output


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("nodalida2019:no", "--data_dir", str(FIXTURES), "--n", "1", "--split", "test")
    assert run("show", *arguments) == 0
    output = capsys.readouterr().out
    assert "types:     LOC, MISC, ORG, PER" in output and "Skarholmen B-ORG\nIdrettslag I-ORG\nvant O\n" in output
    assert run("show", *arguments, "--label_map", "MISC=O", "ORG=O") == 0
    assert "tags:      O B-LOC I-LOC B-PER I-PER\n" in capsys.readouterr().out
    with pytest.raises(InputError, match="no split 'dev': there are train, validation, test"):
        run("show", "nodalida2019:no", "--data_dir", str(FIXTURES), "--split", "dev")


def test_show_of_unlabelled_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "sample:es", "--n", "2") == 0
    assert "# train 1\n" in capsys.readouterr().out


def test_check_exits_with_1_where_counts_differ_for_no_known_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("check", "nodalida2019:no", "--data_dir", str(FIXTURES)) == 1
    output = capsys.readouterr().out
    assert (
        "published: 4 sentences against 15,686 published, 7 entities against 10,934 published: NOT EXPLAINED" in output
    )
    assert "scheme:    iobes" in output
    (tmp_path / "train.conll").write_text("a O\n\nb I-LOC\nc B-LOC\n\nd B-LOC\n")
    (tmp_path / "test.conll").write_text("a O\n")
    assert run("check", str(tmp_path)) == 0
    output = capsys.readouterr().out
    assert "orphans:   1, the first at" in output and "train.conll:3" in output
    assert "1 sentence of test also in train" in output


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    code = "import sys, hf_xner.commands.data; print(*{'torch', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
