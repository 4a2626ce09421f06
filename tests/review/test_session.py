"""What lies on disk: whole after every answer, readable by others, held by one."""

from __future__ import annotations

import json
import multiprocessing

import pytest

from hf_xner.data import load_corpus
from hf_xner.data.readers import read_file
from hf_xner.errors import InputError
from hf_xner.labels import Span
from hf_xner.review import session as module
from hf_xner.review.session import CORPUS, Session, held, write_session

from .conftest import drawn, facts


def test_answers_survive_and_go_on_where_they_were(session):
    assert session.position == 0 and session.judged == [] and session.threshold == 3.0
    session.answer(0, [Span("PER", 0, 2), Span("LOC", 4, 5)], 2.5)
    session.answer(1, [Span("LOC", 3, 4)])
    again = Session(session.folder)
    assert again.position == 2 and again.threshold == 1.5
    assert [answer.status for _, answer in again.judged] == ["corrected", "confirmed"]
    assert again.answers[0].entities == [("PER", 0, 2), ("LOC", 4, 5)] and again.answers[0].seconds == 2.5
    assert again.drawn == session.drawn
    again.answer(2, None)
    assert again.position == 3 and again.threshold == again.facts["next_priority"] == 0.5
    assert again.answers[2].status == "skipped"


def test_an_answer_can_be_replaced(session):
    session.answer(0, None)
    session.answer(0, session.drawn[0].entities)
    assert [answer.status for _, answer in Session(session.folder).judged] == ["confirmed"]


def test_only_the_sentences_before_the_first_unanswered_are_a_sample(session):
    session.answer(0, [])
    session.answer(2, [])
    assert session.position == 1 and len(session.judged) == 1


def test_the_judged_sentences_are_a_corpus_for_every_reader(session):
    session.answer(0, [Span("PER", 0, 2), Span("LOC", 4, 5)])
    session.answer(1, None)
    session.answer(2, [])
    file = read_file(session.folder / CORPUS)
    assert [sentence.tokens for sentence in file.sentences] == [session.drawn[0].words, session.drawn[2].words]
    assert [sentence.tags for sentence in file.sentences] == [["B-PER", "I-PER", "O", "O", "B-LOC", "O"], ["O", "O"]]
    assert [sentence.id for sentence in file.sentences] == ["3", "4"]
    assert file.scheme == "iob2" and file.orphans == 0
    corpus = load_corpus(str(session.folder / CORPUS))
    [split] = corpus.values()
    assert split["tokens"] == [sentence.tokens for sentence in file.sentences]


def test_words_that_would_break_a_column_file_come_back_as_many(tmp_path):
    words = ["#", "#id", "#text", "-DOCSTART-", "a b", "x\u00a0y", "", "\x00", "\x1b[2J", "\u200b", "<P>", "# id", "1"]
    sentence = drawn(0, "", [("PER", 0, len(words))])
    sentence.words.extend(words)
    session = write_session(tmp_path / "review", facts(), [sentence, drawn(1, "1 2", [])])
    session.answer(0, sentence.entities)
    session.answer(1, [])
    file = read_file(session.folder / CORPUS)
    tokens = ["#", "#id", "#text", "_DOCSTART-", "a_b", "x_y", "_", "_", "_[2J", "\u200b", "<P>", "#_id", "1"]
    assert [one.tokens for one in file.sentences] == [tokens, ["1", "2"]]
    assert file.sentences[0].tags == ["B-PER", *["I-PER"] * (len(words) - 1)]


def test_a_disk_that_fails_during_an_answer_loses_none_before(session, monkeypatch):
    session.answer(0, [])

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(InputError, match="disk is full; make room there; all answers before this one are saved"):
        session.answer(1, [])
    assert session.position == 1
    assert Session(session.folder).position == 1


def test_what_is_no_session_or_a_broken_one_is_said_in_one_line(session, tmp_path):
    with pytest.raises(InputError, match="holds no review; begin one with --text FILE"):
        Session(tmp_path / "nowhere")
    (session.folder / "answers.json").write_text('{"0": {"status"')
    with pytest.raises(InputError, match=r"the review cannot be read \(JSONDecodeError"):
        Session(session.folder)
    (session.folder / "answers.json").unlink()
    (session.folder / "sample.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(InputError, match=r"cannot be read \(KeyError: 'teacher'\)"):
        Session(session.folder)


def test_no_path_of_this_machine_is_kept(session, tmp_path):
    session.answer(0, [])
    kept = "".join(
        path.read_text() for path in session.folder.iterdir() if path.suffix in {".json", ".jsonl", ".conll"}
    )
    assert str(tmp_path) not in kept


def test_an_extension_cut_off_between_its_files_leaves_the_sample_as_it_was(session, monkeypatch):
    """The threshold is that of the smaller sample, so a larger one would be weighed wrongly."""
    for place in range(3):
        session.answer(place, [])
    threshold = session.threshold

    def killed(path, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "write_json", killed)
        write_session(session.folder, {**session.facts, "next_priority": 0.0}, [*session.drawn, drawn(1, "más", [])])
    again = Session(session.folder)
    assert again.drawn == session.drawn and again.threshold == threshold == 0.5
    larger = write_session(again.folder, {**again.facts, "next_priority": 0.0}, [*again.drawn, drawn(1, "más", [])])
    assert len(larger.drawn) == 4 and larger.position == 3


def test_a_review_of_before_the_size_was_kept_has_its_whole_sample(session):
    content = json.loads((session.folder / "session.json").read_text())
    assert content.pop("drawn") == 3
    (session.folder / "session.json").write_text(json.dumps(content))
    assert Session(session.folder).drawn == session.drawn


def test_a_sample_that_has_lost_sentences_is_not_read(session):
    lines = (session.folder / "sample.jsonl").read_text().splitlines(keepends=True)
    (session.folder / "sample.jsonl").write_text("".join(lines[:2]))
    with pytest.raises(InputError, match=r"cannot be read \(ValueError: sample.jsonl has 2 sentences of 3\)"):
        Session(session.folder)


def try_to_hold(folder, queue):
    try:
        with held(folder):
            queue.put("held")
    except InputError as error:
        queue.put(error.what)


def test_two_processes_cannot_answer_at_once(session):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def attempt() -> str:
        process = context.Process(target=try_to_hold, args=(session.folder, queue))
        process.start()
        process.join(30)
        return queue.get(timeout=5)

    with held(session.folder):
        assert attempt() == "another process works on this review"
    assert attempt() == "held"


def test_a_refused_beginning_leaves_no_folder(tmp_path):
    with pytest.raises(InputError), held(tmp_path / "new" / "review"):
        raise InputError("no")
    assert not (tmp_path / "new" / "review").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, not a folder"), held(tmp_path / "file"):
        pass


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path, monkeypatch):
    def refused(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.mkdir", refused)
    with pytest.raises(InputError, match="review: cannot be written to"), held(tmp_path / "review"):
        pass


def test_session_files_are_plain_json(session):
    session.answer(0, [Span("PER", 0, 1)], 1.0)
    answers = json.loads((session.folder / "answers.json").read_text())
    assert answers == {"0": {"status": "corrected", "entities": [["PER", 0, 1]], "seconds": 1.0}}
