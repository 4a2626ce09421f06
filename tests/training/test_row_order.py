"""Rows come in the order of their epoch, also where several processes go on in the middle of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from accelerate import skip_first_batches
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader
from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_xner.data.paired_rows import PairSampler
from hf_xner.data.sampling import LengthBucketSampler
from hf_xner.training.row_order import RowOrder

LENGTHS = np.arange(3, 43)


def loader(sampler: Any, process: int) -> Any:
    rows = DataLoader([*range(len(LENGTHS))], batch_size=4, sampler=sampler, collate_fn=list)
    return prepare_data_loader(rows, num_processes=2, process_index=process, put_on_device=False)


def begin_epoch(epoch: float, rows: Any) -> None:
    arguments = TrainingArguments("unused", use_cpu=True)
    RowOrder().on_epoch_begin(arguments, TrainerState(epoch=epoch), TrainerControl(), train_dataloader=rows)


@pytest.mark.parametrize("process", [0, 1])
def test_a_resumed_epoch_goes_on_in_its_own_order(process: int):
    undisturbed = loader(LengthBucketSampler(LENGTHS, 8, seed=3), process)
    undisturbed.set_epoch(2)
    batches = list(undisturbed)
    ours = loader(LengthBucketSampler(LENGTHS, 8, seed=3), process)
    begin_epoch(2.4, ours)
    rest = skip_first_batches(ours, 2)
    rest.set_epoch(2)  # transformers does so, and does not reach the sampler
    assert list(rest) == batches[2:] and len(batches) == 5


def test_pairs_follow_their_epoch_too():
    sampler = PairSampler(LENGTHS, LENGTHS, 8, seed=3)
    first = list(sampler)
    begin_epoch(1.0, loader(sampler, 0))
    assert list(sampler) != first


def test_a_trainer_without_rows_is_left_alone():
    begin_epoch(1.0, None)
