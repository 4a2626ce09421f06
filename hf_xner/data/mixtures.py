"""Word probabilities of several teachers as one: tags aligned by name, probabilities mixed (Wu et al., 2020, Eq. 6).

What becomes of a type that one teacher knows and another does not is no matter of the paper, whose teachers know the
same types. A teacher's O means "none of the types that I know", so it says nothing about a type that it was never
shown. There are three answers:

    same     teachers whose types differ are refused
    common   what only some of them know is O for all
    union    the O of a teacher is shared out between O and the types that it does not know: for each type in the
             proportion to O that the teachers give who know it; so a type keeps its probability however few know it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hf_xner.errors import InputError
from hf_xner.labels import OUTSIDE, entity_types, split_tag, tag_names

TYPE_RULES = ("same", "common", "union")
LEAST_OUTSIDE = 1e-100  # what the share of O counts as at least, so that there are odds to it


@dataclass(frozen=True)
class Voice:
    """How the tags of one teacher become those of a mixture.

    Attributes:
        columns: For each of its own tags the mixture's tag, by number.
        unknown: The mixture's tags of types that it does not know, by number.
    """

    columns: tuple[int, ...]
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True)
class MixedTags:
    """The tags of a mixture, and what each teacher's become.

    Attributes:
        names: Tags by number, IOB2.
        voices: One a teacher.
    """

    names: tuple[str, ...]
    voices: tuple[Voice, ...]

    @property
    def types(self) -> list[str]:
        """Entity types of the mixture."""
        return entity_types(self.names)

    @property
    def differently_known(self) -> bool:
        """Whether types that some teacher does not know are known by different teachers (three are needed for it)."""
        return any(len(_by_knowers(self, voice)) > 1 for voice in self.voices)

    def alone(self, index: int) -> MixedTags:
        """The same tags with one teacher."""
        return MixedTags(self.names, (self.voices[index],))

    def is_one_teachers_own(self, own: Sequence[str]) -> bool:
        """Whether there is one teacher, all of whose tags, `own` by number, stay as they are in some order."""
        if len(self.voices) != 1 or set(own) != set(self.names) or len(own) != len(self.names):
            return False
        return all(self.names[column] == name for name, column in zip(own, self.voices[0].columns, strict=True))


def align_tags(
    teachers: Mapping[str, Sequence[str]],
    rule: str = "same",
    maps: Mapping[str, Mapping[str, str | None]] | None = None,
) -> MixedTags:
    """Align the tags of teachers by name.

    Args:
        teachers: The tags of each teacher by number, in any scheme but IOB1, by its name.
        rule: "same", "common" or "union".
        maps: For some teachers what becomes of their types, None for one to drop.

    Returns:
        The mixture's tags.

    Raises:
        InputError: The types differ and the rule is "same", or no type is common to all.
    """
    given = maps or {}
    renamed = {
        name: [_renamed(tag, given.get(name, {})) for tag in own]  # by number
        for name, own in teachers.items()
    }
    types = {name: set(entity_types(tags)) for name, tags in renamed.items()}
    kept = set.intersection(*types.values()) if rule == "common" else set.union(*types.values())
    if rule == "same" and any(known != kept for known in types.values()):
        raise _types_differ(types)
    if not kept:
        raise InputError("the teachers have no entity type in common", remedy="rename types with --label_map")
    names = tag_names(kept)
    numbers = {tag: number for number, tag in enumerate(names)}
    voices = [
        Voice(
            columns=tuple(numbers.get(tag, numbers[OUTSIDE]) for tag in renamed[name]),
            unknown=tuple(numbers[tag] for tag in names if tag != OUTSIDE and split_tag(tag)[1] not in types[name]),
        )
        for name in teachers
    ]
    return MixedTags(tuple(names), tuple(voices))


def _renamed(tag: str, mapping: Mapping[str, str | None]) -> str:
    """A tag in IOB2 with its type's new name: S- begins as B- does, E- and M- go on as I- does."""
    letter, name = split_tag(tag)
    new = mapping.get(name, name) if tag != OUTSIDE else None
    return OUTSIDE if new is None else f"{'B' if letter in 'BS' else 'I'}-{new}"


def _types_differ(types: Mapping[str, set[str]]) -> InputError:
    each = "; ".join(f"{name} has {', '.join(sorted(known)) or 'none'}" for name, known in types.items())
    return InputError(
        f"the teachers know different entity types: {each}",
        remedy="rename or drop types with --label_map, as in --label_map MISC=O, or give --types common or union",
    )


def mix(rows: Sequence[np.ndarray], weights: np.ndarray, tags: MixedTags) -> np.ndarray:
    """The mixture of what teachers say of one sentence: sum_k alpha_k p_k (Eq. 6).

    Args:
        rows: Probabilities (n_words, C_k) of each teacher.
        weights: alpha, shape (K,), summing to 1.
        tags: How their tags meet.

    Returns:
        (n_words, C) float32, rows summing to 1.
    """
    said = np.stack([_aligned(array, voice, len(tags.names)) for array, voice in zip(rows, tags.voices, strict=True)])
    if any(voice.unknown for voice in tags.voices):
        said = _with_the_unknown(said, weights, tags)
    return np.einsum("k,knc->nc", weights, said).astype(np.float32)


def _aligned(probabilities: np.ndarray, voice: Voice, n_tags: int) -> np.ndarray:
    """Probabilities (n_words, C) with the mixture's tags, float64; of tags that become one the sum."""
    return probabilities @ np.eye(n_tags)[list(voice.columns)]


def _with_the_unknown(said: np.ndarray, weights: np.ndarray, tags: MixedTags) -> np.ndarray:
    """Share out each teacher's O over O and the tags that it does not know, as those say who do know them."""
    outside = tags.names.index(OUTSIDE)
    complete = said.copy()
    for index, voice in enumerate(tags.voices):
        if not voice.unknown:
            continue
        groups = _by_knowers(tags, voice)
        parts = [_shares(said, weights, knowers, [outside, *unknown]) for knowers, unknown in groups.items()]
        open_tags = [outside, *(tag for unknown in groups.values() for tag in unknown)]
        complete[index][:, open_tags] = said[index][:, [outside]] * _joined_shares(parts)
    return complete


def _by_knowers(tags: MixedTags, voice: Voice) -> dict[tuple[int, ...], list[int]]:
    """The tags that a teacher does not know, by the teachers who do."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for tag in voice.unknown:
        knowers = tuple(k for k, other in enumerate(tags.voices) if tag not in other.unknown)
        groups.setdefault(knowers, []).append(tag)
    return groups


def _shares(said: np.ndarray, weights: np.ndarray, who: Sequence[int], open_tags: Sequence[int]) -> np.ndarray:
    """What some teachers together give to O and other tags, (n_words, 1 + tags), rows summing to 1."""
    chosen = list(who)
    shares = np.einsum("k,knc->nc", weights[chosen], said[chosen][:, :, list(open_tags)])
    total = shares.sum(axis=1, keepdims=True)
    # Where nobody sees either, it stays O.
    return np.divide(shares, total, out=np.eye(len(open_tags))[[0] * len(shares)], where=total > 0)


def _joined_shares(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Shares of O and the tags of each group as shares of O and all these tags: every tag keeps its odds to O."""
    if len(parts) == 1:
        return parts[0]
    odds = [part[:, 1:] / np.maximum(part[:, :1], LEAST_OUTSIDE) for part in parts]
    joined = np.concatenate([np.ones((len(parts[0]), 1)), *odds], axis=1)
    return joined / joined.sum(axis=1, keepdims=True)
