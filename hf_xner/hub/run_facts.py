"""All that a card says about a run, collected from its folder; nothing in it names a place on this machine."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.hub.clean import cleaned_results
from hf_xner.hub.corpora import CorpusFacts, corpora_of
from hf_xner.hub.encoder import EncoderFacts, encoder_of, teacher_encoder_of
from hf_xner.hub.figures import SetFigures, figures_of
from hf_xner.hub.languages import hub_codes, language_name
from hf_xner.hub.lineage import (
    SUPERVISED,
    Lineage,
    all_chosen_alike,
    chosen_on,
    is_as_it_is,
    learnt_from_text,
    lineage_of,
)
from hf_xner.hub.machine import this_machine
from hf_xner.labels import entity_types
from hf_xner.systems.files import read_json
from hf_xner.systems.input_limit import input_limit
from hf_xner.systems.run_folder import MARKER, RESULTS
from hf_xner.systems.summary import NOT_ZERO_RESOURCE, PREDICTIONS, RESEARCH, STUDENT, bracketed, example_sentences

_SHOWN_SETTINGS = (
    "epochs",
    "rounds",
    "steps",
    "draws",
    "learning_rate",
    "generator_learning_rate",
    "discriminator_learning_rate",
    "batch_size",
)
_OF_A_TRAINING = {"epochs", "learning_rate"}

_BEFORE_PUNCTUATION = re.compile(r" ([,.;:!?)\]»])")


@dataclass(frozen=True)
class Example:
    """A sentence as words and as text, with the entities that were found in brackets, and with the gold ones."""

    words: list[str]
    text: str
    predicted: str
    gold: str


@dataclass(frozen=True)
class RunFacts:
    """A run as its card sees it.

    Attributes:
        folder: The run folder (only to read from).
        results: Its `results.json`, as it is published.
        corpora: Its corpora, sources first.
        encoder: What it began with: its encoder, or the tagger that it is a copy of; None for a model without one.
        figures: Its figures by set, the target's test set first.
        types: Entity types of the model.
        limit: Longest input, in sub-words with special tokens; None for a model that reads words, however many.
        custom_code: The model is no stock class of transformers and travels with its code.
        pieces_hide_spaces: Its tokenizer is of the SentencePiece kind, with which transformers' pipeline may glue
            punctuation to words.
        research: Folder of the research model, None where the run has none.
        languages: Codes of the language it is for (given by the user, or that of its corpora).
        examples: Sentences of the first set, as the plain pipeline's tags give them.
        teacher_encoder: The encoder of its teacher, where that is another one.
    """

    folder: Path
    results: dict[str, Any]
    corpora: list[CorpusFacts]
    encoder: EncoderFacts | None
    figures: tuple[SetFigures, ...]
    types: list[str]
    limit: int | None
    custom_code: bool
    pieces_hide_spaces: bool
    research: Path | None
    languages: list[str]
    examples: list[Example] = field(default_factory=list)
    teacher_encoder: EncoderFacts | None = None

    @property
    def system(self) -> str:
        """The system that made the model."""
        return str(self.results["system"])

    @property
    def template(self) -> str:
        """The template of its card: an upper bound is an ordinary tagger, whichever run made it."""
        return SUPERVISED if self.variant == SUPERVISED and not self.custom_code else self.system

    @property
    def decodes_itself(self) -> bool:
        """Whether it chooses whole tag sequences itself: then F1 is one, not a pipeline's and a Tagger's."""
        return self.custom_code and self.limit is None

    @property
    def variant(self) -> str:
        """The variant that became the run's student."""
        return str(self.results["student"])

    @property
    def arguments(self) -> dict[str, Any]:
        """The run's options."""
        return self.results["arguments"]

    @property
    def target(self) -> CorpusFacts | None:
        """The target's corpus; None where an ordinary tagger was trained on its source."""
        spec = self.arguments.get("target") or ""
        return next((corpus for corpus in reversed(self.corpora) if corpus.spec == spec), None)

    @property
    def lineage(self) -> Lineage:
        """Whom it learnt from, of all teachers of the run."""
        return lineage_of(self.results)

    @property
    def sources(self) -> list[CorpusFacts]:
        """The labelled corpora it learnt from."""
        return [corpus for corpus in self.corpora if corpus.spec in self.lineage.sources]

    @property
    def as_it_is(self) -> bool:
        """Whether it was trained on tags, or given, and is applied to the target as it is: it is no student."""
        return is_as_it_is(self.variant)

    @property
    def is_copy(self) -> bool:
        """Whether it is a tagger that was given."""
        return self.encoder is not None and self.encoder.tagger

    @property
    def chosen_on(self) -> str:
        """The labelled set that picked its weights, as `--select_on` calls it, or "none"."""
        return chosen_on(self.results)

    @property
    def all_chosen_alike(self) -> bool:
        """Whether the models behind it were picked on the same set."""
        return all_chosen_alike(self.arguments, self.system)

    @property
    def upper_bound(self) -> bool:
        """Whether it was trained on the target's own tags, to be compared with."""
        return self.variant == SUPERVISED and self.target is not None

    @property
    def learnt_from_labels_of_target(self) -> bool:
        """Whether labels of its target trained it, picked its weights, or trained a teacher that was given."""
        by_teacher = bool(self.warnings) and self.results["target_labels_used"]
        return self.upper_bound or self.chosen_on.startswith("target") or by_teacher

    @property
    def zero_resource(self) -> bool:
        """Whether no target tag took part in any way that is known of."""
        return self.target is not None and not self.warnings and not self.learnt_from_labels_of_target

    @property
    def learnt_from_text(self) -> bool:
        """Whether unlabelled text of the target took part in its training."""
        return learnt_from_text(self.variant)

    @property
    def never_found(self) -> list[str]:
        """Its types with an F1 of 0 in every set that it was scored on."""
        sets = self.results["variants"].get(self.variant, {}).values()
        figures = [scores["plain"]["per_type"] for scores in sets if "plain" in scores]
        known = [name for name in self.types if any(name in types for types in figures)]
        return [name for name in known if not any(types.get(name, {}).get("mean") for types in figures)]

    @property
    def encoder_research_only(self) -> bool:
        """Whether an encoder that it was made from may be used for research only."""
        encoders = (self.encoder, self.teacher_encoder)
        return any(encoder is not None and encoder.research_only for encoder in encoders)

    @property
    def research_only(self) -> bool:
        """Whether something that went into the model may be used for research only."""
        return self.encoder_research_only or any(corpus.research_only for corpus in self.corpora)

    @property
    def language_names(self) -> str:
        """The language it is for, for people."""
        return " and ".join(filter(None, map(language_name, self.languages)))

    @property
    def source_names(self) -> str:
        """The languages of its sources, for people; "" where teachers were given instead."""
        known = dict.fromkeys(language_name(corpus.language) or f"`{corpus.spec}`" for corpus in self.sources)
        return " and ".join(known)

    @property
    def default_name(self) -> str:
        """A name for its repository."""
        language = "-".join(hub_codes(self.languages)) or "own"
        return f"{self.template}-{language}"

    @property
    def stages(self) -> list[tuple[str, str]]:
        """Trainings of the first seed and their settings."""
        first, others = self.results["seeds"][0], self.results["seeds"][1:]
        rows = []
        for name, stage in self.results["stages"].items():
            settings = stage["settings"] | stage["settings"].get("adversary", {})
            if _OF_A_TRAINING & set(settings) and not any(name.endswith(f"seed {seed}") for seed in others):
                shown = [f"{key.replace('_', ' ')} {settings[key]}" for key in _SHOWN_SETTINGS if settings.get(key)]
                rows.append((name.removesuffix(f", seed {first}"), ", ".join(shown)))
        return rows

    @property
    def teachers(self) -> list[str]:
        """The teachers among those it learnt from that the run was given instead of training them."""
        return [self.arguments["teacher"][index] for index in self.lineage.given]

    @property
    def warnings(self) -> list[str]:
        """What the run found to be wrong with the claim that no target label took part."""
        return [warning for warning in self.results.get("warnings") or [] if warning.endswith(NOT_ZERO_RESOURCE)]


