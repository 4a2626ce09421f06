"""Procrustes, and its refinement: a mapping makes a dictionary, that a better mapping (Conneau et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.device import checked_device
from hf_xner.translation.retrieval import Neighbours, csls
from hf_xner.translation.vectors import normalised


@dataclass(frozen=True)
class Refinement:
    """Settings; the defaults are those of MUSE's unsupervised program. `SUPERVISED` holds the supervised one's.

    Attributes:
        rounds: Dictionaries made and solved, after the start.
        dictionary: `forward` takes the best fixed word of each moving word, `mutual` only pairs that are each other's
            best.
        max_rank: Only so many most frequent words of either side enter a dictionary.
        neighbours: K of CSLS.
        criterion_words: Most frequent words that the unsupervised criterion looks at.
        device: Where similarities are computed.
    """

    rounds: int = 5
    dictionary: Literal["forward", "mutual"] = "forward"
    max_rank: int = 15_000
    neighbours: int = 10
    criterion_words: int = 10_000
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("rounds", "max_rank", "neighbours", "criterion_words"):
            if getattr(self, name) < (name != "rounds"):
                raise InputError(
                    f"{getattr(self, name)} is too small", where=f"--{name}", remedy="give a larger number"
                )
        checked_device(self.device)


SUPERVISED = Refinement(dictionary="mutual", max_rank=10_000)


@dataclass(frozen=True)
class Refined:
    """The best mapping of a refinement.

    Attributes:
        matrix: (d, d) orthogonal, x -> matrix @ x.
        value: What it was chosen by: the unsupervised criterion, or P@1 on validation pairs.
        criterion: Its unsupervised criterion.
        history: For the start and each round: criterion, value and number of pairs it was solved from.
        translations: Best fixed row of each of the `criterion_words` most frequent moving words.
    """

    matrix: np.ndarray
    value: float
    criterion: float
    history: list[dict[str, float]]
    translations: np.ndarray


def procrustes(moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The orthogonal W that minimises ||W a - b|| summed over pairs of rows: U V^T of SVD(B^T A).

    Args:
        moving: (n, d) rows a, raw vectors.
        fixed: (n, d) rows b.

    Returns:
        W, (d, d) float32.
    """
    left, _, right = np.linalg.svd(np.asarray(fixed, np.float64).T @ np.asarray(moving, np.float64))
    return np.asarray(left @ right, dtype=np.float32)


class Refiner:
    """Two spaces, and what can be asked of a mapping between them.

    Args:
        moving: (V_a, d) raw vectors that are mapped.
        fixed: (V_b, d) raw vectors that stay, of the same width.
        settings: Settings.
        validation: (n, 2) rows of word pairs to choose the best mapping by P@1; by default the unsupervised criterion
            chooses.
    """

    def __init__(
        self,
        moving: np.ndarray,
        fixed: np.ndarray,
        settings: Refinement | None = None,
        validation: np.ndarray | None = None,
    ) -> None:
        self.moving = np.asarray(moving, np.float32)
        self.fixed = np.asarray(fixed, np.float32)
        self.settings = settings or Refinement()
        self.validation = validation
        self._unit_fixed = normalised(self.fixed)
        self._queries = np.arange(min(len(moving), max(self.settings.max_rank, self.settings.criterion_words)))
        if validation is not None:
            self._queries = np.concatenate([self._queries, np.setdiff1d(validation[:, 0], self._queries)])
        self._place = {int(row): place for place, row in enumerate(self._queries)}

    def solve(self, pairs: np.ndarray) -> np.ndarray:
        """Procrustes on (moving row, fixed row) pairs, (n, 2)."""
        if not len(pairs):
            raise InputError("the dictionary is empty", remedy="give a seed dictionary, or vectors with shared words")
        return procrustes(self.moving[pairs[:, 0]], self.fixed[pairs[:, 1]])

    def refine(self, matrix: np.ndarray, n_pairs: int = 0) -> Refined:
        """Refine from `matrix` (made from `n_pairs` pairs) and return the best mapping seen, the start included."""
        best: Refined | None = None
        history: list[dict[str, float]] = []
        for round_ in range(self.settings.rounds + 1):
            unit = normalised(self.moving @ matrix.T)
            found = self._neighbours(unit)
            criterion = self._criterion(unit, found)
            value = criterion if self.validation is None else self._precision(found)
            history.append({"criterion": criterion, "value": value, "pairs": n_pairs})
            if best is None or value > best.value:
                translations = found.targets[: self.settings.criterion_words, 0]
                best = Refined(matrix, value, criterion, history, translations)
            if round_ < self.settings.rounds:
                pairs = self._dictionary(found)
                if not len(pairs):
                    break
                matrix, n_pairs = self.solve(pairs), len(pairs)
        assert best is not None
        return best

    def criterion(self, matrix: np.ndarray) -> float:
        """Mean cosine of the most frequent moving words with their CSLS translations, frequent ones only."""
        unit = normalised(self.moving @ matrix.T)
        queries = np.arange(min(len(unit), self.settings.criterion_words))
        found = csls(
            unit, self._unit_fixed, neighbours=self.settings.neighbours, queries=queries, device=self.settings.device
        )
        return self._criterion(unit, found)

    def dictionary(self, matrix: np.ndarray) -> np.ndarray:
        """Pairs of rows, (n, 2), that are translations by `matrix`; may be empty."""
        return self._dictionary(self._neighbours(normalised(self.moving @ matrix.T)))

    def _neighbours(self, unit: np.ndarray) -> Neighbours:
        return csls(
            unit,
            self._unit_fixed,
            neighbours=self.settings.neighbours,
            queries=self._queries,
            both_directions=self.settings.dictionary == "mutual",
            device=self.settings.device,
        )

    def _criterion(self, unit: np.ndarray, found: Neighbours) -> float:
        words = np.arange(min(len(unit), self.settings.criterion_words))
        targets = found.targets[words, 0]
        kept = targets < self.settings.criterion_words
        if not kept.any():
            return -1.0
        return float((unit[words[kept]] * self._unit_fixed[targets[kept]]).sum(1).mean())

    def _precision(self, found: Neighbours) -> float:
        assert self.validation is not None
        gold: dict[int, set[int]] = {}
        for moving, fixed in self.validation.tolist():
            gold.setdefault(moving, set()).add(fixed)
        hits = sum(int(found.targets[self._place[moving], 0]) in fixed for moving, fixed in gold.items())
        return hits / len(gold)

    def _dictionary(self, found: Neighbours) -> np.ndarray:
        rank = self.settings.max_rank
        moving = np.arange(min(len(self.moving), rank))
        fixed = found.targets[moving, 0]
        kept = fixed < rank
        if self.settings.dictionary == "mutual":
            assert found.sources is not None
            kept &= found.sources[fixed] == moving
        return np.stack([moving[kept], fixed[kept]], axis=1)
