"""Entity precision, recall and F1, digit for digit those of conlleval and of seqeval's default mode.

An entity is correct when its type and both its borders are. Tags are read leniently (see :mod:`hf_xner.labels`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from hf_xner.errors import InputError
from hf_xner.labels import Span, normalise_scheme, spans_from_tags

TagSentences = Sequence[Sequence[str]]


class TypeScores(TypedDict):
    """Scores of one entity type, a plain dictionary.

    Attributes:
        precision: correct / predicted, 0..1; 0 where nothing was predicted.
        recall: correct / support, 0..1; 0 where the gold has none.
        f1: Harmonic mean of the two, 0..1.
        support: Gold entities.
        predicted: Predicted entities.
        correct: Entities in both.
    """

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    correct: int


@dataclass(frozen=True)
class EntityScores:
    """Scores of a corpus; fractions are 0..1.

    Attributes:
        precision: Micro average: correct / predicted over all types.
        recall: Micro average: correct / support over all types.
        f1: Harmonic mean of the two. The figure that papers report.
        macro_f1: Mean of the types' F1, over the types in gold or prediction.
        accuracy: Tokens whose tags are equal / tokens.
        per_type: Scores of each type in gold or prediction, types sorted.
        support: Gold entities.
        predicted: Predicted entities.
        correct: Entities in both.
        correct_tokens: Tokens whose tags are equal.
        n_tokens: Tokens.
        n_sentences: Sentences.
    """

    precision: float
    recall: float
    f1: float
    macro_f1: float
    accuracy: float
    per_type: dict[str, TypeScores]
    support: int
    predicted: int
    correct: int
    correct_tokens: int
    n_tokens: int
    n_sentences: int

    def to_dict(self) -> dict:
        """Give everything as plain numbers in (nested) dictionaries, ready for JSON."""
        return asdict(self)


def entity_scores(gold: TagSentences, predicted: TagSentences, scheme: str = "iob2") -> EntityScores:
    """Score predicted tags against gold ones.

    Args:
        gold: Gold tags, a list a sentence.
        predicted: Predicted tags of the same sentences.
        scheme: The scheme of both.

    Returns:
        The scores. Where there is nothing to divide by they are 0.0.

    Raises:
        InputError: The number of sentences, or of tags in a sentence, differs, or a tag is malformed.
    """
    support: Counter[str] = Counter()
    found: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    correct_tokens = n_tokens = 0
    for gold_tags, predicted_tags, gold_spans, predicted_spans in _aligned_spans(gold, predicted, scheme):
        support.update(span.type for span in gold_spans)
        found.update(span.type for span in predicted_spans)
        correct.update(span.type for span in set(gold_spans).intersection(predicted_spans))
        n_tokens += len(gold_tags)
        correct_tokens += sum(map(str.__eq__, gold_tags, predicted_tags))
    per_type = {
        name: _type_scores(support[name], found[name], correct[name]) for name in sorted(support.keys() | found.keys())
    }
    micro = _type_scores(support.total(), found.total(), correct.total())
    return EntityScores(
        **micro,
        macro_f1=_ratio(sum(scores["f1"] for scores in per_type.values()), len(per_type)),
        accuracy=_ratio(correct_tokens, n_tokens),
        per_type=per_type,
        correct_tokens=correct_tokens,
        n_tokens=n_tokens,
        n_sentences=len(gold),
    )


def sentence_counts(gold: TagSentences, predicted: TagSentences, scheme: str = "iob2") -> list[tuple[int, int, int]]:
    """Count each sentence's entities, which is all that resampling sentences needs.

    Args:
        gold: Gold tags, a list a sentence.
        predicted: Predicted tags of the same sentences.
        scheme: The scheme of both.

    Returns:
        (gold entities, predicted entities, correct entities) of each sentence.

    Raises:
        InputError: As :func:`entity_scores`.
    """
    return [
        (len(gold_spans), len(predicted_spans), len(set(gold_spans).intersection(predicted_spans)))
        for _, _, gold_spans, predicted_spans in _aligned_spans(gold, predicted, scheme)
    ]


def format_conlleval(scores: EntityScores) -> str:
    """Print scores as the conlleval script of the CoNLL shared tasks prints them.

    Args:
        scores: The scores.

    Returns:
        Lines that end in a line feed, "processed 51533 tokens with 3558 phrases; found: ..." first. Percentages.
    """
    lines = [
        f"processed {scores.n_tokens} tokens with {scores.support} phrases; "
        f"found: {scores.predicted} phrases; correct: {scores.correct}."
    ]
    if scores.n_tokens:
        accuracy = 100 * scores.correct_tokens / scores.n_tokens
        overall = _type_scores(scores.support, scores.predicted, scores.correct)
        lines.append(f"accuracy: {accuracy:6.2f}%; {_percentages(overall)}")
    for name, entry in scores.per_type.items():
        lines.append(f"{name:>17}: {_percentages(entry)}  {entry['predicted']}")
    return "\n".join(lines) + "\n"


def local_metric_path() -> str:
    """Give the folder that ``evaluate.load`` loads the entity F1 metric from, without the network."""
    return str(Path(__file__).parent / "entity_f1")


def _aligned_spans(
    gold: TagSentences, predicted: TagSentences, scheme: str
) -> Iterator[tuple[Sequence[str], Sequence[str], list[Span], list[Span]]]:
    """Walk through both sides together: the tags and the entities of each sentence."""
    scheme = normalise_scheme(scheme)
    if len(gold) != len(predicted):
        raise InputError(
            f"{len(gold)} gold sentences, but {len(predicted)} predicted ones",
            remedy="give one list of tags for every sentence, empty sentences included",
        )
    for number, (gold_tags, predicted_tags) in enumerate(zip(gold, predicted, strict=True), start=1):
        gold_spans = _read_spans(gold_tags, scheme, "gold", number)
        predicted_spans = _read_spans(predicted_tags, scheme, "predicted", number)
        if len(gold_tags) != len(predicted_tags):
            raise InputError(
                f"{len(gold_tags)} gold tags, but {len(predicted_tags)} predicted ones",
                where=f"sentence {number}",
                remedy="give one predicted tag for every token",
            )
        yield gold_tags, predicted_tags, gold_spans, predicted_spans


def _read_spans(tags: Sequence[str], scheme: str, side: str, number: int) -> list[Span]:
    try:
        return spans_from_tags(tags, scheme)
    except InputError as error:
        place = f"{side} sentence {number}"
        where = place if error.where is None else f"{place}, {error.where}"
        raise InputError(error.what, where=where, remedy=error.remedy) from None


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _type_scores(support: int, predicted: int, correct: int) -> TypeScores:
    precision, recall = _ratio(correct, predicted), _ratio(correct, support)
    f1 = _ratio(2 * precision * recall, precision + recall)
    return TypeScores(precision=precision, recall=recall, f1=f1, support=support, predicted=predicted, correct=correct)


def _percentages(scores: TypeScores) -> str:
    # In the order of the script's own operations: 100 * a / b and 100 * (a / b) may round differently.
    precision = _ratio(100 * scores["correct"], scores["predicted"])
    recall = _ratio(100 * scores["correct"], scores["support"])
    f1 = _ratio(2 * precision * recall, precision + recall)
    return f"precision: {precision:6.2f}%; recall: {recall:6.2f}%; FB1: {f1:6.2f}"
