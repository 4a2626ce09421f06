"""Plain stochastic gradient descent in rounds, with evaluation every so many steps, for models of few weights.

A step of such a model takes milliseconds, and a round's batches may depend on what the model has learnt so far (pseudo
labels), so this is a loop of its own instead of transformers' Trainer. Killed and started again on the same folder, it
goes on from its last checkpoint and ends with the weights of an undisturbed run.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from hf_xner.errors import InputError
from hf_xner.training.history import HISTORY, add_record, keep_records_until

CHECKPOINT = "checkpoint.pt"
LOG_STEPS = 50


@dataclass(frozen=True)
class SgdSettings:
    """How to descend; the defaults are those of Bari et al. (AAAI 2020).

    Attributes:
        rounds: Rounds (epochs, or draws of pseudo labels) at most.
        learning_rate: Rate of round 0.
        rate_decay: The rate of round r is learning_rate / (1 + rate_decay r) …
        min_rate: … and never less than this.
        max_grad_norm: Gradient clipping; 0 for none.
        evaluation_steps: Steps between two evaluations, which are also the checkpoints.
        patience: End after so many rounds without a better evaluation; None for all rounds.
        seed: Seed of everything random.
    """

    rounds: int = 30
    learning_rate: float = 0.1
    rate_decay: float = 0.01
    min_rate: float = 1e-4
    max_grad_norm: float = 5.0
    evaluation_steps: int = 150
    patience: int | None = None
    seed: int = 1

    def rate(self, round_: int) -> float:
        """The learning rate of a round."""
        return max(self.learning_rate / (1 + self.rate_decay * round_), self.min_rate)


class StepLoss(NamedTuple):
    """The loss of one step.

    Attributes:
        parts: Its named parts, sums over words or sentences; scalars.
        words: How many words they are sums over, for the log.
        divisor: The sum of the parts is divided by this before it is minimised.
    """

    parts: dict[str, torch.Tensor]
    words: int
    divisor: float = 1.0


class Round(Protocol):
    """The steps of one round."""

    @property
    def steps(self) -> int:
        """How many there are."""
        ...

    def loss(self, model: Any, step: int) -> StepLoss:
        """The loss of a step, counted from 0 within the round."""
        ...


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        round: Number of the round.
        step_in_round: Steps of it that are done.
        step: Steps done in all.
        best_score: Best evaluation so far; None before the first.
        best_round: Round in which it was reached.
        finished: Whether nothing is left to do.
    """

    round: int = 0
    step_in_round: int = 0
    step: int = 0
    best_score: float | None = None
    best_round: int = 0
    finished: bool = False


@dataclass
class _Window:
    """Sums since the last record."""

    steps: int = 0
    words: int = 0
    sums: dict[str, torch.Tensor] = field(default_factory=dict)


def _device_random(device: torch.device) -> torch.Tensor | None:
    """State of the accelerator's own random numbers, which draw dropout there."""
    return None if device.type == "cpu" else getattr(torch, device.type).get_rng_state()


