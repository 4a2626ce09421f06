from __future__ import annotations

from html.parser import HTMLParser

import pytest

from hf_xner.demo import render
from hf_xner.demo.differences import differences
from hf_xner.demo.highlight import colours
from hf_xner.inference.results import Entity

from .fixtures import EVIL

OURS = {"p", "section", "h3", "div", "mark", "bdi", "span", "table", "caption", "thead", "tbody", "tr", "th", "td"}
TINTS = colours(["PER", EVIL])


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def evil(start: int) -> Entity:
    return Entity(EVIL, EVIL, start, start + len(EVIL), 0, 1, 0.5)


@pytest.mark.parametrize(
    "html",
    [
        render.paragraph(EVIL, kind="error"),
        render.highlighted(EVIL, [(EVIL, None), (EVIL, EVIL), ('" onfocus="x', "PER")], TINTS, cut=True),
        render.entity_table([(1, evil(0))], TINTS, at_most=5, with_input=True),
        render.difference_table(differences([evil(0)], []), EVIL, TINTS),
    ],
    ids=["paragraph", "highlighted", "entities", "differences"],
)
def test_nothing_from_outside_becomes_html(html: str):
    page = Reader(html)
    assert page.tags <= OURS
    assert not {name for name in page.attributes if name.startswith("on") or name in ("src", "href")}
    assert EVIL in page.text


def test_errors_and_results_are_read_out():
    assert 'role="alert"' in render.paragraph("x", kind="error")
    assert 'role="status"' in render.paragraph("x", kind="status")
    assert render.paragraph("") == ""


def test_the_table_has_scores_and_offsets_and_counts_what_it_leaves_out():
    rows = [(number, Entity("PER", f"name{number}", number, number + 5, 0, 1, 0.987)) for number in range(1, 6)]
    html = render.entity_table(rows, TINTS, at_most=3)
    assert "<td>0.99</td><td>2</td><td>7</td>" in html
    assert "name3" in html and "name4" not in html and "2 more" in html
    assert "more" not in render.entity_table(rows, TINTS, at_most=5)
    assert 'scope="col">Input<' in render.entity_table(rows, TINTS, at_most=5, with_input=True)


def test_no_difference_is_said_in_words():
    assert "the same entities" in render.difference_table([], "its teacher", TINTS)
