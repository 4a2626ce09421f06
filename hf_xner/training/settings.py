"""What a training run was told: everything that decides its result, and so goes into its stage's key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class FitSettings:
    """Settings of one training run, as JSON-ready values.

    Attributes:
        seed: Seed of initialisation, dropout and order.
        learning_rate: Peak rate.
        epochs: Passes over the rows.
        batch_size: Rows in one optimiser step, over all processes and accumulated batches.
        micro_batch_size: Rows in one forward pass of one process; `batch_size` must be a multiple of it.
        weight_decay: Decoupled weight decay.
        warmup: Share of the steps in which the rate rises.
        max_grad_norm: Gradient clipping.
        max_length: Longest training row in sub-words, special tokens included.
        long_sentences: "truncate" (as the papers' code) or "window" (every word trains).
        freeze_layers: Bottom layers frozen; None for a quarter.
        freeze_embeddings: Whether the embeddings are frozen.
        lora_rank: Rank of LoRA adapters, merged at the end; 0 trains the weights themselves.
        bf16: bfloat16 matrix products.
        select: "none" keeps the last epoch, "best" the epoch with the best F1 on the dev set that was given.
        eval_every: Where the best model is looked for: after so many updates; None for after every epoch.
        dropout: Whether dropout is on in training; off is what AdvPicker's released program does to its student.
    """

    seed: int = 1
    learning_rate: float = 5e-5
    epochs: float = 3.0
    batch_size: int = 32
    micro_batch_size: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.1
    max_grad_norm: float = 1.0
    max_length: int = 128
    long_sentences: str = "truncate"
    freeze_layers: int | None = None
    freeze_embeddings: bool = True
    lora_rank: int = 0
    bf16: bool = False
    select: str = "none"
    eval_every: int | None = None
    dropout: bool = True

    def as_dict(self) -> dict[str, Any]:
        """The settings by name. The micro-batch size is left out: gradient accumulation is exact.

        What was added after stages had been stored is left out where it changes nothing, so that their keys stay.
        """
        settings = asdict(self)
        del settings["micro_batch_size"]
        if self.eval_every is None or self.select != "best":
            del settings["eval_every"]
        if self.dropout:
            del settings["dropout"]
        return settings
