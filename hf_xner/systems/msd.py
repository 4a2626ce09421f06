"""MSD: mixture of short-channel distillers (Ma et al., EMNLP 2022, section 3).

    teacher     = train(encoder with a classifier on every upper layer, source)         L_main + alpha L_aux
    labels      = label(target text, teacher), every channel
    vectors     = the teacher's [CLS] states on the source's sentences
    student     = distil(encoder with classifiers, target text, labels)                 L_main^KD + beta L_aux^KD
                  + alpha' MMD^2(teacher on source, student on source)                  L_MMD^M
                  + beta' MMD^2(teacher on source, student on target)                   L_MMD^L

The student that is left is a plain tagger: its last channel. Variants, by the rows of the paper's tables:

    msd                 MSD                              mt         BS: the last-layer teacher as it is
    without_distillers  w/o distillers (last layer)      teacher    the teacher with channels as it is
    without_mmd_l       w/o L_MMD^L (beta' = 0)          tsl_mmd    TSL w. MMD: implicit transfer, MMD in the teacher
    without_mmd_m       w/o L_MMD^M (alpha' = 0)
    without_mmd         distillers alone (Figure 3)
    without_all         w/o all: plain distillation, tsl's own stages

The pilot comparison (Table 5) is `--variants mt teacher --evaluate_on source_test`.

The released program differs from the paper. Its student never learns from the teacher's auxiliary channels: what it
adds for layers 4 to 11 is their cross-entropy against the tags found in the target's training file. Where that file
holds gold tags, the student is trained on them, so the published gains of the rows with channels may not be those of
the method. That behaviour is no option here: target tags do not get as far as training, and with tags blanked to O it
would only teach those layers O. `--weights released` takes the released alpha and beta, nothing else.

`--channel_weighting free`, the paper's text, degenerates: the gradient of lambda_m L_m by lambda_m is L_m > 0, so
every lambda falls, and a channel whose lambda is below 0 is trained to maximise its loss. A warning tells of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hf_xner.errors import InputError
from hf_xner.models.freezing import default_frozen_layers
from hf_xner.systems.arguments import SystemArguments, check_choice, learning_rate
from hf_xner.systems.msd_stages import (
    EncoderShape,
    check_encoder,
    describe_sentences,
    distil_channels,
    encoder_shape,
    label_channels,
    train_channels,
    train_implicit,
    without_tags,
)
from hf_xner.systems.tagger_stages import TrainedTagger, distil_tagger, label_text, settings_for, train_tagger
from hf_xner.systems.workspace import Labelled, Workspace
from hf_xner.training.channel_map import map_channels
from hf_xner.training.fit_channels import ChannelSettings
from hf_xner.training.msd import Discrepancy, ImplicitTransferLoss, StudentLoss, TeacherLoss
from hf_xner.training.settings import FitSettings

TEACHERS = ("mt", "teacher")
# Whether the student has distillers, L_MMD^M and L_MMD^L.
STUDENTS = {
    "msd": (True, True, True),
    "without_distillers": (False, True, True),
    "without_mmd_l": (True, True, False),
    "without_mmd_m": (True, False, True),
    "without_mmd": (True, False, False),
}
PLAIN_STUDENTS = ("without_all", "tsl_mmd")
VARIANTS = (*TEACHERS, *PLAIN_STUDENTS, *reversed(STUDENTS))
PREFERENCE = (*STUDENTS, "tsl_mmd", "without_all", "teacher", "mt")
BASELINE = "without_all"
ALPHA_AND_BETA = {"paper": 0.05, "released": 0.1}


@dataclass
class Arguments(SystemArguments):
    """Options of MSD; defaults from the paper."""

    variants: list[str] = field(
        default_factory=lambda: ["mt", "without_all", "msd"],
        metadata={"aliases": "--variant", "help": "Any of " + ", ".join(VARIANTS) + "; all for every one."},
    )
    weights: str = field(
        default="paper", metadata={"help": "alpha and beta of the paper (0.05) or of the released program (0.1)."}
    )
    alpha: float | None = field(
        default=None, metadata={"help": "Weight of the teacher's auxiliary channels, instead of --weights."}
    )
    beta: float | None = field(
        default=None, metadata={"help": "Weight of the student's auxiliary channels, instead of --weights."}
    )
    mmd_model: float = field(default=0.001, metadata={"help": "alpha': weight of MMD between teacher and student."})
    mmd_language: float = field(default=0.001, metadata={"help": "beta': weight of MMD between source and target."})
    mmd_implicit: float = field(default=0.05, metadata={"help": "Weight of MMD in the teacher of tsl_mmd."})
    mmd_kernels: int = field(
        default=5, metadata={"help": "Gaussian kernels of MMD: 5 as released, 1 for the paper's single one."}
    )
    mmd_unbiased: bool = field(default=False, metadata={"help": "The unbiased estimator of MMD^2; released: biased."})
    channel_weighting: str = field(
        default="softmax",
        metadata={
            "help": "lambda: softmax of free parameters (released), or free: the parameters (paper's text), which "
            "training drives below 0, where a channel is trained to maximise its loss."
        },
    )
    channel_layers: list[int] | None = field(
        default=None,
        metadata={"help": "Layers with a classifier, the last one last; by default all above the frozen ones."},
    )
    student_encoder: str = field(
        default="",
        metadata={
            "help": "Another encoder for students; layers are matched by relative depth, [CLS] by a projection."
        },
    )
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "5e-5 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    teacher_epochs: float = field(default=10.0, metadata={"help": "Passes over the source sentences."})
    student_learning_rate: float | None = field(
        default=None, metadata={"help": "2e-5 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    student_epochs: float = field(default=10.0, metadata={"help": "Passes over the target sentences."})
    eval_every: int | None = field(
        default=None,
        metadata={
            "help": "With --select_on: look for the best model after so many updates (released: 20), not epochs."
        },
    )

    def _check(self) -> None:
        super()._check()
        if self.variants == ["all"]:
            self.variants = list(VARIANTS)
        unknown = sorted(set(self.variants) - set(VARIANTS))
        if unknown or not self.variants:
            raise InputError(f"{unknown or 'nothing'} is not among {', '.join(VARIANTS)}", where="--variants")
        check_choice("--weights", self.weights, tuple(ALPHA_AND_BETA))
        check_choice("--channel_weighting", self.channel_weighting, ("softmax", "free"))
        for name in ("alpha", "beta", "mmd_model", "mmd_language", "mmd_implicit"):
            if (getattr(self, name) or 0) < 0:
                raise InputError(f"{getattr(self, name)} is less than 0", where=f"--{name}")
        if self.lora_rank:
            raise InputError(
                "channels are trained with the encoder itself", where="--lora_rank", remedy="leave it out"
            )
        if self.mmd_kernels < 1 or (self.eval_every is not None and self.eval_every < 1):
            raise InputError("at least 1 is needed", where="--mmd_kernels, --eval_every")
        if not self.target or len(self.source) != 1:
            raise InputError(
                f"{len(self.source)} sources and target {self.target!r}: msd takes one of each",
                where="--source, --target",
                remedy="see `xner data list`",
            )


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """Everything that one seed makes: a tagger for each variant asked for."""
    models = _Models(space, seed)
    taggers: dict[str, TrainedTagger] = {}
    for variant in models.arguments.variants:
        if variant in TEACHERS:
            taggers[variant] = models.teacher(channels=variant == "teacher")
        elif variant in PLAIN_STUDENTS:
            taggers[variant] = _plain_student(models, variant)
        else:
            taggers[variant] = _student(models, variant)
    return taggers


def _student(models: _Models, variant: str) -> TrainedTagger:
    """MSD's student, or one of its ablations: they differ in which parts of the loss take part."""
    arguments, space, seed = models.arguments, models.space, models.seed
    distillers, by_model, by_language = STUDENTS[variant]
    teacher, kind = models.teacher(channels=distillers), "channels" if distillers else "last layer"
    if distillers:
        labels = label_channels(
            space, f"channel labels, seed {seed}", teacher, space.target_text, len(models.layers.teacher)
        )
    else:
        labels = label_text(space, f"soft labels, seed {seed}", teacher, space.target_text)
    matches = models.layers.matches() if distillers else [(models.layers.student_shape.depth, 0)]
    # Options without effect keep one value, so that they stay out of the stage's key.
    loss = StudentLoss(
        channels=tuple(position for _, position in matches),
        beta=models.weight("beta") if distillers else 0.0,
        mmd_model=arguments.mmd_model if by_model else 0.0,
        mmd_language=arguments.mmd_language if by_language else 0.0,
        discrepancy=models.discrepancy if by_model or by_language else Discrepancy(),
    )
    vectors = None
    if loss.compares:
        words = without_tags(models.source)
        vectors = describe_sentences(
            space, f"teacher's [CLS], {kind}, seed {seed}", teacher, words, arguments.max_length
        )
    return distil_channels(
        models.student_space,
        f"{variant} student, seed {seed}",
        space.target_text,
        labels,
        models.settings("student"),
        ChannelSettings(
            layers=tuple(layer for layer, _ in matches),
            weighting=arguments.channel_weighting if distillers else "softmax",
            teacher_hidden_size=models.layers.projected_width() if loss.compares else None,
        ),
        loss,
        n_teacher_channels=len(models.layers.teacher) if distillers else 1,
        vectors=vectors,
        dev=models.student_dev,
    )


