"""Where this process computes."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import PartialState

from hf_xner.inference.memory import bound_kernel_cache

bound_kernel_cache()  # here, because whatever computes imports this file before it does


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


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model computes; the CPU for one without parameters (an ONNX graph)."""
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def native_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies in bfloat16 itself; where it does not, bfloat16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # mkldnn also calls the emulation on AVX-512 support, which other processors than x86 do not have.
        on_x86 = platform.machine().lower() in ("x86_64", "amd64")
        has_products = not on_x86 or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        supported = torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return has_products and supported
    return False


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of the processor: products of small models take less than to share them out.

    Two threads also wait for each other on every operation, which on a busy machine makes them twenty times slower
    than one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
