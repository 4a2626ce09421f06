"""How much memory a piece of work takes at its peak."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path


def anonymous_memory() -> int:
    """Bytes of anonymous memory that this process has (Linux): what is no view of a file."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no RssAnon: this benchmark needs Linux")


def resident_memory() -> int:
    """Bytes of memory that this process has, mapped files included (Linux)."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class PeakMemory:
    """Samples a measure of this process' memory every few milliseconds; `growth` is its peak growth in bytes.

    Args:
        read: The measure.
    """

    def __init__(self, read: Callable[[], int] = anonymous_memory) -> None:
        self._read = read

    def __enter__(self) -> PeakMemory:
        self._start = self._read()
        self.growth = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.growth = max(self.growth, self._read() - self._start)

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self.growth = max(self.growth, self._read() - self._start)
