from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from transformers import BertConfig, BertModel

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import evaluate_mini

    return evaluate_mini


def test_table(script):
    results = [{"encoder": "new", "seed": seed, "f1": {"a": 80.0 + seed, "b": 50.0}} for seed in (1, 2, 3)]
    results.append({"encoder": "first", "seed": 1, "f1": {"a": 76.0, "b": 30.0}})
    assert script.table(results, ["a", "b"]).splitlines() == [
        "| encoder | a | b |",
        "|---|---|---|",
        "| new | 82.0 ± 1.0 | 50.0 ± 0.0 |",
        "| first | 76.0 | 30.0 |",
    ]


def test_scores_are_kept_and_not_made_again(script, tmp_path, tiny_encoder_dir, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(script, "score", lambda *a: calls.append(a[:2]) or {"a": 50.0 + len(calls), "b": 1.0})
    command = [
        "x",
        "--encoders",
        f"new={tiny_encoder_dir}",
        "--corpora",
        "a",
        "b",
        "--output",
        str(tmp_path / "t.json"),
    ]
    monkeypatch.setattr(sys, "argv", [*command, "--seeds", "1"])
    assert script.main() == 0 and len(calls) == 2
    monkeypatch.setattr(sys, "argv", [*command, "--seeds", "1", "2"])
    assert script.main() == 0 and len(calls) == 4
    assert "| random twin | 53.0 ± 1.4 | 1.0 ± 0.0 |" in capsys.readouterr().out
    # Another encoder under the same name is another one.
    other = BertModel.from_pretrained(tiny_encoder_dir)
    other.embeddings.word_embeddings.weight.data += 1
    shape = BertConfig.from_pretrained(tiny_encoder_dir, num_hidden_layers=1)
    for name, model in (("weights", other), ("shape", BertModel(shape))):
        shutil.copytree(tiny_encoder_dir, tmp_path / name)
        model.save_pretrained(tmp_path / name)
        command[2] = f"new={tmp_path / name}"
        monkeypatch.setattr(sys, "argv", [*command, "--seeds", "1"])
        assert script.main() == 0
    assert len(calls) == 4 + 1 + 2, "the twin of a shape is always the same one"


def test_twin_has_other_weights(script, tiny_encoder_dir, tmp_path):
    from transformers import AutoModel

    twin = AutoModel.from_pretrained(script._random_twin(str(tiny_encoder_dir), tmp_path / "twin"))
    own = AutoModel.from_pretrained(tiny_encoder_dir)
    assert twin.config.num_hidden_layers == own.config.num_hidden_layers
    assert not (twin.embeddings.word_embeddings.weight == own.embeddings.word_embeddings.weight)[5:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoders", "folder"], "--encoders: 'folder' is not NAME=FOLDER"),
        ([], "nothing to evaluate; give --encoders or a --curve that holds encoders"),
    ],
)
def test_wrong_options_give_one_line(script, tmp_path, options, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x", "--output", str(tmp_path / "t.json"), *options])
    assert script.main() == 2
    assert capsys.readouterr().err.strip() == message
