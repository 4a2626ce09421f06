"""What `xner predict` writes."""

from __future__ import annotations

import json

import pytest

from hf_xner.inference.inputs import Item
from hf_xner.inference.outputs import FORMATS
from hf_xner.inference.tagger import Tagger


@pytest.fixture
def tagger(lexicon_model, tiny_tokenizer) -> Tagger:
    return Tagger(lexicon_model, tiny_tokenizer)


def test_columns_hold_token_gold_and_tag_in_the_order_of_conlleval(tagger):
    words = ["Kiel", "", "a b", "Bonn"]
    [tagged] = tagger.tag_words([words])
    assert FORMATS["conll"](Item(words), tagged) == "Kiel B-LOC\n_ O\na_b O\nBonn B-LOC\n\n"
    gold = Item(words, ["O", "O", "O", "B-LOC"])
    assert FORMATS["conll"](gold, tagged) == "Kiel O B-LOC\n_ O O\na_b O O\nBonn B-LOC B-LOC\n\n"


def test_columns_have_an_empty_line_after_each_sentence_of_a_text(tagger):
    text = "Kiel. Bonn"
    assert FORMATS["conll"](Item(text), tagger.tag_text(text)) == "Kiel B-LOC\n. O\n\nBonn B-LOC\n\n"
    assert FORMATS["conll"](Item(""), tagger.tag_text("")) == "\n"


def test_json_lines_hold_offsets_scores_and_the_id(tagger):
    text = "Angela Merkel 北京\n"
    line = FORMATS["jsonl"](Item(text, None, {"id": 7}), tagger.tag_text(text))
    assert line.count("\n") == 1 and "北京" in line
    record = json.loads(line)
    assert record["id"] == 7 and record["text"] == text
    assert record["tokens"] == ["Angela", "Merkel", "北", "京"]
    assert record["ner_tags"] == ["B-PER", "I-PER", "O", "O"]
    [entity] = record["entities"]
    assert (entity["type"], text[entity["start"] : entity["end"]], entity["score"]) == ("PER", "Angela Merkel", 0.9)


def test_inline_marks_entities_on_one_line(tagger):
    text = "Angela Merkel\u2028visited Kiel.\nBonn!"
    assert (
        FORMATS["inline"](Item(text), tagger.tag_text(text)) == "[Angela Merkel PER] visited [Kiel LOC]. [Bonn LOC]!\n"
    )
