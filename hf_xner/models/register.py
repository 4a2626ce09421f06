"""Makes transformers' Auto classes know the research models."""

from __future__ import annotations


def register_models() -> None:
    """Register every research model with the Auto classes, and have their code saved beside their weights.

    Calling it again changes nothing. Imports torch and transformers.
    """
    from transformers import AutoConfig, AutoModelForTokenClassification

    from .multi_channel import MultiChannelConfig, MultiChannelForTokenClassification

    for config, model in ((MultiChannelConfig, MultiChannelForTokenClassification),):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModelForTokenClassification.register(config, model, exist_ok=True)
        config.register_for_auto_class()
        model.register_for_auto_class("AutoModelForTokenClassification")
