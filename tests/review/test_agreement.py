"""Teacher and student side by side."""

from __future__ import annotations

import json

from hf_xner.labels import Span
from hf_xner.review.agreement import EXAMPLES, Agreement

ANA, KIEL, BANK = Span("PER", 0, 2), Span("LOC", 3, 4), Span("ORG", 1, 3)
WORDS = ["Ana", "Ruiz", "en", "Kiel"]


def test_agreement_counts_entities_and_what_each_sees_alone():
    agreement = Agreement()
    agreement.add(WORDS, [ANA, KIEL], [ANA])
    agreement.add(WORDS, [Span("PER", 0, 1)], [Span("LOC", 0, 1), KIEL])
    agreement.add(WORDS, [ANA], [Span("PER", 0, 1)])
    agreement.add(WORDS, [KIEL], [KIEL])
    agreement.add(WORDS, [], [])
    found = agreement.to_dict()
    assert (found["sentences"], found["differing_sentences"]) == (5, 3)
    assert (found["both"], found["student_only"], found["teacher_only"]) == (2, 3, 3)
    assert found["rate"] == 2 * 2 / (5 + 5)
    kinds = {(kind["student"], kind["teacher"]): kind["count"] for kind in found["kinds"]}
    assert kinds == {
        ("LOC", "-"): 1,
        ("PER", "LOC"): 1,
        ("-", "LOC"): 1,
        ("PER", "PER, other borders"): 1,
    }
    assert [example["words"] for example in found["examples"]] == [WORDS] * 3
    assert json.loads(json.dumps(found))["examples"][0]["student"] == [["PER", 0, 2], ["LOC", 3, 4]]


def test_one_entity_across_two_of_the_other_is_met_once_by_each():
    agreement = Agreement()
    agreement.add(WORDS, [BANK], [Span("PER", 0, 2), Span("LOC", 2, 4)])
    kinds = {(kind["student"], kind["teacher"]) for kind in agreement.to_dict()["kinds"]}
    assert kinds == {("ORG", "PER"), ("ORG", "LOC")}


def test_taggers_that_find_nothing_agree():
    agreement = Agreement()
    agreement.add(WORDS, [], [])
    assert agreement.to_dict()["rate"] == 1.0


def test_examples_come_from_the_whole_text_and_stay_few():
    late = 0
    for seed in range(40):
        agreement = Agreement(seed)
        for number in range(200):
            agreement.add([str(number)], [Span("PER", 0, 1)], [])
        numbers = [int(example["words"][0]) for example in agreement.to_dict()["examples"]]
        assert len(set(numbers)) == EXAMPLES
        late += sum(number >= 100 for number in numbers)
    assert 0.42 < late / (40 * EXAMPLES) < 0.58
