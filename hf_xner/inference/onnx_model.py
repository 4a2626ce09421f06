"""An exported tagger, run by onnxruntime behind the face of a torch model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.modeling_outputs import TokenClassifierOutput

from hf_xner.errors import InputError

# onnxruntime's fused kernel for residual + normalisation is scalar on CPUs: 2 µs a sub-word and layer at width 256,
# a tenth of that for the two operators by themselves. Fusing them would cost a third of an int8 model's time.
_SLOW_FUSIONS = ["SkipLayerNormFusion"]


class OnnxTokenClassifier(torch.nn.Module):
    """A graph from (input_ids, attention_mask) to logits, called as a transformers model is.

    Args:
        path: The `.onnx` file.
        config: The model's transformers configuration.
        device: "cpu", or "cuda" where onnxruntime was built for it; by default the CPU.
        threads: Of onnxruntime; by default as many as torch uses.

    Raises:
        InputError: onnxruntime is missing, cannot use the device, or cannot read the file.
    """

    def __init__(
        self,
        path: str | Path,
        config: Any,
        *,
        device: str | torch.device | None = None,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        runtime = import_onnxruntime()
        options = runtime.SessionOptions()
        # onnxruntime takes every core of the machine otherwise, also those that the process may not use.
        options.intra_op_num_threads = torch.get_num_threads() if threads is None else threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=_providers(runtime, device), disabled_optimizers=_SLOW_FUSIONS
            )
        except InputError:
            raise
        except Exception as error:  # onnxruntime's errors have no common class but Exception
            reason = str(error).strip().splitlines()[0][:160]
            raise InputError(
                f"onnxruntime cannot read the graph ({reason})", where=str(path), remedy="export the model again"
            ) from error
        self.config = config
        self._inputs = [item.name for item in self._session.get_inputs()]
        self._output = self._session.get_outputs()[0].name

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> TokenClassifierOutput:
        """Logits (B, L, C) for sub-word ids (B, L) and their mask (B, L), both int64."""
        feeds = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        # Other exporters keep inputs that ours drops: segment ids, which are 0 for single sentences.
        others = {name: np.zeros_like(feeds["input_ids"]) for name in self._inputs if name not in feeds}
        feeds = {name: array for name, array in (feeds | others).items() if name in self._inputs}
        [logits] = self._session.run([self._output], feeds)
        return TokenClassifierOutput(logits=torch.from_numpy(logits))


def import_onnxruntime() -> Any:
    """The onnxruntime module.

    Raises:
        InputError: It is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError("onnxruntime is not installed", remedy="pip install 'hf_xner[onnx]'") from None
    return onnxruntime


def _providers(runtime: Any, device: str | torch.device | None) -> list[Any]:
    place = torch.device("cpu" if device is None else device)
    if place.type == "cpu":
        return ["CPUExecutionProvider"]
    if place.type == "cuda" and "CUDAExecutionProvider" in runtime.get_available_providers():
        return [("CUDAExecutionProvider", {"device_id": place.index or 0}), "CPUExecutionProvider"]
    raise InputError(
        f"this onnxruntime cannot compute on {place}",
        remedy="use the CPU, or install onnxruntime-gpu for an NVIDIA GPU",
    )
