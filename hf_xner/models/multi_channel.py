"""An encoder with a classifier on each of its upper layers: teacher and student of MSD (Ma et al., EMNLP 2022).

A channel is a layer with a classifier of its own. The last layer is the main channel, which tags; the others are
auxiliary and only help in training. Layer m is what the m-th layer puts out; 0 would be the embeddings.

This file travels with saved models, so it imports only transformers and its siblings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

from .backbone import classifier_dropout, pooler_options
from .freezing import default_frozen_layers

WEIGHTINGS = ("softmax", "free")


class MultiChannelConfig(PreTrainedConfig):
    """Configuration of `MultiChannelForTokenClassification`; the encoder's whole configuration is inside.

    Args:
        encoder_config: The encoder's configuration, or its dictionary with `model_type`; BERT base by default.
        channel_layers: Layers with a classifier, ascending, the main channel (the last layer) last. By default every
            layer above the bottom quarter, which is frozen in training: 4 to 12 of 12 as published.
        channel_weighting: How the weights of the auxiliary channels follow from the trained parameters: "softmax" of
            them (the released program) or "free", the parameters themselves (the paper's text), which degenerates:
            see `ChannelWeights`.
        channel_dropout: Dropout before each classifier; by default what the encoder's own classifier would have.
        teacher_hidden_size: Width of the teacher whose [CLS] states this model is compared with. Where it differs
            from the encoder's own, a learned projection maps this model's states to it.
        more: As for every configuration: `num_labels`, `id2label`, `label2id`…

    Raises:
        ValueError: Layers that do not exist, an unknown weighting, or an encoder that has a decoder.
    """

    model_type = "xner-multi-channel"
    sub_configs = {"encoder_config": AutoConfig}
    keys_to_ignore_at_inference = ["channel_logits", "channel_weights", "cls_state", "mmd_state", "partner_state"]

    def __init__(
        self,
        encoder_config: PreTrainedConfig | dict[str, Any] | None = None,
        channel_layers: Sequence[int] | None = None,
        channel_weighting: str = "softmax",
        channel_dropout: float | None = None,
        teacher_hidden_size: int | None = None,
        **more: Any,
    ) -> None:
        if encoder_config is None:
            encoder_config = AutoConfig.for_model("bert")
        elif isinstance(encoder_config, dict):
            encoder_config = AutoConfig.for_model(**encoder_config)
        self.encoder_config = encoder_config
        depth = encoder_config.num_hidden_layers
        layers = range(default_frozen_layers(depth) + 1, depth + 1) if channel_layers is None else channel_layers
        self.channel_layers = [int(layer) for layer in layers]
        self.channel_weighting = channel_weighting
        self.channel_dropout = classifier_dropout(encoder_config) if channel_dropout is None else channel_dropout
        self.teacher_hidden_size = teacher_hidden_size
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
        layers, depth = self.channel_layers, self.num_hidden_layers
        if not layers or layers != sorted(set(layers)) or layers[0] < 1 or layers[-1] != depth:
            raise ValueError(f"channel_layers must ascend within 1 to {depth} and end with {depth}, found {layers}")
        if self.channel_weighting not in WEIGHTINGS:
            raise ValueError(
                f"channel_weighting must be one of {', '.join(WEIGHTINGS)}, found {self.channel_weighting!r}"
            )
        if self.encoder_config.is_encoder_decoder:
            raise ValueError(f"{self.encoder_config.model_type} has a decoder: an encoder is needed")


@dataclass
class MultiChannelOutput(ModelOutput):
    """What `MultiChannelForTokenClassification` gives for B sentences of L sub-words, C tags and K channels.

    Attributes:
        loss: Cross-entropy of the main channel; only if labels were given.
        logits: Of the main channel, shape (B, L, C).
        channel_logits: Of every channel, main last, shape (B, K, L, C).
        channel_weights: Weights of the auxiliary channels, shape (K - 1,). They are part of the output because
            distributed training looks for the trained parameters there.
        cls_state: Last hidden state at the first position, shape (B, H).
        mmd_state: The same after dropout, and projected to the teacher's width where that differs: what a student is
            compared by. Shape (B, H) or (B, H of the teacher).
        partner_state: `mmd_state` of the partner rows; only if there were some.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    channel_logits: torch.Tensor | None = None
    channel_weights: torch.Tensor | None = None
    cls_state: torch.Tensor | None = None
    mmd_state: torch.Tensor | None = None
    partner_state: torch.Tensor | None = None


class ChannelWeights(nn.Module):
    """The trained weights of the auxiliary channels; a module of its own, so that quantised checkpoints load.

    Args:
        channels: Number of auxiliary channels.
        weighting: "softmax": positive weights that sum to 1, from parameters drawn from U(-1, 1) as released. "free":
            real numbers, all equal and of sum 1 to begin with. The gradient of sum_m lambda_m L_m by a free lambda_m
            is L_m > 0, so training makes every one of them smaller; one that has come below 0 has its channel trained
            to maximise its loss.
    """

    def __init__(self, channels: int, weighting: str) -> None:
        super().__init__()
        self.weighting = weighting
        self.omega = nn.Parameter(torch.empty(channels))

    def reset(self) -> None:
        """Draw the parameters anew."""
        if self.weighting == "softmax":
            init.uniform_(self.omega, -1.0, 1.0)
        else:
            init.constant_(self.omega, 1.0 / max(1, len(self.omega)))

    def forward(self) -> torch.Tensor:
        """The weights, shape (channels,)."""
        return torch.softmax(self.omega, dim=0) if self.weighting == "softmax" else self.omega


class MultiChannelForTokenClassification(PreTrainedModel):
    """A token classifier on every channel layer of an encoder.

    Args:
        config: The configuration.
    """

    config_class = MultiChannelConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: MultiChannelConfig) -> None:
        super().__init__(config)
        encoder_config, n_tags = config.encoder_config, len(config.id2label or ())
        # Not the encoder's own dtype: the heads beside it are in the default one.
        self.backbone = AutoModel.from_config(
            encoder_config, dtype=torch.get_default_dtype(), **pooler_options(encoder_config)
        )
        self.dropout = nn.Dropout(config.channel_dropout)
        self.classifiers = nn.ModuleList(nn.Linear(config.hidden_size, n_tags) for _ in config.channel_layers)
        auxiliary = len(config.channel_layers) - 1
        # An empty parameter would have no gradient, which distributed training does not forgive.
        self.channel_weights = ChannelWeights(auxiliary, config.channel_weighting) if auxiliary else None
        width = config.teacher_hidden_size or config.hidden_size
        self.projection = None if width == config.hidden_size else nn.Linear(config.hidden_size, width)
        self.post_init()

    @classmethod
    def from_encoder(cls, encoder: str, **settings: Any) -> MultiChannelForTokenClassification:
        """New channels on a pretrained encoder, in float32.

        Args:
            encoder: Folder or Hub id of any checkpoint that `AutoModel` reads, with or without a head.
            settings: As for `MultiChannelConfig`: tags, channels…
        """
        options = pooler_options(AutoConfig.from_pretrained(encoder))
        pretrained = AutoModel.from_pretrained(encoder, dtype=torch.float32, **options)
        model = cls(MultiChannelConfig(encoder_config=pretrained.config, **settings))
        model.backbone.load_state_dict(pretrained.state_dict(), assign=True)
        return model

    @property
    def main_classifier(self) -> nn.Linear:
        """The classifier of the last layer, which an exported tagger keeps."""
        return cast(nn.Linear, self.classifiers[-1])

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ChannelWeights):
            module.reset()

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        num_items_in_batch: torch.Tensor | int | None = None,
        partner_input_ids: torch.Tensor | None = None,
        partner_attention_mask: torch.Tensor | None = None,
        **inputs: Any,
    ) -> MultiChannelOutput:
        """Tag logits of every channel, and the [CLS] states.

        Partner rows, sentences of the other language of which only the [CLS] state is wanted, go through the encoder
        in the same call: under distributed training a second call before the backward pass would be one too many.
        They are padded to their own longest row, and no classifier sees them.

        Args:
            input_ids: Shape (B, L).
            attention_mask: Shape (B, L): 1 at sub-words, 0 at padding.
            labels: Tag ids, shape (B, L), -100 where none counts; only for `loss`.
            num_items_in_batch: Labels of the accumulated batch, the denominator of `loss`.
            partner_input_ids: Shape (B', L'), for `partner_state`.
            partner_attention_mask: Shape (B', L').
            inputs: Whatever else the encoder takes, such as `token_type_ids`.
        """
        inputs.update(output_hidden_states=True, return_dict=True)
        encoded = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **inputs)
        # Some encoders normalise once more after their last layer, so it is not read from the list.
        states = [encoded.hidden_states[layer] for layer in self.config.channel_layers[:-1]]
        dropped = [self.dropout(state) for state in (*states, encoded.last_hidden_state)]
        logits = [head(state) for head, state in zip(self.classifiers, dropped, strict=True)]
        partner_state = None
        if partner_input_ids is not None:
            partner_state = self._state(partner_input_ids, partner_attention_mask)
        loss = None
        if labels is not None:
            loss = self.loss_function(logits[-1], labels, self.config, num_items_in_batch=num_items_in_batch)
        return MultiChannelOutput(
            loss=loss,
            logits=logits[-1],
            channel_logits=torch.stack(logits, dim=1),
            channel_weights=logits[-1].new_zeros(0) if self.channel_weights is None else self.channel_weights(),
            cls_state=encoded.last_hidden_state[:, 0],
            mmd_state=self._project(dropped[-1][:, 0]),
            partner_state=partner_state,
        )

    def _state(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """`mmd_state` of rows of which nothing else is wanted."""
        encoded = self.backbone(input_ids=input_ids, attention_mask=attention_mask, return_dict=True)
        return self._project(self.dropout(encoded.last_hidden_state[:, 0]))

    def _project(self, state: torch.Tensor) -> torch.Tensor:
        return state if self.projection is None else self.projection(state)
