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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.optim import Optimizer
from torch.utils.data import Sampler
from transformers import get_scheduler, set_seed

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.feeds import CORPORA
from hf_xner.data.phase_rows import (
    DISCRIMINATOR,
    GENERATOR,
    TAGGING,
    PhaseCollator,
    PhaseRows,
    PhaseSampler,
)
from hf_xner.data.rows import TrainingRows
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_encoder_for_tagging, load_tokenizer
from hf_xner.losses.adversarial import (
    balanced_accuracy,
    class_counts,
    class_hits,
    denominators,
    discriminator_loss,
    generator_loss,
)
from hf_xner.losses.tagging import tagging_cross_entropy
from hf_xner.models.adversarial import AdversarialConfig, AdversarialForTokenClassification
from hf_xner.models.auto import AutoConfig
from hf_xner.models.export import adopt_plain, export_plain
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.fit import (
    DECODING,
    MODEL,
    encode_rows,
    prepare,
    refuse_tags,
    train_to_end,
    training_arguments,
    was_finished,
)
from hf_xner.training.history import HistoryWriter
from hf_xner.training.phases import PhasedOptimizer, PhasedScheduler
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import Batch, LossParts, TokenClassificationTrainer
from hf_xner.translation.segments import tag_strings
from hf_xner.translation.switching import has_several_orders

ADVERSARIAL = "adversarial"  # folder of the model with its discriminators
CLASSES = {"language": ("languages", "language_mask"), "order": ("orders", "order_mask")}