def _plain_student(models: _Models, variant: str) -> TrainedTagger:
    """Plain distillation from the last-layer teacher, or from the teacher that MMD has drawn to the target."""
    space, seed = models.space, models.seed
    teacher = models.teacher(channels=False) if variant == "without_all" else models.implicit_teacher()
    name = "soft labels" if variant == "without_all" else "soft labels of implicit transfer"
    labels = label_text(space, f"{name}, seed {seed}", teacher, space.target_text)
    settings = models.settings("student")
    return distil_tagger(
        models.student_space,
        f"{variant} student, seed {seed}",
        space.target_text,
        labels,
        settings,
        dev=models.student_dev,
    )


def _with_channels(variants: list[str]) -> tuple[bool, bool]:
    """Whether the teacher's encoder gets channels, and the student's."""
    distilled = [variant for variant in variants if variant in STUDENTS and STUDENTS[variant][0]]
    return bool(distilled or {"teacher", "tsl_mmd"} & set(variants)), bool(set(variants) & set(STUDENTS))


class _Models:
    """What the variants of one seed share.

    Args:
        space: The workspace.
        seed: The seed.
    """

    def __init__(self, space: Workspace, seed: int) -> None:
        arguments = space.arguments
        assert isinstance(arguments, Arguments)
        self.arguments, self.space, self.seed = arguments, space, seed
        self.student_space = space.with_encoder(arguments.student_encoder or arguments.encoder)
        with_channels = _with_channels(arguments.variants)
        for encoder, channels in zip((space.encoder, self.student_space.encoder), with_channels, strict=True):
            check_encoder(encoder, arguments.freeze_layers, channels)
        self.layers = _layers(arguments, encoder_shape(space.encoder), encoder_shape(self.student_space.encoder))
        self.source: Labelled = space.labelled(arguments.source[0], "train")
        self.teacher_dev, self.student_dev = self._picked_on("teacher"), self._picked_on("student")
        self.discrepancy = Discrepancy(arguments.mmd_kernels, arguments.mmd_unbiased)

    def _picked_on(self, role: str) -> Labelled | None:
        by_updates = self.arguments.eval_every is not None  # then a short training has several models to pick from
        return self.space.selection_set(role, epochs=None if by_updates else getattr(self.arguments, f"{role}_epochs"))

    def settings(self, role: str) -> FitSettings:
        """How to train a "teacher" or "student"."""
        arguments, published = self.arguments, {"teacher": 5e-5, "student": 2e-5}[role]
        space, dev = (self.space, self.teacher_dev) if role == "teacher" else (self.student_space, self.student_dev)
        given: Any = getattr(arguments, f"{role}_learning_rate")
        rate = learning_rate(given, space.arguments.encoder, role, published)
        epochs = getattr(arguments, f"{role}_epochs")
        settings = settings_for(self.space, self.seed, rate, epochs, dev is not None)
        return replace(settings, eval_every=arguments.eval_every)

    def weight(self, name: str) -> float:
        """alpha or beta."""
        given = getattr(self.arguments, name)
        return ALPHA_AND_BETA[self.arguments.weights] if given is None else given

    def teacher(self, *, channels: bool) -> TrainedTagger:
        """The teacher with channels, or the last-layer one, which is tsl's."""
        settings, dev, seed = self.settings("teacher"), self.teacher_dev, self.seed
        if not channels:
            return train_tagger(self.space, f"last-layer teacher, seed {seed}", self.source, settings, dev)
        of_channels = ChannelSettings(tuple(self.layers.teacher), self.arguments.channel_weighting)
        loss = TeacherLoss(self.weight("alpha"))
        return train_channels(
            self.space, f"teacher with channels, seed {seed}", self.source, settings, of_channels, loss, dev
        )

    def implicit_teacher(self) -> TrainedTagger:
        """The last-layer teacher that MMD draws to the target while it trains."""
        return train_implicit(
            self.space,
            f"teacher of implicit transfer, seed {self.seed}",
            self.source,
            self.space.target_text,
            self.settings("teacher"),
            ChannelSettings((self.layers.teacher_shape.depth,)),
            ImplicitTransferLoss(self.arguments.mmd_implicit, self.discrepancy),
            self.teacher_dev,
        )


