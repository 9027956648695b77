"""Which drugs the patient is on, since when, and how likely each is the cause (B.0.7)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import ConceptSet, DrugClass
from cds_service.sodium.results import Sample, measurable
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

Attribution = Literal["probable", "possible-recent", "possible-chronic", "may-worsen", "unlikely"]
LIKELIHOOD = ("probable", "possible-recent", "possible-chronic")  # the likeliest first
ON_HOLD = "on-hold"
COMPLETED = "completed"
NOT_ISOTONIC = ("hypotonic", "hypertonic", "concentrate")
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
    suspects: tuple[Exposure, ...] = ()  # possible causes, at most three, best first
    more_suspects: tuple[Exposure, ...] = ()  # those of watched tiers beyond the three (F29)
    worsening: tuple[Exposure, ...] = ()  # started while sodium was already low (F50)
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
    each = [_exposure(case, by_drug[name]) for name in sorted(by_drug)]
    active = [exposure for exposure in each if exposure is not None]
    taken = {exposure.drug.name for exposure in active}
    paused = [listed for name, listed in by_drug.items() if name not in taken]
    suspects, most = _suspects(case, active), int(case.limits.suspects_to)
    return Exposures(
        active=tuple(active),
        suspects=suspects[:most],
        more_suspects=tuple(e for e in suspects[most:] if e.drug.tier in case.sets.watched_tiers),
        worsening=tuple(e for e in active if e.attribution == "may-worsen"),
        on_hold=tuple(_on_hold(paused)),
    )


def _on_hold(paused: Iterable[Sequence[tuple[DrugMatch, Order]]]) -> Iterator[DrugMatch]:
    """Yields the drugs with an order on hold, each by the last such order; none is active."""
    for listed in paused:
        held = [drug for drug, order in listed if order.status == ON_HOLD]
        yield from held[-1:]


def taken_within(case: Case, classes: ConceptSet, window: timedelta) -> tuple[str, ...]:
    """Returns the drugs of these classes that may have been taken within the window."""
    return maybe_taken(case, lambda drug, _: drug.cls in classes, window)


def maybe_taken(
    case: Case, counts: Callable[[DrugMatch, Order], bool], window: timedelta
) -> tuple[str, ...]:
    """Returns the drugs that count and may have been taken within the window.

    A stopped order without an end counts while it is young. An order on hold always counts, because
    the time of the last dose is unknown.
    """
    taken: dict[str, None] = {}
    for order in case.listed:
        names = [drug.name for drug in order.drugs if counts(drug, order)]
        if names and (order.status == ON_HOLD or _may_reach(case, order, window)):
            taken.update(dict.fromkeys(names))
    return tuple(taken)


def stopped_lately(case: Case, tiers: ConceptSet, window: timedelta) -> list[tuple[str, Order]]:
    """Returns drugs of these tiers that were stopped within the window, with an order (F24).

    A drug that is taken or on hold is left out.
    """
    kept = {e.drug.name for e in case.exposures.active}
    kept.update(drug.name for drug in case.exposures.on_hold)
    found: dict[str, Order] = {}
    for order in case.listed:
        for drug in order.drugs:
            known = drug.tier in tiers and drug.name not in kept
            if known and _may_reach(case, order, window):
                found.setdefault(drug.name, order)
    return sorted(found.items())


def given_within(
    case: Case, counts: Callable[[DrugMatch, Order], bool], window: timedelta
) -> tuple[str, ...]:
    """Returns the drugs that count and are given now, or were surely given in the window."""
    given: dict[str, None] = {}
    for order in case.listed:
        names = [drug.name for drug in order.drugs if counts(drug, order)]
        if not names:
            continue
        last = order.end or order.begun
        runs = order.status in case.sets.active_statuses and case.is_active(order)
        if runs or (last is not None and case.snapshot.now - last <= window):
            given.update(dict.fromkeys(names))
    return tuple(given)


def given_before(case: Case) -> list[tuple[str, datetime]]:
    """Returns the cytotoxic drugs that were given once, are completed, and may be the cause (F24).

    They were given before sodium was low, within a cycle, and are not taken now.
    """
    window, active = case.limits.cytotoxic_after_days, {e.drug.name for e in case.exposures.active}
    latest, found = case.series.latest, dict[str, datetime]()
    if latest is None:
        return []
    cytotoxics = case.sets.cytotoxics
    for order in case.listed:
        names = [d.name for d in order.drugs if d.cls in cytotoxics and d.name not in active]
        if not names or order.begun is None or order.begun > latest.at:
            continue
        last = ended_at(order) or order.begun
        if case.is_active(order) or case.snapshot.now - last > window:
            continue
        for name in names:
            found[name] = max(last, found.get(name, last))
    return sorted(found.items(), key=lambda given: given[1], reverse=True)


def salt_losers(case: Case) -> tuple[str, ...]:
    """Returns the likely causes under which the kidney may lose salt, and volume with it (F6)."""
    wanted = case.sets.salt_losing_drugs
    taken = [e.drug.name for e in case.exposures.active if e.attribution in LIKELIHOOD]
    given = [drug for drug, _ in given_before(case)]
    return tuple(drug for drug in (*taken, *given) if drug in wanted)


def running_fluids(case: Case) -> tuple[Order, ...]:
    """Returns the hypotonic and hypertonic infusions that run now (F28).

    An order that is not so new may have been forgotten on the list, and a small volume carries a
    drug.
    """
    return tuple(
        order
        for order in case.snapshot.exposures
        if _lowers_or_raises(case, order) and _runs_now(case, order)
    )


def _lowers_or_raises(case: Case, order: Order) -> bool:
    """Whether an order is no isotonic infusion, or is nutrition with little sodium."""
    strange = order.saline is not None and order.saline.kind in NOT_ISOTONIC
    infused = (order.hypotonic or strange) and _is_infusion(order, case.limits)
    return infused or lacks_sodium(case, order)


def lacks_sodium(case: Case, order: Order) -> bool:
    """Whether parenteral nutrition of no small volume holds less sodium than isotonic fluid (F28).

    So it counts if neither its label nor the order tells its sodium.
    """
    bag, limits = order.nutrition, case.limits
    if bag is None:
        return False
    small = bag.daily_ml is not None and bag.daily_ml < limits.isotonic_ml_from
    told = bag.sodium_mmol_l
    return not small and (told is None or told < limits.nutrition_enough_from)


def raising_fluids(case: Case) -> tuple[Order, ...]:
    """Returns the isotonic infusions that run now: in a rise they add sodium (F22).

    They are saline, alone or as the carrier of a drug, and lactated Ringer's and its like, of no
    small volume. Without a time they count, as hypotonic fluid does.
    """
    limits = case.limits
    return tuple(
        order
        for order in case.snapshot.exposures
        if order.kind == "medication" and _is_isotonic(order, limits) and _runs_now(case, order)
    )


def dialysis_fluids(case: Case) -> tuple[Order, ...]:
    """Returns the fluids for hemofiltration or hemodialysis that run now (F26)."""
    return tuple(
        order
        for order in case.snapshot.exposures
        if any(drug.cls == DrugClass.DIALYSIS_FLUID for drug in order.drugs)
        and _runs_now(case, order)
    )


def _is_isotonic(order: Order, limits: Limits) -> bool:
    """Whether an order is isotonic fluid into a vein, and no small volume of it."""
    if order.isotonic_carrier_ml is not None:
        return True
    saline = order.saline if order.saline and order.saline.kind == "isotonic" else None
    if saline is None and not order.balanced:
        return False
    volume = saline.volume_ml if saline is not None else order.balanced_volume_ml
    if volume is None or not measurable(volume):
        return order.route == "iv"
    return volume >= limits.isotonic_ml_from


def _runs_now(case: Case, order: Order) -> bool:
    """Whether an infusion is active, not ended, and not so old that it may be forgotten (F28)."""
    limits, now = case.limits, case.snapshot.now
    young = order.begun is None or timedelta(0) <= now - order.begun <= limits.running_fluid_days
    active = order.status in case.sets.active_statuses and order.intent in case.sets.given_intents
    reaches = (order.kind == "medication" or order.tube_water) and order.route != "local"
    return reaches and active and young and (order.end is None or order.end >= now)


def is_diluent(case: Case, order: Order) -> bool:
    """Whether hypotonic fluid carries a drug that may need it as its diluent (F23)."""
    known = case.sets.carried_in_saline
    return order.carries and not (order.drugs and all(d.name in known for d in order.drugs))


def _is_infusion(order: Order, limits: Limits) -> bool:
    """Whether an order is hypertonic, or hypotonic of no small volume."""
    volume = order.hypotonic_volume_ml
    if volume is None and order.saline is not None:
        volume = order.saline.volume_ml
    is_small = volume is not None and measurable(volume) and volume < limits.isotonic_ml_from
    return is_hypertonic(order) or not is_small


def is_hypertonic(order: Order) -> bool:
    """Whether an order is saline stronger than isotonic."""
    return order.saline is not None and order.saline.kind in ("hypertonic", "concentrate")


def taken_or_drafted(
    case: Case, counts: Callable[[DrugMatch, Order], bool], window: timedelta
) -> tuple[str, ...]:
    """Returns the drugs that count, taken within the window or in a draft of this session."""
    found = [(o, d.name) for o in case.listed for d in o.drugs if counts(d, o)]
    listed = [name for o, name in found if o.status == ON_HOLD or _may_reach(case, o, window)]
    drafts = [o for o in case.snapshot.drafts if o.route != "local"]
    drafted = [d.name for o in drafts for d in o.drugs if counts(d, o)]
    return tuple(dict.fromkeys((*listed, *drafted)))


def ended_at(order: Order) -> datetime | None:
    """Returns when an order ended, as recorded or by its duration; None if that is not known."""
    if order.end is not None:
        return order.end
    if order.begun is None or order.duration_days is None:
        return None
    return order.begun + _duration(order)


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
        since = _prolong(chain, orders, since, case.limits)
        chain.sort(key=lambda order: order.begun or case.snapshot.now, reverse=True)
    drug = next(drug for drug, order in listed if order is chain[0])
    return Exposure(
        drug=drug,
        orders=tuple(chain),
        since=since,
        attribution=_attribution(case, drug, since, _raised(chain)),
    )


def _prolong(
    chain: list[Order], orders: list[Order], since: datetime | None, limits: Limits
) -> datetime | None:
    """Adds earlier orders that leave no long gap to a chain, and returns its new start (F50)."""
    past = [(order.begun, order) for order in orders if order.begun and order not in chain]
    past.sort(key=lambda pair: pair[0], reverse=True)
    for begin, order in past:
        if since is not None and _gap(since, begin, order, limits) <= limits.order_chain_days:
            chain.append(order)
            since = min(since, begin)
    return since


def _gap(since: datetime, begin: datetime, order: Order, limits: Limits) -> timedelta:
    """Returns the time without the drug between an earlier order and the start of the chain.

    An order on hold was not ended. If nothing says how long an order was taken, it counts as long
    as a prescription that is not renewed: a hospital orders anew what was taken at home (F50).
    """
    if order.status == ON_HOLD:
        return timedelta(0)
    if order.end is not None:
        return since - order.end
    if order.duration_days is None:
        return since - begin - limits.stop_unknown_days
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
    """Returns how well the start fits the time at which sodium fell (B.0.7, F8, F50)."""
    limits, first_low = case.limits, case.first_low
    if drug.tier not in case.sets.lowering_tiers or first_low is None:
        return None
    if drug.cls in case.blamed or (drug.cls == DrugClass.DESMOPRESSIN and case.replaces_hormone):
        return "probable"
    recent = drug.cls in case.sets.any_duration
    if since is not None:
        if since > case.snapshot.now:
            return "unlikely"
        if any(start and _fits(case, start, first_low) for start in (since, raised)):
            return "probable"
        if _already_low(case, since, first_low):
            return "may-worsen" if drug.tier in case.sets.watched_tiers else "unlikely"
        recent = recent or first_low - since <= limits.recent_start_days
    return "possible-recent" if recent else "possible-chronic"


def _fits(case: Case, start: datetime, first_low: datetime) -> bool:
    """Whether sodium was normal before the start and low soon after it, or fell far since (F8)."""
    limits, before = case.limits, _last_before(case, start)
    if first_low < start:  # the old value may have been borderline: a far fall is still a fall
        if before is None or case.fallen_since(before) < limits.attribution_fall_from:
            return False
        soon = next(s.at for s in case.sodium.samples if s.at >= start) - start
        return soon <= limits.probable_start_days and start - before.at <= limits.normal_before_days
    if first_low - start > limits.probable_start_days:
        return False
    last_normal = bisect_right(case.normal_times, start) - 1
    if last_normal < 0:
        return False
    return start - case.normal_times[last_normal] <= limits.normal_before_days


def _already_low(case: Case, start: datetime, first_low: datetime) -> bool:
    """Whether the last sodium before the start was recent, and as low as today's (F8)."""
    before = _last_before(case, start)
    if before is None or first_low >= start:
        return False
    if start - before.at > case.limits.acquit_before_days:
        return False
    return case.fallen_since(before) < case.limits.attribution_fall_from


