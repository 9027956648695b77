"""Laboratory and vital-sign values beside sodium, in the unit that rules use, with honest comparators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cds_service.clinical.snapshot import LabResult, Snapshot
from cds_service.knowledge.terms import Lab

_UNUSABLE = frozenset({"entered-in-error", "cancelled", "registered"})
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
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

    def __init__(self, snapshot: Snapshot, labs: Mapping[str, Lab]) -> None:
        self._now = snapshot.now
        self._by_analyte: dict[str, list[Reading]] = {}
        for result in snapshot.labs:
            reading = _reading(result, labs.get(result.analyte))
            if reading:
                self._by_analyte.setdefault(result.analyte, []).append(reading)
        for readings in self._by_analyte.values():
            readings.sort(key=lambda r: r.at)

    def all(self, analyte: str) -> tuple[Reading, ...]:
        """Every value of this analyte, oldest first."""
        return tuple(self._by_analyte.get(analyte, ()))

    def within(self, analyte: str, window: timedelta) -> tuple[Reading, ...]:
        """The values that may be younger than the window, oldest first."""
        return tuple(r for r in self.all(analyte) if self._now - r.until <= window)

    def latest(self, analyte: str, window: timedelta) -> Reading | None:
        """The newest value that may be younger than the window."""
        found = self.within(analyte, window)
        return found[-1] if found else None


def _reading(result: LabResult, lab: Lab | None) -> Reading | None:
    if result.time is None or result.status in _UNUSABLE or not result.value.is_finite():
        return None
    factor = _factor(result.unit, lab)
    if factor is None:
        return None
    at = result.time.at
    return Reading(
        value=result.value * factor,
        at=at,
        until=at + _DAY if result.time.day_only else at,
        comparator=result.comparator,
    )


def _factor(unit: str, lab: Lab | None) -> Decimal | None:
    """What turns the recorded unit into the unit of labs.toml; a value without a unit is taken as it is."""
    recorded = unit.strip().lower()
    if lab is None or not recorded or recorded == lab.unit.lower():
        return Decimal(1)
    factor = lab.units.get(recorded)
    return Decimal(factor) if factor is not None else None
