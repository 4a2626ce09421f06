"""One adversarial training run in one folder, which leaves the model with its discriminators and the plain tagger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import set_seed

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.feeds import CORPORA
from hf_xner.data.phase_rows import PhaseCollator, PhaseRows
from hf_xner.data.rows import TrainingRows
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_encoder_for_tagging, load_tokenizer
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
from hf_xner.training.settings import FitSettings
from hf_xner.training.transadv import AdversarialTrainer
from hf_xner.translation.segments import tag_strings
from hf_xner.translation.switching import has_several_orders

ADVERSARIAL = "adversarial"  # folder of the model with its discriminators


def fit_adversarial(
    folder: Path,
    start: str,
    corpora: Mapping[str, Dataset],
    tag_names: list[str],
    settings: FitSettings,
    adversary: AdversarialSettings,
    *,
    dev: Dataset | None = None,
    keep_head: bool = False,
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
        keep_head: `start` is a tagger with these tags, whose head goes on learning; with discriminators it always is.

    Raises:
        InputError: The target text has tags, LoRA was asked for, all of the encoder is frozen, or as `fit`.
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
    model = prepare(load_adversarial(start, tag_names, adversary, keep_head=keep_head), settings)
    if not any(weight.requires_grad for weight in model.backbone.parameters()):
        raise InputError(
            "all of the encoder is frozen, so that discriminators have nothing to train it by",
            where="--freeze_layers",
            remedy="give a smaller number",
        )
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
    start: str, tag_names: list[str], adversary: AdversarialSettings, *, keep_head: bool = False
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
    plain = load_encoder_for_tagging(start, tag_names, keep_head=keep_head)
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
                remedy="give the --order_discriminator that it was trained with (in Python also the widths of "
                "AdversarialSettings), or start from its encoder",
            )


def _is_adversarial(start: str) -> bool:
    return AutoConfig.from_pretrained(start).model_type == AdversarialConfig.model_type


def _build(
    encoder_config: Any, tags: dict[str, Any], adversary: AdversarialSettings
) -> AdversarialForTokenClassification:
    return AdversarialForTokenClassification(
        AdversarialConfig(encoder_config=encoder_config, **tags, **adversary.discriminators())
    )
