"""Nearest neighbours by CSLS, from one pass over blocks of the similarity matrix.

CSLS(s, t) = 2 cos(s, t) - r_T(s) - r_S(t), with r_T(s) the mean cosine of s to its K nearest targets and r_S(t) that
of t to its K nearest sources (Conneau et al. 2018, equation 3).

MUSE multiplies the two spaces three times: for r_T, for r_S, and for the scores. Here each block of the similarity
matrix is made once. r_T of its rows is then known; of r_S there is a lower bound, the mean over the sources seen so
far, and with it an upper bound on every score. The best few by that bound are kept, and scored when r_S is known. A
row whose best kept score does not reach the bound of those not kept is computed again, so that the result is exact.

Selections run on maxima of strided groups first: a top-10 of 100,000 columns is among the ten best of 1,563 groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hf_xner.errors import InputError
from hf_xner.translation.device import checked_device

ROW_GROUP = 64  # columns a group when a row is searched
COLUMN_GROUP = 16  # rows a group when columns are searched
KEPT = 24  # candidates kept a row until r_S is known
BLIND = 0.06  # share of the rows seen before candidates are worth keeping: until then the bound is too loose
BUFFER_BYTES = 200_000_000  # size of one of the two blocks of similarities


@dataclass(frozen=True)
class Neighbours:
    """What `csls` found.

    Attributes:
        targets: (Q, top) int64: for each query the best target rows, best first.
        scores: (Q, top) float32: their CSLS.
        sources: (V_t,) int64: for each target the best source row, if asked for.
        source_density: (Q,) float32: r_T of the queries.
        target_density: (V_t,) float32: r_S.
        computed_again: Queries that had to be computed a second time.
    """

    targets: np.ndarray
    scores: np.ndarray
    sources: np.ndarray | None
    source_density: np.ndarray
    target_density: np.ndarray
    computed_again: int


def csls(
    source: np.ndarray,
    target: np.ndarray,
    *,
    neighbours: int = 10,
    top: int = 1,
    queries: np.ndarray | None = None,
    both_directions: bool = False,
    block: int | None = None,
    device: str = "cpu",
) -> Neighbours:
    """Find the targets of highest CSLS for source rows, and on request the sources for all targets.

    Deterministic: the same input on the same machine gives the same result. Memory beyond input and result: two blocks
    of similarities (block x V_t, float32), never V_s x V_t.

    Args:
        source: (V_s, d) float32 rows of length 1, mapped into the space of the targets.
        target: (V_t, d) float32 rows of length 1.
        neighbours: K.
        top: Targets a query.
        queries: Source rows to answer for, all by default; r_S is taken over all source rows in any case.
        both_directions: Find the best source for every target too.
        block: Source rows a block; by default what makes a block of 200 MB.
        device: Where the products are computed.

    Returns:
        The neighbours.

    Raises:
        InputError: The widths differ, or a space is empty.
    """
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise InputError(
            f"vectors of shapes {source.shape} and {target.shape} cannot be compared",
            remedy="use vectors of one width",
        )
    if not len(source) or not len(target):
        raise InputError("there are no vectors to compare", remedy="give vectors of both languages")
    with torch.inference_mode():
        search = _Search(source, target, neighbours, top, block, checked_device(device))
        return search.run(np.arange(len(source)) if queries is None else np.asarray(queries), both_directions)


class _Search:
    """One call of `csls`: the similarity blocks, and the states that grow while they pass."""

    def __init__(
        self, source: np.ndarray, target: np.ndarray, k: int, top: int, block: int | None, device: torch.device
    ) -> None:
        self.device = device
        self.source = _tensor(source)
        self.n_targets = len(target)
        self.k_row, self.k_column = min(k, len(target)), min(k, len(source))
        self.top = min(top, len(target))
        self.kept = min(max(KEPT, 4 * self.top), len(target))
        self.group = ROW_GROUP if len(target) >= ROW_GROUP * max(self.kept, self.k_row) else 1
        self.padded = -(-len(target) // self.group) * self.group
        self.target = torch.zeros(self.padded, target.shape[1], device=device)
        self.target[: len(target)] = _tensor(target)
        block = block or min(1024, BUFFER_BYTES // (4 * self.padded))
        self.block = max(1, min(block, len(source)))
        self.similarities = torch.empty(self.block, self.padded, device=device)
        self.bounds = torch.empty_like(self.similarities)
        self.columns = _Columns(self.padded, self.k_column, device)
        self.columns.best[len(target) :] = 0.0  # padding must stay -inf in the scores, not become nan

    def run(self, queries: np.ndarray, both_directions: bool) -> Neighbours:
        results = _Results(len(self.source), len(queries), self.kept, self.n_targets, self.device)
        position = torch.full((len(self.source),), -1, dtype=torch.long)
        position[torch.from_numpy(np.ascontiguousarray(queries, dtype=np.int64))] = torch.arange(len(queries))
        if len(queries) != int((position >= 0).sum()):
            raise ValueError("a query occurs twice")
        for rows in self._ordered(position):
            places = position[rows]
            self._pass(rows, places, results, both_directions)
        density = self.columns.density()
        targets, scores, again = self._finish(queries, results, density)
        return Neighbours(
            targets.numpy(),
            (2 * scores - results.density[:, None]).numpy(),
            results.best_source.cpu().numpy() if both_directions else None,
            results.density.numpy(),
            density[: self.n_targets].cpu().numpy(),
            again,
        )

    def _ordered(self, position: torch.Tensor) -> Iterator[torch.Tensor]:
        """Rows block by block: those nobody asks for first (they tighten the bounds), the queries in shuffled order.

        Words come by frequency, and frequent ones are no fair sample of the neighbours that r_S counts.
        """
        generator = torch.Generator().manual_seed(0)
        shuffled = torch.randperm(len(position), generator=generator)
        asked = position[shuffled] >= 0
        for part in (shuffled[~asked], shuffled[asked]):
            yield from (part[begin : begin + self.block] for begin in range(0, len(part), self.block))

    def _product(self, rows: torch.Tensor) -> torch.Tensor:
        """Cosines of some source rows to all targets, (b, V_t padded); padding is -inf."""
        block = self.similarities[: len(rows)]
        torch.mm(self.source[rows].to(self.device), self.target.T, out=block)
        block[:, self.n_targets :] = -torch.inf
        return block

    def _pass(self, rows: torch.Tensor, places: torch.Tensor, results: _Results, both_directions: bool) -> None:
        block = self._product(rows)
        enough_seen = self.columns.seen >= max(self.k_column, int(BLIND * len(self.source)))
        self.columns.update(block)
        asked = bool((places >= 0).all())  # `_ordered` never mixes queries with other rows
        if asked or both_directions:
            values, _ = self._top(block, self.k_row)
            density = values.mean(1)
            if asked:
                results.density[places] = density.cpu()
            if both_directions:
                results.update_sources(torch.sub(block, density[:, None] / 2, out=self.bounds[: len(rows)]), rows)
        if asked and enough_seen:
            lower = self.columns.density()
            bounds = torch.sub(block, lower / 2, out=self.bounds[: len(rows)])
            values, candidates = self._top(bounds, self.kept)
            results.keep(places, candidates, block.gather(1, candidates), values[:, -1])

    def _finish(
        self, queries: np.ndarray, results: _Results, density: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Best targets and cos - r_S / 2 of every query: from the candidates where they suffice, else anew."""
        half = density.cpu() / 2
        scores = results.cosines - half[results.candidates.long()]
        best, order = scores.topk(self.top, dim=1)
        targets = results.candidates.long().gather(1, order)
        # All targets kept is proof too; otherwise nobody outside may reach the worst of the best.
        proven = (best[:, -1] >= results.bound) if self.kept < self.n_targets else results.bound > -torch.inf
        proven &= results.bound < torch.inf
        open_places = torch.nonzero(~proven)[:, 0]
        rows = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.int64))
        for begin in range(0, len(open_places), self.block):
            places = open_places[begin : begin + self.block]
            block = self._product(rows[places])
            values, indices = self._top(block.sub_(density / 2), self.top)
            best[places], targets[places] = values.cpu(), indices.cpu()
        return targets, best, len(open_places)

    def _top(self, block: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and columns of the k largest of each row, largest first, both (b, k)."""
        if self.group == 1:
            return block.topk(k, dim=1)
        n_groups = self.padded // self.group
        groups = block.view(len(block), self.group, n_groups)
        # The k best lie in the k groups of largest maximum.
        _, chosen = groups.amax(1).topk(k, dim=1)
        inside = groups.gather(2, chosen[:, None, :].expand(-1, self.group, -1)).flatten(1)
        values, places = inside.topk(k, dim=1)
        columns = torch.div(places, k, rounding_mode="floor") * n_groups + chosen.gather(1, places % k)
        return values, columns


class _Results:
    """What is known about the queries so far."""

    def __init__(self, n_sources: int, n_queries: int, kept: int, n_targets: int, device: torch.device) -> None:
        self.density = torch.zeros(n_queries)
        self.candidates = torch.zeros(n_queries, kept, dtype=torch.int32)
        self.cosines = torch.full((n_queries, kept), -torch.inf)
        self.bound = torch.full((n_queries,), torch.inf)  # on cos - r_S / 2 of all targets not kept; inf: none kept
        self.best_score = torch.full((n_targets,), -torch.inf, device=device)
        self.best_source = torch.zeros(n_targets, dtype=torch.long, device=device)
        self.n_targets = n_targets

    def keep(self, places: torch.Tensor, candidates: torch.Tensor, cosines: torch.Tensor, bound: torch.Tensor) -> None:
        self.candidates[places] = candidates.to(torch.int32).cpu()
        self.cosines[places] = cosines.cpu()
        self.bound[places] = bound.cpu()

    def update_sources(self, scores: torch.Tensor, rows: torch.Tensor) -> None:
        """Best source of each target, from cos - r_T / 2 of one block."""
        best, place = scores[:, : self.n_targets].max(0)
        better = best > self.best_score
        self.best_score[better] = best[better]
        self.best_source[better] = rows.to(place.device)[place[better]]


class _Columns:
    """The k largest similarities of every column over the blocks seen so far."""

    def __init__(self, n_columns: int, k: int, device: torch.device) -> None:
        self.k = k
        self.seen = 0
        self.best = torch.full((n_columns, k), -torch.inf, device=device)

    def density(self) -> torch.Tensor:
        """Mean of the k largest; before k rows have been seen, of fewer (-inf then)."""
        return self.best.mean(1)

    def update(self, block: torch.Tensor) -> None:
        """Take in a block (b, n_columns)."""
        if self.seen == 0 or len(block) < COLUMN_GROUP:
            self._merge_all(block)
        else:
            self._merge_rare(block)
        self.seen += len(block)

    def _merge_all(self, block: torch.Tensor) -> None:
        step = 8192  # columns at a time: topk along columns copies what it is given
        for begin in range(0, block.shape[1], step):
            columns = slice(begin, begin + step)
            joined = torch.cat([self.best[columns], block[:, columns].T.contiguous()], dim=1)
            self.best[columns] = joined.topk(self.k, dim=1).values

    def _merge_rare(self, block: torch.Tensor) -> None:
        """After the first block few similarities are among the best of their column; look only at groups with one."""
        whole = len(block) // COLUMN_GROUP * COLUMN_GROUP
        groups = block[:whole].view(-1, COLUMN_GROUP, block.shape[1])
        threshold = self.best[:, -1]
        group, column = torch.nonzero(groups.amax(1) > threshold, as_tuple=True)
        values = groups[group, :, column]
        entry, _ = torch.nonzero(passing := values > threshold[column, None], as_tuple=True)
        self._merge(column[entry], values[passing])
        if whole < len(block):
            rest = block[whole:]
            row, column = torch.nonzero(rest > self.best[:, -1], as_tuple=True)
            self._merge(column, rest[row, column])

    def _merge(self, columns: torch.Tensor, values: torch.Tensor) -> None:
        """Merge single values into their columns."""
        if not len(columns):
            return
        order = torch.argsort(values, descending=True, stable=True)
        columns, values = columns[order], values[order]
        order = torch.argsort(columns, stable=True)
        columns, values = columns[order], values[order]
        touched, counts = torch.unique_consecutive(columns, return_counts=True)
        starts = counts.cumsum(0) - counts
        rank = torch.arange(len(columns), device=columns.device) - torch.repeat_interleave(starts, counts)
        kept = rank < self.k
        place = torch.repeat_interleave(torch.arange(len(touched), device=columns.device), counts)[kept]
        fresh = torch.full((len(touched), self.k), -torch.inf, device=values.device)
        fresh[place, rank[kept]] = values[kept]
        self.best[touched] = torch.cat([self.best[touched], fresh], dim=1).topk(self.k, dim=1).values


def _tensor(array: np.ndarray) -> Any:
    # np.array copies what is memory-mapped and read-only: torch takes neither.
    array = np.asarray(array, dtype=np.float32)
    return torch.from_numpy(
        array if array.flags.writeable and array.flags.c_contiguous else np.array(array, order="C")
    )
