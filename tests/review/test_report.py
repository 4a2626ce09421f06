"""What people read."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from hf_xner.labels import Span
from hf_xner.review.agreement import Agreement
from hf_xner.review.report import make_report, printable
from hf_xner.review.session import Session, write_session

from .conftest import drawn, facts


def test_a_report_before_the_first_answer(session: Session):
    report = make_report(session)
    assert "student on text.txt: 4 sentences, 20 words" in report and "the tagger finds LOC 2, PER 1" in report
    assert "0 of 3 drawn sentences looked at" in report and "No teacher to compare with" in report
    assert "precision" not in report
    assert json.loads((session.folder / "report.json").read_text())["judged"] == 0


def test_a_report_says_figures_intervals_and_the_cost_of_more(session: Session, monkeypatch):
    assert "What more sentences bring shows after 5" in _report_of(session)
    monkeypatch.setattr("hf_xner.review.figures.ENOUGH_TO_FORECAST", 1)
    report = _report_of(session)
    assert "2 of 3 drawn sentences looked at: 0 right, 1 corrected, 1 skipped" in report
    assert "all  50.0 [" in report and "2 found, 2 there" in report
    assert "without sentences such as those skipped" in report
    assert "too little seen of LOC, ORG, PER" in report
    assert "F1 is known to within ±" in report and "One more sentence makes that about" in report
    assert "and takes 3.0 s" in report
    assert "±2.0 points take about 2 more (all of the text), 6.0 s" in report
    assert "Whether scores can be trusted shows after 30 found entities" in report
    estimates = json.loads((session.folder / "report.json").read_text())["estimates"]
    assert estimates["f1"]["value"] == 0.5 and estimates["f1"]["low"] < 0.5 < estimates["f1"]["high"]


def _report_of(session: Session) -> str:
    session.answer(0, [Span("PER", 0, 2), Span("LOC", 4, 5)], 3.0)
    session.answer(1, None)
    return make_report(session)


def test_a_whole_text_that_was_judged_needs_no_forecast(tmp_path):
    session = write_session(tmp_path / "r", facts(text={**facts()["text"], "sentences": 1}), [drawn(0, "Ana", [])])
    np.savez(session.folder / "weights.npz", weights=np.ones(1), priorities=np.ones(1))
    session.answer(0, [Span("PER", 0, 1)])
    report = make_report(session)
    assert "The whole text, judged" in report and "One more sentence" not in report
    assert "all  -          0.0 [0.0, 0.0]  0.0 [0.0, 0.0]" in report


def test_agreement_is_called_a_hint_and_no_accuracy(tmp_path):
    agreement = Agreement()
    sentences = []
    for number in range(40):
        ours, theirs = [Span("PER", 0, 1)], [Span("PER", 0, 1)] if number % 2 else [Span("ORG", 0, 1)]
        agreement.add(["Ana", "\x1b[31mcanta"], ours, theirs)
        sentences.append(replace(drawn(number, "Ana canta", ours, 50.0 - number), teacher=theirs))
    called = {"teacher": True, "teacher_name": "teacher de (the first of 2 teachers)", "why_no_teacher": ""}
    content = facts(**called, agreement=agreement.to_dict(), next_priority=0.05)
    session = write_session(tmp_path / "r", content, sentences, (np.full(400, 1 / 400), np.ones(400)))
    for position in range(40):
        session.answer(position, [Span("PER", 0, 1)])
    report = make_report(session)
    assert "The teacher is teacher de (the first of 2 teachers).\nTeacher and student agree on 50.0 % of" in report
    assert "hint and no accuracy" in report
    assert "PER           ORG           20" in report
    assert "student: [PER Ana] \ufffd[31mcanta" in report and "teacher: [ORG Ana] \ufffd[31mcanta" in report
    assert "(its teacher)  50.0 [" in report and "PER            100.0 [" in report
    assert "calibration error over these bands: 25.0" in report  # every score is 0.75, and all are right
    assert "What `xner predict --threshold` would give" in report


def test_text_cannot_command_the_terminal():
    assert printable("a\x1b[2J\u202eb\x07\u200d\u00a0é北") == "a\ufffd[2J\ufffdb\ufffd\u200d é北"
