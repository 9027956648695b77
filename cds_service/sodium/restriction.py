"""Whether fluid restriction may be offered (B.2, M9). Doubt withholds it, with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import Line
from cds_service.engine.wording import glucose_corrected, joined, number, when
from cds_service.knowledge.names import Analyte, Problem, Sign
from cds_service.sodium.adrenal import (
    Ground,
    adrenal_grounds,
    drug_explains,
    high_potassium,
    kidney_explains,
    potassium_drugs,
)
from cds_service.sodium.depletion import (
    bun_creatinine,
    creatinine_rise,
    fast_heart,
    low_systolic,
    red_flag_window,
    urea_explained,
    weight_loss,
)
from cds_service.sodium.desmopressin import wears_off
from cds_service.sodium.exposure import (
    given_within,
    salt_losers,
    taken_or_drafted,
    taken_within,
)
from cds_service.sodium.pace import pace_per_hour
from cds_service.sodium.results import Band, Freshness, band_of, measurable, paired
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.sodium.weak_signs import dry_signs
from cds_service.terminology.types import DrugMatch, RecordText

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

REQUIRED_SOURCES = ("patient", "sodium", "conditions", "medications")
# Reasons that speak of restriction as a choice: left out while sodium rises too fast (F4).
RESTRICTING_WORDS = frozenset({"text-hyper-mild", "withheld-volume-unknown"})
# Stones and cysts: no button and no words against drinking, and no warning of an order.
CONCENTRATED = "withheld-concentrated-urine"
HELPED = frozenset({Volume.HYPER, Volume.EUV})  # restriction helps in no other state (M9)
# The volume statuses in which restriction harms, with the last part of the keys of their lines.
HARMED = {
    Volume.CSW: "csw",
    Volume.ADRENAL: "adrenal",
    Volume.HYPO: "hypo",
    Volume.NEURO: "neuro",
}


class Restriction(Struct, frozen=True, kw_only=True):
    """The verdict on fluid restriction.

    * offer    an action; `caveats` for its label are keys of words.toml [lines]
    * text     conditional words only; `reasons` say why it is no action
    * never    harmful at any sodium (CSW, HYPO, ADRENAL, NEURO, severe symptoms, vaptan)
    * ordered  an active restriction is already there; `reasons` say what speaks against it
    * none     the question does not arise (sodium not low, mild without symptom in EUV, ...)
    """

    verdict: Literal["offer", "text", "never", "ordered", "none"] = "none"
    reasons: tuple[Line, ...] = ()
    caveats: tuple[str, ...] = ()
    likely_insufficient: bool = False  # N4
    running: tuple[Line, ...] = ()  # the restrictions that run now, to be lifted
    running_names: tuple[RecordText, ...] = ()  # what they are called, each once
    adrenal: tuple[Line, ...] = ()  # think of adrenal failure first (F5), with any verdict
    fluid: tuple[Line, ...] = ()  # fluid is part of the treatment (F6), with any verdict
    red_flags: tuple[Line, ...] = ()  # signs of volume depletion (M9), with any verdict but offer


def restriction(case: Case) -> Restriction:
    """Returns the verdict of B.2's matrix: an action only if nothing speaks against it."""
    running = _running_orders(case)
    found = Restriction(
        running=tuple(map(_running_line, running)),
        running_names=tuple(dict.fromkeys(o.fluid_name for o in running if o.fluid_name)),
        adrenal=_adrenal(case),
        fluid=_lines(fluid_grounds(case)),
        red_flags=tuple(_red_flags(case)),
    )
    never = tuple(_never(case))
    ordered = running or any(order.fluid_restriction for order in case.snapshot.drafts)
    if never:
        return replace(found, verdict="never", reasons=never)
    if not case.sodium.low:
        shifted = (Line("withheld-glucose-shift"),) if _shifted_by_glucose(case) else ()
        return replace(found, reasons=shifted)
    ends = wears_off(case)
    against = _against(case, found, rising=ends or _rising(case))
    if ordered:
        return replace(found, verdict="ordered", reasons=against)
    if _not_wanted(case):
        return found
    against = against or ((Line("withheld-desmopressin"),) if ends else ())
    if against:
        first = replace(against[0], keep=True)
        return replace(found, verdict="text", reasons=(first, *against[1:]))
    return replace(
        found,
        verdict="offer",
        caveats=tuple(_caveats(case)),
        likely_insufficient=likely_insufficient(case) is not None,
    )


