"""`xner analyse clusters`: TransAdv's figure 3."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.analysis.clusters import Word, choose_words, figure, silhouettes
from hf_xner.cli import main
from tests.systems.toy import Finished


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_words_of_both_languages_in_every_teachers_space(transadv_run: Finished, tmp_path: Path, capsys):
    argv = ["analyse", "clusters", str(transadv_run.folder), "--words", "3", "--outside", "--output", str(tmp_path)]
    assert main(argv) == 0
    printed = capsys.readouterr().out
    for model in ("Theta_src without MLADV", "Theta_src", "Theta_entity", "Theta_context"):
        assert f"{model}: silhouette by tag" in printed
    assert all((tmp_path / f"clusters.{suffix}").stat().st_size > 0 for suffix in ("png", "svg"))
    rows = read(tmp_path / "clusters.csv")
    assert {row["model"] for row in rows} == {"mt", "src", "entity", "context"}
    groups = Counter((row["language"], row["type"]) for row in rows if row["model"] == "src")
    assert set(groups) == {
        (language, kind) for language in ("source", "target") for kind in ("LOC", "O", "ORG", "PER")
    }
    assert max(groups.values()) == 3
    places = {model: {(row["x"], row["y"]) for row in rows if row["model"] == model} for model in ("src", "entity")}
    assert not places["src"] & places["entity"]


def test_a_run_of_another_system_is_refused(tmp_path: Path, capsys):
    assert main(["analyse", "clusters", str(tmp_path)]) == 2
    assert "there is no finished run of transadv" in capsys.readouterr().err


def test_words_are_drawn_by_seed_and_differ():
    names = ["O", "B-LOC", "I-LOC"]
    data = Dataset.from_dict(
        {"tokens": [["in", f"Kiel{row % 7}", ""] for row in range(30)], "ner_tags": [[0, 1, 2]] * 30},
        features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=names))}),
    )
    words = choose_words(data, "source", 5, seed=0, outside=True)
    assert [word.type for word in words].count("LOC") == 5 == len({word.text for word in words if word.type == "LOC"})
    assert [word.text for word in words if word.type == "O"] == ["in"], "no word twice, none without letters"
    assert all(data[word.sentence]["tokens"][word.place] == word.text for word in words)
    assert words == choose_words(data, "source", 5, seed=0, outside=True) != choose_words(data, "source", 5, seed=1)
    assert {word.type for word in choose_words(data, "source", 5, seed=0)} == {"LOC"}


def test_silhouettes_tell_grouping_by_tag_from_grouping_by_language():
    words = [Word(language, 0, 0, "x", kind) for language in ("source", "target") for kind in ("LOC", "PER") * 10]
    random = np.random.default_rng(0)
    centres = {"LOC": [1.0, 0, 0], "PER": [0, 1.0, 0]}
    vectors = np.array([centres[word.type] for word in words]) + 0.05 * random.standard_normal((40, 3))
    by_tag, by_language = silhouettes(vectors, words)
    assert by_tag > 0.9 and abs(by_language) < 0.2
    assert np.isnan(silhouettes(vectors[:20], words[:20])[1]), "one language alone is no grouping"


def test_every_model_has_a_panel_and_every_group_a_name():
    words = [Word(language, 0, 0, "x", kind) for language in ("source", "target") for kind in ("LOC", "PER")]
    layouts = {name: np.arange(8.0).reshape(4, 2) for name in ("src", "entity")}
    made = figure(words, layouts)
    assert [axes.get_title() for axes in made.axes] == ["Θ src", "Θ entity"]
    (legend,) = made.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        *("LOC, source", "PER, source", "LOC, target", "PER, target")
    }


@pytest.mark.parametrize("words", ["1", "0"])
def test_too_few_words_are_refused(transadv_run: Finished, words: str, capsys):
    assert main(["analyse", "clusters", str(transadv_run.folder), "--words", words]) == 2
    assert "are no group" in capsys.readouterr().err
