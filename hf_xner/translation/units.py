"""Scripts without spaces: a translated word cut into the units that the target corpus calls words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import regex

_UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
    r"[\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{M}]*+",
    regex.VERSION1,
)
_CLUSTER = regex.compile(r"\X", regex.VERSION1)


class TargetUnits:
    """Cuts words of scripts without spaces as a target corpus does.

    Where the corpus has one character a token (WikiAnn) this gives characters, where it has words, its words: the
    longest word of the corpus that fits is taken, from left to right, and where none fits one written character.
    Anything in other scripts stays whole.

    Args:
        sentences: Unlabelled target sentences; without any, units are written characters.
    """

    def __init__(self, sentences: Iterable[Sequence[str]] = ()) -> None:
        self.words = {word for sentence in sentences for word in sentence if _UNSPACED.search(word)}
        self.longest = max(map(len, self.words), default=0)

    def split(self, word: str) -> list[str]:
        """The units of a word, at least one; joined they give the word."""
        if word in self.words or not _UNSPACED.search(word):
            return [word]
        units: list[str] = []
        end = 0
        for run in _UNSPACED.finditer(word):
            units += [word[end : run.start()]] if run.start() > end else []
            units += self._longest_match(run[0])
            end = run.end()
        return units + ([word[end:]] if end < len(word) else [])

    def _longest_match(self, run: str) -> list[str]:
        units = []
        begin = 0
        while begin < len(run):
            ends = range(min(len(run), begin + self.longest), begin, -1)
            end = next((end for end in ends if run[begin:end] in self.words), None)
            if end is None:
                cluster = _CLUSTER.match(run, begin)
                end = cluster.end() if cluster else begin + 1
            units.append(run[begin:end])
            begin = end
        return units
