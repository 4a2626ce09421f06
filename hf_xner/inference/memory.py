"""What a process on a CPU keeps of memory that it does not need.

Batches are as wide as their sentences, so a training meets thousands of shapes. oneDNN keeps a kernel for each of the
last 1,024, some hundreds of megabytes that are seldom used again, and the C library keeps what lies free between
blocks in use: a run of many stages grew to gigabytes.
"""

from __future__ import annotations

import ctypes
import os
import sys

KERNELS = 64  # several times what one step of a model uses; as fast as 1,024


def bound_kernel_cache() -> None:
    """Let oneDNN keep `KERNELS` kernels, unless ONEDNN_PRIMITIVE_CACHE_CAPACITY says otherwise.

    It is read once, at the first product of matrices, so this must come before.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))


def give_memory_back() -> None:
    """Return free memory to the system; does nothing where the C library is not GNU's."""
    if sys.platform != "linux":
        return
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # musl
        return
