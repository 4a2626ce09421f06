"""`xner evaluate` from its options to its report."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from hf_xner.commands import evaluate
from hf_xner.errors import InputError
from hf_xner.evaluation.metrics import entity_scores, format_conlleval
from hf_xner.evaluation.prediction_files import read_predictions

CORPUS = "Kiel B-LOC\nis O\n\nthe O\nbank B-ORG\n\nJohn B-PER\nvisited O\nx B-MISC\ny I-MISC\n"


def run(*options: str) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    args = parser.parse_args(["evaluate", *options])
    return args.run(args)


@pytest.fixture
def corpus(tmp_path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.conll").write_text(CORPUS)
    (folder / "test.conll").write_text(CORPUS)
    return folder


def columns(tmp_path: Path, name: str, *rows: str) -> str:
    path = tmp_path / name
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def test_both_figures_are_printed_and_predictions_written(tiny_model_dir, corpus, tmp_path, capsys):
    file = tmp_path / "predictions.conll"
    assert run(str(tiny_model_dir), str(corpus), "--device", "cpu", "--predictions", str(file)) == 0
    report = capsys.readouterr().out
    assert report.startswith("plain: ") and "\ntagger: " in report
    assert report.count("processed 8 tokens with 4 phrases") == 2
    _, gold, predicted = read_predictions(file)
    assert format_conlleval(entity_scores(gold, predicted)) in report


def test_one_figure_may_be_asked_for_by_the_name_it_is_printed_under(tiny_model_dir, corpus, capsys):
    for asked, other in (("plain", "tagger"), ("tagger", "plain")):
        run(str(tiny_model_dir), str(corpus), "--device", "cpu", "--decoding", asked, "--split", "train")
        report = capsys.readouterr().out
        assert report.startswith(f"{asked}: ") and f"\n{other}: " not in report


def test_a_precision_may_be_asked_for(tiny_model_dir, corpus, capsys):
    assert run(str(tiny_model_dir), str(corpus), "--device", "cpu", "--dtype", "bf16") == 0
    assert "processed 8 tokens" in capsys.readouterr().out
    with pytest.raises(InputError, match="no ONNX graph for int8"):
        run(str(tiny_model_dir), str(corpus), "--dtype", "int8")


def test_types_that_do_not_fit_are_refused(tiny_model_dir, corpus, capsys):
    (corpus / "test.conll").write_text(CORPUS.replace("MISC", "PROD"))
    with pytest.raises(InputError, match="entity types differ: .*tiny_model.* has LOC, MISC, ORG, PER; .*PROD"):
        run(str(tiny_model_dir), str(corpus), "--device", "cpu")
    run(str(tiny_model_dir), str(corpus), "--device", "cpu", "--label_map", "PROD=MISC")
    assert "processed 8 tokens with 4 phrases" in capsys.readouterr().out


def test_unknown_split_and_missing_tags_are_refused(tiny_model_dir, corpus):
    with pytest.raises(InputError, match="mine: no split 'dev'; use --split with one of train, test"):
        run(str(tiny_model_dir), str(corpus), "--split", "dev")
    (corpus / "test.conll").write_text("Kiel\nis\n")
    with pytest.raises(InputError, match="the corpus has no tags to score against"):
        run(str(tiny_model_dir), str(corpus))


def test_prediction_files_are_scored_and_compared(tmp_path, capsys):
    rows = ["Kiel B-LOC {}", "is O O", "", "John B-PER B-PER", ""] * 30
    better = columns(tmp_path, "a.conll", *(row.format("B-LOC") for row in rows))
    worse = columns(tmp_path, "b.conll", *(row.format("O") for row in rows))
    assert run("--predictions", better) == 0
    assert capsys.readouterr().out.startswith(f"{better}\nprocessed 90 tokens with 60 phrases; found: 60")
    assert run("--predictions", better, "--against", worse) == 0
    report = capsys.readouterr().out
    assert (
        "F1 100.00 against 66.67: difference +33.33" in report and "paired bootstrap, 1000 resamples of 60" in report
    )


def test_files_for_different_sentences_are_not_compared(tmp_path, capsys):
    first = columns(tmp_path, "a.conll", "Kiel B-LOC B-LOC", "", "is O O")
    for name, rows, message in [
        ("fewer", ["Kiel B-LOC B-LOC"], "1 sentences, but .*a.conll has 2"),
        ("words", ["Kiel B-LOC B-LOC", "", "was O O"], "sentence 2 has other words than in .*a.conll"),
        ("gold", ["Kiel O B-LOC", "", "is O O"], "sentence 1 has other gold tags than in .*a.conll"),
    ]:
        with pytest.raises(InputError, match=f"{name}: .*{message}; compare two predictions for the same"):
            run("--predictions", first, "--against", columns(tmp_path, name, *rows))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to score; write xner evaluate MODEL SPEC, or --predictions FILE"),
        (["model"], "a model, but no corpus to score it on"),
        (["model", "sample:es", "--against", "x"], "--against compares two prediction files"),
    ],
)
def test_options_that_do_not_fit_together(options, message):
    with pytest.raises(InputError, match=message):
        run(*options)