def _against(case: Case, found: Restriction, *, rising: bool) -> tuple[Line, ...]:
    """Returns what speaks against it; if sodium rises or will, without words that restrict."""
    flags = [flag for flag in found.red_flags if not _is_said(flag, found.fluid)]
    against = (*found.adrenal, *found.fluid, *_withheld(case), *flags)
    if not rising:
        return against
    return tuple(reason for reason in against if reason.key not in RESTRICTING_WORDS)


def _adrenal(case: Case) -> tuple[Line, ...]:
    """Returns that adrenal failure is likely; where it is recorded, the card says so already."""
    return () if case.volume.status is Volume.ADRENAL else _lines(adrenal_grounds(case))


def _lines(grounds: Iterable[Ground]) -> tuple[Line, ...]:
    return tuple(replace(ground.line, keep=True) for ground in grounds)


def _is_said(flag: Line, fluid: Sequence[Line]) -> bool:
    """Whether an illness that is a red flag is named already as one that needs fluid."""
    evidence = flag.facts.get("evidence")
    return evidence is not None and any(line.facts.get("evidence") == evidence for line in fluid)


def fluid_grounds(case: Case) -> tuple[Ground, ...]:
    """Returns why fluid is part of the treatment, or water is lost by a drug (F6)."""
    return (*_drugs_that_need_fluid(case), *_illness_that_needs_fluid(case))


def _drugs_that_need_fluid(case: Case) -> Iterator[Ground]:
    sets, window, day = case.sets, case.limits.volume_drug_hours, case.limits.vaptan_hours
    for drug in taken_or_drafted(case, lambda drug, _: drug.cls in sets.lithium, window)[:1]:
        yield Ground(line=Line("withheld-lithium", {"drug": drug}), names=drug)
    drafted = [d.name for o in case.snapshot.drafts for d in o.drugs if _hydrated(case, d, o)]
    for drug in (*given_within(case, partial(_hydrated, case), window), *drafted)[:1]:
        yield Ground(line=_hydration(case, drug, drafted=drug in drafted), names=drug)
    if case.problems.active(sets.insipidus):
        words = joined("evidence", sets.insipidus.members)
        yield Ground(line=Line("withheld-insipidus"), names=words)
    for drug in taken_or_drafted(case, lambda drug, _: drug.cls in sets.aquaretics, day)[:1]:
        yield Ground(line=Line("withheld-aquaretic", {"drug": drug}), names=drug)


def _hydration(case: Case, drug: str, *, drafted: bool) -> Line:
    """Returns that a drug needs its fluid; of an older order that is listed no dose is known."""
    orders = [
        o for o in case.listed if any(d.name == drug and _hydrated(case, d, o) for d in o.drugs)
    ]
    begun = max([o.begun for o in orders if o.begun is not None], default=None)
    if drafted or begun is None or any(_given_lately(case, order) for order in orders):
        return Line("withheld-hydrated", {"drug": drug})
    date = when(begun, case.snapshot.now, case.snapshot.zone, day_only=True)
    return Line("withheld-hydrated-listed", {"drug": drug, "date": date})


def _given_lately(case: Case, order: Order) -> bool:
    """Whether a dose of the last two days is on record: the order began or ended then."""
    window, now = case.limits.volume_drug_hours, case.snapshot.now
    return any(
        moment is None or now - moment <= window
        for moment in (order.begun, order.end or order.begun)
    )


def _hydrated(case: Case, drug: DrugMatch, order: Order) -> bool:
    """Whether the drug is given with much fluid, at this route and dose."""
    sets, dose = case.sets, order.daily_dose_mg
    if drug.name not in sets.hydrated_drugs:
        return False
    if drug.name in sets.hydrated_at_high_dose and dose is not None:
        return dose >= case.limits.methotrexate_high_mg
    by_vein = drug.name in sets.hydrated_by_vein or drug.name in sets.hydrated_at_high_dose
    return not by_vein or order.route in ("iv", "unknown")


def _illness_that_needs_fluid(case: Case) -> Iterator[Ground]:
    limits, sets = case.limits, case.sets
    calcium, corrected = highest_calcium(case)
    if calcium is not None and calcium >= limits.calcium_high_from:
        key = "withheld-calcium-corrected" if corrected else "withheld-calcium"
        sent = case.as_sent(Analyte.CALCIUM, calcium)
        edge = (limits.calcium_high_from,)
        value = {"value": number(sent, edge) if isinstance(sent, Decimal) else sent}
        yield Ground(line=Line(key, value), names=f"evidence:{Sign.CALCIUM_HIGH}")
    recorded = {
        "withheld-volume-illness": _treated_with_fluid(case),
        "withheld-hydration": case.problems.active(sets.hydration_illness),
        "withheld-losses": losses(case),
    }
    for key, concepts in recorded.items():
        for words in (f"evidence:{concept}" for concept in concepts):
            yield Ground(line=Line(key, {"evidence": words}), names=words)


