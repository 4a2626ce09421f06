"""Predictions in conlleval's column format: token, gold tag, predicted tag; a blank line after each sentence."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hf_xner.data.formats.text import byte_lines
from hf_xner.errors import InputError
from hf_xner.labels import split_tag
from hf_xner.whole_files import whole_file

_WHITE_SPACE = re.compile(r"\s+")
_COLUMN_BREAK = re.compile(r"[ \t]+")


class PredictionFile(NamedTuple):
    """What a prediction file holds, a list a sentence.

    Attributes:
        tokens: The words.
        gold: Their gold tags.
        predicted: Their predicted tags.
    """

    tokens: list[list[str]]
    gold: list[list[str]]
    predicted: list[list[str]]


def write_predictions(
    path: str | os.PathLike[str],
    tokens: Sequence[Sequence[str]],
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
) -> None:
    """Write a prediction file that conlleval, and :func:`read_predictions`, can read.

    The file appears complete or not at all. White space inside a token would be taken for a column's end: it is
    written as ``_``, and so is an empty token. A sentence without tokens leaves no trace in this format.

    Args:
        path: The file.
        tokens: Words, a list a sentence.
        gold: Gold tags of the same sentences.
        predicted: Predicted tags of the same sentences.

    Raises:
        InputError: The three differ in length, a tag is malformed, or the file cannot be written.
    """
    path = Path(path)
    if not len(tokens) == len(gold) == len(predicted):
        raise InputError(
            f"{len(tokens)} sentences of tokens, {len(gold)} of gold tags, {len(predicted)} of predicted tags",
            remedy="give the same sentences three times",
        )
    text = "".join(_format_sentences(tokens, gold, predicted))
    try:
        with whole_file(path) as aside, open(aside, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise InputError(
            f"cannot write the file ({error.strerror})", where=str(path), remedy="check the folder and the free space"
        ) from error


def read_predictions(path: str | os.PathLike[str]) -> PredictionFile:
    """Read a prediction file.

    Args:
        path: A UTF-8 file of columns set apart by spaces or tabs. The first is the token, the last two are the gold
            and the predicted tag; columns between them are skipped.

    Returns:
        Its sentences.

    Raises:
        InputError: The file is missing, empty, not UTF-8, or a line of it is not as described; names file and line.
    """
    path = Path(path)
    content = PredictionFile([], [], [])
    n_columns = None
    in_sentence = False
    for number, line in _numbered_lines(path):
        if not line:
            in_sentence = False
            continue
        columns = _COLUMN_BREAK.split(line)
        _check_columns(columns, n_columns, f"{path}:{number}")
        n_columns = len(columns)
        if not in_sentence:
            for column in content:
                column.append([])
            in_sentence = True
        for column, value in zip(content, (columns[0], columns[-2], columns[-1]), strict=True):
            column[-1].append(value)
    if not content.tokens:
        raise InputError(
            "the file holds no sentence", where=str(path), remedy="give a file of lines 'token gold predicted'"
        )
    return content


def _format_sentences(
    tokens: Sequence[Sequence[str]], gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> Iterator[str]:
    for number, (words, gold_tags, predicted_tags) in enumerate(zip(tokens, gold, predicted, strict=True), start=1):
        if not len(words) == len(gold_tags) == len(predicted_tags):
            raise InputError(
                f"{len(words)} tokens, {len(gold_tags)} gold tags, {len(predicted_tags)} predicted tags",
                where=f"sentence {number}",
                remedy="give one gold and one predicted tag for every token",
            )
        _check_tags((*gold_tags, *predicted_tags), f"sentence {number}")
        lines = zip((_WHITE_SPACE.sub("_", word) or "_" for word in words), gold_tags, predicted_tags, strict=True)
        yield "".join(f"{word} {gold_tag} {predicted_tag}\n" for word, gold_tag, predicted_tag in lines) + "\n"


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the file ({error.strerror})", where=str(path), remedy="check the path"
        ) from error
    for number, raw in enumerate(byte_lines(io.BytesIO(content.removeprefix(b"\xef\xbb\xbf"))), start=1):
        try:
            yield number, raw.decode("utf-8").strip(" \t\r")
        except UnicodeDecodeError as error:
            raise InputError(
                f"byte 0x{raw[error.start]:02x} is not UTF-8",
                where=f"{path}:{number}",
                remedy="recode the file, for instance with iconv -f latin1 -t utf8",
            ) from None


def _check_columns(columns: list[str], n_columns: int | None, where: str) -> None:
    remedy = "write 'token gold predicted' on each line and a blank line between sentences"
    if len(columns) < 3:
        raise InputError(f"{len(columns)} column(s), expected at least 3", where=where, remedy=remedy)
    if n_columns is not None and len(columns) != n_columns:
        raise InputError(f"{len(columns)} columns, but the lines before have {n_columns}", where=where, remedy=remedy)
    _check_tags(columns[-2:], where)


def _check_tags(tags: Iterable[str], where: str) -> None:
    for tag in tags:
        try:
            split_tag(tag)
        except InputError as error:
            raise InputError(error.what, where=where, remedy=error.remedy) from None
