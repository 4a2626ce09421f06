"""The stages that only UniTrans has: the vote of three models, and averages over several runs of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hf_xner.data.rows import write_soft_labels
from hf_xner.data.votes import vote, write_votes
from hf_xner.systems.stages import Stage
from hf_xner.systems.tagger_stages import SoftLabels, Votes
from hf_xner.systems.workspace import Unlabelled, Workspace

VOTE_VERSION = 1
AVERAGE_VERSION = 1


def vote_on_text(space: Workspace, name: str, text: Unlabelled, voters: Sequence[SoftLabels]) -> Votes:
    """The tag of every word on which all voters agree, O included (UniTrans, Eq. 4 and 5).

    Args:
        space: The workspace.
        name: What people call the stage.
        text: The sentences.
        voters: What each model says of them.
    """
    stage = Stage(
        kind="vote",
        name=name,
        version=VOTE_VERSION,
        inputs={"sentences": text.digest} | {f"voter {index}": part.key for index, part in enumerate(voters)},
        units=float(len(text.data)),
        bytes_estimate=40 * len(text.data),
    )

    def work(folder: Path) -> None:
        write_votes((vote(rows) for rows in _aligned(voters)), folder)

    return Votes(stage.key, space.run(stage, work, collective=False))


def average_soft_labels(
    space: Workspace,
    name: str,
    text: Unlabelled,
    parts: Sequence[SoftLabels],
    weights: Sequence[float] | None = None,
) -> SoftLabels:
    """The mean of several models' probabilities: UniTrans' teacher ensembling (section 4.5), TransAdv's p_uni.

    Args:
        space: The workspace.
        name: What people call the stage.
        text: The sentences.
        parts: One a run; with one it is returned as it is.
        weights: What each counts, in any unit; all the same by default.
    """
    if len(parts) == 1:
        return parts[0]
    stage = Stage(
        kind="average",
        name=name,
        version=AVERAGE_VERSION,
        inputs={"sentences": text.digest} | {f"part {index}": part.key for index, part in enumerate(parts)},
        settings={} if weights is None else {"weights": list(weights)},
        units=float(len(text.data)),
        bytes_estimate=300 * len(text.data),
    )

    def work(folder: Path) -> None:
        write_soft_labels((_mean(rows, weights) for rows in _aligned(parts)), folder / "soft_labels-00000.arrow")

    return SoftLabels(stage.key, space.run(stage, work, collective=False), parts[0].teacher)


def _mean(rows: Sequence[np.ndarray], weights: Sequence[float] | None) -> np.ndarray:
    # Without weights `np.average` takes the same mean, and then divides by the number of words, which may be 0.
    return np.mean(rows, axis=0) if weights is None else np.average(rows, axis=0, weights=weights)


def _aligned(parts: Sequence[SoftLabels]) -> Iterator[tuple[np.ndarray, ...]]:
    """For each sentence the probabilities (n_words, C) of every part, float32.

    Raises:
        ValueError: The parts know different tags.
    """
    names = [part.tag_names() for part in parts]
    if any(other != names[0] for other in names):
        raise ValueError("models with different tags cannot be compared word by word")
    return zip(*(part.rows() for part in parts), strict=True)
