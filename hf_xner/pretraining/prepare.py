"""Everything that comes before training, as steps that are skipped where their result is already there."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.errors import InputError
from hf_xner.pretraining.corpus import (
    encode_language,
    encode_pairs,
    load_text,
    sample_lines,
    text_files,
    write_json,
)
from hf_xner.pretraining.initialise import Vectors, retrofit, train_vectors, write_sentences
from hf_xner.pretraining.lexicon import (
    HUB,
    Lexicon,
    cased_pairs,
    dictionary_files,
    encode_lexicon,
    read_dictionary,
    usual_case,
)
from hf_xner.pretraining.rows import Rows, RowSettings
from hf_xner.pretraining.tokenizer import continuation_flags, load_tokenizer, train_tokenizer

logger = logging.getLogger(__name__)
PREPARED = "prepared.json"
TOKENIZER_CHARACTERS = 90_000_000
VECTOR_ROWS = RowSettings(length=258, smoothing=0.8, switched=0.6, switch_rate=0.5, asked_back=0.0, parallel=0.0)


def check_prepared(folder: Path, options: dict[str, Any]) -> None:
    """Refuse a folder that was prepared with other options: what is in it is not made again.

    Args:
        folder: The run's folder; `prepared.json` in it holds the options.
        options: Those that say what is prepared, without places, which differ between machines.

    Raises:
        InputError: One of them differs.
    """
    path = folder / PREPARED
    if not path.is_file():
        write_json(path, options)
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    for name, value in options.items():
        if name in known and known[name] != value:
            raise InputError(
                f"{folder} was prepared with {known[name]}, not {value}",
                where=f"--{name}",
                remedy="take another --output_dir",
            )


def prepare_tokenizer(folder: Path, texts: Sequence[Path], languages: Sequence[str], vocab_size: int) -> Any:
    """Train the tokenizer into `<folder>/tokenizer`, or load the one that is there (it may be put there by hand)."""
    target = folder / "tokenizer"
    if not target.is_dir():
        logger.info("training the tokenizer")
        lines = sample_lines(text_files(texts, languages), smoothing=0.5, characters=TOKENIZER_CHARACTERS)
        partial = folder / "tokenizer.partial"
        shutil.rmtree(partial, ignore_errors=True)
        train_tokenizer(lines, vocab_size=vocab_size).save_pretrained(partial)
        os.replace(partial, target)
    return load_tokenizer(target)


def prepare_data(
    folder: Path,
    tokenizer: Any,
    *,
    texts: Sequence[Path],
    languages: Sequence[str],
    parallel: Path | None = None,
    dictionaries: Path | None = None,
) -> Path:
    """Encode text, parallel lines and dictionaries into `<folder>/data`.

    Args:
        folder: The run's folder.
        tokenizer: The tokenizer.
        texts: Folders with `<language>.txt[.xz]`.
        languages: Languages.
        parallel: Folder with `en-<language>.tsv[.xz]`; languages without a file have no parallel rows.
        dictionaries: Folder with `en-<language>.txt[.xz]` and `en-<language>.rev.txt[.xz]`, English first in both.

    Returns:
        The data folder.
    """
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for language, files in text_files(texts, languages).items():
        if not (data / f"{language}.ids").is_file():
            logger.info("encoding %s", language)
            encode_language(files, tokenizer, data / f"{language}.ids")
    others = [language for language in languages if language != HUB] if HUB in languages else []
    for language in others:
        _pairs(parallel, language, tokenizer, data)
    if dictionaries is not None:
        for language in others:
            _lexicons(dictionaries, language, tokenizer, data)
    return data


def _pairs(parallel: Path | None, language: str, tokenizer: Any, data: Path) -> None:
    target = data / f"en-{language}.npz"
    names = (f"en-{language}.tsv", f"en-{language}.tsv.xz")
    found = [parallel / name for name in names if (parallel / name).is_file()] if parallel else []
    if found and not target.is_file():
        logger.info("encoding %s", found[0].name)
        encode_pairs(found[0], tokenizer, target)


def _lexicons(dictionaries: Path, language: str, tokenizer: Any, data: Path) -> None:
    routes = ((HUB, language), (language, HUB))
    targets = [data / f"{source}-{target}.lexicon.npz" for source, target in routes]
    if all(target.is_file() for target in targets):
        return
    logger.info("encoding the dictionaries between %s and %s", *routes[0])
    case = {name: usual_case(load_text(data, name, with_words=True).words) for name in routes[0]}
    forward, backward = map(read_dictionary, dictionary_files(dictionaries, language))
    directed = (forward, [(word, english) for english, word in backward])
    for (source, target), pairs, output in zip(routes, directed, targets, strict=True):
        cased = cased_pairs(pairs, case[source], case[target])
        logger.info("%d of %d pairs from %s to %s are of frequent words", len(cased), len(pairs), source, target)
        encode_lexicon(cased, tokenizer, output)


def prepare_vectors(
    folder: Path, data: Path, tokenizer: Any, languages: list[str], *, dimensions: int, epochs: int = 4, seed: int = 0
) -> Vectors:
    """Train word2vec vectors on code-switched rows and draw translations together, or load them.

    Args:
        folder: The run's folder; the vectors go to `vectors-<dimensions>.npz`.
        data: The data folder.
        tokenizer: The tokenizer.
        languages: Languages.
        dimensions: Width.
        epochs: Passes over the text.
        seed: Seed.
    """
    target = folder / f"vectors-{dimensions}.npz"
    if not target.is_file():
        logger.info("training vectors of sub-words")
        sentences = folder / "sentences.partial"
        write_sentences(_vector_rows(data, tokenizer, languages), sentences)
        vectors = train_vectors(sentences, vocab_size=len(tokenizer), dimensions=dimensions, epochs=epochs, seed=seed)
        sentences.unlink()
        partial = folder / "vectors.partial.npz"
        np.savez(partial, inputs=vectors.inputs, outputs=vectors.outputs, counts=vectors.counts)
        os.replace(partial, target)
    with np.load(target) as arrays:
        vectors = Vectors(arrays["inputs"], arrays["outputs"], arrays["counts"])
    pairs = [pair for path in sorted(data.glob("*.lexicon.npz")) for pair in Lexicon(path).single_pairs()]
    return Vectors(retrofit(vectors.inputs, pairs), retrofit(vectors.outputs, pairs), vectors.counts)


def _vector_rows(data: Path, tokenizer: Any, languages: list[str]) -> Any:
    size = sum(len(load_text(data, language).ids) for language in languages)
    total = max(1, size // (VECTOR_ROWS.length - 2))
    rows = Rows(data, languages, continuation_flags(tokenizer), VECTOR_ROWS, total=total)
    return (rows[number]["input_ids"] for number in range(total))
