from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hf_xner.errors import InputError
from hf_xner.pretraining.export import export_encoder, loss_curve
from hf_xner.pretraining.initialise import Vectors, vector_width
from hf_xner.pretraining.prepare import check_prepared
from hf_xner.pretraining.rows import RowSettings
from hf_xner.pretraining.train import COMPLETE, Schedule, Shape, latest_checkpoint, stages, train

SHAPE = Shape(layers=2, hidden=64, heads=2, intermediate=64)
ROWS = RowSettings(length=16, positions=64)
SCHEDULE = Schedule(steps=8, batch=4, candidates=30, warmup=2)
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "pretrain_mini.py"


def run(prepared, folder, schedule=SCHEDULE, shape=SHAPE):
    data, tokenizer = prepared
    rng = np.random.default_rng(0)
    tables = 0.1 * rng.standard_normal((2, len(tokenizer), vector_width(shape.hidden))).astype(np.float32)
    vectors = Vectors(tables[0], tables[1], np.ones(len(tokenizer), np.int64))
    return train(folder, data, tokenizer, ["en", "es"], lambda: vectors, shape=shape, rows=ROWS, schedule=schedule)


def same(one, other) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(left, right) for left, right in pairs)


class Killed(Exception):
    pass


def test_resuming_equals_an_undisturbed_run(prepared, tmp_path, monkeypatch):
    undisturbed = run(prepared, tmp_path / "one")
    from hf_xner.pretraining.train import Checkpoints

    honest = Checkpoints.on_step_end

    def kill_at_six(self, args, state, control, **kwargs):
        if state.global_step == 6:
            raise Killed
        control = honest(self, args, state, control, **kwargs)
        control.should_save = control.should_save or state.global_step == 4
        return control

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_step_end", kill_at_six)
        with pytest.raises(Killed):
            run(prepared, tmp_path / "two")
    assert latest_checkpoint(tmp_path / "two" / "stage-2").name == "checkpoint-4"
    resumed = run(prepared, tmp_path / "two")
    assert same(undisturbed, resumed)


def test_a_checkpoint_that_was_cut_off_is_not_used(tmp_path):
    for number, complete in ((4, True), (9, True), (12, False)):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if complete:
            (tmp_path / f"checkpoint-{number}" / COMPLETE).touch()
    assert latest_checkpoint(tmp_path).name == "checkpoint-9"
    assert not (tmp_path / "checkpoint-12").exists()
    assert latest_checkpoint(tmp_path / "nothing") is None


def test_growing_in_stages(prepared, tmp_path):
    schedule = replace(SCHEDULE, growth=[(1, 3)])
    model = run(prepared, tmp_path, schedule)
    assert model.config.num_hidden_layers == 2
    curve = loss_curve(tmp_path, [1, 2], schedule.batch, ROWS.length)
    assert [entry["layers"] for entry in curve if "eval_es_loss" in entry] == [1, 2]
    assert curve[-1]["step"] == 8 and curve[-1]["subwords"] == 8 * 4 * 16
    # Done is done: a second call trains nothing.
    files = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file())
    assert same(run(prepared, tmp_path, schedule), model)
    assert files == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.is_file())


def test_ending_early_and_going_on(prepared, tmp_path):
    early = run(prepared, tmp_path, replace(SCHEDULE, steps=4))
    assert latest_checkpoint(tmp_path / "stage-2").name == "checkpoint-4"
    later = run(prepared, tmp_path, replace(SCHEDULE, steps=6))
    assert latest_checkpoint(tmp_path / "stage-2").name == "checkpoint-6" and not same(early, later)
    with pytest.raises(InputError, match="--steps: 6 steps are done, and of 5 the rate falls from step 4 on; give 8"):
        run(prepared, tmp_path, replace(SCHEDULE, steps=5))
    run(prepared, tmp_path, replace(SCHEDULE, steps=7))  # it had decayed, and decays again
    # Stopped at a step of its own choice: that is no end, for its rate has not fallen.
    state = tmp_path / "stage-2" / "checkpoint-7" / "trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"max_steps": 100}))
    with pytest.raises(InputError, match="--steps: 7 steps are done, and of 7 the rate falls from step 5 on; give 9"):
        run(prepared, tmp_path, replace(SCHEDULE, steps=7))


