"""One sodium result as rules see it, or why no rule may use it; and its severity band."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter, lt
from typing import Literal

from msgspec import Struct

from cds_service.knowledge.limits import Limits


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


class Sample(Struct, frozen=True, kw_only=True):
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
    specimen: str = ""

    def __hash__(self) -> int:
        # Samples are looked up in sets and mappings again and again; time and value all but tell them apart.
        return hash((self.at, self.value))

    @property
    def exact(self) -> bool:
        """Whether it is a number at an instant, not a bound or a day: fit for differences over time."""
        return not self.comparator and not self.day_only


class Rejected(Struct, frozen=True, kw_only=True):
    """A sodium that no rule may use, and why (DQ cards). `unit` is text out of the record."""

    why: Literal["unit", "implausible", "status", "comparator", "time", "specimen"]
    shown: str  # number as recorded
    unit: str
    at: datetime | None


class Fall(Struct, frozen=True, kw_only=True):
    """Sodium fell: `amount` mmol/L within `over`."""

    amount: Decimal
    over: timedelta
    start: Sample


drawn = attrgetter("at")


def band_of(value: Decimal, limits: Limits, comparator: str = "") -> Band:
    """The band of an unrounded sodium; after "<" the value itself is not reached (A.3, B.0.1)."""
    if value > limits.mild_below or comparator.startswith(">"):
        return Band.NORMAL
    reached = comparator != "<"  # the value itself may be the sodium
    if value < limits.severe_below or (value == limits.severe_below and not reached):
        return Band.SEVERE
    if value < limits.moderate_below or (value == limits.moderate_below and not reached):
        return Band.MODERATE
    if value < limits.mild_below or limits.mild_includes or not reached:
        return Band.MILD
    return Band.NORMAL


def in_time(sample: Sample) -> tuple[datetime, bool, bool, Decimal, str, str]:
    """Order in time; at one instant the laboratory comes last, so that it stands for both."""
    return (
        sample.at,
        not sample.day_only,
        sample.method == "lab",
        -sample.value,
        sample.status,
        sample.reference,
    )


def ordered(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Each sample once, oldest first (`in_time`)."""
    given = tuple(samples)
    times = [*map(drawn, given)]
    if all(map(lt, times, times[1:])):
        return given  # the usual case, and much cheaper than the key of every sample
    return tuple(sorted(dict.fromkeys(given), key=in_time))


def band_edges(limits: Limits) -> tuple[Decimal, ...]:
    """The numbers that a shown sodium must not seem to reach by rounding."""
    return (limits.severe_below, limits.moderate_below, limits.mild_below)
