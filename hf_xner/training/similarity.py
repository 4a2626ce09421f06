"""Training of the language similarity model: telling the sources apart by their sentences' vectors (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import set_seed

from hf_xner.data.vector_rows import VectorRows, collate_vectors
from hf_xner.inference.device import process_state
from hf_xner.losses.similarity import identification_loss, orthogonality
from hf_xner.models.language_similarity import LanguageSimilarityModel
from hf_xner.models.register import register_models
from hf_xner.training.fit import train_to_end, training_arguments, was_finished
from hf_xner.training.history import HistoryWriter
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import Batch, LossParts, TokenClassificationTrainer

SIMILARITY = "similarity"  # the model's folder


@dataclass(frozen=True)
class SimilaritySettings:
    """How languages are compared; everything that decides the result, and so goes into the stage's key.

    Attributes:
        measure: "bilinear" (learned), "cosine", "l2" or "l1" (nothing else here then matters).
        rank: Rows of U and V.
        bias: Whether U and V have biases, as released.
        gamma: Weight of the orthogonality of the language embeddings.
        regulariser: Its form, "hidden" or "languages"; see `hf_xner.losses.similarity.orthogonality`.
        class_weights: "none", or "inverse": errors on a language count in inverse proportion to its sentences.
        learning_rate: Peak rate of AdamW, which falls linearly, without warm-up.
        weight_decay: Decoupled weight decay, on every parameter, as released.
        max_grad_norm: Gradient clipping.
        epochs: Passes over the sentences of all languages.
        batch_size: Sentences in one step.
        seed: Seed of initialisation and order.
    """

    measure: str = "bilinear"
    rank: int = 64
    bias: bool = False
    gamma: float = 0.01
    regulariser: str = "hidden"
    class_weights: str = "none"
    learning_rate: float = 1e-4
    weight_decay: float = 1e-5
    max_grad_norm: float = 1.0
    epochs: float = 10.0
    batch_size: int = 32
    seed: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The settings that matter for the measure, by name."""
        return asdict(self) if self.measure == "bilinear" else {"measure": self.measure}


@dataclass(frozen=True)
class SimilarityLoss:
    """L = CE(q(u), language of u) + gamma ||P P^T - I||_F^2 (Eq. 10, without its stray minus).

    Attributes:
        gamma: Weight of the second part.
        regulariser: Its form.
        weights: A factor for each language's sentences, or None.
    """

    gamma: float = 0.01
    regulariser: str = "hidden"
    weights: tuple[float, ...] | None = None

    def __call__(self, outputs: Any, batch: Batch, items: torch.Tensor | None) -> LossParts:
        """The weighted parts; of the second, which is no mean over sentences, this batch's share in the step."""
        weights = None if self.weights is None else torch.tensor(self.weights, device=outputs.logits.device)
        mask = batch["word_mask"]
        share = 1.0 if items is None else mask.sum() / items
        penalty = orthogonality(outputs.languages, self.regulariser)
        return {
            "loss_ce": identification_loss(outputs.logits, batch["languages"], mask, items, weights),
            "loss_orthogonality": self.gamma * share * penalty,
        }


class SimilarityTrainer(TokenClassificationTrainer):
    """The Trainer for rows of sentence vectors; an item is a sentence."""

    def run_model(self, model: Any, inputs: Batch) -> Any:
        """The one forward pass of a training step."""
        return model(sentence_vectors=inputs["sentence_vectors"])

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """Every parameter decays, as released."""
        return [name for name, _ in model.named_parameters()]


def fit_similarity(
    folder: Path,
    languages: Sequence[Dataset],
    names: Sequence[str],
    settings: SimilaritySettings,
    *,
    pooling: str = "cls",
    encoder: str = "",
) -> None:
    """Train a similarity model and save it in `folder/similarity`; a measure that is not learned only takes the means.

    Called again on the folder of a killed run, it continues at the last complete checkpoint. Every process of the
    launch must call it.

    Args:
        folder: Where checkpoints, history and the model go.
        languages: One Dataset with a column `vectors` (H,) a language.
        names: Their names.
        settings: The settings.
        pooling: What the vectors are, for the record.
        encoder: What encoder they come from, for the record.

    Raises:
        InputError: The batch does not divide over the processes.
    """
    if was_finished(folder):
        return
    register_models()
    set_seed(settings.seed)
    rows = VectorRows(languages)
    model = LanguageSimilarityModel.from_means(
        torch.from_numpy(rows.means()),
        languages=list(names),
        measure=settings.measure,
        rank=settings.rank,
        bias=settings.bias,
        pooling=pooling,
        encoder=encoder,
    )

    def save(trained: Any) -> None:
        trained.save_pretrained(folder / SIMILARITY)

    if settings.measure != "bilinear":  # nothing to learn
        if process_state().is_main_process:
            save(model)
        return
    fit_settings = FitSettings(
        seed=settings.seed,
        learning_rate=settings.learning_rate,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        micro_batch_size=settings.batch_size,
        weight_decay=settings.weight_decay,
        warmup=0.0,
        max_grad_norm=settings.max_grad_norm,
    )
    trainer = SimilarityTrainer(
        model=model,
        args=training_arguments(folder, fit_settings, selects=False),
        loss=SimilarityLoss(settings.gamma, settings.regulariser, _class_weights(rows.sizes, settings)),
        train_dataset=rows,
        data_collator=collate_vectors,
        callbacks=[HistoryWriter(folder)],
    )
    train_to_end(trainer, folder, fit_settings, lambda: save(trainer.accelerator.unwrap_model(trainer.model)))


def _class_weights(sizes: Sequence[int], settings: SimilaritySettings) -> tuple[float, ...] | None:
    """N / (K n_k): in inverse proportion to the languages' sentences, 1 on average over them."""
    if settings.class_weights == "none":
        return None
    return tuple(sum(sizes) / (len(sizes) * size) for size in sizes)
