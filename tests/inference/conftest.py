"""Models that decide by looking words up, so that tests know the right answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
LEXICON = {"Angela": "B-PER", "Merkel": "I-PER", "John": "B-PER", "Kiel": "B-LOC", "Bonn": "B-LOC"}


class LexiconModel(torch.nn.Module):
    """Gives each known sub-word its tag with probability `sureness`, where it has `context` neighbours on each side.

    Without the context it says "O": so a word that is read too near to a window's border is lost.
    """

    def __init__(self, tokenizer, lexicon=LEXICON, *, tags=TAGS, sureness=0.9, context=0, xner=None):
        super().__init__()
        from transformers import BertConfig

        self.config = BertConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=64,
            id2label=dict(enumerate(tags)),
            label2id={tag: index for index, tag in enumerate(tags)},
        )
        if xner is not None:
            self.config.xner = xner
        rest = (1 - sureness) / (len(tags) - 1)
        table = torch.full((len(tokenizer), len(tags)), rest)
        for index in range(len(tokenizer)):
            tag = lexicon.get(tokenizer.convert_ids_to_tokens(index), "O")
            table[index, tags.index(tag)] = sureness
        self.table = torch.nn.Parameter(table.log())
        self.context = context
        self.rows_seen: list[int] = []

    def forward(self, input_ids, attention_mask):
        self.rows_seen += attention_mask.sum(dim=1).tolist()
        logits = self.table[input_ids]
        position = torch.arange(input_ids.shape[1])
        lengths = attention_mask.sum(dim=1, keepdim=True)
        # Distance to the sub-words at the ends, special tokens not counted; whole sentences have no such border.
        near = (position < 1 + self.context) | (position >= lengths - 1 - self.context)
        cut = (near & (lengths == 64)).unsqueeze(-1) if self.context else torch.zeros(1, dtype=torch.bool)
        return SimpleNamespace(logits=torch.where(cut, self.table[0], logits))


@pytest.fixture
def lexicon_model(tiny_tokenizer) -> LexiconModel:
    return LexiconModel(tiny_tokenizer)


@pytest.fixture
def metaspace_tokenizer():
    """A Unigram tokenizer as XLM-R's: the space is part of the sub-word, punctuation often is not."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["▁john", "▁", "(", ")", ",", "smith", "▁petersons", "petersons", "▁(", "北", "京", "▁s", "mith"]
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(piece, -1.0 - index / 10) for index, piece in enumerate(pieces)]
    backend = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    )
