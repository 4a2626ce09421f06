"""The folder `space/` as it would lie in a Space: its card, its requirements, its program."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from hf_xner.demo.limits import Limits
from hf_xner.version import __version__

ROOT = Path(__file__).resolve().parents[2]
SPACE = ROOT / "space"
PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)


def test_the_front_matter_is_what_the_hub_reads():
    from huggingface_hub import SpaceCard

    from hf_xner.hub.space import space_card

    card = SpaceCard.load(SPACE / "README.md")
    data = card.data.to_dict()
    assert data["sdk"] == "gradio" and data["sdk_version"] == PINS["gradio"]
    assert (SPACE / data["app_file"]).is_file() and data["python_version"] == "3.11"
    ours = SpaceCard(space_card(sdk_version=PINS["gradio"])).data.to_dict()
    assert {name: data.get(name) for name in ours} == ours


def test_the_requirements_are_this_version_and_the_tested_torch():
    lines = (SPACE / "requirements.txt").read_text(encoding="utf-8").split()
    assert lines == [f"hf_xner[space]=={__version__}", f"torch=={PINS['torch']}"]


def test_the_card_tells_the_limits_that_hold():
    text = (SPACE / "README.md").read_text(encoding="utf-8")
    limits = Limits()
    for told in (
        f"{limits.characters:,} characters",
        f"{limits.file_bytes / 1e6:g} MB",
        f"{limits.sentences:,} sentences",
        f"{limits.seconds:g} seconds",
    ):
        assert told in text
    assert "every answer with its text (for download), are kept for about an hour" in " ".join(text.split())


def test_importing_the_app_starts_nothing(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("gradio")
    monkeypatch.setattr("hf_xner.demo.serve.serve", lambda: pytest.fail("it was started"))
    assert "serve" in runpy.run_path(str(SPACE / "app.py"), run_name="app")
    with pytest.raises(pytest.fail.Exception, match="it was started"):
        runpy.run_path(str(SPACE / "app.py"), run_name="__main__")


@pytest.mark.slow
def test_the_folder_runs_from_its_own_requirements(wheel: Path, toy_run: Path, tmp_path: Path):
    """In an environment of its own, with the wheel for an index and the libraries of the tests."""
    pytest.importorskip("gradio")
    from gradio_client import Client

    place, venv = tmp_path / "app", tmp_path / "venv"
    shutil.copytree(SPACE, place)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(venv / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    ended = subprocess.run([*install, "-r", str(place / "requirements.txt")], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HF_XNER_STORE")}
    process = subprocess.Popen(
        [python, "app.py"],
        cwd=place,
        env={**environment, "HF_XNER_DEMO_MODELS": str(toy_run), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", told)):
            line = process.stdout.readline()
            assert line, f"the app ended: {told}"
            told += line
        client = Client(found[0], verbose=False)
        answer = client.predict("John visited Kiel .", "", "teacher, seed 1", api_name="/tag")
        assert answer["text"] == "John visited Kiel ." and "teacher_entities" in answer
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
