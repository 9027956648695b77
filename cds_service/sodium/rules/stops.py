"""Which active diuretics a click may stop, and in what words the others are reviewed (B.2, M14, N8)."""

from __future__ import annotations

from msgspec import Struct

from cds_service.engine.finding import Line, StopOrder, Suggestion
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.results import Band
from cds_service.sodium.rules.drugs import DIURETICS
from cds_service.sodium.rules.gates import (
    cirrhosis,
    doubtful,
    heart_failure,
    in_use,
    rising_too_fast,
)
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume

PRESCRIPTION = "MedicationRequest/"
ENDED = frozenset({"completed", "stopped", "on-hold", "ended", "cancelled"})


class Stops(Struct, frozen=True, kw_only=True):
    """The stops of one card: lines, buttons, and the drugs they settle."""

    lines: tuple[Line, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    settled: frozenset[str] = frozenset()


def stops(case: Case) -> Stops:
    """Diuretics that should stop here: by a click where that is safe, else in words that say why not.

    While sodium rises too fast none should: without a diuretic the kidney sheds water, and it rises faster.
    """
    wanted = [e for e in case.exposures.active if _should_stop(case, e)]
    if not wanted:
        return Stops()
    settled = frozenset(e.drug.name for e in wanted)
    if rising_too_fast(case):
        return Stops(
            lines=(Line("stop-rising", {"drugs": ", ".join(sorted(settled))}),), settled=settled
        )
    combined = [e for e in wanted if any(_combination(o) for o in running(e))]
    single = [e for e in wanted if e not in combined]
    clickable = tuple(e for e in single if _clickable(case, e))
    lines = [_combination_line(e) for e in combined]
    if single:
        names = ", ".join(e.drug.name for e in single)
        key = "stop-cirrhosis" if _liver(case) else "stop-thiazide"
        lines.append(Line(key, {"drugs": names}, keep=True))
        lines.extend(_withheld(case))
    return Stops(
        lines=tuple(lines),
        suggestions=tuple(_suggestion(e) for e in clickable),
        settled=settled,
    )


def running(exposure: Exposure) -> tuple[Order, ...]:
    """The prescriptions of this exposure that still run; given doses and statements cannot be stopped."""
    prescribed = (o for o in exposure.orders if o.reference.startswith(PRESCRIPTION))
    return tuple(o for o in prescribed if o.status not in ENDED)


def _should_stop(case: Case, exposure: Exposure) -> bool:
    """Thiazides where low sodium matters; in cirrhosis below a limit all diuretics; none in heart failure."""
    if exposure.drug.cls not in DIURETICS or heart_failure(case):
        return False
    if _liver(case):
        return True
    return exposure.drug.cls == "thiazide" and exposure.attribution != "unlikely" and _matters(case)


def _liver(case: Case) -> bool:
    """Cirrhosis with a sodium at which guidance stops every diuretic."""
    return cirrhosis(case) and in_use(case) < case.limits.stop_diuretics_below


def _matters(case: Case) -> bool:
    """Below mild, volume-depleted, or mild with a symptom and not near normal."""
    if case.sodium.band is not Band.MILD or case.volume.status is Volume.HYPO:
        return True
    symptom = case.symptoms.moderate or case.symptoms.mild or case.symptoms.fall_or_fracture
    return bool(symptom) and in_use(case) < case.limits.mild_workup_below


def _combination(order: Order) -> bool:
    return order.ingredient_count > 1 or bool(order.partners)


def _clickable(case: Case, exposure: Exposure) -> bool:
    """Every running order of it may become an `update`, and no doubt stands against it."""
    orders = running(exposure)
    return not _withheld(case) and bool(orders) and all(o.stoppable for o in orders)


def _withheld(case: Case) -> tuple[Line, ...]:
    """Why no stop is drafted at all: half a record, or a doubtful sodium."""
    if not case.snapshot.complete("medications", "conditions"):
        return (Line("stop-unread"),)
    return (Line("stop-doubtful"),) if doubtful(case) else ()


def _combination_line(exposure: Exposure) -> Line:
    partners = {p for o in running(exposure) for p in o.partners}
    if not partners:
        return Line("stop-combination-unnamed", {"drug": exposure.drug.name}, keep=True)
    facts = {"drug": exposure.drug.name, "partner": ", ".join(sorted(partners))}
    return Line("stop-combination", facts, keep=True)


def _suggestion(exposure: Exposure) -> Suggestion:
    kind = "stop-drug-potassium" if exposure.drug.cls == "mra" else "stop-drug"
    actions = tuple(StopOrder(o.reference, exposure.drug.name) for o in running(exposure))
    return Suggestion(kind, actions, {"drug": exposure.drug.name})
