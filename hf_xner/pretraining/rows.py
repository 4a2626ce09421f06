"""Rows of sub-words for training, each a function of the seed and its number alone.

That makes resuming exact: row i is the same whether or not the rows before it were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from hf_xner.pretraining.corpus import load_text, sampling_probabilities
from hf_xner.pretraining.lexicon import HUB, Lexicon
from hf_xner.pretraining.masking import IGNORE, mask_rows
from hf_xner.pretraining.tokenizer import CLS, PAD, SEP

HELD_OUT_ROWS = 64  # of each language


@dataclass(frozen=True)
class RowSettings:
    """What rows are like.

    Attributes:
        length: Sub-words in a row, with `[CLS]` and `[SEP]`.
        positions: Positions the encoder has. Half of the rows start at a random one, so that all are trained.
        smoothing: Exponent of language sampling.
        switched: Share of rows that are code-switched.
        switch_rate: Share of the words a dictionary knows that are replaced in such a row.
        asked_back: Share of the one-sub-word replacements that are targets: the word that stood there is asked for.
        parallel: Share of rows made of parallel lines.
        mask_rate: Share of words that are masked.
        seed: Seed of everything random about rows.
    """

    length: int = 64
    positions: int = 512
    smoothing: float = 0.5
    switched: float = 0.4
    switch_rate: float = 0.4
    asked_back: float = 0.3
    parallel: float = 0.1
    mask_rate: float = 0.2
    seed: int = 0


class Plan:
    """Which language, and which of its rows, row i is.

    The first rows of a longer plan are the shorter plan, so that training can be prolonged.

    Args:
        rows: Number of rows of each language; each is used once before any is used twice.
        probabilities: Probability of each language.
        total: Rows to plan.
        seed: Seed.
    """

    def __init__(self, rows: dict[str, int], probabilities: dict[str, float], total: int, seed: int) -> None:
        self.languages = list(rows)
        self.seed = seed
        self.sizes = [rows[language] for language in self.languages]
        bounds = np.cumsum([probabilities[language] for language in self.languages])
        draws = np.random.default_rng([seed, 1]).random(total)
        self.language = np.minimum(np.searchsorted(bounds, draws, side="right"), len(bounds) - 1).astype(np.uint8)
        self.rank = np.empty(total, dtype=np.int64)
        for number in range(len(self.languages)):
            mine = self.language == number
            self.rank[mine] = np.arange(int(mine.sum()))
        self._orders: dict[tuple[int, int], Any] = {}

    def __getitem__(self, index: int) -> tuple[str, int]:
        number = int(self.language[index])
        epoch, place = divmod(int(self.rank[index]), self.sizes[number])
        if (number, epoch) not in self._orders:
            self._orders.pop((number, epoch - 2), None)
            rng = np.random.default_rng([self.seed, 2, number, epoch])
            self._orders[number, epoch] = rng.permutation(self.sizes[number])
        return self.languages[number], int(self._orders[number, epoch][place])


class Rows(Dataset):
    """Training rows from a prepared folder.

    Args:
        folder: Where `<language>.ids`, `en-<language>.npz` and `<from>-<to>.lexicon.npz` lie.
        languages: Languages to draw from.
        continuation: Bool (V,): sub-words that continue a word.
        settings: What rows are like.
        total: Number of rows of the whole training.
        held_out: Rows at the end of each language's text that are never drawn, a tenth of them at most.
        first: Number of the first row, for a training that goes on where another one stopped.
    """

    def __init__(
        self,
        folder: Path,
        languages: list[str],
        continuation: Any,
        settings: RowSettings,
        *,
        total: int,
        held_out: int = 0,
        first: int = 0,
    ) -> None:
        self.settings = settings
        self.continuation = continuation
        self.first = first
        self.total = total
        self.text = {language: load_text(folder, language).ids for language in languages}
        body = settings.length - 2
        whole = {language: len(ids) // body for language, ids in self.text.items()}
        # Of little text the tenth at most.
        self.held_out = {language: min(held_out, rows // 10) for language, rows in whole.items()}
        rows = {language: max(1, rows - self.held_out[language]) for language, rows in whole.items()}
        sizes = {language: len(ids) for language, ids in self.text.items()}
        self.plan = Plan(rows, sampling_probabilities(sizes, settings.smoothing), total, settings.seed)
        self.lexicons = _load_lexicons(folder, languages) if settings.switched else {}
        self.pairs = _load_pairs(folder, languages) if settings.parallel else {}

    def __len__(self) -> int:
        return self.total - self.first

    def __getitem__(self, item: int) -> dict[str, Any]:
        """Row `first + item`: `input_ids` and `labels` (L,), `start` (first position) and the row's number."""
        index = item + self.first
        language, row = self.plan[index]
        rng = np.random.default_rng([self.settings.seed, 3, index])
        kind = rng.random()
        if kind < self.settings.parallel and (others := self._paired(language)):
            ids, labels = self._parallel(others[rng.integers(len(others))], rng)
        else:
            switched = kind >= 1 - self.settings.switched
            ids, labels = self._text(language, row, rng if switched else None)
        free = self.settings.positions - self.settings.length + 1
        start = int(rng.integers(free)) if rng.random() < 0.5 else 0
        return {"input_ids": ids, "labels": labels, "start": start, "row": index}

    def plain(self, language: str, row: int) -> Any:
        """Row number `row` (L,) of a language's text as it is; rows follow each other without a gap."""
        return self._text(language, row, None)[0]

    def _text(self, language: str, row: int, rng: np.random.Generator | None) -> tuple[Any, Any]:
        body = self.settings.length - 2
        begin, end = row * body, (row + 1) * body
        targets = [to for source, to in self.lexicons if source == language] if rng is not None else []
        if targets:  # a word that the row cuts off is looked up whole
            ahead = self.continuation[self.text[language][end : end + body]]
            end += int(np.argmin(ahead)) if not ahead.all() else len(ahead)
        ids = np.asarray(self.text[language][begin:end], dtype=np.int64)
        labels = np.full(len(ids), IGNORE)
        if rng is not None and targets:
            lexicon = self.lexicons[language, targets[rng.integers(len(targets))]]
            # Translations may be shorter than what they replace: the text that follows fills the row.
            more = np.asarray(self.text[language][end : end + body], dtype=np.int64)
            ids, labels = self._switch(ids, lexicon, rng)
            ids, labels = np.concatenate([ids, more]), np.concatenate([labels, np.full(len(more), IGNORE)])
        return _frame(ids[:body], labels[:body], self.settings.length)

    def _switch(self, ids: Any, lexicon: Lexicon, rng: np.random.Generator) -> tuple[Any, Any]:
        pieces, replaced = lexicon.replace(ids, ~self.continuation[ids], rate=self.settings.switch_rate, rng=rng)
        labels = [np.full(len(piece), IGNORE) for piece in pieces]
        for label, original in zip(labels, replaced, strict=True):
            if original is not None and rng.random() < self.settings.asked_back:
                label[0] = original
        return np.concatenate(pieces), np.concatenate(labels)

    def _paired(self, language: str) -> list[str]:
        return list(self.pairs) if language == HUB else [language] * (language in self.pairs)

    def _parallel(self, language: str, rng: np.random.Generator) -> tuple[Any, Any]:
        """Fill a row with parallel lines; the sides of the last pair are cut alike to what room is left."""
        ids, starts, ends = self.pairs[language]
        body = self.settings.length - 2
        joined: list[Any] = []
        while len(joined) < body:
            pair = int(rng.integers(len(starts) // 2))
            sides = [ids[starts[2 * pair + side] : ends[2 * pair + side]] for side in rng.permutation(2)]
            left, right = _cut(sides, body - len(joined) - 2)
            joined += [*left, SEP, *right, SEP]
        return _frame(np.array(joined[:body], dtype=np.int64), np.full(body, IGNORE), self.settings.length)


def _cut(sides: list[Any], room: int) -> list[Any]:
    """Shorten two lines to the same share of their lengths, so that what is kept still corresponds."""
    total = len(sides[0]) + len(sides[1])
    if total <= room:
        return sides
    return [side[: max(0, round(len(side) * room / total))] for side in sides]


def _frame(ids: Any, labels: Any, length: int) -> tuple[Any, Any]:
    framed, framed_labels = np.full(length, PAD), np.full(length, IGNORE)
    framed[0], framed[1 : len(ids) + 1], framed[len(ids) + 1] = CLS, ids, SEP
    framed_labels[1 : len(ids) + 1] = labels
    return framed, framed_labels


def _load_lexicons(folder: Path, languages: list[str]) -> dict[tuple[str, str], Lexicon]:
    routes = [route for other in languages if other != HUB for route in ((HUB, other), (other, HUB))]
    paths = {route: folder / f"{route[0]}-{route[1]}.lexicon.npz" for route in routes if route[0] in languages}
    return {route: Lexicon(path) for route, path in paths.items() if path.is_file()}


def _load_pairs(folder: Path, languages: list[str]) -> dict[str, tuple[Any, Any, Any]]:
    pairs = {}
    for language in languages:
        if (path := folder / f"en-{language}.npz").is_file():
            with np.load(path) as arrays:
                ids, ends = arrays["ids"], arrays["ends"]
            pairs[language] = (ids, np.concatenate([[0], ends[:-1]]), ends)
    return pairs


@dataclass(frozen=True)
class Collator:
    """Stacks rows and masks them, from a seed made of the rows' numbers.

    Attributes:
        continuation: Bool (V,): sub-words that continue a word.
        mask_rate: Share of words that are masked.
        seed: Seed.
    """

    continuation: Any
    mask_rate: float
    seed: int

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Make a batch: `input_ids`, `attention_mask`, `position_ids` and `labels`, each (B, L)."""
        import torch

        ids = np.stack([row["input_ids"] for row in rows])
        labels = np.stack([row["labels"] for row in rows])
        rng = np.random.default_rng([self.seed, 4, rows[0]["row"]])
        masked, labels = mask_rows(ids, labels, self.continuation, rate=self.mask_rate, rng=rng)
        starts = np.array([[row["start"]] for row in rows])
        batch = {
            "input_ids": masked,
            "position_ids": starts + np.arange(ids.shape[1]),
            "labels": labels,
        }
        if (ids == PAD).any():  # without padding, attention needs no mask and is faster
            batch["attention_mask"] = (ids != PAD).astype(np.int64)
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in batch.items()}
