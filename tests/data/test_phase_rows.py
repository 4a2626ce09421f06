"""Which rows each step of adversarial training sees, and what the discriminators are told about them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_xner.data.encoding import WordEncoder
from hf_xner.data.feeds import FEEDS, SOURCE, TARGET, Feed, changed
from hf_xner.data.phase_rows import DISCRIMINATOR, GENERATOR, PHASES, TAGGING, PhaseCollator, PhaseRows, PhaseSampler
from hf_xner.data.rows import TrainingRows, write_encoded

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
SIZES = {"source": 22, "translated": 22, "source_switched": 22, "translated_switched": 22, "target_text": 37}
SIZES |= {"source_shuffled": 22, "translated_shuffled": 22}


def lengths(seed: int = 0) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(seed)
    return {name: chance.integers(3, 60, size) for name, size in SIZES.items()}


def draws(feed: Feed, step: int = 4, epoch: int = 0, **options: Any) -> list[list[Any]]:
    """The steps of an epoch."""
    sampler = PhaseSampler(lengths(), feed, step, **options)
    sampler.set_epoch(epoch)
    items = list(sampler)
    assert len(items) == len(sampler)
    return [items[begin : begin + step] for begin in range(0, len(items), step)]


def test_phases_take_turns_and_no_step_mixes_them():
    steps = draws(FEEDS["src"])
    assert all(len({item.phase for item in step}) == 1 for step in steps)
    assert [step[0].phase for step in steps] == [*PHASES] * 6, "22 rows in steps of 4"
    assert [step[0].phase for step in draws(FEEDS["src"], phases=PHASES[:2])] == [*PHASES[:2]] * 6


def test_an_epoch_is_a_pass_over_the_tagged_rows_filled_up_from_another():
    for feed in (FEEDS["src"], FEEDS["entity"]):
        seen = [row for step in draws(feed) for item in step if item.phase == TAGGING for row in item.rows]
        wanted = {(name, index) for name in feed.tagging for index in range(SIZES[name])}
        assert set(seen) == wanted
        counts = Counter(seen)
        assert sum(counts.values()) == -(-len(wanted) // 4) * 4
        assert sum(count - 1 for count in counts.values()) == -len(wanted) % 4


@pytest.mark.parametrize("phase", [DISCRIMINATOR, GENERATOR])
def test_a_discriminators_step_has_as_many_rows_of_every_corpus(phase: str):
    for step in draws(FEEDS["src"]):
        if step[0].phase == phase:
            counts = Counter(name for item in step for name, _ in item.rows)
            assert counts == dict.fromkeys(FEEDS["src"].adversarial, 4)
            assert all(len(item.rows) == 6 for item in step), "however the step is divided, its parts are mixed"


def test_fewer_rows_of_every_corpus():
    for step in draws(FEEDS["src"], rows_per_corpus=1):
        if step[0].phase != TAGGING:
            assert Counter(name for item in step for name, _ in item.rows) == dict.fromkeys(
                FEEDS["src"].adversarial, 1
            )
            assert sorted(len(item.rows) for item in step) == [1, 1, 2, 2]


def test_loaders_are_fresh_independent_and_cycle():
    steps = draws(FEEDS["advpicker"])
    seen = {
        phase: [row for step in steps for item in step if item.phase == phase for row in item.rows] for phase in PHASES
    }
    source = {phase: [row for name, row in rows if name == "source"] for phase, rows in seen.items()}
    assert len({tuple(rows) for rows in source.values()}) == 3, "each phase has an order of its own"
    pairs = [row for item in (item for step in steps for item in step if item.phase == GENERATOR) for row in item.rows]
    assert len(set(pairs)) > 22
    small = {**lengths(), "target_text": np.arange(3, 8)}
    sampler = PhaseSampler(small, FEEDS["advpicker"], 4)
    counts = Counter(row for item in sampler if item.phase == GENERATOR for row in item.rows)
    assert {count for (name, _), count in counts.items() if name == "target_text"} == {4, 5}, "24 rows out of 5"


def test_the_order_depends_on_seed_and_epoch_alone():
    feed = FEEDS["src"]
    assert draws(feed, epoch=1) == draws(feed, epoch=1)
    assert draws(feed, epoch=1) != draws(feed, epoch=0) and draws(feed, seed=2) != draws(feed)


def test_rows_of_like_length_share_a_step_in_every_corpus():
    chance = np.random.default_rng(0)
    sizes = {"source": 2000, "target_text": 3100}
    long = {name: chance.integers(3, 100, size) for name, size in sizes.items()}
    sampler = PhaseSampler(long, FEEDS["advpicker"], 10)
    for phase in (TAGGING, DISCRIMINATOR):
        items = [item for item in sampler if item.phase == phase]
        spreads = []
        for begin in range(0, len(items), 10):
            found = [long[name][row] for item in items[begin : begin + 10] for name, row in item.rows]
            spreads.append(max(found) - min(found))
        assert np.mean(spreads) < 8 < 90, phase


def test_steps_do_not_come_sorted_by_length():
    long = {"source": np.arange(2000)}
    sampler = PhaseSampler(long, Feed(tagging=("source",)), 10, phases=PHASES[:1])
    starts = [item.rows[0][1] for number, item in enumerate(sampler) if number % 10 == 0]
    assert len(starts) == 200 and starts != sorted(starts) and starts != sorted(starts, reverse=True)


def test_impossible_steps_are_refused():
    with pytest.raises(ValueError, match="2 corpora with 1 rows each do not make 4 items"):
        PhaseSampler(lengths(), FEEDS["advpicker"], 4, rows_per_corpus=1)
    with pytest.raises(ValueError, match="source has no rows"):
        PhaseSampler({**lengths(), "source": np.zeros(0)}, FEEDS["advpicker"], 4)


def rows_of(sentences: list[tuple[list[str], list[str]]], tokenizer: Any, path: Path) -> TrainingRows:
    data = Dataset.from_dict(
        {"tokens": [words for words, _ in sentences], "ner_tags": [tags for _, tags in sentences]},
        features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}),
    )
    return TrainingRows(write_encoded(data, WordEncoder(tokenizer, max_length=64), path), hard_labels=data)


# "bcd" is three pieces, "" is none.
SENTENCE = (["the", "John", "bcd", "", "Kiel"], ["O", "B-PER", "O", "B-LOC", "I-LOC"])
PLAIN = (["bank", "in"], ["O", "O"])


@pytest.fixture
def collated(tiny_tokenizer, tmp_path: Path):
    """A discriminator's batch of one sentence of one corpus."""

    def collate(
        name: str, feed: Feed, positions: str = "pieces", sentence: Any = SENTENCE, phase: str = DISCRIMINATOR
    ) -> dict[str, Any]:
        rows = rows_of([sentence], tiny_tokenizer, tmp_path / "rows.arrow")
        item = {"phase": phase, "rows": [(name, rows[0])]}
        return PhaseCollator(0, feed, outside=0, special=(1, 1), positions=positions)([item])

    return collate


