"""The card of an ONNX export: what its graphs are, and what F1 was before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hf_xner.hub.metadata import TASK
from hf_xner.hub.templates import render
from hf_xner.systems.readable import readable_bytes

BEFORE = "model"  # what `xner export` calls F1 before the export


def export_card(record: Mapping[str, Any]) -> str:
    """Write it.

    Args:
        record: The content of `export.json`.
    """
    from huggingface_hub import ModelCardData

    data = ModelCardData(pipeline_tag=TASK, license="unknown", tags=["named-entity-recognition", "hf_xner", "onnx"])
    rows = list(_rows(record))
    dtypes = [facts["dtype"] for facts in record["graphs"].values()]
    body = render(
        "onnx",
        model=record["model"]["name"],
        graphs=[_graph(file, facts) for file, facts in record["graphs"].items()],
        rows=rows,
        kinds=[kind for kind in (BEFORE, "fp32", "int8") if any(kind in row["f1"] for row in rows)],
        drops=_drops(record),
        dtype="int8" if "int8" in dtypes else "fp32",
    )
    return f"---\n{data.to_yaml()}\n---\n\n{body}"


def _graph(file: str, facts: Mapping[str, Any]) -> dict[str, str]:
    spared = ", ".join(facts.get("float32_parts", [])) or ("nothing" if facts["dtype"] == "int8" else "everything")
    return {"file": file, "dtype": facts["dtype"], "size": readable_bytes(facts["bytes"]), "spared": spared}


def _rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for corpus, ways in record["f1"].items():
        for way, figures in ways.items():
            yield {"corpus": corpus, "way": way, "f1": {kind: f"{f1:.2f}" for kind, f1 in figures.items()}}


def _drops(record: Mapping[str, Any]) -> dict[str, str]:
    """By how many points F1 fell where it fell most, of every kind of graph that was measured."""
    worst: dict[str, float] = {}
    for ways in record["f1"].values():
        for figures in ways.values():
            for kind in figures.keys() - {BEFORE}:
                worst[kind] = max(worst.get(kind, 0.0), figures[BEFORE] - figures[kind])
    return {kind: f"{worst[kind]:.2f}" for kind in sorted(worst)}
