"""Fixtures that need no download: tiny tokenizers and models built in memory, and the real corpora where present."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

# Before anything imports huggingface_hub: the tests prove that nothing needs the Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right; and a suite that passed passes
# again: new examples are looked for by `make test-search`.
settings.register_profile("same examples", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("same examples")

TINY_WORDS = ["Angela", "Merkel", "visited", "Kiel", ".", "Bonn", "the", "bank", "in", "a", "John", "(", ")", ","]
TINY_PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TINY_WORDS, *"bcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"]
TINY_TAGS = ["O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real corpora, wherever `HF_XNER_DATA` or the default place beside the checkout has them."""
    place = Path(os.environ.get("HF_XNER_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    place = place.parent if place.name == "corpora" else place  # what `xner` itself is given
    if not (place / "corpora").is_dir():
        pytest.skip(f"no real corpora at {place}: set HF_XNER_DATA")
    return place


@pytest.fixture(autouse=True)
def package_log_as_it_was() -> Iterator[None]:
    """Take away what `launch.main` adds to the package's log, which would outlive the test's stderr."""
    package = logging.getLogger("hf_xner")
    handlers, level = list(package.handlers), package.level
    yield
    package.handlers[:] = handlers
    package.setLevel(level)


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on any connection that leaves this machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> object:
        host = address[0] if isinstance(address, tuple) else address
        allowed = self.family == socket.AF_UNIX or str(host).startswith("127.") or host in {"localhost", "::1"}
        assert allowed, f"a test tried to reach {address}"
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a stage store of its own."""
    store = tmp_path / "store"
    monkeypatch.setenv("HF_XNER_STORE", str(store))
    return store


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A WordPiece tokenizer of a few words and single letters; other words become [UNK], empty ones nothing."""
    from transformers import BertTokenizer

    vocabulary = {piece: index for index, piece in enumerate([*TINY_PIECES, *(f"##{c}" for c in "abcdefghij")])}
    return BertTokenizer(vocab=vocabulary, do_lower_case=False, strip_accents=False, model_max_length=64)


@pytest.fixture(scope="session")
def tiny_encoder_dir(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer) -> Path:
    """A randomly initialised four-layer BERT without a head, saved with its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    folder = tmp_path_factory.mktemp("tiny_encoder")
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_dir: Path, tiny_tokenizer) -> Path:
    """The tiny encoder with a token-classification head for four entity types."""
    import torch
    from transformers import AutoModelForTokenClassification

    torch.manual_seed(1)
    model = AutoModelForTokenClassification.from_pretrained(
        tiny_encoder_dir,
        num_labels=len(TINY_TAGS),
        id2label=dict(enumerate(TINY_TAGS)),
        label2id={tag: index for index, tag in enumerate(TINY_TAGS)},
    )
    folder = tmp_path_factory.mktemp("tiny_model")
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder
