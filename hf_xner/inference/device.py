"""Where this process computes."""

from __future__ import annotations

import os

import torch
from accelerate import PartialState


def on_cpu() -> bool:
    """Whether there is no accelerator."""
    return not torch.cuda.is_available() and not torch.backends.mps.is_available()


def process_state() -> PartialState:
    """accelerate's view of this process among those of its launch; all must call it, for it sets up their group."""
    return PartialState(cpu=on_cpu())


def local_device() -> torch.device:
    """This process's own accelerator, else the CPU; one process alone may ask."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
