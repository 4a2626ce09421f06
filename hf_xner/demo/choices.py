"""The models that people can choose from: students and teachers of runs, and taggers without a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hf_xner.errors import InputError
from hf_xner.hub.encoder import HUB_ID
from hf_xner.hub.languages import language_name
from hf_xner.hub.run_facts import RunFacts, collect_facts
from hf_xner.systems.run_folder import RESULTS
from hf_xner.systems.summary import STUDENT
from hf_xner.systems.teachers import Teachers, find_teachers

NO_RUN = "This model comes without its run, so its teacher cannot be shown beside it."
NO_TEACHER = "This model was trained on labels and has no teacher to be compared with."
NO_STORE = "The stages of this run are not in the store of this machine, so its teacher cannot be shown beside it."


@dataclass(frozen=True)
class Choice:
    """A model to choose.

    Attributes:
        name: What it is called on the page; no two have the same.
        place: Folder or Hub id of the tagger.
        about: What is known of it, in sentences of plain text.
        warning: What must be known before its answers are judged, else "".
        language: Code of the language it is for, where that is known.
        teachers: Places of the taggers it can be shown beside, by name.
        no_teacher: Why there are none (or fewer), for people; else "".
    """

    name: str
    place: str
    about: str
    warning: str = ""
    language: str | None = None
    teachers: dict[str, str] = field(default_factory=dict)
    no_teacher: str = ""


def find_choices(given: Sequence[str], *, names: Sequence[str] = (), warning: str = "") -> list[Choice]:
    """List the models behind what was given.

    Args:
        given: Run folders, folders of taggers, Hub ids. A run gives its student and, where the store still has
            them, the student's teachers.
        names: What to call the runs; by default their folders' names.
        warning: What to say first of every model.

    Raises:
        InputError: One of them is none of these.
    """
    choices: list[Choice] = []
    for index, place in enumerate(given):
        folder = Path(place).expanduser()
        name = names[index] if names else folder.absolute().name
        if (folder / RESULTS).is_file():
            choices += _of_run(folder, name, warning)
            continue
        if not (folder / "config.json").is_file():
            _check_hub(place)
        tells = f"The tagger {place}, as it is; nothing is known here of how it was made."
        choices.append(Choice(name if folder.exists() else place, place, tells, warning, no_teacher=NO_RUN))
    return _with_own_names(choices)


def _check_hub(place: str) -> None:
    """Ask for a model's configuration, from the Hub or the copy of it on this machine.

    Raises:
        InputError: There is none.
    """
    from transformers import AutoConfig

    why = "is a folder without either"
    if not Path(place).expanduser().exists():
        why = "there is no such folder"
        if HUB_ID.fullmatch(place):
            try:
                AutoConfig.from_pretrained(place)
                return
            except (OSError, ValueError) as error:
                why = f"no such folder, and the Hub did not give it: {str(error).splitlines()[0]}"
    raise InputError(
        f"is no finished run and no tagger ({why})",
        where=place,
        remedy="give the --output_dir of a run that has finished; `xner runs list` shows the known ones",
    )


def _of_run(folder: Path, name: str, warning: str) -> list[Choice]:
    facts, teachers = collect_facts(folder, examples=0), find_teachers(folder)
    language = facts.languages[0] if facts.languages else None
    student = Choice(
        name=f"{name}: {_title(facts)}",
        place=str(folder / STUDENT),
        about=_about(facts),
        warning=warning,
        language=language,
        teachers={teacher.name: str(teacher.folder) for teacher in teachers.found},
        no_teacher=_why_none(teachers),
    )
    codes = {corpus.language for corpus in facts.sources}
    source = codes.pop() if len(codes) == 1 else None
    return [
        student,
        *(_teacher(teacher.name, str(teacher.folder), name, source, warning) for teacher in teachers.found),
    ]


def _teacher(title: str, place: str, run: str, source: str | None, warning: str) -> Choice:
    language = f", {language_name(source)}" if source else ""
    about = f"A teacher of the run {run}{language}: trained on labels of the source language."
    return Choice(f"{run}: {title}{language}", place, about, warning, source, no_teacher=NO_TEACHER)


def _title(facts: RunFacts) -> str:
    return ", ".join(filter(None, [facts.variant, facts.language_names]))


def _about(facts: RunFacts) -> str:
    """What the run's records tell."""
    language = facts.language_names or "named-entity"
    if facts.target is None:
        how = "from labels in that language"
    elif facts.learnt_from_labels_of_target:
        how = "with the help of labels in that language"
    else:
        how = f"from {_origin(facts)}"
    made = facts.system if facts.system == facts.variant else f"{facts.system} ({facts.variant})"
    parts = [f"A {language} tagger, made by {made} {how}.", f"Types: {', '.join(facts.types)}."]
    if facts.figures:
        figures = facts.figures[0]
        f1 = figures.rows[0]
        plain = "" if facts.decodes_itself else f", {f1.plain} in a plain pipeline"
        parts.append(f"F1 on {figures.name} ({figures.sentences:,} sentences): {f1.tagger} as used here{plain}.")
    parts += [f"Not zero-resource: {warning}." for warning in facts.warnings]
    return " ".join(parts).replace("`", "")


def _origin(facts: RunFacts) -> str:
    """What a tagger learnt from without labels of its target."""
    parts = [f"labels in {facts.source_names}"] if facts.source_names else []
    if facts.teachers or not parts:
        parts.append("what its teacher knows" if len(facts.teachers) == 1 else "what its teachers know")
    if facts.learnt_from_text:
        parts.append("text without labels")
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last


def _why_none(teachers: Teachers) -> str:
    if teachers.gone:
        return f"No longer in the store, and so not shown beside it: {', '.join(teachers.gone)}."
    if teachers.found:
        return ""
    return NO_TEACHER if teachers.traced else NO_STORE


def _with_own_names(choices: list[Choice]) -> list[Choice]:
    """Number those that would be called the same."""
    seen: dict[str, int] = {}
    named = []
    for choice in choices:
        seen[choice.name] = seen.get(choice.name, 0) + 1
        number = seen[choice.name]
        named.append(choice if number == 1 else Choice(**{**vars(choice), "name": f"{choice.name} ({number})"}))
    return named
