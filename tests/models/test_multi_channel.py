"""The multi-channel model: what it computes, what it saves, and who can load it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from hf_xner.losses.channels import channel_mse
from hf_xner.models import MultiChannelConfig, MultiChannelForTokenClassification
from hf_xner.models.auto import AutoModelForTokenClassification
from hf_xner.models.freezing import encoder_layers, freeze_bottom
from hf_xner.models.register import register_models

TINY = {"hidden_size": 16, "num_hidden_layers": 8, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 30}
IDS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS > 0).long()}


def encoder_config(model_type="bert", **more):
    return AutoConfig.for_model(model_type, **{**TINY, "pad_token_id": 0, **more})


def build(model_type="bert", seed=0, **settings):
    torch.manual_seed(seed)
    config = MultiChannelConfig(encoder_config=encoder_config(model_type), **{"num_labels": 5, **settings})
    return MultiChannelForTokenClassification(config).eval()


def same_weights(first, second):
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert"])
def test_each_channel_classifies_its_own_layer_in_every_family(model_type):
    model = build(model_type)
    assert model.config.channel_layers == [3, 4, 5, 6, 7, 8]
    seen = {}
    for number, layer in enumerate(encoder_layers(model), start=1):
        layer.register_forward_hook(
            lambda _module, _inputs, output, number=number: seen.update(
                {number: output[0] if isinstance(output, tuple) else output}
            )
        )
    with torch.no_grad():
        output = model(**INPUTS)
        assert output.channel_logits.shape == (2, 6, 5, 5)
        for channel, number in enumerate([3, 4, 5, 6, 7]):
            expected = model.classifiers[channel](seen[number].reshape(2, 5, 16))
            torch.testing.assert_close(output.channel_logits[:, channel], expected)
        last = model.backbone(**INPUTS).last_hidden_state
    assert torch.equal(output.logits, output.channel_logits[:, -1])
    torch.testing.assert_close(output.logits, model.classifiers[-1](last))
    torch.testing.assert_close(output.cls_state, last[:, 0])
    assert torch.equal(output.mmd_state, output.cls_state)


def test_nine_channels_above_three_frozen_layers_and_the_published_number_of_weights():
    names = [f"TAG-{index}" for index in range(9)]
    config = MultiChannelConfig(
        encoder_config=AutoConfig.for_model("bert", vocab_size=119547), id2label=dict(enumerate(names))
    )
    assert config.channel_layers == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    with torch.device("meta"):
        model = MultiChannelForTokenClassification(config)
    pooler = 768 * 768 + 768
    assert sum(weight.numel() for weight in model.parameters()) == 177_915_737 - pooler
    assert model.channel_weights.omega.shape == (8,)
    assert len([name for name in freeze_bottom(model) if ".layer.2." in name]) == 16


def test_dropout_before_the_heads_and_in_the_mmd_state_only_in_training():
    model = build(channel_dropout=0.5)
    model.backbone.requires_grad_(False)
    model.dropout.train()
    torch.manual_seed(0)
    output = model(**INPUTS)
    zeros = output.mmd_state == 0
    assert 0 < zeros.float().mean() < 1
    torch.testing.assert_close(output.mmd_state[~zeros], 2 * output.cls_state[~zeros])
    # The main classifier sees the very vector that MMD compares.
    torch.testing.assert_close(model.main_classifier(output.mmd_state), output.logits[:, 0])


def test_dropout_is_the_encoders_own_unless_given():
    assert MultiChannelConfig(encoder_config=encoder_config(classifier_dropout=0.3)).channel_dropout == 0.3
    assert MultiChannelConfig(encoder_config=encoder_config(hidden_dropout_prob=0.2)).channel_dropout == 0.2
    assert MultiChannelConfig(encoder_config=encoder_config(), channel_dropout=0.0).channel_dropout == 0.0
    albert = encoder_config("albert", classifier_dropout_prob=0.3, hidden_dropout_prob=0.0)
    assert MultiChannelConfig(encoder_config=albert).channel_dropout == 0.3


def test_softmax_weights_as_released():
    model = build(channel_layers=list(range(1, 9)))
    omega = model.channel_weights.omega
    assert omega.abs().max() <= 1 and omega.std() > 0.1
    weights = model(**INPUTS).channel_weights
    assert weights.sum().item() == pytest.approx(1) and (weights > 0).all()
    assert not torch.equal(omega, build(seed=1, channel_layers=list(range(1, 9))).channel_weights.omega)


def test_free_weights_are_the_parameters_themselves():
    model = build(channel_weighting="free")
    assert model(**INPUTS).channel_weights.tolist() == pytest.approx([0.2] * 5)
    with torch.no_grad():
        model.channel_weights.omega.copy_(torch.tensor([-1.0, 0, 2, 3, 4]))
    assert model(**INPUTS).channel_weights.tolist() == [-1, 0, 2, 3, 4]


def test_every_unfrozen_weight_learns_from_one_backward_pass():
    model = build(teacher_hidden_size=12)
    freeze_bottom(model)
    output = model(**INPUTS)
    soft = torch.rand(output.channel_logits.shape).softmax(-1)
    main, auxiliary = channel_mse(output.channel_logits, soft, output.channel_weights, IDS > 3)
    (main + auxiliary + output.mmd_state.square().mean()).backward()
    assert output.mmd_state.shape == (2, 12) and output.cls_state.shape == (2, 16)
    for name, weight in model.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name


def test_one_channel_is_an_ordinary_tagger():
    model = build(channel_layers=[8])
    output = model(**INPUTS)
    assert output.channel_logits.shape == (2, 1, 5, 5) and output.channel_weights.shape == (0,)
    assert not any("omega" in name for name, _ in model.named_parameters())


def test_a_projection_only_where_the_widths_differ():
    assert build(teacher_hidden_size=16).projection is None
    assert build(teacher_hidden_size=24).projection.weight.shape == (24, 16)


def test_loss_is_the_main_channels_over_the_given_count():
    model = build()
    labels = torch.tensor([[-100, 1, 2, 0, -100], [-100, 4, -100, -100, -100]])
    output = model(**INPUTS, labels=labels)
    expected = torch.nn.functional.cross_entropy(output.logits.reshape(-1, 5), labels.reshape(-1))
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    doubled = model(**INPUTS, labels=labels, num_items_in_batch=8).loss.item()
    assert doubled == pytest.approx(expected.item() / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channel_layers": [3, 9]}, r"channel_layers must ascend within 1 to 8 and end with 8, found \[3, 9\]"),
        ({"channel_layers": [4, 3, 8]}, r"must ascend .* found \[4, 3, 8\]"),
        ({"channel_layers": [0, 8]}, r"within 1 to 8 .* found \[0, 8\]"),
        ({"channel_layers": [3, 4]}, r"end with 8, found \[3, 4\]"),
        ({"channel_layers": []}, r"found \[\]"),
        ({"channel_weighting": "none"}, "channel_weighting must be one of softmax, free, found 'none'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MultiChannelConfig(encoder_config=encoder_config(), **settings)


def test_an_encoder_with_a_decoder_is_refused():
    with pytest.raises(ValueError, match="bart has a decoder: an encoder is needed"):
        MultiChannelConfig(encoder_config=AutoConfig.for_model("bart"))


def test_save_and_load_by_the_auto_classes_without_trusting_remote_code(tmp_path):
    model = build(id2label={0: "O", 1: "B-LOC"}, label2id={"O": 0, "B-LOC": 1}, num_labels=2, teacher_hidden_size=8)
    model.config.xner = {"scheme": "iob2"}
    model.save_pretrained(tmp_path)
    register_models()
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert type(loaded) is MultiChannelForTokenClassification and same_weights(model, loaded)
    assert loaded.config.id2label == {0: "O", 1: "B-LOC"} and loaded.config.xner == {"scheme": "iob2"}
    assert loaded.config.channel_layers == model.config.channel_layers and loaded.config.teacher_hidden_size == 8
    assert type(loaded.config.encoder_config) is type(model.config.encoder_config)
    assert loaded.config.encoder_config.hidden_size == 16
    assert torch.equal(loaded.eval()(**INPUTS).channel_logits, model(**INPUTS).channel_logits)


def test_padding_is_the_encoder_s():
    """Or transformers' Trainer tells whoever trains that the tokenizer has a new token."""
    assert build().config.pad_token_id == 0
    assert MultiChannelConfig(encoder_config=encoder_config(pad_token_id=7)).pad_token_id == 7


