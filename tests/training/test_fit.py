"""One training run: what it leaves, what it refuses, and that a killed one ends as if nothing had happened."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from safetensors.torch import load_file

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.rows import RowCollator, TrainingRows, read_soft_labels, write_encoded, write_soft_labels
from hf_xner.errors import InputError
from hf_xner.inference.loading import load_encoder_for_tagging, load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.training.fit import FINISHED, MODEL, fit, last_complete_checkpoint, training_arguments
from hf_xner.training.history import read_history
from hf_xner.training.settings import FitSettings
from hf_xner.training.trainer import soft_label_loss, tagging_loss

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
LEXICON = {"Angela": 3, "Merkel": 4, "John": 3, "Kiel": 1, "Bonn": 1}
WORDS = [*LEXICON, "visited", ".", "the", "bank", "Gab"]
SETTINGS = FitSettings(
    seed=1, learning_rate=0.005, epochs=2, batch_size=4, micro_batch_size=4, freeze_layers=0, freeze_embeddings=False
)


def sentences(count: int, seed: int = 0) -> Dataset:
    chance = np.random.default_rng(seed)
    tokens = [[WORDS[index] for index in chance.integers(0, len(WORDS), chance.integers(1, 12))] for _ in range(count)]
    return Dataset.from_dict(
        {"tokens": tokens, "ner_tags": [[LEXICON.get(word, 0) for word in words] for words in tokens]},
        features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}),
    )


def run(folder: Path, encoder: Path, settings: FitSettings = SETTINGS, loss: Any = tagging_loss, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    fit(folder, str(encoder), sentences(26), TAGS, settings, loss, **more)
    return folder / MODEL


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tiny_encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("undisturbed"), tiny_encoder_dir)


def test_a_run_leaves_the_model_and_its_history_and_nothing_else(undisturbed: Path, tiny_tokenizer):
    assert {path.name for path in undisturbed.parent.iterdir()} == {MODEL, FINISHED, "history.jsonl", "history.png"}
    assert not list((undisturbed.parent / FINISHED).iterdir()), "a sign, without the checkpoints"
    model, tokenizer = load_tagger(str(undisturbed))
    assert type(model).__name__ == "BertForTokenClassification"
    assert [model.config.id2label[index] for index in range(5)] == TAGS
    (array,) = word_probabilities(model, tokenizer, [["Angela", "visited", "Kiel"]])
    assert array.shape == (3, 5)


def test_a_stage_that_is_killed_before_its_record_is_not_trained_again(
    undisturbed: Path, tmp_path: Path, tiny_encoder_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    copied = Path(shutil.copytree(undisturbed.parent, tmp_path / "killed"))
    monkeypatch.setattr("hf_xner.training.fit.train_to_end", lambda *_: pytest.fail("it was trained"))
    assert weights(run(copied, tiny_encoder_dir)) == weights(undisturbed)


def test_an_encoder_that_is_a_tagger_gets_a_fresh_head(undisturbed: Path):
    """Tags meet by name: its rows are those of other tags, or of these in another order, and students begin anew."""
    other = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    kept, fresh = (
        load_encoder_for_tagging(str(undisturbed), other, keep_head=keep).state_dict() for keep in (True, False)
    )
    trained = load_file(undisturbed / "model.safetensors")
    assert torch.equal(kept["classifier.weight"], trained["classifier.weight"])
    assert (
        not (fresh["classifier.weight"] == trained["classifier.weight"]).any() and not fresh["classifier.bias"].any()
    )
    assert all(torch.equal(fresh[name], trained[name]) for name in trained if not name.startswith("classifier."))
    more = load_encoder_for_tagging(str(undisturbed), [*other, "B-ORG", "I-ORG"])
    assert more.classifier.weight.shape[0] == 7 and more.config.num_labels == 7


def test_a_pretrained_layer_of_the_head_stays(tmp_path: Path):
    """ModernBERT's masked language model has one that its tagger uses, too; such an encoder is no tagger."""
    from transformers import AutoModelForMaskedLM, ModernBertConfig

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ModernBertConfig(
        vocab_size=30, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, **sizes
    )
    pretrained = AutoModelForMaskedLM.from_config(config)
    torch.nn.init.constant_(pretrained.head.dense.weight, 0.5)
    pretrained.save_pretrained(tmp_path / "encoder")
    tagger = load_encoder_for_tagging(str(tmp_path / "encoder"), TAGS)
    assert torch.equal(tagger.head.dense.weight, pretrained.head.dense.weight)
    tagger.save_pretrained(tmp_path / "tagger")
    fresh = load_encoder_for_tagging(str(tmp_path / "tagger"), TAGS)
    assert not torch.equal(fresh.head.dense.weight, tagger.head.dense.weight)
    assert not (fresh.classifier.weight == tagger.classifier.weight).any()


