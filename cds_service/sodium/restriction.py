"""Whether fluid restriction may be offered (B.2, M9). Doubt withholds it, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import Line
from cds_service.engine.wording import number
from cds_service.sodium.exposure import taken_within
from cds_service.sodium.results import Band, Freshness, measurable
from cds_service.sodium.snapshot import Order
from cds_service.sodium.symptoms import Symptoms
from cds_service.sodium.volume import Volume, bun_creatinine

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

REQUIRED_SOURCES = ("patient", "sodium", "conditions", "medications")
RESTRICTED = frozenset(
    {Volume.HYPER, Volume.EUV}
)  # the only states in which restriction helps (M9)
HARMFUL = {
    Volume.CSW: "never-csw",
    Volume.ADRENAL: "never-adrenal",
    Volume.HYPO: "never-hypo",
    Volume.NEURO: "never-neuro",
}


class Restriction(Struct, frozen=True, kw_only=True):
    """The verdict on fluid restriction.

    * offer    an action, with `caveats` for its label, keys of words.toml [lines] ("BP/creatinine not seen")
    * text     conditional words only; `reasons` say why it is no action
    * never    harmful here (CSW, HYPO, ADRENAL, NEURO, severe symptoms, vaptan), whatever the sodium
    * ordered  an active restriction is already there; `reasons` say what speaks against it
    * none     the question does not arise (sodium not low, mild without symptom in EUV, ...)
    """

    verdict: Literal["offer", "text", "never", "ordered", "none"] = "none"
    reasons: tuple[Line, ...] = ()
    caveats: tuple[str, ...] = ()
    likely_insufficient: bool = False  # N4
    red_flags: tuple[Line, ...] = ()  # signs of volume depletion (M9), whatever the verdict


def restriction(case: Case) -> Restriction:
    """B.2's matrix and every reason against it: an action only where nothing speaks against it."""
    flags = tuple(red_flags(case))
    never = tuple(_never(case))
    ordered = _already_ordered(case)
    if never:
        review = (Line("never-but-ordered", keep=True),) if ordered else ()
        return Restriction(verdict="never", reasons=never + review, red_flags=flags)
    if not case.sodium.low:
        shifted = case.glucose is not None and case.glucose.explained
        return Restriction(
            reasons=(Line("withheld-glucose-shift"),) if shifted else (), red_flags=flags
        )
    against = (*_withheld(case), *flags)
    if ordered:
        return Restriction(verdict="ordered", reasons=against, red_flags=flags)
    if _not_wanted(case):
        return Restriction(red_flags=flags)
    if against:
        first = replace(against[0], keep=True)
        return Restriction(verdict="text", reasons=(first, *against[1:]), red_flags=flags)
    return Restriction(
        verdict="offer",
        caveats=tuple(_caveats(case)),
        likely_insufficient=_likely_insufficient(case),
    )


def _never(case: Case) -> Iterator[Line]:
    """Where restriction does harm, whatever the sodium."""
    volume = case.volume
    if volume.status in HARMFUL:
        yield Line(HARMFUL[volume.status], {"evidence": _named(volume.evidence)}, keep=True)
    if case.symptoms.severe:
        yield Line("never-severe", {"symptom": f"symptom:{case.symptoms.severe[0]}"}, keep=True)
    for drug in harmful_drugs(case)[:1]:
        yield Line("never-vaptan", {"drug": drug}, keep=True)


def _not_wanted(case: Case) -> bool:
    """EUV, mild, no symptom and sodium not below the limit: nothing to treat (B.2)."""
    value = case.effective_sodium
    return (
        case.volume.status is Volume.EUV
        and case.sodium.band is Band.MILD
        and not _symptom(case.symptoms)
        and value is not None
        and value >= case.limits.restriction_euvolemic_below
    )


def _symptom(symptoms: Symptoms) -> bool:
    return bool(symptoms.moderate or symptoms.mild)


def _withheld(case: Case) -> Iterator[Line]:
    """Every reason against an action beside the red flags, the most telling first."""
    yield from _by_volume(case)
    yield from _by_sources(case)
    yield from _by_state(case)
    yield from _by_sodium(case)


def _by_volume(case: Case) -> Iterator[Line]:
    volume, limits = case.volume, case.limits
    if volume.status is Volume.CONFLICT:
        both = {"evidence": _named(volume.evidence), "against": _named(volume.against)}
        yield Line("withheld-volume-conflict", both)
    elif volume.status not in RESTRICTED:
        yield Line("withheld-volume-unknown", {"ml": number(limits.fluid_ml_day)})
    sets, problems = case.sets, case.problems
    undated = problems.undated(sets.subarachnoid) + problems.undated(sets.brain_injury)
    if undated:
        yield Line("withheld-brain-undated", {"evidence": _named(undated)})
    mild = case.sodium.band is Band.MILD
    if volume.status is Volume.HYPER and mild and not _symptom(case.symptoms):
        yield Line("text-hyper-mild")


