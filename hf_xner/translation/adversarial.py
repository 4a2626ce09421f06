"""A first mapping without any dictionary: the mapped words shall not be told from the target's (Conneau et al. 2018).

A discriminator learns to tell mapped source vectors from target vectors; the mapping learns to deceive it and is drawn
back to the orthogonal matrices after every step (equations 3 to 6 of the paper).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hf_xner.errors import InputError
from hf_xner.translation.refinement import Refiner


@dataclass(frozen=True)
class AdversarialSettings:
    """Settings; the defaults are MUSE's.

    Attributes:
        epochs: Epochs; after each the criterion is computed and the rate falls.
        updates: Mapping updates an epoch (MUSE: 1,000,000 "iterations" counted in words of batches of 32).
        batch: Words of each language in a batch.
        discriminator_steps: Discriminator updates before each mapping update.
        hidden: Width of the discriminator's hidden layers.
        layers: Number of its hidden layers.
        input_dropout: Dropout on its input while it learns (none in the mapping's step).
        hidden_dropout: Dropout after its hidden layers.
        slope: Negative slope of LeakyReLU.
        smoothing: Targets are 1 - smoothing for mapped words and smoothing for the others.
        most_frequent: Batches are drawn uniformly from so many most frequent words.
        discriminator_rate: SGD rate of the discriminator; constant.
        rate: SGD rate of the mapping.
        decay: Factor on `rate` after each epoch.
        min_rate: Floor of `rate`.
        shrink: Further factor from the second epoch on whose criterion is below the best.
        beta: W <- (1 + beta) W - beta W W^T W after each mapping update.
        feedback: Coefficient of the mapping's loss.
        device: Where it is trained.
        components: Principal components of either space that are mapped at first, which is cheaper and needs fewer
            updates; None for whole vectors.
    """

    epochs: int = 5
    updates: int = 31_250
    batch: int = 32
    discriminator_steps: int = 5
    hidden: int = 2048
    layers: int = 2
    input_dropout: float = 0.1
    hidden_dropout: float = 0.0
    slope: float = 0.2
    smoothing: float = 0.1
    most_frequent: int = 75_000
    discriminator_rate: float = 0.1
    rate: float = 0.1
    decay: float = 0.98
    min_rate: float = 1e-6
    shrink: float = 0.5
    beta: float = 0.001
    feedback: float = 1.0
    device: str = "cpu"
    components: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "updates", "batch", "hidden", "most_frequent"):
            if getattr(self, name) < 1:
                raise InputError(f"{getattr(self, name)} is too small", where=f"--{name}", remedy="give 1 or more")


@dataclass(frozen=True)
class AdversarialResult:
    """The best mapping of one adversarial run.

    Attributes:
        matrix: (d, d) float32; nearly orthogonal.
        criterion: The unsupervised criterion that it was chosen by.
        epochs: What each epoch ended with: criterion, discriminator loss and accuracy, rate, seconds.
    """

    matrix: np.ndarray
    criterion: float
    epochs: list[dict[str, float]]


def train_adversarial(
    refiner: Refiner,
    settings: AdversarialSettings,
    seed: int,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> AdversarialResult:
    """Train one mapping from the identity, and return the best one by the unsupervised criterion.

    Args:
        refiner: The two spaces (raw vectors) and the criterion.
        settings: Settings.
        seed: Random seed.
        on_epoch: Called after each epoch with its facts.

    Returns:
        The best mapping; random numbers of the caller are left as they were.
    """
    devices = [torch.device(settings.device)] if settings.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        game = _Game(refiner.moving, refiner.fixed, settings)
        schedule = _Schedule(settings)
        best, best_criterion, epochs = game.matrix(), -float("inf"), []
        for epoch in range(settings.epochs):
            started = time.perf_counter()
            facts: dict[str, float] = {"epoch": epoch + 1, "rate": schedule.rate, **game.epoch(schedule.rate)}
            facts["criterion"] = refiner.criterion(game.matrix())
            facts["seconds"] = time.perf_counter() - started
            epochs.append(facts)
            if on_epoch:
                on_epoch(facts)
            if facts["criterion"] > best_criterion:
                best, best_criterion = game.matrix(), facts["criterion"]
            schedule.step(facts["criterion"], best_criterion)
    return AdversarialResult(best, best_criterion, epochs)


class _Schedule:
    """The mapping's rate, epoch by epoch."""

    def __init__(self, settings: AdversarialSettings) -> None:
        self.settings = settings
        self.rate = settings.rate
        self._fell_before = False

    def step(self, criterion: float, best: float) -> None:
        self.rate = max(self.settings.min_rate, self.rate * self.settings.decay)
        if criterion < best:
            if self._fell_before:
                self.rate *= self.settings.shrink
            self._fell_before = True


class _Game:
    """Discriminator and mapping."""

    def __init__(self, moving: np.ndarray, fixed: np.ndarray, settings: AdversarialSettings) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        width = moving.shape[1]
        # Copies: memory-mapped arrays are read-only.
        self.moving = torch.tensor(moving[: settings.most_frequent], dtype=torch.float32, device=self.device)
        self.fixed = torch.tensor(fixed[: settings.most_frequent], dtype=torch.float32, device=self.device)
        self.mapping = torch.eye(width, device=self.device, requires_grad=True)
        self.discriminator = _discriminator(width, settings).to(self.device)
        # The discriminator's plain SGD, and nothing of it for the mapping: its rate changes from epoch to epoch.
        self.optimiser = torch.optim.SGD(self.discriminator.parameters(), lr=settings.discriminator_rate)
        targets = torch.full((2 * settings.batch,), settings.smoothing, device=self.device)
        targets[: settings.batch] = 1 - settings.smoothing
        self.targets = targets

    def matrix(self) -> np.ndarray:
        return np.array(self.mapping.detach().cpu().numpy())

    def epoch(self, rate: float) -> dict[str, float]:
        """Run the updates of one epoch; returns mean loss and accuracy of the discriminator."""
        loss_sum = torch.zeros((), device=self.device)
        right = torch.zeros((), device=self.device)
        for _ in range(self.settings.updates):
            for _ in range(self.settings.discriminator_steps):
                loss, hits = self._discriminator_step()
                loss_sum += loss
                right += hits
            self._mapping_step(rate)
        steps = max(1, self.settings.updates * self.settings.discriminator_steps)
        accuracy = float(right) / steps / len(self.targets)
        return {"discriminator_loss": float(loss_sum) / steps, "discriminator_accuracy": accuracy}

    def _batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        size = (self.settings.batch,)
        moving = self.moving[torch.randint(len(self.moving), size, device=self.device)]
        fixed = self.fixed[torch.randint(len(self.fixed), size, device=self.device)]
        return moving, fixed

    def _discriminator_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        moving, fixed = self._batch()
        self.discriminator.train()
        logits = self.discriminator(torch.cat([moving @ self.mapping.detach().T, fixed]))[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logits, self.targets)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach(), ((logits > 0) == (self.targets > 0.5)).sum()

    def _mapping_step(self, rate: float) -> None:
        moving, fixed = self._batch()
        self.discriminator.eval()
        logits = self.discriminator(torch.cat([moving @ self.mapping.T, fixed]))[:, 0]
        loss = self.settings.feedback * functional.binary_cross_entropy_with_logits(logits, 1 - self.targets)
        (gradient,) = torch.autograd.grad(loss, [self.mapping])
        with torch.no_grad():
            self.mapping -= rate * gradient
            w = self.mapping.clone()
            self.mapping.copy_((1 + self.settings.beta) * w - self.settings.beta * (w @ w.T @ w))


def _discriminator(width: int, settings: AdversarialSettings) -> nn.Sequential:
    layers: list[Any] = [nn.Dropout(settings.input_dropout)]
    for index in range(settings.layers):
        layers += [nn.Linear(width if index == 0 else settings.hidden, settings.hidden), nn.LeakyReLU(settings.slope)]
        layers.append(nn.Dropout(settings.hidden_dropout))
    layers.append(nn.Linear(settings.hidden if settings.layers else width, 1))
    return nn.Sequential(*layers)
