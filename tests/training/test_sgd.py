"""Descent in rounds: rates, the best weights, patience, and an end that does not depend on kills."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hf_xner.errors import InputError
from hf_xner.training.history import read_history
from hf_xner.training.sgd import CHECKPOINT, SgdSettings, SgdTraining, StepLoss


class Noisy(torch.nn.Module):
    """Six weights with dropout, so that random numbers matter."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 2)
        self.dropout = torch.nn.Dropout(0.5)

    @property
    def device(self) -> torch.device:
        return self.layer.weight.device

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(self.dropout(inputs))


class Killed(Exception):
    pass


class Regression:
    """A round of a few steps; may be told to break off."""

    def __init__(self, number: int, steps: int, killed_at: tuple[int, int] | None = None) -> None:
        self.number = number
        self.steps = steps
        self.killed_at = killed_at

    def loss(self, model: Noisy, step: int) -> StepLoss:
        if (self.number, step) == self.killed_at:
            raise Killed
        inputs = torch.full((4, 3), 0.1 * (step + 1) + self.number)
        outputs = model(inputs)
        return StepLoss({"loss_a": outputs.square().sum(), "loss_b": (outputs - 1).square().sum()}, 4, divisor=2.0)


def train(folder: Path, settings: SgdSettings, killed_at=None, evaluate=None, steps: int = 7) -> SgdTraining:
    model = Noisy()
    training = SgdTraining(
        folder,
        model,
        settings,
        lambda number: Regression(number, steps, killed_at),
        None if evaluate is None else lambda: evaluate(model),
    )
    try:
        training.run()
    except Killed:
        assert killed_at is not None
    return training


def weights(training: SgdTraining) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in training.model.parameters()])


def quality(model: Noisy) -> float:
    return -float(model.layer.weight.detach().square().sum())


def test_rates_fall_by_the_papers_rule_to_their_floor():
    settings = SgdSettings()
    assert settings.rate(0) == 0.1 and settings.rate(29) == pytest.approx(0.1 / 1.29)
    assert settings.rate(10**6) == 1e-4


def test_a_step_is_plain_clipped_gradient_descent(tmp_path):
    training = train(tmp_path, SgdSettings(rounds=1, learning_rate=0.1, max_grad_norm=0.5, seed=5), steps=1)
    before = Noisy()
    torch.manual_seed(5)
    loss = Regression(0, 1).loss(before.train(), 0)
    (sum(loss.parts.values()) / 2.0).backward()
    gradient = torch.cat([weight.grad.flatten() for weight in before.parameters()])
    assert gradient.norm() > 0.5
    expected = torch.cat([weight.detach().flatten() for weight in before.parameters()])
    torch.testing.assert_close(weights(training), expected - 0.1 * 0.5 * gradient / gradient.norm())


@pytest.mark.parametrize("killed_at", [(0, 0), (0, 6), (1, 0), (1, 4), (2, 6)])
def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(tmp_path, killed_at):
    settings = SgdSettings(rounds=3, evaluation_steps=3, learning_rate=0.01)
    whole = train(tmp_path / "whole", settings, evaluate=quality)
    broken = train(tmp_path / "broken", settings, killed_at, evaluate=quality)
    assert not broken.progress.finished
    again = train(tmp_path / "broken", settings, evaluate=quality)
    assert torch.equal(weights(whole), weights(again)) and whole.progress == again.progress

    def records(name: str) -> list[dict]:
        return [{**record, "seconds": 0} for record in read_history(tmp_path / name / "history.jsonl")]

    assert records("whole") == records("broken")


def test_a_finished_training_only_gives_its_weights_back(tmp_path):
    settings = SgdSettings(rounds=2, evaluation_steps=3)
    first = train(tmp_path, settings, evaluate=quality)
    again = train(tmp_path, settings, killed_at=(0, 0), evaluate=quality)
    assert torch.equal(weights(first), weights(again))


