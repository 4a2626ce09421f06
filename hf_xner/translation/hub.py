"""Translation with a sequence-to-sequence model: Marian, NLLB, M2M100 and their kin, through transformers."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.model_digest import folder_digest, model_commit
from hf_xner.translation.device import checked_device
from hf_xner.translation.translation_cache import TranslationCache

logger = logging.getLogger(__name__)
_REMEDY = "name a Marian, NLLB or M2M100 model, or a folder that holds one"
_PACKAGES = 'install what its tokenizer needs: pip install "hf_xner[translation]"'


class HubTranslator:
    """A translation model from the Hub or a folder; gives the same translations whatever the batches.

    Tokenizer and weights are loaded when the first text is translated, or by `load`.

    Args:
        model: Hub id or folder.
        source: Source language as the model names it (`eng_Latn` for NLLB, `en` for M2M100; Marian needs none).
        target: Target language likewise. Marian models with several targets get it as their `>>xx<<` prefix.
        revision: Revision on the Hub.
        version: What `model_version` says of the model; by default it is asked here.
        beams: Beams of the search.
        max_new_tokens: Longest translation in sub-words.
        batch: Texts in one batch; they are sorted by length first.
        device: Where the model runs.

    Raises:
        InputError: There is no such model.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        source: str | None = None,
        target: str | None = None,
        revision: str | None = None,
        version: str | None = None,
        beams: int = 4,
        max_new_tokens: int = 256,
        batch: int = 64,
        device: str = "cpu",
    ) -> None:
        self.name = str(model)
        self.source = source
        self.target = target
        self.revision = revision
        self.version = version or model_version(self.name, revision)
        self.beams = beams
        self.max_new_tokens = max_new_tokens
        self.batch = batch
        self.device = device
        self.tokenizer: Any = None
        self.model: Any = None
        self.prefix = ""
        self.forced: int | None = None
        # A folder counts by what it holds, wherever it is.
        name = "" if self.version.startswith(_FOLDER) else self.name
        self.identity = f"hub:{name}:{self.version}:{source}:{target}:{beams}:{max_new_tokens}"

    def load(self) -> None:
        """Load tokenizer and weights, once.

        Raises:
            InputError: They cannot be loaded, or the model does not know a language.
        """
        if self.model is not None:
            return
        import torch
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        device = checked_device(self.device)
        # The commit that the translations are kept under, whatever the Hub has by now.
        revision = self.version if _COMMIT.fullmatch(self.version) else self.revision
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(self.name, revision=revision)
            model = AutoModelForSeq2SeqLM.from_pretrained(self.name, revision=revision, dtype=torch.float32)
        except (OSError, ValueError, ImportError) as error:
            lacking = isinstance(error, ImportError) or "sentencepiece" in str(error).lower()
            raise InputError(
                f"no translation model can be loaded ({_first_line(error)})",
                where=self.name,
                remedy=_PACKAGES if lacking else _REMEDY,
            ) from error
        self._set_languages()
        self.model = model.to(device).eval()

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

        self.load()
        encoded = self.tokenizer(
            [self.prefix + text for text in texts], return_tensors="pt", padding=True, truncation=True
        ).to(self.model.device)
        encoded.pop("token_type_ids", None)
        extra = {} if self.forced is None else {"forced_bos_token_id": self.forced}
        with torch.inference_mode():
            generated = self.model.generate(
                **encoded, num_beams=self.beams, do_sample=False, max_new_tokens=self.max_new_tokens, **extra
            )
        self._warn_of_cuts(texts, generated)
        return list(self.tokenizer.batch_decode(generated, skip_special_tokens=True))

    def _warn_of_cuts(self, texts: list[str], generated: Any) -> None:
        """Tell of texts whose translation lacks its end, or that are longer than the model reads."""
        end = self.model.generation_config.eos_token_id
        ends = set(end if isinstance(end, list) else [end])
        for text, row in zip(texts, generated.tolist(), strict=True):
            whole = len(self.tokenizer(self.prefix + text, truncation=False)["input_ids"])
            if whole > self.tokenizer.model_max_length or not ends & set(row[1:]):  # it may begin with one
                logger.warning("%s: the translation of '%s …' is cut off at its end", self.name, text[:60])

    def _set_languages(self) -> None:
        vocabulary = self.tokenizer.get_vocab()
        targets = sorted(token for token in vocabulary if _MARIAN_TARGET.fullmatch(token))
        if targets:
            if self.target is not None and f">>{self.target}<<" not in vocabulary:
                raise self._unknown(self.target, f"name it as the model does: {', '.join(targets[:20])}")
            self.prefix = f">>{self.target}<< " if self.target else ""
        elif hasattr(self.tokenizer, "src_lang"):
            if self.source is None or self.target is None:
                raise InputError(
                    "a model of many languages needs both of them",
                    where=self.name,
                    remedy="name them as the model does, eng_Latn or en",
                )
            self._language_id(self.source)
            self.tokenizer.src_lang = self.source
            self.forced = self._language_id(self.target)

    def _language_id(self, language: str) -> int:
        """Sub-word that stands for a language: M2M100's `__en__`, NLLB's `eng_Latn`.

        `en` alone is an ordinary sub-word in the vocabularies of both.
        """
        if hasattr(self.tokenizer, "get_lang_id"):
            try:
                return int(self.tokenizer.get_lang_id(language))
            except KeyError:
                raise self._unknown(language) from None
        token = getattr(self.tokenizer, "lang_code_to_token", {}).get(language, f"__{language}__")
        if token not in self.tokenizer.get_vocab():
            token = language
            if token not in {*self.tokenizer.all_special_tokens, *self.tokenizer.get_added_vocab()}:
                raise self._unknown(language)
        return int(self.tokenizer.convert_tokens_to_ids(token))

    def _unknown(self, language: str, remedy: str = "name it as the model does") -> InputError:
        return InputError(f"does not know the language {language!r}", where=self.name, remedy=remedy)


def model_version(
    model: str, revision: str | None = None, cache: TranslationCache | None = None, *, offline: bool = False
) -> str:
    """What tells a model's translations from those of another version of it, without loading its weights.

    Args:
        model: Folder or Hub id.
        revision: Revision on the Hub.
        cache: Keeps the answer, and gives it where neither folder nor Hub can be asked.
        offline: Do not ask the Hub if the cache has an answer.

    Returns:
        The commit of a Hub id, `folder-` and a digest for a folder.

    Raises:
        InputError: There is no such folder, the Hub gives nothing, and the cache knows nothing.
    """
    name = model if revision is None else f"{model}@{revision}"
    if Path(model).is_dir():
        version = f"{_FOLDER}{folder_digest(Path(model))}"
    else:
        kept = None if cache is None else cache.version(name)
        if kept is not None and offline:
            return kept
        try:
            version = model_commit(model, revision, remedy=_REMEDY) or revision or "None"
        except InputError:
            if kept is None:
                raise
            return kept
    if cache is not None:
        cache.put_version(name, version)
    return version


_FOLDER = "folder-"
_COMMIT = re.compile("[0-9a-f]{40}")
_MARIAN_TARGET = re.compile(">>[^<>]+<<")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
