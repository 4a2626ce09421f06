"""How long a stage may take on this machine, for a dry run whose store has not measured it yet."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import NamedTuple

import torch
from datasets import Dataset

from hf_xner.inference.device import local_device
from hf_xner.inference.loading import load_encoder_for_tagging
from hf_xner.inference.probabilities import autocast
from hf_xner.training.fit import freeze

SUBWORDS_PER_TOKEN = 1.4  # of multilingual vocabularies on the CoNLL corpora
ROWS, LENGTH = 32, 32


class Rates(NamedTuple):
    """What an encoder takes here.

    Attributes:
        train: Seconds for one sub-word in a training step.
        label: Seconds for one sub-word in a forward pass without gradients.
        model_bytes: Size of a tagger as it is saved, in float32.
    """

    train: float
    label: float
    model_bytes: int


@lru_cache(maxsize=4)
def measure_rates(encoder: str, bf16: bool, freeze_layers: int | None = None) -> Rates:
    """Time one batch of each kind after a warm-up: a few seconds for a large encoder.

    Args:
        encoder: Folder or Hub id.
        bf16: Multiply in bfloat16.
        freeze_layers: Bottom layers that a training freezes; None for a quarter.

    Raises:
        InputError: The encoder has fewer layers, or no list of them.
    """
    model = load_encoder_for_tagging(encoder, ["O", "B-X", "I-X"]).train()
    model.to(local_device())
    freeze(model, freeze_layers)
    train, label = (_time(model, bf16, gradients) for gradients in (True, False))
    size = 4 * sum(weight.numel() for weight in model.parameters())
    return Rates(train / (ROWS * LENGTH), label / (ROWS * LENGTH), size)


def _time(model: torch.nn.Module, bf16: bool, gradients: bool) -> float:
    device = next(model.parameters()).device
    ids = torch.full((ROWS, LENGTH), 5, device=device)
    seconds = 0.0
    for _ in range(2):  # the first pass warms up
        start = time.perf_counter()
        with torch.set_grad_enabled(gradients), autocast(device, bf16):
            total = model(input_ids=ids).logits.float().sum()
        if gradients:
            total.backward()
        total.item()
        seconds = time.perf_counter() - start
    return seconds


def subwords(sentences: Dataset) -> float:
    """Sub-words of a corpus, estimated from its tokens."""
    tokens = sum(len(words) for batch in sentences.iter(1000) for words in batch["tokens"])
    return SUBWORDS_PER_TOKEN * tokens
