"""Writes tagged sentences: columns that conlleval reads, JSON lines, or text with the entities marked in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from hf_xner.inference.inputs import Item
from hf_xner.inference.results import TaggedSentence
from hf_xner.labels import convert_tags

_WHITE_SPACE = re.compile(r"\s+")


def in_iob2(tagged: TaggedSentence, scheme: str) -> TaggedSentence:
    """The answer with its tags in IOB2, which is what evaluation and other programs read."""
    if scheme == "iob2":
        return tagged
    tags = [tag for begin, end in tagged.sentences for tag in convert_tags(tagged.tags[begin:end], scheme, "iob2")]
    return replace(tagged, tokens=[replace(token, tag=tag) for token, tag in zip(tagged.tokens, tags, strict=True)])


def conll(item: Item, tagged: TaggedSentence) -> str:
    """Columns `token tag`, or `token gold tag` where the input has gold tags; an empty line after each sentence.

    White space in a token would be taken for a column's end and is written as `_`, and so is an empty token. An input
    without words gives an empty line.
    """
    gold = item.gold or [""] * len(tagged.tokens)
    lines = []
    for begin, end in tagged.sentences or [(0, 0)]:
        for token, gold_tag in zip(tagged.tokens[begin:end], gold[begin:end], strict=True):
            columns = (_WHITE_SPACE.sub("_", token.text) or "_", gold_tag, token.tag)
            lines.append(" ".join(column for column in columns if column))
        lines.append("")
    return "\n".join(lines) + "\n"


def jsonl(item: Item, tagged: TaggedSentence) -> str:
    """One JSON object: `id` where the input has one, text, tokens, tags and entities with offsets and scores."""
    plain = tagged.to_dict()
    record = {
        **(item.record or {}),
        "text": tagged.text,
        "tokens": [token.text for token in tagged.tokens],
        "ner_tags": tagged.tags,
        "scores": [round(token.score, 6) for token in tagged.tokens],
        "entities": [entity | {"score": round(entity["score"], 6)} for entity in plain["entities"]],
        **{name: plain[name] for name in ("n_tokens", "n_subwords", "n_windows", "truncated")},
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def inline(item: Item, tagged: TaggedSentence) -> str:
    """The text on one line, each entity as `[Angela Merkel PER]`: for reading, not for parsing."""
    parts = []
    end = 0
    for entity in tagged.entities:
        parts += [tagged.text[end : entity.start], f"[{entity.text} {entity.type}]"]
        end = entity.end
    parts.append(tagged.text[end:])
    return " ".join("".join(parts).splitlines()) + "\n"


FORMATS: dict[str, Callable[[Item, TaggedSentence], str]] = {"conll": conll, "jsonl": jsonl, "inline": inline}
