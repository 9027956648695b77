"""Orders that are given for another purpose and harm in some patients (F29)."""

from __future__ import annotations

from decimal import Decimal

from cds_service.engine.finding import Fact, Finding, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import joined
from cds_service.knowledge.names import Analyte, DrugClass, DrugName, Problem
from cds_service.sodium.adrenal import adrenal_grounds
from cds_service.sodium.case import Case
from cds_service.sodium.restriction import little_urine_sodium, signs_of_loss
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import (
    actionable,
    cirrhosis_instead,
    heart_failure,
    recorded,
    require_recorded,
    shown_sodium,
)
from cds_service.sodium.rules.order_helpers import (
    baseline,
    drug_of,
    is_older,
    is_systemic,
    sodium_today,
    taken,
)
from cds_service.sodium.rules.plan import egfr
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch


def picosulfate_of(order: Order) -> DrugMatch | None:
    """Returns the picosulfate of the order: with it water alone is drunk, and salt is lost."""
    drugs = order.drugs if is_systemic(order) else ()
    return next((drug for drug in drugs if drug.name == DrugName.PICOSULFATE), None)


@order_rule("OS-BOWEL", picosulfate_of, otherwise="no-picosulfate")
def bowel_preparation(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if sodium is low, a strong drug is taken, or the patient is older."""
    strong = [e.drug.name for e in case.exposures.active if e.drug.tier == "T1"]
    low = case.sodium.low and actionable(case)
    require(low or strong or is_older(case), "no-risk")
    return card(
        "warning" if low else "info",
        "low" if low else "main",
        drug=drug.name,
        more_facts={"na": shown_sodium(case)} if low else {},
        do=["peg-electrolyte", *_held_thiazides(case), "salty-fluids"],
        why=[line("also-lowering", drugs=", ".join(strong))] if strong else [],
        offer=[sodium_today() if low else baseline(case)],
    )


def _held_thiazides(case: Case) -> list[Line]:
    """Returns which thiazides pause while the bowel is emptied: both take salt and water.

    In heart failure a diuretic is part of the treatment.
    """
    thiazides = [e.drug.name for e in case.exposures.of(DrugClass.THIAZIDE)]
    if not thiazides or heart_failure(case):
        return []
    return [line("hold-thiazide", drugs=", ".join(thiazides), keep=True)]


def urea_of(order: Order) -> DrugMatch | None:
    """Returns the urea of the order."""
    return drug_of(order, DrugClass.UREA)


@order_rule("OS-UREA", urea_of, otherwise="no-urea")
def urea_in_encephalopathy(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if hepatic encephalopathy is recorded, which urea feeds, or if the kidneys fail."""
    kidney = _kidneys_keep_urea(case, drug)
    if recorded(case, Problem.ENCEPHALOPATHY):
        return card(
            "warning",
            drug=drug.name,
            do=[
                line("avoid-urea", keep=True),
                *(cirrhosis_instead(case) if case.sodium.low else []),
            ],
            why=["ammonia", *(["stays-in-blood"] if kidney else [])],
        )
    if case.pregnant:
        return card("warning", "pregnancy", drug=drug.name, do=["ask-obstetrics"], why=["untried"])
    adrenal = adrenal_grounds(case) if case.sodium.low else ()
    if adrenal:
        step = line("exclude-adrenal-before-urea", keep=True)
        why = [ground.line for ground in adrenal]
        names = adrenal[0].names
        return card("warning", "adrenal", drug=drug.name, why_=names, do=[step], why=why)
    salt = little_urine_sodium(case) if case.sodium.low and kidney is None else None
    if salt is not None:
        step = line("examine-before-urea", keep=True)
        return card("warning", "urine", drug=drug.name, value=salt, do=[step], why=["pulls-water"])
    signs = signs_of_loss(case) if case.sodium.low and kidney is None else ()
    if signs:
        step, names = line("examine-before-urea", keep=True), joined("evidence", signs[:2])
        return card("warning", "signs", drug=drug.name, why_=names, do=[step], why=["pulls-water"])
    require_recorded(case, kidney, "no-encephalopathy")
    variant, facts = kidney or skip("no-encephalopathy")
    return card(
        "warning",
        variant,
        drug=drug.name,
        more_facts=facts,
        do=[line("ask-nephrology-first", keep=True)],
        why=["stays-in-blood"],
    )


def _kidneys_keep_urea(case: Case, drug: DrugMatch) -> tuple[str, dict[str, Fact | Decimal]] | None:
    """Returns the variant and the facts if the kidneys are too weak for urea; else None.

    A high BUN counts before the first dose alone, as urea raises it.
    """
    limits, readings = case.limits, case.readings
    failing = case.problems.active(case.sets.kidney_failure)
    filtration = egfr(case)
    if failing:
        return "kidney", {"condition": joined("evidence", failing[-1:])}
    if filtration is not None and filtration.below(limits.urea_egfr_below):
        return "filtration", {"value": filtration.value}
    creatinine = readings.latest(Analyte.CREATININE, limits.measured_days)
    if creatinine is not None and creatinine.above(limits.creatinine_told_above):
        return "creatinine", {"value": case.as_sent(Analyte.CREATININE, creatinine.value)}
    nitrogen = readings.latest(Analyte.BUN, limits.measured_days)
    high = nitrogen is not None and nitrogen.above(limits.urea_bun_above)
    if nitrogen is None or not high or taken(case, drug):
        return None
    return "nitrogen", {"value": case.as_sent(Analyte.BUN, nitrogen.value)}
