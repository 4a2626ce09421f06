"""Which of one tagger's mistakes another puts right: by confidence, with evidence, as CSV, figures and a page."""

from __future__ import annotations

import csv
import html
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from hf_xner.analysis import corrected_words, corrections
from hf_xner.analysis.corrected_words import Case, Evidence, Reading, by_confidence, find_evidence, with_evidence
from hf_xner.cli import main
from hf_xner.inference.loading import load_tagger


def reading(*words: tuple[str, float]) -> Reading:
    return Reading([tag for tag, _ in words], np.array([confidence for _, confidence in words]))


GOLD = [["B-PER", "O", "O"], ["B-LOC"], []]
TEACHER = [reading(("O", 0.31), ("O", 0.95), ("B-ORG", 0.39)), reading(("O", 1.0)), reading()]
STUDENT = [reading(("B-PER", 0.5), ("B-ORG", 0.5), ("B-ORG", 0.9)), reading(("O", 0.6)), reading()]


def test_mistakes_are_counted_in_the_interval_of_the_teachers_confidence():
    rows = {(row["from"], row["to"]): row for row in by_confidence(GOLD, TEACHER, STUDENT)}
    assert list(rows)[:2] == [(0.0, 0.2), (0.2, 0.3)] and list(rows)[-1] == (0.9, 1.0) and len(rows) == 9
    low = rows[0.3, 0.4]
    assert (low["wrong"], low["corrected"], low["share"], low["right"]) == (2, 1, 0.5, 0)
    high = rows[0.9, 1.0]
    assert (high["wrong"], high["corrected"], high["right"], high["broken"], high["share_broken"]) == (1, 0, 1, 1, 1.0)
    assert rows[0.2, 0.3]["share"] is None and rows[0.2, 0.3]["low"] is None
    assert sum(row["wrong"] + row["right"] for row in rows.values()) == 4


def test_intervals_are_wilsons():
    least, most = corrected_words._wilson(8, 10)
    assert (least, most) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Newcombe (1998), method 3
    assert corrected_words._wilson(0, 5)[0] == 0.0 and corrected_words._wilson(5, 5)[1] == 1.0


@pytest.mark.parametrize("confidence", [0.0, 0.2, 0.3, 1.0, 1.0 + 1e-7])
def test_no_confidence_falls_between_two_intervals(confidence: float):
    rows = by_confidence([["O"]], [reading(("B-PER", confidence))], [reading(("O", 0.5))])
    (row,) = (row for row in rows if row["wrong"])
    assert row["from"] <= confidence and confidence < row["to"] + 1e-6


def test_a_case_is_a_word_that_one_has_wrong_and_the_other_right():
    tokens = [["Ana", "ve", "EFE"], ["Kiel"], []]
    (case,) = corrected_words.corrected_words(tokens, GOLD, TEACHER, STUDENT)
    assert (case.word, case.gold, case.teacher, case.confidence) == ("Ana", "B-PER", "O", 0.31)


def case(word: str, gold: str, teacher: str = "O") -> Case:
    return Case(["the", word, "."], 1, gold, teacher, 0.4, Evidence())


