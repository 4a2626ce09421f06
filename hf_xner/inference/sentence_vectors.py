"""Sentence vectors: one vector a sentence, by which MSD and multi-source TSL compare languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.errors import InputError
from hf_xner.inference.batches import CHUNK, batches_by_size
from hf_xner.inference.device import local_device
from hf_xner.inference.loading import BROKEN, load_tokenizer, unusable, without_load_report
from hf_xner.inference.probabilities import run_rows
from hf_xner.models.backbone import pooler_options

POOLINGS = ("cls", "pooler", "mean")


def sentence_vectors(
    model: Any,
    tokenizer: Any,
    sentences: Iterable[Sequence[str]],
    *,
    max_length: int,
    pooling: str = "cls",
    batch_subwords: int = 4096,
) -> Iterator[np.ndarray]:
    """Yield a vector for every sentence, in order, dropout off.

    Args:
        model: An encoder or a token classifier; of a multi-channel model the vector is `mmd_state`, which a student
            of another width than its teacher projects to the teacher's.
        tokenizer: Its fast tokenizer.
        sentences: Sentences of words; any iterable, consumed 1,024 sentences at a time.
        max_length: Longer sentences are cut to so many sub-words, as in training.
        pooling: "cls" for the last hidden state at the first position, "pooler" for what the encoder's pooler makes
            of it, "mean" for the mean of the last hidden states over all sub-words, special tokens included.
        batch_subwords: Sub-words, padding included, in one batch.

    Yields:
        Arrays of shape (H,), float32.
    """
    encoder = WordEncoder(tokenizer, max_length=longest_input(tokenizer, model.config, max_length), truncate=True)
    pad_id = tokenizer.pad_token_id or 0
    # A plain tagger does not hand out its encoder's states, so its encoder is asked alone.
    states = model if hasattr(model, "channel_weights") else model.base_model
    stream = iter(sentences)
    while chunk := list(islice(stream, CHUNK)):
        rows = [windows[0].input_ids for windows in encoder.encode(chunk)]
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]), reverse=True)
        vectors: list[np.ndarray] = [np.zeros(0, dtype=np.float32)] * len(rows)
        for batch in batches_by_size([len(rows[index]) for index in order], batch_subwords):
            chosen = [order[position] for position in batch]
            lengths = [len(rows[index]) for index in chosen]
            read = partial(_pooled, pooling=pooling, lengths=lengths)
            found = run_rows(states, [rows[index] for index in chosen], pad_id, read=read).cpu().numpy()
            for index, vector in zip(chosen, found, strict=True):
                vectors[index] = vector
        yield from vectors


def load_sentence_encoder(name: str, pooling: str = "cls") -> tuple[Any, Any]:
    """A pretrained encoder as it is, and its tokenizer, in evaluation mode, on this process's own device.

    Args:
        name: Folder or Hub id.
        pooling: As for `sentence_vectors`.

    Raises:
        InputError: It cannot be loaded, or has no trained pooler where that is asked for.
    """
    from transformers import AutoConfig, AutoModel

    tokenizer = load_tokenizer(name)
    try:
        options = {} if pooling == "pooler" else pooler_options(AutoConfig.from_pretrained(name))
        with without_load_report():
            model, report = AutoModel.from_pretrained(name, dtype=torch.float32, output_loading_info=True, **options)
    except BROKEN as error:
        raise unusable(name, "encoder", error) from error
    pooler = getattr(model, "pooler", None)
    if pooling == "pooler" and (pooler is None or any("pooler" in key for key in report["missing_keys"])):
        raise InputError("the encoder has no trained pooler", where=name, remedy="use its [CLS] states or their mean")
    return model.eval().to(local_device()), tokenizer


def _pooled(outputs: Any, *, pooling: str, lengths: Sequence[int]) -> torch.Tensor:
    """Vectors (B, H) of rows with so many sub-words."""
    if hasattr(outputs, "mmd_state"):
        return outputs.mmd_state
    if pooling == "pooler":
        return outputs.pooler_output
    states = outputs.last_hidden_state
    if pooling == "cls":
        return states[:, 0]
    sizes = torch.tensor(lengths, device=states.device).unsqueeze(1)
    mask = torch.arange(states.shape[1], device=states.device) < sizes
    return (states * mask.unsqueeze(-1)).sum(dim=1) / sizes
