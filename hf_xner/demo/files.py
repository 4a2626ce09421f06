"""Files in and out: uploads as items to tag, answers as CSV and JSON to take away."""

from __future__ import annotations

import csv
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from hf_xner.demo.limits import Limits
from hf_xner.errors import InputError
from hf_xner.inference.inputs import EXTENSIONS, Item, read_items
from hf_xner.inference.outputs import jsonl
from hf_xner.inference.results import TaggedSentence

UPLOADS = (".txt", ".conll", ".jsonl")
COLUMNS = ("input", "type", "text", "start", "end", "score")
KEPT_SECONDS = 3600
SWEEP_SECONDS = 300  # how often what is older is looked for: also while nobody asks anything
NAME_CHARACTERS = 50  # of four bytes at most: file systems take 255 bytes
Answers = Sequence[tuple[Item, TaggedSentence]]


def read_upload(path: str, name: str, limits: Limits) -> list[Item]:
    """Read an uploaded file.

    Args:
        path: Where it lies.
        name: What its owner calls it; its ending says what is in it, and messages name it.
        limits: How much it may hold.

    Raises:
        InputError: Its ending is unknown, it holds too much or nothing, or a line is not what the ending says.
    """
    ending = Path(name).suffix.lower()
    if ending not in UPLOADS:
        raise InputError(f"the page takes {', '.join(UPLOADS)}", where=name, remedy="rename or convert the file")
    limits.check_file(path, name)
    with open(path, "rb") as stream:
        return limits.take(read_items(stream, name, EXTENSIONS[ending]), name)


class Downloads:
    """A folder of files to take away, each for about an hour; it goes when this object, or Python, ends.

    Args:
        sweep_seconds: How often what is older is removed, by a thread of its own.
    """

    def __init__(self, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="xner_demo_"))
        ended = threading.Event()
        weakref.finalize(self, _end, self.folder, ended)
        # It must not hold this object, which would then never end.
        sweeper = threading.Thread(target=_keep_sweeping, args=(self.folder, sweep_seconds, ended), daemon=True)
        sweeper.start()

    def write(self, name: str, answers: Answers) -> tuple[str, str]:
        """Write answers as CSV (an entity a row) and as JSON (a list of what `xner predict --format jsonl` gives).

        Args:
            name: What the files are called.
            answers: Inputs and what was found in them.

        Returns:
            The paths of both.
        """
        name = name[:NAME_CHARACTERS]
        place = Path(tempfile.mkdtemp(dir=self.folder))
        paths = place / f"{name}.csv", place / f"{name}.json"
        # The byte-order mark makes spreadsheets read UTF-8.
        with open(paths[0], "w", encoding="utf-8-sig", errors="replace", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(entity_rows(tagged for _, tagged in answers))
        with open(paths[1], "w", encoding="utf-8", errors="replace") as stream:
            for number, (item, tagged) in enumerate(answers):
                stream.write((",\n" if number else "[\n") + jsonl(item, tagged).rstrip("\n"))
            stream.write("\n]\n" if answers else "[]\n")
        return str(paths[0]), str(paths[1])


def _keep_sweeping(folder: Path, seconds: float, ended: threading.Event) -> None:
    while not ended.wait(seconds):
        sweep(folder)


def _end(folder: Path, ended: threading.Event) -> None:
    ended.set()
    shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what has lain in a folder for more than `KEPT_SECONDS`, whoever else removes things there meanwhile."""
    latest = time.time() - KEPT_SECONDS
    with suppress(OSError):
        for place in list(folder.iterdir()):
            with suppress(OSError):
                if place.stat().st_mtime < latest:
                    shutil.rmtree(place)


def entity_rows(texts: Iterable[TaggedSentence]) -> list[tuple[int, str, str, int, int, float]]:
    """Entities as `COLUMNS`: the number of their input (from 1), type, text, first character, end, score."""
    return [
        (number, entity.type, entity.text, entity.start, entity.end, round(entity.score, 6))
        for number, tagged in enumerate(texts, start=1)
        for entity in tagged.entities
    ]
