"""`xner review` from its options to what it leaves, through pipes as over ssh."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hf_xner.cli import main
from hf_xner.commands import review
from hf_xner.data.readers import read_file
from tests.demo.fixtures import toy_run

__all__ = ["toy_run"]

LINES = [
    "Angela Merkel visited Kiel .",
    "John visited the bank in Bonn .",
    "the bank",
    "Bonn",
    "a bank in Kiel",
    "Merkel ( John )",
]
PROMPT = re.compile(r"-- (\d+) of (\d+), sentence ([\d,]+) of the text")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "my.words"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.fixture
def answers(monkeypatch):
    """What a person types into a pipe."""

    def give(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    give()
    return give


def start(*options: str | Path) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(Path(review.__file__).parents[2]), "COLUMNS": "80"}
    command = [sys.executable, "-m", "hf_xner.cli", "review", *map(str, options), "--device", "cpu"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, text=True)


def next_prompt(process: subprocess.Popen) -> tuple[int, int, int]:
    """Read until the next sentence is shown: its position, the size of the sample, its number in the text."""
    while line := process.stdout.readline():
        if found := PROMPT.match(line):
            return int(found[1]), int(found[2]), int(found[3].replace(",", ""))
    raise AssertionError(process.stderr.read())


def say(process: subprocess.Popen, line: str) -> None:
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def test_a_killed_review_goes_on_where_it_was(tiny_model_dir, text, tmp_path):
    output = tmp_path / "review"
    options = [tiny_model_dir, "--output", output]
    numbers = []
    with start(*options, "--text", text, "--sentences", "4") as process:
        for line in ("1 PER", "1-99 LOC", "q"):
            position, size, number = next_prompt(process)
            numbers.append(number)
            if line == "q":
                process.send_signal(signal.SIGKILL)
            else:
                say(process, line)
                say(process, "")
    assert len(json.loads((output / "answers.json").read_text())) == 2
    assert not (output / "report.json").exists()
    with start(*options) as process:
        assert next_prompt(process) == (3, 4, numbers[2])
        say(process, "s")
        assert next_prompt(process)[0] == 4
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 0, process.stderr.read()
    assert "3 of 4 drawn sentences looked at" in rest and "1 drawn sentences are left" in rest
    file = read_file(output / "reviewed.conll")
    assert [sentence.tokens for sentence in file.sentences] == [LINES[number - 1].split() for number in numbers[:2]]
    assert [sentence.tags[0] for sentence in file.sentences][0] == "B-PER"


def test_a_review_from_beginning_to_report(tiny_model_dir, text, tmp_path, answers, capsys):
    """Fewer sentences than the 100 that are asked for: all are judged, and the figures are exact."""
    options = ["review", str(tiny_model_dir), "--output", str(tmp_path / "review"), "--device", "cpu"]
    answers(*["1-99 -, 1 PER", "1 PER", ""] * len(LINES))
    assert main([*options, "--text", str(text)]) == 0
    out = capsys.readouterr().out
    assert f"{len(LINES)} of {len(LINES)} drawn sentences looked at" in out
    assert "The whole text, judged" in out and "every sentence of the text is judged" in out
    assert "there are no words 1 to 99" in out and "No teacher to compare with" in out
    report = json.loads((tmp_path / "review" / "report.json").read_text())
    assert report["estimates"]["recall"]["low"] == report["estimates"]["recall"]["high"]
    # Judged to the end, so nothing is asked any more; --report needs neither text nor model.
    assert main([*options, "--text", str(text)]) == 0
    again = capsys.readouterr().out
    assert "-- 1 of" not in again and "The whole text, judged" in again
    assert main(["review", "/nowhere", "--output", str(tmp_path / "review"), "--report"]) == 0
    assert capsys.readouterr().out.strip() in again


def test_more_sentences_are_drawn_when_asked_for(tiny_model_dir, text, tmp_path, answers, capsys):
    options = ["review", str(tiny_model_dir), "--output", str(tmp_path / "review"), "--device", "cpu"]
    teacher = ["--teacher", str(tiny_model_dir)]
    answers("", "")
    assert main([*options, "--text", str(text), "--sentences", "2", *teacher]) == 0
    out = capsys.readouterr().out
    assert "a larger --sentences draws more" in out and "agree on 100.0 % of entities" in out
    assert main([*options, "--sentences", "3"]) == 2
    assert "--text: 2 sentences are drawn, and drawing more needs the text; add --text FILE" in capsys.readouterr().err
    # Without its teacher the further sentences would count as ones in which it finds nothing.
    assert main([*options, "--text", str(text), "--sentences", "3"]) == 2
    assert "--teacher: the review compares with a teacher" in capsys.readouterr().err
    answers("")
    assert main([*options, "--text", str(text), "--sentences", "3", *teacher]) == 0
    out = capsys.readouterr().out
    assert PROMPT.search(out)[0].startswith("-- 3 of 3") and "3 of 3 drawn sentences looked at" in out
    assert "(its teacher)" in out


def test_more_is_drawn_with_the_teacher_that_is_found_from_the_run(toy_run, text, tmp_path, answers, capsys):
    """As the README shows it: nobody names the teacher, neither to begin nor to draw more."""
    options = ["review", str(toy_run), "--output", str(tmp_path / "review"), "--device", "cpu", "--text", str(text)]
    answers("", "")
    assert main([*options, "--sentences", "2"]) == 0
    answers("")
    assert main([*options, "--sentences", "3"]) == 0
    out = capsys.readouterr().out
    assert "3 of 3 drawn sentences looked at" in out and "The teacher is teacher, seed 1" in out
    run = json.loads((toy_run / "run.json").read_text())
    run["arguments"]["store"] = str(tmp_path / "nowhere")
    pruned = shutil.copytree(toy_run, tmp_path / "pruned")
    (pruned / "run.json").write_text(json.dumps(run))
    options[1] = str(pruned)
    assert main([*options, "--sentences", "4"]) == 2
    told = capsys.readouterr().err
    assert "--teacher: the review compares with a teacher (teacher, seed 1), and drawing more needs it: " in told
    assert "is no longer in the store; give the same --teacher" in told and told.count("\n") == 1


def test_a_text_goes_on_being_read_as_it_began(tiny_model_dir, text, tmp_path, answers, capsys):
    options = ["review", str(tiny_model_dir), "--output", str(tmp_path / "review"), "--device", "cpu"]
    moved = text.rename(tmp_path / "my.txt")  # a text of several sentences a line, by its name
    moved.write_text("John visited Bonn . Angela Merkel visited Kiel .\nthe bank\nBonn\n")
    assert main([*options, "--text", str(moved), "--input", "words", "--sentences", "2"]) == 0
    capsys.readouterr()
    assert main([*options, "--text", str(moved), "--input", "text", "--sentences", "3"]) == 2
    assert "--input: the review began with the text read as words, not text" in capsys.readouterr().err
    assert main([*options, "--text", str(moved), "--sentences", "3"]) == 0
    drawn = [json.loads(line) for line in (tmp_path / "review" / "sample.jsonl").read_text().splitlines()]
    assert sorted(" ".join(one["words"]) for one in drawn) == sorted(moved.read_text().splitlines())


def test_what_cannot_be_meant_ends_with_one_line(tiny_model_dir, text, tmp_path, answers, capsys):
    output = tmp_path / "review"
    options = ["review", str(tiny_model_dir), "--output", str(output), "--device", "cpu"]

    def refused(*more: str) -> str:
        assert main([*options, *more]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("xner: ") and captured.err.count("\n") == 1
        return captured.err

    assert "--text: no text was given" in refused()
    assert "holds no review" in refused("--report")
    assert "cannot read the file" in refused("--text", str(tmp_path / "missing.txt"))
    assert "which a pipe does not allow" in refused("--text", "-")
    (tmp_path / "empty.txt").write_text("\n")
    assert "there is no sentence in it" in refused("--text", str(tmp_path / "empty.txt"))
    assert "--sentences: 0 sentences" in refused("--text", str(text), "--sentences", "0")
    assert not output.exists()

    assert main([*options, "--text", str(text), "--sentences", "3"]) == 0
    capsys.readouterr()
    assert "--seed: the review began with 1, not 2" in refused("--seed", "2")
    assert "--random_share: the review began with 0.333" in refused("--random_share", "1")
    text.write_text(text.read_text() + "Kiel\n")
    assert "the text has changed since the review began" in refused("--text", str(text))


def test_another_tagger_is_not_reviewed_by_the_same_answers(tiny_model_dir, text, tmp_path, answers, capsys):
    model = tmp_path / "model"
    shutil.copytree(tiny_model_dir, model)
    options = ["review", str(model), "--output", str(tmp_path / "review"), "--device", "cpu", "--text", str(text)]
    assert main(options) == 0
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "xner": {"temperature": 2.0}}))
    assert main(options) == 2
    assert "the tagger is not the one that the review began with" in capsys.readouterr().err


def test_page_serves_the_same_session(tiny_model_dir, text, tmp_path, monkeypatch, capsys):
    served = []
    monkeypatch.setattr("hf_xner.review.page.serve", lambda session, port: served.append((session, port)))
    options = [
        "--text",
        str(text),
        "--output",
        str(tmp_path / "review"),
        "--device",
        "cpu",
        "--page",
        "--port",
        "7999",
    ]
    assert main(["review", str(tiny_model_dir), *options]) == 0
    [(session, port)] = served
    assert len(session.drawn) == len(LINES) and port == 7999
    assert "drawn sentences are left: the same command goes on" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_is_reviewed_against_real_text_and_comes_near_the_truth(tmp_path, data_dir):
    """A small transfer, judged by an oracle through the pipe: the truth lies near the interval, teacher included."""
    from hf_xner.evaluation.metrics import entity_scores
    from hf_xner.inference.tagger import Tagger
    from hf_xner.labels import spans_from_tags
    from hf_xner.launch import train

    train(
        "tsl",
        source=["sample:en"],
        target="sample:es",
        variants=["mt", "tsl"],
        max_target_sentences=300,
        teacher_epochs=1.0,
        student_epochs=1.0,
        evaluate_on=[],
        store=str(tmp_path / "store"),
        output_dir=str(tmp_path / "run"),
    )
    gold = read_file(data_dir / "corpora" / "conll2002" / "es" / "esp.testb").sentences
    words = tmp_path / "es.conll"
    words.write_text("\n".join("".join(f"{token}\n" for token in sentence.tokens) for sentence in gold))
    with start(tmp_path / "run", "--text", words, "--sentences", "60") as process:
        for _ in range(60):
            sentence = gold[next_prompt(process)[2] - 1]
            parts = [f"{span.start + 1}-{span.end} {span.type}" for span in spans_from_tags(sentence.tags)]
            say(process, ", ".join([f"1-{len(sentence.tokens)} -", *parts]))
            say(process, "")
        process.stdin.close()
        process.stdout.read()
        assert process.wait(timeout=60) == 0
    report = json.loads((tmp_path / "run" / "review" / "report.json").read_text())
    tagged = Tagger.from_pretrained(tmp_path / "run" / "student", device="cpu").tag_words([one.tokens for one in gold])
    truth = entity_scores([one.tags for one in gold], [one.tags for one in tagged])
    for measure in ("precision", "recall", "f1"):
        estimate = report["estimates"][measure]
        half_width = (estimate["high"] - estimate["low"]) / 2
        middle = (estimate["high"] + estimate["low"]) / 2
        assert abs(middle - getattr(truth, measure)) < 2 * half_width < 0.3
    assert report["agreement"]["sentences"] == len(gold) and report["teacher"]["f1"]["value"] is not None
