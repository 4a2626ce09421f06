"""The model with discriminators: what they see, how large they are, what is saved, and who can load it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from hf_xner.models import AdversarialConfig, AdversarialForTokenClassification, export_plain
from hf_xner.models.export import adopt_plain
from hf_xner.models.register import register_models

TINY = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 30}
IDS = torch.tensor([[2, 5, 6, 7, 8, 3], [2, 8, 9, 3, 0, 0]])
INPUTS = {"input_ids": IDS, "attention_mask": (IDS > 0).long()}
ALL = ("tags", "language", "order")
POOLER = 768 * 768 + 768


def encoder_config(model_type: str = "bert", **more):
    return AutoConfig.for_model(model_type, **{**TINY, "pad_token_id": 0, **more})


def build(model_type: str = "bert", seed: int = 0, **settings) -> AdversarialForTokenClassification:
    torch.manual_seed(seed)
    config = AdversarialConfig(
        encoder_config=encoder_config(model_type),
        **{"num_labels": 5, "language_width": 7, "order_width": 6} | settings,
    )
    return AdversarialForTokenClassification(config).eval()


def same_weights(first, second) -> bool:
    left, right = first.state_dict(), second.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    ("settings", "published"),
    [
        ({"language_width": 0, "order_discriminator": "none"}, 177_860_361),
        ({"order_discriminator": "none"}, 178_245_362),
        ({}, 179_165_171),
        ({"order_discriminator": "lstm"}, 179_296_243),
    ],
)
def test_the_published_numbers_of_weights(settings: dict, published: int):
    """177.86, 178.25 and 179.17 million; the formula's left-to-right LSTM would make it 179.30."""
    names = dict(enumerate(f"TAG-{index}" for index in range(9)))
    config = AdversarialConfig(
        encoder_config=AutoConfig.for_model("bert", vocab_size=119547), id2label=names, **settings
    )
    with torch.device("meta"):
        model = AdversarialForTokenClassification(config)
    # The published models carry BERT's pooler, which nothing trains.
    assert sum(weight.numel() for weight in model.parameters()) == published - POOLER


@pytest.mark.parametrize("model_type", ["bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert"])
def test_every_head_reads_the_last_hidden_states_in_every_family(model_type: str):
    model = build(model_type)
    with torch.no_grad():
        states = model.backbone(**INPUTS).last_hidden_state
        output = model(**INPUTS, heads=ALL)
        torch.testing.assert_close(output.logits, model.classifier(states))
        torch.testing.assert_close(output.language_logits, model.language_discriminator(states))
    assert output.logits.shape == (2, 6, 5)
    assert output.language_logits.shape == (2, 6) and output.order_logits.shape == (2,)


def test_the_language_discriminator_is_the_papers_two_layers():
    discriminator = build().language_discriminator
    states = torch.randn(2, 3, 16)
    hidden = torch.relu(states @ discriminator.hidden.weight.T + discriminator.hidden.bias)
    expected = hidden @ discriminator.output.weight[0] + discriminator.output.bias
    torch.testing.assert_close(discriminator(states), expected)


@pytest.mark.parametrize("kind", ["bilstm", "lstm"])
def test_the_order_discriminator_reads_exactly_the_marked_positions(kind: str):
    """Its result is that of an LSTM over the marked states alone, wherever they stand and whatever stands between."""
    torch.manual_seed(1)
    discriminator = build(order_discriminator=kind).order_discriminator
    states = torch.randn(2, 6, 16)
    mask = torch.tensor([[0, 1, 1, 0, 1, 0], [0, 1, 0, 0, 0, 0]]).bool()
    with torch.no_grad():
        found = discriminator(states, mask)
        for row in range(2):
            _, (last, _) = discriminator.lstm(states[row, mask[row]].unsqueeze(0))
            expected = discriminator.output(torch.cat(list(last), dim=-1))[0, 0]
            torch.testing.assert_close(found[row], expected)
        torch.testing.assert_close(discriminator(torch.where(mask.unsqueeze(-1), states, 9.0), mask), found)
        swapped = states[:, [0, 2, 1, 3, 4, 5]]
        assert not torch.allclose(discriminator(swapped, mask)[0], found[0])


