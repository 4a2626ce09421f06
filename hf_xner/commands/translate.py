"""`xner translate SPEC --to es …` writes a translated corpus; `xner translate eval` gives P@1 and P@5 of a mapping."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_xner.translation.setup import TranslationOptions

FACTS_FILE = "translation.json"
FILE_NAMES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}


def add_parser(subparsers: Any) -> None:
    """Add `translate` to the command line."""
    parser = subparsers.add_parser(
        "translate",
        help="translate a labelled corpus word by word; judge a mapping",
        description="Writes a labelled corpus in the target language: CoNLL files and a readable sample. With `eval` "
        "for SPEC it gives P@1 and P@5 of --mapping against --dictionary instead.",
    )
    parser.add_argument("spec", metavar="SPEC|eval", help="the corpus to translate (conll2003:en, a path), or eval")
    parser.add_argument("--to", metavar="LANG", help="target language")
    parser.add_argument("--output", metavar="DIR", type=Path, help="folder to write")
    parser.add_argument("--mapping", metavar="DIR", type=Path, help="translate by mapped vectors (`xner vectors map`)")
    parser.add_argument("--dictionary", metavar="FILE", type=Path, help="translate by a MUSE or FreeDict dictionary")
    parser.add_argument("--model", metavar="ID", help="translate with a Marian, NLLB or M2M100 model")
    parser.add_argument("--google", action="store_true", help="translate with Google's service (key in environment)")
    rules = parser.add_argument_group("rules")
    rules.add_argument(
        "--strategy",
        choices=("word", "phrase", "word_phrase"),
        default="word",
        help="word (default): every word alone; phrase: cut at entity borders, pieces whole; word_phrase: entities "
        "whole, other words alone",
    )
    rules.add_argument("--keep", metavar="TYPE", nargs="*", default=["PER"], help="types to copy (default PER)")
    rules.add_argument(
        "--case",
        choices=("source", "target", "keep"),
        help="source: as the source word; target: sampled from --target_text (default for de); keep: as translated "
        "(default for models)",
    )
    rules.add_argument(
        "--several_words",
        choices=("one_token", "expand"),
        default="one_token",
        help="a word translated by several: one token with spaces (default), or a token each",
    )
    rules.add_argument(
        "--target_text",
        metavar="SPEC",
        help="unlabelled target corpus: shows case, how unspaced scripts are cut, and which translation is frequent",
    )
    rules.add_argument(
        "--copy_unlettered",
        action="store_true",
        help="copy words without a letter; by default (as published) mapped vectors give other numbers and signs",
    )
    rules.add_argument("--seed", type=int, default=0, help="random seed of sampled case (default 0)")
    parser.add_argument("--splits", nargs="+", default=["train"], help="splits to translate (default: train)")
    parser.add_argument("--data_dir", type=Path, help="folder of the corpora")
    parser.add_argument("--sample", type=int, default=20, help="sentences in the readable sample (default 20)")
    models = parser.add_argument_group("models and services")
    models.add_argument("--source_name", help="source language as the model names it (eng_Latn, en)")
    models.add_argument("--target_name", help="target language likewise; by default --to")
    models.add_argument("--revision", help="revision of the model")
    models.add_argument("--endpoint", metavar="URL", help="another address of Google's service")
    models.add_argument("--cache", metavar="FILE", type=Path, help="cache of translations")
    models.add_argument("--offline", action="store_true", help="answer from the cache alone")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Translate a corpus or judge a mapping; returns the exit code."""
    return _evaluate(args) if args.spec == "eval" else _translate(args)


def _evaluate(args: argparse.Namespace) -> int:
    from hf_xner.translation.dictionary import evaluate_mapping
    from hf_xner.translation.mapping import Mapping
    from hf_xner.translation.translators import load_pair

    if args.mapping is None or args.dictionary is None:
        raise InputError(
            "--mapping and --dictionary are both needed", where="xner translate eval", remedy="name the two"
        )
    mapping = Mapping.load(args.mapping)
    source, target = load_pair(mapping)
    accuracy = evaluate_mapping(source, target, mapping, args.dictionary, device=args.device)
    for k, value in accuracy.precision.items():
        print(f"P@{k}  {value:.2%}")
    total = accuracy.queries + accuracy.missing
    print(f"{accuracy.queries} of {total} words asked; {accuracy.missing} have no vectors on both sides")
    return 0


