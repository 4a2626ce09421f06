"""Several optimisers behind one face."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from hf_xner.training.phases import PhasedOptimizer, PhasedScheduler


def make(seed: int = 0) -> tuple[torch.nn.Linear, PhasedOptimizer, PhasedScheduler]:
    """Weight and bias; the weight belongs to both phases."""
    torch.manual_seed(seed)
    layer = torch.nn.Linear(2, 1)
    optimizers = {
        "both": torch.optim.AdamW(layer.parameters(), lr=0.1),
        "weight": torch.optim.AdamW([layer.weight], lr=0.01, weight_decay=0.0),
    }
    phased = PhasedOptimizer(optimizers)
    schedules = {
        name: LambdaLR(optimizer, lambda step: 1 / (1 + step)) for name, optimizer in phased.optimizers.items()
    }
    return layer, phased, PhasedScheduler(phased, schedules)


def take(layer: torch.nn.Linear, optimizer: PhasedOptimizer, scheduler: PhasedScheduler, phase: str) -> None:
    optimizer.phase = phase
    layer(torch.tensor([[1.0, 2.0]])).square().sum().backward()
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()


def test_a_step_is_taken_by_the_current_phase_alone():
    layer, optimizer, scheduler = make()
    before = copy.deepcopy(layer.state_dict())
    take(layer, optimizer, scheduler, "weight")
    assert torch.equal(layer.bias, before["bias"]) and not torch.equal(layer.weight, before["weight"])
    assert float((layer.weight.detach() - before["weight"]).abs().max()) == pytest.approx(0.01, rel=1e-3)
    assert not optimizer.optimizers["both"].state and optimizer.optimizers["weight"].state
    take(layer, optimizer, scheduler, "both")
    assert not torch.equal(layer.bias, before["bias"])


def test_only_the_current_phases_schedule_advances():
    layer, optimizer, scheduler = make()
    take(layer, optimizer, scheduler, "weight")
    take(layer, optimizer, scheduler, "weight")
    assert scheduler.rates() == {"both": pytest.approx(0.1), "weight": pytest.approx(0.01 / 3)}
    assert scheduler.get_last_lr() == [pytest.approx(0.1), pytest.approx(0.01 / 3)]
    assert [group["lr"] for group in optimizer.param_groups] == scheduler.get_last_lr()


def test_all_gradients_are_cleared_whatever_the_phase():
    layer, optimizer, _ = make()
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.phase = "weight"
    optimizer.zero_grad()
    assert layer.weight.grad is None and layer.bias.grad is None


def test_what_is_saved_and_restored_goes_on_bit_for_bit(tmp_path: Path):
    phases = ["both", "weight", "weight", "both", "weight", "both"]
    layer, optimizer, scheduler = make()
    for phase in phases[:3]:
        take(layer, optimizer, scheduler, phase)
    torch.save([layer.state_dict(), optimizer.state_dict(), scheduler.state_dict()], tmp_path / "state.pt")
    for phase in phases[3:]:
        take(layer, optimizer, scheduler, phase)

    other, restored, schedule = make(seed=1)
    states = torch.load(tmp_path / "state.pt", weights_only=True)
    for part, state in zip((other, restored, schedule), states, strict=True):
        part.load_state_dict(state)
    for phase in phases[3:]:
        take(other, restored, schedule, phase)
    assert torch.equal(other.weight, layer.weight) and torch.equal(other.bias, layer.bias)
    assert schedule.rates() == scheduler.rates()


def test_accelerate_takes_it_for_an_optimiser(tmp_path: Path):
    from accelerate import Accelerator

    layer, optimizer, _ = make()
    prepared = Accelerator(cpu=True).prepare(optimizer)
    assert prepared.optimizer is optimizer and len(prepared.param_groups) == 2
    assert repr(optimizer) == "PhasedOptimizer(both, weight; now both)"
    assert isinstance(optimizer, torch.optim.Optimizer) and layer.weight in optimizer.param_groups[1]["params"]
