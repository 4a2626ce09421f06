"""Translated training data: the stages that UniTrans and TransAdv share.

mapping    = map(source vectors, target vectors)          only where vectors are given instead of a mapping
translated = translate(source, translator)                a labelled corpus, tags carried over
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import load_from_disk

from hf_xner.data.checks import refuse_same_corpus, require_split
from hf_xner.data.specs import parse_spec
from hf_xner.errors import InputError
from hf_xner.inference.device import local_device
from hf_xner.inference.text import split_words
from hf_xner.model_digest import model_digest
from hf_xner.systems.arguments import SystemArguments, check_choice
from hf_xner.systems.stages import Stage
from hf_xner.systems.translation_checks import check_translation, refuse_tags_of_target, warn_of_no_language
from hf_xner.systems.workspace import Labelled, Workspace
from hf_xner.translation.adversarial import AdversarialSettings
from hf_xner.translation.augment import STRATEGIES, check_kept, count_untranslated, translate_corpus
from hf_xner.translation.dictionary import build_dictionary, write_dictionary
from hf_xner.translation.mapping import Side, learn_adversarially, learn_from_pairs
from hf_xner.translation.refinement import SUPERVISED, Refinement
from hf_xner.translation.seeds import identical_pairs
from hf_xner.translation.segments import tag_strings, tagged_dataset
from hf_xner.translation.setup import CASES, TranslationOptions, build_rules, build_translator, require_one_way
from hf_xner.translation.switching import refuse_other_entities
from hf_xner.translation.translators import DICTIONARY_FILE, MuseTranslator, WordTranslator
from hf_xner.translation.vector_cache import load_vectors
from hf_xner.translation.vectors import WordVectors

TRANSLATE_VERSION = 1
MAPPING_VERSION = 1
CORPUS = "corpus"


@dataclass
class TranslatorArguments(SystemArguments):
    """Options of systems that train on a translated corpus: where its words come from, and by which rules."""

    translated: str | None = field(
        default=None,
        metadata={"help": "A labelled corpus already in the target language (`xner translate`): spec or path."},
    )
    mapping: str | None = field(
        default=None, metadata={"help": "Translate by mapped vectors: a folder of `xner vectors map`."}
    )
    source_vectors: str | None = field(
        default=None, metadata={"help": "Map these source vectors (.vec) by identical strings, as a stage of the run."}
    )
    target_vectors: str | None = field(default=None, metadata={"help": "The target's vectors likewise."})
    max_words: int = field(default=100_000, metadata={"help": "Most frequent words of the vectors that are used."})
    normalise_vectors: list[str] = field(
        default_factory=list,
        metadata={"help": "Steps before vectors are mapped: renorm, center; none as published (see `vectors map`)."},
    )
    refinement_rounds: int = field(default=3, metadata={"help": "Refinement rounds after the first solution."})
    dictionary: str | None = field(
        default=None, metadata={"help": "Translate by a bilingual dictionary (MUSE or FreeDict file)."}
    )
    translation_model: str | None = field(
        default=None, metadata={"help": "Translate with a Marian, NLLB or M2M100 model: folder or Hub id."}
    )
    google: bool = field(
        default=False, metadata={"help": "Translate with Google's service; GOOGLE_TRANSLATE_API_KEY holds the key."}
    )
    translation_source: str | None = field(
        default=None,
        metadata={
            "help": "Source language as the translation model or Google names it (eng_Latn, en); for Google, by "
            "default, what the source's spec says."
        },
    )
    translation_target: str | None = field(
        default=None, metadata={"help": "Target language likewise; by default the target corpus' language."}
    )
    translation_cache: str | None = field(
        default=None, metadata={"help": "File of the cache of translations by a model or Google."}
    )
    target_language: str | None = field(
        default=None,
        metadata={"help": "Language of the target; by default what its spec says (conll2002:es, folder:de)."},
    )
    strategy: str = field(
        default="word",
        metadata={"help": "word (as published); phrase and word_phrase need a translation model or Google."},
    )
    keep_types: list[str] = field(
        default_factory=lambda: ["PER"],
        metadata={"help": "Entity types that are copied, not translated (UniTrans: PER); none: translate all."},
    )
    case: str | None = field(
        default=None,
        metadata={"help": "Case of translations: source, target (sampled from target text; default for de) or keep."},
    )
    copy_unlettered: bool = field(
        default=False,
        metadata={
            "help": "Copy words without a letter; by default (as published) they are translated like others, and "
            "mapped vectors give other numbers and signs."
        },
    )
    several_words: str = field(
        default="one_token", metadata={"help": "A word translated by several: one_token, or expand (I- tags)."}
    )

    def _check(self) -> None:
        super()._check()
        for option, value, allowed in (
            ("--strategy", self.strategy, STRATEGIES),
            ("--case", self.case or "source", CASES),
            ("--several_words", self.several_words, ("one_token", "expand")),
        ):
            check_choice(option, value, allowed)
        if (self.source_vectors is None) != (self.target_vectors is None):
            raise InputError("vectors of both languages are needed", where="--source_vectors, --target_vectors")
        if self.keep_types == ["none"]:
            self.keep_types = []

    def _check_translator(self) -> None:
        """Refuse what cannot translate; for systems to call where a variant needs it.

        Raises:
            InputError: Not exactly one way to translate was given, or it cannot do what is asked of it.
        """
        words_only = {
            "--mapping": self.mapping,
            "--source_vectors and --target_vectors": self.source_vectors,
            "--dictionary": self.dictionary,
        }
        phrases = {"--translation_model": self.translation_model, "--google": self.google}
        require_one_way({"--translated": self.translated, **words_only, **phrases})
        if self.strategy != "word" and any(words_only.values()):
            raise InputError(
                f"{next(name for name, value in words_only.items() if value)} translates words, not phrases",
                where=f"--strategy {self.strategy}",
                remedy=f"take the strategy word, or {' or '.join(phrases)}",
            )
        for option, value in (
            ("--translation_source", self._source_name()),
            ("--target_language", self.translation_target or self._language()),
        ):
            if self.google and not value:
                raise InputError("Google must be told the languages", where=option, remedy="give it, as in en")

    def _language(self) -> str:
        return self.target_language or parse_spec(self.target).language or ""

    def _source_name(self) -> str | None:
        """The source language; only Google is told what the spec says, for models have names of their own."""
        return self.translation_source or (parse_spec(self.source[0]).language if self.google else None)

    def translation_options(self) -> TranslationOptions:
        """These options in the translation room's terms, without vectors that are still to be mapped.

        Raises:
            InputError: Not exactly one way to translate was given.
        """
        return TranslationOptions(
            to=self._language(),
            mapping=self.mapping or self.source_vectors,
            dictionary=self.dictionary,
            model=self.translation_model,
            google=self.google,
            strategy=self.strategy,  # type: ignore[arg-type]
            keep=tuple(self.keep_types),
            case=self.case,  # type: ignore[arg-type]
            several_words=self.several_words,  # type: ignore[arg-type]
            copy_unlettered=self.copy_unlettered,
            source_name=self._source_name(),
            target_name=self.translation_target,
            cache=self.translation_cache,
            device=str(local_device()),
        )


def translate_source(space: Workspace, name: str, source: Labelled) -> Labelled:
    """The source sentences in words of the target language, with their tags; written once for all seeds.

    The target's unlabelled sentences are read where German case, unspaced scripts or a dictionary's choice among
    translations need them. With `--translated` the corpus is read instead of made.

    Args:
        space: The workspace; its arguments are `TranslatorArguments`.
        name: What people call the stage.
        source: The labelled source sentences.

    Raises:
        InputError: There is no way to translate, or several, or it does not work for this pair.
    """
    arguments = space.arguments
    assert isinstance(arguments, TranslatorArguments)
    if arguments.translated is not None:
        return _given(space, arguments.translated, source)
    options = arguments.translation_options()
    check_kept(source.data, options.keep, "--keep_types")
    warn_of_no_language(space, options)
    digest, translator = _translator(space, arguments, options)
    inputs = {"source": source.digest, "translator": digest}
    if options.reads_target_text:
        inputs["target_text"] = space.target_text.digest
    stage = Stage(
        kind="translate",
        name=name,
        version=TRANSLATE_VERSION,
        inputs=inputs,
        settings=options.rule_settings(),
        units=float(len(source.data)),
        bytes_estimate=40 * len(source.data),
    )

    def work(folder: Path) -> None:
        sentences = list(space.target_text.data["tokens"]) if options.reads_target_text else []
        rules = build_rules(options, sentences, split=lambda text: [piece.text for piece in split_words(text)])
        translate_corpus(source.data, translator(), rules).save_to_disk(folder / CORPUS)

    folder = space.run(stage, work, collective=False)
    data = source.data if space.store.dry_run else load_from_disk(str(folder / CORPUS))
    if not space.store.dry_run:
        check_translation(space, source.data, data)
    return Labelled(f"{source.spec} in {options.to or arguments.target}", source.split, data, stage.key)


def _given(space: Workspace, spec: str, source: Labelled) -> Labelled:
    corpus, target = space.corpus(spec), space.corpus(space.arguments.target)
    refuse_same_corpus(corpus, target, spec, space.arguments.target)
    splits = " ".join(dict.fromkeys(("train", source.split)))
    remedy = f"translate it too: xner translate {source.spec} --splits {splits} with the --to and --output of before"
    data = require_split(corpus, source.split, spec, tags=True, remedy=remedy)
    names = set(data.features["ner_tags"].feature.names)
    if not names <= set(source.tag_names):
        raise InputError(
            f"it has the tags {', '.join(sorted(names - set(source.tag_names)))}, which {source.name} lacks",
            where=f"--translated {spec}",
            remedy="rename types with --label_map, or translate the corpus again",
        )
    # Its tags must be the source's: a part of the target corpus would bring the target's own.
    refuse_other_entities(source.data, data)
    count_untranslated(source.data, data, f"--translated {spec}", f"give {source.name} in the other language")
    refuse_tags_of_target(source.data, data, target, spec)
    return _with_tags_of(source, space.labelled(spec, source.split))


def _with_tags_of(source: Labelled, other: Labelled) -> Labelled:
    """The other corpus with the source's tag ids; tags meet by name."""
    if other.tag_names == source.tag_names:
        return other
    columns = [list(other.data[name]) for name in ("id", "tokens")]
    data = tagged_dataset(source.data, columns[0], columns[1], tag_strings(other.data))
    return Labelled(other.spec, other.split, data, _hashed("\t".join([other.digest, *source.tag_names])))


