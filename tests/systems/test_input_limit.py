"""The longest input of a saved tagger is stated where a plain pipeline looks for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hf_xner.systems import runner
from hf_xner.systems.input_limit import input_limit, state_input_limit
from hf_xner.systems.processes import current_processes
from hf_xner.systems.tagger_stages import TrainedTagger

LONG = "Angela Merkel visited Kiel . " * 100


@pytest.fixture
def tagger_dir(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_model_dir, tmp_path / "store" / "model")


def stating(folder: Path, limit: int | None) -> dict[str, Any]:
    """Let the tokenizer state this limit, or none."""
    file = folder / "tokenizer_config.json"
    options = {name: value for name, value in json.loads(file.read_text()).items() if name != "model_max_length"}
    options |= {} if limit is None else {"model_max_length": limit}
    file.write_text(json.dumps(options))
    return options


@pytest.mark.parametrize(("stated", "expected"), [(None, 64), (int(1e30), 64), (512, 64), (48, 48), (64, 64)])
def test_it_is_stated_where_it_is_missing_or_more_than_the_model_takes(
    stated: int | None, expected: int, tagger_dir: Path
):
    before = stating(tagger_dir, stated)
    state_input_limit(tagger_dir)
    after = json.loads((tagger_dir / "tokenizer_config.json").read_text())
    assert after == before | {"model_max_length": expected} and input_limit(tagger_dir) == expected


def test_a_model_of_words_has_none(tagger_dir: Path):
    (tagger_dir / "tokenizer_config.json").unlink()
    state_input_limit(tagger_dir)
    assert input_limit(tagger_dir) is None and not (tagger_dir / "tokenizer_config.json").exists()


def test_a_plain_pipeline_cuts_long_text_of_a_run_whose_encoder_states_no_limit(tagger_dir: Path, tmp_path: Path):
    from transformers import pipeline

    stating(tagger_dir, None)
    stored = (tagger_dir / "tokenizer_config.json").read_bytes()
    with pytest.raises((IndexError, RuntimeError)):
        pipeline("token-classification", model=str(tagger_dir))(LONG)
    run = tmp_path / "run"
    folder = SimpleNamespace(path=run, copy=lambda source, name: Path(shutil.copytree(source, run / name)))
    tagger = TrainedTagger("key", tagger_dir)
    runner._fill(folder, tagger, {}, {}, None, True, current_processes())  # type: ignore[arg-type]
    assert pipeline("token-classification", model=str(run / "student"), ignore_labels=[])(LONG)
    assert (tagger_dir / "tokenizer_config.json").read_bytes() == stored, "the store stays as it is"
