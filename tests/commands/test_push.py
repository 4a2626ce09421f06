"""`xner push`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hf_xner.cli import main
from tests.hub.fixtures import ROOT, TOKEN, change_results, hub, made_run, run_folder
from tests.hub.loopback_hub import LoopbackHub

__all__ = ["hub", "made_run", "run_folder"]


@pytest.fixture
def on_hub(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The command talks to this machine's Hub; nobody waits, since `hub` has taken the time out of `time.sleep`."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


def xner(*arguments: str) -> list[str]:
    return ["push", *arguments]


def test_a_dry_run_lists_files_with_sizes_and_contacts_nobody(
    run_folder: Path, on_hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
):
    assert main(xner(str(run_folder), "--repo", "org/tsl-es", "--private", "--revision", "v2", "--dry_run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "would go to org/tsl-es (v2, private):" and lines[-1] == "nothing was sent"
    listed = {line.split()[0]: line.split()[1:] for line in lines[1:-2]}
    assert set(listed) >= {"README.md", "config.json", "model.safetensors", "results.json"}
    size = (run_folder / "student" / "model.safetensors").stat().st_size
    assert listed["model.safetensors"] == [f"{size / 1000:.1f}", "kB"]
    assert on_hub.requests == []


def test_it_says_what_it_did_and_the_second_time_that_there_was_nothing_to_do(
    run_folder: Path, on_hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
):
    command = xner(str(run_folder), "--repo", "org/tsl-es", "--also-research-model")
    assert main(command) == 0
    first = capsys.readouterr().out.splitlines()
    commit = on_hub.repositories["org/tsl-es"].branches["main"]
    assert first == [
        f"no research model goes up: the run has none (there is no research/ in {run_folder})",
        f"sent 6 files to org/tsl-es (main) in one commit, {commit[:12]}",
        f"{on_hub.url}/org/tsl-es",
    ]
    assert main(command) == 0
    assert "nothing new: org/tsl-es (main) holds all 6 files already, so no commit was made" in capsys.readouterr().out
    assert len(on_hub.repositories["org/tsl-es"].history()) == 1


@pytest.mark.parametrize("option", ["--also-research-model", "--also_research_model"])
def test_both_spellings_of_an_option(option: str, run_folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(xner(str(run_folder), "--repo", "org/tsl-es", option, "--dry-run")) == 0
    assert "no research model" in capsys.readouterr().out


def test_mistakes_and_trouble_get_one_line_each_and_exit_code_2(
    run_folder: Path, on_hub: LoopbackHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def said(*arguments: str) -> str:
        assert main(xner(*arguments)) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xner: ")]
        return line

    run, repo = str(run_folder), ("--repo", "org/tsl-es")
    assert "is no name of a repository" in said(run, "--repo", "org/ x")
    assert "holds no finished run" in said("/nowhere", *repo)
    assert "the token may not write there (403" in said(run, "--repo", "elsewhere/tsl-es")
    on_hub.fail("PUT /lfs/*", times=1000)
    assert "the connection to the Hub was lost" in said(run, *repo)
    monkeypatch.setenv("HF_TOKEN", "hf_revoked")
    assert "does not accept the token" in said(run, *repo)
    change_results(run_folder, oracle=True)
    assert "is an oracle run" in said(run, *repo)
    assert on_hub.files("org/tsl-es") == {}


def test_the_command_as_people_start_it(run_folder: Path, hub: LoopbackHub, tmp_path: Path):
    """In a process of its own: endpoint and token come from the environment, and no torch is needed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(ROOT),
    }
    code = "import sys; from hf_xner.cli import main; code = main(); print('torch' in sys.modules); sys.exit(code)"
    command = [sys.executable, "-c", code, *xner(str(run_folder), "--repo", "org/tsl-es", "--private")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "sent 6 files to org/tsl-es (main, private) in one commit" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "False" and ended.stderr == ""
    published = json.loads(hub.files("org/tsl-es")["results.json"])
    assert published["student"] == "tsl" and TOKEN.encode() not in b"".join(hub.bodies)
