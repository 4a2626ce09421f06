"""Encoders that come with the package, so that nothing needs a download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BuiltinEncoder:
    """An encoder in this folder.

    Attributes:
        folder: Its folder name.
        teacher_learning_rate: Rate to train it on tags with, where the papers' rates for mBERT do not fit its size.
        student_learning_rate: Rate to distil into it with.
    """

    folder: str
    teacher_learning_rate: float
    student_learning_rate: float

    @property
    def path(self) -> Path:
        """The folder on disk."""
        return Path(__file__).parent / self.folder


# See benchmarks/results.md. At 1e-3 students that learn probabilities can collapse to O in their first steps.
ENCODERS = {"xner-mini": BuiltinEncoder("xner_mini", teacher_learning_rate=5e-4, student_learning_rate=5e-4)}


def resolve_encoder(name: str) -> str:
    """The path of a built-in encoder, or `name` itself (a folder or Hub id)."""
    return str(ENCODERS[name].path) if name in ENCODERS else name
