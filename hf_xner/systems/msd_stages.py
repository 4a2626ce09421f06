"""The stages that only MSD has: teachers and students with channels, what a teacher leaves for its students."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoConfig, AutoModel

from hf_xner.data import content_digest, unlabelled
from hf_xner.data.paired_rows import VECTORS, read_vectors, write_vectors
from hf_xner.data.rows import write_soft_labels
from hf_xner.inference.loading import load_tagger, load_tokenizer, unusable
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.sentence_vectors import sentence_vectors
from hf_xner.models.register import register_models
from hf_xner.systems.stages import Stage
from hf_xner.systems.tagger_stages import (
    LABELLING_LENGTH,
    SoftLabels,
    TrainedTagger,
    dev_digest,
    research_model,
    tag_names_of,
    write_share,
)
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace
from hf_xner.training.fit import MODEL, freeze, rows_in_a_forward_batch
from hf_xner.training.fit_channels import CHANNELS, ChannelSettings, Partners, fit_channels, refuse_unexportable
from hf_xner.training.msd import ImplicitTransferLoss, StudentLoss, TeacherLoss
from hf_xner.training.settings import FitSettings

TRAIN_CHANNELS_VERSION = 1
TRAIN_IMPLICIT_VERSION = 1
CHANNEL_LABELS_VERSION = 1
SENTENCE_VECTORS_VERSION = 1
DISTIL_CHANNELS_VERSION = 1


@dataclass(frozen=True)
class EncoderShape:
    """Layers of an encoder, and their width."""

    depth: int
    width: int


@lru_cache(maxsize=8)
def encoder_shape(encoder: str) -> EncoderShape:
    """The shape of an encoder, from its configuration.

    Args:
        encoder: Folder or Hub id.

    Raises:
        InputError: It has no configuration that transformers reads.
    """
    config = _configuration(encoder)
    return EncoderShape(config.num_hidden_layers, config.hidden_size)


@lru_cache(maxsize=8)
def check_encoder(encoder: str, freeze_layers: int | None, channels: bool) -> None:
    """Find out before anything trains whether an encoder will do; reads none of its weights.

    Args:
        encoder: Folder or Hub id.
        freeze_layers: Bottom layers to freeze; None for a quarter.
        channels: Whether it gets channels, of which a plain tagger is to be made.

    Raises:
        InputError: It has no tokenizer, cannot be exported, or has fewer layers than are to be frozen.
    """
    config = _configuration(encoder)
    load_tokenizer(encoder)
    if channels:
        refuse_unexportable(encoder, config)
    with torch.device("meta"):
        freeze(AutoModel.from_config(config), freeze_layers)


def _configuration(encoder: str) -> Any:
    try:
        return AutoConfig.from_pretrained(encoder)
    except (OSError, ValueError) as error:
        raise unusable(encoder, "encoder", error) from error


@dataclass(frozen=True)
class SentenceVectors:
    """A teacher's [CLS] vectors for some sentences: stage key, folder, and the sentences."""

    key: str
    folder: Path
    text: Unlabelled

    def read(self) -> Dataset:
        """The memory-mapped column."""
        return read_vectors(self.folder)


def without_tags(corpus: Labelled) -> Unlabelled:
    """The words of a labelled split: all of the source that a student may read."""
    data = unlabelled(corpus.data)
    return Unlabelled(f"{corpus.name}, unlabelled", data, content_digest(data, ["tokens"]))


def train_channels(
    space: Workspace,
    name: str,
    source: Labelled,
    settings: FitSettings,
    channels: ChannelSettings,
    loss: TeacherLoss,
    dev: Labelled | None = None,
) -> TrainedTagger:
    """Supervised training of every channel of a fresh encoder (L_tea, Eq. 6).

    Args:
        space: The workspace.
        name: What people call the stage.
        source: The sentences with their tags.
        settings: How to train.
        channels: The channels.
        loss: The loss.
        dev: Where the best epoch is picked if `settings.select` says so.
    """
    stage = Stage(
        kind="train_channels",
        name=name,
        version=TRAIN_CHANNELS_VERSION,
        inputs={"encoder": space.encoder_digest, "sentences": source.digest} | dev_digest(dev),
        settings=settings.as_dict() | {"channels": asdict(channels), "loss": asdict(loss)},
        **_cost(space, source.data, settings, partners=False),
    )

    def work(folder: Path) -> None:
        data, tags = source.data, source.tag_names
        fit_channels(
            folder, space.encoder, data, tags, settings, loss, channels, dev=None if dev is None else dev.data
        )

    folder = space.run(stage, work, collective=True)
    return TrainedTagger(stage.key, folder / MODEL)


