"""The stages that several teachers need: vectors of sentences, similarity of languages, weights, mixed soft labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from hf_xner.data.mixtures import MixedTags, mix
from hf_xner.data.paired_rows import VECTORS, write_vectors
from hf_xner.data.rows import RaggedColumn, write_soft_labels
from hf_xner.evaluation.evaluate import KINDS, Evaluation, as_cut, gold_tags
from hf_xner.evaluation.metrics import entity_scores
from hf_xner.inference.decoding import TagDecoder
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.sentence_vectors import load_sentence_encoder, sentence_vectors
from hf_xner.models.language_similarity import LanguageSimilarityModel, sentence_weights, temperature_of
from hf_xner.systems.files import read_json, write_json
from hf_xner.systems.msd_stages import SentenceVectors, without_tags
from hf_xner.systems.similarity_figure import save_similarity
from hf_xner.systems.stages import Stage
from hf_xner.systems.tagger_stages import (
    SoftLabels,
    TrainedTagger,
    label_text,
    write_outcome,
    write_share,
)
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace
from hf_xner.training.similarity import SIMILARITY, SimilaritySettings, fit_similarity

ENCODE_VERSION = 1
SIMILARITY_VERSION = 1
WEIGHTS_VERSION = 1
MIXTURE_VERSION = 1
SCORE_MIXTURE_VERSION = 1
LEVELS = ("language", "sentence")
WEIGHTS_JSON, WEIGHTS_NPY = "weights.json", "weights.npy"
TARGET_TEXT = "target text"  # beside the short names of teachers, which have no spaces
BATCH = 1024  # sentence vectors scored together
ONE_SIDED = 0.99  # a sentence that gives one language more than this has made a choice, not a mixture


@dataclass(frozen=True)
class Similarity:
    """A similarity model: stage key, folder, and the vectors of the languages it knows."""

    key: str
    folder: Path
    languages: Mapping[str, SentenceVectors]


@dataclass(frozen=True)
class Weights:
    """How much each teacher has to say of a text: stage key and folder.

    Attributes:
        level: "language" for one alpha a teacher, "sentence" for one of each sentence.
    """

    key: str
    folder: Path
    level: str

    def facts(self) -> dict[str, Any]:
        """alpha, tau and what else is known of them."""
        return read_json(self.folder / WEIGHTS_JSON)

    def read(self, n_sentences: int) -> np.ndarray:
        """alpha for every sentence, shape (N, K); at the level of languages its rows are all the same."""
        if self.level == "sentence":
            return np.load(self.folder / WEIGHTS_NPY, mmap_mode="r")
        return np.broadcast_to(list(self.facts()["alpha"].values()), (n_sentences, len(self.facts()["alpha"])))


@dataclass(frozen=True)
class MixedLabels(SoftLabels):
    """Soft labels of several teachers as one.

    Attributes:
        tags: Tags by id.
    """

    tags: tuple[str, ...]

    def tag_names(self) -> list[str]:
        """The mixture's tags by id."""
        return list(self.tags)


@dataclass(frozen=True)
class Mixture:
    """Several teachers as one: who speaks, how their tags meet, how much each has to say.

    Attributes:
        teachers: The taggers, by name.
        tags: How their tags meet.
        measure: The similarity that weighs them, or None for all alike.
        temperature: What tau is, "variance" or "std".
        level: "language" or "sentence".
    """

    teachers: Mapping[str, TrainedTagger]
    tags: MixedTags
    measure: Similarity | None = None
    temperature: str = "variance"
    level: str = "language"


def encode_text(space: Workspace, name: str, text: Unlabelled, pooling: str) -> SentenceVectors:
    """g(x): one pass of the frozen pretrained encoder over a text, a vector a sentence; every process its share.

    Args:
        space: The workspace.
        name: What people call the stage.
        text: The sentences.
        pooling: "cls", "pooler" or "mean".
    """
    max_length = space.arguments.max_length
    stage = Stage(
        kind="sentence_vectors",
        name=name,
        version=ENCODE_VERSION,
        inputs={"encoder": space.encoder_digest, "sentences": text.digest},
        settings={"pooling": pooling, "max_length": max_length},
        **space.cost("label", text.data),
    )

    def work(folder: Path) -> None:
        model, tokenizer = load_sentence_encoder(space.encoder, pooling)

        def describe(sentences: Iterator[list[str]]) -> Iterator[np.ndarray]:
            return sentence_vectors(model, tokenizer, sentences, max_length=max_length, pooling=pooling)

        write_share(space, name, text, folder / VECTORS, describe, write_vectors)

    return SentenceVectors(stage.key, space.run(stage, work, collective=True), text)


