"""Several processes that tag: each holds the model, gets its share of the threads, and works on whole chunks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, TypeVar

import torch

from hf_xner.errors import InputError
from hf_xner.inference.results import SentenceTags
from hf_xner.inference.sentences import CHUNK

_Job = TypeVar("_Job")
_LEAST_CHUNK = 64  # sentences: below that padding and transport cost more than another process gains
_CHUNKS_AHEAD = 2  # chunks a process that are read and kept ahead: bounds memory, keeps every process busy
_tagger: Any = None  # a worker's own


class TaggingProcesses:
    """Worker processes, started when first needed, that answer chunks of sentences in order.

    They are spawned, not forked, so that neither threads nor an accelerator's state of this process get into them; a
    script that uses them needs the usual `if __name__ == "__main__":`.

    Args:
        source: What each worker loads: a folder or Hub id.
        options: Of `Tagger.from_pretrained`.
        processes: How many.
        threads: In all; each worker gets its share, at least one.
    """

    def __init__(self, source: str, options: dict[str, Any], processes: int, threads: int | None = None) -> None:
        self.processes = processes
        share = max(1, (threads or torch.get_num_threads()) // processes)
        self._arguments = (source, {**options, "threads": share, "processes": 1})
        self._executor: ProcessPoolExecutor | None = None

    def chunk_size(self, n_sentences: int) -> int:
        """Sentences a chunk, so that all processes have something to do with an input of known length."""
        return max(_LEAST_CHUNK, min(CHUNK, -(-n_sentences // (2 * self.processes))))

    def tag(
        self, jobs: Iterator[tuple[_Job, Sequence[Sequence[str]]]], threshold: float
    ) -> Iterator[tuple[_Job, Iterator[SentenceTags]]]:
        """Yield each job with the tags of its sentences, in order.

        Args:
            jobs: Anything, with sentences of words; read a few chunks ahead.
            threshold: Entities with a score below it are left out.

        Raises:
            InputError: As a worker's Tagger, or a worker died.
        """
        waiting: deque[tuple[_Job, list[Future]]] = deque()
        try:
            for job, sentences in jobs:
                waiting.append((job, [self._submit(chunk, threshold) for chunk in _chunks(sentences)]))
                while sum(len(futures) for _, futures in waiting) > _CHUNKS_AHEAD * self.processes:
                    yield self._collect(waiting)
            while waiting:
                yield self._collect(waiting)
        finally:
            for _, futures in waiting:
                for future in futures:
                    future.cancel()

    def close(self) -> None:
        """End the workers; another call of `tag` starts new ones."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def _submit(self, sentences: Sequence[Sequence[str]], threshold: float) -> Future:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(
                self.processes,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=self._arguments,
            )
            weakref.finalize(self, self._executor.shutdown, wait=False, cancel_futures=True)
        try:
            return self._executor.submit(_work, sentences, threshold)
        except BrokenProcessPool as error:
            raise self._broken() from error

    def _collect(self, waiting: deque[tuple[_Job, list[Future]]]) -> tuple[_Job, Iterator[SentenceTags]]:
        job, futures = waiting.popleft()
        try:
            return job, iter([tags for future in futures for tags in future.result()])
        except BrokenProcessPool as error:
            raise self._broken() from error

    def _broken(self) -> InputError:
        self._executor = None
        return InputError(
            f"one of {self.processes} tagging processes ended before its work was done",
            remedy="use fewer processes if memory is short (each holds a model); in a script put the calls under "
            'if __name__ == "__main__":',
        )


def _chunks(sentences: Sequence[Sequence[str]]) -> Iterator[Sequence[Sequence[str]]]:
    for begin in range(0, len(sentences), CHUNK):
        yield sentences[begin : begin + CHUNK]


def _start(source: str, options: dict[str, Any]) -> None:
    """Make a worker of this process."""
    global _tagger
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if options["threads"] == 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"

    from transformers.utils import logging

    from hf_xner.inference.tagger import Tagger

    logging.disable_progress_bar()
    _tagger = Tagger.from_pretrained(source, **options)


def _end_with_parent() -> None:
    """A worker whose parent was killed would otherwise wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(sentences: Sequence[Sequence[str]], threshold: float) -> list[SentenceTags]:
    return list(_tagger.tag_sentences(sentences, threshold))
