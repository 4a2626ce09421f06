"""What a card says about the corpora of a run; their text is not read, and need not be there any more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hf_xner.data import describe
from hf_xner.data.registry import CORPORA
from hf_xner.hub.lineage import SUPERVISED, chosen_on, is_as_it_is, learnt_from_text, lineage_of
from hf_xner.version import __version__

LABELLED, UNLABELLED, SCORED = "labelled source", "unlabelled target text", "scored on"
SELECTED = "labelled, picks the best epoch"
BOUND = "labelled target (upper bound only)"
COMPARED = "text without labels, to compare the teachers' languages"
NOT_READ = "not read in training"
NOT_STATED = "not stated"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")


@dataclass(frozen=True)
class CorpusFacts:
    """One corpus of a run.

    Attributes:
        spec: Its spec, without folders of a machine.
        roles: What the run used it for.
        title: What it is.
        language: Language code, None where the spec does not say.
        licence: Conditions of use, as the registry has them.
        homepage: Where it comes from, or "".
        citation: BibTeX, or "".
        config: Configuration, as of `conll2002:es`; "" for own files.
        hub: Its dataset on the Hub, where that has this configuration; else None.
        own: The user's own files: nothing is known about them.
    """

    spec: str
    roles: tuple[str, ...]
    title: str
    language: str | None
    licence: str
    homepage: str = ""
    citation: str = ""
    config: str = ""
    hub: str | None = None
    own: bool = False

    @property
    def name(self) -> str:
        """Its name in the registry, or "own-files"."""
        return "own-files" if self.own else self.spec.partition(":")[0]

    @property
    def research_only(self) -> bool:
        """Whether it may be used for research only."""
        return "research" in self.licence or "-NC" in self.licence


def corpora_of(results: dict[str, Any]) -> list[CorpusFacts]:
    """Every corpus that a run names, once, with all its roles: sources first, then the target.

    Args:
        results: The run's `results.json`.
    """
    arguments = results["arguments"]
    target = arguments.get("target") or ""
    from_source = () if _is_bound(results) else (LABELLED,)
    corpora = [describe_corpus(spec, from_source) for spec in arguments["source"]]
    if target:
        corpora.append(describe_corpus(target, (UNLABELLED,) if learnt_from_text(str(results["student"])) else ()))
    if arguments.get("translated"):
        corpora.append(describe_corpus(arguments["translated"], ("labelled, translated from the source",)))
    texts = list(arguments.get("teacher_text") or [])
    known = {corpus.spec for corpus in corpora}
    corpora += [describe_corpus(spec, ()) for spec in dict.fromkeys(texts) if spec not in known]
    used = {COMPARED: texts, SCORED: [gold["name"].rpartition(" ")[0] for gold in results["sets"].values()]}
    used[SELECTED] = _picked_on(results)
    if target and "supervised" in results["variants"]:
        used[BOUND] = [target]
    told = [_with_roles(corpus, [role for role, specs in used.items() if corpus.spec in specs]) for corpus in corpora]
    return [corpus if corpus.roles else replace(corpus, roles=(NOT_READ,)) for corpus in told]


def _is_bound(results: dict[str, Any]) -> bool:
    """Whether the model is an upper bound, which learns from the target's tags alone."""
    return results["student"] == SUPERVISED and bool(results["arguments"].get("target"))


def _picked_on(results: dict[str, Any]) -> list[str]:
    """The corpora on whose labels the student's weights were picked."""
    chosen = chosen_on(results)
    if chosen == "none":
        return []
    if chosen.startswith("target"):
        return [results["arguments"]["target"]]
    # A student is picked on the first source, a teacher on its own.
    sources = lineage_of(results).sources
    return list(sources if is_as_it_is(results["student"]) else results["arguments"]["source"][:1])


def _with_roles(corpus: CorpusFacts, roles: Sequence[str]) -> CorpusFacts:
    return replace(corpus, roles=(*corpus.roles, *roles))


def describe_corpus(spec: str, roles: tuple[str, ...]) -> CorpusFacts:
    """What the registry says about a spec, or that it names the user's own files."""
    name, _, config = spec.partition(":")
    if name not in CORPORA or config not in CORPORA[name].configs:
        language = spec.partition("?")[0].rpartition(":")
        code = language[2] if language[1] and _LANGUAGE.fullmatch(language[2]) else None
        return CorpusFacts(spec, roles, "files of the author of this model", code, NOT_STATED, own=True)
    info = describe(spec)
    on_hub = info.hub is not None and (not info.hub.configs or config in info.hub.configs)
    return CorpusFacts(
        spec=spec,
        roles=roles,
        title=info.title,
        language=info.language,
        licence=f"Apache-2.0 (part of hf_xner {__version__})" if name == "sample" else info.licence or NOT_STATED,
        homepage=info.homepage,
        citation=info.citation,
        config=config,
        hub=info.hub.repository if info.hub is not None and on_hub else None,
    )
