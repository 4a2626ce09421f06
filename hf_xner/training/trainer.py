"""One Trainer for taggers and students: what differs between them is the loss they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import Trainer

from hf_xner.data.rows import TrainingRows
from hf_xner.data.sampling import LengthBucketSampler, share_of
from hf_xner.evaluation.metrics import EntityScores, entity_scores
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.losses.distillation import harden, soft_label_mse
from hf_xner.losses.tagging import tagging_cross_entropy
from hf_xner.training.arguments import TokenClassificationArguments
from hf_xner.training.row_order import RowOrder

Batch = dict[str, torch.Tensor]
LossParts = dict[str, torch.Tensor]
Loss = Callable[[Any, Batch, "torch.Tensor | None"], LossParts]


def tagging_loss(outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
    """Supervised training: cross-entropy against `labels`."""
    return {"loss_ce": tagging_cross_entropy(outputs.logits, batch["labels"], batch["word_mask"], items)}


def soft_label_loss(outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
    """Distillation: squared error against `soft_labels` (TSL, Eq. 2)."""
    return {"loss_kd": soft_label_mse(outputs.logits, batch["soft_labels"], batch["word_mask"], items)}


def hard_label_loss(outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
    """TSL's variant HL: squared error against the one-hot vectors of the teacher's best tags."""
    targets = harden(batch["soft_labels"])
    return {"loss_kd": soft_label_mse(outputs.logits, targets, batch["word_mask"], items)}


@dataclass(frozen=True)
class VotedLabelLoss:
    """UniTrans' student: eta L_hard + L_soft (section 3.3).

    Attributes:
        eta: Weight of the cross-entropy against the voted labels.
        mean_over: What L_hard is a mean over: "agreed" words (the released code: disagreement does not shrink it) or
            all "words" (the paper's 1/N).
        soft: Whether L_soft, the squared error against the teacher's probabilities, takes part.
    """

    eta: float = 1.0
    mean_over: str = "agreed"
    soft: bool = True

    def __call__(self, outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
        """The weighted parts."""
        count: torch.Tensor | None
        if self.mean_over == "words":
            count = batch["word_mask"].sum() if items is None else items
        else:
            count = None if items is None else batch["vote_items"]
        hard = tagging_cross_entropy(outputs.logits, batch["votes"], batch["vote_mask"], count)
        parts = {"loss_vote": self.eta * hard}
        return parts | (soft_label_loss(outputs, batch, items) if self.soft else {})


class TokenClassificationTrainer(Trainer):
    """transformers' Trainer for rows of words.

    Overrides what the loss, the order of rows and the evaluation need; the loop stays transformers' own.

    Args:
        model: Anything whose `forward(input_ids, attention_mask)` returns `logits` (B, L, C).
        args: The arguments.
        loss: Gives the named, already weighted parts of the loss for outputs and batch; their sum is minimised and
            each is logged beside it.
        eval_dataset: `tokens` and `ner_tags`, or None; scored by entity F1 over every word.
        more: As for `transformers.Trainer`; `processing_class` is the tokenizer.
    """

    # The parts are means over the accumulated batch of all processes, so the Trainer must not divide them again.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any = None,
        args: TokenClassificationArguments | None = None,
        *,
        loss: Loss = tagging_loss,
        eval_dataset: Dataset | None = None,
        **more: Any,
    ) -> None:
        super().__init__(model=model, args=args, eval_dataset=eval_dataset, **more)
        self.model_accepts_loss_kwargs = True  # what `loss_is_scaled_for_ga` says, to transformers that lack it
        self.add_callback(RowOrder())
        self.loss = loss
        self._part_sums: dict[str, torch.Tensor] = {}
        self._steps_since_log = 0

    def get_batch_samples(self, epoch_iterator: Iterator, num_batches: int, device: torch.device) -> tuple[list, Any]:
        """Count the words of the accumulated batch over all processes: the denominator of every mean."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self._steps_since_log += bool(batches)
        self._count_votes(batches, device)
        return batches, self._total("word_mask", batches, device)

    def _count_votes(self, batches: list, device: torch.device) -> None:
        """Tell each batch how many votes the accumulated batch holds: a mean over them needs its own denominator."""
        if batches and "vote_mask" in batches[0]:
            total = self._total("vote_mask", batches, device)
            for batch in batches:
                batch["vote_items"] = total

    def _total(self, mask: str, batches: list, device: torch.device) -> Any:
        """True positions of a mask over the accumulated batch of all processes, a scalar."""
        here = sum((batch[mask].sum() for batch in batches), torch.zeros((), dtype=torch.long, device=device))
        return self.accelerator.reduce(here, reduction="sum")

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Sum of the loss parts, scaled so that averaging gradients over processes gives the global mean."""
        outputs = self.run_model(model, inputs)
        parts = self.loss(outputs, inputs, num_items_in_batch)
        if num_items_in_batch is not None:
            parts = {name: part * self.accelerator.num_processes for name, part in parts.items()}
        for name, part in parts.items():
            self._part_sums[name] = self._part_sums.get(name, 0.0) + part.detach()
        total = torch.stack(list(parts.values())).sum()
        return (total, outputs) if return_outputs else total

    def run_model(self, model: Any, inputs: Batch) -> Any:
        """The one forward pass of a training step."""
        return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add each part's mean per optimiser step, over all processes, to the record that holds the loss."""
        if "loss" in logs and self._part_sums:
            for name, part in self._part_sums.items():
                logs[name] = float(self.accelerator.reduce(part, reduction="mean")) / max(1, self._steps_since_log)
            self._part_sums, self._steps_since_log = {}, 0
        super().log(logs, start_time)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        rows = self.train_dataset if train_dataset is None else train_dataset
        if not isinstance(rows, TrainingRows):
            return super()._get_train_sampler(train_dataset)
        return LengthBucketSampler(rows.lengths, self.rows_in_a_step, self.args.seed)

    @property
    def rows_in_a_step(self) -> int:
        """One optimiser step sees the same rows however its batch is divided over processes and accumulation steps.

        But for the last one of an epoch, which accelerate fills up with the epoch's first rows where it would not be
        the same for all processes.
        """
        return self.args.per_device_train_batch_size * self.args.world_size * self.args.gradient_accumulation_steps

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Entity precision, recall and F1 over every word, long sentences windowed, best tag per word.

        With several processes each scores its share and all get the same figures.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        scores = self.score(dataset)
        metrics = {f"{metric_key_prefix}_{name}": getattr(scores, name) for name in ("precision", "recall", "f1")}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def score(self, dataset: Dataset) -> EntityScores:
        """Entity scores of the current model on a labelled Dataset."""
        model = self.accelerator.unwrap_model(self.model)
        names = [model.config.id2label[index] for index in range(model.config.num_labels)]
        gold_names = dataset.features["ner_tags"].feature.names
        share = share_of(dataset, self.args.world_size, self.args.process_index)
        predicted = predict_tags(model, self.processing_class, share["tokens"], names, bf16=self.args.bf16)
        gold = [[gold_names[tag] for tag in tags] for tags in share["ner_tags"]]
        pairs = gather_object(list(zip(gold, predicted, strict=True)))
        return entity_scores([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def predict_tags(
    model: Any, tokenizer: Any, sentences: Sequence[Sequence[str]], names: Sequence[str], *, bf16: bool = False
) -> list[list[str]]:
    """The most probable tag of every word; `names` by tag id."""
    return [
        [names[tag] for tag in array.argmax(axis=-1)]
        for array in word_probabilities(model, tokenizer, sentences, bf16=bf16)
    ]
