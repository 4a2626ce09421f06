"""Where this process computes."""

from __future__ import annotations

import torch
from accelerate import PartialState


def on_cpu() -> bool:
    """Whether there is no accelerator."""
    return not torch.cuda.is_available() and not torch.backends.mps.is_available()


def process_state() -> PartialState:
    """accelerate's view of this process among those of its launch; sets up their group at the first call."""
    return PartialState(cpu=on_cpu())


def local_device() -> torch.device:
    """This process's own accelerator, else the CPU."""
    return process_state().device
