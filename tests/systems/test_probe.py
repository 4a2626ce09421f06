"""What a stage may take, measured before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from hf_xner.errors import InputError
from hf_xner.systems.probe import measure_rates


def test_rates_are_of_the_encoder_as_it_will_be_frozen(tiny_encoder_dir: Path):
    rates = measure_rates(str(tiny_encoder_dir), False, 1)
    assert rates.train > 0 and rates.label > 0 and rates.model_bytes > 0


def test_more_frozen_layers_than_there_are_is_a_mistake_and_no_traceback(tiny_encoder_dir: Path):
    with pytest.raises(InputError, match="--freeze_layers"):
        measure_rates(str(tiny_encoder_dir), False, 99)
