"""Corpora from the Hub: a small one on this machine answers, so that nothing leaves it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

SHA = "a" * 40
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
from hf_xner.data.corpora import load_corpus
from hf_xner.errors import InputError
try:
    corpus = load_corpus(sys.argv[1], data_dir=sys.argv[3] if len(sys.argv) > 3 else None, cache_dir=sys.argv[2])
except InputError as error:
    sys.exit(str(error))
names = corpus["train"].features["ner_tags"].feature.names
row = corpus["train"][0]
print(json.dumps([list(corpus), row["tokens"], [names[tag] for tag in row["ner_tags"]]]))
"""


def parquet(tokens: list[list[str]], tags: list[list[int]]) -> bytes:
    """A file without names for its numbers, as the Hub's converter may leave it."""
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"id": ["0"] * len(tokens), "tokens": tokens, "ner_tags": tags}), buffer)
    return buffer.getvalue()


MULTICONER = b"# id 1\tdomain=train\nbonn _ _ B-LOC\n"
REPOSITORIES = {
    "eriktks/conll2003": {
        f"conll2003/{split}/0000.parquet": parquet([["Bonn", "calls", "Ada"]], [[5, 0, 1]])
        for split in ("train", "validation", "test")
    },
    "samanjoy2/multiconer_v1": {"ES-Spanish/es_train.conll": MULTICONER, "ES-Spanish/es_dev.conll": MULTICONER},
}


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.split("?")[0].lstrip("/")
        for repository, files in REPOSITORIES.items():
            if path.startswith(f"api/datasets/{repository}/tree/"):
                listing = [{"type": "file", "path": f, "size": len(c), "oid": "0" * 40} for f, c in files.items()]
                return self.send(json.dumps(listing).encode(), {}, body)
            if path.startswith(f"api/datasets/{repository}"):
                siblings = [{"rfilename": name} for name in files]
                info = {"id": repository, "sha": SHA, "siblings": siblings, "tags": [], "private": False}
                return self.send(json.dumps(info).encode(), {}, body)
            prefix = f"datasets/{repository}/resolve/{SHA}/"
            if path.startswith(prefix) and path[len(prefix) :] in files:
                content = files[path[len(prefix) :]]
                etag = hashlib.sha1(content).hexdigest()
                return self.send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": SHA}, body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def load(spec: str, home: Path, endpoint: str, offline: bool = False, data_dir: Path | None = None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    if offline:
        environment["HF_HUB_OFFLINE"] = "1"
    arguments = [spec, str(home / "arrow"), *([str(data_dir)] if data_dir else [])]
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_hub_second_then_cache_without_it(hub: str, tmp_path: Path) -> None:
    wanted = [["train", "validation", "test"], ["Bonn", "calls", "Ada"], ["B-LOC", "O", "B-PER"]]
    online = load("conll2003:en", tmp_path, hub)
    assert online.returncode == 0 and json.loads(online.stdout) == wanted, online.stderr
    offline = load("conll2003:en", tmp_path, "http://127.0.0.1:9", offline=True)
    assert offline.returncode == 0 and json.loads(offline.stdout) == wanted, offline.stderr


def test_raw_files_from_the_hub(hub: str, tmp_path: Path) -> None:
    result = load("multiconer:es", tmp_path, hub)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [["train", "validation", "test"], ["bonn"], ["B-LOC"]]


def test_repository_that_is_gone_says_how_to_fetch_by_hand(hub: str, tmp_path: Path) -> None:
    result = load("wikiann:sw", tmp_path, hub)
    assert result.returncode == 1
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith(
        "no files of wikiann:sw; looked for train, dev, test in no folder (neither --data_dir nor"
    )
    assert "hf download unimelb-nlp/wikiann --repo-type dataset --revision main" in message


def test_what_the_message_says_works(tmp_path: Path) -> None:
    """Files as `hf download --local-dir` lays them down are found by --data_dir."""
    for name, content in REPOSITORIES["eriktks/conll2003"].items():
        path = tmp_path / "fetched" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    result = load("conll2003:en", tmp_path, "http://127.0.0.1:9", offline=True, data_dir=tmp_path / "fetched")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)[1] == ["Bonn", "calls", "Ada"]
