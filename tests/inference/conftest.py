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


SENTENCES = [
    "Angela Merkel visited Kiel .",
    "John visited the bank in Bonn .",
    "in Kiel , John ( Angela Merkel ) visited a bank .",
    "the bank in Bonn , in Kiel , in a bank .",
    "Angela visited John , Merkel visited Bonn .",
    "a bank ( Kiel ) visited the bank .",
]


def lexicon_corpus() -> list[tuple[list[str], list[str]]]:
    """Sentences of words with their tags by the lexicon; names without their first part begin an entity."""
    corpus = []
    for sentence in SENTENCES:
        words = sentence.split()
        tags = [LEXICON.get(word, "O") for word in words]
        for number, tag in enumerate(tags):
            if tag == "I-PER" and (number == 0 or tags[number - 1] == "O"):
                tags[number] = "B-PER"
        corpus.append((words, tags))
    return corpus


@pytest.fixture(scope="session")
def taught_model_dir(tmp_path_factory, tiny_encoder_dir, tiny_tokenizer):
    """The tiny encoder, taught the lexicon's sentences for a second or two: sure of its tags, and right."""
    from transformers import AutoModelForTokenClassification

    from hf_xner.data.encoding import WordEncoder

    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_pretrained(
        tiny_encoder_dir,
        num_labels=len(TAGS),
        id2label=dict(enumerate(TAGS)),
        label2id={tag: index for index, tag in enumerate(TAGS)},
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    words, tags = zip(*lexicon_corpus(), strict=True)
    windows = [one for [one] in WordEncoder(tiny_tokenizer, max_length=64).encode(words)]
    for _ in range(60):
        for window, names in zip(windows, tags, strict=True):
            labels = torch.full((1, len(window.input_ids)), -100)
            labels[0, window.positions] = torch.tensor([TAGS.index(name) for name in names])
            model(input_ids=torch.tensor([window.input_ids]), labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    folder = tmp_path_factory.mktemp("taught")
    model.config.xner = {"scheme": "iob2", "decoding": "viterbi", "temperature": 1.5}
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def trained_model_dir(request, tmp_path_factory):
    """The built-in encoder after half a minute on the built-in English corpus; kept in pytest's cache."""
    import hf_xner

    cache = getattr(request.config, "cache", None)
    folder = tmp_path_factory.mktemp("trained") if cache is None else cache.mkdir("hf_xner_trained_1")
    if not (folder / "run" / "student" / "config.json").exists():
        hf_xner.train(
            "supervised",
            source=["sample:en"],
            output_dir=str(folder / "run"),
            store=str(folder / "store"),
            epochs=2,
            evaluate_on=["source_dev"],
        )
    return folder / "run" / "student"
