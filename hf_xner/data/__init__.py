"""Corpora: files and Hub datasets become `DatasetDict`s of words and IOB2 tags; a target corpus loses its tags."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_xner.data.corpora import describe, list_corpora, load_corpus, unlabelled
    from hf_xner.data.digest import content_digest

# Imported when first used, so that the registry can be listed without importing `datasets`.
_WHERE = {
    "content_digest": "hf_xner.data.digest",
    "describe": "hf_xner.data.corpora",
    "list_corpora": "hf_xner.data.corpora",
    "load_corpus": "hf_xner.data.corpora",
    "unlabelled": "hf_xner.data.corpora",
}

__all__ = ["content_digest", "describe", "list_corpora", "load_corpus", "unlabelled"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'hf_xner.data' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
