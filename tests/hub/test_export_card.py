"""The card of an ONNX export says what the export costs (demand 22)."""

from __future__ import annotations

from typing import Any

from hf_xner.hub.card import checked
from hf_xner.hub.export_card import export_card

from .loopback_hub import validate_card

GRAPHS = {
    "onnx/model.onnx": {"dtype": "fp32", "bytes": 40_000_000},
    "onnx/model_int8.onnx": {"dtype": "int8", "bytes": 11_000_000, "float32_parts": ["embeddings"]},
}


def record(f1: dict[str, Any]) -> dict[str, Any]:
    return {"model": {"name": "student", "sha256": "0" * 64}, "graphs": GRAPHS, "f1": f1}


def test_the_worst_drop_of_each_graph_is_told_beside_all_figures():
    card = export_card(
        record(
            {
                "conll2002:nl validation": {
                    "plain": {"model": 70.0, "fp32": 70.0, "int8": 69.61},
                    "tagger": {"model": 72.5, "fp32": 72.5, "int8": 72.6},
                },
                "conll2002:es validation": {"plain": {"model": 60.0, "int8": 59.8}},
            }
        )
    )
    assert validate_card(card) == {"errors": [], "warnings": []}
    lines = card.splitlines()
    assert "| corpus | read as | model | fp32 | int8 |" in lines
    assert "| `conll2002:nl validation` | plain | 70.00 | 70.00 | 69.61 |" in lines
    assert "| `conll2002:es validation` | plain | 60.00 |  | 59.80 |" in lines
    assert "int8 loses at most 0.39 points on these corpora; on other languages than theirs it may lose more." in lines
    assert "fp32 loses nothing on these corpora." in lines
    assert any("model_int8.onnx" in line and line.endswith("| embeddings |") for line in lines)


def test_what_was_not_measured_is_said_to_be_so():
    card = checked(export_card(record({})))
    assert "It was not measured" in card and "loses" not in card
