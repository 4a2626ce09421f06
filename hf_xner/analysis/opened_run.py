"""A run folder opened again: its options, its corpora and the models that it left in the store."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError


@dataclass(frozen=True)
class OpenedRun:
    """What a run leaves to look at.

    Attributes:
        folder: The run folder.
        space: Its workspace: arguments and corpora.
        stages: Folders of its stages in the store, by name.
        seeds: Its seeds.
    """

    folder: Path
    space: Any
    stages: dict[str, Path]
    seeds: list[int]

    def seed(self, wanted: int | None) -> int:
        """The seed asked for, the first by default.

        Raises:
            InputError: The run does not have it.
        """
        if wanted is not None and wanted not in self.seeds:
            raise InputError(f"the run has no seed {wanted}", where=str(self.folder), remedy=f"it has {self.seeds}")
        return self.seeds[0] if wanted is None else wanted

    def tagger(self, stage: str) -> Any:
        """The trained tagger of a stage, or None where the run has no such stage."""
        from hf_xner.systems.tagger_stages import TrainedTagger
        from hf_xner.training.fit import MODEL

        folder = self.stages.get(stage)
        return None if folder is None else TrainedTagger(folder.name, folder / MODEL)


def open_run(folder: Path, system: str) -> OpenedRun:
    """Open a finished run.

    Args:
        folder: The run folder.
        system: The system it must be of.

    Raises:
        InputError: It is no such run, has not finished, or its stages are no longer in the store.
    """
    from hf_xner.systems.files import read_json
    from hf_xner.systems.processes import current_processes
    from hf_xner.systems.run_folder import MARKER, RESULTS, STAGES
    from hf_xner.systems.stages import StageStore
    from hf_xner.systems.workspace import Workspace

    run = read_json(folder / MARKER)
    if not run or run.get("system") != system or not (folder / RESULTS).exists():
        raise InputError(
            f"there is no finished run of {system}", where=str(folder), remedy="give the --output_dir of one"
        )
    arguments = import_module(f"hf_xner.systems.{system}").Arguments(**run["arguments"])
    store = StageStore(arguments.store)
    stages = {name: store.root / stage["path"] for name, stage in (read_json(folder / STAGES) or {}).items()}
    gone = [name for name, place in stages.items() if not place.is_dir()]
    if gone:
        raise InputError(
            f"the stage {gone[0]!r} is not in the store {store.root}", where=str(folder), remedy="repeat the command"
        )
    space = Workspace(arguments, store, current_processes())
    return OpenedRun(folder, space, stages, list(arguments.seeds))
