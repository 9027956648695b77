"""A sample that was drawn beside an infusion: glucose up, and all else diluted alike (F41, F44)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct, field

from cds_service.knowledge.names import Analyte
from cds_service.sodium.glucose import drawn_together
from cds_service.sodium.results import Reading, Sample

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

DILUTED = (Analyte.POTASSIUM, Analyte.CREATININE)  # measured with most sodiums


class Change(Struct, frozen=True, kw_only=True):
    """A value of the sample, and the one before it."""

    before: Decimal
    now: Decimal


class DripSample(Struct, frozen=True, kw_only=True):
    """The newest sodium is of a sample that glucose of an infusion seems to have diluted."""

    glucose: Change
    diluted: Mapping[Analyte, Change] = field(default_factory=dict)  # by analyte


def drip_sample(case: Case) -> DripSample | None:
    """Returns the newest sample if its glucose rose steeply while sodium and the rest fell.

    A true rise of glucose takes water out of the cells and out of the body: creatinine does not
    fall with it, nor potassium by so much.
    """
    latest, limits = case.series.latest, case.limits
    if latest is None or latest.day_only or not _sodium_fell(latest, case):
        return None
    glucose = _change(Analyte.GLUCOSE, latest, case)
    if glucose is None or glucose.now - glucose.before < limits.drip_glucose_rise_from:
        return None
    changes = {key: change for key in DILUTED if (change := _change(key, latest, case))}
    if not changes:
        return None
    alike = all(one.now <= limits.drip_diluted_to * one.before for one in changes.values())
    return DripSample(glucose=glucose, diluted=changes) if alike else None


def _sodium_fell(latest: Sample, case: Case) -> bool:
    """Whether the sodium before it was higher."""
    window = case.limits.drip_before_hours
    before = [s for s in case.series.samples if s.exact and _is_before(s, latest, window)]
    return bool(before) and before[-1].value > latest.value


def _is_before(one: Sample | Reading, latest: Sample, window: timedelta) -> bool:
    """Whether a result is older than the sample, and not by too much."""
    return not one.day_only and one.at < latest.at and latest.at - one.at <= window


def _change(analyte: Analyte, latest: Sample, case: Case) -> Change | None:
    """Returns the value of the sample with the one before it; None without both."""
    readings, window = case.readings.all(analyte), case.limits.drip_before_hours
    own = [r for r in readings if drawn_together(latest, r)]
    before = [r for r in readings if _is_before(r, latest, window) and r not in own]
    if not own or not before or not before[-1].value:
        return None
    return Change(before=before[-1].value, now=own[-1].value)