def test_weights_that_do_not_fit_their_configuration_are_refused(tiny_encoder_dir: Path, tmp_path: Path):
    """Only heads may have another size: embeddings drawn anew would train as if nothing were wrong."""
    folder = Path(shutil.copytree(tiny_encoder_dir, tmp_path / "encoder"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}), encoding="utf-8")
    with pytest.raises(InputError, match="no encoder could be loaded .*has another size than config.json says"):
        load_encoder_for_tagging(str(folder), TAGS)


def test_training_learns(tiny_encoder_dir: Path, tmp_path: Path):
    settings = replace(SETTINGS, epochs=8)
    model, tokenizer = load_tagger(str(run(tmp_path / "run", tiny_encoder_dir, settings)))
    data = sentences(10, seed=5)
    right = [
        tag == best
        for array, tags in zip(word_probabilities(model, tokenizer, data["tokens"]), data["ner_tags"], strict=True)
        for best, tag in zip(array.argmax(axis=-1), tags, strict=True)
    ]
    assert np.mean(right) > 0.9
    losses = [record["loss"] for record in read_history(tmp_path / "run" / "history.jsonl") if "loss" in record]
    assert losses[-1] < losses[0] / 2


def test_the_seed_decides_everything(undisturbed: Path, tiny_encoder_dir: Path, tmp_path: Path):
    assert weights(run(tmp_path / "same", tiny_encoder_dir)) == weights(undisturbed)
    other = replace(SETTINGS, seed=2)
    assert weights(run(tmp_path / "other", tiny_encoder_dir, other)) != weights(undisturbed)


class Stopped(Exception):
    """Stands for a kill."""


def stop_at(call: int) -> Any:
    """The tagging loss, which fails at one forward pass."""
    calls = 0

    def loss(outputs: Any, batch: Any, items: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Stopped
        return tagging_loss(outputs, batch, items)

    return loss


def interrupted(folder: Path, encoder: Path, call: int, **more: Any) -> None:
    with pytest.raises(Stopped):
        run(folder, encoder, loss=stop_at(call), **more)


@pytest.mark.parametrize("call", [3, 10])
def test_a_run_that_was_stopped_ends_with_the_weights_of_an_undisturbed_one(
    undisturbed: Path, tiny_encoder_dir: Path, tmp_path: Path, call: int
):
    interrupted(tmp_path / "run", tiny_encoder_dir, call)  # an epoch has 7 steps
    assert bool(list((tmp_path / "run" / "checkpoints").glob("checkpoint-7"))) == (call == 10)
    calls = []

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return tagging_loss(*arguments)

    assert weights(run(tmp_path / "run", tiny_encoder_dir, loss=counted)) == weights(undisturbed)
    assert len(calls) == (14 if call == 3 else 7)


def test_the_best_epoch_before_the_stop_is_remembered(tiny_encoder_dir: Path, tmp_path: Path):
    settings = replace(SETTINGS, select="best", epochs=3)
    dev = sentences(9, seed=9)
    folder = tmp_path / "run"
    interrupted(folder, tiny_encoder_dir, 17, settings=settings, dev=dev)
    stopped = weights(run(folder, tiny_encoder_dir, settings, dev=dev))
    assert stopped == weights(run(tmp_path / "undisturbed", tiny_encoder_dir, settings, dev=dev))
    scores = [
        [record["eval_f1"] for record in read_history(place / "history.jsonl") if "eval_f1" in record]
        for place in (folder, tmp_path / "undisturbed")
    ]
    assert len(scores[0]) == 3 and scores[0] == scores[1]


def test_the_loss_is_still_the_sum_of_its_parts_after_a_stop(tiny_encoder_dir: Path, tmp_path: Path):
    interrupted(tmp_path / "run", tiny_encoder_dir, 9)
    run(tmp_path / "run", tiny_encoder_dir)
    records = [record for record in read_history(tmp_path / "run" / "history.jsonl") if "loss" in record]
    assert records
    for record in records:
        assert record["loss_ce"] == pytest.approx(record["loss"], rel=1e-5)


def test_a_half_written_checkpoint_is_dropped(tmp_path: Path):
    for step, state in ((7, '{"global_step": 7}'), (14, None), (21, '{"global_st'), (28, "{}")):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "model.safetensors").write_bytes(b"half")
        if state is not None:
            (checkpoint / "trainer_state.json").write_text(state)
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-7")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-7"]
    assert last_complete_checkpoint(tmp_path / "nowhere") is None


