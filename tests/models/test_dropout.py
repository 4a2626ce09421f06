from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from hf_xner.models.dropout import switch_off_dropout
from hf_xner.training.settings import FitSettings

SIZE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 30}
RATES = {
    "bert": {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5},
    "distilbert": {"dropout": 0.5, "attention_dropout": 0.5},
    "modernbert": {"attention_dropout": 0.5, "mlp_dropout": 0.5, "embedding_dropout": 0.5, "classifier_dropout": 0.5},
}


@pytest.mark.parametrize("model_type", RATES)
def test_training_mode_without_dropout_is_evaluation_mode(model_type: str):
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **SIZE, **RATES[model_type], pad_token_id=0)
    model = AutoModelForTokenClassification.from_config(config)
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    wanted = model.eval()(ids).logits
    assert not torch.allclose(model.train()(ids).logits, wanted, atol=1e-3), "there is dropout to switch off"
    switch_off_dropout(model)
    torch.testing.assert_close(model.train()(ids).logits, wanted)
    assert [getattr(model.config, name) for name in RATES[model_type]] == list(RATES[model_type].values())


def test_dropout_off_is_part_of_a_stages_key_and_on_is_not():
    """Stages stored before the option was there keep their keys."""
    assert "dropout" not in FitSettings().as_dict()
    assert FitSettings(dropout=False).as_dict() == {**FitSettings().as_dict(), "dropout": False}


def test_students_without_dropout_train_the_same_however_random_numbers_fall(tiny_encoder_dir: Path, tmp_path: Path):
    """Dropout is what draws random numbers in training; without it two seeds of torch give one result."""
    from hf_xner.inference.loading import load_encoder_for_tagging
    from hf_xner.training.fit import prepare

    torch.manual_seed(0)
    model = prepare(load_encoder_for_tagging(str(tiny_encoder_dir), ["O", "B-X"]), FitSettings(dropout=False)).train()
    ids = torch.tensor([[2, 6, 7, 3]])
    outputs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        outputs.append(model(ids).logits)
    assert torch.equal(*outputs)
