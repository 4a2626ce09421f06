"""Rows of adversarial training: which phase a step is, and which rows of which corpora it sees.

One step of the Trainer is one phase: tagging, then the discriminators, then the generator against them. A batch of the
last two holds fresh rows of every corpus that its losses are fed by, so each (phase, corpus) is an endlessly shuffled
loader of its own, as in AdvPicker. The sampler draws from all of them; the order depends on seed and epoch alone, and
a resumed run continues it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Sampler

from hf_xner.data.feeds import CORPORA, Feed
from hf_xner.data.rows import RowCollator, TrainingRows
from hf_xner.data.sampling import POOL

TAGGING, DISCRIMINATOR, GENERATOR = "tagging", "discriminator", "generator"
PHASES = (TAGGING, DISCRIMINATOR, GENERATOR)
POSITIONS = ("words", "pieces", "attended")


class Draw(NamedTuple):
    """One item of a batch.

    Attributes:
        phase: What the step does.
        rows: Corpus and index of each row; for a discriminator there are usually several, one a corpus.
    """

    phase: str
    rows: tuple[tuple[str, int], ...]


class PhaseSampler(Sampler[Draw]):
    """Yields the items of one step after the other: tagging, discriminator, generator, tagging, …

    An epoch takes ceil(tagging rows / `step`) turns; what the last tagging step lacks comes from the beginning of
    another shuffled pass, so that every step is whole. Rows of like length share a step, in every corpus the rows at
    the same place in the order of lengths.

    Args:
        lengths: Sub-words of each row of each corpus, shape (rows,).
        feed: What feeds which loss.
        step: Items of one step, over all processes and accumulated batches.
        phases: The phases of a turn.
        rows_per_corpus: Rows of each corpus in a step of a discriminator or of the generator; as many as `step` by
            default. The corpora together must have at least `step`.
        seed: Seed of the order.

    Raises:
        ValueError: A corpus has no rows, or there are fewer rows than items.
    """

    def __init__(
        self,
        lengths: Mapping[str, np.ndarray],
        feed: Feed,
        step: int,
        *,
        phases: Sequence[str] = PHASES,
        rows_per_corpus: int | None = None,
        seed: int = 1,
    ) -> None:
        self.lengths = {name: np.asarray(lengths[name]) for name in feed.corpora}
        self.feed = feed
        self.step = step
        self.phases = tuple(phases)
        self.rows_per_corpus = rows_per_corpus or step
        self.seed = seed
        self.epoch = 0
        empty = [name for name, values in self.lengths.items() if not len(values)]
        if empty:
            raise ValueError(f"{empty[0]} has no rows")
        if set(phases) != {TAGGING} and self.rows_per_corpus * len(feed.adversarial) < step:
            raise ValueError(
                f"{len(feed.adversarial)} corpora with {self.rows_per_corpus} rows each do not make {step} items"
            )

    @property
    def turns(self) -> int:
        """Steps of each phase in an epoch."""
        rows = sum(len(self.lengths[name]) for name in self.feed.tagging)
        return -(-rows // self.step)

    def __len__(self) -> int:
        return self.turns * len(self.phases) * self.step

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Draw]:
        steps = [iter(self._steps(number, phase)) for number, phase in enumerate(self.phases)]
        for _ in range(self.turns):
            for phase, rows in zip(self.phases, steps, strict=True):
                for item in _divided(next(rows), self.step):
                    yield Draw(phase, item)

    def _steps(self, number: int, phase: str) -> Iterator[list[tuple[str, int]]]:
        """The rows of each step of a phase."""
        if phase == TAGGING:
            names = [name for name in self.feed.tagging for _ in range(len(self.lengths[name]))]
            places = np.concatenate([np.arange(len(self.lengths[name])) for name in self.feed.tagging])
            lengths = np.concatenate([self.lengths[name] for name in self.feed.tagging])
            for batch in self._loader(lengths, self.step, number, 0):
                yield [(names[row], int(places[row])) for row in batch]
            return
        loaders = [
            self._loader(self.lengths[name], self.rows_per_corpus, number, 1 + list(CORPORA).index(name))
            for name in self.feed.adversarial
        ]
        for batches in zip(*loaders, strict=True):
            # Row by row through the corpora, so that parts of the step are as mixed as the whole.
            yield [
                (name, int(row))
                for rows in zip(*batches, strict=True)
                for name, row in zip(self.feed.adversarial, rows, strict=True)
            ]

    def _loader(self, lengths: np.ndarray, batch: int, phase: int, corpus: int) -> Iterator[np.ndarray]:
        """Endless passes in random order, cut into pools that are sorted by length; `batch` rows a turn.

        The order of rows is the corpus' own; that of the batches of a pool is the phase's, so that steps hold rows of
        like length from every corpus.
        """
        chance = np.random.default_rng([self.seed, self.epoch, phase, corpus])
        together = np.random.default_rng([self.seed, self.epoch, phase])
        wanted = self.turns * batch
        passes = [chance.permutation(len(lengths)) for _ in range(-(-wanted // len(lengths)))]
        rows = np.concatenate(passes)[:wanted]
        for begin in range(0, wanted, POOL * batch):
            pool = rows[begin : begin + POOL * batch]
            pool = pool[np.argsort(lengths[pool], kind="stable")].reshape(-1, batch)
            yield from pool[together.permutation(len(pool))]


def _divided(rows: list[tuple[str, int]], items: int) -> Iterator[tuple[tuple[str, int], ...]]:
    """Rows in as many groups as there are items, of as equal size as can be."""
    borders = [len(rows) * number // items for number in range(items + 1)]
    return (tuple(rows[begin:end]) for begin, end in zip(borders, borders[1:], strict=False))


class PhaseRows(Sequence[dict[str, Any]]):
    """What a Trainer reads by the draws of a `PhaseSampler`.

    Args:
        corpora: Rows of every corpus that the feed names.
        feed: What feeds which loss.

    Raises:
        ValueError: A corpus is missing.
    """

    def __init__(self, corpora: Mapping[str, TrainingRows], feed: Feed) -> None:
        missing = [name for name in feed.corpora if name not in corpora]
        if missing:
            raise ValueError(f"the corpus {missing[0]} is missing")
        self.corpora = {name: corpora[name] for name in feed.corpora}
        self.feed = feed
        self.lengths = {name: rows.lengths for name, rows in self.corpora.items()}

    def __len__(self) -> int:
        return sum(map(len, self.corpora.values()))

    def __getitem__(self, draw: Draw) -> dict[str, Any]:  # type: ignore[override]
        """The phase and the rows of an item, each with the name of its corpus."""
        return {"phase": draw.phase, "rows": [(name, self.corpora[name][row]) for name, row in draw.rows]}


class PhaseCollator:
    """Makes the batch of one phase from its items.

    For tagging it gives what `RowCollator` gives. For the discriminators and the generator it gives `input_ids`,
    `attention_mask` and, all of shape (B, L): `piece_mask`, what the order discriminator reads; `languages` (0 target,
    1 source) and `language_mask`, the words that the language discriminator is shown. Of shape (B,): `orders`
    (1 ordered) and `order_mask`, without sentences that have only one order. Every batch carries its `phase`.

    A sub-word has the language of its word. [CLS] and the like have none, so "pieces" leaves them out; "attended"
    gives them the sentence's, where that has one.

    Args:
        pad_id: The tokenizer's padding id.
        feed: What feeds which loss.
        outside: Id of the tag O.
        special: Number of special tokens before and after the sub-words of a row.
        positions: "words" (first sub-words), "pieces" (all sub-words) or "attended" (special tokens too: AdvPicker).
    """

    def __init__(
        self, pad_id: int, feed: Feed, *, outside: int, special: tuple[int, int], positions: str = "pieces"
    ) -> None:
        if positions not in POSITIONS:
            raise ValueError(f"positions must be one of {', '.join(POSITIONS)}, found {positions!r}")
        self.plain = RowCollator(pad_id)
        self.feed = feed
        self.outside = outside
        self.special = special
        self.positions = positions

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, Any]:
        phases = {item["phase"] for item in items}
        if len(phases) != 1:
            raise ValueError(f"a batch of several phases: {', '.join(sorted(phases))}")
        (phase,) = phases
        rows = [row for item in items for row in item["rows"]]
        if phase == TAGGING:
            return {**self.plain([row for _, row in rows]), "phase": phase}
        return {**self._adversarial(rows), "phase": phase}

    def _adversarial(self, rows: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        import torch

        # Tags decide here where a language changes; no loss of these phases sees them.
        batch = self.plain([{name: row[name] for name in ("input_ids", "positions")} for _, row in rows])
        shape = tuple(batch["input_ids"].shape)
        piece_mask, language_mask = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        languages = np.zeros(shape, dtype=np.int64)
        for index, (name, row) in enumerate(rows):
            places, words = self._places(row)
            piece_mask[index, places] = True
            if name in self.feed.language:
                shown, classes = self._languages(name, row, words)
                language_mask[index, places[shown]] = True
                languages[index, places[shown]] = classes[shown]
        return {
            **batch,
            "piece_mask": torch.from_numpy(piece_mask),
            "language_mask": torch.from_numpy(language_mask),
            "languages": torch.from_numpy(languages),
            "order_mask": torch.tensor([name in self.feed.order and row.get("orderable", True) for name, row in rows]),
            "orders": torch.tensor([int(CORPORA[name].ordered) for name, _ in rows]),
        }

    def _places(self, row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Positions that are looked at, and for each the number of its word in the row, or -1."""
        starts = row["positions"][row["positions"] >= 0]
        if self.positions == "words":
            return starts, np.arange(len(starts))
        before, after = self.special
        size = len(row["input_ids"])
        places = np.arange(size) if self.positions == "attended" else np.arange(before, size - after)
        words = np.searchsorted(starts, places, side="right") - 1
        words[places >= min(row.get("end", size), size - after)] = -1
        if self.positions == "pieces":  # before the first word and after the last one are pieces of other windows
            return places[words >= 0], words[words >= 0]
        return places, words

    def _languages(self, name: str, row: dict[str, Any], words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each position whether the discriminator is shown it, and its language."""
        made = CORPORA[name]
        inside = words >= 0
        if not made.mixed and self.feed.scope == "all":
            return np.ones_like(inside), np.full(len(words), made.entity)
        entity = np.zeros(len(words), dtype=bool)
        tags = row["tags"][row["positions"] >= 0]
        entity[inside] = tags[words[inside]] != self.outside
        shown = {"all": inside, "entity": inside & entity, "context": inside & ~entity}[self.feed.scope]
        return shown, np.where(entity, made.entity, made.context)
