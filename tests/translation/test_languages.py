"""Tests for what language codes say, whoever wrote them."""

from __future__ import annotations

import pytest

from hf_xner.translation.languages import is_german, is_unspaced, primary
from hf_xner.translation.setup import TranslationOptions


@pytest.mark.parametrize(
    ("code", "language"),
    [
        *(
            (code, "zh")
            for code in ("zh", "zh-CN", "zho_Hans", "zh-yue", "zh-classical", "wuu", "gan", "zh_TW", "cmn")
        ),
        *((code, "de") for code in ("de", "DE", "de-AT", "deu_Latn", "ger")),
        *(("jpn_Jpan", "ja"), ("tha_Thai", "th"), ("mya_Mymr", "my"), ("khm_Khmr", "km"), ("lao_Laoo", "lo")),
        *(("es", "es"), ("spa_Latn", "spa"), ("nds", "nds"), ("", "")),
    ],
)
def test_codes_lead_to_languages(code: str, language: str) -> None:
    assert primary(code) == language
    assert is_german(code) == (language == "de")
    assert is_unspaced(code) == (language in {"zh", "ja", "th", "my", "km", "lo"})


@pytest.mark.parametrize("code", ["deu_Latn", "de-CH", "zh-CN", "gan", "wuu", "es"])
def test_rules_follow_the_language_not_its_spelling(code: str) -> None:
    options = TranslationOptions(to=code, mapping="somewhere")
    german, chinese = code.startswith("de"), code in ("zh-CN", "gan", "wuu")
    assert options.casing == ("target" if german else "source")
    assert options.reads_target_text == (german or chinese)
    assert options.rule_settings()["units"] == chinese
