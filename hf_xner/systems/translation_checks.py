"""Whether a translated corpus is one: in the target's language, and with no tag but the source's."""

from __future__ import annotations

from collections import Counter

from datasets import Dataset, DatasetDict

from hf_xner.errors import InputError
from hf_xner.systems.workspace import Workspace
from hf_xner.translation.augment import count_untranslated
from hf_xner.translation.segments import tag_strings
from hf_xner.translation.setup import TranslationOptions

# Text of so many different words, of so many sentences at most, has 23 to 79 % of the 100 words that translation into
# its language brings in most often (en to ar, es, ko, nl, measured), and 0 to 12 % of those of another language.
READ, MANY_WORDS, FREQUENT, FOREIGN = 10_000, 2000, 100, 0.15
MOST_UNTRANSLATED = 0.5  # of the sentences: names and numbers alone stay as they are
# What a given translation may share with the target corpus by chance: one in a hundred of its sentences, none long.
MOST_SHARED, LONG = 0.01, 10


def check_translation(space: Workspace, source: Dataset, translated: Dataset) -> None:
    """Refuse a translation that is the source again, and warn of one that seems to be poor or in another language.

    Args:
        space: The workspace, whose results keep the warnings.
        source: The source: `tokens`.
        translated: Its translation, sentence by sentence.

    Raises:
        InputError: No sentence is translated.
    """
    same = count_untranslated(source, translated)
    if same > MOST_UNTRANSLATED * len(translated):
        space.warn(f"translation left {same} of the source's {len(translated)} sentences as they were")
    _warn_of_foreign_words(space, source, translated)


def _warn_of_foreign_words(space: Workspace, source: Dataset, translated: Dataset) -> None:
    """Warn where the target's text lacks the most frequent words that translation brought in: is it that language?"""
    known = {word.lower() for words in space.target_text.data[:READ]["tokens"] for word in words}
    pairs = zip(source[:READ]["tokens"], translated[:READ]["tokens"], strict=True)
    brought = Counter(
        part.lower() for words, others in pairs for word in set(others).difference(words) for part in word.split()
    )
    frequent = [word for word, _ in brought.most_common(FREQUENT)]
    there = len(known.intersection(frequent))
    if len(known) >= MANY_WORDS and len(frequent) == FREQUENT and there < FOREIGN * FREQUENT:
        space.warn(
            f"the target's text has only {there} of the {FREQUENT} most frequent words that translation brought in: "
            "is it of that language?"
        )


def warn_of_no_language(space: Workspace, options: TranslationOptions) -> None:
    """Tell that no rule of a certain language is followed where nothing says which it is."""
    if options.to:
        return
    space.warn(
        "the target's language is not known: German case and scripts without spaces would go unnoticed; "
        "say --target_language, or FOLDER:de"
    )


def refuse_tags_of_target(source: Dataset, given: Dataset, target: DatasetDict, spec: str) -> None:
    """Refuse a translation that shares sentences with the target corpus, and so perhaps their tags.

    What is left of a source sentence as it was, and sentences without entities, can bring no tag. Short sentences may
    be the same by chance, so a few may.

    Raises:
        InputError: More than `MOST_SHARED` of them are the target's, or one of more than `LONG` words is.
    """
    tagged = [split for split in target.values() if "ner_tags" in split.column_names]
    theirs = {tuple(tokens) for split in tagged for tokens in split["tokens"]}
    rows = zip(source["tokens"], given["tokens"], tag_strings(given), strict=True)
    shared = [words for ours, words, tags in rows if words != ours and set(tags) != {"O"} and tuple(words) in theirs]
    longest: list[str] = max(shared, key=len, default=[])
    if len(shared) > MOST_SHARED * len(given) or len(longest) > LONG:
        raise InputError(
            f"{len(shared)} of its {len(given)} sentences stand in the target corpus, whose tags must not train: "
            f"{' '.join(longest)!r}, say",
            where=f"--translated {spec}",
            remedy="give a translation of the source",
        )
