"""A tagger as an ONNX graph, through torch's own exporter: any batch size, any length, nothing but the logits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from hf_xner.errors import InputError

INPUTS = ("input_ids", "attention_mask")
OUTPUT = "logits"
# Two rows, one of them padded: torch.export takes a dimension of size 1 for a constant, and such a graph then refuses
# every other batch.
_EXAMPLE = (2, 9)
_SHAPES = ((1, 3), (1, 1), (2, 17), (5, 40), (3, 2))
_TOLERANCE = 1e-3  # logits of float32 graphs agree to 1e-5
_PROTOBUF_LIMIT = 1_500_000_000  # bytes of weights that still go into the graph's own file


class _Logits(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def require_packages() -> None:
    """Check that what an export needs is installed.

    Raises:
        InputError: Something is not.
    """
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise InputError(f"{', '.join(missing)} not installed", remedy="pip install 'hf_xner[onnx]'")


def export_graph(model: Any, path: Path) -> None:
    """Write a token classifier's graph from `input_ids` and `attention_mask` (B, L) to `logits` (B, L, C).

    Args:
        model: A transformers token classifier in float32 on the CPU; it is left in evaluation mode.
        path: The `.onnx` file to write. Weights beyond protobuf's limit go beside it, into `NAME.onnx.data`.

    Raises:
        InputError: torch cannot export this architecture.
    """
    require_packages()
    model.eval()
    input_ids, attention_mask = _example(*_EXAMPLE, model.config.vocab_size)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    with _eager_attention(model), _quiet():
        try:
            program = torch.onnx.export(
                _Logits(model).eval(),
                (input_ids, attention_mask),
                dynamo=True,
                verbose=False,
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_shapes={name: {0: batch, 1: length} for name in INPUTS},
            )
        except Exception as error:  # the exporter's errors have no common class but Exception
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
            raise InputError(
                f"torch cannot export {type(model).__name__} to ONNX ({reason})",
                remedy="use the model as it is, or one of another architecture",
            ) from error
        assert program is not None
        size = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        program.save(str(path), external_data=size > _PROTOBUF_LIMIT)


def check_graph(model: Any, graph: Any) -> float:
    """Run model and graph on batches of several sizes and lengths, one row and padding among them.

    Args:
        model: The torch model.
        graph: An `OnnxTokenClassifier` of its float32 export.

    Returns:
        The greatest difference of two logits of real (unpadded) positions.

    Raises:
        InputError: The graph refuses a shape, or gives other logits.
    """
    greatest = 0.0
    for rows, length in _SHAPES:
        input_ids, attention_mask = _example(rows, length, model.config.vocab_size)
        with torch.inference_mode():
            expected = model(input_ids=input_ids, attention_mask=attention_mask).logits
        try:
            found = graph(input_ids=input_ids, attention_mask=attention_mask).logits
        except Exception as error:  # onnxruntime's errors have no common class but Exception
            raise InputError(
                f"the graph refuses {rows} rows of {length} sub-words", remedy="export with the pinned versions"
            ) from error
        real = attention_mask.bool()
        greatest = max(greatest, (expected - found)[real].abs().max().item())
    if not greatest <= _TOLERANCE:
        raise InputError(
            f"the graph's logits differ from the model's by {greatest:.2g}", remedy="export with the pinned versions"
        )
    return greatest


def _example(rows: int, length: int, vocabulary: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random sub-words (B, L) and a mask (B, L) under which each row but the first is one shorter than the last."""
    generator = torch.Generator().manual_seed(0)
    input_ids = torch.randint(0, vocabulary, (rows, length), generator=generator)
    lengths = torch.clamp(length - torch.arange(rows), min=1)
    return input_ids, (torch.arange(length) < lengths[:, None]).long()


@contextmanager
def _eager_attention(model: Any) -> Iterator[None]:
    """Attention written out: fewer and plainer nodes than the decomposition of the fused kernel gives."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notices on operators that taggers do not have."""
    names = ("torch.onnx", "onnxscript", "onnx_ir")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
