"""The machine-readable part of a card: read back by the Hub's own classes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard, parse_eval_result_entries

from hf_xner.hub.metadata import card_data, eval_result_files
from hf_xner.hub.run_facts import collect_facts

from .loopback_hub import validate_card
from .made_run import make_run
from .reading import card_of, front_matter


def test_only_what_the_hub_has_is_named_as_its_dataset(tmp_path: Path, tiny_model_dir: Path):
    """The Hub's CoNLL-2003 has no German."""
    run = make_run(tmp_path / "run", tiny_model_dir, source=["conll2003:en"], target="conll2003:de")
    facts = collect_facts(run)
    assert [corpus.hub for corpus in facts.corpora] == ["eriktks/conll2003", None]
    assert set(eval_result_files(facts)) == {".eval_results/conll2003.yaml"}
    assert "de" not in eval_result_files(facts)[".eval_results/conll2003.yaml"].split()


def test_the_authors_choice_of_a_licence_counts(conll_run: Path):
    data = front_matter(card_of(conll_run, licence="cc-by-sa-4.0"))
    assert data["license"] == "cc-by-sa-4.0" and "license_name" not in data


def test_norwegian_is_no_boolean(tmp_path: Path, tiny_model_dir: Path):
    card = card_of(make_run(tmp_path / "run", tiny_model_dir, target="sample:no"))
    assert front_matter(card)["language"] == ["no"] and "# Norwegian Bokmål named-entity tagger" in card


def test_the_hubs_classes_read_the_metadata_back(conll_run: Path):
    card = card_of(conll_run)
    assert validate_card(card) == {"errors": [], "warnings": []}
    data = ModelCard(card).data
    assert data.model_name == "tsl-es" and data.pipeline_tag == "token-classification"
    first: EvalResult = data.eval_results[0]
    assert (first.dataset_type, first.dataset_config, first.dataset_split) == ("eriktks/conll2002", "es", "test")
    assert (first.metric_type, first.metric_name) == ("f1", "F1 (plain pipeline)")
    scores = json.loads((conll_run / "results.json").read_text())["variants"]["tsl"]["target_test"]
    summary = scores["plain"]["f1"]
    assert first.metric_value == pytest.approx(summary["values"][0], abs=1e-6)
    assert first.metric_args["mean"] == pytest.approx(summary["mean"], abs=1e-6)
    assert first.metric_args["sd"] == pytest.approx(summary["sd"], abs=1e-6)
    assert first.metric_args["seeds"] == [1, 2, 3] and len(first.metric_args["values"]) == 3
    names = [result.metric_name for result in data.eval_results]
    assert {f"F1 {name} ({kind})" for name in ("LOC", "PER") for kind in ("plain pipeline", "hf_xner Tagger")} < {
        *names
    }
    assert names.index("F1 (plain pipeline)") < names.index("F1 (hf_xner Tagger)")


def test_eval_results_are_for_datasets_of_the_hub_alone(conll_run: Path, made_run: Path):
    files = eval_result_files(collect_facts(conll_run))
    assert set(files) == {".eval_results/conll2002.yaml", ".eval_results/conll2003.yaml"}
    entries = parse_eval_result_entries(yaml.safe_load(files[".eval_results/conll2002.yaml"]))
    scores = json.loads((conll_run / "results.json").read_text())["variants"]["tsl"]["target_test"]
    assert [entry.task_id for entry in entries][:3] == ["es-test", "es-test-tagger", "es-test-LOC"]
    assert {entry.dataset_id for entry in entries} == {"eriktks/conll2002"}
    assert entries[0].value == pytest.approx(scores["plain"]["f1"]["values"][0], abs=1e-6)
    assert f"{scores['plain']['f1']['mean']:.4f} ± {scores['plain']['f1']['sd']:.4f}" in entries[0].notes
    assert eval_result_files(collect_facts(made_run)) == {}


def test_numpy_numbers_become_plain_ones(made_run: Path):
    """They would be written into YAML as binary garbage."""
    facts = collect_facts(made_run)

    def with_numpy(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: with_numpy(item) for key, item in value.items()}
        if isinstance(value, list):
            return [with_numpy(item) for item in value]
        return np.float64(value) if isinstance(value, float) else value

    changed = dataclasses.replace(facts, results=with_numpy(facts.results))
    changed.results["seeds"] = [np.int64(seed) for seed in changed.results["seeds"]]
    text = card_data(changed, model_name="x").to_yaml()
    assert "!!" not in text
    assert yaml.safe_load(text) == yaml.safe_load(card_data(facts, model_name="x").to_yaml())
