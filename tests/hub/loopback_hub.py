"""A Hugging Face Hub on this machine, for model repositories: what huggingface_hub asks of the real one, and no more.

It keeps commits and branches like git, large files by SHA-256 like git LFS, and knows who may do what. Faults can be
planned: a request that gets an error, or whose connection breaks before or after it has been dealt with.

| asked for | by |
|---|---|
| POST /api/repos/create | create_repo |
| POST /api/validate-yaml | create_commit, if a README.md is in it |
| GET /api/models/ID, /revision/REV, /tree/REV, /refs | model_info, list_repo_tree, list_repo_refs, snapshot_download |
| POST /api/models/ID/paths-info/REV | get_paths_info |
| POST /api/models/ID/branch/NAME | create_branch |
| POST /api/models/ID/preupload/REV, /commit/REV | create_commit |
| POST /ID.git/info/lfs/objects/batch, PUT /lfs/OID, POST /lfs/verify | the upload of large files |
| HEAD and GET /ID/resolve/REV/PATH, /cdn/OID | from_pretrained, hf_hub_download |
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

LARGE = ("*.safetensors", "*.bin", "*.model", "*.onnx")
LARGE_BYTES = 10_000_000
ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE).encode()
LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")


class Answer(Exception):
    """What the handler sends instead of going on."""

    def __init__(self, status: int, code: str = "", message: str = "", body: Any = None) -> None:
        super().__init__(message or code)
        self.status, self.code, self.message, self.body = status, code, message, body


@dataclass(frozen=True)
class Blob:
    """One version of a file: its content, and whether it lies in LFS."""

    content: bytes
    large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        """The SHA-1 by which git knows it: of its pointer, where it is large."""
        content = self.content
        if self.large:
            content = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
                self.sha256.encode(),
                len(self.content),
            )
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Commit:
    """All files at one point, and what was said about it."""

    files: dict[str, Blob]
    message: str
    parent: str | None

    @property
    def oid(self) -> str:
        listing = json.dumps(
            [sorted((path, blob.oid) for path, blob in self.files.items()), self.message, self.parent]
        )
        return hashlib.sha1(listing.encode()).hexdigest()


@dataclass
class Repository:
    """A model repository."""

    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def add(self, commit: Commit, branch: str) -> str:
        self.commits[commit.oid] = commit
        self.branches[branch] = commit.oid
        return commit.oid

    def history(self, branch: str = "main") -> list[Commit]:
        """The commits of a branch, the first one first; the Hub's own initial commit is left out."""
        found: list[Commit] = []
        oid: str | None = self.branches[branch]
        while oid is not None:
            found.append(self.commits[oid])
            oid = self.commits[oid].parent
        return found[::-1][1:]


@dataclass(frozen=True)
class User:
    """Who a token belongs to, where he may write, and which private repositories he sees."""

    name: str
    writes: tuple[str, ...] = ()


@dataclass
class Fault:
    """A planned mishap: for the next `times` requests that match."""

    matches: Callable[[str, str], bool]
    times: int
    status: int | None = None  # None: the connection breaks
    after: bool = False  # it breaks after the request has been dealt with


