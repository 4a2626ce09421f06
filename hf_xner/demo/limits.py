"""How much one request may ask for, and what people are told who ask for more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hf_xner.errors import InputError
from hf_xner.inference.inputs import Item
from hf_xner.inference.text import iterate_sentences


@dataclass(frozen=True)
class Limits:
    """What one request may hold.

    Attributes:
        characters: Of a text typed or sent.
        file_bytes: Of an uploaded file.
        sentences: Of a text or a file.
        seconds: Of computing for one request, waiting in the queue not counted.
        waiting: Requests in the queue; later ones are told to come back.
    """

    characters: int = 20_000
    file_bytes: int = 2_000_000
    sentences: int = 5_000
    seconds: float = 120.0
    waiting: int = 500

    def check_text(self, text: str) -> None:
        """Refuse a text that is empty or too long.

        Raises:
            InputError: It is.
        """
        if len(text) > self.characters:
            raise InputError(
                f"the text has {len(text):,} characters, and the page takes {self.characters:,}",
                remedy="shorten it, or upload it as a file",
            )
        if self._count(text) == 0:
            raise InputError("there is no text", remedy="type or paste some")
        self._check_sentences(self._count(text), "the text")

    def check_file(self, path: str, name: str) -> None:
        """Refuse a file that is empty or too large, before it is read.

        Args:
            path: Where it lies.
            name: What its owner calls it.

        Raises:
            InputError: It is.
        """
        size = os.path.getsize(path)
        if size == 0:
            raise InputError("the file is empty", where=name)
        if size > self.file_bytes:
            raise InputError(
                f"the file has {size / 1e6:.1f} MB, and the page takes {self.file_bytes / 1e6:g} MB",
                where=name,
                remedy="split it, or use xner predict on your own machine",
            )

    def take(self, items: Iterable[Item], name: str) -> list[Item]:
        """Read the items of a file, and no more of them than are allowed.

        Raises:
            InputError: There are too many, or none with any words.
        """
        taken: list[Item] = []
        sentences = 0
        for item in items:
            sentences += self._count(item.content) if isinstance(item.content, str) else bool(item.content)
            taken.append(item)
            # A line without words is no work, but it is kept and answered.
            self._check_sentences(max(sentences, len(taken) // 4), name)
        if sentences == 0:
            raise InputError("the file has no words", where=name)
        return taken

    def _count(self, text: str) -> int:
        """Sentences of a text; counting ends once there are too many."""
        return sum(1 for _ in islice(iterate_sentences(text), self.sentences + 1))

    def _check_sentences(self, found: int, where: str) -> None:
        if found > self.sentences:
            raise InputError(
                f"there are more than {self.sentences:,} sentences or lines",
                where=where,
                remedy="split it, or use xner predict on your own machine",
            )


class Deadline:
    """The moment at which a request has had its time.

    Args:
        seconds: How long from now.
        clock: Tells the time; for tests.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def check(self, *_: Any) -> None:
        """Do nothing while there is time.

        Raises:
            InputError: The time is up.
        """
        if self._clock() > self._end:
            raise InputError(
                f"stopped after {self.seconds:g} seconds, before the end was reached",
                remedy="send less at once, or use xner predict on your own machine",
            )

    @contextmanager
    def over(self, model: Any) -> Iterator[None]:
        """Look at the clock before every batch that `model` reads."""
        hook = model.register_forward_pre_hook(self.check)
        try:
            yield
        finally:
            hook.remove()
