"""What is exported is an ordinary model that tags alike."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig
from transformers import AutoModelForTokenClassification as Plain

from hf_xner.models import MultiChannelConfig, MultiChannelForTokenClassification, export_plain
from hf_xner.models.export import check_exportable

TINY = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 30}
NAMES = ["O", "B-LOC", "I-LOC"]
IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS > 0).long()}


def build(model_type):
    torch.manual_seed(0)
    config = MultiChannelConfig(
        encoder_config=AutoConfig.for_model(model_type, **TINY, pad_token_id=0),
        id2label=dict(enumerate(NAMES)),
        label2id={name: index for index, name in enumerate(NAMES)},
    )
    config.xner = {"scheme": "iob2", "window": 64}
    return MultiChannelForTokenClassification(config)


@pytest.mark.parametrize(
    ("model_type", "class_name"),
    [
        ("bert", "BertForTokenClassification"),
        ("xlm-roberta", "XLMRobertaForTokenClassification"),
        ("distilbert", "DistilBertForTokenClassification"),
        ("deberta-v2", "DebertaV2ForTokenClassification"),
        ("electra", "ElectraForTokenClassification"),
    ],
)
def test_same_weights_logits_and_tags_in_every_family(tmp_path, model_type, class_name):
    model = build(model_type)
    model.train()
    plain = export_plain(model)
    assert type(plain).__name__ == class_name and not plain.training and model.training
    model.eval()
    with torch.no_grad():
        expected = model(**INPUTS).logits
        torch.testing.assert_close(plain(**INPUTS).logits, expected, rtol=0, atol=1e-6)
    plain.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.py"))
    loaded = Plain.from_pretrained(tmp_path)
    assert type(loaded).__name__ == class_name
    assert loaded.config.id2label == dict(enumerate(NAMES)) and loaded.config.label2id["I-LOC"] == 2
    assert loaded.config.xner == {"scheme": "iob2", "window": 64}
    base, encoder = loaded.base_model.state_dict(), model.backbone.state_dict()
    assert base.keys() == encoder.keys() and all(torch.equal(base[name], encoder[name]) for name in base)
    with torch.no_grad():
        torch.testing.assert_close(loaded(**INPUTS).logits, expected, rtol=0, atol=1e-6)


def test_the_exported_weights_are_copies():
    model = build("bert")
    plain = export_plain(model)
    before = plain.classifier.weight.clone()
    with torch.no_grad():
        model.main_classifier.weight.add_(1)
        model.backbone.embeddings.word_embeddings.weight.add_(1)
    assert torch.equal(plain.classifier.weight, before)
    assert not torch.equal(
        plain.bert.embeddings.word_embeddings.weight, model.backbone.embeddings.word_embeddings.weight
    )
    plain.config.xner["scheme"] = "other"
    assert model.config.xner["scheme"] == "iob2"


def test_an_encoder_whose_own_class_has_more_than_a_linear_layer_is_refused_before_training():
    message = r"ModernBertForTokenClassification has more than a linear classifier on its encoder \(head, classifier\)"
    with pytest.raises(ValueError, match=message):
        check_exportable(AutoConfig.for_model("modernbert", **TINY, pad_token_id=0))
    with pytest.raises(ValueError, match=message):
        export_plain(build("modernbert"))


def test_an_encoder_without_a_class_of_its_own_is_refused():
    with pytest.raises(ValueError, match="transformers has no token-classification class for vit encoders"):
        check_exportable(AutoConfig.for_model("vit"))


def test_the_check_passes_and_allocates_nothing_for_a_large_encoder():
    check_exportable(
        AutoConfig.for_model("xlm-roberta", hidden_size=4096, num_hidden_layers=48, num_attention_heads=32)
    )
