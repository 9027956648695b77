"""A drug is selected that is a question in cirrhosis: diuretics, baclofen (S14, S15)."""

from __future__ import annotations

from cds_service.engine.finding import Finding, Line, Outcome, Suggestion
from cds_service.engine.wording import number
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness, Reading
from cds_service.sodium.rules.gates import (
    cirrhosis,
    direct_reading_normal,
    ever_recorded,
    heart_failure,
    in_use,
    na,
    recorded,
)
from cds_service.sodium.rules.order_helpers import (
    about,
    beside,
    drug_of,
    may_remove,
    remove,
    silent,
    sodium_today,
    taken,
)
from cds_service.sodium.rules.plan import DIURETICS, SEDATIVES, egfr
from cds_service.sodium.snapshot import Order
from cds_service.terminology.match import DrugMatch

SPASTICITY = "spasticity"
ENCEPHALOPATHY = "encephalopathy"


def diuretic(case: Case, order: Order) -> Outcome:
    """OS-DIUR-CRAMP: a diuretic is started in cirrhosis with low sodium (warning) or cramps (info)."""
    rule = "OS-DIUR-CRAMP"
    drug = drug_of(order, *DIURETICS)
    if drug is None:
        return silent(rule, order, "no-diuretic")
    if not cirrhosis(case):
        return silent(rule, order, "no-cirrhosis")
    if taken(case, drug):
        return silent(rule, order, "already-taken")
    real = case.sodium.freshness is Freshness.CURRENT and not direct_reading_normal(case)
    low = real and in_use(case) < case.limits.stop_diuretics_below
    if not low and not case.symptoms.cramp:
        return silent(rule, order, "no-reason-to-stop")
    return about(order, _low_sodium(case, order, drug) if low else _cramps_only(drug))


def _low_sodium(case: Case, order: Order, drug: DrugMatch) -> Finding:
    removal: tuple[Suggestion, ...] = ()
    if may_remove(case) and not heart_failure(case) and order.route != "iv":
        removal = (remove(order, drug.name),)
    hold = Line("heart-failure-text" if heart_failure(case) else "hold-diuretic")
    return Finding(
        rule="OS-DIUR-CRAMP",
        indicator="warning",
        facts={"drug": drug.name, "na": na(case)},
        do=(hold, Line("kidney-and-potassium")),
        why=(
            Line(
                f"guidance-{case.limits.profile}",
                {"limit": number(case.limits.stop_diuretics_below)},
            ),
        ),
        suggestions=(*removal, sodium_today()),
        drugs=(drug.name,),
    )


def _cramps_only(drug: DrugMatch) -> Finding:
    return Finding(
        rule="OS-DIUR-CRAMP",
        indicator="info",
        variant="cramps",
        facts={"drug": drug.name, "why": "symptom:cramp"},
        do=(Line("stop-if-incapacitating"), Line("kidney-and-potassium")),
        why=(Line("cramps-recorded"),),
        drugs=(drug.name,),
    )


def baclofen(case: Case, order: Order) -> Outcome:
    """OS-BACLO: baclofen for cramps in cirrhosis at a dose, or with a problem, that makes it unsafe."""
    rule = "OS-BACLO"
    drug = drug_of(order, "baclofen")
    if drug is None:
        return silent(rule, order, "no-baclofen")
    if not cirrhosis(case):
        return silent(rule, order, "no-cirrhosis")
    if recorded(case, SPASTICITY) or SPASTICITY in order.reasons:
        return silent(rule, order, "spasticity")
    avoid, doses = _avoid(case), _dose(case, order, drug)
    if not avoid and not doses:
        return silent(rule, order, "within-limits")
    limits = case.limits
    steps = {
        "start": number(limits.baclofen_start_mg),
        "step": number(limits.baclofen_step_mg),
        "max": number(limits.baclofen_max_mg),
    }
    found = Finding(
        rule=rule,
        indicator="warning",
        variant="avoid" if avoid else "main",
        facts={"drug": drug.name} if avoid else {"drug": drug.name, **steps},
        do=(Line("avoid-baclofen" if avoid else "lower-the-dose"), Line("baclofen-not-abruptly")),
        why=(*avoid, *doses, *_sedatives(case, order)),
        drugs=(drug.name,),
    )
    return about(order, found)


def _avoid(case: Case) -> tuple[Line, ...]:
    """Problems that forbid baclofen at any dose."""
    kidney, lines = egfr(case), []
    if case.dialysis:
        lines.append(Line("kidney-dialysis"))
    elif kidney is not None and kidney.below(case.limits.baclofen_egfr_avoid_below):
        lines.append(Line("kidney-low", {"egfr": _shown(kidney)}))
    if ever_recorded(case, ENCEPHALOPATHY):
        lines.append(Line("encephalopathy"))
    return tuple(lines)


def _dose(case: Case, order: Order, drug: DrugMatch) -> tuple[Line, ...]:
    limits, dose = case.limits, order.daily_dose_mg
    if dose is None:
        return ()
    if dose > limits.baclofen_max_mg:
        return (Line("dose-high", {"dose": number(dose), "max": number(limits.baclofen_max_mg)}),)
    if dose > limits.baclofen_start_mg and taken(case, drug) is None:
        return (
            Line("start-high", {"dose": number(dose), "start": number(limits.baclofen_start_mg)}),
        )
    return ()


def _sedatives(case: Case, order: Order) -> tuple[Line, ...]:
    found = beside(case, order, *SEDATIVES)
    return (Line("sedatives", {"drugs": ", ".join(d.name for d in found)}),) if found else ()


def _shown(reading: Reading) -> str:
    return f"{reading.comparator}{number(reading.value)}"
