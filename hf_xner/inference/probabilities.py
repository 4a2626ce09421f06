"""Word probabilities of a token classifier: the one forward pass that labelling, evaluation and tagging share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch

from hf_xner.data.encoding import Window, WordEncoder, longest_input
from hf_xner.inference.batches import CHUNK, batches_by_size
from hf_xner.inference.device import device_of
from hf_xner.inference.loading import reads_words
from hf_xner.inference.word_models import read_words

Read = Callable[[Any], torch.Tensor]


def main_logits(outputs: Any) -> torch.Tensor:
    """What a token classifier decides by, shape (B, L, C)."""
    return outputs.logits


def word_probabilities(
    model: torch.nn.Module,
    tokenizer: Any,
    sentences: Iterable[Sequence[str]],
    *,
    max_length: int | None = None,
    overlap: int | None = None,
    truncate: bool = False,
    batch_subwords: int = 4096,
    bf16: bool = False,
    read: Read = main_logits,
) -> Iterator[np.ndarray]:
    """Yield tag probabilities for every word of every sentence, in order.

    The model runs in evaluation mode without gradients and is put back into the mode it was in. Long sentences are
    windowed (or cut, with `truncate`); a word without a sub-word, or cut away, gets the one-hot vector of "O".

    Args:
        model: A token classifier (`logits` of shape (B, L, C)) with `config.label2id` that names "O".
        tokenizer: Its fast tokenizer.
        sentences: Sentences of words; any iterable, consumed 1,024 sentences at a time.
        max_length: Longest window in sub-words, special tokens included; by default what model and tokenizer take.
        overlap: Sub-words shared by neighbouring windows; a quarter of the window by default.
        truncate: Cut instead of windowing: what a plain pipeline does.
        batch_subwords: Sub-words, padding included, in one batch.
        bf16: Run matrix products in bfloat16.
        read: Takes the logits, shape (B, L, ..., C), out of the model's output.

    Yields:
        Arrays of shape (n_words, ..., C), float32, rows summing to 1.
    """
    if reads_words(tokenizer):
        yield from (reading.probabilities for reading in read_words(model, tokenizer, sentences))
        return
    encoder = WordEncoder(
        tokenizer,
        max_length=longest_input(tokenizer, model.config, max_length),
        overlap=overlap,
        truncate=truncate,
    )
    pad_id = tokenizer.pad_token_id or 0
    stream = iter(sentences)
    while chunk := list(islice(stream, CHUNK)):
        windows = list(encoder.encode(chunk))
        sizes = [len(words) for words in chunk]
        yield from read_windows(model, windows, sizes, pad_id, batch_subwords=batch_subwords, bf16=bf16, read=read)


def read_windows(
    model: torch.nn.Module,
    windows: Sequence[Sequence[Window]],
    sizes: Sequence[int],
    pad_id: int,
    *,
    batch_subwords: int,
    slack: int | None = None,
    bf16: bool = False,
    read: Read = main_logits,
) -> list[np.ndarray]:
    """Tag probabilities for every word of encoded sentences, read in batches of windows of like length.

    Args:
        model: A token classifier.
        windows: The windows of each sentence.
        sizes: Words of each sentence.
        pad_id: What rows are filled up with.
        batch_subwords: Sub-words, padding included, in one batch.
        slack: See `batches_by_size`.
        bf16: Run matrix products in bfloat16.
        read: As for `word_probabilities`.

    Returns:
        An array (n_words, ..., C) a sentence, float32.
    """
    config: Any = model.config
    results: list[np.ndarray] = []
    items = [(index, window) for index, several in enumerate(windows) for window in several]
    items.sort(key=lambda item: len(item[1].input_ids), reverse=True)
    lengths = [len(window.input_ids) for _, window in items]
    for batch in batches_by_size(lengths, batch_subwords, slack):
        rows = [items[position] for position in batch]
        probabilities = window_probabilities(
            model, [window.input_ids for _, window in rows], pad_id, bf16=bf16, read=read
        )
        if not results:
            results = _all_outside(sizes, probabilities.shape[2:], config.label2id["O"])
        for row, (index, window) in enumerate(rows):
            positions = np.asarray(window.positions, dtype=np.int64)
            kept = positions >= 0
            words = window.first_word + np.flatnonzero(kept)
            results[index][words] = probabilities[row, positions[kept]]
    return results


def _all_outside(sizes: Sequence[int], shape: Sequence[int], outside: int) -> list[np.ndarray]:
    """The one-hot vector of "O" for every word: arrays (n_words, *shape)."""
    results = [np.zeros((size, *shape), dtype=np.float32) for size in sizes]
    for result in results:
        result[..., outside] = 1.0
    return results


def window_probabilities(
    model: torch.nn.Module,
    rows: Sequence[Sequence[int]],
    pad_id: int,
    *,
    bf16: bool = False,
    read: Read = main_logits,
) -> np.ndarray:
    """Softmax of the logits for a batch of rows of sub-word ids: shape (B, L, ..., C), float32."""
    return torch.softmax(run_rows(model, rows, pad_id, bf16=bf16, read=read), dim=-1).cpu().numpy()


def run_rows(
    model: torch.nn.Module, rows: Sequence[Sequence[int]], pad_id: int, *, bf16: bool = False, read: Read
) -> torch.Tensor:
    """What `read` takes out of the model's output for a batch of rows of sub-word ids, float32.

    The model runs in evaluation mode without gradients and is put back into the mode it was in.
    """
    length = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((len(rows), length), dtype=torch.long)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = torch.as_tensor(row)
        attention_mask[index, : len(row)] = 1
    device = device_of(model)
    with evaluating(model), torch.inference_mode(), autocast(device, bf16):
        values = read(model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)))
    return values.float()


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode and back again; a walk through its modules only where it is not in it yet."""
    if not model.training:
        yield
        return
    model.eval()
    try:
        yield
    finally:
        model.train()


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager:
    """bfloat16 autocast on `device`, or nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext()
