"""A corpus in batches, each different word once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_xner.data.word_rows import WordRows, pad_tags
from hf_xner.models import WordFeatureExtractor
from hf_xner.models.word_features import WordTable

SENTENCES = [["Kiel", "ist", "Kiel"], ["ist"], ["Bonn", "ist", "weit", "Kiel"]]


def extractor(characters: bool = True) -> WordFeatureExtractor:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3) + 1
    tables = {"source": WordTable(["kiel", "ist"], vectors), "target": WordTable(["kiel", "ist"], -vectors)}
    return WordFeatureExtractor(list("Kielst") if characters else None, word_size=3, tables=tables)


@pytest.mark.parametrize("chosen", [[0, 1, 2], [2, 0], [1]])
@pytest.mark.parametrize("language", ["source", "target"])
def test_a_batch_is_what_the_extractor_gives_for_its_sentences(chosen, language):
    batch = WordRows(extractor(), SENTENCES, language=language).batch(chosen)
    inputs = extractor()([SENTENCES[row] for row in chosen], language=language)
    assert torch.equal(batch.mask.long(), inputs["attention_mask"])
    assert len(batch.vectors) == len(inputs["word_vectors"])
    mask = batch.mask
    for ours, theirs in (
        (batch.vectors, inputs["word_vectors"]),
        (batch.characters, inputs["word_characters"]),
        (batch.n_characters, inputs["character_counts"]),
    ):
        assert torch.equal(ours[batch.word_ids][mask], theirs[inputs["word_ids"]][mask])
    assert batch.lengths.tolist() == [len(SENTENCES[row]) for row in chosen]


def test_coverage_counts_running_words():
    # "Kiel" three times, "ist" three times; "Bonn" and "weit" have no vector.
    assert WordRows(extractor(), SENTENCES).coverage == pytest.approx(6 / 8)


def test_a_subset_is_a_corpus_of_its_own():
    rows = WordRows(extractor(), SENTENCES)
    part = rows.subset([2, 1])
    assert len(part) == 2 and part.lengths.tolist() == [4, 1]
    assert torch.equal(part.batch([0]).vectors, rows.batch([2]).vectors)
    assert len(rows) == 3 and len(rows.subset([])) == 0


def test_no_characters_where_the_model_reads_none():
    batch = WordRows(extractor(characters=False), SENTENCES).batch([0])
    assert batch.characters is None and batch.n_characters is None


def test_tags_are_padded_to_the_longest_of_the_batch():
    tags = [np.array([1, 2, 3]), np.array([4]), np.array([5, 6, 7, 8])]
    assert pad_tags(tags, [0, 1]).tolist() == [[1, 2, 3], [4, -100, -100]]
