"""Options of systems with several teachers, trained here or given."""

from __future__ import annotations

from dataclasses import dataclass, field

from hf_xner.data.mixtures import TYPE_RULES
from hf_xner.errors import InputError
from hf_xner.inference.sentence_vectors import POOLINGS
from hf_xner.losses.similarity import REGULARISERS
from hf_xner.models.language_similarity import TEMPERATURES
from hf_xner.systems.arguments import SystemArguments, check_choice
from hf_xner.systems.mixture_stages import LEVELS

CHOICES: dict[str, tuple[str, ...]] = {
    "types": TYPE_RULES,
    "weight_level": LEVELS,
    "mt_weights": ("train", "test"),
    "similarity_embedding": POOLINGS,
    "similarity_regulariser": REGULARISERS,
    "similarity_class_weights": ("none", "inverse"),
    "similarity_temperature": TEMPERATURES,
}


@dataclass
class TeacherArguments(SystemArguments):
    """Teachers that are given, what becomes of their types, and how they are weighed; defaults from the paper."""

    teacher: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Taggers to learn from as they are: folders (of runs, too) or Hub ids. No labelled sentence is "
            "needed then; --source adds teachers that are trained here."
        },
    )
    teacher_text: list[str] = field(
        default_factory=list,
        metadata={
            "help": "One text without labels for each --teacher, in its language: only for weights by similarity."
        },
    )
    types: str = field(
        default="same",
        metadata={
            "help": "Teachers with different entity types: same (refused), common (what only some know becomes O) or "
            "union (a teacher's O is shared out over the types that only others know)."
        },
    )
    weight_level: str = field(
        default="language", metadata={"help": "One weight a teacher: for each language (paper), or for each sentence."}
    )
    mt_weights: str = field(
        default="train",
        metadata={
            "help": "Weights of mt_sim: from the target's train sentences (Eq. 11) or the test's (as released)."
        },
    )
    similarity_embedding: str = field(
        default="cls",
        metadata={"help": "Vector of a sentence: cls (paper: last state of [CLS]), pooler (as released) or mean."},
    )
    similarity_rank: int = field(default=64, metadata={"help": "Rank of the bilinear operator."})
    similarity_bias: bool = field(default=False, metadata={"help": "Its two maps have biases, as released."})
    similarity_gamma: float = field(default=0.01, metadata={"help": "Weight of the orthogonality of the languages."})
    similarity_regulariser: str = field(
        default="hidden",
        metadata={"help": "Its form: hidden (paper: H x H) or languages (K x K); they differ by a constant."},
    )
    similarity_class_weights: str = field(
        default="none", metadata={"help": "none (paper), or inverse to the number of sentences of each source."}
    )
    similarity_temperature: str = field(
        default="variance", metadata={"help": "tau: variance of the scores (paper) or their standard deviation, std."}
    )
    similarity_learning_rate: float = field(default=1e-4, metadata={"help": "Rate of the language identifier."})
    similarity_weight_decay: float = field(default=1e-5, metadata={"help": "Its weight decay, as released."})
    similarity_epochs: float = field(default=10.0, metadata={"help": "Its passes over the sources' sentences."})
    similarity_batch_size: int = field(default=32, metadata={"help": "Sentences in one of its steps."})

    def _check(self) -> None:
        super()._check()
        for name, allowed in CHOICES.items():
            check_choice(f"--{name}", getattr(self, name), allowed)
        for name in ("similarity_rank", "similarity_batch_size"):
            if getattr(self, name) < 1:
                raise InputError("at least 1 is needed", where=f"--{name}")
        for name in ("similarity_gamma", "similarity_weight_decay"):
            if getattr(self, name) < 0:
                raise InputError(f"{getattr(self, name)} is less than 0", where=f"--{name}")
        if not self.source and not self.teacher:
            raise InputError(
                "nobody to learn from",
                where="--source, --teacher",
                remedy="give a labelled corpus (--source SPEC, see `xner data list`) or a tagger (--teacher MODEL)",
            )
        for option, given in (("--source", self.source), ("--teacher", self.teacher)):
            twice = next((name for name in given if given.count(name) > 1), None)
            if twice is not None:
                raise InputError(f"{twice} is given twice", where=option, remedy="give each once")
        if self.teacher_text and len(self.teacher_text) != len(self.teacher):
            raise InputError(
                f"{len(self.teacher_text)} texts for {len(self.teacher)} given teachers",
                where="--teacher_text",
                remedy="give one for each --teacher, in their order, or none",
            )
        if not self.source and any(name.startswith("source") for name in (*self.evaluate_on, self.select_on)):
            raise InputError(
                "there is no source to select or score on", where="--select_on, --evaluate_on", remedy="add --source"
            )

    @property
    def n_teachers(self) -> int:
        """K."""
        return len(self.source) + len(self.teacher)
