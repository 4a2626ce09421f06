"""Raw text to sentences and words, with character offsets, for any script.

One splitter without languages or models: what it does in training text it does again when the model is used. Words
follow the conventions of the CoNLL corpora where languages share them:

* punctuation stands alone; hyphenated words, numbers ("3.5", "1,000", "6-4"), "U.S.", "AT&T", "o'clock", URLs and
  e-mail addresses stay together; the full stop of an abbreviation stays with it unless it ends the sentence;
* English clitics are split off ("Kiel's" -> "Kiel" "'s", "did" "n't"), and so are elided articles in lower case
  ("l'Ajuntament" -> "l'" "Ajuntament");
* Chinese characters and kana are words of one character each; Thai, Lao, Khmer, Burmese and other scripts without
  spaces give one word a grapheme cluster; Korean, Arabic, Hindi and the rest follow their spaces.

*Blank* characters (white space, control characters, invisible format characters such as U+200B or U+200F) belong to a
word only in its middle; every other character of the text belongs to exactly one word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import regex

from hf_xner.data.abbreviations import ABBREVIATIONS, CLOSING

_BLANK = r"[\s\x1c-\x1f\p{Cc}\p{Default_Ignorable_Code_Point}]"
_UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\u30fc\uff70\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}\p{Javanese}\p{Balinese}"
)
# A letter or digit with its marks; joiners count as marks (Persian, Sinhala, emoji), a soft hyphen only inside a word.
_LETTER = rf"(?:[[\p{{L}}\p{{N}}_]--[{_UNSPACED}]][\p{{M}}\u200c\u200d]*+)"
_RUN = rf"{_LETTER}(?:[\u00ad\u2060\u200e\u200f]*+{_LETTER})*+"
_APOSTROPHE = r"['’ʼ]"
_CLITIC = rf"{_APOSTROPHE}(?i:s|re|ve|ll|d|m)(?!{_LETTER})"
_ADDRESS = r"[A-Za-z0-9\-._~:/?\#@!$&*+,;=%\p{Latin}\p{Cyrillic}]"

_WORD = regex.compile(
    "|".join(
        [
            rf"(?:https?|ftp)://{_ADDRESS}*[A-Za-z0-9/\#=&~\-_\p{{Latin}}\p{{Cyrillic}}]",
            rf"www\.{_ADDRESS}*[A-Za-z0-9/\#=&~\-_\p{{Latin}}\p{{Cyrillic}}]",
            r"[A-Za-z0-9_.+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,8}",
            r"[0-9\#*]\ufe0f?\u20e3",  # keycap emoji
            rf"(?:(?<![\p{{L}}\p{{N}}.+])[.+])?\p{{Nd}}++(?:[.,:/'’\-–]\p{{Nd}}++)++(?!{_LETTER})",
            rf"(?<![\p{{L}}\p{{N}}.+])[.+]\p{{Nd}}++(?!{_LETTER})",  # .500  +44
            r"(?<![\p{L}\p{N}])\p{Lu}{1,3}\$",  # US$
            # U.S.  z.B.  U.S.-led  U.S.A  EE.UU.
            rf"(?<![\p{{L}}\p{{N}}])(?:[\p{{L}}--[{_UNSPACED}]]\.){{2,}}(?:-{_RUN}|(?!{_LETTER}))",
            rf"(?<![\p{{L}}\p{{N}}])(?:[\p{{L}}--[{_UNSPACED}]]\.)+[\p{{L}}--[{_UNSPACED}]](?!{_LETTER})",
            r"(?<![\p{L}\p{N}])(?:(\p{Lu})\1\.){2,}",
            # The word before an English n't, and n't itself.
            rf"(?i:ca|do|does|did|is|are|was|were|has|have|had|wo|would|could|should|must|need|might|ai)"
            rf"(?=n{_APOSTROPHE}t(?!{_LETTER}))",
            rf"(?i:n{_APOSTROPHE}t)(?!{_LETTER})",
            # Elided articles and pronouns, lower case only: O'Neill, D'Alema and L'Hospitalet stay whole.
            rf"(?<![\p{{L}}\p{{N}}])(?:[dn]ell|[sd]?all|[sc]oll|sull|quell|quest|un|qu|lorsqu|puisqu|[ldsnmtcj])"
            rf"{_APOSTROPHE}(?=\p{{L}}{{2}})",
            # 's  'll  and the Dutch 's-Gravenhage, 't, 'n; years such as '98.
            rf"{_APOSTROPHE}s-{_RUN}",
            rf"{_APOSTROPHE}(?i:s|re|ve|ll|d|m|t|n|k)(?!{_LETTER})",
            rf"(?<![\p{{L}}\p{{N}}]){_APOSTROPHE}\p{{Nd}}{{2}}(?!{_LETTER})",
            # Words, joined by hyphens, apostrophes, the Catalan middle dot, & between capitals, . between lower case
            # letters (names of sites), . or , between digits, and : before a Finnish case ending (EU:n). A hyphen
            # that stands for the rest of a compound stays (regen- en sneeuwbuien).
            rf"{_RUN}(?:(?:[\-‐‑·_]|(?!{_CLITIC}){_APOSTROPHE}|(?<=\p{{Lu}})&(?=\p{{Lu}})"
            rf"|(?<=\p{{Ll}})\.(?=\p{{Ll}})|(?<=\p{{Nd}})[.,](?=\p{{Nd}})|:(?=\p{{Ll}}{{1,5}}(?!{_LETTER}))){_RUN})*+"
            r"(?:-(?!\S))?",
            r"\.{2,}|-{2,}|'{2}|`{2}",
            rf"(?!{_BLANK})\X",
        ]
    ),
    regex.VERSION1,
)

_LINE = regex.compile(r"[^\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+", regex.VERSION1)
_TRIM = regex.compile(rf"(?!{_BLANK}).(?:.*(?!{_BLANK}).)?", regex.VERSION1 | regex.DOTALL)
_CLOSERS = r"[\"'”’»›)\]}」』）】》〉\uff3d]*+"
_STOPS = ".!?…؟۔।॥။។։።፧"
_END = regex.compile(
    rf"[。！？｡．]++{_CLOSERS}"
    rf"|(?<![{_STOPS}])(?P<soft>[{_STOPS}]++)"
    rf"{_CLOSERS}(?P<gap>{_BLANK}++)(?=[\"'“„«‹(\[¿¡‘‚]*+(?P<next>[\p{{Lu}}\p{{Lt}}\p{{Lo}}\p{{Nd}}]))",
    regex.VERSION1,
)
_BEFORE_STOP = regex.compile(r"[^\s\"'“”„«»(\[]*$", regex.VERSION1)
_LOOK_BACK = 40  # characters looked at before a full stop: the longest abbreviation is far shorter
_BLANK_END = regex.compile(rf"{_BLANK}*+(?=\S)", regex.VERSION1)


class Piece(NamedTuple):
    """A sentence or word and its place: `text[start:end] == piece.text`."""

    text: str
    start: int
    end: int


def split_sentences(text: str) -> list[Piece]:
    """Split text into sentences.

    A line break always ends a sentence. Within a line, `.` `!` `?` and their kin end one before a space and a capital
    letter, a digit or a letter of a script without capitals; the full stop does not after an abbreviation, an initial
    or a number below 100 ("3. Oktober"); `。` `！` `？` always do.

    Args:
        text: Any string.

    Returns:
        The sentences in order, without blanks at their ends; lines of blanks alone give none.
    """
    return list(iterate_sentences(text))


def iterate_sentences(text: str) -> Iterator[Piece]:
    """Yield what `split_sentences` returns, one by one."""
    for line in _LINE.finditer(text):
        begin, end = line.span()
        for match in _END.finditer(text, begin, end):
            if match["soft"] == "." and not _ends_sentence(text, begin, match.start(), match["next"]):
                continue
            yield from _trimmed(text, begin, match.end())
            begin = match.end()
        yield from _trimmed(text, begin, end)


def split_words(text: str) -> list[Piece]:
    """Split a sentence into words.

    Args:
        text: A sentence (anything else works too, but the full stop of an abbreviation is then taken for the
            sentence's own only at the very end).

    Returns:
        The words in order. They do not overlap, and every character that is not blank lies in exactly one of them.
    """
    words: list[Piece] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        if text[start:end] == "." and words and words[-1].end == start and _keeps_stop(words[-1].text, text, end):
            start = words.pop().start
        words.append(Piece(text[start:end], start, end))
    return words


def split_text(text: str) -> list[list[Piece]]:
    """Split a text into sentences of words, as it is tagged and as raw text is read for training.

    Args:
        text: Any string.

    Returns:
        The words of each sentence; their places are those in the text.
    """
    return [
        [
            Piece(word.text, sentence.start + word.start, sentence.start + word.end)
            for word in split_words(sentence.text)
        ]
        for sentence in iterate_sentences(text)
    ]


def _trimmed(text: str, begin: int, end: int) -> Iterator[Piece]:
    match = _TRIM.search(text, begin, end)
    if match:
        yield Piece(match[0], *match.span())


def _ends_sentence(text: str, begin: int, stop: int, following: str) -> bool:
    """Tell whether the full stop at `stop` ends its sentence, given the first letter of what follows."""
    before = _BEFORE_STOP.search(text, max(begin, stop - _LOOK_BACK), stop)
    word = before[0] if before else ""
    lowered = word.lower()
    if lowered in CLOSING:
        return not following.isdigit()
    if _is_ordinal(word):
        return False
    last = regex.split(r"[.\-]", word)[-1]
    return not (lowered in ABBREVIATIONS or (len(last) == 1 and last.isupper()))


def _keeps_stop(word: str, text: str, end: int) -> bool:
    """Tell whether a full stop belongs to the abbreviation, initial or ordinal before it."""
    if not _BLANK_END.match(text, end):
        return False  # the full stop ends the text
    followed_by_blank = text[end].isspace()
    if _is_ordinal(word) or (len(word) == 1 and word.isupper()):
        return followed_by_blank
    return word.lower() in ABBREVIATIONS


def _is_ordinal(word: str) -> bool:
    return len(word) <= 2 and word.isdecimal()
