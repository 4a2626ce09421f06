"""The model card of a run: front matter, and a text filled into the template of its system."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from hf_xner.errors import InputError
from hf_xner.hub.metadata import TASK, card_data, eval_result_files
from hf_xner.hub.papers import citations_of
from hf_xner.hub.run_facts import RunFacts, collect_facts
from hf_xner.hub.templates import render

CARD = "README.md"
PLACEHOLDER = "your-name"

logger = logging.getLogger("hf_xner")


def model_card(facts: RunFacts, *, repo: str | None = None, licence: str | None = None) -> str:
    """Write the card of a run's model, and check it with the Hub's own classes.

    Args:
        facts: The run.
        repo: The repository it is for; the card's programs load it from there.
        licence: The author's choice of a licence, by its Hub id.
    """
    repo = repo or f"{PLACEHOLDER}/{facts.default_name}"
    body = render(
        facts.template,
        facts=facts,
        repo=repo,
        arguments=facts.arguments,
        calibration=facts.results.get("calibration"),
        has_research_model=facts.research is not None,
        citations=citations_of(facts.template, facts.variant, [corpus.citation for corpus in facts.corpora]),
        text=json.dumps(facts.examples[0].text, ensure_ascii=False) if facts.examples else '"…"',
        words=json.dumps(facts.examples[0].words if facts.examples else ["…"], ensure_ascii=False),
        command=_command(facts),
        versions=", ".join(f"{name} {version}" for name, version in facts.results["versions"].items()),
    )
    data = card_data(facts, model_name=repo.rpartition("/")[2], licence=licence)
    return checked(f"---\n{data.to_yaml()}\n---\n\n{body}")


def _command(facts: RunFacts) -> str:
    """The run's command, without where the program lay."""
    program, _, options = str(facts.results["command"]).partition(" ")
    return f"{Path(program).name} {options}".strip()


def checked(card: str) -> str:
    """Give a card back if its front matter is what the Hub's own classes read.

    Raises:
        InputError: It is not.
    """
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    try:
        data = ModelCard(card).data.to_dict()
    except (ValueError, TypeError, KeyError, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"its front matter is no model card's ({reason})", where=CARD) from error
    if not data:
        raise InputError("it has no front matter between --- lines", where=CARD, remedy="write one with xner card")
    return card


def card_files(
    folder: Path, *, repo: str, licence: str | None = None, language: str | None = None, examples: int = 5
) -> tuple[dict[str, str], list[str]]:
    """The card of a finished run and its files for `.eval_results/`, by path; whatever goes wrong, there is a card.

    Returns:
        The files, and what the author should know, a line each.

    Raises:
        InputError: The licence or the language asked for cannot be.
    """
    try:
        facts = collect_facts(folder, examples=examples, language=language)
        texts = {CARD: model_card(facts, repo=repo, licence=licence), **eval_result_files(facts)}
    except Exception as error:  # a card must never be what keeps a model from being published
        if isinstance(error, InputError) and error.where in ("--license", "--language"):
            raise  # unless its author asks for what cannot be
        logger.debug("the card could not be written", exc_info=True)
        trouble = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return {CARD: bare_card(repo)}, [f"the card could not be written ({trouble}): a bare one goes up instead"]
    return texts, _quotations(facts)


def _quotations(facts: RunFacts) -> list[str]:
    """A line for somebody whose own text the card quotes: nobody else has published it."""
    if not facts.examples or not any(corpus.own for corpus in facts.corpora):
        return []
    count, name = len(facts.examples), facts.figures[0].name
    return [f"the card quotes {count} sentences of {name}; --examples 0 leaves them out"]


def bare_card(repo: str) -> str:
    """The least a card says, for when nothing else can be written."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(library_name="transformers", pipeline_tag=TASK, tags=["named-entity-recognition", "hf_xner"])
    name = repo.rpartition("/")[2]
    text = "A named-entity tagger made with hf_xner. Its figures are in `results.json`."
    return f"---\n{data.to_yaml()}\n---\n\n# {name}\n\n{text}\n"
