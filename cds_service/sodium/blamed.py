"""Drugs that the record blames for low sodium: by an entry, or by a value while they were taken.

A code of an adverse effect, such as T50.2X5A, names the drug and not the harm (F24).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.knowledge.names import Problem as Concept
from cds_service.sodium.results import Sample
from cds_service.sodium.snapshot import Order, Problem
from cds_service.terminology.types import DrugMatch

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


class Harm(Struct, frozen=True, kw_only=True):
    """What happened with a drug of this class before: low sodium, or an effect of unknown kind."""

    low_sodium: bool
    at: datetime | None = None
    lowest: Sample | None = None  # the lowest sodium that belongs to it
    cause_known: bool = True  # False: sodium was very low once, and nothing says with what


def blamed_lately(case: Case) -> frozenset[str]:
    """Returns the drug classes that a recent, active entry blames for low sodium."""
    classes: set[str] = set()
    for entry in case.problems.current_ones(case.limits.recent_start_days):
        classes |= entry.blames
        if _says_low(case, entry):
            classes |= _adverse(case, entry)
    return frozenset(classes)


def earlier_harm(case: Case, drug: DrugMatch) -> Harm | None:
    """Returns what the record says of an earlier harm by this class of drug (F24)."""
    adverse = [p for p in case.snapshot.problems if drug.cls in _adverse(case, p)]
    measured = _measured(case, drug)
    low = [*_recorded_as_low(case, drug, adverse), *(s.at for s in measured)]
    dates = low or [p.since for p in adverse]
    if not dates:
        return _unexplained(case, drug)
    # With a drug that is named, any value of that time or before may be its work.
    lowest = measured if measured or not low else _very_low(case, drug)
    return Harm(
        low_sodium=bool(low),
        at=max((d for d in dates if d), default=None),
        lowest=min(lowest, key=lambda s: s.value, default=None),
    )


def _recorded_as_low(
    case: Case, drug: DrugMatch, adverse: Sequence[Problem]
) -> Iterator[datetime | None]:
    """Yields the date of each entry, allergy or ended order that tells of low sodium by the drug.

    It is None if the record has no date; `adverse` are the entries on an effect of this class.
    """
    entries = case.snapshot.problems
    yield from (p.since for p in entries if drug.cls in p.blames)
    yield from (p.since for p in adverse if _says_low(case, p))
    yield from (p.since for p in entries if _was_low_on(case, p, drug))
    yield from (a.recorded for a in case.snapshot.allergies if drug.cls in a.blames)
    ended = [o for o in case.listed if _was_stopped_for_low(case, o, drug)]
    yield from (o.end or o.changed for o in ended)


def _unexplained(case: Case, drug: DrugMatch) -> Harm | None:
    """Returns a profoundly low sodium of the past of which no record names the cause (F24).

    One of the last weeks is of the present illness, unless the past medicines were not read in
    full: the cause may be among them.
    """
    if drug.tier not in case.sets.check_tiers:
        return None
    found = [s for s in _very_low(case, drug) if s.value < case.limits.severe_below]
    if case.snapshot.complete_alone("pastMedications"):
        found = [s for s in found if case.snapshot.now - s.at > case.limits.earlier_low_days]
    lowest = min(found, key=lambda s: s.value, default=None)
    if lowest is None or _explained_otherwise(case, lowest):
        return None
    return Harm(low_sodium=True, at=lowest.at, lowest=lowest, cause_known=False)


def _explained_otherwise(case: Case, sample: Sample) -> bool:
    """Whether a drug of another class that lowers sodium was taken then, and so may be it."""
    tiers = case.sets.check_tiers
    classes = {d.cls for order in case.listed for d in order.drugs if d.tier in tiers}
    return any(taken_at(case, sample.at, cls) for cls in classes)


def _adverse(case: Case, entry: Problem) -> set[str]:
    """Returns the classes of which the code of this entry says that they had an adverse effect."""
    effects = case.sets.adverse_effects.items()
    return {cls for code, blamed in effects if code in entry.concepts for cls in blamed.members}


def _says_low(case: Case, entry: Problem) -> bool:
    """Whether the entry itself, or a problem or result near its date, says that sodium was low."""
    if entry.low_sodium or entry.since is None:
        return entry.low_sodium
    dates = [p.since for p in case.snapshot.problems if p.low_sodium and p.since]
    dates += [s.at for s in case.series.samples if case.is_low(s)]
    return any(abs(date - entry.since) <= case.limits.harm_near_days for date in dates)


def _was_low_on(case: Case, entry: Problem, drug: DrugMatch) -> bool:
    """Whether low sodium was recorded while a drug of this class was taken."""
    if entry.since is None or Concept.HYPONATREMIA not in entry.concepts:
        return False
    return taken_at(case, entry.since, drug.cls)


def _measured(case: Case, drug: DrugMatch) -> list[Sample]:
    """Returns when sodium was very low while such a drug was taken.

    Drugs that often lower sodium do so as a class; of others only this very drug counts.
    """
    name = _as_class(case, drug)
    return [s for s in _very_low(case, drug) if taken_at(case, s.at, drug.cls, name)]


def _as_class(case: Case, drug: DrugMatch) -> str:
    """Returns "" for a drug that lowers sodium as its whole class does, else its own name."""
    return "" if drug.tier in case.sets.check_tiers else drug.name


def _was_stopped_for_low(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Whether the record says that such a drug was ended or put on hold for low sodium (F24)."""
    if not order.stopped_for_low:
        return False
    name = _as_class(case, drug)
    return any(d.cls == drug.cls and name in ("", d.name) for d in order.drugs)


def _very_low(case: Case, drug: DrugMatch) -> list[Sample]:
    """Returns the very low values of the past.

    While sodium is still low, and such a drug is still taken, the younger ones belong to the
    present illness. Else the drug was stopped, or sodium has recovered.
    """
    limits, now = case.limits, case.snapshot.now
    present = case.sodium.low and bool(case.exposures.of(drug.cls))
    return [
        sample
        for sample in case.series.samples
        if case.corrected.get(sample, sample.value) < limits.earlier_low_below
        and not (present and now - sample.at <= limits.earlier_low_days)
    ]


def _last_known(case: Case, order: Order, moment: datetime) -> datetime | None:
    """Returns until when an order without an end was surely or likely taken (F24).

    An end that was recorded shortly after the moment is the answer to it.
    """
    if order.begun is None:
        return None
    likely = order.begun + case.limits.stop_unknown_days
    changed = order.changed
    if changed is None or changed - moment > case.limits.harm_near_days:
        return likely
    return max(likely, changed)


def taken_at(case: Case, moment: datetime, drug_class: str, name: str = "") -> bool:
    """Tells whether an order of this class covers the moment, as far as its dates are known."""
    for order in case.listed:
        known = any(d.cls == drug_class and name in ("", d.name) for d in order.drugs)
        if order.begun is None or not known:
            continue
        ended = order.end or _last_known(case, order, moment)
        until = case.snapshot.now if case.is_active(order) else ended
        if until is not None and order.begun <= moment <= until:
            return True
    return False
