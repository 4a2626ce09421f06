"""Loading encoders and taggers, offline first, with errors that name the remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from hf_xner.errors import InputError
from hf_xner.inference.device import local_device

# What is accepted, and what it is called here.
DTYPES = {"fp32": "fp32", "float32": "fp32", "bf16": "bf16", "bfloat16": "bf16", "int8": "int8"}
RUNTIMES = ("auto", "torch", "onnx")
WORD_MODEL = "xner-bilstm-crf"
OWN_MODELS = "xner-"  # how the types of the research models begin
# Where a graph may lie, in a folder or this folder of it: our name first, then those of other exporters.
GRAPH_FOLDER = "onnx"
GRAPHS = {"fp32": ("model.onnx",), "int8": ("model_int8.onnx", "model_quantized.onnx")}
# What loading raises: nothing there, damaged weights, or those of another model.
BROKEN = (OSError, ValueError, RuntimeError, SafetensorError)
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def load_tokenizer(name: str) -> Any:
    """The fast tokenizer of a folder or Hub id, ready for pre-split words.

    Raises:
        InputError: There is no tokenizer, or it cannot be loaded.
    """
    from transformers import AutoTokenizer

    if os.path.isdir(name) and not _has_tokenizer(name):
        student = os.path.join(name, "student")
        if os.path.isdir(student):
            raise InputError("this is the folder of a run", where=name, remedy=f"its model is {student}")
        raise InputError(
            "the folder has no tokenizer", where=name, remedy="save one into it with tokenizer.save_pretrained()"
        )
    try:
        # Byte-level BPE tokenizers refuse pre-split words unless each word starts with a space.
        return AutoTokenizer.from_pretrained(name, add_prefix_space=True)
    except (OSError, ValueError) as error:
        raise unusable(name, "tokenizer", error) from error


def _has_tokenizer(folder: str) -> bool:
    names = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spm.model")
    return any(os.path.exists(os.path.join(folder, name)) for name in names)


def load_encoder_for_tagging(name: str, tag_names: Sequence[str], *, keep_head: bool = False) -> Any:
    """A token-classification head on a pretrained encoder, in float32, with the tags' names in its config.

    Args:
        name: Folder or Hub id.
        tag_names: Tags by id.
        keep_head: Go on with the head of a tagger that has these tags in this order. Otherwise the head is a fresh
            one, also where the encoder comes from a tagger or another classifier.

    Raises:
        InputError: The encoder cannot be loaded or has no token-classification class.
    """
    from transformers import AutoModelForTokenClassification

    try:
        with without_load_report():
            model, report = AutoModelForTokenClassification.from_pretrained(
                name,
                num_labels=len(tag_names),
                id2label=dict(enumerate(tag_names)),
                label2id={tag: index for index, tag in enumerate(tag_names)},
                dtype=torch.float32,
                ignore_mismatched_sizes=not keep_head,
                output_loading_info=True,
            )
    except BROKEN as error:
        raise unusable(name, "encoder with a token-classification class", error) from error
    head = set(_head(model))
    # Other tags give a head another size, which is no matter; an encoder of another size would be drawn anew, unseen.
    damaged = sorted({str(name) for name, *_ in report["mismatched_keys"]} - head)
    if damaged:
        raise unusable(name, "encoder", ValueError(f"{damaged[0]} has another size than config.json says"))
    # A checkpoint without a classifier is no tagger's. ModernBERT's has a layer of the head: that is pretrained, too.
    if not keep_head and not _classifier(model) & set(report["missing_keys"]):
        _reset(model)
    return model


def _head(model: Any) -> list[str]:
    """Names of the parameters above the encoder."""
    return [name for name, _ in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")]


def _classifier(model: Any) -> set[str]:
    """Names of the parameters of the layer that scores the tags."""
    places = {name.rpartition(".")[0] for name in _head(model)}
    last = {place for place in places if getattr(model.get_submodule(place), "out_features", 0) == model.num_labels}
    return {name for name in _head(model) if name.rpartition(".")[0] in last}


def _reset(model: Any) -> None:
    """Draw the head anew, as transformers draws one that a checkpoint lacks."""
    places = {name.rpartition(".")[0] for name in _head(model)}
    for module in map(model.get_submodule, sorted(places)):
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=getattr(model.config, "initializer_range", 0.02))
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        else:  # a norm between two layers of the head
            module.reset_parameters()


@contextmanager
def without_load_report() -> Iterator[None]:
    """Silence transformers' report of weights that a checkpoint lacks or has too many.

    A new classifier is "missing" and the head of a masked language model "unexpected", both on purpose.
    """
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def load_tagger(
    name: str,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    runtime: str = "auto",
    threads: int | None = None,
    vectors: str | Path | None = None,
) -> tuple[Any, Any]:
    """A trained tagger and its tokenizer, in evaluation mode.

    Args:
        name: Folder or Hub id: weights that transformers loads, or an export with an ONNX graph.
        device: Where to compute; by default this process's own accelerator, else the CPU.
        dtype: "fp32" (default), "bf16" (weights and products in bfloat16) or "int8" (exports only).
        runtime: "torch", "onnx", or "auto": onnx where a folder has a graph and no weights, and for int8.
        threads: Of onnxruntime; by default as many as torch uses.
        vectors: For a BiLSTM-CRF: the vector file that its own vectors were taken from, for words that it lacks.

    Raises:
        InputError: It cannot be loaded, its tags have no names, or an option is wrong.
    """
    if vectors is not None:
        model, tokenizer = load_tagger(name, device=device, dtype=dtype, runtime=runtime, threads=threads)
        use_vector_file(tokenizer, vectors, name)
        return model, tokenizer
    precision = precision_name(dtype)
    if runtime not in RUNTIMES:
        raise InputError(f"unknown runtime {runtime!r}", remedy=f"use one of {', '.join(RUNTIMES)}")
    if runtime == "auto":
        runtime = "onnx" if precision == "int8" or _is_export(name) else "torch"
    if runtime == "torch":
        return _load_weights(name, precision, device)
    return _load_graph(_graph(name, precision, asked=dtype is not None), name, device, threads)


def precision_name(dtype: str | torch.dtype | None) -> str:
    """ "fp32", "bf16" or "int8" for any of its names.

    Raises:
        InputError: It is none of these.
    """
    given = str("fp32" if dtype is None else dtype).removeprefix("torch.")
    if given not in DTYPES:
        raise InputError(f"unknown dtype {given!r}", remedy="use fp32, bf16 or int8")
    return DTYPES[given]


def _load_weights(name: str, precision: str, device: str | torch.device | None) -> tuple[Any, Any]:
    if precision == "int8":
        raise InputError(
            "torch weights are not int8",
            where=name,
            remedy=f"run xner export {name} --onnx --int8 --output DIR and load DIR",
        )
    model_type = _model_type(name) or ""
    if model_type == WORD_MODEL:
        return _load_word_model(name, precision, device)
    if model_type.startswith(OWN_MODELS):  # before the tokenizer, which asks for the configuration's class
        from hf_xner.models.auto import AutoModelForTokenClassification
    else:
        from transformers import AutoModelForTokenClassification
    tokenizer = load_tokenizer(name)
    weights = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        model = AutoModelForTokenClassification.from_pretrained(name, dtype=weights)
    except BROKEN as error:
        raise unusable(name, "tagger", error) from error
    _check_tags(model.config, name)
    return model.eval().to(local_device() if device is None else _checked_device(device)), tokenizer


def _model_type(name: str) -> str | None:
    """What the configuration says that the model is; None where there is none to read."""
    from transformers import PreTrainedConfig

    try:
        return PreTrainedConfig.get_config_dict(name)[0].get("model_type")
    except (OSError, ValueError):
        return None


def _load_word_model(name: str, precision: str, device: str | torch.device | None) -> tuple[Any, Any]:
    """A BiLSTM-CRF, and the feature extractor that stands where others have a tokenizer."""
    from hf_xner.models.auto import AutoFeatureExtractor, AutoModelForTokenClassification

    if precision != "fp32":
        raise InputError("a BiLSTM-CRF computes in fp32", where=name, remedy="leave the precision out")
    try:
        extractor = AutoFeatureExtractor.from_pretrained(name)
        model = AutoModelForTokenClassification.from_pretrained(name, dtype=torch.float32)
    except BROKEN as error:
        raise unusable(name, "BiLSTM-CRF with its word vectors", error) from error
    _check_tags(model.config, name)
    return model.eval().to(local_device() if device is None else _checked_device(device)), extractor


def reads_words(tokenizer: Any) -> bool:
    """Whether a model's tokenizer is in truth the feature extractor of a model that reads words (a BiLSTM-CRF)."""
    return bool(getattr(tokenizer, "reads_words", False))


