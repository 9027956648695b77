"""A sodium salt as strong as hypertonic saline meets a low sodium: bicarbonate 8.4 % ... (F22)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import Fact, Finding, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import number
from cds_service.knowledge.names import Analyte, DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.follow_up import repeat_sodium
from cds_service.sodium.rules.gates import (
    latest_sodium,
    require_actionable,
    require_low,
    require_unexplained_by_glucose,
    shown_sodium,
    symptom_lines,
)
from cds_service.sodium.rules.measured import urgent_potassium
from cds_service.sodium.rules.order_helpers import drug_of, is_systemic, sodium_after
from cds_service.sodium.rules.ordered_amount import (
    ML_PER_L,
    ONE,
    TENTH,
    after_each_bolus,
    amount_lines,
    as_percent,
    beyond_limit,
    same_as_bolus,
)
from cds_service.sodium.rules.plan import risk_lines
from cds_service.sodium.rules.room import day_limit
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import DrugMatch, StrongSalt

MG_PER_G = Decimal(1000)


def strong_salt_of(order: Order) -> StrongSalt | DrugMatch | None:
    """Returns the sodium salt as strong as hypertonic saline, or a drug that brings much sodium."""
    if not is_systemic(order):
        return None
    return order.strong_salt or sodium_rich_of(order)


def sodium_rich_of(order: Order) -> DrugMatch | None:
    """Returns a drug by vein of which each gram brings sodium, such as fosfomycin."""
    if order.route != "iv":
        return None
    return next((drug for drug in order.drugs if drug.sodium_mmol_per_g is not None), None)


@order_rule("OS-SALTS", strong_salt_of, otherwise="no-strong-salt")
def strong_salt(case: Case, order: Order, _source: object) -> Finding:
    """Speaks below the mild band, and in an acute fall: it raises sodium as 3 % saline does."""
    latest_sodium(case)
    require_unexplained_by_glucose(case)
    require_actionable(case)
    require_low(case)
    require(case.rate.level not in ("warning", "critical"), "raise-leads")
    low = case.sodium.band is not Band.MILD or case.sodium.acute is not None
    require(low or case.symptoms.severe, "mild-band", na=shown_sodium(case))
    salt = order.strong_salt
    if salt is None:
        return _by_the_gram(case, order, sodium_rich_of(order) or skip("no-strong-salt"))
    severe = bool(case.symptoms.severe)
    require(not salt.additive or _above_a_bolus(case, salt), "small-additive")
    limit, unsaid = day_limit(case), salt.assumed_percent is not None
    amount = salt_amount(case, salt, severe=severe)
    return card(
        "info" if severe and not amount else "warning",
        ("severe" if severe else "main") + ("-unsaid" if unsaid else ""),
        drug=salt.name,
        na=shown_sodium(case),
        volume=same_as_bolus(case, salt),
        more_facts=_more_facts(salt, limit if severe and not unsaid else None),
        do=[
            *_against_potassium(case, order),
            *amount,
            as_bolus(case, salt),
            after_each_bolus(case) if severe else _if_needed(case, salt, fits=not amount),
            *risk_lines(case),
        ],
        why=[*_falling_potassium(case, order), *symptom_lines(case)],
        offer=[sodium_after(case)],
    )


def _by_the_gram(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Returns what a drug brings beside its purpose, as far as its dose is known (F22)."""
    limits, mmol = case.limits, _load(order, drug)
    require(mmol is None or mmol >= limits.sodium_load_mmol_from, "small-load")
    facts = load_facts(case, order, drug) or {"each": number(drug.sodium_mmol_per_g or ONE)}
    wait = max(limits.repeat_near_hours - case.sodium.age, timedelta(0))
    return card(
        "warning",
        "load" if mmol is not None else "load-unsaid",
        drug=drug.name,
        na=shown_sodium(case),
        more_facts=facts,
        do=[line("load-counts", limit=day_limit(case), keep=True), *risk_lines(case)],
        why=[*symptom_lines(case), "load-lowers-potassium"],
        offer=[repeat_sodium(case, wait, "urgent")],
    )


def _load(order: Order, drug: DrugMatch) -> Decimal | None:
    """Returns the mmol of sodium that its dose brings in a day; None if that was not read."""
    dose, each = order.daily_dose_mg, drug.sodium_mmol_per_g
    return None if dose is None or each is None else dose / MG_PER_G * each


def load_facts(case: Case, order: Order, drug: DrugMatch) -> dict[str, Fact]:
    """Returns this load with the boluses of 3 % saline that hold as much, as facts of a card."""
    limits, mmol = case.limits, _load(order, drug)
    if mmol is None:
        return {}
    of_a_bolus = limits.bolus_ml / ML_PER_L * limits.bolus_percent * limits.sodium_per_percent
    boluses = (mmol / of_a_bolus).quantize(TENTH)
    return {"mmol": number(mmol.quantize(ONE)), "boluses": number(boluses)}


def salt_amount(case: Case, salt: StrongSalt, *, severe: bool) -> list[Line]:
    """Returns the ordered amount if it is above one bolus, or above the rise that is left (F22).

    With severe symptoms three boluses may be given. Of an assumed strength no amount is computed:
    that of the order may be right.
    """
    if salt.ordered_ml is None or salt.assumed_percent is not None:
        return []
    above, percent = None if severe else ONE, as_percent(case, salt)
    return amount_lines(case, salt.ordered_ml, percent, one_bolus=severe, above=above)


def _above_a_bolus(case: Case, salt: StrongSalt) -> bool:
    return salt.ordered_ml is not None and salt.ordered_ml > same_as_bolus(case, salt)


def _if_needed(case: Case, salt: StrongSalt, *, fits: bool) -> Line:
    """Returns how to give what is needed: at once only what is known to be no more than a bolus."""
    limit = day_limit(case)
    if beyond_limit(case):
        return line("salt-beyond-limit", keep=True)
    if fits and salt.ordered_ml is not None and salt.assumed_percent is None:
        return line("count-as-saline", limit=limit)
    key = "bolus-then-sodium-phosphate" if salt.additive else "bolus-then-sodium"
    return line(key, volume=same_as_bolus(case, salt), limit=limit, keep=True)


def _against_potassium(case: Case, order: Order) -> list[Line]:
    """Returns, beside a high potassium, what lowers it without sodium: it is the likely reason."""
    potassium = urgent_potassium(case)
    if potassium is None or drug_of(order, DrugClass.BICARBONATE) is None:
        return []
    return [line("against-potassium", value=potassium.value, keep=True)]


def _falling_potassium(case: Case, order: Order) -> list[Line]:
    """Returns that bicarbonate takes a low potassium down further."""
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.demyelination_potassium_hours)
    if potassium is None or not potassium.below(limits.demyelination_potassium_below):
        return []
    alkali = drug_of(order, DrugClass.BICARBONATE)
    return [line("lowers-potassium", value=potassium.value)] if alkali else []


def _more_facts(salt: StrongSalt, limit: Decimal | None) -> dict[str, Fact]:
    """Returns the limit of the day, and the strength that an order may mean that states none."""
    told = {"limit": limit, "percent": salt.assumed_percent}
    return {key: number(value) for key, value in told.items() if value is not None}


def as_bolus(case: Case, salt: StrongSalt) -> Line:
    """Returns which volume counts as one bolus of 3 % saline."""
    volume, bolus, percent = same_as_bolus(case, salt), case.limits.bolus_ml, salt.assumed_percent
    if percent is None:
        return line("same-as-bolus", volume=volume, bolus=bolus, keep=True)
    return line("which-strength", volume=volume, bolus=bolus, percent=percent, keep=True)
