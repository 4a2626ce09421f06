"""Translation with a sequence-to-sequence model: Marian, NLLB, M2M100 and their kin, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError


class HubTranslator:
    """A translation model from the Hub or a folder; gives the same translations whatever the batches.

    Args:
        model: Hub id or folder.
        source: Source language as the model names it (`eng_Latn` for NLLB, `en` for M2M100; Marian needs none).
        target: Target language likewise. Marian models with several targets get it as their `>>xx<<` prefix.
        revision: Revision on the Hub; also told apart by the cache.
        beams: Beams of the search.
        max_new_tokens: Longest translation in sub-words.
        batch: Texts in one batch; they are sorted by length first.
        device: Where the model runs.

    Raises:
        InputError: The model cannot be loaded, or does not know a language.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        source: str | None = None,
        target: str | None = None,
        revision: str | None = None,
        beams: int = 4,
        max_new_tokens: int = 128,
        batch: int = 64,
        device: str = "cpu",
    ) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(model, revision=revision)
            self.model: Any = AutoModelForSeq2SeqLM.from_pretrained(model, revision=revision).to(device).eval()
        except (OSError, ValueError, ImportError) as error:
            raise InputError(
                f"no translation model can be loaded ({str(error).splitlines()[0]})",
                where=str(model),
                remedy="name a Marian, NLLB or M2M100 model, or a folder that holds one",
            ) from error
        self.beams = beams
        self.max_new_tokens = max_new_tokens
        self.batch = batch
        self.prefix = ""
        self.forced: int | None = None
        self._set_languages(str(model), source, target)
        commit = getattr(self.model.config, "_commit_hash", None) or revision
        self.identity = f"hub:{model}:{commit}:{source}:{target}:{beams}:{max_new_tokens}"

    def translate_words(self, words: Sequence[str]) -> list[str | None]:
        """Translate every word on its own."""
        return self.translate_phrases(words)

    def translate_phrases(self, phrases: Sequence[str]) -> list[str | None]:
        """Translate every phrase on its own; None for one without a letter or digit, or translated to nothing."""
        results: list[str | None] = [None] * len(phrases)
        # Models hallucinate on bare punctuation; it is copied like an unknown word.
        places = [place for place, phrase in enumerate(phrases) if any(character.isalnum() for character in phrase)]
        places.sort(key=lambda place: len(phrases[place]))
        for begin in range(0, len(places), self.batch):
            chunk = places[begin : begin + self.batch]
            for place, text in zip(chunk, self._generate([phrases[place] for place in chunk]), strict=True):
                results[place] = text.strip() or None
        return results

    def _generate(self, texts: list[str]) -> list[str]:
        import torch

        encoded = self.tokenizer(
            [self.prefix + text for text in texts], return_tensors="pt", padding=True, truncation=True
        ).to(self.model.device)
        encoded.pop("token_type_ids", None)
        extra = {} if self.forced is None else {"forced_bos_token_id": self.forced}
        with torch.inference_mode():
            generated = self.model.generate(
                **encoded, num_beams=self.beams, do_sample=False, max_new_tokens=self.max_new_tokens, **extra
            )
        return list(self.tokenizer.batch_decode(generated, skip_special_tokens=True))

    def _set_languages(self, model: str, source: str | None, target: str | None) -> None:
        if self.model.config.model_type == "marian":
            self.prefix = f">>{target}<< " if target and f">>{target}<<" in self.tokenizer.get_vocab() else ""
            return
        if hasattr(self.tokenizer, "src_lang"):
            if source is None or target is None:
                raise InputError(
                    "a model of many languages needs both of them",
                    where=model,
                    remedy="name them as the model does, eng_Latn or en",
                )
            self._language_id(model, source)
            self.tokenizer.src_lang = source
            self.forced = self._language_id(model, target)

    def _language_id(self, model: str, language: str) -> int:
        for token in (language, f"__{language}__"):
            if token in self.tokenizer.get_vocab():
                return int(self.tokenizer.convert_tokens_to_ids(token))
        raise InputError(f"does not know the language {language!r}", where=model, remedy="name it as the model does")
