"""What there is to choose in TransAdv and AdvPicker: variants and options."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hf_xner.data.feeds import CORPORA, FEEDS, Feed, changed
from hf_xner.data.phase_rows import POSITIONS
from hf_xner.errors import InputError
from hf_xner.losses.adversarial import MEANS
from hf_xner.systems.arguments import check_choice
from hf_xner.systems.translation_stages import TranslatorArguments

TEACHERS = ("src", "entity", "context", "order")
MADE_WITHOUT_TRANSLATION = {"source", "source_shuffled", "target_text"}


@dataclass(frozen=True)
class Recipe:
    """How a variant of TransAdv differs from it.

    Attributes:
        language: Whether there are language discriminators.
        order: Whether there is an order discriminator.
        mladv: Whether Theta_src is trained against them.
        teachers: Whose probabilities are averaged.
        distils: Whether a student is; else the one teacher is the variant's tagger.
    """

    language: bool = True
    order: bool = True
    mladv: bool = True
    teachers: tuple[str, ...] = TEACHERS
    distils: bool = True


RECIPES = {
    "transadv": Recipe(),
    "without_ldis": Recipe(language=False),
    "without_odis": Recipe(order=False),
    "without_entity": Recipe(teachers=("src", "context", "order")),
    "without_context": Recipe(teachers=("src", "entity", "order")),
    "without_order": Recipe(teachers=("src", "entity", "context")),
    "without_mladv": Recipe(mladv=False),
    "without_mmkd": Recipe(teachers=("src",)),
    **{teacher: Recipe(teachers=(teacher,), distils=False) for teacher in TEACHERS},
    "mt": Recipe(mladv=False, teachers=("src",), distils=False),
}
VARIANTS = (*RECIPES, "advpicker", "tladv")


@dataclass
class Arguments(TranslatorArguments):
    """Options of TransAdv; defaults from the papers and AdvPicker's program."""

    variants: list[str] = field(
        default_factory=lambda: ["mt", "transadv"],
        metadata={"aliases": "--variant", "help": "Any of " + ", ".join(VARIANTS) + "; or all."},
    )
    teacher_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Of the tagging loss (L_ner); 6e-5 for mBERT-sized encoders; the built-in encoder has its own."
        },
    )
    generator_learning_rate: float | None = field(
        default=None,
        metadata={
            "help": "Of the generator, which is the encoder where it hides language and order (L_g); a hundredth of "
            "the teacher's by default: 6e-7 as published. At that rate the encoder hardly moves, and discriminators "
            "go on telling languages apart. A tenth of the teacher's hides more; near the discriminators' own the "
            "encoder forgets the languages, and in short trainings the tags."
        },
    )
    discriminator_learning_rate: float = field(
        default=5e-3, metadata={"help": "Of the discriminators of language (L_l) and order (L_o)."}
    )
    adversarial_momentum: float = field(
        default=0.9,
        metadata={
            "help": "beta_1 of AdamW for discriminators and generator; 0.5 keeps strong adversaries from oscillating."
        },
    )
    generator_step: bool = field(
        default=True, metadata={"help": "Off, discriminators only watch: what they can tell if nobody hides it."}
    )
    teacher_epochs: float = field(default=10.0, metadata={"help": "Passes over the tagged sentences, each teacher."})
    student_learning_rate: float | None = field(
        default=None, metadata={"help": "6e-5 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    student_epochs: float = field(default=10.0, metadata={"help": "Passes over the target sentences."})
    student_dropout: bool | None = field(
        default=None,
        metadata={
            "help": "Whether students train with dropout. By default they do, but for AdvPicker's, which in its "
            "program never leaves evaluation mode."
        },
    )
    adversarial_rows: int | None = field(
        default=None,
        metadata={
            "help": "Rows of each corpus in a step of a discriminator or of the generator; as many as --batch_size by "
            "default (AdvPicker). Fewer make Theta_src, which reads six corpora at a time, cheaper and smaller in "
            "memory. --micro_batch_size divides these steps exactly, too: in them a forward pass has so many rows of "
            "each corpus."
        },
    )
    tagging_corpora: list[str] = field(
        default_factory=lambda: list(FEEDS["src"].tagging), metadata={"help": "Corpora whose tags train Theta_src."}
    )
    language_corpora: list[str] = field(
        default_factory=lambda: list(FEEDS["src"].language),
        metadata={
            "help": "Corpora that the language discriminator of Theta_src sees: any of " + ", ".join(CORPORA) + "."
        },
    )
    order_corpora: list[str] = field(
        default_factory=lambda: list(FEEDS["src"].order),
        metadata={"help": "Corpora that the order discriminator of Theta_src sees."},
    )
    positions: str | None = field(
        default=None,
        metadata={
            "help": "What discriminators see: words (first sub-words), pieces (all sub-words), attended ([CLS] too). "
            "By default pieces, and attended for AdvPicker."
        },
    )
    adversarial_mean: str = field(
        default="classes",
        metadata={
            "help": "Adversarial losses are means over: classes (of each class, added: AdvPicker), all, or sentences "
            "(the paper's sums over words)."
        },
    )
    order_discriminator: str = field(
        default="bilstm",
        metadata={"help": "bilstm (2 x 128: the published number of weights) or lstm (256: the published formula)."},
    )
    shuffle_seed: int = field(default=0, metadata={"help": "Seed of the shuffled corpora, the same for all runs."})
    teacher_weights: list[float] = field(
        default_factory=lambda: [1.0, 1.0, 1.0, 1.0],
        metadata={"help": "w of Theta_src, Theta_entity, Theta_context, Theta_order; their sum need not be 1."},
    )
    without_mladv: str = field(
        default="fresh", metadata={"help": "Discriminators of A5 and A6 in that variant: fresh, or none."}
    )
    picked_share: float = field(default=0.8, metadata={"help": "AdvPicker: share of the target text to distil on."})
    teachers_like_student: bool = field(
        default=False,
        metadata={
            "help": "Pick teachers' epochs on the set that --select_on names, too (with target_dev: as published)."
        },
    )
    warmup: float = field(default=0.05, metadata={"help": "Share of the steps in which a rate rises."})
    max_grad_norm: float = field(default=0.0, metadata={"help": "Gradient clipping; 0 for none, as AdvPicker."})

    def _check(self) -> None:
        super()._check()
        if self.variants == ["all"]:
            self.variants = list(VARIANTS)
        unknown = sorted(set(self.variants) - set(VARIANTS))
        if unknown or not self.variants:
            raise InputError(f"{unknown or 'nothing'} is not among {', '.join(VARIANTS)}", where="--variants")
        for option, value, allowed in (
            ("--positions", self.positions or "pieces", POSITIONS),
            ("--adversarial_mean", self.adversarial_mean, MEANS),
            ("--order_discriminator", self.order_discriminator, ("bilstm", "lstm")),
            ("--without_mladv", self.without_mladv, ("fresh", "none")),
        ):
            check_choice(option, value, allowed)
        finite = all(math.isfinite(weight) and weight >= 0 for weight in self.teacher_weights)
        if len(self.teacher_weights) != 4 or not finite or not any(self.teacher_weights):
            raise InputError(
                f"{self.teacher_weights} are no weights of four teachers",
                where="--teacher_weights",
                remedy=f"give one each for {', '.join(TEACHERS)}: no number below 0, and one above",
            )
        for variant in set(self.variants) & set(RECIPES):
            # One teacher alone is not averaged, so nothing weighs it.
            if len(RECIPES[variant].teachers) > 1 and not any(self.weight(who) for who in RECIPES[variant].teachers):
                raise InputError(
                    f"every teacher of {variant} has weight 0",
                    where="--teacher_weights",
                    remedy=f"give one of {', '.join(RECIPES[variant].teachers)} more, or leave the variant out",
                )
        if not 0 < self.picked_share <= 1:
            raise InputError(f"{self.picked_share} is no share", where="--picked_share", remedy="give 0.8, say")
        if not 0 <= self.adversarial_momentum < 1:
            found = f"{self.adversarial_momentum} is not from 0 to below 1"
            raise InputError(found, where="--adversarial_momentum", remedy="give 0.5, say")
        self._check_adversarial_rows()
        if self.lora_rank:
            raise InputError("adversarial training has no LoRA adapters", where="--lora_rank", remedy="leave it at 0")
        if not self.target or len(self.source) != 1:
            raise InputError(
                f"{len(self.source)} sources and target {self.target!r}: transadv takes one of each",
                where="--source, --target",
                remedy="see `xner data list`",
            )
        self.feed()
        if any(set(feed.corpora) - MADE_WITHOUT_TRANSLATION for feed in self.feeds()):
            self._check_translator()

    def weight(self, teacher: str) -> float:
        """What a teacher counts."""
        return self.teacher_weights[TEACHERS.index(teacher)]

    def feed(self) -> Feed:
        """What feeds which loss of Theta_src.

        Raises:
            InputError: It cannot be fed so.
        """
        feed = FEEDS["src"]
        for name in ("tagging", "language", "order"):
            option = f"{name}_corpora"
            try:
                feed = changed(feed, **{name: getattr(self, option)})
            except ValueError as error:
                usual = " ".join(getattr(FEEDS["src"], name))
                raise InputError(str(error), where=f"--{option}", remedy=f"the default is {usual}") from error
        return feed

    def _check_adversarial_rows(self) -> None:
        """Refuse too few rows for a step to have a batch of them, in the training with the fewest corpora."""
        if self.adversarial_rows is None:
            return
        feeds = [*self.feeds(), *(FEEDS["advpicker"] for name in ("advpicker", "tladv") if name in self.variants)]
        fewest = min((len(feed.adversarial) for feed in feeds if feed.adversarial), default=self.batch_size)
        if fewest * self.adversarial_rows < self.batch_size:
            raise InputError(
                f"{fewest} corpora of {self.adversarial_rows} rows each are less than a batch of {self.batch_size}",
                where="--adversarial_rows",
                remedy=f"give at least {-(-self.batch_size // fewest)}",
            )

    def feed_of(self, who: str, recipe: Recipe) -> Feed:
        """What feeds which loss of a teacher."""
        if who == "src" and not recipe.mladv:
            return Feed(tagging=("source",))
        feed = self.feed() if who == "src" else FEEDS[who]
        if not recipe.mladv and self.without_mladv == "none":
            return feed.without(language=True, order=True)
        return feed.without(language=not recipe.language, order=not recipe.order)

    def feeds(self) -> list[Feed]:
        """What feeds all teachers of the variants, Theta_src first, from which the others go on."""
        recipes = [RECIPES[variant] for variant in self.variants if variant in RECIPES]
        return [self.feed_of(who, recipe) for recipe in recipes for who in dict.fromkeys(("src", *recipe.teachers))]