def _named(evidence: tuple[str, ...]) -> str:
    """Keys of words.toml [evidence] as the card writer translates them."""
    return "|".join(f"evidence:{key}" for key in evidence)


def _by_sources(case: Case) -> Iterator[Line]:
    """What was not read in full must not be taken for absent."""
    for source in REQUIRED_SOURCES:
        if not case.snapshot.complete(source):
            yield Line(f"withheld-{source}-unread")
    if case.age_years is None:
        yield Line("withheld-age-unknown")


def _by_state(case: Case) -> Iterator[Line]:
    if case.pregnant or case.problems.undated(case.sets.pregnancy):
        yield Line("withheld-pregnancy")
    if case.dialysis:
        yield Line("withheld-dialysis")
    if case.comfort_care or case.problems.active(case.sets.comfort_care):
        yield Line("withheld-comfort-care")
    urine = case.readings.latest("urine-osmolality", case.limits.dilute_urine_days)
    if urine is not None and urine.below(case.limits.dilute_urine_below):
        yield Line("withheld-dilute-urine", {"value": number(urine.value)})


def _by_sodium(case: Case) -> Iterator[Line]:
    sodium, latest, value = case.sodium, case.sodium.latest, case.effective_sodium
    if latest is None or value is None or _too_old(case):
        yield Line("withheld-sodium-old")
    if latest is not None and _doubtful(case):
        yield Line("withheld-sodium-doubtful")
    if case.pseudo is not None and case.pseudo.kind != "hint":
        yield Line("withheld-pseudo")
    if case.glucose is not None and case.glucose.explained:
        yield Line("withheld-glucose-shift")
    if sodium.acute is not None:
        yield Line("withheld-acute")
    if case.rate.rule == "RATE-OVER" or case.rate.level in ("warning", "critical"):
        yield Line("withheld-rate")
    edge = case.limits.restriction_near_normal_from
    if value is not None and value >= edge:
        yield Line("withheld-near-normal", {"value": number(value, (edge,))})


def _too_old(case: Case) -> bool:
    """M9: the action needs a younger result than the card does."""
    limits, sodium = case.limits, case.sodium
    if case.snapshot.setting == "inpatient":
        allowed = limits.restriction_inpatient_hours
    elif sodium.band is Band.MILD:
        allowed = limits.restriction_mild_days
    else:
        allowed = limits.restriction_moderate_hours
    return sodium.age > allowed or sodium.freshness is not Freshness.CURRENT


def _doubtful(case: Case) -> bool:
    """The result itself is to be repeated before anything rests on it."""
    sodium, latest = case.sodium, case.sodium.latest
    if latest is not None and (latest.below_plausible or latest.status == "preliminary"):
        return True
    contradicted = sodium.other_method is not None or sodium.newest_rejected is not None
    return contradicted or case.rate.jump is not None


def _already_ordered(case: Case) -> bool:
    active = case.sets.active_statuses
    listed = any(o.fluid_restriction and o.status in active for o in case.snapshot.exposures)
    return listed or any(o.fluid_restriction for o in case.snapshot.drafts)


def _caveats(case: Case) -> Iterator[str]:
    """What the label must say was not looked at."""
    if not case.snapshot.complete("labs"):
        yield "caveat-labs"
    blood_pressure, creatinine = seen(case, "systolic"), seen(case, "creatinine")
    if not blood_pressure and not creatinine:
        yield "caveat-bp-creatinine"
    elif not blood_pressure:
        yield "caveat-bp"
    elif not creatinine:
        yield "caveat-creatinine"
    if not case.snapshot.complete("glucose"):
        yield "caveat-glucose"


def _likely_insufficient(case: Case) -> bool:
    """N4: the urine is so concentrated that restriction alone is likely to fail."""
    limits, latest = case.limits, case.sodium.latest
    window = limits.urine_labs_hours
    osmolality = case.readings.latest("urine-osmolality", window)
    if osmolality is not None and osmolality.above(limits.insufficient_osmolality_above):
        return True
    sodium = case.readings.latest("urine-sodium", window)
    potassium = case.readings.latest("urine-potassium", window)
    if latest is None or sodium is None or potassium is None:
        return False
    total: Decimal = sodium.value + potassium.value
    return total / latest.value > limits.insufficient_ratio_above


def red_flags(case: Case) -> Iterator[Line]:
    """Each red flag of M9 within 24 h (inpatient) or 7 d (outpatient)."""
    window = _window(case)
    yield from _circulation(case, window)
    yield from _kidney(case, window)
    yield from _weight(case, window)
    yield from _volume_given(case, window)
    yield from _codes(case, window)
    yield from _glucose(case)


def harmful_drugs(case: Case) -> tuple[str, ...]:
    """Vaptans taken within the last day or drafted now: no restriction beside them (label, N9)."""
    taken = taken_within(case, case.sets.vaptans, case.limits.vaptan_hours)
    drafted = (d.name for o in case.snapshot.drafts for d in o.drugs if d.cls in case.sets.vaptans)
    return tuple(dict.fromkeys((*taken, *drafted)))


