from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainerControl, TrainerState, TrainingArguments

from hf_xner.training.history import HistoryWriter, plot_history, read_history


class Line(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.layer(x) - labels).pow(2).mean()}


def make_trainer(folder: Path, max_steps: int) -> Trainer:
    torch.manual_seed(0)
    rows = [{"x": torch.tensor([float(index)]), "labels": torch.tensor([2.0 * index])} for index in range(8)]
    arguments = TrainingArguments(
        str(folder),
        max_steps=max_steps,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_steps=4,
        eval_strategy="steps",
        eval_steps=4,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
    )
    return Trainer(Line(), arguments, train_dataset=rows, eval_dataset=rows, callbacks=[HistoryWriter()])


def test_each_log_record_becomes_a_line(tmp_path: Path):
    make_trainer(tmp_path, 4).train()
    records = read_history(tmp_path / "history.jsonl")
    assert [record["step"] for record in records if "loss" in record] == [1, 2, 3, 4]
    assert {"loss", "learning_rate", "grad_norm", "epoch", "seconds", "step"} <= set(records[0])
    assert [record["step"] for record in records if "eval_loss" in record] == [4]
    seconds = [record["seconds"] for record in records]
    assert seconds == sorted(seconds) and seconds[0] >= 0


def test_resumed_training_doubles_nothing_and_ends_with_the_same_losses(tmp_path: Path):
    make_trainer(tmp_path / "whole", 8).train()
    make_trainer(tmp_path / "parts", 6).train()  # goes beyond its last checkpoint, at step 4
    make_trainer(tmp_path / "parts", 8).train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-4"))
    whole, parts = (read_history(tmp_path / name / "history.jsonl") for name in ("whole", "parts"))
    assert [record["step"] for record in parts] == [record["step"] for record in whole]
    assert [r["loss"] for r in parts if "loss" in r] == pytest.approx([r["loss"] for r in whole if "loss" in r])
    assert sum("train_runtime" in record for record in parts) == 1
    seconds = [record["seconds"] for record in parts]
    assert seconds == sorted(seconds)


def test_fresh_training_does_not_keep_an_older_history(tmp_path: Path):
    for _ in range(2):
        make_trainer(tmp_path, 2).train()
    assert [r["step"] for r in read_history(tmp_path / "history.jsonl") if "loss" in r] == [1, 2]


def log(writer: HistoryWriter, folder: Path, logs: dict[str, Any], main: bool = True) -> None:
    state = TrainerState(global_step=3, epoch=0.5, is_world_process_zero=main)
    writer.on_log(TrainingArguments(str(folder), use_cpu=True), state, TrainerControl(), logs=logs)


def test_only_the_main_process_writes(tmp_path: Path):
    log(HistoryWriter(), tmp_path, {"loss": 1.0}, main=False)
    assert not (tmp_path / "history.jsonl").exists()


def test_numbers_are_plain_and_nan_is_null(tmp_path: Path):
    log(HistoryWriter(tmp_path / "other"), tmp_path, {"loss": torch.tensor(0.5), "loss_kd": float("nan")})
    record = json.loads((tmp_path / "other" / "history.jsonl").read_text())
    assert record["loss"] == 0.5 and record["loss_kd"] is None and record["step"] == 3


def test_line_cut_short_by_a_kill_is_left_out(tmp_path: Path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 1, "seconds": 0.1, "loss": 2.0}\n{"step": 2, "seco')
    assert [record["step"] for record in read_history(path)] == [1]
    state = TrainerState(global_step=1)
    HistoryWriter().on_train_begin(TrainingArguments(str(tmp_path), use_cpu=True), state, TrainerControl())
    log(HistoryWriter(), tmp_path, {"loss": 1.0})
    assert [record["step"] for record in read_history(path)] == [1, 3]


def test_plot_shows_the_parts_of_the_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from matplotlib.figure import Figure

    seen: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (seen.append(self), save(self, *a, **k)))
    lines = [{"step": s, "seconds": s, "loss": 3 / s, "loss_kd": 2 / s, "loss_mmd": None} for s in (1, 2, 3)]
    lines.append({"step": 3, "seconds": 3, "eval_f1": 0.7})
    (tmp_path / "h.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plot_history(tmp_path / "h.jsonl", tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    losses, scores = seen[0].axes
    assert [line.get_label() for line in losses.lines] == ["loss", "loss_kd"]
    assert list(losses.lines[1].get_ydata()) == [2, 1, 2 / 3]
    assert losses.get_xlabel() == "step" and losses.get_ylabel() and scores.get_ylabel() == "F1"


def test_plot_of_an_empty_history_is_a_picture_too(tmp_path: Path):
    plot_history(tmp_path / "absent.jsonl", tmp_path / "h.png")
    assert (tmp_path / "h.png").exists()


def test_accuracies_have_a_panel_of_their_own(tmp_path: Path):
    from unittest import mock

    lines = [
        {"step": step, "seconds": 1.0, "loss": 1.0, "language_accuracy": 0.5 + step / 100, "eval_f1": 0.1}
        for step in (1, 2)
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with mock.patch("matplotlib.figure.Figure.savefig", autospec=True) as saved:
        plot_history(tmp_path / "history.jsonl", tmp_path / "history.png")
    (figure, _), _ = saved.call_args
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss per word", "accuracy", "F1"]
    assert figure.axes[1].lines[0].get_ydata().tolist() == [0.51, 0.52]
