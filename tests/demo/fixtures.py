"""A tagger that knows a list of names, a real run with its teacher in the store, and running pages."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hf_xner.demo.choices import Choice
from hf_xner.demo.limits import Limits
from hf_xner.demo.service import Service
from hf_xner.demo.taggers import TaggerPool
from hf_xner.inference.results import SentenceTags, TaggedSentence, assemble, place_words
from hf_xner.inference.text import Piece, split_sentences, split_words
from tests.systems.toy import SOURCE, SOURCE_WORDS, TARGET, TARGET_WORDS, write_corpus

STUDENT = {
    "Kiel": "LOC",
    "Ana": "PER",
    "Ruiz": "PER",
    "القاهرة": "LOC",
    "<script>alert(1)</script>": "ORG",
    "😀": "MISC",
}
TEACHER = {"Kiel": "ORG", "Bonn": "LOC", "Ana": "PER"}
TYPES = ("LOC", "MISC", "ORG", "PER")
EVIL = "<img src=x onerror='window.hit=1'> ${window.hit=1} {{value}} <script>window.hit=1</script>"
SMALL = Limits(characters=2_000, file_bytes=20_000, sentences=200, seconds=30)


class NameList:
    """What the service asks of a tagger, from a list of names instead of a network."""

    def __init__(self, names: Mapping[str, str]) -> None:
        import torch

        self.names = names
        self.model = torch.nn.Identity()
        self.decoder = SimpleNamespace(
            scheme="iob2", tag_names=["O", *(f"{part}-{name}" for name in TYPES for part in "BI")]
        )
        self.busy = threading.Lock()

    def tag_text(self, texts: str | list[str]) -> TaggedSentence | list[TaggedSentence]:
        if isinstance(texts, str):
            return self._tag_text(texts)
        return [self._tag_text(text) for text in texts]

    def tag_words(self, sentences: list[list[str]]) -> list[TaggedSentence]:
        return [assemble(text, [(pieces, self._tags(pieces))]) for text, pieces in map(place_words, sentences)]

    def _tag_text(self, text: str) -> TaggedSentence:
        assert self.busy.acquire(blocking=False), "two requests use one tagger at once"
        try:
            self.model(text)
            time.sleep(0.01 * text.count("slowly"))
            sentences = []
            for sentence in split_sentences(text):
                begin = sentence.start
                words = [Piece(word.text, begin + word.start, begin + word.end) for word in self._words(sentence.text)]
                sentences.append((words, self._tags(words)))
            return assemble(text, sentences)
        finally:
            self.busy.release()

    def _words(self, text: str) -> list[Piece]:
        """Words, but names with punctuation in them stay whole."""
        for name in self.names:
            if not name[0].isalnum() and name in text:
                start = text.index(name)
                end = start + len(name)
                after = [Piece(word.text, end + word.start, end + word.end) for word in split_words(text[end:])]
                return [*split_words(text[:start]), Piece(name, start, end), *after]
        return split_words(text)

    def _tags(self, words: list[Piece]) -> SentenceTags:
        tags, entities = [], []
        for index, word in enumerate(words):
            name = self.names.get(word.text)
            tags.append(f"B-{name}" if name else "O")
            if name:
                entities.append((name, index, index + 1, 0.75))
        return SentenceTags(tags, [0.75] * len(words), entities, len(words), 1, False)


def load_names(place: str) -> NameList:
    return NameList({"student": STUDENT, "teacher": TEACHER}[place])


def name_service(limits: Limits = SMALL) -> Service:
    choices = [
        Choice("Spanish student", "student", f"About {EVIL}", f"Warning {EVIL}", "es", {"its teacher": "teacher"}),
        Choice("English teacher", "teacher", "A teacher.", "", "en", no_teacher="It has no teacher."),
    ]
    return Service(choices, limits=limits, pool=TaggerPool(load=load_names))  # type: ignore[arg-type]


CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; the tests that need it skip where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no playwright: pip install -c constraints.txt playwright"
    )
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        try:
            running = driver.chromium.launch(executable_path=path, args=SWITCHES)
        except playwright.Error as error:  # Ubuntu's package is a script that asks for snap
            pytest.skip(f"{path} does not start: {str(error).splitlines()[0]}")
        yield running
        running.close()


@pytest.fixture
def service() -> Service:
    return name_service()


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_dir: Path) -> Iterator[Path]:
    """A finished run of tsl between toy languages; its stages lie in `store` beside it."""
    from hf_xner.launch import train

    folder = tmp_path_factory.mktemp("demo_run")
    sizes = {"train": 40, "dev": 9, "test": 11}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
        patch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
        train(
            "tsl",
            source=[str(write_corpus(folder / "source", SOURCE, SOURCE_WORDS, sizes, seed=1))],
            target=str(write_corpus(folder / "target", TARGET, TARGET_WORDS, sizes, seed=11)),
            encoder=str(tiny_encoder_dir),
            output_dir=str(folder / "run"),
            store=str(folder / "store"),
            batch_size=8,
            micro_batch_size=8,
            teacher_epochs=10.0,
            student_epochs=10.0,
            teacher_learning_rate=0.005,
            student_learning_rate=0.005,
            freeze_layers=0,
            freeze_embeddings=False,
            precision="fp32",
        )
        yield folder / "run"


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    """A page on the lists of names, with small limits."""
    pytest.importorskip("gradio")
    from hf_xner.demo.serve import start

    page = start(name_service())
    yield page.local_url.rstrip("/")
    page.close(verbose=False)
