"""The page in headless Chromium: type, submit, upload, choose, read; on a phone and on a desktop, light and dark."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .fixtures import EVIL, SMALL

pytest.importorskip("gradio")

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
ARABIC = "زارت Ana مدينة القاهرة"

# The contrast of every text that is shown, with the colour behind it (WCAG 2.2, relative luminance).
CONTRASTS = """() => {
  const parse = text => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map(part => part / 255);
  };
  const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [1, 1, 1, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (['SCRIPT', 'STYLE', 'TEXTAREA'].includes(element.tagName)) continue;
    const values = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort();
    found.push([(values[1] + 0.05) / (values[0] + 0.05), node.data.trim().slice(0, 40)]);
  }
  return found;
}"""

# What can be reached by Tab or clicked, without a name that a screen reader could say.
NAMELESS = """() => [...document.querySelectorAll('input, textarea, button, select, a[href], [role=tab]')]
  .filter(element => element.checkVisibility())
  .filter(element => !(element.ariaLabel || element.innerText?.trim() || element.title
                       || [...(element.labels ?? [])].some(label => label.innerText.trim())))
  .map(element => element.outerHTML.slice(0, 200))"""


class Visitor:
    """Somebody at the page, and what their browser noticed."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.set_default_timeout(30_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console",
            lambda message: message.type == "error" and self.problems.append(message.text),
        )

    def open(self, theme: str = "light") -> Visitor:
        self.page.goto(f"{self.url}/?__theme={theme}")
        self.page.locator("#text textarea").wait_for()
        return self

    def find(self, text: str) -> None:
        self.page.locator("#text textarea").fill(text)
        self.page.get_by_role("button", name="Find entities").click()

    def told(self, words: str) -> None:
        self.page.locator("#message").get_by_text(words).wait_for()

    def upload(self, path: Path) -> None:
        self.page.get_by_role("tab", name="File").click()
        self.page.locator("#upload input[type=file]").set_input_files(path)
        self.page.locator("#upload .file-preview").wait_for()
        self.page.get_by_role("button", name="Tag the file").click()

    def choose(self, label: str, option: str) -> None:
        self.page.wait_for_timeout(300)  # nobody opens a list before the page has come to rest
        self.page.get_by_label(label, exact=True).click()
        self.page.get_by_role("option", name=option).click()

    def shown(self, what: str, expected: list[Any]) -> None:
        """Wait until the texts of some elements are as expected; an answer's parts do not appear at once."""
        for _ in range(100):
            texts = self.page.locator(what).all_inner_texts()
            if texts == expected:
                return
            self.page.wait_for_timeout(100)
        assert texts == expected

    def download(self, button: str) -> Path:
        with self.page.expect_download() as waiting:
            self.page.get_by_role("button", name=button).click()
        return waiting.value.path()

    def width(self) -> int:
        return self.page.evaluate("document.documentElement.scrollWidth")

    def faint(self) -> list[tuple[float, str]]:
        """Texts with less than 4.5:1 (WCAG AA)."""
        return [(round(contrast, 2), text) for contrast, text in self.page.evaluate(CONTRASTS) if contrast < 4.5]


