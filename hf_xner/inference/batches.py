"""How sentences are read in batches: so many are sorted by length together, so many positions go through at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, takewhile

CHUNK = 1024  # sentences whose windows are sorted by length together: bounds memory, keeps padding small


def batches_by_size(lengths: Sequence[int], budget: int, slack: int | None = None) -> Iterator[range]:
    """Split positions of a list sorted by falling length into runs whose padded size stays within `budget`.

    A single row longer than the budget makes a batch of its own.

    Args:
        lengths: Lengths of the rows, falling.
        budget: Positions of a batch, padding included.
        slack: Padded positions that a batch may have: as many as another batch costs by itself. No limit by default.
    """
    begin = 0
    while begin < len(lengths):
        end = min(begin + max(1, budget // max(1, lengths[begin])), len(lengths))
        if slack is not None:
            padding = accumulate(lengths[begin] - length for length in lengths[begin:end])
            end = begin + sum(1 for _ in takewhile(lambda padded: padded <= slack, padding))
        yield range(begin, end)
        begin = end
