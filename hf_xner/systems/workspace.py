"""What every system works in: its corpora, its encoder, the stage store and the run folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, concatenate_datasets

from hf_xner.data import content_digest, describe, load_corpus, unlabelled
from hf_xner.data.checks import refuse_same_corpus, require_split
from hf_xner.data.label_maps import mapped_types, resolve_label_map
from hf_xner.errors import InputError
from hf_xner.labels import entity_types
from hf_xner.model_digest import model_digest
from hf_xner.models.builtin import resolve_encoder
from hf_xner.systems.arguments import SystemArguments, use_bf16
from hf_xner.systems.given_models import GivenModel, given_model
from hf_xner.systems.probe import measure_rates, subwords
from hf_xner.systems.processes import Processes, on_main
from hf_xner.systems.run_folder import RunFolder
from hf_xner.systems.stages import SELECTED_ON, Stage, StageStore

logger = logging.getLogger("hf_xner")


@dataclass(frozen=True)
class Labelled:
    """A labelled split and the digest of its words, tags and tag names."""

    spec: str
    split: str
    data: Dataset
    digest: str

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.spec} {self.split}"

    @property
    def tag_names(self) -> list[str]:
        """Tags by id."""
        return list(self.data.features["ner_tags"].feature.names)


@dataclass(frozen=True)
class Unlabelled:
    """A split without tags and the digest of its words: all that a target corpus can bring into training."""

    name: str
    data: Dataset
    digest: str


def joined(parts: Sequence[Labelled]) -> Labelled:
    """Several labelled splits as one, which the sampler shuffles together; a single one stays as it is.

    Raises:
        InputError: Their tags differ.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts[1:]:
        if other.tag_names != first.tag_names:
            each = "; ".join(f"{part.name} has {', '.join(entity_types(part.tag_names))}" for part in (first, other))
            raise InputError(
                f"corpora with different entity types cannot be one: {each}",
                remedy="rename or drop types with --label_map, as in --label_map MISC=O",
            )
    digest = hashlib.sha256("".join(part.digest for part in parts).encode()).hexdigest()
    tables = [part.data.select_columns(["tokens", "ner_tags"]) for part in parts]
    data = concatenate_datasets([table.cast(tables[0].features) for table in tables])
    return Labelled(" and ".join(part.spec for part in parts), first.split, data, digest)


