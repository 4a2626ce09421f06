"""UniTrans: model transfer and data transfer unified (Wu et al., IJCAI 2020, section 3).

    source_model  = train(encoder, source)                                  Theta_src
    translated    = translate(source, word translator)                      D_trans
    target_model  = train(encoder, translated)                              Theta_trans
    teacher       = train on(source_model, translated)                      Theta_teach
    soft labels   = label(target text, teacher)
    votes         = words of the target text whose tag all three models agree on
    student       = distil(encoder, target text, eta L_hard(votes) + L_soft(soft labels))

Variants, by the rows of the paper's tables 2 to 4:

    unitrans         the whole                    without_soft   hard loss only (w/o L_soft)
    ensemble         + teacher ensembling         without_hard   soft loss only (w/o L_hard)
    mt               Theta_src (model transfer)   src_student    distilled from Theta_src alone (w/ Theta_src)
    data_transfer    Theta_trans                  trans_student  distilled from Theta_trans alone (w/ Theta_trans)
    teacher          Theta_teach (w/o D_T)        combination    one model on source and translated data together

Words are translated by mapped vectors (`--mapping`, or `--source_vectors` and `--target_vectors`), a dictionary, a
translation model or Google; `--translated` takes a corpus that is translated already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from hf_xner.errors import InputError
from hf_xner.systems.arguments import check_choice, learning_rate
from hf_xner.systems.tagger_stages import (
    SoftLabels,
    TrainedTagger,
    distil_tagger,
    label_text,
    settings_for,
    train_tagger,
)
from hf_xner.systems.translation_stages import TranslatorArguments, translate_source
from hf_xner.systems.unitrans_stages import average_soft_labels, vote_on_text
from hf_xner.systems.workspace import Labelled, Workspace, joined
from hf_xner.training.trainer import VotedLabelLoss

VARIANTS = (
    "mt",
    "data_transfer",
    "combination",
    "teacher",
    "src_student",
    "trans_student",
    "without_soft",
    "without_hard",
    "unitrans",
    "ensemble",
)
PREFERENCE = (
    "unitrans",
    "ensemble",
    "without_hard",
    "without_soft",
    "trans_student",
    "src_student",
    "teacher",
    "combination",
    "data_transfer",
    "mt",
)
BASELINE = "mt"


@dataclass
class Arguments(TranslatorArguments):
    """Options of UniTrans; defaults from the paper and its script."""

    variants: list[str] = field(
        default_factory=lambda: ["mt", "unitrans"],
        metadata={
            "aliases": "--variant",
            "help": "Any of " + ", ".join(VARIANTS) + "; all for every one but ensemble.",
        },
    )
    eta: float = field(default=1.0, metadata={"help": "Weight of the loss against voted labels, beside the soft one."})
    vote_mean: str = field(
        default="agreed",
        metadata={"help": "Its mean: over agreed words (released code) or over all words (the paper's 1/N)."},
    )
    ensemble_size: int = field(default=5, metadata={"help": "Runs of each model that `ensemble` averages (M)."})
    teacher_learning_rate: float | None = field(
        default=None, metadata={"help": "Of Theta_src, Theta_trans and Theta_teach; 5e-5 for mBERT-sized encoders."}
    )
    teacher_epochs: float = field(default=3.0, metadata={"help": "Passes over the labelled sentences, each model."})
    student_learning_rate: float | None = field(
        default=None, metadata={"help": "1e-4 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    student_epochs: float = field(default=3.0, metadata={"help": "Passes over the target sentences."})

    def _check(self) -> None:
        super()._check()
        if self.variants == ["all"]:
            self.variants = [variant for variant in VARIANTS if variant != "ensemble"]
        unknown = sorted(set(self.variants) - set(VARIANTS))
        if unknown or not self.variants:
            raise InputError(f"{unknown or 'nothing'} is not among {', '.join(VARIANTS)}", where="--variants")
        check_choice("--vote_mean", self.vote_mean, ("agreed", "words"))
        if self.ensemble_size < 1 or self.eta < 0:
            raise InputError("an ensemble has at least 1 run, eta is at least 0", where="--ensemble_size, --eta")
        if not self.target or len(self.source) != 1:
            raise InputError(
                f"{len(self.source)} sources and target {self.target!r}: unitrans takes one of each",
                where="--source, --target",
                remedy="see `xner data list`",
            )
        if self.translates:
            self._check_translator()

    @property
    def translates(self) -> bool:
        """Whether any variant learns from translated sentences."""
        return not set(self.variants) <= {"mt", "src_student"}


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """Everything that one seed makes: a tagger for each variant asked for."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    models = _Models(space)
    if arguments.translates:
        models.translated  # noqa: B018  (before anything trains, for it may fail)
    taggers: dict[str, TrainedTagger] = {}
    for variant in arguments.variants:
        if variant in models.OWN:
            taggers[variant] = models.get(variant, seed)
        else:
            taggers[variant] = _student(space, models, variant, seed)
    return taggers


