"""What a person may type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_xner.errors import InputError
from hf_xner.labels import Span, tags_from_spans
from hf_xner.review.corrections import correct

TYPES = ["LOC", "MISC", "MONEY", "PER"]
STANDING = [Span("PER", 0, 2), Span("LOC", 4, 7)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3 LOC", [("PER", 0, 2), ("LOC", 2, 3), ("LOC", 4, 7)]),
        ("3-4 PER", [("PER", 0, 2), ("PER", 2, 4), ("LOC", 4, 7)]),
        ("2-3 MISC", [("MISC", 1, 3), ("LOC", 4, 7)]),
        ("1-8 loc", [("LOC", 0, 8)]),
        ("5 -", [("PER", 0, 2), ("LOC", 5, 7)]),
        ("6-", [("PER", 0, 2), ("LOC", 4, 5), ("LOC", 6, 7)]),
        ("1-8 -", []),
        ("7 -, 1 -; 8 p", [("PER", 1, 2), ("LOC", 4, 6), ("PER", 7, 8)]),
        (" 5 - 7  MIS ", [("PER", 0, 2), ("MISC", 4, 7)]),
        ("3 -", STANDING),
    ],
)
def test_corrections_do_what_the_help_says(line, expected):
    assert correct(STANDING, line, 8, TYPES) == expected
    assert STANDING == [("PER", 0, 2), ("LOC", 4, 7)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x", r"'x' is no correction; write 2-3 PER"),
        ("", "is no correction"),
        ("3", "is no correction"),
        ("PER 3", "is no correction"),
        ("3 PER,", "is no correction"),
        ("0 PER", "there is no word 0; the sentence has words 1 to 8"),
        ("8-9 PER", "there are no words 8 to 9"),
        ("5-4 PER", "there are no words 5 to 4"),
        ("1 FOO", "there is no type 'FOO'; use one of LOC, MISC, MONEY, PER"),
        ("1 m", "'m' may be MISC or MONEY"),
        ("99999999999999 PER", "is no correction"),
    ],
)
def test_malformed_corrections_and_unknown_types_get_one_line(line, message):
    with pytest.raises(InputError, match=message):
        correct(STANDING, line, 8, TYPES)


def test_a_mistake_in_the_middle_changes_nothing():
    entities = list(STANDING)
    with pytest.raises(InputError):
        correct(entities, "3 LOC, 4 FOO", 8, TYPES)
    assert entities == STANDING


def test_the_exact_name_wins_over_a_beginning():
    assert correct([], "1 PER", 1, ["PER", "PERSON"]) == [("PER", 0, 1)]
    assert correct([], "1 per", 1, ["PER", "PERSON", "per"]) == [("per", 0, 1)]


@given(st.text(alphabet="0123456789-,; PERLOCx\t", max_size=20))
def test_whatever_is_typed_entities_stay_well_formed_or_it_is_refused(line):
    try:
        corrected = correct(STANDING, line, 8, TYPES)
    except InputError:
        return
    assert len(tags_from_spans(corrected, 8)) == 8