def train_implicit(
    space: Workspace,
    name: str,
    source: Labelled,
    text: Unlabelled,
    settings: FitSettings,
    channels: ChannelSettings,
    loss: ImplicitTransferLoss,
    dev: Labelled | None = None,
) -> TrainedTagger:
    """Supervised training that draws source and target together by MMD: the teacher of "TSL w. MMD".

    Args:
        space: The workspace.
        name: What people call the stage.
        source: The sentences with their tags; an epoch is one pass over them.
        text: Target sentences, without tags.
        settings: How to train.
        channels: The last layer alone, as published.
        loss: The loss.
        dev: Where the best epoch is picked if `settings.select` says so.
    """
    stage = Stage(
        kind="train_implicit",
        name=name,
        version=TRAIN_IMPLICIT_VERSION,
        inputs={"encoder": space.encoder_digest, "sentences": source.digest, "partners": text.digest}
        | dev_digest(dev),
        settings=settings.as_dict()
        | {"channels": asdict(channels), "loss": asdict(loss)}
        | _compared_together(space, settings),
        **_cost(space, source.data, settings, partners=True),
    )

    def work(folder: Path) -> None:
        fit_channels(
            folder,
            space.encoder,
            source.data,
            source.tag_names,
            settings,
            loss,
            channels,
            partners=Partners(text.data),
            dev=None if dev is None else dev.data,
        )

    folder = space.run(stage, work, collective=True)
    return TrainedTagger(stage.key, folder / MODEL)


def label_channels(
    space: Workspace, name: str, teacher: TrainedTagger, text: Unlabelled, n_channels: int
) -> SoftLabels:
    """One pass of a frozen teacher over the text: every channel's probabilities for every word, in float16.

    They are read memory-mapped and take 2 K C bytes a word of disk, and no memory but the pages in use: for the 9
    channels and 9 tags of an mBERT-sized teacher 162 bytes, 43 MB for the 264,715 words of CoNLL-2002 Spanish (as the
    released program holds them, padded to 128 in float32, 345 MB of memory).

    Args:
        space: The workspace.
        name: What people call the stage.
        teacher: A teacher with channels.
        text: The sentences.
        n_channels: How many channels it has.
    """
    cost = space.cost("label", text.data)
    if "bytes_estimate" in cost:
        cost["bytes_estimate"] *= n_channels
    stage = Stage(
        kind="channel_labels",
        name=name,
        version=CHANNEL_LABELS_VERSION,
        inputs={"teacher": teacher.key, "sentences": text.digest},
        settings={"max_length": LABELLING_LENGTH},
        **cost,
    )

    def work(folder: Path) -> None:
        model, tokenizer = load_research_model(teacher)

        def label(sentences: Iterator[list[str]]) -> Iterator[np.ndarray]:
            return word_probabilities(
                model, tokenizer, sentences, max_length=LABELLING_LENGTH, read=every_channels_logits
            )

        write_share(space, name, text, folder / "soft_labels", label, write_soft_labels)

    return SoftLabels(stage.key, space.run(stage, work, collective=True), teacher)


def load_research_model(tagger: TrainedTagger) -> tuple[Any, Any]:
    """A tagger with all its channels, if it has some, and its tokenizer, in evaluation mode."""
    register_models()
    return load_tagger(str(research_model(tagger, CHANNELS)))


def every_channels_logits(outputs: Any) -> torch.Tensor:
    """Shape (B, L, K, C), main channel last."""
    return outputs.channel_logits.transpose(1, 2)


