"""A vaptan is selected: contraindications, liver, duration, and how it is started (B.3, S11, M15)."""

from __future__ import annotations

from decimal import Decimal

from cds_service.engine.finding import DraftLabs, Finding, Line, Outcome, Silence, Suggestion
from cds_service.engine.spans import DAY, ratio
from cds_service.engine.wording import ago, in_days, in_hours, number
from cds_service.sodium.case import Case
from cds_service.sodium.rules.gates import inpatient, recorded
from cds_service.sodium.rules.order_helpers import (
    RUNNING,
    about,
    beside,
    first_evidence,
    for_low_sodium,
    for_polycystic_kidney,
    other_drafts,
    remove,
    silent,
    sodium_at_once,
    sodium_today,
    taken,
    vaptan_of,
)
from cds_service.sodium.sample import Band, Freshness
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.match import DrugMatch

TOLVAPTAN = "tolvaptan"
CONIVAPTAN = "conivaptan"
LIVER = (
    "decompensated-cirrhosis",
    "cirrhosis",
    "alcoholic-hepatitis",
    "advanced-liver",
    "portal-hypertension",
)


def volume_depleted(case: Case, order: Order) -> Outcome:
    """OS-VAP-HYPO: hypovolemia or salt wasting forbids a vaptan."""
    rule = "OS-VAP-HYPO"
    vaptan = vaptan_of(order)
    if vaptan is None:
        return silent(rule, order, "no-vaptan")
    if case.volume.status not in (Volume.HYPO, Volume.CSW):
        return silent(rule, order, "not-depleted")
    return about(
        order,
        Finding(
            rule=rule,
            indicator="critical",
            drugs=(vaptan.name,),
            facts={"drug": vaptan.name, "why": first_evidence(case)},
            do=(Line("not-give"), Line("restore-volume")),
            why=(Line("label-hypovolemia"),),
            suggestions=_removal(case, order, vaptan),
        ),
    )


def contraindicated(case: Case, order: Order) -> Outcome:
    """OS-VAP-CONTRA: other contraindications, critical; pregnancy, warning (S11, M15)."""
    rule = "OS-VAP-CONTRA"
    vaptan = vaptan_of(order)
    if vaptan is None:
        return silent(rule, order, "no-vaptan")
    reason = _contraindication(case, order)
    if reason:
        key, why = reason
        return about(
            order,
            Finding(
                rule=rule,
                indicator="critical",
                drugs=(vaptan.name,),
                facts={"drug": vaptan.name, "why": why},
                do=(Line("change-one" if key == "inhibitor" else "not-give"),),
                why=(Line(f"contra-{key}"),),
                suggestions=_removal(case, order, vaptan),
            ),
        )
    if not case.pregnant:
        return silent(rule, order, "no-contraindication")
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning",
            drugs=(vaptan.name,),
            variant="pregnancy",
            facts={"drug": vaptan.name},
            do=(Line("ask-specialist"),),
            why=(Line("pregnancy-lowers"),),
            suggestions=(sodium_today(),),
        ),
    )


def _contraindication(case: Case, order: Order) -> tuple[str, str] | None:
    """The first reason that holds, and its words on the card."""
    if case.volume.status is Volume.ADRENAL:
        return "adrenal", "evidence:adrenal"
    if case.dialysis:
        return "anuria", "evidence:dialysis"
    if recorded(case, "anuria"):
        return "anuria", "evidence:anuria"
    if case.symptoms.attributable:
        return "severe", f"symptom:{case.symptoms.severe[0]}"
    inhibitors = beside(case, order, "cyp3a-inhibitor")
    if inhibitors:
        return "inhibitor", inhibitors[0].name
    if order.hyponatremia_product and recorded(case, "adpkd"):
        return "polycystic", "evidence:adpkd"
    return None


def severe_symptoms(case: Case, order: Order) -> Outcome:
    """OS-VAP-SEV: severe symptoms that sodium is too high to explain; a vaptan is no urgent treatment."""
    rule = "OS-VAP-SEV"
    vaptan = _for_low_sodium(rule, case, order)
    if isinstance(vaptan, Silence):
        return vaptan
    if not case.symptoms.severe or case.symptoms.attributable:
        return silent(rule, order, "no-severe-symptom")
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning",
            drugs=(vaptan.name,),
            facts={"drug": vaptan.name},
            do=(Line("urgent-needs-saline"),),
            why=(Line("severe-recorded", {"symptoms": f"symptom:{case.symptoms.severe[0]}"}),),
            suggestions=(sodium_at_once(order),),
        ),
    )


def liver(case: Case, order: Order) -> Outcome:
    """OS-VAP-LIVER: tolvaptan with liver disease (label; S1-6)."""
    rule = "OS-VAP-LIVER"
    vaptan = _for_low_sodium(rule, case, order)
    if isinstance(vaptan, Silence):
        return vaptan
    if vaptan.name != TOLVAPTAN:
        return silent(rule, order, "not-tolvaptan")
    found = next((c for c in LIVER if recorded(case, c)), None)
    if found is None:
        return silent(rule, order, "no-liver-disease")
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning",
            drugs=(vaptan.name,),
            facts={"drug": vaptan.name, "days": in_days(case.limits.tolvaptan_days_max)},
            do=(Line("short-and-close"),),
            why=(Line("liver-recorded", {"evidence": f"evidence:{found}"}), Line("liver-guidance")),
            suggestions=(sodium_today(),),
        ),
    )


