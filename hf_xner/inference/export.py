"""A tagger as a folder that onnxruntime runs: graph, configuration, tokenizer, and what was measured on the way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hf_xner.errors import InputError
from hf_xner.inference.loading import GRAPH_FOLDER, GRAPHS, OWN_MODELS, load_tagger, reads_words
from hf_xner.inference.onnx_export import check_graph, export_graph, require_packages
from hf_xner.inference.onnx_model import OnnxTokenClassifier
from hf_xner.inference.quantisation import RECIPES, Recipe, quantise

RECORD = "export.json"
# F1 in percent by corpus and way of reading it ("plain", "tagger"), of a model with its tokenizer.
Scores = dict[str, dict[str, float]]
Measure = Callable[[Any, Any], Scores]


def export_tagger(
    name: str, folder: str | Path, *, int8: bool = False, measure: Measure | None = None, max_drop: float = 0.5
) -> dict[str, Any]:
    """Export a tagger to `onnx/model.onnx`, or with int8 weights to `onnx/model_int8.onnx`, with all it needs beside.

    The graph is compared with the model on batches of several sizes before anything is kept. With `measure`, F1 is
    taken before and after; int8 then spares the classifier and the embeddings only where F1 falls too far otherwise.
    Without it they are always spared.

    Args:
        name: Folder or Hub id of a tagger.
        folder: Where to; a new folder, or that of an earlier export of the same model.
        int8: Quantise weights to int8.
        measure: Gives F1 of a model on labelled text.
        max_drop: Points of F1 (percent) that int8 may lose on any corpus in any way of reading.

    Returns:
        The record that is also written to `export.json`.

    Raises:
        InputError: The model cannot be loaded or exported, the folder holds something else, or int8 loses too much.
    """
    require_packages()
    model, tokenizer = load_tagger(name, device="cpu", dtype="fp32", runtime="torch")
    if reads_words(tokenizer):
        raise InputError(
            "a BiLSTM-CRF decodes by its CRF, which a graph of logits does not",
            where=name,
            remedy="distil it into an encoder (xner train augmented --distil_to ENCODER) and export that",
        )
    if model.config.model_type.startswith(OWN_MODELS):
        raise InputError("a research model", where=name, remedy="export the run's student")
    folder = Path(folder)
    digest = _digest(model)
    record = _earlier(folder, digest) or {"model": {"name": Path(name).name, "sha256": digest}, "graphs": {}, "f1": {}}
    kind = "int8" if int8 else "fp32"
    file = f"{GRAPH_FOLDER}/{GRAPHS[kind][0]}"
    with _made_aside(folder) as aside:
        graph = aside / GRAPH_FOLDER / GRAPHS["fp32"][0]
        graph.parent.mkdir()
        export_graph(model, graph)
        difference = check_graph(model, OnnxTokenClassifier(graph, model.config))
        facts: dict[str, Any] = {"dtype": kind, "versions": _versions()}
        before = None if measure is None else measure(model, tokenizer)
        if int8:
            recipe, after = _quantised(model, tokenizer, graph, aside / file, before, measure, max_drop)
            facts["float32_parts"] = recipe.spared
            _remove(graph)
        else:
            facts["greatest_logit_difference"] = difference
            after = None if measure is None else measure(OnnxTokenClassifier(graph, model.config), tokenizer)
        facts["bytes"] = sum(path.stat().st_size for path in _files(aside / file))
        record["graphs"][file] = facts
        record["f1"] = _without(record["f1"], kind)  # of the graph that this one replaces
        if before is not None and after is not None:
            record["f1"] |= _side_by_side(record["f1"], kind, before, after)
        model.config.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        (aside / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return record


def _quantised(
    model: Any,
    tokenizer: Any,
    graph: Path,
    target: Path,
    before: Scores | None,
    measure: Measure | None,
    max_drop: float,
) -> tuple[Recipe, Scores | None]:
    """Write the int8 graph by the first recipe that keeps F1, the smallest file first."""
    if measure is None or before is None:
        quantise(graph, target, RECIPES[-1])
        return RECIPES[-1], None
    losses = []
    for recipe in RECIPES:
        quantise(graph, target, recipe)
        after = measure(OnnxTokenClassifier(target, model.config), tokenizer)
        losses.append(greatest_drop(before, after))
        if losses[-1] <= max_drop:
            return recipe, after
    raise InputError(
        f"int8 loses {min(losses):.2f} points of F1 and may lose {max_drop}, whatever is spared",
        remedy="export without --int8, use bf16, or raise --max_f1_drop",
    )


def greatest_drop(before: Scores, after: Scores) -> float:
    """By how many points F1 fell on the corpus, and in the way of reading, on which it fell most."""
    return max(before[corpus][kind] - after[corpus][kind] for corpus in before for kind in before[corpus])


def _without(scores: dict[str, Any], kind: str) -> dict[str, Any]:
    """The scores but for those of a kind of graph."""
    return {
        corpus: {way: {name: f1 for name, f1 in kinds.items() if name != kind} for way, kinds in ways.items()}
        for corpus, ways in scores.items()
    }


def _side_by_side(earlier: dict[str, Any], kind: str, before: Scores, after: Scores) -> dict[str, Any]:
    """F1 by corpus, then "plain" or "tagger", then "model" (before) and the kinds of graphs."""
    return {
        corpus: {
            way: {**earlier.get(corpus, {}).get(way, {}), "model": before[corpus][way], kind: after[corpus][way]}
            for way in before[corpus]
        }
        for corpus in before
    }


def _earlier(folder: Path, digest: str) -> dict[str, Any] | None:
    """The record of an earlier export into the folder; None where there is nothing yet.

    Raises:
        InputError: The folder holds something else.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["model"]["sha256"] == digest:
            return record
        found = "an export of another model"
    except (OSError, ValueError, KeyError, TypeError):
        found = "something else than an export"
    raise InputError(f"the folder holds {found}", where=str(folder), remedy="give a new folder")


@contextmanager
def _made_aside(folder: Path) -> Iterator[Path]:
    """A folder whose files come into `folder` when all of them are written, those of a killed export never."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(
            f"cannot write there ({error.strerror})", where=str(folder), remedy="give another folder"
        ) from error
    try:
        yield aside
        aside.chmod(0o755)
        for path in sorted(aside.rglob("*"), key=lambda path: path.name == RECORD):  # the record last
            if path.is_file():
                target = folder / path.relative_to(aside)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _files(graph: Path) -> list[Path]:
    """A graph's file and, where its weights lie beside it, theirs."""
    return [path for path in (graph, graph.with_name(f"{graph.name}.data")) if path.exists()]


def _remove(graph: Path) -> None:
    for path in _files(graph):
        path.unlink()


def _digest(model: Any) -> str:
    """SHA-256 of a model's weights, by name."""
    total = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        total.update(key.encode())
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("hf_xner", "torch", "transformers", "onnx", "onnxscript", "onnxruntime")}
