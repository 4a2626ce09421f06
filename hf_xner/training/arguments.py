"""Training arguments with the papers' defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import TrainingArguments


@dataclass
class TokenClassificationArguments(TrainingArguments):
    """transformers' arguments with the defaults that TSL, UniTrans, TransAdv and MSD share.

    Batches of 32, 3 epochs, AdamW 5e-5 with weight decay 0.01 (none on biases and LayerNorm), linear warm-up over 10 %
    of the steps and linear decay, gradients clipped at norm 1.
    """

    learning_rate: float = field(default=5e-5, metadata={"help": "Peak rate of AdamW."})
    num_train_epochs: float = field(default=3.0, metadata={"help": "Passes over the training rows."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Rows in a batch of one process."})
    weight_decay: float = field(default=0.01, metadata={"help": "Decoupled weight decay."})
    warmup_steps: float = field(default=0.1, metadata={"help": "Warm-up: below 1 a share of all steps."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Gradient clipping."})
    logging_steps: float = field(default=10, metadata={"help": "Optimiser steps between two log records."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to write a checkpoint."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept (the best one besides)."})
    # The filter makes the processor wait for the accelerator in every step, and hides a loss that is no number.
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "Leave as it is."})
    # Rows carry columns that no model's signature names; the collator picks what it needs.
    remove_unused_columns: bool = field(default=False, metadata={"help": "Leave as it is."})
    # Searching for unused parameters breaks models that run several forward passes before one backward pass.
    ddp_find_unused_parameters: bool | None = field(default=False, metadata={"help": "Leave as it is."})
    # Arguments of forward() whose names contain "label" would otherwise be taken for tags.
    label_names: list[str] | None = field(default_factory=lambda: ["labels"], metadata={"help": "Leave as it is."})

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """transformers', but never all steps: the first of a warm-up has the rate 0, so one alone trains nothing."""
        return min(super().get_warmup_steps(num_training_steps), max(0, num_training_steps - 1))