def shown(batch: dict[str, Any]) -> list[int | None]:
    """The language of each position that the discriminator is shown."""
    pairs = zip(batch["languages"][0].tolist(), batch["language_mask"][0].tolist(), strict=True)
    return [language if mask else None for language, mask in pairs]


def test_pieces_have_the_language_of_their_word(collated):
    # [CLS] the John b ##c ##d Kiel [SEP]
    switched = shown(collated("source_switched", FEEDS["src"]))
    assert switched == [None, SOURCE, TARGET, SOURCE, SOURCE, SOURCE, TARGET, None]
    mirrored = shown(collated("translated_switched", FEEDS["src"]))
    assert mirrored == [None, TARGET, SOURCE, TARGET, TARGET, TARGET, SOURCE, None]
    assert shown(collated("translated", FEEDS["src"])) == [None, *[TARGET] * 6, None]


def test_first_sub_words_alone(collated):
    assert shown(collated("source_switched", FEEDS["src"], "words")) == [
        *[None, SOURCE, TARGET, SOURCE, None, None, TARGET, None]
    ]


def test_every_attended_position_as_advpicker_does(collated):
    assert shown(collated("source", FEEDS["advpicker"], "attended")) == [SOURCE] * 8
    mixed = shown(collated("source_switched", FEEDS["src"], "attended"))
    assert mixed == [None, SOURCE, TARGET, SOURCE, SOURCE, SOURCE, TARGET, None], "[CLS] of a mixed sentence has none"


def test_scopes_show_entities_or_their_contexts_alone(collated):
    assert shown(collated("translated_switched", FEEDS["entity"])) == [*[None] * 2, SOURCE, *[None] * 3, SOURCE, None]
    assert shown(collated("translated", FEEDS["entity"], "attended")) == [
        *[*[None] * 2, TARGET, *[None] * 3, TARGET, None]
    ]
    assert shown(collated("source_switched", FEEDS["context"])) == [
        *[None, SOURCE, None, SOURCE, SOURCE, SOURCE, None, None]
    ]


def test_a_sentence_without_entities_shows_the_entity_discriminator_nothing(collated):
    batch = collated("translated", FEEDS["entity"], sentence=PLAIN)
    assert not batch["language_mask"].any()
    assert collated("translated", FEEDS["context"], sentence=PLAIN)["language_mask"].sum() == 2


def test_a_corpus_that_feeds_one_discriminator_is_not_shown_to_the_other(collated):
    batch = collated("source_shuffled", FEEDS["src"])
    assert not batch["language_mask"].any() and batch["order_mask"].tolist() == [True]
    assert batch["orders"].tolist() == [0]
    batch = collated("source_switched", FEEDS["src"])
    assert batch["language_mask"].any() and batch["order_mask"].tolist() == [False]
    assert collated("source", FEEDS["src"])["orders"].tolist() == [1]


