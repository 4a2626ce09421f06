"""Tag schemes: round trips, conlleval's reading of broken tags, transitions, errors."""

from __future__ import annotations

import subprocess
import sys
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.labels import (
    SCHEMES,
    Span,
    allowed_transitions,
    convert_tags,
    detect_scheme,
    entity_types,
    normalise_scheme,
    orphan_positions,
    spans_from_tags,
    split_tag,
    tag_names,
    tags_from_spans,
)

TYPES = ["LOC", "PER", "A-B"]


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Entities that do not overlap, and the sentence's length."""
    spans, position = [], 0
    for gap, length, name in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)), max_size=6)
    ):
        spans.append(Span(name, position + gap, position + gap + length))
        position += gap + length
    return spans, position + draw(st.integers(0, 2))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sentence=sentences())
def test_tags_and_spans_round_trip(scheme: str, sentence: tuple[list[Span], int]) -> None:
    spans, length = sentence
    tags = tags_from_spans(spans, length, scheme)
    assert len(tags) == length
    assert spans_from_tags(tags, scheme) == spans
    assert orphan_positions(tags, scheme) == []


@given(sentence=sentences(), source=st.sampled_from(SCHEMES), target=st.sampled_from(SCHEMES))
def test_any_scheme_converts_to_any_other_and_back(sentence: tuple[list[Span], int], source: str, target: str) -> None:
    tags = tags_from_spans(*sentence, source)
    converted = convert_tags(tags, source, target)
    assert spans_from_tags(converted, target) == sentence[0]
    assert convert_tags(converted, target, source) == tags


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sentence=sentences())
def test_well_formed_tags_use_allowed_transitions_only(scheme: str, sentence: tuple[list[Span], int]) -> None:
    names = tag_names(TYPES, scheme)
    ids = [names.index(tag) for tag in tags_from_spans(*sentence, scheme)]
    allowed = allowed_transitions(names, scheme)
    if ids:
        assert allowed.start[ids[0]]
        assert allowed.end[ids[-1]]
    assert all(allowed.step[a, b] for a, b in zip(ids, ids[1:], strict=False))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_allowed_sequences_are_exactly_the_well_formed_ones(scheme: str) -> None:
    names = tag_names(["X", "Y"], scheme)
    allowed = allowed_transitions(names, scheme)
    for ids in product(range(len(names)), repeat=3):
        tags = [names[i] for i in ids]
        path = allowed.start[ids[0]] and allowed.step[ids[0], ids[1]] and allowed.step[ids[1], ids[2]]
        well_formed = convert_tags(tags, scheme, scheme) == tags
        assert bool(path and allowed.end[ids[2]]) == well_formed, tags


def test_the_four_schemes_of_one_sentence() -> None:
    spans = [Span("LOC", 0, 3), Span("LOC", 3, 4), Span("PER", 5, 7)]
    expected = {
        "iob1": "I-LOC I-LOC I-LOC B-LOC O I-PER I-PER",
        "iob2": "B-LOC I-LOC I-LOC B-LOC O B-PER I-PER",
        "iobes": "B-LOC I-LOC E-LOC S-LOC O B-PER E-PER",
        "bmes": "B-LOC M-LOC E-LOC S-LOC O B-PER E-PER",
    }
    for scheme, tags in expected.items():
        assert tags_from_spans(spans, 7, scheme) == tags.split()
        assert detect_scheme([tags.split()]) == scheme


@pytest.mark.parametrize(
    ("tags", "spans", "orphans"),
    [
        ("I-LOC O", [("LOC", 0, 1)], [0]),
        ("O I-LOC I-LOC", [("LOC", 1, 3)], [1]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)], [1]),
        ("I-PER I-LOC B-LOC", [("PER", 0, 1), ("LOC", 1, 2), ("LOC", 2, 3)], [0, 1]),
        ("B-LOC O I-LOC", [("LOC", 0, 1), ("LOC", 2, 3)], [2]),
    ],
)
def test_an_orphan_opens_an_entity_as_in_conlleval_and_is_reported(
    tags: str, spans: list[tuple[str, int, int]], orphans: list[int]
) -> None:
    assert spans_from_tags(tags.split()) == spans
    assert orphan_positions(tags.split()) == orphans
    assert orphan_positions(tags.split(), "iob1") == []


