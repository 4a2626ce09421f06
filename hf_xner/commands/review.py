"""`xner review RUN --text FILE`: how good a tagger is on a text without labels, from as few sentences as possible."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError

if TYPE_CHECKING:
    from hf_xner.review.models import Models
    from hf_xner.review.reading import TextFile
    from hf_xner.review.session import Session

EPILOG = """The sample is partly random and partly drawn to sentences with entities and unsure words, with known
probabilities, so that the figures are those of the whole text. Answers are saved one by one; the same command goes on
where it stopped, a larger --sentences draws more. The judged sentences are a corpus: DIR/reviewed.conll."""


def add_parser(subparsers: Any) -> None:
    """Add `review` to the command line."""
    parser = subparsers.add_parser(
        "review",
        help="estimate precision, recall and F1 on your own text by judging some sentences",
        description="Shows sentences as tagged, to be confirmed or corrected, and estimates how good the tagger is.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="RUN", help="run folder, or folder or Hub id of a token classifier")
    parser.add_argument("--text", metavar="FILE", help="your text; needed to begin, and to draw more sentences")
    parser.add_argument(
        "--input",
        choices=("text", "words", "conll", "jsonl"),
        help="what the text is, as for `xner predict`; by default what the file's extension says",
    )
    parser.add_argument("--sentences", type=int, help="how many to draw in all (default 100)")
    parser.add_argument(
        "--random_share", type=float, help="share of the drawing that is uniformly random (default 1/3; 1: all of it)"
    )
    parser.add_argument("--seed", type=int, help="decides which sentences are drawn (default 1)")
    parser.add_argument(
        "--teacher", metavar="MODEL", help="a tagger to compare with; none: no teacher. Default: the run's, if stored"
    )
    parser.add_argument(
        "--decoding",
        choices=("model", "argmax", "viterbi"),
        help="model (default): as the model was evaluated; viterbi: only tag sequences that the scheme allows",
    )
    parser.add_argument("--output", metavar="DIR", help="where the review is kept; default RUN/review")
    parser.add_argument("--report", action="store_true", help="print the report and ask nothing")
    parser.add_argument("--page", action="store_true", help="review in the browser (needs gradio)")
    parser.add_argument("--port", type=int, help="port of the page; default: a free one")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, …; default: a GPU if there is one")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Review what `args` say; returns the exit code."""
    from hf_xner.review.models import default_output
    from hf_xner.review.report import make_report
    from hf_xner.review.session import Session, held

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode must not end the session
    folder = default_output(args.model) if args.output is None else Path(args.output)
    if args.report:
        print(make_report(Session(folder)))
        return 0
    with held(folder):
        session = _session(args, folder)
        if args.page:
            from hf_xner.review.page import serve

            serve(session, port=args.port)
        else:
            from hf_xner.review.terminal import review

            review(session)
        print(f"\n{make_report(session)}\n\n{_closing(session)}")
    return 0


def _session(args: argparse.Namespace, folder: Path) -> Session:
    """The session in the folder, begun or extended as asked."""
    from transformers.utils import logging

    from hf_xner.review.drawing import DrawSettings, begin, extend
    from hf_xner.review.models import find_models
    from hf_xner.review.reading import TextFile
    from hf_xner.review.session import SESSION, Session

    logging.disable_progress_bar()
    session = Session(folder) if (folder / SESSION).exists() else None
    # Without --input, a text goes on being read as what it began as, whatever its name says.
    kind = args.input or (session.facts["text"]["kind"] if session else None)
    text = None if args.text is None else TextFile(args.text, kind)
    models = find_models(args.model, args.teacher)
    asked = {
        name: value
        for name in ("sentences", "random_share", "seed", "decoding")
        if (value := getattr(args, name)) is not None
    }
    settings = DrawSettings(**asked, device=args.device)
    if session is None:
        if text is None:
            raise InputError("no text was given", where="--text", remedy="add --text FILE")
        return begin(folder, _name(args.model), models, text, settings)
    _check(session, asked, models, text)
    if args.sentences is None or args.sentences <= len(session.drawn) or not session.facts["next_priority"]:
        return session
    if text is None:
        raise InputError(
            f"{len(session.drawn)} sentences are drawn, and drawing more needs the text",
            where="--text",
            remedy="add --text FILE",
        )
    return extend(session, models, text, args.sentences, args.device)


def _check(session: Session, asked: dict[str, Any], models: Models, text: TextFile | None) -> None:
    """Refuse to go on with another text, tagger or drawing than the session began with."""
    from hf_xner.model_digest import model_digest
    from hf_xner.review.drawing import require_text

    for name in ("random_share", "seed", "decoding"):
        if name in asked and asked[name] != session.facts[name]:
            raise InputError(
                f"the review began with {session.facts[name]}, not {asked[name]}",
                where=f"--{name}",
                remedy="leave it out to go on, or begin another review with another --output",
            )
    if text is not None:
        require_text(text, session.facts["text"]["sha256"], session.facts["text"]["kind"])
    if model_digest(models.student, remedy="check the name of the tagger") != session.facts["student"]:
        raise InputError(
            "the tagger is not the one that the review began with",
            where=models.student,
            remedy="begin another review with another --output",
        )


def _name(model: str) -> str:
    path = Path(model)
    return path.resolve().name if path.exists() else model


def _closing(session: Session) -> str:
    from hf_xner.review.session import CORPUS

    left = len(session.drawn) - session.position
    go_on = (
        f"{left:,} drawn sentences are left: the same command goes on" if left else "a larger --sentences draws more"
    )
    go_on = go_on if left or session.facts["next_priority"] else "every sentence of the text is judged"
    return f"{go_on}. The judged sentences: {session.folder / CORPUS}"
