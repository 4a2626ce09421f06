"""Whatever is wrong with the input: one line that names it and the remedy, exit code 2, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hf_xner import launch
from hf_xner.errors import InputError
from hf_xner.systems import tsl

from .toy import TARGET, TARGET_WORDS, Toy, command_line, make_sentences, subprocess_environment, write_sentences

Case = Callable[[Toy, Path], dict[str, Any]]


def missing_file(toy: Toy, place: Path) -> dict[str, Any]:
    return {"target": str(place / "nowhere.conll")}


def empty_file(toy: Toy, place: Path) -> dict[str, Any]:
    return {"target": str(changed(toy, place, ""))}


def changed(toy: Toy, place: Path, text: str | bytes) -> Path:
    """A copy of the target with another training file."""
    shutil.copytree(toy.target, place / "changed")
    content = text if isinstance(text, bytes) else text.encode()
    (place / "changed" / "train.conll").write_bytes(content)
    return place / "changed"


def wrong_column_count(toy: Toy, place: Path) -> dict[str, Any]:
    return {"target": str(changed(toy, place, "Kiel B-LOC\nib O\nec O O\n"))}


def unknown_tag(toy: Toy, place: Path) -> dict[str, Any]:
    return {"target": str(changed(toy, place, "Kiel B-LOC\nib O\n\nBonn 1\n"))}


def undecodable_bytes(toy: Toy, place: Path) -> dict[str, Any]:
    return {"target": str(changed(toy, place, b"Kiel B-LOC\nib O\n\nM\xfcnchen B-LOC\n"))}


def types_that_differ(toy: Toy, place: Path) -> dict[str, Any]:
    return {"target": str(changed(toy, place, "Kiel B-CITY\nib O\n"))}


def no_labels(toy: Toy, place: Path) -> dict[str, Any]:
    text = write_sentences(place / "text.txt", make_sentences(TARGET, TARGET_WORDS, 5, 3), tags=False)
    return {"source": [str(text)]}


def same_corpus(toy: Toy, place: Path) -> dict[str, Any]:
    shutil.copytree(toy.source, place / "copy")
    return {"target": str(place / "copy")}


def source_and_copy(toy: Toy, place: Path) -> dict[str, Any]:
    shutil.copytree(toy.source, place / "copy")
    return {"source": [str(toy.source), str(place / "copy")]}


def source_with_other_types(toy: Toy, place: Path) -> dict[str, Any]:
    (place / "cities").mkdir()
    (place / "cities" / "train.conll").write_text("Kiel B-CITY\nib O\n")
    return {"source": [str(toy.source), str(place / "cities")]}


def source_without_sentences(toy: Toy, place: Path) -> dict[str, Any]:
    return {"source": [str(toy.source), str(changed(toy, place, "\n\n"))]}


def no_teacher(toy: Toy, place: Path) -> dict[str, Any]:
    return {"teacher": [str(place / "nowhere")]}


def no_tokenizer(toy: Toy, place: Path) -> dict[str, Any]:
    (place / "encoder").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(toy.encoder / name, place / "encoder" / name)
    return {"encoder": str(place / "encoder")}


def option(name: str, value: Any) -> Case:
    return lambda toy, place: {name: value}


CASES: dict[str, tuple[Case, str]] = {
    "missing file": (missing_file, r"nowhere\.conll' is no known corpus, and there is no such file.*; give a path"),
    "empty file": (empty_file, r"changed/train\.conll: .*; "),
    "wrong column count": (wrong_column_count, r"changed/train\.conll:3: .*; "),
    "unknown tag": (unknown_tag, r"changed/train\.conll:4: .*; "),
    "undecodable bytes": (undecodable_bytes, r"changed/train\.conll:4: .*; "),
    "types that differ": (types_that_differ, r"the entity types differ: .*LOC, ORG, PER.*CITY.*; map those of"),
    "no labels where needed": (no_labels, r"text\.txt: no tags in the split 'train'.*; give files with a tag"),
    "same corpus twice": (same_corpus, r"the same corpus as source \(.*\) and as target \(.*\); give another target"),
    "unknown corpus": (
        option("target", "conll1999:xx"),
        r"'conll1999:xx' is no known corpus.*; give a path",
    ),
    "unknown language": (option("target", "conll2002:fr"), r"conll2002.*es.*nl"),
    "encoder without tokenizer": (no_tokenizer, r"encoder: the folder has no tokenizer; save one into it"),
    "no such encoder": (option("encoder", "nowhere/at-all"), r"nowhere/at-all: there is no such folder.*; check"),
    "value of an option": (option("select_on", "luck"), r"--select_on: 'luck' is not one of none, source_dev"),
    "unknown variant": (option("variants", ["mt", "dkd"]), r"--variants: 'dkd' is not one of mt, hl, tsl"),
    "one source twice": (option("source", ["sample:en", "sample:en"]), r"--source: sample:en is given twice; give"),
    "the same source under two names": (
        source_and_copy,
        r"--source: .*source and .*copy are the same; give each once",
    ),
    "sources with other types": (
        source_with_other_types,
        r"the teachers know different entity types: .*LOC, ORG, PER.*CITY.*; rename or drop",
    ),
    "an empty language": (source_without_sentences, r"train\.conll: no sentence in this file; give"),
    "a teacher that is none": (no_teacher, r"nowhere: no such folder; give a tagger's folder"),
    "the same seed twice": (option("seeds", [1, 1]), r"--seeds: seeds must be different numbers"),
    "a seed below 0": (option("seeds", [3, -1]), r"--seeds: \[3, -1\] are not all from 0 to 4294967295"),
    "batch of no rows": (option("batch_size", 0), r"--batch_size: 0 is not a positive number"),
    "indivisible batch": (option("micro_batch_size", 3), r"8 rows a process do not divide into batches of 3; change"),
    "no output folder": (option("output_dir", ""), r"no run folder was given; add --output_dir"),
    "map of a type nobody has": (option("label_map", "MISC=O"), r"--label_map: no corpus .* has the type MISC"),
}


def assert_one_line(error: str, message: str) -> None:
    import re

    lines = error.splitlines()
    ours = [line for line in lines if line.startswith("xner: ")]
    assert len(ours) == 1 and lines[-1] == ours[0], error
    assert re.search(message, ours[0]), ours[0]
    assert "Traceback" not in error and "usage:" not in error, error


def run(capsys: pytest.CaptureFixture[str], argv: list[str]) -> tuple[int, str]:
    """Exit code and stderr of the launcher, whichever way it ends."""
    try:
        code = launch.main(argv)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gets_one_line(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str):
    case, message = CASES[name]
    options = {**toy.options(tmp_path / "run", tmp_path / "store"), **case(toy, tmp_path)}
    before = set(tmp_path.rglob("*"))
    code, error = run(capsys, ["tsl", *command_line(options)])
    assert_one_line(error, message)
    assert code == 2
    left = {path for path in tmp_path.rglob("*") if path not in before and path.is_file()}
    assert {path for path in left if path.suffix != ".lock"} == set() or name == "indivisible batch"
    assert not (tmp_path / "run").exists()


def test_an_output_folder_that_holds_something_else_is_left_alone(toy: Toy, tmp_path: Path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("all of it")
    options = toy.options(tmp_path / "run", tmp_path / "store")
    code, error = run(capsys, ["tsl", *command_line(options)])
    assert code == 2
    assert_one_line(error, r"run: the output folder holds something else; give another --output_dir")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no_such_option", "3"], "no_such_option"),
        (["--seeds", "one"], "--seeds.*one"),
        (["--teacher_epochs"], "--teacher_epochs"),
        (["--freeze_layers", "9"], "freeze.*9.*4"),
        (["--max_target_sentences", "0"], "--max_target_sentences"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_options_that_make_no_sense_get_one_line_too(toy: Toy, tmp_path: Path, capsys, arguments, message):
    options = toy.options(tmp_path / "run", tmp_path / "store")
    for name in arguments[::2]:
        options.pop(name.strip("-"), None)
    code, error = run(capsys, ["tsl", *command_line(options), *arguments])
    assert code == 2
    assert_one_line(error, message)


@pytest.mark.parametrize("argv", [["tls"], ["tls", "--help"]])
def test_an_unknown_system_is_named(capsys, argv):
    code, error = run(capsys, argv)
    assert code == 2
    assert_one_line(error, "there is no system 'tls'; choose one of supervised, tsl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source: [a\n", r"settings\.yaml:2: expected"),
        ("- source\n", r"settings\.yaml"),
        ("sauce: sample:en\noutput_dir: x\nsource: sample:en\n", r"settings\.yaml.*sauce"),
        ("output_dir: x\nsource: sample:en\nteacher_epochs: many\n", "many"),
        ("output_dir: x\nsource: sample:en\nselect_on: luck\n", "--select_on: 'luck'"),
        ("output_dir: x\nsource: sample:en\nevaluate_on: no\n", "--evaluate_on: False where text is needed; quote"),
        ("output_dir: x\nsource: [sample:en, no]\n", "--source: False where text is needed"),
        ("output_dir: 2024\nsource: sample:en\n", "--output_dir: 2024 where text is needed"),
        ("output_dir: x\nsource: sample:en\nfreeze_embeddings: never\n", "--freeze_embeddings: 'never' is neither"),
        ("output_dir: x\nsource: sample:en\nfreeze_embeddings: 0.5\n", "--freeze_embeddings: 0.5 is neither"),
        ("output_dir: x\nsource: sample:en\nmax_length: null\n", "--max_length: no value; give one, or leave it out"),
        ("output_dir: x\nsource: sample:en\nmax_length: 3\n", "--max_length: rows of 3 sub-words hold hardly a word"),
        ("output_dir: x\nsource: sample:en\nbatch_size: 4.5\n", "--batch_size: 4.5 is not a whole number"),
        ("output_dir: x\nsource: sample:en\nmax_length: long\n", "--max_length: 'long' is not a whole number"),
    ],
    ids=["broken", "a list", "unknown key", "no number", "unknown value", "no", "no in a list", "a number for text"]
    + ["no switch", "a number for a switch", "nothing", "no room", "half a sentence", "a word for a number"],
)
def test_bad_yaml_gets_one_line(tmp_path: Path, capsys, text: str, message: str):
    (tmp_path / "settings.yaml").write_text(text)
    code, error = run(capsys, ["tsl", str(tmp_path / "settings.yaml")])
    assert code == 2
    assert_one_line(error, message)


def test_quoted_switches_and_numbers_of_a_yaml_file_mean_what_they_say(toy: Toy, tmp_path: Path):
    options = toy.options(tmp_path / "run", tmp_path / "store")
    quoted = tsl.Arguments(**{**options, "freeze_embeddings": "no", "dry_run": "True", "batch_size": "16"})
    assert (quoted.freeze_embeddings, quoted.dry_run, quoted.batch_size) == (False, True, 16)
    counted = tsl.Arguments(**{**options, "freeze_embeddings": 0, "dry_run": "1", "batch_size": 2e1})
    assert (counted.freeze_embeddings, counted.dry_run, counted.batch_size) == (False, True, 20)


def test_options_after_a_settings_file_go_before_its_own(toy: Toy, tmp_path: Path, capsys):
    options = {**toy.options(tmp_path / "run", tmp_path / "store"), "seeds": [1], "freeze_embeddings": False}
    (tmp_path / "a.json").write_text(json.dumps(options))
    parsed = launch._parse(tsl, "tsl", [str(tmp_path / "a.json"), "--seeds", "2", "3", "--dry_run"])
    expected = tsl.Arguments(**{**options, "seeds": [2, 3], "dry_run": True})
    assert parsed == expected
    code, error = run(capsys, ["tsl", str(tmp_path / "a.json"), "--sedes", "2"])
    assert code == 2
    assert_one_line(error, "unknown option '--sedes'")


def test_options_after_a_settings_file_may_be_what_it_lacks(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("source: [sample:en]\ntarget: sample:nl\n")
    sources = ["--source", "sample:en", "sample:es", "--output_dir", "r"]
    parsed = launch._parse(tsl, "tsl", [str(tmp_path / "a.yaml"), *sources])
    assert parsed == launch._parse(tsl, "tsl", [*sources, "--target", "sample:nl"])
    assert parsed.variants == launch._parse(tsl, "tsl", [*sources, "--target", "sample:nl"]).variants != ["mt", "tsl"]


def test_options_from_a_file_or_python_become_a_command_line_that_does_the_same(toy: Toy, tmp_path: Path):
    options = {**toy.options(tmp_path / "run", tmp_path / "store"), "seeds": [2, 3], "freeze_embeddings": False}
    options |= {"evaluate_on": [], "output_dir": "-run"}
    arguments = tsl.Arguments(**options)
    words = launch.command_of("tsl", arguments)
    assert words[:3] == ["xner", "train", "tsl"] and launch._parse(tsl, "tsl", words[3:]) == arguments
    assert "--warmup" not in words  # what is as usual is not said


def test_unknown_options_of_python_calls_are_named(tmp_path: Path):
    with pytest.raises(InputError, match="tsl: unknown option 'epochs'; see `xner train tsl --help`"):
        launch.train("tsl", source=["sample:en"], output_dir=str(tmp_path), epochs=1)


def test_missing_yaml_gets_one_line(tmp_path: Path, capsys):
    code, error = run(capsys, ["tsl", str(tmp_path / "nowhere.yaml")])
    assert code == 2
    assert_one_line(error, r"nowhere\.yaml")


def test_yaml_and_json_give_the_options_of_the_command_line(toy: Toy, tmp_path: Path, capsys):
    options = {**toy.options(tmp_path / "run", tmp_path / "store"), "dry_run": True, "seeds": [1, 2]}
    text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in options.items())
    (tmp_path / "a.yaml").write_text(text + "student_learning_rate: 3e-5\n")
    (tmp_path / "a.json").write_text(json.dumps({**options, "student_learning_rate": 3e-5}))
    argv = command_line({**options, "student_learning_rate": 3e-5})
    parsed = [
        launch._parse(tsl, "tsl", words) for words in (argv, [str(tmp_path / "a.yaml")], [str(tmp_path / "a.json")])
    ]
    assert parsed[0] == parsed[1] == parsed[2]
    assert parsed[1].student_learning_rate == 3e-5 and parsed[1].seeds == [1, 2]
    assert launch.main(["tsl", str(tmp_path / "a.yaml")]) == 0
    assert "teacher, seed 2" in capsys.readouterr().out


def test_a_python_call_gets_the_same_messages(toy: Toy, tmp_path: Path):
    from hf_xner import InputError

    with pytest.raises(InputError, match=r"tsl: unknown option 'sauce'; see `xner train tsl --help`"):
        launch.train("tsl", sauce="sample:en")
    with pytest.raises(InputError, match="'luck' is not one of"):
        launch.train("tsl", **toy.options(tmp_path / "run", tmp_path / "store", select_on="luck"))


def test_the_exit_code_reaches_the_shell(tmp_path: Path):
    argv = ["--source", "sample:en", "--target", str(tmp_path / "nowhere"), "--output_dir", str(tmp_path / "run")]
    ended = subprocess.run(
        [sys.executable, "-m", "hf_xner.launch", "tsl", *argv],
        env=subprocess_environment(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert ended.returncode == 2
    assert_one_line(ended.stderr, "nowhere' is no known corpus")
    assert not (tmp_path / "run").exists()
