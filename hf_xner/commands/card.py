"""`xner card RUN`: the model card of a finished run, on the screen or in a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Add `card` to the command line."""
    parser = subparsers.add_parser(
        "card",
        help="the model card of a finished run",
        description="Writes the model card of a finished run from the run's own records. A card saved as "
        "RUN/README.md and edited there is the one that `xner push` sends.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run's --output_dir")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write it here, such as RUN/README.md")
    parser.add_argument("--repo", metavar="ORG/NAME", help="the repository that its programs load the model from")
    add_card_options(parser)
    parser.set_defaults(run=run)


def add_card_options(parser: argparse.ArgumentParser) -> None:
    """What the author says on a card beyond what the run knows; `push` has the same options."""
    parser.add_argument("--license", metavar="ID", help="licence of the model, as the Hub calls it (cc-by-sa-4.0, …)")
    parser.add_argument("--language", metavar="CODE", help="language it is for, where its corpus' spec does not say")
    parser.add_argument(
        "--examples",
        type=int,
        default=5,
        metavar="N",
        help="sentences of the test set that the card quotes (default 5); 0 where the text must not be published",
    )


def run(args: argparse.Namespace) -> int:
    """Print or write it; returns the exit code."""
    from hf_xner.hub.card import model_card
    from hf_xner.hub.plan import refuse_oracle
    from hf_xner.hub.push import check_repo
    from hf_xner.hub.run_facts import collect_facts, read_results

    if args.repo is not None:
        check_repo(args.repo)
    refuse_oracle(args.run_folder, read_results(args.run_folder))
    facts = collect_facts(args.run_folder, examples=args.examples, language=args.language)
    card = model_card(facts, repo=args.repo, licence=args.license)
    if args.output is None:
        sys.stdout.write(card)
        return 0
    try:
        args.output.write_text(card, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write the card ({error.strerror})", where=str(args.output), remedy="check the folder"
        ) from error
    print(f"the card is in {args.output}")
    return 0
