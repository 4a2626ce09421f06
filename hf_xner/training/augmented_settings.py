"""What a training of the BiLSTM-CRF was told: everything that decides its result, and so goes into its stage's key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hf_xner.training.sgd import SgdSettings

LOSS_OVER = ("sum", "sentences")


@dataclass(frozen=True)
class TaggerSettings:
    """Settings of one training on labelled sentences (stage B3); the defaults are the paper's.

    Attributes:
        seed: Seed of initialisation, dropout and order.
        epochs: Passes over the sentences.
        batch_size: Sentences in one step.
        learning_rate: Rate of the first epoch.
        rate_decay: The rate of epoch e is learning_rate / (1 + rate_decay e) …
        min_rate: … and never less than this.
        max_grad_norm: Gradient clipping; 0 for none.
        evaluation_steps: Batches between two evaluations.
        longest_sentence: Longer sentences do not train.
        loss_over: "sum" of the negative log-likelihoods of a batch (the paper's equation), or their mean over
            "sentences".
        scheme: Tags that are learnt: "iobes", or "iob2" (the paper's Arabic). Scores are always those of IOB2.
        characters: Whether the source encoder reads characters.
        tied: Whether the directions of the LSTMs share their weights (Cross-Shared).
        dropout: Dropout of the joined characters' and word vectors.
        activation: After the dense layers: "tanh" or "linear".
        select: "none" keeps the last weights, "best" those with the best F1 on the development set.
    """

    seed: int = 1
    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 0.1
    rate_decay: float = 0.01
    min_rate: float = 1e-4
    max_grad_norm: float = 5.0
    evaluation_steps: int = 150
    longest_sentence: int = 250
    loss_over: str = "sum"
    scheme: str = "iobes"
    characters: bool = True
    tied: bool = False
    dropout: float = 0.5
    activation: str = "tanh"
    select: str = "none"

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, JSON values."""
        return asdict(self)

    def sgd(self) -> SgdSettings:
        """How to descend."""
        return SgdSettings(rounds=self.epochs, **_shared(self))


@dataclass(frozen=True)
class JointSettings:
    """Settings of augmented fine-tuning (stages B4 and B5).

    What the paper leaves open: a round, one pass over the sentences drawn, stands between two draws of the length
    threshold; it lies between the lengths of the shortest and the longest target sentence; training ends when the
    development score has not improved for five rounds.

    Attributes:
        seed: Seed of the new encoder, dropout, order and draws.
        draws: Draws of the length threshold, at most; 1 for pseudo labels that are never renewed.
        patience: End after so many draws without a better score; without a development set all draws are made.
        shortest_threshold: Least threshold drawn; None for the shortest sentence.
        longest_threshold: Greatest threshold drawn; None for the longest sentence.
        batch_size: Sentences of the source, and as many of the target, in one step.
        learning_rate: Rate of the first round.
        rate_decay: See `TaggerSettings`; counted in rounds.
        min_rate: See `TaggerSettings`.
        max_grad_norm: Gradient clipping; 0 for none.
        evaluation_steps: Steps between two evaluations.
        longest_sentence: Longer sentences of source and target do not train (in the paper, of the source alone).
        loss_over: See `TaggerSettings`.
        detach_source: Keep what theta_t learns out of the source encoder, whose features it reads.
        select: See `TaggerSettings`.
    """

    seed: int = 1
    draws: int = 30
    patience: int = 5
    shortest_threshold: int | None = None
    longest_threshold: int | None = None
    batch_size: int = 16
    learning_rate: float = 0.1
    rate_decay: float = 0.01
    min_rate: float = 1e-4
    max_grad_norm: float = 5.0
    evaluation_steps: int = 150
    longest_sentence: int = 250
    loss_over: str = "sum"
    detach_source: bool = False
    select: str = "none"

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, JSON values."""
        return asdict(self)

    def sgd(self) -> SgdSettings:
        """How to descend."""
        return SgdSettings(rounds=self.draws, patience=self.patience, **_shared(self))


def _shared(settings: TaggerSettings | JointSettings) -> dict[str, Any]:
    names = ("learning_rate", "rate_decay", "min_rate", "max_grad_norm", "evaluation_steps", "seed")
    return {name: getattr(settings, name) for name in names}
