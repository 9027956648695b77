"""A sodium salt as strong as hypertonic saline meets a low sodium: bicarbonate 8.4 % ... (F22)."""

from __future__ import annotations

from cds_service.engine.finding import Finding
from cds_service.engine.rule import card, line, require
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
from cds_service.sodium.rules.order_helpers import is_systemic, sodium_after
from cds_service.sodium.rules.ordered_amount import (
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
def strong_salt(case: Case, _order: Order, salt: StrongSalt) -> Finding:
    """Speaks below the mild band, and in an acute fall: it raises sodium as 3 % saline does."""
    latest_sodium(case)
    require_unexplained_by_glucose(case)
    require_actionable(case)
    require_low(case)
    require(case.rate.level not in ("warning", "critical"), "raise-leads")
    low = case.sodium.band is not Band.MILD or case.sodium.acute is not None
    require(low or case.symptoms.severe, "mild-band", na=shown_sodium(case))
    severe = bool(case.symptoms.severe)
    limit, volume = day_limit(case), same_as_bolus(case, salt)
    percent = as_percent(case, salt)
    ordered = salt.ordered_ml
    amount = amount_lines(case, ordered, percent, one_bolus=severe) if ordered else []
    return card(
        "info" if severe and not amount else "warning",
        "severe" if severe else "main",
        drug=salt.name,
        na=shown_sodium(case),
        volume=volume,
        more_facts={"limit": limit} if severe else {},
        do=[
            *amount,
            line("same-as-bolus", volume=volume, bolus=case.limits.bolus_ml, keep=True),
            after_each_bolus(case) if severe else line("count-as-saline", limit=limit),
        ],
        why=[*symptom_lines(case), *risk_lines(case)],
        offer=[sodium_after(case)],
    )
