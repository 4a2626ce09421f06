"""The measurement of a corpus' translation: what it counts, and what it translates where CoNLL is not at hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import translation


def test_a_corpus_is_translated_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["translation.py", "--size", "0", "--corpus", "sample:en"])
    translation.main()
    path = tmp_path / "words.txt"
    path.write_text("the el\nof de\n", encoding="utf-8")
    facts = translation.translate("sample:en", path, repeat=1)
    assert facts["entries"] == 2 and facts["sentences"] == 2600 and facts["words"] > 30_000
    assert facts["processor_s"] > 0 and facts["wall_s"] < 60


def test_without_conll_the_built_in_corpus_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_XNER_DATA", str(tmp_path))
    assert translation.translate(None, None, repeat=1)["corpus"] == "sample:en"
