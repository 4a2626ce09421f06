"""A tagger with discriminators that try to tell languages and word orders apart (TransAdv, section 3.2).

The word-level one looks at single hidden states, the sentence-level one reads them in order with an LSTM. Which words
the first is shown, all, those of entities or their contexts, is training's choice; the configuration notes it.

This file travels with saved models, so it imports only transformers and its siblings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from .backbone import classifier_dropout, pooler_options

ORDER_DISCRIMINATORS = ("bilstm", "lstm", "none")
SCOPES = ("all", "entity", "context")


class AdversarialConfig(PreTrainedConfig):
    """Configuration of `AdversarialForTokenClassification`; the encoder's whole configuration is inside.

    Args:
        encoder_config: The encoder's configuration, or its dictionary with `model_type`; BERT base by default.
        language_width: Hidden units of the language discriminator; 0 for none.
        order_discriminator: "bilstm" (half of `order_width` in each direction; the published number of weights),
            "lstm" (left to right; the published formula) or "none".
        order_width: Width of its state.
        scope: The words whose language has been discriminated: "all", "entity" or "context".
        classifier_dropout: Dropout before the classifier; by default what the encoder's own classifier would have.
        more: As for every configuration: `num_labels`, `id2label`, `label2id`…

    Raises:
        ValueError: An unknown choice, a width that does not fit, or an encoder that has a decoder.
    """

    model_type = "xner-adversarial"
    sub_configs = {"encoder_config": AutoConfig}
    keys_to_ignore_at_inference = ["language_logits", "order_logits"]

    def __init__(
        self,
        encoder_config: PreTrainedConfig | dict[str, Any] | None = None,
        language_width: int = 500,
        order_discriminator: str = "bilstm",
        order_width: int = 256,
        scope: str = "all",
        classifier_dropout: float | None = None,
        **more: Any,
    ) -> None:
        if encoder_config is None:
            encoder_config = AutoConfig.for_model("bert")
        elif isinstance(encoder_config, dict):
            encoder_config = AutoConfig.for_model(**encoder_config)
        self.encoder_config = encoder_config
        self.language_width = language_width
        self.order_discriminator = order_discriminator
        self.order_width = order_width
        self.scope = scope
        self.classifier_dropout = _dropout_of(encoder_config) if classifier_dropout is None else classifier_dropout
        self._check()
        more.setdefault("pad_token_id", getattr(encoder_config, "pad_token_id", None))
        super().__init__(**more)

    @property
    def num_hidden_layers(self) -> int:
        """Layers of the encoder."""
        return self.encoder_config.num_hidden_layers

    @property
    def hidden_size(self) -> int:
        """Width of the encoder."""
        return self.encoder_config.hidden_size

    def _check(self) -> None:
        for name, value, allowed in (
            ("order_discriminator", self.order_discriminator, ORDER_DISCRIMINATORS),
            ("scope", self.scope, SCOPES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, found {value!r}")
        if self.language_width < 0:
            raise ValueError(f"language_width must be at least 0, found {self.language_width}")
        if self.order_width < 1 or (self.order_discriminator == "bilstm" and self.order_width % 2):
            raise ValueError(f"order_width must be positive, and even for a bilstm; found {self.order_width}")
        if self.encoder_config.is_encoder_decoder:
            raise ValueError(f"{self.encoder_config.model_type} has a decoder: an encoder is needed")


_dropout_of = classifier_dropout  # inside the configuration the name is an argument


@dataclass
class AdversarialOutput(ModelOutput):
    """What `AdversarialForTokenClassification` gives for B sentences of L sub-words and C tags.

    Attributes:
        loss: Cross-entropy of the tags; only if labels were given.
        logits: Of the tags, shape (B, L, C).
        language_logits: Of being in the source language, shape (B, L).
        order_logits: Of being in order, shape (B,).
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    language_logits: torch.Tensor | None = None
    order_logits: torch.Tensor | None = None


