"""What to do about the low sodium, by volume status: the plan matrix (B.2, M7 to M9, N4, N6, S9)."""

from __future__ import annotations

from collections.abc import (
    Iterator,
)

from msgspec import (
    Struct,
)

from cds_service.engine.finding import (
    DraftBaclofen,
    DraftFluidRestriction,
    Line,
    StopOrder,
    Suggestion,
)
from cds_service.engine.wording import (
    number,
)
from cds_service.sodium.case import (
    Case,
)
from cds_service.sodium.exposure import (
    Exposure,
)
from cds_service.sodium.results import (
    Band,
    Reading,
)
from cds_service.sodium.rules.follow_up import (
    cramp_labs,
)
from cds_service.sodium.rules.gates import (
    at,
    cirrhosis,
    doubtful,
    ever_recorded,
    heart_failure,
    in_use,
    osmolality_normal,
    recorded,
    rises_fast,
    rising_too_fast,
)
from cds_service.sodium.snapshot import (
    Order,
)
from cds_service.sodium.volume import (
    Volume,
)

GENTLY = frozenset(
    {
        "ssri", "snri", "tca", "antidepressant-other", "antidepressant-fewer",  # withdrawal
        "iminostilbene", "valproate", "antiepileptic-other",  # seizures
        "antipsychotic",  # relapse
        "desmopressin",  # sudden water loss, and sodium rises too fast
    }
)  # fmt: skip
DIURETICS = frozenset({"thiazide", "loop", "mra"})
WATCHED = frozenset({"T1", "T2"})


def culprit(case: Case) -> str:
    """The most likely drug by our own name, or empty."""
    return case.exposures.suspects[0].drug.name if case.exposures.suspects else ""


def names(case: Case) -> tuple[str, ...]:
    """The drugs a card names, the most likely first."""
    return tuple(e.drug.name for e in case.exposures.suspects)


def drug_lines(case: Case) -> tuple[Line, ...]:
    """Each suspect with its start and how likely it is the cause, at most three; then what is on hold."""
    suspects = tuple(_since(case, e) for e in case.exposures.suspects if e.attribution)
    held = sorted(drug.name for drug in case.exposures.on_hold if drug.tier in WATCHED)
    shown = ", ".join(held[: int(case.limits.suspects_to)])
    return (*suspects, Line("drug-on-hold", {"drugs": shown})) if held else suspects


def review_lines(case: Case, stopped: frozenset[str] = frozenset()) -> tuple[Line, ...]:
    """What to do about suspects that no stop covers: some never abruptly, some no stop, the rest review."""
    groups: dict[str, list[str]] = {}
    for exposure in case.exposures.suspects:
        if exposure.drug.name not in stopped:
            groups.setdefault(_review(case, exposure), []).append(exposure.drug.name)
    return tuple(Line(key, {"drugs": ", ".join(found)}) for key, found in groups.items())


def _review(case: Case, exposure: Exposure) -> str:
    if exposure.drug.cls in GENTLY:
        return "review-gently"
    if exposure.drug.cls in DIURETICS and heart_failure(case):
        return "review-heart-failure"
    return "review-need"


def _since(case: Case, exposure: Exposure) -> Line:
    facts = {"drug": exposure.drug.name}
    if exposure.since is None:
        return Line("drug-undated", facts)
    return Line(
        f"drug-{exposure.attribution}", {**facts, "date": at(case, exposure.since, day_only=True)}
    )


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


SEDATIVES = ("opioid", "opioid-sodium", "benzodiazepine")
SOURCES = ("medications", "conditions", "labs")


def cramp_lines(case: Case) -> tuple[Line, ...]:
    """What to do about cramps; nothing where none is recorded."""
    if not (case.symptoms.cramp and cirrhosis(case)):
        return ()
    lines = []
    if case.exposures.of(*DIURETICS) and not (heart_failure(case) or rising_too_fast(case)):
        lines.append(Line("cramp-diuretic"))
    lines.append(_treatment(case))
    return tuple(lines)


