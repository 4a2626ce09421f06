"""`xner show RUN`: the figures of a finished run and a few sentences as its student tags them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add `show` to the command line."""
    parser = subparsers.add_parser("show", help="figures and tagged sentences of a finished run")
    parser.add_argument("run_folder", metavar="RUN", help="the run's --output_dir")
    parser.add_argument("--sentences", type=int, default=5, help="how many tagged sentences (default 5)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    from hf_xner.systems.summary import summarise_run

    print(summarise_run(Path(arguments.run_folder), sentences=arguments.sentences))
    return 0
