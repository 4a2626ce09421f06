from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.systems.files import copy_folder, write_json
from hf_xner.systems.portable import without_machine_paths
from hf_xner.systems.run_folder import RunFolder
from hf_xner.systems.stages import Stage, StageStore


def make_run(folder: Path, *, system: str = "tsl", **arguments: object) -> RunFolder:
    arguments = {"source": "sample:en", "seed": 1, "output_dir": str(folder), **arguments}
    return RunFolder(folder, system=system, arguments=arguments, command_line=["xner", "train"], device="cpu")


def test_new_empty_and_earlier_folders_are_accepted(tmp_path: Path):
    folder = tmp_path / "runs" / "one"
    with make_run(folder):
        pass
    first = json.loads((folder / "run.json").read_text())
    with make_run(folder):
        pass
    again = json.loads((folder / "run.json").read_text())
    assert again["started"] == first["started"] and len(again["starts"]) == 2
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "empty")
    (tmp_path / "empty" / ".run.json.12.tmp").write_text("{")  # a start that was killed
    make_run(tmp_path / "empty")


def test_nothing_is_written_before_the_run_starts(tmp_path: Path):
    make_run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folder_that_moved_is_still_the_same_run(tmp_path: Path):
    with make_run(tmp_path / "run"):
        pass
    (tmp_path / "run").rename(tmp_path / "moved")
    make_run(tmp_path / "moved")


def test_folder_that_holds_something_else_is_refused(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError) as caught:
        make_run(tmp_path)
    assert str(caught.value) == f"{tmp_path}: the output folder holds something else; give another --output_dir"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_folder_with_somebody_elses_run_json_is_refused(tmp_path: Path, content: str):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match="the output folder holds something else"):
        make_run(tmp_path)


def test_folder_of_another_run_is_refused_and_the_difference_named(tmp_path: Path):
    with make_run(tmp_path / "run"):
        pass
    with pytest.raises(InputError, match=r"holds a run of tsl with other arguments \(seed: 1 there, 2 here\); give"):
        make_run(tmp_path / "run", seed=2)
    with pytest.raises(InputError, match="holds a run of tsl, not of msd"):
        make_run(tmp_path / "run", system="msd")


def test_file_in_the_way_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="file: is a file, not a folder; give another --output_dir"):
            make_run(place)


def test_log_begins_with_world_size_and_device_and_ends_with_the_run(tmp_path: Path):
    logger = logging.getLogger("hf_xner.systems.stages")
    with make_run(tmp_path / "run"):
        logger.info("stage teacher: starts")
    logger.info("after the run")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert lines[0].endswith("INFO    world size 1, device cpu")
    assert lines[-1].endswith("stage teacher: starts")
    assert logging.getLogger("hf_xner").level == logging.NOTSET


def test_run_json_says_how_to_do_it_again(tmp_path: Path):
    with make_run(tmp_path / "run") as run:
        run.describe(seeds=[1, 2], data={"sample:en": "ab"})
        run.describe(data={"sample:es": "cd"})
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["command"] == "xner train" and facts["seeds"] == [1, 2]
    assert facts["data"] == {"sample:en": "ab", "sample:es": "cd"}
    assert set(facts["versions"]) == {"python", "hf_xner", "torch", "transformers", "datasets", "accelerate"}
    assert facts["arguments"]["seed"] == 1


def test_results_are_plain_numbers_without_paths_of_this_machine(tmp_path: Path):
    command = ["/usr/bin/xner", "train", "--target", f"{tmp_path}/my corpus/x.conll", f"--output_dir={tmp_path}/run"]
    arguments = {"target": f"{tmp_path}/x.conll", "seed": 1, "output_dir": str(tmp_path / "run")}
    run = RunFolder(tmp_path / "run", system="tsl", arguments=arguments, command_line=command, device="cpu")
    with run:
        run.describe(seeds=[1], data={f"conll:{tmp_path}/x.conll": "ab"})
        path = run.write_results(
            {"f1": np.float32(0.5), "by_type": {"LOC": np.int64(3)}, "model": "and/or https://a/b"}
        )
    text = path.read_text()
    results = json.loads(text)
    assert str(tmp_path) not in text and "/usr/bin" not in text
    assert results["f1"] == 0.5 and results["by_type"] == {"LOC": 3} and results["model"] == "and/or https://a/b"
    assert results["data"] == {"conll:x.conll": "ab"} and results["seeds"] == [1]
    assert results["arguments"] == {"target": "x.conll", "seed": 1}
    assert results["command"].startswith("xner train --target ") and "versions" in results


