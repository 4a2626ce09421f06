"""Sentences from frames and lists: the slot-filling half of the sample corpus.

A frame is one sentence with slots, a list holds what a slot may become::

    {PER:person} , {O:role} of {ORG:club} , joined {ORG:company} in {LOC:city} on {O:weekday} .

The README beside this file defines the notation. Everything drawn comes from one seeded ``random.Random``, and nothing
from the order of a set or a hash of a string, so that two processes write the same text.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

ENTITY_TYPES = ("LOC", "MISC", "ORG", "PER")
SEED = 20200701

Sentence = tuple[list[str], list[str]]

# {PER:person}  {O:#01-28}  {LOC:city^} in frames; {last}  {#1-40}  {city+} in list values.
_SLOT = re.compile(r"\{(?:(?P<type>[A-Z]+):)?(?P<source>#\d+-\d+|\w+)(?P<case>[\^+]?)\}")
# A list value longer than this is not a name any more; it bounds the wildcard of `Frame.pattern`.
_MOST_WORDS_OF_A_SLOT = 8
# No value runs across one of these marks.
_WORD_OF_A_SLOT = r"(?![;:()](?: |$))\S+"
# Of the values of a long entity list, one in this many is kept for validation.
_HELD_OUT_SHARE = 7
_LONG_LIST = 20
# Draws until something new has come, or until it is taken for certain that nothing new is left.
_TRIES = 20


@dataclass(frozen=True)
class Frame:
    """One sentence with slots, as written in ``frames_xx.txt``."""

    text: str

    @cached_property
    def tokens(self) -> list[str]:
        """The frame's tokens; a slot is a token or, where the frame glues it, a part of one."""
        return self.text.split(" ")

    @cached_property
    def slots(self) -> list[tuple[str, str]]:
        """Type and source (key of a list, or a range of numbers) of every slot, in order."""
        return [(slot["type"], slot["source"]) for slot in _SLOT.finditer(self.text)]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """A regular expression for every sentence of this shape, whatever stands in the slots.

        A number slot stands for digits, any other slot for one to eight tokens (for a part of one token where it is
        glued to something) without a colon, semicolon or bracket among them. Match it against the sentence's tokens
        joined by single spaces.
        """
        return re.compile(" ".join(_token_pattern(token) for token in self.tokens), re.IGNORECASE)


def _token_pattern(token: str) -> str:
    alone = _SLOT.fullmatch(token)
    if alone and not alone["source"].startswith("#"):
        return rf"{_WORD_OF_A_SLOT}(?: {_WORD_OF_A_SLOT}){{0,{_MOST_WORDS_OF_A_SLOT - 1}}}"
    parts, end = [], 0
    for slot in _SLOT.finditer(token):
        parts.append(re.escape(token[end : slot.start()]))
        parts.append(r"\d+" if slot["source"].startswith("#") else r"\S+")
        end = slot.end()
    return "".join([*parts, re.escape(token[end:])])


def read_frames(language: str) -> list[Frame]:
    """Read ``frames_<language>.txt``.

    Args:
        language: Language code of the sample corpus.

    Returns:
        The frames in file order, without comments and blank lines.
    """
    lines = package_text(f"frames_{language}.txt").splitlines()
    return [Frame(line) for line in lines if line and not line.startswith("#")]


def read_lists(language: str) -> dict[str, list[str]]:
    """Read ``lists_<language>.json``: what each slot may become.

    Args:
        language: Language code of the sample corpus.

    Returns:
        Values by key. A value may refer to other keys and hold ranges of numbers.
    """
    lists: dict[str, list[str]] = json.loads(package_text(f"lists_{language}.json"))
    return lists


def package_text(name: str) -> str:
    """Read a text file of this folder, also from an installed wheel or a zip file."""
    return resources.files("hf_xner.data.sample").joinpath(name).read_text(encoding="utf-8")


