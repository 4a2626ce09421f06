"""Words that one tagger gets wrong and another right: by confidence, and with evidence from unlabelled text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hf_xner.labels import split_tag

EDGES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # the paper's, and what lies below
BATCH = 1000  # sentences of the text that are held at once


@dataclass(frozen=True)
class Reading:
    """What a tagger says of a sentence: the best tag of each word (IOB2), and its probability."""

    tags: list[str]
    confidences: np.ndarray


@dataclass
class Evidence:
    """What the teacher says of a word elsewhere.

    Attributes:
        total: How often the word stands in the text.
        confident: How often the teacher is confident of the type in question.
        best: Its highest confidence in it.
        sentence: The sentence of that, and the word's place in it.
    """

    total: int = 0
    confident: int = 0
    best: float = 0.0
    sentence: tuple[list[str], int] = field(default_factory=lambda: ([], 0))

    def add(self, words: Sequence[str], position: int, confidence: float, confident: bool) -> None:
        """Count an occurrence."""
        self.total += 1
        if confident:
            self.confident += 1
            if confidence > self.best:
                self.best, self.sentence = confidence, (list(words), position)


@dataclass(frozen=True)
class Case:
    """A word that the student puts right."""

    sentence: list[str]
    position: int
    gold: str
    teacher: str
    confidence: float
    evidence: Evidence

    @property
    def word(self) -> str:
        """The word."""
        return self.sentence[self.position]


def read(model: Any, tokenizer: Any, sentences: Iterable[Sequence[str]]) -> Iterator[Reading]:
    """Yield the best tag of every word and its probability, sentence by sentence, long sentences windowed.

    The tags of a BiLSTM-CRF are those of its CRF's best sequence, with their marginal probabilities.

    Args:
        model: A token classifier.
        tokenizer: Its tokenizer, or feature extractor.
        sentences: Sentences of words.
    """
    from hf_xner.inference.decoding import TagDecoder
    from hf_xner.inference.loading import reads_words
    from hf_xner.inference.probabilities import word_probabilities
    from hf_xner.inference.word_models import read_words

    decoder = TagDecoder.from_config(model.config, method="argmax")
    if reads_words(tokenizer):
        for said in read_words(model, tokenizer, sentences):
            best = np.take_along_axis(said.probabilities, said.tags[:, None], axis=-1)[:, 0]
            yield Reading(decoder.iob2(said.tags), best)
        return
    for array in word_probabilities(model, tokenizer, sentences):
        yield Reading(decoder.iob2(array.argmax(axis=-1)), array.max(axis=-1, initial=0.0))


def by_confidence(
    gold: Sequence[Sequence[str]], teacher: Sequence[Reading], student: Sequence[Reading]
) -> list[dict[str, Any]]:
    """Figure 5: for each interval of the teacher's confidence the share of its wrong words that the student corrects.

    Args:
        gold: Gold tags, a list a sentence.
        teacher: What the teacher says.
        student: What the student says.

    Returns:
        A row an interval: `from`, `to`, `wrong`, `corrected`, `share` with `low` and `high`, and for the teacher's
        right words `right`, `broken`, `share_broken`. Shares without words are None.
    """
    confidence = np.concatenate([reading.confidences for reading in teacher] or [np.zeros(0)])
    pairs = [
        (one == tag, other == tag)
        for tags, first, second in zip(gold, teacher, student, strict=True)
        for tag, one, other in zip(tags, first.tags, second.tags, strict=True)
    ]
    right = np.array(pairs, dtype=bool).reshape(-1, 2)
    # Probability 1, and what rounding puts above it, belongs to the last interval.
    interval = np.clip(np.digitize(confidence, EDGES) - 1, 0, len(EDGES) - 2)
    rows = []
    for number, (low, high) in enumerate(zip(EDGES[:-1], EDGES[1:], strict=True)):
        here = right[interval == number]
        wrong, kept = here[~here[:, 0]], here[here[:, 0]]
        corrected, broken = int(wrong[:, 1].sum()), int((~kept[:, 1]).sum())
        least, most = _wilson(corrected, len(wrong))
        rows.append(
            {
                "from": low,
                "to": high,
                "wrong": len(wrong),
                "corrected": corrected,
                "share": corrected / len(wrong) if len(wrong) else None,
                "low": least,
                "high": most,
                "right": len(kept),
                "broken": broken,
                "share_broken": broken / len(kept) if len(kept) else None,
            }
        )
    return rows


def _wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float | None, float | None]:
    """95 % interval of a share (Wilson, 1927)."""
    if not trials:
        return None, None
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def corrected_words(
    tokens: Sequence[Sequence[str]],
    gold: Sequence[Sequence[str]],
    teacher: Sequence[Reading],
    student: Sequence[Reading],
) -> Iterator[Case]:
    """Yield the words that the teacher gets wrong and the student right, as cases without evidence."""
    for words, tags, first, second in zip(tokens, gold, teacher, student, strict=True):
        for position, tag in enumerate(tags):
            if first.tags[position] != tag == second.tags[position]:
                confidence = float(first.confidences[position])
                yield Case(list(words), position, tag, first.tags[position], confidence, Evidence())


def find_evidence(
    cases: Sequence[Case], text: Any, model: Any, tokenizer: Any, *, least: float
) -> dict[tuple[str, str], Evidence]:
    """What the teacher says of the cases' words in a text: one pass, in which only those words are kept.

    Args:
        cases: The cases.
        text: A Dataset with a column `tokens`.
        model: The teacher.
        tokenizer: Its tokenizer.
        least: Least probability that counts as confident.

    Returns:
        Evidence by word and entity type ("" for none).
    """
    wanted: dict[str, dict[str, Evidence]] = {}
    for case in cases:
        wanted.setdefault(case.word, {}).setdefault(_type(case.gold), Evidence())
    for batch in text.iter(BATCH):
        for words, reading in zip(batch["tokens"], read(model, tokenizer, batch["tokens"]), strict=True):
            for position, word in enumerate(words):
                for name, evidence in wanted.get(word, {}).items():
                    confident = reading.confidences[position] >= least and _type(reading.tags[position]) == name
                    evidence.add(words, position, float(reading.confidences[position]), confident)
    return {(word, name): evidence for word, names in wanted.items() for name, evidence in names.items()}


def _type(tag: str) -> str:
    return split_tag(tag)[1]


def with_evidence(cases: Sequence[Case], evidence: dict[tuple[str, str], Evidence]) -> list[Case]:
    """The cases for which there is some: entities before words outside of them, most evidence first."""
    found = [
        replace(case, evidence=support)
        for case in cases
        if (support := evidence.get((case.word, _type(case.gold)))) is not None and support.confident
    ]
    return sorted(found, key=lambda case: (case.gold == "O", -case.evidence.confident, case.word))