def seen(case: Case, analyte: str) -> bool:
    """Whether any value of the red-flag window could be looked at."""
    return bool(case.readings.within(analyte, _window(case)))


def _window(case: Case) -> timedelta:
    if case.snapshot.setting == "inpatient":
        return case.limits.red_flag_inpatient_hours
    return case.limits.red_flag_outpatient_days


def _circulation(case: Case, window: timedelta) -> Iterator[Line]:
    limits = case.limits
    cirrhosis = bool(case.problems.active(case.sets.cirrhosis))
    lowest = limits.systolic_cirrhosis_below if cirrhosis else limits.systolic_below
    low = [r.value for r in case.readings.within("systolic", window) if r.below(lowest)]
    if low:
        yield Line("withheld-systolic-low", {"value": number(min(low))})
    fast = [
        r.value
        for r in case.readings.within("heart-rate", window)
        if r.above(limits.heart_rate_above)
    ]
    if fast:
        yield Line("withheld-heart-rate-high", {"value": number(max(fast))})


def _kidney(case: Case, window: timedelta) -> Iterator[Line]:
    rise = _creatinine_rise(case, window)
    if rise:
        yield Line("withheld-creatinine-rise", {"from": number(rise[0]), "value": number(rise[1])})
    high = [r for r in bun_creatinine(case, window) if r > case.limits.bun_creatinine_above]
    if high:
        yield Line("withheld-bun-creatinine", {"value": number(max(high))})


def _creatinine_rise(case: Case, window: timedelta) -> tuple[Decimal, Decimal] | None:
    """From and to of the largest rise: by so much in 48 h, or by that factor over the 90-day minimum."""
    limits = case.limits
    every = [r for r in case.readings.all("creatinine") if r.exact]
    found: list[tuple[Decimal, Decimal]] = []
    for end in (r for r in case.readings.within("creatinine", window) if r.exact):
        for start in (r for r in every if r.at < end.at):
            apart, rise = end.at - start.at, end.value - start.value
            quick = apart <= limits.creatinine_rise_hours and rise >= limits.creatinine_rise_from
            many_times = start.value > 0 and end.value >= limits.creatinine_ratio_from * start.value
            if quick or (many_times and apart <= limits.creatinine_baseline_days):
                found.append((start.value, end.value))
    return max(found, key=lambda pair: pair[1] - pair[0], default=None)


def _weight(case: Case, window: timedelta) -> Iterator[Line]:
    limits = case.limits
    every = [r for r in case.readings.all("weight") if r.exact]
    lost = [
        start.value - end.value
        for end in case.readings.within("weight", window)
        for start in every
        if end.exact and timedelta(0) < end.at - start.at <= limits.weight_loss_days
    ]
    largest = max(lost, default=Decimal(0))
    if largest >= limits.weight_loss_from:
        yield Line("withheld-weight-loss", {"value": number(largest)})


def _volume_given(case: Case, window: timedelta) -> Iterator[Line]:
    """Isotonic fluid, ordered or drafted; an order without a volume may be continuous, and counts."""
    orders = [o for o in case.snapshot.exposures if _isotonic(o) and _running(case, o, window)]
    orders += [o for o in case.snapshot.drafts if _isotonic(o)]
    volumes = [o.saline.volume_ml if o.saline else o.balanced_volume_ml for o in orders]
    known = [v for v in volumes if v is not None and measurable(v)]
    if len(known) < len(volumes) or sum(known) >= case.limits.isotonic_ml_from:
        yield Line("withheld-isotonic-fluid")


def _isotonic(order: Order) -> bool:
    saline = order.saline is not None and order.saline.kind == "isotonic"
    return (saline or order.balanced) and order.route != "local"


def _running(case: Case, order: Order, window: timedelta) -> bool:
    """Active, or finished within the window."""
    sets = case.sets
    if order.intent not in sets.given_intents:
        return False
    if case.is_active(order):
        return True
    if order.status not in sets.stopped_statuses:
        return False
    last = order.end or order.begun
    return last is not None and case.snapshot.now - last <= window


def _codes(case: Case, window: timedelta) -> Iterator[Line]:
    """Recorded within the window, of this encounter, or without a date: nobody can tell that it is over."""
    flags = case.sets.red_flags
    for concept in case.problems.current(flags, window) or case.problems.undated(flags):
        yield Line("withheld-red-flag", {"evidence": f"evidence:{concept}"})


def _glucose(case: Case) -> Iterator[Line]:
    """M5: osmotic diuresis."""
    limits = case.limits
    window = limits.restriction_glucose_hours
    high = any(
        r.at_least(limits.restriction_glucose_from) for r in case.readings.within("glucose", window)
    )
    if high or case.problems.current(case.sets.hyperglycemic_crisis, window):
        yield Line("withheld-glucose-high")
