"""The Trainer adds nothing to the mathematics: not by accumulation, not by padding, not by evaluation."""

from __future__ import annotations

import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.rows import RowCollator, TrainingRows, read_soft_labels, write_encoded, write_soft_labels
from hf_xner.data.votes import read_votes, write_votes
from hf_xner.evaluation.evaluate import evaluate_model
from hf_xner.losses.reduction import masked_mean
from hf_xner.training import trainer as trainer_module
from hf_xner.training.arguments import TokenClassificationArguments
from hf_xner.training.trainer import (
    TokenClassificationTrainer,
    VotedLabelLoss,
    hard_label_loss,
    predict_tags,
    soft_label_loss,
    tagging_loss,
)

TAGS = ["O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
WORDS = ["Angela", "Merkel", "visited", "Kiel", ".", "Bonn", "the", "bank", "Gab", "John", "", "hed"]
LOSSES = {
    "tagging": tagging_loss,
    "soft": soft_label_loss,
    "hard": hard_label_loss,
    "voted": VotedLabelLoss(eta=0.7),
    "voted, over words": VotedLabelLoss(eta=0.7, mean_over="words"),
    "voted alone": VotedLabelLoss(eta=0.7, soft=False),
}


def sentences(count: int, seed: int = 0) -> Dataset:
    """Sentences of 1 to 17 words with random tags; some words have no sub-word."""
    chance = np.random.default_rng(seed)
    lengths = chance.integers(1, 18, count)
    return Dataset.from_dict(
        {
            "tokens": [[WORDS[index] for index in chance.integers(0, len(WORDS), length)] for length in lengths],
            "ner_tags": [chance.integers(0, len(TAGS), length).tolist() for length in lengths],
        },
        features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}),
    )


def make_rows(folder: Path, tokenizer: Any, data: Dataset, kind: str) -> TrainingRows:
    folder.mkdir(parents=True, exist_ok=True)
    encoded = write_encoded(data, WordEncoder(tokenizer, max_length=64), folder / "encoded.arrow")
    if kind == "tagging":
        return TrainingRows(encoded, hard_labels=data)
    chance = np.random.default_rng(7)
    arrays = (chance.dirichlet(np.full(len(TAGS), 0.3), len(words)) for words in data["tokens"])
    write_soft_labels(arrays, folder / "soft_labels-00000.arrow")
    votes = None
    if kind.startswith("voted"):
        write_votes((chance.integers(-1, len(TAGS), len(words)).astype(np.int16) for words in data["tokens"]), folder)
        votes = read_votes(folder)
    return TrainingRows(encoded, soft_labels=(read_soft_labels(folder), len(TAGS)), votes=votes)


@pytest.fixture
def make_trainer(tiny_encoder_dir: Path, tiny_tokenizer, tmp_path: Path):
    """A trainer of the tiny model without dropout, by plain gradient descent, so that weights show the gradient."""

    def make(rows: TrainingRows | None = None, loss: Any = tagging_loss, **options: Any) -> TokenClassificationTrainer:
        from hf_xner.inference.loading import load_encoder_for_tagging

        torch.manual_seed(3)
        model = load_encoder_for_tagging(str(tiny_encoder_dir), TAGS)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        settings = {"optim": "sgd", "learning_rate": 0.5, "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1e9}
        settings |= {"logging_steps": 1, "save_strategy": "no", "use_cpu": True, "disable_tqdm": True, "seed": 1}
        arguments = TokenClassificationArguments(output_dir=str(tmp_path / "out"), **{**settings, **options})
        trainer = TokenClassificationTrainer(
            model=model,
            args=arguments,
            loss=loss,
            train_dataset=rows,
            data_collator=RowCollator(tiny_tokenizer.pad_token_id),
            processing_class=tiny_tokenizer,
        )
        return trainer

    return make


def trained(trainer: TokenClassificationTrainer) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """Log records and weights after training."""
    trainer.train()
    records = [record for record in trainer.state.log_history if "loss" in record]
    return records, {name: value.clone() for name, value in trainer.model.state_dict().items()}


def assert_equal_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float = 1e-6):
    for name, value in one.items():
        assert torch.allclose(value, other[name], rtol=0, atol=tolerance), name