def test_layers_are_not_grown_before_steps_that_are_done(prepared, tmp_path):
    run(prepared, tmp_path, replace(SCHEDULE, growth=[(1, 5)]))
    with pytest.raises(InputError, match="--growth: 5 steps are done with these layers; give 5 again"):
        run(prepared, tmp_path, replace(SCHEDULE, growth=[(1, 3)]))


def test_a_folder_is_prepared_once(tmp_path):
    check_prepared(tmp_path, {"languages": ["en", "es"], "corpora": []})
    check_prepared(tmp_path, {"languages": ["en", "es"], "corpora": []})
    with pytest.raises(InputError, match=r"--corpora: .* was prepared with \[\], not \['a:es'\]; take another"):
        check_prepared(tmp_path, {"languages": ["en", "es"], "corpora": ["a:es"]})


def test_training_learns(prepared, tmp_path):
    run(prepared, tmp_path, replace(SCHEDULE, steps=100, learning_rate=3e-3, batch=16, decay=0.5))
    (state,) = (tmp_path / "stage-2").glob("checkpoint-100/trainer_state.json")
    logs = json.loads(state.read_text())["log_history"]
    final = [entry["eval_en_loss"] for entry in logs if "eval_en_loss" in entry][-1]
    assert final < 3.6  # answering by frequency alone gives 3.9


def test_rate_rises_holds_and_falls():
    schedule = Schedule(steps=100, warmup=10, decay=0.2)
    assert [schedule.factor(step) for step in (0, 9, 50, 80, 90, 100)] == pytest.approx([0.1, 1, 1, 1, 0.5, 0])


def test_stages():
    assert stages(SHAPE, Schedule(steps=9, growth=[(1, 4)])) == [(1, 0, 4), (2, 4, 9)]
    with pytest.raises(ValueError, match="3 steps end before the encoder has its 2 layers"):
        stages(SHAPE, Schedule(steps=3, growth=[(1, 4)]))


def test_export_is_an_ordinary_encoder(prepared, tmp_path):
    from transformers import AutoModel, AutoModelForTokenClassification, AutoTokenizer

    model = run(prepared, tmp_path / "run", replace(SCHEDULE, steps=2))
    export_encoder(model, prepared[1], tmp_path / "encoder")
    encoder = AutoModel.from_pretrained(tmp_path / "encoder")
    assert type(encoder).__name__ == "BertModel" and encoder.dtype == torch.float32
    assert encoder.config.hidden_dropout_prob == 0.1 and not hasattr(encoder.config, "candidates")
    ids = AutoTokenizer.from_pretrained(tmp_path / "encoder")("the dog", return_tensors="pt")
    with torch.no_grad():
        ours, theirs = (net.eval()(**ids).last_hidden_state for net in (model.bert, encoder))
    assert torch.allclose(ours, theirs, atol=0.02)
    tagger = AutoModelForTokenClassification.from_pretrained(tmp_path / "encoder", num_labels=9)
    assert torch.equal(tagger.bert.encoder.layer[1].output.dense.weight, encoder.encoder.layer[1].output.dense.weight)


COMMAND = ["--languages", "en", "es", "--vocab_size", "120", "--layers", "2", "--hidden", "64", "--heads", "2",
           "--intermediate", "64", "--length", "16", "--positions", "64", "--batch", "4", "--candidates", "30",
           "--steps", "6", "--growth", "1:3", "--vector_epochs", "1"]  # fmt: skip


