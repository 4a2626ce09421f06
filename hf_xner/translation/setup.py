"""From options to a translator and the rules of a translated corpus: the same for the command and for the systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hf_xner.errors import InputError
from hf_xner.translation.augment import Strategy, TranslationRules
from hf_xner.translation.casing import SampledCase, keep_case, source_case
from hf_xner.translation.languages import is_german, is_unspaced
from hf_xner.translation.translators import DictionaryTranslator, MuseTranslator, WordTranslator
from hf_xner.translation.units import TargetUnits

CASES = ("source", "target", "keep")
Case = Literal["source", "target", "keep"]


def require_one_way(ways: Mapping[str, object]) -> None:
    """Refuse none or several ways to translate.

    Args:
        ways: What was given for each way, by the name that its option has where people give it.

    Raises:
        InputError: Not exactly one was given.
    """
    given = [name for name, value in ways.items() if value]
    if len(given) != 1:
        raise InputError(
            f"found {' and '.join(given) or 'no'} way{'s' * (len(given) > 1)} to translate",
            remedy=f"give one of {', '.join(ways)}",
        )


@dataclass(frozen=True)
class TranslationOptions:
    """How a corpus is to be translated.

    Attributes:
        to: Target language code.
        mapping: Folder of `xner vectors map`; one way to translate.
        dictionary: A MUSE or FreeDict file; another.
        model: Folder or Hub id of a translation model; another.
        google: Translate with Google's service; another.
        strategy: See `TranslationRules`.
        keep: Entity types that are copied.
        case: "source" (as the source word), "target" (sampled from target text), "keep" (as translated); by default
            "target" for German and "keep" for models and services.
        several_words: See `TranslationRules`.
        copy_unlettered: See `TranslationRules`.
        seed: Random seed of sampled case.
        source_name: Source language as the model or service names it.
        target_name: Target language likewise; by default `to`.
        revision: Revision of the model.
        endpoint: Another address of Google's service.
        cache: File of the cache of translations.
        offline: Answer from the cache alone.
        device: Where a model runs.
    """

    to: str
    mapping: str | Path | None = None
    dictionary: str | Path | None = None
    model: str | None = None
    google: bool = False
    strategy: Strategy = "word"
    keep: tuple[str, ...] = ("PER",)
    case: Case | None = None
    several_words: Literal["one_token", "expand"] = "one_token"
    copy_unlettered: bool = False
    seed: int = 0
    source_name: str | None = None
    target_name: str | None = None
    revision: str | None = None
    endpoint: str | None = None
    cache: str | Path | None = None
    offline: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Refuse none or several ways to translate.

        Raises:
            InputError: Not exactly one way was given.
        """
        ways = {"--mapping": self.mapping, "--dictionary": self.dictionary, "--model": self.model}
        require_one_way({**ways, "--google": self.google})

    @property
    def casing(self) -> Case:
        """What `case` comes to."""
        if self.case is not None:
            return self.case
        if self.model or self.google:
            return "keep"
        return "target" if is_german(self.to) else "source"

    @property
    def reads_target_text(self) -> bool:
        """Whether the result depends on unlabelled target text: frequencies, case, or how unspaced scripts are cut."""
        return bool(self.dictionary) or self.casing == "target" or is_unspaced(self.to)

    def rule_settings(self) -> dict[str, Any]:
        """What, beside the translator and the target text, decides the translated corpus; JSON values."""
        settings = {
            "strategy": self.strategy,
            "keep": sorted(self.keep),
            "case": self.casing,
            "several_words": self.several_words,
            "units": is_unspaced(self.to),
        }
        settings |= {"copy_unlettered": True} if self.copy_unlettered else {}
        return settings | ({"case_seed": self.seed} if self.casing == "target" else {})


def build_translator(options: TranslationOptions, sentences: Iterable[Sequence[str]]) -> WordTranslator:
    """The translator that the options name.

    Args:
        options: The options.
        sentences: Unlabelled target sentences: of several translations in a dictionary the most frequent one is taken.

    Raises:
        InputError: The mapping, file or model cannot be used.
    """
    if options.mapping is not None:
        return MuseTranslator.from_folder(options.mapping)
    if options.dictionary is not None:
        return DictionaryTranslator(
            options.dictionary, frequencies=Counter(word for words in sentences for word in words)
        )
    return _cached(options)


def _cached(options: TranslationOptions) -> WordTranslator:
    from hf_xner.translation.google import ENDPOINT, GoogleTranslator
    from hf_xner.translation.hub import HubTranslator, model_version
    from hf_xner.translation.translation_cache import CachedTranslator, TranslationCache

    target = options.target_name or options.to
    cache = TranslationCache(options.cache)
    if options.google:
        if not options.source_name:
            raise InputError("is needed", where="--source_name", remedy="name the source language")
        inner: Any = GoogleTranslator(options.source_name, target, endpoint=options.endpoint or ENDPOINT)
    else:
        assert options.model is not None
        inner = HubTranslator(
            options.model,
            source=options.source_name,
            target=target,
            revision=options.revision,
            version=model_version(options.model, options.revision, cache, offline=options.offline),
            device=options.device,
        )
    return CachedTranslator(inner, cache, offline=options.offline)


def build_rules(
    options: TranslationOptions,
    sentences: Sequence[Sequence[str]],
    *,
    split: Callable[[str], Iterable[str]] = str.split,
) -> TranslationRules:
    """The rules that the options ask for.

    Args:
        options: The options.
        sentences: Unlabelled target sentences.
        split: Cuts translated phrases into words.

    Raises:
        InputError: Case is to be sampled from target text, and there is none.
    """
    if options.casing == "target" and not sentences:
        raise InputError(
            "the case of words (by default of German ones) is sampled from target text, and there is none",
            where="--target_text",
            remedy=f"give an unlabelled corpus of {options.to or 'the target language'}, or --case source",
        )
    casing = {"keep": keep_case, "source": source_case}.get(options.casing) or SampledCase(
        sentences, seed=options.seed
    )
    return TranslationRules(
        strategy=options.strategy,
        keep_types=tuple(options.keep),
        casing=casing,
        several_words=options.several_words,
        copy_unlettered=options.copy_unlettered,
        units=TargetUnits(sentences) if is_unspaced(options.to) else None,
        split=split,
    )
