"""The student's training as the papers' code does it, written anew: what hf_xner is measured against.

All features lie in memory as tensors, every row is padded to the longest length, the teacher's probabilities are
stored in float32 for every position, rows come in a random order, everything is multiplied in float32. Where today's
torch and transformers are faster than those of the papers (attention kernels, AdamW), this loop has the benefit of it
too. The cross-entropy that the papers' code computes only to log it is left out.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, RandomSampler, TensorDataset
from transformers import get_linear_schedule_with_warmup

from hf_xner.data.rows import TrainingRows

NO_DECAY = ("bias", "LayerNorm.weight")


@dataclass(frozen=True)
class Features:
    """Every row at full length.

    Attributes:
        input_ids: Shape (N, L), int64.
        attention_mask: Shape (N, L), int64.
        segment_ids: Shape (N, L), int64, zeros.
        first_pieces: Shape (N, L), bool: true at the first sub-word of each word.
        soft_labels: Shape (N, L, C), float32: the teacher's probabilities at every position.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    segment_ids: torch.Tensor
    first_pieces: torch.Tensor
    soft_labels: torch.Tensor

    def dataset(self, rows: np.ndarray) -> TensorDataset:
        """The chosen rows."""
        return TensorDataset(*(tensor[torch.from_numpy(rows)] for tensor in vars(self).values()))


def build_features(rows: TrainingRows, n_tags: int, pad_id: int, length: int) -> Features:
    """Lay out `rows` (with soft labels) at `length` sub-words each.

    Positions that are no first sub-word get some distribution too, as a teacher gives one there; no loss reads it.
    """
    shape = (len(rows), length)
    features = Features(
        input_ids=torch.full(shape, pad_id, dtype=torch.long),
        attention_mask=torch.zeros(shape, dtype=torch.long),
        segment_ids=torch.zeros(shape, dtype=torch.long),
        first_pieces=torch.zeros(shape, dtype=torch.bool),
        soft_labels=torch.full((*shape, n_tags), 1 / n_tags),
    )
    for index in range(len(rows)):
        row = rows[index]
        size = len(row["input_ids"])
        kept = row["positions"] >= 0
        positions = torch.from_numpy(row["positions"][kept].astype(np.int64))
        features.input_ids[index, :size] = torch.from_numpy(row["input_ids"].astype(np.int64))
        features.attention_mask[index, :size] = 1
        features.first_pieces[index, positions] = True
        features.soft_labels[index, positions] = torch.from_numpy(row["soft_labels"][kept].astype(np.float32))
    return features


def bytes_per_row(length: int, n_tags: int) -> int:
    """Memory that `Features` takes for one sentence: three int64 and one bool tensor, and the float32 soft labels."""
    return length * (3 * 8 + 1 + 4 * n_tags)


def soft_label_loss(model: Any, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Squared error between probabilities, a mean over the batch's first sub-words and the C tags."""
    input_ids, attention_mask, segment_ids, first_pieces, soft_labels = batch
    segments = {"token_type_ids": segment_ids} if _takes_segments(model) else {}
    logits = model(input_ids=input_ids, attention_mask=attention_mask, **segments).logits
    active = (attention_mask.view(-1) == 1) & first_pieces.view(-1)
    probabilities = torch.softmax(logits, dim=-1).view(-1, logits.shape[-1])
    return functional.mse_loss(probabilities[active], soft_labels.view(-1, logits.shape[-1])[active])


def _takes_segments(model: Any) -> bool:
    return "token_type_ids" in inspect.signature(type(model).forward).parameters


class PapersLoop:
    """Trains a model, an epoch over some rows at a time.

    Args:
        model: A token classifier, frozen as it is to be.
        batch_size: Rows of a step.
        total_steps: Steps of the linear schedule, a tenth of them warm-up.
        learning_rate: Peak rate.
        weight_decay: Decay of all but biases and LayerNorm weights.
        max_grad_norm: Gradient clipping.
    """

    def __init__(
        self,
        model: Any,
        *,
        batch_size: int,
        total_steps: int,
        learning_rate: float,
        weight_decay: float,
        max_grad_norm: float,
    ) -> None:
        self.model = model
        self.batch_size = batch_size
        self.max_grad_norm = max_grad_norm
        decayed = [weight for name, weight in model.named_parameters() if not any(part in name for part in NO_DECAY)]
        others = [weight for name, weight in model.named_parameters() if any(part in name for part in NO_DECAY)]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=learning_rate,
            eps=1e-8,
        )
        self.schedule = get_linear_schedule_with_warmup(self.optimizer, total_steps // 10, total_steps)
        self.total_loss = 0.0

    def epoch(self, dataset: TensorDataset) -> None:
        """One pass in random order."""
        device = next(self.model.parameters()).device
        self.model.train()
        for batch in DataLoader(dataset, sampler=RandomSampler(dataset), batch_size=self.batch_size):
            loss = soft_label_loss(self.model, tuple(tensor.to(device) for tensor in batch))
            loss.backward()
            self.total_loss += loss.item()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
            self.optimizer.step()
            self.schedule.step()
            self.model.zero_grad()
