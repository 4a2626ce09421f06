"""Word vectors of two languages in one space: stages B1 and B2 of augmented fine-tuning."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from hf_xner.data.word_rows import WordRows
from hf_xner.errors import InputError
from hf_xner.models import WordFeatureExtractor
from hf_xner.models.word_features import WordTable
from hf_xner.systems.augmented_arguments import Arguments
from hf_xner.systems.stages import Stage
from hf_xner.systems.translation_stages import learn_mapping
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace
from hf_xner.translation.adversarial import AdversarialSettings
from hf_xner.translation.mapping import Mapping, Side
from hf_xner.translation.refinement import SUPERVISED, Refinement
from hf_xner.translation.translators import load_pair
from hf_xner.translation.vector_cache import load_vectors
from hf_xner.translation.vectors import WordVectors
from hf_xner.translation.word_tables import build_table, fit_ngrams, require_width, space_steps

FEATURES_VERSION = 1
EXTRACTOR = "extractor"
SIDES: tuple[Side, Side] = ("source", "target")
COVERAGE = "word_coverage"  # in the results: by the kind of vectors and side
LEAST_COVERAGE = 0.5  # share of the running words with a vector below which something is probably wrong


class VectorSources:
    """The word vectors and the mapping that the options name; files are read when first asked for.

    Args:
        space: The workspace; its arguments are those of augmented fine-tuning.
    """

    def __init__(self, space: Workspace) -> None:
        assert isinstance(space.arguments, Arguments)
        self.space = space
        self.arguments = space.arguments
        self._features: dict[str, Features] = {}

    def features(self, kind: str, source: Labelled, text: Unlabelled) -> Features:
        """The common space of both languages' words (stage B2), or what stands in for it.

        How many of the running words have a vector is noted in the results, with a warning where it is too few.

        Args:
            kind: "mapped", "monolingual" (each language's own vectors) or "random".
            source: The source sentences.
            text: The target sentences.
        """
        options = self.arguments
        if kind not in self._features:  # checksums of large files are not taken twice
            self._features[kind] = word_features(
                self.space,
                f"{kind} vectors",
                FeatureSettings(kind, options.vector_length or None, options.unseen, options.keep_words),
                source,
                text,
                vectors=None if kind == "random" else self.vectors,
                mapping=self.mapping if kind == "mapped" else None,
            )
            self._note_coverage(kind, {"source": source.data["tokens"][:], "target": text.data["tokens"][:]})
        return self._features[kind]

    def _note_coverage(self, kind: str, sentences: dict[Side, list[list[str]]]) -> None:
        """Look both texts up, once a run, whatever the store has already."""
        facts = self.space.facts
        known = kind == "random" or kind in facts.get(COVERAGE, {})
        if known or self.space.store.dry_run or self.space.processes.rank != 0:
            return
        extractor = self._features[kind].load(characters=False)
        found = {side: WordRows(extractor, part, language=side).coverage for side, part in sentences.items()}
        facts.setdefault(COVERAGE, {})[kind] = found
        for side, coverage in found.items():
            warning = coverage_warning(coverage, side)
            if warning:
                self.space.warn(warning)

    def check(self, kinds: Iterable[str]) -> None:
        """Read what these kinds of features need, before anything trains.

        Args:
            kinds: As for `features`.

        Raises:
            InputError: A file is missing or unreadable, the given mapping is none, has not converged, or is for
                vectors of another width.
        """
        if not set(kinds) - {"random"}:
            return
        vectors = self.vectors
        if "mapped" in kinds and self._given is not None:
            self._given.require_converged()
            for part in vectors.values():
                require_width(self._given, part)

    @cached_property
    def vectors(self) -> dict[Side, WordVectors]:
        """Both languages' own vectors, words as they are written there."""
        return {side: load_vectors(path, limit=self.arguments.max_words) for side, path in self._files.items()}

    @cached_property
    def mapping(self) -> SpaceMapping:
        """The mapping (stage B1): given, or learnt."""
        if self._given is not None:
            return SpaceMapping.given(self._given)
        options = self.arguments
        ours, theirs = (
            load_vectors(self._files[side], limit=options.max_words, lowercase=True).normalise(
                options.normalise_vectors
            )
            for side in SIDES
        )
        adversarial = None
        refinement = replace(SUPERVISED, rounds=options.refinement_rounds)
        if options.map_by == "adversarial":
            adversarial = AdversarialSettings(epochs=options.mapping_epochs, updates=options.mapping_updates)
            refinement = Refinement(rounds=options.refinement_rounds)
        key, folder = learn_mapping(
            self.space,
            "mapping",
            ours,
            theirs,
            refinement,
            mapped="target" if options.mapped == "target" else "source",
            adversarial=adversarial,
            seeds=options.mapping_seeds,
            with_dictionary=False,
        )
        return SpaceMapping(key, lambda: Mapping.load(folder))

    @cached_property
    def _given(self) -> Mapping | None:
        """The mapping that was given, its vectors where the command says that they are."""
        if self.arguments.mapping is None:
            return None
        mapping = Mapping.load(self.arguments.mapping)
        for side, path in (("source", self.arguments.source_vectors), ("target", self.arguments.target_vectors)):
            if path is not None:
                mapping.facts[side] = {**mapping.facts.get(side, {}), "path": path}
        return mapping

    @cached_property
    def _files(self) -> dict[Side, str]:
        """The vector files: given, or those that the given mapping was learnt from."""
        if self.arguments.source_vectors is not None and self.arguments.target_vectors is not None:
            return {"source": self.arguments.source_vectors, "target": self.arguments.target_vectors}
        facts = self._given.facts if self._given is not None else {}
        missing = [side for side in SIDES if "path" not in facts.get(side, {})]
        if missing:
            raise InputError(
                f"the mapping does not say where its {missing[0]} vectors are",
                where=self.arguments.mapping,
                remedy="give --source_vectors and --target_vectors",
            )
        return {side: facts[side]["path"] for side in SIDES}


@dataclass(frozen=True)
class SpaceMapping:
    """A mapping (stage B1), which a dry run may only know by its key.

    Attributes:
        key: Its stage's key, or its digest.
        load: Gives it.
    """

    key: str
    load: Callable[[], Mapping]

    @classmethod
    def given(cls, mapping: Mapping) -> SpaceMapping:
        """A mapping that was learnt before, by `xner vectors map`.

        Raises:
            InputError: It has not converged.
        """
        mapping.require_converged()
        digest = hashlib.sha256(np.ascontiguousarray(mapping.matrix, dtype="<f4").tobytes())
        for side in SIDES:
            facts = mapping.facts.get(side, {})
            digest.update(repr((mapping.mapped, facts.get("digest"), facts.get("normalise"))).encode())
        return cls(digest.hexdigest(), lambda: mapping)


@dataclass(frozen=True)
class FeatureSettings:
    """How words become vectors (stage B2).

    Attributes:
        kind: "mapped" into one space, "monolingual" (each language's own) or "random".
        length: Length that all vectors are brought to; None for the length that they come with.
        unseen: What words without a vector get; see `WordFeatureExtractor`.
        keep_words: Most frequent words of each language that are kept, beside those of the training texts.
        width: Components of random vectors.
    """

    kind: str
    length: float | None
    unseen: str = "zero"
    keep_words: int = 100_000
    width: int = 300


@dataclass(frozen=True)
class Features:
    """A feature extractor, made once for all seeds and models: stage key and folder."""

    key: str
    folder: Path

    def load(self, *, characters: bool) -> WordFeatureExtractor:
        """The extractor, with its characters or without."""
        extractor = WordFeatureExtractor.from_pretrained(self.folder / EXTRACTOR)
        return extractor if characters else extractor.without_characters()

    def place(self, model: Path, *, characters: bool) -> None:
        """Put the extractor beside a model; the tables are linked where the disk can do that, else copied."""
        extractor = self.load(characters=characters)
        extractor.save_settings(model)
        for name in extractor.table_files():
            (model / name).unlink(missing_ok=True)
            try:
                os.link(self.folder / EXTRACTOR / name, model / name)
            except OSError:
                shutil.copyfile(self.folder / EXTRACTOR / name, model / name)


def word_features(
    space: Workspace,
    name: str,
    settings: FeatureSettings,
    source: Labelled,
    text: Unlabelled,
    *,
    vectors: dict[Side, WordVectors] | None = None,
    mapping: SpaceMapping | None = None,
) -> Features:
    """The tables in which both languages' words are looked up, and the characters of both (stage B2).

    Args:
        space: The workspace.
        name: What people call the stage.
        settings: The settings.
        source: The source sentences, for their words and characters.
        text: The target sentences, likewise.
        vectors: Each language's own vectors; None for random ones.
        mapping: For "mapped" vectors.

    Raises:
        InputError: The vectors do not fit the mapping, or each other.
    """
    vectors = vectors or {}
    if len({part.width for part in vectors.values()}) > 1:
        raise InputError(
            f"vectors of {' and of '.join(str(part.width) for part in vectors.values())} components in one model",
            where=", ".join(part.name for part in vectors.values()),
            remedy="train or fetch vectors of one width",
        )
    inputs = {"source": source.digest, "target": text.digest}
    inputs |= {f"{side}_vectors": part.digest() for side, part in vectors.items()}
    if mapping is not None:
        inputs["mapping"] = mapping.key
    told = {
        "kind": settings.kind,
        "length": settings.length,
        "unseen": settings.unseen,
        "keep_words": settings.keep_words,
    }
    stage = Stage(
        kind="word_features",
        name=name,
        version=FEATURES_VERSION,
        inputs=inputs,
        settings=told if vectors else told | {"width": settings.width},
        units=float(sum(len(part) for part in vectors.values())),
        bytes_estimate=sum(2 * part.width * min(len(part), settings.keep_words) for part in vectors.values()),
        seconds_estimate=10.0,
    )
    sentences = {"source": source.data, "target": text.data}

    def work(folder: Path) -> None:
        words: dict[str, set[str]] = {side: _words(data["tokens"]) for side, data in sentences.items()}
        learnt = None if mapping is None else mapping.load()
        tables: dict[str, WordTable] = {
            side: _table(side, part, words[side], settings, learnt) for side, part in vectors.items()
        }
        WordFeatureExtractor(
            sorted({character for side in SIDES for word in words[side] for character in word}),
            word_size=next(iter(vectors.values())).width if vectors else settings.width,
            unseen="random" if settings.kind == "random" else settings.unseen,
            tables=tables,
        ).save_pretrained(folder / EXTRACTOR)

    return Features(stage.key, space.run(stage, work, collective=False))


def coverage_warning(coverage: float, side: Side) -> str:
    """What to say where most of a corpus' words have no vector; "" where that is not so."""
    if coverage >= LEAST_COVERAGE:
        return ""
    share = f"only {100 * coverage:.0f} % of the running {side} words have a vector"
    return f"{share}: are --{side}_vectors of that language?"


def _words(sentences: Iterable[list[str]]) -> set[str]:
    return {word for words in sentences for word in words}


def _table(
    side: Side, vectors: WordVectors, words: set[str], settings: FeatureSettings, mapping: Mapping | None
) -> WordTable:
    # Means are those of the vectors that the mapping was learnt from, which may be fewer, or lower-cased.
    learnt_from = vectors if mapping is None else _own_vectors(mapping, side)
    steps = space_steps(learnt_from, mapping, side, length=settings.length)
    table = build_table(vectors, steps, words, settings.keep_words)
    if settings.unseen == "ngrams":
        table.ngrams = fit_ngrams(table)
    return table


def _own_vectors(mapping: Mapping, side: Side) -> WordVectors:
    """One side's vectors that a mapping was learnt from, before any normalisation."""
    load_pair(mapping)  # refuses files that have changed
    facts = mapping.facts[side]
    return load_vectors(facts["path"], limit=facts.get("limit"), lowercase=facts.get("lowercase", False))