def test_an_empty_configuration_builds_and_survives_a_file(tmp_path):
    MultiChannelConfig().save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.encoder_config.model_type == "bert" and config.num_hidden_layers == 12


@pytest.mark.parametrize("headed", [False, True])
@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_a_plain_checkpoint_fills_the_backbone(tmp_path, model_type, headed):
    """Also one saved with a masked-language-model head, whose weights have a prefix, in half precision."""
    torch.manual_seed(3)
    make = AutoModelForMaskedLM if headed else AutoModel
    plain = make.from_config(encoder_config(model_type))
    plain.half().save_pretrained(tmp_path)
    model = MultiChannelForTokenClassification.from_encoder(str(tmp_path), num_labels=5, channel_layers=[5, 8])
    pretrained = {name: value.float() for name, value in plain.base_model.state_dict().items()}
    filled = model.backbone.state_dict()
    assert all(torch.equal(filled[name], pretrained[name]) for name in filled)
    assert all(weight.dtype == torch.float32 and weight.requires_grad for weight in model.parameters())
    assert model.main_classifier.weight.abs().max() > 0 and not any("pooler" in name for name in filled)


def test_from_pretrained_takes_a_plain_encoder_too(tmp_path):
    plain = AutoModel.from_config(encoder_config(), add_pooling_layer=False)
    plain.save_pretrained(tmp_path)
    config = MultiChannelConfig(encoder_config=plain.config, num_labels=5)
    model = MultiChannelForTokenClassification.from_pretrained(tmp_path, config=config)
    assert same_weights(model.backbone, plain)
    assert model.channel_weights.omega.abs().max() <= 1 and model.main_classifier.bias.abs().max() == 0


