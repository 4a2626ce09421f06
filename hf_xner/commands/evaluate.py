"""`xner evaluate`: a model on a corpus, a prediction file, or two prediction files against each other."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hf_xner.commands.labelled import check_types, load_labelled
from hf_xner.errors import InputError

if TYPE_CHECKING:
    from hf_xner.evaluation.evaluate import Evaluation
    from hf_xner.evaluation.prediction_files import PredictionFile

_KINDS = {"both": ("plain", "tagger"), "plain": ("plain",), "tagger": ("tagger",)}
_TITLES = {
    "plain": "plain: argmax, long sentences cut at the model's limit (what pipeline users get)",
    "tagger": "tagger: windows and constrained decoding (what xner predict --decoding viterbi gives)",
}


def add_parser(subparsers: Any) -> None:
    """Add `evaluate` to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="entity precision, recall and F1 of a model or of prediction files",
        description="xner evaluate MODEL SPEC scores a model on a corpus; xner evaluate --predictions FILE scores a "
        "file of 'token gold predicted' columns; with --against FILE the two are compared by a paired bootstrap.",
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="folder or Hub id of a token classifier")
    parser.add_argument("corpus", metavar="SPEC", nargs="?", help="a corpus, such as conll2002:es; see xner data list")
    parser.add_argument("--split", default="test", help="train, validation or test (default)")
    parser.add_argument(
        "--decoding",
        choices=tuple(_KINDS),
        default="both",
        help="plain: the best tag a word, long sentences cut; tagger: windows, constrained decoding; both (default)",
    )
    parser.add_argument("--data_dir", help="where corpora lie on this machine; default: HF_XNER_DATA")
    parser.add_argument(
        "--label_map",
        nargs="+",
        metavar="MAP",
        help="the corpus' types to the model's: MISC=O, or a name such as conll",
    )
    parser.add_argument(
        "--predictions",
        metavar="FILE",
        help="with MODEL: write the predictions here (the tagger's unless --decoding plain); else: the file to score",
    )
    parser.add_argument("--against", metavar="FILE", help="a second prediction file to compare with")
    parser.add_argument("--batch_subwords", type=int, default=4096, help="sub-words in one batch (default 4096)")
    parser.add_argument("--vectors", metavar="FILE", help="BiLSTM-CRF: vectors of words that the model itself lacks")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, …; default: a GPU if there is one")
    parser.add_argument("--dtype", choices=("fp32", "bf16", "int8"), help="precision; int8 for exports made with it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Score what `args` say; returns the exit code."""
    if args.model is not None:
        if args.corpus is None:
            raise InputError("a model, but no corpus to score it on", remedy="write xner evaluate MODEL SPEC")
        if args.against is not None:
            raise InputError(
                "--against compares two prediction files",
                remedy="write the files first, then xner evaluate --predictions FILE --against FILE",
            )
        return _score_model(args)
    if args.predictions is None:
        raise InputError("nothing to score", remedy="write xner evaluate MODEL SPEC, or --predictions FILE")
    return _score_files(args.predictions, args.against)


def _score_model(args: argparse.Namespace) -> int:
    from transformers.utils import logging

    from hf_xner.evaluation.evaluate import evaluate_model
    from hf_xner.evaluation.prediction_files import write_predictions
    from hf_xner.inference.loading import load_tagger

    logging.disable_progress_bar()
    dataset = load_labelled(args.corpus, args.split, data_dir=args.data_dir, label_map=args.label_map)
    model, tokenizer = load_tagger(args.model, device=args.device, dtype=args.dtype, vectors=args.vectors)
    check_types(model.config, dataset, model=args.model, spec=args.corpus)
    outcome = evaluate_model(
        model, tokenizer, dataset, kinds=_KINDS[args.decoding], batch_subwords=args.batch_subwords
    )
    print(_report(outcome), end="")
    if args.predictions is not None:
        write_predictions(args.predictions, dataset["tokens"][:], outcome.gold, list(outcome.predictions.values())[-1])
    return 0


def _report(outcome: Evaluation) -> str:
    from hf_xner.evaluation.metrics import format_conlleval

    return "\n".join(f"{_TITLES[kind]}\n{format_conlleval(scores)}" for kind, scores in outcome.scores.items())


def _score_files(path: str, other: str | None) -> int:
    from hf_xner.evaluation.prediction_files import read_predictions

    first = read_predictions(path)
    if other is None:
        print(_file_report(path, first), end="")
        return 0
    second = read_predictions(other)
    _check_same_text(path, first, other, second)
    print(_file_report(path, first), _file_report(other, second), _compare(first, second), sep="\n")
    return 0


def _file_report(path: str, content: PredictionFile) -> str:
    from hf_xner.evaluation.metrics import entity_scores, format_conlleval

    return f"{path}\n{format_conlleval(entity_scores(content.gold, content.predicted))}"


def _compare(first: PredictionFile, second: PredictionFile) -> str:
    from hf_xner.evaluation.significance import paired_bootstrap

    result = paired_bootstrap(first.gold, first.predicted, second.predicted)
    return (
        f"F1 {100 * result.first_f1:.2f} against {100 * result.second_f1:.2f}: "
        f"difference {100 * result.difference:+.2f}, {100 * result.confidence:.0f} % interval "
        f"[{100 * result.low:+.2f}, {100 * result.high:+.2f}], p = {result.p_value:.4f} "
        f"(paired bootstrap, {result.samples} resamples of {result.n_sentences} sentences)"
    )


def _check_same_text(path: str, first: PredictionFile, other: str, second: PredictionFile) -> None:
    remedy = "compare two predictions for the same sentences"
    if len(first.tokens) != len(second.tokens):
        raise InputError(
            f"{len(second.tokens)} sentences, but {path} has {len(first.tokens)}", where=other, remedy=remedy
        )
    sides = zip(first.tokens, first.gold, second.tokens, second.gold, strict=True)
    for number, (tokens, gold, other_tokens, other_gold) in enumerate(sides, start=1):
        if tokens != other_tokens or gold != other_gold:
            what = "words" if tokens != other_tokens else "gold tags"
            raise InputError(f"sentence {number} has other {what} than in {path}", where=other, remedy=remedy)
