"""What the student of a run is, and who taught it: variants differ, and with them what a card may say.

Read from the run's records alone; the systems themselves would bring torch along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SINGLE = ("mt", "hl", "tsl")  # of one teacher; where tsl has several, they are called mt_NAME, hl_NAME, tsl_NAME
MIXED = ("mt_avg", "mt_sim", "hl_avg", "hl_sim")
JOINT = "joint"
# Trained on tags and applied to the target as they are, of whichever system: no student of anybody.
_AS_THEY_ARE = frozenset(
    {"mt", JOINT, "data_transfer", "combination", "teacher", "src", "entity", "context", "order", "tladv"}
)
SUPERVISED = "supervised"
# BiLSTM-CRFs that augmented fine-tuning is compared with, and upper bounds.
_OF_TAGS_ALONE = {
    *(SUPERVISED, "source_mono", "source_mono_no_char", "source_mono_random", "source_mono_random_no_char"),
    *("cross_word", "cross_word_no_char", "cross_shared", "cross_shared_no_char"),
}


@dataclass(frozen=True)
class Lineage:
    """Whom a run's student learnt from, or whose copy it is.

    Attributes:
        sources: Labelled corpora that teachers were trained on.
        given: Positions among `--teacher` of those that were given.
        teacher: Name of the one teacher, where the run has several and the student is of one alone; else "".
    """

    sources: tuple[str, ...]
    given: tuple[int, ...]
    teacher: str = ""


def lineage_of(results: Mapping[str, Any]) -> Lineage:
    """Find it out.

    Args:
        results: The run's `results.json`.
    """
    arguments, variant = results["arguments"], str(results["student"])
    sources, given = tuple(arguments["source"]), tuple(range(len(arguments.get("teacher") or [])))
    if results["system"] != "tsl":
        return Lineage(sources, given)
    if variant == JOINT:
        return Lineage(sources, ())
    names = list(results.get("teachers") or {})  # in the order of the options, sources first
    kind, _, name = variant.partition("_")
    if kind not in SINGLE or variant in MIXED or name not in names:
        return Lineage(sources, given)
    index = names.index(name)
    if index < len(sources):
        return Lineage((sources[index],), (), name)
    return Lineage((), (index - len(sources),), name)


def is_as_it_is(variant: str) -> bool:
    """Whether a variant is applied to the target as it was trained, without a student."""
    return variant in _AS_THEY_ARE or variant.startswith("mt_")


def learnt_from_text(variant: str) -> bool:
    """Whether unlabelled text of the target took part: in training, or in the weights of a mean of teachers."""
    if variant in ("tladv", "mt_sim"):  # no student, but a discriminator or a measure of similarity has read it
        return True
    return not (is_as_it_is(variant) or variant in _OF_TAGS_ALONE)


def all_chosen_alike(arguments: Mapping[str, Any], system: str) -> bool:
    """Whether `--select_on` picks teachers, too: others are picked on their own language's labels."""
    return system == "augmented" or bool(arguments.get("teachers_like_student"))


def chosen_on(results: Mapping[str, Any]) -> str:
    """The labelled set that picked the weights of a run's student, as `--select_on` calls it, or "none".

    Labels of the target that picked the teachers behind it count, too, where its own training was too short to pick.
    """
    arguments = results["arguments"]
    asked = str(arguments.get("select_on", "none"))
    if "chosen_on" in results:
        behind = asked.startswith("target") and all_chosen_alike(arguments, results["system"])
        return asked if behind and results["target_labels_used"] else str(results["chosen_on"])
    # Of a run that has not recorded it: what its options ask for, though a training of one epoch has nothing to pick.
    if asked == "none" or not is_as_it_is(results["student"]) or all_chosen_alike(arguments, results["system"]):
        return asked
    return "source_dev" if lineage_of(results).sources else "none"