def read_results(folder: Path) -> dict[str, Any]:
    """A finished run's `results.json`.

    Raises:
        InputError: The folder holds no finished run.
    """
    results = read_json(folder / RESULTS)
    if not isinstance(results, dict) or not (folder / STUDENT / "config.json").is_file():
        raise InputError(
            f"holds no finished run (no readable {RESULTS}, or no {STUDENT}/)",
            where=str(folder),
            remedy="give the --output_dir of a run that has finished; `xner runs list` shows the known ones",
        )
    return results


def collect_facts(folder: Path, *, examples: int = 5, language: str | None = None) -> RunFacts:
    """Collect what a card says.

    Args:
        folder: The run folder.
        examples: How many tagged sentences of the target's test set the card quotes.
        language: Code of the language the model is for, where the run's specs do not say it.

    Raises:
        InputError: The folder holds no finished run, or the language is no code.
    """
    if examples < 0:
        raise InputError(f"{examples} is less than 0", where="--examples", remedy="give 0 for none")
    if language and not hub_codes([language]):
        raise InputError(f"{language!r} is no language code", where="--language", remedy="give one such as sw")
    results = cleaned_results(read_results(folder), this_machine())
    marker = read_json(folder / MARKER)
    asked = marker.get("arguments", {}) if isinstance(marker, dict) else {}
    student = folder / STUDENT
    config = json.loads((student / "config.json").read_text(encoding="utf-8"))
    figures = figures_of(results)
    corpora = corpora_of(results)
    return RunFacts(
        folder=folder,
        results=results,
        corpora=corpora,
        encoder=encoder_of(results, asked, config),
        figures=figures,
        types=entity_types(config["id2label"].values()),
        limit=input_limit(student),
        custom_code="auto_map" in config,
        pieces_hide_spaces=_is_sentencepiece(student),
        research=folder / RESEARCH if (folder / RESEARCH / "config.json").is_file() else None,
        languages=[language] if language else _languages(corpora, results),
        examples=_examples(folder, figures, examples),
        teacher_encoder=teacher_encoder_of(results, asked),
    )


def _languages(corpora: list[CorpusFacts], results: dict[str, Any]) -> list[str]:
    """Of the target; of the sources where there is none."""
    target = results["arguments"].get("target") or ""
    wanted = [corpus for corpus in corpora if (corpus.spec == target if target else True)]
    return list(dict.fromkeys(corpus.language for corpus in wanted if corpus.language))


def _is_sentencepiece(student: Path) -> bool:
    tokenizer = read_json(student / "tokenizer.json") or {}
    return (tokenizer.get("model") or {}).get("type") == "Unigram"


def _examples(folder: Path, figures: tuple[SetFigures, ...], count: int) -> list[Example]:
    """Tagged sentences of the first set."""
    path = folder / f"{PREDICTIONS}{figures[0].key}" / "plain.conll" if figures else folder
    if count < 1 or not path.is_file():
        return []
    return [
        Example(tokens, _raw_text(tokens), bracketed(tokens, predicted), bracketed(tokens, gold))
        for tokens, gold, predicted in example_sentences(path, count)
    ]


def _raw_text(tokens: list[str]) -> str:
    return _BEFORE_PUNCTUATION.sub(r"\1", " ".join(tokens))
