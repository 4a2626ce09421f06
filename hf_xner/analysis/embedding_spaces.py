"""Where the words of two languages lie before and after mapping, and in the tagger (Bari et al., AAAI 2020, figure 3).

    xner analyse embedding_spaces runs/augmented-es/student conll2003:en conll2002:es --output spaces-es

t-SNE of 1,000 tagged words that have a vector (fewer where a corpus has fewer), half from either corpus: their
monolingual vectors, their mapped vectors, and what the common encoder gives for them in their sentences. Writes
embedding_spaces.csv and embedding_spaces.png/.svg, and tells how far the languages mix: the share of a word's ten
nearest neighbours (cosine) that are words of the other language, 0.5 where nothing tells them apart. Tags choose and
colour the words, and are used for nothing else.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_xner.analysis.figures import project, save_figure, write_rows
from hf_xner.errors import InputError

HELP = "augmented: t-SNE of tagged words in three spaces"
SPACES = {"monolingual": "monolingual vectors", "mapped": "mapped vectors", "common": "common encoder"}
MARKERS = {"source": "o", "target": "^"}
NEIGHBOURS = 10


@dataclass(frozen=True)
class TaggedWord:
    """A word of an entity in its sentence."""

    language: str
    sentence: int
    position: int
    word: str
    type: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a BiLSTM-CRF with mapped vectors")
    parser.add_argument("source", metavar="SOURCE", help="a labelled corpus of the source language")
    parser.add_argument("target", metavar="TARGET", help="a labelled corpus of the target language")
    parser.add_argument("--split", default="test", help="train, validation or test (default)")
    parser.add_argument("--words", type=int, default=1000, help="words of both languages together (1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of words and of t-SNE (0)")
    parser.add_argument("--data_dir", help="where corpora lie on this machine; default: HF_XNER_DATA")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("embedding_spaces"), help="where to write")


def run(arguments: argparse.Namespace) -> int:
    """Choose, project, write, and say where."""
    from transformers.utils import logging

    from hf_xner.data import load_corpus
    from hf_xner.data.checks import require_split
    from hf_xner.inference.loading import load_tagger, reads_words

    logging.disable_progress_bar()
    if arguments.words < 6:
        raise InputError(f"{arguments.words} words say nothing", where="--words", remedy="give at least 6")
    model, extractor = load_tagger(arguments.model)
    if not reads_words(extractor) or set(extractor.tables) != set(MARKERS):
        raise InputError(
            "this is no BiLSTM-CRF with word vectors of two languages",
            where=arguments.model,
            remedy="give the student of a run of augmented, variant cross_*",
        )
    words: list[TaggedWord] = []
    spaces: dict[str, list[np.ndarray]] = {name: [] for name in SPACES}
    corpora = {}
    for language, spec in (("source", arguments.source), ("target", arguments.target)):
        corpus = load_corpus(spec, data_dir=arguments.data_dir)
        corpora[language] = require_split(corpus, arguments.split, spec, tags=True)
    for language, chosen in choose_alike(corpora, extractor, arguments.words // 2, arguments.seed).items():
        words += chosen
        for name, vectors in read_spaces(model, extractor, corpora[language]["tokens"][:], chosen).items():
            spaces[name].append(vectors)
    joined = {name: np.concatenate(parts) for name, parts in spaces.items()}
    languages = np.array([word.language for word in words])
    for name, vectors in joined.items():
        print(
            f"{SPACES[name]}: {mixing(vectors, languages):.2f} of the {NEIGHBOURS} nearest are of the other language"
        )
    layouts = {name: project(vectors, seed=arguments.seed) for name, vectors in joined.items()}
    rows = [
        {"space": name, "language": word.language, "word": word.word, "type": word.type, "x": float(x), "y": float(y)}
        for name, layout in layouts.items()
        for word, (x, y) in zip(words, layout, strict=True)
    ]
    place = arguments.output / "embedding_spaces"
    written = [write_rows(place.with_suffix(".csv"), rows), *save_figure(_figure(words, layouts), place)]
    print("\n".join(map(str, written)))
    return 0


def choose_alike(corpora: dict[str, Any], extractor: Any, count: int, seed: int) -> dict[str, list[TaggedWord]]:
    """As many words of every corpus: with more of one, its words alone would make fewer neighbours foreign.

    Args:
        corpora: By "source" and "target"; see `choose_words` for the rest.
        extractor: As there.
        count: As there.
        seed: As there.
    """
    chosen = {name: choose_words(data, extractor, name, count, seed) for name, data in corpora.items()}
    least = min(map(len, chosen.values()))
    return {
        name: words if len(words) == least else choose_words(corpora[name], extractor, name, least, seed)
        for name, words in chosen.items()
    }


def choose_words(data: Any, extractor: Any, language: str, count: int, seed: int) -> list[TaggedWord]:
    """Random words of entities that have a vector, no two of them the same.

    Args:
        data: `tokens` and `ner_tags`.
        extractor: Knows which words have one.
        language: "source" or "target".
        count: How many, at most.
        seed: Random seed.

    Raises:
        InputError: There are fewer than three.
    """
    from hf_xner.evaluation.evaluate import gold_tags
    from hf_xner.labels import split_tag

    found: dict[str, TaggedWord] = {}
    sentences, tags = data["tokens"][:], gold_tags(data)
    random = np.random.default_rng(seed)
    for sentence in random.permutation(len(sentences)).tolist():
        for position, (word, tag) in enumerate(zip(sentences[sentence], tags[sentence], strict=True)):
            if tag != "O":
                found.setdefault(word, TaggedWord(language, sentence, position, word, split_tag(tag)[1]))
    _, has_vector = extractor.look_up(list(found), language=language)
    words = [word for word, has in zip(found.values(), has_vector, strict=True) if has]
    if len(words) < 3:
        raise InputError(
            f"the {language} corpus has {len(words)} words of entities with a vector", remedy="give another corpus"
        )
    return [words[index] for index in sorted(random.permutation(len(words))[:count].tolist())]


def read_spaces(
    model: Any, extractor: Any, sentences: Sequence[Sequence[str]], words: Sequence[TaggedWord]
) -> dict[str, np.ndarray]:
    """What words of one language look like in each space: (N, d), (N, d) and (N, dense_size)."""
    import torch

    from hf_xner.data.word_rows import WordRows

    language = words[0].language
    mapped, _ = extractor.look_up([word.word for word in words], language=language)
    monolingual = mapped
    for step in extractor.tables[language].steps:
        if step.kind == "map":  # orthogonal: its transpose takes it back
            monolingual = mapped @ step.value
    rows = WordRows(extractor, [sentences[word.sentence] for word in words], language=language)
    encoder = model.default_encoder if language == "target" else "source"
    common = []
    with torch.inference_mode():
        for row, word in enumerate(words):
            batch = rows.batch([row], device=model.device)
            features = model.common_features(batch, (encoder,))[encoder]
            common.append(features[0, word.position].cpu().numpy())
    return {"monolingual": monolingual, "mapped": mapped, "common": np.stack(common)}


def mixing(vectors: np.ndarray, languages: np.ndarray) -> float:
    """Mean share of a word's nearest neighbours, by cosine, that are of the other language.

    Args:
        vectors: (N, d).
        languages: (N,), the language of each.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, : min(NEIGHBOURS, len(vectors) - 1)]
    return float((languages[nearest] != languages[:, None]).mean())


def _figure(words: Sequence[TaggedWord], layouts: dict[str, np.ndarray]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(layouts), 4.5), layout="constrained")
    types = sorted({word.type for word in words})
    for axes, (name, layout) in zip(figure.subplots(1, len(layouts)), layouts.items(), strict=True):
        for language, marker in MARKERS.items():
            for number, type_ in enumerate(types):
                chosen = [row for row, word in enumerate(words) if (word.language, word.type) == (language, type_)]
                axes.scatter(
                    layout[chosen, 0],
                    layout[chosen, 1],
                    s=9,
                    marker=marker,
                    color=f"C{number}",
                    alpha=0.6,
                    label=f"{language} {type_}",
                )
        axes.set_title(SPACES[name])
        axes.set_xticks([])
        axes.set_yticks([])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    return figure
