"""An ordinary tagger, trained on labelled sentences of the language it is for: teachers, and upper bounds.

tagger = train(encoder, source)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hf_xner.errors import InputError
from hf_xner.systems.arguments import SystemArguments, learning_rate
from hf_xner.systems.tagger_stages import TrainedTagger, settings_for, train_tagger
from hf_xner.systems.workspace import Workspace

PREFERENCE = ("supervised",)
BASELINE = "supervised"


@dataclass
class Arguments(SystemArguments):
    """Options of supervised training."""

    evaluate_on: list[str] = field(
        default_factory=lambda: ["source_test"], metadata={"help": "Labelled sets to score: source_dev, source_test."}
    )
    learning_rate: float | None = field(
        default=None, metadata={"help": "5e-5 for mBERT-sized encoders; the built-in encoder has its own."}
    )
    epochs: float = field(default=3.0, metadata={"help": "Passes over the sentences."})

    def _check(self) -> None:
        super()._check()
        if len(self.source) != 1 or self.target:
            raise InputError(
                "supervised training takes one labelled corpus and no target",
                where="--source",
                remedy="give one --source and leave --target out",
            )
        if any(name.startswith("target") for name in (*self.evaluate_on, self.select_on)):
            raise InputError(
                "there is no target to select or score on", where="supervised", remedy="use source_dev, source_test"
            )


def build(space: Workspace, seed: int) -> dict[str, TrainedTagger]:
    """The tagger of one seed."""
    arguments = space.arguments
    assert isinstance(arguments, Arguments)
    rate = learning_rate(arguments.learning_rate, arguments.encoder, "teacher", 5e-5)
    dev = space.selection_set("teacher", epochs=arguments.epochs)
    settings = settings_for(space, seed, rate, arguments.epochs, dev is not None)
    source = space.labelled(arguments.source[0], "train")
    return {"supervised": train_tagger(space, f"tagger, seed {seed}", source, settings, dev)}
