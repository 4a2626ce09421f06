"""The training stages of augmented fine-tuning: a BiLSTM-CRF on the source (B3), both languages jointly (B4, B5).

Only the main process of a launch works on them: a step of these models takes milliseconds, less than it would take to
tell the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_xner.data.rows import write_soft_labels
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.labels import split_tag
from hf_xner.models import BiLstmCrfConfig, BiLstmCrfForTokenClassification
from hf_xner.models.bilstm_crf import WordBatch
from hf_xner.systems.augmented_vectors import Features
from hf_xner.systems.stages import Stage
from hf_xner.systems.tagger_stages import SoftLabels, TrainedTagger, dev_digest, write_share
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace
from hf_xner.training.augmented import DevelopmentSet, train_jointly, train_on_labels
from hf_xner.training.augmented_settings import JointSettings, TaggerSettings
from hf_xner.training.fit import MODEL
from hf_xner.translation.mapping import Side

TRAIN_VERSION = 1
JOINT_VERSION = 1
LABEL_VERSION = 1


def train_source_tagger(
    space: Workspace,
    name: str,
    features: Features,
    source: Labelled,
    settings: TaggerSettings,
    *,
    language: Side = "source",
    dev: Labelled | None = None,
    dev_language: Side = "source",
) -> TrainedTagger:
    """theta_s: a one-encoder BiLSTM-CRF trained on labelled sentences (stage B3).

    Args:
        space: The workspace.
        name: What people call the stage.
        features: The extractor.
        source: The sentences with their tags.
        settings: How to train.
        language: The vectors that the sentences are looked up in; "target" for an upper bound.
        dev: Where the best weights are picked if `settings.select` says so.
        dev_language: The vectors that its words are looked up in.
    """
    stage = Stage(
        kind="train_bilstm",
        name=name,
        version=_version(TRAIN_VERSION, settings),
        inputs={"features": features.key, "sentences": source.digest} | dev_digest(dev),
        settings=settings.as_dict() | {"language": language},
        **_cost(space, source, settings.epochs),
    )

    def work(folder: Path) -> None:
        train_on_labels(
            folder,
            features.load(characters=settings.characters),
            source.data,
            settings,
            language=language,
            dev=_development_set(dev, dev_language),
        )
        features.place(folder / MODEL, characters=settings.characters)

    return TrainedTagger(stage.key, space.run(stage, work, collective=False) / MODEL)


def augment_tagger(
    space: Workspace,
    name: str,
    start: TrainedTagger,
    features: Features,
    source: Labelled,
    text: Unlabelled,
    settings: JointSettings,
    *,
    dev: Labelled | None = None,
    dev_language: Side = "source",
) -> TrainedTagger:
    """theta_t: a target encoder beside theta_s, trained jointly on gold and pseudo labels (stages B4 and B5).

    Args:
        space: The workspace.
        name: What people call the stage.
        start: theta_s.
        features: Its extractor.
        source: The source sentences with their tags.
        text: The target sentences.
        settings: How to train.
        dev: Where the best weights are picked if `settings.select` says so, and by which the training ends.
        dev_language: The vectors that its words are looked up in.
    """
    stage = Stage(
        kind="augment",
        name=name,
        version=_version(JOINT_VERSION, settings),
        inputs={"start": start.key, "features": features.key, "sentences": source.digest, "text": text.digest}
        | dev_digest(dev),
        settings=settings.as_dict(),
        **_cost(space, text, 3 * settings.draws),
    )

    def work(folder: Path) -> None:
        train_jointly(
            folder,
            start.folder,
            features.load(characters=True),
            source.data,
            text.data,
            settings,
            dev=_development_set(dev, dev_language),
        )
        features.place(folder / MODEL, characters=True)

    return TrainedTagger(stage.key, space.run(stage, work, collective=False) / MODEL)


def _version(version: int, settings: TaggerSettings | JointSettings) -> int:
    """One more where there is no clipping, which once meant that nothing was trained."""
    return version + (settings.max_grad_norm == 0)


def _development_set(dev: Labelled | None, language: str) -> DevelopmentSet | None:
    return None if dev is None else DevelopmentSet(dev.data, language)


@dataclass(frozen=True)
class Iob2Labels(SoftLabels):
    """Soft labels in IOB2 of a teacher that tags in another scheme."""

    def tag_names(self) -> list[str]:
        """The IOB2 tags by id."""
        return iob2_columns(super().tag_names())[0]


def iob2_columns(names: list[str]) -> tuple[list[str], np.ndarray]:
    """The IOB2 tags that stand for those of another scheme: S- begins an entity, E- goes on with it.

    Args:
        names: The C tags.

    Returns:
        The D tags of IOB2, and (C, D) float32: probabilities times this are probabilities of IOB2 tags, exactly.
    """
    begins = {"B", "S"}
    tags = [
        name if letter == "O" else f"{'B' if letter in begins else 'I'}-{kind}"
        for name, (letter, kind) in ((name, split_tag(name)) for name in names)
    ]
    found = list(dict.fromkeys(tags))
    columns = np.zeros((len(names), len(found)), dtype=np.float32)
    columns[np.arange(len(names)), [found.index(tag) for tag in tags]] = 1.0
    return found, columns


def label_in_iob2(space: Workspace, name: str, teacher: TrainedTagger, text: Unlabelled) -> SoftLabels:
    """The teacher's probabilities for every word of the text, as a plain encoder's student learns them.

    Args:
        space: The workspace.
        name: What people call the stage.
        teacher: A BiLSTM-CRF.
        text: The sentences.
    """
    stage = Stage(
        kind="soft_labels",
        name=name,
        version=LABEL_VERSION,
        inputs={"teacher": teacher.key, "sentences": text.digest},
        settings={"scheme": "iob2"},
        **_cost(space, text, 1),
    )

    def work(folder: Path) -> None:
        model, extractor = load_tagger(str(teacher.folder))
        labels = model.config.id2label
        _, columns = iob2_columns([labels[index] for index in range(len(labels))])

        def label(sentences: Iterator[list[str]]) -> Iterator[np.ndarray]:
            return (array @ columns for array in word_probabilities(model, extractor, sentences))

        write_share(space, name, text, folder / "soft_labels", label, write_soft_labels)

    return Iob2Labels(stage.key, space.run(stage, work, collective=True), teacher)


def _cost(space: Workspace, sentences: Labelled | Unlabelled, epochs: float) -> dict[str, Any]:
    """What a stage takes, as arguments of `Stage`; time is only measured for a dry run."""
    cost: dict[str, Any] = {"units": float(len(sentences.data) * epochs)}
    if space.store.dry_run:
        words = sum(map(len, sentences.data["tokens"]))
        cost |= {"seconds_estimate": words * epochs * _seconds_per_word(), "bytes_estimate": 4_000_000}
    return cost


@lru_cache(maxsize=1)
def _seconds_per_word() -> float:
    """Seconds of a training step for one word, measured on one batch after a warm-up."""
    size, length = 16, 15
    config = BiLstmCrfConfig(n_characters=100, num_labels=17)
    model = BiLstmCrfForTokenClassification(config).train()
    ids = torch.arange(size * length).reshape(size, length)
    batch = WordBatch(
        vectors=torch.zeros(size * length, config.word_size),
        word_ids=ids,
        mask=torch.ones(size, length, dtype=torch.bool),
        characters=torch.ones(size * length, 8, dtype=torch.long),
        n_characters=torch.full((size * length,), 8),
    )
    seconds = 0.0
    for _ in range(2):
        begin = time.perf_counter()
        emissions = model.all_emissions(batch, ("source",))["source"]
        model.crf.negative_log_likelihood(emissions, torch.zeros_like(ids), batch.mask).sum().backward()
        seconds = time.perf_counter() - begin
    return seconds / (size * length)
