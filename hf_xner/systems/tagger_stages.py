"""The stages that the systems are made of: train, label, distil, score.

Each states what goes into it (the digests of its inputs and its settings) and how it is done; the store decides
whether it needs doing. Bump a stage's version when a change to the code changes its result.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from tqdm.auto import tqdm

from hf_xner.data.rows import RaggedColumn, read_soft_labels, write_soft_labels
from hf_xner.data.sampling import share_of
from hf_xner.data.votes import read_votes
from hf_xner.evaluation.calibration import apply_temperature, expected_calibration_error, fit_temperature
from hf_xner.evaluation.evaluate import Evaluation, evaluate_model, gold_tags
from hf_xner.evaluation.prediction_files import write_predictions
from hf_xner.inference.decoding import TagDecoder
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.word_models import in_language
from hf_xner.labels import convert_tags
from hf_xner.systems.files import read_json, write_json
from hf_xner.systems.stages import SELECTED_ON, Stage
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace
from hf_xner.training.fit import MODEL, fit
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import VotedLabelLoss, hard_label_loss, soft_label_loss, tagging_loss

logger = logging.getLogger(__name__)

TRAIN_VERSION = 2
LABEL_VERSION = 1
DISTIL_VERSION = 2
SCORE_VERSION = 1
CALIBRATE_VERSION = 1
LABELLING_LENGTH = 512  # windows of this many sub-words, or what the encoder takes if that is less


@dataclass(frozen=True)
class TrainedTagger:
    """A trained tagger: the key of the stage that made it (or the digest of a given model) and its folder."""

    key: str
    folder: Path

    @property
    def is_model(self) -> bool:
        """Whether it is one model, with a folder that can be handed to somebody."""
        return True

    def score(self, space: Workspace, name: str, gold: Labelled) -> Path:
        """The folder of its scores on a labelled set; see `score_tagger`."""
        return score_tagger(space, name, self, gold)


def research_model(tagger: TrainedTagger, name: str) -> Path:
    """The model that a plain one was exported from, in the folder of this name beside it; else the plain one."""
    beside = tagger.folder.parent / name
    return beside if beside.is_dir() else tagger.folder


@dataclass(frozen=True)
class SoftLabels:
    """A teacher's word probabilities for a text: stage key, folder, and the teacher."""

    key: str
    folder: Path
    teacher: TrainedTagger

    def read(self) -> Dataset:
        """The memory-mapped column."""
        return read_soft_labels(self.folder)

    def rows(self) -> Iterator[np.ndarray]:
        """The probabilities of each sentence, (n_words, C) float32."""
        column, width = RaggedColumn(self.read(), "soft_labels"), len(self.tag_names())
        return (column[index].reshape(-1, width).astype(np.float32) for index in range(len(column)))

    def tag_names(self) -> list[str]:
        """The teacher's tags by id."""
        return tag_names_of(self.teacher.folder)


@dataclass(frozen=True)
class Votes:
    """The tags that several models agree on, word by word: stage key and folder."""

    key: str
    folder: Path

    def read(self) -> Dataset:
        """The memory-mapped column."""
        return read_votes(self.folder)


def tag_names_of(model_folder: Path) -> list[str]:
    """Tags by id, from a model's configuration."""
    config = json.loads((model_folder / "config.json").read_text(encoding="utf-8"))
    return [config["id2label"][str(index)] for index in range(len(config["id2label"]))]


def train_tagger(
    space: Workspace,
    name: str,
    source: Labelled,
    settings: FitSettings,
    dev: Labelled | None = None,
    *,
    start: TrainedTagger | None = None,
) -> TrainedTagger:
    """Supervised training of a fresh encoder, or further training of a tagger, on labelled sentences.

    Args:
        space: The workspace.
        name: What people call the stage.
        source: The sentences with their tags.
        settings: How to train.
        dev: Where the best epoch is picked if `settings.select` says so.
        start: A tagger with the same tags to go on from, with a new optimiser and schedule; else the encoder.

    Raises:
        InputError: See `fit`.
    """
    stage = Stage(
        kind="train",
        name=name,
        version=TRAIN_VERSION,
        inputs={"encoder": space.encoder_digest, "sentences": source.digest}
        | dev_digest(dev)
        | ({} if start is None else {"start": start.key}),
        settings=settings.as_dict(),
        **space.cost("train", source.data, settings.epochs),
    )

    def work(folder: Path) -> None:
        # Tags meet by name: a head that knows others, or in another order, is nothing to go on from.
        if start is not None and tag_names_of(start.folder) != source.tag_names:
            raise ValueError(f"{start.folder} and {source.name} have different tags")
        fit(
            folder,
            space.encoder if start is None else str(start.folder),
            source.data,
            source.tag_names,
            settings,
            tagging_loss,
            dev=None if dev is None else dev.data,
            keep_head=start is not None,
        )

    folder = space.run(stage, work, collective=True)
    return TrainedTagger(stage.key, folder / MODEL)


