"""TSL: single-source teacher-student learning (Wu et al., ACL 2020, section 3.1).

    teacher      = train(encoder, source)
    soft labels  = label(target text, teacher)
    student      = distil(encoder, target text, soft labels)

Variants: `tsl` (soft labels), `hl` (the teacher's output rounded to one-hot, the squared error kept), `mt` (the
teacher applied to the target as it is: direct model transfer), `supervised` (an upper bound: a tagger trained on the
target's own labels, never a zero-resource result).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hf_xner.errors import InputError
from hf_xner.systems.arguments import SystemArguments, learning_rate
from hf_xner.systems.tagger_stages import TrainedTagger, distil_tagger, label_text, settings_for, train_tagger
from hf_xner.systems.workspace import Workspace

VARIANTS = ("mt", "hl", "tsl", "supervised")
PREFERENCE = ("tsl", "hl", "mt", "supervised")
BASELINE = "mt"


@dataclass
class Arguments(SystemArguments):
    """Options of TSL; defaults from the paper and its script."""

    variants: list[str] = field(
        default_factory=lambda: ["mt", "tsl"],
        metadata={"help": "Any of mt (direct transfer), hl (hard labels), tsl, supervised (upper bound)."},
    )
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "5e-5 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    teacher_epochs: float = field(default=3.0, metadata={"help": "Passes over the source sentences."})
    student_learning_rate: float | None = field(
        default=None, metadata={"help": "1e-4 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    student_epochs: float = field(default=3.0, metadata={"help": "Passes over the target sentences."})

    def _check(self) -> None:
        super()._check()
        unknown = sorted(set(self.variants) - set(VARIANTS))
        if unknown:
            raise InputError(f"{unknown[0]!r} is not one of {', '.join(VARIANTS)}", where="--variants")
        if not self.variants:
            raise InputError("no variant was given", where="--variants")
        if not self.target:
            raise InputError(
                "no target corpus was given", where="--target", remedy="add --target SPEC (see `xner data list`)"
            )
        if len(self.source) != 1:
            raise InputError(
                f"{len(self.source)} sources were given, and single-source tsl takes one",
                where="--source",
                remedy="give exactly one labelled corpus",
            )


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """Everything that one seed makes: a tagger for each variant asked for."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    teacher_rate = learning_rate(arguments.teacher_learning_rate, arguments.encoder, "teacher", 5e-5)
    student_rate = learning_rate(arguments.student_learning_rate, arguments.encoder, "student", 1e-4)
    teacher_dev, student_dev = space.selection_set("teacher"), space.selection_set("student")
    teacher_settings = settings_for(space, seed, teacher_rate, arguments.teacher_epochs, teacher_dev is not None)
    student_settings = settings_for(space, seed, student_rate, arguments.student_epochs, student_dev is not None)

    # Read before anything trains, so that a target without tags is refused at once.
    gold = space.labelled(arguments.target, "train") if "supervised" in arguments.variants else None
    taggers: dict[str, TrainedTagger] = {}
    if set(arguments.variants) - {"supervised"}:
        source, text = space.labelled(arguments.source[0], "train"), space.target_text
        teacher = train_tagger(space, f"teacher, seed {seed}", source, teacher_settings, teacher_dev)
        for variant in arguments.variants:
            if variant == "mt":
                taggers[variant] = teacher
            elif variant in ("hl", "tsl"):
                soft_labels = label_text(space, f"soft labels, seed {seed}", teacher, text)
                taggers[variant] = distil_tagger(
                    space,
                    f"{variant} student, seed {seed}",
                    text,
                    soft_labels,
                    student_settings,
                    targets={"hl": "hard", "tsl": "soft"}[variant],
                    dev=student_dev,
                )
    if gold is not None:
        bound_dev = student_dev if arguments.select_on.startswith("target") else None
        settings = settings_for(space, seed, teacher_rate, arguments.teacher_epochs, bound_dev is not None)
        taggers["supervised"] = train_tagger(space, f"upper bound, seed {seed}", gold, settings, bound_dev)
    return taggers
