"""Votes: agreement word by word, kept in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hf_xner.data.rows import RaggedColumn
from hf_xner.data.votes import DISAGREED, read_votes, vote, write_votes


def probabilities(*tags: int) -> np.ndarray:
    array = np.full((len(tags), 3), 0.2, dtype=np.float32)
    array[np.arange(len(tags)), list(tags)] = 0.6
    return array


def test_a_word_gets_a_vote_only_where_every_model_says_the_same():
    votes = vote([probabilities(0, 1, 2, 0), probabilities(0, 1, 1, 0), probabilities(0, 2, 2, 0)])
    assert votes.tolist() == [0, DISAGREED, DISAGREED, 0]


def test_one_model_agrees_with_itself_and_no_word_gives_no_vote():
    assert vote([probabilities(2, 1)]).tolist() == [2, 1]
    assert vote([np.zeros((0, 3), dtype=np.float32)] * 3).shape == (0,)


def test_votes_come_back_as_they_were_written(tmp_path: Path):
    rows = [np.array([1, DISAGREED], dtype=np.int16), np.zeros(0, dtype=np.int16), np.array([8], dtype=np.int16)]
    write_votes(iter(rows), tmp_path)
    column = RaggedColumn(read_votes(tmp_path), "votes")
    assert [column[index].tolist() for index in range(len(column))] == [[1, -1], [], [8]]