@pytest.mark.parametrize("kind", LOSSES)
def test_gradient_accumulation_is_exact(make_trainer, tiny_tokenizer, tmp_path: Path, kind: str):
    rows = make_rows(tmp_path, tiny_tokenizer, sentences(8), kind)
    assert len(set(rows.lengths.tolist())) > 4, "rows of uneven length"
    outcomes = {
        micro: trained(
            make_trainer(
                rows,
                LOSSES[kind],
                per_device_train_batch_size=micro,
                gradient_accumulation_steps=8 // micro,
                num_train_epochs=1,
            )
        )
        for micro in (8, 4, 2)
    }
    (whole,), weights = outcomes[8]
    start = make_trainer().model.state_dict()
    moved = max(float((value - start[name]).abs().max()) for name, value in weights.items())
    assert moved > 1e-3, "one step of gradient descent shows in the weights"
    for micro in (4, 2):
        (record,), other = outcomes[micro]
        assert record["loss"] == pytest.approx(whole["loss"], abs=1e-6)
        assert record["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-4)
        assert_equal_weights(weights, other)


def test_every_step_sees_the_same_rows_however_its_batch_is_divided(make_trainer, tiny_tokenizer, tmp_path: Path):
    """The micro-batch size is no part of a stage's key, so a whole epoch must not depend on it."""
    rows = make_rows(tmp_path, tiny_tokenizer, sentences(22), "tagging")
    outcomes = {
        micro: trained(
            make_trainer(
                rows, per_device_train_batch_size=micro, gradient_accumulation_steps=8 // micro, num_train_epochs=1
            )
        )
        for micro in (8, 2)
    }
    assert [len(records) for records, _ in outcomes.values()] == [3, 3]
    for one, other in zip(outcomes[8][0], outcomes[2][0], strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
    assert_equal_weights(outcomes[8][1], outcomes[2][1], 1e-5)


def test_parts_of_the_loss_are_logged_and_sum_to_it(make_trainer, tiny_tokenizer, tmp_path: Path):
    def two_parts(outputs: Any, batch: Any, items: Any) -> dict[str, torch.Tensor]:
        size = outputs.logits.float().pow(2).mean(dim=-1)
        return {**tagging_loss(outputs, batch, items), "loss_size": 0.1 * masked_mean(size, batch["word_mask"], items)}

    rows = make_rows(tmp_path, tiny_tokenizer, sentences(22), "tagging")
    options = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "num_train_epochs": 2}
    records, _ = trained(make_trainer(rows, two_parts, **options, logging_steps=2))
    assert len(records) == 3
    for record in records:
        assert record["loss_ce"] > 0 and record["loss_size"] > 0
        assert record["loss_ce"] + record["loss_size"] == pytest.approx(record["loss"], rel=1e-5)


def test_every_epoch_has_an_order_of_its_own(make_trainer, tiny_tokenizer, tmp_path: Path):
    seen: list[int] = []

    def watched(outputs: Any, batch: Any, items: Any) -> dict[str, torch.Tensor]:
        seen.extend(batch["input_ids"].sum(dim=1).tolist())
        return tagging_loss(outputs, batch, items)

    rows = make_rows(tmp_path, tiny_tokenizer, sentences(20), "tagging")
    trained(make_trainer(rows, watched, per_device_train_batch_size=2, num_train_epochs=2))
    first, second = seen[:20], seen[20:]
    assert sorted(first) == sorted(second) and first != second


@pytest.mark.parametrize("kind", LOSSES)
def test_padding_changes_neither_loss_nor_gradient_of_a_real_model(
    make_trainer, tiny_tokenizer, tmp_path: Path, kind: str
):
    rows = make_rows(tmp_path, tiny_tokenizer, sentences(6), kind)
    batch = RowCollator(tiny_tokenizer.pad_token_id)([rows[index] for index in range(len(rows))])
    wide = {
        name: torch.nn.functional.pad(value, (0, 0, 0, 21) if value.dim() == 3 else (0, 21))
        for name, value in batch.items()
    }
    trainer = make_trainer(rows, LOSSES[kind])
    outcomes = []
    for inputs in (batch, wide):
        if "vote_mask" in batch:
            inputs["vote_items"] = batch["vote_mask"].sum()
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=batch["word_mask"].sum())
        loss.backward()
        gradients = {
            name: value.grad.clone() for name, value in trainer.model.named_parameters() if value.grad is not None
        }
        outcomes.append((float(loss), gradients))
    (loss, gradients), (padded_loss, padded) = outcomes
    assert padded_loss == pytest.approx(loss, abs=1e-6)
    assert max(float(value.abs().max()) for value in gradients.values()) > 1e-3
    for name, value in gradients.items():
        if "embeddings.word_embeddings" in name:  # torch leaves the row of the padding id out
            continue
        assert torch.allclose(value, padded[name], rtol=0, atol=1e-6), name


