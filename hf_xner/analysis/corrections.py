"""What a student puts right of its teacher's mistakes, and by what evidence (Wu et al., ACL 2020, figures 4 and 5).

    xner analyse corrections TEACHER STUDENT conll2002:es --output corrections-es

Figure 5 (corrections.csv, .png, .svg): the teacher's wrong words of a labelled set by its confidence, and the share of
them that the student gets right, with 95 % intervals (Wilson); beside it the share of its right words that the student
gets wrong, without which the first says little. Figure 4 (cases.csv, cases.html): words that the student puts right
and that the teacher itself labels so, confidently, elsewhere in the unlabelled text. Any two taggers will do.
"""

from __future__ import annotations

import argparse
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.corrected_words import (
    Case,
    by_confidence,
    corrected_words,
    find_evidence,
    read,
    with_evidence,
)
from hf_xner.analysis.figures import save_figure, write_rows
from hf_xner.errors import InputError

HELP = "TSL: mispredictions corrected, by confidence, and the evidence for them"
CONTEXT = 8  # words shown on either side
NO_TEXT = "there was no text to look for evidence in (--text SPEC gives one)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument(
        "teacher", metavar="TEACHER", help="folder or Hub id of the tagger whose mistakes are looked at"
    )
    parser.add_argument("student", metavar="STUDENT", help="the tagger that may put them right")
    parser.add_argument("corpus", metavar="SPEC", help="a labelled corpus, such as conll2002:es; see xner data list")
    parser.add_argument("--split", default="test", help="train, validation or test (default)")
    parser.add_argument(
        "--text", metavar="SPEC", help="unlabelled text for the evidence; by default the train split of the corpus"
    )
    parser.add_argument("--confident", type=float, default=0.9, help="least probability that is evidence (0.9)")
    parser.add_argument("--max_sentences", type=int, help="read only so many sentences of the text")
    parser.add_argument("--cases", type=int, default=100, help="cases in the HTML (100); the CSV has all")
    parser.add_argument("--data_dir", help="where corpora lie on this machine; default: HF_XNER_DATA")
    parser.add_argument(
        "--label_map", nargs="+", metavar="MAP", help="the corpus' types to the models': MISC=O, conll"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("corrections"), help="where the files go")


def run(arguments: argparse.Namespace) -> int:
    """Compare, write, and say where."""
    from transformers.utils import logging

    from hf_xner.inference.loading import load_tagger

    logging.disable_progress_bar()
    if not 0 < arguments.confident <= 1 or arguments.cases < 1:
        raise InputError("a probability, and at least one case, are needed", where="--confident, --cases")
    gold, text = _open(arguments)
    teacher, student = load_tagger(arguments.teacher), load_tagger(arguments.student)
    for name, (model, _) in ((arguments.teacher, teacher), (arguments.student, student)):
        _check(name, model, gold, arguments.corpus)
    tokens, tags = gold["tokens"][:], _gold_tags(gold)
    first, second = (list(read(model, tokenizer, tokens)) for model, tokenizer in (teacher, student))
    rows = by_confidence(tags, first, second)
    corrected = list(corrected_words(tokens, tags, first, second))
    evidence = {} if text is None else find_evidence(corrected, text, *teacher, least=arguments.confident)
    cases = with_evidence(corrected, evidence)
    place = arguments.output
    written = [write_rows(place / "corrections.csv", rows), *save_figure(draw(rows), place / "corrections")]
    for earlier in ("cases.csv", "cases.html"):  # of another command, which these figures have nothing to do with
        (place / earlier).unlink(missing_ok=True)
    if cases:
        written += [write_rows(place / "cases.csv", [_row(case) for case in cases])]
        written += [
            _write(place / "cases.html", page(cases[: arguments.cases], arguments, len(corrected), len(cases)))
        ]
    print(format_rows(rows))
    found = f"for {len(cases)} of them the text has evidence"
    print(f"{len(corrected)} wrong words put right; {NO_TEXT if text is None else found}")
    print("\n".join(map(str, written)))
    return 0


