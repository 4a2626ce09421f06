"""Word probabilities to tags, as a model's own configuration asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hf_xner.errors import InputError
from hf_xner.labels import allowed_transitions, convert_tags, detect_scheme, normalise_scheme
from hf_xner.models.decoding import viterbi_decode

CRF = "crf"
METHODS = ("argmax", "viterbi", CRF)
_CELLS = 4_000_000  # words x tags, padding included, decoded together: bounds memory


@dataclass(frozen=True)
class TagDecoder:
    """Turns probabilities into tags.

    Attributes:
        tag_names: Tags by id.
        scheme: The scheme they are in.
        method: "argmax" (each word by itself), "viterbi" (the most probable sequence that the scheme allows) or "crf"
            (the model decodes itself: see `hf_xner.inference.word_models`).
        start_constraint: Whether "viterbi" also constrains the first and the last word; UniTrans does not.
        temperature: Divides log-probabilities before everything else; changes scores, never the best tag of a word.
    """

    tag_names: tuple[str, ...]
    scheme: str
    method: str
    start_constraint: bool = False
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"unknown decoding {self.method!r}", remedy="use one of model, argmax, viterbi")
        if not self.temperature > 0:
            raise InputError(f"temperature {self.temperature}", remedy="give a number above 0; 1 changes nothing")

    @classmethod
    def from_config(cls, config: Any, *, method: str = "model", temperature: float | None = None) -> TagDecoder:
        """Read the settings that a model was evaluated with from `config.xner`, where hf_xner leaves them.

        Args:
            config: A transformers configuration with `id2label`.
            method: "model" for what the configuration says ("argmax" where it says nothing), or a method.
            temperature: Replaces the configuration's (1 where it says nothing).

        Raises:
            InputError: A label is not a tag of any scheme, or a setting is unknown.
        """
        settings = getattr(config, "xner", None) or {}
        names = tuple(config.id2label[index] for index in range(len(config.id2label)))
        return cls(
            tag_names=names,
            scheme=normalise_scheme(settings.get("scheme") or detect_scheme([name] for name in names)),
            method=settings.get("decoding", "argmax") if method == "model" else method,
            start_constraint=bool(settings.get("start_constraint", False)),
            temperature=float(settings.get("temperature", 1.0) if temperature is None else temperature),
        )

    def calibrate(self, probabilities: np.ndarray) -> np.ndarray:
        """Apply the temperature: rows of (n_words, C) probabilities, sharpened or flattened, again summing to 1."""
        if self.temperature == 1.0:
            return probabilities
        # Relative to the best tag first, so that a small temperature does not underflow to 0 / 0.
        scaled = (probabilities / probabilities.max(axis=-1, keepdims=True)) ** (1.0 / self.temperature)
        return scaled / scaled.sum(axis=-1, keepdims=True)

    def decode(self, probabilities: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Decode sentences.

        Args:
            probabilities: An array (n_words, C) a sentence; sentences without words are fine.

        Returns:
            An array (n_words,) of tag ids a sentence.
        """
        if self.method == CRF:
            raise ValueError("the CRF is the model's own: probabilities do not say what it decodes")
        results = [array.argmax(axis=-1) for array in probabilities]
        if self.method == "viterbi":
            # Where the best tag of every word makes an allowed sequence, there is no better one.
            unlawful = self._unlawful(results)
            for index, tag_ids in zip(unlawful, self._viterbi([probabilities[i] for i in unlawful]), strict=True):
                results[index] = tag_ids
        return results

    def names(self, tag_ids: np.ndarray) -> list[str]:
        """The tags of a sentence, in the model's own scheme."""
        return [self.tag_names[index] for index in tag_ids]

    def iob2(self, tag_ids: np.ndarray) -> list[str]:
        """The tags of a sentence in IOB2, the scheme of all our corpora.

        Tags of an IOB2 model stay exactly as decoded, orphans included; other schemes are converted.
        """
        names = self.names(tag_ids)
        return names if self.scheme == "iob2" else convert_tags(names, self.scheme, "iob2")

    def _unlawful(self, sequences: Sequence[np.ndarray]) -> list[int]:
        """The sentences whose tags are a sequence that the scheme does not allow."""
        words = np.fromiter((len(tags) for tags in sequences), dtype=np.int64, count=len(sequences))
        if not words.sum():
            return []
        allowed = allowed_transitions(self.tag_names, self.scheme)
        tags = np.concatenate(list(sequences))
        sentence = np.repeat(np.arange(len(sequences)), words)
        bad = (sentence[1:] == sentence[:-1]) & ~allowed.step[tags[:-1], tags[1:]]
        found = [sentence[1:][bad]]
        if self.start_constraint:
            last = np.append(sentence[1:] != sentence[:-1], True)
            first = np.append(True, last[:-1])
            found += [sentence[first & ~allowed.start[tags]], sentence[last & ~allowed.end[tags]]]
        return np.unique(np.concatenate(found)).tolist()

    def _viterbi(self, probabilities: Sequence[np.ndarray]) -> list[np.ndarray]:
        allowed = allowed_transitions(self.tag_names, self.scheme)
        step = torch.from_numpy(allowed.step)
        start = torch.from_numpy(allowed.start) if self.start_constraint else None
        end = torch.from_numpy(allowed.end) if self.start_constraint else None
        results: list[np.ndarray] = [np.zeros(0, dtype=np.int64) for _ in probabilities]
        order = sorted((i for i, array in enumerate(probabilities) if len(array)), key=lambda i: len(probabilities[i]))
        while order:
            longest = len(probabilities[order[-1]])
            size = max(1, _CELLS // (longest * len(self.tag_names)))
            order, batch = order[:-size], order[-size:]
            log_probabilities, mask = _padded([probabilities[index] for index in batch], longest)
            decoded = viterbi_decode(log_probabilities, mask, step, start, end).numpy()
            for row, index in enumerate(batch):
                results[index] = decoded[row, : len(probabilities[index])]
        return results


def _padded(arrays: Sequence[np.ndarray], longest: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities (B, W, C) and the mask (B, W) of the words."""
    log_probabilities = np.zeros((len(arrays), longest, arrays[0].shape[1]), dtype=np.float32)
    mask = np.zeros((len(arrays), longest), dtype=bool)
    for row, array in enumerate(arrays):
        with np.errstate(divide="ignore"):
            log_probabilities[row, : len(array)] = np.log(array)
        mask[row, : len(array)] = True
    return torch.from_numpy(log_probabilities), torch.from_numpy(mask)
