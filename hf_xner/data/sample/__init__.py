"""The built-in sample corpus: news-like text in five languages, needing no download.

English has labelled training and validation text; German, Spanish, Dutch and Norwegian have unlabelled training text;
all five have a test set that was written sentence by sentence. See the README beside this file.
"""

from __future__ import annotations

import random

from hf_xner.errors import InputError

from .generator import SEED, Frame, Sentence, generate, package_text, read_frames, read_lists, without_held_out

LANGUAGES = ("en", "de", "es", "nl", "no")
SOURCE = "en"

TRAIN_SENTENCES = 2600
VALIDATION_SENTENCES = 400
UNLABELLED_SENTENCES = 1500

_VALIDATION_FRAMES_SHARE = 0.15


def load(language: str) -> dict[str, list[tuple[list[str], list[str] | None]]]:
    """Make or read every split of one language.

    Args:
        language: One of ``LANGUAGES``.

    Returns:
        Sentences by split, each as (tokens, IOB2 tags). English: train, validation and test. The others: train, whose
        tags are None because it is unlabelled, and test.

    Raises:
        InputError: The sample corpus does not have this language.
    """
    if language not in LANGUAGES:
        what = f"no such language in the sample corpus: {language!r}"
        raise InputError(what, remedy=f"take one of {', '.join(LANGUAGES)}")
    splits = _labelled_splits() if language == SOURCE else {"train": _unlabelled_sentences(language)}
    return {**splits, "test": [(tokens, tags) for tokens, tags in read_test(language)]}


def split_frames(frames: list[Frame]) -> tuple[list[Frame], list[Frame]]:
    """Divide the source's frames into those of training and those of validation.

    Args:
        frames: All frames of the source language.

    Returns:
        Frames for training and frames for validation, none in both.
    """
    shuffled = sorted(frames, key=lambda frame: frame.text)
    random.Random(SEED).shuffle(shuffled)
    held_out = round(len(shuffled) * _VALIDATION_FRAMES_SHARE)
    return shuffled[held_out:], shuffled[:held_out]


def read_test(language: str) -> list[Sentence]:
    """Read the test set of one language, which is written out and not generated.

    Args:
        language: One of ``LANGUAGES``.

    Returns:
        Sentences as (tokens, IOB2 tags).
    """
    sentences = []
    for block in package_text(f"test_{language}.conll").strip("\n").split("\n\n"):
        columns = [line.split(" ") for line in block.split("\n")]
        sentences.append(([token for token, _ in columns], [tag for _, tag in columns]))
    return sentences


def _labelled_splits() -> dict[str, list[tuple[list[str], list[str] | None]]]:
    lists = read_lists(SOURCE)
    frames = read_frames(SOURCE)
    train_frames, validation_frames = split_frames(frames)
    train = generate(train_frames, without_held_out(lists, frames), TRAIN_SENTENCES)
    validation = generate(validation_frames, lists, VALIDATION_SENTENCES, seed=SEED + 1)
    return {"train": [*train], "validation": [*validation]}


def _unlabelled_sentences(language: str) -> list[tuple[list[str], list[str] | None]]:
    sentences = generate(read_frames(language), read_lists(language), UNLABELLED_SENTENCES)
    return [(tokens, None) for tokens, _ in sentences]
