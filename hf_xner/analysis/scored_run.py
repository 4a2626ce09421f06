"""What a finished run stored of its scores: predictions of variants and seeds, who taught whom, training histories.

Reads `run.json`, `results.json`, `stages.json` and the stages' own records in the store. No model is loaded, and a
stage that is no longer in the store is only missed by those who ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError
from hf_xner.evaluation.prediction_files import PredictionFile, read_predictions

if TYPE_CHECKING:
    from hf_xner.systems.stage_records import StageRecord

PROBABILITIES, VOTES = "soft_labels", "votes"  # inputs of a student's stage: what it learns from


@dataclass(frozen=True)
class ScoredRun:
    """A run folder and the store that it points into.

    Attributes:
        folder: The run folder.
        system: Name of its system.
        results: Its `results.json`.
        store: Root of its store.
        stages: `stages.json`: kind, key and path by name.
    """

    folder: Path
    system: str
    results: dict[str, Any]
    store: Path
    stages: dict[str, dict[str, str]]
    _paths: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the stages by their keys."""
        object.__setattr__(self, "_paths", {stage["key"]: stage["path"] for stage in self.stages.values()})

    @property
    def seeds(self) -> list[int]:
        """Its seeds."""
        return list(self.results["seeds"])

    def scored(self, set_name: str) -> list[str]:
        """Variants that were scored on a set."""
        return [name for name, sets in self.results["variants"].items() if set_name in sets]

    @property
    def gone(self) -> list[str]:
        """Names of its stages that are no longer in the store."""
        return [name for name, stage in self.stages.items() if not (self.store / stage["path"]).is_dir()]

    def baseline(self) -> str:
        """The variant that its system compares the others with."""
        from hf_xner.systems.runner import baseline_of

        return baseline_of(import_module(f"hf_xner.systems.{self.system}"), self.results["variants"])

    def predictions(self, variant: str, set_name: str, seed: int, kind: str) -> PredictionFile | None:
        """A variant's tags beside the gold ones; None where the store no longer has them."""
        path = self._score(variant, set_name, seed) / f"{kind}.conll"
        if not path.exists() and variant == self.results["student"] and seed == self.seeds[0]:
            path = self.folder / f"predictions_{set_name}" / f"{kind}.conll"  # the run folder's own copy
        return read_predictions(path) if path.exists() else None

    def history(self, variant: str, set_name: str, seed: int) -> list[dict[str, Any]]:
        """The course of the training of a variant's model; empty where there was none, or it is gone."""
        from hf_xner.training.history import HISTORY, read_history

        path = self._paths.get(self._model(variant, set_name, seed) or "")
        return [] if path is None else read_history(self.store / path / HISTORY)

    def teachers(self, variant: str, set_name: str, seed: int, through: str = PROBABILITIES) -> list[str]:
        """The variants whose words a variant's model learnt from; a teacher that was not scored is a stage's name.

        Args:
            variant: The variant.
            set_name: A set that it was scored on.
            seed: The seed.
            through: "soft_labels" for those whose probabilities it learnt, "votes" for those who voted.
        """
        model = self._model(variant, set_name, seed)
        labels = self._inputs(model).get(through)
        if through == PROBABILITIES and not self._learns_probabilities(model):
            return []
        models = {self._model(name, set_name, seed): name for name in reversed(self.scored(set_name))}
        names = {stage["key"]: name.removesuffix(f", seed {seed}") for name, stage in self.stages.items()}
        keys = [] if labels is None else self._taught_by(labels)
        return list(dict.fromkeys(models.get(key) or names.get(key, "a given model") for key in keys))

    def _taught_by(self, labels: str) -> Iterator[str]:
        """Keys of the models behind stored labels: mixtures, averages and votes are followed to their parts."""
        for name, key in self._inputs(labels).items():
            if name == "teacher":
                yield key
            elif key in self._paths:
                yield from self._taught_by(key)

    def _model(self, variant: str, set_name: str, seed: int) -> str | None:
        """Key of the stage that made a variant's model; None for a mixture, or where the score is gone."""
        stage = self.stages.get(score_name(variant, set_name, seed))
        return None if stage is None else self._inputs(stage["key"]).get("model")

    def _learns_probabilities(self, key: str | None) -> bool:
        """Whether a student's loss has soft labels: UniTrans' may have votes alone, though it is given both."""
        record = self._record(key)
        targets = {} if record is None else record.settings.get("targets")
        return not isinstance(targets, dict) or bool(targets.get("soft", True))

    def _inputs(self, key: str | None) -> Mapping[str, str]:
        record = self._record(key)
        return {} if record is None else record.inputs

    def _record(self, key: str | None) -> StageRecord | None:
        from hf_xner.systems.stage_records import read_record

        if key is None or key not in self._paths:
            return None
        return read_record(self.store / self._paths[key], key=key, warn=False)

    def _score(self, variant: str, set_name: str, seed: int) -> Path:
        stage = self.stages.get(score_name(variant, set_name, seed))
        return self.store / (stage["path"] if stage else "no such stage")


def score_name(variant: str, set_name: str, seed: int) -> str:
    """What a run calls the stage that scores a variant's tagger."""
    return f"{variant} on {set_name}, seed {seed}"


def open_scored_run(folder: Path) -> ScoredRun:
    """Open a finished run of any system.

    Raises:
        InputError: There is none.
    """
    from hf_xner.systems.files import read_json
    from hf_xner.systems.run_folder import MARKER, RESULTS, STAGES
    from hf_xner.systems.stages import StageStore

    run, results = read_json(folder / MARKER), read_json(folder / RESULTS)
    if not run or not results:
        raise InputError("there is no finished run", where=str(folder), remedy="give the --output_dir of one")
    store = StageStore(run["arguments"].get("store")).root
    return ScoredRun(folder, run["system"], results, store, read_json(folder / STAGES) or {})
