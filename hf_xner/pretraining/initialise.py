"""A start from which masked-language-model training gets going at once.

The usual initialisation stays for thousands of steps at the loss of always answering by frequency. Here the untrained
network already predicts a masked sub-word from the ones around it: input and output embeddings are word2vec vectors of
sub-words (CBOW), the heads of the first layer average a window around the position, and those of the next two look at
fixed offsets. Positions lie in dimensions of their own, sinusoidal, so that any offset is a rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_xner.errors import InputError
from hf_xner.pretraining.model import MaskedEncoder
from hf_xner.pretraining.tokenizer import CLS, MASK, PAD, SEP, UNKNOWN

OFFSETS = (-1, 1, -2, 2, -3, 3, -4, 4)
WINDOW_WIDTH = 3.0  # the first layer's heads weigh a position at distance d by about exp(-2 (d / width) ** 2)
POSITION_DIMENSIONS = 32
OUTPUT_GAIN = 0.3  # how much of a neighbour the second and third layer add
SMALL = 0.02
REACH = 300  # distances over which attention kernels are fitted


@dataclass(frozen=True)
class Vectors:
    """Word2vec vectors of sub-words.

    Attributes:
        inputs: (V, D) float32, what a sub-word says as context.
        outputs: (V, D) float32, what a sub-word is predicted by.
        counts: (V,) int64, how often it was seen.
    """

    inputs: Any
    outputs: Any
    counts: Any


def write_sentences(rows: Iterable[Any], path: Path) -> None:
    """Write rows of sub-word ids as lines of numbers, special tokens and padding left out."""
    special = {PAD, UNKNOWN, CLS, SEP, MASK}
    with path.open("w", encoding="ascii") as out:
        for row in rows:
            out.write(" ".join(str(i) for i in row.tolist() if i not in special))
            out.write("\n")


def train_vectors(
    sentences: Path, *, vocab_size: int, dimensions: int, epochs: int = 4, workers: int = 2, seed: int = 0
) -> Vectors:
    """Train CBOW vectors with negative sampling.

    Args:
        sentences: What `write_sentences` wrote.
        vocab_size: Number of sub-words; those that do not occur get zeros.
        dimensions: Width of the vectors.
        epochs: Passes over the text.
        workers: Threads; with one, the result depends on the seed alone.
        seed: Seed.

    Raises:
        InputError: gensim is not installed.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError as error:
        raise InputError(
            "word2vec vectors need gensim", remedy='install it: pip install "hf_xner[pretrain]"'
        ) from error
    model = Word2Vec(
        corpus_file=str(sentences),
        vector_size=dimensions,
        window=5,
        min_count=1,
        negative=10,
        sample=1e-4,
        sg=0,
        epochs=epochs,
        workers=workers,
        seed=seed,
    )
    ids = np.array([int(word) for word in model.wv.index_to_key])
    vectors = Vectors(
        np.zeros((vocab_size, dimensions), np.float32),
        np.zeros((vocab_size, dimensions), np.float32),
        np.zeros(vocab_size, np.int64),
    )
    vectors.inputs[ids] = model.wv.vectors
    vectors.outputs[ids] = model.syn1neg
    vectors.counts[ids] = [model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key]
    return vectors


def retrofit(vectors: Any, pairs: Sequence[tuple[int, int]], *, rounds: int = 3, weight: float = 1.0) -> Any:
    """Draw the vectors of translations together (Faruqui et al. 2015).

    Args:
        vectors: (V, D).
        pairs: Ids of translations.
        rounds: Iterations.
        weight: How much all translations together count, against 1 for the vector itself.

    Returns:
        New vectors (V, D); each keeps its length.
    """
    if not pairs:
        return vectors
    ids = np.array(pairs)
    left, right = np.concatenate([ids, ids[:, ::-1]]).T
    degree = np.maximum(np.bincount(left, minlength=len(vectors)), 1)[:, None]
    linked = np.bincount(left, minlength=len(vectors))[:, None] > 0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    original = vectors / np.maximum(lengths, 1e-6)
    current = original
    for _ in range(rounds):
        total = np.zeros_like(current)
        np.add.at(total, left, current[right])
        mixed = np.where(linked, (original + weight * total / degree) / (1 + weight), original)
        current = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)
    return (current * lengths).astype(np.float32)