def _translator(
    space: Workspace, arguments: TranslatorArguments, options: TranslationOptions
) -> tuple[str, Callable[[], WordTranslator]]:
    """What decides the translator, as a digest that a dry run knows too, and a way to get it."""
    if arguments.source_vectors is not None and arguments.target_vectors is not None:
        key, folder = map_vectors(space, "mapping", Path(arguments.source_vectors), Path(arguments.target_vectors))
        return key, lambda: MuseTranslator.from_folder(folder)
    if options.model is not None or options.google:
        digest = "google:v2"
        if options.model is not None:
            digest = model_digest(options.model, remedy="check --translation_model")
        facts = (digest, options.source_name, options.target_name or options.to)
        return _hashed(repr(facts)), lambda: build_translator(options, ())
    sentences = list(space.target_text.data["tokens"]) if options.dictionary else []
    translator = build_translator(options, sentences)
    return _hashed(translator.identity), lambda: translator


def map_vectors(space: Workspace, name: str, source: Path, target: Path) -> tuple[str, Path]:
    """Map source vectors into the target's space by identical strings, and make the dictionary (UniTrans, 3.1).

    Args:
        space: The workspace; its arguments are `TranslatorArguments`.
        name: What people call the stage.
        source: Vectors of the source language.
        target: Vectors of the target language.

    Returns:
        The stage's key, and a folder as `xner vectors map` writes it.

    Raises:
        InputError: A file cannot be read, or the two share no words.
    """
    arguments = space.arguments
    assert isinstance(arguments, TranslatorArguments)
    ours, theirs = (
        load_vectors(path, limit=arguments.max_words, lowercase=True).normalise(arguments.normalise_vectors)
        for path in (source, target)
    )
    return learn_mapping(space, name, ours, theirs, replace(SUPERVISED, rounds=arguments.refinement_rounds))