def test_the_order_discriminator_reads_what_positions_say(collated):
    reads = {
        positions: collated("source", FEEDS["src"], positions)["piece_mask"][0].int().tolist()
        for positions in ("words", "pieces", "attended")
    }
    assert reads == {
        "words": [0, 1, 1, 1, 0, 0, 1, 0],
        "pieces": [0, 1, 1, 1, 1, 1, 1, 0],
        "attended": [1, 1, 1, 1, 1, 1, 1, 1],
    }


@pytest.mark.parametrize("positions", ["pieces", "attended"])
def test_sub_words_of_another_windows_words_are_nobodys(tiny_tokenizer, tmp_path: Path, positions: str):
    """What stands in an overlap after a window's last word has that word's language as little as its scope."""
    words, tags = ["the", "bank", "in", "Kiel", "a", "bcd", "John", "the"], [0, 0, 0, 1, 0, 0, 3, 0]
    data = Dataset.from_dict(
        {"tokens": [words], "ner_tags": [tags]},
        features=Features({"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=TAGS))}),
    )
    encoder = WordEncoder(tiny_tokenizer, max_length=9, overlap=3)
    rows = TrainingRows(write_encoded(data, encoder, tmp_path / "rows.arrow"), hard_labels=data)
    # [CLS] the bank in Kiel a b ##c [SEP] owns five words, [CLS] a b ##c ##d John the [SEP] the last three.
    assert [row["positions"].tolist() for row in rows] == [[1, 2, 3, 4, 5], [2, 5, 6]]
    collate = PhaseCollator(0, FEEDS["src"], outside=0, special=(1, 1), positions=positions)
    first, second = (
        shown(collate([{"phase": DISCRIMINATOR, "rows": [("source_switched", row)]}])) for row in (rows[0], rows[1])
    )
    assert first == [None, SOURCE, SOURCE, SOURCE, TARGET, SOURCE, None, None, None]
    assert second == [None, None, SOURCE, SOURCE, SOURCE, TARGET, SOURCE, None]


def test_sentences_that_have_only_one_order_are_shown_to_no_order_discriminator(tiny_tokenizer, tmp_path: Path):
    data = Dataset.from_dict({"tokens": [["bank"], ["in", "bank"]]})
    encoded = write_encoded(data, WordEncoder(tiny_tokenizer, max_length=64), tmp_path / "rows.arrow")
    rows = TrainingRows(encoded, orderable=np.array([False, True]))
    items = [{"phase": DISCRIMINATOR, "rows": [("source", rows[0]), ("source_shuffled", rows[1])]}]
    batch = PhaseCollator(0, changed(FEEDS["src"], language=()), outside=0, special=(1, 1))(items)
    assert batch["order_mask"].tolist() == [False, True]


def test_no_tags_in_the_batches_of_discriminators(collated):
    assert not {"labels", "tags"} & collated("source", FEEDS["src"]).keys()
    batch = collated("source", FEEDS["src"], phase=TAGGING)
    assert batch["phase"] == TAGGING and batch["labels"][0].tolist() == [-100, 0, 3, 0, -100, -100, 2, -100]
    assert "languages" not in batch


def test_target_text_needs_no_tags(tiny_tokenizer, tmp_path: Path):
    text = Dataset.from_dict({"tokens": [["the", "bank"]]})
    rows = TrainingRows(write_encoded(text, WordEncoder(tiny_tokenizer, max_length=64), tmp_path / "rows.arrow"))
    item = {"phase": GENERATOR, "rows": [("target_text", rows[0])]}
    batch = PhaseCollator(0, FEEDS["advpicker"], outside=0, special=(1, 1))([item])
    assert shown(batch) == [None, TARGET, TARGET, None]
    with pytest.raises(ValueError, match="no scope but all"):
        changed(FEEDS["entity"], language=["translated", "target_text"])


def test_rows_are_read_by_draws_and_a_batch_of_two_phases_is_refused(tiny_tokenizer, tmp_path: Path):
    corpora = {name: rows_of([SENTENCE, PLAIN], tiny_tokenizer, tmp_path / f"{name}.arrow") for name in ("source",)}
    corpora["target_text"] = rows_of([PLAIN] * 3, tiny_tokenizer, tmp_path / "text.arrow")
    rows = PhaseRows(corpora, FEEDS["advpicker"])
    assert len(rows) == 5
    collate = PhaseCollator(0, FEEDS["advpicker"], outside=0, special=(1, 1))
    items = list(PhaseSampler(rows.lengths, FEEDS["advpicker"], 2))
    batches = [collate([rows[draw] for draw in items[begin : begin + 2]]) for begin in (0, 2, 4)]
    assert [batch["phase"] for batch in batches] == [*PHASES]
    assert [len(batch["input_ids"]) for batch in batches] == [2, 4, 4]
    with pytest.raises(ValueError, match="a batch of several phases: discriminator, tagging"):
        collate([rows[items[0]], rows[items[2]]])
    with pytest.raises(ValueError, match="the corpus target_text is missing"):
        PhaseRows({"source": corpora["source"]}, FEEDS["advpicker"])