def label_text(space: Workspace, name: str, teacher: TrainedTagger, text: Unlabelled) -> SoftLabels:
    """One pass of a frozen teacher, dropout off, over every word of the text; stored as float16.

    Every process labels its share of the sentences.
    """
    stage = Stage(
        kind="soft_labels",
        name=name,
        version=LABEL_VERSION,
        inputs={"teacher": teacher.key, "sentences": text.digest},
        settings={"max_length": LABELLING_LENGTH},
        **space.cost("label", text.data),
    )

    def work(folder: Path) -> None:
        model, tokenizer = load_tagger(str(teacher.folder))

        def label(sentences: Iterator[list[str]]) -> Iterator[np.ndarray]:
            return word_probabilities(model, tokenizer, sentences, max_length=LABELLING_LENGTH)

        write_share(space, name, text, folder / "soft_labels", label, write_soft_labels)

    folder = space.run(stage, work, collective=True)
    return SoftLabels(stage.key, folder, teacher)


def write_share(
    space: Workspace,
    name: str,
    text: Unlabelled,
    place: Path,
    describe: Callable[[Iterator[list[str]]], Iterator[np.ndarray]],
    write: Callable[[Iterator[np.ndarray], Path], None],
) -> None:
    """Write what a model says of this process's share of the sentences, to `<place>-<rank>.arrow`.

    Args:
        space: The workspace.
        name: What people call the stage.
        text: The sentences.
        place: Beginning of the files' path.
        describe: Gives an array a sentence.
        write: Writes them to a file.
    """
    rank, size = space.processes.rank, space.processes.world_size
    if rank == 0:
        _drop_surplus_shares(place, size)
    share = share_of(text.data, size, rank)
    arrays = tqdm(
        describe(tokens for batch in share.iter(1000) for tokens in batch["tokens"]),
        total=len(share),
        desc=name,
        disable=rank > 0 or not sys.stderr.isatty(),
    )
    write(arrays, place.with_name(f"{place.name}-{rank:05d}.arrow"))


def _drop_surplus_shares(place: Path, processes: int) -> None:
    """Remove what a killed attempt with more processes left: shares that nobody overwrites now."""
    for path in place.parent.glob(f"{place.name}-*.arrow"):
        if int(path.stem.split("-")[-1]) >= processes:
            path.unlink()


def distil_tagger(
    space: Workspace,
    name: str,
    text: Unlabelled,
    soft_labels: SoftLabels,
    settings: FitSettings,
    *,
    targets: str | VotedLabelLoss = "soft",
    votes: Votes | None = None,
    dev: Labelled | None = None,
) -> TrainedTagger:
    """Train a fresh encoder to give the teacher's probabilities on unlabelled text.

    Args:
        space: The workspace.
        name: What people call the stage.
        text: The sentences, without tags.
        soft_labels: The teacher's probabilities for them, (n_words, C) a sentence.
        settings: How to train.
        dev: Where the best epoch is picked if `settings.select` says so.
        targets: "soft" for the probabilities, "hard" for the one-hot vectors of the best tags (TSL's HL), or UniTrans'
            loss, which learns from votes too.
        votes: The tags that several models agree on, for UniTrans' loss.
    """
    loss = {"soft": soft_label_loss, "hard": hard_label_loss}[targets] if isinstance(targets, str) else targets
    stage = Stage(
        kind="distil",
        name=name,
        version=DISTIL_VERSION,
        inputs={"encoder": space.encoder_digest, "sentences": text.digest, "soft_labels": soft_labels.key}
        | dev_digest(dev)
        | ({} if votes is None else {"votes": votes.key}),
        settings=settings.as_dict() | {"targets": targets if isinstance(targets, str) else asdict(targets)},
        **space.cost("train", text.data, settings.epochs),
    )

    def work(folder: Path) -> None:
        fit(
            folder,
            space.encoder,
            text.data,
            soft_labels.tag_names(),
            settings,
            loss,
            soft_labels=soft_labels.read(),
            votes=None if votes is None else votes.read(),
            dev=None if dev is None else dev.data,
        )

    folder = space.run(stage, work, collective=True)
    return TrainedTagger(stage.key, folder / MODEL)


