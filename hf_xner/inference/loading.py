"""Loading encoders and taggers, offline first, with errors that name the remedy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from hf_xner.errors import InputError
from hf_xner.inference.device import local_device


def load_tokenizer(name: str) -> Any:
    """The fast tokenizer of a folder or Hub id, ready for pre-split words.

    Raises:
        InputError: There is no tokenizer, or it cannot be loaded.
    """
    from transformers import AutoTokenizer

    if os.path.isdir(name) and not _has_tokenizer(name):
        raise InputError(
            "the folder has no tokenizer", where=name, remedy="save one into it with tokenizer.save_pretrained()"
        )
    try:
        # Byte-level BPE tokenizers refuse pre-split words unless each word starts with a space.
        return AutoTokenizer.from_pretrained(name, add_prefix_space=True)
    except (OSError, ValueError) as error:
        raise _unusable(name, "tokenizer", error) from error


def _has_tokenizer(folder: str) -> bool:
    names = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spm.model")
    return any(os.path.exists(os.path.join(folder, name)) for name in names)


def load_encoder_for_tagging(name: str, tag_names: Sequence[str]) -> Any:
    """A fresh token-classification head on a pretrained encoder, in float32, with the tags' names in its config.

    Args:
        name: Folder or Hub id.
        tag_names: Tags by id.

    Raises:
        InputError: The encoder cannot be loaded or has no token-classification class.
    """
    from transformers import AutoModelForTokenClassification
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the report of a "missing" classifier would alarm: it is new on purpose
    try:
        return AutoModelForTokenClassification.from_pretrained(
            name,
            num_labels=len(tag_names),
            id2label=dict(enumerate(tag_names)),
            label2id={tag: index for index, tag in enumerate(tag_names)},
            dtype=torch.float32,
        )
    except (OSError, ValueError) as error:
        raise _unusable(name, "encoder with a token-classification class", error) from error
    finally:
        logging.set_verbosity(verbosity)


def load_tagger(name: str) -> tuple[Any, Any]:
    """A trained tagger and its tokenizer, in evaluation mode, on this process's own device.

    Raises:
        InputError: It cannot be loaded, or its tags have no names.
    """
    from transformers import AutoModelForTokenClassification

    tokenizer = load_tokenizer(name)
    try:
        model = AutoModelForTokenClassification.from_pretrained(name, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise _unusable(name, "tagger", error) from error
    if "O" not in model.config.label2id:
        raise InputError(
            f"its tags are called {', '.join(sorted(model.config.label2id)[:3])}… and none is O",
            where=name,
            remedy="set id2label and label2id in its config.json",
        )
    return model.eval().to(local_device()), tokenizer


def _unusable(name: str, what: str, error: Exception) -> InputError:
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    return InputError(
        f"no {what} could be loaded ({reason})",
        where=name,
        remedy="give a folder that transformers can load, a Hub id, or the built-in xner-mini",
    )