class LoopbackHub:
    """The Hub: its repositories, users, and everything that was asked of it."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.users: dict[str, User] = {}
        self.private_by_default: set[str] = set()  # owners whose new repositories are private unless it is said
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.url = self.cdn = ""

    def fail(self, request: str, *, times: int = 1, status: int | None = None, after: bool = False) -> None:
        """Let the next requests whose `METHOD /path` matches a pattern fail."""
        self.faults.append(Fault(lambda m, p: fnmatch.fnmatch(f"{m} {p}", request), times, status, after))

    def count(self, request: str) -> int:
        """How many requests matched a pattern."""
        return sum(fnmatch.fnmatch(line, request) for line in self.requests)

    def files(self, repo: str, revision: str = "main") -> dict[str, bytes]:
        """What a repository holds."""
        repository = self.repositories[repo]
        commit = repository.commits[repository.branches[revision]]
        return {path: blob.content for path, blob in commit.files.items() if path != ".gitattributes"}

    @contextmanager
    def running(self) -> Iterator[LoopbackHub]:
        """Answer on a free port of this machine."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.cdn = f"http://localhost:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    # what the API does

    def create(self, user: User | None, body: dict[str, Any]) -> Any:
        user = _known(user)
        owner = body.get("organization") or user.name
        repo = f"{owner}/{body['name']}"
        if owner not in user.writes:
            raise Answer(403, message=f'You don\'t have the rights to create a model under the namespace "{owner}"')
        if repo in self.repositories:
            raise Answer(409, message="You already created this model repo")
        asked = body.get("visibility") or {None: None, True: "private", False: "public"}[body.get("private")]
        private = asked == "private" if asked else owner in self.private_by_default
        repository = self.repositories[repo] = Repository(private)
        repository.add(Commit({".gitattributes": Blob(ATTRIBUTES, False)}, "initial commit", None), "main")
        return {"url": f"{self.url}/{repo}", "name": repo, "id": repo}

    def seen(self, user: User | None, repo: str) -> Repository:
        """A repository, for somebody who may see it."""
        repository = self.repositories.get(repo)
        owner = repo.partition("/")[0]
        if repository is None or (repository.private and (user is None or owner not in user.writes)):
            # Without a token the real Hub does not even say that there is nothing.
            status = 404 if user else 401
            raise Answer(status, "RepoNotFound", "Repository not found" if user else "Invalid username or password.")
        return repository

    def written(self, user: User | None, repo: str) -> Repository:
        """A repository, for somebody who may write to it."""
        repository = self.seen(_known(user), repo)
        if repo.partition("/")[0] not in _known(user).writes:
            raise Answer(403, message="You don't have write access to this repo")
        return repository

    def commit_at(self, repository: Repository, revision: str) -> tuple[str, Commit]:
        oid = repository.branches.get(revision, revision)
        if oid not in repository.commits:
            raise Answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return oid, repository.commits[oid]

    def info(self, user: User | None, repo: str, revision: str, *, blobs: bool) -> Any:
        repository = self.seen(user, repo)
        oid, commit = self.commit_at(repository, revision)
        siblings = []
        for path, blob in commit.files.items():
            entry: dict[str, Any] = {"rfilename": path}
            if blobs:
                entry |= {"size": len(blob.content), "blobId": blob.oid}
                if blob.large:
                    entry["lfs"] = {"sha256": blob.sha256, "size": len(blob.content), "pointerSize": 134}
            siblings.append(entry)
        return {
            "_id": "0",
            "id": repo,
            "modelId": repo,
            "sha": oid,
            "private": repository.private,
            "tags": [],
            "siblings": siblings,
        }

    def tree(self, user: User | None, repo: str, revision: str, folder: str, *, recursive: bool) -> Any:
        _, commit = self.commit_at(self.seen(user, repo), revision)
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, Any] = {}
        for path, blob in commit.files.items():
            rest = path[len(prefix) :]
            if not path.startswith(prefix):
                continue
            if "/" in rest and not recursive:
                name = prefix + rest.partition("/")[0]
                entries[name] = {"type": "directory", "path": name, "size": 0, "oid": "0" * 40}
                continue
            entries[path] = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.oid}
            if blob.large:
                entries[path]["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
        if folder and not entries:
            raise Answer(404, "EntryNotFound", f"{folder} does not exist")
        return list(entries.values())

    def paths_info(self, user: User | None, repo: str, revision: str, paths: list[str]) -> Any:
        repository = self.seen(user, repo)
        oid, commit = self.commit_at(repository, revision)
        entries = []
        for path in paths:
            if path not in commit.files:
                continue
            last = oid
            while (parent := repository.commits[last].parent) is not None and (
                repository.commits[parent].files.get(path) == commit.files[path]
            ):
                last = parent
            blob = commit.files[path]
            changed = {"id": last, "title": repository.commits[last].message, "date": "2026-01-01T00:00:00.000Z"}
            entry = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.oid, "lastCommit": changed}
            entries.append(entry)
        return entries

    def branch(self, user: User | None, repo: str, name: str, body: dict[str, Any]) -> Any:
        repository = self.written(user, repo)
        if name in repository.branches:
            raise Answer(409, message="Reference already exists")
        repository.branches[name] = self.commit_at(repository, body.get("startingPoint") or "main")[0]
        return {}

    def preupload(self, user: User | None, repo: str, revision: str, body: dict[str, Any]) -> Any:
        _, commit = self.commit_at(self.written(user, repo), revision)
        files = []
        for file in body["files"]:
            large = _is_large(file["path"], file["size"])
            entry = {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if file["path"] in commit.files:
                there = commit.files[file["path"]]
                entry["oid"] = there.sha256 if there.large else there.oid
            files.append(entry)
        return {"files": files}

    def lfs_batch(self, user: User | None, repo: str, body: dict[str, Any]) -> Any:
        self.written(user, repo)
        objects = []
        for wanted in body["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.large:
                answer["actions"] = {
                    "upload": {"href": f"{self.url}/lfs/{wanted['oid']}"},
                    "verify": {"href": f"{self.url}/lfs/verify"},
                }
            objects.append(answer)
        return {"transfer": "basic", "objects": objects}

    def lfs_put(self, oid: str, content: bytes) -> Any:
        if hashlib.sha256(content).hexdigest() != oid:
            raise Answer(400, message="the content is not what its name says")
        self.large[oid] = content
        return {}

    def lfs_verify(self, body: dict[str, Any]) -> Any:
        if len(self.large.get(body["oid"], b"")) != body["size"]:
            raise Answer(404, message="no such object")
        return {}

    def commit(self, user: User | None, repo: str, revision: str, lines: list[dict[str, Any]]) -> Any:
        repository = self.written(user, repo)
        if revision not in repository.branches:
            raise Answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        head = repository.branches[revision]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, head):
            raise Answer(412, message="A commit has happened since. Please refresh and try again.")
        files = dict(repository.commits[head].files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                content = base64.b64decode(value["content"])
                if _is_large(value["path"], len(content)):
                    raise Answer(400, message="a large file was sent as a regular one")
                files[value["path"]] = Blob(content, False)
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.large:
                    raise Answer(400, message="an LFS pointer pointed to a file that does not exist")
                files[value["path"]] = Blob(self.large[value["oid"]], True)
            elif line["key"] == "deletedFile":
                if files.pop(value["path"], None) is None:
                    raise Answer(404, "EntryNotFound", "A file with this name doesn't exist")
            else:
                raise Answer(400, message=f"unknown key {line['key']}")
        oid = repository.add(Commit(files, header["summary"], head), revision)
        return {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{repo}/commit/{oid}", "hookOutput": ""}


def _known(user: User | None) -> User:
    if user is None:
        raise Answer(401, message="Invalid username or password.")
    return user


def _is_large(path: str, size: int) -> bool:
    return size > LARGE_BYTES or any(fnmatch.fnmatch(path, pattern) for pattern in LARGE)


def validate_card(content: str) -> Any:
    """What the Hub checks of a card, as far as it is documented: YAML of plain values, languages, model-index."""
    errors = []
    try:
        data = yaml.safe_load(content.split("---\n")[1])
    except (yaml.YAMLError, IndexError) as error:
        raise Answer(400, body={"errors": [{"message": f"no YAML: {error}"}], "warnings": []}) from error
    languages = data.get("language") or []
    for language in [languages] if isinstance(languages, str) else languages:
        if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
            errors.append(f'"language" must be ISO 639-1, 639-2 or 639-3, not {language!r}')
    if not isinstance(data.get("license", ""), str) or not re.fullmatch(r"[a-z0-9.-]*", data.get("license", "")):
        errors.append('"license" is no known licence')
    for model in data.get("model-index") or []:
        for result in model["results"]:
            if not result.get("dataset", {}).get("name") or not result["dataset"].get("type"):
                errors.append('"model-index" needs a name and a type of each dataset')
            for metric in result["metrics"]:
                if not isinstance(metric.get("value"), (int, float, str)):
                    errors.append(f'"model-index": {metric.get("value")!r} is no value')
    if errors:
        raise Answer(400, body={"errors": [{"message": error} for error in errors], "warnings": []})
    return {"errors": [], "warnings": []}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, *args: object) -> None:
        pass

    def _serve(self) -> None:
        body = self._body()
        path = urlsplit(self.path).path
        with self.hub.lock:
            self.hub.requests.append(f"{self.command} {path}")
            self.hub.bodies.append(body)
            fault = next((f for f in self.hub.faults if f.times and f.matches(self.command, path)), None)
            if fault is not None:
                fault.times -= 1
                if fault.status is None and not fault.after:
                    return self._break()
            try:
                if fault is not None and fault.status is not None:
                    raise Answer(fault.status, message="planned")
                answer = self._route(path, body)
            except Answer as refusal:
                return self._refuse(refusal)
        if fault is not None and fault.after:
            return self._break()
        if answer is not None:
            self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
        return None

    def _break(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _user(self) -> User | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.users:
            raise Answer(401, message="Invalid credentials in Authorization header")
        return self.hub.users.get(token)

    def _route(self, path: str, body: bytes) -> Any:
        hub, method = self.hub, self.command
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if method == "PUT" and parts[0] == "lfs":
            return hub.lfs_put(parts[1], body)
        if parts[0] == "cdn":
            return self._content(hub.large[parts[1]], {"ETag": f'"{parts[1]}"'})
        if path == "/lfs/verify":
            return hub.lfs_verify(json.loads(body))
        if path == "/api/validate-yaml":
            return validate_card(json.loads(body)["content"])
        user = self._user()
        if path == "/api/repos/create":
            return hub.create(user, json.loads(body))
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self._model(user, "/".join(parts[2:4]), parts[4:], body)
        if path.endswith(".git/info/lfs/objects/batch"):
            return hub.lfs_batch(user, path.strip("/").removesuffix(".git/info/lfs/objects/batch"), json.loads(body))
        if len(parts) > 4 and parts[2] == "resolve":
            return self._resolve(user, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        raise Answer(404, message=f"there is no {path} here")

    def _model(self, user: User | None, repo: str, rest: list[str], body: bytes) -> Any:
        hub = self.hub
        query = urlsplit(self.path).query.lower()
        what, more = (rest[0], rest[1:]) if rest else ("revision", ["main"])
        if what == "revision":
            return hub.info(user, repo, more[0], blobs="blobs=true" in query)
        if what == "tree":
            return hub.tree(user, repo, more[0], "/".join(more[1:]), recursive="recursive=true" in query)
        if what == "refs":
            branches = hub.seen(user, repo).branches
            named = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": oid} for n, oid in branches.items()]
            return {"branches": named, "converts": [], "tags": []}
        if what == "paths-info":
            return hub.paths_info(user, repo, more[0], parse_qs(body.decode())["paths"])
        if what == "branch":
            return hub.branch(user, repo, more[0], json.loads(body or b"{}"))
        if what == "preupload":
            return hub.preupload(user, repo, more[0], json.loads(body))
        if what == "commit":
            return hub.commit(user, repo, more[0], [json.loads(line) for line in body.splitlines()])
        raise Answer(404, message=f"there is no {what} here")

    def _resolve(self, user: User | None, repo: str, revision: str, path: str) -> None:
        oid, commit = self.hub.commit_at(self.hub.seen(user, repo), revision)
        if path not in commit.files:
            raise Answer(404, "EntryNotFound", f"{path} does not exist", {"X-Repo-Commit": oid})
        blob = commit.files[path]
        headers = {"X-Repo-Commit": oid}
        if not blob.large:
            return self._content(blob.content, headers | {"ETag": f'"{blob.oid}"'})
        # Large files lie on another host, as on the real Hub: the client keeps to this answer's headers.
        headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.content))}
        return self._send(302, b"", headers | {"Location": f"{self.hub.cdn}/cdn/{blob.sha256}"})

    def _content(self, content: bytes, headers: dict[str, str]) -> None:
        start = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start is None:
            return self._send(200, content, headers)
        first = int(start[1])
        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return self._send(206, content[first:], headers)

    def _refuse(self, refusal: Answer) -> None:
        headers = {"Content-Type": "application/json"}
        if refusal.code:
            headers["X-Error-Code"] = refusal.code
        if refusal.message:
            headers["X-Error-Message"] = refusal.message
        if refusal.code == "EntryNotFound" and isinstance(refusal.body, dict):
            return self._send(refusal.status, b"{}", headers | refusal.body)
        body = refusal.body if refusal.body is not None else {"error": refusal.message or refusal.code}
        return self._send(refusal.status, json.dumps(body).encode(), headers)

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
