from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from hf_xner.demo.choices import find_choices
from hf_xner.demo.differences import ADDED, MISSING, OTHER_TYPE
from hf_xner.demo.limits import Limits
from hf_xner.demo.service import Service
from hf_xner.demo.taggers import TaggerPool
from hf_xner.errors import InputError
from hf_xner.inference.tagger import Tagger

from .fixtures import SMALL, load_names, name_service

ODD_TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 Kiel 🇩🇪 ❤️",
    "right to left": "زارت Ana القاهرة אתמול",
    "control characters": "Ana\x00\x01\x07\x1b[31m\x7f\x85 Kiel\u202e\u2066\ufeff\u200b",
    "half of a surrogate pair": "Kiel \ud83d and \udc00",
    "html": "<b>Ana</b> <script>alert(1)</script> &amp; <img src=x onerror=alert(1)>",
    "one long word": "x" * 1_900,
    "many marks": "e" + "\u0301" * 500,
    "line breaks of all kinds": "Ana\r\nKiel\rAna\u2028Kiel\x0bAna\x0cKiel",
    "no language": "\U0010ffff \ue000 \ufffe",
}


def test_a_text_is_tagged_and_compared(service: Service):
    answer = service.tag_text("Ana in Kiel and Bonn, Ruiz", teacher="its teacher")
    assert [(one.text, one.type) for one in answer.tagged.entities] == [
        ("Ana", "PER"),
        ("Kiel", "LOC"),
        ("Ruiz", "PER"),
    ]
    found = [(one.kind, answer.tagged.text[one.start : one.end]) for one in answer.differences]
    assert found == [(OTHER_TYPE, "Kiel"), (MISSING, "Bonn"), (ADDED, "Ruiz")]
    assert set(answer.types) == {"LOC", "MISC", "ORG", "PER"}
    alone = service.tag_text("Ana", model="English teacher")
    assert alone.by_teacher is None and "differences" not in alone.to_dict()


def test_the_api_answer_is_plain_and_its_offsets_fit(service: Service):
    answer = json.loads(json.dumps(service.tag_text("😀 Ana, Kiel", teacher="its teacher").to_dict()))
    assert answer["teacher"] == "its teacher"
    for one in [*answer["entities"], *answer["teacher_entities"]]:
        assert set(one) == {"type", "text", "start", "end", "score"}
        assert answer["text"][one["start"] : one["end"]] == one["text"]
    assert answer["differences"][0]["kind"] == ADDED and answer["differences"][0]["student"][0]["text"] == "😀"


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS)
def test_odd_texts_survive(text: str, toy_run: Path):
    real = Service(find_choices([str(toy_run)]), limits=SMALL)
    (teacher,) = real.choice().teachers
    answer = real.tag_text(text, teacher=teacher)
    assert len(answer.tagged.text) == len(text)
    json.dumps(answer.to_dict(), ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"text": ""}, "there is no text"),
        ({"text": "x" * 10_000_000}, "10,000,000 characters, and the page takes 2,000"),
        ({"text": None}, "expected a text, found NoneType"),
        ({"text": ["x"]}, "expected a text, found list"),
        ({"text": "x", "model": "none such"}, "there is no model 'none such'; choose one of Spanish student, English"),
        ({"text": "x", "teacher": "none such"}, "has no teacher 'none such'; choose one of its teacher"),
        ({"text": "x", "model": "English teacher", "teacher": "its teacher"}, "It has no teacher"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_remedy(service: Service, arguments: dict, told: str):
    with pytest.raises(InputError, match=told):
        service.tag_text(**arguments)


def test_a_service_gives_what_the_tagger_gives(toy_run: Path):
    service = Service(find_choices([str(toy_run)]))
    text = "John visited Kiel , ib Angela Merkel ec . hed Had Cad ( id ) Bonn ib"
    expected = Tagger.from_pretrained(str(toy_run / "student")).tag_text(text)
    assert service.tag_text(text).tagged.entities == expected.entities
    assert expected.entities, "the toy student finds nothing: the test shows nothing"


def test_a_file_is_tagged_in_order_with_progress(service: Service, tmp_path: Path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"Ana {number} Kiel\n" for number in range(150)))
    told: list[tuple[int, int]] = []
    answer = service.tag_file(str(path), "lines.txt", progress=lambda done, total: told.append((done, total)))
    assert [tagged.text for _, tagged in answer.answers] == [f"Ana {number} Kiel" for number in range(150)]
    assert told == [(0, 150), (64, 150), (128, 150), (150, 150)]


def test_words_of_a_file_stay_as_they_are(service: Service, tmp_path: Path):
    path = tmp_path / "a.conll"
    path.write_text("Ana\nin\nKiel\n\nRuiz\n")
    answer = service.tag_file(str(path), "a.conll")
    assert [tagged.tags for _, tagged in answer.answers] == [["B-PER", "O", "B-LOC"], ["B-PER"]]


def test_a_request_ends_when_its_time_is_up(tmp_path: Path):
    service = name_service(replace(SMALL, seconds=-1.0))
    with pytest.raises(InputError, match="stopped after"):
        service.tag_text("Ana")
    path = tmp_path / "a.txt"
    path.write_text("Ana")
    with pytest.raises(InputError, match="stopped after"):
        service.tag_file(str(path), "a.txt")
    service.limits = Limits()
    assert service.tag_text("Ana").tagged.entities, "the tagger is free again"


def test_many_threads_at_once_get_their_own_answers(toy_run: Path):
    service = Service(find_choices([str(toy_run)]))
    texts = [f"John visited Kiel {'the ' * number}Bonn ." for number in range(50)]
    alone = [service.tag_text(text).tagged for text in texts]
    with ThreadPoolExecutor(16) as threads:
        together = list(threads.map(lambda text: service.tag_text(text).tagged, texts))
    assert [one.text for one in together] == texts
    assert [one.tags for one in together] == [one.tags for one in alone]


def test_a_text_does_not_wait_for_the_end_of_a_file(tmp_path: Path):
    """The name lists fail when two requests use one at once, so the text came between two slices."""
    service = name_service()
    path = tmp_path / "a.txt"
    path.write_text("Ana\n" * 200)
    first_slice, asked = threading.Event(), threading.Event()
    order: list[str] = []

    def progress(done: int, total: int) -> None:
        if done == 64:
            first_slice.set()
            asked.wait(10)
        if done == total:
            order.append("file")

    def ask() -> None:
        first_slice.wait(10)
        service.tag_text("Kiel")
        order.append("text")
        asked.set()

    threads = [threading.Thread(target=ask)]
    threads[0].start()
    service.tag_file(str(path), "a.txt", progress=progress)
    threads[0].join(10)
    assert order == ["text", "file"]


def test_the_pool_keeps_the_last_used_taggers_only():
    loaded: list[str] = []

    def load(place: str):
        loaded.append(place)
        return load_names("student")

    pool = TaggerPool(capacity=2, load=load)  # type: ignore[arg-type]
    for place in ("a", "b", "a", "c", "a", "b"):
        with pool.use(place):
            pass
    assert loaded == ["a", "b", "c", "b"]


def test_a_tagger_that_cannot_be_loaded_leaves_the_pool_usable():
    def load(place: str):
        if place == "bad":
            raise InputError("no")
        return load_names("student")

    pool = TaggerPool(load=load)  # type: ignore[arg-type]
    with pytest.raises(InputError), pool.use("bad"):
        pass
    with pool.use("good") as tagger:
        assert tagger


def test_a_service_without_models_is_a_mistake_in_the_program():
    with pytest.raises(ValueError, match="without models"):
        Service([])
