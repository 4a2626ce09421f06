"""A review as it lies on disk: what was drawn, what was answered, and the corrected sentences as a corpus.

session.json     the text, the taggers, how the sample was drawn; written last, so that it stands for a whole session
weights.npz      weight and priority of every sentence of the text, for drawing more
sample.jsonl     the drawn sentences in the order in which they are shown
answers.json     one answer a sentence, saved after each
reviewed.conll   the judged sentences with their tags in IOB2: a corpus for every reader of hf_xner
report.json      the figures of the last report

No file names a path of this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.data.formats.columns import escaped
from hf_xner.errors import InputError
from hf_xner.labels import Span, tags_from_spans
from hf_xner.review.sampling import Array
from hf_xner.systems.files import clear_disk_errors, read_json, require_place_for_folder, write_json
from hf_xner.systems.locks import locked_if_free

SESSION, WEIGHTS, SAMPLE, ANSWERS = "session.json", "weights.npz", "sample.jsonl", "answers.json"
CORPUS, REPORT, LOCK = "reviewed.conll", "report.json", ".lock"
FORMAT = 1
REMEDY = "give another --output"
SKIPPED, CONFIRMED, CORRECTED = "skipped", "confirmed", "corrected"
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class DrawnSentence:
    """A sentence of the sample.

    Attributes:
        number: Its place in the text, from 0.
        words: Its words.
        before: The sentence before it, words joined by spaces; empty for the first.
        after: The one after it.
        entities: What the tagger finds.
        scores: The entities' scores.
        teacher: What the teacher finds, or None without one.
        weight: q of :mod:`hf_xner.review.sampling`.
        priority: Its priority there.
    """

    number: int
    words: list[str]
    before: str
    after: str
    entities: list[Span]
    scores: list[float]
    teacher: list[Span] | None
    weight: float
    priority: float

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> DrawnSentence:
        """The inverse of `asdict`, through JSON."""
        teacher = record["teacher"]
        return cls(
            **{
                **record,
                "entities": _spans(record["entities"]),
                "teacher": None if teacher is None else _spans(teacher),
            }
        )


@dataclass(frozen=True)
class Answer:
    """What a person said about a sentence.

    Attributes:
        status: "confirmed", "corrected" or "skipped".
        entities: The right entities; those of the tagger for a skipped one.
        seconds: How long it took, or None where nobody measured.
    """

    status: str
    entities: list[Span]
    seconds: float | None = None


class Session:
    """A review that has been drawn.

    Args:
        folder: Its folder.

    Raises:
        InputError: The folder holds no session, or one that cannot be read.

    Attributes:
        facts: The content of `session.json`.
        drawn: The sample, in the order in which it is shown.
        answers: Answers by position in `drawn`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Any] = read_json(folder / SESSION) or {}
        if self.facts.get("format") != FORMAT:
            raise InputError("holds no review", where=str(folder), remedy="begin one with --text FILE")
        try:
            lines = (folder / SAMPLE).read_text(encoding="utf-8").split("\n")
            self.drawn = self._drawn([line for line in lines if line])
            answers = json.loads((folder / ANSWERS).read_text(encoding="utf-8")) if (folder / ANSWERS).exists() else {}
            self.answers = {
                int(position): Answer(answer["status"], _spans(answer["entities"]), answer["seconds"])
                for position, answer in answers.items()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"the review cannot be read ({type(error).__name__}: {error})", where=str(folder), remedy=REMEDY
            ) from error

    def _drawn(self, lines: Sequence[str]) -> list[DrawnSentence]:
        """The sample, without what an extension that was cut off before its `session.json` left behind it."""
        size = self.facts.get("drawn", len(lines))  # reviews begun by earlier versions have none
        drawn = [DrawnSentence.from_dict(json.loads(line)) for line in lines[:size]]
        if len(drawn) < size:
            raise ValueError(f"{SAMPLE} has {len(drawn)} sentences of {size}")
        return drawn

    @property
    def types(self) -> list[str]:
        """The entity types that the tagger knows."""
        return self.facts["types"]

    @property
    def position(self) -> int:
        """Of the first sentence without an answer; the size of the sample where all have one."""
        return next((place for place in range(len(self.drawn)) if place not in self.answers), len(self.drawn))

    @property
    def judged(self) -> list[tuple[DrawnSentence, Answer]]:
        """The sentences before `position` with their answers: a sample of that size."""
        return [(self.drawn[place], self.answers[place]) for place in range(self.position)]

    @property
    def threshold(self) -> float:
        """The highest priority among the sentences that are not judged; 0 where the whole text is."""
        position = self.position
        return self.drawn[position].priority if position < len(self.drawn) else self.facts["next_priority"]

    def weights(self) -> tuple[Array, Array]:
        """Weight and priority of every sentence of the text."""
        with np.load(self.folder / WEIGHTS) as arrays:
            return arrays["weights"], arrays["priorities"]

    def answer(self, position: int, entities: Sequence[Span] | None, seconds: float | None = None) -> None:
        """Save an answer, and the corpus with it.

        Args:
            position: Of the sentence in `drawn`.
            entities: Its right entities; None to skip it.
            seconds: How long it took.

        Raises:
            InputError: The disk is full or may not be written to.
        """
        found = self.drawn[position].entities
        if entities is None:
            given = Answer(SKIPPED, found, seconds)
        else:
            given = Answer(CONFIRMED if set(entities) == set(found) else CORRECTED, list(entities), seconds)
        answers = {**self.answers, position: given}
        with clear_disk_errors(self.folder, "make room there; all answers before this one are saved"):
            write_json(self.folder / ANSWERS, {str(place): asdict(one) for place, one in sorted(answers.items())})
            self.answers = answers
            self.write_corpus()

    def write_corpus(self) -> None:
        """Write the judged sentences as a corpus; a process killed between two files may have left an older one."""
        _write_text(self.folder / CORPUS, self.corpus())

    def corpus(self) -> str:
        """The answered sentences as CoNLL columns `token tag`, with `# id = N` (the sentence's number, from 1) before.

        White space and control characters in a token are written as `_`, and so is the first character of a token that
        readers would take for a comment or a document marker.
        """
        parts = []
        for place, answer in sorted(self.answers.items()):
            if answer.status != SKIPPED:
                sentence = self.drawn[place]
                tags = tags_from_spans(answer.entities, len(sentence.words))
                lines = [f"{_column(word)} {tag}" for word, tag in zip(sentence.words, tags, strict=True)]
                parts.append("\n".join([f"# id = {sentence.number + 1}", *lines]) + "\n")
        return "\n".join(parts)


