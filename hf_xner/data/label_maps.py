"""Entity types from one corpus to another: named maps, maps that a user gives, and whether a model fits a corpus."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence

from hf_xner.errors import InputError

logger = logging.getLogger(__name__)

TypeMap = dict[str, str | None]
LabelMap = str | Sequence[str] | Mapping[str, str | None]

# What each CoNLL type is called elsewhere. None: what CoNLL does not annotate at all.
_CONLL: dict[str | None, str] = {
    "PER": "PER PERSON PRS NAME Scientist Artist Athlete Politician Cleric SportsManager OtherPER",
    "ORG": "ORG ORGANIZATION CORP GRP GPE_ORG MusicalGRP PublicCORP PrivateCORP AerospaceManufacturer SportsGRP "
    "CarManufacturer",
    "LOC": "LOC LOCATION GEO GPE GPE_LOC FAC Facility OtherLOC HumanSettlement Station",
    "MISC": "MISC OTH PROD PRO PRODUCT EVT EVENT DRV CW WORK_OF_ART LANGUAGE NORP LAW FESTIVAL GAME LITERATURE "
    "RELIGION VisualWork MusicalWork WrittenWork ArtWork Software Clothing Vehicle Food Drink OtherPROD",
    None: "DATE TIME TIMEX NUMEX MONEY QUANTITY PERCENT CARDINAL ORDINAL CODE TITLE Medication/Vaccine "
    "MedicalProcedure AnatomicalStructure Symptom Disease",
}
_CONLL_MAP: TypeMap = {name: target for target, names in _CONLL.items() for name in names.split()}

NAMED_MAPS: dict[str, TypeMap] = {
    # Any corpus at hand to the four types of CoNLL-2002 and -2003. Groups count as organisations; dates, numbers and
    # medicine, which CoNLL leaves alone, go.
    "conll": _CONLL_MAP,
    # The three types of WikiAnn: as above, without MISC.
    "wikiann": {name: None if target == "MISC" else target for name, target in _CONLL_MAP.items()},
    # NorNE's nine types to four, geopolitical entities by what they stand for in the sentence.
    "norne4": {
        **{name: name for name in ("PER", "ORG", "LOC", "MISC")},
        "GPE_LOC": "LOC",
        "GPE_ORG": "ORG",
        **dict.fromkeys(("PROD", "EVT", "DRV"), "MISC"),
    },
    # Johansen's names (NoDaLiDa 2019), as UniTrans maps them.
    "nodalida": {
        **{name: name for name in ("PER", "ORG", "LOC", "MISC")},
        "GEO": "LOC",
        "OTH": "MISC",
        "PRS": "PER",
    },
    # FiNER's six types to four as in the files of Bari et al. (2020): dates become MISC there, unlike in "conll".
    "finer4": {
        **{name: name for name in ("PER", "ORG", "LOC", "MISC")},
        **dict.fromkeys(("PRO", "EVENT", "DATE"), "MISC"),
    },
}


def resolve_label_map(label_map: LabelMap | None, types: Collection[str], corpus: str = "the corpus") -> TypeMap:
    """Tell what becomes of each of a corpus' entity types.

    Args:
        label_map: A name (``"conll"``), pairs (``"MISC=O"``, ``"CORP=ORG,GRP=ORG"``; ``O`` drops a type), a list of
            both, applied one after the other, or a mapping. Pairs leave the types they do not name; None leaves all.
        types: The corpus' types.
        corpus: Its name, for messages.

    Returns:
        Every type with its new name, None where it is dropped.

    Raises:
        InputError: The map speaks of types that the corpus does not have, a named map does not know one that it has,
            it is malformed, or no type is left.
    """
    current: TypeMap = {name: name for name in types}
    for step in _steps(label_map):
        present = {name for name in current.values() if name is not None}
        change = _named(step, present, corpus) if isinstance(step, str) else _given(step, present, corpus)
        current = {name: None if now is None else change.get(now, now) for name, now in current.items()}
    if current and all(name is None for name in current.values()):
        raise InputError("no entity type is left", where="--label_map", remedy=f"keep one of {_names(types)}")
    return current


def mapped_types(mapping: Mapping[str, str | None]) -> list[str]:
    """The types that a resolved map leaves, sorted."""
    return sorted({name for name in mapping.values() if name is not None})


def check_compatible(
    model_types: Collection[str],
    corpus_types: Collection[str],
    *,
    model: str = "the model",
    corpus: str = "the corpus",
    observed: bool = False,
) -> None:
    """Refuse a model (a teacher, say) and a corpus that annotate different things.

    Args:
        model_types: Entity types of the model.
        corpus_types: Entity types of the corpus.
        model: Name of the model, for messages.
        corpus: Name of the corpus, for messages.
        observed: The corpus' types are merely those that occur in a user's files (`CorpusInfo.observed`): one that the
            model has may just not occur there. That is then a warning.

    Raises:
        InputError: The types differ; both lists are in the message.
    """
    ours, theirs = set(model_types), set(corpus_types)
    if ours == theirs:
        return
    both = f"{model} has {_names(ours)}; {corpus} has {_names(theirs)}"
    if observed and theirs < ours:
        logger.warning("no %s in %s; each one predicted there counts as an error", _names(ours - theirs), corpus)
        return
    extra = sorted(theirs - ours)
    example = f"{extra[0]}=O" if extra else f"{sorted(ours - theirs)[0]}=O"
    side = corpus if extra else f"the corpus that {model} is trained on"
    raise InputError(
        f"the entity types differ: {both}",
        remedy=f"map those of {side}, as in --label_map {example} or --label_map conll",
    )


def _steps(label_map: LabelMap | None) -> Iterable[str | TypeMap]:
    """One step a named map or group of pairs."""
    if label_map is None:
        return
    if isinstance(label_map, Mapping):
        yield {source: _target(target) for source, target in label_map.items()}
        return
    items = [label_map] if isinstance(label_map, str) else list(label_map)
    for item in items:
        if not isinstance(item, str):
            raise InputError(f"{item!r} is no map of types", where="--label_map", remedy="write MISC=O or conll")
        if "=" in item:
            yield _pairs(item)
        elif item.strip():
            yield item.strip()


def _pairs(item: str) -> TypeMap:
    pairs: TypeMap = {}
    for pair in item.split(","):
        source, equals, target = (part.strip() for part in pair.partition("="))
        if not (source and equals and target) or source in pairs:
            what = f"{source!r} mapped twice" if source in pairs else f"{pair.strip()!r} is no pair of types"
            raise InputError(what, where="--label_map", remedy="write pairs such as MISC=O or CORP=ORG,GRP=ORG")
        pairs[source] = _target(target)
    return pairs


def _target(target: str | None) -> str | None:
    return None if target in (None, "O") else target


def _named(name: str, present: Collection[str], corpus: str) -> TypeMap:
    if name not in NAMED_MAPS:
        raise InputError(
            f"unknown label map {name!r}",
            where="--label_map",
            remedy=f"use one of {', '.join(NAMED_MAPS)}, or pairs such as MISC=O",
        )
    known = NAMED_MAPS[name]
    unknown = set(present) - set(known)
    if unknown:
        raise InputError(
            f"the map {name!r} does not know {_names(unknown)}: {corpus} has {_names(present)}, "
            f"the map knows {_names(known)}",
            where="--label_map",
            remedy=f"say before it what becomes of them, as in --label_map {min(unknown)}=O {name}",
        )
    return known


def _given(pairs: TypeMap, present: Collection[str], corpus: str) -> TypeMap:
    unknown = set(pairs) - set(present)
    if unknown:
        raise InputError(
            f"{corpus} has no type {_names(unknown)}: it has {_names(present)}, the map names {_names(pairs)}",
            where="--label_map",
            remedy="map types that the corpus has",
        )
    return pairs


def _names(types: Iterable[str]) -> str:
    return ", ".join(sorted(types)) or "none"
