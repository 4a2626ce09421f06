"""The tables that say what feeds which loss refuse what cannot be fed."""

from __future__ import annotations

import pytest

from hf_xner.data.feeds import CORPORA, FEEDS, SOURCE, TARGET, Feed, changed


def test_the_papers_teachers_are_fed_as_it_says():
    """D_entity = D_T and D_T^swi, D_context = D_T and D_S^swi, D_order = D_T and D_T^shu."""
    assert FEEDS["entity"].tagging == FEEDS["entity"].language == ("translated", "translated_switched")
    assert FEEDS["context"].tagging == FEEDS["context"].language == ("translated", "source_switched")
    assert (FEEDS["entity"].scope, FEEDS["context"].scope) == ("entity", "context")
    assert FEEDS["order"].tagging == ("translated", "translated_shuffled") and not FEEDS["order"].adversarial
    assert FEEDS["src"].tagging == ("source",)
    assert FEEDS["advpicker"].language == ("source", "target_text")


def test_only_advpicker_reads_target_text():
    assert [name for name, feed in FEEDS.items() if "target_text" in feed.corpora] == ["advpicker"]


def test_switched_corpora_are_mixed_the_way_their_names_say():
    first, second = CORPORA["source_switched"], CORPORA["translated_switched"]
    assert (first.context, first.entity) == (SOURCE, TARGET)
    assert (second.context, second.entity) == (TARGET, SOURCE)
    assert [name for name, made in CORPORA.items() if made.mixed] == ["source_switched", "translated_switched"]
    assert [name for name, made in CORPORA.items() if not made.ordered] == ["source_shuffled", "translated_shuffled"]


def test_corpora_that_discriminators_share_are_read_once():
    feed = FEEDS["src"]
    assert len(feed.adversarial) == len(set(feed.adversarial)) == 6
    assert feed.without(order=True).adversarial == tuple(name for name in CORPORA if name in feed.language)
    assert feed.without(language=True).language == () and feed.without(language=True).order == feed.order
    assert feed.without(language=True, order=True).corpora == ("source",)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"tagging": ("sauce",)}, "there is no corpus 'sauce', only source, translated"),
        ({"tagging": ()}, "no corpus feeds the tagging loss"),
        ({"tagging": ("target_text",)}, "target_text has no tags: it feeds no tagging loss"),
        (
            {"tagging": ("source",), "language": ("source", "target_text"), "scope": "entity"},
            "knows no scope but all",
        ),
        ({"tagging": ("source",), "language": ("source",)}, "needs words of both languages"),
        (
            {"tagging": ("source",), "language": ("translated", "source_switched"), "scope": "entity"},
            "translated, source_switched: a language discriminator needs words of both languages",
        ),
        ({"tagging": ("source",), "order": ("source", "translated")}, "needs ordered and shuffled sentences"),
    ],
)
def test_what_cannot_be_fed_is_refused(facts: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Feed(**facts)


def test_other_corpora_behind_a_loss():
    feed = changed(FEEDS["src"], language=["source", "translated", "target_text"], order=None, tagging=None)
    assert feed.language == ("source", "translated", "target_text")
    assert (feed.order, feed.tagging) == (FEEDS["src"].order, FEEDS["src"].tagging)
    with pytest.raises(ValueError, match="both languages"):
        changed(FEEDS["src"], language=["translated"])
