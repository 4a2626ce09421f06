"""Drawing sentences with a real model, and drawing more of them."""

from __future__ import annotations

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hf_xner.errors import InputError
from hf_xner.inference.tagger import Tagger
from hf_xner.review.drawing import DrawSettings, begin, extend
from hf_xner.review.models import Models
from hf_xner.review.reading import TextFile
from hf_xner.review.sampling import sentence_weights
from hf_xner.review.session import Session

WORDS = ["Angela", "Merkel", "visited", "Kiel", ".", "Bonn", "the", "bank", "in", "a", "John"]


@pytest.fixture
def text(tmp_path: Path) -> TextFile:
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(WORDS, rng.integers(0, 12))) for _ in range(60)]
    (tmp_path / "my.words").write_text("\n".join(lines))
    return TextFile(tmp_path / "my.words")


@pytest.fixture
def models(tiny_model_dir: Path) -> Models:
    return Models(str(tiny_model_dir), str(tiny_model_dir), "teacher, seed 1")


def settings(sentences: int = 10, **more) -> DrawSettings:
    return DrawSettings(sentences, device="cpu", **more)


def test_the_sample_holds_what_the_tagger_says_of_these_sentences(tmp_path, text, models):
    session = begin(tmp_path / "review", "tiny", models, text, settings())
    sentences = list(text.sentences())
    tagged = Tagger.from_pretrained(models.student, device="cpu").tag_words(sentences)
    assert len(session.drawn) == 10 == len({sentence.number for sentence in session.drawn})
    for one in session.drawn:
        assert one.words == sentences[one.number]
        assert one.before == (" ".join(sentences[one.number - 1]) if one.number else "")
        assert one.after == " ".join(sentences[one.number + 1] if one.number + 1 < len(sentences) else [])
        expected = [(e.type, e.first_word, e.end_word) for e in tagged[one.number].entities]
        assert one.entities == expected == one.teacher
        assert one.scores == pytest.approx([entity.score for entity in tagged[one.number].entities], abs=1e-5)
    entities = [len(one.entities) for one in tagged]
    unsure = [sum(1 - token.score for token in one.tokens) for one in tagged]
    weights, priority = session.weights()
    np.testing.assert_allclose(weights, sentence_weights(entities, unsure), rtol=1e-4)
    assert [one.number for one in session.drawn] == np.argsort(-priority)[:10].tolist()
    assert session.facts["text"]["sentences"] == len(sentences)
    assert sum(session.facts["found"].values()) == sum(entities)
    assert session.facts["teacher_name"] == "teacher, seed 1"
    assert session.facts["agreement"]["rate"] == 1.0 and session.facts["agreement"]["both"] == sum(entities)


def test_drawing_more_keeps_what_is_there_and_equals_having_drawn_it_at_once(tmp_path, text, models):
    session = begin(tmp_path / "review", "tiny", models, text, settings())
    session.answer(0, [])
    larger = extend(session, models, text, 25, "cpu")
    assert larger.drawn[:10] == session.drawn and larger.position == 1
    at_once = begin(tmp_path / "other", "tiny", models, text, settings(25))
    assert [one.number for one in larger.drawn] == [one.number for one in at_once.drawn]
    assert larger.facts["next_priority"] == at_once.facts["next_priority"]
    assert Session(tmp_path / "review").drawn == larger.drawn


def test_fewer_sentences_than_asked_for_means_all_of_them(tmp_path, models):
    (tmp_path / "few.txt").write_text("Angela Merkel visited Kiel. John in Bonn.\n")
    session = begin(tmp_path / "review", "tiny", models, TextFile(tmp_path / "few.txt"), settings(100))
    assert sorted(sentence.number for sentence in session.drawn) == [0, 1]
    assert session.facts["next_priority"] == 0


@pytest.mark.parametrize("content", ["", "\n \n\n"])
def test_an_empty_text_is_refused(tmp_path, models, content):
    (tmp_path / "empty.txt").write_text(content)
    with pytest.raises(InputError, match=r"empty.txt: there is no sentence in it"):
        begin(tmp_path / "review", "tiny", models, TextFile(tmp_path / "empty.txt"), settings())
    assert not (tmp_path / "review").exists()