def test_rows_alone_and_together_give_the_same_gradient(make_trainer, tiny_tokenizer, tmp_path: Path):
    """The same with real neighbours: each row padded to itself, or to the longest of the batch."""
    rows = make_rows(tmp_path, tiny_tokenizer, sentences(5), "soft")
    collate = RowCollator(tiny_tokenizer.pad_token_id)
    trainer = make_trainer(rows, soft_label_loss)
    words = collate([rows[index] for index in range(5)])["word_mask"].sum()
    gradients = []
    for batches in ([[0, 1, 2, 3, 4]], [[0], [1], [2], [3], [4]]):
        trainer.model.zero_grad()
        for batch in batches:
            inputs = collate([rows[index] for index in batch])
            trainer.compute_loss(trainer.model, inputs, num_items_in_batch=words).backward()
        gradients.append(trainer.model.classifier.weight.grad.clone())
    assert torch.allclose(*gradients, rtol=0, atol=1e-6)
    assert gradients[0].abs().max() > 1e-4


def test_evaluation_scores_every_word_of_every_sentence(make_trainer, tiny_tokenizer):
    data = sentences(23)
    long = Dataset.from_dict({"tokens": [["Gab"] * 60], "ner_tags": [[1, 2] * 30]}, features=data.features)
    from datasets import concatenate_datasets

    data = concatenate_datasets([data, long])
    trainer = make_trainer()
    metrics = trainer.evaluate(data)
    assert {"eval_precision", "eval_recall", "eval_f1"} <= metrics.keys()
    scores = trainer.score(data)
    assert scores.support == sum(
        entity_starts(data.features["ner_tags"].feature.names, tags) for tags in data["ner_tags"]
    )
    assert metrics["eval_f1"] == scores.f1
    short = sentences(23)
    assert trainer.score(short) == evaluate_model(trainer.model, tiny_tokenizer, short).scores["plain"]


def entity_starts(names: list[str], tags: list[int]) -> int:
    from hf_xner.labels import spans_from_tags

    return len(spans_from_tags([names[tag] for tag in tags]))


def test_evaluation_keeps_tags_and_not_probabilities(monkeypatch: pytest.MonkeyPatch):
    alive: set[int] = set()
    most = 0

    def probabilities(model: Any, tokenizer: Any, sentences: Any, **_: Any):
        nonlocal most
        for number, words in enumerate(sentences):
            array = np.full((len(words), 9), 1 / 9, dtype=np.float32)
            alive.add(number)
            weakref.finalize(array, alive.discard, number)
            most = max(most, len(alive))
            yield array
            del array

    monkeypatch.setattr(trainer_module, "word_probabilities", probabilities)
    tags = predict_tags(None, None, [["a", "b"]] * 500, TAGS)
    assert tags == [["O", "O"]] * 500
    assert most <= 2


def voted_batch() -> tuple[Any, dict[str, torch.Tensor]]:
    """Logits (1, 4, 3) and a batch: three words, the first two voted on, then padding."""
    logits = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0], [9.0, 9.0, 9.0]]], requires_grad=True)
    batch = {
        "word_mask": torch.tensor([[True, True, True, False]]),
        "soft_labels": torch.softmax(logits.detach(), dim=-1) * torch.tensor([[[1.0], [1.0], [1.0], [0.0]]]),
        "votes": torch.tensor([[0, 2, -1, -1]]),
        "vote_mask": torch.tensor([[True, True, False, False]]),
    }
    return SimpleNamespace(logits=logits), batch


@pytest.mark.parametrize(("mean_over", "count"), [("agreed", 2), ("words", 3)])
def test_the_voted_loss_is_the_papers_formula(mean_over: str, count: int):
    outputs, batch = voted_batch()
    parts = VotedLabelLoss(eta=0.5, mean_over=mean_over)(outputs, batch, None)
    log_probabilities = torch.log_softmax(outputs.logits.detach(), dim=-1)[0]
    expected = -0.5 * (log_probabilities[0, 0] + log_probabilities[1, 2]) / count
    assert float(parts["loss_vote"]) == pytest.approx(float(expected), rel=1e-6)
    assert float(parts["loss_kd"]) == pytest.approx(0.0, abs=1e-9)
    assert VotedLabelLoss(soft=False)(outputs, batch, None).keys() == {"loss_vote"}


def test_a_batch_without_any_agreement_gives_a_finite_loss():
    outputs, batch = voted_batch()
    batch |= {"votes": torch.full((1, 4), -1), "vote_mask": torch.zeros(1, 4, dtype=torch.bool)}
    for items in (None, torch.tensor(3)):
        loss = VotedLabelLoss()(outputs, {**batch, "vote_items": torch.tensor(0)}, items)["loss_vote"]
        loss.backward()
        assert float(loss) == 0.0 and bool(torch.isfinite(outputs.logits.grad).all())
