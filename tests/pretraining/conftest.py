"""A toy corpus in two languages, prepared once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

WORDS = {
    "the": "el", "house": "casa", "dog": "perro", "sees": "ve", "red": "rojo", "small": "pequeño", "and": "y",
    "river": "río", "finds": "encuentra", "old": "viejo", "Anna": "Anna", "Madrid": "Madrid", "London": "Londres",
}  # fmt: skip
VOCABULARIES = {"en": list(WORDS), "es": list(WORDS.values())}


def write_toy(folder: Path, lines: int = 200) -> Path:
    """Write text, parallel lines and dictionaries for English and Spanish."""
    draw = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for language, words in VOCABULARIES.items():
        text = (" ".join(draw.choices(words, k=draw.randint(4, 12))) + " ." for _ in range(lines))
        (folder / f"{language}.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    pairs = [draw.choices(list(WORDS.items()), k=draw.randint(3, 6)) for _ in range(lines)]
    columns = ("\t".join(" ".join(side) for side in zip(*pair, strict=True)) for pair in pairs)
    (folder / "en-es.tsv").write_text("\n".join(columns) + "\n", encoding="utf-8")
    forward = [(word.lower(), other.lower()) for word, other in WORDS.items()]
    (folder / "en-es.txt").write_text("".join(f"{a} {b}\n" for a, b in forward), encoding="utf-8")
    (folder / "en-es.rev.txt").write_text(
        "".join(f"{a}\t{b}\n" for a, b in sorted(forward, key=lambda pair: pair[1])), encoding="utf-8"
    )
    return folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the toy corpus."""
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def prepared(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The toy corpus, encoded: the data folder and the tokenizer."""
    from hf_xner.pretraining.prepare import prepare_data, prepare_tokenizer

    folder = tmp_path_factory.mktemp("prepared")
    tokenizer = prepare_tokenizer(folder, [toy], ["en", "es"], 120)
    data = prepare_data(folder, tokenizer, texts=[toy], languages=["en", "es"], parallel=toy, dictionaries=toy)
    return data, tokenizer
