"""A sample that was drawn beside an infusion: all of it is diluted alike (F41, F44)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct, field

from cds_service.knowledge.names import Analyte, Problem
from cds_service.sodium.acute_setting import irrigated_before
from cds_service.sodium.depletion import creatinine_rise, red_flag_window
from cds_service.sodium.glucose import drawn_together
from cds_service.sodium.results import Reading, Sample

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

DILUTED = (Analyte.POTASSIUM, Analyte.CREATININE)  # measured with most sodiums
ALL_DILUTED = (*DILUTED, Analyte.BUN, Analyte.SERUM_ALBUMIN)


class Change(Struct, frozen=True, kw_only=True):
    """A value of the sample, and the one before it."""

    before: Decimal
    now: Decimal

    @property
    def ratio(self) -> Decimal:
        """Which part of the value before is left."""
        return self.now / self.before


class DripSample(Struct, frozen=True, kw_only=True):
    """The newest sodium is of a sample that an infusion seems to have diluted."""

    glucose: Change | None = None  # None: not measured in it, so that all else has to tell
    diluted: Mapping[Analyte, Change] = field(default_factory=dict)  # by analyte


def drip_sample(case: Case) -> DripSample | None:
    """Returns the newest sample if an infusion seems to have diluted it; else None."""
    latest = case.series.latest
    if latest is None or latest.day_only:
        return None
    window = case.limits.drip_before_hours
    glucose = _change(Analyte.GLUCOSE, latest, case, window)
    if any(drawn_together(latest, r) for r in case.readings.all(Analyte.GLUCOSE)):
        return None if glucose is None else _by_glucose(case, latest, glucose)
    return _without_glucose(case, latest)


def _by_glucose(case: Case, latest: Sample, glucose: Change) -> DripSample | None:
    """Returns the sample if its glucose rose steeply while sodium and the rest fell.

    A true rise of glucose takes water out of the cells and out of the body: creatinine does not
    fall with it, nor potassium by so much.
    """
    limits, window = case.limits, case.limits.drip_before_hours
    if glucose.now - glucose.before < limits.drip_glucose_rise_from:
        return None
    sodium, changes = _sodium(latest, case, window), _changes(DILUTED, latest, case, window)
    if sodium is None or sodium.now >= sodium.before or not changes:
        return None
    alike = all(one.ratio <= limits.drip_diluted_to for one in changes.values())
    return DripSample(glucose=glucose, diluted=changes) if alike else None


def _without_glucose(case: Case, latest: Sample) -> DripSample | None:
    """Returns the sample if two other values and more fell with sodium, each by a large share.

    No water that is drunk or infused does so to a living patient: with a third of the potassium,
    creatinine and albumin a third of the sodium would be gone. A kidney that recovers, dialysis
    and irrigation lower some of them truly.
    """
    limits, window = case.limits, case.limits.drip_plain_hours
    sodium = _sodium(latest, case, window)
    if sodium is None or sodium.before - sodium.now < limits.acute_fall_from:
        return None
    changes = _changes(ALL_DILUTED, latest, case, window)
    share = min(limits.drip_plain_to, sodium.ratio)
    alike = all(one.ratio <= share for one in changes.values())
    if not alike or len(changes) < limits.drip_plain_values or _truly_diluted(case, latest):
        return None
    return DripSample(diluted=changes)


def _truly_diluted(case: Case, latest: Sample) -> bool:
    """Returns whether dialysis, a recovering kidney or irrigation lowers these values truly."""
    window = red_flag_window(case)
    injured = case.problems.has_current(Problem.ACUTE_KIDNEY_INJURY, window)
    injured = injured or creatinine_rise(case, window) is not None
    return injured or case.dialysis or irrigated_before(case, latest.at)


def _sodium(latest: Sample, case: Case, window: timedelta) -> Change | None:
    """Returns the sodium with the one before it; None without one."""
    before = [s for s in case.series.samples if s.exact and _is_before(s, latest, window)]
    return Change(before=before[-1].value, now=latest.value) if before else None


def _is_before(one: Sample | Reading, latest: Sample, window: timedelta) -> bool:
    """Returns whether a result is older than the sample, and not by too much."""
    return not one.day_only and one.at < latest.at and latest.at - one.at <= window


def _changes(
    analytes: tuple[Analyte, ...], latest: Sample, case: Case, window: timedelta
) -> dict[Analyte, Change]:
    """Returns those of the values that were measured in the sample and before it."""
    found = ((analyte, _change(analyte, latest, case, window)) for analyte in analytes)
    return {analyte: change for analyte, change in found if change is not None}


def _change(analyte: Analyte, latest: Sample, case: Case, window: timedelta) -> Change | None:
    """Returns the value of the sample with the one before it; None without both."""
    readings = case.readings.all(analyte)
    own = [r for r in readings if drawn_together(latest, r)]
    before = [r for r in readings if _is_before(r, latest, window) and r not in own]
    if not own or not before or not before[-1].value:
        return None
    return Change(before=before[-1].value, now=own[-1].value)