def test_evidence_is_the_same_word_with_the_right_type_and_enough_confidence(monkeypatch):
    text = Dataset.from_dict({"tokens": [["EFE", "dice"], ["Hof", "EFE"], ["efe"], [], ["EFE"]]})
    said = {
        ("EFE", "dice"): reading(("B-ORG", 0.92), ("O", 0.99)),
        ("Hof", "EFE"): reading(("B-PER", 0.7), ("I-ORG", 0.97)),
        ("efe",): reading(("B-ORG", 0.99)),
        (): reading(),
        ("EFE",): reading(("B-LOC", 0.99)),
    }
    monkeypatch.setattr(
        corrected_words, "read", lambda model, tokenizer, sentences: (said[tuple(words)] for words in sentences)
    )
    cases = [case("EFE", "B-ORG"), case("Hof", "B-PER"), case("dice", "O", "B-PER"), case("absent", "O")]
    evidence = find_evidence(cases, text, None, None, least=0.9)
    efe = evidence["EFE", "ORG"]
    assert (efe.total, efe.confident, efe.best) == (3, 2, 0.97) and efe.sentence == (["Hof", "EFE"], 1)
    assert (evidence["Hof", "PER"].total, evidence["Hof", "PER"].confident) == (1, 0)
    assert evidence["absent", ""].total == 0
    found = with_evidence(cases, evidence)
    assert [one.word for one in found] == ["EFE", "dice"], "entities first, and none without evidence"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [
        "Angela B-PER",
        "Merkel I-PER",
        "visited O",
        "<b>Kiel</b> B-LOC",
        "& O",
        "the O",
        "bank B-ORG",
        ". B-MISC",
    ]
    (folder / "test.conll").write_text("\n".join(lines * 3) + "\n\nBonn B-LOC\n")
    (folder / "train.conll").write_text("\n".join(lines) + "\n\n" + "Bonn O\nin O\n")
    return folder


