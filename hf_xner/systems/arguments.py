"""Options that every system has; a system's own options extend them."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_type_hints

from hf_xner.errors import InputError
from hf_xner.models.builtin import ENCODERS

SELECT_ON = ("none", "source_dev", "target_dev", "target_test")
POSITIVE = (
    "batch_size",
    "micro_batch_size",
    "max_length",
    "max_target_sentences",
    "epochs",
    "learning_rate",
)
SWITCHES = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(("false", "no", "off", "0"), False)
NOT_NEGATIVE = ("shuffle_seed", "lora_rank", "freeze_layers", "weight_decay", "warmup", "max_grad_norm")
SHORTEST_ROW = 5  # a word of three sub-words between [CLS] and [SEP]
EVALUATE_ON = ("source_dev", "source_test", "target_dev", "target_test")


@dataclass
class SystemArguments:
    """Options shared by all systems; the command line, a YAML file and a Python call give the same ones."""

    source: list[str] = field(
        default_factory=list,
        metadata={"help": "Labelled corpora: specs such as conll2003:en (see `xner data list`) or paths."},
    )
    target: str = field(default="", metadata={"help": "Target corpus: a spec or a path. Its tags never train."})
    output_dir: str = field(default="", metadata={"help": "Run folder: student, results, predictions, log."})
    encoder: str = field(
        default="xner-mini", metadata={"help": "Encoder: the built-in xner-mini, a folder or a Hub id."}
    )
    seeds: list[int] = field(default_factory=lambda: [1], metadata={"help": "One training per seed; mean and SD."})
    data_dir: str | None = field(
        default=None, metadata={"help": "Folder with local corpora, searched before the Hub (or HF_XNER_DATA)."}
    )
    label_map: list[str] | None = field(
        default=None,
        metadata={"help": "Entity types to rename, where a corpus has them: MISC=O,GPE=LOC, or a named map: conll."},
    )
    select_on: str = field(
        default="none",
        metadata={
            "help": "Which labelled set picks the student's best epoch: none, source_dev, target_dev, or target_test "
            "(an oracle, never for publication). Teachers are picked on source_dev whenever this is not none. A "
            "training of one epoch or less has nothing to pick from."
        },
    )
    evaluate_on: list[str] = field(
        default_factory=lambda: ["target_test"],
        metadata={"help": "Labelled sets to score at the end: source_dev, source_test, target_dev, target_test."},
    )
    max_target_sentences: int | None = field(
        default=None, metadata={"help": "Use only the first so many unlabelled sentences."}
    )
    max_length: int = field(default=128, metadata={"help": "Longest training row in sub-words."})
    long_sentences: str = field(
        default="truncate", metadata={"help": "Longer training sentences: truncate (as published) or window."}
    )
    batch_size: int = field(default=32, metadata={"help": "Sentences in one optimiser step, all processes together."})
    micro_batch_size: int = field(default=32, metadata={"help": "Sentences in one forward pass of one process."})
    weight_decay: float = field(default=0.01, metadata={"help": "Decoupled weight decay."})
    warmup: float = field(default=0.1, metadata={"help": "Share of the steps in which the rate rises."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Gradient clipping; 0 for none."})
    freeze_layers: int | None = field(
        default=None, metadata={"help": "Bottom layers frozen; a quarter by default (3 of 12, as published)."}
    )
    freeze_embeddings: bool = field(default=True, metadata={"help": "Freeze the embeddings, as published."})
    lora_rank: int = field(default=0, metadata={"help": "Train LoRA adapters of this rank, merged before saving."})
    precision: str = field(
        default="auto", metadata={"help": "bf16, fp32, or auto: bf16 where the hardware multiplies it natively."}
    )
    start_constraint: bool = field(
        default=True,
        metadata={"help": "Decoding lets no sentence begin with I-; false as UniTrans, AdvPicker and TransAdv."},
    )
    store: str | None = field(
        default=None, metadata={"help": "Stage store shared by all runs (or HF_XNER_STORE; see `xner runs`)."}
    )
    dry_run: bool = field(default=False, metadata={"help": "Print the stages, which are there, time and disk."})

    def __post_init__(self) -> None:
        """Coerce what YAML files give as strings, and refuse what cannot be meant."""
        kinds = get_type_hints(type(self))
        for name, value in vars(self).items():
            if value is None and type(None) not in get_args(kinds[name]):
                raise InputError("no value", where=f"--{name}", remedy="give one, or leave it out for the default")
            setattr(self, name, _coerced(name, value, kinds[name]))
        self._check()

    def _check(self) -> None:
        check_choice("--select_on", self.select_on, SELECT_ON)
        check_choice("--long_sentences", self.long_sentences, ("truncate", "window"))
        check_choice("--precision", self.precision, ("auto", "bf16", "fp32"))
        for name in self.evaluate_on:
            check_choice("--evaluate_on", name, EVALUATE_ON)
        if not self.output_dir:
            raise InputError("no run folder was given", remedy="add --output_dir runs/NAME")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds must be different numbers, not {self.seeds}", where="--seeds")
        if not all(0 <= seed < 2**32 for seed in self.seeds):
            raise InputError(f"{self.seeds} are not all from 0 to {2**32 - 1}", where="--seeds")
        for name, value in vars(self).items():
            if name in POSITIVE or name.endswith(("_epochs", "_learning_rate")):
                if value is not None and not value > 0:
                    raise InputError(f"{value} is not a positive number", where=f"--{name}")
            elif name in NOT_NEGATIVE and value is not None and value < 0:
                raise InputError(f"{value} is less than 0", where=f"--{name}")
        if self.max_length < SHORTEST_ROW:
            found = f"rows of {self.max_length} sub-words hold hardly a word"
            raise InputError(found, where="--max_length", remedy=f"give {SHORTEST_ROW} or more")
        if self.warmup >= 1:
            raise InputError(f"{self.warmup} is no share of the steps", where="--warmup", remedy="give 0.1, say")

    @property
    def specs(self) -> list[str]:
        """Every corpus of the run."""
        return [*self.source, *([self.target] if self.target else [])]

    def fit_options(self) -> dict[str, Any]:
        """Settings of a training run that do not differ between teacher and student."""
        names = (
            "batch_size",
            "micro_batch_size",
            "weight_decay",
            "warmup",
            "max_grad_norm",
            "max_length",
            "long_sentences",
            "freeze_layers",
            "freeze_embeddings",
            "lora_rank",
        )
        return {name: getattr(self, name) for name in names} | {"bf16": use_bf16(self.precision)}


def _coerced(name: str, value: Any, kind: Any) -> Any:
    """`value` in the form that its option has: YAML gives 5e-5 as text, Python callers give 3 for 3.0 or one seed."""
    if kind in (float, float | None) and isinstance(value, (str, int)) and not isinstance(value, bool):
        value = _number(name, value)
    if kind in (str, str | None) and value is not None:
        return _text(name, value)
    if kind in (bool, bool | None) and value is not None:
        return _switch(name, value)
    if kind in (int, int | None) and value is not None:
        return _whole_number(name, value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{value} is not a finite number", where=f"--{name}")
    if kind in (list[str], list[str] | None) and value is not None:
        return [_text(name, item) for item in (value if isinstance(value, (list, tuple)) else [value])]
    if kind in (list[float], list[float] | None) and value is not None:
        return [_number(name, item) for item in (value if isinstance(value, (list, tuple)) else [value])]
    if kind in (list[int], list[int] | None) and value is not None:
        return _whole_numbers(name, value)
    return value


def _text(name: str, value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    raise InputError(
        f"{value} where text is needed",
        where=f"--{name}",
        remedy="quote it: in YAML no, yes, on, off and numbers are no text",
    )


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{value!r} is not a number", where=f"--{name}") from None


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if (text := str(value).lower()) in SWITCHES:
        return SWITCHES[text]
    raise InputError(f"{value!r} is neither true nor false", where=f"--{name}", remedy="give one of them")


def _whole_number(name: str, value: Any) -> int:
    try:
        whole = isinstance(value, str) or (isinstance(value, float) and value.is_integer())
        return int(value) if whole else operator.index(value)
    except (TypeError, ValueError):
        raise InputError(f"{value!r} is not a whole number", where=f"--{name}", remedy="give one") from None


def _whole_numbers(name: str, value: Any) -> list[int]:
    try:
        return [operator.index(item) for item in ([value] if isinstance(value, int) else value)]
    except TypeError:
        raise InputError(f"{value!r} is not a list of whole numbers", where=f"--{name}") from None


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """Refuse a value that is not among those allowed.

    Raises:
        InputError: It is not; the message lists them.
    """
    if value not in allowed:
        raise InputError(f"{value!r} is not one of {', '.join(allowed)}", where=option)


def use_bf16(precision: str) -> bool:
    """Whether to multiply in bfloat16: on request, or where the hardware does it natively."""
    if precision != "auto":
        return precision == "bf16"
    from hf_xner.inference.device import local_device, native_bf16  # torch is slow to import

    return native_bf16(local_device())


def learning_rate(given: float | None, encoder: str, role: str, published: float) -> float:
    """The rate asked for, else the built-in encoder's own, else the published one for mBERT.

    Args:
        given: The option's value.
        encoder: The encoder's name.
        role: "teacher" or "student".
        published: The paper's rate.
    """
    if given is not None:
        return given
    if encoder in ENCODERS:
        return float(getattr(ENCODERS[encoder], f"{role}_learning_rate"))
    return published