def without_held_out(lists: dict[str, list[str]], frames: Sequence[Frame]) -> dict[str, list[str]]:
    """Take about one in seven values out of every long list that entities are drawn from.

    What is taken depends on the value alone, so a town that is also the name of a club goes from both lists.

    Args:
        lists: Values by key.
        frames: The frames that say which lists entities are drawn from.

    Returns:
        The shorter lists; drawing from them never gives a held-out value.
    """
    of_entities = {source for frame in frames for type_, source in frame.slots if type_ in ENTITY_TYPES}
    pending = list(of_entities)
    while pending:
        for value in lists.get(pending.pop(), ()):
            new = {slot["source"] for slot in _SLOT.finditer(value)} - of_entities
            of_entities |= new
            pending.extend(new)
    return {
        key: [value for value in values if not _is_held_out(value)]
        if key in of_entities and len(values) >= _LONG_LIST
        else values
        for key, values in lists.items()
    }


def _is_held_out(value: str) -> bool:
    return "{" not in value and zlib.crc32(value.encode()) % _HELD_OUT_SHARE == 0


def generate(
    frames: Sequence[Frame],
    lists: dict[str, list[str]],
    count: int,
    *,
    seed: int = SEED,
) -> list[Sentence]:
    """Fill frames until there are enough sentences, no two of them alike.

    Every frame has its turn once before any has it twice, so all of them are used where ``count`` allows it.

    Args:
        frames: The frames to fill.
        lists: Values by key.
        count: Number of sentences wanted.
        seed: Seed of the draws.

    Returns:
        Sentences as (tokens, IOB2 tags), ``count`` of them unless the frames cannot give that many.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    sentences: list[Sentence] = []
    # A frame that gave nothing new (no slots, or few values) leaves the round.
    fertile = list(frames)
    while fertile and len(sentences) < count:
        rng.shuffle(fertile)
        still_fertile = []
        for frame in fertile[: count - len(sentences)]:
            made = _fill_anew(frame, lists, rng, seen)
            if made:
                sentences.append(made)
                still_fertile.append(frame)
        fertile = still_fertile
    return sentences


def _fill_anew(frame: Frame, lists: dict[str, list[str]], rng: random.Random, seen: set[str]) -> Sentence | None:
    for _ in range(_TRIES if frame.slots else 1):
        sentence = fill(frame, lists, rng)
        text = " ".join(sentence[0])
        if text not in seen:
            seen.add(text)
            return sentence
    return None


def fill(frame: Frame, lists: dict[str, list[str]], rng: random.Random) -> Sentence:
    """Make one sentence of a frame.

    Args:
        frame: The frame to fill.
        lists: Values by key.
        rng: Where the draws come from.

    Returns:
        The sentence's tokens and their IOB2 tags.
    """
    tokens: list[str] = []
    tags: list[str] = []
    used: set[tuple[str, str]] = set()
    for token in frame.tokens:
        slot = _SLOT.fullmatch(token)
        words = _expand(token, lists, rng, used).split(" ")
        tokens += words
        if slot and slot["type"] in ENTITY_TYPES:
            tags += [f"B-{slot['type']}"] + [f"I-{slot['type']}"] * (len(words) - 1)
        else:
            tags += ["O"] * len(words)
    # A list may bring a lower-case word ("van der Meer", "eleven") to the front.
    tokens[0] = tokens[0][:1].upper() + tokens[0][1:]
    return tokens, tags


def _expand(text: str, lists: dict[str, list[str]], rng: random.Random, used: set[tuple[str, str]]) -> str:
    """Replace every slot of a token or list value; ``used`` keeps a sentence from naming one thing twice."""

    def draw(slot: re.Match[str]) -> str:
        source = slot["source"]
        if source.startswith("#"):
            low, high = source[1:].split("-")
            return str(rng.randint(int(low), int(high))).zfill(len(low))
        value = _draw_new(lists[source], source, lists, rng, used)
        if slot["case"] == "^":
            return value.upper()
        return value[:1].upper() + value[1:] if slot["case"] else value

    return _SLOT.sub(draw, text)


def _draw_new(
    values: list[str], key: str, lists: dict[str, list[str]], rng: random.Random, used: set[tuple[str, str]]
) -> str:
    # A short list may be used up by one frame; then a repetition is better than an endless search.
    for _ in range(_TRIES):
        value = _expand(rng.choice(values), lists, rng, used)
        if (key, value) not in used:
            break
    used.add((key, value))
    return value
