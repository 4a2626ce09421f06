"""[CLS] vectors: the encoder's own states, whatever batch a sentence is in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from hf_xner.errors import InputError
from hf_xner.inference.loading import load_tagger
from hf_xner.inference.probabilities import word_probabilities
from hf_xner.inference.sentence_vectors import POOLINGS, load_sentence_encoder, sentence_vectors
from hf_xner.training.fit_channels import ChannelSettings, new_model

SENTENCES = [["Angela", "Merkel", "visited", "Kiel", "."], [], ["the"], ["bank"] * 90, ["John", "in", "Bonn"]]


def test_a_plain_taggers_vector_is_the_last_state_at_cls(tiny_model_dir: Path):
    model, tokenizer = load_tagger(str(tiny_model_dir))
    model.train()
    vectors = list(sentence_vectors(model, tokenizer, SENTENCES, max_length=64, batch_subwords=70))
    assert model.training, "left in the mode it was in"
    model.eval()
    for words, vector in zip(SENTENCES, vectors, strict=True):
        pieces = [tokenizer.cls_token_id, *tokenizer.convert_tokens_to_ids(words[:62]), tokenizer.sep_token_id]
        with torch.no_grad():
            state = model.bert(input_ids=torch.tensor([pieces])).last_hidden_state[0, 0]
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, state.numpy(), atol=1e-5)


def test_of_a_student_of_another_width_it_is_the_projected_state(tiny_encoder_dir: Path, tiny_tokenizer):
    torch.manual_seed(0)
    model = new_model(str(tiny_encoder_dir), ["O", "B-X"], ChannelSettings((2, 4), teacher_hidden_size=12)).eval()
    (vector,) = sentence_vectors(model, tiny_tokenizer, [["Kiel", "in"]], max_length=64)
    ids = torch.tensor([tiny_tokenizer("Kiel in")["input_ids"]])
    with torch.no_grad():
        outputs = model(input_ids=ids)
    np.testing.assert_allclose(vector, model.projection(outputs.cls_state)[0].detach().numpy(), atol=1e-5)


def test_every_channels_probabilities_of_every_word(tiny_encoder_dir: Path, tiny_tokenizer):
    torch.manual_seed(0)
    model = new_model(str(tiny_encoder_dir), ["O", "B-X", "I-X"], ChannelSettings((2, 3, 4)))
    arrays = list(
        word_probabilities(
            model, tiny_tokenizer, SENTENCES, read=lambda outputs: outputs.channel_logits.transpose(1, 2)
        )
    )
    assert [array.shape for array in arrays] == [(len(words), 3, 3) for words in SENTENCES]
    main = list(word_probabilities(model, tiny_tokenizer, SENTENCES))
    for array, last in zip(arrays, main, strict=True):
        np.testing.assert_allclose(array.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(array[:, -1], last, atol=1e-6)
    assert np.abs(arrays[0][:, 0] - arrays[0][:, 1]).max() > 1e-3
    (empty,) = word_probabilities(
        model, tiny_tokenizer, [["", "Kiel"]], read=lambda outputs: outputs.channel_logits.transpose(1, 2)
    )
    assert empty[0].tolist() == [[1, 0, 0]] * 3, "a word without a sub-word is outside in every channel"


@pytest.fixture(scope="module")
def pooled_encoder(tmp_path_factory: pytest.TempPathFactory, tiny_encoder_dir: Path, tiny_tokenizer) -> Path:
    """The tiny encoder with a pooler of its own, as BERT's checkpoints have one."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("pooled")
    AutoModel.from_pretrained(tiny_encoder_dir, add_pooling_layer=True).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


def test_a_pretrained_encoder_gives_three_kinds_of_vectors(pooled_encoder: Path):
    for pooling in POOLINGS:
        model, tokenizer = load_sentence_encoder(str(pooled_encoder), pooling)
        vectors = list(
            sentence_vectors(model, tokenizer, SENTENCES, max_length=64, pooling=pooling, batch_subwords=70)
        )
        for words, vector in zip(SENTENCES, vectors, strict=True):
            pieces = [tokenizer.cls_token_id, *tokenizer.convert_tokens_to_ids(words[:62]), tokenizer.sep_token_id]
            with torch.no_grad():
                outputs = model(input_ids=torch.tensor([pieces]))
            states = outputs.last_hidden_state[0]
            expected = {"cls": states[0], "mean": states.mean(0)}.get(pooling)
            expected = outputs.pooler_output[0] if expected is None else expected
            np.testing.assert_allclose(vector, expected.numpy(), atol=1e-5)
    assert not np.allclose(vectors[0], states[0], atol=1e-3)


def test_a_pooler_that_nobody_trained_is_refused(tiny_encoder_dir: Path):
    model, _ = load_sentence_encoder(str(tiny_encoder_dir), "cls")
    assert not model.training and getattr(model, "pooler", None) is None
    with pytest.raises(InputError, match=r"no trained pooler; use its \[CLS\] states or their mean"):
        load_sentence_encoder(str(tiny_encoder_dir), "pooler")
    with pytest.raises(InputError, match="nowhere"):
        load_sentence_encoder("nowhere/at-all")
