"""From options to a finished run folder: the same steps for every system."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from hf_xner.data import describe
from hf_xner.data.label_maps import check_compatible
from hf_xner.labels import entity_types
from hf_xner.models.builtin import ENCODERS
from hf_xner.systems import report
from hf_xner.systems.arguments import SystemArguments
from hf_xner.systems.files import read_json, write_json
from hf_xner.systems.input_limit import state_input_limit
from hf_xner.systems.processes import Processes, current_processes, on_main
from hf_xner.systems.run_folder import RunFolder
from hf_xner.systems.stage_records import RECORD
from hf_xner.systems.stages import StageStore
from hf_xner.systems.summary import PREDICTIONS, RESEARCH, STUDENT, summarise_run
from hf_xner.systems.tagger_stages import TrainedTagger, calibrate_tagger, tag_names_of
from hf_xner.systems.workspace import Labelled, Workspace
from hf_xner.training.fit import HISTORY_PLOT
from hf_xner.training.history import HISTORY

logger = logging.getLogger(__name__)
# Options that name models: folders, Hub ids, encoders that come with hf_xner.
MODEL_OPTIONS = ("encoder", "student_encoder", "distil_to", "teacher")


class System(Protocol):
    """What the module of a system offers.

    Attributes:
        Arguments: Dataclass of its options.
        PREFERENCE: Variants; the first of them that a run has made becomes the run folder's `student`.
        BASELINE: The variant that others are compared with; of several the first that a run has made.

    A module may also offer `known_types(space)`: the entity types of its taggers and a name for these, where they are
    not those of the first source.
    """

    Arguments: type[SystemArguments]
    PREFERENCE: tuple[str, ...]
    BASELINE: str | tuple[str, ...]

    def build(self, space: Workspace, seed: int) -> dict[str, TrainedTagger]:
        """Make (or find in the store) every variant's tagger for one seed."""
        ...


def run_system(
    name: str, system: System, arguments: SystemArguments, *, command: Sequence[str] | None = None
) -> dict[str, Any]:
    """Run a system from its options to its run folder.

    Args:
        name: The system's name.
        system: Its module.
        arguments: Its options.
        command: A command line that does the same; by default this process's own.

    Returns:
        The content of `results.json`; for a dry run {"plan": text}.
    """
    processes = current_processes()
    if arguments.dry_run:
        return _dry_run(system, arguments, processes)
    kept = _kept(arguments)
    with RunFolder(
        arguments.output_dir, system=name, arguments=kept, command_line=command, processes=processes
    ) as folder:
        store = StageStore(arguments.store, run_folder=folder.path)
        space = Workspace(arguments, store, processes, folder)
        sets = _open_inputs(system, space)
        scored = {gold.name: gold.digest for gold in sets.values()}
        folder.describe(seeds=arguments.seeds, data=space.data_digests() | scored)
        taggers, scores = _make(system, space, sets)
        _tell_if_nothing_was_picked(space)
        seed, variant = _student(system, taggers)
        student = taggers[seed][variant]
        calibration = _calibration(space, student)
        chosen_on = space.picked_on(student.key)
        results = on_main(processes, lambda: _results(variant, chosen_on, system, space, sets, scores, calibration))
        constrained = arguments.start_constraint
        _fill(folder, student, scores[seed][variant], space.shown, calibration, constrained, processes)
        written = folder.write_results(results)
        if processes.rank == 0:
            print(summarise_run(folder.path))
        return read_json(written)


def _make(
    system: System, space: Workspace, sets: Mapping[str, Labelled]
) -> tuple[dict[int, dict[str, TrainedTagger]], dict[int, dict[str, dict[str, Path]]]]:
    """Every variant's tagger for every seed, and the folders of their scores on every evaluation set."""
    taggers = {seed: system.build(space, seed) for seed in space.arguments.seeds}
    scores = {
        seed: {
            variant: {
                name: tagger.score(space, f"{variant} on {name}, seed {seed}", gold) for name, gold in sets.items()
            }
            for variant, tagger in variants.items()
        }
        for seed, variants in taggers.items()
    }
    return taggers, scores


def _tell_if_nothing_was_picked(space: Workspace) -> None:
    if space.arguments.select_on != "none" and not space.selected_on and space.processes.rank == 0:
        logger.warning("--select_on %s has picked no epoch of any training", space.arguments.select_on)


def _kept(arguments: SystemArguments) -> dict[str, Any]:
    return {name: value for name, value in asdict(arguments).items() if name != "dry_run"}


def _dry_run(system: System, arguments: SystemArguments, processes: Processes) -> dict[str, Any]:
    store = StageStore(arguments.store, dry_run=True)
    space = Workspace(arguments, store, processes)
    taggers, _ = _make(system, space, _open_inputs(system, space))
    seed, variant = _student(system, taggers)
    _calibration(space, taggers[seed][variant])
    plan = store.format_plan()
    if processes.rank == 0:
        print(plan)
    return {"plan": plan}


def _open_inputs(system: System, space: Workspace) -> dict[str, Labelled]:
    """Open everything that is only read, so that a mistake shows before anything trains."""
    if space.arguments.target:
        space.check_target()
    sets = space.evaluation_sets()
    chosen_on = [space.selection_set(role) for role in ("teacher", "student")]
    known, who = _known_types(system, space)
    for gold in [*sets.values(), *(dev for dev in chosen_on if dev is not None)]:
        check_compatible(
            known,
            entity_types(gold.tag_names),
            model=who,
            corpus=gold.name,
            observed=describe(gold.spec).observed,
        )
    space.encoder_digest  # noqa: B018  (read for its check)
    return sets


