from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_xner.errors import InputError
from hf_xner.pretraining.initialise import (
    Vectors,
    calibrate,
    initialise,
    position_table,
    retrofit,
    train_vectors,
    write_sentences,
)
from hf_xner.pretraining.masking import IGNORE
from hf_xner.pretraining.model import MaskedEncoder, build_config


def make(vocab: int = 40, layers: int = 3, heads: int = 3) -> MaskedEncoder:
    config = build_config(vocab, layers=layers, hidden=96, heads=heads, intermediate=64, positions=128, candidates=0)
    return MaskedEncoder(config).eval()


def vectors(vocab: int = 40) -> Vectors:
    rng = np.random.default_rng(0)
    inputs, outputs = rng.standard_normal((2, vocab, 64)).astype(np.float32)
    return Vectors(inputs, outputs, np.arange(vocab))


@pytest.mark.parametrize("start", [0, 60])
def test_heads_look_where_they_should(start):
    model = make()
    initialise(model, vectors())
    model.set_attn_implementation("eager")
    ids = torch.arange(5, 35)[None]
    positions = torch.arange(start, start + 30)[None]
    attentions = model.bert(ids, position_ids=positions, output_attentions=True).attentions
    window = attentions[0][0, :, 15]
    assert (window[:, 12:19].sum(1) > 0.5).all()
    for layer in attentions[1:]:
        for head, offset in enumerate((-1, 1, -2)):
            assert layer[0, head, 15].argmax() == 15 + offset and layer[0, head, 15].max() > 0.5


def test_untrained_model_predicts_from_neighbours():
    # Sub-words of one half of the vocabulary occur together only; the vectors know it, so the model does.
    rng = np.random.default_rng(0)
    topics = np.repeat([[1.0], [-1.0]], 20, axis=0) * rng.standard_normal(64) / 8
    noise = 0.01 * rng.standard_normal((40, 64))
    known = Vectors(*np.float32([topics + noise, topics + noise]), np.full(40, 10))
    model = make()
    initialise(model, known)
    ids = torch.tensor([[2, *range(5, 15), 3], [2, *range(25, 35), 3]])
    labels = torch.full_like(ids, IGNORE)
    labels[:, 5] = ids[:, 5]
    ids[:, 5] = 4
    loss = calibrate(model, {"input_ids": ids, "labels": labels})
    assert loss < np.log(40) - 0.4  # half of the vocabulary is ruled out


def test_shapes_must_fit():
    with pytest.raises(InputError, match="heads of 24 do not fit a hidden size of 96"):
        initialise(make(heads=4), vectors())


def test_positions_are_distinct():
    table = position_table(512)
    near = table @ table.T
    assert (table**2).mean() == pytest.approx(1)
    np.fill_diagonal(near, 0)
    assert near.max() < 31.5


def test_retrofitting_draws_translations_together():
    rng = np.random.default_rng(0)
    table = rng.standard_normal((10, 32)).astype(np.float32)
    drawn = retrofit(table, [(1, 2), (2, 1), (1, 3)])

    def cosine(matrix, one, other):
        return matrix[one] @ matrix[other] / np.linalg.norm(matrix[one]) / np.linalg.norm(matrix[other])

    assert cosine(drawn, 1, 2) > 0.6 > 0.4 > cosine(table, 1, 2)
    assert np.allclose(drawn[4:], table[4:], atol=1e-6)
    assert np.allclose(np.linalg.norm(drawn, axis=1), np.linalg.norm(table, axis=1), rtol=1e-5)


def test_vectors_see_the_text(tmp_path):
    pytest.importorskip("gensim")
    rows = [
        np.array([2, *np.random.default_rng(n).permutation(np.arange(5, 10) + 5 * (n % 2)), 3]) for n in range(4000)
    ]
    write_sentences(rows, tmp_path / "s")
    assert len((tmp_path / "s").read_text().split()) == 20_000
    learnt = train_vectors(tmp_path / "s", vocab_size=20, dimensions=8, epochs=20, workers=1)
    assert learnt.counts[5:15].sum() == 20_000 and not learnt.inputs[:5].any()
    unit = learnt.outputs[5:15] / np.linalg.norm(learnt.outputs[5:15], axis=1, keepdims=True)
    assert (unit[:5] @ unit[:5].T).mean() > (unit[:5] @ unit[5:].T).mean() + 0.05
