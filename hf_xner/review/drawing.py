"""Draws the sentences of a review: the taggers go over the text once, and a second reading fetches the words."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from hf_xner.errors import InputError
from hf_xner.inference.results import TaggedSentence
from hf_xner.inference.tagger import Tagger
from hf_xner.labels import Span, entity_types
from hf_xner.model_digest import model_digest
from hf_xner.review.agreement import Agreement
from hf_xner.review.models import REMEDY, Models
from hf_xner.review.reading import TextFile
from hf_xner.review.sampling import RANDOM_SHARE, priorities, sentence_weights, take
from hf_xner.review.session import DrawnSentence, Session, write_session
from hf_xner.systems.run_folder import versions

CHUNK = 1024  # sentences tagged together
_Sentences = Iterable[list[str]]


@dataclass(frozen=True)
class DrawSettings:
    """How a sample is drawn.

    Attributes:
        sentences: How many.
        random_share: See :func:`hf_xner.review.sampling.sentence_weights`.
        seed: Decides which.
        decoding: As of `Tagger`: what is judged is what the Tagger gives.
        device: Where the taggers run; None for an accelerator if there is one.
    """

    sentences: int = 100
    random_share: float = RANDOM_SHARE
    seed: int = 1
    decoding: str = "model"
    device: str | None = None

    def __post_init__(self) -> None:
        if self.sentences < 1:
            raise InputError(f"{self.sentences} sentences", where="--sentences", remedy="ask for at least 1")
        if not 0 < self.random_share <= 1:
            raise InputError(
                f"a random share of {self.random_share}", where="--random_share", remedy="give above 0, at most 1"
            )
        if self.seed < 0:
            raise InputError(f"seed {self.seed}", where="--seed", remedy="give 0 or more")


def begin(folder: Path, name: str, models: Models, text: TextFile, settings: DrawSettings) -> Session:
    """Draw a sample and write the session.

    Memory holds 20 bytes for each sentence of the text, and a chunk of sentences.

    Args:
        folder: Where the session is to be.
        name: What people call the tagger.
        models: The tagger and its teacher.
        text: The text.
        settings: How to draw.

    Raises:
        InputError: The text is empty or unreadable, a tagger cannot be loaded, or the disk is full.
    """
    taggers = _Taggers(models, settings)
    digest = text.digest()
    entities, unsure = array("I"), array("f")
    found: Counter[str] = Counter()
    agreement = Agreement(settings.seed)
    words = 0
    for sentence, ours, theirs in taggers.tag(_watched(text.sentences(), "reading")):
        words += len(sentence)
        spans = _spans(ours)
        entities.append(len(spans))
        unsure.append(sum(1 - token.score for token in ours.tokens))
        found.update(span.type for span in spans)
        if theirs is not None:
            agreement.add(sentence, spans, _spans(theirs))
    if not entities:
        raise InputError("there is no sentence in it", where=str(text.path), remedy="give a text with words")
    weights = sentence_weights(entities, np.maximum(unsure, 0), settings.random_share)
    priority = priorities(weights, settings.seed)
    drawn, threshold = _fetch(text, taggers, weights, priority, settings.sentences)
    require_text(text, digest, text.kind)
    facts = {
        "name": name,
        "student": model_digest(models.student),
        "teacher": models.teacher is not None,
        "teacher_name": models.teacher_name,
        "teacher_digest": _teacher_digest(models),
        "why_no_teacher": models.why_no_teacher,
        "types": entity_types(taggers.student.decoder.tag_names),
        "decoding": settings.decoding,
        "text": {
            "name": text.path.name,
            "kind": text.kind,
            "sha256": digest,
            "sentences": len(entities),
            "words": words,
        },
        "found": dict(sorted(found.items())),
        "expected_wrong_words": float(np.sum(unsure)),
        "random_share": settings.random_share,
        "seed": settings.seed,
        "next_priority": threshold,
        "agreement": agreement.to_dict() if models.teacher is not None else None,
        "versions": versions(),
    }
    return write_session(folder, facts, drawn, (weights, priority))


def extend(session: Session, models: Models, text: TextFile, sentences: int, device: str | None = None) -> Session:
    """Draw more sentences for a session; those that it has stay, in their order.

    Args:
        session: The session.
        models: Its taggers.
        text: Its text.
        sentences: Size of the sample wanted.
        device: Where the taggers run.

    Raises:
        InputError: The text or the teacher is not the one that the session began with.
    """
    require_text(text, session.facts["text"]["sha256"], session.facts["text"]["kind"])
    _require_teacher(models, session.facts)
    settings = DrawSettings(sentences, decoding=session.facts["decoding"], device=device)
    if not session.facts["teacher"]:
        models = replace(models, teacher=None)
    weights, priority = session.weights()
    drawn, threshold = _fetch(text, _Taggers(models, settings), weights, priority, sentences, session.drawn)
    facts = {**session.facts, "next_priority": threshold}
    return write_session(session.folder, facts, drawn)


def require_text(text: TextFile, digest: str, kind: str) -> None:
    """Refuse a text that is not the one with this digest, or that is read as another kind of file.

    Raises:
        InputError: It has changed, or other sentences would be read from it.
    """
    if text.kind != kind:
        raise InputError(
            f"the review began with the text read as {kind}, not {text.kind}",
            where="--input",
            remedy="leave it out to go on, or begin another review with another --output",
        )
    if text.digest() != digest:
        raise InputError(
            "the text has changed since the review began",
            where=str(text.path),
            remedy="give the text as it was, or begin another review with another --output",
        )


def _require_teacher(models: Models, facts: Mapping[str, Any]) -> None:
    """Refuse to draw without the teacher that the session's other sentences have the answers of.

    Raises:
        InputError: There is none, or another one.
    """
    if not facts["teacher"]:
        return
    began = facts.get("teacher_name") or "one"  # reviews begun by earlier versions have neither name nor digest
    remedy = "give the same --teacher, or begin another review with another --output"
    if models.teacher is None:
        why = models.why_no_teacher.removesuffix(f"; {REMEDY}")
        raise InputError(
            f"the review compares with a teacher ({began}), and drawing more needs it{why and f': {why}'}",
            where="--teacher",
            remedy=remedy,
        )
    if facts.get("teacher_digest") not in (None, _teacher_digest(models)):
        raise InputError(
            f"the teacher {models.teacher_name} is not the model that the review began with ({began})",
            where="--teacher",
            remedy=remedy,
        )


def _teacher_digest(models: Models) -> str | None:
    return None if models.teacher is None else model_digest(models.teacher, remedy="check --teacher")


def _fetch(
    text: TextFile,
    taggers: _Taggers,
    weights: np.ndarray,
    priority: np.ndarray,
    size: int,
    known: Sequence[DrawnSentence] = (),
) -> tuple[list[DrawnSentence], float]:
    """The sample of a size, and the priority of the first sentence not in it; `known` ones are not made again."""
    order, threshold = take(priority, size)
    have = {sentence.number: sentence for sentence in known}
    wanted = {int(number) for number in order} - have.keys()
    found = list(_with_neighbours(text.sentences(), wanted))
    for (number, words, before, after), (_, ours, theirs) in zip(
        found, taggers.tag(words for _, words, _, _ in found), strict=True
    ):
        have[number] = DrawnSentence(
            number,
            words,
            before,
            after,
            _spans(ours),
            [entity.score for entity in ours.entities],
            None if theirs is None else _spans(theirs),
            float(weights[number]),
            float(priority[number]),
        )
    return [have[int(number)] for number in order], threshold


def _with_neighbours(sentences: _Sentences, wanted: set[int]) -> Iterator[tuple[int, list[str], str, str]]:
    """Wanted sentences with their number, and the sentences before and after each."""
    before: list[str] = []
    current: list[str] | None = None
    for number, following in enumerate(sentences):
        if current is not None and number - 1 in wanted:
            yield number - 1, current, " ".join(before), " ".join(following)
        before, current = current or [], following
        last = number
    if current is not None and last in wanted:
        yield last, current, " ".join(before), ""


class _Taggers:
    """Student and teacher side by side."""

    def __init__(self, models: Models, settings: DrawSettings) -> None:
        options: dict[str, Any] = {"decoding": settings.decoding, "device": settings.device}
        self.student = Tagger.from_pretrained(models.student, **options)
        self.teacher = None if models.teacher is None else Tagger.from_pretrained(models.teacher, **options)

    def tag(self, sentences: _Sentences) -> Iterator[tuple[list[str], TaggedSentence, TaggedSentence | None]]:
        """Yield every sentence with what both say."""
        stream = iter(sentences)
        while chunk := list(islice(stream, CHUNK)):
            ours = self.student.tag_words(chunk)
            theirs = [None] * len(chunk) if self.teacher is None else self.teacher.tag_words(chunk)
            yield from zip(chunk, ours, theirs, strict=True)


def _spans(tagged: TaggedSentence) -> list[Span]:
    return [Span(entity.type, entity.first_word, entity.end_word) for entity in tagged.entities]


def _watched(sentences: _Sentences, what: str) -> _Sentences:
    """The same sentences, with a count on the terminal where somebody watches."""
    return tqdm(sentences, desc=what, unit=" sentences", disable=not sys.stderr.isatty(), leave=False)
