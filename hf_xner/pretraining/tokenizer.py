"""A cased WordPiece tokenizer that keeps accents and splits CJK characters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, CLS, SEP, MASK = range(len(SPECIAL_TOKENS))
CONTINUATION = "##"


def train_tokenizer(lines: Iterable[str], *, vocab_size: int, alphabet: int = 3000, max_length: int = 512) -> Any:
    """Train a WordPiece vocabulary.

    Args:
        lines: Text; how much of it each language gives decides how the vocabulary is shared.
        vocab_size: Number of sub-words, the five special tokens included.
        alphabet: Number of different characters kept; rarer ones become `[UNK]`.
        max_length: Longest input of the encoder in sub-words.

    Returns:
        A fast `transformers.BertTokenizer` with ids 0 to 4 for `[PAD] [UNK] [CLS] [SEP] [MASK]`.

    Raises:
        InputError: The text is empty or gives fewer than ten sub-words.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertTokenizer

    backend = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=CONTINUATION))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        limit_alphabet=alphabet,
        special_tokens=list(SPECIAL_TOKENS),
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    backend.train_from_iterator(lines, trainer=trainer)
    vocabulary = backend.get_vocab()
    if len(vocabulary) < len(SPECIAL_TOKENS) + 10:
        raise InputError(f"the text gives a vocabulary of only {len(vocabulary)} sub-words", remedy="give more text")
    return BertTokenizer(
        vocab=dict(sorted(vocabulary.items(), key=lambda item: item[1])),
        do_lower_case=False,
        strip_accents=False,
        tokenize_chinese_chars=True,
        model_max_length=max_length,
    )


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer that `train_tokenizer` made and `save_pretrained` wrote.

    Raises:
        InputError: Its special tokens do not have the ids that packing and masking rely on.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) != list(range(len(SPECIAL_TOKENS))):
        raise InputError(
            f"the special tokens {' '.join(SPECIAL_TOKENS)} do not have the ids 0 to 4",
            where=str(folder),
            remedy="train the tokenizer with this script",
        )
    return tokenizer


def continuation_flags(tokenizer: Any) -> Any:
    """Which sub-words continue a word.

    Returns:
        A bool array (V,): true where the sub-word starts with `##`.
    """
    import numpy as np

    pieces = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return np.array([piece.startswith(CONTINUATION) for piece in pieces])
