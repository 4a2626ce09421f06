"""Freezing the bottom of an encoder, as all the papers do with mBERT (embeddings and 3 of 12 layers)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import nn


def encoder_layers(model: Any) -> nn.ModuleList:
    """The encoder's stack of layers, bottom first, whatever the architecture calls it.

    Args:
        model: A transformers model with `config.num_hidden_layers` (a head on top does not matter).

    Raises:
        ValueError: No list of that many layers was found.
    """
    depth = model.config.num_hidden_layers
    # Not in a research model's other parts: its classifiers are a list too.
    for module in getattr(model, "backbone", model).modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ValueError(f"{type(model).__name__} has no list of {depth} layers to freeze: use freeze_layers=0")


def default_frozen_layers(depth: int) -> int:
    """A quarter of the layers: 3 of 12 as published."""
    return depth // 4


def freeze_bottom(model: Any, layers: int | None = None, *, embeddings: bool = True) -> list[str]:
    """Switch off gradients of the embeddings and of the bottom layers.

    Frozen parts run without storing activations, because nothing below them needs a gradient; their dropout stays on
    in training, as in the papers' code.

    Args:
        model: A transformers model.
        layers: How many layers from the bottom; a quarter of them by default.
        embeddings: Also those of the sub-words, and every parameter whose name contains "embeddings".

    Returns:
        Names of the frozen parameters.

    Raises:
        ValueError: More layers than the model has.
    """
    frozen: set[torch.Tensor] = set()
    depth = model.config.num_hidden_layers
    count = default_frozen_layers(depth) if layers is None else layers
    if not 0 <= count <= depth:
        raise ValueError(f"cannot freeze {count} of {depth} layers")
    if count:
        frozen.update(weight for layer in encoder_layers(model)[:count] for weight in layer.parameters())
    if embeddings:  # families name them differently: embed_tokens, shared, word_embedding
        with suppress(NotImplementedError):  # CANINE hashes characters and has no such table; its names say it
            frozen.update(getattr(model, "backbone", model).get_input_embeddings().parameters())
    names = []
    for name, weight in model.named_parameters():
        if weight in frozen or (embeddings and "embeddings" in name):
            weight.requires_grad_(False)
            names.append(name)
    return names
