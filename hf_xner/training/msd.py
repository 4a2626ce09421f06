"""Losses and Trainer of MSD (Ma et al., EMNLP 2022, section 3): channels, and [CLS] states compared by MMD.

MMD compares the rows of one forward batch of all processes together, as in the released program, whose batch of 32 is
one forward batch. Under gradient accumulation it is the mean over the step's forward batches, by their rows; the parts
that are means over words stay exact. So for MMD `--micro_batch_size` is not indifferent, and is part of a stage's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from hf_xner.data.paired_rows import PARTNER, VECTORS, PairedRows, PairSampler
from hf_xner.losses.channels import channel_cross_entropy, channel_mse
from hf_xner.losses.discrepancy import mmd_squared_to_each
from hf_xner.training.gathering import counted_once, gather_rows
from hf_xner.training.trainer import Batch, LossParts, TokenClassificationTrainer, tagging_loss


@dataclass(frozen=True)
class Discrepancy:
    """How MMD is estimated.

    Attributes:
        kernels: Gaussian kernels that are summed: 5 as released, 1 for the single kernel of the paper's text.
        unbiased: Leave a vector's distance to itself out of the means, which the released program does not.
    """

    kernels: int = 5
    unbiased: bool = False

    def to_each(self, batch: Batch, reference: torch.Tensor, samples: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """MMD^2 between a reference and each sample over the forward batches of all processes.

        Each is weighted by the forward batch's share in the rows of the accumulated batch (`row_items`, which
        `PairedTrainer` counts), so that the sum over forward batches and processes is their mean.

        Args:
            batch: The batch.
            reference: Shape (B, H).
            samples: Each of shape (B, H).
        """
        everyones, *others = gather_rows([reference, *samples])
        share = len(everyones) / batch["row_items"] if "row_items" in batch else 1.0
        values = mmd_squared_to_each(everyones, others, kernels=self.kernels, unbiased=self.unbiased)
        return [counted_once(value) * share for value in values]


@dataclass(frozen=True)
class TeacherLoss:
    """L_tea = L_main + alpha sum_m lambda_m L_m: cross-entropy of every channel (Eq. 3 to 6).

    Attributes:
        alpha: Weight of the auxiliary channels.
    """

    alpha: float = 0.05

    def __call__(self, outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
        """The weighted parts."""
        main, auxiliary = channel_cross_entropy(
            outputs.channel_logits, batch["labels"], outputs.channel_weights, batch["word_mask"], items
        )
        return {"loss_ce": main, "loss_channels": self.alpha * auxiliary}


@dataclass(frozen=True)
class StudentLoss:
    """L_final = L_main^KD + beta sum_m lambda'_m L_m^KD + alpha' L_MMD^M + beta' L_MMD^L (Eq. 11 to 15).

    L_MMD^M lies between the teacher's and the student's [CLS] on source sentences, L_MMD^L between the teacher's on
    source and the student's on target sentences. The teacher's are stored, so no gradient can reach them.

    Attributes:
        channels: Which of the teacher's channels each of the student's learns from, main last; positions among those
            of the stored labels.
        beta: Weight of the auxiliary channels.
        mmd_model: alpha', the weight of L_MMD^M.
        mmd_language: beta', the weight of L_MMD^L.
        discrepancy: How MMD is estimated.
    """

    channels: tuple[int, ...] = (0,)
    beta: float = 0.05
    mmd_model: float = 0.001
    mmd_language: float = 0.001
    discrepancy: Discrepancy = Discrepancy()

    @property
    def reads_partners(self) -> bool:
        """Whether the student must read the source sentences; L_MMD^L needs the teacher's stored vectors alone."""
        return self.mmd_model != 0

    @property
    def compares(self) -> bool:
        """Whether an MMD takes part."""
        return self.mmd_model != 0 or self.mmd_language != 0

    def __call__(self, outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
        """The weighted parts."""
        stored = batch["soft_labels"].unflatten(-1, (-1, outputs.logits.shape[-1]))  # (B, L, K, C)
        targets = stored[:, :, list(self.channels)].transpose(1, 2)
        main, auxiliary = channel_mse(
            outputs.channel_logits, targets, outputs.channel_weights, batch["word_mask"], items
        )
        parts = {"loss_kd": main}
        if len(self.channels) > 1:
            parts["loss_channels"] = self.beta * auxiliary
        return parts | (self._discrepancies(outputs, batch) if self.compares else {})

    def _discrepancies(self, outputs: Any, batch: Batch) -> LossParts:
        wanted = {
            "loss_mmd_model": (self.mmd_model, outputs.partner_state),
            "loss_mmd_language": (self.mmd_language, outputs.mmd_state),
        }
        wanted = {name: part for name, part in wanted.items() if part[0]}
        states = [state for _, state in wanted.values()]
        values = self.discrepancy.to_each(batch, batch[PARTNER + VECTORS], states)
        return {name: weight * value for (name, (weight, _)), value in zip(wanted.items(), values, strict=True)}


@dataclass(frozen=True)
class ImplicitTransferLoss:
    """The teacher of "TSL w. MMD": cross-entropy + weight MMD^2 of its own [CLS] on source and on target sentences.

    As released both are taken after dropout, and the gradient flows through both.

    Attributes:
        mmd: The weight.
        discrepancy: How MMD is estimated.
    """

    mmd: float = 0.05
    discrepancy: Discrepancy = Discrepancy()
    reads_partners = True

    def __call__(self, outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
        """The weighted parts."""
        (value,) = self.discrepancy.to_each(batch, outputs.mmd_state, [outputs.partner_state])
        return tagging_loss(outputs, batch, items) | {"loss_mmd_language": self.mmd * value}


PairedLoss = StudentLoss | ImplicitTransferLoss


class PairedTrainer(TokenClassificationTrainer):
    """The Trainer for rows with partners: both languages go through the model in one call.

    Args:
        loss: One of this module's losses.
        more: As for `TokenClassificationTrainer`; `train_dataset` are `PairedRows`, collated by `PairedCollator`.
    """

    loss: PairedLoss

    def __init__(self, model: Any = None, args: Any = None, *, loss: PairedLoss, **more: Any) -> None:
        super().__init__(model, args, loss=loss, **more)

    def get_batch_samples(self, epoch_iterator: Iterator, num_batches: int, device: torch.device) -> tuple[list, Any]:
        """Count the words, and the rows, of the accumulated batch over all processes."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        rows = self._total("rows", batches, device)
        for batch in batches:
            batch["row_items"] = rows
        return batches, items

    def run_model(self, model: Any, inputs: Batch) -> Any:
        """One call for rows and partners; two would be one too many for distributed training."""
        names = ("input_ids", "attention_mask")
        partners = {PARTNER + name: inputs[PARTNER + name] for name in names if self.loss.reads_partners}
        return model(**{name: inputs[name] for name in names}, **partners)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        pairs = self.train_dataset if train_dataset is None else train_dataset
        if not isinstance(pairs, PairedRows):
            return super()._get_train_sampler(train_dataset)
        return PairSampler(pairs.rows.lengths, pairs.partners.lengths, self.rows_in_a_step, self.args.seed)
