"""Which drugs the patient is on, since when, and how likely each is the cause (B.0.7)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from cds_service.knowledge.sets import ConceptSet
from cds_service.sodium.results import measurable
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

Attribution = Literal["probable", "possible-recent", "possible-chronic", "unlikely"]
RANK: dict[Attribution, int] = {
    "probable": 0,
    "possible-recent": 1,
    "possible-chronic": 2,
    "unlikely": 3,
}
LOWERING_TIERS = ("T1", "T2", "T3")
WEAK_TIER = "T3"
ON_HOLD = "on-hold"
_LONGEST = Decimal(36500)  # days: a recorded duration beyond a century must not overflow a date


class Exposure(Struct, frozen=True, kw_only=True):
    """One ingredient that the patient takes, over an unbroken chain of orders."""

    drug: DrugMatch
    orders: tuple[Order, ...]  # newest first
    since: datetime | None
    attribution: Attribution | None = None  # None: not a sodium-lowering drug, or sodium not low


class Exposures(Struct, frozen=True, kw_only=True):
    """All active, systemic exposures, by name: the order of the record decides nothing."""

    active: tuple[Exposure, ...] = ()  # every recognised drug, treatment drugs too
    suspects: tuple[Exposure, ...] = ()  # at most three, best first, "unlikely" left out
    on_hold: tuple[DrugMatch, ...] = ()

    def of(self, *classes: str) -> tuple[Exposure, ...]:
        """Active exposures of these drug classes."""
        return tuple(e for e in self.active if e.drug.cls in classes)


def exposures(case: Case) -> Exposures:
    """Active, systemic drugs with their start and attribution; drafts do not count (B.0.7)."""
    by_drug: dict[str, list[tuple[DrugMatch, Order]]] = {}
    for order in case.listed:
        for drug in order.drugs:
            by_drug.setdefault(drug.name, []).append((drug, order))
    active = tuple(e for e in (_exposure(case, found) for _, found in sorted(by_drug.items())) if e)
    names = {e.drug.name for e in active}
    on_hold = {
        name: drug
        for name, found in by_drug.items()
        for drug, order in found
        if order.status == ON_HOLD and name not in names
    }
    return Exposures(
        active=active, suspects=_suspects(case, active), on_hold=tuple(on_hold.values())
    )


def taken_within(case: Case, classes: ConceptSet, window: timedelta) -> tuple[str, ...]:
    """Names of drugs of these classes that may have been taken within the window (hours to days).

    A stopped order without an end counts while it is young, and one on hold always: nobody can tell
    when the last dose was taken.
    """
    found = (
        drug.name
        for order in case.listed
        for drug in order.drugs
        if drug.cls in classes.members
        and (order.status == ON_HOLD or _may_reach(case, order, window))
    )
    return tuple(dict.fromkeys(found))


def _may_reach(case: Case, order: Order, window: timedelta) -> bool:
    if case.is_active(order):
        return True
    now, begin = case.snapshot.now, order.begun
    if order.end is not None:
        return now - order.end <= window
    if begin is None:
        return False
    if order.duration_days is not None:
        return now - begin - _duration(order) <= window
    return now - begin <= max(window, case.limits.stop_unknown_days)


def _duration(order: Order) -> timedelta:
    if order.duration_days is None or not measurable(order.duration_days):
        return timedelta(0)
    return timedelta(days=float(max(Decimal(0), min(order.duration_days, _LONGEST))))


def _exposure(case: Case, found: list[tuple[DrugMatch, Order]]) -> Exposure | None:
    """The exposure to one ingredient, or None where no order of it is active."""
    orders = [order for _, order in found]
    chain = [order for order in orders if case.is_active(order)]
    if not chain:
        return None
    since = min([b for b in (order.begun for order in chain) if b is not None], default=None)
    if len(orders) > 1:  # most drugs have one order, which is the chain
        past = [(begin, o) for o in orders if o not in chain and (begin := o.begun) is not None]
        for begin, order in sorted(past, key=lambda pair: pair[0], reverse=True):
            if since is not None and _gap(since, begin, order) <= case.limits.order_chain_days:
                chain.append(order)
                since = min(since, begin)
        chain.sort(key=lambda o: o.begun or case.snapshot.now, reverse=True)
    drug = next(d for d, order in found if order is chain[0])
    return Exposure(
        drug=drug,
        orders=tuple(chain),
        since=since,
        attribution=_attribution(case, drug, since, _raised(chain)),
    )


def _gap(since: datetime, begin: datetime, order: Order) -> timedelta:
    """The time without the drug between an earlier order and the start of the chain."""
    return since - order.end if order.end is not None else since - begin - _duration(order)


def _raised(chain: list[Order]) -> datetime | None:
    """When the daily dose was last raised within a chain (newest first)."""
    if len(chain) == 1:
        return None
    dosed = [
        (o.daily_dose_mg, o)
        for o in chain
        if o.daily_dose_mg is not None and measurable(o.daily_dose_mg)
    ]
    raised = (newer for (dose, newer), (before, _) in pairwise(dosed) if dose > before)
    return next((order.begun for order in raised), None)


def _attribution(
    case: Case, drug: DrugMatch, since: datetime | None, raised: datetime | None
) -> Attribution | None:
    """B.0.7: how well the time of start and of the first low sodium of this run fit together."""
    limits, first_low = case.limits, case.first_low
    if drug.tier not in LOWERING_TIERS or first_low is None:
        return None
    if drug.cls in case.blamed:
        return "probable"
    if since is None:
        return "possible-recent" if drug.cls in case.sets.any_duration else "possible-chronic"
    if since - first_low >= limits.unlikely_before_days or since > case.snapshot.now:
        return "unlikely"
    if _fits(case, since, first_low) or (raised is not None and _fits(case, raised, first_low)):
        return "probable"
    recent = first_low - since <= limits.recent_start_days
    return "possible-recent" if recent or drug.cls in case.sets.any_duration else "possible-chronic"


def _fits(case: Case, start: datetime, first_low: datetime) -> bool:
    """Sodium was normal before the start, and low soon after it."""
    limits = case.limits
    soon = timedelta(0) <= first_low - start <= limits.probable_start_days
    window = limits.normal_before_days
    if not soon:
        return False
    last_before = bisect_right(case.normal_times, start) - 1
    return last_before >= 0 and start - case.normal_times[last_before] <= window


def _suspects(case: Case, active: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """At most three, the likeliest first; weakly linked drugs only where the site asked for them."""
    limits, value = case.limits, case.effective_sodium
    weak = (
        bool(limits.weak_suspects_included)
        and value is not None
        and value < limits.weak_suspects_below
    )
    likely = [
        (RANK[e.attribution], e.drug.tier, e.drug.name, e)
        for e in active
        if e.attribution is not None
        and e.attribution != "unlikely"
        and (weak or e.drug.tier != WEAK_TIER)
    ]
    likely.sort(key=lambda ranked: ranked[:-1])
    return tuple(e for *_, e in likely[: int(limits.suspects_to)])
