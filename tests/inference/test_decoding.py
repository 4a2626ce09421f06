"""From probabilities to tags."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.inference.decoding import TagDecoder
from hf_xner.labels import orphan_positions, spans_from_tags

IOB2 = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
IOBES = ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC")


def config(names, **xner):
    return SimpleNamespace(id2label=dict(enumerate(names)), xner=xner)


def random_probabilities(seed: int, lengths: list[int], n_tags: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.full(n_tags, 0.3), size=length).astype(np.float32) for length in lengths]


@pytest.mark.parametrize(
    ("names", "scheme"),
    [
        (IOB2, "iob2"),
        (("O", "I-LOC", "B-LOC"), "iob2"),
        (("O", "I-LOC", "I-PER"), "iob1"),
        (IOBES, "iobes"),
        (("O", "B-LOC", "M-LOC", "E-LOC", "S-LOC"), "bmes"),
    ],
)
def test_scheme_is_read_off_the_labels(names, scheme):
    assert TagDecoder.from_config(config(names)).scheme == scheme


def test_config_without_settings_means_argmax():
    decoder = TagDecoder.from_config(SimpleNamespace(id2label=dict(enumerate(IOB2))))
    assert (decoder.method, decoder.start_constraint, decoder.temperature) == ("argmax", False, 1.0)


def test_settings_come_from_the_config_unless_given():
    settings_ = {"scheme": "bio", "decoding": "viterbi", "start_constraint": True, "temperature": 1.5}
    decoder = TagDecoder.from_config(config(IOB2, **settings_))
    assert (decoder.scheme, decoder.method, decoder.start_constraint, decoder.temperature) == (
        "iob2",
        "viterbi",
        True,
        1.5,
    )
    decoder = TagDecoder.from_config(config(IOB2, **settings_), method="argmax", temperature=2)
    assert (decoder.method, decoder.temperature) == ("argmax", 2.0)
    with pytest.raises(InputError, match="unknown decoding 'beam'"):
        TagDecoder.from_config(config(IOB2, decoding="beam"))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), lengths=st.lists(st.integers(0, 12), max_size=8))
def test_viterbi_gives_no_orphans_but_at_the_start(seed, lengths):
    decoder = TagDecoder(IOB2, "iob2", "viterbi")
    probabilities = random_probabilities(seed, lengths, len(IOB2))
    decoded = decoder.decode(probabilities)
    assert [len(ids) for ids in decoded] == lengths
    for ids in decoded:
        assert set(orphan_positions(decoder.names(ids))) <= {0}
    constrained = TagDecoder(IOB2, "iob2", "viterbi", start_constraint=True)
    for ids in constrained.decode(probabilities):
        assert orphan_positions(constrained.names(ids)) == []


def test_viterbi_in_small_batches_is_the_same(monkeypatch):
    decoder = TagDecoder(IOB2, "iob2", "viterbi")
    probabilities = random_probabilities(1, [3, 0, 9, 1, 7, 7, 2], len(IOB2))
    together = decoder.decode(probabilities)
    monkeypatch.setattr("hf_xner.inference.decoding._CELLS", 1)
    assert all(np.array_equal(a, b) for a, b in zip(together, decoder.decode(probabilities), strict=True))


def test_an_impossible_tag_stays_impossible_under_viterbi():
    certain = np.array([[1, 0, 0, 0, 0], [0, 0, 1, 0, 0]], dtype=np.float32)
    [ids] = TagDecoder(IOB2, "iob2", "viterbi").decode([certain])
    assert TagDecoder(IOB2, "iob2", "viterbi").names(ids)[0] in {"O", "B-LOC", "I-LOC"}


def test_other_schemes_become_iob2():
    decoder = TagDecoder(IOBES, "iobes", "argmax")
    ids = np.array([1, 2, 3, 0, 4])
    assert decoder.iob2(ids) == ["B-LOC", "I-LOC", "I-LOC", "O", "B-LOC"]
    assert spans_from_tags(decoder.names(ids), "iobes") == spans_from_tags(decoder.iob2(ids))


def test_orphans_of_an_iob2_model_are_left_for_the_scorer():
    assert TagDecoder(IOB2, "iob2", "argmax").iob2(np.array([0, 2])) == ["O", "I-LOC"]


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1.0, 3.0])
def test_temperature_keeps_order_and_sum(temperature):
    decoder = TagDecoder(IOB2, "iob2", "argmax", temperature=temperature)
    [array] = random_probabilities(3, [20], len(IOB2))
    scaled = decoder.calibrate(array)
    assert np.allclose(scaled.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(scaled.argmax(axis=1), array.argmax(axis=1))
    assert decoder.calibrate(array[:0]).shape == (0, len(IOB2))
