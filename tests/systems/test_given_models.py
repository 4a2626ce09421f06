"""Teachers that are given: what is accepted, what is warned of, and a student without any labelled sentence."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, BertConfig, BertForTokenClassification, BertTokenizer

from hf_xner import InputError
from hf_xner.data import load_corpus
from hf_xner.data.rows import read_soft_labels
from hf_xner.evaluation.prediction_files import read_predictions
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.tagger import Tagger
from hf_xner.launch import train
from hf_xner.systems.given_models import Seen, given_model, labels_seen
from hf_xner.systems.several_teachers import short_names

from .toy import TARGET, Finished, Toy, make_sentences, stage_folders

TAGS = ["I-PER", "O", "B-ORG", "I-ORG", "B-LOC", "B-PER", "I-LOC"]


def save_tagger(folder: Path, tags: list[str], seed: int, **more: Any) -> Path:
    """A tagger with a tokenizer of its own: single letters, lower case."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,()"]
    vocabulary = {
        piece: index for index, piece in enumerate([*pieces, *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz")])
    }
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        id2label=dict(enumerate(tags)),
        label2id={tag: index for index, tag in enumerate(tags)},
        initializer_range=0.5,  # so that it says something
        **more,
    )
    BertForTokenClassification(config).save_pretrained(folder)
    BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=40).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagger of another architecture, with another tokenizer, its tags in another order."""
    return save_tagger(tmp_path_factory.mktemp("other"), TAGS, seed=3)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Raw text: several sentences a line, words glued to punctuation, a script without spaces."""
    sentences = make_sentences(TARGET, ["ib", "ec", "fa"], 20, seed=2)
    lines = [" ".join(word for word, _ in sentence) for sentence in sentences]
    place = tmp_path / "mytext.txt"
    place.write_text("Angela visited Kiel. John, too!\n北京天安门。\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return place


def options(toy: Toy, tmp_path: Path, **more: Any) -> dict[str, Any]:
    base = toy.options(tmp_path / "run", tmp_path / "store", student_epochs=1.0, teacher_epochs=1.0)
    del base["source"]
    return {**base, **more}


def test_a_student_from_a_given_teacher_and_raw_text_alone(
    finished: Finished, toy: Toy, text: Path, tmp_path: Path, capsys
):
    teacher = finished.folder / "student"
    results = train("tsl", **options(toy, tmp_path, teacher=[str(teacher)], target=str(text), variants=["tsl"]))
    assert results["sets"] == {} and results["variants"] == {} and results["differences"] == []
    assert results["student"] == "tsl" and results["calibration"] is None and results["target_labels_used"] is False
    assert results["teachers"]["run"]["given"] is True and results["teachers"]["run"]["types"] == ["LOC", "ORG", "PER"]
    assert {kind.parent.name for kind in (tmp_path / "store").glob("*/*/stage.json")} != set()
    assert not stage_folders(tmp_path / "store", "train"), "nobody was trained on labels"
    printed = capsys.readouterr().out
    assert "Nothing was scored" in printed and "xner predict" in printed and "The model is in" in printed

    # What the student was trained on is what a Tagger makes of the same file, line by line.
    tagger = Tagger.from_pretrained(str(tmp_path / "run" / "student"))
    tagged = [[token.text for token in tagger.tag_text(line).tokens] for line in text.read_text().splitlines()]
    words = load_corpus(str(text))["train"]["tokens"][:]
    assert [word for sentence in words for word in sentence] == [word for line in tagged for word in line]
    assert words[:3] == [
        ["Angela", "visited", "Kiel", "."],
        ["John", ",", "too", "!"],
        list("北京天安门。"),
    ]
    (labelled,) = stage_folders(tmp_path / "store", "soft_labels")
    assert [len(row) // 7 for row in read_soft_labels(labelled)["soft_labels"]] == [len(words) for words in words]
    config = json.loads((tmp_path / "run" / "student" / "config.json").read_text())
    assert set(config["label2id"]) == set(TAGS)


def test_teachers_with_two_tokenizers_mix_word_by_word(
    finished: Finished, toy: Toy, other: Path, text: Path, tmp_path: Path
):
    given = [str(finished.folder), str(other)]
    train("tsl", **options(toy, tmp_path, teacher=given, target=str(text), variants=["avg"]))
    (mixture,) = stage_folders(tmp_path / "store", "mixture")
    sentences = load_corpus(str(text))["train"]["tokens"][:]
    mixed = [np.array(row).reshape(len(words), 7) for row, words in zip(_rows(mixture), sentences, strict=True)]
    names = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
    said = []
    for folder in (finished.folder / "student", other):
        model, tokenizer = load_tagger(str(folder))
        order = [model.config.label2id[name] for name in names]
        said.append([array[:, order] for array in word_probabilities(model, tokenizer, sentences)])
        pieces = tokenizer(sentences[0], is_split_into_words=True)["input_ids"]
        assert len(pieces) == {"student": 6}.get(folder.name, 20), "the tokenizers cut words differently"
    for one, two, both in zip(*said, mixed, strict=True):
        np.testing.assert_allclose(both, (one + two) / 2, atol=2e-3)
    assert np.abs(np.concatenate(said[0]) - np.concatenate(said[1])).max() > 0.3


def _rows(folder: Path) -> list[list[float]]:
    return read_soft_labels(folder)["soft_labels"][:]


def test_a_given_teacher_beside_a_trained_one(finished: Finished, toy: Toy, other: Path, tmp_path: Path):
    shutil.copytree(finished.store / "train", tmp_path / "store" / "train")
    chosen = options(toy, tmp_path, source=[str(toy.source)], teacher=[str(other)], target=str(toy.target))
    # The finished run's teacher is this run's.
    chosen |= {"teacher_epochs": finished.options["teacher_epochs"], "max_target_sentences": 8}
    results = train(
        "tsl",
        **chosen,
        teacher_text=[str(toy.target / "dev.conll")],
        variants=["mt", "mt_avg", "sim"],
        similarity_epochs=1.0,
        similarity_embedding="mean",
    )
    assert set(results["variants"]) == {"mt_source", f"mt_{other.name}", "mt_avg", "sim"}
    assert results["variants"]["mt_source"]["target_test"] == finished.results["variants"]["mt"]["target_test"]
    assert len(stage_folders(tmp_path / "store", "train")) == 1
    assert list(results["language_weights"]["bilinear"]["seed 1"]["alpha"]) == ["source", other.name]
    assert not results["teachers"]["source"]["given"] and results["teachers"][other.name]["given"]


def test_seeds_share_what_given_teachers_say(other: Path, toy: Toy, text: Path, tmp_path: Path):
    chosen = options(toy, tmp_path, teacher=[str(other)], target=str(text), seeds=[1, 2], variants=["tsl"])
    train("tsl", **chosen, max_target_sentences=4)
    counts = {kind: len(stage_folders(tmp_path / "store", kind)) for kind in ("soft_labels", "distil")}
    assert counts == {"soft_labels": 1, "distil": 2}


def test_a_given_teacher_may_be_applied_as_it_is(other: Path, toy: Toy, tmp_path: Path):
    results = train("tsl", **options(toy, tmp_path, teacher=[str(other)], target=str(toy.target), variants=["mt"]))
    assert results["student"] == "mt"
    config = json.loads((tmp_path / "run" / "student" / "config.json").read_text())
    assert config["xner"]["start_constraint"] is True
    assert "xner" not in json.loads((other / "config.json").read_text()) and config["xner"]["decoding"] == "viterbi"
    tagged = Tagger.from_pretrained(str(tmp_path / "run" / "student"))
    scored = read_predictions(tmp_path / "run" / "predictions_target_test" / "tagger.conll")
    found = [[token.tag for token in answer.tokens] for answer in tagged.tag_words(scored.tokens)]
    plain = read_predictions(tmp_path / "run" / "predictions_target_test" / "plain.conll").predicted
    assert found == scored.predicted != plain, "what was scored is what the user gets"
    kept = AutoModelForTokenClassification.from_pretrained(tmp_path / "run" / "student").state_dict()
    given = AutoModelForTokenClassification.from_pretrained(other).state_dict()
    assert all(value.equal(given[name]) for name, value in kept.items())


def test_types_of_a_given_teacher_are_renamed(toy: Toy, tmp_path: Path):
    tags = ["O", "S-PERSON", "B-PERSON", "I-PERSON", "E-PERSON", "B-GPE", "B-LOC", "B-ORG", "B-DATE"]
    teacher = save_tagger(tmp_path / "teacher", tags, seed=5)
    chosen = options(toy, tmp_path, teacher=[str(teacher)], target=str(toy.target), variants=["mt", "tsl"])
    with pytest.raises(InputError, match=r"what the teachers teach has DATE, GPE, LOC, ORG, PERSON; .*LOC, ORG, PER;"):
        train("tsl", **chosen)
    renamed = ["PERSON=HUMAN,GPE=PLACE,DATE=O", "HUMAN=PER,PLACE=LOC"]  # one after the other
    results = train("tsl", **{**chosen, "max_target_sentences": 8}, label_map=renamed)
    assert set(results["variants"]["mt"]["target_test"]["plain"]["per_type"]) <= {"LOC", "ORG", "PER"}
    config = json.loads((tmp_path / "run" / "student" / "config.json").read_text())
    names = [config["id2label"][str(number)] for number in range(7)]
    assert names == ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
    (mixture,) = stage_folders(tmp_path / "store", "mixture")
    (own,) = (
        folder for folder in stage_folders(tmp_path / "store", "soft_labels") if len(read_soft_labels(folder)) == 8
    )
    before, after = (np.array(_rows(folder)[0]).reshape(-1, width) for folder, width in ((own, 9), (mixture, 7)))
    np.testing.assert_allclose(after[:, 5], before[:, 1] + before[:, 2], atol=2e-3)  # S- and B-PERSON: B-PER
    np.testing.assert_allclose(after[:, 1], before[:, 5] + before[:, 6], atol=2e-3)  # B-GPE and B-LOC
    np.testing.assert_allclose(after[:, 0], before[:, 0] + before[:, 8], atol=2e-3)  # O and DATE


def no_model(place: Path) -> str:
    (place / "empty").mkdir()
    return str(place / "empty")


def no_head(place: Path) -> str:
    folder = save_tagger(place / "headless", TAGS, seed=1)
    config = json.loads((folder / "config.json").read_text()) | {"architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def no_names(place: Path) -> str:
    return str(save_tagger(place / "nameless", ["LABEL_0", "LABEL_1"], seed=1))


def no_tags(place: Path) -> str:
    return str(save_tagger(place / "tagless", ["O", "PER"], seed=1))


def iob1(place: Path) -> str:
    return str(save_tagger(place / "iob1", TAGS, seed=1, xner={"scheme": "iob1"}))


def broken(place: Path) -> str:
    folder = save_tagger(place / "broken", TAGS, seed=1)
    (folder / "model.safetensors").write_bytes(b"no weights")
    return str(folder)


def a_file(place: Path) -> str:
    (place / "teacher.bin").write_bytes(b"x")
    return str(place / "teacher.bin")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_model, r"empty: the folder holds no model \(no config\.json\); give a tagger's folder"),
        (no_head, r"headless: a BertModel, which is no tagger; give"),
        (no_names, r"nameless: none of its tags \(LABEL_0, LABEL_1…\) is O; name its tags"),
        (no_tags, r"tagless: .*'PER'.*; name its tags"),
        (iob1, r"iob1: its tags are in IOB1"),
        (broken, r"broken: no tagger could be loaded"),
        (a_file, r"teacher\.bin: a file where a model's folder is needed"),
        (lambda place: str(place / "nowhere"), r"nowhere: no such folder; give"),
        (lambda place: "nobody/at-all", r"nobody/at-all: no tagger could be loaded"),
    ],
    ids=["no model", "no head", "no names", "no tags", "IOB1", "broken", "a file", "nowhere", "no Hub id"],
)
def test_what_is_no_tagger_is_refused_before_anything_is_made(toy: Toy, text: Path, tmp_path: Path, make, message):
    chosen = options(toy, tmp_path, teacher=[make(tmp_path)], target=str(text))
    with pytest.raises(InputError, match=message):
        train("tsl", **chosen)
    assert not (tmp_path / "run").exists() and not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"teacher": []}, r"--source, --teacher: nobody to learn from; give a labelled corpus .* or a tagger"),
        ({"teacher": ["a", "a"]}, r"--teacher: a is given twice"),
        (
            {"variants": ["sim"], "teacher": ["a", "b"]},
            r"--variants: sim compares the teachers' languages.*--teacher_text",
        ),
        ({"variants": ["avg"]}, r"--variants: avg is of several teachers, and there is one"),
        ({"variants": ["joint"], "teacher": ["a", "b"]}, r"joint is trained on several sources"),
        ({"teacher_text": ["x", "y"]}, r"--teacher_text: 2 texts for 1 given teachers"),
        ({"evaluate_on": ["source_dev"]}, r"there is no source to select or score on; add --source"),
        ({"select_on": "source_dev"}, r"there is no source to select or score on; add --source"),
        ({"types": "all"}, r"--types: 'all' is not one of same, common, union"),
        ({"weight_level": "word"}, r"--weight_level: 'word' is not one of language, sentence"),
        ({"similarity_rank": 0}, r"--similarity_rank: at least 1 is needed"),
        ({"similarity_gamma": -1.0}, r"--similarity_gamma: -1\.0 is less than 0"),
        ({"student_weight_decay": -1.0}, r"--student_weight_decay: -1\.0 is less than 0"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ", ".join(value),
)
def test_options_that_do_not_fit_together_are_refused(toy: Toy, tmp_path: Path, more: dict[str, Any], message: str):
    chosen = options(toy, tmp_path, teacher=["a"], target=str(toy.target))
    with pytest.raises(InputError, match=message):
        train("tsl", **{**chosen, **more})


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"nothing\.txt"), ("\n \n", r"nothing\.txt")],
    ids=["missing", "empty"],
)
def test_a_teachers_text_is_read_before_anything_is_made(
    finished: Finished, toy: Toy, other: Path, tmp_path: Path, content: str | None, message: str
):
    place = tmp_path / "nothing.txt"
    if content is not None:
        place.write_text(content)
    given = {
        "teacher": [str(finished.folder), str(other)],
        "teacher_text": [str(toy.target / "dev.conll"), str(place)],
    }
    with pytest.raises(InputError, match=message):
        train("tsl", **options(toy, tmp_path, target=str(toy.target), variants=["avg", "sim"], **given))
    assert not (tmp_path / "store").exists()