def _treated_with_fluid(case: Case) -> tuple[str, ...]:
    """Returns the illnesses of which much fluid is the treatment: recent, or without a date.

    In overload the acute ones do not say so: there they are red flags and no more.
    """
    limits, sets, problems = case.limits, case.sets, case.problems
    windows = [(sets.volume_illness, limits.volume_illness_days)]
    if case.volume.status is not Volume.HYPER:
        days = max(red_flag_window(case), limits.acute_volume_illness_days)
        windows.append((sets.acute_volume_illness, days))
    found: list[str] = []
    for wanted, days in windows:
        found += problems.current(wanted, days) or problems.undated(wanted)
    return tuple(found)


def losses(case: Case) -> tuple[str, ...]:
    """Returns what loses blood, fluid or salt: recent, undated, or lasting while it is active."""
    limits, sets, problems = case.limits, case.sets, case.problems
    recent = problems.current(sets.losing_illness, limits.volume_illness_days)
    undated = problems.undated(sets.losing_illness)
    return (*(recent or undated), *problems.active(sets.lasting_losses))


def highest_calcium(case: Case) -> tuple[Decimal | None, bool]:
    """Returns the highest calcium of the last days, and whether it is corrected for albumin."""
    limits, window = case.limits, case.limits.calcium_high_days
    albumins = case.readings.within(Analyte.SERUM_ALBUMIN, window)
    found: list[tuple[Decimal, bool]] = []
    for reading in case.readings.within(Analyte.CALCIUM, window):
        albumin = paired(reading, albumins, window)
        if reading.comparator.startswith("<"):
            continue
        missing = limits.albumin_usual - albumin.value if albumin else Decimal(0)
        found.append((reading.value + limits.calcium_per_albumin * missing, albumin is not None))
    return max(found, default=(None, False))


def _never(case: Case) -> Iterator[Line]:
    """Returns why restriction would do harm at any sodium."""
    volume, severe = case.volume, case.symptoms.severe
    if volume.status in HARMED:
        evidence = {"evidence": _named(volume.evidence)}
        yield Line(f"never-{HARMED[volume.status]}", evidence, keep=True)
    if severe:
        yield Line("never-severe", {"symptom": f"symptom:{severe[0]}"}, keep=True)
    vaptan = _vaptan(case)
    if vaptan:
        yield Line("never-vaptan", {"drug": vaptan}, keep=True)


def _vaptan(case: Case) -> str:
    """Returns the vaptan that was taken in the last day or is drafted, or "" (label, N9)."""
    vaptans = case.sets.vaptans
    taken = taken_within(case, vaptans, case.limits.vaptan_hours)
    drafted = [d.name for o in case.snapshot.drafts for d in o.drugs if d.cls in vaptans]
    return next(iter((*taken, *drafted)), "")


def _running_orders(case: Case) -> list[Order]:
    active = case.sets.active_statuses
    return [o for o in case.snapshot.exposures if o.fluid_restriction and o.status in active]


def _running_line(order: Order) -> Line:
    if order.fluid_name is None:
        return Line("restriction-running-unnamed", keep=True)
    return Line("restriction-running", {"order": order.fluid_name}, keep=True)


def _not_wanted(case: Case) -> bool:
    """Whether there is nothing to treat: EUV, mild, no symptom, not below the limit (B.2)."""
    if case.volume.status is not Volume.EUV or case.sodium.band is not Band.MILD:
        return False
    if _symptom(case):
        return False
    value = case.effective_sodium
    return value is not None and value >= case.limits.restriction_euvolemic_below


def _symptom(case: Case) -> bool:
    return bool(case.symptoms.moderate or case.symptoms.mild)


def _named(evidence: tuple[str, ...]) -> str:
    """Keys of words.toml [evidence] as the card writer translates them."""
    return "|".join(f"evidence:{key}" for key in evidence)


# ---- reasons against an action beside the red flags, the most telling first


def _withheld(case: Case) -> Iterator[Line]:
    yield from _by_volume(case)
    yield from _by_sources(case)
    yield from _by_state(case)
    yield from _by_sodium(case)


