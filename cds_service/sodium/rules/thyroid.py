"""Thyroid hormone is ordered while the adrenal glands may fail: cortisol comes before it (F5)."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.engine.finding import Finding, Line, Suggestion
from cds_service.engine.rule import card, line, require
from cds_service.engine.wording import joined
from cds_service.knowledge.names import DrugClass, Sign
from cds_service.sodium.adrenal import adrenal_grounds, high_cortisol, low_cortisol
from cds_service.sodium.case import Case
from cds_service.sodium.results import Freshness
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.follow_up import cortisol_first
from cds_service.sodium.rules.gates import adrenal_crisis, lines_of, require_recorded
from cds_service.sodium.rules.order_helpers import (
    beside,
    drug_of,
    is_raised,
    may_remove,
    remove,
    result_doubts,
    taken,
)
from cds_service.sodium.rules.plan import crisis_lines
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch


def thyroid_hormone_of(order: Order) -> DrugMatch | None:
    """Returns the thyroid hormone of the order."""
    return drug_of(order, DrugClass.THYROID_HORMONE)


@order_rule("OS-THYROID", thyroid_hormone_of, otherwise="no-thyroid-hormone")
def thyroid_before_cortisol(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if it is begun or raised while adrenal failure is known or likely, and not treated."""
    replaced = beside(case, order, *case.sets.glucocorticoids.members)
    require(not replaced, "replaced", partner=replaced[0].name if replaced else "")
    require(low_cortisol(case) or _low_sodium(case), "sodium-not-low")
    why = next(_failures(case), "")
    require_recorded(case, why, otherwise="adrenals-not-in-doubt")
    goes_on = taken(case, drug) is not None
    require(not goes_on or is_raised(case, order, drug), "already-taken")
    crisis, coma = adrenal_crisis(case), _myxedema(case)
    return card(
        "critical" if crisis else "warning",
        "coma" if coma else "main",
        drug=drug.name,
        why_=crisis or why,
        do=[
            *(crisis_lines(case) or [line("cortisol-now", keep=True)]),
            *_then(drug, goes_on=goes_on, coma=coma),
        ],
        why=[*lines_of({"label-adrenal": True}), *result_doubts(case)],
        offer=[
            *_removal(case, order, drug, kept=goes_on or coma),
            *cortisol_first(case),
        ],
    )


def _low_sodium(case: Case) -> bool:
    """Tells whether sodium is low, and recent enough to say something of today."""
    return case.sodium.low and case.sodium.freshness is not Freshness.STALE


def _failures(case: Case) -> Iterator[str]:
    """Yields why the adrenal glands fail or may fail, as facts of a card."""
    if case.volume.status is Volume.ADRENAL or case.problems.active(case.sets.adrenal):
        known = case.problems.active(case.sets.adrenal) or case.volume.evidence
        yield joined("evidence", known[:1])
    if high_cortisol(case) is not None:
        return
    yield from (ground.names for ground in adrenal_grounds(case))
    pituitary = {
        Sign.PITUITARY_DISEASE: case.sets.pituitary_disease,
        Sign.PITUITARY_SURGERY: case.sets.pituitary_surgery,
    }
    for sign, recorded in pituitary.items():
        if case.problems.active(recorded):
            yield joined("evidence", [sign])


def _myxedema(case: Case) -> bool:
    return bool(case.problems.current(case.sets.myxedema, case.limits.measured_days))


def _then(drug: DrugMatch, *, goes_on: bool, coma: bool) -> list[Line]:
    """Returns when the hormone follows: what is taken goes on, and a coma does not wait for it."""
    key = "coma-both" if coma else "old-dose" if goes_on else "not-before"
    return [line(key, drug=drug.name, keep=True)]


def _removal(case: Case, order: Order, drug: DrugMatch, *, kept: bool) -> list[Suggestion]:
    return [remove(order, drug.name)] if may_remove(case) and not kept else []
