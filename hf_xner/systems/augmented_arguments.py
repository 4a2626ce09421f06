"""Options of augmented fine-tuning, and what tells its variants apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

from hf_xner.errors import InputError
from hf_xner.labels import normalise_scheme
from hf_xner.models.bilstm_crf import ACTIVATIONS
from hf_xner.models.word_features import UNSEEN
from hf_xner.systems.arguments import SystemArguments, check_choice
from hf_xner.training.augmented_settings import LOSS_OVER, JointSettings, TaggerSettings
from hf_xner.translation.mapping import Side
from hf_xner.translation.vectors import NORMALISATIONS


@dataclass(frozen=True)
class Setup:
    """What tells the one-encoder variants apart.

    Attributes:
        vectors: "mapped", "monolingual" or "random".
        characters: Whether characters are read.
        tied: Whether directions share their weights.
    """

    vectors: str
    characters: bool = True
    tied: bool = False


SETUPS = {
    "source_mono_random_no_char": Setup("random", characters=False),
    "source_mono_random": Setup("random"),
    "source_mono_no_char": Setup("monolingual", characters=False),
    "source_mono": Setup("monolingual"),
    "cross_word_no_char": Setup("mapped", characters=False),
    "cross_word": Setup("mapped"),
    "cross_shared_no_char": Setup("mapped", characters=False, tied=True),
    "cross_shared": Setup("mapped", tied=True),
}
AUGMENTED, SUPERVISED_BOUND, DISTILLED = "cross_augmented", "supervised", "distilled"
VARIANTS = (*SETUPS, AUGMENTED, SUPERVISED_BOUND)


@dataclass
class Arguments(SystemArguments):
    """Options of augmented fine-tuning; defaults from the paper where it says."""

    variants: list[str] = field(
        default_factory=lambda: ["source_mono", "cross_word", "cross_shared", AUGMENTED],
        metadata={
            "aliases": "--variant",
            "help": "Any of " + ", ".join(VARIANTS) + "; all for every one but supervised.",
        },
    )
    source_vectors: str | None = field(default=None, metadata={"help": "Word vectors of the source (.vec, .vec.gz)."})
    target_vectors: str | None = field(default=None, metadata={"help": "Word vectors of the target."})
    mapping: str | None = field(
        default=None, metadata={"help": "A folder of `xner vectors map`, instead of learning a mapping here."}
    )
    mapped: str = field(
        default="source", metadata={"help": "The side that a mapping learnt here moves: source, target."}
    )
    map_by: str = field(
        default="adversarial",
        metadata={"help": "adversarial (as published; hours without a GPU) or identical (strings as the seed)."},
    )
    mapping_epochs: int = field(default=5, metadata={"help": "Epochs of the adversarial phase."})
    mapping_updates: int = field(default=31_250, metadata={"help": "Updates of the mapping in each of them."})
    mapping_seeds: list[int] = field(
        default_factory=lambda: [0], metadata={"help": "Adversarial runs; the best counts."}
    )
    refinement_rounds: int = field(default=5, metadata={"help": "Refinement rounds."})
    max_words: int = field(
        default=200_000, metadata={"help": "Most frequent words of the vector files that are used."}
    )
    normalise_vectors: list[str] = field(
        default_factory=list,
        metadata={"help": "Steps before vectors are mapped here: renorm, center; none as published."},
    )
    vector_length: float = field(
        default=4.0,
        metadata={"help": "Length that every word vector is brought to; 0 keeps the lengths they come with."},
    )
    unseen: str = field(
        default="zero",
        metadata={"help": "Words without a vector, as written or lower-cased: zero, or ngrams (from their spelling)."},
    )
    keep_words: int = field(
        default=100_000,
        metadata={
            "help": "Most frequent words whose vectors a saved model keeps, beside those of the training texts."
        },
    )
    scheme: str = field(default="iobes", metadata={"help": "Tags that are learnt: iobes, or iob2 (Arabic)."})
    augment_from: str = field(
        default="cross_shared",
        metadata={"help": "The cross_* variant that cross_augmented begins with: the best of them, as published."},
    )
    epochs: int = field(default=30, metadata={"help": "Passes over the source sentences."})
    batch_size: int = field(default=16, metadata={"help": "Sentences of each language in one step."})
    learning_rate: float = field(default=0.1, metadata={"help": "Rate of SGD in the first epoch."})
    rate_decay: float = field(default=0.01, metadata={"help": "In epoch e the rate is divided by 1 + rate_decay e."})
    min_rate: float = field(default=1e-4, metadata={"help": "The least rate."})
    max_grad_norm: float = field(default=5.0, metadata={"help": "Gradient clipping; 0 for none."})
    evaluation_steps: int = field(default=150, metadata={"help": "Batches between two evaluations on --select_on."})
    longest_sentence: int = field(
        default=250,
        metadata={
            "help": "Longer sentences do not train, neither the source's (as published) nor the target's; all are "
            "tagged."
        },
    )
    loss_over: str = field(
        default="sum", metadata={"help": "A batch's loss: sum over its sentences (as published), or mean: sentences."}
    )
    dropout: float = field(default=0.5, metadata={"help": "Dropout of the joined characters' and word vectors."})
    activation: str = field(
        default="tanh", metadata={"help": "After the dense layers: tanh or linear; not published."}
    )
    draws: int = field(default=30, metadata={"help": "Draws of a sentence length and new pseudo labels, at most."})
    patience: int = field(default=5, metadata={"help": "End after so many draws without a better score."})
    shortest_threshold: int | None = field(
        default=None, metadata={"help": "Least length drawn; by default the shortest target sentence's."}
    )
    longest_threshold: int | None = field(
        default=None, metadata={"help": "Greatest length drawn; by default the longest target sentence's."}
    )
    detach_source: bool = field(
        default=False, metadata={"help": "Keep what theta_t learns out of the source encoder that it reads."}
    )
    select_on: str = field(
        default="none",
        metadata={
            "help": "Which labelled set picks the best weights: none, source_dev, target_dev, or target_test (an "
            "oracle, never for publication). With source_dev cross_augmented is chosen and stopped by theta_s alone."
        },
    )
    distil_to: str | None = field(
        default=None, metadata={"help": "Distil the best variant into this encoder: an ordinary model comes out."}
    )
    student_learning_rate: float | None = field(default=None, metadata={"help": "Of that student; see tsl."})
    student_epochs: float = field(default=3.0, metadata={"help": "Its passes over the target sentences."})
    student_batch_size: int = field(default=32, metadata={"help": "Its sentences in one step."})

    def _check(self) -> None:
        super()._check()
        if self.variants == ["all"]:
            self.variants = [*SETUPS, AUGMENTED]
        self.scheme = normalise_scheme(self.scheme)
        choices = [
            *(("--variants", variant, VARIANTS) for variant in self.variants),
            *(("--normalise_vectors", step, NORMALISATIONS) for step in self.normalise_vectors),
            ("--augment_from", self.augment_from, tuple(name for name in SETUPS if name.startswith("cross_"))),
            ("--mapped", self.mapped, get_args(Side)),
            ("--map_by", self.map_by, ("adversarial", "identical")),
            ("--unseen", self.unseen, UNSEEN[:2]),
            ("--scheme", self.scheme, ("iobes", "iob2")),
            ("--loss_over", self.loss_over, LOSS_OVER),
            ("--activation", self.activation, ACTIVATIONS),
        ]
        for option, value, allowed in choices:
            check_choice(option, value, allowed)
        for name in ("epochs", "evaluation_steps", "longest_sentence", "draws", "patience", "max_words"):
            if getattr(self, name) < 1:
                raise InputError(f"{getattr(self, name)} is less than 1", where=f"--{name}")
        if self.keep_words < 0:
            raise InputError(f"{self.keep_words} is less than 0", where="--keep_words")
        if not self.mapping_seeds or min(self.mapping_seeds) < 0:
            raise InputError(f"{self.mapping_seeds} are not one or more seeds from 0 on", where="--mapping_seeds")
        if not 0 <= self.dropout < 1 or self.vector_length < 0:
            raise InputError("dropout is in [0, 1), a length at least 0", where="--dropout, --vector_length")
        if not self.target or len(self.source) != 1 or not self.variants:
            raise InputError(
                f"{len(self.source)} sources, target {self.target!r}, {len(self.variants)} variants: augmented takes "
                "one source, one target and at least one variant",
                where="--source, --target, --variants",
                remedy="see `xner data list`",
            )
        if self.distil_to is not None and set(self.variants) == {SUPERVISED_BOUND}:
            raise InputError(
                "the student would learn from the upper bound, and so from the target's own tags",
                where="--distil_to",
                remedy=f"add a variant that uses none of them, such as {AUGMENTED}",
            )
        self._check_vectors()

    def _check_vectors(self) -> None:
        given = [self.source_vectors is not None, self.target_vectors is not None]
        needed = self.vector_kinds
        if needed - {"random"} and not all(given) and (any(given) or self.mapping is None):
            raise InputError(
                f"{' and '.join(sorted(needed - {'random'}))} vectors need those of both languages",
                where="--source_vectors, --target_vectors",
                remedy="train some with `xner vectors train`, or give --mapping DIR (`xner vectors map`)",
            )

    @property
    def vector_kinds(self) -> set[str]:
        """The kinds of vectors that the variants need: "mapped", "monolingual", "random"."""
        return {"monolingual" if name == SUPERVISED_BOUND else self.setup(name).vectors for name in self.variants}

    def setup(self, variant: str) -> Setup:
        """What the variant is, or begins with."""
        return SETUPS[self.augment_from if variant == AUGMENTED else variant]

    def tagger_settings(self, seed: int, setup: Setup, selects: bool) -> TaggerSettings:
        """Settings of stage B3."""
        return TaggerSettings(
            epochs=self.epochs,
            scheme=self.scheme,
            characters=setup.characters,
            tied=setup.tied,
            dropout=self.dropout,
            activation=self.activation,
            **self._descent(seed, selects),
        )

    def joint_settings(self, seed: int, selects: bool) -> JointSettings:
        """Settings of stages B4 and B5."""
        return JointSettings(
            draws=self.draws,
            patience=self.patience,
            shortest_threshold=self.shortest_threshold,
            longest_threshold=self.longest_threshold,
            detach_source=self.detach_source,
            **self._descent(seed, selects),
        )

    def _descent(self, seed: int, selects: bool) -> dict[str, Any]:
        names = ("batch_size", "learning_rate", "rate_decay", "min_rate", "max_grad_norm", "evaluation_steps")
        same = {name: getattr(self, name) for name in (*names, "longest_sentence", "loss_over")}
        return same | {"seed": seed, "select": "best" if selects else "none"}
