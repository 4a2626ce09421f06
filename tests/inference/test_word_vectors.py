from __future__ import annotations

import numpy as np
import torch

from hf_xner.inference.word_vectors import word_vectors


def test_a_word_has_the_state_of_its_first_sub_word(tiny_model_dir, tiny_tokenizer):
    from hf_xner.inference.loading import load_tagger

    model, tokenizer = load_tagger(str(tiny_model_dir))
    sentences = [["the", "bcd", "", "bank"], ["John"], ["Angela", "Merkel", "visited", "Kiel", "."]]
    found = word_vectors(model, tokenizer, sentences, batch_subwords=16)
    assert [vectors.shape for vectors in found] == [(4, 32), (1, 32), (5, 32)]
    for words, vectors in zip(sentences, found, strict=True):
        encoding = tokenizer(words, is_split_into_words=True)
        with torch.no_grad():
            states = model.base_model(torch.tensor([encoding["input_ids"]])).last_hidden_state[0].numpy()
        word_ids = encoding.word_ids()
        for number, vector in enumerate(vectors):
            if number in word_ids:
                np.testing.assert_allclose(vector, states[word_ids.index(number)], atol=1e-5)
            else:
                assert np.isnan(vector).all() and not words[number]


def test_words_of_long_sentences_all_have_one(tiny_model_dir):
    from hf_xner.inference.loading import load_tagger

    model, tokenizer = load_tagger(str(tiny_model_dir))
    (vectors,) = word_vectors(model, tokenizer, [["John", "visited"] * 100])
    assert vectors.shape == (200, 32) and not np.isnan(vectors).any()
