"""What is known about a corpus: where it comes from, what it holds, how its files are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hf_xner.data.formats.sniffing import Layout
from hf_xner.errors import InputError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Published:
    """The size of a split: what the papers' tables say, and what its files hold.

    Attributes:
        sentences: Published number of sentences.
        entities: Published number of entities.
        true_sentences: What the files hold, where that differs.
        true_entities: What the files hold, where that differs.
        why: Why it differs.
    """

    sentences: int
    entities: int | None = None
    true_sentences: int | None = None
    true_entities: int | None = None
    why: str = ""


@dataclass(frozen=True)
class HubSource:
    """Where a corpus lies on the Hugging Face Hub.

    Attributes:
        repository: The dataset repository.
        files: For each split the pattern of its files, with the fields of a configuration in braces.
        revision: Branch or commit.
        names: Tags in the order of their numbers, for parquet files that do not say.
        configs: Configurations that are there; empty for all.
    """

    repository: str
    files: Mapping[str, str]
    revision: str = "main"
    names: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()


@dataclass(frozen=True)
class CorpusInfo:
    """A corpus in the registry, or a user's own files.

    Attributes:
        name: First part of its spec.
        title: What it is, in one line.
        configs: Second part of its spec (usually a language), each with the fields that file names may use.
        types: Its entity types, in the order of its authors.
        licence: Under which conditions it may be used.
        homepage: Where it comes from.
        citation: BibTeX.
        files: For each split the names that its file may have, best first; a name without braces says nothing about
            the configuration.
        layout: How its files are written; None to tell it from each file.
        encodings: Encodings its files come in, in the order to try them.
        type_map: Types of the files to those of the corpus, None for one that the corpus does not count.
        folder: Folder under a data directory; its name if empty.
        published: For each configuration and split the published size.
        note: What a user should know.
        hub: Where it lies on the Hub, or None: it must be fetched by hand.
        config: The configuration that `describe` was asked for.
        observed: The types are those that occur in a user's files.
    """

    name: str
    title: str
    configs: Mapping[str, Mapping[str, str]]
    types: tuple[str, ...]
    licence: str = ""
    homepage: str = ""
    citation: str = ""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    layout: Layout | None = None
    encodings: tuple[str, ...] = ("utf-8",)
    type_map: Mapping[str, str | None] = field(default_factory=dict)
    folder: str = ""
    published: Mapping[str, Mapping[str, Published]] = field(default_factory=dict)
    note: str = ""
    hub: HubSource | None = None
    config: str | None = None
    observed: bool = False

    @property
    def language(self) -> str | None:
        """Language code of the configuration, where one was asked for."""
        if self.config is None:
            return None
        return self.configs.get(self.config, {}).get("language", self.config)

    @property
    def file_types(self) -> frozenset[str]:
        """Types that its files may hold."""
        return frozenset({*self.types, *self.type_map})

    def names(self, config: str, template: str) -> str:
        """Fill a configuration's fields into a file name or pattern."""
        fields = {"config": config, "language": config, **self.configs[config]}
        return template.format_map(fields)

    def check_config(self, config: str | None) -> str:
        """Refuse a configuration that the corpus does not have.

        Raises:
            InputError: It is missing or unknown; the message lists those there are.
        """
        if config is not None and config in self.configs:
            return config
        listed = ", ".join(self.configs) if len(self.configs) <= 40 else f"{len(self.configs)} languages"
        example = "en" if "en" in self.configs else next(iter(self.configs))
        if not config:
            raise InputError(
                f"{self.name} needs a language", remedy=f"write {self.name}:{example} (there are {listed})"
            )
        raise InputError(
            f"unknown language {config!r} in {self.name}:{config}",
            remedy=f"{self.name} has {listed}; see xner data list",
        )
