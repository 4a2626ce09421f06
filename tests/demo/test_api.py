from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from .fixtures import EVIL, name_service

pytest.importorskip("gradio")

import httpx
from gradio_client import Client
from gradio_client.exceptions import AppError


@pytest.fixture(scope="module")
def client(page_url: str) -> Client:
    return Client(page_url, verbose=False)


def test_a_text_comes_back_with_its_entities(client: Client):
    answer = client.predict("Ana in Kiel", api_name="/tag")
    assert answer == name_service().tag_text("Ana in Kiel").to_dict()
    assert [one["text"] for one in answer["entities"]] == ["Ana", "Kiel"]


def test_a_teacher_is_compared_with_on_request(client: Client):
    answer = client.predict("Bonn and Ruiz", "Spanish student", "its teacher", api_name="/tag")
    assert [one["kind"] for one in answer["differences"]] == ["only the teacher", "only the student"]
    by_name = client.predict(text="Bonn", model="English teacher", api_name="/tag")
    assert by_name["model"] == "English teacher" and by_name["entities"][0]["type"] == "LOC"


def test_the_models_are_told_with_their_teachers(client: Client):
    student, teacher = client.predict(api_name="/models")
    assert student["name"] == "Spanish student" and student["language"] == "es"
    assert student["teachers"] == ["its teacher"] and teacher["teachers"] == []


def test_two_endpoints_are_documented_and_no_others(client: Client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/tag", "/models"}
    names = [parameter["parameter_name"] for parameter in endpoints["/tag"]["parameters"]]
    optional = [parameter["parameter_has_default"] for parameter in endpoints["/tag"]["parameters"]]
    assert names == ["text", "model", "teacher"] and optional == [False, True, True]
    assert all(endpoint["description"] for endpoint in endpoints.values())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([""], "there is no text; type or paste some"),
        (["x" * 10_000_000], "10,000,000 characters, and the page takes 2,000"),
        (["Ana", EVIL], "there is no model"),
        (["Ana", "Spanish student", "nobody"], "choose one of its teacher"),
        ([None], "expected a text"),
    ],
    ids=["empty", "10 MB", "model", "teacher", "null"],
)
def test_mistakes_come_back_as_one_line(client: Client, arguments: list, told: str):
    with pytest.raises(AppError, match=told) as caught:
        client.predict(*arguments, api_name="/tag")
    assert len(str(caught.value).strip().splitlines()) == 1


def ask_by_http(url: str, body: str) -> str:
    """What the page's guide does with curl; the last event of the answer."""
    headers = {"Content-Type": "application/json"}
    call = f"{url}/gradio_api/call/tag"
    event = httpx.post(call, content=body.encode(), headers=headers, timeout=30).json()["event_id"]
    return httpx.get(f"{call}/{event}", timeout=30).text.strip().rsplit("event: ", 1)[1]


def test_the_api_answers_plain_http(page_url: str):
    event, data = ask_by_http(page_url, '{"data": ["Ana in Kiel", "", ""]}').split("\ndata: ")
    assert event == "complete"
    assert [one["text"] for one in json.loads(data)[0]["entities"]] == ["Ana", "Kiel"]


def test_text_that_has_no_utf8_is_answered(page_url: str):
    event, data = ask_by_http(page_url, '{"data": ["\\ud83d Ana \\u0000 \\u202e", "", ""]}').split("\ndata: ")
    assert event == "complete"
    answer = json.loads(data)[0]
    assert answer["text"].startswith("\ufffd Ana") and answer["entities"][0]["start"] == 2


def test_fifty_requests_at_once_are_all_answered(page_url: str):
    clients = [Client(page_url, verbose=False) for _ in range(5)]
    texts = [f"request {number} slowly from Ana in {'Kiel ' * (number % 7)}" for number in range(50)]

    def ask(number: int) -> dict:
        return clients[number % 5].submit(texts[number], "", "its teacher", api_name="/tag").result(timeout=60)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(ask, range(50)))
    assert [answer["text"] for answer in answers] == texts
    assert [len(answer["entities"]) for answer in answers] == [1 + number % 7 for number in range(50)]