class Workspace:
    """Opens what the arguments name, once, and checks that it fits together.

    Args:
        arguments: The system's options.
        store: The stage store.
        processes: The processes of this run.
        folder: The run folder, told about every stage; None for a dry run.

    Attributes:
        stages: Kind, key and settings of every stage that the run has asked for, by name.
        selected_on: Digests of the labelled sets on which the best epoch was picked, by key of the training's stage.
        facts: What else a system has to say in `results.json`, by name; JSON values.
        shown: Folders of stages that the run folder gets a copy of, by the copy's name.
    """

    def __init__(
        self,
        arguments: SystemArguments,
        store: StageStore,
        processes: Processes,
        folder: RunFolder | None = None,
    ) -> None:
        self.arguments = arguments
        self.store = store
        self.processes = processes
        self.folder = folder
        self._corpora: dict[str, DatasetDict] = {}
        self._labelled: dict[tuple[str, str], Labelled] = {}
        self.stages: dict[str, dict[str, object]] = {}
        self.selected_on: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        self.shown: dict[str, Path] = {}

    def warn(self, what: str) -> None:
        """Tell, once, of something that a reader of the results must know, too."""
        warnings = self.facts.setdefault("warnings", [])
        if what not in warnings:
            warnings.append(what)
            if self.processes.rank == 0:
                logger.warning(what)

    def run(self, stage: Stage, work: Callable[[Path], None], *, collective: bool) -> Path:
        """The folder of a stage's result, found in the store or made now; see `StageStore.run`."""
        place = self.store.run(stage, work, processes=self.processes, collective=collective)
        self.stages[stage.name] = {"kind": stage.kind, "key": stage.key, "settings": dict(stage.settings)}
        if SELECTED_ON in stage.inputs:
            self.selected_on[stage.key] = stage.inputs[SELECTED_ON]
        if self.folder is not None:
            self.folder.add_stage(stage, self.store)
        return place

    def cost(self, kind: str, sentences: Dataset, epochs: float = 1.0) -> dict[str, Any]:
        """What a stage of this size takes, as arguments of `Stage`; time and disk are only worked out for a dry run.

        Args:
            kind: "train" (also for students) or "label" (one forward pass).
            sentences: What it goes over.
            epochs: How often.
        """
        cost: dict[str, Any] = {"units": len(sentences) * epochs}
        if self.store.dry_run:
            rates = measure_rates(self.encoder, use_bf16(self.arguments.precision), self.arguments.freeze_layers)
            size = subwords(sentences)
            cost["seconds_estimate"] = size * epochs * getattr(rates, kind)
            tags = 9  # four types in IOB2: the usual case
            cost["bytes_estimate"] = rates.model_bytes if kind == "train" else int(2 * tags * size)
        return cost

    def corpus(self, spec: str) -> DatasetDict:
        """The corpus behind a spec or path, read once; the main process reads first and fills the cache."""
        if spec not in self._corpora:
            if self.processes.world_size > 1:
                if self.arguments.label_map is not None:
                    # It asks for their types, and what all processes do together cannot be begun within `on_main`.
                    _ = self.given_models
                on_main(self.processes, lambda: list(self._read(spec)))
            self._corpora[spec] = self._read(spec)
        return self._corpora[spec]

    def _read(self, spec: str) -> DatasetDict:
        return load_corpus(spec, data_dir=self.arguments.data_dir, label_map=self._label_map(spec))

    def _label_map(self, spec: str) -> list[str] | None:
        return self.label_map_for(spec, _types(spec))

    def label_map_for(self, name: str, known: Collection[str]) -> list[str] | None:
        """The parts of `--label_map` that concern a corpus or model: named maps, and renamings of types that it has.

        Parts are applied one after the other, so a renaming may be of a type that an earlier part has made.

        Args:
            name: Its spec or name.
            known: Its types.

        Raises:
            InputError: A renaming concerns none of the run's corpora and given models, or a named map does not know a
                type of one of them.
        """
        if self.arguments.label_map is None:
            return None
        types: dict[str, Collection[str]] = {other: _types(other) for other in self.arguments.specs}
        types |= {model.name: model.types for model in self.given_models} | {name: known}
        parts = []
        for part in self.arguments.label_map:
            _refuse_unknown(part, set().union(*types.values()))
            concerning = {other: _concerning(part, theirs) for other, theirs in types.items()}
            parts.append(concerning[name])
            types = {
                other: mapped_types(resolve_label_map(concerning[other] or None, theirs, other))
                for other, theirs in types.items()
            }
        return [part for part in parts if part] or None

    def labelled(self, spec: str, split: str) -> Labelled:
        """A split with its tags.

        Raises:
            InputError: The corpus has no such split, or it has no tags.
        """
        if (spec, split) not in self._labelled:
            self._labelled[spec, split] = self._read_labelled(spec, split)
        return self._labelled[spec, split]

    def _read_labelled(self, spec: str, split: str) -> Labelled:
        data = require_split(self.corpus(spec), split, spec, tags=True)
        names = "\t".join(data.features["ner_tags"].feature.names)
        digest = hashlib.sha256((content_digest(data, ["tokens", "ner_tags"]) + names).encode()).hexdigest()
        return Labelled(spec, split, data, digest)

    @cached_property
    def target_text(self) -> Unlabelled:
        """The target's training sentences, stripped of tags before anything else sees them."""
        spec = self.arguments.target
        data = unlabelled(self.corpus(spec)["train"])
        limit = self.arguments.max_target_sentences
        if limit is not None and limit < len(data):
            data = data.select(range(limit))
        return Unlabelled(f"{spec} train, unlabelled", data, content_digest(data, ["tokens"]))

    @cached_property
    def given_models(self) -> list[GivenModel]:
        """The taggers that the user gives as teachers, opened and checked, once.

        Raises:
            InputError: One is no tagger, or cannot be loaded.
        """
        names: list[str] = getattr(self.arguments, "teacher", [])
        if self.processes.world_size > 1:  # the main process fills the cache of the Hub
            on_main(self.processes, lambda: len([given_model(name, load=not self.store.dry_run) for name in names]))
        return [given_model(name, load=not self.store.dry_run) for name in names]

    def data_digests(self) -> dict[str, str]:
        """Digests of what this run learns from, by name: the checksums of its results."""
        learnt_from: list[Labelled | Unlabelled] = [self.labelled(spec, "train") for spec in self.arguments.source]
        if self.arguments.target:
            learnt_from.append(self.target_text)
        return {part.name: part.digest for part in learnt_from}

    def check_target(self) -> None:
        """Refuse a target that is one of the sources, or that has no text to learn from."""
        if not self.arguments.target:
            raise InputError("no target corpus was given", remedy="add --target SPEC (see `xner data list`)")
        require_split(self.corpus(self.arguments.target), "train", self.arguments.target)
        for spec in self.arguments.source:
            refuse_same_corpus(self.corpus(spec), self.corpus(self.arguments.target), spec, self.arguments.target)

    def evaluation_sets(self) -> dict[str, Labelled]:
        """The labelled sets to score at the end, by name."""
        source = next(iter(self.arguments.source), "")
        places = {
            "source_dev": (source, "validation"),
            "source_test": (source, "test"),
            "target_dev": (self.arguments.target, "validation"),
            "target_test": (self.arguments.target, "test"),
        }
        chosen: dict[str, Labelled] = {}
        for name in self.arguments.evaluate_on:
            spec, split = places[name]
            corpus = self.corpus(spec)
            if split in corpus and "ner_tags" in corpus[split].column_names:
                chosen[name] = self.labelled(spec, split)
            elif self.processes.rank == 0:
                logger.warning("%s has no labelled %s split: nothing to score as %s", spec, split, name)
        return chosen

    def selection_set(self, role: str, source: str | None = None, *, epochs: float | None = None) -> Labelled | None:
        """The set on which the best epoch of a training is picked; None for the last epoch.

        Args:
            role: Who is trained: a "teacher" or a "student".
            source: The corpus that a teacher learns from; by default the first one, which is also the one on whose
                dev set a student is picked.
            epochs: Length of the training, where it is known: one epoch or less ends in the only model there is to
                pick, which is then the same, in the store as well, whatever the rule.
        """
        choice, sources = self.arguments.select_on, self.arguments.source
        if choice == "none" or (epochs is not None and epochs <= 1):
            return None
        if role == "teacher" or choice == "source_dev":
            return self.labelled(source or sources[0], "validation") if sources else None
        return self.labelled(self.arguments.target, "validation" if choice == "target_dev" else "test")

    def picked_on(self, key: str) -> str:
        """The labelled set that picked the weights of a training, as `--select_on` calls it, or "none".

        Args:
            key: Key of the training's stage.
        """
        if key not in self.selected_on:
            return "none"
        of_students = self.selection_set("student")
        is_of_students = of_students is not None and of_students.digest == self.selected_on[key]
        return self.arguments.select_on if is_of_students else "source_dev"

    def with_encoder(self, encoder: str) -> Workspace:
        """The same workspace with another encoder, for students that are not built as their teacher is."""
        if encoder == self.arguments.encoder:
            return self
        other = copy(self)  # corpora and the list of stages are shared
        other.arguments = replace(self.arguments, encoder=encoder)
        for name in ("encoder", "encoder_digest"):
            vars(other).pop(name, None)
        return other

    @cached_property
    def encoder(self) -> str:
        """Folder or Hub id of the encoder."""
        return resolve_encoder(self.arguments.encoder)

    @cached_property
    def encoder_digest(self) -> str:
        """Digest of the encoder's files, or its Hub id with the revision that is used."""
        return model_digest(self.encoder)


@lru_cache(maxsize=32)
def _types(spec: str) -> frozenset[str]:
    return frozenset(describe(spec).types)


def _concerning(part: str, types: Collection[str]) -> str:
    """What of a part of `--label_map` concerns a corpus with these types."""
    return ",".join(pair for pair in part.split(",") if _renamed(pair) is None or _renamed(pair) in types)


def _refuse_unknown(part: str, types: Collection[str]) -> None:
    missing = [_renamed(pair) for pair in part.split(",") if _renamed(pair) not in {None, *types}]
    if missing:
        raise InputError(
            f"no corpus of this run has the type {missing[0]}",
            where="--label_map",
            remedy=f"they have {', '.join(sorted(types))}",
        )


def _renamed(pair: str) -> str | None:
    """The type that `OLD=NEW` renames; None for the name of a map."""
    old, separator, _ = pair.partition("=")
    return old.strip() if separator else None
