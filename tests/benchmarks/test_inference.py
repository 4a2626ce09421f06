"""Blocks of the tagging benchmark are equal work for every way."""

from __future__ import annotations

import inference


def test_a_block_holds_no_sentence_twice():
    """Taggers that read equal sentences once would have less to do than a pipeline that reads all."""
    sentences = [[str(number)] for number in range(7)]
    blocks = inference._blocks(sentences, 3, 1000)
    assert [len(block) for block in blocks] == [7, 7, 7]
    assert all(sorted(block) == sentences for block in blocks)
    short = inference._blocks(sentences, 4, 3)
    assert [len({word for (word,) in block}) for block in short] == [3, 3, 3, 3]