def write_session(
    folder: Path,
    facts: Mapping[str, Any],
    drawn: Sequence[DrawnSentence],
    weights: tuple[Array, Array] | None = None,
) -> Session:
    """Write a drawn sample, `session.json` last.

    Args:
        folder: Where.
        facts: The content of `session.json`, but for the size of the sample.
        drawn: The sample.
        weights: Weight and priority of every sentence of the text; None to keep those that are there.

    Raises:
        InputError: The disk is full or may not be written to.
    """
    require_place_for_folder(folder, REMEDY)
    with clear_disk_errors(folder, "make room there, and start the same command again"):
        folder.mkdir(parents=True, exist_ok=True)
        if weights is not None:
            aside = folder / f".{WEIGHTS}.{os.getpid()}.npz"
            np.savez(aside, weights=weights[0], priorities=weights[1])
            aside.replace(folder / WEIGHTS)
        lines = (json.dumps(asdict(sentence), ensure_ascii=False, allow_nan=False) for sentence in drawn)
        _write_text(folder / SAMPLE, "".join(f"{line}\n" for line in lines))
        write_json(folder / SESSION, {"format": FORMAT, **facts, "drawn": len(drawn)})
    return Session(folder)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes from answering in the same folder.

    Raises:
        InputError: One does, or the folder may not be written to.
    """
    require_place_for_folder(folder, REMEDY)
    was_there = folder.exists()
    try:
        with clear_disk_errors(folder, REMEDY):
            folder.mkdir(parents=True, exist_ok=True)
            with locked_if_free(folder / LOCK) as free:
                if not free:
                    raise InputError(
                        "another process works on this review", where=str(folder), remedy="end that first"
                    )
                yield
    finally:
        if not was_there and folder.is_dir() and {path.name for path in folder.iterdir()} == {LOCK}:
            shutil.rmtree(folder)  # refused before anything was drawn


def _write_text(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        with suppress(OSError):
            aside.unlink()


def _column(word: str) -> str:
    return escaped(_UNPRINTABLE.sub("_", word) or "_")


def _spans(values: Sequence[Sequence[Any]]) -> list[Span]:
    return [Span(*value) for value in values]