def _student(space: Workspace, models: _Models, variant: str, seed: int) -> TrainedTagger:
    """Theta_stu, or one of its ablations: they differ in who teaches and in what takes part in the loss."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    dev = space.selection_set("student", epochs=arguments.student_epochs)
    rate = learning_rate(arguments.student_learning_rate, arguments.encoder, "student", 1e-4)
    settings = settings_for(space, seed, rate, arguments.student_epochs, dev is not None)
    seeds = _ensemble_seeds(arguments) if variant == "ensemble" else [seed]

    def says(model: str) -> SoftLabels:
        parts = [models.labels(model, run) for run in seeds]
        return average_soft_labels(space, f"{model}, mean of {len(seeds)}", space.target_text, parts)

    name = f"{variant} student, seed {seed}"
    if variant in ("src_student", "trans_student", "without_hard"):
        teacher = {"src_student": "mt", "trans_student": "data_transfer", "without_hard": "teacher"}[variant]
        return distil_tagger(space, name, space.target_text, says(teacher), settings, dev=dev)
    soft_labels = says("teacher")
    votes = vote_on_text(
        space,
        f"votes, {f'mean of {len(seeds)}' if len(seeds) > 1 else f'seed {seed}'}",
        space.target_text,
        [says("mt"), soft_labels, says("data_transfer")],
    )
    loss = VotedLabelLoss(arguments.eta, arguments.vote_mean, soft=variant != "without_soft")
    return distil_tagger(space, name, space.target_text, soft_labels, settings, targets=loss, votes=votes, dev=dev)


def _ensemble_seeds(arguments: Arguments) -> list[int]:
    """Seeds of the M runs that are averaged: those of this command first, so that their models serve twice."""
    seeds = list(arguments.seeds)
    while len(seeds) < arguments.ensemble_size:
        seeds.append(max(seeds) + 1)
    return seeds[: arguments.ensemble_size]


class _Models:
    """The models trained on labelled sentences, and what they say of the target text; each made when first asked for.

    Args:
        space: The workspace.
    """

    OWN = ("mt", "data_transfer", "combination", "teacher")

    def __init__(self, space: Workspace) -> None:
        self.space = space
        self.source = space.labelled(space.arguments.source[0], "train")
        arguments = space.arguments
        assert isinstance(arguments, Arguments)
        self.dev = space.selection_set("teacher", epochs=arguments.teacher_epochs)

    @cached_property
    def translated(self) -> Labelled:
        """D_trans."""
        return translate_source(self.space, "translation", self.source)

    def get(self, model: str, seed: int) -> TrainedTagger:
        """Theta_src, Theta_trans, Theta_teach, or the model of both corpora."""
        arguments = self.space.arguments
        assert isinstance(arguments, Arguments)
        rate = learning_rate(arguments.teacher_learning_rate, arguments.encoder, "teacher", 5e-5)
        settings = settings_for(self.space, seed, rate, arguments.teacher_epochs, self.dev is not None)
        if model == "mt":
            return train_tagger(self.space, f"source model, seed {seed}", self.source, settings, self.dev)
        if model == "data_transfer":
            return train_tagger(self.space, f"target model, seed {seed}", self.translated, settings, self.dev)
        if model == "teacher":
            start = self.get("mt", seed)
            return train_tagger(self.space, f"teacher, seed {seed}", self.translated, settings, self.dev, start=start)
        return train_tagger(
            self.space, f"both corpora, seed {seed}", joined([self.source, self.translated]), settings, self.dev
        )

    def labels(self, model: str, seed: int) -> SoftLabels:
        """The model's probabilities for every word of the target text."""
        name = f"soft labels of {model}, seed {seed}"
        return label_text(self.space, name, self.get(model, seed), self.space.target_text)
