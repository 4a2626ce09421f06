"""Adversarial training: who changes what, what the adversaries achieve, and that division and kills change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, TrainerCallback

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.feeds import FEEDS, Feed
from hf_xner.data.phase_rows import DISCRIMINATOR, GENERATOR, PHASES, TAGGING, PhaseCollator, PhaseRows
from hf_xner.data.rows import TrainingRows, write_encoded
from hf_xner.errors import InputError
from hf_xner.models.adversarial import AdversarialForTokenClassification
from hf_xner.models.freezing import freeze_bottom
from hf_xner.training.adversarial_settings import AdversarialSettings
from hf_xner.training.arguments import TokenClassificationArguments
from hf_xner.training.fit import MODEL
from hf_xner.training.fit_adversarial import ADVERSARIAL, fit_adversarial, load_adversarial
from hf_xner.training.history import read_history
from hf_xner.training.settings import FitSettings
from hf_xner.training.transadv import AdversarialTrainer

from .adversarial_toy import TAGS, corpora

SETTINGS = FitSettings(
    seed=1,
    learning_rate=0.003,
    epochs=2,
    batch_size=4,
    micro_batch_size=4,
    max_grad_norm=0.0,
    freeze_layers=1,
    freeze_embeddings=True,
)
SMALL = {"language_width": 16, "order_width": 8, "generator_learning_rate": 1e-3}
ADVERSARY = AdversarialSettings(FEEDS["src"], **SMALL)
PLAIN = {"save_strategy": "no", "use_cpu": True, "disable_tqdm": True, "seed": 1, "report_to": "none"}


def phase_rows(folder: Path, tokenizer: Any, feed: Feed, count: int = 14, **options: bool) -> PhaseRows:
    rows = {}
    for name, data in corpora(count, **options).items():
        if name in feed.corpora:
            encoded = write_encoded(data, WordEncoder(tokenizer, max_length=64), folder / f"{name}.arrow")
            rows[name] = TrainingRows(encoded, hard_labels=data if "ner_tags" in data.column_names else None)
    return PhaseRows(rows, feed)


@pytest.fixture
def make_trainer(tiny_encoder_dir: Path, tiny_tokenizer, tmp_path: Path):
    """A trainer on the toy corpora; `dropout=False` and `optim="sgd"` make weights show the gradient."""

    def make(
        adversary: AdversarialSettings = ADVERSARY,
        *,
        dropout: bool = True,
        freeze: int = 1,
        count: int = 14,
        entities: bool = True,
        **options: Any,
    ) -> AdversarialTrainer:
        torch.manual_seed(3)
        model = load_adversarial(str(tiny_encoder_dir), TAGS, adversary)
        freeze_bottom(model, freeze, embeddings=freeze > 0)
        for module in model.modules() if not dropout else ():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        settings = {**PLAIN, "warmup_steps": 0, "max_grad_norm": 0.0, "logging_steps": 1, "learning_rate": 3e-3}
        settings |= {"per_device_train_batch_size": 4, "num_train_epochs": 1, "output_dir": str(tmp_path / "out")}
        rows = phase_rows(tmp_path, tiny_tokenizer, adversary.feed, count, entities=entities)
        return AdversarialTrainer(
            model=model,
            args=TokenClassificationArguments(**{**settings, **options}),
            adversary=adversary,
            train_dataset=rows,
            data_collator=PhaseCollator(
                tiny_tokenizer.pad_token_id, adversary.feed, outside=0, special=(1, 1), positions=adversary.positions
            ),
            processing_class=tiny_tokenizer,
        )

    return make


def trained(trainer: AdversarialTrainer) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """Log records and weights after training."""
    trainer.train()
    records = [record for record in trainer.state.log_history if "loss" in record]
    return records, {name: value.clone() for name, value in trainer.model.state_dict().items()}


class Watch(TrainerCallback):
    """Notes after each step which weights it changed."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.before = self.weights()
        self.changed: list[set[str]] = []
        self.with_gradient: list[set[str]] = []

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.model.named_parameters()}

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        self.with_gradient.append(
            {name for name, value in self.model.named_parameters() if value.grad is not None and value.grad.any()}
        )

    def on_step_end(self, *_: Any, **__: Any) -> None:
        after = self.weights()
        self.changed.append({name for name, value in after.items() if not value.equal(self.before[name])})
        self.before = after


