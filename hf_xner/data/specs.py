"""Short names of corpora: ``conll2003:en``, ``sample:es``, ``path/to/folder``, ``words.tsv:sw?token=2&tag=3``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl

from hf_xner.data.info import CorpusInfo
from hf_xner.data.registry import CORPORA
from hf_xner.errors import InputError


@dataclass(frozen=True)
class CorpusSpec:
    """A parsed spec.

    Attributes:
        text: The spec as it was given.
        info: The registry's entry, or None for a path.
        config: The configuration; of a path the language after it, "" without one.
        path: The folder or file, or None for a corpus of the registry.
        options: What stands after a path's question mark.
    """

    text: str
    info: CorpusInfo | None
    config: str
    path: Path | None = None
    options: dict[str, str] = field(default_factory=dict)

    @property
    def language(self) -> str | None:
        """Language code, as far as the spec says it."""
        if self.info is None:
            return self.config or None
        return replace(self.info, config=self.config).language


def parse_spec(spec: str) -> CorpusSpec:
    """Tell what a spec means; names of the registry come before paths.

    Args:
        spec: ``name:config``, or the path of a folder or file, with ``:xx`` (its language) and ``?token=2&tag=3`` (its
            columns) after it if wanted.

    Returns:
        The parsed spec.

    Raises:
        InputError: The name is unknown and no such path exists, or the corpus has no such configuration.
    """
    name, colon, config = spec.partition(":")
    if name in CORPORA and (colon or not Path(spec).exists()):
        return CorpusSpec(spec, CORPORA[name], CORPORA[name].check_config(config))
    text, _, query = (spec, "", "") if _exists(spec) else spec.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    if _exists(text):
        return CorpusSpec(spec, None, "", Path(text), options)
    path, colon, language = text.rpartition(":")
    if colon and _exists(path):
        return CorpusSpec(spec, None, language, Path(path), options)
    raise InputError(
        f"{spec!r} is no known corpus, and there is no such file or folder",
        remedy=f"give a path, or one of {', '.join(CORPORA)} with a language, as in conll2003:en",
    )


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False
