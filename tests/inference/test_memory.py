"""Memory that is not needed any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hf_xner.inference.memory import KERNELS, give_memory_back

NAME = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


@pytest.mark.parametrize(("given", "expected"), [(None, str(KERNELS)), ("7", "7")])
def test_whatever_computes_bounds_the_kernel_cache_but_for_what_the_user_says(given, expected):
    environment = {name: value for name, value in os.environ.items() if name != NAME}
    environment |= {} if given is None else {NAME: given}
    code = f"import os, hf_xner.inference.loading, hf_xner.training.fit; print(os.environ[{NAME!r}])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the resident size")
def test_free_memory_between_blocks_in_use_goes_back():
    blocks = [bytearray(100_000) for _ in range(2_000)]
    pin = bytearray(100_000)  # the heap cannot shrink below it by itself
    full = resident_megabytes()
    del blocks
    give_memory_back()
    assert resident_megabytes() < full - 150
    assert len(pin) == 100_000


def resident_megabytes() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