def test_a_step_of_each_optimiser_changes_exactly_the_parameters_it_owns(make_trainer):
    trainer = make_trainer()
    names = {name for name, _ in trainer.model.named_parameters()}
    frozen = {name for name in names if "embeddings" in name or ".layer.0." in name}
    encoder = {name for name in names if name.startswith("backbone.")} - frozen
    head = {name for name in names if name.startswith("classifier.")}
    discriminators = {name for name in names if "discriminator." in name}
    assert frozen and encoder and len(head) == 2 and len(discriminators) == 4 + 8 + 2
    assert names == frozen | encoder | head | discriminators
    watch = Watch(trainer.model)
    trainer.add_callback(watch)
    trainer.train()
    owned = {TAGGING: encoder | head, DISCRIMINATOR: discriminators, GENERATOR: encoder}
    assert len(watch.changed) == 12, "four turns of three"
    for number, (changed, with_gradient) in enumerate(zip(watch.changed, watch.with_gradient, strict=True)):
        phase = PHASES[number % 3]
        assert changed == owned[phase], phase
        assert with_gradient <= owned[phase], phase


def test_without_the_generator_step_discriminators_only_watch(make_trainer, tiny_tokenizer, tmp_path: Path):
    """The encoder is the one that tagging alone would have made."""
    options = {"dropout": False, "num_train_epochs": 1}
    _, watched = trained(make_trainer(replace(ADVERSARY, generator_step=False), **options))
    blind = replace(ADVERSARY, generator_step=False, discriminator_learning_rate=1e-9)
    _, other = trained(make_trainer(blind, **options))
    for name, value in watched.items():
        assert value.equal(other[name]) == ("discriminator." not in name), name


def test_each_optimiser_has_its_own_rate_and_schedule(make_trainer):
    adversary = replace(ADVERSARY, generator_learning_rate=1e-4, discriminator_learning_rate=2e-3, momentum=0.5)
    trainer = make_trainer(adversary, learning_rate=4e-3, num_train_epochs=2, warmup_steps=0.25, weight_decay=0.1)
    records, _ = trained(trainer)
    assert len(records) == 24, "8 turns: 2 of warm-up, 6 of decay"
    peaks = {
        rate: max(record[rate] for record in records)
        for rate in ("learning_rate", "learning_rate_discriminator", "learning_rate_generator")
    }
    assert list(peaks.values()) == [pytest.approx(4e-3), pytest.approx(2e-3), pytest.approx(1e-4)]
    assert [records[-1][rate] for rate in list(peaks)[1:]] == [0, 0]
    optimizers = trainer.optimizer.optimizer.optimizers
    assert {name: [group["weight_decay"] for group in one.param_groups] for name, one in optimizers.items()} == {
        TAGGING: [0.1, 0.0],
        DISCRIMINATOR: [0.0],
        GENERATOR: [0.1],
    }
    assert [one.param_groups[0]["betas"][0] for one in optimizers.values()] == [0.9, 0.5, 0.5]


def test_every_loss_and_both_accuracies_are_logged_as_means_over_their_phase(make_trainer, tmp_path: Path):
    trainer = make_trainer(logging_steps=6)
    seen: dict[str, list[float]] = {}
    real = trainer.compute_loss

    def noted(model: Any, inputs: Any, **more: Any) -> Any:
        loss = real(model, inputs, **more)
        seen.setdefault(inputs["phase"], []).append(float(loss.detach()))
        return loss

    trainer.compute_loss = noted
    records, _ = trained(trainer)
    assert len(records) == 2
    parts = {
        TAGGING: ("loss_ner",),
        DISCRIMINATOR: ("loss_language", "loss_order"),
        GENERATOR: ("loss_generator_language", "loss_generator_order"),
    }
    for number, record in enumerate(records):
        for phase, names in parts.items():
            expected = np.mean(seen[phase][2 * number : 2 * number + 2])
            assert sum(record[name] for name in names) == pytest.approx(expected, rel=1e-5), phase
        assert record["loss"] == pytest.approx(np.mean([seen[phase][2 * number : 2 * number + 2] for phase in PHASES]))
        assert 0 <= record["language_accuracy"] <= 1 and 0 <= record["order_accuracy"] <= 1


