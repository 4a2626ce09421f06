"""One `datasets` builder a family of corpora: scripts on the Hub no longer run, classes in a package do.

A builder's cache is named after the content of its files and all that decides how they are read, so that an edited
file is read anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import datasets
from datasets import ClassLabel, Features, List, Value

from hf_xner.data.label_maps import TypeMap, mapped_types
from hf_xner.data.readers import TaggedFile, map_types
from hf_xner.labels import tag_names


def corpus_features(types: Iterable[str] | None) -> Features:
    """Columns of a corpus: id, tokens and, with types, ner_tags in IOB2."""
    features = {"id": Value("string"), "tokens": List(Value("string"))}
    if types is not None:
        features["ner_tags"] = List(ClassLabel(names=tag_names(types)))
    return Features(features)


@dataclass
class CorpusConfig(datasets.BuilderConfig):
    """What a builder reads.

    Attributes:
        splits: The splits to write.
        read: Gives the files of a split.
        mapping: The corpus' types to those wanted; None for splits without tags.
    """

    splits: tuple[str, ...] = ()
    read: Callable[[str], Iterable[TaggedFile]] = field(default=lambda split: ())
    mapping: TypeMap | None = None

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Features | None = None) -> str:
        """The name alone: it holds a checksum of everything else."""
        return self.name


class CorpusBuilder(datasets.GeneratorBasedBuilder):
    """Writes the sentences of a corpus, tags in IOB2, as id, tokens and ner_tags."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = CorpusConfig
    config: CorpusConfig

    def _info(self) -> datasets.DatasetInfo:
        mapping = self.config.mapping
        return datasets.DatasetInfo(features=corpus_features(None if mapping is None else mapped_types(mapping)))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [datasets.SplitGenerator(name=split, gen_kwargs={"split": split}) for split in self.config.splits]

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        mapping = self.config.mapping
        numbers = {} if mapping is None else {tag: n for n, tag in enumerate(tag_names(mapped_types(mapping)))}
        changes = mapping is not None and any(source != target for source, target in mapping.items())
        key = 0
        for file in self.config.read(split):
            for sentence in file.sentences:
                row: dict[str, Any] = {"id": sentence.id or str(key), "tokens": sentence.tokens}
                if mapping is not None:
                    tags = sentence.tags or []
                    row["ner_tags"] = [numbers[tag] for tag in (map_types(tags, mapping) if changes else tags)]
                yield key, row
                key += 1


class Conll2003(CorpusBuilder):
    """CoNLL-2003 English and German."""


class Conll2002(CorpusBuilder):
    """CoNLL-2002 Spanish and Dutch."""


class WikiAnn(CorpusBuilder):
    """WikiAnn (PAN-X)."""


class NorNE(CorpusBuilder):
    """NorNE, with all types or four."""


class NoDaLiDa2019(CorpusBuilder):
    """Johansen's Norwegian corpus."""


class MultiCoNER(CorpusBuilder):
    """MultiCoNER, both editions."""


class FiNER(CorpusBuilder):
    """FiNER, with all types or four."""


class Aqmar(CorpusBuilder):
    """AQMAR in the splits of Bari et al."""


class UNER(CorpusBuilder):
    """Universal NER."""


class Sample(CorpusBuilder):
    """The built-in corpus."""


class OwnFiles(CorpusBuilder):
    """A user's own files."""


BUILDERS: dict[str, type[CorpusBuilder]] = {
    "conll2003": Conll2003,
    "conll2002": Conll2002,
    "wikiann": WikiAnn,
    "norne": NorNE,
    "norne4": NorNE,
    "nodalida2019": NoDaLiDa2019,
    "multiconer": MultiCoNER,
    "multiconer2": MultiCoNER,
    "finer": FiNER,
    "finer4": FiNER,
    "aqmar": Aqmar,
    "uner": UNER,
    "sample": Sample,
}


def checksum(*parts: Any) -> str:
    """Sixteen hexadecimal digits that stand for the parts and for the code that reads them."""
    written = json.dumps([str(CorpusBuilder.VERSION), *parts], sort_keys=True, default=str)
    return hashlib.sha256(written.encode(errors="surrogatepass")).hexdigest()[:16]
