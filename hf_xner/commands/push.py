"""`xner push RUN --repo ORG/NAME`: a run's model, card and figures to the Hugging Face Hub, in one commit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.commands.card import add_card_options

if TYPE_CHECKING:
    from hf_xner.hub.push import Pushed


def add_parser(subparsers: Any) -> None:
    """Add `push` to the command line."""
    parser = subparsers.add_parser(
        "push",
        help="a run's model, card and figures to the Hugging Face Hub",
        description="Sends the student, its card and its figures in one commit. Files that are there already are not "
        "sent again, and a push that was cut off goes on when the same command is given once more. Paths and names of "
        "this machine are taken out of the records; what looks like a secret is refused.",
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the run's --output_dir")
    parser.add_argument("--repo", metavar="ORG/NAME", required=True, help="the repository; made where it is missing")
    parser.add_argument("--private", action="store_true", help="make it private; refuses one that is public")
    parser.add_argument("--revision", metavar="BRANCH", default="main", help="branch; made where it is missing")
    parser.add_argument(
        "--also-research-model",
        "--also_research_model",
        action="store_true",
        help="the research model too (multi-channel, adversarial), with its code, in research/",
    )
    parser.add_argument(
        "--replace", action="store_true", help="put it in the place of another run's model, or of a card edited there"
    )
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="list what would go, with sizes; contacts nobody"
    )
    add_card_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send it, or list it; returns the exit code."""
    from hf_xner.hub.plan import CardOptions, make_plan
    from hf_xner.hub.push import Target, check_repo, push

    check_repo(args.repo)
    options = CardOptions(licence=args.license, language=args.language, examples=args.examples)
    plan = make_plan(args.run_folder, args.repo, research=args.also_research_model, options=options)
    place = f"{args.repo} ({args.revision}{', private' if args.private else ''})"
    if args.dry_run:
        print(f"would go to {place}:\n{plan.listing()}\nnothing was sent")
        return 0
    for note in plan.notes:
        print(note)
    done = push(plan, Target(args.repo, args.revision, private=args.private, replace=args.replace))
    if done.kept:
        print(done.kept)
    print(_report(done, place))
    return 0


def _report(done: Pushed, place: str) -> str:
    if not done.sent and not done.removed:
        return f"nothing new: {place} holds all {done.unchanged} files already, so no commit was made\n{done.url}"
    parts = [f"sent {len(done.sent)} files to {place} in one commit, {done.commit[:12]}"]
    if done.unchanged:
        parts.append(f"{done.unchanged} were there already")
    if done.removed:
        parts.append(f"{len(done.removed)} of another model were removed")
    return f"{'; '.join(parts)}\n{done.url}"
