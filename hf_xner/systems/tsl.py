"""TSL: single- and multi-source teacher-student learning (Wu et al., ACL 2020, section 3).

    teacher_k    = train(encoder, source_k)                                 or a tagger that was given (--teacher)
    similarity   = tell the sources apart by their sentences' vectors       s(x, mu_k) = g(x)^T M mu_k
    alpha_k      = mean over the target text of softmax_k(s(x, mu_k) / tau)
    soft labels  = sum_k alpha_k label(target text, teacher_k)
    student      = distil(encoder, target text, soft labels)

Variants for one teacher, by the rows of the paper's table 2:

    tsl   Ours: soft labels          hl   HL: the teacher's output rounded to one-hot, the squared error kept
    mt    MT: the teacher applied to the target as it is (direct model transfer)

With several teachers these three are made of each alone, as tsl_de, hl_de, mt_de; and (tables 3 to 5):

    avg   Ours-avg: alpha_k = 1/K    sim     Ours-sim: alpha by learned similarity
    hl_avg, hl_sim                   HL-avg, HL-sim: one-hot vectors of the mixture
    mt_avg, mt_sim                   MT-avg, MT-sim: the mixture itself as the predictor
    cosine, l2, l1                   alpha by a similarity that is not learned (l1 is in the released program alone)
    joint                            direct transfer from one model trained on all sources together (Moon et al., 2019)

`supervised` is an upper bound: a tagger trained on the target's own labels, never a zero-resource result.

No labelled sentence is needed where the teachers are given, and the target may be plain text:

    xner train tsl --teacher ORG/MODEL --target mytext.txt --output_dir runs/mine
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

from hf_xner.data.checks import require_split
from hf_xner.errors import InputError
from hf_xner.systems.arguments import learning_rate
from hf_xner.systems.several_teachers import (
    LEARNED,
    MEAN,
    SeveralTeachers,
    note_teachers,
    origins_of,
    tags_of,
    warn_of_seen_labels,
)
from hf_xner.systems.tagger_stages import SoftLabels, TrainedTagger, distil_tagger, settings_for, train_tagger
from hf_xner.systems.teacher_arguments import TeacherArguments
from hf_xner.systems.workspace import Workspace, joined
from hf_xner.training.settings import FitSettings

logger = logging.getLogger("hf_xner")

# What becomes of the teachers' probabilities ("soft" and "hard" labels for a student, or they predict themselves), and
# what weighs the teachers (None: each for itself).
RECIPES: dict[str, tuple[str, str | None]] = {
    "mt": ("predict", None),
    "hl": ("hard", None),
    "tsl": ("soft", None),
    "mt_avg": ("predict", MEAN),
    "mt_sim": ("predict", LEARNED),
    "hl_avg": ("hard", MEAN),
    "hl_sim": ("hard", LEARNED),
    "avg": ("soft", MEAN),
    "sim": ("soft", LEARNED),
    "cosine": ("soft", "cosine"),
    "l2": ("soft", "l2"),
    "l1": ("soft", "l1"),
}
SINGLE = ("mt", "hl", "tsl")
SEVERAL = (*(name for name in RECIPES if name not in SINGLE), "joint")
VARIANTS = (*SINGLE, *SEVERAL, "supervised")
PREFERENCE = ("sim", "avg", "tsl", "hl_sim", "hl_avg", "cosine", "l2", "l1", "hl", "joint", "mt", "supervised")
BASELINE = ("mt", "mt_avg", "avg")


@dataclass
class Arguments(TeacherArguments):
    """Options of TSL; defaults from the paper and its script."""

    variants: list[str] = field(
        default_factory=lambda: ["auto"],
        metadata={
            "aliases": "--variant",
            "help": "Any of mt (direct transfer), hl (hard labels), tsl, supervised (upper bound); with several "
            f"teachers also {', '.join(SEVERAL)}. all: every one but supervised; auto: mt and tsl, or mt_avg, avg and "
            "sim. joint is left out of all where the sources' tags differ.",
        },
    )
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "5e-5 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    teacher_epochs: float = field(default=3.0, metadata={"help": "Passes over the source sentences."})
    student_learning_rate: float | None = field(
        default=None, metadata={"help": "1e-4 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    student_epochs: float = field(default=3.0, metadata={"help": "Passes over the target sentences."})
    student_weight_decay: float | None = field(
        default=None,
        metadata={
            "help": "Of students, instead of --weight_decay; the released program has 1e-5 for several sources."
        },
    )

    def _check(self) -> None:
        super()._check()
        self.asked_for_all = self.variants == ["all"]  # no option of its own, so no field
        if self.variants in (["auto"], ["all"]):
            self.variants = self._made_of(self.variants[0])
        unknown = sorted(set(self.variants) - set(VARIANTS))
        if unknown:
            raise InputError(f"{unknown[0]!r} is not one of {', '.join(VARIANTS)}", where="--variants")
        if not self.variants:
            raise InputError("no variant was given", where="--variants")
        if not self.target:
            raise InputError(
                "no target corpus was given", where="--target", remedy="add --target SPEC (see `xner data list`)"
            )
        for variant in self.variants:
            if reason := self._refused(variant):
                raise InputError(f"{variant} {reason[0]}", where="--variants", remedy=reason[1])
        if (self.student_weight_decay or 0) < 0:
            raise InputError(f"{self.student_weight_decay} is less than 0", where="--student_weight_decay")

    def _made_of(self, shorthand: str) -> list[str]:
        several = self.n_teachers > 1
        usual = ("mt_avg", "avg", "sim") if several else ("mt", "tsl")
        wanted = usual if shorthand == "auto" else VARIANTS[:-1] if several else SINGLE
        return [variant for variant in wanted if not self._refused(variant)]

    def _refused(self, variant: str) -> tuple[str, str] | None:
        """Why a variant cannot be made of these teachers, and what to do; None where it can."""
        if variant in SEVERAL and self.n_teachers < 2:
            return "is of several teachers, and there is one", "give several --source or --teacher"
        if variant == "joint" and len(self.source) < 2:
            return "is trained on several sources, and there are fewer than two", "give several --source"
        by_similarity = variant in RECIPES and RECIPES[variant][1] not in (None, MEAN)
        if by_similarity and len(self.teacher_text) < len(self.teacher):
            return (
                "compares the teachers' languages, and there is no text of those of the given ones",
                "add --teacher_text with a text for each --teacher, or use avg",
            )
        return None


def known_types(space: Workspace) -> tuple[list[str], str]:
    """The entity types of this run's taggers, and what to call these; refuses teachers that do not fit together."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    origins = origins_of(space)
    note_teachers(space, origins)
    warn_of_seen_labels(space, origins)
    for spec in arguments.source:
        space.selection_set("teacher", spec)
    for spec in arguments.teacher_text:
        require_split(space.corpus(spec), "train", spec)
    if "joint" in arguments.variants:
        _check_joint(space, arguments)
    alone = len(origins) == 1 and arguments.source
    who = f"a tagger trained on {arguments.source[0]}" if alone else "what the teachers teach"
    return tags_of(space, origins).types, who


