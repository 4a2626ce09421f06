"""Training of the BiLSTM-CRF: on labelled sentences (B3), and jointly with pseudo-labelled ones (B4, B5).

    theta_s    minimises  sum_source L_s(theta_s)
    theta_s,t  minimise   sum_source L_s(theta_s) + sum_target L_t(theta_s) + sum_target L_t(theta_t)

L is the CRF's negative log-likelihood, of gold tags on the source side and of theta_s' own tags on the target side
(Bari et al., AAAI 2020). Pseudo labels are renewed from theta_s, never from theta_t, round by round; only sentences up
to a random length take part, because the source model is right more often in short ones. The cap on the length of
sentences, of source sentences in the paper, holds for the target's too.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import set_seed

from hf_xner.data.sampling import LengthBucketSampler
from hf_xner.data.word_rows import WordRows, pad_tags
from hf_xner.errors import InputError
from hf_xner.evaluation.evaluate import gold_tags
from hf_xner.evaluation.metrics import entity_scores
from hf_xner.inference.decoding import CRF
from hf_xner.inference.device import local_device, one_thread
from hf_xner.inference.word_models import tag_rows
from hf_xner.labels import convert_tags, entity_types, tag_names
from hf_xner.models.bilstm_crf import BiLstmCrfConfig, BiLstmCrfForTokenClassification
from hf_xner.models.word_features import WordFeatureExtractor
from hf_xner.training.augmented_settings import JointSettings, TaggerSettings
from hf_xner.training.fit import HISTORY_PLOT, MODEL
from hf_xner.training.history import HISTORY, add_record, plot_history, read_history
from hf_xner.training.sgd import CHECKPOINT, SgdTraining, StepLoss

logger = logging.getLogger("hf_xner")

PSEUDO_LABELS = "pseudo_labels-"
DRAWS = 1000  # attempts to draw a threshold that leaves sentences


@dataclass(frozen=True)
class DevelopmentSet:
    """Labelled sentences on which the best weights are chosen.

    Attributes:
        data: `tokens` and `ner_tags`.
        language: The vectors that they are looked up in: "source" or "target".
    """

    data: Dataset
    language: str


def train_on_labels(
    folder: Path,
    extractor: WordFeatureExtractor,
    sentences: Dataset,
    settings: TaggerSettings,
    *,
    language: str = "source",
    dev: DevelopmentSet | None = None,
) -> None:
    """Train a one-encoder tagger on labelled sentences (stage B3) and save it in `folder/model`, without extractor.

    Args:
        folder: Where checkpoint, history and the model go; that of a killed training goes on from its checkpoint.
        extractor: Looks up the words.
        sentences: `tokens` and `ner_tags`.
        settings: The settings.
        language: The vectors that the sentences are looked up in: "source", or "target" for an upper bound.
        dev: For `settings.select == "best"`.

    Raises:
        InputError: No sentence is short enough to train on.
    """
    if _is_finished(folder):
        return
    set_seed(settings.seed)
    names = list(sentences.features["ner_tags"].feature.names)
    tags = tag_names(entity_types(names), settings.scheme)
    model = _new_model(extractor, tags, settings)
    _to_device(model)
    training = _LabelledSentences(extractor, sentences, tags, settings.scheme, settings.longest_sentence, language)
    source = _Stream(training.rows, training.tags, settings.batch_size, settings.seed)

    def make_round(epoch: int) -> _LabelledRound:
        return _LabelledRound(source, epoch, settings.loss_over)

    _descend(folder, model, extractor, settings, make_round, dev)


def train_jointly(
    folder: Path,
    start: Path,
    extractor: WordFeatureExtractor,
    sentences: Dataset,
    text: Dataset,
    settings: JointSettings,
    *,
    dev: DevelopmentSet | None = None,
) -> None:
    """Augmented fine-tuning (stages B4, B5): a target encoder beside theta_s, both trained; saved in `folder/model`.

    Args:
        folder: Where checkpoint, pseudo labels, history and the model go; as for `train_on_labels`.
        start: Folder of theta_s.
        extractor: Looks up the words.
        sentences: Source sentences: `tokens` and `ner_tags`.
        text: Target sentences: `tokens` alone.
        settings: The settings.
        dev: For `settings.select == "best"`, and for the rule that ends the training.

    Raises:
        InputError: `text` comes with tags, or no sentence lies between the bounds of the threshold.
    """
    if "ner_tags" in text.column_names:
        raise InputError("a target corpus with tags was given", remedy="pass it through hf_xner.data.unlabelled()")
    if _is_finished(folder):
        return
    set_seed(settings.seed)
    base = BiLstmCrfForTokenClassification.from_pretrained(start)
    model = base.add_target_encoder(extractor.n_characters)
    _to_device(model)
    scheme = model.config.xner["scheme"]
    labelled = _LabelledSentences(extractor, sentences, model.tag_names, scheme, settings.longest_sentence, "source")
    source = _Stream(labelled.rows, labelled.tags, settings.batch_size, settings.seed)
    target = _read_text(extractor, text, settings.longest_sentence)
    pseudo = PseudoLabels(folder, target, settings)

    def make_round(draw: int) -> _JointRound:
        return _JointRound(source, pseudo.stream(draw, model), draw, pseudo.steps_before(draw), settings)

    _descend(folder, model, extractor, settings, make_round, dev)


def _descend(
    folder: Path,
    model: BiLstmCrfForTokenClassification,
    extractor: WordFeatureExtractor,
    settings: TaggerSettings | JointSettings,
    make_round: Any,
    dev: DevelopmentSet | None,
) -> None:
    evaluate = None if dev is None or settings.select == "none" else _Evaluation(model, extractor, dev)
    training = SgdTraining(folder, model, settings.sgd(), make_round, evaluate)
    with one_thread():
        training.run()
    model.cpu().save_pretrained(folder / MODEL)
    plot_history(folder / HISTORY, folder / HISTORY_PLOT)
    training.clear()
    for left in folder.glob(f"{PSEUDO_LABELS}*"):
        left.unlink()


def _is_finished(folder: Path) -> bool:
    """Whether an earlier attempt saved its model: the checkpoint goes only after that."""
    return (folder / MODEL / "model.safetensors").exists() and not (folder / CHECKPOINT).exists()


def _to_device(model: Any) -> None:
    model.to(local_device())


def _new_model(
    extractor: WordFeatureExtractor, tags: Sequence[str], settings: TaggerSettings
) -> BiLstmCrfForTokenClassification:
    config = BiLstmCrfConfig(
        word_size=extractor.word_size,
        n_characters=extractor.n_characters if settings.characters else 0,
        source_characters=settings.characters,
        tied=settings.tied,
        dropout=settings.dropout,
        activation=settings.activation,
        id2label=dict(enumerate(tags)),
        label2id={tag: index for index, tag in enumerate(tags)},
    )
    config.xner = {"scheme": settings.scheme, "decoding": CRF, "start_constraint": False}
    return BiLstmCrfForTokenClassification(config)


class _LabelledSentences:
    """Sentences that train, with tags in the scheme that is learnt."""

    def __init__(
        self,
        extractor: WordFeatureExtractor,
        sentences: Dataset,
        tags: Sequence[str],
        scheme: str,
        longest: int,
        language: str,
    ) -> None:
        words, gold = sentences["tokens"][:], gold_tags(sentences)
        kept = _short_enough(words, longest, language)
        ids = {tag: index for index, tag in enumerate(tags)}
        self.tags = [_tag_ids(convert_tags(gold[row], "iob2", scheme), ids) for row in kept]
        self.rows = WordRows(extractor, [words[row] for row in kept], language=language)


def _tag_ids(tags: Sequence[str], ids: dict[str, int]) -> np.ndarray:
    unknown = sorted(set(tags) - ids.keys())
    if unknown:
        raise InputError(
            f"the corpus has the tag {unknown[0]}, which the tagger does not know",
            remedy=f"rename types with --label_map; it knows {', '.join(entity_types(ids))}",
        )
    return np.array([ids[tag] for tag in tags], dtype=np.int64)


def _read_text(extractor: WordFeatureExtractor, text: Dataset, longest: int) -> WordRows:
    words = text["tokens"][:]
    return WordRows(extractor, [words[row] for row in _short_enough(words, longest, "target")], language="target")


def check_lengths(sentences: Dataset, longest: int, language: str) -> np.ndarray:
    """Words of each of the sentences that train.

    Args:
        sentences: `tokens`.
        longest: Longer sentences do not train.
        language: "source" or "target", for the message.

    Raises:
        InputError: There is none.
    """
    words = sentences["tokens"][:]
    return np.array([len(words[row]) for row in _kept(words, longest, language)], dtype=np.int64)


def _kept(sentences: Sequence[Sequence[str]], longest: int, language: str) -> list[int]:
    """Numbers of the sentences that have words, but not too many."""
    kept = [row for row, words in enumerate(sentences) if 0 < len(words) <= longest]
    if not kept:
        raise InputError(
            f"none of the {len(sentences)} {language} sentences has between 1 and {longest} words",
            where="--longest_sentence",
            remedy="raise it, or split the sentences",
        )
    return kept


def _short_enough(sentences: Sequence[Sequence[str]], longest: int, language: str) -> list[int]:
    """As `_kept`; says how many are too long."""
    kept = _kept(sentences, longest, language)
    too_long = sum(len(words) > longest for words in sentences)
    if too_long:
        logger.info("%d %s sentences of more than %d words do not train", too_long, language, longest)
    return kept


class _Stream:
    """Batches of sentences of like length with their tags, epoch after epoch; a function of the seed alone."""

    def __init__(self, rows: WordRows, tags: Sequence[np.ndarray], batch_size: int, seed: int) -> None:
        self.rows = rows
        self.tags = tags
        self._size = batch_size
        self._sampler = LengthBucketSampler(rows.lengths, batch_size, seed)
        self._epoch: int | None = None
        self._batches: list[list[int]] = []

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-len(self.rows) // self._size)

    def batch(self, epoch: int, step: int) -> list[int]:
        """Rows of one batch."""
        if epoch != self._epoch:
            self._sampler.set_epoch(epoch)
            order = list(self._sampler)
            self._batches = [order[begin : begin + self._size] for begin in range(0, len(order), self._size)]
            self._epoch = epoch
        return self._batches[step]


@dataclass(frozen=True)
class _LabelledRound:
    """One epoch of stage B3."""

    source: _Stream
    epoch: int
    loss_over: str

    @property
    def steps(self) -> int:
        return self.source.steps

    def loss(self, model: BiLstmCrfForTokenClassification, step: int) -> StepLoss:
        """L_s(theta_s) of a batch."""
        rows = self.source.batch(self.epoch, step)
        batch = self.source.rows.batch(rows, device=model.device)
        emissions = model.all_emissions(batch, ("source",))["source"]
        tags = pad_tags(self.source.tags, rows, device=model.device)
        loss = model.crf.negative_log_likelihood(emissions, tags, batch.mask).sum()
        return StepLoss({"loss_source": loss}, int(self.source.rows.lengths[rows].sum()), _divisor(self, rows))


def _divisor(round_: Any, rows: Sequence[int]) -> float:
    return float(len(rows)) if round_.loss_over == "sentences" else 1.0


@dataclass(frozen=True)
class _JointRound:
    """One draw of stage B5: a pass over the target sentences drawn, each batch with one of the source."""

    source: _Stream
    target: _Stream
    draw: int
    steps_before: int
    settings: JointSettings

    @property
    def loss_over(self) -> str:
        return self.settings.loss_over

    @property
    def steps(self) -> int:
        return self.target.steps

    def loss(self, model: BiLstmCrfForTokenClassification, step: int) -> StepLoss:
        """L_s(theta_s) + L_t(theta_s) + L_t(theta_t) of a source batch and a target batch."""
        epoch, place = divmod(self.steps_before + step, self.source.steps)
        source_rows, target_rows = self.source.batch(epoch, place), self.target.batch(self.draw, step)
        parts = {"loss_source": self._loss(model, self.source, source_rows, ("source",))["source"]}
        both = self._loss(model, self.target, target_rows, ("source", "target"))
        parts |= {"loss_pseudo_source": both["source"], "loss_pseudo_target": both["target"]}
        words = self.source.rows.lengths[source_rows].sum() + self.target.rows.lengths[target_rows].sum()
        return StepLoss(parts, int(words), _divisor(self, source_rows))

    def _loss(
        self, model: BiLstmCrfForTokenClassification, stream: _Stream, rows: Sequence[int], encoders: tuple[str, ...]
    ) -> dict[str, torch.Tensor]:
        batch = stream.rows.batch(rows, device=model.device)
        tags = pad_tags(stream.tags, rows, device=model.device)
        emissions = model.all_emissions(batch, encoders, detach_source=self.settings.detach_source)
        return {
            encoder: model.crf.negative_log_likelihood(scores, tags, batch.mask).sum()
            for encoder, scores in emissions.items()
        }


def threshold_bounds(lengths: np.ndarray, settings: JointSettings) -> tuple[int, int]:
    """Least and greatest length threshold.

    Args:
        lengths: Words of each target sentence that may train.
        settings: They may say one or both.

    Raises:
        InputError: No sentence lies within the bounds.
    """
    low = int(lengths.min()) if settings.shortest_threshold is None else settings.shortest_threshold
    high = int(lengths.max()) if settings.longest_threshold is None else settings.longest_threshold
    if low > high or not (lengths <= high).any():
        raise InputError(
            f"no threshold between {low} and {high} words leaves a target sentence; the shortest has "
            f"{lengths.min()} words",
            where="--shortest_threshold, --longest_threshold",
            remedy="raise the longest threshold, or leave both out",
        )
    return low, high


class PseudoLabels:
    """Stage B4: for each round a length threshold and theta_s' tags of the target sentences up to it.

    Args:
        folder: Keeps the tags of the current round, so that a killed round goes on with the same ones, and how many
            steps the rounds had.
        rows: The target sentences.
        settings: Bounds of the threshold, and the seed.

    Raises:
        InputError: No sentence lies within the bounds.
    """

    def __init__(self, folder: Path, rows: WordRows, settings: JointSettings) -> None:
        self.folder = folder
        self.rows = rows
        self.settings = settings
        self.low, self.high = threshold_bounds(rows.lengths, settings)

    def draw(self, round_: int) -> tuple[int, list[int]]:
        """The threshold of a round, uniform between the bounds, and the sentences up to it; a function of the seed.

        A threshold that leaves less than a batch, where others would leave more, is drawn again.
        """
        random = np.random.default_rng((self.settings.seed, round_))
        wanted = min(self.settings.batch_size, int((self.rows.lengths <= self.high).sum()))
        for _ in range(DRAWS):
            threshold = int(random.integers(self.low, self.high + 1))
            chosen = np.flatnonzero(self.rows.lengths <= threshold)
            if len(chosen) >= wanted:
                return threshold, chosen.tolist()
        return self.high, np.flatnonzero(self.rows.lengths <= self.high).tolist()

    def stream(self, round_: int, model: BiLstmCrfForTokenClassification) -> _Stream:
        """The sentences of a round with their pseudo labels, from its file if there is one."""
        threshold, chosen = self.draw(round_)
        path = self.folder / f"{PSEUDO_LABELS}{round_:03d}.npy"
        if not path.exists():
            tags = tag_rows(model, self.rows, chosen, encoder="source")
            aside = path.with_name(f".{path.name}.tmp")
            with aside.open("wb") as file:
                np.save(file, np.concatenate(tags).astype(np.int16))
            os.replace(aside, path)
            for old in self.folder.glob(f"{PSEUDO_LABELS}*.npy"):
                if old != path:
                    old.unlink()
        self._tell(round_, threshold, len(chosen))
        borders = np.cumsum(self.rows.lengths[chosen])[:-1]
        tags = np.split(np.load(path).astype(np.int64), borders)
        return _Stream(self.rows.subset(chosen), tags, self.settings.batch_size, self.settings.seed)

    def _tell(self, round_: int, threshold: int, count: int) -> None:
        """Note the draw in the history, once."""
        history = self.folder / HISTORY
        if all(record.get("draw") != round_ for record in read_history(history)):
            facts = {"draw": round_, "threshold": threshold, "sentences": count}
            add_record(history, {"step": self.steps_before(round_), "seconds": 0.0, **facts})

    def steps_before(self, round_: int) -> int:
        """Steps of all earlier rounds."""
        sizes = (len(self.draw(earlier)[1]) for earlier in range(round_))
        return sum(-(-size // self.settings.batch_size) for size in sizes)


class _Evaluation:
    """F1 of the current model on a development set: Viterbi, IOB2."""

    def __init__(
        self, model: BiLstmCrfForTokenClassification, extractor: WordFeatureExtractor, dev: DevelopmentSet
    ) -> None:
        words, gold = dev.data["tokens"][:], gold_tags(dev.data)
        kept = [row for row, sentence in enumerate(words) if len(sentence)]
        self.model = model
        self.rows = WordRows(extractor, [words[row] for row in kept], language=dev.language)
        self.gold = [gold[row] for row in kept]
        # The target encoder reads target words; on source sentences theta_s is judged.
        self.encoder = model.default_encoder if dev.language == "target" else "source"

    def __call__(self) -> float:
        names, scheme = self.model.tag_names, self.model.config.xner["scheme"]
        found = tag_rows(self.model, self.rows, range(len(self.rows)), encoder=self.encoder)
        predicted = [convert_tags([names[tag] for tag in tags.tolist()], scheme, "iob2") for tags in found]
        return float(entity_scores(self.gold, predicted).f1)
