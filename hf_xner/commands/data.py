"""`xner data list | show SPEC | check SPEC`: which corpora there are, what is in them, and whether it is all there."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_xner.data.checks import CorpusReport, SplitReport
    from hf_xner.data.info import CorpusInfo


INDENT = " " * 14


def add_parser(subparsers: Any) -> None:
    """Add `data` to the command line."""
    parser = subparsers.add_parser(
        "data",
        help="list, show and check corpora",
        description="Which corpora there are, what is in them, and whether their counts are the published ones.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the corpora known by name")
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="what is known about a corpus, and its first sentences")
    _add_source(show)
    show.add_argument("--split", help="split to show; default: the first there is")
    show.add_argument("--n", type=int, default=3, help="sentences to show (default 3)")
    show.add_argument("--label_map", nargs="+", metavar="MAP", help="conll, MISC=O, CORP=ORG,GRP=ORG ...")
    show.set_defaults(run=run_show)
    check = actions.add_parser(
        "check", help="compare counts with the published ones; exit code 1 if they differ for no known reason"
    )
    _add_source(check)
    check.set_defaults(run=run_check)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", metavar="SPEC", help="conll2003:en, sample:es, path/to/folder_or_file ...")
    parser.add_argument("--data_dir", help="folder with corpora; HF_XNER_DATA is looked at after it")
    parser.add_argument("--encoding", help="encoding of the files, latin-1 say; default: the corpus' own")


def run_list(args: argparse.Namespace) -> int:
    """Print the corpora of the registry; returns the exit code."""
    from hf_xner.data.corpora import list_corpora

    for info in list_corpora():
        print(f"{info.name:<14}{info.title}")
        print(textwrap.fill(" ".join(info.configs), 110, initial_indent=INDENT, subsequent_indent=INDENT))
    print("\nWrite NAME:LANGUAGE, conll2003:en say; or, for your own files, the path of a folder or file.")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what is known about a corpus and some of its sentences; returns the exit code."""
    from hf_xner.data.checks import require_split
    from hf_xner.data.corpora import describe, load_corpus

    info = describe(args.spec, encoding=args.encoding)
    corpus = load_corpus(args.spec, data_dir=args.data_dir, label_map=args.label_map, encoding=args.encoding)
    split = args.split or next(iter(corpus))
    dataset = require_split(corpus, split, args.spec)
    _print_info(info)
    print(f"splits:    {', '.join(f'{name} {len(rows):,}' for name, rows in corpus.items())}")
    names = dataset.features["ner_tags"].feature.names if "ner_tags" in dataset.column_names else None
    if names:
        print(f"tags:      {' '.join(names)}")
    for row in dataset.select(range(min(max(args.n, 0), len(dataset)))):
        print(f"\n# {split} {row['id']}")
        for position, token in enumerate(row["tokens"]):
            print(token if names is None else f"{token} {names[row['ner_tags'][position]]}")
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Print a corpus' counts beside the published ones; returns 1 if they differ for no known reason."""
    from hf_xner.data.checks import check_corpus

    report = check_corpus(args.spec, data_dir=args.data_dir, encoding=args.encoding)
    print_report(report)
    return 0 if report.explained else 1


def print_report(report: CorpusReport) -> None:
    """Print a report, split by split."""
    for split in report.splits:
        _print_split(split)
    for (one, other), count in report.shared.items():
        if count:
            print(f"{count:,} sentence{'s' * (count != 1)} of {other} also in {one}")
    if report.info.note:
        print(f"note: {report.info.note}")


def _print_info(info: CorpusInfo) -> None:
    facts = {
        "corpus": f"{info.name} ({info.title})",
        "language": info.language,
        "types": ", ".join(info.types) or "none: no tags",
        "licence": info.licence,
        "homepage": info.homepage,
        "note": info.note,
    }
    for name, fact in facts.items():
        if fact:
            print(f"{name + ':':<11}{fact}")


def _print_split(split: SplitReport) -> None:
    entities = "no tags" if split.entities is None else f"{split.entities:,} entities"
    print(f"{split.split}: {split.sentences:,} sentences, {split.tokens:,} tokens, {entities}")
    facts = {
        "files": ", ".join(split.files),
        "checksum": "that of the copies which the counts here were taken from" if split.known else "",
        "published": split.verdict,
        "scheme": ", ".join(split.schemes),
        "types": ", ".join(f"{name} {count:,}" for name, count in split.types.items()),
        "orphans": f"{split.orphans:,}, the first at {split.first_orphan}" if split.orphans else "none",
        "longest": f"{split.longest:,} tokens, at {split.longest_at}",
        "blank": f"{split.blank_tokens:,} tokens without a visible character" if split.blank_tokens else "",
        "repeated": f"{split.repeated:,} sentences stand in it more than once" if split.repeated else "",
    }
    for name, fact in facts.items():
        if fact:
            print(f"  {name + ':':<11}{fact}")
