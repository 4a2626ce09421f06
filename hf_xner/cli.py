"""`xner`: the command line. Nothing heavy is imported before a command that needs it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hf_xner.commands import (
    analyse,
    card,
    data,
    demo,
    evaluate,
    export,
    predict,
    push,
    review,
    runs,
    show,
    translate,
    vectors,
)
from hf_xner.errors import InputError
from hf_xner.launch import SYSTEMS
from hf_xner.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        Its exit code; 2 after a mistake of the user's, which is told in one line on stderr.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    # A system has options of its own, parsed where torch may be imported.
    if argv[:1] == ["train"]:
        from hf_xner.launch import main as launch

        return launch(argv[1:])
    arguments = build_parser().parse_args(argv)
    if not hasattr(arguments, "run"):
        build_parser().print_help()
        return 0
    try:
        return arguments.run(arguments)
    except InputError as error:
        print(f"xner: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe (head, less) has had enough; Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    parser = argparse.ArgumentParser(
        prog="xner", description="Named-entity taggers for languages that have no labels.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"xner {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("train", help="train a tagger: " + ", ".join(SYSTEMS))
    for module in (data, evaluate, predict, export, show, runs, vectors, translate, analyse, card, push, review, demo):
        module.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
