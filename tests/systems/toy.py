"""A toy transfer between two "languages" whose words the tiny tokenizer knows."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"PER": ["Angela Merkel", "John", "John Merkel"], "LOC": ["Kiel", "Bonn"], "ORG": ["Gab", "Had Cad"]}
SOURCE = ["{PER} visited {LOC} .", "the {ORG} in {LOC} , a bank", "{PER} ( {ORG} ) visited the bank in {LOC} ."]
TARGET = ["{LOC} , ib {PER} ec .", "hed {ORG} ( id ) {LOC} ib", "ec {PER} , {ORG} ib hed"]
SOURCE_WORDS = ["the", "a", "bank", "in", "visited"]
TARGET_WORDS = ["ib", "ec", "hed", "id", "fa"]

Sentences = list[list[tuple[str, str]]]


def make_sentences(templates: list[str], words: list[str], count: int, seed: int) -> Sentences:
    """Sentences of uneven length, each token with its tag."""
    chance = random.Random(seed)
    sentences = []
    for _ in range(count):
        sentence = [(word, "O") for word in chance.choices(words, k=chance.randrange(8))]
        for part in chance.choice(templates).split():
            kind = part.strip("{}")
            if kind in NAMES:
                first, *others = chance.choice(NAMES[kind]).split()
                sentence += [(first, f"B-{kind}"), *((word, f"I-{kind}") for word in others)]
            else:
                sentence.append((part, "O"))
        sentences.append(sentence)
    return sentences


def write_sentences(path: Path, sentences: Sentences, *, tags: bool = True) -> Path:
    """Write a two-column file (or one of tokens alone)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        "".join(f"{token} {tag}\n" if tags else f"{token}\n" for token, tag in sentence) for sentence in sentences
    )
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_corpus(folder: Path, templates: list[str], words: list[str], sizes: dict[str, int], seed: int) -> Path:
    """Write train, dev and test of a corpus."""
    for number, (split, count) in enumerate(sizes.items()):
        sentences = make_sentences(templates, words, count, seed + number)
        write_sentences(folder / f"{split}.conll", sentences)
    return folder


def write_toy_dictionary(path: Path) -> Path:
    """From one toy "language" into the other; names are copied."""
    pairs = zip(SOURCE_WORDS, TARGET_WORDS, strict=True)
    path.write_text("".join(f"{word}\t{other}\n" for word, other in pairs), encoding="utf-8")
    return path


def write_toy_vectors(folder: Path, width: int = 8) -> tuple[Path, Path]:
    """Word vectors of both toy "languages" that share some words, one space turned against the other."""
    import numpy as np

    from hf_xner.translation.vectors import WordVectors, write_vectors

    shared = [
        "Angela",
        "Merkel",
        "John",
        "Kiel",
        "Bonn",
        ".",
        ",",
        "(",
        ")",
        *(f"both{number}" for number in range(30)),
    ]
    chance = np.random.default_rng(0)
    turn = np.linalg.qr(chance.standard_normal((width, width)))[0]
    size = len(shared) + len(SOURCE_WORDS)
    vectors = (chance.standard_normal((size, width)) * np.linspace(3, 1, width)).astype(np.float32)
    write_vectors(WordVectors([*shared, *SOURCE_WORDS], vectors), folder / "source.vec")
    turned = (vectors @ turn.T).astype(np.float32)
    write_vectors(WordVectors([*shared, *TARGET_WORDS], turned), folder / "target.vec")
    return folder / "source.vec", folder / "target.vec"


@dataclass(frozen=True)
class Toy:
    """Two corpora and an encoder."""

    source: Path
    target: Path
    encoder: Path

    def options(self, output_dir: Path, store: Path, **more: Any) -> dict[str, Any]:
        """Options of a small tsl run, as `train` takes them."""
        return {
            "source": [str(self.source)],
            "target": str(self.target),
            "encoder": str(self.encoder),
            "output_dir": str(output_dir),
            "store": str(store),
            "batch_size": 8,
            "micro_batch_size": 8,
            "teacher_epochs": 4.0,
            "student_epochs": 2.0,
            "teacher_learning_rate": 0.005,
            "student_learning_rate": 0.005,
            "freeze_layers": 0,
            "freeze_embeddings": False,
            "precision": "fp32",
            **more,
        }


def command_line(options: dict[str, Any]) -> list[str]:
    """The same options as the command line takes them."""
    words = []
    for name, value in options.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return words


def subprocess_environment(**more: str) -> dict[str, str]:
    """An environment in which `python -m hf_xner…` finds this checkout and is alone."""
    alone = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    return {**alone, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **more}


@dataclass(frozen=True)
class Finished:
    """A run that ended undisturbed."""

    options: dict[str, Any]
    folder: Path
    store: Path
    results: dict[str, Any]

    def stages(self, kind: str) -> list[Path]:
        """Folders of its stages of one kind."""
        return stage_folders(self.store, kind)


def stage_folders(store: Path, kind: str) -> list[Path]:
    """Finished stages of one kind."""
    return sorted(path.parent for path in store.glob(f"{kind}/*/stage.json"))