def compare_languages(
    space: Workspace, name: str, languages: Mapping[str, SentenceVectors], settings: SimilaritySettings, pooling: str
) -> Similarity:
    """Train the similarity model on the sources' vectors (Eq. 8 to 10), the target left out; or only take their means.

    Args:
        space: The workspace.
        name: What people call the stage.
        languages: The sources' vectors, by name.
        settings: The measure and how it is trained.
        pooling: What the vectors are, for the record.
    """
    names = list(languages)
    stage = Stage(
        kind="similarity",
        name=name,
        version=SIMILARITY_VERSION,
        inputs={f"language {index}": vectors.key for index, vectors in enumerate(languages.values())},
        settings=settings.as_dict() | {"languages": names},
        units=sum(len(vectors.text.data) for vectors in languages.values()) * settings.epochs,
    )

    def work(folder: Path) -> None:
        fit_similarity(
            folder,
            [vectors.read() for vectors in languages.values()],
            names,
            settings,
            pooling=pooling,
            encoder=Path(space.arguments.encoder).name,
        )

    return Similarity(stage.key, space.run(stage, work, collective=True), dict(languages))


def weigh_languages(
    space: Workspace, name: str, similarity: Similarity, text: SentenceVectors, *, temperature: str, level: str
) -> Weights:
    """alpha_k = 1/N sum_x softmax_k(s(x, mu_k) / tau), tau the variance of all scores (Eq. 11).

    Beside them, `similarity.csv` and the figure hold the same means for the sources' own sentences: the heat map.

    Args:
        space: The workspace.
        name: What people call the stage.
        similarity: The similarity.
        text: Vectors of the sentences that are to be labelled.
        temperature: "variance" or "std".
        level: What the weights are used at; both levels are written.
    """
    stage = Stage(
        kind="language_weights",
        name=name,
        version=WEIGHTS_VERSION,
        inputs={"similarity": similarity.key, "vectors": text.key},
        settings={"temperature": temperature},
        units=float(len(text.text.data)),
        bytes_estimate=4 * len(similarity.languages) * len(text.text.data),
    )

    def work(folder: Path) -> None:
        model = LanguageSimilarityModel.from_pretrained(similarity.folder / SIMILARITY).eval()
        names = list(similarity.languages)
        heat = {row: _weigh(model, vectors.read(), temperature)[1] for row, vectors in similarity.languages.items()}
        weights, facts = _weigh(model, text.read(), temperature)
        np.save(folder / WEIGHTS_NPY, weights.astype(np.float32))
        heat |= {TARGET_TEXT: facts}
        content = {
            "alpha": dict(zip(names, facts["alpha"], strict=True)),
            "tau": facts["tau"],
            "temperature": temperature,
            "sentences": len(weights),
            "one_sided": float((weights.max(axis=1) > ONE_SIDED).mean()),
            "heat_map": heat,
        }
        write_json(folder / WEIGHTS_JSON, content)
        save_similarity(folder, names, heat)

    return Weights(stage.key, space.run(stage, work, collective=False), level)