def _translate(args: argparse.Namespace) -> int:
    from hf_xner.data.corpora import load_corpus
    from hf_xner.inference.text import split_words
    from hf_xner.translation.augment import check_kept, count_untranslated, translate_corpus
    from hf_xner.translation.files import check_replaceable, whole_folder
    from hf_xner.translation.setup import build_rules, build_translator

    options = _options(args)
    output = check_replaceable(args.output, FACTS_FILE)
    corpus = load_corpus(args.spec, data_dir=args.data_dir)
    missing = [split for split in args.splits if split not in corpus]
    if missing:
        raise InputError(
            f"{args.spec} has no split {missing[0]!r}", where="--splits", remedy=f"it has {', '.join(corpus)}"
        )
    for split in args.splits:
        check_kept(corpus[split], options.keep, "--keep")
    sentences = _target_sentences(args)
    translator = build_translator(options, sentences)
    rules = build_rules(options, sentences, split=lambda text: [piece.text for piece in split_words(text)])
    untranslated = {}
    with whole_folder(output, FACTS_FILE) as aside:
        for split in args.splits:
            translated = translate_corpus(corpus[split], translator, rules)
            untranslated[split] = count_untranslated(corpus[split], translated)
            _write_columns(translated, aside / FILE_NAMES.get(split, f"{split}.txt"))
            if split == args.splits[0]:
                sample = _sample(corpus[split], translated, args.sample)
        (aside / "sample.txt").write_text(sample, encoding="utf-8")
        facts = {name: value for name, value in vars(args).items() if name not in ("run", "device")}
        facts |= {"translator": translator.identity, "sentences_left_as_they_were": untranslated}
        text = json.dumps(facts, indent=1, default=str, ensure_ascii=False)
        (aside / FACTS_FILE).write_text(text + "\n", encoding="utf-8")
    print(sample, end="")
    for split, same in untranslated.items():
        print(f"{split}: {same} of {len(corpus[split])} sentences are as they were")
    names = ", ".join(FILE_NAMES.get(split, f"{split}.txt") for split in args.splits)
    print(f"{args.output}: {names}, sample.txt, {FACTS_FILE}")
    return 0


def _options(args: argparse.Namespace) -> TranslationOptions:
    from hf_xner.data.specs import parse_spec
    from hf_xner.translation.setup import TranslationOptions

    shared = [field.name for field in fields(TranslationOptions) if field.name not in ("keep", "source_name")]
    options = TranslationOptions(
        keep=tuple(args.keep),
        source_name=args.source_name or (parse_spec(args.spec).language if args.google else None),
        **{name: getattr(args, name) for name in shared},
    )
    for name in ("to", "output"):
        if getattr(args, name) is None:
            raise InputError("is needed", where=f"--{name}", remedy="name the target language and a folder")
    return options


def _target_sentences(args: argparse.Namespace) -> list[list[str]]:
    """The unlabelled target text, nothing but its tokens."""
    from hf_xner.data.corpora import load_corpus, unlabelled

    if args.target_text is None:
        return []
    corpus = load_corpus(args.target_text, data_dir=args.data_dir)
    if "train" not in corpus:
        raise InputError(
            f"{args.target_text} has no split 'train'", where="--target_text", remedy="name another corpus"
        )
    return list(unlabelled(corpus["train"])["tokens"])


def _write_columns(dataset: Dataset, path: Path) -> None:
    """Token TAB tag lines, an empty line after each sentence; tabs, because a token may hold a space."""
    from hf_xner.data.formats.columns import escaped
    from hf_xner.translation.segments import tag_strings

    with path.open("w", encoding="utf-8", newline="\n") as file:
        for tokens, tags in zip(dataset["tokens"], tag_strings(dataset), strict=True):
            file.writelines(f"{escaped(token)}\t{tag}\n" for token, tag in zip(tokens, tags, strict=True))
            file.write("\n")


def _sample(source: Dataset, translated: Dataset, size: int) -> str:
    """The first sentences and their translations, entities in brackets."""
    size = min(size, len(source))
    pairs = zip(*(_inline(dataset.select(range(size))) for dataset in (source, translated)), strict=True)
    return "".join(f"{ours}\n{theirs}\n\n" for ours, theirs in pairs)


def _inline(dataset: Dataset) -> list[str]:
    from hf_xner.translation.segments import segments, tag_strings

    lines = []
    for tokens, tags in zip(dataset["tokens"], tag_strings(dataset), strict=True):
        pieces = []
        for kind, start, end in segments(tags):
            text = " ".join(tokens[start:end])
            pieces.append(text if kind is None else f"[{text} {kind}]")
        lines.append(" ".join(pieces))
    return lines
