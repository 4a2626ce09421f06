"""Words to sub-words: windows, first sub-words, and nothing lost.

The first sub-word stands for the word, everywhere in hf_xner. Where a word begins is known from tokenisation alone,
never from tags, so that no mask can carry a gold label into training.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hf_xner.errors import InputError

NO_SUBWORD = -1
UNBOUNDED = 100_000  # tokenizers without a limit report 1e30; anything above this means "no limit"


@dataclass(frozen=True)
class Window:
    """A piece of a sentence that fits the encoder.

    Attributes:
        input_ids: Sub-word ids with the tokenizer's special tokens around them.
        first_word: Index, in the sentence, of the first word that the window covers.
        positions: For each covered word, the index in `input_ids` of its first sub-word; `NO_SUBWORD` where the word
            has none, or where a neighbouring window gives it more context. Over all windows of a sentence every word
            that has a sub-word has exactly one position.
        end: Index in `input_ids` after the last sub-word of these words; what follows belongs to another window.
    """

    input_ids: list[int]
    first_word: int
    positions: list[int]
    end: int


def longest_input(tokenizer: Any, model_config: Any = None, limit: int | None = None) -> int:
    """Longest input, in sub-words with special tokens, that tokenizer and model both take.

    Args:
        tokenizer: A fast tokenizer; its `model_max_length` counts.
        model_config: A transformers configuration; its `max_position_embeddings` counts.
        limit: A wish for something shorter.

    Returns:
        The smallest of the bounds, 512 if there is none.
    """
    bounds = [tokenizer.model_max_length, limit]
    # A research model keeps the configuration of its encoder inside its own.
    model_config = getattr(model_config, "encoder_config", model_config)
    positions = getattr(model_config, "max_position_embeddings", None)
    if positions and positions > 0:
        # RoBERTa-like models number positions from padding_idx + 1, so two of them are never used.
        offset = 2 if getattr(model_config, "model_type", "") in {"roberta", "xlm-roberta", "camembert"} else 0
        bounds.append(positions - offset)
    usable = [int(bound) for bound in bounds if bound is not None and 0 < bound < UNBOUNDED]
    return min(usable, default=512)


class WordEncoder:
    """Encodes pre-split sentences with any fast tokenizer.

    Args:
        tokenizer: A fast tokenizer (`is_fast`); words are tokenised one by one, as in training and in all five papers.
        max_length: Longest window in sub-words, special tokens included.
        overlap: Sub-words that neighbouring windows share, so that a word at a seam has context on both sides.
            Defaults to a quarter of the window.
        truncate: Keep only the first window of a sentence and cut it there, as the papers' training code does.

    Raises:
        InputError: The tokenizer is slow, or window and overlap do not fit each other.
    """

    def __init__(
        self, tokenizer: Any, *, max_length: int = 128, overlap: int | None = None, truncate: bool = False
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise InputError(
                f"{type(tokenizer).__name__} is not a fast tokenizer and cannot say which word a sub-word belongs to",
                remedy="use an encoder with a tokenizer.json",
            )
        self.tokenizer = tokenizer
        self.prefix, self.suffix = _special_tokens(tokenizer)
        self.room = max_length - len(self.prefix) - len(self.suffix)
        self.overlap = min(self.room // 2, max(0, max_length // 4 if overlap is None else overlap))
        self.truncate = truncate
        if self.room < 1 or (overlap is not None and overlap >= self.room):
            shared = "" if overlap is None else f" with an overlap of {overlap}"
            raise InputError(
                f"windows of {max_length} sub-words{shared} leave no room for text",
                remedy="give longer ones (--max_length)" + " or a smaller overlap" * bool(shared),
            )

    def encode(self, sentences: Iterable[Sequence[str]], *, chunk: int = 1000) -> Iterator[list[Window]]:
        """Yield the windows of each sentence, in order; an empty sentence gives one window without words."""
        for batch in _chunks(sentences, chunk):
            for words, (ids, word_ids) in zip(batch, self._subwords(batch), strict=True):
                yield self._windows(len(words), ids, word_ids)

    def _subwords(self, sentences: list[Sequence[str]]) -> Iterator[tuple[list[int], list[int]]]:
        # An empty list of words is read as an empty *text* by some tokenizers, so it never gets there.
        filled = [[_composed(word) for word in words] for words in sentences if len(words)]
        encoded: Iterator[Any] = iter(
            self.tokenizer(
                filled, is_split_into_words=True, add_special_tokens=False, truncation=False, verbose=False
            ).encodings
            if filled
            else ()
        )
        for words in sentences:
            if len(words):
                encoding = next(encoded)
                yield encoding.ids, encoding.word_ids
            else:
                yield [], []

    def _windows(self, n_words: int, ids: list[int], word_ids: list[int]) -> list[Window]:
        starts = _first_subwords(n_words, word_ids)
        if len(ids) <= self.room or self.truncate:
            return [self._window(ids[: self.room], 0, starts, 0, self.room)]
        return [
            self._window(ids[begin:end], begin, starts, keep_from, keep_to)
            for begin, end, keep_from, keep_to in _spans(len(ids), self.room, self.overlap)
        ]

    def _window(self, ids: list[int], begin: int, starts: list[int], keep_from: int, keep_to: int) -> Window:
        covered = [word for word, start in enumerate(starts) if keep_from <= start < keep_to]
        first, last = (covered[0], covered[-1] + 1) if covered else (0, 0)
        shift = len(self.prefix) - begin
        positions = [start + shift if start != NO_SUBWORD else NO_SUBWORD for start in starts[first:last]]
        following = next((start for start in starts[last:] if start != NO_SUBWORD), begin + len(ids))
        end = len(self.prefix) + (min(following - begin, len(ids)) if covered else 0)
        return Window([*self.prefix, *ids, *self.suffix], first, positions, end)


def _composed(word: str) -> str:
    """A word in composed Unicode form (NFC), as vocabularies have it: many know `ñ` but no tilde after an `n`."""
    return word if word.isascii() else unicodedata.normalize("NFC", word)


def _first_subwords(n_words: int, word_ids: list[int]) -> list[int]:
    starts = [NO_SUBWORD] * n_words
    for position in range(len(word_ids) - 1, -1, -1):
        starts[word_ids[position]] = position
    return starts


def _spans(length: int, room: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (begin, end, keep_from, keep_to): a seam lies in the middle of an overlap, where context is largest."""
    begin, keep_from = 0, 0
    while True:
        end = min(begin + room, length)
        following = end - overlap
        keep_to = length if end == length else following + overlap // 2
        yield begin, end, keep_from, keep_to
        if end == length:
            return
        begin, keep_from = following, keep_to


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Ids that the tokenizer puts before and after a sequence (none for tokenizers without a template)."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    body = [index for index, flag in enumerate(special) if not flag]
    if not body:
        raise InputError("the tokenizer gives no sub-word for the letter 'a'", remedy="use another encoder")
    return list(ids[: body[0]]), list(ids[body[-1] + 1 :])


def _chunks(items: Iterable[Sequence[str]], size: int) -> Iterator[list[Sequence[str]]]:
    chunk: list[Sequence[str]] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