def describe_sentences(
    space: Workspace, name: str, teacher: TrainedTagger, text: Unlabelled, max_length: int
) -> SentenceVectors:
    """One pass of a frozen teacher over sentences that its students are to be compared on: their [CLS] vectors.

    Args:
        space: The workspace.
        name: What people call the stage.
        teacher: The teacher, with channels or plain.
        text: The sentences.
        max_length: Longer ones are cut, as in training.
    """
    stage = Stage(
        kind="sentence_vectors",
        name=name,
        version=SENTENCE_VECTORS_VERSION,
        inputs={"teacher": teacher.key, "sentences": text.digest},
        settings={"max_length": max_length},
        **space.cost("label", text.data),
    )

    def work(folder: Path) -> None:
        model, tokenizer = load_research_model(teacher)

        def describe(sentences: Iterator[list[str]]) -> Iterator[np.ndarray]:
            return sentence_vectors(model, tokenizer, sentences, max_length=max_length)

        write_share(space, name, text, folder / VECTORS, describe, write_vectors)

    return SentenceVectors(stage.key, space.run(stage, work, collective=True), text)


def distil_channels(
    space: Workspace,
    name: str,
    text: Unlabelled,
    soft_labels: SoftLabels,
    settings: FitSettings,
    channels: ChannelSettings,
    loss: StudentLoss,
    *,
    n_teacher_channels: int,
    vectors: SentenceVectors | None = None,
    dev: Labelled | None = None,
) -> TrainedTagger:
    """Train a fresh encoder to give the probabilities of the teacher's channels on unlabelled text (Eq. 15).

    Args:
        space: The workspace, with the student's encoder.
        name: What people call the stage.
        text: The target sentences, without tags; an epoch is one pass over them.
        soft_labels: The teacher's probabilities for them, of all its channels.
        settings: How to train.
        channels: The student's channels.
        loss: The loss.
        n_teacher_channels: Channels of the soft labels.
        vectors: The teacher's [CLS] vectors for source sentences, where the loss compares.
        dev: Where the best epoch is picked if `settings.select` says so.
    """
    inputs = {"encoder": space.encoder_digest, "sentences": text.digest, "soft_labels": soft_labels.key}
    compared: dict[str, Any] = {}
    if vectors is not None:
        inputs |= {"partners": vectors.text.digest, "vectors": vectors.key}
        compared = _compared_together(space, settings)
    stage = Stage(
        kind="distil_channels",
        name=name,
        version=DISTIL_CHANNELS_VERSION,
        inputs=inputs | dev_digest(dev),
        settings=settings.as_dict() | {"channels": asdict(channels), "loss": asdict(loss)} | compared,
        **_cost(space, text.data, settings, partners=loss.reads_partners),
    )

    def work(folder: Path) -> None:
        tag_names = tag_names_of(soft_labels.teacher.folder)
        fit_channels(
            folder,
            space.encoder,
            text.data,
            tag_names,
            settings,
            loss,
            channels,
            soft_labels=(soft_labels.read(), n_teacher_channels * len(tag_names)),
            partners=None if vectors is None else Partners(vectors.text.data, vectors.read()),
            dev=None if dev is None else dev.data,
        )

    folder = space.run(stage, work, collective=True)
    return TrainedTagger(stage.key, folder / MODEL)


def _compared_together(space: Workspace, settings: FitSettings) -> dict[str, Any]:
    """MMD compares the rows of one forward batch of all processes, so how many there are belongs into the key."""
    return {"rows_compared": rows_in_a_forward_batch(settings, space.processes.world_size)}


def _cost(space: Workspace, sentences: Dataset, settings: FitSettings, *, partners: bool) -> dict[str, Any]:
    """What a training takes that may read a partner with each row, and leaves two models."""
    cost = space.cost("train", sentences, settings.epochs)
    for name, factor in (("seconds_estimate", 2 if partners else 1), ("bytes_estimate", 2)):
        if name in cost:
            cost[name] *= factor
    return cost
