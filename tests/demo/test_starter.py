from __future__ import annotations

import time
from pathlib import Path

import pytest

from hf_xner.demo import starter
from hf_xner.demo.choices import find_choices
from hf_xner.demo.service import Service
from hf_xner.errors import InputError
from hf_xner.systems.files import write_json


def test_the_example_is_trained_once_and_told_of(own_store: Path, monkeypatch: pytest.MonkeyPatch):
    trained: list[dict] = []

    def train(system: str, **options):
        trained.append({"system": system, **options})
        Path(options["output_dir"]).mkdir(parents=True)
        write_json(Path(options["output_dir"]) / "results.json", {"system": system})

    monkeypatch.setattr(starter, "train", train)
    told: list[str] = []
    first = starter.starter_run(told.append)
    assert starter.starter_run(told.append) == first and first.is_relative_to(own_store)
    assert len(trained) == len(told) == 1 and "half a minute" in told[0]
    assert trained[0]["source"] == ["sample:en"] and trained[0]["target"] == "sample:es"


def test_a_store_that_cannot_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_XNER_STORE", str(tmp_path / "file" / "store"))
    with pytest.raises(InputError):
        starter.starter_run(lambda line: None)


@pytest.mark.slow
def test_the_example_takes_under_a_minute_and_has_a_student_and_a_teacher(
    own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    begun = time.process_time()
    folder = starter.starter_run(lambda line: None)
    assert time.process_time() - begun < 60
    assert capsys.readouterr().out == ""
    service = Service(find_choices([str(folder)], names=[starter.NAME], warning=starter.WARNING))
    student, teacher = service.choices.values()
    assert (student.language, teacher.language) == ("es", "en") and student.warning
    assert "F1 on sample:es test" in student.about and "text without labels" in student.about
    answer = service.tag_text(
        "La escritora Elena Zabalegui presentó su novela en Sevilla.", teacher=[*student.teachers][0]
    )
    assert answer.by_teacher is not None and {one.text for one in answer.tagged.entities} & {
        "Sevilla",
        "Elena Zabalegui",
    }
