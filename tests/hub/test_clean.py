"""Secrets, machine paths, user and host names never leave the machine."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from hf_xner.errors import InputError
from hf_xner.hub.clean import cleaned_config, cleaned_results, refuse_private
from hf_xner.hub.files import Upload
from hf_xner.hub.machine import Machine, this_machine
from hf_xner.hub.secrets import find_secrets, known_secrets

ALICE = Machine(users=("alice",), hosts=("buildbox-17.example.org", "buildbox-17"), home="/home/alice")
# Put together, so that no scanner of this repository takes them for somebody's.
SECRETS = {
    "a Hugging Face token": "hf_" + "aB3" * 11,
    "an OpenAI or Anthropic key": "sk-" + "proj-" + "x1Y2" * 8,
    "an AWS key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "a GitHub token": "ghp_" + "a1B2c3" * 6,
    "a GitLab token": "glpat-" + "a1B2c3" * 4,
    "a Google key": "AIza" + "a1B2c" * 7,
    "a Slack token": "xoxb-" + "1234567890-abc",
    "a JSON web token": "eyJ" + "hbGciOiJIUzI1" + ".eyJ" + "zdWIiOiIxMjM0" + ".abcDEF123",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a password in an address": "https://alice:" + "hunter22@example.org/x",
    "a secret option": "--api_key " + "correct-horse",
    "a secret setting": '"password": "' + 'hunter22"',
}
PRIVATE = [
    "/home/alice/data/train.conll",
    "/mnt/projects/secret-client/train.conll",
    "~/data/train.conll",
    "~alice/data/train.conll",
    "../../alice/data/train.conll",
    "C:\\Users\\alice\\data\\train.conll",
    "\\\\buildbox-17\\share\\train.conll",
    "//buildbox-17/share/train.conll",
    "file:///home/alice/data/train.conll",
    "alice@buildbox-17:/data/train.conll",
    "--source=/home/alice/data/train.conll",
]


def upload(path: str, text: str | bytes) -> Upload:
    return Upload(path, text if isinstance(text, bytes) else text.encode())


def refused(path: str, text: str | bytes, known: dict[str, str] | None = None) -> str:
    """What `refuse_private` says to a file, or ''."""
    try:
        refuse_private([upload(path, text)], ALICE, known or {})
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("text", PRIVATE)
@pytest.mark.parametrize("place", ["command", "arguments", "note", "key"])
def test_paths_and_names_are_taken_out_of_results_and_none_is_left_to_refuse(text: str, place: str):
    results: dict[str, Any] = {
        "system": "tsl",
        "command": f"/home/alice/env/bin/xner train tsl --source '{text}' --seeds 1 2",
        "arguments": {"source": ["sample:en"]},
    }
    if place == "arguments":
        results["arguments"]["source"] = [text]
    elif place == "note":
        results["host"] = {"note": f"run by alice on buildbox-17 with {text}, twice"}
    elif place == "key":
        results["data"] = {text: "0" * 64}
    cleaned = json.dumps(cleaned_results(results, ALICE))
    for private in ("alice", "buildbox", "/home", "/mnt", "secret-client", "Users", "~"):
        assert private not in cleaned, cleaned
    assert "train.conll" in cleaned and "xner train tsl" in cleaned and "--seeds 1 2" in cleaned
    assert refused("results.json", cleaned) == ""


@pytest.mark.parametrize(
    "value",
    [
        "sample:en",
        "conll2002:es test",
        "google-bert/bert-base-multilingual-cased",
        "words.tsv:sw?token=2&tag=4",
        "https://huggingface.co/org/model",
        "Medication/Vaccine",
        "2026-11-21T08:38:47+00:00",
        "teacher, seed 1",
        "3.11.7 (main) / gcc",
        "malice@example",
    ],
)
def test_what_is_no_path_stays_as_it_is(value: str):
    assert cleaned_results({"arguments": {"x": value}}, ALICE)["arguments"]["x"] == value
    assert refused("results.json", json.dumps(value)) == ""


def test_where_a_model_was_loaded_from_is_left_out_of_its_configuration():
    config = {
        "_name_or_path": "/home/alice/mbert",
        "encoder_config": {"_name_or_path": "/home/alice/mbert", "hidden_size": 8},
        "is_local": True,
        "additional_special_tokens": ["[/INST]", "</s>"],
    }
    assert cleaned_config(config) == {
        "encoder_config": {"hidden_size": 8},
        "additional_special_tokens": ["[/INST]", "</s>"],
    }


@pytest.mark.parametrize(
    "path", ["README.md", "results.json", "research/code.py", "tokenizer.json", "words_target.txt"]
)
@pytest.mark.parametrize("what", [*SECRETS])
def test_secrets_are_refused_wherever_they_are(what: str, path: str):
    only_in_settings = what in ("a password in an address", "a secret option", "a secret setting")
    message = refused(path, f"some text {SECRETS[what]} and more")
    if only_in_settings and path in ("tokenizer.json", "words_target.txt"):
        assert message == "", "a vocabulary of web text holds such words"
    else:
        assert what in message and path in message and "nothing was sent" in message
        assert SECRETS[what] not in message and "\n" not in message


def test_secrets_of_this_process_are_refused_whatever_they_look_like(monkeypatch: pytest.MonkeyPatch):
    environment = {
        "DB_PASSWORD": "tulips and daffodils",
        "MY_SERVICE_TOKEN": "plainword1",
        "SHORT_TOKEN": "abc",
        "TOKENIZERS_PARALLELISM": "false-or-true",
        "EDITOR": "something-long",
    }
    monkeypatch.setattr("huggingface_hub.get_token", lambda: "my-own-hub-token")
    known = known_secrets(environment)
    assert set(known.values()) == {"the value of DB_PASSWORD", "the value of MY_SERVICE_TOKEN", "your Hub token"}
    assert "your Hub token" in refused("tokenizer.json", '{"a": "my-own-hub-token"}', known)
    assert "the value of DB_PASSWORD" in refused("README.md", "tulips and daffodils", known)


def test_ordinary_text_holds_no_secret():
    texts = [
        "El secreto: información de la policía, token 12 345 678",
        "The secret service announced that the password policy changes. API key members met.",
        '{"sep_token": "[SEP]", "unk_token": "[UNK]", "eos_token_id": 1234567}',
        "hf_xner hf_xner.hub.secrets sk-learn",
        "a7" * 32,
    ]
    for text in texts:
        assert list(find_secrets(text, {})) == []


@pytest.mark.parametrize("text", PRIVATE[:4] + PRIVATE[5:])
def test_a_card_with_a_path_of_this_machine_is_refused(text: str):
    assert "nothing was sent" in refused("README.md", f"# x\n\nTrained on `{text}`.\n")


def test_a_user_name_that_is_a_word_is_refused_in_records_and_not_in_prose():
    will = Machine(users=("will", "org"), hosts=("paris",), home="/home/will")
    refuse_private([upload("README.md", "It will find LOC in `org/tsl-es`; 2:1, paris.\n")], will.knowing("Org"), {})
    for path, text in (("results.json", '{"by": "will"}'), ("README.md", "scp will@host"), ("a.yaml", "on: paris")):
        with pytest.raises(InputError, match="a (user|host) name"):
            refuse_private([upload(path, text)], will, {})


def test_notes_in_weights_are_read_and_their_numbers_are_not():
    def weights(notes: dict[str, str]) -> bytes:
        header = json.dumps({"__metadata__": notes, "x": {"dtype": "U8", "shape": [12], "data_offsets": [0, 12]}})
        return struct.pack("<Q", len(header)) + header.encode() + b"/home/alice/"

    assert refused("model.safetensors", weights({"format": "pt"})) == ""
    assert "your home folder" in refused("model.safetensors", weights({"from": "/home/alice/x"}))
    assert "is no safetensors file" in refused("model.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00nonsense")


def test_this_machine_knows_its_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    monkeypatch.setattr("socket.gethostname", lambda: "buildbox-17.example.org")
    monkeypatch.setenv("USER", "root")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/alice"))
    for name in ("LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert this_machine() == ALICE


def test_a_container_without_a_user_is_no_trouble(monkeypatch: pytest.MonkeyPatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert isinstance(this_machine(), Machine)
