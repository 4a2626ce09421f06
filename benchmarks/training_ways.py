"""The ways of training that are timed against each other: hf_xner's, the papers', and the encoder alone."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from papers_loop import Features, PapersLoop
from training_material import Block, ChosenRows
from transformers import PrinterCallback, TrainerCallback, TrainingArguments, set_seed

from hf_xner.data.rows import RowCollator, TrainingRows
from hf_xner.inference.probabilities import autocast
from hf_xner.training.fit import training_arguments
from hf_xner.training.history import HistoryWriter
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import TokenClassificationTrainer, soft_label_loss


@dataclass
class Reading:
    """Wall-clock and processor seconds of one block."""

    wall_s: float
    processor_s: float


class Clock:
    """Seconds between `start` and `stop`, with what the accelerator still had to do."""

    def start(self) -> None:
        """Begin."""
        _finish()
        self._wall, self._processor = time.perf_counter(), time.process_time()

    def stop(self) -> Reading:
        """End."""
        _finish()
        return Reading(time.perf_counter() - self._wall, time.process_time() - self._processor)


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class Way(Protocol):
    """Trains on the sentences of a block and says how long it took."""

    precision: str

    def run(self, block: Block) -> Reading:
        """Train on the block; set-up that happens once in a training is not timed."""


class _EpochClock(TrainerCallback):
    def __init__(self) -> None:
        self._clock = Clock()
        self.reading = Reading(0.0, 0.0)

    def on_epoch_begin(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        self._clock.start()

    def on_epoch_end(self, args: TrainingArguments, state: Any, control: Any, **kwargs: Any) -> None:
        self.reading = self._clock.stop()


class TrainerWay:
    """hf_xner: an epoch of `TokenClassificationTrainer` as `fit` sets it up, from memory-mapped rows.

    Args:
        model: The frozen student; each block trains a copy of it.
        rows: All rows.
        settings: The settings, precision among them.
        pad_id: Padding id.
        folder: For the history.
    """

    def __init__(self, model: Any, rows: TrainingRows, settings: FitSettings, pad_id: int, folder: Path) -> None:
        self._model, self._rows, self._pad_id, self._folder = model, rows, pad_id, folder
        self._settings = replace(settings, epochs=1.0)
        self.precision = "bf16" if settings.bf16 else "fp32"

    def run(self, block: Block) -> Reading:
        """Sampling, reading, collating, steps and logging are timed; building the Trainer and checkpoints are not."""
        rows, collator = ChosenRows(self._rows, block.chosen), RowCollator(self._pad_id)
        trainer = TokenClassificationTrainer
        return train_an_epoch(trainer, self._model, rows, collator, soft_label_loss, self._settings, self._folder)


def train_an_epoch(
    trainer_class: Any, model: Any, rows: Any, collator: RowCollator, loss: Any, settings: FitSettings, folder: Path
) -> Reading:
    """Train a copy of a model for the one epoch that `settings` ask for, and say how long the epoch took."""
    arguments = training_arguments(folder, settings, selects=False)
    arguments.save_strategy = "no"
    arguments.disable_tqdm = True
    clock = _EpochClock()
    trainer = trainer_class(
        model=copy.deepcopy(model),
        args=arguments,
        loss=loss,
        train_dataset=rows,
        data_collator=collator,
        callbacks=[HistoryWriter(folder), clock],
    )
    trainer.remove_callback(PrinterCallback)
    set_seed(settings.seed)
    trainer.train()
    return clock.reading


class PapersWay:
    """The papers' loop; the model, its optimiser and the tensors stay in memory from block to block."""

    precision = "fp32"

    def __init__(self, model: Any, features: Features, settings: FitSettings, total_steps: int) -> None:
        self._features = features
        self._loop = PapersLoop(
            copy.deepcopy(model).to(_device()),
            batch_size=settings.batch_size,
            total_steps=total_steps,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
        )

    def run(self, block: Block) -> Reading:
        """One epoch over the block."""
        dataset = self._features.dataset(block.chosen)
        clock = Clock()
        clock.start()
        self._loop.epoch(dataset)
        return clock.stop()


class FloorWay:
    """The encoder's forward and backward pass over hf_xner's batches, ready-made: no head, loss or optimiser."""

    def __init__(self, model: Any, bf16: bool) -> None:
        self._encoder = copy.deepcopy(model).to(_device()).base_model.train()
        self._bf16 = bf16
        self.precision = "bf16" if bf16 else "fp32"

    def run(self, block: Block) -> Reading:
        """All batches once."""
        names = ("input_ids", "attention_mask")
        batches = [{name: batch[name].to(_device()) for name in names} for batch in block.batches]
        clock = Clock()
        clock.start()
        for batch in batches:
            with autocast(_device(), self._bf16):
                hidden = self._encoder(**batch).last_hidden_state
            hidden.float().sum().backward()
            self._encoder.zero_grad()
        return clock.stop()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
