"""What a model is, as one string: by its files, or by its commit on the Hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hf_xner.errors import InputError

# Weights, settings and tokenizers; what else a folder holds decides nothing.
SUFFIXES = {".json", ".safetensors", ".bin", ".txt", ".model", ".spm"}


def model_digest(name: str, *, remedy: str = "check --encoder") -> str:
    """Digest of a model: of the files of a folder, or of a Hub id with the commit its weights come from.

    Args:
        name: Folder or Hub id.
        remedy: What to do where there is neither.

    Raises:
        InputError: There is no such folder, and the Hub has no such model or cannot be asked.
    """
    if Path(name).is_dir():
        return folder_digest(Path(name))
    return hashlib.sha256(f"{name}@{model_commit(name, remedy=remedy)}".encode()).hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 of the names and the content of a model's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
    return digest.hexdigest()


def model_commit(name: str, revision: str | None = None, *, remedy: str) -> str | None:
    """The commit of a model on the Hub, from its own cache where the Hub cannot be asked.

    Raises:
        InputError: Neither knows it.
    """
    from transformers.utils import cached_file
    from transformers.utils.hub import extract_commit_hash

    try:
        # Read off where the file lies: a configuration object does not know its commit in every transformers, and
        # making one of a model with code of its own asks whether to run that code.
        return extract_commit_hash(cached_file(name, "config.json", revision=revision), None)
    except (OSError, ValueError) as error:
        raise InputError(
            "there is no such folder, and the Hub gave nothing either", where=name, remedy=remedy
        ) from error