def score_tagger(space: Workspace, name: str, tagger: TrainedTagger, gold: Labelled) -> Path:
    """Score a tagger on a labelled set: `scores.json`, `plain.conll` and `tagger.conll` in the returned folder."""
    constrained = space.arguments.start_constraint
    stage = Stage(
        kind="score",
        name=name,
        version=SCORE_VERSION,
        inputs={"model": tagger.key, "corpus": gold.digest},
        settings={} if constrained else {"start_constraint": False},
        **space.cost("label", gold.data),
    )

    def work(folder: Path) -> None:
        model, tokenizer = load_tagger(str(tagger.folder))
        tokenizer = in_language(tokenizer, _side(space, gold))
        outcome = evaluate_model(model, tokenizer, gold.data, start_constraint=constrained)
        write_outcome(folder, gold, outcome)
        warn_of_silence(name, outcome)

    return space.run(stage, work, collective=False)


def warn_of_silence(name: str, outcome: Evaluation) -> None:
    """Tell that a tagger finds nothing at all where there is something to find, and what to do about it.

    The squared error of probabilities is flat where the softmax is sure of O; a student that a high rate drives there
    in its first steps stays.
    """
    found = any(tag != "O" for predicted in outcome.predictions.values() for tags in predicted for tag in tags)
    if not found and any(tag != "O" for tags in outcome.gold for tag in tags):
        logger.warning(
            "%s: not one entity is found; if this is a student, try a lower --student_learning_rate, a larger "
            "--warmup or more passes",
            name,
        )


def write_outcome(folder: Path, gold: Labelled, outcome: Evaluation) -> None:
    """Write what the folder of a score holds: a prediction file a kind, and `scores.json`."""
    for kind, predicted in outcome.predictions.items():
        write_predictions(folder / f"{kind}.conll", gold.data["tokens"], outcome.gold, predicted)
    write_json(folder / "scores.json", {kind: scores.to_dict() for kind, scores in outcome.scores.items()})


def calibrate_tagger(space: Workspace, name: str, tagger: TrainedTagger, dev: Labelled) -> dict[str, float]:
    """Temperature of a tagger's probabilities, fitted on labelled source sentences, and what it does to them.

    Returns:
        `temperature`, and the expected calibration error of the best tag's probability over words, before and after
        (on the same sentences: the source's dev set, never the target's).
    """
    stage = Stage(
        kind="calibrate",
        name=name,
        version=CALIBRATE_VERSION,
        inputs={"model": tagger.key, "corpus": dev.digest},
        **space.cost("label", dev.data),
    )

    def work(folder: Path) -> None:
        model, tokenizer = load_tagger(str(tagger.folder))
        tokenizer = in_language(tokenizer, _side(space, dev))
        probabilities = np.concatenate(list(word_probabilities(model, tokenizer, dev.data["tokens"])))
        ids, scheme = model.config.label2id, TagDecoder.from_config(model.config).scheme
        tags = gold_tags(dev.data)
        if scheme != "iob2":
            tags = [convert_tags(sentence, "iob2", scheme) for sentence in tags]
        gold = np.array([ids[tag] for sentence in tags for tag in sentence], dtype=np.int64)
        write_json(folder / "calibration.json", calibrate(np.log(probabilities + 1e-9), gold))

    return read_json(space.run(stage, work, collective=False) / "calibration.json")


def calibrate(log_probabilities: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """Fit a temperature to log-probabilities (N, C) and tag ids (N,)."""
    temperature = fit_temperature(log_probabilities, gold)
    errors = {}
    for when, divisor in (("before", 1.0), ("after", temperature)):
        probabilities = apply_temperature(log_probabilities, divisor)
        right = probabilities.argmax(axis=-1) == gold
        errors[f"calibration_error_{when}"] = float(expected_calibration_error(probabilities.max(axis=-1), right))
    return {"temperature": float(temperature), **errors}


def _side(space: Workspace, corpus: Labelled) -> str:
    """Whose words a corpus holds, for models that look words up: "source" or "target"."""
    return "source" if corpus.spec in space.arguments.source else "target"


def dev_digest(dev: Labelled | None) -> dict[str, str]:
    """The set on which the best epoch is picked, as an input of a stage; none if the last one is kept."""
    return {} if dev is None else {SELECTED_ON: dev.digest}


def settings_for(space: Workspace, seed: int, rate: float, epochs: float, selects: bool) -> FitSettings:
    """Settings of one training run of this workspace."""
    options: dict[str, Any] = space.arguments.fit_options()
    return FitSettings(seed=seed, learning_rate=rate, epochs=epochs, select="best" if selects else "none", **options)
