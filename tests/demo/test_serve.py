from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hf_xner.cli import main

from .fixtures import name_service

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def started(*command: str, **environment: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A demo in a process of its own, and its address."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = ""
        for line in process.stdout:
            told += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield process, found[0]
                return
        pytest.fail(f"the demo did not start: {told}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def test_the_command_serves_a_run_until_it_is_interrupted(toy_run: Path):
    pytest.importorskip("gradio")
    from gradio_client import Client

    port = free_port()
    with started("-m", "hf_xner.cli", "demo", str(toy_run), "--port", str(port)) as (process, url):
        assert url.endswith(f":{port}")
        client = Client(url, verbose=False)
        student, teacher = client.predict(api_name="/models")
        assert student["name"].startswith("run: tsl") and student["teachers"] == ["teacher, seed 1"]
        answer = client.predict("John visited Kiel .", "", "teacher, seed 1", api_name="/tag")
        assert answer["text"] == "John visited Kiel ." and "differences" in answer
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runs/missing"], "runs/missing: is no finished run and no tagger"),
        (["--port", "70000"], "--port: 70000 is no port"),
    ],
)
def test_mistakes_end_the_command_with_one_line(
    arguments: list[str],
    told: str,
    tiny_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    pytest.importorskip("gradio")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_XNER_DEMO_MODELS", str(tiny_model_dir))
    assert main(["demo", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error


def test_a_port_that_is_taken_is_told(tiny_model_dir: Path, capsys: pytest.CaptureFixture):
    pytest.importorskip("gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", str(tiny_model_dir), "--port", str(port)]) == 2
    assert "give another --port" in capsys.readouterr().err


def test_starting_and_answering_reaches_no_other_machine(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("gradio")
    from gradio_client import Client

    from hf_xner.demo.serve import start

    reached: list[str] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def noted_connect(self: socket.socket, address: object) -> object:
        reached.append(str(address[0] if isinstance(address, tuple) else "a file"))
        return connect(self, address)  # type: ignore[arg-type]

    def noted_look_up(host: object, *rest: object, **more: object) -> object:
        reached.append(str(host))
        return look_up(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", noted_connect)
    monkeypatch.setattr(socket, "getaddrinfo", noted_look_up)
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED", raising=False)
    page = start(name_service())
    answer = Client(page.local_url, verbose=False).predict("Kiel", api_name="/tag")
    page.close(verbose=False)
    assert answer["entities"] and "127.0.0.1" in reached
    assert set(reached) <= {"127.0.0.1", "localhost", "a file"}


def test_without_gradio_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr("hf_xner.commands.demo.find_spec", lambda name: None)
    assert main(["demo"]) == 2
    assert "pip install 'hf_xner[space]'" in capsys.readouterr().err


def test_the_environment_names_models_where_the_command_does_not(
    tiny_model_dir: Path, toy_run: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("gradio")
    from hf_xner.demo.serve import models_for

    monkeypatch.setenv("HF_XNER_DEMO_MODELS", f" {tiny_model_dir} , {toy_run},")
    assert [choice.place for choice in models_for([], print)][:2] == [str(tiny_model_dir), str(toy_run / "student")]
    assert [choice.place for choice in models_for([str(tiny_model_dir)], print)] == [str(tiny_model_dir)]


def test_help_imports_nothing_heavy():
    code = (
        "from hf_xner.cli import main\ntry:\n    main(['demo', '--help'])\nexcept SystemExit:\n    pass\n"
        "import sys\nprint('found', *({'torch', 'transformers', 'gradio', 'datasets'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "found"
