"""What an adversarial training is told beside the settings that every training has."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hf_xner.data.feeds import Feed
from hf_xner.data.phase_rows import DISCRIMINATOR, GENERATOR, TAGGING


@dataclass(frozen=True)
class AdversarialSettings:
    """Settings of one adversarial training, as JSON-ready values.

    Attributes:
        feed: What feeds which loss. A discriminator that nothing feeds does not exist.
        generator_learning_rate: Peak rate of the encoder in the generator's steps.
        discriminator_learning_rate: Peak rate of the discriminators.
        momentum: Their first moment's decay rate (beta_1 of AdamW). With 0.9, as published, adversaries at rates that
            do something circle each other; at 0.5 they settle.
        generator_step: Whether there are generator steps; without them the discriminators only watch.
        rows_per_corpus: Rows of each corpus in a step of a discriminator or the generator; None for the batch size.
        positions: What discriminators see: first sub-"words", all sub-word "pieces" or every "attended" position.
        mean: What their losses are means over: "classes", "all" or "sentences"; see `hf_xner.losses.adversarial`.
        language_width: Hidden units of the language discriminator.
        order_discriminator: "bilstm" or "lstm".
        order_width: Width of its state.
    """

    feed: Feed
    generator_learning_rate: float = 6e-7
    discriminator_learning_rate: float = 5e-3
    momentum: float = 0.9
    generator_step: bool = True
    rows_per_corpus: int | None = None
    positions: str = "pieces"
    mean: str = "classes"
    language_width: int = 500
    order_discriminator: str = "bilstm"
    order_width: int = 256

    @property
    def phases(self) -> tuple[str, ...]:
        """What the steps of a turn do."""
        return (TAGGING, DISCRIMINATOR, *((GENERATOR,) if self.generator_step else ()))

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)

    def discriminators(self) -> dict[str, Any]:
        """Those parts of an `AdversarialConfig` that follow from them."""
        return {
            "language_width": self.language_width if self.feed.language else 0,
            "order_discriminator": self.order_discriminator if self.feed.order else "none",
            "order_width": self.order_width,
            "scope": self.feed.scope,
        }
