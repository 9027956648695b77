"""A vaptan that is taken, and what would forbid its order today, also at discharge (F19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from msgspec import Struct

from cds_service.engine.finding import Finding, Indicator, Line
from cds_service.engine.rule import card, require, skip
from cds_service.engine.wording import DAY, in_days, number, ratio
from cds_service.knowledge.names import DrugClass, DrugName
from cds_service.sodium.adrenal import adrenal_grounds
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure, is_hypertonic
from cds_service.sodium.rules.book import chart_rule, discharge_rule
from cds_service.sodium.rules.follow_up import NOW, Priority, repeat_sodium, watch, watch_by_day
from cds_service.sodium.rules.gates import circulation_fails
from cds_service.sodium.rules.order_helpers import (
    first_evidence,
    for_polycystic_kidney,
    saline_name,
)
from cds_service.sodium.rules.vaptans import (
    contraindications,
    interaction,
    liver_diseases,
    longest_course,
)
from cds_service.sodium.volume import Volume

# Of these drugs a rule speaks at any sodium: a backtest leaves out no moment of who takes them.
AT_ANY_SODIUM = frozenset[str]({DrugClass.VAPTAN})


class Danger(Struct, frozen=True, kw_only=True):
    """One reason why a vaptan that is taken is not to go on as it is."""

    key: str  # its advice is the line "on-vaptan-<key>"
    variant: str  # the summary
    facts: Mapping[str, str]  # of summary and line
    level: Indicator = "warning"
    raises: bool = True  # sodium may rise too fast, so that it is measured within a day


def _dangers(case: Case, taken: Exposure) -> list[Danger]:
    """Returns what an order of this vaptan would be told today, the most dangerous first."""
    return sorted(_listed(case, taken), key=lambda danger: danger.level == "info")


def _listed(case: Case, taken: Exposure) -> Iterator[Danger]:
    yield from _saline(case)
    yield from _contraindicated(case, taken)
    failing = circulation_fails(case)
    if failing:
        yield Danger(key="shock", variant="contra", facts={"why": failing}, raises=False)
    yield from _changed(case, taken)
    yield from _adrenal(case)
    if case.pregnant:
        yield Danger(key="pregnancy", variant="pregnancy", facts={}, raises=False)
    if not for_polycystic_kidney(case, taken.orders[0]):
        yield from _too_long(case, taken)


def _saline(case: Case) -> Iterator[Danger]:
    """Yields that hypertonic saline runs beside the vaptan."""
    running = [order for order in case.running_fluids if is_hypertonic(order)]
    for order in running[:1]:
        yield Danger(key="saline", variant="saline", facts={"partner": saline_name(order)})


def _contraindicated(case: Case, taken: Exposure) -> Iterator[Danger]:
    """Yields what the label forbids. Without urine a vaptan does nothing, which is no danger."""
    if case.volume.status in (Volume.HYPO, Volume.CSW):
        yield Danger(key="depleted", variant="contra", facts={"why": first_evidence(case)})
    for key, words in contraindications(case, taken.orders[0]):
        if key == "inhibitor":
            yield Danger(key="strong", variant="strong", facts={"partner": words})
        else:
            useless = key in ("anuria", "polycystic")
            level: Indicator = "info" if useless else "warning"
            facts = {"why": words}
            yield Danger(key=key, variant="contra", facts=facts, level=level, raises=not useless)


def _changed(case: Case, taken: Exposure) -> Iterator[Danger]:
    """Yields the drug that changes the effect; for polycystic kidneys the dose is adapted to it."""
    order = taken.orders[0]
    changed = interaction(case, order)
    if changed is None or for_polycystic_kidney(case, order):
        return
    key, name = changed
    yield Danger(key=key, variant=key, facts={"partner": name}, raises=key == "moderate")


def _adrenal(case: Case) -> Iterator[Danger]:
    """Yields that adrenal failure is likely, whose low sodium needs no vaptan (F5)."""
    grounds = adrenal_grounds(case) if case.sodium.low else ()
    if grounds and case.volume.status is not Volume.ADRENAL:
        yield Danger(key="cortisol", variant="adrenal", facts={"why": grounds[0].names})


def _too_long(case: Case, taken: Exposure) -> Iterator[Danger]:
    """Yields a liver disease, and a course that is longer than the label allows (S1-6)."""
    diseases = liver_diseases(case) if taken.drug.name == DrugName.TOLVAPTAN else []
    if diseases:
        facts = {"why": f"evidence:{diseases[0]}"}
        yield Danger(key="liver", variant="liver", facts=facts, raises=False)
    longest = longest_course(case, taken.drug)
    if taken.since is not None and case.snapshot.now - taken.since > longest:
        days = str((case.snapshot.now - taken.since) // DAY)
        facts = {"days": days, "limit": in_days(longest)}
        yield Danger(key="long", variant="long", facts=facts, level="info", raises=False)
        return
    ordered = max((o.duration_days for o in taken.orders if o.duration_days), default=None)
    if ordered is not None and ordered > ratio(longest, DAY):
        facts = {"days": number(ordered), "limit": in_days(longest)}
        yield Danger(
            key="long-ordered", variant="long-ordered", facts=facts, level="info", raises=False
        )


def _found(case: Case, unread: str) -> tuple[Exposure, list[Danger]]:
    """Returns the vaptan that is taken, and its dangers; skips if there is no vaptan or danger."""
    listed = not AT_ANY_SODIUM.isdisjoint(case.snapshot.named.classes)
    vaptans = case.exposures.of(*AT_ANY_SODIUM) if listed else ()
    require(vaptans, "no-vaptan-taken" if case.medicines_known else unread)
    known = {exposure.drug.name: _dangers(case, exposure) for exposure in vaptans}
    found = [exposure for exposure in vaptans if known[exposure.drug.name]]
    if not found:
        whole = case.medicines_known and case.snapshot.complete("conditions")
        skip("nothing-against-it" if whole else unread)
    return found[0], known[found[0].drug.name]


def _finding(case: Case, unread: str, *, goes: bool = False) -> Finding:
    """Returns the card: the first danger is its headline, the advice on all of them its bullets.

    Of a patient who goes home the next sodium is told by its day.
    """
    exposure, dangers = _found(case, unread)
    drug, first = {"drug": exposure.drug.name}, dangers[0]
    advice = [Line(f"on-vaptan-{d.key}", {**drug, **d.facts}, keep=True) for d in dangers]
    due = _due(case, dangers)
    measured = watch_by_day(case, "repeat-by", due) if goes else watch(case, "monitor-vaptan", due)
    priority: Priority = "urgent" if due <= DAY else "routine"
    return card(
        first.level,
        first.variant,
        drugs=[*drug.values(), *(d.facts["partner"] for d in dangers if "partner" in d.facts)],
        more_facts={**drug, **first.facts},
        do=[advice[0], measured, *advice[1:]],
        offer=[repeat_sodium(case, due, priority, day_only=goes)],
    )


def _due(case: Case, dangers: list[Danger]) -> timedelta:
    """Returns when sodium is due: in hours beside saline, else in a day, or in a week."""
    limits = case.limits
    within = limits.discharge_repeat_days
    if any(danger.raises for danger in dangers):
        within = limits.repeat_daily_hours
    if dangers[0].key == "saline":
        within = limits.repeat_over_hours
    return NOW if case.sodium.latest is None else max(within - case.sodium.age, NOW)


@chart_rule("PV-VAPTAN")
def taken_now(case: Case) -> Finding:
    """The card comes if a vaptan is taken that would be contraindicated or too long if ordered."""
    return _finding(case, "list-not-read")


@discharge_rule("DC-VAPTAN")
def goes_home(case: Case) -> Finding:
    """The card comes if such a vaptan would go home with the patient."""
    return _finding(case, MEDICINES_UNREAD, goes=True)
