"""`xner analyse adversaries`: what discriminators can tell on held-out sentences."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hf_xner.analysis import adversaries
from hf_xner.analysis.adversaries import figure, held_out
from hf_xner.analysis.opened_run import OpenedRun, open_run
from hf_xner.cli import main
from hf_xner.data.feeds import FEEDS
from hf_xner.errors import InputError
from hf_xner.launch import train
from tests.systems.toy import Finished


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_adversarial_model_of_runs_with_and_without_the_generator(
    transadv_run: Finished, tmp_path: Path, capsys
):
    options = {**transadv_run.options, "output_dir": str(tmp_path / "watched"), "generator_step": False}
    train("transadv", **{**options, "variants": ["tladv"]})
    capsys.readouterr()
    folders = [str(transadv_run.folder), str(tmp_path / "watched")]
    assert main(["analyse", "adversaries", *folders, "--sentences", "15", "--output", str(tmp_path)]) == 0
    assert all((tmp_path / f"adversaries.{suffix}").stat().st_size > 0 for suffix in ("png", "svg"))
    rows = read(tmp_path / "adversaries.csv")
    assert [(row["run"], row["model"], row["generator"]) for row in rows] == [
        ("run", "Theta_src", "generator at 0.001"),
        ("run", "Theta_entity", "generator at 0.001"),
        ("run", "Theta_context", "generator at 0.001"),
        ("run", "tladv", "generator at 0.001"),
        ("watched", "tladv", "no generator"),
    ]
    for row in rows:
        assert 0 <= float(row["language"]) <= 1 and 0 <= float(row["probe"]) <= 1
        assert (row["order"] != "") == (row["model"] == "Theta_src")
    watched = rows[-1]
    assert float(watched["probe"]) > 0.8, "the toy's languages share hardly a word: a fresh discriminator finds that"
    printed = capsys.readouterr().out
    assert "run, Theta_src, generator at 0.001: language, own discriminator" in printed


def test_runs_of_different_seeds_are_not_compared_and_names_tell_runs_apart(tmp_path: Path, monkeypatch, capsys):
    seeds = {tmp_path / "a" / "es": [1, 2], tmp_path / "b" / "es": [2]}
    asked = []
    monkeypatch.setattr(adversaries, "open_run", lambda folder, _: OpenedRun(folder, None, {}, seeds[folder]))
    monkeypatch.setattr(adversaries, "_measured", lambda name, _, seed, __: asked.append((name, seed)) or [])
    folders = [str(folder) for folder in seeds]
    assert main(["analyse", "adversaries", *folders]) == 2
    assert "--seed: the runs have different seeds (a/es: 1, b/es: 2); name one" in capsys.readouterr().err
    assert main(["analyse", "adversaries", *folders, "--seed", "2"]) == 2  # nothing was measured
    assert asked == [("a/es", 2), ("b/es", 2)]


def test_held_out_corpora_are_made_of_development_sentences(transadv_run: Finished):
    opened = open_run(transadv_run.folder, "transadv")
    made = held_out(opened, FEEDS["src"].adversarial, "validation", 10)
    assert set(made) == set(FEEDS["src"].adversarial) and {len(data) for data in made.values()} == {10}
    source = opened.space.labelled(opened.space.arguments.source[0], "validation").data
    assert made["source"]["tokens"][:] == source["tokens"][:10]
    assert made["translated"]["ner_tags"][:] == made["source"]["ner_tags"][:]
    assert made["translated"]["tokens"][:] != made["source"]["tokens"][:]
    text = held_out(opened, ("target_text",), "validation", 10)["target_text"]
    assert "ner_tags" not in text.column_names and len(text) == 10


def test_a_given_translation_is_read_as_far_as_it_goes(transadv_run: Finished, tmp_path: Path, monkeypatch):
    opened = open_run(transadv_run.folder, "transadv")
    made = held_out(opened, ("translated",), "validation", 10)["translated"]
    source, dictionary = transadv_run.options["source"], transadv_run.options["dictionary"]
    command = ["translate", str(source[0] if isinstance(source, list) else source), "--to", "es"]
    command += ["--dictionary", dictionary, "--keep", "--output", str(tmp_path / "given"), "--splits", "train"]
    assert main(command) == 0

    def with_given() -> OpenedRun:
        opened = open_run(transadv_run.folder, "transadv")
        given = replace(opened.space.arguments, translated=str(tmp_path / "given"), dictionary=None)
        monkeypatch.setattr(opened.space, "arguments", given)
        return opened

    with pytest.raises(InputError, match="no split 'validation'.*translate it too: xner translate .* validation"):
        held_out(with_given(), ("translated",), "validation", 10)
    assert main([*command, "validation"]) == 0
    again = held_out(with_given(), ("translated",), "validation", 10)["translated"]
    assert again["tokens"][:] == made["tokens"][:]


def test_bars_stand_where_there_is_something_to_tell():
    rows = [
        {"model": "Theta_src", "generator": "no generator", "language": 0.9, "order": 0.6, "probe": 0.95},
        {"model": "tladv", "generator": "no generator", "language": 0.8, "order": None, "probe": 0.9},
    ]
    (axes,) = figure(rows).axes
    heights = sorted(round(bar.get_height(), 3) for container in axes.containers for bar in container)
    assert heights == [0.6, 0.8, 0.9, 0.9, 0.95]
    assert [label.get_text().split("\n")[0] for label in axes.get_xticklabels()] == ["Theta_src", "tladv"]
    assert not np.isnan(axes.get_ylim()).any()


def test_runs_without_adversaries_are_refused(transadv_run: Finished, tmp_path: Path, capsys):
    options = {**transadv_run.options, "output_dir": str(tmp_path / "plain"), "variants": ["mt"]}
    train("transadv", **options)
    assert main(["analyse", "adversaries", str(tmp_path / "plain")]) == 2
    assert "no model of these runs was trained against adversaries" in capsys.readouterr().err


def test_a_split_that_is_not_there_is_told_with_another_to_take(transadv_run: Finished, monkeypatch):
    opened = open_run(transadv_run.folder, "transadv")
    real = opened.space.corpus
    monkeypatch.setattr(opened.space, "corpus", lambda spec: {"train": real(spec)["train"]})
    for names in (("target_text",), ("source",)):
        with pytest.raises(InputError, match="no split 'validation': there are train; look at another one: --split"):
            held_out(opened, names, "validation", 10)
        with pytest.raises(InputError, match="no split 'test'.*--split validation"):
            held_out(opened, names, "test", 10)


def test_a_probe_needs_words_of_both_languages(monkeypatch):
    odd = np.arange(20) % 2 == 1
    for classes in (np.zeros(20), odd.astype(int)):
        states = (np.random.default_rng(0).normal(size=(20, 3)), classes, odd)
        monkeypatch.setattr(adversaries, "_states", lambda *_, states=states: states)
        corpora = dict.fromkeys(FEEDS["entity"].language)
        with pytest.raises(InputError, match="--sentences: of entity words these sentences have only one language"):
            adversaries._probe(None, None, corpora, FEEDS["entity"])
