"""Tests for `xner vectors` and `xner translate`, on small vectors and the user's own small corpus."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from hf_xner.commands import translate, vectors
from hf_xner.errors import InputError
from hf_xner.translation.vectors import WordVectors, read_vectors, write_vectors

CORPUS = "The O\nBank B-ORG\nof I-ORG\nEngland I-ORG\nhired O\nAnn B-PER\n\nBonn B-LOC\nwins O\n"
WORDS = {"the": "el", "bank": "banco", "of": "de", "england": "inglaterra", "hired": "contrató", "ann": "ana"}


def xner(*arguments: object) -> int:
    """Parse and run as `xner` does."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    vectors.add_parser(commands)
    translate.add_parser(commands)
    args = parser.parse_args([str(argument) for argument in arguments])
    return args.run(args)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a corpus, a dictionary, and vectors of two languages, one space rotated."""
    monkeypatch.setenv("HF_XNER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "train.txt").write_text(CORPUS, encoding="utf-8")
    lines = "".join(f"{word}\t{translation}\n" for word, translation in WORDS.items())
    (tmp_path / "words.txt").write_text(lines, encoding="utf-8")
    random = np.random.default_rng(0)
    rows = random.standard_normal((66, 6)).astype(np.float32)
    rotation = np.linalg.qr(random.standard_normal((6, 6)))[0].astype(np.float32)
    numbers = [str(number) for number in range(60)]
    write_vectors(WordVectors([*WORDS, *numbers], rows), tmp_path / "en.vec")
    write_vectors(WordVectors([*WORDS.values(), *numbers], rows @ rotation.T), tmp_path / "es.vec")
    return tmp_path


def test_mapping_then_translating_then_judging(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert xner("vectors", "map", place / "en.vec", place / "es.vec", "--output", place / "map", "--rounds", 1) == 0
    printed = capsys.readouterr().out
    assert "60 seed pairs (identical)" in printed and "66 words, such as the -> el" in printed
    assert "100.0% of 12 seed words held out are translated rightly, 25% needed" in printed
    command = ["translate", f"{place / 'corpus'}", "--to", "es", "--mapping", place / "map"]
    assert xner(*command, "--output", place / "out") == 0
    text = (place / "out" / "train.txt").read_text(encoding="utf-8")
    assert text == (
        "El\tO\nBanco\tB-ORG\nde\tI-ORG\nInglaterra\tI-ORG\ncontrató\tO\nAnn\tB-PER\n\nBonn\tB-LOC\nwins\tO\n\n"
    )
    sample = (place / "out" / "sample.txt").read_text(encoding="utf-8")
    assert sample.startswith(
        "The [Bank of England ORG] hired [Ann PER]\nEl [Banco de Inglaterra ORG] contrató [Ann PER]\n\n"
    )
    facts = json.loads((place / "out" / "translation.json").read_text(encoding="utf-8"))
    assert facts["to"] == "es" and facts["keep"] == ["PER"] and facts["translator"].startswith("table:")
    capsys.readouterr()
    assert xner("translate", "eval", "--mapping", place / "map", "--dictionary", place / "words.txt") == 0
    printed = capsys.readouterr().out
    assert "P@1  100.00%\nP@5  100.00%\n6 of 6 words asked" in printed


def test_dictionary_and_switches(place: Path) -> None:
    command = ["translate", f"{place / 'corpus'}", "--to", "es", "--dictionary", place / "words.txt", "--keep"]
    assert xner(*command, "--output", place / "out", "--sample", 1) == 0
    assert "\nAna\tB-PER\n" in (place / "out" / "train.txt").read_text(encoding="utf-8")
    assert len((place / "out" / "sample.txt").read_text(encoding="utf-8").splitlines()) == 3


def test_the_written_corpus_can_be_loaded(place: Path) -> None:
    from hf_xner.data.corpora import load_corpus

    (place / "words.txt").write_text("bank\tcasa de banca\n", encoding="utf-8")
    command = ["translate", f"{place / 'corpus'}", "--to", "es", "--dictionary", place / "words.txt"]
    assert xner(*command, "--output", place / "out") == 0
    again = load_corpus(str(place / "out" / "train.txt"), cache_dir=place / "arrow")["train"]
    assert again[0]["tokens"] == ["The", "Casa de banca", "of", "England", "hired", "Ann"]


def test_german_case_needs_target_text(place: Path) -> None:
    command = ["translate", f"{place / 'corpus'}", "--to", "de", "--dictionary", place / "words.txt"]
    with pytest.raises(InputError, match="--target_text: the case of words .by default of German ones. is sampled"):
        xner(*command, "--output", place / "out")
    (place / "de.txt").write_text("BANCO O\nEL O\n\n", encoding="utf-8")
    assert xner(*command, "--output", place / "out", "--target_text", place / "de.txt") == 0
    assert (place / "out" / "train.txt").read_text(encoding="utf-8").startswith("EL\tO\nBANCO\tB-ORG\nde\tI-ORG\n")
    assert xner(*command, "--output", place / "out", "--case", "source") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "es"], "found no way to translate; give one of --mapping, --dictionary, --model, --google"),
        (["--to", "es", "--google", "--model", "x"], "found --model and --google ways to translate"),
        (["--google"], "--to: is needed"),
        (["--google", "--to", "es"], "--output: is needed"),
    ],
)
def test_missing_options_are_named(place: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        xner("translate", place / "corpus", *arguments)
    with pytest.raises(InputError, match="xner translate eval: --mapping and --dictionary are both needed"):
        xner("translate", "eval")


def test_a_failed_translation_leaves_nothing(place: Path) -> None:
    command = ["translate", f"{place / 'corpus'}", "--to", "es", "--dictionary", place / "words.txt"]
    with pytest.raises(InputError, match="--splits: .* has no split 'test'; it has train"):
        xner(*command, "--output", place / "out", "--splits", "test")
    with pytest.raises(InputError, match="no such file"):
        xner("vectors", "map", place / "en.vec", place / "fr.vec", "--output", place / "out")
    assert not (place / "out").exists()


def test_an_output_folder_with_other_things_is_kept(place: Path) -> None:
    translation = ["translate", f"{place / 'corpus'}", "--to", "es", "--dictionary", place / "words.txt"]
    mapping = ["vectors", "map", place / "absent.vec", place / "absent.vec"]  # told before anything is read
    for command in (translation, mapping):
        with pytest.raises(InputError, match=r"corpus: holds other things .* would be lost"):
            xner(*command, "--output", place / "corpus")
    assert (place / "corpus" / "train.txt").read_text(encoding="utf-8") == CORPUS


def test_the_output_can_be_the_working_directory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "here").mkdir()
    monkeypatch.chdir(place / "here")
    assert xner("vectors", "map", place / "en.vec", place / "es.vec", "--output", ".", "--rounds", 1) == 0
    assert sorted(path.name for path in Path().iterdir()) == ["dictionary.tsv", "mapping.json", "mapping.safetensors"]


def test_noise_from_seeds_is_not_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = np.random.default_rng(9).standard_normal((66, 6)).astype(np.float32)
    write_vectors(WordVectors([*WORDS.values(), *map(str, range(60))], other), place / "xx.vec")
    command = ["vectors", "map", place / "en.vec", place / "xx.vec", "--output", place / "map", "--rounds", 2]
    with pytest.raises(InputError, match="has not converged .* of 12 seed words held out are translated rightly, 25%"):
        xner(*command)
    assert not (place / "map").exists()
    assert xner(*command, "--accept_failure") == 0
    assert "seed words held out" in (printed := capsys.readouterr().out) and "NOT CONVERGED" in printed
    facts = json.loads((place / "map" / "mapping.json").read_text(encoding="utf-8"))
    assert not facts["converged"] and facts["verdict"]["precision"] < facts["verdict"]["needed"]
    assert not (place / "map" / "dictionary.tsv").exists()


def test_noise_is_not_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(9)
    other = random.standard_normal((66, 6)).astype(np.float32)
    write_vectors(WordVectors([*WORDS.values(), *map(str, range(60))], other), place / "xx.vec")
    command = ["vectors", "map", place / "en.vec", place / "xx.vec", "--output", place / "map", "--adversarial"]
    command += ["--updates", 3, "--epochs", 1, "--hidden", 8, "--rounds", 1]
    with pytest.raises(InputError, match="has not converged .*shared words are their own translation"):
        xner(*command)
    assert not (place / "map").exists()
    assert xner(*command, "--accept_failure") == 0
    printed = capsys.readouterr().out
    assert "seed 0 epoch 1: criterion" in printed and "NOT CONVERGED" in printed
    assert not (place / "map" / "dictionary.tsv").exists()
    with pytest.raises(InputError, match="has not converged"):
        xner("translate", place / "corpus", "--to", "es", "--mapping", place / "map", "--output", place / "out")


@pytest.mark.parametrize(
    ("option", "value"), [("--workers", 0), ("--epochs", 0), ("--width", 0), ("--max_words", -1), ("--max_words", 0)]
)
def test_settings_that_train_nothing_are_refused(place: Path, option: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{option}: {value} is too small; give 1 or more"):
        xner("vectors", "train", place / "words.txt", "--output", place / "de.vec", option, value)
    assert not (place / "de.vec").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(place: Path, device: str) -> None:
    command = ["vectors", "map", place / "en.vec", place / "es.vec", "--output", place / "map", "--device", device]
    with pytest.raises(InputError, match=f"--device: '{device}' cannot be used here"):
        xner(*command)


def test_training_writes_vectors(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gensim")
    (place / "text.txt").write_text("Das Haus ist alt.\nDas Haus steht.\n" * 10, encoding="utf-8")
    command = ["vectors", "train", place / "text.txt", "--output", place / "de.vec", "--width", 6, "--epochs", 1]
    assert xner(*command, "--buckets", 100, "--lowercase", "--max_words", 3) == 0
    assert "3 words of width 6" in capsys.readouterr().out
    # The splitter takes the full stop off the word.
    assert set(read_vectors(place / "de.vec").words) <= {"das", "haus", ".", "ist", "steht", "alt"}
