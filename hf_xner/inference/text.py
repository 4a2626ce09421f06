"""Raw text to sentences and words: `hf_xner.data.splitting`, by which text for training is read too."""

from __future__ import annotations

from hf_xner.data.splitting import Piece, iterate_sentences, split_sentences, split_text, split_words

__all__ = ["Piece", "iterate_sentences", "split_sentences", "split_text", "split_words"]
