"""The selected order as order rules see it: what it is, what runs beside it, and shared buttons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import (
    DraftLabs,
    Line,
    RemoveDraft,
    Suggestion,
)
from cds_service.engine.rule import line
from cds_service.engine.wording import in_hours, joined, saline_of
from cds_service.knowledge.names import Analyte, DrugClass, Problem
from cds_service.sodium.adrenal import high_potassium
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.results import Reading, Sample
from cds_service.sodium.rules.gates import (
    at,
    below_plausible,
    cirrhosis,
    concentrated_urine,
    direct_value_lower,
    doubt_lines,
    inpatient,
    next_morning,
    recorded,
)
from cds_service.sodium.snapshot import Missing, Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch, Saline

RAISING_SALINE = ("hypertonic", "concentrate")
# The subject of a rule sees the order alone, so these are named here.
LOW_SODIUM = frozenset({Problem.HYPONATREMIA, Problem.SIADH})


def is_systemic(order: Order) -> bool:
    """Tells whether the order is a medication that reaches the blood."""
    return order.kind == "medication" and order.route != "local"


def hypertonic_saline(order: Order) -> Saline | None:
    """Returns the hypertonic saline or concentrate for a vein that is ordered (C.5)."""
    saline = order.saline
    if saline is None or saline.kind not in RAISING_SALINE:
        return None
    return saline if is_systemic(order) else None


def concentrated_saline(order: Order) -> Saline | None:
    """Returns the concentrate that is ordered. Its cards must never speak of a bolus."""
    saline = hypertonic_saline(order)
    return saline if saline and saline.kind == "concentrate" else None


def is_kept_mixture(order: Order) -> bool:
    """Tells whether the saline is in a bag that is not known to be hypertonic as sold (F23)."""
    return order.saline is not None and order.saline.mixture in ("unknown", "weak")


def saline_name(order: Order) -> str:
    """Returns the saline as "3% saline", or as its class if the order has no strength.

    A bag that is mixed has its own strength in its name; if that is not known, that of its salt.
    """
    if order.saline is None:
        return ""
    if order.saline.percent is None:
        return f"drugclass:saline-{order.saline.kind}"
    percent = order.saline.percent
    return saline_of(percent, mixed=bool(order.saline.mixture))


def vaptan_of(order: Order) -> DrugMatch | None:
    """Returns the vaptan of the order."""
    return drug_of(order, DrugClass.VAPTAN)


def drug_of(order: Order, *classes: str) -> DrugMatch | None:
    """Returns the first systemic ingredient of one of these classes."""
    if not is_systemic(order):
        return None
    return next((drug for drug in order.drugs if drug.cls in classes), None)


def watched_drugs_of(order: Order) -> tuple[DrugMatch, ...]:
    """Returns the drugs of the order that lower sodium: those of an alert group, desmopressin."""
    if not is_systemic(order):
        return ()
    return tuple(d for d in order.drugs if d.group or d.cls == DrugClass.DESMOPRESSIN)


def for_polycystic_kidney(case: Case, order: Order) -> bool:
    """Tells whether a vaptan is for polycystic kidney disease and not for low sodium (C.5)."""
    if vaptan_of(order) is None or order.hyponatremia_product or for_low_sodium(order):
        return False
    return recorded_or_reason(case, order, Problem.ADPKD)


def for_low_sodium(order: Order) -> bool:
    """Tells whether the order itself says that low sodium is its reason."""
    return not order.reasons.isdisjoint(LOW_SODIUM)


def raising_name(order: Order) -> str:
    """Returns what a card calls an order that raises sodium; "" for every other order."""
    if hypertonic_saline(order):
        return saline_name(order)
    vaptan = vaptan_of(order)
    return vaptan.name if vaptan else ""


def allergies_unread(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns the line that a reaction to a strong drug may be on a list that is not read (F24)."""
    unread = case.snapshot.missing.get("AllergyIntolerance") is Missing.NOT_READ
    return [line("allergies-unread")] if unread and drug.tier == "T1" else []