@pytest.mark.parametrize(
    ("tags", "spans", "orphans"),
    [
        ("E-LOC I-LOC", [("LOC", 0, 1), ("LOC", 1, 2)], [0, 1]),
        ("B-LOC E-LOC E-LOC", [("LOC", 0, 2), ("LOC", 2, 3)], [2]),
        ("S-LOC I-LOC E-LOC", [("LOC", 0, 1), ("LOC", 1, 3)], [1]),
        ("B-LOC O B-LOC B-LOC", [("LOC", 0, 1), ("LOC", 2, 3), ("LOC", 3, 4)], []),
        ("B-LOC S-LOC", [("LOC", 0, 1), ("LOC", 1, 2)], []),
        ("B-PER E-LOC", [("PER", 0, 1), ("LOC", 1, 2)], [1]),
    ],
)
def test_broken_iobes_and_bmes(tags: str, spans: list[tuple[str, int, int]], orphans: list[int]) -> None:
    for scheme, written in (("iobes", tags), ("bmes", tags.replace("I-", "M-"))):
        assert spans_from_tags(written.split(), scheme) == spans
        assert orphan_positions(written.split(), scheme) == orphans


@given(st.lists(st.sampled_from(tag_names(TYPES, "iobes")), max_size=12))
def test_spans_of_random_tags_equal_seqeval(tags: list[str]) -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    assert spans_from_tags(tags, "iobes") == [(name, first, last + 1) for name, first, last in get_entities(tags)]


def test_converting_a_scheme_to_itself_mends_orphans() -> None:
    assert convert_tags(["O", "I-LOC", "I-PER"], "iob2") == ["O", "B-LOC", "B-PER"]


def test_iob2_with_a_few_orphans_is_still_iob2() -> None:
    corpus = [["I-LOC", "O", "B-PER", "I-PER"], ["O", "B-LOC", "O", "B-ORG"]]
    assert detect_scheme(corpus) == "iob2"


def test_iob1_is_detected_though_it_holds_a_b_after_the_same_type() -> None:
    assert detect_scheme([["I-LOC", "B-LOC", "O"], ["I-PER", "I-PER", "O", "I-ORG"]]) == "iob1"


@pytest.mark.parametrize(("corpus", "scheme"), [([], "iob2"), ([["O", "O"], []], "iob2"), ([["S-LOC"]], "iobes")])
def test_corpora_that_tell_little(corpus: list[list[str]], scheme: str) -> None:
    assert detect_scheme(corpus) == scheme


def test_schemes_of_the_real_corpora(data_dir) -> None:
    def tags_of(name: str, encoding: str) -> list[list[str]]:
        blocks = (data_dir / "corpora" / name).read_text(encoding=encoding).split("\n\n")
        return [[line.split()[-1] for line in block.split("\n") if line.strip()] for block in blocks]

    english = tags_of("conll2003/en/eng.testa", "utf-8")
    spanish = tags_of("conll2002/es/esp.testb", "utf-8")
    assert detect_scheme(english) == "iob1"
    assert detect_scheme(spanish) == "iob2"
    assert sum(len(spans_from_tags(tags, "iob1")) for tags in english) == 5942
    # 3558 entities are published; the file opens one sentence with an orphan, which conlleval counts
    assert sum(len(spans_from_tags(tags)) for tags in spanish) == 3559
    assert sum(len(orphan_positions(tags)) for tags in spanish) == 1


