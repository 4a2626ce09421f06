"""Types from corpus to corpus, by name, never by position and never in silence."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.data.label_maps import NAMED_MAPS, check_compatible, mapped_types, resolve_label_map
from hf_xner.data.readers import map_types
from hf_xner.data.registry import CORPORA
from hf_xner.errors import InputError
from hf_xner.labels import convert_tags, spans_from_tags, tags_from_spans

MULTICONER = CORPORA["multiconer"].types


@pytest.mark.parametrize("name", [name for name in CORPORA if name not in ("wikiann", "uner")])
def test_conll_brings_every_known_corpus_to_the_four_types(name: str) -> None:
    assert mapped_types(resolve_label_map("conll", CORPORA[name].types)) == ["LOC", "MISC", "ORG", "PER"]
    assert mapped_types(resolve_label_map("wikiann", CORPORA[name].types)) == ["LOC", "ORG", "PER"]


def test_named_maps_of_the_papers() -> None:
    assert NAMED_MAPS["norne4"]["GPE_LOC"] == "LOC" and NAMED_MAPS["norne4"]["GPE_ORG"] == "ORG"
    assert {NAMED_MAPS["norne4"][name] for name in ("PROD", "EVT", "DRV", "MISC")} == {"MISC"}
    assert {name: NAMED_MAPS["nodalida"][name] for name in ("GEO", "OTH", "PRS")} == {
        "GEO": "LOC",
        "OTH": "MISC",
        "PRS": "PER",
    }
    assert NAMED_MAPS["conll"]["DATE"] is None and NAMED_MAPS["finer4"]["DATE"] == "MISC"


def test_pairs_lists_and_mappings_mean_the_same() -> None:
    wanted = {"CORP": "ORG", "GRP": "ORG", "CW": None, "PROD": "PROD", "LOC": "LOC", "PER": "PER"}
    for given_map in (
        "CORP=ORG,GRP=ORG,CW=O",
        ["CORP=ORG", "GRP=ORG,CW=O"],
        {"CORP": "ORG", "GRP": "ORG", "CW": None},
    ):
        assert resolve_label_map(given_map, MULTICONER) == wanted


def test_steps_follow_one_another() -> None:
    assert mapped_types(resolve_label_map(["conll", "MISC=O"], MULTICONER)) == ["LOC", "ORG", "PER"]


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        ("MISC=O", r"--label_map: multiconer has no type MISC: it has CORP, CW, .*, the map names MISC"),
        ("klingon", r"unknown label map 'klingon'; use one of conll, .* or pairs such as MISC=O"),
        ("norne4", r"the map 'norne4' does not know CORP, CW, GRP: multiconer has .*, the map knows .*GPE_LOC"),
        ("CORP=", r"'CORP=' is no pair of types; write pairs such as MISC=O"),
        ("CORP=ORG,CORP=O", r"'CORP' mapped twice"),
        (dict.fromkeys(MULTICONER, "O"), r"no entity type is left; keep one of CORP"),
    ],
)
def test_wrong_maps_name_both_sets(label_map, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_label_map(label_map, MULTICONER, "multiconer")


def test_merged_types_stay_two_entities() -> None:
    assert map_types(["B-CORP", "B-GRP", "I-GRP", "O"], {"CORP": "ORG", "GRP": "ORG"}) == [
        "B-ORG",
        "B-ORG",
        "I-ORG",
        "O",
    ]
    assert map_types(["B-PER", "I-PER", "B-LOC"], {"PER": None}) == ["O", "O", "B-LOC"]


TAGS = st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B", "B-C", "I-C"]), max_size=12).map(
    lambda tags: convert_tags(tags, "iob2")
)


@given(tags=TAGS, mapping=st.dictionaries(st.sampled_from("ABC"), st.sampled_from(["A", "B", "X", None])))
def test_spans_are_renamed_or_dropped_and_nothing_else(tags: list[str], mapping: dict[str, str | None]) -> None:
    wanted = [(mapping.get(span.type, span.type), *span[1:]) for span in spans_from_tags(tags)]
    wanted = [span for span in wanted if span[0] is not None]
    result = map_types(tags, mapping)
    assert spans_from_tags(result) == wanted
    assert result == tags_from_spans(wanted, len(tags))


def test_label_sets_of_teacher_and_corpus_are_compared_by_name() -> None:
    """User demands 6 and 16: another order is the same set, another set is refused with both lists."""
    check_compatible(["PER", "LOC"], ["LOC", "PER"])
    with pytest.raises(
        InputError,
        match=r"differ: the teacher has LOC, PER; wikiann:ar has LOC, ORG, PER; map those of wikiann:ar, as in "
        r"--label_map ORG=O or --label_map conll",
    ):
        check_compatible(["PER", "LOC"], ["LOC", "PER", "ORG"], model="the teacher", corpus="wikiann:ar")
    with pytest.raises(
        InputError, match=r"map those of the corpus that the model is trained on, as in --label_map MISC=O"
    ):
        check_compatible(["PER", "MISC"], ["PER"])


def test_a_type_that_does_not_occur_in_own_files_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_compatible(["PER", "MISC"], ["PER"], corpus="my.conll", observed=True)
    assert "no MISC in my.conll" in caplog.text
    with pytest.raises(InputError, match="differ"):
        check_compatible(["PER", "MISC"], ["PER", "DATE"], observed=True)
