"""A sodium salt as strong as hypertonic saline meets a low sodium: bicarbonate 8.4 % ... (F22)."""

from __future__ import annotations

from decimal import Decimal

from cds_service.engine.finding import Fact, Finding, Line
from cds_service.engine.rule import card, line, require
from cds_service.engine.wording import number
from cds_service.knowledge.names import Analyte, DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import (
    latest_sodium,
    require_actionable,
    require_low,
    require_unexplained_by_glucose,
    shown_sodium,
    symptom_lines,
)
from cds_service.sodium.rules.order_helpers import drug_of, is_systemic, sodium_after
from cds_service.sodium.rules.ordered_amount import (
    ONE,
    after_each_bolus,
    amount_lines,
    as_percent,
    same_as_bolus,
)
from cds_service.sodium.rules.plan import risk_lines
from cds_service.sodium.rules.room import day_limit
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import StrongSalt


def strong_salt_of(order: Order) -> StrongSalt | None:
    """Returns the sodium salt of the order if it is as strong as hypertonic saline."""
    return order.strong_salt if is_systemic(order) else None


@order_rule("OS-SALTS", strong_salt_of, otherwise="no-strong-salt")
def strong_salt(case: Case, order: Order, salt: StrongSalt) -> Finding:
    """Speaks below the mild band, and in an acute fall: it raises sodium as 3 % saline does."""
    latest_sodium(case)
    require_unexplained_by_glucose(case)
    require_actionable(case)
    require_low(case)
    require(case.rate.level not in ("warning", "critical"), "raise-leads")
    low = case.sodium.band is not Band.MILD or case.sodium.acute is not None
    require(low or case.symptoms.severe, "mild-band", na=shown_sodium(case))
    severe = bool(case.symptoms.severe)
    limit, unsaid = day_limit(case), salt.assumed_percent is not None
    amount = salt_amount(case, salt, severe=severe)
    return card(
        "info" if severe and not amount else "warning",
        ("severe" if severe else "main") + ("-unsaid" if unsaid else ""),
        drug=salt.name,
        na=shown_sodium(case),
        volume=same_as_bolus(case, salt),
        more_facts=_more_facts(salt, limit if severe else None),
        do=[
            *amount,
            as_bolus(case, salt),
            after_each_bolus(case) if severe else _if_needed(case, salt, fits=not amount),
            *risk_lines(case),
        ],
        why=[*_falling_potassium(case, order), *symptom_lines(case)],
        offer=[sodium_after(case)],
    )


def salt_amount(case: Case, salt: StrongSalt, *, severe: bool) -> list[Line]:
    """Returns the ordered amount if it is above one bolus, or above the rise that is left (F22).

    With severe symptoms three boluses may be given. Of an assumed strength no amount is computed:
    that of the order may be right.
    """
    if salt.ordered_ml is None or salt.assumed_percent is not None:
        return []
    above, percent = None if severe else ONE, as_percent(case, salt)
    return amount_lines(case, salt.ordered_ml, percent, one_bolus=severe, above=above)


def _if_needed(case: Case, salt: StrongSalt, *, fits: bool) -> Line:
    """Returns how to give what is needed: at once only what is known to be no more than a bolus."""
    limit = day_limit(case)
    if fits and salt.ordered_ml is not None and salt.assumed_percent is None:
        return line("count-as-saline", limit=limit)
    return line("bolus-then-sodium", volume=same_as_bolus(case, salt), limit=limit, keep=True)


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
