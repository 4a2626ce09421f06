"""The dialogue, line by line."""

from __future__ import annotations

from collections.abc import Iterable

from hf_xner.review.session import Session
from hf_xner.review.terminal import review


def talk(session: Session, *lines: str | None) -> list[str]:
    """Say these lines and then end the input; what was shown comes back."""
    shown: list[str] = []
    waiting: Iterable[str | None] = iter(lines)
    review(session, lambda: next(waiting, None), shown.append)
    return shown


def statuses(session: Session) -> list[str]:
    return [answer.status for _, answer in Session(session.folder).judged]


def test_enter_confirms_corrections_are_shown_and_saved_and_s_skips(session):
    shown = talk(session, "", "2-4 org", "", "s")
    assert statuses(session) == ["confirmed", "corrected", "skipped"]
    assert Session(session.folder).answers[1].entities == [("ORG", 1, 4)]
    assert "-- 1 of 3, sentence 3 of the text" in shown[1]
    assert "[PER Ana] Ruiz vive en [LOC Kiel] ." in shown[1] and "1 Ana   2 Ruiz" in shown[1]
    assert shown[3].strip() == "El [ORG Banco de Bonn] crece"
    assert len(shown) == 5


def test_undo_takes_back_corrections_one_by_one_and_then_the_sentence_before(session):
    shown = talk(session, "o", "", "1 PER", "2 PER", "o", "o", "o", "5 -", "")
    assert shown[2] == "This is the first sentence."
    assert "[PER El] [PER Banco] de" in shown[5] and "[PER El] Banco" in shown[6] and "  El Banco de [LOC" in shown[7]
    assert "-- 1 of 3" in shown[8] and "-- 2 of 3" in shown[10]
    assert Session(session.folder).answers[0].entities == [("PER", 0, 1)]
    assert Session(session.folder).position == 1


def test_a_reopened_sentence_shows_what_was_answered(session):
    shown = talk(session, "1-2 PER", "", "o", "", "s", "o", "q")
    assert "[PER Ana Ruiz]" in shown[4]
    assert "-- 2 of 3, sentence 1 of the text, skipped before" in shown[-1]
    assert Session(session.folder).answers[0].entities == [("PER", 0, 2), ("LOC", 4, 5)]
    assert statuses(session) == ["corrected", "skipped"]


def test_mistakes_are_told_and_nothing_is_lost(session):
    shown = talk(session, "1-2 PER", "3 FOO", "banana", "99 PER", "x\x1b[2J", "")
    assert "there is no type 'FOO'; use one of LOC, ORG, PER (? for help)" in shown[3]
    assert "'banana' is no correction" in shown[4] and "there is no word 99" in shown[5]
    assert "\x1b" not in shown[6]
    assert Session(session.folder).answers[0].entities == [("PER", 0, 2), ("LOC", 4, 5)]


def test_help_context_and_teacher_are_at_hand(session):
    shown = talk(session, "?", "c", "t")
    assert "Types: LOC, ORG, PER" in shown[0] and shown[2] == shown[0]
    assert shown[3] == "  before: Antes .\n  after:  Luego ."
    assert "no teacher" in shown[4]
    assert statuses(session) == []


def test_q_and_the_end_of_input_save_and_the_next_time_goes_on(session):
    talk(session, "", "Q")
    assert statuses(session) == ["confirmed"]
    assert "-- 2 of 3" in talk(session)[1]
    talk(session, "", "")
    assert statuses(session) == ["confirmed"] * 3
    assert len(talk(session, "", "")) == 1  # nothing left to ask


def test_the_estimate_is_shown_once_there_is_something_to_show(session, monkeypatch):
    monkeypatch.setattr("hf_xner.review.terminal.SHOW_ESTIMATE_AFTER", 2)
    shown = talk(session, "", "", "q")
    assert "F1 so far" not in shown[2] and "F1 so far 100 [" in shown[3]


def test_the_time_of_each_answer_is_kept(session):
    talk(session, "")
    assert 0 <= Session(session.folder).answers[0].seconds < 10