def test_the_same_teacher_under_two_names_is_refused(toy: Toy, other: Path, tmp_path: Path):
    shutil.copytree(other, tmp_path / "copy")
    chosen = options(toy, tmp_path, teacher=[str(other), str(tmp_path / "copy")], target=str(toy.target))
    with pytest.raises(InputError, match=r"--teacher: .* and .*copy are the same; give each once"):
        train("tsl", **chosen)


def test_a_teacher_that_saw_the_targets_labels_is_told(finished: Finished, toy: Toy, tmp_path: Path, caplog):
    """By the stage that made it: its teacher's source is now the target."""
    (stage,) = finished.stages("train")
    chosen = options(toy, tmp_path, teacher=[str(stage / "model")], target=str(toy.source), variants=["mt"])
    with caplog.at_level(logging.WARNING, "hf_xner"):
        results = train("tsl", **chosen)
    (warning,) = results["warnings"]
    assert "the teacher model was trained on the labels of source" in warning, "no path of this machine"
    assert results["target_labels_used"] is True
    assert f"was trained on the labels of {toy.source}: " in caplog.text and "no zero-resource result" in caplog.text


def test_what_is_recorded_of_a_models_labels(finished: Finished, other: Path, toy: Toy, tmp_path: Path):
    student = given_model(str(finished.folder), load=False)
    assert student.name == str(finished.folder / "student"), "a run means its student"
    assert labels_seen(student, str(toy.target), "es", "a digest") is None
    known = next(digest for name, digest in finished.results["data"].items() if name.endswith("source train"))
    assert labels_seen(student, "here", None, known) == Seen("was trained on the labels of here", surely=True)

    run = tmp_path / "run"
    shutil.copytree(other, run / "student")
    for facts, clause in (
        ({"arguments": {"source": ["conll2002:es"], "target": "x"}}, "was trained on the labels of conll2002:es"),
        ({"arguments": {"source": ["mine:es"], "target": "x"}}, "was trained on the labels of mine:es"),
        ({"arguments": {"source": ["conll2003:en"], "target": "conll2002:es"}}, None),
        (
            {"arguments": {"source": ["conll2003:en"], "target": "conll2002:es"}, "target_labels_used": True},
            "was trained on the labels of conll2002:es",
        ),
    ):
        (run / "results.json").write_text(json.dumps(facts))
        found = labels_seen(given_model(str(run), load=False), "sample:es", "es", None)
        assert found == (None if clause is None else Seen(clause))

    carded = tmp_path / "carded"
    shutil.copytree(other, carded)
    for front, hit in (
        ("language: es", True),
        ("language:\n- de\n- es", True),
        ("language: de", False),
        ("x: [", False),
    ):
        (carded / "README.md").write_text(f"---\n{front}\n---\n\nA tagger.\n")
        found = labels_seen(given_model(str(carded), load=False), "mytext.txt:es", "es", None)
        assert (found is not None) == hit, front
    assert labels_seen(given_model(str(other), load=False), "mytext.txt:es", "es", None) is None


def test_short_names(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("Habari .")
    mine = f"{tmp_path}/mine.txt:sw"
    specs = ["conll2003:en", "sample:de", "uner:en_ewt", mine, "runs/tsl-es/student", "ORG/a-model"]
    assert short_names(specs) == ["en", "de", "en-3", "sw", "tsl-es", "a-model"]
    assert short_names(["my corpus/train data.conll?tag=2"]) == ["train-data"]
    assert short_names(["x/a-3", "y/a", "z/a"]) == ["a-3", "a", "a-4"]
    assert short_names(["y/a", "y/b", "z/a"]) == ["a", "b", "a-3"]


def test_a_teacher_is_not_called_what_a_mixture_is_called():
    """Its variant mt_avg would be that of the mixture, and one of both would be lost."""
    assert short_names(["org/avg", "org/sim", "org/mean"]) == ["avg-1", "sim-2", "mean"]
    assert short_names(["org/avg"]) == ["avg"], "a single teacher's variants do not have its name"