def duration(case: Case, order: Order) -> Outcome:
    """OS-VAP-DUR: the course is longer than the label allows."""
    rule = "OS-VAP-DUR"
    vaptan = _for_low_sodium(rule, case, order)
    if isinstance(vaptan, Silence):
        return vaptan
    if order.adpkd and not for_low_sodium(order):
        return silent(rule, order, "polycystic")
    longest = (
        case.limits.conivaptan_days_max
        if vaptan.name == CONIVAPTAN
        else case.limits.tolvaptan_days_max
    )
    course = _course_days(case, order, vaptan)
    if course is None:
        return silent(rule, order, "duration-unknown")
    if course <= ratio(longest, DAY):
        return silent(rule, order, "short-enough", days=number(course))
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning",
            drugs=(vaptan.name,),
            facts={"drug": vaptan.name, "days": number(course), "limit": in_days(longest)},
            do=(Line("limit-course", {"limit": in_days(longest)}),),
            why=(Line("label-liver-injury" if vaptan.name == TOLVAPTAN else "label-days"),),
        ),
    )


def _course_days(case: Case, order: Order, vaptan: DrugMatch) -> Decimal | None:
    """The longest of: ordered duration, ordered period, days already taken."""
    spans = [order.duration_days] if order.duration_days is not None else []
    if order.start and order.end:
        spans.append(Decimal((order.end - order.start) // DAY))
    exposure = taken(case, vaptan)
    if exposure and exposure.since:
        spans.append(Decimal((case.snapshot.now - exposure.since) // DAY))
    return max(spans) if spans else None


def not_low(case: Case, order: Order) -> Outcome:
    """OS-VAP-NONE: sodium is not low, and no polycystic kidney disease is recorded (S11)."""
    rule = "OS-VAP-NONE"
    vaptan = _for_low_sodium(rule, case, order)
    if isinstance(vaptan, Silence):
        return vaptan
    latest = case.sodium.latest
    if latest is None or case.sodium.freshness is Freshness.STALE:
        return silent(rule, order, "no-recent-sodium")
    if case.sodium.measured is not Band.NORMAL:
        return silent(rule, order, "low", na=latest.shown)
    if taken(case, vaptan):
        return silent(rule, order, "already-taken")
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning",
            drugs=(vaptan.name,),
            facts={"drug": vaptan.name, "na": latest.shown},
            do=(Line("confirm-indication"),),
            why=(Line("sodium-age", {"age": ago(case.sodium.age)}),),
            suggestions=(sodium_today(),),
        ),
    )


def start(case: Case, order: Order) -> Outcome:
    """OS-VAP-GEN: a vaptan is started for low sodium: in hospital, without fluid restriction."""
    rule = "OS-VAP-GEN"
    vaptan = _for_low_sodium(rule, case, order)
    if isinstance(vaptan, Silence):
        return vaptan
    latest = case.sodium.latest
    if latest is None or not case.sodium.low:
        return (
            silent(rule, order, "not-low", na=latest.shown)
            if latest
            else silent(rule, order, "no-sodium")
        )
    if taken(case, vaptan):
        return silent(rule, order, "already-taken")
    outside = not inpatient(case)
    lines = [Line("start-in-hospital"), Line("no-restriction-first-day"), Line("sodium-early")]
    if _restricted(case, order):
        lines.insert(0, Line("restriction-also-ordered", keep=True))
    return about(
        order,
        Finding(
            rule=rule,
            indicator="warning" if outside else "info",
            drugs=(vaptan.name,),
            variant="outpatient" if outside else "main",
            facts={"drug": vaptan.name},
            do=tuple(lines),
            why=(Line(f"indicated-{case.limits.profile}"), Line("too-fast")),
            suggestions=(_early_sodium(case),),
        ),
    )


def _restricted(case: Case, order: Order) -> bool:
    """Whether a fluid restriction is active, or drafted beside the vaptan (N9)."""
    active = (o for o in case.snapshot.exposures if o.status in RUNNING)
    return any(o.fluid_restriction for o in (*other_drafts(case, order), *active))


def _early_sodium(case: Case) -> Suggestion:
    after = case.limits.vaptan_recheck_hours
    draw = DraftLabs(("sodium",), "urgent", after)
    return Suggestion("sodium-after-start", (draw,), {"hours": in_hours(after)})


def _for_low_sodium(rule: str, case: Case, order: Order) -> DrugMatch | Silence:
    """The vaptan of an order that is for low sodium, as far as anybody can tell."""
    vaptan = vaptan_of(order)
    if vaptan is None:
        return silent(rule, order, "no-vaptan")
    return silent(rule, order, "polycystic") if for_polycystic_kidney(case, order) else vaptan


def _removal(case: Case, order: Order, vaptan: DrugMatch) -> tuple[Suggestion, ...]:
    """Positive evidence of harm is enough here; an unknown age still forbids it."""
    if case.age_years is None:
        return (sodium_at_once(order),)
    return (remove(order, vaptan.name), sodium_at_once(order))
