"""What the page and the API do, without either: check, tag, compare."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hf_xner.demo.choices import Choice
from hf_xner.demo.differences import Difference, differences
from hf_xner.demo.files import read_upload
from hf_xner.demo.limits import Deadline, Limits
from hf_xner.demo.taggers import TaggerPool
from hf_xner.errors import InputError
from hf_xner.inference.inputs import Item
from hf_xner.inference.outputs import in_iob2
from hf_xner.inference.results import Entity, TaggedSentence
from hf_xner.labels import entity_types

SLICE = 64  # items of a file tagged at a time: between two slices others have their turn
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON may hold them, and no answer can: they have no UTF-8


@dataclass(frozen=True)
class TextAnswer:
    """What was found in a text.

    Attributes:
        model: Name of the model.
        types: The entity types it knows (and its teacher).
        tagged: The text as it tags it.
        teacher: Name of the teacher beside it, None where none was asked for.
        by_teacher: The text as the teacher tags it.
        differences: Where they differ.
    """

    model: str
    types: tuple[str, ...]
    tagged: TaggedSentence
    teacher: str | None = None
    by_teacher: TaggedSentence | None = None
    differences: tuple[Difference, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The answer as the API gives it; offsets are counted in Unicode characters."""
        answer: dict[str, Any] = {
            "model": self.model,
            "text": self.tagged.text,
            "entities": [entity_dict(entity) for entity in self.tagged.entities],
        }
        if self.by_teacher is not None:
            answer["teacher"] = self.teacher
            answer["teacher_entities"] = [entity_dict(entity) for entity in self.by_teacher.entities]
            answer["differences"] = [
                asdict(found)
                | {
                    "student": [entity_dict(entity) for entity in found.student],
                    "teacher": [entity_dict(entity) for entity in found.teacher],
                }
                for found in self.differences
            ]
        return answer


@dataclass(frozen=True)
class FileAnswer:
    """What was found in a file.

    Attributes:
        model: Name of the model.
        types: The entity types it knows.
        name: What the file's owner calls it.
        answers: Its inputs in order, each with what was found in it.
    """

    model: str
    types: tuple[str, ...]
    name: str
    answers: list[tuple[Item, TaggedSentence]]


def entity_dict(entity: Entity) -> dict[str, Any]:
    """The parts of an entity that do not depend on how the text was split into words."""
    return {
        "type": entity.type,
        "text": entity.text,
        "start": entity.start,
        "end": entity.end,
        "score": round(entity.score, 6),
    }


class Service:
    """Answers requests; safe to be called by several threads.

    Args:
        choices: The models, at least one; the first is meant where none is named.
        limits: How much a request may ask for.
        pool: Holds the taggers.

    Raises:
        ValueError: There is no model.
    """

    def __init__(
        self, choices: Sequence[Choice], *, limits: Limits | None = None, pool: TaggerPool | None = None
    ) -> None:
        if not choices:
            raise ValueError("a demo without models")
        self.choices = {choice.name: choice for choice in choices}
        self.limits = limits or Limits()
        self.pool = pool or TaggerPool()

    def choice(self, name: str | None = None) -> Choice:
        """A model by its name; the first where none is given.

        Raises:
            InputError: There is none of that name.
        """
        if not name:
            return next(iter(self.choices.values()))
        if name not in self.choices:
            raise InputError(f"there is no model {name!r}", remedy=f"choose one of {', '.join(self.choices)}")
        return self.choices[name]

    def warm_up(self) -> None:
        """Load the first model, so that a model that cannot be loaded is met before anybody asks.

        Raises:
            InputError: It cannot be loaded.
        """
        with self.pool.use(self.choice().place):
            pass

    def tag_text(self, text: str, *, model: str | None = None, teacher: str | None = None) -> TextAnswer:
        """Tag a text.

        Args:
            text: Any text within the limits.
            model: Name of the model.
            teacher: Name of the teacher to be shown beside it, "" or None for none.

        Raises:
            InputError: The text is empty or too long, model or teacher are unknown, or the time is up.
        """
        choice = self.choice(model)
        if not isinstance(text, str):
            raise InputError(f"expected a text, found {type(text).__name__}")
        text = _LONE_SURROGATE.sub("\ufffd", text)
        self.limits.check_text(text)
        if teacher and teacher not in choice.teachers:
            raise InputError(
                f"{choice.name} has no teacher {teacher!r}",
                remedy=f"choose one of {', '.join(choice.teachers)}" if choice.teachers else choice.no_teacher,
            )
        deadline = Deadline(self.limits.seconds)
        types, (tagged,) = self._tag(choice.place, [Item(text)], deadline)
        if not teacher:
            return TextAnswer(choice.name, types, tagged)
        teachers_types, (by_teacher,) = self._tag(choice.teachers[teacher], [Item(text)], deadline)
        found = differences(tagged.entities, by_teacher.entities)
        return TextAnswer(choice.name, types + teachers_types, tagged, teacher, by_teacher, tuple(found))

    def tag_file(
        self, path: str, name: str, *, model: str | None = None, progress: Callable[[int, int], None] | None = None
    ) -> FileAnswer:
        """Tag a file: .txt (a text a line), .conll (a word a line) or .jsonl (`text` or `tokens`).

        Args:
            path: Where it lies.
            name: What its owner calls it.
            model: Name of the model.
            progress: Told how many inputs are done, and of how many.

        Raises:
            InputError: The file is unusable or too large, the model is unknown, or the time is up.
        """
        choice = self.choice(model)
        items = read_upload(path, name, self.limits)
        deadline = Deadline(self.limits.seconds)
        tagged: list[TaggedSentence] = []
        types: tuple[str, ...] = ()
        tell = progress or (lambda done, total: None)
        tell(0, len(items))
        while len(tagged) < len(items):
            deadline.check()
            types, found = self._tag(choice.place, items[len(tagged) : len(tagged) + SLICE], deadline)
            tagged += found
            tell(len(tagged), len(items))
            time.sleep(0.001)  # a lock given back and taken again at once is never seen free by those who wait
        return FileAnswer(choice.name, types, name, list(zip(items, tagged, strict=True)))

    def _tag(
        self, place: str, items: Sequence[Item], deadline: Deadline
    ) -> tuple[tuple[str, ...], list[TaggedSentence]]:
        """The types that a tagger knows, and its answers for items that are all texts or all words."""
        with self.pool.use(place) as tagger, deadline.over(tagger.model):
            types = tuple(entity_types(tagger.decoder.tag_names))
            if isinstance(items[0].content, str):
                found = tagger.tag_text([str(item.content) for item in items])
            else:
                found = tagger.tag_words([list(item.content) for item in items])
            return types, [in_iob2(tagged, tagger.decoder.scheme) for tagged in found]
