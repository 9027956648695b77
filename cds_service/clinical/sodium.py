"""The sodium series: which samples are usable, which one is the latest, its band, age and trend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal


class Band(StrEnum):
    """Severity by the active profile."""

    NORMAL = "normal"
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Freshness(StrEnum):
    """How far the age of a result lets us act on it (B.0.2)."""

    CURRENT = "current"
    AGING = "aging"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One usable sodium, mmol/L."""

    value: Decimal
    shown: str  # as a card writes it: "128", "<110"
    at: datetime
    method: Literal["lab", "poc"] = "lab"
    status: str = "final"
    comparator: str = ""
    day_only: bool = False
    result_time: bool = False
    unit_missing: bool = False
    below_plausible: bool = False  # 70 to 89.9 (S2)
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A sodium that no rule may use, and why (DQ cards)."""

    why: Literal["unit", "implausible", "status", "comparator", "time", "specimen"]
    shown: str  # number as recorded
    unit: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """Sodium fell: `amount` mmol/L within `over`."""

    amount: Decimal
    over: timedelta
    start: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class SodiumView:
    """The series as rules see it."""

    samples: tuple[Sample, ...] = ()  # usable, oldest first
    latest: Sample | None = None
    measured: Band = Band.NORMAL  # band of the measured value
    band: Band = Band.NORMAL  # band that rules use: of the Katz value where glucose is high (M5)
    age: timedelta = timedelta(0)
    freshness: Freshness = Freshness.STALE
    rejected: tuple[Rejected, ...] = ()
    newest_rejected: Rejected | None = None  # newer than `latest` (or there is none), for unit or plausibility
    other_method: Sample | None = None  # lab and point of care disagree by more than the limit (S3)
    falling: Fall | None = None  # B.0.8 "Falling"
    acute: Fall | None = None  # M3
    stable_chronic: bool = False  # B.5 rule 6 as far as samples go
    never_repeated_severe: bool = False  # B.0.2 exception, M17

    @property
    def low(self) -> bool:
        """Whether the latest usable value is low by the profile (band in use)."""
        return self.latest is not None and self.band is not Band.NORMAL
