"""What feeds which loss of adversarial training: tables to read and to change, no code (TransAdv, section 3.1).

Every corpus of these systems is made from the labelled source corpus, so what is known of its words and sentences is
known by construction: their language by whether they stand inside an entity, their order by whether they were
shuffled. The unlabelled target text is the exception: it has no tags, and so no entity words to restrict anything to.

Words that translation leaves as they are (persons by default, and words that no dictionary knows) have either language
there, by the corpus they stand in: no discriminator of words alone can tell these, and none reaches an accuracy of 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

# Of a word; the numbers are AdvPicker's.
TARGET, SOURCE = 0, 1


@dataclass(frozen=True)
class Made:
    """What is known of a corpus from how it was made.

    Attributes:
        entity: Language of the words of entities.
        context: Language of all others.
        ordered: Whether the words stand in their order.
        tagged: Whether it has tags, carried over from the source.
    """

    entity: int
    context: int
    ordered: bool = True
    tagged: bool = True

    @property
    def mixed(self) -> bool:
        """Whether its sentences have words of both languages."""
        return self.entity != self.context


CORPORA = {
    "source": Made(SOURCE, SOURCE),
    "translated": Made(TARGET, TARGET),
    "source_switched": Made(entity=TARGET, context=SOURCE),
    "translated_switched": Made(entity=SOURCE, context=TARGET),
    "source_shuffled": Made(SOURCE, SOURCE, ordered=False),
    "translated_shuffled": Made(TARGET, TARGET, ordered=False),
    "target_text": Made(TARGET, TARGET, tagged=False),
}


@dataclass(frozen=True)
class Feed:
    """The corpora behind each loss of one training.

    Attributes:
        tagging: Corpora whose tags train encoder and head; their rows are shuffled together.
        language: Corpora whose words the language discriminator is shown; none for no such discriminator.
        order: Corpora whose sentences the order discriminator is shown; likewise.
        scope: Words whose language is discriminated: "all", those of entities ("entity", L_el) or the others
            ("context", L_cl).
    """

    tagging: tuple[str, ...]
    language: tuple[str, ...] = field(default=())
    order: tuple[str, ...] = field(default=())
    scope: str = "all"

    def __post_init__(self) -> None:
        """Refuse what cannot be fed.

        Raises:
            ValueError: An unknown corpus, tags asked of one that has none, or a discriminator without two classes.
        """
        unknown = sorted({*self.tagging, *self.language, *self.order} - set(CORPORA))
        if unknown:
            raise ValueError(f"there is no corpus {unknown[0]!r}, only {', '.join(CORPORA)}")
        if not self.tagging:
            raise ValueError("no corpus feeds the tagging loss")
        needs_tags = (*self.tagging, *(self.language if self.scope != "all" else ()))
        untagged = [name for name in needs_tags if not CORPORA[name].tagged]
        if untagged:
            raise ValueError(f"{untagged[0]} has no tags: it feeds no tagging loss and knows no scope but all")
        if self.language and self.languages() != {SOURCE, TARGET}:
            raise ValueError(f"{', '.join(self.language)}: a language discriminator needs words of both languages")
        if self.order and len({CORPORA[name].ordered for name in self.order}) < 2:
            raise ValueError(f"{', '.join(self.order)}: an order discriminator needs ordered and shuffled sentences")

    def languages(self) -> set[int]:
        """Languages of the words that the language discriminator is shown."""
        sides = {"all": ("entity", "context"), "entity": ("entity",), "context": ("context",)}[self.scope]
        return {getattr(CORPORA[name], side) for name in self.language for side in sides}

    @property
    def adversarial(self) -> tuple[str, ...]:
        """Corpora that any discriminator is shown."""
        return tuple(name for name in CORPORA if name in self.language or name in self.order)

    @property
    def corpora(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for name in CORPORA if name in self.tagging or name in self.adversarial)

    def without(self, *, language: bool = False, order: bool = False) -> Feed:
        """The same without a discriminator."""
        return replace(self, language=() if language else self.language, order=() if order else self.order)


# The paper names the corpora of D_entity, D_context and D_order; for the first it only says "all of them", and which
# of them feeds which discriminator is our reading.
FEEDS = {
    "src": Feed(
        tagging=("source",),
        language=("source", "translated", "source_switched", "translated_switched"),
        order=("source", "translated", "source_shuffled", "translated_shuffled"),
    ),
    "entity": Feed(
        tagging=("translated", "translated_switched"), language=("translated", "translated_switched"), scope="entity"
    ),
    "context": Feed(
        tagging=("translated", "source_switched"), language=("translated", "source_switched"), scope="context"
    ),
    "order": Feed(tagging=("translated", "translated_shuffled")),
    "advpicker": Feed(tagging=("source",), language=("source", "target_text")),
}


def changed(feed: Feed, **corpora: Iterable[str] | None) -> Feed:
    """A feed with other corpora behind some of its losses.

    Args:
        feed: The feed.
        corpora: `tagging`, `language`, `order`; None to leave one as it is.

    Raises:
        ValueError: As `Feed`.
    """
    return replace(feed, **{name: tuple(names) for name, names in corpora.items() if names is not None})  # type: ignore[arg-type]