def cramp_background(case: Case) -> tuple[Line, ...]:
    """That the link between low sodium and cramps is weak, always; and why no baclofen is drafted."""
    if not case.symptoms.cramp:
        return ()
    reason = withheld(case) if cirrhosis(case) else ""
    why_not = (Line(reason),) if reason else ()
    return (Line("cramp-caveat", keep=True), *why_not)


def cramp_advice(case: Case) -> tuple[Line, ...]:
    """How low sodium is thought to act on muscle; first to go when a card grows too long (S1-2 to S1-4)."""
    return (Line("cramp-mechanism"),) if case.symptoms.cramp else ()


def cramp_suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The laboratory panel, and in cirrhosis baclofen where nothing speaks against it."""
    if not case.symptoms.cramp:
        return ()
    if not cirrhosis(case) or withheld(case):
        return cramp_labs(case)
    dose = number(case.limits.baclofen_start_mg)
    return (*cramp_labs(case), Suggestion("baclofen", (DraftBaclofen(dose),), {"mg": dose}))


def withheld(case: Case) -> str:
    """The first reason why no baclofen is drafted (a key of words), or empty (S15)."""
    limits, kidney, latest = case.limits, egfr(case), case.sodium.latest
    weak = case.dialysis or (kidney is not None and not kidney.at_least(limits.baclofen_egfr_from))
    checks = (
        ("baclofen-taken", bool(case.exposures.of("baclofen"))),
        ("baclofen-unread", case.age_years is None or not case.snapshot.complete(*SOURCES)),
        ("baclofen-kidney-unknown", kidney is None),
        ("baclofen-kidney", weak),
        ("baclofen-encephalopathy", ever_recorded(case, "encephalopathy", "advanced-liver")),
        ("baclofen-seizure", case.symptoms.seizure),
        ("baclofen-sedative", bool(case.exposures.of(*SEDATIVES))),
        ("baclofen-pregnancy", case.pregnant),
        ("baclofen-sodium", latest is None or latest.value < limits.baclofen_sodium_from),
    )
    return next((key for key, holds in checks if holds), "")


def egfr(case: Case) -> Reading | None:
    """The newest estimated GFR that still tells today's kidney function."""
    return case.readings.latest("egfr", case.limits.baclofen_egfr_days)


def _treatment(case: Case) -> Line:
    limits, kidney = case.limits, egfr(case)
    if case.dialysis or (kidney is not None and kidney.below(limits.baclofen_egfr_avoid_below)):
        return Line("cramp-albumin-only")
    dose = {
        "start": number(limits.baclofen_start_mg),
        "step": number(limits.baclofen_step_mg),
        "max": number(limits.baclofen_max_mg),
    }
    if kidney is not None and kidney.below(limits.baclofen_egfr_from):
        return Line("cramp-cirrhosis-reduced", dose)
    return Line("cramp-cirrhosis", dose)


LOSSES = frozenset({"vomiting", "diarrhea"})
TREAT = {
    Volume.CSW: "salt-wasting-replace",
    Volume.ADRENAL: "adrenal-treat",
    Volume.NEURO: "neuro-advice",
}
RISING = {
    Volume.CSW: "neuro-advice",
    Volume.HYPO: "hypovolemia-rising",
}  # while sodium rises too fast
NEAR_NORMAL = "withheld-near-normal"
CONDITIONAL = "withheld-volume-unknown"
UNKNOWN_DATA = ("-unread", "-age-unknown")
RESTRICTING = ("offer", "ordered")
FLUID_ORDERS = ("NutritionOrder", "ServiceRequest")
WATER_COUNTS = frozenset({Volume.UNKNOWN, Volume.HYPER, Volume.EUV})
MAY_BE_DRY = frozenset({"withheld-brain-undated", "withheld-conditions-unread"})
NO_VAPTAN = frozenset({"withheld-pregnancy", "withheld-dialysis", "never-vaptan"})


