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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import set_seed

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
from hf_xner.training.history import HISTORY, plot_history
from hf_xner.training.pseudo_labels import PSEUDO_LABELS, PseudoLabels
from hf_xner.training.sgd import CHECKPOINT, SgdTraining, StepLoss
from hf_xner.training.word_sentences import LabelledSentences, SentenceStream, read_text

logger = logging.getLogger("hf_xner")


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
    training = LabelledSentences(extractor, sentences, tags, settings.scheme, settings.longest_sentence, language)
    source = SentenceStream(training.rows, training.tags, settings.batch_size, settings.seed)

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
    labelled = LabelledSentences(extractor, sentences, model.tag_names, scheme, settings.longest_sentence, "source")
    source = SentenceStream(labelled.rows, labelled.tags, settings.batch_size, settings.seed)
    target = read_text(extractor, text, settings.longest_sentence)
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


@dataclass(frozen=True)
class _LabelledRound:
    """One epoch of stage B3."""

    source: SentenceStream
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

    source: SentenceStream
    target: SentenceStream
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
        self,
        model: BiLstmCrfForTokenClassification,
        stream: SentenceStream,
        rows: Sequence[int],
        encoders: tuple[str, ...],
    ) -> dict[str, torch.Tensor]:
        batch = stream.rows.batch(rows, device=model.device)
        tags = pad_tags(stream.tags, rows, device=model.device)
        emissions = model.all_emissions(batch, encoders, detach_source=self.settings.detach_source)
        return {
            encoder: model.crf.negative_log_likelihood(scores, tags, batch.mask).sum()
            for encoder, scores in emissions.items()
        }


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
