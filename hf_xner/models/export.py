"""From a research model to the plain tagger that everybody can load without hf_xner."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import torch
from torch import nn
from transformers import (
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)


class ResearchModel(Protocol):
    """What a model must have to be exported.

    Attributes:
        config: With the tags' names, and the encoder's settings in `encoder_config`.
        backbone: The encoder.
        main_classifier: The linear layer that tags, on the encoder's last hidden states.
    """

    config: Any
    backbone: PreTrainedModel

    @property
    def main_classifier(self) -> nn.Linear: ...


def export_plain(model: ResearchModel) -> PreTrainedModel:
    """The encoder's own token-classification class with the research model's encoder and main classifier.

    Args:
        model: A research model; it is left as it is.

    Returns:
        A model in evaluation mode with copies of the weights, the same logits, and `id2label`, `label2id` and `xner`
        of the research model's configuration.

    Raises:
        ValueError: As `check_exportable`.
    """
    config = copy.deepcopy(model.backbone.config)
    config.id2label = dict(model.config.id2label)
    config.label2id = dict(model.config.label2id)
    if hasattr(model.config, "xner"):
        config.xner = copy.deepcopy(model.config.xner)
    with torch.device(model.backbone.device):
        plain = _build(config, dtype=model.backbone.dtype)
    _classifier(plain).load_state_dict(model.main_classifier.state_dict())
    plain.base_model.load_state_dict(model.backbone.state_dict())
    return plain.eval()


def adopt_plain(model: ResearchModel, plain: PreTrainedModel) -> None:
    """The way back: copy a plain tagger's encoder and classifier into a research model of the same shape.

    Args:
        model: A research model; its other parts stay as they are.
        plain: A token-classification model with the same encoder and as many tags.

    Raises:
        ValueError: As `check_exportable`.
    """
    model.main_classifier.load_state_dict(_classifier(plain).state_dict())
    model.backbone.load_state_dict(plain.base_model.state_dict())


def check_exportable(encoder_config: PreTrainedConfig) -> None:
    """Find out before training whether its result can be exported; allocates no weights.

    Raises:
        ValueError: The encoder has no token-classification class, or that class has more than one linear layer.
    """
    with torch.device("meta"):
        _classifier(_build(encoder_config))


def _build(config: PreTrainedConfig, **options: Any) -> PreTrainedModel:
    """The encoder's own token-classification class with random weights."""
    if type(config) not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING:
        raise ValueError(f"transformers has no token-classification class for {config.model_type} encoders")
    return AutoModelForTokenClassification.from_config(config, **options)


def _classifier(plain: PreTrainedModel) -> nn.Linear:
    """The one linear layer beside the encoder."""
    heads = [
        (name, module)
        for name, module in plain.named_children()
        if module is not plain.base_model and any(True for _ in module.parameters())
    ]
    if len(heads) != 1 or not isinstance(heads[0][1], nn.Linear):
        raise ValueError(
            f"{type(plain).__name__} has more than a linear classifier on its encoder "
            f"({', '.join(name for name, _ in heads)}), so no research model can become one"
        )
    return heads[0][1]
