"""The stages that only TransAdv and AdvPicker have: recombined corpora, adversarial training, picked sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, load_from_disk

from hf_xner.inference.discrimination import language_scores
from hf_xner.inference.loading import load_tagger
from hf_xner.models.register import register_models
from hf_xner.systems.files import read_json, write_json
from hf_xner.systems.stages import Stage
from hf_xner.systems.tagger_stages import TrainedTagger, dev_digest, research_model, tag_names_of
from hf_xner.systems.workspace import Labelled, Unlabelled, Workspace
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.fit import MODEL
from hf_xner.training.fit_adversarial import ADVERSARIAL, fit_adversarial
from hf_xner.training.settings import FitSettings
from hf_xner.translation.switching import code_switch, shuffle_spans

SWITCH_VERSION = 1
SHUFFLE_VERSION = 2
TRAIN_ADVERSARIALLY_VERSION = 2
PICK_VERSION = 1
CORPUS, PICKED = "corpus", "picked.json"


def switch_codes(space: Workspace, name: str, source: Labelled, translated: Labelled) -> tuple[Labelled, Labelled]:
    """D_S^swi, source contexts with translated entities, and D_T^swi, the mirror image (A2).

    Args:
        space: The workspace.
        name: What people call the stage.
        source: D_S.
        translated: D_T, row by row its translation.

    Raises:
        InputError: The two do not belong together.
    """
    stage = Stage(
        kind="code_switch",
        name=name,
        version=SWITCH_VERSION,
        inputs={"source": source.digest, "translated": translated.digest},
        units=float(len(source.data)),
        bytes_estimate=80 * len(source.data),
    )
    names = ("source_switched", "translated_switched")

    def work(folder: Path) -> None:
        for part, data in zip(names, code_switch(source.data, translated.data), strict=True):
            data.save_to_disk(folder / part)

    folder = space.run(stage, work, collective=False)
    first, second = (
        _made(space, f"{source.spec}, {part.replace('_', ' ')}", source, f"{stage.key}/{part}", folder / part)
        for part in names
    )
    return first, second


def shuffle_words(space: Workspace, name: str, corpus: Labelled, seed: int) -> Labelled:
    """D_S^shu or D_T^shu: the words of each entity, and of each stretch between them, in random order (A3).

    Args:
        space: The workspace.
        name: What people call the stage.
        corpus: D_S or D_T.
        seed: Random seed.
    """
    stage = Stage(
        kind="shuffle",
        name=name,
        version=SHUFFLE_VERSION,
        inputs={"sentences": corpus.digest},
        settings={"seed": seed},
        units=float(len(corpus.data)),
        bytes_estimate=40 * len(corpus.data),
    )

    def work(folder: Path) -> None:
        shuffle_spans(corpus.data, seed=seed).save_to_disk(folder / CORPUS)

    folder = space.run(stage, work, collective=False)
    return _made(space, f"{corpus.spec}, shuffled", corpus, stage.key, folder / CORPUS)


def _made(space: Workspace, spec: str, like: Labelled, digest: str, folder: Path) -> Labelled:
    """A corpus that a stage has made; a dry run, which makes none, counts the sentences of one like it."""
    data = like.data if space.store.dry_run else load_from_disk(str(folder))
    return Labelled(spec, like.split, data, digest)


def train_adversarially(
    space: Workspace,
    name: str,
    corpora: Mapping[str, Labelled | Unlabelled],
    settings: FitSettings,
    adversary: AdversarialSettings,
    *,
    start: TrainedTagger | None = None,
    dev: Labelled | None = None,
) -> TrainedTagger:
    """Train a tagger against discriminators of language and order (A4 to A6; AdvPicker's teacher).

    Args:
        space: The workspace.
        name: What people call the stage.
        corpora: By the names of `hf_xner.data.feeds`, at least those that the feed asks for.
        settings: How to train; the rate is that of tagging.
        adversary: What discriminates what.
        start: A tagger to go on from, with its discriminators if it was trained against any; else the encoder.
        dev: Where the best epoch is picked if `settings.select` says so.
    """
    fed = {part: corpora[part] for part in adversary.feed.corpora}
    stage = Stage(
        kind="train_adversarially",
        name=name,
        version=TRAIN_ADVERSARIALLY_VERSION,
        inputs={"encoder": space.encoder_digest}
        | {part: corpus.digest for part, corpus in fed.items()}
        | dev_digest(dev)
        | ({} if start is None else {"start": start.key}),
        settings=settings.as_dict() | {"adversary": adversary.as_dict()},
        **_cost(space, fed, settings, adversary),
    )

    def work(folder: Path) -> None:
        tag_names = next(corpus.tag_names for corpus in fed.values() if isinstance(corpus, Labelled))
        if start is not None and tag_names_of(start.folder) != tag_names:
            raise ValueError(f"{start.folder} and {name} have different tags")
        fit_adversarial(
            folder,
            space.encoder if start is None else str(research_model(start, ADVERSARIAL)),
            {part: corpus.data for part, corpus in fed.items()},
            tag_names,
            settings,
            adversary,
            dev=None if dev is None else dev.data,
            keep_head=start is not None,
        )

    folder = space.run(stage, work, collective=True)
    return TrainedTagger(stage.key, folder / MODEL)


def _cost(
    space: Workspace,
    corpora: Mapping[str, Labelled | Unlabelled],
    settings: FitSettings,
    adversary: AdversarialSettings,
) -> dict[str, Any]:
    """What the three phases take: a discriminator's step is a forward pass alone, a third of a training step."""
    feed = adversary.feed
    rows = (adversary.rows_per_corpus or settings.batch_size) * len(feed.adversarial)
    passes = 1 + rows / settings.batch_size * (1 / 3 + adversary.generator_step)
    tagged = [space.cost("train", corpora[part].data, settings.epochs * passes) for part in feed.tagging]
    total = {name: sum(cost[name] for cost in tagged) for name in tagged[0]}
    if "bytes_estimate" in total:
        total["bytes_estimate"] = 2 * tagged[0]["bytes_estimate"]  # two models, however many corpora
    return total


def pick_sentences(
    space: Workspace, name: str, teacher: TrainedTagger, text: Unlabelled, share: float, positions: str
) -> Unlabelled:
    """The most language-independent sentences: those whose language the teacher's discriminator can tell least.

    Args:
        space: The workspace.
        name: What people call the stage.
        teacher: A tagger trained against a language discriminator.
        text: The target sentences.
        share: How many of them, at least one; AdvPicker takes 0.8.
        positions: What the discriminator is shown; see `PhaseCollator`.

    Returns:
        The sentences whose mean probability is nearest to 0.5, in the order of the text.
    """
    max_length = space.arguments.max_length
    stage = Stage(
        kind="pick",
        name=name,
        version=PICK_VERSION,
        inputs={"teacher": teacher.key, "sentences": text.digest},
        settings={"share": share, "positions": positions, "max_length": max_length},
        **space.cost("label", text.data),
    )

    def work(folder: Path) -> None:
        register_models()
        model, tokenizer = load_tagger(str(research_model(teacher, ADVERSARIAL)))
        sentences: Iterator[list[str]] = (words for batch in text.data.iter(1000) for words in batch["tokens"])
        scores = list(language_scores(model, tokenizer, sentences, max_length=max_length, positions=positions))
        write_json(folder / PICKED, {"rows": nearest_to_half(scores, share), "scores": scores})

    folder = space.run(stage, work, collective=False)
    count = how_many(len(text.data), share)
    rows: Any = range(count) if space.store.dry_run else read_json(folder / PICKED)["rows"]
    return Unlabelled(f"{text.name}, {share:.0%} picked", _chosen(text.data, rows), stage.key)


def how_many(sentences: int, share: float) -> int:
    """Sentences that are kept of so many."""
    return max(1, round(share * sentences))


def nearest_to_half(scores: list[float], share: float) -> list[int]:
    """Rows of the scores nearest to 0.5, ascending; of equal ones the first."""
    distance = np.abs(np.asarray(scores) - 0.5)
    return sorted(np.argsort(distance, kind="stable")[: how_many(len(scores), share)].tolist())


def _chosen(data: Dataset, rows: Any) -> Dataset:
    return data.select(rows)
