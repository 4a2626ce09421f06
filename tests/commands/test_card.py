"""`xner card`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_xner.cli import main
from tests.hub.fixtures import change_results, conll_run, made_run, run_folder
from tests.hub.reading import front_matter

__all__ = ["conll_run", "made_run", "run_folder"]


def test_the_card_is_printed_or_written(conll_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["card", str(conll_run)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("---\n") and 'model="your-name/tsl-es"' in printed
    file = tmp_path / "card.md"
    options = ["--repo", "org/mine", "--output", str(file), "--examples", "1", "--license", "cc-by-4.0"]
    assert main(["card", str(conll_run), *options, "--language", "ca"]) == 0
    assert capsys.readouterr().out == f"the card is in {file}\n"
    card = file.read_text(encoding="utf-8")
    assert 'model="org/mine"' in card and front_matter(card)["license"] == "cc-by-4.0"
    assert front_matter(card)["language"] == ["ca"] and "# Catalan named-entity tagger: mine" in card


def test_an_oracle_run_gets_no_card(run_folder: Path, capsys: pytest.CaptureFixture[str]):
    results = json.loads((run_folder / "results.json").read_text())
    change_results(run_folder, oracle=True, arguments=results["arguments"] | {"select_on": "target_test"})
    assert main(["card", str(run_folder)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "is an oracle run" in said.err


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
