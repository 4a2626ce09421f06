"""What discriminators make of sentences they are not trained on: a score for each, and how often they are right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from datasets import Dataset

from hf_xner.data.encoding import WordEncoder, longest_input
from hf_xner.data.feeds import FEEDS, Feed
from hf_xner.data.phase_rows import DISCRIMINATOR, PhaseCollator
from hf_xner.inference.batches import CHUNK, batches_by_size
from hf_xner.inference.probabilities import autocast
from hf_xner.losses.adversarial import balanced_accuracy, class_hits
from hf_xner.translation.switching import has_several_orders

Item = tuple[str, dict[str, Any]]


def language_scores(
    model: Any,
    tokenizer: Any,
    sentences: Iterable[Sequence[str]],
    *,
    max_length: int = 128,
    positions: str = "attended",
    bf16: bool = False,
) -> Iterator[float]:
    """Yield the mean probability of being source language over the positions of each target sentence (AdvPicker).

    0.5 is what the discriminator cannot tell: such a sentence is the most language-independent.

    Args:
        model: An `AdversarialForTokenClassification` with a language discriminator.
        tokenizer: Its tokenizer.
        sentences: Sentences of words; any iterable, consumed 1,024 sentences at a time.
        max_length: Sentences are cut to so many sub-words, as in training.
        positions: As in training; see `PhaseCollator`.
        bf16: Run matrix products in bfloat16.

    Yields:
        A number in (0, 1); 0.5 for a sentence without such positions.
    """
    reader = _Reader(model, tokenizer, FEEDS["advpicker"], positions, max_length, bf16)
    rows = (("target_text", row) for row in reader.rows({"tokens": list(words)} for words in sentences))
    for chunk in _chunks(rows):
        means = np.full(len(chunk), 0.5)
        for places, batch, output in reader.run(chunk, ("language",)):
            mask = batch["language_mask"]
            shown = torch.sigmoid(output.language_logits.float()).masked_fill(~mask, 0.0).sum(dim=1)
            count = mask.sum(dim=1)
            means[places] = torch.where(count > 0, shown / count.clamp(min=1), 0.5).cpu().numpy()
        yield from means.tolist()


def discriminator_accuracy(
    model: Any,
    tokenizer: Any,
    corpora: Mapping[str, Dataset],
    feed: Feed,
    *,
    max_length: int = 128,
    positions: str = "pieces",
    bf16: bool = False,
) -> dict[str, float]:
    """How often a model's discriminators are right, as the mean over both classes: 0.5 is chance.

    Args:
        model: An `AdversarialForTokenClassification`.
        tokenizer: Its tokenizer.
        corpora: Held-out sentences by the names of `hf_xner.data.feeds`: `tokens`, and `ner_tags` where the feed
            needs to know what is an entity.
        feed: What the discriminators are shown of them.
        max_length: Sentences are cut to so many sub-words.
        positions: As in training; see `PhaseCollator`.
        bf16: Run matrix products in bfloat16.

    Returns:
        "language", "order": of the discriminators that the model has and the feed shows something.
    """
    reader = _Reader(model, tokenizer, feed, positions, max_length, bf16)
    heads = tuple(head for head in model.discriminators if getattr(feed, head))
    names = {"language": ("languages", "language_mask"), "order": ("orders", "order_mask")}
    hits = {head: torch.zeros(2, 2, dtype=torch.long) for head in heads}
    rows = ((name, row) for name in feed.adversarial for row in reader.rows(_records(corpora[name])))
    for chunk in _chunks(rows):
        for _, batch, output in reader.run(chunk, heads):
            for head in heads:
                classes, mask = names[head]
                hits[head] += class_hits(output[f"{head}_logits"], batch[classes], batch[mask]).cpu()
    return {head: balanced_accuracy(found) for head, found in hits.items()}


def _records(corpus: Dataset) -> Iterator[dict[str, Any]]:
    """Sentences, for each word whether it belongs to an entity (1) or not (0), and whether there is another order."""
    if "ner_tags" not in corpus.column_names:
        yield from ({"tokens": tokens} for batch in corpus.iter(1000) for tokens in batch["tokens"])
        return
    names = corpus.features["ner_tags"].feature.names
    for batch in corpus.select_columns(["tokens", "ner_tags"]).iter(1000):
        for tokens, tags in zip(batch["tokens"], batch["ner_tags"], strict=True):
            told = [names[tag] for tag in tags]
            inside = [int(tag != "O") for tag in told]
            yield {"tokens": tokens, "inside": inside, "orderable": has_several_orders(tokens, told)}


class _Reader:
    """Encodes sentences and runs a model's discriminators over them, longest first, in evaluation mode."""

    def __init__(self, model: Any, tokenizer: Any, feed: Feed, positions: str, max_length: int, bf16: bool) -> None:
        self.model, self.bf16 = model, bf16
        self.encoder = WordEncoder(
            tokenizer, max_length=longest_input(tokenizer, model.config, max_length), truncate=True
        )
        self.collate = PhaseCollator(
            tokenizer.pad_token_id or 0,
            feed,
            outside=0,
            special=(len(self.encoder.prefix), len(self.encoder.suffix)),
            positions=positions,
        )

    def rows(self, records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Encoded rows of sentences, each with what is known of the words that it keeps."""
        stream = iter(records)
        while chunk := list(islice(stream, CHUNK)):
            encoded = self.encoder.encode([record["tokens"] for record in chunk])
            for record, (window,) in zip(chunk, encoded, strict=True):
                row = {"input_ids": np.asarray(window.input_ids), "positions": np.asarray(window.positions, dtype=int)}
                if "inside" in record:
                    end = window.first_word + len(window.positions)
                    row["tags"] = np.asarray(record["inside"][window.first_word : end], dtype=int)
                    row["orderable"] = record["orderable"]
                yield row

    def run(
        self, chunk: Sequence[Item], heads: tuple[str, ...], budget: int = 4096
    ) -> Iterator[tuple[list[int], dict[str, Any], Any]]:
        """Yield batches: the places of their rows in the chunk, what the discriminators are shown, what they say."""
        device = next(self.model.parameters()).device
        was_training = self.model.training
        order = sorted(range(len(chunk)), key=lambda place: len(chunk[place][1]["input_ids"]), reverse=True)
        self.model.eval()
        try:
            for span in batches_by_size([len(chunk[place][1]["input_ids"]) for place in order], budget):
                places = [order[number] for number in span]
                collated = self.collate([{"phase": DISCRIMINATOR, "rows": [chunk[place] for place in places]}])
                del collated["phase"]
                batch = {name: value.to(device) for name, value in collated.items()}
                with torch.inference_mode(), autocast(device, self.bf16):
                    output = self.model(
                        input_ids=batch["input_ids"],
                        attention_mask=batch["attention_mask"],
                        heads=heads,
                        piece_mask=batch["piece_mask"],
                        order_rows=batch["order_mask"],
                    )
                yield places, batch, output
        finally:
            self.model.train(was_training)


def _chunks(rows: Iterable[Item]) -> Iterator[list[Item]]:
    stream = iter(rows)
    while chunk := list(islice(stream, CHUNK)):
        yield chunk