@pytest.mark.parametrize("kind", ["bilstm", "lstm"])
def test_packed_and_padded_rows_are_read_alike(kind: str):
    """Accelerators read packed sequences, CPUs padded rows: the same results and gradients."""
    discriminator = build(order_discriminator=kind).order_discriminator.train()
    place = torch.tensor([[1, 2, 4], [1, 0, 2], [3, 5, 0]])
    lengths = torch.tensor([3, 1, 2])
    outcomes = []
    for read in (discriminator._read_packed, discriminator._read_rows):
        torch.manual_seed(2)
        states = torch.randn(3, 6, 16, requires_grad=True)
        discriminator.zero_grad()
        last = read(states, place, lengths)
        (last * torch.arange(1.0, 7.0)).sum().backward()
        outcomes.append([last, states.grad, *(weight.grad.clone() for weight in discriminator.lstm.parameters())])
    for one, other in zip(*outcomes, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert outcomes[0][1][1, 0].abs().max() == 0 < outcomes[0][1][0, 4].abs().max(), "what lies beyond is not read"


def test_bfloat16_reads_much_the_same():
    discriminator = build().order_discriminator.train()
    torch.manual_seed(2)
    states, mask = torch.randn(3, 6, 16), torch.ones(3, 6, dtype=torch.bool)
    exact = discriminator(states, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = discriminator(states, mask)
    assert exact.dtype == rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", ["bilstm", "lstm"])
def test_weights_of_any_precision(kind: str, dtype: torch.dtype):
    exact = build(order_discriminator=kind)
    rows = torch.tensor([False, True])
    model = build(order_discriminator=kind).to(dtype)
    for options in ({}, {"order_rows": rows}, {"order_rows": ~rows & rows}):
        output = model(**INPUTS, heads=ALL, **options)
        assert output.order_logits.dtype == dtype
        expected = exact(**INPUTS, heads=ALL, **options).order_logits
        torch.testing.assert_close(output.order_logits.float(), expected, atol=2e-2, rtol=2e-2)
    states, mask = torch.randn(2, 6, 16, dtype=dtype), torch.ones(2, 6, dtype=torch.bool)
    place, lengths = torch.arange(6).expand(2, -1), torch.tensor([6, 6])
    assert model.order_discriminator(states, mask).dtype == dtype
    if dtype == torch.float64:
        read = model.order_discriminator._read_packed(states, place, lengths)
        torch.testing.assert_close(read, model.order_discriminator._read_rows(states, place, lengths))


def test_a_step_without_a_row_to_read_can_still_go_back():
    model = build(language_width=0)
    output = model(**INPUTS, heads=("order",), order_rows=torch.tensor([False, False]))
    output.order_logits.sum().backward()
    assert not any(weight.grad.any() for weight in model.order_discriminator.parameters())


def test_a_bilstm_reads_both_ways_in_half_the_width():
    lstm = build().order_discriminator.lstm
    assert lstm.bidirectional and lstm.hidden_size == 3
    assert not build(order_discriminator="lstm").order_discriminator.lstm.bidirectional


def test_only_the_rows_that_are_asked_for_are_read_in_order():
    model = build()
    rows = torch.tensor([False, True])
    with torch.no_grad():
        some = model(**INPUTS, heads=("order",), order_rows=rows).order_logits
        both = model(**INPUTS, heads=("order",)).order_logits
        none = model(**INPUTS, heads=("order",), order_rows=torch.tensor([False, False])).order_logits
    assert some[0] == 0 and some[1].item() == pytest.approx(both[1].item(), abs=1e-6) and both[0] != 0
    assert none.tolist() == [0, 0]


def test_only_the_heads_that_are_asked_for_are_computed():
    model = build()
    output = model(**INPUTS)
    assert output.logits is not None and output.language_logits is None and output.order_logits is None
    assert list(output.keys()) == ["logits"]
    assert list(model(**INPUTS, heads=("language",)).keys()) == ["language_logits"]


def test_a_head_that_is_not_there_is_refused():
    model = build(order_discriminator="none")
    assert list(model.discriminators) == ["language"]
    with pytest.raises(ValueError, match="the model has no head order"):
        model(**INPUTS, heads=ALL)


def test_every_head_trains_under_bfloat16():
    model = build().train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**INPUTS, heads=ALL)
        total = sum(logits.float().sum() for logits in output.values())
    total.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_loss_is_the_cross_entropy_of_the_tags_over_the_given_count():
    model = build()
    labels = torch.tensor([[-100, 1, 2, 0, -100, -100], [-100, 4, -100, -100, -100, -100]])
    output = model(**INPUTS, labels=labels)
    expected = torch.nn.functional.cross_entropy(output.logits.reshape(-1, 5), labels.reshape(-1))
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert model(**INPUTS, labels=labels, num_items_in_batch=8).loss.item() == pytest.approx(output.loss.item() / 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order_discriminator": "gru"}, "order_discriminator must be one of bilstm, lstm, none, found 'gru'"),
        ({"scope": "verbs"}, "scope must be one of all, entity, context, found 'verbs'"),
        ({"language_width": -1}, "language_width must be at least 0, found -1"),
        ({"order_width": 7}, "even for a bilstm; found 7"),
        ({"order_width": 0}, "order_width must be positive"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        AdversarialConfig(encoder_config=encoder_config(), **settings)


def test_an_encoder_with_a_decoder_is_refused():
    with pytest.raises(ValueError, match="bart has a decoder: an encoder is needed"):
        AdversarialConfig(encoder_config=AutoConfig.for_model("bart"))


def test_save_and_load_by_the_auto_classes_without_trusting_remote_code(tmp_path: Path):
    register_models()
    model = build(
        id2label={0: "O", 1: "B-LOC"}, label2id={"O": 0, "B-LOC": 1}, num_labels=2, scope="entity", order_width=8
    )
    model.config.xner = {"scheme": "iob2"}
    model.save_pretrained(tmp_path)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert type(loaded) is AdversarialForTokenClassification and same_weights(model, loaded)
    assert loaded.config.id2label == {0: "O", 1: "B-LOC"} and loaded.config.xner == {"scheme": "iob2"}
    assert (loaded.config.scope, loaded.config.language_width, loaded.config.order_width) == ("entity", 7, 8)
    assert loaded.config.encoder_config.hidden_size == 16
    first, second = (one.eval()(**INPUTS, heads=ALL) for one in (model, loaded))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_without_discriminators_is_saved_and_loaded_without(tmp_path: Path):
    register_models()
    model = build(language_width=0, order_discriminator="none")
    model.save_pretrained(tmp_path)
    loaded, report = AutoModelForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert same_weights(model, loaded) and not loaded.discriminators
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_an_empty_configuration_builds_and_survives_a_file(tmp_path: Path):
    register_models()
    AdversarialConfig().save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert type(config) is AdversarialConfig and config.language_width == 500 and config.num_hidden_layers == 12


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_to_the_plain_tagger_and_back(model_type: str):
    model = build(model_type)
    model.config.xner = {"scheme": "iob2"}
    plain = export_plain(model)
    assert type(plain).__module__.startswith("transformers.")
    assert plain.config.xner == {"scheme": "iob2"} and plain.config.num_labels == 5
    with torch.no_grad():
        torch.testing.assert_close(plain(**INPUTS).logits, model(**INPUTS).logits)
    other = build(model_type, seed=5)
    discriminator = other.language_discriminator.output.weight.clone()
    adopt_plain(other, plain)
    with torch.no_grad():
        torch.testing.assert_close(other(**INPUTS).logits, model(**INPUTS).logits)
    assert torch.equal(other.language_discriminator.output.weight, discriminator)


def test_the_next_stage_takes_the_discriminators_that_both_have():
    first, second = build(), build(seed=1, order_discriminator="none")
    tags = second.classifier.weight.clone()
    assert second.take_discriminators(first) == ["language"]
    assert same_weights(first.language_discriminator, second.language_discriminator)
    assert torch.equal(second.classifier.weight, tags)
    assert build(language_width=0, order_discriminator="none").take_discriminators(first) == []


REMOTE = """
import sys
sys.modules["hf_xner"] = None  # not installed
import torch
from transformers import AutoModelForTokenClassification
model = AutoModelForTokenClassification.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
ids = torch.tensor([[2, 5, 6, 7, 8, 3], [2, 8, 9, 3, 0, 0]])
output = model(input_ids=ids, attention_mask=(ids > 0).long(), heads=("tags", "language", "order"))
torch.save(dict(output), sys.argv[2])
"""


def test_saved_code_loads_where_hf_xner_is_not_installed(tmp_path: Path):
    register_models()
    model = build()
    folder, result = tmp_path / "research-model", tmp_path / "logits.pt"
    model.save_pretrained(folder)
    assert {path.name for path in folder.glob("*.py")} == {"adversarial.py", "backbone.py"}
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
    expected = model(**INPUTS, heads=ALL)
    for name, value in torch.load(result).items():
        torch.testing.assert_close(value, expected[name])