def use_vector_file(extractor: Any, path: str | Path, name: str) -> None:
    """Look words that a BiLSTM-CRF's own table lacks up in a vector file too, memory-mapped.

    Args:
        extractor: What `load_tagger` gives where others have a tokenizer.
        path: The file, of the target language, as it was before any mapping.
        name: The model, for messages.

    Raises:
        InputError: The model has no word vectors, or vectors of another width.
    """
    from hf_xner.translation.vector_cache import load_vectors

    if not reads_words(extractor):
        raise InputError("this model has no word vectors", where=name, remedy="leave --vectors out")
    vectors = load_vectors(path)
    try:
        extractor.use_vectors(vectors.index, vectors.vectors, language=extractor.language)
    except ValueError as error:
        raise InputError(
            str(error), where=str(path), remedy="give the file that the model was trained with"
        ) from error


def _load_graph(path: Path, name: str, device: str | torch.device | None, threads: int | None) -> tuple[Any, Any]:
    from transformers import AutoConfig

    from hf_xner.inference.onnx_model import OnnxTokenClassifier

    folder = str(path.parent.parent if path.parent.name == GRAPH_FOLDER else path.parent)
    tokenizer = load_tokenizer(folder)
    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise unusable(name, "configuration", error) from error
    _check_tags(config, name)
    return OnnxTokenClassifier(path, config, device=device, threads=threads).eval(), tokenizer


