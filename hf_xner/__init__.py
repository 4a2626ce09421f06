"""hf_xner: named-entity taggers for languages that have no labels.

`import hf_xner` is light; what it offers is imported when first used. `import hf_xner.models.auto` registers the
research models with transformers' Auto classes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError
from hf_xner.version import __version__

if TYPE_CHECKING:
    from hf_xner.data import load_corpus, unlabelled
    from hf_xner.inference.tagger import Tagger
    from hf_xner.launch import train

_WHERE = {
    "Tagger": "hf_xner.inference.tagger",
    "load_corpus": "hf_xner.data",
    "train": "hf_xner.launch",
    "unlabelled": "hf_xner.data",
}

__all__ = ["InputError", "Tagger", "__version__", "load_corpus", "train", "unlabelled"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'hf_xner' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