def _by_volume(case: Case) -> Iterator[Line]:
    volume, sets, problems = case.volume, case.sets, case.problems
    if volume.kept_water:
        yield Line("withheld-vomiting", {"evidence": volume.kept_water})
    elif volume.status is Volume.CONFLICT:
        both = {"evidence": _named(volume.evidence), "against": _named(volume.against)}
        yield Line("withheld-volume-conflict", both)
    elif volume.low_solute:
        yield Line("withheld-low-solute")
    else:
        yield from _by_urine_sodium(case)
    undated = problems.undated(sets.subarachnoid) + problems.undated(sets.brain_injury)
    if undated:
        yield Line("withheld-brain-undated", {"evidence": _named(undated)})
    mild = case.sodium.band is Band.MILD
    if volume.status is Volume.HYPER and mild and not _symptom(case) and not case.dialysis:
        yield Line("text-hyper-mild")


def _by_urine_sodium(case: Case) -> Iterator[Line]:
    """Returns that the urine points to lost volume; else that the volume status is not known."""
    salt = little_urine_sodium(case)
    if salt is not None:
        yield Line("withheld-urine-sodium", {"value": number(salt)})
    elif case.volume.status not in HELPED:
        yield Line("withheld-volume-unknown", {"ml": number(case.limits.fluid_ml_day)})


def little_urine_sodium(case: Case) -> Decimal | None:
    """Returns a urine sodium so low that volume may be lacking, else None (F55).

    A diuretic does not explain it: under one the kidney sheds salt. Water does, and so does a
    diagnosis under which the body holds salt.
    """
    limits, sets, problems = case.limits, case.sets, case.problems
    urine = case.readings.latest(Analyte.URINE_SODIUM, limits.urine_labs_hours)
    if urine is None or not urine.below(limits.urine_sodium_from):
        return None
    osmolality = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.urine_labs_hours)
    dilute = osmolality is not None and osmolality.below(limits.dilute_urine_below)
    swollen = problems.active(sets.holds_salt) or problems.active(sets.cirrhosis)
    explained = dilute or swollen or case.volume.status is Volume.HYPER
    return None if explained else urine.value


def _by_sources(case: Case) -> Iterator[Line]:
    """Returns what was not read in full must not be taken for absent."""
    for source in REQUIRED_SOURCES:
        if not case.snapshot.complete(source):
            yield Line(f"withheld-{source}-unread")
    if case.age_years is None:
        yield Line("withheld-age-unknown")


def _by_state(case: Case) -> Iterator[Line]:
    if case.pregnant or case.problems.undated(case.sets.pregnancy):
        yield Line("withheld-pregnancy")
    ended = case.sets.pregnancy_ended
    if case.problems.happened(ended, case.limits.postpartum_days) or case.problems.undated(ended):
        yield Line("withheld-postpartum")
    if case.dialysis:
        yield Line("withheld-dialysis")
    words = case.problems.active(case.sets.comfort_words)
    if case.comfort_care or case.problems.active(case.sets.comfort_care) or words:
        yield Line("withheld-comfort-care")
    stones = case.problems.active(case.sets.dilute_urine_illness)
    if stones:
        yield Line("withheld-concentrated-urine", {"evidence": _named(stones)})
    yield from _by_potassium(case)
    for drug in salt_losers(case)[:1]:
        yield Line("withheld-salt-loss", {"drug": drug})
    yield from _by_dilute_urine(case)


def _by_dilute_urine(case: Case) -> Iterator[Line]:
    """Returns that much water is drunk, or little solute eaten: the intake is the matter."""
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.dilute_urine_days)
    most = limits.polydipsia_urine_below if case.volume.drinks else limits.dilute_urine_below
    # "Address the intake" is not for a sodium that rises too fast (F27).
    rising = case.rate.rule == "RATE-OVER" or case.rate.episode is not None
    if urine is not None and urine.below(most) and not rising:
        if case.problems.current(case.sets.obstruction, limits.measured_days):
            yield Line("withheld-dilute-relieved", {"value": number(urine.value)})
        else:
            yield Line("withheld-dilute-urine", {"value": number(urine.value)})


def _by_potassium(case: Case) -> Iterator[Line]:
    potassium = high_potassium(case)
    if potassium is None or case.problems.active(case.sets.kidney_failure):
        return
    value = {"value": number(potassium.value)}
    if kidney_explains(case):
        yield Line("withheld-potassium", value)
    elif drug_explains(case):
        yield Line("withheld-potassium-drug", {**value, "drug": potassium_drugs(case)[0]})


