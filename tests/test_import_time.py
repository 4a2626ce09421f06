"""`import hf_xner` and `xner --help` are quick, because nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "transformers", "datasets", "matplotlib", "scipy", "peft", "accelerate")
LIMIT = 0.5  # seconds
HELP = "from hf_xner.cli import main\ntry:\n    main({arguments})\nexcept SystemExit:\n    pass\n"


def python(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    ).stdout


def seconds(code: str) -> float:
    """Processor time of a fresh Python: what it takes on an idle machine, whoever else is busy on this one."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    python(code)
    return used() - before


@pytest.mark.parametrize("code", ["import hf_xner", HELP.format(arguments=["--help"])], ids=["import", "help"])
def test_import_and_help_take_less_than_half_a_second(code: str):
    assert min(seconds(code) for _ in range(3)) < LIMIT


@pytest.mark.parametrize(
    "code",
    [
        "import hf_xner; hf_xner.InputError; hf_xner.__version__; dir(hf_xner)",
        "import hf_xner.launch",
        HELP.format(arguments=["--version"]),
        *(HELP.format(arguments=[*command, "--help"]) for command in ([], ["train"], ["data"], ["predict"], ["runs"])),
    ],
)
def test_nothing_heavy_is_imported(code: str):
    found = python(f"{code}\nimport sys\nprint('found', *(set({HEAVY}) & set(sys.modules)))")
    assert found.splitlines()[-1] == "found"


def test_help_names_every_system():
    output = python(HELP.format(arguments=["train", "--help"]))
    assert "supervised" in output and "tsl" in output
    assert "tsl" in python("from hf_xner.launch import main; main(['--help'])")
