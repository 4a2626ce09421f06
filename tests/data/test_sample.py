"""The sample corpus keeps its promises: enough of it, well tagged, and nothing of a test set in training."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from hf_xner.data.sample import LANGUAGES, load, read_test, split_frames
from hf_xner.data.sample.generator import (
    ENTITY_TYPES,
    Frame,
    fill,
    generate,
    package_text,
    read_frames,
    read_lists,
    without_held_out,
)
from hf_xner.errors import InputError

REFERENCE = re.compile(r"\{(?:[A-Z]+:)?(#\d+-\d+|\w+)[\^+]?\}")

every_language = pytest.mark.parametrize("language", LANGUAGES)

load_once = cache(load)


def text_of(tokens):
    return " ".join(tokens).casefold()


def entities_of(sentences):
    """Distinct (surface form, type) of a labelled split, read from the tags here and not by the package."""
    found = set()
    for tokens, tags in sentences:
        starts = [i for i, tag in enumerate(tags) if tag.startswith("B-")]
        for start in starts:
            end = start + 1
            while end < len(tags) and tags[end].startswith("I-"):
                end += 1
            found.add((text_of(tokens[start:end]), tags[start][2:]))
    return found


@cache
def training_text(language):
    """All a system may see of a language, as one string to search for " surface form "."""
    splits = load_once(language)
    sentences = splits["train"] + splits.get("validation", [])
    values = [value for values in read_lists(language).values() for value in values]
    return " " + " \n ".join([*(text_of(tokens) for tokens, _ in sentences), *(v.casefold() for v in values)]) + " "


@every_language
def test_each_language_has_its_splits_and_enough_sentences(language):
    splits = load_once(language)
    assert list(splits) == (["train", "validation", "test"] if language == "en" else ["train", "test"])
    assert len(splits["test"]) >= 150
    assert len(splits["train"]) >= (2500 if language == "en" else 1000)
    if language == "en":
        assert len(splits["validation"]) == 400


@every_language
def test_only_the_source_and_the_test_sets_have_tags(language):
    splits = load_once(language)
    assert all((tags is None) == (language != "en") for _, tags in splits["train"])
    assert all(tags is not None for _, tags in splits["test"])


@every_language
def test_tokens_and_tags_are_well_formed(language):
    allowed = {"O", *(f"{prefix}-{type_}" for prefix in "BI" for type_ in ENTITY_TYPES)}
    for split, sentences in load_once(language).items():
        for tokens, tags in sentences:
            assert tokens, split
            assert all(token and not re.search(r"\s|[{}]", token) for token in tokens), tokens
            if tags is None:
                continue
            assert len(tags) == len(tokens)
            assert set(tags) <= allowed, tags
            for before, tag in itertools.pairwise(["O", *tags]):
                assert not tag.startswith("I-") or before[2:] == tag[2:], (tokens, tags)


@every_language
def test_no_sentence_occurs_twice_in_a_split(language):
    for split, sentences in load_once(language).items():
        texts = [" ".join(tokens) for tokens, _ in sentences]
        assert len(texts) == len(set(texts)), split


@every_language
def test_every_test_set_has_all_types_and_sentences_without_entities(language):
    test = load_once(language)["test"]
    assert {type_ for _, type_ in entities_of(test)} == set(ENTITY_TYPES)
    assert any(set(tags) == {"O"} for _, tags in test)
    assert sum(tag.startswith("B-") for _, tags in test for tag in tags) >= len(test)


@every_language
def test_no_test_sentence_is_in_training(language):
    seen = {text_of(tokens) for source in {language, "en"} for tokens, _ in load_once(source)["train"]}
    assert not seen & {text_of(tokens) for tokens, _ in load_once(language)["test"]}


@every_language
def test_no_test_sentence_has_the_shape_of_a_frame(language):
    texts = [" ".join(tokens) for tokens, _ in read_test(language)]
    shared = [
        (text, frame.text)
        for frame in read_frames(language)
        for pattern in [frame.pattern]
        for text in texts
        if pattern.fullmatch(text)
    ]
    assert not shared


@every_language
def test_a_frame_matches_the_sentences_made_of_it(language):
    """Without this the test above could pass because the patterns match nothing."""
    lists, rng = read_lists(language), random.Random(7)
    for frame in read_frames(language):
        for _ in range(3):
            tokens, _ = fill(frame, lists, rng)
            assert frame.pattern.fullmatch(" ".join(tokens)), frame.text


@every_language
def test_a_third_of_the_test_entities_occurs_in_no_training_text(language):
    surfaces = {surface for surface, _ in entities_of(load_once(language)["test"])}
    seen_text = [training_text(source) for source in {language, "en"}]
    unseen = {surface for surface in surfaces if not any(f" {surface} " in text for text in seen_text)}
    assert len(unseen) >= len(surfaces) / 3, f"{len(unseen)} of {len(surfaces)}"


@every_language
def test_frames_and_lists_fit_together(language):
    frames, lists = read_frames(language), read_lists(language)
    assert len({frame.text for frame in frames}) == len(frames)
    of_frames = {source for frame in frames for _, source in frame.slots}
    of_values = {match[1] for values in lists.values() for value in values for match in REFERENCE.finditer(value)}
    keys = {source for source in of_frames | of_values if not source.startswith("#")}
    assert keys == set(lists)
    assert {type_ for frame in frames for type_, _ in frame.slots} <= {"O", *ENTITY_TYPES}
    for text in [*(frame.text for frame in frames), *itertools.chain.from_iterable(lists.values())]:
        assert text == " ".join(text.split()), f"more than single spaces: {text!r}"
        assert not re.search(r"[{}]", REFERENCE.sub("", text)), f"a brace that is no slot: {text!r}"
    for frame in frames:
        for token in frame.tokens:
            slots = REFERENCE.findall(token)
            glued = slots and not REFERENCE.fullmatch(token)
            assert not glued or all(slot == "O" for slot in re.findall(r"\{([A-Z]+):", token)), frame.text


def test_english_frames_are_many_and_each_is_used():
    frames = read_frames("en")
    training, validation = split_frames(frames)
    assert len(training) >= 250
    assert sorted(f.text for f in training + validation) == sorted(f.text for f in frames)
    assert len(generate(training, read_lists("en"), len(training))) == len(training)


def test_english_has_sentences_without_entities():
    train = load_once("en")["train"]
    assert 0.15 < sum(set(tags) == {"O"} for _, tags in train) / len(train) < 0.3


def test_english_training_has_every_type_often():
    counts = dict.fromkeys(ENTITY_TYPES, 0)
    for _, tags in load_once("en")["train"]:
        for tag in tags:
            if tag.startswith("B-"):
                counts[tag[2:]] += 1
    assert min(counts.values()) >= 900, counts


def test_validation_shares_no_frame_with_training_and_has_new_entities():
    frames = read_frames("en")
    training, validation = split_frames(frames)
    assert not {frame.text for frame in training} & {frame.text for frame in validation}
    splits = load_once("en")
    train_text = " " + " \n ".join(text_of(tokens) for tokens, _ in splits["train"]) + " "
    surfaces = {surface for surface, _ in entities_of(splits["validation"])}
    unseen = {surface for surface in surfaces if f" {surface} " not in train_text}
    assert 0.2 < len(unseen) / len(surfaces) < 0.9, f"{len(unseen)} of {len(surfaces)}"


def test_held_out_values_never_reach_training():
    frames, lists = read_frames("en"), read_lists("en")
    shorter = without_held_out(lists, frames)
    held_out = {value for value in lists["city"] if value not in shorter["city"]}
    assert 0.05 < len(held_out) / len(lists["city"]) < 0.3
    assert shorter["weekday"] == lists["weekday"]
    places = {surface for surface, type_ in entities_of(load_once("en")["train"]) if type_ == "LOC"}
    assert not {value.casefold() for value in held_out} & places


def test_two_loads_are_equal_and_do_not_touch_the_global_generator():
    state = random.getstate()
    assert load("en") == load("en")
    assert random.getstate() == state


def test_two_processes_write_the_same_text():
    code = (
        "import json, sys; from hf_xner.data.sample import LANGUAGES, load;"
        "sys.stdout.write(json.dumps([load(language) for language in LANGUAGES]))"
    )

    def digest(hash_seed):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert len(json.loads(run.stdout)) == len(LANGUAGES)
        return hashlib.sha256(run.stdout).hexdigest()

    assert digest("1") == digest("2")


def test_loading_needs_no_heavy_import():
    code = (
        "import sys; from hf_xner.data.sample import load; load('en');"
        "print([name for name in ('torch', 'transformers', 'datasets', 'numpy') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    assert run.stdout.strip() == "[]"


def test_an_unknown_language_is_a_clear_error():
    with pytest.raises(
        InputError, match=r"no such language in the sample corpus: 'fr'; take one of en, de, es, nl, no"
    ):
        load("fr")


@every_language
def test_the_readme_names_the_true_counts(language):
    rows = [line.strip("| ").split("|") for line in package_text("README.md").splitlines() if line.startswith("|")]
    row = next(row for row in rows if row[0].strip() == language)
    counts = [int(number.replace(",", "")) for cell in row[1:4] for number in re.findall(r"\d[\d,]*", cell)]
    assert counts == [len(sentences) for sentences in load_once(language).values()]


def test_slots_glue_pad_and_change_case():
    lists = {"city": ["oslo"], "based": ["{city+}-based"], "score": ["{#2-2}-{#0-0}"]}
    frame = Frame("{LOC:city^} {O:#007-007}/{O:score} {MISC:based} van {PER:city+} {O:city}")
    tokens, tags = fill(frame, lists, random.Random(0))
    assert tokens == ["OSLO", "007/2-0", "Oslo-based", "van", "Oslo", "oslo"]
    assert tags == ["B-LOC", "O", "B-MISC", "O", "B-PER", "O"]


def test_one_sentence_does_not_name_one_thing_twice():
    lists = {"club": ["North End", "South End"]}
    frame = Frame("{ORG:club} met {ORG:club} .")
    for seed in range(30):
        tokens, tags = fill(frame, lists, random.Random(seed))
        assert sorted([tokens[0], tokens[3]]) == ["North", "South"]
        assert tags == ["B-ORG", "I-ORG", "O", "B-ORG", "I-ORG", "O"]


def test_generation_stops_when_the_frames_can_give_no_more():
    made = generate([Frame("It rains ."), Frame("It rains in {LOC:city} .")], {"city": ["Ash", "Elm"]}, 50)
    assert 2 <= len(made) <= 3


def test_the_command_prints_tagged_sentences():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "hf_xner.data.sample", "en", "5"]
    run = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    assert len(run.stdout.splitlines()) == 5
    assert run.stderr == ""


def test_files_are_plain_utf8_with_unix_line_ends():
    import hf_xner.data.sample as sample

    for path in Path(sample.__file__).parent.glob("*.*"):
        if path.suffix in {".txt", ".json", ".conll", ".md"}:
            content = path.read_bytes()
            assert b"\r" not in content, path.name
            assert path.suffix != ".conll" or content.endswith(b"\n"), path.name
            content.decode("utf-8")
