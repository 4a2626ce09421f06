"""The longest input of a saved tagger, as its own files say it; nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hf_xner.systems.files import read_json, write_json

TOKENIZER = "tokenizer_config.json"
LIMIT = "model_max_length"


def input_limit(model: Path) -> int | None:
    """Longest input in sub-words with special tokens; None for a model that reads words, however many.

    Args:
        model: Folder of the tagger.
    """
    if not (model / TOKENIZER).is_file():
        return None
    from hf_xner.data.encoding import longest_input

    config: dict[str, Any] = read_json(model / "config.json") or {}
    inner = config.get("encoder_config")
    options = SimpleNamespace(**config)
    if isinstance(inner, dict):
        options.encoder_config = SimpleNamespace(**inner)
    tokenizer = read_json(model / TOKENIZER) or {}
    return longest_input(SimpleNamespace(model_max_length=tokenizer.get(LIMIT)), options)


def state_input_limit(model: Path) -> None:
    """Write the longest input into the tokenizer's configuration where that states none, or more than the model takes.

    A plain pipeline cuts at what is stated there and at nothing else, so that without it long text makes it fail.

    Args:
        model: Folder of the tagger.
    """
    limit, options = input_limit(model), read_json(model / TOKENIZER)
    if limit is not None and isinstance(options, dict) and options.get(LIMIT) != limit:
        write_json(model / TOKENIZER, options | {LIMIT: limit})