def test_a_half_written_checkpoint_does_no_harm(tmp_path):
    settings = SgdSettings(rounds=2)
    train(tmp_path, settings, killed_at=(1, 2))
    (tmp_path / f".{CHECKPOINT}.tmp").write_bytes(b"PK half")
    again = train(tmp_path, settings)
    assert torch.equal(weights(again), weights(train(tmp_path / "other", settings)))


def test_the_best_weights_are_kept_and_the_first_of_equals(tmp_path):
    scores = iter([0.1, 0.5, 0.3, 0.5, 0.2])
    seen: list[torch.Tensor] = []

    def evaluate(model: Noisy) -> float:
        seen.append(torch.cat([weight.detach().flatten().clone() for weight in model.parameters()]))
        return next(scores)

    training = train(tmp_path, SgdSettings(rounds=1, evaluation_steps=2), evaluate=evaluate, steps=10)
    assert len(seen) == 5, "every second step, and not twice after the last"
    assert torch.equal(weights(training), seen[1]) and not torch.equal(weights(training), seen[4])
    assert training.progress.best_score == 0.5


def test_without_evaluation_the_last_weights_stay(tmp_path):
    training = train(tmp_path, SgdSettings(rounds=2))
    assert training.progress.best_score is None
    assert not any("eval_f1" in record for record in read_history(tmp_path / "history.jsonl"))


def test_patience_counts_rounds_without_a_better_score(tmp_path):
    scores = iter([0.1, 0.4, 0.4, 0.3, 0.2, 0.9])
    training = train(tmp_path, SgdSettings(rounds=10, patience=3), evaluate=lambda _: next(scores))
    assert training.progress.round == 5, "the best round is the second; three more bring nothing"


def test_a_loss_that_is_no_number_ends_the_training(tmp_path, monkeypatch):
    real = Regression.loss

    def broken(self: Regression, model: Noisy, step: int) -> StepLoss:
        loss = real(self, model, step)
        return loss if step < 30 else StepLoss({"loss_a": loss.parts["loss_a"] * float("nan")}, 4)

    monkeypatch.setattr(Regression, "loss", broken)
    with pytest.raises(InputError, match="the loss is no number any more at step 50"):
        train(tmp_path, SgdSettings(rounds=1), steps=100)


@pytest.mark.parametrize("step", [5, 6], ids=["a loss", "the last update"])
def test_a_training_that_diverges_between_two_logs_is_not_finished(tmp_path, monkeypatch, step):
    real = Regression.loss

    def broken(self: Regression, model: Noisy, number: int) -> StepLoss:
        loss = real(self, model, number)
        # A loss of 0 with gradients that are no numbers: only the weights tell.
        bad = loss.parts["loss_a"] * float("nan") if step == 5 else (model.layer.weight * 0).sum().sqrt()
        return loss if number < step else StepLoss({"loss_a": bad}, 4)

    monkeypatch.setattr(Regression, "loss", broken)
    with pytest.raises(InputError, match="the loss is no number any more at step 7"):
        train(tmp_path, SgdSettings(rounds=1), steps=7)


def test_a_norm_of_0_clips_nothing(tmp_path):
    free, wide = (
        train(tmp_path / str(norm), SgdSettings(rounds=1, max_grad_norm=norm), steps=1) for norm in (0.0, 1e9)
    )
    torch.testing.assert_close(weights(free), weights(wide))


def test_history_has_losses_by_word_and_evaluations(tmp_path):
    train(tmp_path, SgdSettings(rounds=1, evaluation_steps=60), evaluate=quality, steps=100)
    records = read_history(tmp_path / "history.jsonl")
    losses = [record for record in records if "loss" in record]
    assert [record["step"] for record in losses] == [50, 100]
    assert losses[0]["loss"] == pytest.approx(losses[0]["loss_a"] + losses[0]["loss_b"])
    assert [record["step"] for record in records if "eval_f1" in record] == [60, 100]
