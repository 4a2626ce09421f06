"""Adversarial training: tagging, discriminators and generator take turns, one of them a step (TransAdv, section 3.2).

| phase         | minimises                        | changes           | rate  |
|---------------|----------------------------------|-------------------|-------|
| tagging       | L_ner                            | encoder, NER head | 6e-5  |
| discriminator | L_l, L_o                         | discriminators    | 5e-3  |
| generator     | L_g: both, with flipped classes  | encoder           | 6e-7  |

The batch says which phase it is for, and everything else follows: which parameters have gradients, which optimiser
steps and which schedule advances. transformers' loop knows nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.utils.data import Sampler
from transformers import get_scheduler

from hf_xner.data.phase_rows import (
    DISCRIMINATOR,
    GENERATOR,
    TAGGING,
    PhaseSampler,
)
from hf_xner.losses.adversarial import (
    balanced_accuracy,
    class_counts,
    class_hits,
    denominators,
    discriminator_loss,
    generator_loss,
)
from hf_xner.losses.tagging import tagging_cross_entropy
from hf_xner.models.adversarial import AdversarialForTokenClassification
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.phases import PhasedOptimizer, PhasedScheduler
from hf_xner.training.trainer import Batch, LossParts, TokenClassificationTrainer

CLASSES = {"language": ("languages", "language_mask"), "order": ("orders", "order_mask")}


class AdversarialTrainer(TokenClassificationTrainer):
    """Trains an `AdversarialForTokenClassification` on the batches of a `PhaseSampler`.

    A record of the log holds, over its steps of each phase, `loss_ner`, `loss_language`, `loss_order`,
    `loss_generator_language`, `loss_generator_order`, the accuracies of the discriminators on the rows of each step
    before it, with dropout (`language_accuracy`, `order_accuracy`; 0.5 is chance; sentences that have only one order
    are left out of the latter and of the losses of order), and the rates. `loss` is the mean over all steps, whatever
    their phase.

    Args:
        adversary: The settings.
        more: As for `TokenClassificationTrainer`; `train_dataset` is a `PhaseRows`.
    """

    def __init__(self, *, adversary: AdversarialSettings, **more: Any) -> None:
        self.adversary = adversary
        self.phases = adversary.phases
        super().__init__(**more)
        model = self.accelerator.unwrap_model(self.model)
        self.owned = {phase: _trainable(model, phase) for phase in self.phases}
        self._sums: dict[str, torch.Tensor] = {}
        self._hits: dict[str, torch.Tensor] = {}
        self._steps: Counter[str] = Counter()

    def create_optimizer(self, model: Any = None) -> Optimizer:
        """Three of the class that the arguments name, each over its phase's parameters."""
        if self.optimizer is None:
            decayed = set(self.get_decay_parameter_names(self.accelerator.unwrap_model(self.model)))
            kind, options = self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = PhasedOptimizer(
                {
                    phase: kind(self._groups(phase, decayed), **{**options, **self._options(phase, options)})
                    for phase in self.phases
                }
            )
        return self.optimizer

    def _options(self, phase: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """What an optimiser has of its own."""
        rates = {
            TAGGING: self.args.learning_rate,
            DISCRIMINATOR: self.adversary.discriminator_learning_rate,
            GENERATOR: self.adversary.generator_learning_rate,
        }
        if phase == TAGGING or "betas" not in options:
            return {"lr": rates[phase]}
        return {"lr": rates[phase], "betas": (self.adversary.momentum, options["betas"][1])}

    def _groups(self, phase: str, decayed: set[str]) -> list[dict[str, Any]]:
        """Weight decay is AdvPicker's: none on discriminators; on everything, biases too, in the generator's steps."""
        parameters, decay = self.owned[phase], self.args.weight_decay
        if phase == DISCRIMINATOR:
            return [{"params": list(parameters.values()), "weight_decay": 0.0}]
        if phase == GENERATOR:
            return [{"params": list(parameters.values()), "weight_decay": decay}]
        return [
            {"params": [value for name, value in parameters.items() if name in decayed], "weight_decay": decay},
            {"params": [value for name, value in parameters.items() if name not in decayed], "weight_decay": 0.0},
        ]

    @property
    def _phased(self) -> PhasedOptimizer:
        """The optimiser without what accelerate wraps it in."""
        wrapped: Any = self.optimizer
        return getattr(wrapped, "optimizer", wrapped)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Each phase warms up and decays over its own share of the steps."""
        if self.lr_scheduler is None:
            phased = self._phased
            steps = -(-num_training_steps // len(self.phases))
            # Of what is over after whole turns not every phase has a step: no phase may be all warm-up.
            warmup = min(self.args.get_warmup_steps(steps), max(0, num_training_steps // len(self.phases) - 1))
            options: Any = self.args.lr_scheduler_kwargs
            schedules: Any = PhasedScheduler(
                phased,
                {
                    phase: get_scheduler(
                        self.args.lr_scheduler_type,
                        optimizer=phased.optimizers[phase],
                        num_warmup_steps=warmup,
                        num_training_steps=steps,
                        scheduler_specific_kwargs=options,
                    )
                    for phase in self.phases
                },
            )
            self.lr_scheduler = schedules
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        rows: Any = self.train_dataset if train_dataset is None else train_dataset
        return PhaseSampler(
            rows.lengths,
            rows.feed,
            self.rows_in_a_step,
            phases=self.phases,
            rows_per_corpus=self.adversary.rows_per_corpus,
            seed=self.args.seed,
        )

    def get_batch_samples(self, epoch_iterator: Iterator, num_batches: int, device: torch.device) -> tuple[list, Any]:
        """Turn to the phase of the batches that make up the next step, and count what its means run over."""
        batches, words = super().get_batch_samples(epoch_iterator, num_batches, device)
        if batches:
            self._begin(batches)
            self._count_classes(batches, device)
        return batches, words

    def _begin(self, batches: list[Batch]) -> None:
        phases = {batch["phase"] for batch in batches}
        if len(phases) != 1:
            raise ValueError(f"one step would do several phases at once: {', '.join(sorted(map(str, phases)))}")
        (phase,) = phases
        self._phased.phase = str(phase)
        self._steps[str(phase)] += 1
        # What a phase does not change needs no gradient: no work is spent on it, and none can leak into it.
        for parameters in self.owned.values():
            for parameter in parameters.values():
                parameter.requires_grad_(False)
        for parameter in self.owned[str(phase)].values():
            parameter.requires_grad_(True)

    def _count_classes(self, batches: list[Batch], device: torch.device) -> None:
        """Tell each batch how often each class occurs in the accumulated batch of all processes."""
        for head, (classes, mask) in CLASSES.items():
            if mask in batches[0]:
                here = sum(class_counts(batch[classes], batch[mask]).to(device) for batch in batches)
                total = self.accelerator.reduce(here, reduction="sum")
                for batch in batches:
                    batch[f"{head}_items"] = denominators(total, self.adversary.mean)

    def run_model(self, model: Any, inputs: Batch) -> Any:
        """The one forward pass of a step, through the heads that its phase needs."""
        if str(inputs["phase"]) == TAGGING:
            return super().run_model(model, inputs)
        return model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            heads=tuple(self.accelerator.unwrap_model(model).discriminators),
            piece_mask=inputs["piece_mask"],
            order_rows=inputs["order_mask"],
        )

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Sum of the phase's parts, scaled so that averaging gradients over processes gives the global mean."""
        outputs = self.run_model(model, inputs)
        if str(inputs["phase"]) == TAGGING:
            loss = tagging_cross_entropy(outputs.logits, inputs["labels"], inputs["word_mask"], num_items_in_batch)
            parts = {"loss_ner": loss}
        else:
            parts = self._adversarial(outputs, inputs)
        parts = {name: part * self.accelerator.num_processes for name, part in parts.items()}
        for name, part in parts.items():
            self._sums[name] = self._sums.get(name, 0.0) + part.detach()
        total = torch.stack(list(parts.values())).sum()
        return (total, outputs) if return_outputs else total

    def _adversarial(self, outputs: Any, inputs: Batch) -> LossParts:
        """L_l and L_o; or the two parts of L_g."""
        discriminates = str(inputs["phase"]) == DISCRIMINATOR
        parts = {}
        for head, (classes, mask) in CLASSES.items():
            logits = outputs.get(f"{head}_logits")
            if logits is None:
                continue
            facts = (logits, inputs[classes], inputs[mask], inputs[f"{head}_items"])
            if discriminates:
                parts[f"loss_{head}"] = discriminator_loss(*facts)
                self._hits[head] = self._hits.get(head, 0) + class_hits(*facts[:3])
            else:
                parts[f"loss_generator_{head}"] = generator_loss(*facts)
        return parts

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add what the phases did since the last record to the record that holds the loss."""
        if "loss" in logs:
            for name, part in sorted(self._sums.items()):
                steps = self._steps[_phase_of(name)]
                logs[name] = float(self.accelerator.reduce(part, reduction="mean")) / max(1, steps)
            for head, hits in sorted(self._hits.items()):
                found = self.accelerator.reduce(hits, reduction="sum")
                if found[:, 1].any():  # none of these sentences may have had a word, or an order, to tell
                    logs[f"{head}_accuracy"] = balanced_accuracy(found)
            schedules: Any = self.lr_scheduler
            for phase, rate in schedules.rates().items():
                if phase != TAGGING:
                    logs[f"learning_rate_{phase}"] = rate
            self._sums, self._hits, self._steps = {}, {}, Counter()
        super().log(logs, start_time)


def _phase_of(part: str) -> str:
    if part == "loss_ner":
        return TAGGING
    return GENERATOR if part.startswith("loss_generator") else DISCRIMINATOR


def _trainable(model: AdversarialForTokenClassification, phase: str) -> dict[str, torch.nn.Parameter]:
    """The parameters that a phase changes, by name; what is frozen belongs to none."""
    roots = {
        TAGGING: ("backbone.", "classifier."),
        DISCRIMINATOR: ("language_discriminator.", "order_discriminator."),
        GENERATOR: ("backbone.",),
    }[phase]
    return {
        name: weight for name, weight in model.named_parameters() if weight.requires_grad and name.startswith(roots)
    }
