"""`xner card`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub.fixtures import made_run, run_folder
from hub.reading import front_matter

from hf_xner.cli import main

__all__ = ["made_run", "run_folder"]


def test_the_card_is_printed_or_written(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["card", str(run_folder)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("---\n") and 'model="your-name/tsl-es"' in printed
    file = tmp_path / "card.md"
    options = ["--repo", "org/mine", "--output", str(file), "--examples", "1", "--license", "cc-by-4.0"]
    assert main(["card", str(run_folder), *options, "--language", "ca"]) == 0
    assert capsys.readouterr().out == f"the card is in {file}\n"
    card = file.read_text(encoding="utf-8")
    assert 'model="org/mine"' in card and front_matter(card)["license"] == "cc-by-4.0"
    assert front_matter(card)["language"] == ["ca"] and "# Catalan named-entity tagger: mine" in card


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere"], "holds no finished run"),
        (["RUN", "--repo", "mine"], "does not say whose repository it is"),
        (["RUN", "--output", "/nowhere/card.md"], "cannot write the card"),
    ],
)
def test_mistakes_get_one_line(arguments: list[str], said: str, made_run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["card", *[str(made_run) if word == "RUN" else word for word in arguments]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
