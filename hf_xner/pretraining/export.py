"""A trained model as an ordinary encoder folder, and its loss curve."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_xner.pretraining.corpus import write_json
from hf_xner.pretraining.model import MaskedEncoder

FINE_TUNING_DROPOUT = 0.1


def export_encoder(model: MaskedEncoder, tokenizer: Any, folder: Path) -> None:
    """Save the encoder without its output layer: float16 on disk, float32 once loaded.

    Args:
        model: The trained model; it is left as it is.
        tokenizer: Saved beside it.
        folder: Finished by an atomic rename; one that is there is replaced.
    """
    from transformers import BertConfig, BertModel

    settings = model.config.to_dict()
    for name in ("candidates", "architectures", "dtype", "tie_word_embeddings"):
        settings.pop(name, None)
    settings |= {"hidden_dropout_prob": FINE_TUNING_DROPOUT, "attention_probs_dropout_prob": FINE_TUNING_DROPOUT}
    encoder = BertModel(BertConfig(**settings), add_pooling_layer=False)
    encoder.load_state_dict(model.bert.state_dict())
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    encoder.half().save_pretrained(partial)
    config = json.loads((partial / "config.json").read_text(encoding="utf-8"))
    # The configuration's type is the one weights are loaded in: nobody can fine-tune in float16.
    (partial / "config.json").write_text(json.dumps(config | {"dtype": "float32"}, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(partial, folder)


def loss_curve(folder: Path, depths: Sequence[int], batch: int, length: int) -> list[dict[str, float]]:
    """The losses that the stages logged.

    Args:
        folder: The run's folder.
        depths: Layers of each stage, in order.
        batch: Rows in a step.
        length: Sub-words in a row.

    Returns:
        One entry per log line: `step` and `subwords` over the whole training, `layers`, and `loss` or `eval_*_loss`.
    """
    curve: list[dict[str, float]] = []
    first = 0
    for depth in depths:
        stage = folder / f"stage-{depth}"
        states = sorted(stage.glob("checkpoint-*/trainer_state.json"), key=lambda path: int(path.parent.name[11:]))
        if not states:
            continue
        state = json.loads(states[-1].read_text(encoding="utf-8"))
        for entry in state["log_history"]:
            losses = {name: value for name, value in entry.items() if name == "loss" or name.endswith("_loss")}
            step = first + entry["step"]
            place = {"step": step, "subwords": step * batch * length, "layers": depth}
            if losses and "train_loss" not in losses:
                curve.append(place | losses)
        first += state["global_step"]
    return curve


def save_curve(curve: list[dict[str, float]], folder: Path) -> None:
    """Write the loss curve as `loss_curve.json`."""
    write_json(folder / "loss_curve.json", curve)
