"""Tests for folders that are written whole or not at all, and never over what somebody else has put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.translation.files import whole_folder


def write(path: Path, text: str) -> None:
    with whole_folder(path, "ours.json") as aside:
        (aside / "ours.json").write_text(text)


def test_only_ones_own_folder_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "new" / "out", "1")
    (tmp_path / "new" / "out" / "old.txt").touch()
    write(tmp_path / "new" / "out", "2")
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["out", "ours.json"]
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "3")
    assert (tmp_path / "empty" / "ours.json").read_text() == "3"


def test_what_others_wrote_is_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis: holds other things \(no ours.json\), .*; give a new or an empty"):
        write(tmp_path / "thesis", "")
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "text.tex"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, not a folder"):
        write(tmp_path / "file", "")


def test_a_failure_leaves_the_older_folder(tmp_path: Path) -> None:
    write(tmp_path / "out", "1")
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "out", "ours.json") as aside:
        (aside / "ours.json").write_text("2")
        raise KeyboardInterrupt
    assert (tmp_path / "out" / "ours.json").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_working_directory_can_be_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for text in ("1", "2"):
        write(Path(), text)
        assert Path("ours.json").read_text() == text
