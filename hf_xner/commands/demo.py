"""`xner demo [RUN…]`: a page in the browser, on your own models or on a small built-in example."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

from hf_xner.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Add `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="a page in the browser that tags text with your models",
        description="Starts a page on this machine: text or a file in, highlighted entities out, the student beside "
        "its teacher, CSV and JSON to take away, and an API. Without RUN it shows what HF_XNER_DEMO_MODELS names "
        "(commas between them), else a small English-to-Spanish example that is trained at the first start.",
    )
    parser.add_argument("models", metavar="RUN", nargs="*", help="run folders, folders of taggers, or Hub ids")
    parser.add_argument("--port", type=int, help="where to listen; default: the first free one from 7860 on")
    parser.add_argument("--share", action="store_true", help="also open a public link through Gradio's servers")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; returns the exit code."""
    if find_spec("gradio") is None:
        raise InputError("the demo needs Gradio", remedy="install it with: pip install 'hf_xner[space]'")
    from transformers.utils import logging

    from hf_xner.demo.serve import serve

    logging.disable_progress_bar()
    serve(arguments.models, port=arguments.port, share=arguments.share, say=_say)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