def _shifted_by_glucose(case: Case) -> bool:
    """Returns whether sodium was measured low, and glucose alone is the reason."""
    latest, explained = case.series.latest, case.glucose is not None and case.glucose.explained
    if latest is None or not explained:
        return False
    return band_of(latest.value, case.limits, latest.comparator) is not Band.NORMAL


def _by_sodium(case: Case) -> Iterator[Line]:
    limits, value = case.limits, case.effective_sodium
    reasons = {
        "withheld-sodium-old": value is None or _too_old(case),
        "withheld-sodium-doubtful": case.sodium.latest is not None and case.doubtful,
        "withheld-pseudo": case.pseudo is not None and case.pseudo.kind == "osmolality",
        "withheld-hypertonic": case.pseudo is not None and case.pseudo.not_dilute,
        "withheld-undiluted": case.pseudo is not None and case.pseudo.is_undiluted,
        "withheld-glucose-shift": case.glucose is not None and case.glucose.explained,
        "withheld-acute": case.sodium.acute is not None,
        "withheld-rate": _rising(case),
    }
    for key, holds in reasons.items():
        if holds:
            yield Line(key)
    edge = limits.restriction_near_normal_from
    if value is not None and value >= edge:
        shown, latest = number(value, (edge,)), case.sodium.latest
        if case.glucose is not None and latest is not None:
            shown = glucose_corrected(value, latest.shown, (edge,))
        yield Line("withheld-near-normal", {"value": shown})


def _rising(case: Case) -> bool:
    """Whether sodium rises too fast or by the hour, or rose lately: restriction would add to it."""
    rising = case.rate.rule == "RATE-OVER" or case.rate.level in ("warning", "critical")
    pace = pace_per_hour(case)
    rising = rising or (pace is not None and pace > case.limits.restriction_pace_to)
    return rising or case.rate.episode is not None


def _too_old(case: Case) -> bool:
    """Whether the result is too old for the action; the card may be older (M9)."""
    limits, sodium = case.limits, case.sodium
    if case.snapshot.setting == "inpatient":
        allowed = limits.restriction_inpatient_hours
    elif sodium.band is Band.MILD:
        allowed = limits.restriction_mild_days
    else:
        allowed = limits.restriction_moderate_hours
    return sodium.age > allowed or sodium.freshness is not Freshness.CURRENT


# ---- red flags: signs that volume may be lacking; with any, restriction is no action (M5, M9)


def _red_flags(case: Case) -> Iterator[Line]:
    """Returns each red flag of M9 within 24 h (inpatient) or 7 d (outpatient)."""
    window = red_flag_window(case)
    signs = (*_circulation(case, window), *_kidney(case, window), *_weight(case, window))
    yield from signs or _weak_signs(case)
    yield from _volume_given(case, window)
    flags = case.sets.red_flags
    # A problem without a date counts, because it may not be over.
    for concept in case.problems.current(flags, window) or case.problems.undated(flags):
        yield Line("withheld-red-flag", {"evidence": f"evidence:{concept}"})
    if _osmotic_diuresis(case):
        yield Line(_glucose_key(case))


def _weak_signs(case: Case) -> Iterator[Line]:
    """Returns weak signs that count together, where none of them is a red flag by itself."""
    signs = signs_of_loss(case)
    if signs:
        yield Line("withheld-volume-signs", {"evidence": _named(signs)})


def signs_of_loss(case: Case) -> tuple[str, ...]:
    """Returns weak signs of lost volume that count together; in overload they have other causes."""
    return () if case.volume.status is Volume.HYPER else dry_signs(case)


def _circulation(case: Case, window: timedelta) -> Iterator[Line]:
    pressure, rate = low_systolic(case, window), fast_heart(case, window)
    if pressure is not None:
        yield Line("withheld-systolic-low", {"value": number(pressure)})
    if rate is not None:
        yield Line("withheld-heart-rate-high", {"value": number(rate)})


