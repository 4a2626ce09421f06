"""One training run of a multi-channel model in one folder, which leaves the research model and the plain tagger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedConfig, set_seed

from hf_xner.data.paired_rows import PairedCollator, PairedRows
from hf_xner.data.rows import RowCollator, TrainingRows
from hf_xner.errors import InputError
from hf_xner.inference.loading import BROKEN, load_tokenizer, unusable, without_load_report
from hf_xner.models import MultiChannelConfig, MultiChannelForTokenClassification
from hf_xner.models.export import check_exportable, export_plain
from hf_xner.models.register import register_models
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
from hf_xner.training.msd import PairedLoss, PairedTrainer
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import Loss, TokenClassificationTrainer

CHANNELS = "channels"  # the research model, beside the plain one

logger = logging.getLogger("hf_xner")


@dataclass(frozen=True)
class ChannelSettings:
    """The channels of a model; see `MultiChannelConfig`.

    Attributes:
        layers: Channel layers, the last layer last.
        weighting: "softmax" (released) or "free" (the paper's text), whose weights training drives below 0.
        teacher_hidden_size: Width to project [CLS] states to where it is not the encoder's own, or None.
    """

    layers: tuple[int, ...]
    weighting: str = "softmax"
    teacher_hidden_size: int | None = None


@dataclass(frozen=True)
class Partners:
    """Sentences of the other language.

    Attributes:
        sentences: `tokens`, and no tags.
        vectors: The column `vectors`: the teacher's [CLS] for each of them, or None.
    """

    sentences: Dataset
    vectors: Dataset | None = None


def fit_channels(
    folder: Path,
    encoder: str,
    sentences: Dataset,
    tag_names: Sequence[str],
    settings: FitSettings,
    loss: Loss | PairedLoss,
    channels: ChannelSettings,
    *,
    soft_labels: tuple[Dataset, int] | None = None,
    partners: Partners | None = None,
    dev: Dataset | None = None,
) -> None:
    """Train a fresh multi-channel model; save it in `folder/channels`, and its last channel in `folder/model`.

    Killed and called again it continues as `hf_xner.training.fit.fit` does.

    Args:
        folder: Where checkpoints, history and the models go.
        encoder: Folder or Hub id of the encoder.
        sentences: `tokens`, and `ner_tags` unless `soft_labels` are given.
        tag_names: Tags by id: of `ner_tags`, or of the teacher whose soft labels these are.
        settings: The settings.
        loss: A loss of `hf_xner.training.msd`; for one that compares languages `partners` are needed.
        channels: The channels.
        soft_labels: The column `soft_labels` for `sentences`, and its values per word: channels x tags.
        partners: What the rows are paired with.
        dev: Labelled Dataset for `settings.select == "best"`.

    Raises:
        InputError: As `fit`; or sentences of which only the words may be read have tags, or the encoder's class
            cannot be made of it again.
    """
    for untagged in ([sentences] if soft_labels else []) + ([partners.sentences] if partners else []):
        refuse_tags(untagged)
    if was_finished(folder):
        return
    set_seed(settings.seed)
    tokenizer = load_tokenizer(encoder)
    model = new_model(encoder, tag_names, channels)
    rows = _rows(folder, tokenizer, model, sentences, settings, soft_labels)
    pairs = None if partners is None else _pairs(folder, tokenizer, model, rows, partners, settings)
    pad_id = tokenizer.pad_token_id or 0
    trainer_class: Any = TokenClassificationTrainer if pairs is None else PairedTrainer
    trainer = trainer_class(
        model=prepare(model, settings),
        args=training_arguments(folder, settings, selects=dev is not None),
        loss=loss,
        train_dataset=rows if pairs is None else pairs,
        eval_dataset=dev,
        data_collator=RowCollator(pad_id) if pairs is None else PairedCollator(pad_id),
        processing_class=tokenizer,
        callbacks=[HistoryWriter(folder)],
    )
    train_to_end(trainer, folder, settings, lambda: _save(trainer, tokenizer, folder))


def new_model(encoder: str, tag_names: Sequence[str], channels: ChannelSettings) -> MultiChannelForTokenClassification:
    """New channels on a pretrained encoder.

    Raises:
        InputError: The encoder cannot be loaded, or what is trained on it could not be exported.
    """
    register_models()
    try:
        with without_load_report():
            model = MultiChannelForTokenClassification.from_encoder(
                encoder,
                channel_layers=channels.layers,
                channel_weighting=channels.weighting,
                teacher_hidden_size=channels.teacher_hidden_size,
                id2label=dict(enumerate(tag_names)),
                label2id={tag: index for index, tag in enumerate(tag_names)},
            )
    except BROKEN as error:
        raise unusable(encoder, "encoder for channels", error) from error
    refuse_unexportable(encoder, model.config.encoder_config)
    return model


def refuse_unexportable(encoder: str, config: PreTrainedConfig) -> None:
    """Find out from its configuration whether channels on an encoder can become a plain tagger; reads no weights.

    Args:
        encoder: What the user called it.
        config: Its configuration.

    Raises:
        InputError: They cannot.
    """
    try:
        MultiChannelConfig(encoder_config=config)  # refuses decoders
        check_exportable(config)
    except ValueError as error:
        raise InputError(
            str(error), where=encoder, remedy="use bert, xlm-roberta, distilbert, deberta-v2 or another like them"
        ) from error


def _rows(
    folder: Path,
    tokenizer: Any,
    model: Any,
    sentences: Dataset,
    settings: FitSettings,
    soft_labels: tuple[Dataset, int] | None,
) -> TrainingRows:
    cut = settings.long_sentences == "truncate"
    encoded = encode_rows(folder / "encoded.arrow", tokenizer, model.config, sentences, settings.max_length, cut)
    if soft_labels is None:
        return TrainingRows(encoded, hard_labels=sentences)
    return TrainingRows(encoded, soft_labels=soft_labels)


def _pairs(
    folder: Path, tokenizer: Any, model: Any, rows: TrainingRows, partners: Partners, settings: FitSettings
) -> PairedRows:
    if not len(partners.sentences):
        raise InputError("there are no sentences to compare languages by", remedy="give a corpus with sentences")
    path = folder / "encoded-partners.arrow"
    encoded = encode_rows(path, tokenizer, model.config, partners.sentences, settings.max_length, truncate=True)
    return PairedRows(rows, TrainingRows(encoded), partners.vectors)


def _save(trainer: Any, tokenizer: Any, folder: Path) -> None:
    """The research model and the plain one, each with the tokenizer."""
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    model.config.xner = dict(DECODING)
    _warn_of_negative_weights(model)
    for name, saved in ((CHANNELS, model), (MODEL, export_plain(model))):
        saved.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)


def _warn_of_negative_weights(model: MultiChannelForTokenClassification) -> None:
    weights = [] if model.channel_weights is None else model.channel_weights().tolist()
    below = [layer for layer, weight in zip(model.config.channel_layers, weights, strict=False) if weight < 0]
    if below:
        logger.warning(
            "lambda is below 0 for %d of %d auxiliary channels (layers %s), which were trained to maximise their loss "
            "from there on: use --channel_weighting softmax",
            len(below),
            len(weights),
            ", ".join(map(str, below)),
        )