def test_the_command(toy, tmp_path):
    pytest.importorskip("gensim")
    place = ["--text", toy, "--parallel", toy, "--dictionaries", toy, "--output_dir", tmp_path]
    place += ["--corpora", "sample:en", "sample:es"]
    done = subprocess.run([sys.executable, SCRIPT, *map(str, place), *COMMAND], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(f"the encoder is in {tmp_path / 'encoder'}")
    assert {path.name for path in (tmp_path / "encoder").iterdir()} >= {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "loss_curve.json", "README.md",
    }  # fmt: skip
    assert [path.name for path in sorted((tmp_path / "curve").iterdir())] == ["step-0000003", "step-0000006"]
    assert not list(tmp_path.rglob("*.partial*"))
    card = (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8")
    assert "- corpora: sample:en sample:es" in card and "was not recorded" in card
    gone = [*place[:6], "--output_dir", tmp_path, "--corpora", "sample:en", "sample:es"]
    gone[1] = gone[3] = gone[5] = tmp_path / "gone"  # as on another machine
    changed = (["--learning_rate", "1e-4"], "--learning_rate: ", "was trained with 0.001, not 0.0001; take another")
    for options, *message in ([[]], changed):
        again = [sys.executable, SCRIPT, *map(str, gone), *COMMAND, *options]
        done = subprocess.run(again, capture_output=True, text=True)
        assert done.returncode == (2 if message else 0), done.stderr
        assert all(part in done.stderr for part in message)
    assert card == (tmp_path / "encoder" / "README.md").read_text(encoding="utf-8").replace(": gone", f": {toy.name}")
    assert "Million sub-words of text: en 0." in card


def test_words_of_corpora_become_text_without_tags(tmp_path):
    from hf_xner.data.corpora import load_corpus
    from hf_xner.pretraining.domain import corpus_text

    (folder,) = corpus_text(tmp_path, ["sample:en", "sample:es", "sample:es"], ["en", "es"])
    spanish = load_corpus("sample:es")["train"]["tokens"]
    written = (folder / "es.txt").read_text(encoding="utf-8").splitlines()
    assert written == [" ".join(words) for words in spanish] * 2
    assert corpus_text(tmp_path, [], ["en"]) == []
    with pytest.raises(InputError, match="--corpora: sample:nl is in nl, not in en, es"):
        corpus_text(tmp_path / "other", ["sample:nl"], ["en", "es"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--growth", "1-3"], "--growth: '1-3' is not LAYERS:STEP; write for example 3:8000"),
        (["--layers", "3", "--growth", "2:3"], "--growth: depths [2, 3] are not each a multiple of the one before"),
        (["--steps", "2"], "--steps: 2 steps end before the last growth at step 3"),
        (["--heads", "3"], "--hidden, --heads: 64 are no 3 heads of one width, 32 or more"),
        (["--heads", "0"], "--heads: 0 is too few; give 1 or more"),
        (["--batch", "0"], "--batch: 0 is too few; give 1 or more"),
        (["--parallel", "nowhere"], "--parallel nowhere: nothing for any of es; check the path"),
        (["--dictionaries", "nowhere"], "--dictionaries nowhere: nothing for any of es; check the path"),
        (
            ["--languages", "es", "--parallel", "x"],
            "--languages: --parallel is between en and other languages; name en",
        ),
        (["--corpora", "sample:nl"], "--corpora: sample:nl is in nl, not in en, es; add the language to --languages"),
        (["--heads", "4"], "--hidden, --heads: 64 are no 4 heads of one width, 32 or more"),
        (["--length", "65"], "--length: rows of 65 sub-words; give 8 to 64 (--positions)"),
        (["--length", "2"], "--length: rows of 2 sub-words; give 8 to 64 (--positions)"),
        (["--languages", "en", "en"], "--languages: a language is named twice"),
        (["--languages", "xx"], "no xx.txt or xx.txt.xz; add the file or leave the language out of --languages"),
    ],
)
def test_wrong_options_give_one_line(toy, tmp_path, options, message, capsys, monkeypatch):
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import pretrain_mini
    finally:
        sys.path.pop(0)
    arguments = ["x", "--text", str(toy), "--output_dir", str(tmp_path), *COMMAND, *options]
    monkeypatch.setattr(sys, "argv", arguments)
    assert pretrain_mini.main() == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert message in error[-1] and not (tmp_path / "prepared.json").exists()
    shutil.rmtree(tmp_path / "tokenizer", ignore_errors=True)