def test_corpus_of_two_schemes_is_refused() -> None:
    with pytest.raises(InputError, match="tags with I- and tags with M- in one corpus.*; give every sentence"):
        detect_scheme([["B-LOC", "I-LOC"], ["B-LOC", "M-LOC", "E-LOC"]])


@pytest.mark.parametrize("tag", ["B", "B-", "X-LOC", "", "-LOC", "o", "BB-LOC", "B-New York", "B_LOC", "I-LOC "])
def test_malformed_tag_is_named_with_its_place_and_the_remedy(tag: str) -> None:
    with pytest.raises(InputError) as caught:
        spans_from_tags(["O", tag, "O"])
    assert str(caught.value) == f"token 2 of 3: {tag!r} is not a tag; write O or B-TYPE, I-TYPE"
    with pytest.raises(InputError, match="sentence 2, token 1 of 1: .* is not a tag"):
        detect_scheme([["O"], [tag]])
    with pytest.raises(InputError, match="is not a tag; write O or B-TYPE"):
        split_tag(tag)


def test_tag_of_another_scheme_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="'E-LOC' does not belong to the scheme; .*or name the scheme that the tags"):
        spans_from_tags(["B-LOC", "E-LOC"], "iob2")


def test_label_numbers_and_a_bare_string_are_refused() -> None:
    with pytest.raises(InputError, match="token 1 of 2: 3 is not a tag; give tag names such as 'B-LOC'"):
        spans_from_tags([3, 0])  # type: ignore[list-item]
    with pytest.raises(InputError, match="expected a list of tags, found the string 'O'; give one tag a token"):
        spans_from_tags("O")


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([("LOC", 0, 2), ("PER", 1, 3)], r"entities LOC \[0, 2\) and PER \[1, 3\) overlap; tags hold flat entities"),
        ([("LOC", 0, 5)], "entity LOC from 0 to 5 is empty or outside a sentence of 4 tokens"),
        ([("LOC", 2, 2)], "entity LOC from 2 to 2 is empty"),
        ([("LOC", -1, 1)], "entity LOC from -1 to 1 is empty or outside"),
        ([("", 0, 1)], "'' cannot be an entity type; give a name without white space"),
    ],
)
def test_unusable_spans(spans: list[tuple[str, int, int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tags_from_spans(spans, 4)


def test_spans_may_come_in_any_order() -> None:
    assert tags_from_spans([("PER", 2, 3), ("LOC", 0, 1)], 3) == ["B-LOC", "O", "B-PER"]


def test_names_of_schemes() -> None:
    assert [normalise_scheme(name) for name in ("BIO", "bioes", " IOB1 ", "bmes")] == ["iob2", "iobes", "iob1", "bmes"]
    with pytest.raises(InputError, match="unknown tag scheme 'iob3'; use one of iob1, iob2, iobes, bmes, bio, bioes"):
        normalise_scheme("iob3")


def test_tag_names_and_their_types() -> None:
    assert tag_names(["PER", "LOC", "PER"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert tag_names(["X"], "iobes") == ["O", "B-X", "I-X", "E-X", "S-X"]
    assert tag_names([]) == ["O"]
    assert entity_types(["S-PER", "O", "M-LOC", "O", "I-PER", "B-A-B"]) == ["A-B", "LOC", "PER"]
    assert split_tag("B-A-B") == ("B", "A-B")
    with pytest.raises(InputError, match="'New York' cannot be an entity type"):
        tag_names(["New York"])


def test_transitions_follow_the_order_of_the_given_names() -> None:
    allowed = allowed_transitions(["I-PER", "O", "B-PER", "I-LOC"])
    assert allowed.start.tolist() == [False, True, True, False]
    assert allowed.end.all()
    assert allowed.step.tolist() == [
        [True, True, True, False],
        [False, True, True, False],
        [True, True, True, False],
        [False, True, True, True],
    ]


def test_labels_import_neither_torch_nor_numpy() -> None:
    code = "import sys, hf_xner.labels; sys.exit(bool({'torch', 'numpy', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
