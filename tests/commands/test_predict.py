"""`xner predict` from its options to its bytes."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hf_xner.commands import predict
from hf_xner.errors import InputError
from hf_xner.inference.outputs import in_iob2
from hf_xner.inference.results import TaggedSentence, TaggedToken
from hf_xner.inference.tagger import Tagger

TEXT = "Angela Merkel visited Kiel. John in Bonn.\n\nthe bank\n"


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    predict.add_parser(parser.add_subparsers())
    return parser.parse_args(["predict", *options])


def run(*options: str) -> int:
    args = parse(*options, "--device", "cpu")
    return args.run(args)


@pytest.fixture(scope="module")
def tagger(tiny_model_dir) -> Tagger:
    return Tagger.from_pretrained(str(tiny_model_dir), device="cpu")


@pytest.fixture
def stdin(monkeypatch):
    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))

    return give


def test_standard_input_to_standard_output(tiny_model_dir, tagger, stdin, capsysbinary):
    stdin(TEXT)
    assert run(str(tiny_model_dir), "--format", "jsonl") == 0
    records = [json.loads(line) for line in capsysbinary.readouterr().out.decode().splitlines()]
    assert [record["text"] for record in records] == TEXT.splitlines()
    expected = tagger.tag_text(TEXT.splitlines())
    assert [record["ner_tags"] for record in records] == [tagged.tags for tagged in expected]


def test_one_line_out_for_each_line_in(tiny_model_dir, stdin, capsysbinary):
    stdin(TEXT)
    run(str(tiny_model_dir), "--input", "words", "--format", "inline")
    assert len(capsysbinary.readouterr().out.decode().splitlines()) == len(TEXT.splitlines())


def test_conll_keeps_words_and_gold_and_is_ready_for_evaluation(tiny_model_dir, tagger, tmp_path):
    from hf_xner.evaluation.prediction_files import read_predictions

    file, output = tmp_path / "in.conll", tmp_path / "out.conll"
    file.write_text("-DOCSTART- O\n\nKiel NNP B-LOC\nthe DT O\n\nJohn NNP I-PER\n")
    assert run(str(tiny_model_dir), str(file), "--output", str(output), "--decoding", "viterbi") == 0
    tokens, gold, predicted = read_predictions(output)
    assert tokens == [["Kiel", "the"], ["John"]]
    assert gold == [["B-LOC", "O"], ["I-PER"]]
    viterbi = Tagger(tagger.model, tagger.tokenizer, decoding="viterbi")
    assert predicted == [tagged.tags for tagged in viterbi.tag_words(tokens)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.conll", "out.conll"]


def test_other_schemes_are_written_as_iob2():
    tokens = [
        TaggedToken(text, 0, 1, tag, 1.0)
        for text, tag in zip("abcd", ("B-PER", "E-PER", "S-LOC", "S-LOC"), strict=True)
    ]
    tagged = TaggedSentence("a b c d", tokens, [], [(0, 3), (3, 4)], 4, 1, False)
    assert in_iob2(tagged, "iobes").tags == ["B-PER", "I-PER", "B-LOC", "B-LOC"]
    assert in_iob2(tagged, "iob2") is tagged


def test_threshold_leaves_entities_out(tiny_model_dir, stdin, capsysbinary):
    """User demand 25."""
    outcomes = {}
    for threshold in ("0", "1"):
        stdin(TEXT)
        run(str(tiny_model_dir), "--format", "jsonl", "--threshold", threshold)
        lines = capsysbinary.readouterr().out.decode().splitlines()
        outcomes[threshold] = sum(len(json.loads(line)["entities"]) for line in lines)
    assert outcomes["0"] > outcomes["1"] == 0
    with pytest.raises(InputError, match="--threshold 2.0; give a number between 0 and 1"):
        run(str(tiny_model_dir), "--threshold", "2")


def test_nothing_in_gives_nothing_out(tiny_model_dir, stdin, capsysbinary):
    stdin("")
    assert run(str(tiny_model_dir)) == 0
    assert capsysbinary.readouterr().out == b""


def test_a_mistake_leaves_no_half_written_file(tiny_model_dir, tmp_path):
    file, output = tmp_path / "in.jsonl", tmp_path / "out.conll"
    file.write_text('{"text": "Kiel"}\n{"tokens": []}\n')
    with pytest.raises(InputError, match=r"in.jsonl:2: expected 'text'"):
        run(str(tiny_model_dir), str(file), "--output", str(output))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
    with pytest.raises(InputError, match="missing.txt: cannot read the file"):
        run(str(tiny_model_dir), str(tmp_path / "missing.txt"))
    (tmp_path / "in.txt").write_text("Kiel")
    with pytest.raises(InputError, match="out.conll: cannot write the file"):
        run(str(tiny_model_dir), str(tmp_path / "in.txt"), "--output", str(tmp_path / "in.txt" / "out.conll"))


def test_the_text_is_not_written_over(tiny_model_dir, tmp_path):
    (tmp_path / "in.txt").write_text("Kiel")
    os.symlink(tmp_path / "in.txt", tmp_path / "also.txt")
    for name in ("in.txt", "also.txt"):
        with pytest.raises(InputError, match=rf"--output .*{name}: this is the file to tag; name another one"):
            run(str(tiny_model_dir), str(tmp_path / "in.txt"), "--output", str(tmp_path / name))
    assert (tmp_path / "in.txt").read_text() == "Kiel"


def test_packed_text_is_unpacked(tiny_model_dir, tmp_path, capsysbinary):
    (tmp_path / "in.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "in.txt").write_text(TEXT)
    answers = []
    for name in ("in.txt", "in.txt.gz"):
        assert run(str(tiny_model_dir), str(tmp_path / name)) == 0
        answers.append(capsysbinary.readouterr().out)
    assert answers[0] == answers[1] != b""
    (tmp_path / "in.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="in.txt.gz: cannot be unpacked"):
        run(str(tiny_model_dir), str(tmp_path / "in.txt.gz"))


def test_a_run_for_a_model_and_a_path_that_is_not_there(tiny_model_dir, tmp_path):
    (tmp_path / "in.txt").write_text("Kiel")
    (tmp_path / "run" / "student").mkdir(parents=True)
    with pytest.raises(InputError, match=r"run: this is the folder of a run; its model is .*run/student"):
        run(str(tmp_path / "run"), str(tmp_path / "in.txt"))
    with pytest.raises(InputError, match=r"rum/student: no .* could be loaded .no such folder.; check the path"):
        run(str(tmp_path / "rum" / "student"), str(tmp_path / "in.txt"))


def test_long_sentences_are_refused_where_asked(tiny_model_dir, stdin):
    """User demand 4."""
    stdin("the " * 200)
    with pytest.raises(InputError, match="a sentence of 200 sub-words, but the model takes 62 at once"):
        run(str(tiny_model_dir), "--on_long_input", "error")


def start(model: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "hf_xner.cli", "predict", str(model), "--device", "cpu", *options]
    environment = os.environ | {"PYTHONPATH": str(Path(predict.__file__).parents[2])}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)


def test_a_pipe_is_answered_line_by_line_until_its_reader_has_enough(tiny_model_dir):
    with start(tiny_model_dir, "--format", "inline", "--chunk", "1") as process:
        for line in (b"Kiel\n", b"\n", b"the bank\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        process.stdin.write(b"Kiel\n")
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


def test_importing_the_command_imports_nothing_heavy():
    code = (
        "import sys; from hf_xner.commands import evaluate, predict;"
        "print([name for name in ('torch', 'transformers', 'datasets', 'numpy') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(predict.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
