"""`xner export MODEL --onnx [--int8] --output DIR`: a tagger for onnxruntime, with F1 before and after."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container
from itertools import count
from pathlib import Path
from typing import Any

from hf_xner.commands.labelled import check_types, load_labelled
from hf_xner.errors import InputError

CARD = "README.md"


def add_parser(subparsers: Any) -> None:
    """Add `export` to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="a tagger as an ONNX graph, in float32 or int8",
        description="Writes DIR/onnx/model.onnx (or model_int8.onnx) with configuration, tokenizer and card: a folder "
        "that xner predict, xner evaluate and Tagger.from_pretrained take like any other. A second export of the same "
        "model may go into the same folder.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a token classifier")
    parser.add_argument("--onnx", action="store_true", help="the format; the only one there is")
    parser.add_argument("--int8", action="store_true", help="int8 weights, activations quantised as the model runs")
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="the folder to write")
    parser.add_argument(
        "--evaluate",
        metavar="SPEC",
        nargs="+",
        help="corpora, such as conll2002:es: measure F1 before and after, write it beside the model, and let int8 "
        "spare embeddings and classifier only where F1 needs it; without it int8 always spares both",
    )
    parser.add_argument(
        "--split",
        default="validation",
        help="of these corpora (default validation: what int8 spares is chosen by it, so keep test for the report)",
    )
    parser.add_argument(
        "--max_f1_drop", type=float, default=0.5, metavar="POINTS", help="F1 that int8 may lose (default 0.5)"
    )
    parser.add_argument("--data_dir", help="where corpora lie on this machine; default: HF_XNER_DATA")
    parser.add_argument(
        "--label_map",
        nargs="+",
        metavar="MAP",
        help="the corpora's types to the model's: MISC=O, or a name such as conll",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export what `args` say; returns the exit code."""
    from transformers.utils import logging

    from hf_xner.hub.export_card import export_card
    from hf_xner.inference.export import export_tagger

    if not args.onnx:
        raise InputError("no format", remedy="add --onnx")
    if args.max_f1_drop < 0:
        raise InputError(f"--max_f1_drop {args.max_f1_drop}", remedy="give 0 or more points of F1 (percent)")
    logging.disable_progress_bar()
    record = export_tagger(args.model, args.output, int8=args.int8, measure=_measure(args), max_drop=args.max_f1_drop)
    (args.output / CARD).write_text(export_card(record), encoding="utf-8")
    print(describe(record, args.output))
    return 0


def _measure(args: argparse.Namespace) -> Callable[[Any, Any], dict[str, dict[str, float]]] | None:
    """What gives F1 in percent of a model on the corpora that were asked for."""
    if not args.evaluate:
        return None
    from hf_xner.evaluation.evaluate import evaluate_model

    corpora: dict[str, tuple[str, Any]] = {}
    for spec in args.evaluate:
        dataset = load_labelled(spec, args.split, data_dir=args.data_dir, label_map=args.label_map)
        corpora[_published_name(spec, args.split, corpora)] = (spec, dataset)

    def measure(model: Any, tokenizer: Any) -> dict[str, dict[str, float]]:
        scores = {}
        for name, (spec, dataset) in corpora.items():
            check_types(model.config, dataset, model=args.model, spec=spec)
            outcome = evaluate_model(model, tokenizer, dataset)
            scores[name] = {kind: round(100 * score.f1, 2) for kind, score in outcome.scores.items()}
        return scores

    return measure


def _published_name(spec: str, split: str, taken: Container[str]) -> str:
    """A corpus without its folder, which would tell about this machine: the record may go to the Hub."""
    names = (f"{Path(spec).name}{'' if number == 1 else f' ({number})'} {split}" for number in count(1))
    return next(name for name in names if name not in taken)


def describe(record: dict[str, Any], folder: Path) -> str:
    """The record for people: files with their sizes, and F1 of each kind."""
    lines = []
    for file, facts in record["graphs"].items():
        spared = f", float32: {', '.join(facts['float32_parts'])}" if facts.get("float32_parts") else ""
        lines.append(f"{folder / file}: {facts['dtype']}, {facts['bytes'] / 1e6:.1f} MB{spared}")
    for corpus, ways in record["f1"].items():
        for way, figures in ways.items():
            lines.append(f"F1 {corpus}, {way}: " + ", ".join(f"{kind} {f1:.2f}" for kind, f1 in figures.items()))
    return "\n".join(lines)
