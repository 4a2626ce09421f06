"""How often taggers are right in sentences of different lengths (Bari et al., AAAI 2020, figure 2).

    xner analyse lengths runs/augmented-es/student conll2002:es --split train --output lengths-es

The paper shows it for the source model's tags of target sentences, which become pseudo labels: the ratio of rightly
tagged words falls with the length, and so only sentences up to a random length are used. Writes lengths.csv and
lengths.png/.svg, with 95 % intervals (Wilson). Most words are no entities, so the second panel shows those that are.
Of a model with two encoders the source's, theta_s, is shown: its tags are the pseudo labels. `--encoder target` shows
the other.
Several models give several lines; any tagger will do. Tags are only scored against.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.figures import save_figure, write_rows
from hf_xner.errors import InputError

HELP = "augmented: correctly tagged words by sentence length"
PANELS = {"words": "all words", "entity_words": "words of entities"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("models", metavar="MODEL", nargs="+", help="folders or Hub ids of taggers")
    parser.add_argument("corpus", metavar="SPEC", help="a labelled corpus, such as conll2002:es; see xner data list")
    parser.add_argument("--split", default="train", help="train (default), validation or test")
    parser.add_argument("--width", type=int, default=10, help="words of a bin (10)")
    parser.add_argument(
        "--longest", type=int, default=150, help="longer sentences share the last bin (150; rounded up to whole bins)"
    )
    parser.add_argument(
        "--encoder",
        choices=("source", "target"),
        help="of models with two encoders (cross_augmented): source (default: what gives the pseudo labels) or target",
    )
    parser.add_argument("--max_sentences", type=int, help="read only so many sentences")
    parser.add_argument("--data_dir", help="where corpora lie on this machine; default: HF_XNER_DATA")
    parser.add_argument(
        "--label_map", nargs="+", metavar="MAP", help="the corpus' types to the models': MISC=O, conll"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("lengths"), help="where the files go")


def run(arguments: argparse.Namespace) -> int:
    """Tag, count, write, and say where."""
    from transformers.utils import logging

    from hf_xner.data import load_corpus
    from hf_xner.data.checks import require_split
    from hf_xner.evaluation.evaluate import gold_tags
    from hf_xner.inference.loading import load_tagger

    logging.disable_progress_bar()
    if not 1 <= arguments.width <= arguments.longest:
        raise InputError("a bin of at least 1 word is needed, no wider than the longest", where="--width, --longest")
    corpus = load_corpus(arguments.corpus, data_dir=arguments.data_dir, label_map=arguments.label_map)
    labelled = [split for split in corpus if "ner_tags" in corpus[split].column_names]
    if arguments.split in corpus and arguments.split not in labelled and labelled:
        raise InputError(
            f"no tags in the split {arguments.split!r}", where=arguments.corpus, remedy=f"give --split {labelled[-1]}"
        )
    data = require_split(corpus, arguments.split, arguments.corpus, tags=True)
    if arguments.max_sentences is not None:
        data = data.select(range(min(arguments.max_sentences, len(data))))
    rows: list[dict[str, Any]] = []
    for name in arguments.models:
        found = _tags(name, *load_tagger(name), data, arguments.encoder)
        counted = by_length(gold_tags(data), found, arguments.width, arguments.longest)
        rows += [{"model": Path(name).name if len(arguments.models) == 1 else name, **row} for row in counted]
    place = arguments.output
    written = [write_rows(place / "lengths.csv", rows), *save_figure(_figure(rows), place / "lengths")]
    print("\n".join(map(str, written)))
    return 0


def _tags(name: str, model: Any, tokenizer: Any, data: Any, encoder: str | None) -> list[list[str]]:
    """What a tagger finds, IOB2; one that reads words does so with the encoder asked for, by default theta_s."""
    from hf_xner.evaluation.evaluate import evaluate_model
    from hf_xner.inference.decoding import TagDecoder
    from hf_xner.inference.loading import reads_words
    from hf_xner.inference.word_models import read_words

    if not reads_words(tokenizer):
        return evaluate_model(model, tokenizer, data, kinds=("tagger",)).predictions["tagger"]
    if encoder == "target" and not model.config.augmented:
        raise InputError("it has no target encoder", where=name, remedy="leave --encoder out")
    decoder = TagDecoder.from_config(model.config, method="argmax")  # for its names and scheme
    readings = read_words(model, tokenizer, data["tokens"][:], encoder=encoder or "source")
    return [decoder.iob2(reading.tags) for reading in readings]


def by_length(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], width: int, longest: int
) -> list[dict[str, Any]]:
    """Correctly tagged words of sentences of 1 to `width` words, of the next `width` lengths, and so on.

    Args:
        gold: The tags of each sentence.
        predicted: What was found instead, in the same scheme.
        width: Lengths in a bin.
        longest: Sentences of more words share a bin; rounded up to a multiple of `width`.

    Returns:
        For every bin that has sentences: `from`, `to` (None for the last), `sentences`, and for all words and those
        whose gold tag is not O their number, how many are right, their ratio and its interval.
    """
    longest = -(-longest // width) * width  # a bin is whole, or its label would be wrong
    bins: dict[int, list[int]] = {}
    for sentence, tags in enumerate(gold):
        if tags:
            bins.setdefault(min(len(tags) - 1, longest) // width, []).append(sentence)
    rows = []
    for number in sorted(bins):
        begin = number * width + 1
        row: dict[str, Any] = {"from": begin, "to": begin + width - 1 if begin <= longest else None}
        row["sentences"] = len(bins[number])
        pairs = [pair for sentence in bins[number] for pair in zip(gold[sentence], predicted[sentence], strict=True)]
        for kind, chosen in (("words", pairs), ("entity_words", [pair for pair in pairs if pair[0] != "O"])):
            row |= _ratio(kind, sum(one == other for one, other in chosen), len(chosen))
        rows.append(row)
    return rows


def _ratio(kind: str, right: int, total: int) -> dict[str, Any]:
    """Number, right ones, ratio, and the bounds of its 95 % interval (Wilson, 1927)."""
    from scipy.stats import binomtest

    counts = {kind: total, f"{kind}_right": right}
    if not total:
        return counts | dict.fromkeys((f"{kind}_ratio", f"{kind}_low", f"{kind}_high"))
    bounds = binomtest(right, total).proportion_ci(method="wilson")
    return counts | {
        f"{kind}_ratio": right / total,
        f"{kind}_low": float(bounds.low),
        f"{kind}_high": float(bounds.high),
    }


def _figure(rows: Sequence[dict[str, Any]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, (kind, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for model in dict.fromkeys(row["model"] for row in rows):
            points = [row for row in rows if row["model"] == model and row[f"{kind}_ratio"] is not None]
            lengths = [row["from"] for row in points]
            ratios, low, high = (
                np.array([row[f"{kind}_{end}"] for row in points]) for end in ("ratio", "low", "high")
            )
            axes.errorbar(lengths, ratios, yerr=[ratios - low, high - ratios], marker="o", capsize=2, label=model)
        axes.set_title(title)
        axes.set_xlabel("words in the sentence, from")
        axes.set_ylabel("correctly tagged")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure
