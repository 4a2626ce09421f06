"""A checksum of what a Dataset says, whatever way Arrow stores it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_xner.errors import InputError

if TYPE_CHECKING:
    from datasets import Dataset


def content_digest(dataset: Dataset, columns: Sequence[str]) -> str:
    """SHA-256 of the content of some columns, in row order.

    It depends on the values alone: not on how Arrow chunks them, on other columns, on files or on how the Dataset came
    to be. Numbered tags count with their names, so that another order of the same names is another content.

    Args:
        dataset: The Dataset.
        columns: Columns to read, in this order.

    Returns:
        64 hexadecimal digits.

    Raises:
        InputError: A column is missing.
    """
    missing = [name for name in columns if name not in dataset.column_names]
    if missing:
        raise InputError(f"no column {missing[0]!r}", remedy=f"there are {', '.join(dataset.column_names)}")
    if dataset._indices is not None:
        dataset = dataset.select_columns(list(columns)).flatten_indices()
    total = hashlib.sha256()
    for name in columns:
        total.update(f"{name} {_names(dataset.features[name])} {len(dataset)};".encode())
        parts: dict[tuple[int, str], Any] = {}
        for chunk in dataset.data.column(name).chunks:
            _update(parts, 0, chunk)
        for (depth, kind), part in sorted(parts.items()):
            total.update(f"{depth}{kind}".encode() + part.digest())
    return total.hexdigest()


def _names(feature: Any) -> str:
    """Names behind numbers, at whatever depth."""
    inner = getattr(feature, "feature", None)
    return _names(inner) if inner is not None else ",".join(getattr(feature, "names", None) or ())


def _update(parts: dict[tuple[int, str], Any], depth: int, array: Any) -> None:
    """Feed one chunk to the checksums: one a level of nesting, so that the border between chunks leaves no trace."""
    import pyarrow

    kind = array.type
    if isinstance(array, pyarrow.ExtensionArray):
        _update(parts, depth, array.storage)
        return
    _feed(parts, (depth, "valid"), np.asarray(array.is_valid(), dtype=np.uint8).tobytes())
    array = array.drop_null()
    if pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind):
        _feed(parts, (depth, "length"), _integers(array.value_lengths()))
        _update(parts, depth + 1, array.flatten())
    elif pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        strings = array.cast(pyarrow.large_binary())
        ends = np.frombuffer(strings.buffers()[1], dtype="<i8")[strings.offset :][: len(strings) + 1]
        _feed(parts, (depth, "length"), np.diff(ends).tobytes())
        _feed(parts, (depth, "text"), _between(strings.buffers()[2], ends))
    elif pyarrow.types.is_integer(kind) or pyarrow.types.is_boolean(kind):
        _feed(parts, (depth, "number"), _integers(array))
    else:
        _feed(parts, (depth, str(kind)), np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).tobytes())


def _feed(parts: dict[tuple[int, str], Any], key: tuple[int, str], data: bytes) -> None:
    if data:
        parts.setdefault(key, hashlib.sha256()).update(data)


def _integers(array: Any) -> bytes:
    return array.to_numpy(zero_copy_only=False).astype("<i8").tobytes()


def _between(buffer: Any, ends: np.ndarray) -> bytes:
    if buffer is None or not len(ends):
        return b""
    return buffer.slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes()