def _open(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The labelled split, and the text without tags (None where there is none)."""
    from hf_xner.data import load_corpus, unlabelled
    from hf_xner.data.checks import require_split

    corpus = load_corpus(arguments.corpus, data_dir=arguments.data_dir, label_map=arguments.label_map)
    gold = require_split(corpus, arguments.split, arguments.corpus, tags=True)
    if arguments.text is not None:
        corpus = load_corpus(arguments.text, data_dir=arguments.data_dir)
        require_split(corpus, "train", arguments.text)
    elif "train" not in corpus or arguments.split == "train":
        return gold, None
    text = unlabelled(corpus["train"])
    limit = arguments.max_sentences
    return gold, text if limit is None or limit >= len(text) else text.select(range(limit))


def _check(name: str, model: Any, gold: Any, corpus: str) -> None:
    from hf_xner.data import describe
    from hf_xner.data.label_maps import check_compatible
    from hf_xner.labels import entity_types

    check_compatible(
        entity_types(model.config.id2label.values()),
        entity_types(gold.features["ner_tags"].feature.names),
        model=name,
        corpus=corpus,
        observed=describe(corpus).observed,
    )


def _gold_tags(gold: Any) -> list[list[str]]:
    from hf_xner.evaluation.evaluate import gold_tags

    return gold_tags(gold)


def _row(case: Case) -> dict[str, Any]:
    words, position = case.evidence.sentence
    return {
        "word": case.word,
        "gold": case.gold,
        "teacher": case.teacher,
        "confidence": f"{case.confidence:.4f}",
        "sentence": " ".join(case.sentence),
        "position": case.position,
        "in_text": case.evidence.total,
        "confident_in_text": case.evidence.confident,
        "best_confidence": f"{case.evidence.best:.4f}",
        "evidence": " ".join(words),
        "evidence_position": position,
    }


def format_rows(rows: Sequence[dict[str, Any]]) -> str:
    """The table that is printed."""
    from hf_xner.systems.readable import table

    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    cells = [
        [
            f"{row['from']:.1f} to {row['to']:.1f}",
            str(row["wrong"]),
            str(row["corrected"]),
            percent(row["share"]) and f"{percent(row['share'])} [{percent(row['low'])}, {percent(row['high'])}]",
            str(row["right"]),
            percent(row["share_broken"]),
        ]
        for row in rows
    ]
    return table(["confidence", "wrong", "corrected", "corrected, % (95 %)", "right", "broken, %"], cells)


def draw(rows: Sequence[dict[str, Any]]) -> Any:
    """Figure 5: bars with intervals, and the number of words behind each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [row for row in rows if row["wrong"]]
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(len(shown))
    shares = np.array([100 * row["share"] for row in shown])
    ends = np.array([[100 * row["low"], 100 * row["high"]] for row in shown]).reshape(-1, 2).T
    # An interval holds its share but for rounding at 0 and 1.
    errors = np.maximum(0.0, np.abs(ends - shares)) if shown else np.zeros((2, 0))
    axes.bar(places, shares, yerr=errors, capsize=3, color="#4a7ebb")
    for place, row, top in zip(places, shown, ends[1] if shown else (), strict=True):
        axes.annotate(f"{row['corrected']} of {row['wrong']}", (place, top), ha="center", va="bottom", fontsize=8)
    axes.set_xticks(list(places), [f"{row['from']:.1f} to {row['to']:.1f}" for row in shown], rotation=30)
    axes.set_xlabel("teacher's confidence in its wrong tag")
    axes.set_ylabel("corrected by the student, %")
    axes.set_ylim(0, 110)
    return figure


def page(cases: Sequence[Case], arguments: argparse.Namespace, n_corrected: int, n_cases: int) -> str:
    """The cases as a page that needs nothing else; everything from data is escaped."""
    names = {name: html.escape("/".join(Path(getattr(arguments, name)).parts[-2:])) for name in ("teacher", "student")}
    rows = "\n".join(
        f"<tr><td><b>{html.escape(case.word)}</b></td><td>{html.escape(case.teacher)} ({case.confidence:.2f})</td>"
        f"<td>{html.escape(case.gold)}</td><td>{_shown(case.sentence, case.position)}</td>"
        f"<td>{_shown(*case.evidence.sentence)}</td><td>{case.evidence.best:.2f}</td>"
        f"<td>{case.evidence.confident} of {case.evidence.total}</td></tr>"
        for case in cases
    )
    return f"""<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>Corrections</title><style>
body {{ font-family: sans-serif; margin: 2em; }} table {{ border-collapse: collapse; }}
td, th {{ border: 1px solid #ccc; padding: .3em .6em; text-align: left; vertical-align: top; }}
mark {{ background: #ffe08a; }}
</style></head><body>
<h1>What {names["student"]} puts right of {names["teacher"]}</h1>
<p>{html.escape(arguments.corpus)} {html.escape(arguments.split)}: {n_corrected} wrong words are put right. For
{n_cases} of them {names["teacher"]} itself finds the same word of the right type elsewhere in the unlabelled text,
with a probability of {arguments.confident} or more; {len(cases)} are shown.</p>
<table><tr><th>word</th><th>teacher said</th><th>student says, rightly</th><th>where</th><th>evidence in the text</th>
<th>probability</th><th>confident there</th></tr>
{rows}
</table></body></html>
"""


def _shown(words: Sequence[str], position: int) -> str:
    """A word in its context, marked."""
    begin, end = max(0, position - CONTEXT), position + CONTEXT + 1
    before, after = (" ".join(map(html.escape, part)) for part in (words[begin:position], words[position + 1 : end]))
    left, right = "… " if begin else "", " …" if end < len(words) else ""
    return f"{left}{before} <mark>{html.escape(words[position])}</mark> {after}{right}"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