def _last_before(case: Case, start: datetime) -> Sample | None:
    return next((s for s in reversed(case.sodium.samples) if s.at < start), None)


def _suspects(case: Case, active: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """The likeliest first; weakly linked drugs only if the site wants them.

    Some of those are named all the same if they are new and no stronger drug is suspected (F29).
    """
    limits, value, weak_tiers = case.limits, case.effective_sodium, case.sets.weak_tiers
    weak_too = limits.weak_suspects_included and value and value < limits.weak_suspects_below
    likely = [e for e in active if e.attribution in LIKELIHOOD]
    named = [e for e in likely if weak_too or e.drug.tier not in weak_tiers]
    if not named:
        named = [e for e in likely if _is_new_and_weak(case, e)]
    # Beside a thiazide a loop diuretic is seldom the cause (F48).
    last = DrugClass.LOOP if any(e.drug.cls == DrugClass.THIAZIDE for e in named) else ""
    named.sort(
        key=lambda e: (
            e.drug.cls == last,
            LIKELIHOOD.index(e.attribution),
            e.drug.tier,
            e.drug.name,
        )
    )
    return tuple(named)


def _is_new_and_weak(case: Case, exposure: Exposure) -> bool:
    """Whether a weakly linked drug was started in the months before sodium fell (F29)."""
    since, first_low = exposure.since, case.first_low
    if exposure.drug.name not in case.sets.new_weak_drugs or since is None or first_low is None:
        return False
    return timedelta(0) <= first_low - since <= case.limits.weak_start_days
