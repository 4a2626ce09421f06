"""The course of a training: one JSON line for each log record, and a plot of the loss and its parts."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

HISTORY = "history.jsonl"
# Logged once, when training has ended; a resumed run logs it again.
LAST_RECORD = "train_runtime"


class HistoryWriter(TrainerCallback):
    """Writes each log record of a Trainer as a line of `history.jsonl`.

    A record holds `step`, `epoch`, `seconds` (of training so far, over all its attempts) and whatever the Trainer
    logs: the loss and its parts, learning rate, gradient norm, evaluation scores. When a training is resumed from a
    checkpoint, records after that checkpoint are taken away first, so that no step appears twice. Only the main
    process writes.

    Args:
        folder: Where `history.jsonl` goes; by default the Trainer's output folder.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._start = time.monotonic()

    def _path(self, args: TrainingArguments) -> Path:
        return (self._folder or Path(str(args.output_dir))) / HISTORY

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keep of an earlier attempt what came before the checkpoint."""
        self._start = time.monotonic()
        if not state.is_world_process_zero:
            return
        kept = keep_records_until(self._path(args), state.global_step)
        if kept:
            self._start -= kept[-1]["seconds"]

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the record."""
        if not state.is_world_process_zero or not logs:
            return
        seconds = round(time.monotonic() - self._start, 3)
        record = {"step": state.global_step, "epoch": state.epoch, "seconds": seconds, **logs}
        add_record(self._path(args), record)


def add_record(path: Path, record: Mapping[str, Any]) -> None:
    """Add a record, which holds `step` and `seconds`, to a `history.jsonl`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(record))


def keep_records_until(path: Path, step: int) -> list[dict[str, Any]]:
    """Take away the records after a step, which a resumed training will write again; return those that stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [record for record in read_history(path) if _precedes(record, step)]
    _rewrite(path, kept)
    return kept


def _precedes(record: Mapping[str, Any], step: int) -> bool:
    return step > 0 and record["step"] <= step and LAST_RECORD not in record


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps({name: _number(value) for name, value in record.items()}, allow_nan=False) + "\n"


def _number(value: Any) -> Any:
    """Return a plain number; what JSON cannot hold (a loss that became NaN) is null."""
    if value is None or isinstance(value, (bool, str)):
        return value
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _rewrite(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    aside = path.with_name(f".{path.name}.tmp")
    aside.write_text("".join(map(_line, records)), encoding="utf-8")
    os.replace(aside, path)


def read_history(path: str | Path) -> list[dict[str, Any]]:
    """Return the records of a `history.jsonl`; none if it is absent, and without a last line that was cut short."""
    if not Path(path).exists():
        return []
    records = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "step" in record and "seconds" in record:
            records.append(record)
    return records


def plot_history(jsonl_path: str | Path, png_path: str | Path) -> None:
    """Plot the loss and its parts over the steps, below them accuracies (of discriminators) and evaluation scores.

    Args:
        jsonl_path: What `HistoryWriter` wrote.
        png_path: The picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    records = read_history(jsonl_path)
    losses = sorted({name for record in records for name in record if name == "loss" or name.startswith("loss_")})
    scores = sorted({name for record in records for name in record if name.startswith("eval_") and "f1" in name})
    accuracies = sorted({name for record in records for name in record if name.endswith("_accuracy")})
    panels = [
        (losses, "loss per word"),
        *((names, what) for names, what in ((accuracies, "accuracy"), (scores, "F1")) if names),
    ]
    figure = Figure(figsize=(7, 3.5 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (names, label) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        for name in names:
            points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
            axes.plot(*zip(*points, strict=True), marker=".", label=name) if points else None
        axes.set_xlabel("step")
        axes.set_ylabel(label)
        if names:
            axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(png_path, dpi=120)