def _known_types(system: System, space: Workspace) -> tuple[list[str], str]:
    """Entity types of what the system makes, and what to call it in a message."""
    if hasattr(system, "known_types"):
        return system.known_types(space)
    source = space.arguments.source[0]
    return entity_types(space.labelled(source, "train").tag_names), f"a tagger trained on {source}"


def _results(
    variant: str,
    chosen_on: str,
    system: System,
    space: Workspace,
    sets: Mapping[str, Labelled],
    scores: report.Folders,
    calibration: dict[str, float] | None,
) -> dict[str, Any]:
    return {
        "calibration": calibration,
        "student": variant,
        "chosen_on": chosen_on,
        "target_labels_used": bool(space.arguments.target)
        and (variant == "supervised" or _target_labels_picked(space)),
        "oracle": _chosen_on_what_is_scored(space, sets),
        "model_folders": _model_folders(space.arguments),
        "sets": {
            name: {"name": gold.name, "sentences": len(gold.data), "digest": gold.digest}
            for name, gold in sets.items()
        },
        "variants": report.collect(scores) if sets else {},
        "stages": space.stages,
        "differences": [
            gap
            for name in sets
            for gap in report.differences(scores, name, baseline_of(system, next(iter(scores.values()))), variant)
        ],
        **space.facts,
    }


def _chosen_on_what_is_scored(space: Workspace, sets: Mapping[str, Labelled]) -> bool:
    """Whether the target's labels picked the weights and score them, too: some corpora have one file for both."""
    test = sets.get("target_test")
    if space.arguments.select_on == "target_test":
        return _target_labels_picked(space)
    return test is not None and test.digest in space.selected_on.values()


def _target_labels_picked(space: Workspace) -> bool:
    """Whether an epoch of any training was picked on labels of the target."""
    return any(space.picked_on(key).startswith("target") for key in space.selected_on)


def _model_folders(arguments: SystemArguments) -> dict[str, bool | list[bool]]:
    """Whether the models that options name are folders: from another place a relative one looks like a Hub id."""

    def is_folder(name: str) -> bool:
        return name not in ENCODERS and Path(name).expanduser().is_dir()

    named = {option: value for option in MODEL_OPTIONS if (value := getattr(arguments, option, None))}
    return {
        option: [is_folder(name) for name in value] if isinstance(value, list) else is_folder(value)
        for option, value in named.items()
    }


def baseline_of(system: System | ModuleType, made: Iterable[str]) -> str:
    """The variant that others are compared with, among those that a run has made."""
    names = (system.BASELINE,) if isinstance(system.BASELINE, str) else system.BASELINE
    there = set(made)
    return next((name for name in names if name in there), names[0])


def _student(system: System, taggers: Mapping[int, Mapping[str, TrainedTagger]]) -> tuple[int, str]:
    """Seed and variant of the model that the run folder holds as `student`: the first seed's preferred variant.

    Of variants that are not in the list, such as those of a single teacher among several, it is the first; of variants
    that are no single model (mixtures of teachers) only if there are no others, and then there is no such folder.
    """
    seed = next(iter(taggers))
    order = [*(variant for variant in system.PREFERENCE if variant in taggers[seed]), *taggers[seed]]
    return seed, next((variant for variant in order if taggers[seed][variant].is_model), order[0])


def _calibration(space: Workspace, tagger: TrainedTagger) -> dict[str, float] | None:
    """Temperature and calibration error on the first source's dev set; None where there is none."""
    if not space.arguments.source or not tagger.is_model:
        return None
    spec = space.arguments.source[0]
    corpus = space.corpus(spec)
    if "validation" not in corpus or "ner_tags" not in corpus["validation"].column_names:
        return None
    dev = space.labelled(spec, "validation")
    if not space.store.dry_run and not set(dev.tag_names) <= set(tag_names_of(tagger.folder)):
        return None
    return calibrate_tagger(space, "calibration", tagger, dev)


def _research_models(model: Path) -> list[Path]:
    """The research model that a stage has saved beside the plain one that was exported from it, if it has."""
    if not (model.parent / RECORD).exists():  # a model that the user gave: its neighbours are none of ours
        return []
    return [path.parent for path in sorted(model.parent.glob("*/config.json")) if path.parent != model][:1]


def _fill(
    folder: RunFolder,
    tagger: TrainedTagger,
    predictions: Mapping[str, Path],
    shown: Mapping[str, Path],
    calibration: dict[str, float] | None,
    start_constraint: bool,
    processes: Processes,
) -> None:
    """Copy what the user wants out of the store: the student, its predictions and its history, and figures."""
    for name, place in predictions.items():
        folder.copy(place, f"{PREDICTIONS}{name}")
    for name, place in shown.items():
        folder.copy(place, name)
    if not tagger.is_model:
        return
    model = tagger.folder
    student = folder.copy(model, STUDENT)
    for research in _research_models(model):
        folder.copy(research, RESEARCH)

    def finish() -> None:
        config = read_json(student / "config.json")
        # What the Tagger does is what was scored.
        decoding = config.setdefault("xner", {})  # a given model may have none
        decoding.setdefault("decoding", "viterbi")
        decoding["start_constraint"] = start_constraint
        if calibration is not None:
            decoding["temperature"] = calibration["temperature"]
        write_json(student / "config.json", config)
        state_input_limit(student)
        for file in (HISTORY, HISTORY_PLOT):
            if (model.parent / file).exists():
                shutil.copyfile(model.parent / file, folder.path / file)

    on_main(processes, finish)
