"""What a Tagger gives back: plain Python values, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hf_xner.inference.text import Piece


@dataclass(frozen=True, slots=True)
class TaggedToken:
    """A word: `text[start:end]` of the tagged text, its tag, and the tag's probability (after temperature)."""

    text: str
    start: int
    end: int
    tag: str
    score: float


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity.

    Attributes:
        type: Its type, "PER" for instance.
        text: Its characters, `text[start:end]` of the tagged text.
        start: Its first character.
        end: The character after its last.
        first_word: Its first token.
        end_word: The token after its last.
        score: Its confidence, 0..1: the geometric mean of the probabilities of its tokens' tags, after the model's
            temperature. One unsure token lowers it, and a long entity is not worse off than a short one. Models that
            hf_xner trained bring a temperature fitted on the source's dev set; others give raw probabilities.
    """

    type: str
    text: str
    start: int
    end: int
    first_word: int
    end_word: int
    score: float


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """The answer for one input: a sentence of words, or a raw text of any number of sentences.

    Attributes:
        text: The raw text; for pre-split words, these joined by single spaces. Offsets are characters of it.
        tokens: Its words, one for each input word where words were given.
        entities: Its entities in order. Those below the threshold are left out, and their tokens are tagged "O".
        sentences: (first token, token after the last) of each sentence.
        n_subwords: Sub-words, special tokens not counted.
        n_windows: Pieces that the model read it in.
        truncated: Whether words were cut off unread (`on_long_input="truncate"` only); those are tagged "O".
    """

    text: str
    tokens: list[TaggedToken]
    entities: list[Entity]
    sentences: list[tuple[int, int]]
    n_subwords: int
    n_windows: int
    truncated: bool

    @property
    def n_tokens(self) -> int:
        """Tokens (words), those cut off included."""
        return len(self.tokens)

    @property
    def tags(self) -> list[str]:
        """One tag a token."""
        return [token.tag for token in self.tokens]

    def to_dict(self) -> dict:
        """Give everything as plain values in (nested) dictionaries, ready for JSON."""
        return {
            "text": self.text,
            "tokens": [_fields(token) for token in self.tokens],
            "entities": [_fields(entity) for entity in self.entities],
            "sentences": list(self.sentences),
            "n_tokens": self.n_tokens,
            "n_subwords": self.n_subwords,
            "n_windows": self.n_windows,
            "truncated": self.truncated,
        }


def _fields(part: TaggedToken | Entity) -> dict:
    """The fields of a flat record (`asdict` copies deeply, which takes ten times as long)."""
    return {name: getattr(part, name) for name in part.__slots__}


@dataclass(frozen=True, slots=True)
class SentenceTags:
    """Tags of one sentence before they are placed in its text.

    Attributes:
        tags: One a word.
        scores: The tags' probabilities.
        entities: (type, first word, word after the last, score).
        n_subwords: Sub-words, special tokens not counted.
        n_windows: Windows.
        truncated: Whether words were cut off.
    """

    tags: list[str]
    scores: list[float]
    entities: list[tuple[str, int, int, float]]
    n_subwords: int
    n_windows: int
    truncated: bool


def assemble(text: str, sentences: Sequence[tuple[Sequence[Piece], SentenceTags]]) -> TaggedSentence:
    """Put the tags of a text's sentences together.

    Args:
        text: The text.
        sentences: Words, with offsets in `text`, and tags of each sentence.
    """
    tokens: list[TaggedToken] = []
    entities: list[Entity] = []
    bounds: list[tuple[int, int]] = []
    for words, tagged in sentences:
        first = len(tokens)
        tokens += [
            TaggedToken(*word, tag, score) for word, tag, score in zip(words, tagged.tags, tagged.scores, strict=True)
        ]
        bounds.append((first, len(tokens)))
        for name, begin, end, score in tagged.entities:
            start, stop = words[begin].start, words[end - 1].end
            entities.append(Entity(name, text[start:stop], start, stop, first + begin, first + end, score))
    return TaggedSentence(
        text=text,
        tokens=tokens,
        entities=entities,
        sentences=bounds,
        n_subwords=sum(tagged.n_subwords for _, tagged in sentences),
        n_windows=sum(tagged.n_windows for _, tagged in sentences),
        truncated=any(tagged.truncated for _, tagged in sentences),
    )


def place_words(words: Sequence[str]) -> tuple[str, list[Piece]]:
    """Join pre-split words by single spaces and say where each one lies."""
    pieces = []
    start = 0
    for word in words:
        pieces.append(Piece(word, start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), pieces
