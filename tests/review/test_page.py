"""The page: its actions as functions, then through a running server."""

from __future__ import annotations

import pytest

from hf_xner.errors import InputError
from hf_xner.review.page import Page, serve
from hf_xner.review.session import Session

WHOLE = [
    ["1", "Ana", "B-PER"],
    [2, "Ruiz", "I-PER"],
    [3, "vive", "O"],
    [4, "en", ""],
    [5, "Kiel", " B-LOC "],
    [6, ".", "O"],
]


@pytest.fixture
def page(session: Session) -> Page:
    return Page(session)


def test_a_sentence_is_shown_with_its_entities_its_table_and_what_is_around(page):
    position, progress, parts, table, around, message = page.open()
    assert (position, progress, message) == (0, "1 of 3, 0 judged", "")
    assert [part for part in parts if part[1]] == [("Ana", "PER"), ("Kiel", "LOC")]
    assert "".join(text for text, _ in parts).split() == page.session.drawn[0].words
    assert table[0] == [1, "Ana", "B-PER"] and len(table) == 6
    assert around == "before: Antes .\nafter: Luego ."


def test_confirm_save_skip_and_back(page):
    assert page.confirm(0, page.open()[3])[0] == 1
    position, progress, *_ = page.skip(1)
    assert position == 2 and progress.startswith("3 of 3, 2 judged. F1 so far 100.0 [")
    assert page.back(2)[0] == 1 and page.back(0)[0] == 0
    table = page.back(1)[3]
    table[1][2] = "I-PER"
    page.save(0, table)
    *_, message = page.confirm(2, page.open()[3])
    assert message == "All drawn sentences are judged."
    saved = Session(page.session.folder)
    assert [answer.status for _, answer in saved.judged] == ["corrected", "skipped", "confirmed"]
    assert saved.answers[0].entities == [("PER", 0, 2), ("LOC", 4, 5)]
    assert "3 of 3 drawn sentences looked at" in page.report()


def test_the_table_may_hold_untidy_but_clear_tags(page):
    page.save(0, WHOLE)
    assert page.session.answers[0].entities == [("PER", 0, 2), ("LOC", 4, 5)]


@pytest.mark.parametrize("tag", ["B-FOO", "PER", "E-PER", "<b>x</b>", "B-", "0"])
def test_tags_that_are_none_are_refused_and_nothing_is_saved(page, tag):
    rows = [list(row) for row in WHOLE]
    rows[2][2] = tag
    with pytest.raises(InputError, match="word 3: .* is no tag; write O, or B- or I- and one of LOC, ORG, PER"):
        page.save(0, rows)
    with pytest.raises(InputError, match="2 rows, but the sentence has 6 words"):
        page.save(0, rows[:2])
    assert page.session.answers == {}


def test_confirm_does_not_throw_corrections_away(page):
    position, _, parts, table, _, message = page.apply(0, page.open()[3], "1-2 per")
    assert message == "Not saved yet." and parts[0] == ("Ana Ruiz", "PER")
    with pytest.raises(InputError, match="the tags were changed; press Save"):
        page.confirm(position, table)
    page.save(position, table)
    assert page.session.answers[0].entities == [("PER", 0, 2), ("LOC", 4, 5)]


@pytest.mark.parametrize("position", [-1, 1, 3, 99])
def test_only_what_was_shown_can_be_answered(page, position):
    with pytest.raises(InputError, match="no sentence to answer"):
        page.skip(position)
    assert page.session.answers == {}


def test_a_running_page_answers_and_shows_text_as_text(session, monkeypatch):
    pytest.importorskip("gradio")
    client_module = pytest.importorskip("gradio_client")
    html = "<img src=x onerror=alert(1)>"
    session.drawn[1].words[0] = html
    blocks = serve(session, wait=False)
    try:
        client = client_module.Client(blocks.local_url, verbose=False)
        position, _, _, table, *_ = client.predict(api_name="/open")
        changed = client.predict(position, table, "1-2 PER", api_name="/apply")
        assert changed[5] == "Not saved yet." and changed[6] == ""
        refused = client.predict(position, changed[3], "1 <b>FOO</b>", api_name="/apply")
        assert refused[5].startswith("there is no type '<b>FOO</b>'")
        position, progress, shown, table, *_ = client.predict(position, changed[3], api_name="/save")
        assert (position, session.answers[0].status) == (1, "corrected")
        assert shown[0]["token"].startswith(html) and table["data"][0][1] == html
        assert client.predict(position, table, api_name="/confirm")[0] == 2
        assert client.predict(2, api_name="/skip")[5] == "All drawn sentences are judged."
        assert "3 of 3 drawn sentences looked at" in client.predict(api_name="/report")
    finally:
        blocks.close()
    kinds = {block.get_block_name() for block in blocks.blocks.values()}
    assert not kinds & {"html", "markdown"}
    frame = next(block for block in blocks.blocks.values() if block.get_block_name() == "dataframe")
    assert set(frame.datatype) == {"number", "str"}
    assert [answer.status for _, answer in Session(session.folder).judged] == ["corrected", "confirmed", "skipped"]


def test_a_port_in_use_is_said_in_one_line(session):
    pytest.importorskip("gradio")
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port: port {port} cannot be used; give another"):
            serve(session, port=port, wait=False)
