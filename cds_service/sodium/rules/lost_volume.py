"""Lost volume before a patient goes home: it is named before any drug is called the cause (M7)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import joined
from cds_service.knowledge.names import Problem, Sign
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.restriction import little_urine_sodium, losses
from cds_service.sodium.rules.gates import rises_fast
from cds_service.sodium.rules.plan import VOMITING_ALONE
from cds_service.sodium.volume import Volume

SHOWN = 2  # the source and a sign: more does not fit into a line
NOT_BY_LOSS = (Volume.HYPER, Volume.CONFLICT, Volume.ADRENAL)


def lost_volume_lines(case: Case, *, bolus_first: bool = False) -> list[Line]:
    """Returns what is lost with what replaces it; without a sign of the loss it is examined.

    Beside a line that says 3 % saline before any other fluid (`bolus_first`) it comes after that.
    """
    if not case.sodium.low or rises_fast(case) or case.volume.status in NOT_BY_LOSS:
        return []
    signs = lost_signs(case)
    found = tuple(dict.fromkeys((*losses(case)[:1], *signs, *_may_be_lost(case))))
    if not found:
        return []
    shown = joined("evidence", found[:SHOWN])
    if bolus_first:
        return [line("volume-after-bolus", evidence=shown, keep=True)]
    return [line("volume-lost" if signs else "volume-examine", evidence=shown, keep=True)]


def lost_signs(case: Case) -> tuple[str, ...]:
    """Returns the signs by which volume is likely lost; vomiting alone may be by low sodium."""
    volume = case.volume
    if volume.status in NOT_BY_LOSS:
        return ()
    known = volume.evidence if volume.status is Volume.HYPO else ()
    return (*(() if known == VOMITING_ALONE else known), *volume.shock, *volume.dry)


def holds_diuretic(case: Case, exposure: Exposure) -> bool:
    """Returns whether a product with this drug holds a diuretic too, which its own line holds."""
    drugs = [drug for order in exposure.orders for drug in order.drugs]
    return any(drug.cls in case.sets.diuretics for drug in drugs)


def _may_be_lost(case: Case) -> tuple[str, ...]:
    """Returns what is listed without a date, vomiting alone, and a kidney that holds salt."""
    undated = case.problems.undated(case.sets.hypovolemia)
    listed = [concept for concept in undated if concept != Problem.VOMITING]
    vomits = case.volume.evidence if case.volume.evidence == VOMITING_ALONE else ()
    holds = (Sign.URINE_SODIUM_LOW,) if little_urine_sodium(case) is not None else ()
    return (*listed[:1], *vomits, *holds)
