"""What a dry run shows: the stages of a run, which of them are there, and what the others will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hf_xner.systems.readable import readable_bytes, readable_seconds, table
from hf_xner.systems.stage_records import StageRecord


@dataclass(frozen=True)
class PlannedStage:
    """One stage of a dry run.

    Attributes:
        name: Label of the stage.
        kind: What sort of work it is.
        key: Its address in the store.
        status: "done", "partial" (an earlier attempt was killed, and is continued) or "to do".
        seconds: Estimated duration, 0 if done, None if nothing of this kind was measured yet. For a partial stage
            that of the whole, which is the most it can take.
        bytes: Estimated additional disk, 0 if done, None if unknown.
    """

    name: str
    kind: str
    key: str
    status: str
    seconds: float | None
    bytes: int | None


def seconds_per_unit(records: Iterable[StageRecord], kind: str, encoder: str | None) -> float | None:
    """Return the measured rate of a kind of stage, in seconds per unit of work, or None if there is none.

    Args:
        records: Finished stages.
        kind: The kind of stage asked about.
        encoder: Digest of the encoder; if given, only stages with the same one count.
    """
    measured = [
        record
        for record in records
        if record.kind == kind
        and record.units
        and not record.resumed
        and (encoder is None or encoder_of(record.inputs, record.settings) == encoder)
    ]
    units = sum(record.units or 0.0 for record in measured)
    return sum(record.seconds for record in measured) / units if units else None


def encoder_of(inputs: Mapping[str, str], settings: Mapping[str, Any]) -> str | None:
    """Return the digest of the encoder that a stage works with, where it names one."""
    return settings.get("encoder", inputs.get("encoder"))


def format_plan(stages: Sequence[PlannedStage]) -> str:
    """Return the plan as a table with a total of what is still to do."""
    rows = [
        [
            stage.name,
            stage.kind,
            stage.key,
            stage.status,
            "" if stage.status == "done" else readable_seconds(stage.seconds),
            "" if stage.status == "done" else readable_bytes(stage.bytes),
        ]
        for stage in stages
    ]
    return f"{table(['stage', 'kind', 'key', 'status', 'time', 'disk'], rows)}\n{_total(stages)}"


def _total(stages: Sequence[PlannedStage]) -> str:
    left = [stage for stage in stages if stage.status != "done"]
    times = [stage.seconds for stage in left if stage.seconds is not None]
    sizes = [stage.bytes for stage in left if stage.bytes is not None]
    parts = [f"{len(left)} of {len(stages)} stages to do"]
    if left:
        parts.append(_sum("time", readable_seconds(sum(times)), len(left) - len(times)))
        parts.append(_sum("disk", readable_bytes(sum(sizes)), len(left) - len(sizes)))
    return "; ".join(parts)


def _sum(what: str, known: str, unknown: int) -> str:
    return f"{what} {known}" if not unknown else f"{what} {known} and that of {unknown} not yet known"
