"""A source corpus of words that the tiny tokenizer knows, and what TransAdv makes of it, in another "language"."""

from __future__ import annotations

import numpy as np
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.translation.augment import TranslationRules, translate_corpus
from hf_xner.translation.switching import code_switch, shuffle_spans
from hf_xner.translation.translators import TableTranslator

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
CONTEXT = ["the", "bank", "in", "a", "visited", ".", ",", "("]
ENTITIES = {"LOC": [["Kiel"], ["Bonn", "Kiel"]], "PER": [["Angela", "Merkel"], ["John"]]}
TABLE = dict(zip([*CONTEXT, "Kiel", "Bonn", "Angela", "Merkel", "John"], "bcdefghiklmno", strict=True))


def sentences(count: int, seed: int = 0, *, entities: bool = True) -> Dataset:
    """Sentences of 2 to 12 words, in a fixed order of contexts, so that order can be learnt."""
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        words, tags = [], []
        for word in CONTEXT[: chance.integers(2, len(CONTEXT))]:
            words.append(word)
            tags.append("O")
            if entities and chance.random() < 0.3:
                kind = "LOC" if chance.random() < 0.5 else "PER"
                name = ENTITIES[kind][chance.integers(2)]
                words += name
                tags += [f"B-{kind}", *[f"I-{kind}"] * (len(name) - 1)]
        rows.append((words, [TAGS.index(tag) for tag in tags]))
    return Dataset.from_dict(
        {
            "id": [str(number) for number in range(count)],
            "tokens": [words for words, _ in rows],
            "ner_tags": [tags for _, tags in rows],
        },
        features=Features(
            {"id": Value("string"), "tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}
        ),
    )


def corpora(count: int, seed: int = 0, **options: bool) -> dict[str, Dataset]:
    """All corpora of TransAdv, and the translation's words as target text."""
    source = sentences(count, seed, **options)
    rules = TranslationRules(keep_types=(), casing=lambda _, word: word)
    translated = translate_corpus(source, TableTranslator(TABLE, lowercase=False), rules)
    source_switched, translated_switched = code_switch(source, translated)
    return {
        "source": source,
        "translated": translated,
        "source_switched": source_switched,
        "translated_switched": translated_switched,
        "source_shuffled": shuffle_spans(source),
        "translated_shuffled": shuffle_spans(translated),
        "target_text": translated.select_columns(["tokens"]),
    }
