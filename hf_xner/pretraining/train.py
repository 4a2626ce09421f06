"""Masked-language-model training on transformers' Trainer: resumable, prolongable, in one or more depths."""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from hf_xner.errors import InputError
from hf_xner.inference.device import local_device, native_bf16
from hf_xner.pretraining.export import export_encoder
from hf_xner.pretraining.initialise import Vectors, calibrate, initialise
from hf_xner.pretraining.masking import IGNORE
from hf_xner.pretraining.model import MaskedEncoder, build_config, grow
from hf_xner.pretraining.rows import HELD_OUT_ROWS, Collator, Rows, RowSettings
from hf_xner.pretraining.tokenizer import continuation_flags

logger = logging.getLogger(__name__)
COMPLETE = "complete"  # written into a checkpoint last: one without it was cut off and is not resumed from
REWARM_STEPS = 100  # after growing, the optimiser starts anew


@dataclass(frozen=True)
class Shape:
    """The encoder's shape; see `transformers.BertConfig`."""

    layers: int = 12
    hidden: int = 192
    heads: int = 6
    intermediate: int = 384


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Attributes:
        steps: Optimisation steps of the whole training.
        batch: Rows in a step.
        growth: Pairs (layers, step): train with so many layers until that step. The full depth comes last.
        learning_rate: Peak rate: a linear warm-up, then constant, then a linear decay to 0. A training can therefore
            be prolonged, or ended early, by resuming it with other `steps`.
        warmup: Steps of warm-up.
        decay: Share of the steps that the final decay takes.
        candidates: Sub-words the softmax runs over while training; 0 for all.
        save_minutes: Minutes between checkpoints.
        workers: Processes that make rows.
        seed: Seed.
    """

    steps: int
    batch: int = 64
    growth: Sequence[tuple[int, int]] = ()
    learning_rate: float = 1e-3
    warmup: int = 300
    decay: float = 0.2
    candidates: int = 4096
    save_minutes: float = 10.0
    workers: int = 0
    seed: int = 0

    def factor(self, step: int) -> float:
        """Share of the peak rate at a step, counted over the whole training."""
        last = max(1, int(self.steps * self.decay))
        return min(1.0, (step + 1) / max(1, self.warmup), max(0.0, (self.steps - step) / last))


class HeldOut(Dataset):
    """The rows of a language that are held out, as they are."""

    def __init__(self, rows: Rows, language: str) -> None:
        self.rows, self.language, self.count = rows, language, rows.held_out[language]
        self.first = len(rows.text[language]) // (rows.settings.length - 2) - self.count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> dict[str, Any]:
        ids = self.rows.plain(self.language, self.first + item)
        return {"input_ids": ids, "labels": ids * 0 + IGNORE, "start": 0, "row": item}


class PretrainingTrainer(Trainer):
    """A Trainer whose rate is a function of the step and which spares embeddings from weight decay."""

    def __init__(self, *args: Any, factor: Callable[[int], float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factor = factor

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Warm-up, constant, decay."""
        if self.lr_scheduler is None:
            scheduled: Any = optimizer or self.optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(scheduled, self.factor)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Embeddings stay out: decay would shrink those of rare sub-words between their few updates."""
        names = super().get_decay_parameter_names(model)
        return [name for name in names if "embeddings" not in name and "decoder" not in name]


class Checkpoints(TrainerCallback):
    """Saves by the clock, marks what is complete, and keeps an encoder for the learning curve.

    Args:
        minutes: Minutes between checkpoints.
        tokenizer: Saved with each encoder.
        curve: Folder for the encoders, or None to keep none.
        first_step: Step of the whole training at which this stage began.
    """

    def __init__(self, minutes: float, tokenizer: Any, curve: Path | None, first_step: int) -> None:
        self.minutes, self.tokenizer, self.curve, self.first_step = minutes, tokenizer, curve, first_step
        self.last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Ask for a checkpoint when it is time, and at the end."""
        due = time.monotonic() - self.last >= 60 * self.minutes or state.global_step >= state.max_steps
        if due:
            control.should_save = control.should_evaluate = control.should_log = True
            self.last = time.monotonic()
        return control

    def on_save(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Mark the checkpoint as complete, then keep its encoder."""
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()
        if self.curve is not None:
            step = self.first_step + state.global_step
            export_encoder(model, self.tokenizer, self.curve / f"step-{step:07d}")


def latest_checkpoint(folder: Path) -> Path | None:
    """The last complete checkpoint of a stage; incomplete ones are removed."""
    found = []
    for path in folder.glob("checkpoint-*"):
        if (path / COMPLETE).exists():
            found.append(path)
        else:
            logger.warning("%s was cut off and is removed", path)
            shutil.rmtree(path)
    return max(found, key=_step, default=None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _planned(checkpoint: Path) -> int:
    """The last step of the training that the checkpoint comes from."""
    return int(json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["max_steps"])


def _refuse_too_late(schedule: Schedule, done: int, end: int) -> None:
    """Refuse to end a stage sooner than planned, at step `end`, if after `done` steps its rate could no longer fall.

    Raises:
        InputError: Too many steps are done.
    """
    if end < schedule.steps:  # more layers come after
        if done > end:
            raise InputError(f"{done} steps are done with these layers", where="--growth", remedy=f"give {done} again")
        return
    kept = int(schedule.steps * (1 - schedule.decay))
    if done > kept:
        raise InputError(
            f"{done} steps are done, and of {schedule.steps} the rate falls from step {kept} on",
            where="--steps",
            remedy=f"give {math.ceil(done / (1 - schedule.decay))} or more" if schedule.decay < 1 else "do not end it",
        )


def stages(shape: Shape, schedule: Schedule) -> list[tuple[int, int, int]]:
    """(layers, first step, last step) of each stage; those that begin after the last step are left out."""
    borders = [*schedule.growth, (shape.layers, schedule.steps)]
    result, begin = [], 0
    for number, (layers, end) in enumerate(borders):
        end = schedule.steps if number == len(borders) - 1 else min(end, schedule.steps)
        if end > begin:
            result.append((layers, begin, end))
        begin = max(begin, end)
    if result[-1][0] != shape.layers:
        raise ValueError(f"{schedule.steps} steps end before the encoder has its {shape.layers} layers")
    return result


def train(
    folder: Path,
    data: Path,
    tokenizer: Any,
    languages: list[str],
    vectors: Callable[[], Vectors],
    *,
    shape: Shape,
    rows: RowSettings,
    schedule: Schedule,
) -> MaskedEncoder:
    """Train, or go on training, an encoder.

    Args:
        folder: The run's folder: checkpoints go to `<folder>/stage-<layers>`, encoders for the learning curve to
            `<folder>/curve`.
        data: The prepared data.
        tokenizer: The tokenizer.
        languages: Languages.
        vectors: Called where training starts from nothing.
        shape: The encoder's shape.
        rows: What rows are like.
        schedule: How long and how fast.

    Returns:
        The trained model.

    Raises:
        InputError: The folder holds a training of so many steps that this one could not decay.
    """
    continuation = continuation_flags(tokenizer)
    collator = Collator(continuation, rows.mask_rate, rows.seed)
    model: MaskedEncoder | None = None
    for layers, begin, end in stages(shape, schedule):
        place = folder / f"stage-{layers}"
        checkpoint = latest_checkpoint(place)
        if checkpoint is not None:
            model = MaskedEncoder.from_pretrained(checkpoint, dtype=torch.float32)
            if _planned(checkpoint) > end - begin or _step(checkpoint) > end - begin:
                _refuse_too_late(schedule, begin + _step(checkpoint), end)
            if _step(checkpoint) == end - begin:
                continue
        dataset = Rows(
            data,
            languages,
            continuation,
            rows,
            total=end * schedule.batch,
            held_out=HELD_OUT_ROWS,
            first=begin * schedule.batch,
        )
        if model is None:
            model = _start(len(tokenizer), layers, shape, rows, schedule, vectors(), dataset, collator)
        elif checkpoint is None:
            model = grow(model, layers)
        trainer = _trainer(model, place, dataset, collator, schedule, begin, end, tokenizer, folder / "curve")
        logger.info("%d layers, steps %d to %d, %s", layers, begin, end, checkpoint or "from the start")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    assert model is not None
    return model


def _start(
    vocab_size: int,
    layers: int,
    shape: Shape,
    rows: RowSettings,
    schedule: Schedule,
    vectors: Vectors,
    dataset: Rows,
    collator: Collator,
) -> MaskedEncoder:
    torch.manual_seed(schedule.seed)
    config = build_config(
        vocab_size,
        layers=layers,
        hidden=shape.hidden,
        heads=shape.heads,
        intermediate=shape.intermediate,
        positions=rows.positions,
        candidates=schedule.candidates,
    )
    model = MaskedEncoder(config)
    initialise(model, vectors, seed=schedule.seed)
    loss = calibrate(model, collator([dataset[item] for item in range(min(64, len(dataset)))]))
    logger.info("loss before training %.3f nats", loss)
    return model


def _trainer(
    model: MaskedEncoder,
    place: Path,
    dataset: Rows,
    collator: Collator,
    schedule: Schedule,
    begin: int,
    end: int,
    tokenizer: Any,
    curve: Path,
) -> PretrainingTrainer:
    def factor(step: int) -> float:
        rewarm = 1.0 if begin == 0 else min(1.0, (step + 1) / REWARM_STEPS)
        return rewarm * schedule.factor(begin + step)

    arguments = TrainingArguments(
        output_dir=str(place),
        max_steps=end - begin,
        per_device_train_batch_size=schedule.batch,
        per_device_eval_batch_size=32,
        learning_rate=schedule.learning_rate,
        weight_decay=0.01,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        use_cpu=not torch.cuda.is_available(),
        bf16=native_bf16(local_device()),
        train_sampling_strategy="sequential",
        dataloader_num_workers=schedule.workers,
        remove_unused_columns=False,
        label_names=["labels"],
        logging_steps=50,
        logging_nan_inf_filter=False,  # it would make the processor wait for the GPU in every step
        eval_strategy="no",
        save_strategy="no",  # the clock decides, see Checkpoints
        save_total_limit=2,
        seed=schedule.seed,
        report_to="none",
        disable_tqdm=True,
    )
    # Alone, a process would spread over all GPUs with as many times the batch, and read every row as many times.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return PretrainingTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        eval_dataset={language: HeldOut(dataset, language) for language, rows in dataset.held_out.items() if rows},
        data_collator=collator,
        callbacks=[Checkpoints(schedule.save_minutes, tokenizer, curve, begin)],
        factor=factor,
    )
