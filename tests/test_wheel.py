"""Everything works from a built wheel: entry script, built-in encoder, sample corpus."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
FILES = ("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "constraints.txt")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout gets no `build` folder."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    shutil.copytree(ROOT / "hf_xner", copy / "hf_xner", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "hub_cards", copy / "hub_cards")
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    ended = subprocess.run([*command, "-w", str(out), str(copy)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    (built,) = out.glob("hf_xner-*.whl")
    return built


def test_the_wheel_holds_all_that_is_built_in(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "xner = hf_xner.cli:main" in archive.read(entry).decode()
    for folder in ("data/sample", "models/builtin/xner_mini"):
        here = ROOT / "hf_xner" / folder
        wanted = {path.relative_to(ROOT).as_posix() for path in here.iterdir() if path.is_file()}
        assert len(wanted) > 4 and wanted <= names, wanted - names
    cards = {f"hf_xner/hub_cards/{path.name}" for path in (ROOT / "hub_cards").iterdir()}
    assert len(cards) > 6 and cards <= names, cards - names
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hf_xner").rglob("*.py")}
    assert sources <= names, sources - names
    elsewhere = ("tests/", "trainers/", "scripts/", "benchmarks/", "hub_cards/")
    assert not [name for name in names if name.startswith(elsewhere)]


def test_an_installed_wheel_shows_the_sample_and_runs_a_plan(wheel: Path, tmp_path: Path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    # Libraries come from the environment of the tests; a path in a .pth file brings no editable installs with it.
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = venv / "bin" / "python"
    install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, *install], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}

    def run(*command: str) -> str:
        ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout

    place = run(str(python), "-c", "import hf_xner; print(hf_xner.__file__)").strip()
    assert Path(place).is_relative_to(venv)
    assert "# train 1\n" in run(str(venv / "bin" / "xner"), "data", "show", "sample:es", "--n", "2")
    options = ["--source", "sample:en", "--target", "sample:es", "--output_dir", "run", "--dry_run", "True"]
    card = "from hf_xner.hub.templates import render; print(render('space', title='Names', models=[]))"
    assert run(str(python), "-c", card).startswith("# Names\n")
    plan = run(str(python), "-m", "hf_xner.launch", "tsl", *options, "--store", str(tmp_path / "store"))
    assert "teacher, seed 1" in plan and not (tmp_path / "run").exists()
