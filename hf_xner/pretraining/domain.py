"""The train sentences of tagged corpora as plain text: an encoder tags better what is like text that it has read."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from hf_xner.data.corpora import load_corpus, unlabelled
from hf_xner.data.specs import parse_spec
from hf_xner.errors import InputError

logger = logging.getLogger(__name__)


def corpus_text(
    folder: Path, specs: Sequence[str], languages: Sequence[str], data_dir: str | Path | None = None
) -> list[Path]:
    """Write the words of corpora, without their tags, as text files, or find those that are there.

    Args:
        folder: The run's folder; the text goes to `corpora/<language>.txt` in it.
        specs: Corpora, see `xner data list`; of each the train split is read.
        languages: Languages of the encoder.
        data_dir: Folder with local corpora.

    Returns:
        The folder of the text, alone in a list; an empty list without `specs`.

    Raises:
        InputError: A corpus is of no language of the encoder, or cannot be read.
    """
    check_languages(specs, languages)
    if not specs:
        return []
    target = folder / "corpora"
    if not target.is_dir():
        partial = folder / "corpora.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for spec in specs:
            _append(partial, spec, data_dir)
        os.replace(partial, target)
    return [target]


def check_languages(specs: Sequence[str], languages: Sequence[str]) -> None:
    """Refuse corpora of languages that the encoder does not have.

    Raises:
        InputError: There is one.
    """
    for spec in specs:
        language = parse_spec(spec).language
        if language not in languages:
            raise InputError(
                f"{spec} is in {language or 'an unnamed language'}, not in {', '.join(languages)}",
                where="--corpora",
                remedy="add the language to --languages, or write path:xx for a path",
            )


def _append(folder: Path, spec: str, data_dir: str | Path | None) -> None:
    sentences = unlabelled(load_corpus(spec, data_dir=data_dir)["train"])["tokens"]
    logger.info("%d train sentences of %s", len(sentences), spec)
    with (folder / f"{parse_spec(spec).language}.txt").open("a", encoding="utf-8") as out:
        out.writelines(" ".join(words) + "\n" for words in sentences)