class SgdTraining:
    """One training in one folder.

    Args:
        folder: For checkpoint and history.
        model: The model, which is trained in place, on its device.
        settings: The settings.
        make_round: Gives round r. It is called again when a killed training goes on in the middle of a round, with
            other weights than at first: what depends on weights it must have written down.
        evaluate: Score of the model on a development set, the higher the better, for the choice of the best weights;
            None keeps the last ones.
    """

    def __init__(
        self,
        folder: Path,
        model: Any,
        settings: SgdSettings,
        make_round: Callable[[int], Round],
        evaluate: Callable[[], float] | None = None,
    ) -> None:
        self.folder = folder
        self.model = model
        self.settings = settings
        self.progress = Progress()
        self._make_round = make_round
        self._evaluate = evaluate
        self._parameters = [weight for weight in model.parameters() if weight.requires_grad]
        self._optimiser = torch.optim.SGD(self._parameters, lr=settings.learning_rate)
        self._best: dict[str, torch.Tensor] | None = None
        self._window = _Window()
        self._start = time.monotonic()

    def clear(self) -> None:
        """Remove the checkpoint, once the model is saved elsewhere."""
        (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def run(self) -> float | None:
        """Train to the end and leave the best weights (or the last, without evaluation) in the model.

        Returns:
            The score of the weights, None without evaluation.

        Raises:
            InputError: The loss is not finite, or a weight at the end of a round.
        """
        torch.manual_seed(self.settings.seed)
        self._restore()
        while not self.progress.finished:
            self._run_round(self._make_round(self.progress.round))
        if self._best is not None:
            self.model.load_state_dict(self._best)
        return self.progress.best_score

    def _run_round(self, current: Round) -> None:
        progress, settings = self.progress, self.settings
        for group in self._optimiser.param_groups:
            group["lr"] = settings.rate(progress.round)
        for step in range(progress.step_in_round, current.steps):
            self._step(current, step)
            progress.step += 1
            progress.step_in_round = step + 1
            if progress.step % LOG_STEPS == 0:
                self._log_losses()
            if progress.step % settings.evaluation_steps == 0 and progress.step_in_round < current.steps:
                self._judge()
                self._save()
        self._refuse_divergence()
        self._judge()
        progress.round, progress.step_in_round = progress.round + 1, 0
        waited = progress.round - 1 - progress.best_round
        patient = self._evaluate is None or settings.patience is None or waited < settings.patience
        progress.finished = progress.round >= settings.rounds or not patient
        self._save()

    def _step(self, current: Round, step: int) -> None:
        self.model.train()
        parts, words, divisor = current.loss(self.model, step)
        total = torch.stack(list(parts.values())).sum() / divisor
        self._optimiser.zero_grad(set_to_none=True)
        total.backward()
        if self.settings.max_grad_norm > 0:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.max_grad_norm)
        self._optimiser.step()
        self._window.steps += 1
        self._window.words += words
        for name, part in parts.items():
            self._window.sums[name] = self._window.sums.get(name, 0.0) + part.detach()

    def _judge(self) -> None:
        """Evaluate, and remember the weights if they are the best so far; the first of equals stay."""
        if self._evaluate is None:
            return
        progress = self.progress
        score = float(self._evaluate())
        self._record({"eval_f1": score})
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.best_round = score, progress.round
            self._best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _log_losses(self) -> None:
        parts = {name: float(total) / max(1, self._window.words) for name, total in self._window.sums.items()}
        rate = self._optimiser.param_groups[0]["lr"]
        if not math.isfinite(sum(parts.values())):
            raise self._diverged()
        self._record({"loss": sum(parts.values()), **parts, "learning_rate": rate})
        self._window = _Window()

    def _refuse_divergence(self) -> None:
        """At the end of a round, whose last steps may not have been logged, nor their updates seen by any loss."""
        finite = all(math.isfinite(float(total)) for total in self._window.sums.values())
        if not finite or not all(bool(weight.isfinite().all()) for weight in self._parameters):
            raise self._diverged()

    def _diverged(self) -> InputError:
        return InputError(
            f"the loss is no number any more at step {self.progress.step}",
            where="training",
            remedy="lower --learning_rate or --vector_length",
        )

    def _record(self, values: dict[str, float]) -> None:
        seconds = round(time.monotonic() - self._start, 3)
        record = {"step": self.progress.step, "epoch": self.progress.round, "seconds": seconds, **values}
        add_record(self.folder / HISTORY, record)

    def _save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        window = self._window
        content = {
            "progress": vars(self.progress),
            "seconds": time.monotonic() - self._start,
            "model": self.model.state_dict(),
            "best": self._best,
            "window": {"steps": window.steps, "words": window.words, "sums": window.sums},
            "random": torch.get_rng_state(),
            "device_random": _device_random(self.model.device),
        }
        aside = self.folder / f".{CHECKPOINT}.tmp"
        torch.save(content, aside)
        os.replace(aside, self.folder / CHECKPOINT)

    def _restore(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            keep_records_until(self.folder / HISTORY, 0)
            return
        device = self.model.device
        content = torch.load(path, map_location=device, weights_only=True)
        self.progress = Progress(**content["progress"])
        self._best = content["best"]
        self._window = _Window(**content["window"])
        self._start = time.monotonic() - content["seconds"]
        self.model.load_state_dict(content["model"])
        torch.set_rng_state(content["random"].cpu())
        if content["device_random"] is not None and device.type != "cpu":
            getattr(torch, device.type).set_rng_state(content["device_random"].cpu())
        keep_records_until(self.folder / HISTORY, self.progress.step)
