"""Words by tag and language in the spaces of TransAdv's teachers (TransAdv, figure 3).

    xner analyse clusters runs/transadv-nl

t-SNE of the last hidden states of tagged words of the source's and the target's development sets, for Theta_src,
Theta_entity and Theta_context of a run (and the tagger of the source alone, `mt`, where the run has made it). Writes
clusters.csv and clusters.png/.svg, and tells how well words group by tag and by language: silhouettes by cosine in
the full space, 1 for groups apart, 0 for none. Good teachers group by tag and not by language. The target's tags
choose and colour the words, and are used for nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.figures import project, save_figure, write_rows
from hf_xner.analysis.opened_run import OpenedRun, open_run
from hf_xner.errors import InputError

HELP = "transadv: t-SNE of tagged words of both languages in the teachers' spaces"
MODELS = {
    "mt": "Theta_src without MLADV",
    "src": "Theta_src",
    "entity": "Theta_entity",
    "context": "Theta_context",
}
MARKERS = {"source": "o", "target": "x"}
OUTSIDE = "O"


@dataclass(frozen=True)
class Word:
    """A word in its sentence: where it stands, what it is tagged."""

    language: str
    sentence: int
    place: int
    text: str
    type: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="the --output_dir of a run of transadv")
    parser.add_argument("--seed", dest="seed_of_run", type=int, help="which of its seeds (the first)")
    parser.add_argument("--words", type=int, default=60, help="words of each type and language (60)")
    parser.add_argument("--split", default="validation", help="train, validation (default) or test")
    parser.add_argument("--outside", action="store_true", help="words outside entities too")
    parser.add_argument("--sample_seed", type=int, default=0, help="seed of the choice of words and of t-SNE (0)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where the files go (RUN/analysis)")


def run(arguments: argparse.Namespace) -> int:
    """Choose words, read them, write, and say where."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    if arguments.words < 2:
        raise InputError(f"{arguments.words} words are no group", where="--words", remedy="give at least 2")
    opened = open_run(arguments.run_folder, "transadv")
    seed = opened.seed(arguments.seed_of_run)
    taggers = {name: found for name, stage in MODELS.items() if (found := opened.tagger(f"{stage}, seed {seed}"))}
    if not taggers:
        raise InputError("this run has made no teacher", where=str(opened.folder), remedy="add --variants transadv")
    words, sentences = _choose(opened, arguments)
    vectors = {name: _read(tagger.folder, sentences, words) for name, tagger in taggers.items()}
    for name, found in vectors.items():
        tags, languages = silhouettes(found, words)
        print(f"{MODELS[name]}: silhouette by tag {tags:.3f}, by language {languages:.3f}")
    layouts = {name: project(found, seed=arguments.sample_seed) for name, found in vectors.items()}
    rows = [
        {"model": name, "language": word.language, "word": word.text, "type": word.type, "x": float(x), "y": float(y)}
        for name, layout in layouts.items()
        for word, (x, y) in zip(words, layout, strict=True)
    ]
    place = (arguments.output or arguments.run_folder / "analysis") / "clusters"
    written = [write_rows(place.with_suffix(".csv"), rows), *save_figure(figure(words, layouts), place)]
    print("\n".join(map(str, written)))
    return 0


def _choose(opened: OpenedRun, arguments: argparse.Namespace) -> tuple[list[Word], dict[str, list[list[str]]]]:
    """Words of both languages, and the sentences that they stand in."""
    options = opened.space.arguments
    words: list[Word] = []
    sentences: dict[str, list[list[str]]] = {}
    for language, spec in (("source", options.source[0]), ("target", options.target)):
        data = opened.space.labelled(spec, arguments.split).data
        found = choose_words(data, language, arguments.words, arguments.sample_seed, outside=arguments.outside)
        kept = sorted({word.sentence for word in found})
        sentences[language] = [data[row]["tokens"] for row in kept]
        words += [Word(language, kept.index(word.sentence), word.place, word.text, word.type) for word in found]
    return words, sentences


def choose_words(data: Any, language: str, count: int, seed: int, *, outside: bool = False) -> list[Word]:
    """Random words of a labelled corpus, as many of each type, no word twice in one type.

    Args:
        data: `tokens` and `ner_tags`.
        language: Its language's role.
        count: Words of each type, at most.
        seed: Random seed.
        outside: Words outside entities too.
    """
    from hf_xner.labels import split_tag

    names = data.features["ner_tags"].feature.names
    types = [OUTSIDE if name == "O" else split_tag(name)[1] for name in names]
    found: dict[str, dict[str, Word]] = {
        kind: {} for kind in sorted(set(types)) if kind is not None and (outside or kind != OUTSIDE)
    }
    random = np.random.default_rng(seed)
    sentences, tags = data["tokens"][:], data["ner_tags"][:]
    for row in random.permutation(len(sentences)).tolist():
        if all(len(group) >= count for group in found.values()):
            break
        for place, (text, tag) in enumerate(zip(sentences[row], tags[row], strict=True)):
            group = found.get(str(types[tag]))
            if group is not None and len(group) < count and text.strip():
                group.setdefault(text, Word(language, row, place, text, str(types[tag])))
    return [word for group in found.values() for word in group.values()]


def _read(folder: Path, sentences: Mapping[str, Sequence[Sequence[str]]], words: Sequence[Word]) -> np.ndarray:
    """The words' vectors (N, H) in a tagger's space; a word without a sub-word stands in the middle of all."""
    from hf_xner.inference.loading import load_tagger
    from hf_xner.inference.word_vectors import word_vectors

    model, tokenizer = load_tagger(str(folder))
    read = {language: word_vectors(model, tokenizer, rows) for language, rows in sentences.items()}
    vectors = np.stack([read[word.language][word.sentence][word.place] for word in words])
    return np.where(np.isnan(vectors), np.nanmean(vectors, axis=0), vectors)


def silhouettes(vectors: np.ndarray, words: Sequence[Word]) -> tuple[float, float]:
    """How well words group by type and by language, by cosine; NaN where there is one group alone.

    Args:
        vectors: (N, H).
        words: The words.
    """
    from sklearn.metrics import silhouette_score

    results = []
    for groups in ([word.type for word in words], [word.language for word in words]):
        several = 1 < len(set(groups)) < len(groups)
        results.append(float(silhouette_score(vectors, groups, metric="cosine")) if several else float("nan"))
    return results[0], results[1]


def figure(words: Sequence[Word], layouts: Mapping[str, np.ndarray]) -> Any:
    """A panel a model; colours are types, marks are languages.

    Args:
        words: The words.
        layouts: Their places in two dimensions (N, 2), by model.
    """
    from matplotlib.figure import Figure

    result = Figure(figsize=(4.5 * len(layouts), 4.5), layout="constrained")
    types = sorted({word.type for word in words})
    for axes, (name, layout) in zip(result.subplots(1, len(layouts), squeeze=False)[0], layouts.items(), strict=True):
        for language, marker in MARKERS.items():
            for number, kind in enumerate(types):
                chosen = [row for row, word in enumerate(words) if (word.language, word.type) == (language, kind)]
                axes.scatter(
                    layout[chosen, 0],
                    layout[chosen, 1],
                    s=14,
                    marker=marker,
                    color=f"C{number}",
                    linewidths=0.8,
                    alpha=0.7,
                    label=f"{kind}, {language}",
                )
        axes.set_title(MODELS.get(name, name).replace("Theta_", "Θ "))
        axes.set_xticks([])
        axes.set_yticks([])
    result.legend(*result.axes[0].get_legend_handles_labels(), loc="outside right center")
    return result
