"""Word probabilities of a token classifier: the one forward pass that labelling, evaluation and tagging share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch

from hf_xner.data.encoding import WordEncoder, longest_input

CHUNK = 1024  # sentences whose windows are sorted by length together: bounds memory, keeps padding small


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

    Yields:
        Arrays of shape (n_words, C), float32, rows summing to 1.
    """
    encoder = WordEncoder(
        tokenizer,
        max_length=longest_input(tokenizer, model.config, max_length),
        overlap=overlap,
        truncate=truncate,
    )
    stream = iter(sentences)
    while chunk := list(islice(stream, CHUNK)):
        yield from _chunk_probabilities(model, encoder, chunk, batch_subwords, bf16)


def _chunk_probabilities(
    model: torch.nn.Module, encoder: WordEncoder, chunk: list[Sequence[str]], batch_subwords: int, bf16: bool
) -> list[np.ndarray]:
    config: Any = model.config
    outside = config.label2id["O"]
    results = [np.zeros((len(words), config.num_labels), dtype=np.float32) for words in chunk]
    for result in results:
        result[:, outside] = 1.0
    windows = [(index, window) for index, windows in enumerate(encoder.encode(chunk)) for window in windows]
    windows.sort(key=lambda item: len(item[1].input_ids), reverse=True)
    for batch in batches_by_size([len(window.input_ids) for _, window in windows], batch_subwords):
        items = [windows[position] for position in batch]
        probabilities = window_probabilities(
            model, [window.input_ids for _, window in items], encoder.tokenizer.pad_token_id or 0, bf16=bf16
        )
        for row, (index, window) in enumerate(items):
            positions = np.asarray(window.positions, dtype=np.int64)
            kept = positions >= 0
            words = window.first_word + np.flatnonzero(kept)
            results[index][words] = probabilities[row, positions[kept]]
    return results


def window_probabilities(
    model: torch.nn.Module, rows: Sequence[Sequence[int]], pad_id: int, *, bf16: bool = False
) -> np.ndarray:
    """Softmax of the logits for a batch of rows of sub-word ids: shape (B, L, C), float32."""
    length = max(len(row) for row in rows)
    input_ids = torch.full((len(rows), length), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((len(rows), length), dtype=torch.long)
    for index, row in enumerate(rows):
        input_ids[index, : len(row)] = torch.as_tensor(row)
        attention_mask[index, : len(row)] = 1
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), autocast(device, bf16):
            logits = model(input_ids=input_ids.to(device), attention_mask=attention_mask.to(device)).logits
    finally:
        model.train(was_training)
    return torch.softmax(logits.float(), dim=-1).cpu().numpy()


def autocast(device: torch.device, bf16: bool) -> AbstractContextManager:
    """bfloat16 autocast on `device`, or nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if bf16 else nullcontext()


def batches_by_size(lengths: Sequence[int], budget: int) -> Iterator[range]:
    """Split positions of a list sorted by falling length into runs whose padded size stays within `budget`.

    A single row longer than the budget makes a batch of its own.
    """
    begin = 0
    while begin < len(lengths):
        size = max(1, budget // max(1, lengths[begin]))
        yield range(begin, min(begin + size, len(lengths)))
        begin += size