def _kidney(case: Case, window: timedelta) -> Iterator[Line]:
    rise = creatinine_rise(case, window)
    if rise is not None:
        ends = [case.as_sent(Analyte.CREATININE, end.value) for end in rise]
        first, last = (number(v) if isinstance(v, Decimal) else v for v in ends)
        facts = {"from": first, "value": last}
        yield Line("withheld-creatinine-rise", facts)
    high = [r for r in bun_creatinine(case, window) if r > case.limits.bun_creatinine_above]
    if high and not urea_explained(case):
        # Beside signs of overload the ratio may be high because the heart gives too little flow.
        volume = case.volume
        flow = volume.status is Volume.HYPER or volume.hint or volume.against
        acute = case.problems.current(case.sets.acute_congestion, case.limits.overload_recent_days)
        if flow or acute:
            yield Line("withheld-bun-creatinine-flow", {"value": number(max(high))})
        else:
            yield Line("withheld-bun-creatinine", {"value": number(max(high))})


def _weight(case: Case, window: timedelta) -> Iterator[Line]:
    lost = weight_loss(case, window)
    if lost is not None:
        yield Line("withheld-weight-loss", {"value": number(lost)})


def _volume_given(case: Case, window: timedelta) -> Iterator[Line]:
    """Isotonic fluid, ordered or drafted; an order without a volume counts as continuous."""
    listed = [order for order in case.snapshot.exposures if _isotonic(order)]
    running = [order for order in listed if _running(case, order, window)]
    is_continuous = False
    total = Decimal(0)
    for order in (*running, *filter(_isotonic, case.snapshot.drafts)):
        volume = order.saline.volume_ml if order.saline else order.balanced_volume_ml
        if volume is None or not measurable(volume):
            is_continuous = True
        else:
            total += volume
    if is_continuous or total >= case.limits.isotonic_ml_from:
        yield Line("withheld-isotonic-fluid")


def _isotonic(order: Order) -> bool:
    saline = order.saline is not None and order.saline.kind == "isotonic"
    return (saline or order.balanced) and order.route != "local"


def _running(case: Case, order: Order, window: timedelta) -> bool:
    """Whether an order is active, or finished within the window."""
    if order.intent not in case.sets.given_intents:
        return False
    if case.is_active(order):
        return True
    if order.status not in case.sets.stopped_statuses:
        return False
    last = order.end or order.begun
    return last is not None and case.snapshot.now - last <= window


def _glucose_key(case: Case) -> str:
    """Returns the line on a high glucose: without urine it takes no volume away (F26)."""
    if case.dialysis:
        return "withheld-glucose-dialysis"
    anuric = any(p.active and Problem.ANURIA in p.concepts for p in case.snapshot.problems)
    return "withheld-glucose-anuria" if anuric else "withheld-glucose-high"


def _osmotic_diuresis(case: Case) -> bool:
    """Whether glucose is so high that water is lost with it in the urine (M5)."""
    window, limit = case.limits.restriction_glucose_hours, case.limits.restriction_glucose_from
    if any(r.at_least(limit) for r in case.readings.within(Analyte.GLUCOSE, window)):
        return True
    return bool(case.problems.current(case.sets.hyperglycemic_crisis, window))


# ---- what an offer says


def _caveats(case: Case) -> Iterator[str]:
    """Returns what the label must say was not looked at."""
    if not case.snapshot.complete("labs"):
        yield "caveat-labs"
    window = red_flag_window(case)
    pressure = case.readings.within(Analyte.SYSTOLIC, window)
    creatinine = case.readings.within(Analyte.CREATININE, window)
    if not pressure and not creatinine:
        yield "caveat-bp-creatinine"
    elif not pressure:
        yield "caveat-bp"
    elif not creatinine:
        yield "caveat-creatinine"
    if not case.snapshot.complete("glucose"):
        yield "caveat-glucose"


class Insufficient(Struct, frozen=True):
    """What in the urine foretells that restriction alone is likely to fail (N4)."""

    by: Literal["osmolality", "ratio"]  # the last part of the key of its summary
    value: Decimal


def likely_insufficient(case: Case) -> Insufficient | None:
    """Returns why the urine is so concentrated that restriction alone is likely to fail (N4)."""
    limits, latest, readings = case.limits, case.sodium.latest, case.readings
    window = limits.urine_labs_hours
    osmolality = readings.latest(Analyte.URINE_OSMOLALITY, window)
    if osmolality is not None and osmolality.above(limits.insufficient_osmolality_above):
        return Insufficient("osmolality", osmolality.value)
    sodium = readings.latest(Analyte.URINE_SODIUM, window)
    potassium = readings.latest(Analyte.URINE_POTASSIUM, window)
    if latest is None or sodium is None or potassium is None:
        return None
    share = (sodium.value + potassium.value) / latest.value
    return Insufficient("ratio", share) if share > limits.insufficient_ratio_above else None
