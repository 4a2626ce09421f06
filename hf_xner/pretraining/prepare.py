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
    find_packed,
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
from hf_xner.pretraining.rows import HELD_OUT_ROWS, Rows, RowSettings
from hf_xner.pretraining.tokenizer import continuation_flags, load_tokenizer, train_tokenizer

logger = logging.getLogger(__name__)
PREPARED = "prepared.json"
BEGUN = "training.json"
USEFUL = 0.1  # a dictionary of whose pairs fewer are found in the text is not of this language, or not of such words
TOKENIZER_CHARACTERS = 90_000_000
VECTOR_ROWS = RowSettings(length=258, smoothing=0.8, switched=0.6, switch_rate=0.5, asked_back=0.0, parallel=0.0)


def check_prepared(folder: Path, options: dict[str, Any], *, name: str = PREPARED, done: str = "prepared") -> None:
    """Refuse a folder that was prepared, or whose training began, with other options: nothing in it is made again.

    Args:
        folder: The run's folder.
        options: Those that say what is made, without places, which differ between machines.
        name: The file of the folder that holds them: `PREPARED` or `BEGUN`.
        done: What was done with them, for the message.

    Raises:
        InputError: One of them differs.
    """
    path = folder / name
    if not path.is_file():
        write_json(path, options)
        return
    known = json.loads(path.read_text(encoding="utf-8"))
    for option, value in options.items():
        if option in known and known[option] != value:
            raise InputError(
                f"{folder} was {done} with {known[option]}, not {value}",
                where=f"--{option}",
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
    missing = [language for language in languages if not (data / f"{language}.ids").is_file()]
    for language, files in text_files(texts, missing).items():
        logger.info("encoding %s", language)
        encode_language(files, tokenizer, data / f"{language}.ids")
    for language in others(languages):
        if parallel is not None:
            _pairs(parallel, language, tokenizer, data)
        if dictionaries is not None:
            _lexicons(dictionaries, language, tokenizer, data)
    return data


def others(languages: Sequence[str]) -> list[str]:
    """The languages that parallel lines and dictionaries are for: all but English, none without it."""
    return [language for language in languages if language != HUB] if HUB in languages else []


def check_sources(
    folder: Path, texts: Sequence[Path], languages: Sequence[str], parallel: Path | None, dictionaries: Path | None
) -> None:
    """Look for everything that is still to be read, before an hour goes into the first part of it.

    Args:
        folder: The run's folder: what it holds already needs no file, so that it can go on on another machine.
        texts: As `prepare_data`.
        languages: As `prepare_data`.
        parallel: As `prepare_data`.
        dictionaries: As `prepare_data`.

    Raises:
        InputError: A language has no text, `parallel` or `dictionaries` is of no use, or one half of a dictionary is
            missing.
    """
    data = folder / "data"
    text_files(texts, [language for language in languages if not (data / f"{language}.ids").is_file()])
    for option, place, ending, find in (
        ("--parallel", parallel, ".npz", _parallel_file),
        ("--dictionaries", dictionaries, ".lexicon.npz", dictionary_files),
    ):
        if place is not None:
            missing = [name for name in others(languages) if not (data / f"{HUB}-{name}{ending}").is_file()]
            _check_folder(option, place, languages, [name for name in missing if find(place, name) is None])


def _check_folder(option: str, folder: Path, languages: Sequence[str], without: Sequence[str]) -> None:
    """Refuse a folder that has nothing for any language; warn of those that it lacks."""
    if not others(languages):
        found = f"{option} is between {HUB} and other languages"
        raise InputError(found, where="--languages", remedy=f"name {HUB} and another one, or leave {option} out")
    if without == others(languages):
        raise InputError(
            f"nothing for any of {', '.join(without)}", where=f"{option} {folder}", remedy="check the path"
        )
    if without:
        logger.warning("%s %s: nothing for %s", option, folder, ", ".join(without))


def _parallel_file(folder: Path, language: str) -> Path | None:
    return find_packed(folder, f"en-{language}.tsv")


def _pairs(parallel: Path, language: str, tokenizer: Any, data: Path) -> None:
    target, found = data / f"en-{language}.npz", _parallel_file(parallel, language)
    if found is not None and not target.is_file():
        logger.info("encoding %s", found.name)
        encode_pairs(found, tokenizer, target)


def _lexicons(dictionaries: Path, language: str, tokenizer: Any, data: Path) -> None:
    routes = ((HUB, language), (language, HUB))
    targets = [data / f"{source}-{target}.lexicon.npz" for source, target in routes]
    if all(target.is_file() for target in targets) or (files := dictionary_files(dictionaries, language)) is None:
        return
    logger.info("encoding the dictionaries between %s and %s", *routes[0])
    case = {name: usual_case(load_text(data, name, with_words=True).words) for name in routes[0]}
    forward, backward = map(read_dictionary, files)
    directed = (forward, [(word, english) for english, word in backward])
    for (source, target), pairs, output in zip(routes, directed, targets, strict=True):
        cased = cased_pairs(pairs, case[source], case[target])
        level = logging.WARNING if len(cased) < USEFUL * len(pairs) else logging.INFO
        logger.log(level, "%d of %d pairs from %s to %s are of frequent words", len(cased), len(pairs), source, target)
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
    rows = Rows(data, languages, continuation_flags(tokenizer), VECTOR_ROWS, total=total, held_out=HELD_OUT_ROWS)
    return (rows[number]["input_ids"] for number in range(total))
