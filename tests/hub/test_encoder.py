"""Which model a run's student began with, and what its card says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hf_xner.hub.encoder import EncoderFacts
from hf_xner.hub.run_facts import collect_facts

from .fixtures import change_results
from .made_run import make_run
from .reading import card_of, front_matter

MBERT = "google-bert/bert-base-multilingual-cased"


def facts_of(folder: Path, model: Path, **options: Any) -> Any:
    return collect_facts(make_run(folder / "run", model, **options))


@pytest.mark.parametrize(
    ("variant", "student", "teacher"),
    [
        ("msd", "xner-mini", MBERT),
        ("without_all", "xner-mini", MBERT),
        ("tsl_mmd", "xner-mini", MBERT),
        ("mt", MBERT, None),
        ("teacher", MBERT, None),
    ],
)
def test_students_of_msd_are_of_their_own_encoder(
    variant: str, student: str, teacher: str | None, tmp_path: Path, tiny_model_dir: Path
):
    run = make_run(
        tmp_path / "run",
        tiny_model_dir,
        system="msd",
        shares={variant: 0.9, "without_distillers": 0.5},
        encoder=MBERT,
        student_encoder="xner-mini",
    )
    facts = collect_facts(run)
    assert facts.encoder.name == student and facts.research_only is (student == "xner-mini")
    assert (facts.teacher_encoder and facts.teacher_encoder.name) == teacher
    card = card_of(run)
    assert front_matter(card).get("base_model") == (None if student == "xner-mini" else MBERT)
    assert ("- **Encoder of the teacher:**" in card) is (teacher is not None)


def test_a_student_of_a_research_only_teacher_is_for_research_only(tmp_path: Path, tiny_model_dir: Path):
    options = {"system": "msd", "shares": {"msd": 0.9, "mt": 0.5}, "source": ["wikiann:en"], "target": "wikiann:es"}
    run = make_run(tmp_path / "run", tiny_model_dir, encoder="xner-mini", student_encoder=MBERT, **options)
    card = card_of(run)
    assert front_matter(card)["base_model"] == MBERT and front_matter(card)["license_name"] == "research-only"
    assert "**Research only.** The encoder" not in card


def test_a_copy_of_a_given_teacher_is_based_on_it(tmp_path: Path, tiny_model_dir: Path):
    options = {"source": [], "teacher": ["Babelscape/wikineural"], "shares": {"mt": 0.9}, "sets": ("target_test",)}
    run = make_run(tmp_path / "run", tiny_model_dir, **options)
    card = card_of(run)
    assert front_matter(card)["base_model"] == "Babelscape/wikineural" and "xner-mini" not in card
    assert "- **Copy of:** `Babelscape/wikineural`; licence: that of [its own card]" in card
    assert "Training rows" not in card and "epoch was kept" not in card and "It learnt from the corpora" not in card


def test_a_given_folder_is_named_and_its_licence_read(tmp_path: Path, tiny_model_dir: Path):
    teacher = tmp_path / "wiki-run" / "student"
    teacher.mkdir(parents=True)
    options = {"source": [], "teacher": [str(teacher)], "shares": {"mt": 0.9}, "sets": ("target_test",)}
    run = make_run(tmp_path / "run", tiny_model_dir, **options)
    # Beside a folder called student lies whatever its owner keeps there, with a name that says nothing to others.
    assert collect_facts(run).encoder == EncoderFacts("student", "not stated", tagger=True)
    (tmp_path / "wiki-run" / "run.json").write_text("{}")
    assert collect_facts(run).encoder == EncoderFacts("wiki-run", "not stated", tagger=True)
    (tmp_path / "wiki-run" / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    assert collect_facts(run).encoder == EncoderFacts("wiki-run", "cc-by-4.0", tagger=True)
    assert "base_model" not in front_matter(card_of(run))


def test_a_copy_of_a_student_of_the_built_in_encoder_is_for_research_only(tmp_path: Path, tiny_model_dir: Path):
    teacher = make_run(tmp_path / "a" / "first", tiny_model_dir, encoder="xner-mini") / "student"
    options = {"source": [], "teacher": [str(teacher)], "shares": {"mt": 0.9}, "sets": ("target_test",)}
    for number, given in enumerate((teacher, teacher.parent)):  # a run stands for its student
        card = card_of(make_run(tmp_path / str(number) / "run", tiny_model_dir, **options | {"teacher": [str(given)]}))
        assert front_matter(card)["license_name"] == "research-only" and "- **Copy of:** `first`" in card
    # Of a run that began with a given tagger, the default encoder has no part.
    other = {"source": [], "teacher": ["org/a"], "shares": {"mt": 0.9}, "sets": ("target_test",)}
    copied = make_run(tmp_path / "c" / "copied", tiny_model_dir, **other) / "student"
    facts = collect_facts(make_run(tmp_path / "d" / "run", tiny_model_dir, **options | {"teacher": [str(copied)]}))
    assert facts.encoder == EncoderFacts("copied", "not stated", tagger=True)


SEVERAL = {
    "teachers": {
        "en": {"from": "sample:en", "given": False, "types": []},
        "a": {"from": "org/a", "given": True, "types": []},
        "b": {"from": "org/b", "given": True, "types": []},
    }
}


@pytest.mark.parametrize(
    ("variant", "begun_with"),
    [
        ("mt_en", "xner-mini"),
        ("mt_a", "org/a"),
        ("mt_b", "org/b"),
        ("tsl_b", "xner-mini"),
        ("hl_a", "xner-mini"),
        ("avg", "xner-mini"),
        ("sim", "xner-mini"),
        ("joint", "xner-mini"),
        ("mt_avg", None),
        ("mt_sim", None),
    ],
)
def test_of_several_teachers_the_one_that_is_meant(
    variant: str, begun_with: str | None, tmp_path: Path, tiny_model_dir: Path
):
    shares = {variant: 0.9}
    facts = facts_of(
        tmp_path, tiny_model_dir, teacher=["org/a", "org/b"], variants=["avg"], shares=shares, facts=SEVERAL
    )
    assert (facts.encoder and facts.encoder.name) == begun_with
    assert facts.is_copy is (variant in ("mt_a", "mt_b"))


def test_a_distilled_encoder_is_that_of_distil_to(tmp_path: Path, tiny_model_dir: Path):
    vectors = {"source_vectors": "en.vec", "target_vectors": "es.vec"}
    options = {"system": "augmented", "shares": {"distilled": 0.9}, "distil_to": MBERT, **vectors}
    assert facts_of(tmp_path, tiny_model_dir, **options).encoder.hub == MBERT


def test_a_relative_folder_is_no_hub_id_from_elsewhere(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "there" / "encoders" / "mybert").mkdir(parents=True)
    (tmp_path / "elsewhere" / "google-bert" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "there")
    run = make_run(tmp_path / "run", tiny_model_dir, encoder="encoders/mybert")
    hub = make_run(tmp_path / "b" / "run", tiny_model_dir, encoder="google-bert/x")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert collect_facts(run).encoder == EncoderFacts("mybert", "not stated")
    assert "base_model" not in front_matter(card_of(run))
    assert collect_facts(hub).encoder.hub == "google-bert/x", "a folder of that name here says nothing"
    # A run from before this was recorded is guessed at, as it always was.
    results = json.loads((run / "results.json").read_text())
    assert results["model_folders"] == {"encoder": True}
    del results["model_folders"]
    (run / "results.json").write_text(json.dumps(results))
    assert collect_facts(run).encoder.hub == "encoders/mybert"


def test_only_a_licence_is_looked_into_for_research(tmp_path: Path, tiny_model_dir: Path):
    corpora = {"source": ["wikiann:en"], "target": "wikiann:es"}
    assert not facts_of(tmp_path, tiny_model_dir, encoder="allenai-research/bert", **corpora).research_only
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: research-only\n---\n")
    assert facts_of(tmp_path / "b", tiny_model_dir, encoder=str(folder), **corpora).research_only


def test_texts_of_teachers_languages_are_among_the_corpora(tmp_path: Path, tiny_model_dir: Path):
    texts = ["sample:de", "sample:nl"]
    run = make_run(
        tmp_path / "run",
        tiny_model_dir,
        teacher=["org/a", "org/b"],
        teacher_text=texts,
        variants=["sim"],
        shares={"sim": 0.9},
    )
    rows = {corpus.spec: corpus.roles for corpus in collect_facts(run).corpora}
    for spec in texts:
        assert rows[spec] == ("text without labels, to compare the teachers' languages",)
    change_results(run, arguments={**json.loads((run / "results.json").read_text())["arguments"], "teacher_text": []})
    assert "sample:de" not in {corpus.spec for corpus in collect_facts(run).corpora}
