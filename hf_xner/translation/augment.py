"""Translated corpora: the labels of a source corpus on words of the target language.

The rules are UniTrans' (its released code): persons are copied, words the translator does not know are copied with
their case, the case of the others follows the source word or, for German, the target text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hf_xner.errors import InputError
from hf_xner.labels import entity_types
from hf_xner.translation.casing import Casing, SampledCase, source_case
from hf_xner.translation.segments import Segment, carried, entity_tags, segments, tag_strings, tagged_dataset
from hf_xner.translation.translators import PhraseTranslator, WordTranslator
from hf_xner.translation.units import TargetUnits

if TYPE_CHECKING:
    from datasets import Dataset

Strategy = Literal["word", "phrase", "word_phrase"]
REMEDY = "is the translation of these languages, and in a dictionary the source's word first in each line?"
NO_FEW = 20  # sentences: fewer may all be names
STRATEGIES: tuple[Strategy, ...] = ("word", "phrase", "word_phrase")


@dataclass(frozen=True)
class TranslationRules:
    """How a corpus is translated.

    Attributes:
        strategy: `word`: every word on its own, tags copied. `phrase`: cut at the borders of entities, every piece
            translated whole. `word_phrase`: entities whole, the words between them one by one.
        keep_types: Entities of these types are copied (UniTrans: persons); empty to translate all.
        casing: How a translation is written, given its source word; for a phrase its first word counts only if
            `casing_of_phrases`.
        casing_of_phrases: Apply `casing` to the words of translated phrases too; models write them well themselves.
        several_words: What becomes of a word that is translated by several: `one_token` keeps them in one token,
            joined by spaces (column files then need tabs); `expand` makes a token of each, the first with the word's
            tag, the others with I-.
        copy_unlettered: Copy words without a letter. As released they are translated like others where the translator
            knows them, and mapped vectors take numbers and signs for their neighbours.
        units: How words of scripts without spaces are cut, or None to leave them; tags are carried on (B-, then I-).
        split: Cuts translated phrases into words.
    """

    strategy: Strategy = "word"
    keep_types: tuple[str, ...] = ("PER",)
    casing: Casing = source_case
    casing_of_phrases: bool = False
    several_words: Literal["one_token", "expand"] = "one_token"
    copy_unlettered: bool = False
    units: TargetUnits | None = None
    split: Callable[[str], Iterable[str]] = str.split

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise InputError(f"no strategy {self.strategy!r}", remedy=f"there are {', '.join(STRATEGIES)}")
        if self.several_words not in ("one_token", "expand"):
            raise InputError(f"no treatment {self.several_words!r}", remedy="there are one_token and expand")


def check_kept(dataset: Dataset, kept: Collection[str], option: str) -> None:
    """Refuse types to copy that a corpus does not have; what is kept by default may be among none of its types.

    Args:
        dataset: Sentences; without `ner_tags` nothing is asked.
        kept: The types whose entities are copied.
        option: Where they come from, for the message.

    Raises:
        InputError: There is another one.
    """
    if "ner_tags" not in dataset.column_names:
        return
    types = entity_types(dataset.features["ner_tags"].feature.names)
    unknown = sorted(set(kept) - set(types) - set(TranslationRules().keep_types))
    if unknown:
        raise InputError(f"the corpus has no type {unknown[0]!r}", where=option, remedy=f"it has {', '.join(types)}")


def count_untranslated(dataset: Dataset, translated: Dataset, where: str | None = None, remedy: str = REMEDY) -> int:
    """How many sentences of a translation are word for word those of the source.

    Args:
        dataset: The source.
        translated: Its translation, sentence by sentence.
        where: Where the translation comes from, for the message.
        remedy: What to do if it is none.

    Raises:
        InputError: All of them are, and they are no few.
    """
    pairs = zip(dataset["tokens"][:], translated["tokens"][:], strict=True)
    same = sum(words == others for words, others in pairs)
    if same == len(dataset) >= NO_FEW:
        raise InputError("no word of the source is translated", where=where, remedy=remedy)
    return same


def translate_corpus(dataset: Dataset, translator: WordTranslator, rules: TranslationRules | None = None) -> Dataset:
    """Translate a labelled corpus.

    Every different word or phrase is translated once.

    Args:
        dataset: Sentences with `id`, `tokens` and `ner_tags`.
        translator: Translates words; for the strategies `phrase` and `word_phrase`, phrases too.
        rules: The rules; UniTrans' by default.

    Returns:
        As many sentences with the same ids and features. With the strategy `word`, `one_token` and without `units`
        they have the same numbers of tokens and the same tags.

    Raises:
        InputError: The dataset has no tags, or the translator knows no phrases.
    """
    rules = rules or TranslationRules()
    if rules.strategy != "word" and not isinstance(translator, PhraseTranslator):
        raise InputError(
            f"{type(translator).__name__} translates words, not phrases",
            where=f"strategy {rules.strategy}",
            remedy="take the strategy word, or a translation model",
        )
    if isinstance(rules.casing, SampledCase):
        rules.casing.restart()
    sentences = list(dataset["tokens"])
    all_tags = tag_strings(dataset)
    plans = [list(_pieces(tags, rules)) for tags in all_tags]
    table = _Table(translator, sentences, plans)
    tokens: list[list[str]] = []
    tags: list[list[str]] = []
    for words, old_tags, plan in zip(sentences, all_tags, plans, strict=True):
        new_words: list[str] = []
        new_tags: list[str] = []
        for piece in plan:
            for word, tag in _written(words, old_tags, piece, table, rules):
                new_words.append(word)
                new_tags.append(tag)
        tokens.append(new_words)
        tags.append(new_tags)
    return tagged_dataset(dataset, list(dataset["id"]), tokens, tags)


@dataclass(frozen=True)
class _Piece:
    """What is translated together."""

    how: Literal["copy", "word", "phrase"]
    segment: Segment


def _pieces(tags: Sequence[str], rules: TranslationRules) -> Iterator[_Piece]:
    for segment in segments(tags):
        if segment.type is not None and segment.type in rules.keep_types:
            yield _Piece("copy", segment)
        elif rules.strategy == "phrase" or (rules.strategy == "word_phrase" and segment.type is not None):
            yield _Piece("phrase", segment)
        else:
            yield from (
                _Piece("word", Segment(segment.type, place, place + 1)) for place in range(segment.start, segment.end)
            )


class _Table:
    """Translations of everything that the plans of a corpus ask for."""

    def __init__(self, translator: WordTranslator, sentences: list[list[str]], plans: list[list[_Piece]]) -> None:
        asked: dict[str, dict[str, None]] = {"word": {}, "phrase": {}}
        for words, plan in zip(sentences, plans, strict=True):
            for piece in (piece for piece in plan if piece.how != "copy"):
                asked[piece.how][" ".join(words[piece.segment.start : piece.segment.end])] = None
        self.word = dict(zip(asked["word"], translator.translate_words(list(asked["word"])), strict=True))
        self.phrase: dict[str, str | None] = {}
        if asked["phrase"] and isinstance(translator, PhraseTranslator):
            phrases = list(asked["phrase"])
            self.phrase = dict(zip(phrases, translator.translate_phrases(phrases), strict=True))


def _written(
    words: Sequence[str], tags: Sequence[str], piece: _Piece, table: _Table, rules: TranslationRules
) -> list[tuple[str, str]]:
    """Tokens and tags that stand for a piece."""
    entity_type, start, end = piece.segment
    copied = list(zip(words[start:end], tags[start:end], strict=True))
    if piece.how == "copy":
        return copied
    if piece.how == "word":
        if rules.copy_unlettered and not any(map(str.isalpha, words[start])):
            return copied
        return _written_word(words[start], tags[start], table.word[words[start]], rules)
    text = table.phrase[" ".join(words[start:end])]
    translated = [] if text is None else list(rules.split(text))
    if not translated:
        return copied
    if rules.casing_of_phrases:
        translated = [rules.casing(words[min(start + place, end - 1)], word) for place, word in enumerate(translated)]
    units = [unit for word in translated for unit in _units(word, rules)]
    return list(zip(units, entity_tags(entity_type, len(units)), strict=True))


def _written_word(word: str, tag: str, translation: str | None, rules: TranslationRules) -> list[tuple[str, str]]:
    parts = (translation or "").split()
    if not parts:
        return [(word, tag)]
    cased = rules.casing(word, " ".join(parts))
    tokens = cased.split() if rules.several_words == "expand" else [cased]
    units = [unit for token in tokens for unit in _units(token, rules)]
    return list(zip(units, carried(tag, len(units)), strict=True))


def _units(word: str, rules: TranslationRules) -> list[str]:
    return [word] if rules.units is None else rules.units.split(word)
