from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hf_xner.pretraining.corpus import load_text
from hf_xner.pretraining.masking import IGNORE
from hf_xner.pretraining.rows import Collator, Plan, Rows, RowSettings
from hf_xner.pretraining.tokenizer import CLS, SEP, continuation_flags

SETTINGS = RowSettings(length=16, positions=64, seed=5)
PLAIN = replace(SETTINGS, switched=0.0, parallel=0.0)


def make(prepared, settings, total=400, **options) -> Rows:
    data, tokenizer = prepared
    return Rows(data, ["en", "es"], continuation_flags(tokenizer), settings, total=total, **options)


def test_packing_loses_nothing(prepared):
    rows = make(prepared, PLAIN)
    ids = load_text(prepared[0], "en").ids
    body = SETTINGS.length - 2
    packed = np.concatenate([rows.plain("en", row)[1:-1] for row in range(len(ids) // body)])
    assert packed.tolist() == ids[: len(packed)].tolist() and len(ids) - len(packed) < body


def test_rows_are_framed_and_full(prepared):
    for settings in (SETTINGS, replace(SETTINGS, switched=1.0), replace(SETTINGS, parallel=1.0)):
        rows = make(prepared, settings, held_out=2)
        for item in range(50):
            row = rows[item]["input_ids"]
            assert row[0] == CLS and row[-1] == SEP and (row != 0).all() and len(row) == 16


def test_every_row_once_before_any_twice():
    plan = Plan({"en": 30, "es": 10}, {"en": 0.75, "es": 0.25}, 200, seed=1)
    drawn = [row for language, row in map(plan.__getitem__, range(200)) if language == "es"]
    assert sorted(drawn[:10]) == list(range(10)) and sorted(drawn[10:20]) == list(range(10))
    assert drawn[:10] != drawn[10:20]


def test_languages_are_drawn_as_asked():
    plan = Plan({"en": 3, "es": 3}, {"en": 0.7, "es": 0.3}, 20_000, seed=1)
    assert (plan.language == 1).mean() == pytest.approx(0.3, abs=0.015)


def test_a_longer_plan_begins_like_a_shorter_one():
    long, short = (Plan({"en": 30, "es": 10}, {"en": 0.5, "es": 0.5}, total, seed=1) for total in (300, 100))
    assert [long[index] for index in range(100)] == [short[index] for index in range(100)]


def test_a_row_depends_on_its_number_alone(prepared):
    all_rows, later = make(prepared, SETTINGS), make(prepared, SETTINGS, first=90)
    for number in (93, 91, 97):
        one, other = all_rows[number], later[number - 90]
        assert one["input_ids"].tolist() == other["input_ids"].tolist() and one["start"] == other["start"]


def test_held_out_rows_are_never_drawn(prepared):
    rows = make(prepared, PLAIN, total=2000, held_out=10)
    drawn = {rows.plan[number] for number in range(2000)}
    last = {language: max(row for name, row in drawn if name == language) for language in ("en", "es")}
    for language, row in last.items():
        assert row == len(rows.text[language]) // 14 - 11


def test_switched_rows_hold_both_languages_and_ask_back(prepared):
    _, tokenizer = prepared
    rows = make(prepared, replace(SETTINGS, switched=1.0, switch_rate=0.5, asked_back=0.5, parallel=0.0))
    spanish, english = (
        set(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in ("perro casa ve", "dog house sees")
    )
    mixed = asked = 0
    for item in range(100):
        row = rows[item]
        present = set(row["input_ids"].tolist())
        mixed += bool(present & spanish) and bool(present & english)
        targets = row["labels"] != IGNORE
        asked += targets.sum()
        assert (row["labels"][targets] != row["input_ids"][targets]).all()
    assert mixed > 30 and asked > 50


def test_a_word_that_a_row_cuts_off_is_replaced_whole_or_not_at_all(prepared, tmp_path):
    """Its first sub-words may be another word, which the dictionary knows."""
    data, tokenizer = prepared
    spelt = tokenizer("encuentra", add_special_tokens=False)["input_ids"]
    whole, stump = spelt[0], tokenizer.convert_tokens_to_ids("e")
    continuation = continuation_flags(tokenizer)
    tail = int(np.flatnonzero(continuation)[0])
    filler = tokenizer.convert_tokens_to_ids(".")
    text = np.array([*[filler] * 13, stump, tail, *[filler] * 13], dtype=np.uint16)
    for name in ("en", "es"):
        text.tofile(tmp_path / f"{name}.ids")
        (tmp_path / f"{name}.json").write_text('{"dtype": "uint16", "size": 28, "words": {}}')
    settings = replace(SETTINGS, switched=1.0, switch_rate=1.0, parallel=0.0)

    def last(*word):
        entries = [np.array(word, dtype=np.int64), np.array([whole], dtype=np.int64)]
        ends = np.cumsum([len(entry) for entry in entries])
        np.savez(tmp_path / "en-es.lexicon.npz", ids=np.concatenate(entries), ends=ends)
        rows = Rows(tmp_path, ["en", "es"], continuation, settings, total=9)
        return rows._text("en", 0, np.random.default_rng(0))[0][14]

    assert last(stump) == stump
    assert last(stump, tail) == whole


def test_of_little_text_a_tenth_is_held_out(prepared):
    rows = make(prepared, replace(PLAIN, length=150), held_out=64)
    for language in ("en", "es"):
        whole = len(rows.text[language]) // 148
        assert rows.held_out[language] == whole // 10 and rows.plan.sizes == [w - w // 10 for w in rows_of(rows, 148)]


def rows_of(rows, body):
    return [len(ids) // body for ids in rows.text.values()]


def test_parallel_rows_hold_translations(prepared):
    _, tokenizer = prepared
    rows = make(prepared, replace(SETTINGS, parallel=1.0, length=40))
    house, casa = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("house", "casa"))
    with_house = [row for row in (rows[item]["input_ids"].tolist() for item in range(200)) if house in row]
    assert len(with_house) > 50
    assert np.mean([casa in row for row in with_house]) > 0.8  # the rest was cut
    assert min(row.count(SEP) for row in with_house) >= 3


def test_batches(prepared):
    _, tokenizer = prepared
    rows = make(prepared, SETTINGS, held_out=2)
    collator = Collator(continuation_flags(tokenizer), 0.2, 0)
    batch, again = (collator([rows[item] for item in range(64)]) for _ in range(2))
    assert all((batch[name] == again[name]).all() for name in batch)
    assert set(batch) == {"input_ids", "position_ids", "labels"}  # nothing is padded, so there is no mask
    starts = batch["position_ids"][:, 0]
    assert (batch["position_ids"][:, -1] < 64).all() and 0.3 < (starts == 0).float().mean() < 0.7
    assert starts.max() > 40
