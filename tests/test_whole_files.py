"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hf_xner.whole_files import whole_file


def write(path: Path, text: str) -> None:
    with whole_file(path) as place:
        place.write_text(text, encoding="utf-8")


def test_a_file_is_replaced_only_when_all_went_well(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as place:
        place.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    write(path, "new")
    assert path.read_text(encoding="utf-8") == "new" and os.listdir(path.parent) == ["file.txt"]


def test_a_link_goes_on_being_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text(encoding="utf-8") == "text"


def test_output_that_goes_to_a_file_keeps_what_is_in_it(tmp_path: Path) -> None:
    """`/dev/stdout` is then that file, with what others have written and go on to write."""
    code = "from tests.test_whole_files import *; print('one'); write(Path('/dev/stdout'), 'two\\n'); print('three')"
    for sign, before in ((">", ""), (">>", "old\n")):
        (tmp_path / "out").write_text("old\n", encoding="utf-8")
        command = f'(echo head; "{sys.executable}" -c "{code}"; echo tail) {sign} "{tmp_path}/out"'
        subprocess.run(command, shell=True, check=True, cwd=Path(__file__).parents[1])
        assert (tmp_path / "out").read_text(encoding="utf-8") == f"{before}head\none\ntwo\nthree\ntail\n"
    assert os.listdir(tmp_path) == ["out"]


def test_pipes_and_devices_are_written_to(tmp_path: Path) -> None:
    """Root may put a file in the place of /dev/null, and would break the machine."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    write(pipe, "text")
    reader.join(10)
    assert read == ["text"] and pipe.is_fifo() and os.listdir(tmp_path) == ["pipe"]
