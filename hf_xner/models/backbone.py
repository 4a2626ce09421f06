"""What the research models know of the encoder inside them, whatever its architecture calls things."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import MODEL_MAPPING, PreTrainedConfig


def classifier_dropout(config: Any) -> float:
    """Dropout before the classifier of the encoder's own token-classification class."""
    # The second is ALBERT's name for the first.
    names = ("classifier_dropout", "classifier_dropout_prob", "hidden_dropout_prob", "dropout")
    values = (getattr(config, name, None) for name in names)
    return float(next((value for value in values if value is not None), 0.1))


def pooler_options(config: PreTrainedConfig) -> dict[str, bool]:
    """Arguments that leave out the pooler, which no loss here would train, where the architecture has one."""
    encoder_class = MODEL_MAPPING.get(type(config), None)
    known = inspect.isclass(encoder_class) and "add_pooling_layer" in inspect.signature(encoder_class).parameters
    return {"add_pooling_layer": False} if known else {}
