"""The epoch of the sampler that orders the rows, on which their order depends."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class RowOrder(TrainerCallback):
    """Tells the sampler which epoch begins, however deep it is wrapped.

    transformers and accelerate do, but not where several processes go on within an epoch: the sampler then lies three
    wrappers deep, where neither looks, and the rest of that epoch would follow the order of the first one.
    """

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        train_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        """Set the epoch."""
        sampler: Any = getattr(train_dataloader, "batch_sampler", None)
        while sampler is not None and not hasattr(sampler, "set_epoch"):
            sampler = getattr(sampler, "batch_sampler", None) or getattr(sampler, "sampler", None)
        if sampler is not None:
            sampler.set_epoch(int(state.epoch or 0))
