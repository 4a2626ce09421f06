from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

from hf_xner.systems.locks import is_locked, locked, locked_if_free


def test_lock_excludes_and_is_freed(tmp_path: Path):
    path = tmp_path / "a" / "x.lock"
    assert not is_locked(path) and not path.exists()
    with locked(path):
        assert is_locked(path)
        with locked_if_free(path) as free:
            assert not free
    assert not is_locked(path)
    with locked_if_free(path) as free:
        assert free
    path.unlink()
    assert not is_locked(path) and not path.exists()


def test_a_store_that_may_only_be_read_can_be_looked_at(tmp_path: Path, monkeypatch):
    path, real = tmp_path / "x.lock", os.open
    path.touch()

    def read_only(name, flags, *mode):
        if flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(name, flags, *mode)

    monkeypatch.setattr(os, "open", read_only)
    assert not is_locked(path)


def test_lock_of_a_file_that_its_holder_removed_is_taken_on_the_new_file(tmp_path: Path):
    path = tmp_path / "x.lock"
    waits, inside = os.pipe()
    with locked(path):
        child = os.fork()
        if child == 0:
            with locked(path, on_wait=lambda: os.write(inside, b"w")):
                os.write(inside, b"l" if is_locked(path) else b"n")
            os._exit(0)
        assert os.read(waits, 1) == b"w"
        path.unlink()
    assert os.read(waits, 1) == b"l"
    assert os.waitpid(child, 0)[1] == 0


def test_helper_that_outlives_a_killed_holder_does_not_keep_its_lock(tmp_path: Path):
    path = tmp_path / "x.lock"
    ready, tell = os.pipe()
    holder = os.fork()
    if holder == 0:
        with locked(path):
            helper = os.fork()
            if helper == 0:
                time.sleep(60)
                os._exit(0)
            os.write(tell, helper.to_bytes(4, "big"))
            time.sleep(60)
        os._exit(0)
    helper = int.from_bytes(os.read(ready, 4), "big")
    time.sleep(0.1)
    assert is_locked(path)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    os.kill(helper, 0)  # still there
    assert not is_locked(path)
    os.kill(helper, signal.SIGKILL)
