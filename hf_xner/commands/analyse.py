"""`xner analyse NAME …`: what a training did, as figures (PNG, SVG) and data (CSV).

Each analysis is a module of `hf_xner.analysis` that offers `HELP`, `add_arguments(parser)` and `run(args)`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

ANALYSES: tuple[str, ...] = (
    "adversaries",
    "channels",
    "clusters",
    "corrections",
    "discrepancy",
    "embedding_spaces",
    "gain",
    "lengths",
    "similarity",
)


def add_parser(subparsers: Any) -> None:
    """Add `analyse` and its analyses to the command line."""
    parser = subparsers.add_parser("analyse", help="figures of what a training did: " + ", ".join(ANALYSES))
    actions = parser.add_subparsers(dest="analysis", required=True, metavar="ANALYSIS")
    for name in ANALYSES:
        module = import_module(f"hf_xner.analysis.{name}")
        action = actions.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(action)
        action.set_defaults(run=module.run)
