"""Run folders without training: the records come from the code that writes them in a real run, the tags from a die."""

from __future__ import annotations

import random
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hf_xner.evaluation.metrics import entity_scores
from hf_xner.evaluation.prediction_files import write_predictions
from hf_xner.hub.lineage import all_chosen_alike, is_as_it_is
from hf_xner.systems import runner
from hf_xner.systems.files import write_json
from hf_xner.systems.processes import current_processes
from hf_xner.systems.run_folder import RunFolder
from hf_xner.systems.stages import StageStore
from hf_xner.systems.summary import PREDICTIONS, STUDENT
from hf_xner.systems.workspace import Workspace
from hf_xner.training.settings import FitSettings
from tests.systems.toy import TARGET, TARGET_WORDS, make_sentences

SETS = {"source_dev": ("source", "validation"), "target_test": ("target", "test"), "source_test": ("source", "test")}
CALIBRATION = {"temperature": 1.375, "calibration_error_before": 0.0625, "calibration_error_after": 0.03125}


def make_run(
    folder: Path,
    model: Path,
    *,
    system: str = "tsl",
    shares: dict[str, float] | None = None,
    seeds: tuple[int, ...] = (1, 2, 3),
    sets: tuple[str, ...] = ("source_dev", "target_test"),
    calibration: dict[str, float] | None = CALIBRATION,
    facts: dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Leave what a run leaves.

    Args:
        folder: The run folder.
        model: A saved tagger, which becomes the student.
        system: The system.
        shares: Variants, the student first, and the share of words that each tags rightly.
        seeds: Seeds.
        sets: What was scored.
        calibration: What calibration found.
        facts: What else the system has to say.
        options: Options of the run.
    """
    shares = shares or {"tsl": 0.9, "mt": 0.7}
    module = import_module(f"hf_xner.systems.{system}")
    arguments = module.Arguments(
        **{
            "source": ["sample:en"],
            "target": "sample:es",
            "output_dir": str(folder),
            "store": str(folder.parent / "store"),
            "seeds": list(seeds),
            **options,
        }
    )
    scores = {
        seed: {
            variant: {name: _score(folder.parent / f"{name}-{variant}-{seed}", share, seed, name) for name in sets}
            for variant, share in shares.items()
        }
        for seed in seeds
    }
    gold = {name: _gold(arguments, name) for name in sets}
    student = next(iter(shares))
    space = Workspace(arguments, StageStore(arguments.store), current_processes())
    space.stages |= _stages(student, seeds)
    space.facts |= facts or {}
    chosen = _choose(space, as_teacher=is_as_it_is(student) and not all_chosen_alike(asdict(arguments), system))
    kept = {name: value for name, value in asdict(arguments).items() if name != "dry_run"}
    command = ["/home/alice/env/bin/xner", "train", system, "--output_dir", str(folder), "--store", arguments.store]
    with RunFolder(folder, system=system, arguments=kept, command_line=command, device="cpu") as run:
        run.describe(seeds=seeds, data={f"{spec} train": "0" * 64 for spec in arguments.specs})
        run.copy(model, STUDENT)
        for name, place in scores[seeds[0]][student].items():
            run.copy(place, f"{PREDICTIONS}{name}")
        run.write_results(runner._results(student, chosen, module, space, gold, scores, calibration))
    return folder


def _choose(space: Workspace, *, as_teacher: bool) -> str:
    """Note what picked the weights of teachers and of the student, which may be one; gives what picked its own."""
    if space.arguments.select_on == "none":
        return "none"
    digests = {"teacher": "source_dev", "student": space.arguments.select_on}
    vars(space)["selection_set"] = lambda role: SimpleNamespace(digest=digests[role])  # `sample` has no dev sets
    space.selected_on |= {"b" * 20: digests["teacher"], "a" * 20: digests["teacher" if as_teacher else "student"]}
    return space.picked_on("a" * 20)


def _gold(arguments: Any, name: str) -> Any:
    role, split = SETS[name]
    spec = arguments.source[0] if role == "source" else arguments.target
    return SimpleNamespace(name=f"{spec} {split}", data=range(13), digest="1" * 64)


def _score(folder: Path, share: float, seed: int, name: str) -> Path:
    """Gold tags of a toy corpus, and predictions of which about `share` are right, scored as a run scores them."""
    chance = random.Random(f"{share}-{seed}-{name}")
    sentences = make_sentences(TARGET, TARGET_WORDS, 13, seed=5)
    tokens = [[word for word, _ in sentence] for sentence in sentences]
    gold = [[tag for _, tag in sentence] for sentence in sentences]
    folder.mkdir(parents=True)
    report = {}
    for kind, bonus in (("plain", 0.0), ("tagger", 0.05)):
        predicted = [[tag if chance.random() < share + bonus else "O" for tag in tags] for tags in gold]
        write_predictions(folder / f"{kind}.conll", tokens, gold, predicted)
        report[kind] = entity_scores(gold, predicted).to_dict()
    write_json(folder / "scores.json", report)
    return folder


def _stages(student: str, seeds: tuple[int, ...]) -> dict[str, Any]:
    stages: dict[str, Any] = {}
    for seed in seeds:
        for name, kind, rate in (("teacher", "train", 5e-5), (f"{student} student", "distil", 1e-4)):
            settings = FitSettings(seed=seed, learning_rate=rate).as_dict()
            stages[f"{name}, seed {seed}"] = {"kind": kind, "key": "a" * 20, "settings": settings}
        stages[f"soft labels, seed {seed}"] = {"kind": "soft_labels", "key": "b" * 20, "settings": {"max_length": 512}}
    return stages
