"""Pseudo labels of augmented fine-tuning: theta_s' tags of the target sentences up to a random length (stage B4)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hf_xner.data.word_rows import WordRows
from hf_xner.errors import InputError
from hf_xner.inference.word_models import tag_rows
from hf_xner.models.bilstm_crf import BiLstmCrfForTokenClassification
from hf_xner.training.augmented_settings import JointSettings
from hf_xner.training.history import HISTORY, add_record, read_history
from hf_xner.training.word_sentences import SentenceStream

PSEUDO_LABELS = "pseudo_labels-"
DRAWS = 1000  # attempts to draw a threshold that leaves sentences


def threshold_bounds(lengths: np.ndarray, settings: JointSettings) -> tuple[int, int]:
    """Least and greatest length threshold.

    Args:
        lengths: Words of each target sentence that may train.
        settings: They may say one or both.

    Raises:
        InputError: No sentence lies within the bounds.
    """
    low = int(lengths.min()) if settings.shortest_threshold is None else settings.shortest_threshold
    high = int(lengths.max()) if settings.longest_threshold is None else settings.longest_threshold
    if low > high or not (lengths <= high).any():
        raise InputError(
            f"no threshold between {low} and {high} words leaves a target sentence; the shortest has "
            f"{lengths.min()} words",
            where="--shortest_threshold, --longest_threshold",
            remedy="raise the longest threshold, or leave both out",
        )
    return low, high


class PseudoLabels:
    """Stage B4: for each round a length threshold and theta_s' tags of the target sentences up to it.

    Args:
        folder: Keeps the tags of the current round, so that a killed round goes on with the same ones, and how many
            steps the rounds had.
        rows: The target sentences.
        settings: Bounds of the threshold, and the seed.

    Raises:
        InputError: No sentence lies within the bounds.
    """

    def __init__(self, folder: Path, rows: WordRows, settings: JointSettings) -> None:
        self.folder = folder
        self.rows = rows
        self.settings = settings
        self.low, self.high = threshold_bounds(rows.lengths, settings)

    def draw(self, round_: int) -> tuple[int, list[int]]:
        """The threshold of a round, uniform between the bounds, and the sentences up to it; a function of the seed.

        A threshold that leaves less than a batch, where others would leave more, is drawn again.
        """
        random = np.random.default_rng((self.settings.seed, round_))
        wanted = min(self.settings.batch_size, int((self.rows.lengths <= self.high).sum()))
        for _ in range(DRAWS):
            threshold = int(random.integers(self.low, self.high + 1))
            chosen = np.flatnonzero(self.rows.lengths <= threshold)
            if len(chosen) >= wanted:
                return threshold, chosen.tolist()
        return self.high, np.flatnonzero(self.rows.lengths <= self.high).tolist()

    def stream(self, round_: int, model: BiLstmCrfForTokenClassification) -> SentenceStream:
        """The sentences of a round with their pseudo labels, from its file if there is one."""
        threshold, chosen = self.draw(round_)
        path = self.folder / f"{PSEUDO_LABELS}{round_:03d}.npy"
        if not path.exists():
            tags = tag_rows(model, self.rows, chosen, encoder="source")
            aside = path.with_name(f".{path.name}.tmp")
            with aside.open("wb") as file:
                np.save(file, np.concatenate(tags).astype(np.int16))
            os.replace(aside, path)
            for old in self.folder.glob(f"{PSEUDO_LABELS}*.npy"):
                if old != path:
                    old.unlink()
        self._tell(round_, threshold, len(chosen))
        borders = np.cumsum(self.rows.lengths[chosen])[:-1]
        tags = np.split(np.load(path).astype(np.int64), borders)
        return SentenceStream(self.rows.subset(chosen), tags, self.settings.batch_size, self.settings.seed)

    def _tell(self, round_: int, threshold: int, count: int) -> None:
        """Note the draw in the history, once."""
        history = self.folder / HISTORY
        if all(record.get("draw") != round_ for record in read_history(history)):
            facts = {"draw": round_, "threshold": threshold, "sentences": count}
            add_record(history, {"step": self.steps_before(round_), "seconds": 0.0, **facts})

    def steps_before(self, round_: int) -> int:
        """Steps of all earlier rounds."""
        sizes = (len(self.draw(earlier)[1]) for earlier in range(round_))
        return sum(-(-size // self.settings.batch_size) for size in sizes)
