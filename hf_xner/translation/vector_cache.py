"""Vectors read once from text, then memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from hf_xner.errors import InputError
from hf_xner.translation.files import whole_folder
from hf_xner.translation.vectors import WordVectors, read_vectors

CACHE_VARIABLE = "HF_XNER_CACHE"
_FORMAT = 1  # raise it when what is stored changes


def cache_folder() -> Path:
    """Where hf_xner keeps what it can make again: the environment's `HF_XNER_CACHE`, or `~/.cache/hf_xner`."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "hf_xner")


def load_vectors(
    path: str | Path, *, limit: int | None = None, lowercase: bool = False, cache_dir: str | Path | None = None
) -> WordVectors:
    """Read a `.vec` file through a binary cache; the second time its numbers are memory-mapped.

    The cache knows the file by its place, size and time of change, and the options; a changed file is read anew.

    Args:
        path: The file, plain, `.gz` or `.xz`.
        limit: Keep the first so many different words.
        lowercase: See `read_vectors`.
        cache_dir: Where to keep the cache; `vectors` in `cache_folder()` by default.

    Returns:
        The vectors, read-only.

    Raises:
        InputError: The file cannot be read; see `read_vectors`.
    """
    path = Path(path)
    folder = Path(cache_dir or cache_folder() / "vectors") / _key(path, limit, lowercase)
    if not (folder / "vectors.npy").is_file():
        vectors = read_vectors(path, limit=limit, lowercase=lowercase)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder, "words.txt") as aside:
            (aside / "words.txt").write_text("\n".join(vectors.words), encoding="utf-8", newline="\n")
            np.save(aside / "vectors.npy", vectors.vectors)
    words = (folder / "words.txt").read_bytes().decode("utf-8").split("\n")
    origin = {"path": str(path.resolve()), "limit": limit, "lowercase": lowercase}
    return WordVectors(words, np.load(folder / "vectors.npy", mmap_mode="r"), str(path), origin)


def _key(path: Path, limit: int | None, lowercase: bool) -> str:
    try:
        facts = path.stat()
    except OSError:
        raise InputError("no such file", where=str(path), remedy="train vectors with `xner vectors train`") from None
    content = [_FORMAT, str(path.resolve()), facts.st_size, facts.st_mtime_ns, limit, lowercase]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]
