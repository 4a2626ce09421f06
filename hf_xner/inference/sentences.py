"""Sentences of words to tags, scores and entities: what a Tagger does in each of its processes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from hf_xner.data.encoding import Window, WordEncoder, longest_input
from hf_xner.errors import InputError
from hf_xner.inference.decoding import CRF, TagDecoder
from hf_xner.inference.device import device_of
from hf_xner.inference.loading import reads_words
from hf_xner.inference.probabilities import read_windows, word_probabilities
from hf_xner.inference.results import SentenceTags
from hf_xner.inference.word_models import WholeSentences, read_words
from hf_xner.labels import OUTSIDE, spans_from_tags

CHUNK = 2048  # sentences that are encoded and sorted by length together: twice as many save 5 %, and take memory
ON_LONG_INPUT = ("stride", "error", "truncate")
_EARLIER_NAMES = {"windows": "stride"}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # no tokenizer takes them; broken JSON and file names hold some
# On CPUs small batches stay in the cache (1024 positions a thread took 85 µs a sub-word of xner-mini, 4096 took 133),
# and another batch costs about as much as 64 padded positions. An accelerator wants large batches.
_CPU_BATCH, _CPU_BATCH_LIMIT, _CPU_SLACK = 1024, 8192, 64
_ACCELERATOR_BATCH = 4096


class SentenceTagger:
    """Tags pre-split sentences with a token classifier; see `Tagger` for the arguments."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        decoding: str = "model",
        batch_subwords: int | None = None,
        max_length: int | None = None,
        overlap: int | None = None,
        on_long_input: str = "stride",
        temperature: float | None = None,
        bf16: bool = False,
    ) -> None:
        on_long_input = _EARLIER_NAMES.get(on_long_input, on_long_input)
        if on_long_input not in ON_LONG_INPUT:
            raise InputError(
                f"unknown on_long_input {on_long_input!r}", remedy=f"use one of {', '.join(ON_LONG_INPUT)}"
            )
        if batch_subwords is not None and batch_subwords < 1:
            raise InputError(f"a batch of {batch_subwords} sub-words", remedy="give at least 1")
        self.model = model
        self.tokenizer = tokenizer
        self.decoder = TagDecoder.from_config(model.config, method=decoding, temperature=temperature)
        if self.decoder.method == CRF and not reads_words(tokenizer):
            raise InputError("decoding by a CRF that the model has not", remedy="use one of model, argmax, viterbi")
        self.on_long_input = on_long_input
        self.batch_subwords = batch_subwords
        self.bf16 = bf16
        self._encoder: WordEncoder | WholeSentences
        self._cutter: WordEncoder | WholeSentences
        if reads_words(tokenizer):
            self._encoder = self._cutter = WholeSentences()
            self.max_length = self._encoder.room
        else:
            self.max_length = longest_input(tokenizer, model.config, max_length)
            self._encoder = WordEncoder(tokenizer, max_length=self.max_length, overlap=overlap)
            self._cutter = WordEncoder(tokenizer, max_length=self.max_length, truncate=True)
        _check_overlap(overlap, self._encoder)

    @property
    def overlap(self) -> int:
        """Sub-words that neighbouring windows share."""
        return self._encoder.overlap

    def tag_sentences(self, sentences: Sequence[Sequence[str]], threshold: float) -> Iterator[SentenceTags]:
        """Yield the tags of each sentence, in order; memory is bounded by `CHUNK` sentences.

        Args:
            sentences: Lists of words.
            threshold: Entities with a score below it are left out.

        Raises:
            InputError: A sentence is too long with `on_long_input="error"`.
        """
        for begin in range(0, len(sentences), CHUNK):
            yield from self._tag_chunk(sentences[begin : begin + CHUNK], threshold)

    def _tag_chunk(self, sentences: Sequence[Sequence[str]], threshold: float) -> list[SentenceTags]:
        """Sentences that say the same, of which headlines, forms and logs are full, are read once."""
        chunk = [tuple([_LONE_SURROGATE.sub("\ufffd", word) for word in words]) for words in sentences]
        distinct = list(dict.fromkeys(chunk))
        answers = dict(zip(distinct, self._tag_distinct(distinct, threshold), strict=True))
        return [answers[words] for words in chunk]

    def _tag_distinct(self, chunk: Sequence[Sequence[str]], threshold: float) -> Iterator[SentenceTags]:
        windows = list(self._encoder.encode(chunk))
        sizes = [self._measure(several) for several in windows]
        truncated = [False] * len(chunk)
        if self.on_long_input == "error":
            self._refuse_long(chunk, sizes)
        if self.on_long_input == "truncate":
            truncated = [n_windows > 1 for _, n_windows in sizes]
            long = [index for index, cut in enumerate(truncated) if cut]
            for index, cut_windows in zip(long, self._cutter.encode([chunk[index] for index in long]), strict=True):
                windows[index] = cut_windows
                sizes[index] = (sizes[index][0], 1)
        if self.decoder.method == CRF:
            readings = list(read_words(self.model, self.tokenizer, chunk))
            probabilities = [self.decoder.calibrate(reading.probabilities) for reading in readings]
            decoded = [reading.tags for reading in readings]
        else:
            probabilities = [self.decoder.calibrate(array) for array in self._read(windows, chunk)]
            decoded = self.decoder.decode(probabilities)
        for array, tag_ids, (n_subwords, n_windows), cut in zip(probabilities, decoded, sizes, truncated, strict=True):
            yield self._sentence_tags(array, tag_ids, threshold, n_subwords, n_windows, cut)

    def _read(self, windows: Sequence[Sequence[Window]], sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        if reads_words(self.tokenizer):
            return list(word_probabilities(self.model, self.tokenizer, sentences))
        on_cpu = device_of(self.model).type == "cpu"
        return read_windows(
            self.model,
            windows,
            [len(words) for words in sentences],
            self.tokenizer.pad_token_id or 0,
            batch_subwords=self.batch_subwords or _batch_size(on_cpu),
            slack=_CPU_SLACK if on_cpu else None,
            bf16=self.bf16,
        )

    def _measure(self, windows: Sequence[Window]) -> tuple[int, int]:
        """Sub-words and windows of a sentence; none of either for a sentence without sub-words."""
        special = len(self._encoder.prefix) + len(self._encoder.suffix)
        covered = sum(len(window.input_ids) - special for window in windows)
        n_subwords = covered - self._encoder.overlap * (len(windows) - 1)
        return n_subwords, len(windows) if n_subwords else 0

    def _refuse_long(self, sentences: Sequence[Sequence[str]], sizes: Sequence[tuple[int, int]]) -> None:
        for words, (n_subwords, n_windows) in zip(sentences, sizes, strict=True):
            if n_windows > 1:
                raise InputError(
                    f"a sentence of {n_subwords} sub-words, but the model takes {self._encoder.room} at once",
                    where=f"'{' '.join(words[:5])[:60]} …'",
                    remedy="split it, or use on_long_input='stride'",
                )

    def _sentence_tags(
        self,
        probabilities: np.ndarray,
        tag_ids: np.ndarray,
        threshold: float,
        n_subwords: int,
        n_windows: int,
        truncated: bool,
    ) -> SentenceTags:
        tags = self.decoder.names(tag_ids)
        scores = probabilities[np.arange(len(tag_ids)), tag_ids].astype(float)
        outside = self.decoder.tag_names.index(OUTSIDE)
        entities = []
        for span in spans_from_tags(tags, self.decoder.scheme):
            words = slice(span.start, span.end)
            score = _geometric_mean(scores[words])
            if score >= threshold:
                entities.append((span.type, span.start, span.end, score))
            else:
                tags[words] = [OUTSIDE] * (span.end - span.start)
                scores[words] = probabilities[words, outside]
        return SentenceTags(tags, scores.tolist(), entities, n_subwords, n_windows, truncated)


def _check_overlap(overlap: int | None, encoder: WordEncoder | WholeSentences) -> None:
    """Refuse what the windows cannot do, special tokens counted, rather than taking something else."""
    if overlap is not None and not 0 <= overlap <= encoder.room // 2:
        raise InputError(
            f"an overlap of {overlap} sub-words, but windows hold {encoder.room} beside the special tokens",
            remedy=f"give 0 to {encoder.room // 2} (half a window)",
        )


def _batch_size(on_cpu: bool) -> int:
    return min(_CPU_BATCH_LIMIT, _CPU_BATCH * torch.get_num_threads()) if on_cpu else _ACCELERATOR_BATCH


def _geometric_mean(scores: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(min(1.0, np.exp(np.log(scores).mean())))
