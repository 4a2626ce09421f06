"""Tags of several teachers meet by name; their probabilities mix."""

from __future__ import annotations

import numpy as np
import pytest

from hf_xner.data.mixtures import align_tags, mix
from hf_xner.errors import InputError

ABC = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
PERMUTED = ["I-PER", "B-LOC", "O", "I-LOC", "B-PER"]
FEWER = ["O", "B-LOC", "I-LOC"]
HALF = np.array([0.5, 0.5])


def rows(names: list[str], **said: float) -> np.ndarray:
    """One word: probabilities by tag, with _ for the hyphen."""
    by_name = {name.replace("_", "-"): value for name, value in said.items()}
    return np.array([[by_name.get(name, 0.0) for name in names]], dtype=np.float32)


def named(array: np.ndarray, names: tuple[str, ...]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(names, array[0], strict=True) if value > 1e-6}


def test_the_order_of_tags_does_not_matter():
    tags = align_tags({"en": ABC, "nl": PERMUTED})
    assert tags.names == tuple(ABC) and tags.types == ["LOC", "PER"]
    mixed = mix([rows(ABC, O=0.2, B_PER=0.8), rows(PERMUTED, O=0.6, B_PER=0.4)], HALF, tags)
    assert named(mixed, tags.names) == {"O": 0.4, "B-PER": 0.6}
    assert mixed.dtype == np.float32


def test_weights_decide_how_much_each_says():
    tags = align_tags({"en": ABC, "nl": PERMUTED})
    mixed = mix([rows(ABC, O=1.0), rows(PERMUTED, B_LOC=1.0)], np.array([0.9, 0.1]), tags)
    assert named(mixed, tags.names) == {"O": 0.9, "B-LOC": 0.1}


def test_it_is_a_mixture_of_probabilities_and_not_of_logarithms():
    tags = align_tags({"en": FEWER, "nl": FEWER})
    mixed = mix([rows(FEWER, O=1.0), rows(FEWER, B_LOC=0.9, O=0.1)], HALF, tags)
    assert named(mixed, tags.names) == {"O": 0.55, "B-LOC": 0.45}


def test_types_that_differ_are_refused_with_all_lists():
    with pytest.raises(
        InputError, match=r"en has LOC, PER; nl has LOC; rename or drop .*--label_map MISC=O.*--types common or union"
    ):
        align_tags({"en": ABC, "nl": FEWER})


def test_common_types_alone():
    tags = align_tags({"en": ABC, "nl": FEWER}, "common")
    assert tags.names == tuple(FEWER)
    mixed = mix([rows(ABC, B_PER=0.7, I_PER=0.1, B_LOC=0.2), rows(FEWER, O=1.0)], HALF, tags)
    assert named(mixed, tags.names) == {"O": 0.9, "B-LOC": 0.1}
    with pytest.raises(InputError, match="no entity type in common"):
        align_tags({"en": ["O", "B-A"], "nl": ["O", "B-B"]}, "common")


def test_in_a_union_the_o_of_who_does_not_know_a_type_is_shared_out():
    tags = align_tags({"en": ABC, "nl": FEWER}, "union")
    assert tags.names == tuple(ABC)
    # The second never saw PER: its O is "none of LOC", and the first says what that is.
    mixed = mix([rows(ABC, B_PER=0.9, O=0.1), rows(FEWER, O=0.8, B_LOC=0.2)], HALF, tags)
    assert named(mixed, tags.names) == {"O": 0.09, "B-LOC": 0.1, "B-PER": 0.81}
    np.testing.assert_allclose(mixed.sum(), 1, atol=1e-6)


def test_in_a_union_nobody_who_knows_means_o():
    tags = align_tags({"en": ABC, "nl": FEWER}, "union")
    mixed = mix([rows(ABC, B_LOC=1.0), rows(FEWER, O=1.0)], HALF, tags)
    assert named(mixed, tags.names) == {"O": 0.5, "B-LOC": 0.5}, "the first sees neither O nor PER here"
    mixed = mix([rows(ABC, B_PER=1.0), rows(FEWER, O=1.0)], np.array([0.0, 1.0]), tags)
    assert named(mixed, tags.names) == {"O": 1.0}, "who has no weight has no say either"


def test_a_union_of_teachers_of_one_type_each():
    per, loc = ["O", "B-PER", "I-PER"], ["O", "B-LOC", "I-LOC"]
    tags = align_tags({"en": per, "nl": loc}, "union")
    mixed = mix([rows(per, B_PER=1.0), rows(loc, O=1.0)], HALF, tags)
    assert named(mixed, tags.names)["B-PER"] == 1.0
    words = np.random.default_rng(0).dirichlet(np.ones(3), size=6)
    np.testing.assert_allclose(mix([words, words[::-1]], HALF, tags).sum(axis=1), 1, atol=1e-6)


