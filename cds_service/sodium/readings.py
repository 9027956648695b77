"""Laboratory and vital-sign values beside sodium, in the unit that rules use, with honest comparators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.limits import Limits
from cds_service.knowledge.terms import Lab
from cds_service.sodium.series import SODIUM, in_future, usable_status
from cds_service.sodium.snapshot import LabResult, Snapshot
from cds_service.terminology.units import factor

_DAY = timedelta(days=1)
_URINE = "urine-"
_LARGEST_EXPONENT = (
    12  # no measurement has more digits on either side; arithmetic on such numbers overflows
)


class Reading(Struct, frozen=True, kw_only=True):
    """One usable value; `until` is the latest moment it may stand for (the end of a day without a clock)."""

    value: Decimal
    at: datetime
    until: datetime
    comparator: str = ""

    @property
    def exact(self) -> bool:
        """Whether the value is a number and not a bound."""
        return not self.comparator

    def below(self, limit: Decimal) -> bool:
        """Whether the true value is certainly below the limit."""
        if self.comparator.startswith(">"):
            return False
        return self.value < limit or (self.comparator == "<" and self.value == limit)

    def above(self, limit: Decimal) -> bool:
        """Whether the true value is certainly above the limit."""
        if self.comparator.startswith("<"):
            return False
        return self.value > limit or (self.comparator == ">" and self.value == limit)

    def at_least(self, limit: Decimal) -> bool:
        """Whether the true value is certainly at the limit or above."""
        return not self.comparator.startswith("<") and self.value >= limit


class Readings:
    """The values of one snapshot by analyte (keys of labs.toml), oldest first."""

    def __init__(self, now: datetime, found: Mapping[str, Iterable[Reading]]) -> None:
        self._now = now
        self._found = {
            analyte: tuple(sorted(readings, key=_in_time)) for analyte, readings in found.items()
        }

    @classmethod
    def of(cls, snapshot: Snapshot, limits: Limits, labs: Mapping[str, Lab]) -> Readings:
        """What is usable beside sodium (see `Series`): of now or earlier, not withdrawn, in a unit of labs.toml."""
        found: dict[str, list[Reading]] = {}
        for result in snapshot.labs:
            if result.analyte == SODIUM:
                continue
            late = result.time is not None and in_future(result.time, snapshot, limits)
            reading = None if late else _reading(result, labs.get(result.analyte))
            if reading:
                found.setdefault(result.analyte, []).append(reading)
        return cls(snapshot.now, found)

    @classmethod
    def none(cls) -> Readings:
        """No values at all."""
        return cls(datetime.min.replace(tzinfo=UTC), {})

    def all(self, analyte: str) -> tuple[Reading, ...]:
        """Every value of this analyte, oldest first."""
        return self._found.get(analyte, ())

    def within(self, analyte: str, window: timedelta) -> tuple[Reading, ...]:
        """The values that may be younger than the window, oldest first."""
        found = self._found.get(analyte)
        return tuple([r for r in found if self._now - r.until <= window]) if found else ()

    def latest(self, analyte: str, window: timedelta) -> Reading | None:
        """The newest value that may be younger than the window."""
        found = self.within(analyte, window)
        return found[-1] if found else None


def measurable(value: Decimal) -> bool:
    """Whether a recorded number can be a measurement: finite, and of no absurd size."""
    return value.is_finite() and (value == 0 or abs(value.adjusted()) <= _LARGEST_EXPONENT)


def _reading(result: LabResult, lab: Lab | None) -> Reading | None:
    by = factor(lab, result.unit) if lab is not None else None
    if result.time is None or by is None or usable_status(result.status) is None:
        return None
    if not measurable(result.value) or (result.urine and not result.analyte.startswith(_URINE)):
        return None
    at = result.time.at
    return Reading(
        value=result.value * by,
        at=at,
        until=at + _DAY if result.time.day_only else at,
        comparator=result.comparator,
    )


def _in_time(reading: Reading) -> tuple[datetime, Decimal, str]:
    """Order in time; of two values of one moment the lower one counts as the newer."""
    return (reading.at, -reading.value, reading.comparator)


def paired(reading: Reading, partners: Iterable[Reading], near: timedelta) -> Reading | None:
    """The partner nearest in time, not further than `near`; bounds are no partners."""
    close = [p for p in partners if p.exact and abs(p.at - reading.at) <= near]
    return min(close, key=lambda p: abs(p.at - reading.at), default=None)
