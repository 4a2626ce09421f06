"""Several optimisers that take turns, behind one face: transformers' loop steps, saves and restores them as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class PhasedOptimizer(Optimizer):
    """One optimiser a phase; a step is taken by that of the current phase alone.

    Parameters may belong to several phases (the encoder to tagging and to the generator), each with its own moments.

    Args:
        optimizers: By phase; the first is current to begin with.

    Attributes:
        phase: The current phase.
    """

    def __init__(self, optimizers: Mapping[str, Optimizer]) -> None:
        # Not Optimizer.__init__: it refuses parameters that are in two groups, and would keep states of its own.
        self.optimizers = dict(optimizers)
        self.phase = next(iter(self.optimizers))

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The groups of all phases."""
        return [group for optimizer in self.optimizers.values() for group in optimizer.param_groups]

    @property
    def state(self) -> dict[Any, Any]:  # type: ignore[override]
        """The states of the current phase."""
        return self.optimizers[self.phase].state

    @property
    def defaults(self) -> dict[str, Any]:  # type: ignore[override]
        """The defaults of the current phase."""
        return self.optimizers[self.phase].defaults

    def step(self, closure: Any = None) -> Any:
        """Step the current phase's."""
        return self.optimizers[self.phase].step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear all gradients."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """States by phase."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state_dict[name])

    def __repr__(self) -> str:
        return f"PhasedOptimizer({', '.join(self.optimizers)}; now {self.phase})"


class PhasedScheduler:
    """One schedule a phase; only that of the optimiser's current phase advances.

    Args:
        optimizer: Whose phases these are.
        schedulers: By phase, in the optimiser's order.
    """

    def __init__(self, optimizer: PhasedOptimizer, schedulers: Mapping[str, LambdaLR]) -> None:
        self.optimizer = optimizer
        self.schedulers = dict(schedulers)

    def step(self) -> None:
        """Advance the current phase's."""
        self.schedulers[self.optimizer.phase].step()

    def rates(self) -> dict[str, float]:
        """The rate of each phase's next step."""
        return {name: float(scheduler.get_last_lr()[0]) for name, scheduler in self.schedulers.items()}

    def get_last_lr(self) -> list[float]:
        """The rates of all groups, in the optimiser's order."""
        return [float(rate) for scheduler in self.schedulers.values() for rate in scheduler.get_last_lr()]

    def state_dict(self) -> dict[str, Any]:
        """States by phase."""
        return {name: scheduler.state_dict() for name, scheduler in self.schedulers.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        for name, scheduler in self.schedulers.items():
            scheduler.load_state_dict(state_dict[name])
