from __future__ import annotations

import re

import pytest

from hf_xner.data.configurations import UNER_TREEBANKS, WIKIANN_LANGUAGES
from hf_xner.hub.languages import hub_codes, language_name


@pytest.mark.parametrize(
    ("code", "name"), [("es", "Spanish"), ("no", "Norwegian Bokmål"), ("ext", "`ext`"), ("", None), (None, None)]
)
def test_names(code: str | None, name: str | None):
    assert language_name(code) == name


def test_codes_are_those_that_the_hub_takes():
    assert hub_codes(["es", None, "", "es", "zh-classical", "simple", "en", "be-x-old", "1"]) == [
        "es",
        "lzh",
        "en",
        "be",
    ]
    every = hub_codes([*WIKIANN_LANGUAGES, *(config["language"] for config in UNER_TREEBANKS.values())])
    assert all(re.fullmatch("[a-z]{2,3}", code) for code in every)
    assert len(every) > 160, "no language of the corpora is lost"
