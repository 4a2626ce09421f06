"""The case of a translated word: from the source word, or for German from how the target language writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

# source word, translation -> translation as it is written into the corpus
Casing = Callable[[str, str], str]


def keep_case(source: str, translation: str) -> str:
    """The translation as the translator wrote it."""
    return translation


def source_case(source: str, translation: str) -> str:
    """UniTrans' rule for all targets but German.

    An upper-case source word upper-cases its translation (and with it turns ß into SS), a capitalised one its first
    letter alone; any other lower-cases it. One upper-case letter counts as capitalised.
    """
    if len(source) > 1 and source.isupper():
        return translation.upper()
    if source[:1].isupper():
        return capitalised(translation)
    return translation.lower()


def capitalised(word: str) -> str:
    """Upper-case the first letter, leave the rest."""
    return word[:1].upper() + word[1:]


class SampledCase:
    """UniTrans' rule for German: sample a form as often as the target text has it.

    For each lower-cased word the text gives the frequencies of three forms: all lower-case, capitalised, anything
    else; the last is written in upper case. Words that the text lacks follow `source_case`. The original sampler is
    not seeded; this one is, and gives the same corpus each time.

    Args:
        sentences: Unlabelled target sentences.
        seed: Random seed.
    """

    def __init__(self, sentences: Iterable[Sequence[str]], *, seed: int = 0) -> None:
        self.counts: dict[str, list[int]] = {}
        for words in sentences:
            for word in words:
                self.counts.setdefault(word.lower(), [0, 0, 0])[_form(word)] += 1
        self.seed = seed
        self._random = np.random.default_rng(seed)

    def __call__(self, source: str, translation: str) -> str:
        """Write a translation in a sampled form."""
        lowered = translation.lower()
        counts = self.counts.get(lowered)
        if counts is None:
            return source_case(source, translation)
        form = int(np.searchsorted(np.cumsum(counts), self._random.random() * sum(counts), side="right"))
        return (lowered, capitalised(lowered), lowered.upper())[form]

    def restart(self) -> None:
        """Sample from the beginning again."""
        self._random = np.random.default_rng(self.seed)


def _form(word: str) -> int:
    lowered = word.lower()
    if word == lowered:
        return 0
    return 1 if word == capitalised(lowered) else 2