@pytest.mark.parametrize(
    "mean", ["classes", *(pytest.param(mean, marks=pytest.mark.slow) for mean in ("all", "sentences"))]
)
def test_accumulation_is_exact_in_every_phase(make_trainer, mean: str):
    """A whole epoch by plain gradient descent, in batches of 8, 4 and 2 of the same steps."""
    adversary = replace(ADVERSARY, mean=mean, generator_learning_rate=0.1, discriminator_learning_rate=0.5)
    outcomes = {}
    for micro in (8, 4, 2):
        options = {"per_device_train_batch_size": micro, "gradient_accumulation_steps": 8 // micro}
        trainer = make_trainer(adversary, dropout=False, optim="sgd", learning_rate=0.5, **options)
        before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        outcomes[micro] = trained(trainer)
    records, weights = outcomes[8]
    moved = {name for name, value in weights.items() if float((value - before[name]).abs().max()) > 1e-4}
    assert any("lstm" in name for name in moved) and any("language" in name for name in moved)
    assert any("backbone.encoder.layer.3" in name for name in moved)
    assert len(records) == 6
    for micro in (4, 2):
        for one, other in zip(records, outcomes[micro][0], strict=True):
            assert one.keys() == other.keys()
            for name in (name for name in one if name.startswith("loss") or name.endswith("accuracy")):
                assert one[name] == pytest.approx(other[name], abs=2e-5), name
        for name, value in weights.items():
            assert torch.allclose(value, outcomes[micro][1][name], rtol=0, atol=2e-5), name


def test_a_step_that_would_mix_phases_is_refused(make_trainer):
    trainer = make_trainer()
    batches = [{"phase": TAGGING}, {"phase": GENERATOR}]
    with pytest.raises(ValueError, match="several phases at once: generator, tagging"):
        trainer._begin(batches)


def test_sentences_without_entities_teach_an_entity_discriminator_nothing(make_trainer):
    """L_el is 0, and so is its gradient: neither the discriminator nor the generator moves, but for weight decay (and,
    where steps with entities went before, what the optimisers remember of them).
    """
    trainer = make_trainer(replace(ADVERSARY, feed=FEEDS["entity"]), entities=False, weight_decay=0.0)
    watch = Watch(trainer.model)
    trainer.add_callback(watch)
    records, _ = trained(trainer)
    assert [record["loss_language"] for record in records if "loss_language" in record] == [0.0] * 7
    assert all(not changed for changed in watch.changed[1::3]), "discriminator"
    assert all(not changed for changed in watch.changed[2::3]), "generator"
    assert all(changed for changed in watch.changed[::3]), "tagging goes on"


@pytest.mark.parametrize("scope", ["entity", "context"])
def test_words_in_its_scope_teach_a_discriminator(make_trainer, scope: str):
    trainer = make_trainer(replace(ADVERSARY, feed=FEEDS[scope]))
    watch = Watch(trainer.model)
    trainer.add_callback(watch)
    trainer.train()
    assert watch.changed[1] == {name for name, _ in trainer.model.named_parameters() if "language_discr" in name}


def test_bfloat16_trains_every_phase(make_trainer):
    records, weights = trained(make_trainer(bf16=True))
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert all(np.isfinite(record["loss"]) for record in records)


def accuracies(
    make_trainer, rate: float, feed: Feed, told: str, count: int = 64
) -> tuple[list[float], AdversarialTrainer]:
    """Of a discriminator, before each of its steps, in the second half of a training."""
    adversary = AdversarialSettings(
        feed,
        generator_learning_rate=rate or 1.0,
        generator_step=rate > 0,
        discriminator_learning_rate=3e-3,
        momentum=0.5,
    )
    trainer = make_trainer(
        adversary,
        freeze=0,
        count=count,
        num_train_epochs=16,
        per_device_train_batch_size=8,
        logging_steps=count // 4 * (2 if rate == 0 else 3),
        learning_rate=2e-3,
    )
    records, _ = trained(trainer)
    assert len(records) == 8
    return [record[f"{told}_accuracy"] for record in records[4:]], trainer


def held_out(trainer: AdversarialTrainer, feed: Feed, told: str) -> float:
    from hf_xner.inference.discrimination import discriminator_accuracy

    return discriminator_accuracy(trainer.model, trainer.processing_class, corpora(40, seed=99), feed)[told]


@pytest.mark.parametrize(
    ("feed", "told", "count"),
    [(FEEDS["advpicker"], "language", 32), (FEEDS["src"].without(language=True), "order", 160)],
    ids=["language", "order"],
)
def test_what_is_separable_is_told_apart_and_the_generator_hides_it(make_trainer, feed: Feed, told: str, count: int):
    """The words of the two languages share no letter, and words of contexts come in one order. What hides either is a
    generator rate like the discriminators'."""
    without, watcher = accuracies(make_trainer, 0.0, feed, told, count)
    against, adversary = accuracies(make_trainer, 2e-3, feed, told, count)
    assert without[-1] > 0.95 and held_out(watcher, feed, told) > 0.95
    assert np.mean(against) < 0.65 and held_out(adversary, feed, told) < 0.65
    tags = [record["loss_ner"] for record in adversary.state.log_history if "loss_ner" in record]
    assert tags[-1] < tags[0] / 1.8, "it still learns to tag"


@pytest.mark.slow
def test_at_the_published_rate_the_generator_hides_nothing_here(make_trainer):
    """6e-7 over some hundred steps moves the encoder too little; published are thousands of steps of mBERT."""
    feed = FEEDS["advpicker"]
    published, trainer = accuracies(make_trainer, 6e-7, feed, "language")
    assert np.mean(published) > 0.95 and held_out(trainer, feed, "language") > 0.95


def weights_of(folder: Path) -> tuple[bytes, bytes]:
    return tuple((folder / name / "model.safetensors").read_bytes() for name in (ADVERSARIAL, MODEL))


def run(folder: Path, encoder: Path, settings: FitSettings = SETTINGS, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    adversary = more.pop("adversary", ADVERSARY)
    fit_adversarial(folder, str(encoder), corpora(14), TAGS, settings, adversary, **more)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tiny_encoder_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("undisturbed"), tiny_encoder_dir)


def test_a_run_leaves_both_models_and_its_history_and_nothing_else(undisturbed: Path, tiny_encoder_dir: Path):
    assert {path.name for path in undisturbed.iterdir()} == {
        ADVERSARIAL,
        MODEL,
        "finished",
        "history.jsonl",
        "history.png",
    }
    plain = AutoModelForTokenClassification.from_pretrained(undisturbed / MODEL).eval()
    research = AdversarialForTokenClassification.from_pretrained(undisturbed / ADVERSARIAL).eval()
    assert type(plain).__name__ == "BertForTokenClassification"
    assert [plain.config.id2label[index] for index in range(5)] == TAGS
    assert (
        plain.config.xner
        == research.config.xner
        == {
            "scheme": "iob2",
            "decoding": "viterbi",
            "start_constraint": True,
        }
    )
    ids = torch.tensor([[2, 6, 7, 8, 3]])
    assert torch.allclose(plain(ids).logits, research(ids).logits, atol=1e-6)
    assert list(research.discriminators) == ["language", "order"]
    assert any("language_accuracy" in record for record in read_history(undisturbed / "history.jsonl"))


class Stopped(Exception):
    """Stands for a kill."""


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = AdversarialTrainer.training_step, []

    def reached(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == step:
            raise Stopped
        return real(self, *arguments, **options)

    monkeypatch.setattr(AdversarialTrainer, "training_step", reached)


@pytest.mark.parametrize("step", [5, 18])
def test_a_stopped_run_ends_with_the_weights_of_an_undisturbed_one(
    undisturbed: Path, tiny_encoder_dir: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
):
    """In the first epoch, before a checkpoint, and in the second, after one; an epoch has 12 steps."""
    with monkeypatch.context() as patch:
        stop_at(step, patch)
        with pytest.raises(Stopped):
            run(tmp_path / "run", tiny_encoder_dir)
    assert (tmp_path / "run" / "checkpoints" / "checkpoint-12").exists() == (step == 18)
    assert weights_of(run(tmp_path / "run", tiny_encoder_dir)) == weights_of(undisturbed)


@pytest.mark.parametrize("steps", [4, 5])
def test_resuming_in_the_middle_of_an_epoch_restores_every_optimiser(make_trainer, tmp_path: Path, steps: int):
    """Whatever phase comes next: after four steps a discriminator's, after five the generator's."""
    options = {"save_strategy": "steps", "save_steps": steps, "save_total_limit": None, "warmup_steps": 0.2}
    options["num_train_epochs"] = 2
    records, weights = trained(make_trainer(**options))
    checkpoint = tmp_path / "out" / f"checkpoint-{steps}"
    saved = torch.load(checkpoint / "optimizer.pt", weights_only=True)
    assert set(saved) == set(PHASES) and all(state["state"] for phase, state in saved.items() if phase != GENERATOR)
    trainer = make_trainer(**options)
    trainer.train(resume_from_checkpoint=str(checkpoint))
    for name, value in trainer.model.state_dict().items():
        assert value.equal(weights[name]), name
    again = [record for record in trainer.state.log_history if "loss" in record]
    assert len(again) == len(records) == 24
    for one, other in zip(records[steps:], again[steps:], strict=True):
        assert {name: value for name, value in one.items() if "loss" in name or "rate" in name} == {
            name: value for name, value in other.items() if "loss" in name or "rate" in name
        }


def test_the_best_epoch_is_kept_with_its_discriminators(tiny_encoder_dir: Path, tmp_path: Path):
    dev = corpora(9, seed=5)["source"]
    folder = run(tmp_path / "run", tiny_encoder_dir, replace(SETTINGS, select="best", epochs=4), dev=dev)
    scores = [record["eval_f1"] for record in read_history(folder / "history.jsonl") if "eval_f1" in record]
    from hf_xner.evaluation.evaluate import evaluate_model
    from hf_xner.inference.loading import load_tagger

    model, tokenizer = load_tagger(str(folder / MODEL))
    assert len(scores) == 4
    assert evaluate_model(model, tokenizer, dev).scores["plain"].f1 == pytest.approx(max(scores), abs=1e-12)
    research = AdversarialForTokenClassification.from_pretrained(folder / ADVERSARIAL)
    assert research.classifier.weight.equal(model.classifier.weight)


def test_the_next_stage_goes_on_from_tagger_and_discriminator(undisturbed: Path, tiny_encoder_dir: Path):
    earlier = AdversarialForTokenClassification.from_pretrained(undisturbed / ADVERSARIAL)
    entity = AdversarialSettings(FEEDS["entity"], **SMALL)
    model = load_adversarial(str(undisturbed / ADVERSARIAL), TAGS, entity)
    assert model.config.scope == "entity" and list(model.discriminators) == ["language"]
    for name, value in model.state_dict().items():
        assert value.equal(earlier.state_dict()[name]), name
    torch.manual_seed(0)
    fresh = load_adversarial(str(undisturbed / MODEL), TAGS, entity, keep_head=True)
    assert fresh.classifier.weight.equal(earlier.classifier.weight)
    kept = earlier.language_discriminator.hidden.weight
    assert not fresh.language_discriminator.hidden.weight.equal(kept)


def test_heads_of_another_meaning_or_shape_are_refused(undisturbed: Path):
    start = str(undisturbed / ADVERSARIAL)
    with pytest.raises(InputError, match="its tags are O, B-LOC, .*; those to train are I-PER, B-PER, .*, O; start"):
        load_adversarial(start, TAGS[::-1], ADVERSARY)
    with pytest.raises(InputError, match="its tags are"):
        load_adversarial(start, [*TAGS, "B-ORG"], ADVERSARY)
    for name, change in (
        ("language", {"language_width": 17}),
        ("order", {"order_width": 10}),
        ("order", {"order_discriminator": "lstm"}),
    ):
        with pytest.raises(InputError, match=f"its {name} discriminator has another shape than the one to train"):
            load_adversarial(start, TAGS, replace(ADVERSARY, **change))


def test_a_step_whose_sentences_have_only_one_order_changes_nothing_and_tells_nothing(make_trainer):
    trainer = make_trainer(replace(ADVERSARY, feed=FEEDS["src"].without(language=True)))
    for rows in trainer.train_dataset.corpora.values():
        rows._orderable = np.zeros(len(rows), dtype=bool)
    before = {name: value.clone() for name, value in trainer.model.order_discriminator.state_dict().items()}
    records, weights = trained(trainer)
    assert not any("order_accuracy" in record for record in records)
    assert all(np.isfinite(record["loss"]) for record in records)
    assert all(weights[f"order_discriminator.{name}"].equal(value) for name, value in before.items())


def test_which_sentences_have_an_order_to_tell(tiny_encoder_dir: Path, tmp_path: Path, monkeypatch):
    made = {}
    fitting = "hf_xner.training.fit_adversarial"
    monkeypatch.setattr(f"{fitting}.train_to_end", lambda trainer, *_: made.update(trainer=trainer))
    parts = corpora(14)
    adversary = AdversarialSettings(FEEDS["src"])
    fit_adversarial(tmp_path, str(tiny_encoder_dir), parts, TAGS, SETTINGS, adversary)
    rows = made["trainer"].train_dataset.corpora
    for name, other in (("source", "source_shuffled"), ("translated", "translated_shuffled")):
        told, shuffled = ([row["orderable"] for row in rows[part]] for part in (name, other))
        changed = [one != two for one, two in zip(parts[name]["tokens"], parts[other]["tokens"], strict=True)]
        assert told == shuffled == changed and any(told)


def test_what_must_not_train_is_refused(tiny_encoder_dir: Path, tmp_path: Path):
    tagged = {**corpora(6), "target_text": corpora(6)["translated"]}
    adversary = AdversarialSettings(FEEDS["advpicker"])
    with pytest.raises(InputError, match=r"a corpus with tags .*unlabelled\(\)"):
        fit_adversarial(tmp_path, str(tiny_encoder_dir), tagged, TAGS, SETTINGS, adversary)
    with pytest.raises(ValueError, match="the corpus source has other tags"):
        fit_adversarial(tmp_path, str(tiny_encoder_dir), corpora(6), TAGS[::-1], SETTINGS, adversary)
    with pytest.raises(InputError, match="--lora_rank: adversarial training has no LoRA adapters"):
        fit_adversarial(tmp_path, str(tiny_encoder_dir), corpora(6), TAGS, replace(SETTINGS, lora_rank=2), adversary)
    frozen = replace(SETTINGS, freeze_layers=4)
    with pytest.raises(InputError, match="--freeze_layers: all of the encoder is frozen.*; give a smaller number"):
        fit_adversarial(tmp_path, str(tiny_encoder_dir), corpora(6), TAGS, frozen, adversary)
    assert not list(tmp_path.iterdir())


def test_an_encoder_whose_tagger_is_more_than_a_linear_layer_is_refused(tmp_path: Path, tiny_tokenizer):
    from transformers import AutoModel, ModernBertConfig

    special = {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    size = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 64}
    config = ModernBertConfig(vocab_size=len(tiny_tokenizer), **size, **special)
    AutoModel.from_config(config).save_pretrained(tmp_path / "encoder")
    tiny_tokenizer.save_pretrained(tmp_path / "encoder")
    with pytest.raises(InputError, match="more than a linear classifier .* use a BERT-like encoder"):
        load_adversarial(str(tmp_path / "encoder"), TAGS, ADVERSARY)


def one_epoch(encoder: str, out: str) -> None:
    """An epoch by plain gradient descent, however many processes share its steps; and one by AdamW, undisturbed and
    stopped in the middle of a turn."""
    torch.set_num_threads(1)
    from accelerate import PartialState

    folder = Path(out) / str(PartialState(cpu=True).process_index)
    folder.mkdir()
    adversary = replace(ADVERSARY, generator_learning_rate=0.1, discriminator_learning_rate=0.5)
    from hf_xner.inference.loading import load_tokenizer

    tokenizer = load_tokenizer(encoder)
    rows = phase_rows(folder, tokenizer, adversary.feed)

    def make(adversary: AdversarialSettings, dropout: float, **options: Any) -> AdversarialTrainer:
        torch.manual_seed(3)
        model = load_adversarial(encoder, TAGS, adversary)
        freeze_bottom(model, 1)
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = dropout
        settings = {**PLAIN, "warmup_steps": 0, "max_grad_norm": 0.0, "logging_steps": 1, "num_train_epochs": 1}
        settings |= {"output_dir": str(Path(out) / "out"), "ddp_find_unused_parameters": True}
        arguments = TokenClassificationArguments(**{**settings, **options})
        arguments.per_device_train_batch_size = 4 // arguments.world_size
        arguments.gradient_accumulation_steps = 2
        return AdversarialTrainer(
            model=model,
            args=arguments,
            adversary=adversary,
            train_dataset=rows,
            data_collator=PhaseCollator(0, adversary.feed, outside=0, special=(1, 1)),
        )

    records, weights = trained(make(adversary, 0.0, optim="sgd", learning_rate=0.5))
    saves = {"learning_rate": 3e-3, "save_strategy": "steps", "save_steps": 4, "save_total_limit": 5}
    undisturbed, resumed = make(ADVERSARY, 0.1, **saves), make(ADVERSARY, 0.1, **saves)
    undisturbed.train()
    resumed.train(resume_from_checkpoint=str(Path(out) / "out" / "checkpoint-4"))
    other = undisturbed.model.state_dict()
    same = all(value.equal(other[name]) for name, value in resumed.model.state_dict().items())
    world = undisturbed.args.world_size
    torch.save({"records": records, "weights": weights, "world": world, "same": same}, folder / "outcome.pt")


def in_processes(count: int, *arguments: str) -> None:
    from accelerate import debug_launcher

    if count == 1:
        one_epoch(*arguments)
    else:
        debug_launcher(one_epoch, args=arguments, num_processes=count)


@pytest.fixture
def outcomes(tiny_encoder_dir: Path, tmp_path: Path) -> Callable[[int], list[dict[str, Any]]]:
    """What each of so many processes ended with, started from one that has computed nothing yet."""
    import multiprocessing

    def launch(count: int) -> list[dict[str, Any]]:
        out = tmp_path / f"{count} processes"
        out.mkdir()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=in_processes, args=(count, str(tiny_encoder_dir), str(out)))
        process.start()
        process.join(600)
        assert process.exitcode == 0
        return [torch.load(out / str(rank) / "outcome.pt", weights_only=False) for rank in range(count)]

    return launch


@pytest.mark.slow
def test_two_processes_do_what_one_does(outcomes):
    (alone,), (first, second) = outcomes(1), outcomes(2)
    assert (alone["world"], first["world"], second["world"]) == (1, 2, 2)
    assert alone["same"] and first["same"] and second["same"], "what was stopped ends with the weights of what was not"
    assert len(alone["records"]) == 6
    for one, other in zip(alone["records"], first["records"], strict=True):
        for name in (name for name in one if name.startswith("loss") or name.endswith("accuracy")):
            assert one[name] == pytest.approx(other[name], abs=2e-5), name
    for name, value in alone["weights"].items():
        assert torch.allclose(value, first["weights"][name], rtol=0, atol=2e-5), name
        assert first["weights"][name].equal(second["weights"][name]), name


def test_the_history_can_be_read_again(undisturbed: Path):
    lines = (undisturbed / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == sorted(json.loads(line)["step"] for line in lines)
