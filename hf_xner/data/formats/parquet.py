"""Parquet with list columns ``tokens`` and ``ner_tags``, as corpora lie on the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_xner.data.formats.records import TAG_NAMES, check_strings, check_tags, same_tagging
from hf_xner.data.formats.text import RawSentence, place, read_bytes
from hf_xner.errors import InputError


@dataclass(frozen=True)
class ParquetLayout:
    """Which columns hold tokens and tags.

    Tags may be strings, or numbers whose names the file carries (the ClassLabel that `datasets` writes).

    Attributes:
        token: Column of the lists of tokens.
        tag: Column of the lists of tags, or None for the first of ``ner_tags``, ``tags``, ``labels``.
        names: Names of numbered tags, for files known to lack them.
    """

    token: str = "tokens"
    tag: str | None = None
    names: tuple[str, ...] = ()

    def sentences(self, path: Path) -> Iterator[RawSentence]:
        """Yield the sentences of a file.

        Raises:
            InputError: The file is no parquet, lacks the columns, or holds numbered tags without names.
        """
        table = _read(path)
        if self.token not in table.column_names:
            raise InputError(
                f"no column {self.token!r}", where=str(path), remedy=f"it has {', '.join(table.column_names)}"
            )
        tag = self.tag or next((name for name in TAG_NAMES if name in table.column_names), None)
        names = _names(table.schema.metadata or {}, tag) or self.names
        columns = [name for name in (self.token, tag, "id") if name in table.column_names]
        rows = (row for batch in table.select(columns).to_batches(1000) for row in batch.to_pylist())
        tagged: bool | None = None
        for number, row in enumerate(rows, start=1):
            where = place(path, number)
            tagged = same_tagging(tagged, tag is not None and row.get(tag) is not None, where)
            tokens = check_strings(row[self.token], "token", where)
            tags = None if tag is None else _named(row.get(tag), names, where)
            if tags is not None:
                check_tags(tags, len(tokens), where)
            name = row.get("id")
            yield RawSentence(tokens, tags, None if name is None else str(name), [number] * len(tokens))


def _read(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    data = read_bytes(path)
    try:
        return pyarrow.parquet.read_table(pyarrow.BufferReader(data))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"not a parquet file ({reason})", where=str(path), remedy="fetch or write it again") from None


def _names(metadata: dict[bytes, bytes], tag: str | None) -> tuple[str, ...]:
    """Names of the ClassLabel that `datasets` noted in the file, or none."""
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][tag]
        inner = feature.get("feature", feature) if isinstance(feature, dict) else feature[0]
        return tuple(inner["names"])
    except (KeyError, IndexError, TypeError, ValueError):
        return ()


def _named(tags: Any, names: Sequence[str], where: str) -> Any:
    if not isinstance(tags, list) or not names or not all(isinstance(tag, int) for tag in tags):
        return tags
    if any(not 0 <= tag < len(names) for tag in tags):
        raise InputError(
            f"a tag outside of 0 to {len(names) - 1}", where=where, remedy=f"the file names {', '.join(names)}"
        )
    return [names[tag] for tag in tags]