@dataclass(frozen=True)
class _Layers:
    """Channel layers of teacher and student, and the shapes of their encoders."""

    teacher: list[int]
    student: list[int]
    teacher_shape: EncoderShape
    student_shape: EncoderShape

    def matches(self) -> list[tuple[int, int]]:
        """(student's layer, position of its teacher among the teacher's channels)."""
        depths = self.teacher_shape.depth, self.student_shape.depth
        matched = map_channels(self.teacher, depths[0], self.student, depths[1])
        return [(layer, self.teacher.index(above)) for layer, above in matched]

    def projected_width(self) -> int | None:
        """The teacher's width where the student's differs."""
        same = self.teacher_shape.width == self.student_shape.width
        return None if same else self.teacher_shape.width


def _layers(arguments: Arguments, teacher: EncoderShape, student: EncoderShape) -> _Layers:
    def unfrozen(shape: EncoderShape) -> list[int]:
        frozen = arguments.freeze_layers
        first = default_frozen_layers(shape.depth) if frozen is None else frozen
        return list(range(min(first, shape.depth - 1) + 1, shape.depth + 1))

    chosen = arguments.channel_layers
    if chosen is not None and not (
        chosen and chosen == sorted(set(chosen)) and chosen[0] >= 1 and chosen[-1] == teacher.depth
    ):
        raise InputError(
            f"{chosen} do not ascend from 1 or more to the last layer, {teacher.depth}", where="--channel_layers"
        )
    of_teacher = unfrozen(teacher) if chosen is None else chosen
    of_student = of_teacher if chosen and student.depth == teacher.depth else unfrozen(student)
    return _Layers(of_teacher, of_student, teacher, student)
