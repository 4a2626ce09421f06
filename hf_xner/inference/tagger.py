"""The Tagger: raw text or words in, tags and entities out; any length, any number, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar, overload

import torch

from hf_xner.errors import InputError
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.parallel import TaggingProcesses
from hf_xner.inference.results import SentenceTags, TaggedSentence, assemble, place_words
from hf_xner.inference.sentences import CHUNK, SentenceTagger
from hf_xner.inference.text import Piece, iterate_sentences, split_words

_Item = TypeVar("_Item")
_Job = TypeVar("_Job")
_Words = Sequence[Sequence[str]]
Texts = list[str] | tuple[str, ...]
# Inputs of no more sentences are tagged in this process: starting others takes seconds.
_WORTH_PROCESSES = 64


class Tagger(SentenceTagger):
    """Tags raw text or pre-split words with a token classifier.

    What the input is, is said by the method called, never guessed: `tag_text`, `stream_text` and `stream_sentences`
    take raw text, `tag_words` and `stream_words` take sentences of words. There is one answer for each input, in
    order; an empty input gives an answer without tokens. Words are tokenised one by one, exactly as in training.

    A word's score is the probability of its tag, an entity's score the geometric mean of its words' scores, both after
    the model's temperature: see `hf_xner.inference.results.Entity`.

    Args:
        model: A token classifier whose `config.id2label` holds tag names.
        tokenizer: Its fast tokenizer.
        decoding: "model" (what the model's configuration says, else argmax), "argmax" or "viterbi".
        batch_subwords: Sub-words, padding included, in one batch; by default what suits the device.
        max_length: Longest window in sub-words, special tokens included; by default what the model takes.
        overlap: Sub-words that neighbouring windows share, up to half a window; by default a quarter of it.
        on_long_input: For a sentence longer than a window: "stride" (several windows, each word taken where it has
            most context), "error", or "truncate" (the rest is tagged "O" and the answer says `truncated`).
        temperature: Divides log-probabilities, for calibrated scores; by default the model configuration's, else 1.
        bf16: Run matrix products of a float32 model in bfloat16 (autocast).

    Raises:
        InputError: An option is unknown or out of range, the tokenizer is slow, or the labels are not tags.

    Example:
        >>> tagger = Tagger.from_pretrained("runs/tsl-es/student")
        >>> for entity in tagger.tag_text("Angela Merkel visitó Kiel.").entities:
        ...     print(entity.type, entity.text, entity.start, entity.end, round(entity.score, 2))
    """

    _processes: TaggingProcesses | None = None

    @classmethod
    def from_pretrained(
        cls,
        path_or_id: str,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        runtime: str = "auto",
        threads: int | None = None,
        processes: int = 1,
        vectors: str | Path | None = None,
        **options: Any,
    ) -> Tagger:
        """Load a tagger that transformers can load, or an export of `xner export`.

        Args:
            path_or_id: Folder or Hub id of a token classifier with its tokenizer.
            device: Where to run; by default an accelerator if there is one, else the CPU.
            dtype: "fp32" (default), "bf16" (weights and products; for processors that have it) or "int8" (exports
                made with --int8).
            runtime: "torch", "onnx", or "auto" (default): onnx where the folder has a graph and no weights.
            threads: Of the processor; by default what torch uses. Sets torch's number for the whole process.
            processes: Long inputs are shared among so many, each with its own model and its share of the threads.
            vectors: For a BiLSTM-CRF: the vector file that its own vectors were taken from, for words that it lacks.
            **options: As for `Tagger`.

        Raises:
            InputError: It cannot be loaded, has no tokenizer or no tag names, or an option is wrong.
        """
        for name, value in (("threads", threads), ("processes", processes)):
            if value is not None and value < 1:
                raise InputError(f"{value} {name}", remedy="give at least 1")
        if threads is not None:
            torch.set_num_threads(threads)
        loading: dict[str, Any] = {"device": device, "dtype": dtype, "runtime": runtime, "vectors": vectors}
        tagger = cls(*load_tagger(str(path_or_id), threads=threads, **loading), **options)
        if processes > 1:
            tagger._processes = TaggingProcesses(str(path_or_id), {**loading, **options}, processes, threads)
        return tagger

    def close(self) -> None:
        """End the other processes, if there are any; they start again when needed."""
        if self._processes is not None:
            self._processes.close()

    def __enter__(self) -> Tagger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        return list(self.stream_text(texts, threshold=threshold, chunk=self._chunk_for(texts)))

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
        return list(self.stream_words(sentences, threshold=threshold, chunk=self._chunk_for(sentences)))

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
        jobs = (
            (batch, [[word.text for word in sentence] for _, sentences in batch for sentence in sentences])
            for batch in _batches((_split(text) for text in texts), chunk)
        )
        for batch, tags in self._tagged(jobs, threshold, chunk):
            for text, sentences in batch:
                yield assemble(text, list(zip(sentences, islice(tags, len(sentences)), strict=True)))

    def stream_sentences(self, text: str, *, threshold: float = 0.0, chunk: int = CHUNK) -> Iterator[TaggedSentence]:
        """Tag one raw text of any length sentence by sentence, with memory bounded by `chunk` sentences.

        Args:
            text: A text: a book, say.
            threshold: As for `tag_text`.
            chunk: Sentences read ahead.

        Yields:
            One answer a sentence, in order. Its `text` is the whole text, and so are its offsets those of the whole
            text.
        """
        sentences = iter(_pieces(text))
        batches = iter(lambda: list(islice(sentences, max(1, chunk))), [])
        jobs = ((batch, [[word.text for word in sentence] for sentence in batch]) for batch in batches)
        for batch, tags in self._tagged(jobs, threshold, chunk):
            for sentence, tagged in zip(batch, tags, strict=True):
                yield assemble(text, [(sentence, tagged)])

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
        batches = iter(lambda: list(islice(stream, max(1, chunk))), [])
        for batch, tags in self._tagged(((batch, batch) for batch in batches), threshold, chunk):
            for words, tagged in zip(batch, tags, strict=True):
                text, pieces = place_words(words)
                yield assemble(text, [(pieces, tagged)])

    def _tagged(
        self, jobs: Iterator[tuple[_Job, _Words]], threshold: float, chunk: int
    ) -> Iterator[tuple[_Job, Iterator[SentenceTags]]]:
        """Yield each job with the tags of its sentences, from this process or from several."""
        if not 0 <= threshold <= 1:
            raise InputError(f"a threshold of {threshold}", remedy="give a number between 0 and 1")
        # A chunk of one is to be answered before the next is read, which several processes cannot do.
        if self._processes is not None and chunk > 1:
            first = list(islice(jobs, 2))
            jobs = chain(first, jobs)
            if len(first) == 2 or sum(len(words) for _, words in first) > _WORTH_PROCESSES:
                yield from self._processes.tag(jobs, threshold)
                return
        for job, words in jobs:
            yield job, self.tag_sentences(words, threshold)

    def _chunk_for(self, inputs: Iterable[Any]) -> int:
        if self._processes is None or not isinstance(inputs, Sized):
            return CHUNK
        return self._processes.chunk_size(len(inputs))


def _split(text: str) -> tuple[str, list[list[Piece]]]:
    """A text with the words of each of its sentences; offsets are those of the text."""
    return text, list(_pieces(text))


def _pieces(text: str) -> Iterator[list[Piece]]:
    """The words of each sentence of a text, with offsets in it."""
    if not isinstance(text, str):
        raise InputError(
            f"expected a text (a string), found {type(text).__name__}",
            remedy="for sentences already split into words call tag_words",
        )
    for sentence in iterate_sentences(text):
        begin = sentence.start
        yield [Piece(word.text, begin + word.start, begin + word.end) for word in split_words(sentence.text)]


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