def sodium_unread(case: Case) -> bool:
    """Tells whether the sodium could not be read, which is not the same as no result."""
    missing = case.snapshot.missing.get("sodium")
    return case.sodium.latest is None and missing not in (None, Missing.NOT_APPLICABLE)


def latest_within(case: Case, span: timedelta) -> Sample | None:
    """Returns the latest usable sodium unless it is older than the span."""
    return case.sodium.latest if case.sodium.age <= span else None


def sodium_below(case: Case, limit: Decimal) -> bool:
    """Tells whether the latest sodium is below the limit; "<130" is below 130."""
    latest = case.sodium.latest
    if latest is None:
        return False
    return latest.value < limit or (latest.comparator == "<" and latest.value == limit)


def other_drafts(case: Case, order: Order) -> tuple[Order, ...]:
    """Returns the drafts of this session beside the order."""
    return tuple(d for d in case.snapshot.drafts if d.reference != order.reference)


def taken(case: Case, drug: DrugMatch) -> Exposure | None:
    """Returns the exposure to a drug that the patient takes: the order renews or raises it."""
    return next((e for e in case.exposures.active if e.drug.name == drug.name), None)


def is_raised(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Tells whether the ordered daily dose is known to be higher than the one that is taken."""
    exposure = taken(case, drug)
    orders = exposure.orders if exposure is not None else ()
    doses = [o.daily_dose_mg for o in orders if o.daily_dose_mg is not None]
    return bool(doses) and order.daily_dose_mg is not None and order.daily_dose_mg > max(doses)


def raised_potassium(case: Case, drug: DrugMatch) -> Reading | None:
    """Returns a high potassium that the drug raises: nothing is then given without a look at it."""
    sets = case.sets
    raises = drug.cls in sets.potassium_raising or drug.name in sets.potassium_raising_drugs
    return high_potassium(case) if raises else None


def beside(case: Case, order: Order, *classes: str) -> tuple[DrugMatch, ...]:
    """Returns active and drafted drugs of these classes beside the order, each drug once."""
    active = [e.drug for e in case.exposures.of(*classes)]
    drafted = [d for draft in other_drafts(case, order) if (d := drug_of(draft, *classes))]
    return tuple({d.name: d for d in (*active, *drafted)}.values())


def saline_beside(case: Case, order: Order, within: timedelta | None = None) -> list[Order]:
    """Returns hypertonic saline drafted beside the order, then active one.

    With `within`, active saline counts only if it was started so recently.
    """
    now = case.snapshot.now
    drafted = [draft for draft in other_drafts(case, order) if hypertonic_saline(draft)]
    active = [o for o in case.snapshot.exposures if hypertonic_saline(o) and _runs(case, o)]
    if within is not None:
        active = [o for o in active if o.start is not None and now - o.start <= within]
    return [*drafted, *active]


def _runs(case: Case, order: Order) -> bool:
    ended = order.end is not None and order.end < case.snapshot.now
    return order.status in case.sets.active_statuses and not ended


def first_evidence(case: Case) -> str:
    """Returns the most telling evidence of the volume status, for a summary."""
    return f"evidence:{case.volume.evidence[0]}"


def is_older(case: Case) -> bool:
    """Tells whether the patient is known to be of the age from which drugs lower sodium more."""
    return case.age_years is not None and case.age_years >= case.limits.lowering_age_years


def recorded_or_reason(case: Case, order: Order, problem: Problem) -> bool:
    """Tells whether the problem is active, or is the reason of the order."""
    return problem in order.reasons or recorded(case, problem)


def beers_lines(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns the Beers criteria if patient and drug are among them."""
    named = drug.cls in case.sets.beers or drug.name in case.sets.beers_drugs
    return [Line("beers")] if named and is_older(case) else []


def fluid_needed(case: Case) -> bool:
    """Tells whether isotonic fluid is needed: volume is lost, or is likely to be.

    A low urine sodium alone may come of a poor diet: only a kidney that saves water shows a need.
    """
    volume = case.volume
    lost = volume.status in (Volume.ADRENAL, Volume.HYPO)
    dry = volume.low_solute and concentrated_urine(case)
    return lost or bool(volume.shock or volume.dry) or dry


def result_doubts(case: Case) -> tuple[Line, ...]:
    """Returns what makes the latest sodium doubtful, below the plausible range first (S2)."""
    below = (Line("doubt-below-plausible", keep=True),) if below_plausible(case) else ()
    return (*below, *doubt_lines(case))


def may_remove(case: Case) -> bool:
    """Tells whether a removal may be offered: age, all problems and all medicines are known.

    If a direct measurement is far lower, no button but the repeat is offered (F12).
    """
    if direct_value_lower(case):
        return False
    return case.age_years is not None and case.snapshot.complete("conditions", "medications")


def remove(order: Order, drug: str) -> Suggestion:
    """Returns the button that takes the selected draft away."""
    return Suggestion("remove-draft", (RemoveDraft(order.reference),), {"drug": drug})


def acute_liver_failure(case: Case) -> bool:
    """Tells whether hypertonic saline is indicated at any sodium by acute liver failure (F11)."""
    if case.problems.active(case.sets.acute_liver_failure):
        return True
    failing = recorded(case, Problem.HEPATIC_FAILURE) and recorded(case, Problem.ENCEPHALOPATHY)
    return failing and not cirrhosis(case)


def may_protect_the_brain(case: Case) -> bool:
    """Tells whether hypertonic saline may be given for the brain: its draft then stays (F11)."""
    sets, problems, gcs = case.sets, case.problems, case.symptoms.gcs
    recent, days = sets.saline_kept_recent, case.limits.saline_kept_days
    return any(
        [
            problems.active(sets.saline_kept),
            problems.happened(recent, days) or problems.undated(recent),
            gcs is not None and gcs <= case.limits.gcs_impaired_to,
            recorded(case, Problem.HEPATIC_FAILURE) and recorded(case, Problem.ENCEPHALOPATHY),
        ]
    )


def remove_restriction(case: Case, order: Order) -> list[Suggestion]:
    """Returns the removal of a fluid restriction.

    Words that are not understood may end the restriction or change it (F23).
    """
    if case.age_years is None or not order.restricts_plainly:
        return []
    return [Suggestion("remove-restriction", (RemoveDraft(order.reference),))]


def keep_and_check(case: Case) -> Suggestion:
    """Returns the button of a card that supports hypertonic saline: keep it, sodium after (M4)."""
    after = case.limits.raising_recheck_hours
    draw = DraftLabs((Analyte.SODIUM,), "stat", after)
    return Suggestion("keep-sodium-1h", (draw,), {"hours": in_hours(after)}, recommended=True)


def sodium_after(case: Case) -> Suggestion:
    """Returns the button that only draws sodium; a card against the order never keeps it (F11)."""
    after = case.limits.raising_recheck_hours
    draw = DraftLabs((Analyte.SODIUM,), "stat", after)
    return Suggestion("add-sodium-1h", (draw,), {"hours": in_hours(after)})


def sodium_at_once(order: Order) -> Suggestion:
    """Returns the button that draws sodium at once; it neither keeps nor removes the order."""
    kind = "add-sodium-now" if hypertonic_saline(order) else "repeat-sodium-stat"
    return Suggestion(kind, (DraftLabs((Analyte.SODIUM,), "stat"),), recommended=True)


def sodium_today() -> Suggestion:
    """Returns the button that draws sodium today."""
    return Suggestion("repeat-sodium-now", (DraftLabs((Analyte.SODIUM,), "urgent"),))


def sodium_next_day(case: Case) -> Suggestion:
    """Returns the button that draws sodium the next morning."""
    morning = next_morning(case)
    draw = DraftLabs((Analyte.SODIUM,), "routine", morning - case.snapshot.now)
    return Suggestion("recheck-sodium-morning", (draw,), {"time": at(case, morning)})


def recheck(case: Case, order: Order | None = None, drug: DrugMatch | None = None) -> Suggestion:
    """Returns the button that draws sodium again after a start or change.

    In the clinic that is one to two weeks later. In hospital it is hours later if a drug that often
    lowers sodium is new or is infused, and otherwise the next morning (F45); in labor hours later.
    """
    limits = case.limits
    if drug is not None and drug.cls == DrugClass.OXYTOCIN:
        return sodium_in_labor(case)
    if not inpatient(case):
        draw = DraftLabs((Analyte.SODIUM,), "routine", limits.drug_recheck_days)
        return Suggestion("recheck-sodium-weeks", (draw,))
    new = drug is not None and drug.tier in case.sets.check_tiers and taken(case, drug) is None
    if new or (order is not None and order.route == "iv"):
        return recheck_in_hours(case)
    return sodium_next_day(case)


def recheck_in_hours(case: Case) -> Suggestion:
    """Returns the button that draws sodium hours after the start of a drug."""
    after = case.limits.ward_recheck_hours
    draw = DraftLabs((Analyte.SODIUM,), "routine", after)
    return Suggestion("recheck-sodium-hours", (draw,), {"hours": in_hours(after)})


def sodium_in_labor(case: Case) -> Suggestion:
    """Returns the button that draws sodium hours later: a labor has no time for tomorrow (F2)."""
    after = case.limits.labor_repeat_hours
    draw = DraftLabs((Analyte.SODIUM,), "urgent", after)
    when = at(case, case.snapshot.now + after)
    return Suggestion("repeat-sodium", (draw,), {"when": when}, within=after)


def labor_lines(case: Case) -> list[Line]:
    """Returns how often sodium is measured while oxytocin runs, which is not held up by it."""
    return [line("oxytocin-in-labor", hours=in_hours(case.limits.labor_repeat_hours), keep=True)]


# Lines that name the next sodium: today, daily, or within days; or that hold the drug.
SOON = frozenset(
    {
        *("check-not-delay", "antiseizure-choice", "decongestion", "schedule"),
        *("decongestion-close", "thiazide-close", "cirrhosis-holds"),
        *("another-drug-or-wait", "infection-not-delay", "another-or-now"),
    }
)


def rechecks(case: Case, order: Order, drug: DrugMatch, said: Iterable[Line]) -> list[Suggestion]:
    """Returns the button of a later sodium unless the card itself names an earlier one (F45)."""
    if not inpatient(case) and any(line.key in SOON for line in said):
        return []
    return [recheck(case, order, drug)]


def on_the_ward(case: Case, key: str) -> str:
    """Returns the key of a line, which in hospital speaks of hours and not of weeks (F45)."""
    return f"{key}-ward" if inpatient(case) else key


def baseline(case: Case, *, again: bool = False) -> Suggestion:
    """Returns the button that draws sodium before a drug is started, and what else is unknown.

    These are potassium and creatinine, if they were not measured lately or are to be seen again.
    """
    limits = case.limits
    window = limits.workup_inpatient_hours if inpatient(case) else limits.workup_outpatient_days
    others = [
        analyte
        for analyte in (Analyte.POTASSIUM, Analyte.CREATININE)
        if again or case.readings.latest(analyte, window) is None
    ]
    return _draws("baseline-labs", DraftLabs((Analyte.SODIUM, *others)))


def urine_tests(case: Case) -> Suggestion:
    """Returns the button that draws osmolality and sodium of the urine, if not measured lately."""
    window = case.limits.urine_labs_hours
    sodium = case.readings.latest(Analyte.URINE_SODIUM, window)
    tests = (Analyte.URINE_OSMOLALITY, *([Analyte.URINE_SODIUM] if sodium is None else []))
    return _draws("urine-labs", DraftLabs(tests, "urgent"))


def _draws(kind: str, draft: DraftLabs) -> Suggestion:
    return Suggestion(kind, (draft,), {"labs": joined("lab", draft.analytes)})
