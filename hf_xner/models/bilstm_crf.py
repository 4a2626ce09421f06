"""A BiLSTM-CRF tagger over fixed word vectors, with one encoder or two (Bari et al., AAAI 2020).

For when there is no pretrained encoder. With one encoder (Cross-Word; Cross-Shared where the directions share their
weights) it is

    [characters' BiLSTM 50 ; word vector 300] -> word BiLSTM 200 -> dense 100 -> emissions -> CRF

The two-encoder form (Cross-Augmented) adds an encoder for the target language, whose features are joined to the source
encoder's: [source 200 ; target 200] -> dense 200 -> the same dense layer, emissions and CRF. Both ways through it can
be asked for: `encoder="source"` is the paper's theta_s, `encoder="target"` its theta_t.

Word vectors come with the input (see `word_features.py`); they are looked up, never trained, and no part of the model.

This file travels with saved models, so it imports only transformers and its siblings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

from .crf import LinearChainCrf
from .lstm import BiLstm, LstmWeights

ACTIVATIONS = ("tanh", "linear")
ENCODERS = ("source", "target")


class BiLstmCrfConfig(PreTrainedConfig):
    """Configuration of `BiLstmCrfForTokenClassification`; the defaults are the published sizes.

    Args:
        word_size: Components of a word vector.
        n_characters: Rows of the character embedding, which both encoders share; the published numbers are the
            characters of both corpora and two more (padding, unknown). 0 for a model without characters.
        source_characters: Whether the source encoder reads characters (not for German and Arabic, as published).
        character_size: Width of a character's embedding.
        character_hidden: State of one direction of the characters' LSTM.
        word_hidden: State of one direction of the words' LSTM.
        dense_size: Width of the point-wise dense layer before the emissions.
        tied: Whether both directions of the source encoder's LSTMs share their weights (Cross-Shared).
        augmented: Whether there is a target encoder (Cross-Augmented); it reads characters if there are any, and its
            directions are untied.
        activation: After the dense layers: "tanh" (as in the tagger of Lample et al. that this one extends; the paper
            does not say) or "linear".
        dropout: Dropout of the joined characters' and word vectors.
        more: As for every configuration: `num_labels`, `id2label`, `label2id`…

    Raises:
        ValueError: A size is not positive, or the activation is unknown.
    """

    model_type = "xner-bilstm-crf"
    keys_to_ignore_at_inference = ["emissions"]

    def __init__(
        self,
        word_size: int = 300,
        n_characters: int = 0,
        source_characters: bool = True,
        character_size: int = 25,
        character_hidden: int = 25,
        word_hidden: int = 100,
        dense_size: int = 100,
        tied: bool = False,
        augmented: bool = False,
        activation: str = "tanh",
        dropout: float = 0.5,
        **more: Any,
    ) -> None:
        self.word_size = word_size
        self.n_characters = n_characters
        self.source_characters = source_characters
        self.character_size = character_size
        self.character_hidden = character_hidden
        self.word_hidden = word_hidden
        self.dense_size = dense_size
        self.tied = tied
        self.augmented = augmented
        self.activation = activation
        self.dropout = dropout
        self._check()
        super().__init__(**more)

    def _check(self) -> None:
        for name in ("word_size", "character_size", "character_hidden", "word_hidden", "dense_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, found {getattr(self, name)}")
        if self.n_characters < 0 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"n_characters must be 0 or more and dropout in [0, 1), found {self.n_characters} and {self.dropout}"
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}, found {self.activation!r}")

    def reads_characters(self, encoder: str) -> bool:
        """Whether an encoder, "source" or "target", reads characters."""
        return self.n_characters > 0 and (self.source_characters if encoder == "source" else self.augmented)


@dataclass
class BiLstmCrfOutput(ModelOutput):
    """What `BiLstmCrfForTokenClassification` gives for B sentences of W words and C tags.

    Attributes:
        loss: Negative log-likelihood of the labels, summed over sentences (the paper's L_s); with labels only.
        logits: Log-probability of each tag of each word under the CRF (log marginals), shape (B, W, C): a softmax of
            them is the probability of a tag.
        emissions: Scores of the tags before the CRF, shape (B, W, C).
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    emissions: Tensor | None = None


@dataclass(frozen=True)
class WordBatch:
    """The words of B sentences; what occurs several times is computed once.

    Attributes:
        vectors: Vectors of the U different words, (U, word_size).
        word_ids: (B, W) int64, which of the U words stands where; any of them at padding.
        mask: (B, W) bool, True at words, which come first in their row.
        characters: (U, K) int64, the characters of the U words, padded; None for models without.
        n_characters: (U,) int64, how many of them count, at least one.
    """

    vectors: Tensor
    word_ids: Tensor
    mask: Tensor
    characters: Tensor | None = None
    n_characters: Tensor | None = None

    @property
    def lengths(self) -> Tensor:
        """Words of each sentence, (B,) int64."""
        return self.mask.sum(dim=1)


class SentenceEncoder(nn.Module):
    """Characters and word vectors to features of words in their sentence, 2 `word_hidden` wide.

    Args:
        config: The sizes.
        characters: Whether it reads characters.
        tied: Whether the directions of its LSTMs share their weights.
    """

    def __init__(self, config: BiLstmCrfConfig, *, characters: bool, tied: bool) -> None:
        super().__init__()
        width = config.word_size + (2 * config.character_hidden if characters else 0)
        self.character_lstm = BiLstm(config.character_size, config.character_hidden, tied=tied) if characters else None
        self.word_lstm = BiLstm(width, config.word_hidden, tied=tied)
        self.dropout = config.dropout

    def forward(self, batch: WordBatch, embedding: nn.Embedding | None) -> Tensor:
        """Features (B, W, 2 word_hidden); undefined at padding."""
        words = [batch.vectors]
        if self.character_lstm is not None:
            if embedding is None or batch.characters is None or batch.n_characters is None:
                raise ValueError("this model reads characters: give word_characters and character_counts too")
            words.insert(0, self.character_lstm.summarise([embedding(batch.characters)], batch.n_characters))
        # Characters and vectors apart, for vectors are fixed: their gradient would be most of the backward pass.
        inputs = [functional.embedding(batch.word_ids, part) for part in words]
        return self.word_lstm(self._drop(inputs), batch.lengths)

    def _drop(self, parts: list[Tensor]) -> list[Tensor]:
        """Dropout; torch's own draws its mask four times as slowly on CPUs."""
        if not self.training or not self.dropout:
            return parts
        widths = [part.shape[2] for part in parts]
        drawn = torch.rand(*parts[0].shape[:2], sum(widths), dtype=parts[0].dtype, device=parts[0].device)
        keep = drawn.ge_(self.dropout).div_(1.0 - self.dropout)
        return [part * mask for part, mask in zip(parts, keep.split(widths, dim=2), strict=True)]


class BiLstmCrfForTokenClassification(PreTrainedModel):
    """The tagger.

    Args:
        config: The configuration.

    Example:
        >>> extractor = AutoFeatureExtractor.from_pretrained(folder, trust_remote_code=True)
        >>> model = AutoModelForTokenClassification.from_pretrained(folder, trust_remote_code=True).eval()
        >>> model.tag(**extractor([["Angela", "Merkel", "visitó", "Kiel", "."]]))
        [['B-PER', 'E-PER', 'O', 'S-LOC', 'O']]
    """

    config_class = BiLstmCrfConfig
    base_model_prefix = "source_encoder"
    main_input_name = "word_vectors"

    def __init__(self, config: BiLstmCrfConfig) -> None:
        super().__init__(config)
        features, n_tags = 2 * config.word_hidden, len(config.id2label or ())
        in_use = config.reads_characters("source") or config.reads_characters("target")
        self.characters = nn.Embedding(config.n_characters, config.character_size) if in_use else None
        self.source_encoder = SentenceEncoder(config, characters=config.reads_characters("source"), tied=config.tied)
        self.target_encoder: SentenceEncoder | None = None
        self.augmentation: nn.Linear | None = None
        if config.augmented:
            self.target_encoder = SentenceEncoder(config, characters=config.reads_characters("target"), tied=False)
            self.augmentation = nn.Linear(2 * features, features)
        self.dense = nn.Linear(features, config.dense_size)
        self.emission = nn.Linear(config.dense_size, n_tags)
        self.crf = LinearChainCrf(n_tags)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # Glorot's uniform distribution, forget gates open to begin with; the paper does not say.
        if isinstance(module, LstmWeights):
            for weight in (module.weight_input, module.weight_hidden):
                bound = (6.0 / (weight.shape[1] + module.n_hidden)) ** 0.5
                init.uniform_(weight, -bound, bound)
            forget = torch.zeros_like(module.bias)
            forget[module.n_hidden : 2 * module.n_hidden] = 1.0
            init.copy_(module.bias, forget)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            bound = (3.0 / module.embedding_dim) ** 0.5
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, LinearChainCrf):
            init.zeros_(module.transitions)
        else:
            super()._init_weights(module)

    def add_target_encoder(self, n_characters: int | None = None) -> BiLstmCrfForTokenClassification:
        """The two-encoder form of a one-encoder model: its weights, and a new target encoder beside them (stage B5).

        Args:
            n_characters: Rows of the character embedding where this model has none; the target encoder reads
                characters although the source encoder does not.

        Returns:
            A new model; this one is left as it is.

        Raises:
            ValueError: There is a target encoder already, or an embedding of another number of characters.
        """
        config = self.config
        rows = config.n_characters if n_characters is None else n_characters
        if config.augmented or (self.characters is not None and rows != config.n_characters):
            raise ValueError(
                f"expected a model without target encoder and {rows} characters, found augmented={config.augmented} "
                f"and {config.n_characters} characters"
            )
        changed = {
            "augmented": True,
            "n_characters": rows,
            "source_characters": config.reads_characters("source"),
        }
        model = type(self)(BiLstmCrfConfig(**{**config.to_dict(), **changed}))
        model.load_state_dict({**model.state_dict(), **self.state_dict()})
        return model

    @property
    def tag_names(self) -> list[str]:
        """The tags by id."""
        names: Any = self.config.id2label
        return [names[index] for index in range(len(names))]

    @property
    def default_encoder(self) -> str:
        """The way through the model that tags: "target" if there is a target encoder."""
        return "target" if self.config.augmented else "source"

    def all_emissions(
        self, batch: WordBatch, encoders: tuple[str, ...], *, detach_source: bool = False
    ) -> dict[str, Tensor]:
        """Emissions (B, W, C) of one or both ways through the model; see `common_features`."""
        features = self.common_features(batch, encoders, detach_source=detach_source)
        return {encoder: self.emission(values) for encoder, values in features.items()}

    def common_features(
        self, batch: WordBatch, encoders: tuple[str, ...], *, detach_source: bool = False
    ) -> dict[str, Tensor]:
        """What the dense layer that both languages share (the "common encoder") gives: (B, W, dense_size).

        The source encoder runs once, also for both ways through the model.

        Args:
            batch: The sentences.
            encoders: "source", "target" or both.
            detach_source: Keep what the target way learns from out of the source encoder.

        Raises:
            ValueError: An encoder is unknown, or this model has no target encoder.
        """
        for encoder in encoders:
            if encoder not in ENCODERS or (encoder == "target" and not self.config.augmented):
                raise ValueError(f"this model has no {encoder} encoder")
        source = self.source_encoder(batch, self.characters)
        found = {}
        for encoder in encoders:
            features = source
            if encoder == "target":
                assert self.target_encoder is not None and self.augmentation is not None
                target = self.target_encoder(batch, self.characters)
                joined = torch.cat([source.detach() if detach_source else source, target], dim=2)
                features = self._activate(self.augmentation(joined))
            found[encoder] = self._activate(self.dense(features))
        return found

    def _activate(self, values: Tensor) -> Tensor:
        return torch.tanh(values) if self.config.activation == "tanh" else values

    def forward(
        self,
        word_vectors: Tensor,
        word_ids: Tensor,
        attention_mask: Tensor,
        word_characters: Tensor | None = None,
        character_counts: Tensor | None = None,
        labels: Tensor | None = None,
        encoder: str | None = None,
    ) -> BiLstmCrfOutput:
        """Log-probabilities of tags, and the loss if labels are given. The feature extractor makes the other inputs.

        Args:
            word_vectors: Vectors of the U different words, (U, word_size).
            word_ids: (B, W), which of them stands where.
            attention_mask: (B, W), 1 at words, 0 at padding.
            word_characters: (U, K), their characters.
            character_counts: (U,), how many characters of each word count.
            labels: (B, W), tag ids; what stands at padding does not count.
            encoder: "source" or "target"; by default the target encoder if there is one.
        """
        batch = WordBatch(word_vectors, word_ids, attention_mask.bool(), word_characters, character_counts)
        encoder = encoder or self.default_encoder
        emissions = self.all_emissions(batch, (encoder,))[encoder]
        loss = None
        if labels is not None:
            loss = self.crf.negative_log_likelihood(emissions, labels, batch.mask).sum()
        return BiLstmCrfOutput(loss=loss, logits=self.crf.log_marginals(emissions, batch.mask), emissions=emissions)

    @torch.no_grad()
    def tag(self, **inputs: Any) -> list[list[str]]:
        """The most probable tag sequence of each sentence by the CRF (Viterbi), as names, in the model's own scheme.

        Args:
            inputs: As for `forward`, without labels.
        """
        emissions = self(**inputs).emissions
        best = self.crf.decode(emissions, inputs["attention_mask"].bool())
        names = self.tag_names
        return [[names[tag] for tag in row if tag >= 0] for row in best.tolist()]
