"""Models that read words instead of sub-words (the BiLSTM-CRF): their probabilities and their own decoding.

What takes a tokenizer's place for them, a feature extractor, says so by its attribute `reads_words`. Everything that
tags, scores or labels asks for no more than `read_words` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch

from hf_xner.data.encoding import NO_SUBWORD, UNBOUNDED, Window
from hf_xner.data.word_rows import WordRows
from hf_xner.inference.batches import CHUNK, batches_by_size
from hf_xner.inference.loading import reads_words

T = TypeVar("T")
BATCH_WORDS = 4096


def in_language(tokenizer: Any, side: str) -> Any:
    """What looks words of "source" or "target" up, where that makes a difference; a tokenizer as it is."""
    return tokenizer.in_language(side) if reads_words(tokenizer) else tokenizer


@dataclass(frozen=True)
class WordReading:
    """What a word model says of a sentence.

    Attributes:
        probabilities: (n_words, C) float32, rows summing to 1.
        tags: (n_words,) int64, the most probable sequence by the model's own CRF.
    """

    probabilities: np.ndarray
    tags: np.ndarray


def read_words(
    model: Any,
    extractor: Any,
    sentences: Iterable[Sequence[str]],
    *,
    encoder: str | None = None,
    batch_words: int = BATCH_WORDS,
) -> Iterator[WordReading]:
    """Yield what the model says of every sentence, in order; sentences of any length, without words too.

    Args:
        model: A `BiLstmCrfForTokenClassification`.
        extractor: Its feature extractor.
        sentences: Sentences of words; any iterable, consumed 1,024 sentences at a time.
        encoder: "source" or "target"; by default the source's for its language, else the model's own choice.
        batch_words: Words, padding included, in one batch.
    """
    stream = iter(sentences)
    n_tags = len(model.config.id2label)
    while chunk := list(islice(stream, CHUNK)):
        filled = [words for words in chunk if len(words)]
        rows = WordRows(extractor, filled)
        usual = "source" if extractor.language == "source" else model.default_encoder
        readings = iter(read_rows(model, rows, range(len(rows)), encoder=encoder or usual, batch_words=batch_words))
        nothing = WordReading(np.zeros((0, n_tags), dtype=np.float32), np.zeros(0, dtype=np.int64))
        yield from (next(readings) if len(words) else nothing for words in chunk)


def read_rows(
    model: Any, rows: WordRows, chosen: Sequence[int], *, encoder: str | None = None, batch_words: int = BATCH_WORDS
) -> list[WordReading]:
    """What the model says of some rows, in their order.

    Args:
        model: A `BiLstmCrfForTokenClassification`; it runs in evaluation mode and is put back into its mode.
        rows: The corpus.
        chosen: Numbers of rows.
        encoder: "source" or "target"; by default the model's own choice.
        batch_words: Words, padding included, in one batch.
    """

    def take(emissions: torch.Tensor, mask: torch.Tensor, lengths: np.ndarray) -> list[WordReading]:
        probabilities = model.crf.log_marginals(emissions, mask).exp().float().cpu().numpy()
        tags = model.crf.decode(emissions, mask).cpu().numpy()
        return [WordReading(probabilities[row, :length], tags[row, :length]) for row, length in enumerate(lengths)]

    return _run(model, rows, chosen, encoder, batch_words, take)


def tag_rows(
    model: Any, rows: WordRows, chosen: Sequence[int], *, encoder: str | None = None, batch_words: int = BATCH_WORDS
) -> list[np.ndarray]:
    """The tags of `read_rows` alone, without the cost of probabilities: an array (n_words,) a row."""

    def take(emissions: torch.Tensor, mask: torch.Tensor, lengths: np.ndarray) -> list[np.ndarray]:
        tags = model.crf.decode(emissions, mask).cpu().numpy()
        return [tags[row, :length] for row, length in enumerate(lengths)]

    return _run(model, rows, chosen, encoder, batch_words, take)


def _run(
    model: Any,
    rows: WordRows,
    chosen: Sequence[int],
    encoder: str | None,
    batch_words: int,
    take: Callable[[torch.Tensor, torch.Tensor, np.ndarray], list[T]],
) -> list[T]:
    """What `take` makes of emissions (B, W, C), mask (B, W) and lengths (B,), for each of the rows, in their order."""
    encoder = encoder or model.default_encoder
    device = next(model.parameters()).device
    order = sorted(chosen, key=lambda row: -rows.lengths[row])
    found: dict[int, T] = {}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for places in batches_by_size([int(rows.lengths[row]) for row in order], batch_words):
                batch = [order[place] for place in places]
                words = rows.batch(batch, device=device)
                emissions = model.all_emissions(words, (encoder,))[encoder]
                found.update(zip(batch, take(emissions, words.mask, rows.lengths[batch]), strict=True))
    finally:
        model.train(was_training)
    return [found[row] for row in chosen]


class WholeSentences:
    """What `WordEncoder` is to tokenizers: sentences of words as they are, one window each, of any length."""

    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()
    overlap = 0
    room = UNBOUNDED

    def encode(self, sentences: Iterable[Sequence[str]]) -> Iterator[list[Window]]:
        """Yield one window a sentence with as many ids as words, none of which mean anything."""
        for words in sentences:
            yield [Window([NO_SUBWORD] * len(words), 0, list(range(len(words))), len(words))]
