"""The encoder with its output layer for masked-language-model training, and how it grows."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import MaskedLMOutput
from transformers.models.bert.modeling_bert import BertPreTrainedModel

from hf_xner.pretraining.masking import IGNORE

SAMPLING_POWER = 0.75  # candidates are drawn with probability proportional to count ** this


class MaskedEncoder(BertPreTrainedModel):
    """A BERT encoder and one linear output layer (not tied to the input embeddings).

    Only masked positions reach the output layer. While training, the softmax runs over the target and
    `config.candidates` sub-words drawn by frequency, weighted by how unlikely each was to be drawn (sampled softmax);
    in evaluation mode it runs over the whole vocabulary.

    Args:
        config: A BERT configuration; `candidates` (0 for the full softmax) is read from it.
    """

    _tied_weights_keys: dict[str, str] = {}
    frequency: torch.Tensor

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size)
        self.candidates = int(getattr(config, "candidates", 0))
        self.register_buffer("frequency", torch.full((config.vocab_size,), 1 / config.vocab_size))
        self.post_init()

    def set_counts(self, counts: torch.Tensor) -> None:
        """Tell how often each sub-word (V,) occurs, which decides how often it is a candidate."""
        weights = (counts.double() + 1) ** SAMPLING_POWER
        self.frequency.copy_(weights / weights.sum())

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> MaskedLMOutput:
        """Loss at the positions whose label is not -100.

        Args:
            input_ids: (B, L).
            attention_mask: (B, L), or None where nothing is padded.
            position_ids: (B, L).
            labels: (B, L), sub-words to be predicted, -100 elsewhere.

        Returns:
            The mean cross entropy in nats, and no logits: nobody needs (B, L, V) numbers.
        """
        hidden = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids
        ).last_hidden_state
        if labels is None:
            return MaskedLMOutput(hidden_states=(hidden,))
        asked = labels != IGNORE
        return MaskedLMOutput(loss=self._loss(hidden[asked], labels[asked]))

    def _loss(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if not (self.training and self.candidates):
            return functional.cross_entropy(self.decoder(states).float(), targets)
        drawn = torch.multinomial(self.frequency, self.candidates, replacement=True)
        candidates = torch.unique(drawn)
        # A candidate stands for as many sub-words as its chance of being drawn at least once is small (Horvitz and
        # Thompson 1952), so that the sum under the softmax is unbiased; expm1 and log1p keep rare chances exact.
        chance = -torch.expm1(self.candidates * torch.log1p(-self.frequency[candidates]))
        weight = functional.embedding(candidates, self.decoder.weight)
        logits = functional.linear(states, weight).float() + self.decoder.bias[candidates] - chance.log()
        logits = logits.masked_fill(candidates[None] == targets[:, None], float("-inf"))
        right = (states * functional.embedding(targets, self.decoder.weight)).float().sum(1)
        right = right + self.decoder.bias[targets]
        return (torch.logaddexp(torch.logsumexp(logits, dim=1), right) - right).mean()


def build_config(
    vocab_size: int, *, layers: int, hidden: int, heads: int, intermediate: int, positions: int, candidates: int
) -> BertConfig:
    """A BERT configuration without dropout: hundreds of millions of sub-words through ten million weights."""
    config = BertConfig(
        vocab_size=vocab_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=intermediate,
        max_position_embeddings=positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        tie_word_embeddings=False,
    )
    config.candidates = candidates
    return config


def grow(model: MaskedEncoder, layers: int) -> MaskedEncoder:
    """A deeper model that computes almost what the shallower one does.

    Every layer is followed by copies of itself whose two output projections are zero, so that they only normalise
    again what is normalised already, and learn from there (compare Gong et al. 2019, stacking).

    Args:
        model: The shallower model.
        layers: Number of layers wanted, a multiple of the model's.

    Returns:
        A new model.
    """
    times, rest = divmod(layers, model.config.num_hidden_layers)
    if rest or not times:
        raise ValueError(f"{layers} layers are no multiple of {model.config.num_hidden_layers}")
    grown = copy.deepcopy(model)
    deeper: list[Any] = []
    for layer in model.bert.encoder.layer:
        deeper.append(copy.deepcopy(layer))
        for _ in range(times - 1):
            twin = copy.deepcopy(layer)
            for projection in (twin.attention.output.dense, twin.output.dense):
                nn.init.zeros_(projection.weight)
                nn.init.zeros_(projection.bias)
            deeper.append(twin)
    grown.bert.encoder.layer = nn.ModuleList(deeper)
    grown.config.num_hidden_layers = grown.bert.config.num_hidden_layers = layers
    return grown