def test_checkpoints_are_ordered_by_step_and_not_by_name(tmp_path: Path):
    for step in (9, 10, 100):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-100")


def test_tags_beside_soft_labels_are_refused(tiny_encoder_dir: Path, tmp_path: Path):
    labels = Dataset.from_dict({"soft_labels": [[1.0]]})
    with pytest.raises(InputError, match=r"a corpus with tags was given for distillation.*unlabelled\(\)"):
        run(tmp_path, tiny_encoder_dir, loss=soft_label_loss, soft_labels=labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("batch", "micro", "message"), [(8, 3, "8 rows a process do not divide into batches of 3; change --micro")]
)
def test_batches_that_do_not_divide_are_refused(tmp_path: Path, batch: int, micro: int, message: str):
    settings = FitSettings(batch_size=batch, micro_batch_size=micro)
    with pytest.raises(InputError, match=message):
        training_arguments(tmp_path, settings, selects=False)


def test_a_batch_is_divided_into_accumulated_ones(tmp_path: Path):
    arguments = training_arguments(tmp_path, FitSettings(batch_size=32, micro_batch_size=8), selects=False)
    assert (arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == (8, 4)
    arguments = training_arguments(tmp_path, FitSettings(batch_size=8, micro_batch_size=32), selects=True)
    assert (arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == (8, 1)
    assert arguments.load_best_model_at_end and arguments.metric_for_best_model == "f1"


def test_frozen_parts_do_not_move(tiny_encoder_dir: Path, tmp_path: Path):
    settings = replace(SETTINGS, freeze_layers=None, freeze_embeddings=True)
    model, _ = load_tagger(str(run(tmp_path / "run", tiny_encoder_dir, settings)))
    from transformers import AutoModelForTokenClassification

    before = AutoModelForTokenClassification.from_pretrained(tiny_encoder_dir).state_dict()
    moved = {
        name
        for name, value in model.state_dict().items()
        if not name.startswith("classifier") and not value.equal(before[name])
    }
    assert not [name for name in moved if "embeddings" in name or "layer.0." in name]
    assert [name for name in moved if "layer.1." in name] and [name for name in moved if "layer.3." in name]


def make_encoder(family: str, folder: Path, tokenizer: Any) -> Path:
    """A tiny randomly initialised encoder of another family, saved with the tiny tokenizer."""
    from transformers import DebertaV2Config, ModernBertConfig, XLMRobertaConfig

    size = {"vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    size |= {"intermediate_size": 64, "pad_token_id": tokenizer.pad_token_id}
    kinds = {
        "xlm-roberta": lambda: XLMRobertaConfig(**size, max_position_embeddings=66, type_vocab_size=1),
        "deberta-v2": lambda: DebertaV2Config(
            **size, max_position_embeddings=64, relative_attention=True, pos_att_type=["p2c", "c2p"], type_vocab_size=0
        ),
        "modernbert": lambda: ModernBertConfig(
            **size,
            max_position_embeddings=64,
            local_attention=16,
            bos_token_id=tokenizer.cls_token_id,
            cls_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            sep_token_id=tokenizer.sep_token_id,
        ),
    }
    from transformers import AutoModel

    torch.manual_seed(0)
    AutoModel.from_config(kinds[family]()).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("xlm-roberta", "XLMRobertaForTokenClassification"),
        ("deberta-v2", "DebertaV2ForTokenClassification"),
        ("modernbert", "ModernBertForTokenClassification"),
    ],
)
def test_other_encoder_families_train_and_stay_what_they_are(tmp_path: Path, tiny_tokenizer, family: str, name: str):
    encoder = make_encoder(family, tmp_path / "encoder", tiny_tokenizer)
    settings = replace(SETTINGS, freeze_layers=None, freeze_embeddings=True, epochs=1)
    folder = run(tmp_path / "run", encoder, settings)
    model, tokenizer = load_tagger(str(folder))
    assert type(model).__name__ == name
    arrays = list(word_probabilities(model, tokenizer, sentences(3)["tokens"]))
    assert all(np.allclose(array.sum(axis=-1), 1, atol=1e-5) for array in arrays)
    (record, *_) = [record for record in read_history(tmp_path / "run" / "history.jsonl") if "train_loss" in record]
    assert 0 < record["train_loss"] < 3


@pytest.fixture
def letter_tokenizer() -> Any:
    """Another vocabulary: letters, some of them pairs; every word is cut in other places than by the tiny one."""
    from transformers import BertTokenizer

    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.(),"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), "##an"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return BertTokenizer(vocab=vocabulary, do_lower_case=False, strip_accents=False, model_max_length=64)


def test_teacher_and_student_with_different_tokenizers_distil_word_by_word(
    undisturbed: Path, letter_tokenizer, tmp_path: Path
):
    teacher, tokenizer = load_tagger(str(undisturbed))
    text = sentences(26, seed=3).select_columns(["tokens"])
    arrays = list(word_probabilities(teacher, tokenizer, text["tokens"]))
    write_soft_labels(iter(arrays), tmp_path / "soft_labels-00000.arrow")
    labels = read_soft_labels(tmp_path)

    encoded = write_encoded(text, WordEncoder(letter_tokenizer, max_length=64), tmp_path / "encoded.arrow")
    rows = TrainingRows(encoded, soft_labels=(labels, len(TAGS)))
    batch = RowCollator(letter_tokenizer.pad_token_id)([rows[index] for index in range(len(rows))])
    found = batch["soft_labels"][batch["word_mask"]].numpy()
    assert np.allclose(found, np.concatenate(arrays), atol=1e-3)

    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(letter_tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path / "encoder")
    letter_tokenizer.save_pretrained(tmp_path / "encoder")
    settings = replace(SETTINGS, epochs=1)
    (tmp_path / "run").mkdir()
    fit(
        tmp_path / "run",
        str(tmp_path / "encoder"),
        text,
        TAGS,
        settings,
        soft_label_loss,
        soft_labels=labels,
    )
    student, own = load_tagger(str(tmp_path / "run" / MODEL))
    assert len(own) == len(letter_tokenizer) != len(tokenizer)
    assert next(word_probabilities(student, own, [["Angela", "visited"]])).shape == (2, 5)


def test_a_training_of_one_step_changes_weights(tiny_encoder_dir: Path, tmp_path: Path):
    """The first step of a warm-up has the rate 0: a training that is nothing but warm-up would change nothing."""
    one_step = replace(SETTINGS, epochs=1, batch_size=26, micro_batch_size=26, warmup=0.1)
    trained = load_file(run(tmp_path, tiny_encoder_dir, one_step) / "model.safetensors")
    trained = {name.removeprefix("bert."): weight for name, weight in trained.items()}
    given = load_file(tiny_encoder_dir / "model.safetensors")
    shared = trained.keys() & given.keys()
    assert shared and not all(torch.equal(trained[name], given[name]) for name in shared)
