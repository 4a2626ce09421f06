from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hf_xner.demo.choices import NO_RUN, NO_STORE, NO_TEACHER, find_choices
from hf_xner.errors import InputError
from hf_xner.hub.lineage import learnt_from_text
from hf_xner.systems.summary import NOT_ZERO_RESOURCE
from tests.hub.fixtures import change_results
from tests.hub.made_run import make_run


@pytest.fixture
def copied_run(toy_run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change; its store is that of the original."""
    return Path(shutil.copytree(toy_run, tmp_path / "copied"))


def test_a_run_gives_its_student_and_the_teacher_it_is_shown_beside(toy_run: Path):
    student, teacher = find_choices([str(toy_run)])
    assert student.name.startswith("run: tsl") and student.place == str(toy_run / "student")
    assert list(student.teachers) == ["teacher, seed 1"] and student.no_teacher == ""
    (place,) = student.teachers.values()
    assert (Path(place) / "config.json").is_file() and teacher.place == place
    assert teacher.teachers == {} and teacher.no_teacher == NO_TEACHER
    assert "tsl" in student.about and "LOC, ORG, PER" in student.about and "F1 on" in student.about


def test_nothing_about_a_run_names_a_place_on_this_machine(toy_run: Path):
    for choice in find_choices([str(toy_run)]):
        assert str(toy_run.parent) not in choice.name + choice.about + choice.no_teacher + "".join(choice.teachers)


def test_a_teacher_that_is_gone_is_named_and_the_student_stays(copied_run: Path, toy_run: Path, tmp_path: Path):
    store = shutil.copytree(toy_run.parent / "store", tmp_path / "store")
    point_to_store(copied_run, store)
    shutil.rmtree(store / "train")
    (student,) = find_choices([str(copied_run)])
    assert student.teachers == {} and "teacher, seed 1" in student.no_teacher


def test_a_run_without_its_store_says_so(copied_run: Path, tmp_path: Path):
    point_to_store(copied_run, tmp_path / "nowhere")
    (student,) = find_choices([str(copied_run)])
    assert student.teachers == {} and student.no_teacher == NO_STORE


def point_to_store(run: Path, store: Path) -> None:
    marker = json.loads((run / "run.json").read_text())
    marker["arguments"]["store"] = str(store)
    (run / "run.json").write_text(json.dumps(marker))


def told(run: Path) -> str:
    return find_choices([str(run)])[0].about


@pytest.mark.parametrize(
    ("system", "variant", "used", "made"),
    [
        ("tsl", "tsl", False, "made by tsl from labels in English and text without labels."),
        ("tsl", "mt", False, "made by tsl (mt) from labels in English."),
        ("msd", "teacher", False, "made by msd (teacher) from labels in English."),
        ("tsl", "supervised", True, "made by tsl (supervised) with the help of labels in that language."),
    ],
)
def test_what_a_tagger_learnt_from_is_told_by_variant(
    tmp_path: Path, tiny_model_dir: Path, system: str, variant: str, used: bool, made: str
):
    run = make_run(tmp_path / "run", tiny_model_dir, system=system, shares={variant: 0.8})
    assert json.loads((run / "results.json").read_text())["target_labels_used"] is used
    assert f"A Spanish tagger, {made}" in told(run)


def test_taggers_of_given_teachers_are_told_without_a_gap(tmp_path: Path, tiny_model_dir: Path):
    """No source is known then, so that no language can be named."""
    run = make_run(tmp_path / "run", tiny_model_dir)
    for teachers, known in ((["de"], "what its teacher knows"), (["de", "nl"], "what its teachers know")):
        change_results(run, arguments={"source": [], "teacher": teachers})
        assert f"made by tsl from {known} and text without labels." in told(run)
        change_results(run, arguments={"source": ["sample:en"]})
        assert f"made by tsl from labels in English, {known} and text without labels." in told(run)


def test_a_doubt_is_told_and_not_taken_for_the_use_of_labels(tmp_path: Path, tiny_model_dir: Path):
    doubt = f"the teacher de is trained on labels of conll2002:es: {NOT_ZERO_RESOURCE}"
    run = make_run(tmp_path / "run", tiny_model_dir, facts={"warnings": [doubt]})
    assert "with the help of labels" not in told(run) and f"Not zero-resource: {doubt}." in told(run)
    change_results(run, target_labels_used=True)
    assert "made by tsl with the help of labels in that language." in told(run)


def test_no_pipeline_is_spoken_of_where_none_can_run_the_model(tmp_path: Path, tiny_model_dir: Path):
    run = make_run(tmp_path / "run", tiny_model_dir)
    assert "as used here, " in told(run) and "in a plain pipeline." in told(run)
    (run / "student" / "tokenizer_config.json").unlink()
    config = json.loads((run / "student" / "config.json").read_text())
    (run / "student" / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "a.B"}}))
    assert "as used here." in told(run) and "pipeline" not in told(run)


def test_what_learnt_from_text_is_known_of_every_variant():
    """A variant that is called anew would otherwise be said to have learnt from text."""
    from hf_xner.systems import augmented_arguments, msd, transadv, tsl, unitrans

    modules = (augmented_arguments, msd, transadv, tsl, unitrans)
    without = {name for module in modules for name in module.VARIANTS if not learnt_from_text(name)}
    expected = {*msd.TEACHERS, *augmented_arguments.SETUPS, "supervised"}
    expected |= {"mt", "mt_avg", "joint", "data_transfer", "combination", "src", "entity", "context", "order"}
    assert without == expected
    assert (
        not learnt_from_text("mt_de")
        and learnt_from_text("mt_sim")
        and learnt_from_text("tladv")
        and learnt_from_text("tsl_de")
    )


def test_a_model_alone_has_nothing_beside_it(tiny_model_dir: Path):
    (choice,) = find_choices([str(tiny_model_dir)], warning="Careful.")
    assert (choice.place, choice.no_teacher, choice.warning) == (str(tiny_model_dir), NO_RUN, "Careful.")


def test_two_of_one_name_are_told_apart(tiny_model_dir: Path, tmp_path: Path):
    other = shutil.copytree(tiny_model_dir, tmp_path / tiny_model_dir.name)
    choices = find_choices([str(tiny_model_dir), str(other)])
    assert len({choice.name for choice in choices}) == 2


@pytest.mark.parametrize("wrong", ["runs/missing", "a/b/c", "no such thing", ""])
def test_what_is_no_model_is_refused_by_name(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is no finished run and no tagger") as caught:
        find_choices([wrong])
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="is no finished run and no tagger"):
        find_choices([str(tmp_path)])
