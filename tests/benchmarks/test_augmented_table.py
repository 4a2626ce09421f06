"""The paper's tables by one command: which trainings it starts, and what it makes of their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import augmented_table
import pytest
import table_runs

from hf_xner.systems.augmented import Arguments


def results_of(base: float) -> dict[str, Any]:
    values = [base, base + 0.02]
    variants = {
        name: {"target_test": {"tagger": {"f1": {"mean": base + more, "sd": 0.01, "values": values}}}}
        for name, more in (("source_mono", 0.0), ("cross_augmented", 0.3))
    }
    return {"variants": variants, "differences": []}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would be run; each leaves results as a run does."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> None:
        commands.append(command)
        folder = Path(command[command.index("--output_dir") + 1])
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(results_of(0.2 if "aqmar" in folder.name else 0.4)))

    monkeypatch.setattr(table_runs.subprocess, "run", run)
    return commands


def parsed(command: list[str]) -> Arguments:
    """The options as the system itself reads them."""
    from transformers import HfArgumentParser

    start = command.index("augmented") + 1
    return HfArgumentParser(Arguments).parse_args_into_dataclasses(command[start:])[0]


COMMON = ["--targets", "conll2002:es", "aqmar:ar", "--seeds", "1", "2", "--mappings", "maps/en-{language}"]


def test_every_language_gets_the_papers_settings(started: list[list[str]], tmp_path: Path, capsys):
    rules = ["--select_on", "source_dev", "target_test", "--variants", "source_mono", "cross_augmented"]
    words = [*COMMON, *rules, "--jobs", "2", "--output", str(tmp_path), "--", "--epochs", "3"]
    assert augmented_table.main(words) == 0
    runs = [parsed(command) for command in started]
    assert len(runs) == 2 * 2 * 2 + 2 * 2, "each seed by itself, then all together"
    for run in runs:
        spanish = run.target == "conll2002:es"
        assert run.mapping == ("maps/en-es" if spanish else "maps/en-ar") and run.epochs == 3
        assert run.scheme == ("iobes" if spanish else "iob2")
        assert run.augment_from == ("cross_shared" if spanish else "cross_word_no_char")
    assert {run.select_on for run in runs} == {"source_dev", "target_test"}
    assert len({run.output_dir for run in runs}) == len(runs)
    table = capsys.readouterr().out
    assert "conll2002:es, source_dev" in table and "aqmar:ar, target_test" in table
    assert "70.00 (1.00) 42.00" in table and "50.00 (1.00) 22.00" in table
    report = json.loads((tmp_path / "table.json").read_text())
    assert set(report["results"]) == {"source_dev", "target_test"} and "output" not in report


def test_vectors_instead_of_a_mapping_are_mapped_on_the_papers_side(started: list[list[str]], tmp_path: Path):
    words = ["--targets", "aqmar:ar", "conll2002:nl", "--seeds", "1", "--output", str(tmp_path)]
    words += ["--source_vectors", "en.vec", "--target_vectors", "{language}.vec"]
    assert augmented_table.main(words) == 0
    runs = {run.target: run for run in map(parsed, started)}
    assert len(started) == 2, "with one job nothing is trained apart"
    assert (runs["aqmar:ar"].mapped, runs["aqmar:ar"].target_vectors) == ("target", "ar.vec")
    assert (runs["conll2002:nl"].mapped, runs["conll2002:nl"].source_vectors) == ("source", "en.vec")
    assert "supervised" in runs["aqmar:ar"].variants and runs["aqmar:ar"].select_on == "source_dev"


def test_without_vectors_it_says_what_is_needed(capsys):
    with pytest.raises(SystemExit):
        augmented_table.main(["--targets", "conll2002:es", "--output", "x"])
    assert "give --mappings" in capsys.readouterr().err