def learn_mapping(
    space: Workspace,
    name: str,
    ours: WordVectors,
    theirs: WordVectors,
    settings: Refinement,
    *,
    mapped: Side = "source",
    adversarial: AdversarialSettings | None = None,
    seeds: Sequence[int] = (0,),
    with_dictionary: bool = True,
) -> tuple[str, Path]:
    """Map vectors by identical strings, or adversarially, and refine; a stage.

    It is computed on this process's device, whatever the settings say; where that is makes no other stage.

    Args:
        space: The workspace.
        name: What people call the stage.
        ours: Vectors of the source language.
        theirs: Vectors of the target language.
        settings: The refinement.
        mapped: The side that moves.
        adversarial: Learn without any seed, so; None for identical strings.
        seeds: Adversarial runs.
        with_dictionary: Write the dictionary too, which takes a search for every source word.

    Returns:
        The stage's key, and a folder as `xner vectors map` writes it.
    """
    told: dict[str, Any] = {} if mapped == "source" else {"mapped": mapped}
    if adversarial is not None:
        told |= {"adversarial": asdict(adversarial), "seeds": list(seeds)}
    if not with_dictionary:
        told["with_dictionary"] = False
    stage = Stage(
        kind="mapping",
        name=name,
        version=MAPPING_VERSION,
        inputs={"source": ours.digest(), "target": theirs.digest()},
        settings={"rounds": settings.rounds, "dictionary": settings.dictionary, "max_rank": settings.max_rank} | told,
        units=float(len(ours)),
    )

    def work(folder: Path) -> None:
        device = str(local_device())
        here = replace(settings, device=device)
        if adversarial is None:
            mapping = learn_from_pairs(ours, theirs, identical_pairs(ours, theirs), settings=here, mapped=mapped)
        else:
            game = replace(adversarial, device=device)
            mapping = learn_adversarially(ours, theirs, adversarial=game, settings=here, seeds=seeds, mapped=mapped)
        mapping.save(folder / "mapping")
        if with_dictionary:
            entries = build_dictionary(ours, theirs, mapping, device=device)
            write_dictionary(entries, folder / "mapping" / DICTIONARY_FILE)

    return stage.key, space.run(stage, work, collective=False) / "mapping"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
