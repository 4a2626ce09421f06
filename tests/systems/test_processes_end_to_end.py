"""Two processes do what one does: the same gradient, the same soft labels, the same figures, one results.json."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_xner.data.rows import read_soft_labels

from .toy import Finished, command_line, stage_folders, subprocess_environment


def test_two_processes_run_tsl_end_to_end(finished: Finished, tmp_path: Path):
    store, run = tmp_path / "store", tmp_path / "run"
    shutil.copytree(finished.store / "train", store / "train")
    options = {**finished.options, "store": store, "output_dir": run, "variants": ["tsl"], "micro_batch_size": 4}
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
        + ["--rdzv_backend", "c10d", "--rdzv_endpoint", "127.0.0.1:0"]
        + ["-m", "hf_xner.launch", "tsl", *command_line(options)],
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "world size 2" in (run / "log.txt").read_text().splitlines()[0]
    assert ended.stdout.count("F1 plain") == 1
    assert len(json.loads((run / "run.json").read_text())["starts"]) == 1

    assert len(stage_folders(store, "train")) == 1, "the teacher is the one that was there"
    (alone,), (together,) = finished.stages("soft_labels"), stage_folders(store, "soft_labels")
    assert len(list(together.glob("soft_labels-*.arrow"))) == 2
    one, two = (read_soft_labels(folder)["soft_labels"][:] for folder in (alone, together))
    assert [len(row) for row in one] == [len(row) for row in two]
    assert all(np.allclose(row, other, rtol=0, atol=1e-3) for row, other in zip(one, two, strict=True))

    results = json.loads((run / "results.json").read_text())
    assert results["student"] == "tsl" and results["sets"]["target_test"]["sentences"] == 13
    assert (run / "student" / "model.safetensors").stat().st_size > 0
    (distilled,) = stage_folders(store, "distil")
    steps = [json.loads(line)["step"] for line in (distilled / "history.jsonl").read_text().splitlines()]
    assert steps[-1] == 8, "30 sentences in batches of 8, twice"


def score(model_folder: str, corpus: str, out: str) -> None:
    """Evaluate in training as each process does; every process writes what it got."""
    import torch
    from accelerate import PartialState
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()
    from hf_xner.data import load_corpus
    from hf_xner.inference.loading import load_tagger
    from hf_xner.training.arguments import TokenClassificationArguments
    from hf_xner.training.trainer import TokenClassificationTrainer

    model, tokenizer = load_tagger(model_folder)
    arguments = TokenClassificationArguments(output_dir=f"{out}/trainer", use_cpu=True, disable_tqdm=True)
    trainer = TokenClassificationTrainer(model=model, args=arguments, processing_class=tokenizer)
    data = load_corpus(corpus, cache_dir=f"{out}/cache-{PartialState().process_index}")["test"]
    found = {"metrics": trainer.evaluate(data), "scores": trainer.score(data).to_dict(), "world": arguments.world_size}
    Path(out, f"rank-{PartialState().process_index}.json").write_text(json.dumps(found))


def one_step(model_folder: str, out: str) -> None:
    """One step of gradient descent over eight rows of very uneven length, however many processes share them."""
    import torch
    from datasets import Dataset

    torch.set_num_threads(1)
    from hf_xner.data.encoding import WordEncoder
    from hf_xner.data.rows import RowCollator, TrainingRows, write_encoded
    from hf_xner.inference.loading import load_tagger
    from hf_xner.training.arguments import TokenClassificationArguments
    from hf_xner.training.trainer import TokenClassificationTrainer

    model, tokenizer = load_tagger(model_folder)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    settings = {"optim": "sgd", "learning_rate": 0.5, "warmup_steps": 0, "weight_decay": 0.0, "max_grad_norm": 1e9}
    settings |= {"logging_steps": 1, "save_strategy": "no", "use_cpu": True, "disable_tqdm": True}
    arguments = TokenClassificationArguments(output_dir=f"{out}/trainer", num_train_epochs=1, **settings)
    arguments.per_device_train_batch_size = 8 // arguments.world_size
    tokens = [["Kiel", "the"] * length for length in (1, 1, 2, 3, 5, 8, 13, 20)]
    data = Dataset.from_dict({"tokens": tokens, "ner_tags": [[index % 7 for index in range(len(t))] for t in tokens]})
    place = Path(out, f"rows-{arguments.process_index}.arrow")
    rows = TrainingRows(write_encoded(data, WordEncoder(tokenizer, max_length=64), place), hard_labels=data)
    collate = RowCollator(tokenizer.pad_token_id)
    trainer = TokenClassificationTrainer(model=model, args=arguments, train_dataset=rows, data_collator=collate)
    trainer.train()
    (record,) = [record for record in trainer.state.log_history if "loss" in record]
    torch.save({"record": record, "weights": model.state_dict()}, f"{out}/step-{arguments.process_index}.pt")


def in_processes(function: Any, arguments: tuple[str, ...], count: int) -> None:
    """Run `function` in `count` processes that form a group; in this one's child, which has computed nothing yet."""
    from accelerate import debug_launcher

    if count == 1:
        function(*arguments)
    else:
        debug_launcher(function, args=arguments, num_processes=count)


@pytest.fixture(scope="module")
def launch() -> Any:
    """Runs a function of this module in one or two processes with the libraries imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hf_xner.systems.tsl", "hf_xner.systems.runner"])

    def run(function: Any, arguments: tuple[str, ...], count: int) -> None:
        process = context.Process(target=in_processes, args=(function, arguments, count))
        process.start()
        process.join(600)
        assert process.exitcode == 0

    return run


def test_evaluation_on_two_processes_equals_one(finished: Finished, launch: Any, tmp_path: Path):
    (teacher,) = finished.stages("train")
    found: dict[int, list[dict[str, Any]]] = {}
    for count in (1, 2):
        out = tmp_path / str(count)
        out.mkdir()
        launch(score, (str(teacher / "model"), finished.options["target"], str(out)), count)
        found[count] = [json.loads((out / f"rank-{rank}.json").read_text()) for rank in range(count)]
    assert [one["world"] for one in found[2]] == [2, 2]
    assert found[2][0] == found[2][1]
    for part in ("metrics", "scores"):
        assert found[2][0][part] == found[1][0][part]
    assert found[1][0]["scores"]["n_sentences"] == 13 and found[1][0]["metrics"]["eval_f1"] > 0
    plain = finished.results["variants"]["mt"]["target_test"]["plain"]["f1"]["mean"]
    assert found[2][0]["metrics"]["eval_f1"] == pytest.approx(plain)


def test_gradient_of_two_processes_equals_that_of_one(finished: Finished, launch: Any, tmp_path: Path):
    import torch
    from safetensors.torch import load_file

    (teacher,) = finished.stages("train")
    found: dict[int, list[dict[str, Any]]] = {}
    for count in (1, 2):
        out = tmp_path / str(count)
        out.mkdir()
        launch(one_step, (str(teacher / "model"), str(out)), count)
        found[count] = [torch.load(out / f"step-{rank}.pt", weights_only=False) for rank in range(count)]
    (alone,), (first, second) = found[1], found[2]
    start = load_file(teacher / "model" / "model.safetensors")
    assert max(float((value - start[name]).abs().max()) for name, value in alone["weights"].items()) > 1e-3
    for name, value in alone["weights"].items():
        assert torch.allclose(value, first["weights"][name], rtol=0, atol=1e-6), name
        assert first["weights"][name].equal(second["weights"][name]), name
    for name in ("loss", "loss_ce"):
        assert first["record"][name] == pytest.approx(alone["record"][name], abs=1e-5)
