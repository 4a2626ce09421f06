"""MSD's losses are the paper's, and its Trainer adds nothing to them."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForTokenClassification, AutoTokenizer

from hf_xner.losses.discrepancy import mmd_squared
from hf_xner.models.export import export_plain
from hf_xner.training.msd import Discrepancy, ImplicitTransferLoss, StudentLoss, TeacherLoss

from .paired import LAYERS, WIDTH, make_pairs, make_trainer, trained

WORD_PARTS = StudentLoss(channels=(0, 1, 2), beta=0.5, mmd_model=0.0, mmd_language=0.0)
WHOLE = StudentLoss(channels=(0, 1, 2), beta=0.5, mmd_model=0.3, mmd_language=0.2)


@pytest.fixture
def make(tiny_encoder_dir: Path, tiny_tokenizer, tmp_path: Path) -> Any:
    def trainer(loss: Any, count: int = 8, tagged: bool = False, **options: Any) -> Any:
        pairs = make_pairs(tmp_path / "rows", tiny_tokenizer, count, tagged=tagged)
        return make_trainer(tmp_path / "out", tiny_encoder_dir, tiny_tokenizer, pairs, loss, **options)

    return trainer


def batch_of(trainer: Any, pairs: list[tuple[int, int]]) -> dict[str, torch.Tensor]:
    return trainer.data_collator([trainer.train_dataset[pair] for pair in pairs])


PAIRS = [(0, 1), (3, 0), (4, 4), (7, 2)]


def test_the_students_loss_is_equation_15(make):
    trainer = make(WHOLE)
    batch = batch_of(trainer, PAIRS)
    outputs = trainer.run_model(trainer.model, batch)
    parts = WHOLE(outputs, batch, None)
    mask, targets = batch["word_mask"], batch["soft_labels"].unflatten(-1, (3, 5))
    errors = [
        functional.mse_loss(outputs.channel_logits[:, channel][mask].softmax(-1), targets[:, :, channel][mask])
        for channel in range(3)
    ]
    weights = outputs.channel_weights
    teacher = batch["partner_vectors"]
    expected = {
        "loss_kd": errors[2],
        "loss_channels": 0.5 * (weights[0] * errors[0] + weights[1] * errors[1]),
        "loss_mmd_model": 0.3 * mmd_squared(teacher, outputs.partner_state),
        "loss_mmd_language": 0.2 * mmd_squared(teacher, outputs.mmd_state),
    }
    assert list(parts) == list(expected)
    for name, value in expected.items():
        assert parts[name].item() == pytest.approx(value.item(), rel=1e-5) and value > 1e-4, name
    alone = trainer.model(input_ids=batch["partner_input_ids"], attention_mask=batch["partner_attention_mask"])
    torch.testing.assert_close(outputs.partner_state, alone.mmd_state)


def test_channels_learn_from_those_they_are_matched_with(make):
    trainer = make(WORD_PARTS)
    batch = batch_of(trainer, PAIRS)
    model = trainer.model
    outputs = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    one = StudentLoss(channels=(2, 0, 1), beta=1.0, mmd_model=0.0, mmd_language=0.0)(outputs, batch, None)
    swapped = dict(batch)
    swapped["soft_labels"] = batch["soft_labels"].unflatten(-1, (3, 5))[:, :, [2, 0, 1]].flatten(-2)
    other = StudentLoss(channels=(0, 1, 2), beta=1.0, mmd_model=0.0, mmd_language=0.0)(outputs, swapped, None)
    assert {name: value.item() for name, value in one.items()} == {name: value.item() for name, value in other.items()}


def test_the_teachers_loss_is_equation_6(make):
    trainer = make(WHOLE, tagged=True)
    batch = batch_of(trainer, PAIRS)
    outputs = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    parts = TeacherLoss(alpha=0.25)(outputs, batch, None)
    mask, tags = batch["word_mask"], batch["labels"][batch["word_mask"]]
    losses = [functional.cross_entropy(outputs.channel_logits[:, channel][mask], tags) for channel in range(3)]
    weights = outputs.channel_weights
    assert parts["loss_ce"].item() == pytest.approx(losses[2].item(), rel=1e-5)
    auxiliary = 0.25 * (weights[0] * losses[0] + weights[1] * losses[1])
    assert parts["loss_channels"].item() == pytest.approx(auxiliary.item(), rel=1e-5)


def test_implicit_transfer_moves_both_languages(make):
    loss = ImplicitTransferLoss(mmd=0.5, discrepancy=Discrepancy(kernels=1, unbiased=True))
    trainer = make(loss, tagged=True, layers=(4,))
    batch = batch_of(trainer, PAIRS)
    outputs = trainer.run_model(trainer.model, batch)
    outputs.mmd_state.retain_grad()
    outputs.partner_state.retain_grad()
    parts = loss(outputs, batch, None)
    expected = 0.5 * mmd_squared(outputs.mmd_state, outputs.partner_state, kernels=1, unbiased=True)
    assert parts["loss_mmd_language"].item() == pytest.approx(expected.item())
    assert list(parts) == ["loss_ce", "loss_mmd_language"] and parts["loss_ce"] > 0
    parts["loss_mmd_language"].backward()
    for state in (outputs.mmd_state, outputs.partner_state):
        assert state.grad.abs().max() > 1e-5


def test_parts_without_weight_take_no_part_and_cost_nothing(make):
    trainer = make(WHOLE)
    batch = batch_of(trainer, PAIRS)
    for weights, names in (
        ({"mmd_model": 0.0}, {"loss_kd", "loss_channels", "loss_mmd_language"}),
        ({"mmd_language": 0.0}, {"loss_kd", "loss_channels", "loss_mmd_model"}),
        ({"mmd_model": 0.0, "mmd_language": 0.0}, {"loss_kd", "loss_channels"}),
    ):
        trainer.loss = StudentLoss(channels=(0, 1, 2), **weights)
        outputs = trainer.run_model(trainer.model, batch)
        assert set(trainer.loss(outputs, batch, None)) == names
        assert (outputs.partner_state is None) == ("loss_mmd_model" not in names), "partners are read only if needed"


def test_gradient_accumulation_is_exact_for_the_parts_that_are_means_over_words(make):
    outcomes = {
        micro: trained(make(WORD_PARTS, per_device_train_batch_size=micro, gradient_accumulation_steps=8 // micro))
        for micro in (8, 4, 2)
    }
    whole, weights = outcomes[8]
    start = make(WORD_PARTS).model.state_dict()
    assert max(float((value - start[name]).abs().max()) for name, value in weights.items()) > 1e-3
    for micro in (4, 2):
        record, other = outcomes[micro]
        for name in ("loss", "loss_kd", "loss_channels"):
            assert record[name] == pytest.approx(whole[name], abs=1e-6)
        for name, value in weights.items():
            assert torch.allclose(value, other[name], rtol=0, atol=1e-6), name


@pytest.mark.parametrize("micro", [8, 4, 5])
def test_mmd_of_an_accumulated_step_is_the_mean_over_its_forward_batches_by_rows(make, micro: int):
    trainer = make(WHOLE, per_device_train_batch_size=micro, gradient_accumulation_steps=math.ceil(8 / micro))
    model, order = trainer.model, list(trainer._get_train_sampler())
    expected = {"loss_mmd_model": 0.0, "loss_mmd_language": 0.0}
    for begin in range(0, 8, micro):
        batch = batch_of(trainer, order[begin : begin + micro])
        parts = WHOLE(trainer.run_model(model, batch), batch, None)
        for name in expected:
            expected[name] += parts[name].item() * len(batch["rows"]) / 8
    record, _ = trained(trainer)
    for name, value in expected.items():
        assert record[name] == pytest.approx(value, rel=1e-4)
    assert record["loss"] == pytest.approx(sum(record[name] for name in record if name.startswith("loss_")), rel=1e-5)


@pytest.mark.parametrize("pairs", [[(0, 0)], [(0, 0), (0, 0)], [(0, 0), (1, 0), (2, 0)]])
@pytest.mark.parametrize("unbiased", [False, True])
def test_degenerate_batches_give_finite_losses_and_gradients(make, pairs: list[tuple[int, int]], unbiased: bool):
    """One sentence; one sentence twice; one partner for all, so that its vectors coincide."""
    trainer = make(WHOLE)
    batch = batch_of(trainer, pairs)
    loss = StudentLoss((0, 1, 2), 0.5, 0.3, 0.2, Discrepancy(unbiased=unbiased))
    for vectors in (batch["partner_vectors"], torch.zeros(len(pairs), WIDTH)):
        trainer.model.zero_grad()
        outputs = trainer.run_model(trainer.model, batch)
        sum(loss(outputs, batch | {"partner_vectors": vectors}, None).values()).backward()
        gradients = [weight.grad for weight in trainer.model.parameters() if weight.grad is not None]
        assert gradients and all(torch.isfinite(gradient).all() for gradient in gradients)
    same = outputs.partner_state.detach()
    assert WHOLE(outputs, batch | {"partner_vectors": same}, None)["loss_mmd_model"].item() == pytest.approx(
        0, abs=1e-5
    )


def test_channel_weights_learn_and_decay_as_released(make):
    trainer = make(WHOLE, weight_decay=0.01)
    trainer.create_optimizer()
    (decay,) = {
        group["weight_decay"]
        for group in trainer.optimizer.param_groups
        if any(weight is trainer.model.channel_weights.omega for weight in group["params"])
    }
    assert decay == 0.01
    before = trainer.model.channel_weights.omega.clone()
    _, weights = trained(trainer)
    assert not weights["channel_weights.omega"].equal(before)


def test_training_in_bfloat16_is_close_to_float32(make):
    (exact, _), (rounded, weights) = trained(make(WHOLE)), trained(make(WHOLE, bf16=True))
    for name in ("loss_kd", "loss_channels", "loss_mmd_model", "loss_mmd_language"):
        assert rounded[name] == pytest.approx(exact[name], rel=0.05), name
    assert rounded["loss_kd"] != exact["loss_kd"]
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_the_exported_student_is_its_last_channel(make, tmp_path: Path):
    trainer = make(WHOLE)
    trained(trainer)
    export_plain(trainer.model).save_pretrained(tmp_path / "plain")
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path / "plain")
    assert type(plain).__name__ == "BertForTokenClassification"
    batch = batch_of(trainer, PAIRS)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        logits = trainer.model.eval()(**inputs).channel_logits[:, -1]
        torch.testing.assert_close(plain.eval()(**inputs).logits, logits)
        assert not logits.allclose(trainer.model(**inputs).channel_logits[:, 0], atol=1e-3)


TWO_PROCESSES = {
    "implicit": ImplicitTransferLoss(0.05),
    "whole": WHOLE,
    "projection": WHOLE,
    "projection, without_mmd_l": replace(WHOLE, mmd_language=0.0),
    "projection, without_mmd_m": replace(WHOLE, mmd_model=0.0),
}


def one_step(encoder: str, out: str, case: str) -> None:
    """One step of gradient descent over eight pairs, however many processes share them."""
    from accelerate import PartialState

    torch.set_num_threads(1)
    state = PartialState(cpu=True)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    implicit, width = case == "implicit", 24 if "projection" in case else WIDTH
    pairs = make_pairs(Path(out, f"rows-{state.process_index}"), tokenizer, tagged=implicit, width=width)
    options = {"per_device_train_batch_size": 8 // state.num_processes, "ddp_find_unused_parameters": False}
    layers = (4,) if implicit else LAYERS
    place = Path(out, "trainer")
    trainer = make_trainer(place, encoder, tokenizer, pairs, TWO_PROCESSES[case], layers, width, **options)
    record, weights = trained(trainer)
    torch.save({"record": record, "weights": weights}, Path(out, f"step-{state.process_index}.pt"))


def in_processes(arguments: tuple[Any, ...], count: int) -> None:
    from accelerate import debug_launcher

    if count == 1:
        one_step(*arguments)
    else:
        debug_launcher(one_step, args=arguments, num_processes=count)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case == "whole" else pytest.mark.slow) for case in TWO_PROCESSES]
)
def test_two_processes_compare_their_rows_together(tiny_encoder_dir: Path, tmp_path: Path, case: str):
    """MMD over the gathered states: loss, parts and gradient are those of one process with the same rows."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([make_pairs.__module__])
    found: dict[int, list[dict[str, Any]]] = {}
    for count in (1, 2):
        out = tmp_path / str(count)
        out.mkdir()
        process = context.Process(target=in_processes, args=((str(tiny_encoder_dir), str(out), case), count))
        process.start()
        process.join(600)
        assert process.exitcode == 0
        found[count] = [torch.load(out / f"step-{rank}.pt", weights_only=False) for rank in range(count)]
    (alone,), (first, second) = found[1], found[2]
    names = [name for name in alone["record"] if name.startswith("loss")]
    assert ("loss_mmd_language" in names) == (case != "projection, without_mmd_l")
    assert ("projection.weight" in alone["weights"]) == ("projection" in case)
    for name in (*names, "grad_norm"):
        assert first["record"][name] == pytest.approx(alone["record"][name], rel=1e-4), name
    rounding = 1e-5 * alone["record"]["grad_norm"]
    for name, value in alone["weights"].items():
        assert torch.allclose(value, first["weights"][name], rtol=0, atol=rounding), name
        assert first["weights"][name].equal(second["weights"][name]), name
