"""Fixtures of the Hub's tests, and of the commands that use it: a Hub on this machine, and finished runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .loopback_hub import LoopbackHub, User
from .made_run import make_run

# Put together, so that no scanner takes them for somebody's.
TOKEN = "hf_" + "TestWriter" * 3
READER = "hf_" + "TestReader" * 3
ROOT = Path(__file__).resolve().parents[2]

# A Python without hf_xner, and with nothing but the loopback Hub to ask.
WITHOUT_HF_XNER = """
import sys

class NoSuchPackage:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hf_xner":
            raise ImportError("hf_xner is not installed here")

sys.meta_path.insert(0, NoSuchPackage())
try:
    import hf_xner
except ImportError:
    pass
else:
    raise SystemExit("hf_xner can be imported: the test shows nothing")
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """An empty Hub with a user who writes as `org`, and one who writes nowhere; the library is online, without Xet.

    No attempt waits for another one.
    """
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub = LoopbackHub()
    hub.users = {TOKEN: User("writer", ("writer", "org")), READER: User("reader")}
    with hub.running():
        yield hub


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """A finished run of tsl from the built-in English to the built-in Spanish corpus; to be read, not changed."""
    return make_run(tmp_path_factory.mktemp("made") / "run", tiny_model_dir)


@pytest.fixture
def run_folder(made_run: Path, tmp_path: Path) -> Path:
    """A copy of that run, to do with as one likes."""
    return shutil.copytree(made_run, tmp_path / "run")


@pytest.fixture
def conll_run(tmp_path: Path, tiny_model_dir: Path) -> Path:
    """A run from CoNLL-2003 English to CoNLL-2002 Spanish with multilingual BERT, as far as its records go."""
    (tmp_path / "conll").mkdir()
    return make_run(
        tmp_path / "conll" / "run",
        tiny_model_dir,
        source=["conll2003:en"],
        target="conll2002:es",
        encoder="google-bert/bert-base-multilingual-cased",
    )


def change_results(run: Path, **changes: Any) -> dict[str, Any]:
    """Change entries of a run's `results.json`; a dict changes the entries that it names."""
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    for name, value in changes.items():
        results[name] = {**results[name], **value} if isinstance(value, dict) and name in results else value
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return results


@pytest.fixture
def stranger(hub: LoopbackHub, tmp_path: Path) -> Callable[..., str]:
    """Runs a program in a process of its own that has this Hub, an empty cache and, unless asked for, no hf_xner."""

    def run(program: str, *, with_hf_xner: bool = False, token: str | None = None) -> str:
        environment = {n: v for n, v in os.environ.items() if not n.startswith("HF_") and n != "PYTHONPATH"}
        environment |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "stranger_home"),
            "HF_HUB_DISABLE_XET": "1",
            "OMP_NUM_THREADS": "1",
        }
        if token:
            environment["HF_TOKEN"] = token
        if with_hf_xner:
            environment["PYTHONPATH"] = str(ROOT)
        ended = subprocess.run(
            [sys.executable, "-c", program if with_hf_xner else WITHOUT_HF_XNER + program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout

    return run