class LanguageDiscriminator(nn.Module):
    """Tells the language of a word from its hidden state: sigmoid(W_1 ReLU(W_2 h)), as logits.

    Args:
        hidden_size: Width of the encoder.
        width: Hidden units.
    """

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(hidden_size, width)
        self.output = nn.Linear(width, 1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Logits (B, L) of hidden states (B, L, H)."""
        return self.output(torch.relu(self.hidden(states))).squeeze(-1)


class OrderDiscriminator(nn.Module):
    """Tells from its hidden states in a row whether the words of a sentence are in order: one LSTM layer.

    Args:
        hidden_size: Width of the encoder.
        width: Width of the state that decides, both directions together.
        bidirectional: Read both ways and join the last states.
    """

    def __init__(self, hidden_size: int, width: int, bidirectional: bool) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        self.lstm = nn.LSTM(hidden_size, width // directions, batch_first=True, bidirectional=bidirectional)
        self.output = nn.Linear(width, 1)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of hidden states (B, L, H), read where `mask` (B, L) is true; of nothing: of the first state."""
        device = states.device.type
        on_cpu = device == "cpu"
        # CPUs have a fast LSTM in bfloat16, and none that is fast with packed sequences; elsewhere it matters little.
        reduced = on_cpu and torch.is_autocast_enabled(device)
        own = self.output.weight.dtype
        dtype = torch.get_autocast_dtype(device) if reduced else own
        with torch.autocast(device, enabled=False):
            lengths = mask.sum(dim=1).clamp(min=1)
            place = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)[:, : int(lengths.max())]
            last = (self._read_rows if on_cpu else self._read_packed)(states.to(dtype), place, lengths)
            return self.output(last.to(own)).squeeze(-1)

    def _read_packed(self, states: torch.Tensor, place: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Last state of each direction, side by side: (B, width)."""
        packed = pack_padded_sequence(_chosen(states, place), lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return torch.cat(tuple(last), dim=-1)

    def _read_rows(self, states: torch.Tensor, place: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The same with padded rows; the other direction reads them turned round, padding last again."""
        end = (lengths - 1).unsqueeze(1)
        turned = place.gather(1, (end - torch.arange(place.shape[1], device=place.device)).clamp(min=0))
        directions = [("", place), ("_reverse", turned)][: 2 if self.lstm.bidirectional else 1]
        last = []
        for suffix, order in directions:
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            weights = [getattr(self.lstm, name + suffix).to(states.dtype) for name in names]
            start = states.new_zeros(1, len(states), self.lstm.hidden_size)
            read = torch.lstm(
                _chosen(states, order), (start, start), weights, True, 1, 0.0, self.training, False, True
            )[0]
            last.append(_chosen(read, end).squeeze(1))
        return torch.cat(last, dim=-1)


def _chosen(states: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """States (B, L, H) at places (B, l): (B, l, H)."""
    return states.gather(1, place.unsqueeze(-1).expand(-1, -1, states.shape[-1]))


class AdversarialForTokenClassification(PreTrainedModel):
    """A token classifier whose hidden states discriminators are shown.

    Args:
        config: The configuration.
    """

    config_class = AdversarialConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__(config)
        encoder_config, n_tags = config.encoder_config, len(config.id2label or ())
        # Not the encoder's own dtype: the heads beside it are in the default one.
        self.backbone = AutoModel.from_config(
            encoder_config, dtype=torch.get_default_dtype(), **pooler_options(encoder_config)
        )
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, n_tags)
        self.language_discriminator = (
            LanguageDiscriminator(config.hidden_size, config.language_width) if config.language_width else None
        )
        self.order_discriminator = (
            None
            if config.order_discriminator == "none"
            else OrderDiscriminator(config.hidden_size, config.order_width, config.order_discriminator == "bilstm")
        )
        self.post_init()

    @property
    def main_classifier(self) -> nn.Linear:
        """The classifier that an exported tagger keeps."""
        return self.classifier

    @property
    def discriminators(self) -> dict[str, nn.Module]:
        """Those that there are, by the head they are: "language", "order"."""
        both = {"language": self.language_discriminator, "order": self.order_discriminator}
        return {name: module for name, module in both.items() if module is not None}

    def take_discriminators(self, other: AdversarialForTokenClassification) -> list[str]:
        """Copy the weights of those discriminators that both models have; a stage goes on with an earlier one's.

        Args:
            other: A model with an encoder of the same width.

        Returns:
            Which.
        """
        shared = [name for name in self.discriminators if name in other.discriminators]
        for name in shared:
            self.discriminators[name].load_state_dict(other.discriminators[name].state_dict())
        return shared

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        heads: Iterable[str] = ("tags",),
        piece_mask: torch.Tensor | None = None,
        order_rows: torch.Tensor | None = None,
        **inputs: Any,
    ) -> AdversarialOutput:
        """Logits of the heads that are asked for.

        Args:
            input_ids: Shape (B, L).
            attention_mask: Shape (B, L): 1 at sub-words, 0 at padding.
            labels: Tag ids, shape (B, L), -100 where none counts; only for `loss`.
            num_items_in_batch: Labels of the accumulated batch, the denominator of `loss`.
            heads: Any of "tags", "language", "order"; an evaluation asks for the tags alone.
            piece_mask: Shape (B, L): what the order discriminator reads; by default all that is attended to.
            order_rows: Shape (B,): sentences whose order is asked for; the logits of the others are 0.
            inputs: Whatever else the encoder takes, such as `token_type_ids`.

        Raises:
            ValueError: A head that the model does not have.
        """
        heads = set(heads)
        missing = heads - {"tags", *self.discriminators}
        if missing:
            raise ValueError(f"the model has no head {', '.join(sorted(missing))}")
        states = self.backbone(
            input_ids=input_ids, attention_mask=attention_mask, return_dict=True, **inputs
        ).last_hidden_state
        logits = self.classifier(self.dropout(states)) if "tags" in heads else None
        loss = None
        if labels is not None and logits is not None:
            loss = self.loss_function(logits, labels, self.config, num_items_in_batch=num_items_in_batch)
        language_logits = order_logits = None
        if "language" in heads and self.language_discriminator is not None:
            language_logits = self.language_discriminator(states)
        if "order" in heads:
            if piece_mask is None:
                piece_mask = states.new_ones(states.shape[:2]) if attention_mask is None else attention_mask
            order_logits = self._order(states, piece_mask.bool(), order_rows)
        return AdversarialOutput(loss=loss, logits=logits, language_logits=language_logits, order_logits=order_logits)

    def _order(self, states: torch.Tensor, mask: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        assert self.order_discriminator is not None
        if rows is None or bool(rows.all()):
            return self.order_discriminator(states, mask)
        if not bool(rows.any()):
            # A zero that still hangs on the weights: it may be all that a step has to go back from.
            return 0 * self.order_discriminator(states[:1], mask[:1]).expand(len(states))
        found = self.order_discriminator(states[rows], mask[rows])
        return found.new_zeros(len(states)).masked_scatter(rows, found)