def plan_lines(case: Case) -> tuple[Line, ...]:
    """What to do, the most important first: restriction or why not, what the volume status needs, drugs."""
    if osmolality_normal(case):
        return (Line("plan-artifact"),)
    found = stops(case)
    return (
        *restriction_lines(case),
        *_by_volume(case),
        *found.lines,
        *review_lines(case, found.settled),
    )


def plan_suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The fluid restriction, where it is safe, and the stops, one button per drug."""
    if osmolality_normal(case):
        return ()
    return (*restriction_suggestions(case), *stops(case).suggestions)


def plan_background(case: Case) -> tuple[Line, ...]:
    """What the plan rests on: volume status, demyelination risk, further reasons against restriction."""
    return (*volume_lines(case), *risk_lines(case), *_further_reasons(case))


def plan_advice(case: Case) -> tuple[Line, ...]:
    """The articles' further advice, the first to go when a card grows too long (S9)."""
    return tuple(_advice(case))


def restriction_lines(case: Case) -> tuple[Line, ...]:
    """The verdict on fluid restriction in words: harm with every reason, else the leading reason."""
    verdict = case.restriction
    if verdict.verdict == "ordered":
        return (Line("restriction-ordered"), *verdict.reasons[:1])
    if verdict.verdict == "never":
        return verdict.reasons
    if verdict.verdict != "offer":
        return _leading_reason(case)
    offer = Line(_offer(case), {"ml": ml_per_day(case)}, keep=True)
    bedside = (
        (Line("restriction-severe", keep=True),) if case.sodium.measured is Band.SEVERE else ()
    )
    return (*bedside, offer, *_unseen_orders(case))


def _unseen_orders(case: Case) -> tuple[Line, ...]:
    """That a restriction may be ordered already: no prefetch template asks for such orders (design.md)."""
    looked = any(case.snapshot.complete(source) for source in FLUID_ORDERS)
    return () if looked else (Line("restriction-orders-unread", keep=True),)


def _leading_reason(case: Case) -> tuple[Line, ...]:
    """The reason that weighs most; conditional words lead only beside data that were not read."""
    verdict = case.restriction
    near_normal = tuple(r for r in verdict.reasons if r.key == NEAR_NORMAL)
    weighty = tuple(
        r for r in verdict.reasons if r.key != CONDITIONAL and not r.key.endswith(UNKNOWN_DATA)
    )
    return (verdict.red_flags or near_normal or weighty or verdict.reasons)[:1]


def _further_reasons(case: Case) -> tuple[Line, ...]:
    """The other reasons; conditional words on restriction only where they lead."""
    verdict = case.restriction
    if verdict.verdict == "never":
        return ()
    leading = verdict.reasons[:1] if verdict.verdict == "ordered" else _leading_reason(case)
    told = [(line.key, line.facts) for line in leading]
    return tuple(
        r for r in verdict.reasons if (r.key, r.facts) not in told and r.key != CONDITIONAL
    )


def restriction_suggestions(case: Case) -> tuple[Suggestion, ...]:
    """The fluid restriction as a draft, only where the verdict offers it."""
    if case.restriction.verdict != "offer":
        return ()
    facts = {"ml": ml_per_day(case)}
    caveats = case.restriction.caveats
    if case.restriction.likely_insufficient:
        caveats = tuple(dict.fromkeys((*caveats, "caveat-insufficient")))
    if not caveats:
        return (Suggestion("fluid-restriction", (DraftFluidRestriction(facts["ml"]),), facts),)
    told = {**facts, "caveats": "|".join(f"line:{c}" for c in caveats)}
    return (Suggestion("fluid-restriction-caveats", (DraftFluidRestriction(facts["ml"]),), told),)


def ml_per_day(case: Case) -> str:
    """All fluids in 24 hours under restriction."""
    return number(case.limits.fluid_ml_day)