class AdversarialTrainer(TokenClassificationTrainer):
    """Trains an `AdversarialForTokenClassification` on the batches of a `PhaseSampler`.

    A record of the log holds, over its steps of each phase, `loss_ner`, `loss_language`, `loss_order`,
    `loss_generator_language`, `loss_generator_order`, the accuracies of the discriminators on rows they have not been
    trained on yet (`language_accuracy`, `order_accuracy`; 0.5 is chance; sentences that have only one order are left
    out of the latter and of the losses of order), and the rates. `loss` is the mean over all
    steps, whatever their phase.

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
            options: Any = self.args.lr_scheduler_kwargs
            schedules: Any = PhasedScheduler(
                phased,
                {
                    phase: get_scheduler(
                        self.args.lr_scheduler_type,
                        optimizer=phased.optimizers[phase],
                        num_warmup_steps=self.args.get_warmup_steps(steps),
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


def fit_adversarial(
    folder: Path,
    start: str,
    corpora: Mapping[str, Dataset],
    tag_names: list[str],
    settings: FitSettings,
    adversary: AdversarialSettings,
    *,
    dev: Dataset | None = None,
) -> None:
    """Train a tagger against discriminators; as `fit`, it goes on where a killed attempt stopped.

    Leaves the plain tagger in `folder/model` and the model with its discriminators in `folder/adversarial`.

    Args:
        folder: Where checkpoints, history and the models go.
        start: An encoder, a plain tagger with these tags, or a folder that this function left behind as
            `adversarial`, whose discriminators go on learning.
        corpora: By the names of `hf_xner.data.feeds`: `tokens`, and `ner_tags` with these tags; target text without.
        tag_names: Tags by id.
        settings: The settings; `learning_rate` is that of tagging.
        adversary: Those of the discriminators and the generator.
        dev: Labelled Dataset for `settings.select == "best"`.

    Raises:
        InputError: The target text has tags, LoRA was asked for, or as `fit`.
        ValueError: A corpus has other tags than `tag_names`.
    """
    for name in adversary.feed.corpora:
        _check_tags(name, corpora[name], tag_names)
    if settings.lora_rank:
        raise InputError("adversarial training has no LoRA adapters", where="--lora_rank", remedy="leave it at 0")
    if was_finished(folder):
        return
    set_seed(settings.seed)
    tokenizer = load_tokenizer(start)
    model = prepare(load_adversarial(start, tag_names, adversary), settings)
    cut = settings.long_sentences == "truncate"
    rows = {}
    for name in adversary.feed.corpora:
        path = folder / f"encoded-{name}.arrow"
        encoded = encode_rows(path, tokenizer, model.config, corpora[name], settings.max_length, cut)
        tagged = corpora[name] if CORPORA[name].tagged else None
        rows[name] = TrainingRows(
            encoded, hard_labels=tagged, orderable=None if tagged is None else _orderable(tagged)
        )
    arguments = training_arguments(folder, settings, selects=dev is not None)
    # In each phase some parameters have no gradient; with one forward pass a step, looking for them is safe.
    arguments.ddp_find_unused_parameters = True
    # A record covers whole turns, and an epoch has at least one.
    turns = -(-sum(len(rows[name]) for name in adversary.feed.tagging) // settings.batch_size)
    arguments.logging_steps = len(adversary.phases) * min(int(arguments.logging_steps), turns)
    encoder = WordEncoder(tokenizer, max_length=settings.max_length)
    trainer = AdversarialTrainer(
        model=model,
        args=arguments,
        adversary=adversary,
        train_dataset=PhaseRows(rows, adversary.feed),
        eval_dataset=dev,
        data_collator=PhaseCollator(
            tokenizer.pad_token_id or 0,
            adversary.feed,
            outside=tag_names.index("O"),
            special=(len(encoder.prefix), len(encoder.suffix)),
            positions=adversary.positions,
        ),
        processing_class=tokenizer,
        callbacks=[HistoryWriter(folder)],
    )

    def save() -> None:
        trained = trainer.accelerator.unwrap_model(trainer.model)
        trained.config.xner = dict(DECODING)
        for name, result in ((ADVERSARIAL, trained), (MODEL, export_plain(trained))):
            result.save_pretrained(folder / name)
            tokenizer.save_pretrained(folder / name)

    train_to_end(trainer, folder, settings, save)


def _orderable(corpus: Dataset) -> np.ndarray:
    """Of each sentence whether its words have more than one order: of the others neither copy tells anything."""
    pairs = zip(corpus["tokens"], tag_strings(corpus), strict=True)
    return np.fromiter((has_several_orders(tokens, tags) for tokens, tags in pairs), dtype=bool, count=len(corpus))


def _check_tags(name: str, corpus: Dataset, tag_names: list[str]) -> None:
    if not CORPORA[name].tagged:
        refuse_tags(corpus)
    elif corpus.features["ner_tags"].feature.names != tag_names:
        raise ValueError(f"the corpus {name} has other tags, or in another order, than {', '.join(tag_names)}")


def load_adversarial(
    start: str, tag_names: list[str], adversary: AdversarialSettings
) -> AdversarialForTokenClassification:
    """A model to train: encoder and head of what is started from, and its discriminators where it has them.

    Args:
        start: An encoder, a plain tagger, or a folder with an adversarial model.
        tag_names: Tags by id; those of a tagger, if it is one.
        adversary: Which discriminators there are to be.

    Raises:
        InputError: The encoder or tagger cannot be loaded, what is trained could not become a plain tagger again, or
            an adversarial model has other tags or discriminators of another shape.
    """
    tags = {"id2label": dict(enumerate(tag_names)), "label2id": {tag: number for number, tag in enumerate(tag_names)}}
    if _is_adversarial(start):
        earlier = AdversarialForTokenClassification.from_pretrained(start, dtype=torch.float32)
        model = _build(earlier.config.encoder_config, tags, adversary)
        _refuse_other(start, earlier, model)
        model.backbone.load_state_dict(earlier.backbone.state_dict())
        model.classifier.load_state_dict(earlier.classifier.state_dict())
        model.take_discriminators(earlier)
        return model
    plain = load_encoder_for_tagging(start, tag_names)
    model = _build(plain.config, tags, adversary)
    try:
        adopt_plain(model, plain)
    except ValueError as error:
        raise InputError(str(error), where=start, remedy="use a BERT-like encoder") from error
    return model


def _refuse_other(
    start: str, earlier: AdversarialForTokenClassification, model: AdversarialForTokenClassification
) -> None:
    """Heads are taken over weight by weight, so they must mean the same and have the same shapes."""
    had, wanted = (list((one.config.id2label or {}).values()) for one in (earlier, model))
    if had != wanted:
        raise InputError(
            f"its tags are {', '.join(had)}; those to train are {', '.join(wanted)}",
            where=start,
            remedy="start from a model with the same tags in the same order",
        )
    for name in model.discriminators.keys() & earlier.discriminators.keys():
        there, here = (
            {key: tuple(value.shape) for key, value in one.discriminators[name].state_dict().items()}
            for one in (earlier, model)
        )
        if there != here:
            raise InputError(
                f"its {name} discriminator has another shape than the one to train",
                where=start,
                remedy="give the widths and the kind that it was trained with",
            )


def _is_adversarial(start: str) -> bool:
    return AutoConfig.from_pretrained(start).model_type == AdversarialConfig.model_type


def _build(
    encoder_config: Any, tags: dict[str, Any], adversary: AdversarialSettings
) -> AdversarialForTokenClassification:
    return AdversarialForTokenClassification(
        AdversarialConfig(encoder_config=encoder_config, **tags, **adversary.discriminators())
    )