def another(folder: Path, tiny_model_dir: Path) -> Path:
    """A student: the tiny model with another head."""
    import torch

    model, tokenizer = load_tagger(str(tiny_model_dir))
    torch.manual_seed(4)
    torch.nn.init.normal_(model.classifier.weight, std=3.0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_the_command_writes_figures_tables_and_a_page(
    corpus: Path, tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    student = another(tmp_path / "student", tiny_model_dir)
    out = tmp_path / "out"
    argv = ["analyse", "corrections", str(tiny_model_dir), str(student), str(corpus), "--output", str(out)]
    assert main([*argv, "--confident", "0.05"]) == 0
    printed = capsys.readouterr().out
    with (out / "corrections.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 and sum(int(row["wrong"]) + int(row["right"]) for row in rows) == 25
    corrected = sum(int(row["corrected"]) for row in rows)
    assert corrected > 0 and f"{corrected} wrong words put right" in printed
    assert (out / "corrections.png").stat().st_size > 0 and "<svg" in (out / "corrections.svg").read_text()
    with (out / "cases.csv").open() as file:
        cases = list(csv.DictReader(file))
    assert cases and all(row["teacher"] != row["gold"] and int(row["confident_in_text"]) > 0 for row in cases)
    # By hand: the student's tags of the words are gold, the teacher's are not.
    gold = dict(line.split() for line in (corpus / "test.conll").read_text().split("\n") if line)
    assert all(gold[row["word"]] == row["gold"] for row in cases)
    page = (out / "cases.html").read_text()
    assert all(f"<b>{html.escape(row['word'])}</b>" in page for row in cases)
    assert "<b>Kiel" not in page, "what comes from data is escaped"
    assert str(tmp_path.parent) not in page.replace(html.escape(str(corpus)), "")


def test_a_tagger_against_itself_corrects_nothing(corpus: Path, tiny_model_dir: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    argv = ["analyse", "corrections", str(tiny_model_dir), str(tiny_model_dir), str(corpus), "--output", str(out)]
    assert main(argv) == 0
    assert "0 wrong words put right" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"corrections.csv", "corrections.png", "corrections.svg"}


def test_without_a_text_none_is_said_to_have_been_read(corpus: Path, tiny_model_dir: Path, tmp_path: Path, capsys):
    argv = ["analyse", "corrections", str(tiny_model_dir), str(tiny_model_dir), str(corpus), "--split", "train"]
    assert main([*argv, "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "there was no text to look for evidence in" in printed and "the text has evidence" not in printed


def test_cases_of_an_earlier_command_do_not_stay(corpus: Path, tiny_model_dir: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("cases.csv", "cases.html"):
        (out / name).write_text("of another pair of taggers")
    argv = ["analyse", "corrections", str(tiny_model_dir), str(tiny_model_dir), str(corpus), "--output", str(out)]
    assert main(argv) == 0
    assert {path.name for path in out.iterdir()} == {"corrections.csv", "corrections.png", "corrections.svg"}


def test_a_bilstm_crf_is_read_by_its_own_crf(monkeypatch):
    """The best sequence need not be made of each word's best tags."""
    from types import SimpleNamespace

    from hf_xner.inference import word_models

    said = word_models.WordReading(
        np.array([[0.5, 0.1, 0.4], [0.2, 0.2, 0.6]], dtype=np.float32), np.array([1, 2], dtype=np.int64)
    )
    nothing = word_models.WordReading(np.zeros((0, 3), np.float32), np.zeros(0, np.int64))
    monkeypatch.setattr(word_models, "read_words", lambda model, extractor, sentences: iter([said, nothing]))
    tags = {0: "O", 1: "B-PER", 2: "I-PER"}
    model = SimpleNamespace(config=SimpleNamespace(id2label=tags, xner={"scheme": "iob2", "decoding": "crf"}))
    first, second = corrected_words.read(model, SimpleNamespace(reads_words=True), [["Angela", "Merkel"], []])
    assert first.tags == ["B-PER", "I-PER"], "not O, I-PER"
    assert first.confidences.tolist() == pytest.approx([0.1, 0.6])
    assert second.tags == [] and len(second.confidences) == 0


def test_a_teacher_without_mistakes_is_drawn_too():
    rows = by_confidence([["O"]], [reading(("O", 0.9))], [reading(("O", 0.5))])
    assert corrections.draw(rows).axes[0].get_ylim() == (0, 110)
    assert corrections.format_rows(rows).count("\n") == 10


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--confident", "1.5"], "--confident, --cases: a probability"),
        (["--split", "validation"], "no split 'validation'"),
        (["--text", "nowhere.txt"], "nowhere.txt"),
        (["--label_map", "MISC=CITY"], "the entity types differ"),
    ],
    ids=["confidence", "split", "text", "types"],
)
def test_bad_input_is_one_line(corpus: Path, tiny_model_dir: Path, tmp_path: Path, capsys, more, message):
    argv = ["analyse", "corrections", str(tiny_model_dir), str(tiny_model_dir), str(corpus), *more]
    assert main([*argv, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("xner: ") and message in error
    assert not (tmp_path / "out").exists()


def test_raw_text_is_evidence_too(corpus: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch):
    """A teacher that knows Angela only before a verb, and a student that always does."""

    def teacher(words: list[str]) -> Reading:
        knows = [word == "Angela" and words[index + 1 : index + 2] == ["paints"] for index, word in enumerate(words)]
        return reading(*(("B-PER", 0.97) if known else ("O", 0.6) for known in knows))

    def student(words: list[str]) -> Reading:
        return reading(*(("B-PER" if word == "Angela" else "O", 0.8) for word in words))

    sides = iter([teacher, student, teacher])
    for module in (corrections, corrected_words):
        monkeypatch.setattr(module, "read", lambda model, tokenizer, sentences: map(next(sides), list(sentences)))
    text = tmp_path / "text.txt"
    text.write_text("Angela waits. Now Angela paints.\nAngela paints!\n")
    argv = ["analyse", "corrections", str(tiny_model_dir), str(tiny_model_dir), str(corpus), "--text", str(text)]
    assert main([*argv, "--output", str(tmp_path / "out"), "--max_sentences", "2"]) == 0
    with (tmp_path / "out" / "cases.csv").open() as file:
        cases = list(csv.DictReader(file))
    assert {(row["word"], row["gold"], row["teacher"]) for row in cases} == {("Angela", "B-PER", "O")}
    found = {name: cases[0][name] for name in ("evidence", "evidence_position", "in_text", "confident_in_text")}
    assert found == {
        "evidence": "Now Angela paints .",
        "evidence_position": "1",
        "in_text": "2",
        "confident_in_text": "1",
    }
    page = (tmp_path / "out" / "cases.html").read_text()
    assert "Now <mark>Angela</mark> paints ." in page
