"""Killed with SIGKILL and started again with the same command, a run ends as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hf_xner.data.rows import read_soft_labels

from .toy import Finished, command_line, stage_folders, subprocess_environment


def kill_at(point: str, call: int) -> None:
    """Have this process kill itself at the `call`-th time that it reaches `point`."""
    from transformers import TrainerState

    from hf_xner.systems import run_folder, tagger_stages
    from hf_xner.training import fit, trainer

    places = {
        "in a training step": (trainer.TokenClassificationTrainer, "training_step"),
        "before a checkpoint is complete": (TrainerState, "save_to_json"),
        "after a model is saved": (fit, "plot_history"),
        "before the results are written": (run_folder.RunFolder, "write_results"),
        "between two sentences": (tagger_stages, "word_probabilities"),
    }
    owner, name = places[point]
    real = getattr(owner, name)
    calls = 0

    def reached(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    def sentence_by_sentence(*arguments: Any, **options: Any) -> Any:
        for number, array in enumerate(real(*arguments, **options)):
            if number == call:
                os.kill(os.getpid(), signal.SIGKILL)
            yield array

    setattr(owner, name, sentence_by_sentence if point == "between two sentences" else reached)


def start(argv: list[str], log: str, point: str | None, call: int) -> None:
    """The command, in a process of its own."""
    import torch

    torch.set_num_threads(1)
    with open(log, "a") as output, contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        from hf_xner.launch import main

        if point is not None:
            kill_at(point, call)
        sys.exit(main(argv))


@pytest.fixture(scope="module")
def launcher() -> Any:
    """Starts processes that have the libraries imported, and have computed nothing yet."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hf_xner.systems.tsl", "hf_xner.systems.runner"])
    return context


def test_killed_at_every_stage_and_started_again_it_ends_with_the_same_figures(
    finished: Finished, launcher: Any, tmp_path: Path
):
    """The teacher takes 20 steps in 4 epochs, either student 8 in 2; each start is killed further on."""
    store = tmp_path / "store"
    argv = ["tsl", *command_line({**finished.options, "output_dir": tmp_path / "run", "store": store})]
    kills: list[tuple[str, int, str, Any]] = [
        ("in a training step", 3, "train", lambda folder: not list(folder.glob("checkpoints/checkpoint-*"))),
        ("before a checkpoint is complete", 2, "train", lambda folder: half_written(folder, 10)),
        ("in a training step", 8, "train", lambda folder: (folder / "checkpoints" / "checkpoint-10").exists()),
        ("after a model is saved", 1, "train", lambda folder: (folder / "model" / "model.safetensors").exists()),
        ("between two sentences", 17, "soft_labels", lambda folder: True),
        ("in a training step", 6, "distil", lambda folder: (folder / "checkpoints" / "checkpoint-4").exists()),
        ("before the results are written", 1, "", None),
    ]
    for point, call, kind, found in kills:
        process = launcher.Process(target=start, args=(argv, str(tmp_path / "out.txt"), point, call))
        process.start()
        process.join(900)
        assert process.exitcode == -signal.SIGKILL, f"{point}: {(tmp_path / 'out.txt').read_text()[-2000:]}"
        if found is not None:
            (partial,) = store.glob(f"{kind}/*.partial")
            assert found(partial), f"{point}, call {call}: {sorted(map(str, partial.rglob('*')))}"
    process = launcher.Process(target=start, args=(argv, str(tmp_path / "out.txt"), None, 0))
    process.start()
    process.join(900)
    assert process.exitcode == 0, (tmp_path / "out.txt").read_text()[-2000:]
    assert_same_outcome(finished, tmp_path / "run", store)
    assert not list(store.glob("*/*.partial"))
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["starts"]) == len(kills) + 1


def half_written(folder: Path, step: int) -> bool:
    checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
    return checkpoint.is_dir() and not (checkpoint / "trainer_state.json").exists()


def assert_same_outcome(finished: Finished, run: Path, store: Path) -> None:
    before, after = (json.loads((folder / "results.json").read_text()) for folder in (finished.folder, run))
    for part in ("variants", "differences", "calibration", "sets", "student"):
        assert after[part] == before[part], part
    for kind in ("train", "distil"):
        there, here = finished.stages(kind), stage_folders(store, kind)
        assert [folder.name for folder in there] == [folder.name for folder in here]
        for one, other in zip(there, here, strict=True):
            name = "model/model.safetensors"
            assert (one / name).read_bytes() == (other / name).read_bytes()
    (one,), (other,) = finished.stages("soft_labels"), stage_folders(store, "soft_labels")
    assert read_soft_labels(one)["soft_labels"][:] == read_soft_labels(other)["soft_labels"][:]
    student = "student/model.safetensors"
    assert (finished.folder / student).read_bytes() == (run / student).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "sign",
    ["train/*/checkpoints/checkpoint-*/trainer_state.json", "soft_labels/*.partial", "distil/*/history.jsonl"],
)
def test_killed_from_outside_and_started_again_with_the_same_command(finished: Finished, tmp_path: Path, sign: str):
    store = tmp_path / "store"
    options = {**finished.options, "output_dir": tmp_path / "run", "store": store}
    command = [sys.executable, "-m", "hf_xner.launch", "tsl", *command_line(options)]
    environment = subprocess_environment()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 600
    while process.poll() is None and time.monotonic() < end and not list(store.glob(sign)):
        time.sleep(0.005)
    assert list(store.glob(sign)) or process.poll() is None
    process.kill()
    process.wait()
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr[-2000:]
    assert_same_outcome(finished, tmp_path / "run", store)
    shutil.rmtree(store)
