"""Taggers in memory: loaded when first asked for, used by one request at a time, the longest unused given up."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hf_xner.inference.tagger import Tagger

CAPACITY = 4


class TaggerPool:
    """Holds the taggers used last.

    Tagging takes all cores as it is, and a fast tokenizer refuses to be used by two threads at once; so one request
    at a time has the pool.

    Args:
        capacity: How many taggers stay in memory.
        load: Makes a tagger of a folder or Hub id.
    """

    def __init__(self, capacity: int = CAPACITY, load: Callable[[str], Tagger] = Tagger.from_pretrained) -> None:
        self._capacity = capacity
        self._load = load
        self._taggers: OrderedDict[str, Tagger] = OrderedDict()
        self._turn = threading.Lock()

    @contextmanager
    def use(self, place: str) -> Iterator[Tagger]:
        """Lend a tagger.

        Args:
            place: Its folder or Hub id.

        Raises:
            InputError: It cannot be loaded.
        """
        with self._turn:
            if place not in self._taggers:
                self._taggers[place] = self._load(place)
            self._taggers.move_to_end(place)
            while len(self._taggers) > self._capacity:
                self._taggers.popitem(last=False)
            yield self._taggers[place]