def test_results_refuse_nan_and_keep_the_older_file(tmp_path: Path):
    with make_run(tmp_path / "run") as run:
        path = run.write_results({"f1": 0.5})
        with pytest.raises(ValueError, match=r"results\.json\.f1: nan has no place in JSON"):
            run.write_results({"f1": float("nan")})
    assert json.loads(path.read_text())["f1"] == 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/a/b/c", "c"),
        ("/data", "data"),
        ("~/corpora/x.txt", "x.txt"),
        ("conll:/a/b", "conll:b"),
        ("--x=/a/b --y /c/d/", "--x=b --y d"),
        ("relative/path", "relative/path"),
        ("https://host/a/b", "https://host/a/b"),
        ("24/7 and / or", "24/7 and / or"),
        ({"/a/b": ["/c/d", 1, None]}, {"b": ["d", 1, None]}),
    ],
)
def test_paths_are_cut_to_their_last_part(text: object, expected: object):
    assert without_machine_paths(text) == expected


def test_stages_are_pointers_relative_to_the_store(tmp_path: Path):
    store = StageStore(tmp_path / "store")
    stage = Stage("train", "teacher seed 1", 1)
    with make_run(tmp_path / "run") as run:
        run.add_stage(stage, store)
    with make_run(tmp_path / "run") as run:  # a later start keeps what is known
        run.add_stage(Stage("distil", "student", 1), store)
    pointers = json.loads((tmp_path / "run" / "stages.json").read_text())
    assert pointers["teacher seed 1"] == {"kind": "train", "key": stage.key, "path": f"train/{stage.key}"}
    assert list(pointers) == ["teacher seed 1", "student"]


def test_copies_are_real_files_without_the_stores_notes(tmp_path: Path):
    store = StageStore(tmp_path / "store", run_folder=tmp_path / "run")

    def work(folder: Path) -> None:
        (folder / "sub").mkdir()
        (folder / "sub" / "stage.json").write_text("part of the model")
        (folder / "model.txt").write_text("weights")

    with make_run(tmp_path / "run") as run:
        place = store.run(Stage("train", "student", 1), work)
        for _ in range(2):
            copy = run.copy(place, "student")
    assert sorted(path.name for path in copy.rglob("*")) == ["model.txt", "stage.json", "sub"]
    assert not (copy / "model.txt").is_symlink()
    assert not list((tmp_path / "run").glob(".*"))


def test_interrupted_copy_keeps_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "x").write_text("new")
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "x").write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        copy_folder(tmp_path / "new", tmp_path / "student")
    assert (tmp_path / "student" / "x").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "student"]


def test_full_disk_under_the_run_folder_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with make_run(tmp_path / "run") as run:
        run.write_results({"f1": 0.5})

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="run: the disk is full; make room there, and start the same command"):
            run.write_results({"f1": 0.6})
    assert json.loads((tmp_path / "run" / "results.json").read_text())["f1"] == 0.5


def test_refused_run_leaves_nothing_but_an_earlier_one_stays(tmp_path: Path):
    with pytest.raises(InputError), make_run(tmp_path / "new"):
        raise InputError("no labels")
    assert not (tmp_path / "new").exists()
    with make_run(tmp_path / "old"):
        pass
    with pytest.raises(InputError), make_run(tmp_path / "old"):
        raise InputError("no labels")
    assert (tmp_path / "old" / "run.json").exists()
    assert "InputError: no labels" in (tmp_path / "old" / "log.txt").read_text()


def test_failed_run_keeps_its_log(tmp_path: Path):
    with pytest.raises(RuntimeError), make_run(tmp_path / "run"):
        raise RuntimeError("power")
    assert "RuntimeError: power" in (tmp_path / "run" / "log.txt").read_text()


def test_write_json_is_all_or_nothing(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"a": (1, np.float64(0.5), np.bool_(True)), "é": None})
    assert json.loads(path.read_text()) == {"a": [1, 0.5, True], "é": None}
    with pytest.raises(TypeError, match=r"a\.json\.a: object has no place"):
        write_json(path, {"a": object()})
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def test_a_path_with_blanks_in_a_command_is_cut_as_a_whole():
    words = ["xner", "train", "--output_dir", "/home/alice smith/runs/x y", "--store", "~/bob/my store/", "/"]
    assert without_machine_paths(words) == ["xner", "train", "--output_dir", "x y", "--store", "my store", "/"]


def test_a_run_from_before_an_option_is_the_same_run(tmp_path: Path):
    with RunFolder(tmp_path / "run", system="unitrans", arguments={"source": ["a"]}):
        pass
    with RunFolder(tmp_path / "run", system="unitrans", arguments={"source": ["a"], "copy_unlettered": False}):
        pass
    with pytest.raises(InputError, match="copy_unlettered: None there, True here"):
        RunFolder(tmp_path / "run", system="unitrans", arguments={"source": ["a"], "copy_unlettered": True})
