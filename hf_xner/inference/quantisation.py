"""An ONNX graph with int8 weights: onnxruntime's dynamic quantisation, and what to spare where it costs too much."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.inference.onnx_export import OUTPUT, require_packages


@dataclass(frozen=True)
class Recipe:
    """What becomes int8.

    Attributes:
        embeddings: The tables of embeddings too: a much smaller file for a large vocabulary, no more speed.
        classifier: The last layer, from hidden states to tags, too.
    """

    embeddings: bool
    classifier: bool

    @property
    def spared(self) -> list[str]:
        """What stays in float32."""
        parts = (("embeddings", self.embeddings), ("classifier", self.classifier))
        return [name for name, quantised in parts if not quantised]


# From the smallest file to the safest. Without a corpus to measure on, only the last one is safe.
RECIPES = (Recipe(True, True), Recipe(False, True), Recipe(False, False))


def quantise(source: Path, target: Path, recipe: Recipe) -> None:
    """Write a copy of a graph whose weights are int8, a scale for each output channel.

    Activations are quantised when the graph runs, so no text is needed for calibration.

    Args:
        source: A float32 graph of `export_graph`.
        target: The file to write; weights lie beside it where they lay beside `source`.
        recipe: What becomes int8.
    """
    require_packages()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    for path in (target, target.with_name(f"{target.name}.data")):
        path.unlink(missing_ok=True)  # onnx would append its weights to those of an earlier recipe

    with _quiet():
        quantize_dynamic(
            str(source),
            str(target),
            op_types_to_quantize=["MatMul", "Gemm", *(["Gather"] if recipe.embeddings else [])],
            weight_type=QuantType.QInt8,
            per_channel=True,
            # 7 bits: processors without VNNI add products of 8 in 16 bits, which overflow, and then tag nonsense.
            reduce_range=True,
            nodes_to_exclude=[] if recipe.classifier else [classifier_node(source)],
            use_external_data_format=source.with_name(f"{source.name}.data").exists(),
            # Products of two activations (attention) stay float: dynamic int8 is for weights.
            extra_options={"MatMulConstBOnly": True},
        )


def classifier_node(path: Path) -> str:
    """The name of a graph's last matrix product: the one from hidden states to logits.

    Raises:
        ValueError: There is none.
    """
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    producers: dict[str, Any] = {output: node for node in graph.node for output in node.output}
    ahead = [OUTPUT]
    while ahead:
        node = producers.get(ahead.pop(0))
        if node is not None and node.op_type in {"MatMul", "Gemm"}:
            return str(node.name)
        ahead += list(node.input) if node is not None else []
    raise ValueError(f"{path} has no matrix product before its logits")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice, given for every model through the root logger, to preprocess a graph that needs none."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
