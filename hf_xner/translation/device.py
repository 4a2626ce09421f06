"""The device that somebody named, if it is there."""

from __future__ import annotations

import torch

from hf_xner.errors import InputError


def checked_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        InputError: There is none of that name, or it cannot be used on this machine.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{name!r} cannot be used here ({reason})", where="--device", remedy="say cpu, or cuda on an NVIDIA GPU"
        ) from None
    return device