def vector_width(hidden: int) -> int:
    """Width that is left for word vectors beside the dimensions of the positions."""
    return hidden - POSITION_DIMENSIONS


def frequencies() -> Any:
    """Angles by which the 16 sines of the positions turn from one position to the next; none a multiple of another."""
    return np.geomspace(0.05, 3.0, POSITION_DIMENSIONS // 2)


def position_table(positions: int) -> Any:
    """Sinusoids (positions, 32) with a mean square of 1."""
    angles = np.arange(positions)[:, None] * frequencies()[None]
    return np.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], axis=2).reshape(positions, -1)


def kernel(profile: Callable[[Any], Any]) -> Any:
    """Weights w (16,) for which sum_i w_i cos(f_i d) follows `profile(d)` up to a constant, best where d is small."""
    distances = np.arange(-REACH, REACH + 1)
    care = np.sqrt(1.0 + 30.0 * (np.abs(distances) <= 12))[:, None]
    waves = np.c_[np.cos(distances[:, None] * frequencies()[None]), np.ones(len(distances))] * care
    # A little ridge: neighbouring slow waves are almost alike, and their weights would cancel in millions.
    ridge = np.diag([1.0] * (waves.shape[1] - 1) + [0.0])
    return np.linalg.solve(waves.T @ waves + ridge, waves.T @ (profile(distances) * care[:, 0]))[:-1]


def initialise(model: MaskedEncoder, vectors: Vectors, *, seed: int = 0) -> None:
    """Set all weights of a model.

    Args:
        model: Its hidden size must be `vectors`' width plus 32, its heads at least 32 wide.
        vectors: Word2vec vectors of its sub-words.
        seed: Seed of what stays random.

    Raises:
        InputError: Hidden size or heads do not fit.
    """
    config = model.config
    head = config.hidden_size // config.num_attention_heads
    if vectors.inputs.shape != (config.vocab_size, vector_width(config.hidden_size)) or head < POSITION_DIMENSIONS:
        raise InputError(
            f"vectors {vectors.inputs.shape} and heads of {head} do not fit a hidden size of {config.hidden_size}",
            remedy=f"use heads of at least {POSITION_DIMENSIONS} and vectors {POSITION_DIMENSIONS} narrower than that",
        )
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        _embeddings(model, vectors)
        for number, layer in enumerate(model.bert.encoder.layer):
            _feed_forward(layer, generator)
            if number == 0:
                _window_attention(layer, config, generator)
            elif number < 3:
                _offset_attention(layer, config, generator)
            else:
                _free_attention(layer, generator)


def _embeddings(model: MaskedEncoder, vectors: Vectors) -> None:
    width = vectors.inputs.shape[1]
    table = model.bert.embeddings
    seen = vectors.counts > 0
    rms = np.sqrt((vectors.inputs[seen] ** 2).mean()) if seen.any() else 1.0
    table.word_embeddings.weight.zero_()
    table.word_embeddings.weight[:, :width] = torch.from_numpy(vectors.inputs / rms)
    # [MASK] and its like need a length, or normalisation would blow up their positions; in the directions that the
    # outputs use least they say nothing.
    directions = np.linalg.svd(vectors.outputs.T @ vectors.outputs)[0][:, ::-1].T
    for special, direction in zip((MASK, CLS, SEP, UNKNOWN, PAD), directions, strict=False):
        table.word_embeddings.weight[special, :width] = torch.from_numpy(direction * np.sqrt(width)).float()
    table.token_type_embeddings.weight.zero_()
    table.position_embeddings.weight.zero_()
    positions = torch.from_numpy(position_table(model.config.max_position_embeddings)).float()
    table.position_embeddings.weight[:, width:] = positions
    model.decoder.weight.zero_()
    model.decoder.weight[:, :width] = torch.from_numpy(vectors.outputs)
    counts = torch.from_numpy(vectors.counts).double()
    model.decoder.bias.copy_(0.75 * torch.log((counts + 0.5) / (counts.sum() + 1)))
    model.set_counts(counts)


