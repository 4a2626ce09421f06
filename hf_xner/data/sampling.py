"""Length-bucketed sampling: rows of like length share a batch, batches come in random order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import Sampler

POOL = 200  # batches sorted together: large enough for little padding, small enough to stay random


class LengthBucketSampler(Sampler[int]):
    """Yields row indices so that consecutive runs of `batch_size` have like lengths.

    Every epoch draws a new permutation, sorts pools of 200 batches by length and shuffles the batches of each pool;
    every row comes exactly once. The order depends on seed and epoch alone, so that a resumed run continues it.

    Args:
        lengths: Sub-words of each row, shape (rows,).
        batch_size: Rows of one batch (of all processes together).
        seed: Seed of the order.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        order = torch.randperm(len(self), generator=generator).numpy()
        pool = POOL * self.batch_size
        # The incomplete batch of a pool must come last, or it would shift the borders of all batches after it.
        for begin in range(0, len(order), pool):
            rows = order[begin : begin + pool]
            rows = rows[np.argsort(self.lengths[rows], kind="stable")]
            whole, rest = divmod(len(rows), self.batch_size)
            batches = [rows[index * self.batch_size : (index + 1) * self.batch_size] for index in range(whole)]
            for index in torch.randperm(whole, generator=generator).tolist():
                yield from batches[index].tolist()
            if rest:
                yield from rows[-rest:].tolist()


def share_of(data: Dataset, processes: int, rank: int) -> Dataset:
    """A process's share of rows: consecutive, in the order of ranks; some are empty where there are fewer rows."""
    return data.shard(processes, rank, contiguous=True) if rank < len(data) else data.select([])
