"""Training of the similarity model: what it learns, what it is made of, and that a killed training goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from hf_xner.data.paired_rows import read_vectors, write_vectors
from hf_xner.models import LanguageSimilarityModel
from hf_xner.training.history import read_history
from hf_xner.training.similarity import (
    SIMILARITY,
    SimilarityLoss,
    SimilaritySettings,
    SimilarityTrainer,
    fit_similarity,
)

WIDTH = 12
NAMES = ["en", "nl", "de"]
SIZES = [40, 24, 16]
QUICK = SimilaritySettings(rank=4, epochs=4, batch_size=8, learning_rate=0.01, gamma=0.001)


def clouds(seed: int = 0) -> list[np.ndarray]:
    """Vectors of three languages that differ in their mean."""
    chance = np.random.default_rng(seed)
    return [
        (chance.normal(size=(size, WIDTH)) + 2.5 * np.eye(WIDTH)[number]).astype(np.float32)
        for number, size in enumerate(SIZES)
    ]


@pytest.fixture(scope="module")
def languages(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    found = []
    for vectors in clouds():
        folder = tmp_path_factory.mktemp("vectors")
        write_vectors(iter(vectors), folder / "vectors-00000.arrow")
        found.append(read_vectors(folder))
    return found


def accuracy(model: LanguageSimilarityModel, seed: int) -> float:
    """On other sentences of the same languages."""
    right = [
        (model(torch.from_numpy(vectors)).logits.argmax(-1) == number).float()
        for number, vectors in enumerate(clouds(seed))
    ]
    return torch.cat(right).mean().item()


def test_it_learns_to_tell_the_languages_apart(languages: list[Dataset], tmp_path: Path):
    fit_similarity(tmp_path, languages, NAMES, QUICK, pooling="mean", encoder="tiny")
    model = LanguageSimilarityModel.from_pretrained(tmp_path / SIMILARITY)
    assert model.config.languages == NAMES and (model.config.pooling, model.config.encoder) == ("mean", "tiny")
    means = torch.from_numpy(np.stack([vectors.mean(0) for vectors in clouds()]))
    torch.manual_seed(QUICK.seed)
    untrained = LanguageSimilarityModel.from_means(means, languages=NAMES, rank=4)
    assert accuracy(model, 1) > 0.7 > accuracy(untrained, 1) + 0.1
    assert not torch.allclose(model.languages.weight, means, atol=1e-3), "the language embeddings are trained too"
    history = read_history(tmp_path / "history.jsonl")
    assert {"loss", "loss_ce", "loss_orthogonality"} <= history[0].keys()
    assert history[-2]["loss_ce"] < 0.7 * np.log(3)
    assert (tmp_path / "history.png").exists() and not (tmp_path / "checkpoints").exists()


def test_the_rate_falls_linearly_from_the_start_and_everything_decays(languages, tmp_path: Path, monkeypatch):
    seen: dict[str, Any] = {}

    def look(trainer: Any, *_: Any) -> None:
        trainer.create_optimizer_and_scheduler(40)
        seen.update(groups=trainer.optimizer.param_groups, scheduler=trainer.lr_scheduler, args=trainer.args)
        seen["names"] = sum(len(group["params"]) for group in trainer.optimizer.param_groups if group["weight_decay"])

    monkeypatch.setattr("hf_xner.training.similarity.train_to_end", look)
    fit_similarity(tmp_path, languages, NAMES, SimilaritySettings(bias=True))
    assert seen["names"] == 5, "two maps with biases, and the languages"
    assert {group["lr"] for group in seen["groups"]} == {1e-4}
    assert {group["weight_decay"] for group in seen["groups"] if group["params"]} == {1e-5}
    assert seen["scheduler"].get_last_lr()[0] == 1e-4, "no warm-up"
    assert seen["args"].max_grad_norm == 1.0 and seen["args"].num_train_epochs == 10
    assert seen["args"].per_device_train_batch_size == 32


def test_the_loss_has_both_parts_and_counts_the_second_once_a_step():
    outputs = SimpleNamespace(
        logits=torch.randn(4, 2, generator=torch.Generator().manual_seed(0)),
        languages=torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    )
    mask, languages = torch.ones(4, dtype=torch.bool), torch.tensor([0, 1, 1, 0])
    loss = SimilarityLoss(gamma=0.1, regulariser="languages")
    whole = loss(outputs, {"word_mask": mask, "languages": languages}, None)
    assert whole["loss_orthogonality"].item() == pytest.approx(0.1 * 9)
    parts = []
    for part in (slice(1), slice(1, 4)):
        piece = SimpleNamespace(logits=outputs.logits[part], languages=outputs.languages)
        parts.append(loss(piece, {"word_mask": mask[part], "languages": languages[part]}, torch.tensor(4)))
    for name, value in whole.items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], value)


def test_rare_languages_weigh_more_if_asked_for(languages: list[Dataset], tmp_path: Path, monkeypatch):
    losses = []
    monkeypatch.setattr(
        "hf_xner.training.similarity.train_to_end", lambda trainer, *_: losses.append(trainer.loss.weights)
    )
    for choice in ("none", "inverse"):
        fit_similarity(tmp_path / choice, languages, NAMES, SimilaritySettings(class_weights=choice))
    assert losses[0] is None
    assert losses[1] == pytest.approx([80 / (3 * size) for size in SIZES])
    assert np.dot(losses[1], SIZES) == pytest.approx(80), "1 on average over the sentences"


@pytest.mark.parametrize("measure", ["cosine", "l2", "l1"])
def test_what_is_not_learned_is_the_means_and_trains_nothing(languages, tmp_path: Path, measure: str):
    settings = SimilaritySettings(measure=measure, batch_size=7, seed=9)
    fit_similarity(tmp_path, languages, NAMES, settings)
    weights = load_file(tmp_path / SIMILARITY / "model.safetensors")
    assert list(weights) == ["languages.weight"]
    np.testing.assert_allclose(weights["languages.weight"], [v.mean(0) for v in clouds()], rtol=1e-5, atol=1e-6)
    assert not (tmp_path / "history.jsonl").exists()
    assert settings.as_dict() == {"measure": measure}, "no seed, no rate: all runs share it"


def test_a_killed_training_goes_on_and_ends_with_the_same_weights(languages, tmp_path: Path, monkeypatch):
    fit_similarity(tmp_path / "whole", languages, NAMES, QUICK)
    calls: list[int] = []
    step = SimilarityTrainer.training_step

    def killed(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(self.state.global_step)
        if len(calls) == 25:  # in the third of four epochs of ten steps
            raise KeyboardInterrupt
        return step(self, *arguments, **options)

    monkeypatch.setattr(SimilarityTrainer, "training_step", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_similarity(tmp_path / "killed", languages, NAMES, QUICK)
    assert list((tmp_path / "killed" / "checkpoints").glob("checkpoint-20"))
    calls.clear()
    fit_similarity(tmp_path / "killed", languages, NAMES, QUICK)
    assert calls == list(range(20, 40)), "two epochs were left"
    one, other = (load_file(tmp_path / name / SIMILARITY / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_seeds_differ_and_repeat(languages: list[Dataset], tmp_path: Path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        settings = SimilaritySettings(rank=4, epochs=1, batch_size=8, seed=seed)
        fit_similarity(tmp_path / name, languages, NAMES, settings)
    weights = [(tmp_path / name / SIMILARITY / "model.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]
