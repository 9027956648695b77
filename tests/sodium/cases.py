"""Small real objects for tests of the medicine: limits out of hooks/, results, samples, snapshots."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import msgspec

from cds_service.knowledge.limits import Limits, Threshold, limits_of
from cds_service.knowledge.load import default_hooks_dir
from cds_service.knowledge.words import Lab
from cds_service.sodium.results import Sample
from cds_service.sodium.snapshot import LabResult, Moment, Snapshot

NOW = datetime(2026, 11, 15, 12, 0, tzinfo=UTC)
THRESHOLDS = default_hooks_dir() / "knowledge" / "thresholds.toml"

LABS = msgspec.convert(
    tomllib.loads(THRESHOLDS.with_name("labs.toml").read_text(encoding="utf-8")), dict[str, Lab]
)


@cache
def limits(profile: str = "aasld") -> Limits:
    """The shipped numbers of one profile."""
    tables = tomllib.loads(THRESHOLDS.read_text(encoding="utf-8"), parse_float=Decimal)
    return limits_of(profile, {name: msgspec.convert(t, Threshold) for name, t in tables.items()})


def lab(
    value: str, ago: timedelta = timedelta(0), *, analyte: str = "sodium", **more: Any
) -> LabResult:
    """One final result, drawn so long before NOW."""
    day_only, result_time = more.pop("day_only", False), more.pop("result_time", False)
    unit = more.pop("unit", "mmol/L" if analyte == "sodium" else LABS[analyte].unit)
    return LabResult(
        analyte=analyte,
        value=Decimal(value),
        unit=unit,
        time=Moment(at=NOW - ago, day_only=day_only, result_time=result_time),
        status=more.pop("status", "final"),
        **more,
    )


def hours_ago(value: str, hours: float, **more: Any) -> LabResult:
    """One result, drawn so many hours before NOW."""
    return lab(value, timedelta(hours=hours), **more)


def snapshot(*labs: LabResult, **more: Any) -> Snapshot:
    """A patient with these results, NOW."""
    return Snapshot(now=NOW, labs=labs, **more)


def sample(hour: float, value: str, method: Literal["lab", "poc"] = "lab", **more: Any) -> Sample:
    """One usable sodium at this hour of a made-up clock that starts at NOW."""
    return Sample(
        value=Decimal(value), shown=value, at=NOW + timedelta(hours=hour), method=method, **more
    )