def _is_export(name: str) -> bool:
    """Whether a folder has a graph and no weights."""
    if not os.path.isdir(name) or any(os.path.exists(os.path.join(name, weights)) for weights in _WEIGHTS):
        return False
    return any(_candidates(Path(name), kind) for kind in GRAPHS)


def _graph(name: str, precision: str, *, asked: bool) -> Path:
    """The ONNX file for a precision; where none was asked for, whichever there is.

    Raises:
        InputError: There is none.
    """
    folder = Path(name) if os.path.isdir(name) else _fetch_graphs(name)
    found = {kind: path for kind in GRAPHS for path in _candidates(folder, kind)[:1]}
    if precision in found:
        return found[precision]
    if found and not asked:
        return next(iter(found.values()))
    raise InputError(
        f"no ONNX graph for {precision} (there is {', '.join(found) or 'none'})",
        where=name,
        remedy=f"make one with xner export MODEL --onnx{' --int8' if precision == 'int8' else ''} --output DIR",
    )


def _candidates(folder: Path, kind: str) -> list[Path]:
    places = (folder / GRAPH_FOLDER, folder)
    return [place / name for place in places for name in GRAPHS[kind] if (place / name).is_file()]


def _fetch_graphs(name: str) -> Path:
    """The local copy of a Hub repository's graphs, with configuration and tokenizer."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.txt", "*.model", "*.onnx", "*.onnx.data", f"{GRAPH_FOLDER}/*"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise unusable(name, "ONNX export", error) from error


def _checked_device(device: str | torch.device) -> torch.device:
    """The device, if this machine has it.

    Raises:
        InputError: It is no device, or not here.
    """
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise InputError(
            f"no device {str(device)!r} here ({reason})", remedy="use cpu, or leave the device out"
        ) from None
    return place


def _check_tags(config: Any, name: str) -> None:
    if "O" not in config.label2id:
        raise InputError(
            f"its tags are called {', '.join(sorted(config.label2id)[:3])}… and none is O",
            where=name,
            remedy="set id2label and label2id in its config.json",
        )


def unusable(name: str, what: str, error: Exception) -> InputError:
    """The one line for a folder or Hub id that `error` kept from being loaded as a `what`."""
    if not os.path.exists(name) and (name.count("/") > 1 or name.startswith((".", "/", "~", "runs/"))):
        return InputError(f"no {what} could be loaded (no such folder)", where=name, remedy="check the path")
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    return InputError(
        f"no {what} could be loaded ({reason})",
        where=name,
        remedy="give a folder that transformers can load, a Hub id, or the built-in xner-mini",
    )
