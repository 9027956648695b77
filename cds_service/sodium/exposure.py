"""Which drugs the patient is on, since when, and how likely each is the cause (B.0.7)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from cds_service.knowledge.names import ConceptSet
from cds_service.sodium.results import measurable
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

Attribution = Literal["probable", "possible-recent", "possible-chronic", "unlikely"]
LIKELIHOOD = ("probable", "possible-recent", "possible-chronic")  # the likeliest first
ON_HOLD = "on-hold"
LONGEST_DAYS = Decimal(36500)  # a recorded duration beyond a century must not overflow a date


class Exposure(Struct, frozen=True, kw_only=True):
    """One ingredient that the patient takes, over an unbroken chain of orders."""

    drug: DrugMatch
    orders: tuple[Order, ...]  # newest first
    since: datetime | None
    attribution: Attribution | None = None  # None: not a sodium-lowering drug, or sodium not low


class Exposures(Struct, frozen=True, kw_only=True):
    """All active, systemic exposures, sorted by name."""

    active: tuple[Exposure, ...] = ()  # every recognised drug, treatment drugs too
    suspects: tuple[Exposure, ...] = ()  # at most three, best first, "unlikely" left out
    on_hold: tuple[DrugMatch, ...] = ()

    def of(self, *classes: str) -> tuple[Exposure, ...]:
        """Returns the active exposures of these drug classes."""
        return tuple(e for e in self.active if e.drug.cls in classes)


def exposures(case: Case) -> Exposures:
    """Returns active, systemic drugs with start and attribution; drafts do not count (B.0.7)."""
    by_drug: dict[str, list[tuple[DrugMatch, Order]]] = {}
    for order in case.listed:
        for drug in order.drugs:
            by_drug.setdefault(drug.name, []).append((drug, order))
    active: list[Exposure] = []
    on_hold: dict[str, DrugMatch] = {}
    for name in sorted(by_drug):
        exposure = _exposure(case, by_drug[name])
        if exposure is not None:
            active.append(exposure)
    taken = {exposure.drug.name for exposure in active}
    for name, listed in by_drug.items():
        held = [drug for drug, order in listed if order.status == ON_HOLD]
        if held and name not in taken:
            on_hold[name] = held[-1]
    return Exposures(
        active=tuple(active),
        suspects=_suspects(case, active),
        on_hold=tuple(on_hold.values()),
    )


def taken_within(case: Case, classes: ConceptSet, window: timedelta) -> tuple[str, ...]:
    """Returns the drugs of these classes that may have been taken within the window.

    A stopped order without an end counts while it is young. An order on hold always counts, because
    the time of the last dose is unknown.
    """
    taken: dict[str, None] = {}
    for order in case.listed:
        names = [drug.name for drug in order.drugs if drug.cls in classes]
        if names and (order.status == ON_HOLD or _may_reach(case, order, window)):
            taken.update(dict.fromkeys(names))
    return tuple(taken)


def _may_reach(case: Case, order: Order, window: timedelta) -> bool:
    """Whether an order that is not on hold may have been taken within the window."""
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
    return timedelta(days=float(max(Decimal(0), min(order.duration_days, LONGEST_DAYS))))


def _exposure(case: Case, listed: list[tuple[DrugMatch, Order]]) -> Exposure | None:
    """Returns the exposure to one ingredient, or None if no order of it is active."""
    orders = [order for _, order in listed]
    chain = [order for order in orders if case.is_active(order)]
    if not chain:
        return None
    since = min([order.begun for order in chain if order.begun is not None], default=None)
    if len(orders) > 1:  # most drugs have one order, which is the chain
        since = _prolong(chain, orders, since, case.limits.order_chain_days)
        chain.sort(key=lambda order: order.begun or case.snapshot.now, reverse=True)
    drug = next(drug for drug, order in listed if order is chain[0])
    return Exposure(
        drug=drug,
        orders=tuple(chain),
        since=since,
        attribution=_attribution(case, drug, since, _raised(chain)),
    )


def _prolong(
    chain: list[Order], orders: list[Order], since: datetime | None, longest_gap: timedelta
) -> datetime | None:
    """Adds earlier orders that leave no long gap to a chain, and returns its new start."""
    past = [(order.begun, order) for order in orders if order.begun and order not in chain]
    past.sort(key=lambda pair: pair[0], reverse=True)
    for begin, order in past:
        if since is not None and _gap(since, begin, order) <= longest_gap:
            chain.append(order)
            since = min(since, begin)
    return since


def _gap(since: datetime, begin: datetime, order: Order) -> timedelta:
    """Returns the time without the drug between an earlier order and the start of the chain."""
    if order.end is not None:
        return since - order.end
    return since - begin - _duration(order)


def _raised(chain: list[Order]) -> datetime | None:
    """When the daily dose was last raised within a chain (newest first)."""
    if len(chain) == 1:
        return None
    dosed = [
        (order.daily_dose_mg, order.begun)
        for order in chain
        if order.daily_dose_mg is not None and measurable(order.daily_dose_mg)
    ]
    for (dose, begun), (dose_before, _) in pairwise(dosed):
        if dose > dose_before:
            return begun
    return None


def _attribution(
    case: Case, drug: DrugMatch, since: datetime | None, raised: datetime | None
) -> Attribution | None:
    """Returns how well the start fits the time of the first low sodium of this run (B.0.7)."""
    limits, first_low = case.limits, case.first_low
    if drug.tier not in case.sets.lowering_tiers or first_low is None:
        return None
    if drug.cls in case.blamed:
        return "probable"
    recent = drug.cls in case.sets.any_duration
    if since is not None:
        if since - first_low >= limits.unlikely_before_days or since > case.snapshot.now:
            return "unlikely"
        if any(start and _fits(case, start, first_low) for start in (since, raised)):
            return "probable"
        recent = recent or first_low - since <= limits.recent_start_days
    return "possible-recent" if recent else "possible-chronic"


def _fits(case: Case, start: datetime, first_low: datetime) -> bool:
    """Whether sodium was normal before the start, and low soon after it."""
    if not timedelta(0) <= first_low - start <= case.limits.probable_start_days:
        return False
    last_before = bisect_right(case.normal_times, start) - 1
    if last_before < 0:
        return False
    return start - case.normal_times[last_before] <= case.limits.normal_before_days


def _suspects(case: Case, active: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """At most three, the likeliest first; weakly linked drugs only if the site wants them."""
    limits, value = case.limits, case.effective_sodium
    weak_too = limits.weak_suspects_included and value and value < limits.weak_suspects_below
    likely: list[tuple[int, str, str, Exposure]] = []
    for exposure in active:
        drug, attribution = exposure.drug, exposure.attribution
        if attribution not in LIKELIHOOD:
            continue
        if weak_too or drug.tier not in case.sets.weak_tiers:
            likely.append((LIKELIHOOD.index(attribution), drug.tier, drug.name, exposure))
    likely.sort(key=lambda ranked: ranked[:-1])
    return tuple(exposure for *_, exposure in likely[: int(limits.suspects_to)])