def test_a_text_that_changes_is_noticed(tmp_path, text, models):
    session = begin(tmp_path / "review", "tiny", models, text, settings())
    text.path.write_text(text.path.read_text() + "\nKiel\n")
    with pytest.raises(InputError, match="the text has changed since the review began; give the text as it was"):
        extend(session, models, text, 20, "cpu")
    assert len(Session(tmp_path / "review").drawn) == 10


def test_without_a_teacher_nothing_is_compared(tmp_path, text, models):
    session = begin(
        tmp_path / "review", "tiny", Models(models.student, None, why_no_teacher="none is known"), text, settings()
    )
    assert session.facts["agreement"] is None and session.facts["why_no_teacher"] == "none is known"
    assert {sentence.teacher for sentence in session.drawn} == {None}
    # Even if one turns up later: the sentences drawn before have no answer of its.
    assert {sentence.teacher for sentence in extend(session, models, text, 20, "cpu").drawn} == {None}


def test_more_is_drawn_only_with_the_teacher_of_the_beginning(tmp_path, text, models, tiny_model_dir):
    """Sentences without its answers would count as ones in which it finds nothing."""
    session = begin(tmp_path / "review", "tiny", models, text, settings())
    why = "the teacher is no longer where it was; --teacher MODEL names one"
    gone = replace(models, teacher=None, why_no_teacher=why)
    with pytest.raises(InputError) as caught:
        extend(session, gone, text, 20, "cpu")
    assert str(caught.value) == (
        "--teacher: the review compares with a teacher (teacher, seed 1), and drawing more needs it: the teacher is "
        "no longer where it was; give the same --teacher, or begin another review with another --output"
    )
    with pytest.raises(InputError, match=r"\(teacher, seed 1\), and drawing more needs it; give the same --teacher"):
        extend(session, Models(models.student, None), text, 20, "cpu")
    other = shutil.copytree(tiny_model_dir, tmp_path / "other")
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    with pytest.raises(InputError, match="--teacher: the teacher other is not the model that the review began with"):
        extend(session, Models(models.student, str(other), "other"), text, 20, "cpu")
    assert len(Session(tmp_path / "review").drawn) == 10
    same = shutil.copytree(tiny_model_dir, tmp_path / "same")  # the same model, wherever it lies
    larger = extend(session, Models(models.student, str(same), "same"), text, 20, "cpu")
    assert len(larger.drawn) == 20 and all(one.teacher is not None for one in larger.drawn)
    extend(larger, models, text, 25, "cpu")


def test_a_review_of_before_the_record_goes_on_with_any_teacher_but_not_with_none(tmp_path, text, models):
    session = begin(tmp_path / "review", "tiny", models, text, settings())
    del session.facts["teacher_digest"], session.facts["teacher_name"]
    with pytest.raises(InputError, match=r"compares with a teacher \(one\), and drawing more needs it; give the same"):
        extend(session, Models(models.student, None), text, 20, "cpu")
    assert len(extend(session, models, text, 20, "cpu").drawn) == 20


def test_a_text_is_not_read_as_another_kind_of_file(tmp_path, text, models):
    session = begin(tmp_path / "review", "tiny", models, text, settings())
    with pytest.raises(InputError, match="--input: the review began with the text read as words, not text; leave it"):
        extend(session, models, TextFile(text.path, "text"), 20, "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sentences": 0}, "--sentences: 0 sentences; ask for at least 1"),
        ({"random_share": 0.0}, "--random_share: a random share of 0.0; give above 0, at most 1"),
        ({"random_share": 1.5}, "--random_share"),
        ({"seed": -1}, "--seed: seed -1; give 0 or more"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DrawSettings(**options)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_text(tmp_path, models):
    peaks = []
    for size in (3000, 30000):
        path = tmp_path / f"{size}.words"
        path.write_text("Angela Merkel visited Kiel .\n" * size)
        tracemalloc.start()
        begin(tmp_path / str(size), "tiny", Models(models.student, None), TextFile(path), settings(5))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Numbers of a sentence take tens of bytes, its words would take hundreds.
    assert peaks[1] - peaks[0] < 27000 * 100