THIRD = np.full(3, 1 / 3)


def test_in_a_union_of_three_a_type_keeps_its_probability_however_few_know_it():
    own = {name: ["O", f"B-{name}", f"I-{name}"] for name in ("PER", "LOC", "ORG")}
    tags = align_tags(own, "union")
    mixed = mix([rows(own["PER"], O=1.0), rows(own["LOC"], B_LOC=1.0), rows(own["ORG"], O=1.0)], THIRD, tags)
    assert named(mixed, tags.names) == {"B-LOC": 1.0}, "the O of PER and ORG says nothing against it"
    # Odds to O of 1 : 1 (PER), 3 : 1 (LOC) and 0 : 1 (ORG) for those who do not know the type.
    said = [rows(own["PER"], B_PER=0.5, O=0.5), rows(own["LOC"], B_LOC=0.75, O=0.25), rows(own["ORG"], O=1.0)]
    per, loc, org = [0.5 / 4, 0.5, 0.5 * 3 / 4], [0.25 / 2, 0.25 / 2, 0.75], [1 / 5, 1 / 5, 3 / 5]
    expected = np.mean([per, loc, org], axis=0)
    mixed = mix(said, THIRD, tags)
    np.testing.assert_allclose([mixed[0, tags.names.index(tag)] for tag in ("O", "B-PER", "B-LOC")], expected)
    np.testing.assert_allclose(mixed.sum(), 1, atol=1e-6)


def test_in_a_union_of_three_two_types_that_are_both_sure_share():
    own = {name: ["O", f"B-{name}", f"I-{name}"] for name in ("PER", "LOC", "ORG")}
    tags = align_tags(own, "union")
    mixed = mix([rows(own["PER"], B_PER=1.0), rows(own["LOC"], B_LOC=1.0), rows(own["ORG"], O=1.0)], THIRD, tags)
    assert named(mixed, tags.names) == {"B-PER": 0.5, "B-LOC": 0.5}


def test_only_three_teachers_can_know_types_differently():
    per, loc = ["O", "B-PER", "I-PER"], ["O", "B-LOC", "I-LOC"]
    assert not align_tags({"a": per, "b": loc}, "union").differently_known
    assert not align_tags({"a": per, "b": ABC, "c": ABC}, "union").differently_known
    three = align_tags({"a": per, "b": loc, "c": ["O", "B-ORG", "I-ORG"]}, "union")
    assert three.differently_known and not three.alone(0).differently_known


def test_other_schemes_become_iob2():
    bioes = ["O", "S-LOC", "B-LOC", "I-LOC", "E-LOC"]
    tags = align_tags({"en": bioes})
    assert tags.names == tuple(FEWER)
    mixed = mix([rows(bioes, S_LOC=0.3, B_LOC=0.2, E_LOC=0.25, I_LOC=0.05, O=0.2)], np.ones(1), tags)
    assert named(mixed, tags.names) == {"O": 0.2, "B-LOC": 0.5, "I-LOC": 0.3}


def test_renamed_types_are_added_up_and_dropped_ones_are_o():
    own = ["O", "B-GPE", "I-GPE", "B-LOC", "I-LOC", "B-DATE", "I-DATE"]
    tags = align_tags({"en": own}, maps={"en": {"GPE": "LOC", "LOC": "LOC", "DATE": None}})
    assert tags.names == tuple(FEWER)
    mixed = mix([rows(own, B_GPE=0.3, B_LOC=0.2, B_DATE=0.1, O=0.4)], np.ones(1), tags)
    assert named(mixed, tags.names) == {"O": 0.5, "B-LOC": 0.5}


def test_who_needs_no_alignment():
    tags = align_tags({"en": ABC, "nl": PERMUTED})
    assert tags.alone(0).is_one_teachers_own(ABC) and tags.alone(1).is_one_teachers_own(PERMUTED)
    assert not tags.is_one_teachers_own(ABC), "there are two"
    assert not align_tags({"en": ["O", "S-LOC", "B-LOC"]}).is_one_teachers_own(["O", "S-LOC", "B-LOC"])
    assert not align_tags({"en": ABC, "nl": FEWER}, "common").alone(0).is_one_teachers_own(ABC)
    swapped = align_tags({"en": ABC}, maps={"en": {"LOC": "PER", "PER": "LOC"}})
    assert not swapped.is_one_teachers_own(ABC), "the same names for other things"


def test_a_sentence_without_words():
    tags = align_tags({"en": ABC, "nl": FEWER}, "union")
    assert mix([np.zeros((0, 5)), np.zeros((0, 3))], HALF, tags).shape == (0, 5)
