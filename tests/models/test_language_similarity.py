"""Scores of sentences against languages, weights from scores, and a model that saves and loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_xner.models import LanguageSimilarityConfig, LanguageSimilarityModel
from hf_xner.models.auto import AutoConfig, AutoModel
from hf_xner.models.language_similarity import sentence_weights, temperature_of

MEANS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
VECTORS = torch.tensor([[1.0, 1.0, 0.0], [0.0, 3.0, 4.0], [1.0, 0.0, 0.0]])


def build(measure: str = "bilinear", **settings) -> LanguageSimilarityModel:
    torch.manual_seed(0)
    return LanguageSimilarityModel.from_means(MEANS, languages=["en", "nl"], measure=measure, rank=2, **settings)


def test_the_learned_score_is_the_bilinear_form_of_the_paper():
    model = build()
    scores = model(VECTORS).logits
    expected = VECTORS @ model.operator @ MEANS.T
    torch.testing.assert_close(scores, expected)
    assert torch.linalg.matrix_rank(model.operator) == 2
    assert not [name for name, _ in model.named_parameters() if "bias" in name]


def test_biases_as_released_shift_each_sentence_alike_on_one_side():
    model, plain = build(bias=True), build()
    with torch.no_grad():
        for one, other in ((model.sentence_map, plain.sentence_map), (model.language_map, plain.language_map)):
            one.weight.copy_(other.weight)
        model.sentence_map.bias.zero_()
    difference = model(VECTORS).logits - plain(VECTORS).logits
    assert difference.abs().max() > 1e-3
    torch.testing.assert_close(difference[:, 0], difference[:, 1])
    torch.testing.assert_close(model(VECTORS).logits.softmax(-1), plain(VECTORS).logits.softmax(-1))
    with pytest.raises(ValueError, match="biases"):
        model.operator  # noqa: B018


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("cosine", [[2**-0.5, 2**-0.5], [0.0, 0.6], [1.0, 0.0]]),
        ("l2", [[-1.0, -(2**0.5)], [-(26**0.5), -(17**0.5)], [0.0, -(5**0.5)]]),
        ("l1", [[-1.0, -2.0], [-8.0, -5.0], [0.0, -3.0]]),
    ],
)
def test_the_alternatives_compare_with_the_mean_vectors(measure: str, expected: list[list[float]]):
    torch.testing.assert_close(build(measure)(VECTORS).logits, torch.tensor(expected))
    assert [name for name, _ in build(measure).named_parameters()] == ["languages.weight"]


def test_near_vectors_far_from_zero_keep_their_distance():
    """By a matrix product, 1 beside lengths of 10,000 would be lost in rounding."""
    far = torch.full((1, 64), 1e4)
    model = LanguageSimilarityModel.from_means(far, languages=["en"], measure="l2")
    vector = far.clone()
    vector[0, 0] += 1
    assert model(vector).logits.item() == pytest.approx(-1)


def test_the_maps_start_as_torchs_own_linear_layers():
    model = LanguageSimilarityModel.from_means(torch.zeros(2, 400), languages=["en", "nl"], bias=True)
    weights = model.sentence_map.weight
    assert weights.shape == (64, 400) and weights.abs().max() <= 400**-0.5 < 1.01 * weights.abs().max()
    assert 0 < model.sentence_map.bias.abs().max() <= 400**-0.5
    other = LanguageSimilarityModel.from_means(torch.zeros(2, 400), languages=["en", "nl"], bias=True)
    assert not weights.equal(other.sentence_map.weight)


def test_temperature_is_the_unbiased_variance_or_deviation_of_all_scores():
    scores = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    assert temperature_of(scores) == pytest.approx(float(np.var(scores.double().numpy(), ddof=1)))
    assert temperature_of(scores, "std") == pytest.approx(float(np.std(scores.double().numpy(), ddof=1)))
    with pytest.raises(ValueError, match="unknown temperature"):
        temperature_of(scores, "mean")


@pytest.mark.parametrize(
    "scores",
    [torch.zeros(4, 3), torch.full((4, 3), 17.3), 100 + 1e-5 * torch.rand(50, 2), torch.ones(1, 1)],
    ids=["zero", "equal", "rounding", "one score"],
)
def test_scores_without_variance_weigh_all_languages_alike(scores: torch.Tensor):
    tau = temperature_of(scores)
    assert tau == 0
    weights = sentence_weights(scores, tau)
    torch.testing.assert_close(weights, torch.full(scores.shape, 1 / scores.shape[1], dtype=torch.float64))


def test_small_but_real_differences_are_not_taken_for_rounding():
    scores = torch.tensor([[0.981, 0.980], [0.979, 0.982]])
    weights = sentence_weights(scores, temperature_of(scores))
    assert temperature_of(scores) > 0 and weights.max() > 0.999, "a small variance makes a hard choice, as published"
    assert torch.isfinite(weights).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, dtype=torch.float64))


def test_weights_are_the_softmax_of_scores_over_tau():
    scores = torch.tensor([[1.0, 3.0]])
    np.testing.assert_allclose(sentence_weights(scores, 2.0), [[1 / (1 + np.e), np.e / (1 + np.e)]])


@pytest.mark.parametrize("measure", ["bilinear", "l1"])
def test_a_saved_model_comes_back_by_name_of_its_type(tmp_path: Path, measure: str):
    model = build(measure, pooling="mean", encoder="xner-mini")
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, LanguageSimilarityConfig)
    assert (config.languages, config.measure, config.pooling, config.rank) == (["en", "nl"], measure, "mean", 2)
    again = AutoModel.from_pretrained(tmp_path)
    assert isinstance(again, LanguageSimilarityModel)
    assert torch.equal(again(VECTORS).logits, model(VECTORS).logits)


@pytest.mark.slow
def test_it_travels_with_its_code(tmp_path: Path):
    build().save_pretrained(tmp_path / "model")
    (tmp_path / "vectors.json").write_text(json.dumps(VECTORS.tolist()))
    code = """if True:
        import json, sys
        import torch
        from transformers import AutoModel
        model = AutoModel.from_pretrained("model", trust_remote_code=True)
        assert "hf_xner" not in sys.modules
        print(json.dumps(model(torch.tensor(json.load(open("vectors.json")))).logits.tolist()))
    """
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    torch.testing.assert_close(torch.tensor(json.loads(ended.stdout)), build()(VECTORS).logits)


def test_settings_that_make_no_sense_are_refused():
    assert LanguageSimilarityConfig().languages == ["source"], "an empty configuration must build"
    with pytest.raises(ValueError, match="measure must be one of"):
        LanguageSimilarityConfig(measure="euclid")
    with pytest.raises(ValueError, match="at least one language"):
        LanguageSimilarityConfig(languages=[])


def test_labels_give_the_loss():
    model = build()
    output = model(VECTORS, labels=torch.tensor([0, 1, 0]))
    expected = -output.logits.log_softmax(-1)[torch.arange(3), torch.tensor([0, 1, 0])].mean()
    torch.testing.assert_close(output.loss, expected)
    assert model(VECTORS).loss is None and output.languages.equal(MEANS)
