"""Corpora as `datasets`: one call for those of the registry, the built-in sample and a user's own files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hf_xner.data.digest import content_digest
from hf_xner.data.formats.text import file_digest
from hf_xner.data.info import SPLITS, CorpusInfo
from hf_xner.data.label_maps import LabelMap, TypeMap, resolve_label_map
from hf_xner.data.readers import TaggedFile
from hf_xner.data.registry import CORPORA
from hf_xner.data.sources import Source, locate
from hf_xner.data.specs import parse_spec
from hf_xner.errors import InputError
from hf_xner.labels import entity_types

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["content_digest", "describe", "list_corpora", "load_corpus", "unlabelled"]


def list_corpora() -> list[CorpusInfo]:
    """The corpora of the registry."""
    return list(CORPORA.values())


def describe(spec: str, *, encoding: str | None = None) -> CorpusInfo:
    """Tell what is known about a corpus, without its files where it is in the registry.

    Args:
        spec: Its spec (`conll2003:en`, a path, ...).
        encoding: Encoding of a user's own files.

    Returns:
        What is known. Of a user's own files the types are those that occur in them (`observed`).

    Raises:
        InputError: The spec means nothing, or the files are unusable.
    """
    parsed = parse_spec(spec)
    if parsed.info is not None:
        return replace(parsed.info, config=parsed.config)
    source = locate(parsed, encoding=encoding)
    return replace(source.info, types=tuple(_observed_types(_read_all(source))))


def load_corpus(
    spec: str,
    *,
    data_dir: str | Path | None = None,
    label_map: LabelMap | None = None,
    encoding: str | None = None,
    cache_dir: str | Path | None = None,
) -> DatasetDict:
    """Load a corpus: local files first, the Hub second.

    Args:
        spec: ``conll2003:en``, ``wikiann:ar``, ``sample:es``, ..., or the path of a folder (with files for train, dev
            and test) or of a file (which becomes the split train).
        data_dir: Folder with corpora, searched as ``<data_dir>/<corpus>/<language>``,
            ``<data_dir>/corpora/<corpus>/<language>``, ``<data_dir>/<corpus>`` and itself; after it the folder that
            the environment variable HF_XNER_DATA names.
        label_map: What becomes of the entity types; see `hf_xner.data.label_maps.resolve_label_map`.
        encoding: Encoding of the files, where it is not what the corpus usually has (UTF-8).
        cache_dir: Where `datasets` keeps its Arrow files; its own cache by default. A file that has changed is read
            anew.

    Returns:
        The splits train, validation and test, those that exist, each with ``id`` (string), ``tokens`` (list of
        strings) and ``ner_tags`` (list of ClassLabel, IOB2, ``O`` first, then types in alphabetical order). A split
        without tags has only the first two.

    Raises:
        InputError: The spec, a file, the encoding or the label map is unusable. The message names the file and line
            where there is one, and what to do.
    """
    from datasets import DatasetDict

    source = locate(spec, data_dir=data_dir, encoding=encoding)
    read: Callable[[str], Iterable[TaggedFile]] = source.read
    untagged: set[str] = set()
    if source.info.observed or source.built_in:
        contents = _read_all(source)
        read = contents.__getitem__
        untagged = {split for split, files in contents.items() if not all(file.tagged for file in files)}
        if source.info.observed:
            source = replace(source, info=replace(source.info, types=tuple(_observed_types(contents))))
    mapping = _mapping(source, label_map) if set(source.splits) - untagged else {}
    identity = _identity(source, read)
    parts: dict[str, Dataset] = {}
    for with_tags in (True, False):
        splits = tuple(split for split in source.splits if (split not in untagged) == with_tags)
        if splits:
            parts |= _build(source, splits, read, mapping if with_tags else None, identity, cache_dir)
    return DatasetDict({split: parts[split] for split in SPLITS if split in parts})


def unlabelled(dataset: Dataset) -> Dataset:
    """What training on a target language may see of a corpus: id and tokens, and nothing else.

    Args:
        dataset: One split.

    Returns:
        The same rows with exactly the columns ``id`` and ``tokens``.

    Raises:
        InputError: One of the two is missing.
    """
    missing = [name for name in ("id", "tokens") if name not in dataset.column_names]
    if missing:
        raise InputError(
            f"no column {missing[0]!r} among {', '.join(dataset.column_names) or 'none'}",
            remedy="give one split of a corpus that load_corpus has loaded",
        )
    return dataset.select_columns(["id", "tokens"])


def _read_all(source: Source) -> dict[str, list[TaggedFile]]:
    return {split: list(source.read(split)) for split in source.splits}


def _observed_types(contents: dict[str, list[TaggedFile]]) -> list[str]:
    tagged = (file for files in contents.values() for file in files if file.tagged)
    sentences = (sentence for file in tagged for sentence in file.sentences)
    return entity_types({tag for sentence in sentences for tag in sentence.tags or ()})


def _mapping(source: Source, label_map: LabelMap | None) -> TypeMap:
    return resolve_label_map(label_map, source.info.types, source.spec)


def _identity(source: Source, read: Callable[[str], Iterable[TaggedFile]]) -> dict[str, object]:
    """Everything but the label map that decides what is read."""
    if source.built_in:
        content: object = {split: [file.sentences for file in read(split)] for split in source.splits}
    else:
        content = {split: [file_digest(path) for path in paths] for split, paths in source.files.items()}
    return {
        "corpus": "" if source.info.observed else source.info.name,
        "content": content,
        "layouts": [repr(source.layout(path)) + path.suffix for paths in source.files.values() for path in paths],
        "encodings": source.encodings,
        "options": source.options,
        "types": source.info.types,
        "type_map": dict(source.info.type_map),
    }


def _build(
    source: Source,
    splits: tuple[str, ...],
    read: Callable[[str], Iterable[TaggedFile]],
    mapping: TypeMap | None,
    identity: dict[str, object],
    cache_dir: str | Path | None,
) -> dict[str, Dataset]:
    from datasets.exceptions import DatasetGenerationError

    from hf_xner.data.builders import BUILDERS, OwnFiles, checksum

    kind = OwnFiles if source.info.observed else BUILDERS[source.info.name]
    prefix = source.config if source.config.replace("-", "").replace("_", "").isalnum() else "own"
    try:
        builder = kind(
            dataset_name=f"hf_xner_{kind.__name__.lower()}",
            config_name=f"{prefix}-{checksum(identity, splits, mapping)}",
            cache_dir=None if cache_dir is None else str(cache_dir),
            splits=splits,
            read=read,
            mapping=mapping,
        )
        builder.download_and_prepare()
        return dict(builder.as_dataset())
    except (DatasetGenerationError, OSError) as error:
        raise _plain_error(error, cache_dir) from None


def _plain_error(error: BaseException, cache_dir: str | Path | None) -> BaseException:
    """What went wrong underneath: `datasets` wraps whatever happens while it writes."""
    import datasets

    chain = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    wrong_input = next((cause for cause in chain if isinstance(cause, InputError)), None)
    system = [cause for cause in chain if isinstance(cause, OSError)]
    if wrong_input is not None or not system:
        return wrong_input or error
    reason = next((cause.strerror for cause in system if cause.strerror), str(system[0]).partition("\n")[0])
    full = any(cause.errno == errno.ENOSPC for cause in system) or "disk space" in reason
    return InputError(
        "no space left for the corpus cache" if full else f"cannot write the corpus cache ({reason})",
        where=str(cache_dir or datasets.config.HF_DATASETS_CACHE),
        remedy="free some, or set HF_DATASETS_CACHE to a folder that has it" if full else "set HF_DATASETS_CACHE",
    )
