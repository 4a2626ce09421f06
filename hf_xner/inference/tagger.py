"""The Tagger: raw text or words in, tags and entities out; any length, any number, in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

import numpy as np
import torch

from hf_xner.data.encoding import Window, WordEncoder, longest_input
from hf_xner.errors import InputError
from hf_xner.inference.decoding import TagDecoder
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import CHUNK, word_probabilities
from hf_xner.inference.results import SentenceTags, TaggedSentence, assemble, place_words
from hf_xner.inference.text import Piece, iterate_sentences, split_words
from hf_xner.labels import OUTSIDE, spans_from_tags

ON_LONG_INPUT = ("windows", "error", "truncate")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # no tokenizer takes them; broken JSON and file names hold some
_Item = TypeVar("_Item")
Texts = list[str] | tuple[str, ...]


class Tagger:
    """Tags raw text or pre-split words with a token classifier.

    What the input is, is said by the method called, never guessed: `tag_text` and `stream_text` take raw text,
    `tag_words` and `stream_words` take sentences of words. There is one answer for each input, in order; an empty
    input gives an answer without tokens. Words are tokenised one by one, exactly as in training.

    Args:
        model: A token classifier whose `config.id2label` holds tag names.
        tokenizer: Its fast tokenizer.
        decoding: "model" (what the model's configuration says, else argmax), "argmax" or "viterbi".
        batch_subwords: Sub-words, padding included, in one batch.
        max_length: Longest window in sub-words, special tokens included; by default what the model takes.
        overlap: Sub-words that neighbouring windows share; by default a quarter of the window.
        on_long_input: For a sentence longer than a window: "windows" (several, each word taken where it has most
            context), "error", or "truncate" (the rest is tagged "O" and the answer says `truncated`).
        temperature: Divides log-probabilities, for calibrated scores; by default the model configuration's, else 1.
        bf16: Run matrix products in bfloat16.

    Raises:
        InputError: An option is unknown or out of range, the tokenizer is slow, or the labels are not tags.

    Example:
        >>> tagger = Tagger.from_pretrained("runs/tsl-es/student")
        >>> for entity in tagger.tag_text("Angela Merkel visitó Kiel.").entities:
        ...     print(entity.type, entity.text, entity.start, entity.end, round(entity.score, 2))
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        decoding: str = "model",
        batch_subwords: int = 4096,
        max_length: int | None = None,
        overlap: int | None = None,
        on_long_input: str = "windows",
        temperature: float | None = None,
        bf16: bool = False,
    ) -> None:
        if on_long_input not in ON_LONG_INPUT:
            raise InputError(
                f"unknown on_long_input {on_long_input!r}", remedy=f"use one of {', '.join(ON_LONG_INPUT)}"
            )
        if batch_subwords < 1:
            raise InputError(f"a batch of {batch_subwords} sub-words", remedy="give at least 1")
        self.model = model
        self.tokenizer = tokenizer
        self.decoder = TagDecoder.from_config(model.config, method=decoding, temperature=temperature)
        self.on_long_input = on_long_input
        self.batch_subwords = batch_subwords
        self.max_length = longest_input(tokenizer, model.config, max_length)
        self.overlap = overlap
        self.bf16 = bf16
        self._encoder = WordEncoder(tokenizer, max_length=self.max_length, overlap=overlap)

    @classmethod
    def from_pretrained(
        cls,
        path_or_id: str,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        **options: Any,
    ) -> Tagger:
        """Load a tagger that transformers can load.

        Args:
            path_or_id: Folder or Hub id of a token classifier with its tokenizer.
            device: Where to run; by default an accelerator if there is one, else the CPU.
            dtype: "float32" (default) or "bfloat16".
            **options: As for `Tagger`.

        Raises:
            InputError: It cannot be loaded, has no tokenizer or no tag names, or an option is wrong.
        """
        precision = str(dtype or "float32").removeprefix("torch.")
        if precision not in {"float32", "bfloat16"}:
            raise InputError(f"unknown dtype {precision!r}", remedy="use float32 or bfloat16")
        model, tokenizer = load_tagger(str(path_or_id))
        return cls(model if device is None else model.to(device), tokenizer, bf16=precision == "bfloat16", **options)

    @overload
    def __call__(self, texts: str, *, threshold: float = ...) -> TaggedSentence: ...
    @overload
    def __call__(self, texts: Texts, *, threshold: float = ...) -> list[TaggedSentence]: ...
    def __call__(self, texts: str | Texts, *, threshold: float = 0.0) -> TaggedSentence | list[TaggedSentence]:
        """The same as `tag_text`."""
        return self.tag_text(texts, threshold=threshold)

    @overload
    def tag_text(self, texts: str, *, threshold: float = ...) -> TaggedSentence: ...
    @overload
    def tag_text(self, texts: Texts, *, threshold: float = ...) -> list[TaggedSentence]: ...
    def tag_text(self, texts: str | Texts, *, threshold: float = 0.0) -> TaggedSentence | list[TaggedSentence]:
        """Tag raw text: split into sentences and words by `hf_xner.inference.text`.

        Args:
            texts: One text, or several; each may hold any number of sentences.
            threshold: Entities with a score below it are left out.

        Returns:
            One answer for one text, a list of as many answers as texts for several.

        Raises:
            InputError: A text is not a string, or too long with `on_long_input="error"`.
        """
        if isinstance(texts, str):
            return next(self.stream_text([texts], threshold=threshold))
        return list(self.stream_text(texts, threshold=threshold))

    def tag_words(self, sentences: Sequence[Sequence[str]], *, threshold: float = 0.0) -> list[TaggedSentence]:
        """Tag sentences that are already split into words.

        Args:
            sentences: Sentences, each a list of words; one sentence is `[words]`.
            threshold: Entities with a score below it are left out.

        Returns:
            One answer a sentence with one token a word, whatever the tokenizer does to it.

        Raises:
            InputError: A sentence is not a list of strings, or too long with `on_long_input="error"`.
        """
        return list(self.stream_words(sentences, threshold=threshold))

    def stream_text(
        self, texts: Iterable[str], *, threshold: float = 0.0, chunk: int = CHUNK
    ) -> Iterator[TaggedSentence]:
        """Tag raw texts one after the other, with memory bounded by `chunk` sentences or one text.

        Args:
            texts: Any iterable; a generator is consumed as answers are asked for.
            threshold: As for `tag_text`.
            chunk: Sentences read ahead, to be batched by length; 1 answers each text before reading the next.

        Yields:
            One answer a text, in order.
        """
        if isinstance(texts, str):
            raise InputError("expected several texts, found one string", remedy="call tag_text, or give a list")
        for batch in _batches((_split(text) for text in texts), chunk):
            words = [[word.text for word in sentence] for _, sentences in batch for sentence in sentences]
            tags = self._tag(words, threshold)
            for text, sentences in batch:
                yield assemble(text, list(zip(sentences, islice(tags, len(sentences)), strict=True)))

    def stream_words(
        self, sentences: Iterable[Sequence[str]], *, threshold: float = 0.0, chunk: int = CHUNK
    ) -> Iterator[TaggedSentence]:
        """Tag pre-split sentences one after the other, with memory bounded by `chunk` sentences.

        Args:
            sentences: Any iterable of lists of words; a generator is consumed as answers are asked for.
            threshold: As for `tag_words`.
            chunk: Sentences read ahead, to be batched by length; 1 answers each sentence before reading the next.

        Yields:
            One answer a sentence, in order.
        """
        stream = (_check_words(words) for words in _check_sentences(sentences))
        while batch := list(islice(stream, max(1, chunk))):
            for words, tagged in zip(batch, self._tag(batch, threshold), strict=True):
                text, pieces = place_words(words)
                yield assemble(text, [(pieces, tagged)])

    def _tag(self, sentences: Sequence[Sequence[str]], threshold: float) -> Iterator[SentenceTags]:
        for begin in range(0, len(sentences), CHUNK):
            chunk = [
                [_LONE_SURROGATE.sub("\ufffd", word) for word in words] for words in sentences[begin : begin + CHUNK]
            ]
            sizes = [self._measure(windows) for windows in self._encoder.encode(chunk)]
            if self.on_long_input == "error":
                self._refuse_long(chunk, sizes)
            truncates = self.on_long_input == "truncate"
            probabilities = [
                self.decoder.calibrate(array)
                for array in word_probabilities(
                    self.model,
                    self.tokenizer,
                    chunk,
                    max_length=self.max_length,
                    overlap=self.overlap,
                    truncate=truncates,
                    batch_subwords=self.batch_subwords,
                    bf16=self.bf16,
                )
            ]
            for array, tag_ids, (n_subwords, n_windows) in zip(
                probabilities, self.decoder.decode(probabilities), sizes, strict=True
            ):
                truncated = truncates and n_windows > 1
                yield self._sentence_tags(
                    array, tag_ids, threshold, n_subwords, 1 if truncated else n_windows, truncated
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
                    remedy="split it, or use on_long_input='windows'",
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


def _geometric_mean(scores: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(min(1.0, np.exp(np.log(scores).mean())))


def _split(text: str) -> tuple[str, list[list[Piece]]]:
    """A text with the words of each of its sentences; offsets are those of the text."""
    if not isinstance(text, str):
        raise InputError(
            f"expected a text (a string), found {type(text).__name__}",
            remedy="for sentences already split into words call tag_words",
        )
    return text, [
        [
            Piece(word.text, sentence.start + word.start, sentence.start + word.end)
            for word in split_words(sentence.text)
        ]
        for sentence in iterate_sentences(text)
    ]


def _batches(
    texts: Iterable[tuple[str, list[list[Piece]]]], chunk: int
) -> Iterator[list[tuple[str, list[list[Piece]]]]]:
    """Group texts until they hold `chunk` sentences; a text without sentences counts as one."""
    batch: list[tuple[str, list[list[Piece]]]] = []
    size = 0
    for item in texts:
        batch.append(item)
        size += max(1, len(item[1]))
        if size >= chunk:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check_sentences(sentences: Iterable[_Item]) -> Iterable[_Item]:
    if isinstance(sentences, str):
        raise InputError("expected sentences of words, found a string", remedy="for raw text call tag_text")
    return sentences


def _check_words(words: Sequence[str]) -> Sequence[str]:
    if isinstance(words, str):
        raise InputError(
            f"expected a sentence (a list of words), found the string {words[:40]!r}",
            remedy="for raw text call tag_text; one sentence of words is tag_words([words])",
        )
    for word in words:
        if not isinstance(word, str):
            raise InputError(f"expected a word (a string), found {type(word).__name__} {word!r:.40}")
    return words
