"""What to do about the low sodium, by volume status: the plan matrix (B.2, M7 to M9, N4, N6, S9)."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.engine.finding import DraftFluidRestriction, Line, Suggestion
from cds_service.engine.wording import number
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.drugs import review_lines
from cds_service.sodium.rules.gates import (
    cirrhosis,
    heart_failure,
    osmolality_normal,
    recorded,
    rises_fast,
    rising_too_fast,
)
from cds_service.sodium.rules.stops import stops
from cds_service.sodium.volume import Volume

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