def _check_joint(space: Workspace, arguments: Arguments) -> None:
    """Refuse `joint` for sources with different tags; of `--variants all` it is no more than left out."""
    try:
        joined([space.labelled(spec, "train") for spec in arguments.source])
    except InputError as error:
        if not arguments.asked_for_all:
            remedy = f"{error.remedy}, or leave joint out"
            raise InputError(f"joint: {error.what}", where="--variants", remedy=remedy) from None
        arguments.variants = [variant for variant in arguments.variants if variant != "joint"]
        if space.processes.rank == 0:
            logger.warning("joint is left out: %s", error.what)


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """Everything that one seed makes: a tagger for each variant asked for."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    # Read before anything trains, so that a target without tags is refused at once.
    gold = space.labelled(arguments.target, "train") if "supervised" in arguments.variants else None
    taggers: dict[str, TrainedTagger] = {}
    wanted = [variant for variant in arguments.variants if variant in RECIPES]
    teachers = SeveralTeachers(space, seed, lambda name, spec: _teacher(space, seed, name, [spec])) if wanted else None
    for variant in arguments.variants:
        if variant == "joint":
            taggers[variant] = _teacher(space, seed, f"joint teacher, seed {seed}", arguments.source)
        elif teachers is not None and variant in wanted:
            taggers |= _made(space, seed, variant, teachers)
    if gold is not None:
        on_target = arguments.select_on.startswith("target")
        dev = space.selection_set("student", epochs=arguments.teacher_epochs) if on_target else None
        taggers["supervised"] = train_tagger(
            space, f"upper bound, seed {seed}", gold, _settings(space, seed, "teacher", dev is not None), dev
        )
    return taggers


def _made(space: Workspace, seed: int, variant: str, teachers: SeveralTeachers) -> dict[str, TrainedTagger]:
    """A variant's tagger; of a variant of single teachers one for each of several."""
    use, measure = RECIPES[variant]
    if measure is not None:
        if use == "predict":
            return {variant: teachers.mixed_predictor(measure)}
        return {variant: _student(space, seed, variant, use, teachers.mixed_labels(measure))}
    several = len(teachers) > 1
    names = [f"{variant}_{origin.name}" if several else variant for origin in teachers.origins]
    if use == "predict":
        return {name: teachers.transferred(index) for index, name in enumerate(names)}
    return {name: _student(space, seed, name, use, teachers.labels(index)) for index, name in enumerate(names)}


def _teacher(space: Workspace, seed: int, name: str, sources: list[str]) -> TrainedTagger:
    """A teacher of one source, or of all together."""
    corpus = joined([space.labelled(spec, "train") for spec in sources])
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    picked_on = (space.selection_set("teacher", spec, epochs=arguments.teacher_epochs) for spec in sources)
    devs = [dev for dev in picked_on if dev is not None]
    dev = joined(devs) if devs else None
    return train_tagger(space, name, corpus, _settings(space, seed, "teacher", dev is not None), dev)


def _student(space: Workspace, seed: int, name: str, targets: str, labels: SoftLabels) -> TrainedTagger:
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    dev = space.selection_set("student", epochs=arguments.student_epochs)
    settings = _settings(space, seed, "student", dev is not None)
    return distil_tagger(
        space, f"{name} student, seed {seed}", space.target_text, labels, settings, targets=targets, dev=dev
    )


def _settings(space: Workspace, seed: int, role: str, selects: bool) -> FitSettings:
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    if role == "teacher":
        rate = learning_rate(arguments.teacher_learning_rate, arguments.encoder, role, 5e-5)
        return settings_for(space, seed, rate, arguments.teacher_epochs, selects)
    rate = learning_rate(arguments.student_learning_rate, arguments.encoder, role, 1e-4)
    settings = settings_for(space, seed, rate, arguments.student_epochs, selects)
    decay = arguments.student_weight_decay
    return settings if decay is None else replace(settings, weight_decay=decay)
