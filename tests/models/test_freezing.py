"""What is frozen does not move."""

from __future__ import annotations

import pytest
from transformers import AutoConfig, AutoModelForTokenClassification

from hf_xner.models.freezing import encoder_layers, freeze_bottom

TINY = {"hidden_size": 16, "num_hidden_layers": 8, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 30}


def build(model_type):
    extra = {"pad_token_id": 0} if model_type in ("modernbert", "eurobert") else {}
    return AutoModelForTokenClassification.from_config(AutoConfig.for_model(model_type, **TINY, **extra))


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "deberta-v2", "modernbert", "eurobert"])
def test_embeddings_and_a_quarter_of_the_layers_are_frozen_in_every_family(model_type):
    model = build(model_type)
    frozen = set(freeze_bottom(model))
    layers = encoder_layers(model)
    assert len(layers) == 8
    for index, layer in enumerate(layers):
        assert all(weight.requires_grad == (index >= 2) for weight in layer.parameters())
    assert all(name in frozen for name, _ in model.named_parameters() if "embeddings" in name)
    assert not model.get_input_embeddings().weight.requires_grad
    assert all(weight.requires_grad for weight in model.classifier.parameters())


def test_a_research_models_classifiers_are_no_layers():
    """ALBERT has one layer that is used several times, and a list of four in none of its parts."""
    from hf_xner.models import MultiChannelConfig, MultiChannelForTokenClassification

    albert = AutoConfig.for_model("albert", **{**TINY, "num_hidden_layers": 4, "embedding_size": 8})
    model = MultiChannelForTokenClassification(MultiChannelConfig(encoder_config=albert, channel_layers=[1, 2, 3, 4]))
    with pytest.raises(ValueError, match="has no list of 4 layers to freeze: use freeze_layers=0"):
        freeze_bottom(model, 3)
    assert all(weight.requires_grad for weight in model.classifiers.parameters())
    assert freeze_bottom(model, 0) and all(weight.requires_grad for weight in model.classifiers.parameters())


def test_three_of_twelve_as_published():
    config = AutoConfig.for_model("bert", **{**TINY, "num_hidden_layers": 12})
    model = AutoModelForTokenClassification.from_config(config)
    frozen = freeze_bottom(model)
    assert {name.split(".")[3] for name in frozen if "layer." in name} == {"0", "1", "2"}


def test_more_layers_than_there_are_is_refused():
    with pytest.raises(ValueError, match="cannot freeze 9 of 8 layers"):
        freeze_bottom(build("bert"), 9)