@pytest.fixture
def visit(browser: Any, page_url: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    context = browser.new_context(viewport=getattr(request, "param", DESKTOP))
    visitor = Visitor(context.new_page(), page_url)
    yield visitor
    outside = [url for url in visitor.requests if not url.startswith((page_url, "data:", "blob:"))]
    hit = visitor.page.evaluate("window.hit")
    context.close()
    assert not outside, "the page fetched something from elsewhere"
    assert not visitor.problems
    assert hit is None, "a text was run as a program"


def test_type_submit_and_see_highlights_scores_and_offsets(visit: Visitor):
    visit.open().find("Ana in Kiel 😀")
    visit.told("3 entities found.")
    visit.shown("mark", ["AnaPER", "KielLOC", "😀MISC", "AnaPER", "KielORG"])
    visit.shown(
        "#entities tbody tr",
        ["Ana\tPER\t0.75\t0\t3", "Kiel\tLOC\t0.75\t7\t11", "😀\tMISC\t0.75\t12\t13"],
    )


def test_what_the_transfer_added_is_listed_beside_the_teacher(visit: Visitor):
    visit.open().find("Kiel, Bonn, Ruiz, Ana")
    visit.told("3 entities found.")
    visit.shown(".xner-box:nth-child(2) mark", ["KielORG", "BonnLOC", "AnaPER"])
    visit.shown(
        "#differences tbody tr",
        [
            "another type\tKiel LOC\tKiel ORG\t0–4",
            "only the teacher\t–\tBonn LOC\t6–10",
            "only the student\tRuiz PER\t–\t12–16",
        ],
    )
    visit.choose("Compare with", "no teacher")
    visit.page.get_by_role("button", name="Find entities").click()
    visit.page.locator("#differences table").wait_for(state="detached")
    visit.shown(".xner-box h3", ["Spanish student"])


def test_another_model_brings_its_own_facts_teachers_and_examples(visit: Visitor):
    visit.open()
    visit.page.locator("#examples").get_by_text("Elena Zabalegui").wait_for()
    visit.find("Kiel")
    visit.told("1 entity found.")
    visit.choose("Model", "English teacher")
    visit.page.get_by_text("It has no teacher.").wait_for()
    visit.page.locator("#examples").get_by_text("Marta Lindqvist").wait_for()
    visit.page.locator("#results").wait_for(state="hidden")  # it was the answer of another model
    visit.choose("Language of the examples", "Finnish")
    visit.page.get_by_role("button", name=re.compile("Aino")).click()
    visit.told("0 entities found.")
    assert "Tampereelle" in visit.page.locator("#text textarea").input_value()
    visit.find("Kiel")
    visit.told("1 entity found.")
    visit.shown("mark", ["KielORG"])
    visit.page.get_by_role("button", name="Clear").click()
    visit.page.locator("#results").wait_for(state="hidden")
    assert visit.page.locator("#text textarea").input_value() == ""


def test_text_is_never_html(visit: Visitor, tmp_path: Path):
    visit.open()
    assert EVIL in visit.page.locator("#about").inner_text()
    visit.find(f"{EVIL} Ana <script>alert(1)</script> <b>Kiel</b>")
    visit.told("3 entities found.")
    visit.shown(".xner-box:first-child mark", ["AnaPER", "<script>alert(1)</script>ORG", "KielLOC"])
    assert EVIL in visit.page.locator(".xner-text").first.inner_text()
    path = tmp_path / "<img src=x onerror=window.hit=1>.conll"
    path.write_text(f"Ana B-PER\n\n{EVIL}\n")
    visit.upload(path)
    visit.told("no tag at the end of")
    assert visit.page.locator("#upload img").count() == 0
    assert "<img src=x" in visit.page.locator("#message").inner_text()
    inside = visit.page.locator("#about, #message, #results")
    assert inside.locator("img, script, b").count() == 0


def test_a_file_is_tagged_with_a_progress_bar_and_can_be_taken_away(visit: Visitor, tmp_path: Path):
    lines = [f"{number} slowly to Kiel with Ana" for number in range(150)]
    path = tmp_path / "places.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    visit.open().upload(path)
    visit.page.locator("#message .progress-bar").wait_for()
    visit.told("300 entities found in 150 inputs of places.txt.")
    visit.page.locator("#entities").get_by_text("100 more").wait_for()
    assert visit.page.locator("#entities tbody tr").count() == 200
    with open(visit.download("Download CSV"), encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 300 and rows[-1] | {"score": ""} == {
        "input": "150",
        "type": "PER",
        "text": "Ana",
        "start": str(lines[-1].index("Ana")),
        "end": str(len(lines[-1])),
        "score": "",
    }
    records = json.loads(visit.download("Download JSON").read_text(encoding="utf-8"))
    assert [record["text"] for record in records] == lines


@pytest.mark.parametrize("visit", [PHONE], ids=["phone"], indirect=True)
def test_on_a_phone_the_answer_comes_into_sight(visit: Visitor):
    visit.open().page.locator("#examples button").first.click()
    visit.told("entities found.")
    visit.page.wait_for_function("document.getElementById('message').getBoundingClientRect().top < 0.6 * innerHeight")


def test_mistakes_are_told_where_people_look_and_read_out(visit: Visitor, tmp_path: Path):
    visit.open().find("Kiel")
    visit.told("1 entity found.")
    visit.find(" \n ")
    visit.told("there is no text; type or paste some")
    assert visit.page.get_by_role("alert").count() == 1
    visit.page.locator("#results").wait_for(state="hidden")  # it was the answer to another text
    visit.find("long " * 200_000)
    visit.told(f"the text has 1,000,000 characters, and the page takes {SMALL.characters:,}")
    visit.page.get_by_role("tab", name="File").click()
    visit.page.get_by_role("button", name="Tag the file").click()
    visit.told("there is no file; choose one (.txt, .conll, .jsonl)")
    path = tmp_path / "broken.jsonl"
    path.write_text('{"text": "Kiel"}\n{"text": \n')
    visit.upload(path)
    visit.told("broken.jsonl:2: not JSON")
    assert visit.page.locator("#message").inner_text().count("\n") == 0


def test_a_file_that_is_too_large_is_refused_with_its_size(visit: Visitor, tmp_path: Path):
    path = tmp_path / "large.txt"
    path.write_text("Kiel\n" * 20_000)
    visit.open().upload(path)
    visit.told("large.txt: the file has 0.1 MB, and the page takes 0.02 MB")


@pytest.mark.parametrize("visit", [PHONE, DESKTOP], ids=["phone", "desktop"], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_fits_and_is_legible(visit: Visitor, theme: str):
    visit.open(theme).find(f"Ana in Kiel and Bonn {'x' * 300}\n{ARABIC}\n😀 Ruiz")
    visit.told("entities found.")
    visit.page.locator("#differences table").wait_for()
    visit.page.locator("#json").wait_for()
    viewport = visit.page.viewport_size["width"]
    assert visit.width() <= viewport
    for table in visit.page.locator(".xner-table, .xner-box").all():
        box = table.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= viewport
    assert not visit.faint()
    visit.find("")
    visit.told("there is no text")
    visit.page.get_by_role("tab", name="File").click()
    visit.page.get_by_role("button", name="From a program").click()
    visit.page.get_by_text("gradio_client").first.wait_for()
    assert visit.width() <= viewport
    assert not visit.faint()


def test_everything_has_a_name_and_is_reached_by_tab_in_order(visit: Visitor):
    visit.open().find("Kiel")
    visit.told("1 entity found.")
    visit.page.locator("#json").wait_for()
    assert visit.page.evaluate(NAMELESS) == []
    visit.page.wait_for_timeout(300)
    visit.page.locator("h1").click()
    ours = ["model", "teacher", "language", "examples", "text", "find", "clear", "views", "csv", "json"]
    reached: list[str] = []
    for _ in range(40):
        visit.page.keyboard.press("Tab")
        name = visit.page.evaluate(f"document.activeElement.closest('{'#' + ',#'.join(ours)}')?.id")
        if name and name not in reached:
            reached.append(name)
    assert reached == ours
    visit.page.get_by_role("tab", name="File").click()
    assert visit.page.evaluate(NAMELESS) == []


def test_right_to_left_text_runs_from_the_right(visit: Visitor):
    visit.open().find(f"{ARABIC}\nAna in Kiel")
    visit.told("4 entities found.")
    visit.page.locator("#json").wait_for()
    text = visit.page.locator(".xner-text").first.bounding_box()
    arabic, latin = (visit.page.locator(".xner-text mark").nth(index).bounding_box() for index in (0, 2))
    middle = text["x"] + text["width"] / 2
    assert arabic["x"] > middle > latin["x"] + latin["width"]