def _weigh(model: LanguageSimilarityModel, vectors: Dataset, temperature: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Weights (N, K) of a text, and their means, the means of the scores, and tau."""
    scores = torch.cat(list(_scores(model, vectors)))
    tau = temperature_of(scores, temperature)
    weights = sentence_weights(scores, tau).numpy()
    means = scores.double().mean(dim=0).tolist()
    return weights, {"alpha": weights.mean(axis=0).tolist(), "scores": means, "tau": tau}


@torch.inference_mode()
def _scores(model: LanguageSimilarityModel, vectors: Dataset) -> Iterator[torch.Tensor]:
    column = RaggedColumn(vectors, VECTORS)
    for begin in range(0, len(column), BATCH):
        rows = range(begin, min(begin + BATCH, len(column)))
        yield model(torch.from_numpy(np.stack([column[index] for index in rows]))).logits


def mix_labels(
    space: Workspace,
    name: str,
    text: Unlabelled,
    parts: Sequence[SoftLabels],
    tags: MixedTags,
    weights: Weights | None = None,
) -> MixedLabels:
    """p(x_i) = sum_k alpha_k p(x_i; teacher k), a mixture of probabilities (Eq. 6 and 7).

    Args:
        space: The workspace.
        name: What people call the stage.
        text: The sentences.
        parts: What each teacher says of them.
        tags: How the teachers' tags meet.
        weights: alpha; None for 1/K.
    """
    stage = Stage(
        kind="mixture",
        name=name,
        version=MIXTURE_VERSION,
        inputs={"sentences": text.digest} | _inputs(parts, weights),
        settings=_settings(tags, weights),
        units=float(len(text.data)),
        bytes_estimate=300 * len(text.data),
    )

    def work(folder: Path) -> None:
        rows = zip(*(part.rows() for part in parts), strict=True)
        alpha = _alpha(weights, len(parts), len(text.data))
        mixed = (mix(row, one, tags) for row, one in zip(rows, alpha, strict=True))
        write_soft_labels(mixed, folder / "soft_labels-00000.arrow")

    return MixedLabels(stage.key, space.run(stage, work, collective=False), parts[0].teacher, tags.names)


def _inputs(parts: Sequence[SoftLabels], weights: Weights | None) -> dict[str, str]:
    return {f"teacher {index}": part.key for index, part in enumerate(parts)} | (
        {} if weights is None else {"weights": weights.key}
    )


def _settings(tags: MixedTags, weights: Weights | None) -> dict[str, Any]:
    settings = {
        "tags": list(tags.names),
        "voices": [asdict(voice) for voice in tags.voices],
        "weights": "mean" if weights is None else weights.level,
    }
    # Only these mixtures were once made by another rule; the keys of all others stay valid.
    return settings | ({"odds": "each type's"} if tags.differently_known else {})


def _alpha(weights: Weights | None, n_teachers: int, n_sentences: int) -> np.ndarray:
    if weights is None:
        return np.full((n_sentences, n_teachers), 1 / n_teachers)
    return weights.read(n_sentences)


@dataclass(frozen=True)
class MixedTagger(TrainedTagger):
    """A mixture as a predictor: the paper's MT-avg and MT-sim. It is scored as a tagger is, but is no one model.

    Attributes:
        mixture: Who speaks.
        weights: alpha from the target's training sentences, as in Eq. 11; None for all alike, or where `pooling` says
            that each text is weighed by its own sentences.
        pooling: What vectors to weigh each scored text by (the released behaviour); None for `weights`.
    """

    mixture: Mixture
    weights: Weights | None = None
    pooling: str | None = None

    @property
    def is_model(self) -> bool:
        """It is several."""
        return False

    def score(self, space: Workspace, name: str, gold: Labelled) -> Path:
        """The folder of its scores on a labelled set, of the same form as a tagger's.

        Every teacher reads the set once, whatever mixtures of them are scored. "plain" has each teacher's sentences
        cut where that teacher's own pipeline would cut them.
        """
        text = without_tags(gold)
        teachers = self.mixture.teachers
        parts = [label_text(space, f"{text.name}, by {who}", tagger, text) for who, tagger in teachers.items()]
        weights = self.weights
        if self.pooling is not None and self.mixture.measure is not None:
            vectors = encode_text(space, f"sentence vectors, {text.name}", text, self.pooling)
            weights = weigh_languages(
                space,
                f"weights of {name}",
                self.mixture.measure,
                vectors,
                temperature=self.mixture.temperature,
                level=self.mixture.level,
            )
        constrained = space.arguments.start_constraint
        stage = Stage(
            kind="score",
            name=name,
            version=SCORE_MIXTURE_VERSION,
            inputs={"corpus": gold.digest} | _inputs(parts, weights),
            settings=_settings(self.mixture.tags, weights) | {"start_constraint": constrained},
            **space.cost("label", gold.data),
        )

        def work(folder: Path) -> None:
            write_outcome(folder, gold, evaluate_mixture(self.mixture, parts, weights, gold.data, constrained))

        return space.run(stage, work, collective=False)


def mixed_tagger(mixture: Mixture, weights: Weights | None = None, pooling: str | None = None) -> MixedTagger:
    """A mixture as a predictor; its key says what went into it."""
    content = {
        "teachers": [tagger.key for tagger in mixture.teachers.values()],
        "weights": None if weights is None else weights.key,
        "measure": None if mixture.measure is None else mixture.measure.key,
        "pooling": pooling,
        **_settings(mixture.tags, weights),
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return MixedTagger(key, Path(), mixture, weights, pooling)


def evaluate_mixture(
    mixture: Mixture, parts: Sequence[SoftLabels], weights: Weights | None, gold: Dataset, start_constraint: bool
) -> Evaluation:
    """Score what several teachers say together of a labelled set.

    Args:
        mixture: Who speaks.
        parts: What each of them said of every word of the set.
        weights: alpha; None for 1/K.
        gold: The set.
        start_constraint: Whether the first and last words' tags are constrained too in the "tagger" figure.
    """
    sentences = gold["tokens"][:]
    tags = mixture.tags
    whole = [list(part.rows()) for part in parts]
    cut = []
    for tagger, probabilities in zip(mixture.teachers.values(), whole, strict=True):
        model, tokenizer = load_tagger(str(tagger.folder))
        cut.append(as_cut(model, tokenizer, sentences, probabilities))
    alpha = _alpha(weights, len(parts), len(sentences))
    predictions = {}
    for kind, method, said in zip(KINDS, ("argmax", "viterbi"), (cut, whole), strict=True):
        decoder = TagDecoder(tags.names, "iob2", method, start_constraint)
        mixed = [mix(row, one, tags) for row, one in zip(zip(*said, strict=True), alpha, strict=True)]
        predictions[kind] = [decoder.names(tag_ids) for tag_ids in decoder.decode(mixed)]
    wanted = gold_tags(gold)
    scores = {kind: entity_scores(wanted, found) for kind, found in predictions.items()}
    return Evaluation(scores, predictions, wanted)
