"""`xner export` from its options to a folder that the other commands take."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from hf_xner.cli import main
from hf_xner.commands import export
from hf_xner.errors import InputError
from hf_xner.inference import export as export_module

CORPUS = "Kiel B-LOC\nis O\n\nthe O\nbank B-ORG\n\nJohn B-PER\nvisited O\nx B-MISC\ny I-MISC\n"


def run(*options: str) -> int:
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    args = parser.parse_args(["export", *options])
    return args.run(args)


@pytest.fixture
def corpus(tmp_path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    for split in ("train", "dev", "test"):
        (folder / f"{split}.conll").write_text(CORPUS)
    return folder


def test_options_reach_the_export_and_the_record_is_printed(tiny_model_dir, corpus, tmp_path, monkeypatch, capsys):
    given = {}

    def fake(name, folder, *, int8, measure, max_drop):
        from hf_xner.inference.loading import load_tagger

        given.update(name=name, folder=folder, int8=int8, max_drop=max_drop, scores=measure(*load_tagger(name)))
        graph = {"dtype": "int8", "bytes": 26_400_000, "float32_parts": ["embeddings"]}
        f1 = {"mine validation": {"plain": {"model": 40.0, "int8": 39.9}}}
        folder.mkdir()
        return {"model": {"name": "tiny"}, "graphs": {"onnx/model_int8.onnx": graph}, "f1": f1}

    monkeypatch.setattr(export_module, "export_tagger", fake)
    options = ["--onnx", "--int8", "--evaluate", str(corpus), "--max_f1_drop", "0.3"]
    assert run(str(tiny_model_dir), *options, "--output", str(tmp_path / "out")) == 0
    # Named by the corpus' last part: a record tells nothing about the machine.
    assert set(given.pop("scores")) == {"mine validation"}
    assert given == {"name": str(tiny_model_dir), "folder": tmp_path / "out", "int8": True, "max_drop": 0.3}
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/out/onnx/model_int8.onnx: int8, 26.4 MB, float32: embeddings",
        "F1 mine validation, plain: model 40.00, int8 39.90",
    ]
    assert "int8 loses at most 0.10 points" in (tmp_path / "out" / "README.md").read_text()


def test_corpora_of_one_name_are_all_measured():
    names: dict[str, int] = {}
    for spec in ("a/es", "b/es", "c/es", "conll2002:es"):
        names[export._published_name(spec, "test", names)] = 0
    assert list(names) == ["es test", "es (2) test", "es (3) test", "conll2002:es test"]


def test_mistakes_are_told_before_the_work(tiny_model_dir, corpus, tmp_path):
    out = ("--output", str(tmp_path / "out"))
    with pytest.raises(InputError, match="no format; add --onnx"):
        run(str(tiny_model_dir), *out)
    with pytest.raises(InputError, match="--max_f1_drop -1.0; give 0 or more points"):
        run(str(tiny_model_dir), "--onnx", "--max_f1_drop", "-1", *out)
    with pytest.raises(InputError, match="mine: no split 'tests'; use --split with one of train, validation, test"):
        run(str(tiny_model_dir), "--onnx", "--evaluate", str(corpus), "--split", "tests", *out)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_an_export_is_measured_and_taken_by_the_other_commands(tiny_model_dir, corpus, tmp_path, capsysbinary):
    out, text = tmp_path / "out", tmp_path / "in.txt"
    text.write_text("Angela Merkel visited Kiel.\n")
    for options in (["--int8", "--max_f1_drop", "100"], []):
        given = [*options, "--evaluate", str(corpus), "--output", str(out)]
        assert main(["export", str(tiny_model_dir), "--onnx", *given]) == 0
    figures = json.loads((out / "export.json").read_text())["f1"]["mine validation"]
    assert set(figures["plain"]) == set(figures["tagger"]) == {"model", "fp32", "int8"}
    assert figures["tagger"]["fp32"] == figures["tagger"]["model"]
    capsysbinary.readouterr()

    answers = []
    for model, dtype in ((tiny_model_dir, "fp32"), (out, "fp32"), (out, "int8")):
        assert main(["predict", str(model), str(text), "--dtype", dtype, "--device", "cpu"]) == 0
        answers.append(capsysbinary.readouterr().out)
    assert answers[0] == answers[1] and len(answers[2].split(b"\n")) == len(answers[0].split(b"\n"))

    reports = []
    for model in (tiny_model_dir, out):
        assert main(["evaluate", str(model), str(corpus), "--device", "cpu"]) == 0
        reports.append(capsysbinary.readouterr().out)
    assert reports[0] == reports[1]
    assert main(["evaluate", str(out), str(corpus), "--dtype", "int8"]) == 0
