"""Names of languages for people, and the codes that the Hub takes."""

from __future__ import annotations

import re
from collections.abc import Iterable


def _pairs(*lines: str) -> dict[str, str]:
    parts = (pair.partition(" ") for pair in ",".join(lines).split(","))
    return {code: name for code, _, name in parts}


_NAMES = _pairs(
    "af Afrikaans,ar Arabic,bg Bulgarian,bn Bangla,ca Catalan,ceb Cebuano,cs Czech,cy Welsh,da Danish,de German",
    "el Greek,en English,es Spanish,et Estonian,eu Basque,fa Persian,fi Finnish,fr French,ga Irish,gl Galician",
    "ha Hausa,he Hebrew,hi Hindi,hr Croatian,hu Hungarian,id Indonesian,is Icelandic,it Italian,ja Japanese",
    "ka Georgian,kk Kazakh,ko Korean,lt Lithuanian,lv Latvian,mk Macedonian,ml Malayalam,mr Marathi,ms Malay",
    "my Burmese,nl Dutch,nn Norwegian Nynorsk,no Norwegian Bokmål,pl Polish,pt Portuguese,ro Romanian,ru Russian",
    "sk Slovak,sl Slovene,sq Albanian,sr Serbian,sv Swedish,sw Swahili,ta Tamil,te Telugu,th Thai,tl Tagalog",
    "tr Turkish,uk Ukrainian,ur Urdu,uz Uzbek,vi Vietnamese,yo Yoruba,zh Chinese",
)
# Wikipedia's codes that are not ISO 639, as the Hub wants them.
_ISO = {
    "simple": "en",
    "als": "gsw",
    "bat-smg": "sgs",
    "be-x-old": "be",
    "cbk-zam": "cbk",
    "eml": "egl",
    "fiu-vro": "vro",
    "map-bms": "jv",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
    "zh-yue": "yue",
}
_CODE = re.compile(r"[a-z]{2,3}")


def language_name(code: str | None) -> str | None:
    """A language's English name, its code where no name is known, None where there is no code."""
    return None if not code else _NAMES.get(code, f"`{code}`")


def hub_codes(codes: Iterable[str | None]) -> list[str]:
    """Codes as the Hub's metadata takes them (ISO 639-1, -2 or -3), each once; what is none is left out."""
    candidates = (_ISO.get(code, code.partition("-")[0]) for code in codes if code)
    return list(dict.fromkeys(code for code in candidates if _CODE.fullmatch(code)))
