"""What a repository on the Hub holds, so that only what is new is sent, and nobody's model is overwritten."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.hub.files import Upload
from hf_xner.systems.run_folder import RESULTS

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What the Hub or a person puts into an empty repository; none of it is a model.
_EMPTY = (".gitattributes", ".gitignore", "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt")
_SAME_RUN = ("system", "student", "arguments", "data")
_BLOCK = 1 << 20
_FRONT_MATTER = re.compile(r"\A---\n.*?^---\s*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Remote:
    """A repository at one commit.

    Attributes:
        head: The commit.
        private: Whether the repository is private.
        files: For each path what its content is known by: the SHA-256 of a large file, git's SHA-1 of another.
    """

    head: str
    private: bool
    files: Mapping[str, str]

    def has(self, file: Upload) -> bool:
        """Whether the file is there with this very content."""
        digest = self.files.get(file.path)
        return digest is not None and digest == _digest(file, sha256=len(digest) == 64)

    def is_empty(self) -> bool:
        """Whether there is no model in it."""
        return all(path in _EMPTY for path in self.files)

    def stale(self, files: list[Upload]) -> list[str]:
        """Paths of what is left of another model: everything but `files`, licences and what the Hub put there."""
        return sorted(set(self.files) - {file.path for file in files} - set(_EMPTY))


def read_remote(api: HfApi, repo: str, revision: str) -> Remote | None:
    """What a repository holds; None where there is none that the token may see.

    Raises:
        RevisionNotFoundError: There is a repository, without such a revision.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, revision=revision, files_metadata=True)
    except RepositoryNotFoundError as error:
        # A token that is not accepted looks like a missing repository in some answers; only 404 says so.
        if error.response.status_code == 404:
            return None
        raise
    files = {
        sibling.rfilename: sibling.lfs.sha256 if sibling.lfs else str(sibling.blob_id)
        for sibling in info.siblings or []
    }
    return Remote(str(info.sha), bool(info.private), files)


def is_blank_card(api: HfApi, repo: str, remote: Remote, path: str) -> bool:
    """Whether a repository has no card, or one of front matter alone, as the Hub makes for a licence."""
    if path not in remote.files:
        return True
    with tempfile.TemporaryDirectory() as folder:
        place = api.hf_hub_download(repo, path, revision=remote.head, local_dir=folder)
        text = Path(place).read_text(encoding="utf-8", errors="replace")
    return not _FRONT_MATTER.sub("", text, count=1).strip()


def is_of_this_run(api: HfApi, repo: str, remote: Remote, results: Mapping[str, Any]) -> bool:
    """Whether a repository holds an earlier push of the same run: the same system, options and data."""
    if RESULTS not in remote.files:
        return False
    with tempfile.TemporaryDirectory() as folder:
        path = api.hf_hub_download(repo, RESULTS, revision=remote.head, local_dir=folder)
        try:
            there = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError:
            return False
    return isinstance(there, dict) and all(there.get(key) == results.get(key) for key in _SAME_RUN)


def last_change(api: HfApi, repo: str, remote: Remote, path: str) -> str | None:
    """Title of the commit that last changed a file; None where the Hub does not say."""
    found = api.get_paths_info(repo, [path], revision=remote.head, expand=True)
    commits = [entry.last_commit for entry in found if entry.path == path]
    return commits[0].title if commits and commits[0] is not None else None


def _digest(file: Upload, *, sha256: bool) -> str:
    """The digest that git (SHA-1 of a header and the content) or git LFS (SHA-256) knows a file by."""
    digest = hashlib.sha256() if sha256 else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    if isinstance(file.content, bytes):
        digest.update(file.content)
    else:
        with file.content.open("rb") as content:
            for block in iter(lambda: content.read(_BLOCK), b""):
                digest.update(block)
    return digest.hexdigest()
