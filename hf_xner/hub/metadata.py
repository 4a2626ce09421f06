"""The machine-readable part of a card: front matter with `model-index`, and `.eval_results`.

The value of each figure is that of the very model in the repository (the first seed's); mean, SD and every seed's
value stand beside it, as arguments of the metric or in the notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hf_xner.errors import InputError
from hf_xner.hub.corpora import CorpusFacts, describe_corpus
from hf_xner.hub.languages import hub_codes
from hf_xner.hub.run_facts import RunFacts
from hf_xner.systems.files import plain
from hf_xner.systems.report import MEASURES

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData

TASK = "token-classification"
RESEARCH_ONLY = "research-only"
_KIND_NAMES = {"plain": "plain pipeline", "tagger": "hf_xner Tagger"}
_ONE_KIND = {"plain": "decoded by the model itself"}
_DIGITS = 6


def card_data(facts: RunFacts, *, model_name: str, licence: str | None = None) -> ModelCardData:
    """The front matter of a model's card, in the Hub's own class.

    Args:
        facts: The run.
        model_name: What the model is called in `model-index`.
        licence: The author's choice of a licence, by its Hub id.
    """
    from huggingface_hub import ModelCardData

    more: dict[str, Any] = _licence(facts, licence)
    if not facts.custom_code:
        # The first piece of a word stands for the word; the widget's own default shows pieces.
        more["inference"] = {"parameters": {"aggregation_strategy": "first"}}
    if facts.examples and not facts.custom_code:
        more["widget"] = [{"text": facts.examples[0].text}]
    datasets = list(dict.fromkeys(corpus.hub for corpus in facts.corpora if corpus.hub))
    tags = ["named-entity-recognition", "hf_xner", facts.system]
    if facts.zero_resource:
        tags += ["cross-lingual", "zero-resource"]
    return ModelCardData(
        language=hub_codes(facts.languages) or None,
        library_name="transformers",
        pipeline_tag=TASK,
        base_model=facts.encoder.hub if facts.encoder else None,
        datasets=datasets or None,
        tags=tags,
        metrics=list(MEASURES),
        model_name=model_name,
        eval_results=list(_eval_results(facts)) or None,
        **more,
    )


def _licence(facts: RunFacts, chosen: str | None) -> dict[str, str]:
    """The author's choice; else research only as soon as something that went into the model is; else unknown.

    Raises:
        InputError: The author chose another one for what was made from an encoder for research only.
    """
    if chosen and facts.encoder_research_only:
        raise InputError(
            f"a model made from this encoder is for research only, so that it cannot be under {chosen}",
            where="--license",
            remedy="leave it out, or train with another --encoder",
        )
    if chosen:
        return {"license": chosen}
    if facts.research_only:
        return {"license": "other", "license_name": RESEARCH_ONLY}
    return {"license": "unknown"}


def _eval_results(facts: RunFacts) -> Iterator[EvalResult]:
    """Every figure of the model on every set: plain before the Tagger's, all types before single ones."""
    from huggingface_hub import EvalResult

    for scored in facts.figures:
        corpus, split = _corpus_and_split(scored.name)
        for kind, called in _kinds(facts).items():
            for label, measure, summary in _measured(facts, scored.key, kind):
                yield EvalResult(
                    task_type=TASK,
                    task_name="Named entity recognition",
                    dataset_type=corpus.hub or corpus.name,
                    dataset_name=scored.name,
                    dataset_config=corpus.config or None,
                    dataset_split=split,
                    metric_type=measure,
                    metric_name=f"{label} ({called})",
                    metric_value=_number(summary["values"][0]),
                    metric_args=_over_seeds(facts, summary),
                )


def eval_result_files(facts: RunFacts) -> dict[str, str]:
    """Files for the Hub's `.eval_results/`, by path: one a corpus that is a dataset of the Hub; others have none.

    F1 of the plain pipeline comes first, as task `CONFIG-SPLIT`; after it the Tagger's and, type by type, the plain
    ones.
    """
    from huggingface_hub import eval_result_entries_to_yaml
    from huggingface_hub.utils import yaml_dump

    entries: dict[str, list[EvalResultEntry]] = {}
    for scored in facts.figures:
        corpus, split = _corpus_and_split(scored.name)
        if corpus.hub is not None:
            entries.setdefault(corpus.name, []).extend(_entries(facts, scored.key, corpus, split))
    return {
        f".eval_results/{name}.yaml": yaml_dump(eval_result_entries_to_yaml(rows), sort_keys=False)
        for name, rows in entries.items()
    }


def _entries(facts: RunFacts, key: str, corpus: CorpusFacts, split: str) -> Iterator[EvalResultEntry]:
    from huggingface_hub import EvalResultEntry

    task = "-".join(filter(None, (corpus.config, split)))
    wanted = [("plain", "F1", task), ("tagger", "F1", f"{task}-tagger")]
    wanted += [("plain", f"F1 {name}", f"{task}-{name}") for name in facts.types]
    kinds = _kinds(facts)
    for kind, label, task_id in (one for one in wanted if one[0] in kinds):
        found = {text: summary for text, _, summary in _measured(facts, key, kind)}
        if label in found and corpus.hub is not None:
            yield EvalResultEntry(
                dataset_id=corpus.hub,
                task_id=task_id,
                value=_number(found[label]["values"][0]),
                notes=f"entity {label}, 0 to 1, {kinds[kind]}; {_in_words(facts, found[label])}",
            )


def _kinds(facts: RunFacts) -> dict[str, str]:
    """The ways in which figures were taken that differ for this model, and what they are called; plain first."""
    return _ONE_KIND if facts.decodes_itself else _KIND_NAMES


def _corpus_and_split(name: str) -> tuple[CorpusFacts, str]:
    """Corpus and split of an evaluation set, as `conll2002:es test` names them."""
    spec, _, split = name.rpartition(" ")
    return describe_corpus(spec, ()), split


def _measured(facts: RunFacts, key: str, kind: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Label, metric and summary over seeds of what was measured."""
    scores = facts.results["variants"][facts.variant].get(key)
    if scores is None:
        return
    yield "F1", "f1", scores[kind]["f1"]
    yield "precision", "precision", scores[kind]["precision"]
    yield "recall", "recall", scores[kind]["recall"]
    for name, summary in scores[kind]["per_type"].items():
        yield f"F1 {name}", "f1", summary


def _over_seeds(facts: RunFacts, summary: Mapping[str, Any]) -> dict[str, Any]:
    seeds = plain(facts.results["seeds"])
    if len(seeds) < 2:
        return {"seed": seeds[0]}
    values = [_number(value) for value in summary["values"]]
    return {
        "seed": seeds[0],
        "seeds": seeds,
        "values": values,
        "mean": _number(summary["mean"]),
        "sd": _number(summary["sd"]),
    }


def _in_words(facts: RunFacts, summary: Mapping[str, Any]) -> str:
    seeds = facts.results["seeds"]
    if len(seeds) < 2:
        return f"one seed ({seeds[0]})"
    mean, sd = _number(summary["mean"]), _number(summary["sd"])
    return f"seed {seeds[0]}; over seeds {', '.join(map(str, seeds))}: {mean:.4f} ± {sd:.4f}"


def _number(value: Any) -> float:
    """A Python float: NumPy's would be written into YAML as binary garbage."""
    return round(float(value), _DIGITS)
