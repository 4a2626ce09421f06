"""Language codes as people, corpora and models write them: `de`, `deu_Latn`, `zh-CN`, `zh-classical`, `cmn_Hans`."""

from __future__ import annotations

import re

# ISO 639-2/3 codes, and Wikipedia's names of the Chinese languages, that stand for a two-letter code here.
_SHORT = {
    **dict.fromkeys(("deu", "ger"), "de"),
    **dict.fromkeys(("zho", "chi", "cmn", "yue", "wuu", "gan", "hak", "hsn", "lzh", "nan"), "zh"),
    "jpn": "ja",
    "tha": "th",
    "lao": "lo",
    "khm": "km",
    **dict.fromkeys(("mya", "bur"), "my"),
}
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my"})


def primary(code: str) -> str:
    """The language of a code without script, region and variant: two letters where this package asks for it."""
    first = re.split("[-_]", code.strip().lower(), maxsplit=1)[0]
    return _SHORT.get(first, first)


def is_german(code: str) -> bool:
    """Whether nouns are capitalised."""
    return primary(code) == "de"


def is_unspaced(code: str) -> bool:
    """Whether the language is written without spaces between words."""
    return primary(code) in _UNSPACED
