"""The teachers of one seed, trained or given: what they say of a text, and how much each has to say."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, count
from pathlib import Path
from typing import Any, TypeVar

from hf_xner.data import content_digest, unlabelled
from hf_xner.data.checks import require_split
from hf_xner.data.label_maps import TypeMap, resolve_label_map
from hf_xner.data.mixtures import MixedTags, align_tags
from hf_xner.data.specs import parse_spec
from hf_xner.errors import InputError
from hf_xner.labels import entity_types
from hf_xner.systems.given_models import GivenModel, Seen, labels_seen
from hf_xner.systems.mixture_stages import (
    TARGET_TEXT,
    Mixture,
    Similarity,
    Weights,
    compare_languages,
    encode_text,
    mix_labels,
    mixed_tagger,
    weigh_languages,
)
from hf_xner.systems.msd_stages import SentenceVectors, without_tags
from hf_xner.systems.similarity_figure import SIMILARITY_FIGURE
from hf_xner.systems.summary import NOT_ZERO_RESOURCE, STUDENT
from hf_xner.systems.tagger_stages import SoftLabels, TrainedTagger, label_text
from hf_xner.systems.teacher_arguments import TeacherArguments
from hf_xner.systems.workspace import Unlabelled, Workspace
from hf_xner.training.similarity import SimilaritySettings

logger = logging.getLogger("hf_xner")

T = TypeVar("T")
MEAN = "mean"  # every teacher weighs alike
MIXTURES = ("avg", "sim")  # variants of all teachers are called mt_avg as those of a teacher de are called mt_de
LEARNED = "bilinear"
Train = Callable[[str, str], TrainedTagger]


@dataclass(frozen=True)
class Origin:
    """Where a teacher comes from.

    Attributes:
        name: A short name, such as its language.
        tag_names: Its own tags by id.
        source: The labelled corpus that it is trained on here, or "".
        given: The model that was given, or None.
        map: What becomes of a given model's types.
    """

    name: str
    tag_names: tuple[str, ...]
    source: str = ""
    given: GivenModel | None = None
    map: TypeMap | None = None

    @property
    def keeps_types(self) -> bool:
        """Whether no type of it gets another name."""
        return all(old == new for old, new in (self.map or {}).items())


def origins_of(space: Workspace) -> list[Origin]:
    """The teachers that the options name, sources first.

    Raises:
        InputError: A source has no labelled train split, a model is no tagger, or one of them stands there twice under
            two names.
    """
    sources, models = space.arguments.source, space.given_models
    labelled = [space.labelled(spec, "train") for spec in sources]
    for option, found in (
        ("--source", [(part.spec, part.digest) for part in labelled]),
        ("--teacher", [(model.name, model.digest) for model in models]),
    ):
        for (one, digest), (other, same) in combinations(found, 2):
            if digest == same:
                raise InputError(f"{one} and {other} are the same", where=option, remedy="give each once")
    names = short_names([*sources, *(model.name for model in models)])
    origins = [
        Origin(name, tuple(part.tag_names), source=part.spec) for name, part in zip(names, labelled, strict=False)
    ]
    for name, model in zip(names[len(origins) :], models, strict=True):
        parts = space.label_map_for(model.name, model.types)
        types = resolve_label_map(parts, model.types, model.name)
        origins.append(Origin(name, model.tag_names, given=model, map=types))
    return origins


def short_names(specs: Sequence[str]) -> list[str]:
    """A short name for each corpus or model: its language where the spec says it, else the last part of its path.

    What another of them, or a mixture of several, is called already gets a number.
    """
    names: list[str] = []
    reserved = MIXTURES if len(specs) > 1 else ()
    for spec in specs:
        path = Path(spec.partition("?")[0])
        name = _language(spec) or (
            path.parent.name if path.name == STUDENT else path.stem if path.suffix[1:].isalpha() else path.name
        )
        name = re.sub(r"[^\w.-]+", "-", name).strip("-") or "teacher"
        numbered = (f"{name}-{number}" for number in count(len(names) + 1))
        names.append(next(free for free in chain([name], numbered) if free not in (*names, *reserved)))
    return names


def _language(spec: str) -> str | None:
    try:
        return parse_spec(spec).language
    except InputError:  # a Hub id
        return None


def tags_of(space: Workspace, origins: Sequence[Origin]) -> MixedTags:
    """How the teachers' tags meet.

    Raises:
        InputError: They do not, by the rule that `--types` gives.
    """
    arguments = space.arguments
    assert isinstance(arguments, TeacherArguments)
    return align_tags(
        {origin.name: origin.tag_names for origin in origins},
        arguments.types,
        {origin.name: origin.map for origin in origins if origin.map is not None},
    )


def warn_of_seen_labels(space: Workspace, origins: Sequence[Origin]) -> None:
    """Say where a teacher has, or may have, learnt from labels of the target or its language; noted in the results."""
    target = space.arguments.target
    if not target:
        return
    language = parse_spec(target).language
    train = space.corpus(target)["train"]
    digest = space.labelled(target, "train").digest if "ner_tags" in train.column_names else None
    for origin in origins:
        seen = None
        if origin.given is not None:
            seen = labels_seen(origin.given, target, language, digest)
        elif language is not None and parse_spec(origin.source).language == language:
            seen = Seen(f"is trained on labels of {origin.source}")
        if seen is None:
            continue
        space.warn(f"the teacher {origin.name} {seen.reason}: {NOT_ZERO_RESOURCE}")
        if seen.surely:
            space.facts["target_labels_used"] = True


def note_teachers(space: Workspace, origins: Sequence[Origin]) -> None:
    """Say in the results who taught, where that is more than one source."""
    if len(origins) > 1 or origins[0].given is not None:
        space.facts["teachers"] = {
            origin.name: {
                "from": origin.source if origin.given is None else origin.given.name,
                "given": origin.given is not None,
                "types": entity_types(origin.tag_names),
            }
            for origin in origins
        }


class SeveralTeachers:
    """What one seed's teachers say.

    Args:
        space: The workspace.
        seed: The seed.
        train: Trains (or finds) the teacher of a source, given the stage's name and the source's spec.
    """

    def __init__(self, space: Workspace, seed: int, train: Train) -> None:
        assert isinstance(space.arguments, TeacherArguments)
        self.space = space
        self.seed = seed
        self.arguments = space.arguments
        self.origins = origins_of(space)
        self.tags = tags_of(space, self.origins)
        self.text = space.target_text
        self._train = train
        self._made: dict[tuple[str, object], Any] = {}

    def __len__(self) -> int:
        return len(self.origins)

    def _name(self, what: str, origin: Origin) -> str:
        """A stage's name; with a single source it is as short as it always was."""
        if len(self) == 1 and origin.given is None:
            return f"{what}, seed {self.seed}"
        return f"{what} of {self._who(origin)}"

    def _who(self, origin: Origin) -> str:
        """A teacher's name; one that was given has no seed."""
        return origin.name if origin.given is not None else f"{origin.name}, seed {self.seed}"

    def _once(self, what: str, which: object, make: Callable[[], T]) -> T:
        """What was asked for before is not looked for in the store again."""
        if (what, which) not in self._made:
            self._made[what, which] = make()
        return self._made[what, which]

    def tagger(self, index: int) -> TrainedTagger:
        """One teacher."""
        origin = self.origins[index]
        if origin.given is not None:
            return TrainedTagger(origin.given.digest, origin.given.folder)
        return self._once("teacher", index, lambda: self._train(self._name("teacher", origin), origin.source))

    def transferred(self, index: int) -> TrainedTagger:
        """One teacher as a predictor: as it is where its types are those of all, else through their common tags."""
        origin = self.origins[index]
        if origin.keeps_types and set(entity_types(origin.tag_names)) == set(self.tags.types):
            return self.tagger(index)
        return mixed_tagger(Mixture({self._who(origin): self.tagger(index)}, self.tags.alone(index)))

    def _labels(self, index: int) -> SoftLabels:
        """What one teacher says of the target's text, in its own tags."""
        name = self._name("soft labels", self.origins[index])
        return self._once("labels", index, lambda: label_text(self.space, name, self.tagger(index), self.text))

    def labels(self, index: int) -> SoftLabels:
        """What one teacher says of the target's text, in the tags of all."""
        origin, part = self.origins[index], self._labels(index)
        tags = self.tags.alone(index)
        if tags.is_one_teachers_own(origin.tag_names):
            return part
        return mix_labels(self.space, self._name("aligned soft labels", origin), self.text, [part], tags)

    def mixed_labels(self, measure: str) -> SoftLabels:
        """What all say together of the target's text.

        Args:
            measure: "mean", or the similarity that weighs them.
        """
        parts = [self._labels(index) for index in range(len(self))]
        name = f"mixture by {measure}, seed {self.seed}"
        return mix_labels(self.space, name, self.text, parts, self.tags, self._weights(measure))

    def mixed_predictor(self, measure: str) -> TrainedTagger:
        """All together as a predictor: weighed by the target's text, or each text by its own sentences.

        Weights of single sentences cannot come from other sentences, so at that level it is always the latter.
        """
        mixture = self._mixture(measure)
        own = self.arguments.mt_weights == "test" or self.arguments.weight_level == "sentence"
        if mixture.measure is not None and own:
            return mixed_tagger(mixture, pooling=self.arguments.similarity_embedding)
        return mixed_tagger(mixture, self._weights(measure))

    def _mixture(self, measure: str) -> Mixture:
        return Mixture(
            {self._who(origin): self.tagger(index) for index, origin in enumerate(self.origins)},
            self.tags,
            None if measure == MEAN else self._similarity(measure),
            self.arguments.similarity_temperature,
            self.arguments.weight_level,
        )

    def _weights(self, measure: str) -> Weights | None:
        """alpha for the target's text, noted in the results; None where all weigh alike."""
        return None if measure == MEAN else self._once("weights", measure, lambda: self._weigh(measure))

    def _weigh(self, measure: str) -> Weights:
        name = f"weights by {measure}{self._seed_of(measure)}"
        weights = weigh_languages(
            self.space,
            name,
            self._similarity(measure),
            self._vectors(TARGET_TEXT, self.text),
            temperature=self.arguments.similarity_temperature,
            level=self.arguments.weight_level,
        )
        if not self.space.store.dry_run:
            self._note(measure, weights)
        return weights

    def _similarity(self, measure: str) -> Similarity:
        return self._once("similarity", measure, lambda: self._compare(measure))

    def _compare(self, measure: str) -> Similarity:
        arguments = self.arguments
        settings = SimilaritySettings(
            measure=measure,
            rank=arguments.similarity_rank,
            bias=arguments.similarity_bias,
            gamma=arguments.similarity_gamma,
            regulariser=arguments.similarity_regulariser,
            class_weights=arguments.similarity_class_weights,
            learning_rate=arguments.similarity_learning_rate,
            weight_decay=arguments.similarity_weight_decay,
            epochs=arguments.similarity_epochs,
            batch_size=arguments.similarity_batch_size,
            seed=self.seed,
        )
        vectors = {
            origin.name: self._vectors(origin.name, self._own_text(index)) for index, origin in enumerate(self.origins)
        }
        name = f"similarity by {measure}{self._seed_of(measure)}"
        return compare_languages(self.space, name, vectors, settings, arguments.similarity_embedding)

    def _vectors(self, name: str, text: Unlabelled) -> SentenceVectors:
        pooling = self.arguments.similarity_embedding
        what = f"sentence vectors of {name}"
        return self._once("vectors", name, lambda: encode_text(self.space, what, text, pooling))

    def _own_text(self, index: int) -> Unlabelled:
        """Sentences of a teacher's own language, without tags."""
        origin = self.origins[index]
        if origin.given is None:
            return without_tags(self.space.labelled(origin.source, "train"))
        spec = self.arguments.teacher_text[index - len(self.arguments.source)]
        data = unlabelled(require_split(self.space.corpus(spec), "train", spec))
        return Unlabelled(f"{spec} train, unlabelled", data, content_digest(data, ["tokens"]))

    def _seed_of(self, measure: str) -> str:
        """Only a learned measure depends on the seed."""
        return f", seed {self.seed}" if measure == LEARNED else ""

    def _note(self, measure: str, weights: Weights) -> None:
        """Say in the results and the run folder how much each teacher has to say."""
        facts = weights.facts()
        kept = {name: facts[name] for name in ("alpha", "tau", "one_sided")}
        noted = self.space.facts.setdefault("language_weights", {}).setdefault(measure, {})
        noted[f"seed {self.seed}"] = kept
        first = self.seed == self.arguments.seeds[0]
        name = SIMILARITY_FIGURE if measure == LEARNED else f"{SIMILARITY_FIGURE}_{measure}"
        if first or measure == LEARNED:
            self.space.shown[name if first else f"{name}_seed_{self.seed}"] = weights.folder
        if self.space.processes.rank == 0:
            _say(measure, facts)


def _say(measure: str, facts: Mapping[str, Any]) -> None:
    alpha = ", ".join(f"{name} {value:.3f}" for name, value in facts["alpha"].items())
    logger.info("weights by %s: %s (tau %.4g)", measure, alpha, facts["tau"])
    if facts["tau"] == 0:
        logger.warning(
            "the similarity scores of all sentences are the same (by %s): no variance to divide by, so every source "
            "weighs as much as the others",
            measure,
        )
    elif len(facts["alpha"]) > 1 and facts["one_sided"] > 0.95:
        logger.warning(
            "by %s, %.0f %% of the sentences give nearly all their weight to one source: tau, the %s of the scores, "
            "is small (%.2g); --similarity_temperature std mixes more",
            measure,
            100 * facts["one_sided"],
            facts["temperature"],
            facts["tau"],
        )