def volume_lines(case: Case) -> tuple[Line, ...]:
    """How the volume status was judged, or that it is not known."""
    volume = case.volume
    evidence = "|".join(f"evidence:{e}" for e in volume.evidence)
    if volume.status is Volume.UNKNOWN:
        hint = "|".join(f"evidence:{e}" for e in volume.hint)
        return (Line("volume-hint", {"evidence": hint}),) if hint else ()
    if volume.status is Volume.CONFLICT or not evidence:
        return ()
    judged = Line(f"volume-{volume.status}", {"evidence": evidence}, keep=True)
    return (judged, Line("siadh-pattern", keep=True)) if volume.by_labs else (judged,)


def risk_lines(case: Case) -> tuple[Line, ...]:
    """High risk of osmotic demyelination with its reasons."""
    if not case.risk.high:
        return ()
    reasons = "|".join(f"evidence:{r}" for r in case.risk.reasons)
    return (Line(f"risk-{case.limits.profile}", {"evidence": reasons}, keep=True),)


def _offer(case: Case) -> str:
    """The offer with the guidance it rests on; beyond cirrhosis the figure is borrowed (S1-5, N6)."""
    if case.volume.status is Volume.EUV:
        return "restriction-euvolemic"
    return "restriction-overload" if cirrhosis(case) else "restriction-overload-other"


def _by_volume(case: Case) -> tuple[Line, ...]:
    status = case.volume.status
    if status in RISING and rising_too_fast(case):
        return (Line(RISING[status]),)
    if status is Volume.HYPO:
        lost = not LOSSES.isdisjoint(case.volume.evidence)
        return (Line("hypovolemia-losses" if lost else "hypovolemia-replace"),)
    restricting = case.restriction.verdict in RESTRICTING and not rises_fast(case)
    if status is Volume.EUV and case.sodium.band is not Band.MILD and restricting:
        return (Line("euvolemia-next-no-salt" if _salt_harms(case) else "euvolemia-next"),)
    if status is Volume.HYPER and case.sodium.band is Band.SEVERE and cirrhosis(case):
        return (Line("overload-albumin"),)
    return (Line(TREAT[status]),) if status in TREAT else ()


def _advice(case: Case) -> Iterator[Line]:
    """Order: what changes care first, rationale last."""
    status = case.volume.status
    if case.restriction.likely_insufficient:
        yield Line("restriction-insufficient")
    if case.restriction.verdict in RESTRICTING:
        yield Line("restriction-watch")
    if not rises_fast(case):
        yield from _raising_advice(case)
    if status is Volume.HYPO:
        yield Line("hypovolemia-watch")
    yield Line("treat-cause-cirrhosis" if cirrhosis(case) else "treat-cause")


def _raising_advice(case: Case) -> Iterator[Line]:
    """What raises sodium further: not beside a card that says it rose too fast."""
    status, against = case.volume.status, _against(case)
    unfit = (
        case.dialysis
        or recorded(case, "anuria")
        or case.restriction.red_flags
        or not against.isdisjoint(NO_VAPTAN)
    )
    if status is Volume.HYPER and case.sodium.band is not Band.MILD and not unfit:
        yield Line(f"vaptan-{case.limits.profile}")
    harmless = case.restriction.verdict != "never" and not case.restriction.red_flags
    if status in WATER_COUNTS and harmless and against.isdisjoint(MAY_BE_DRY):
        yield Line("avoid-water")
    if (
        status in (Volume.HYPO, Volume.EUV)
        and not _salt_harms(case)
        and "never-vaptan" not in against
    ):
        yield Line("salty-food")


def _against(case: Case) -> frozenset[str]:
    """What speaks against restriction, by key."""
    return frozenset(reason.key for reason in case.restriction.reasons)


def _salt_harms(case: Case) -> bool:
    """Whether heart, liver or kidney would hold the salt; a weak hint at overload counts too."""
    return heart_failure(case) or cirrhosis(case) or case.dialysis or bool(case.volume.hint)
