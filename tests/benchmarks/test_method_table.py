"""The table over targets and seeds: which trainings it starts, and what it makes of their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import method_table
import pytest
import table_runs

from hf_xner.errors import InputError


def summary(mean: float, sd: float | None = 0.01) -> dict[str, Any]:
    return {"f1": {"mean": mean, "sd": sd}}


def results_of(base: float) -> dict[str, Any]:
    test = {"mean_difference": 0.02, "low": -0.01, "high": 0.05}
    gap = {"first": "unitrans", "second": "mt", "set": "target_test", "over_seeds": test, "over_seeds_tagger": test}
    loss = {"mean_difference": -0.03, "low": -0.04, "high": -0.02}
    other = gap | {"first": "data_transfer", "over_seeds": test, "over_seeds_tagger": loss}
    pair = gap | {"first": "data_transfer", "second": "unitrans", "over_seeds": loss, "over_seeds_tagger": loss}
    variants = {
        name: {"target_test": {"plain": summary(base + more), "tagger": summary(base + more + 0.1, None)}}
        for name, more in (("mt", 0.0), ("unitrans", 0.02), ("data_transfer", 0.01))
    }
    return {"variants": variants, "differences": [gap, other, pair, {**gap, "set": "target_dev"}]}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that would be run; each leaves results as a run does."""
    commands: list[list[str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> None:
        commands.append(command)
        assert env["OMP_NUM_THREADS"].isdigit()
        folder = Path(command[command.index("--output_dir") + 1])
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps(results_of(0.3 if "-es" in folder.name else 0.4)))

    monkeypatch.setattr(table_runs.subprocess, "run", run)
    return commands


TWO_TARGETS = "unitrans --source conll2003:en --targets conll2002:es conll2002:nl --seeds 1 2"


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_seeds_are_trained_side_by_side_and_scored_together(started: list[list[str]], tmp_path: Path, capsys):
    arguments = TWO_TARGETS.split()
    arguments += ["--jobs", "2", "--late", "ensemble", "--output", str(tmp_path / "out")]
    own = ["--variants", "mt", "unitrans", "ensemble", "--mapping", "maps/en-{language}"]
    assert method_table.main([*arguments, "--", *own]) == 0
    parts, whole = started[:4], started[4:]
    assert sorted((option(part, "--target"), option(part, "--seeds")) for part in parts) == [
        (target, seed) for target in ("conll2002:es", "conll2002:nl") for seed in ("1", "2")
    ]
    assert all("ensemble" not in part for part in parts) and all("ensemble" in command for command in whole)
    assert {option(command, "--target"): option(command, "--mapping") for command in started} == {
        "conll2002:es": "maps/en-es",
        "conll2002:nl": "maps/en-nl",
    }
    assert [command[command.index("--seeds") + 1 :][:2] for command in whole] == [["1", "2"]] * 2
    printed = capsys.readouterr().out
    (row,) = (line for line in printed.splitlines() if line.startswith("unitrans  "))
    assert row.split("  ") == ["unitrans", *(f"{value}" for value in row.split("  ")[1:])]
    assert (
        "32.00 ± 1.00" in row and "52.00" in row and "42.00 ± 1.00" in row and "62.00" not in row.replace("52.00", "")
    )
    assert row.count("+2.00 [-1.00, +5.00]") == 4, "a row carries its differences to the baseline"
    assert "unitrans - mt" not in printed and "data_transfer - unitrans" in printed
    below = printed[printed.index("below the baseline:") :].splitlines()
    folder = tmp_path / "out" / "conll2002-es"
    assert below[1:3] == [
        "data_transfer, conll2002:es: tagger -3.00 [-4.00, -2.00]",
        f"    xner analyse gain {folder} --variant data_transfer --against mt --kind tagger",
    ]
    assert len(below) == 5, "one row in each column"
    report = json.loads((tmp_path / "out" / "table.json").read_text())
    assert report["results"].keys() == {"conll2002:es", "conll2002:nl"} and report["seconds"] >= 0


def test_with_one_job_nothing_is_trained_apart(started: list[list[str]], tmp_path: Path):
    method_table.main(["tsl", "--source", "a", "--targets", "sample:es", "--output", str(tmp_path / "out")])
    (command,) = started
    assert command[command.index("--seeds") + 1 : command.index("--output_dir")] == ["1", "2", "3"]


def test_each_language_is_transferred_to_from_the_others(started: list[list[str]], tmp_path: Path):
    corpora = ["conll2003:en", "conll2002:es", "conll2002:nl"]
    arguments = ["tsl", "--source", *corpora, "--targets", *corpora[1:], "--seeds", "1"]
    method_table.main([*arguments, "--output", str(tmp_path / "out")])
    sources = {
        option(command, "--target"): command[command.index("--source") + 1 : command.index("--target")]
        for command in started
    }
    assert sources == {corpora[1]: [corpora[0], corpora[2]], corpora[2]: corpora[:2]}


def test_what_is_made_for_one_target_alone_stays_in_its_column():
    results: dict[str, Any] = {"es": results_of(0.3), "nl": results_of(0.6)}
    for target, name in (("es", "tsl_nl"), ("nl", "tsl_es")):
        results[target]["variants"][name] = results[target]["variants"].pop("unitrans")
        results[target]["differences"] = [
            gap | {"first": name}
            for gap in results[target]["differences"]
            if (gap["first"], gap["set"]) == ("unitrans", "target_test")
        ]
    baselines = {"es": "mt", "nl": "mt"}
    rows = {line.split()[0]: line for line in method_table.format_table(results, baselines).splitlines()}
    assert "32.00" in rows["tsl_nl"] and "62.00" not in rows["tsl_nl"] and "62.00" in rows["tsl_es"]
    assert rows["tsl_es"].index("62.00") > rows["tsl_nl"].index("42.00")
    gaps = {line.split()[0]: line for line in method_table.format_gaps(results).splitlines()}
    assert gaps["tsl_es"].index("+2.00") > gaps["tsl_nl"].rindex("+2.00")
    assert method_table.format_weights(results) == ""
    seeds = {"seed 1": {"alpha": {"en": 0.4, "nl": 0.6}}, "seed 2": {"alpha": {"en": 0.2, "nl": 0.8}}}
    results["es"]["language_weights"] = {"bilinear": seeds}
    assert "en 0.300, nl 0.700" in method_table.format_weights(results)


def test_one_seed_has_intervals_over_sentences():
    gap = {"first": "msd", "second": "mt", "set": "target_test"}
    gap |= {"over_sentences": {"difference": 0.0212, "low": 0.0111, "high": 0.0307}}
    table = method_table.format_gaps({"conll2002:es": {"differences": [gap]}})
    assert "+2.12 [+1.11, +3.07]" in table
    variants = {
        name: {"target_test": {"plain": summary(0.4 + more, None), "tagger": summary(0.5 - more, None)}}
        for name, more in (("mt", 0.0), ("msd", 0.0212))
    }
    results, baselines = {"es": {"variants": variants, "differences": [gap]}}, {"es": "mt"}
    (row,) = (line for line in method_table.format_table(results, baselines).splitlines() if line.startswith("msd"))
    assert row.split() == ["msd", "42.12", "+2.12", "[+1.11,", "+3.07]", "47.88", "-2.12"]
    losses = method_table.format_losses(results, baselines, {"es": Path("runs/es")})
    assert "msd, es: tagger -2.12\n    xner analyse gain runs/es --variant msd --against mt --kind tagger" in losses


def test_rules_are_trainings_of_their_own_in_one_table(started: list[list[str]], tmp_path: Path, capsys):
    arguments = TWO_TARGETS.split()
    arguments += ["--select_on", "none", "target_dev", "--jobs", "2", "--output", str(tmp_path)]
    assert method_table.main(arguments) == 0
    assert len(started) == 2 * 2 * 2 + 2 * 2, "each seed by itself, then all together"
    whole = started[8:]
    assert [(option(command, "--select_on"), Path(option(command, "--output_dir"))) for command in whole] == [
        (rule, tmp_path / rule / target)
        for rule in ("none", "target_dev")
        for target in ("conll2002-es", "conll2002-nl")
    ]
    assert {Path(option(command, "--output_dir")).parent.name for command in started[:8]} == {"none", "target_dev"}
    heads = [line for line in capsys.readouterr().out.splitlines() if line.startswith("variant")]
    assert len(heads) == 1
    names = ["conll2002:es, none", "conll2002:nl, none", "conll2002:es, target_dev", "conll2002:nl, target_dev"]
    assert [heads[0].index(f"{name} plain") for name in names] == sorted(heads[0].index(name) for name in names)
    assert list(json.loads((tmp_path / "table.json").read_text())["results"]) == names


def test_without_rules_the_options_have_the_word(started: list[list[str]], tmp_path: Path, capsys):
    arguments = ["tsl", "--source", "a", "--targets", "sample:es", "--output", str(tmp_path)]
    method_table.main([*arguments, "--", "--select_on", "source_dev"])
    (command,) = started
    assert command.count("--select_on") == 1 and option(command, "--output_dir") == str(tmp_path / "sample-es")
    with pytest.raises(SystemExit):
        method_table.main([*arguments, "--select_on", "none", "--", "--select_on", "source_dev"])
    assert "not in both places" in capsys.readouterr().err


def test_a_target_may_bring_its_own_sources(started: list[list[str]], tmp_path: Path, capsys):
    arguments = ["tsl", "--source", "conll2003:en", "--seeds", "1", "--output", str(tmp_path), "--targets"]
    arguments += ["conll2002:es", "multiconer:en=multiconer:es", "multiconer:en+multiconer:de=multiconer:es"]
    method_table.main([*arguments, "--", "--mapping", "maps/{language}"])
    found = [
        (
            command[command.index("--source") + 1 : command.index("--target")],
            option(command, "--target"),
            Path(option(command, "--output_dir")).name,
            option(command, "--mapping"),
        )
        for command in started
    ]
    assert found == [
        (["conll2003:en"], "conll2002:es", "conll2002-es", "maps/es"),
        (["multiconer:en"], "multiconer:es", "multiconer-en-to-multiconer-es", "maps/es"),
        (
            ["multiconer:en", "multiconer:de"],
            "multiconer:es",
            "multiconer-en+multiconer-de-to-multiconer-es",
            "maps/es",
        ),
    ]
    assert "multiconer:en=multiconer:es plain" in capsys.readouterr().out
    with pytest.raises(InputError, match="has no source"):
        method_table.main(["tsl", "--targets", "conll2002:es", "--output", str(tmp_path)])


def test_equals_and_plus_in_paths_are_no_sources(tmp_path: Path):
    corpora = [tmp_path / name for name in ("a+b.tsv", "c=d.tsv")]
    for corpus in corpora:
        corpus.write_text("")
    first, second = (f"{corpus}?token=1&tag=2" for corpus in corpora)
    alone = table_runs.parse_pair(first, ["conll2003:en"])
    assert (alone.sources, alone.target) == (("conll2003:en",), first)
    pair = table_runs.parse_pair(f"{first}={second}", [])
    assert (pair.sources, pair.target) == ((first,), second)
