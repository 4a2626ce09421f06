"""What the demo shows to somebody who has no run yet: a small one, trained at the first start and kept."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_xner.launch import train
from hf_xner.systems.files import read_json
from hf_xner.systems.run_folder import RESULTS
from hf_xner.systems.stages import StageStore
from hf_xner.systems.tsl import Arguments
from hf_xner.version import __version__

NAME = "built-in example"
WARNING = (
    "A small example, trained in half a minute at the first start, on a few thousand sentences written for this "
    "project. It shows what the page does; as a tagger it is poor. For a run of your own: xner demo RUN"
)
OPTIONS: dict[str, Any] = {
    "source": ["sample:en"],
    "target": "sample:es",
    "variants": ["mt", "tsl"],
    "teacher_epochs": 1.0,
    "student_epochs": 1.0,
}


def starter_run(say: Callable[[str], None]) -> Path:
    """Return the run folder of the small example, beside its stages in the store; trained if it is not there yet.

    Args:
        say: Told what happens if it takes a while.

    Raises:
        InputError: The store cannot be written to.
    """
    folder = StageStore().root / "demo" / f"example-{_digest()}"
    if read_json(folder / RESULTS) is None:
        say("No run was given: training a small English-to-Spanish example first (about half a minute, only once).")
        with contextlib.redirect_stdout(io.StringIO()):  # the figures are on the page
            train("tsl", **OPTIONS, output_dir=str(folder))
    return folder


def _digest() -> str:
    """Of all options, so that an example made with other ones is another example."""
    content = {"version": __version__, **asdict(Arguments(**OPTIONS, output_dir="example"))}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
