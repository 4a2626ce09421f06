"""Rows of two languages, and a trainer without dropout by plain gradient descent: weights show the gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.paired_rows import PairedCollator, PairedRows, read_vectors, write_vectors
from hf_xner.data.rows import TrainingRows, read_soft_labels, write_encoded, write_soft_labels
from hf_xner.training.arguments import TokenClassificationArguments
from hf_xner.training.fit_channels import ChannelSettings, new_model
from hf_xner.training.msd import PairedTrainer

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
LAYERS = (2, 3, 4)
WIDTH = 32  # of the tiny encoder


def make_pairs(
    folder: Path, tokenizer: Any, count: int = 8, *, tagged: bool = False, width: int = WIDTH
) -> PairedRows:
    """`count` rows of very uneven length with random labels of three channels, or tags; five partners with vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(7)
    tokens = [["Kiel", "the", "bank"][: 1 + index % 3] * (1 + index * 2 % 15) for index in range(count)]
    words = Dataset.from_dict(
        {"tokens": tokens, "ner_tags": [chance.integers(0, len(TAGS), len(row)).tolist() for row in tokens]}
    )
    others = Dataset.from_dict({"tokens": [["visited", "Angela"] * size for size in (1, 2, 4, 7, 9)]})
    encoder = WordEncoder(tokenizer, max_length=64, truncate=True)
    encoded = write_encoded(words, encoder, folder / "encoded.arrow")
    partners = TrainingRows(write_encoded(others, encoder, folder / "partners.arrow"))
    if tagged:
        return PairedRows(TrainingRows(encoded, hard_labels=words), partners)
    labels = (chance.dirichlet(np.full(len(TAGS), 0.3), (len(row), len(LAYERS))) for row in tokens)
    write_soft_labels(labels, folder / "soft_labels-00000.arrow")
    write_vectors(iter(chance.standard_normal((5, width)).astype(np.float32)), folder / "vectors-00000.arrow")
    rows = TrainingRows(encoded, soft_labels=(read_soft_labels(folder), len(LAYERS) * len(TAGS)))
    return PairedRows(rows, partners, read_vectors(folder))


def make_trainer(
    out: Path,
    encoder: Path | str,
    tokenizer: Any,
    pairs: PairedRows,
    loss: Any,
    layers: Any = LAYERS,
    teacher_width: int | None = None,
    **options: Any,
) -> PairedTrainer:
    """The trainer; the model has a projection if the teacher's vectors are of another width than its own."""
    torch.manual_seed(3)
    model = new_model(str(encoder), TAGS, ChannelSettings(tuple(layers), teacher_hidden_size=teacher_width))
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    settings = {"optim": "sgd", "learning_rate": 0.5, "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1e9}
    settings |= {"logging_steps": 1, "save_strategy": "no", "use_cpu": True, "disable_tqdm": True, "seed": 1}
    settings |= {"num_train_epochs": 1, "per_device_train_batch_size": 8}
    return PairedTrainer(
        model=model,
        args=TokenClassificationArguments(output_dir=str(out), **{**settings, **options}),
        loss=loss,
        train_dataset=pairs,
        data_collator=PairedCollator(tokenizer.pad_token_id),
        processing_class=tokenizer,
    )


def trained(trainer: PairedTrainer) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """The one log record, and the weights after training."""
    trainer.train()
    (record,) = [record for record in trainer.state.log_history if "loss" in record]
    return record, {name: value.clone() for name, value in trainer.model.state_dict().items()}