def _feed_forward(layer: Any, generator: torch.Generator) -> None:
    inner = layer.intermediate.dense
    inner.weight.normal_(0, inner.in_features**-0.5, generator=generator)
    layer.output.dense.weight.normal_(0, SMALL, generator=generator)
    inner.bias.zero_()
    layer.output.dense.bias.zero_()


def _look_at(
    layer: Any, config: Any, profile: Callable[[Any], Any], offsets: Sequence[int], generator: torch.Generator
) -> None:
    """Let head h attend around the position `offsets[h]` away, by `profile` (log weights over distances)."""
    heads, head = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    query, key = layer.attention.self.query, layer.attention.self.key
    for part in (query, key):
        part.weight.normal_(0, SMALL / 4, generator=generator)
        part.bias.zero_()
    # Positions have a mean square of 1, so each pair of dimensions contributes 2 cos.
    strength = np.repeat(kernel(profile), 2) / 2 * np.sqrt(head)
    first = vector_width(config.hidden_size)
    for number in range(heads):
        angle = frequencies() * offsets[number % len(offsets)]
        turn = torch.zeros(POSITION_DIMENSIONS, POSITION_DIMENSIONS)
        for pair, (cosine, sine) in enumerate(zip(np.cos(angle), np.sin(angle), strict=True)):
            block = torch.tensor([[cosine, -sine], [sine, cosine]])
            turn[2 * pair : 2 * pair + 2, 2 * pair : 2 * pair + 2] = block
        rows = slice(number * head, number * head + POSITION_DIMENSIONS)
        query.weight[rows, first:] = torch.from_numpy(strength).float()[:, None] * turn
        key.weight[rows, first:] = torch.eye(POSITION_DIMENSIONS)


def _window_attention(layer: Any, config: Any, generator: torch.Generator) -> None:
    _look_at(layer, config, lambda d: 8.0 * np.exp(-((d / (2 * WINDOW_WIDTH)) ** 2)), (0,), generator)
    width = vector_width(config.hidden_size)
    words = torch.diag((torch.arange(config.hidden_size) < width).float())
    layer.attention.self.value.weight.copy_(words)
    layer.attention.output.dense.weight.copy_(words)
    layer.attention.self.value.bias.zero_()
    layer.attention.output.dense.bias.zero_()


def _offset_attention(layer: Any, config: Any, generator: torch.Generator) -> None:
    _look_at(layer, config, lambda d: 18.0 * (d == 0), OFFSETS, generator)
    basis = torch.linalg.qr(torch.randn(config.hidden_size, config.hidden_size, generator=generator))[0]
    layer.attention.self.value.weight.copy_(basis)
    layer.attention.output.dense.weight.copy_(OUTPUT_GAIN * basis.T)
    layer.attention.self.value.bias.zero_()
    layer.attention.output.dense.bias.zero_()


def _free_attention(layer: Any, generator: torch.Generator) -> None:
    attention = layer.attention
    for part in (attention.self.query, attention.self.key, attention.self.value):
        part.weight.normal_(0, part.in_features**-0.5, generator=generator)
        part.bias.zero_()
    attention.output.dense.weight.normal_(0, SMALL, generator=generator)
    attention.output.dense.bias.zero_()


def calibrate(model: MaskedEncoder, batch: dict[str, torch.Tensor]) -> float:
    """Scale the output embeddings to the lowest loss on a batch; returns that loss in nats."""
    weight = model.decoder.weight.detach().clone()
    best = (float("inf"), 1.0)
    model.eval()
    with torch.no_grad():
        for scale in np.geomspace(0.05, 3.0, 12):
            model.decoder.weight.copy_(weight * scale)
            best = min(best, (float(model(**batch).loss), float(scale)))
        model.decoder.weight.copy_(weight * best[1])
    return best[0]