def test_an_encoder_configuration_in_half_precision_does_not_split_the_model():
    config = MultiChannelConfig(encoder_config=encoder_config(dtype="float16"), num_labels=5)
    model = MultiChannelForTokenClassification(config).eval()
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert torch.isfinite(model(**INPUTS).channel_logits).all()


def test_the_attention_implementation_reaches_the_encoder():
    model = build()
    model.set_attn_implementation("eager")
    assert model.backbone.config._attn_implementation == "eager"


REMOTE = """
import sys
sys.modules["hf_xner"] = None  # not installed
import torch
from transformers import AutoModelForTokenClassification
model = AutoModelForTokenClassification.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
torch.save(model(input_ids=ids, attention_mask=(ids > 0).long()).channel_logits, sys.argv[2])
"""


def test_saved_code_loads_where_hf_xner_is_not_installed(tmp_path):
    model = build()
    folder, result = tmp_path / "research-model", tmp_path / "logits.pt"
    model.save_pretrained(folder)
    assert {path.name for path in folder.glob("*.py")} == {"multi_channel.py", "backbone.py", "freezing.py"}
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", REMOTE, str(folder), str(result)],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    torch.testing.assert_close(torch.load(result), model(**INPUTS).channel_logits)


def test_the_package_and_its_built_in_encoders_import_no_torch():
    code = "import sys, hf_xner.models, hf_xner.models.builtin; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_partner_rows_give_their_state_and_touch_nothing_else():
    """They go through the encoder in the same call, padded to their own longest row."""
    model = build(teacher_hidden_size=12)
    partners = torch.tensor([[2, 9, 3, 0], [2, 5, 8, 3], [2, 3, 0, 0]])
    mask = (partners > 0).long()
    output = model(**INPUTS, partner_input_ids=partners, partner_attention_mask=mask)
    alone = model(**INPUTS)
    assert alone.partner_state is None and output.partner_state.shape == (3, 12)
    assert torch.equal(output.channel_logits, alone.channel_logits)
    torch.testing.assert_close(output.partner_state, model(input_ids=partners, attention_mask=mask).mmd_state)
    output.partner_state.sum().backward()
    assert model.projection.weight.grad is not None and model.main_classifier.weight.grad is None
