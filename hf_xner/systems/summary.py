"""What a finished run has to say: its figures, a few sentences as its student tags them, where the model is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hf_xner.errors import InputError
from hf_xner.evaluation.prediction_files import read_predictions
from hf_xner.labels import spans_from_tags
from hf_xner.systems.files import read_json
from hf_xner.systems.report import format_results

PREDICTIONS = "predictions_"
STUDENT = "student"
RESEARCH = "research"  # the model that the student was exported from, where it is no plain one
NOT_ZERO_RESOURCE = "what it teaches is then no zero-resource result"  # ends the warnings that mean that


def summarise_run(folder: Path, *, sentences: int = 5) -> str:
    """The text that ends a run and that `xner show` prints again.

    Args:
        folder: The run folder.
        sentences: How many tagged sentences of each evaluation set.

    Raises:
        InputError: The run has not finished.
    """
    results = read_json(folder / "results.json")
    if results is None:
        raise InputError(
            "there is no results.json", where=str(folder), remedy="give the --output_dir of a run that has finished"
        )
    parts = [format_results(results["variants"], results["differences"])] if results["variants"] else []
    for place in sorted(folder.glob(f"{PREDICTIONS}*")):
        examples = tagged_examples(place / "tagger.conll", sentences)
        title = f"{place.name.removeprefix(PREDICTIONS)}, as tagged by {results['student']}:"
        parts.append("\n".join([title, *(f"  {line}" for line in examples)]))
    for measure, seeds in results.get("language_weights", {}).items():
        for seed, facts in seeds.items():
            shares = ", ".join(f"{name} {value:.3f}" for name, value in facts["alpha"].items())
            parts.append(f"Weights of the sources by {measure}, {seed}: {shares}")
    parts += [f"Warning: {warning}" for warning in results.get("warnings", [])]
    student = folder / STUDENT
    if not student.exists():  # only mixtures of models were scored
        return "\n\n".join(parts)
    if not results["variants"]:
        parts.append(f"Nothing was scored: there was no labelled set. Try it: xner predict {student} FILE.txt")
    parts.append(f"The model is in {student}:\n  {_how_to_load(student)}")
    return "\n\n".join(parts)


def _how_to_load(student: Path) -> str:
    config = read_json(student / "config.json") or {}
    if config.get("model_type") == "xner-bilstm-crf":  # it reads words, and no pipeline does
        return f'hf_xner.inference.tagger.Tagger.from_pretrained("{student}")'
    return f'pipeline("token-classification", model="{student}", aggregation_strategy="first")'


def tagged_examples(path: Path, count: int) -> list[str]:
    """Sentences spread over a prediction file, entities in brackets: `[PER Ana Ruiz] vive en [LOC Madrid] .`"""
    return [bracketed(tokens, predicted) for tokens, _, predicted in example_sentences(path, count)]


def example_sentences(path: Path, count: int) -> list[tuple[list[str], list[str], list[str]]]:
    """Tokens, gold and predicted tags of sentences in which something was found, spread over a prediction file."""
    file = read_predictions(path)
    chosen = [index for index, tags in enumerate(file.predicted) if any(tag != "O" for tag in tags)]
    step = max(1, len(chosen) // max(1, count))
    return [(file.tokens[index], file.gold[index], file.predicted[index]) for index in chosen[::step][:count]]


def bracketed(tokens: Sequence[str], tags: Sequence[str]) -> str:
    """One sentence with its entities in brackets."""
    words = list(tokens)
    for span in spans_from_tags(tags):
        words[span.start] = f"[{span.type} {words[span.start]}"
        words[span.end - 1] += "]"
    return " ".join(words)
