"""How like each source language a sentence is: the similarity measures of TSL (Wu et al., ACL 2020, section 3.2).

    s(u, mu_k) = u^T M mu_k,  M = U^T V of low rank      learned, by telling the source languages apart
    cosine(u, mu_k), -||u - mu_k||_2, -||u - mu_k||_1    the alternatives of Table 5, not learned

u is the vector of a sentence, mu_k the embedding of language k, which starts as (and, unless learned, stays) the mean
vector of that language's sentences.

This file travels with saved models, so it imports only transformers and its siblings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

MEASURES = ("bilinear", "cosine", "l2", "l1")
TEMPERATURES = ("variance", "std")
# Scores whose variance is below this share of their mean square differ by float32's rounding alone.
NO_VARIANCE = 1e-12


class LanguageSimilarityConfig(PreTrainedConfig):
    """Configuration of `LanguageSimilarityModel`.

    Args:
        languages: Names of the K source languages, in the order of their embeddings.
        hidden_size: H, width of the sentence vectors.
        measure: "bilinear" (learned), "cosine", "l2" or "l1".
        rank: Rows of U and V.
        bias: Whether U and V have biases, as in the released program; the paper's formula has none.
        pooling: What the sentence vectors are: "cls", "pooler" or "mean"; only for the record.
        encoder: What encoder they come from; only for the record.
        more: As for every configuration.

    Raises:
        ValueError: The measure is unknown, or there is no language.
    """

    model_type = "xner-language-similarity"

    def __init__(
        self,
        languages: Sequence[str] = ("source",),
        hidden_size: int = 768,
        measure: str = "bilinear",
        rank: int = 64,
        bias: bool = False,
        pooling: str = "cls",
        encoder: str = "",
        **more: Any,
    ) -> None:
        if measure not in MEASURES:
            raise ValueError(f"measure must be one of {', '.join(MEASURES)}, found {measure!r}")
        if not languages:
            raise ValueError("at least one language is needed")
        self.languages = list(languages)
        self.hidden_size = hidden_size
        self.measure = measure
        self.rank = rank
        self.bias = bias
        self.pooling = pooling
        self.encoder = encoder
        super().__init__(**more)


@dataclass
class LanguageSimilarityOutput(ModelOutput):
    """What `LanguageSimilarityModel` gives for B sentences and K languages.

    Attributes:
        loss: Cross-entropy against the sentences' languages; only if they were given.
        logits: The scores s(u, mu_k), shape (B, K).
        languages: The embeddings mu_k, shape (K, H). They are part of the output because distributed training looks
            for the trained parameters there.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    languages: torch.Tensor | None = None


class LanguageSimilarityModel(PreTrainedModel):
    """Scores of sentences against languages.

    Args:
        config: The configuration.
    """

    config_class = LanguageSimilarityConfig
    main_input_name = "sentence_vectors"

    def __init__(self, config: LanguageSimilarityConfig) -> None:
        super().__init__(config)
        self.languages = nn.Embedding(len(config.languages), config.hidden_size)
        learned = config.measure == "bilinear"
        self.sentence_map = nn.Linear(config.hidden_size, config.rank, config.bias) if learned else None  # U
        self.language_map = nn.Linear(config.hidden_size, config.rank, config.bias) if learned else None  # V
        self.post_init()

    @classmethod
    def from_means(cls, means: torch.Tensor, **settings: Any) -> LanguageSimilarityModel:
        """A new model whose language embeddings are the languages' mean sentence vectors.

        Args:
            means: Shape (K, H).
            settings: As for `LanguageSimilarityConfig`.
        """
        model = cls(LanguageSimilarityConfig(hidden_size=means.shape[1], **settings))
        with torch.no_grad():
            model.languages.weight.copy_(means)
        return model

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Torch's own initialisation of linear layers, as released, and not that of encoders."""
        if isinstance(module, nn.Linear):
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            if module.bias is not None:
                bound = 1 / math.sqrt(module.in_features)
                init.uniform_(module.bias, -bound, bound)
        else:
            super()._init_weights(module)

    def forward(self, sentence_vectors: torch.Tensor, labels: torch.Tensor | None = None) -> LanguageSimilarityOutput:
        """Score sentences.

        Args:
            sentence_vectors: Shape (B, H).
            labels: Number of each sentence's language, shape (B,); only for `loss`.
        """
        languages = self.languages.weight
        scores = self._scores(sentence_vectors.to(languages.dtype), languages)
        loss = None if labels is None else functional.cross_entropy(scores, labels)
        return LanguageSimilarityOutput(loss=loss, logits=scores, languages=languages)

    def _scores(self, vectors: torch.Tensor, languages: torch.Tensor) -> torch.Tensor:
        if self.sentence_map is not None and self.language_map is not None:
            return self.sentence_map(vectors) @ self.language_map(languages).T
        if self.config.measure == "cosine":
            return functional.cosine_similarity(vectors.unsqueeze(1), languages.unsqueeze(0), dim=-1)
        power = 2.0 if self.config.measure == "l2" else 1.0
        # Without matrix products, whose rounding is relative to the vectors' lengths and not to their distance.
        return -torch.cdist(vectors, languages, p=power, compute_mode="donot_use_mm_for_euclid_dist")

    @property
    def operator(self) -> torch.Tensor:
        """M = U^T V, shape (H, H), of a learned measure without biases.

        Raises:
            ValueError: The measure is not learned, or has biases.
        """
        if self.sentence_map is None or self.language_map is None or self.config.bias:
            raise ValueError("only a learned measure without biases is one operator")
        return self.sentence_map.weight.T @ self.language_map.weight


def temperature_of(scores: torch.Tensor, kind: str = "variance") -> float:
    """tau: the unbiased variance (or standard deviation) of the scores of all sentences against all languages.

    Args:
        scores: Shape (N, K).
        kind: "variance" (the paper) or "std" (an option of the released program).

    Returns:
        tau; 0 where the scores do not differ by more than rounding, or there is only one.

    Raises:
        ValueError: The kind is neither.
    """
    if kind not in TEMPERATURES:
        raise ValueError(f"unknown temperature {kind!r}: use one of {', '.join(TEMPERATURES)}")
    values = scores.double().flatten()
    if len(values) < 2:
        return 0.0
    variance = float(values.var())
    if variance <= NO_VARIANCE * float(values.square().mean()):
        return 0.0
    return variance if kind == "variance" else math.sqrt(variance)


def sentence_weights(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax over the languages of s / tau: how much each language has to say of each sentence (Eq. 11).

    The weights of a text, alpha, are their mean over its sentences.

    Args:
        scores: Shape (N, K).
        temperature: tau; with 0, from scores that do not differ, all languages weigh the same.

    Returns:
        Shape (N, K), float64, rows summing to 1.
    """
    full = scores.double()
    if temperature <= 0:
        return torch.full_like(full, 1 / full.shape[1])
    return torch.softmax(full / temperature, dim=-1)
