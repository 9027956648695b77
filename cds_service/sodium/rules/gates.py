"""What rules ask first about the latest sodium: whether it is low, real and recent.

Each rule passes its gates in an order of its own: the first that does not hold is the reason that
`explain` shows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from cds_service.engine.finding import Line
from cds_service.engine.rule import line, require, skip
from cds_service.engine.wording import (
    DAY,
    ago,
    in_hours,
    joined,
    local_time,
    number,
    when,
)
from cds_service.knowledge.names import Analyte, DrugClass, Problem, Sign, TierSet, Unused
from cds_service.sodium.adrenal import high_potassium, kidney_explains
from cds_service.sodium.blind_spots import PROBLEMS_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.consciousness import Encephalopathy
from cds_service.sodium.depletion import (
    creatinine_rise,
    failing_circulation,
    low_systolic,
    red_flag_window,
)
from cds_service.sodium.desmopressin import clamp_runs
from cds_service.sodium.exposure import (
    Exposure,
    given_before,
    stopped_lately,
)
from cds_service.sodium.glucose import (
    SODIUM_AND_ANION,
    GlucoseShift,
    Pseudo,
    osmotic_agents,
)
from cds_service.sodium.pituitary import pituitary_surgery
from cds_service.sodium.problems import pressing_rise_began
from cds_service.sodium.results import Band, Freshness, Rejected, Sample, band_of
from cds_service.sodium.sodium import Fall
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch

MIDNIGHT = " 00:00"
EUROPEAN = "european"  # the profile whose words differ
LOSSES = "withheld-losses"  # the ground that blood, fluid or salt is lost (F6)
PROTEIN = "protein"  # the hint at an artefact of which the value is told

# ---- the gates ----


def latest_sodium(case: Case) -> Sample:
    """Returns the latest sodium; skip if the record holds none that rules may use."""
    return case.sodium.latest or skip("no-sodium")


def require_actionable(case: Case) -> None:
    """Skips if the latest sodium is not recent enough to act on (B.0.2, M17)."""
    require(actionable(case), "too-old", na=shown_sodium(case), age=ago(case.sodium.age))


def require_not_stale(case: Case) -> None:
    """Skips if the latest sodium is so old that even a repeat of it would be no news (M17)."""
    stale = case.sodium.freshness is Freshness.STALE
    require(not stale, "too-old", na=shown_sodium(case), age=ago(case.sodium.age))


def require_unexplained_by_glucose(case: Case) -> None:
    """Skips if high glucose explains the low sodium: PV-GLU is its card (M5)."""
    require(not explained_by_glucose(case), "glucose-explains", na=shown_sodium(case))


def require_low(case: Case) -> None:
    """Skips unless the sodium in use, corrected for glucose, is low by the profile."""
    require(case.sodium.low, "not-low", na=shown_sodium(case))


def require_low_sodium(case: Case) -> None:
    """Skips unless a card may rest on the latest sodium being low: measured, real and recent."""
    if (
        case.sodium.low
        and measured_low(case)
        and actionable(case)
        and not explained_by_glucose(case)
    ):
        return  # most rules ask this, and a reason is put into words only if one is needed
    latest_sodium(case)
    require(measured_low(case), "not-low", na=shown_sodium(case))
    require_unexplained_by_glucose(case)
    require_low(case)
    require_actionable(case)


def require_recorded(case: Case, holds: object, otherwise: str) -> None:
    """Skip unless the record holds what a card is about.

    If the problem list was not read in full, that is the reason, because the list may hold it.
    """
    require(holds, otherwise if case.snapshot.complete("conditions") else PROBLEMS_UNREAD)


def require_not_outranked(case: Case) -> None:
    """Skips if a card more urgent than that of the band leads."""
    require(not emergency(case), "emergency-leads")
    require(not below_plausible(case), "implausible-leads", na=shown_sodium(case))
    brain = case.encephalopathy
    past = brain is not None and is_from_before(case, brain, pressing_rise_began(case))
    require(brain is None or past, "encephalopathy-leads")
    require(case.sodium.acute is None, "acute-leads")
    require(not case.relowered, "re-lowered")
    require(not water_shift(case), "water-shift-leads")
    # A severe value keeps its card until it is disproved, without a plan (F44). A direct one that
    # low protein explains is believed (F12).
    is_severe = case.sodium.band is Band.SEVERE
    believed = is_severe and low_protein(case) is not None
    contradicts = direct_value_lower(case) and not believed
    require(not contradicts, "methods-contradict", na=shown_sodium(case))
    require(is_severe or not unconfirmed(case), "unconfirmed-leads")


def require_no_doubt_leads(case: Case) -> None:
    """Skips if a doubt about a sodium that is not severe has a card of its own (F12, F14)."""
    require(not glucose_leads(case), "glucose-leads")
    require(not direct_value_used(case), "methods-contradict", na=shown_sodium(case))


# ---- the questions ----


def inpatient(case: Case) -> bool:
    """Returns whether the limits for patients in hospital apply."""
    return case.snapshot.setting == "inpatient"


def recorded(case: Case, *problems: str) -> bool:
    """Returns whether one of these problems is active, at any date."""
    return any(p.active and not p.concepts.isdisjoint(problems) for p in case.snapshot.problems)


def ever_recorded(case: Case, *problems: str) -> bool:
    """Returns whether one of these problems is in the record, resolved or not."""
    return any(not p.concepts.isdisjoint(problems) for p in case.snapshot.problems)


def cirrhosis(case: Case) -> bool:
    """Returns whether cirrhosis is active; biliary cholangitis counts only with its signs (S16)."""
    sets = case.sets
    if recorded(case, *sets.cirrhosis.members):
        return True
    if not recorded(case, *sets.cirrhosis_by_signs.members):
        return False
    return recorded(case, *sets.cirrhosis_signs.members)


def cirrhosis_instead(case: Case) -> list[Line]:
    """Returns what raises sodium in cirrhosis in the place of a drug, unless volume is lost."""
    lost = case.volume.status in (Volume.HYPO, Volume.CSW)
    if not cirrhosis(case) or lost:
        return []
    return [line("cirrhosis-instead", limit=case.limits.stop_diuretics_below, keep=True)]


def palliative(case: Case) -> bool:
    """Returns whether palliative care is recorded, which alone silences no card (M15)."""
    return bool(case.problems.active(case.sets.palliative))


def palliative_lines(case: Case) -> list[Line]:
    """Returns that what is done depends on the goals of care (M15)."""
    return lines_of({"palliative": palliative(case)}, keep=True)


def heart_failure(case: Case) -> bool:
    """Returns whether heart failure is an active problem, at any date, or treated (F18)."""
    sets, taken = case.sets, case.exposures
    if recorded(case, *sets.heart_failure.members) or taken.of(*sets.heart_failure_drugs.members):
        return True
    return all(taken.of(cls) for cls in sets.heart_failure_trio.members)


def decongesting(case: Case) -> bool:
    """Returns whether acute heart failure is treated: a thiazide is part of that (F48)."""
    window = case.limits.overload_recent_days
    if case.problems.current(case.sets.acute_congestion, window):
        return True
    loops = case.exposures.of(DrugClass.LOOP)
    return any(o.route == "iv" and case.is_active(o) for loop in loops for o in loop.orders)


def drains_the_heart(case: Case) -> bool:
    """Returns whether a thiazide that is ordered is part of treating acute heart failure (F48).

    A loop diuretic by vein alone shows it only if heart failure is recorded or treated, or the
    problem list is not read: it drains a nephrotic syndrome and ascites as well.
    """
    if acute_congestion(case):
        return True
    if not decongesting(case):
        return False
    unread = not case.snapshot.complete("conditions")
    return heart_failure(case) or (unread and not _drained_for_another(case))


def keeps_the_thiazide(case: Case) -> bool:
    """Returns whether no button removes a thiazide: a loop diuretic by vein is enough (F48).

    Where another disease on record explains the loop diuretic, it may be removed.
    """
    doubtful = decongesting(case) and not _drained_for_another(case)
    return doubtful or drains_the_heart(case)


def _drained_for_another(case: Case) -> bool:
    return cirrhosis(case) or recorded(case, Problem.NEPHROTIC)


def pressure_lost(case: Case) -> tuple[str, ...]:
    """Returns the signs that volume or pressure is lacking now."""
    window, problems = red_flag_window(case), case.problems
    signs = problems.current(case.sets.volume_lost, window)
    if low_systolic(case, window) is not None and Sign.HYPOTENSION not in signs:
        signs += (Sign.HYPOTENSION,)
    return signs


def circulation_fails(case: Case) -> str:
    """Returns shock, sepsis with a low pressure, or its pressure, as a fact; else "" (F56)."""
    return joined("evidence", failing_circulation(case))


def failing_filtration(case: Case) -> Decimal | None:
    """Returns an estimated GFR of kidney failure, mL/min/1.73 m2; None without (F57)."""
    egfr = case.readings.latest(Analyte.EGFR, case.limits.measured_days)
    failing = egfr is not None and egfr.below(case.limits.egfr_told_below)
    return egfr.value if egfr is not None and failing else None


def kidneys_shed_nothing(case: Case) -> bool:
    """Returns whether what is given stays: on dialysis, in anuria, with a failing filtration."""
    without = case.dialysis or recorded(case, Problem.ANURIA)
    return without or failing_filtration(case) is not None


def kidney_order_lines(case: Case) -> list[Line]:
    """Returns how sodium is corrected if the kidneys shed nothing, for an order (F57)."""
    if case.dialysis:
        return [line("order-dialysis", keep=True)]
    return lines_of({"order-no-urine": kidneys_shed_nothing(case)}, keep=True)


def volume_lost(case: Case) -> tuple[str, ...]:
    """Returns the signs that volume is lacking: in acute heart failure none of the kidney."""
    window, signs = red_flag_window(case), pressure_lost(case)
    if not decongesting(case) and creatinine_rise(case, window) is not None:
        signs += (Sign.CREATININE_RISE,)
    return signs


def concentrated_urine(case: Case) -> bool:
    """Returns whether the urine is so concentrated that isotonic fluid leaves its water behind."""
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, case.limits.urine_labs_hours)
    return urine is not None and urine.above(case.limits.isotonic_osmolality_above)


def liver_forbids_diuretics(case: Case) -> bool:
    """Returns whether cirrhosis comes with a sodium at which guidance stops every diuretic."""
    return cirrhosis(case) and in_use(case) < case.limits.stop_diuretics_below


def overloaded(case: Case) -> bool:
    """Returns whether salt and water are held, by the judged volume or in nephrotic syndrome."""
    return case.volume.status is Volume.HYPER or recorded(case, Problem.NEPHROTIC)


def is_drain(case: Case, drug: DrugMatch) -> bool:
    """Returns whether a diuretic is the treatment of what is on record, also if volume lacks now.

    It is a loop diuretic in overload or nephrotic syndrome, in cirrhosis an aldosterone antagonist
    too, and in heart failure both. A thiazide lowers sodium in all of them.
    """
    if drug.cls not in case.sets.diuretics or drug.cls == DrugClass.THIAZIDE:
        return False
    if heart_failure(case):
        return True
    if liver_forbids_diuretics(case):
        return False
    return overloaded(case) and (drug.cls == DrugClass.LOOP or cirrhosis(case))


def drains(case: Case, drug: DrugMatch) -> bool:
    """Returns whether a diuretic drains an overload now, and is no cause to look for (F48)."""
    return is_drain(case, drug) and (decongesting(case) or not volume_lost(case))


def adrenal_crisis(case: Case) -> str:
    """Returns why adrenal failure is a crisis now, as a fact of a card; else "" (F5)."""
    if case.volume.status is not Volume.ADRENAL:
        return ""
    failure = case.volume.evidence[0]
    if failure == Problem.ADRENAL_CRISIS:
        return joined("evidence", [failure])
    limits, problems, window = case.limits, case.problems, red_flag_window(case)
    glucose = case.readings.within(Analyte.GLUCOSE, window)
    signs = {
        Sign.HYPOTENSION: low_systolic(case, window) is not None
        or problems.has_current(Problem.HYPOTENSION, window),
        Sign.VOMITING: problems.has_current(Problem.VOMITING, limits.severe_symptom_hours),
        Sign.GLUCOSE_LOW: any(r.below(limits.low_glucose_below) for r in glucose),
        Sign.POTASSIUM_HIGH: high_potassium(case) is not None,
    }
    found = [sign for sign, holds in signs.items() if holds]
    return joined("evidence", [failure, found[0]]) if found else ""


def speaks_anew(case: Case, found: Encephalopathy) -> bool:
    """Returns whether a coma scale, an acute fall or setting, or a crisis speaks by itself."""
    acute = case.sodium.acute or case.acute_setting
    return bool(found.scale or acute or adrenal_crisis(case))


def is_from_before(case: Case, found: Encephalopathy, began: datetime | None) -> bool:
    """Returns whether the symptoms were recorded before a rise that began then (F4, F31).

    A coma scale, an acute fall or a crisis speaks all the same.
    """
    if began is None or found.since is None or found.since > began:
        return False
    return not speaks_anew(case, found)


def drinks_compulsively(case: Case) -> str:
    """Returns recorded compulsive drinking, as a fact of a card; else "" (F27)."""
    sets, problems = case.sets, case.problems
    named = problems.active(sets.compulsive_drinking) + problems.active(sets.polydipsia)
    return joined("evidence", named[:1])


def drinking_lines(case: Case) -> list[Line]:
    """Returns that under desmopressin a patient who drinks compulsively is low again soon."""
    drinks = drinks_compulsively(case)
    return [line("drinks-locked", evidence=drinks, keep=True)] if drinks else []


def water_stays_restricted(case: Case) -> bool:
    """Returns whether less water is right although sodium rises: too much of it was drunk (F27).

    So it is in compulsive drinking, and after a documented acute fall, for which a rise is wanted.
    """
    return bool(drinks_compulsively(case)) or "acute" in case.rate.notes


def what_raises(case: Case) -> str:
    """Returns what raises sodium, as a fact of a line: a list, with fluid restriction or not."""
    kept = water_stays_restricted(case)
    return joined("line", ["what-raises-but-water" if kept else "what-raises"])


def low_glucose_lines(case: Case) -> list[Line]:
    """Returns a low glucose, which causes the same symptoms and is treated within minutes (F1)."""
    symptoms = case.symptoms
    glucose = case.readings.latest(Analyte.GLUCOSE, case.limits.low_glucose_hours)
    if glucose is None or not glucose.below(case.limits.low_glucose_below):
        return []
    found = (*symptoms.severe, *symptoms.moderate, *symptoms.mild) or case.encephalopathy
    return [
        line(
            "glucose-low" if found or symptoms.fall_or_fracture else "glucose-low-silent",
            value=case.as_sent(Analyte.GLUCOSE, glucose.value),
            time=at(case, glucose.at, glucose.day_only),
            keep=True,
        )
    ]


def at(case: Case, moment: datetime, day_only: bool = False) -> str:
    """Returns a time as the cards of this call write it."""
    return when(moment, case.snapshot.now, case.snapshot.zone, day_only)


def day_of(case: Case, moment: datetime) -> str:
    """Returns the day of a moment: "27 Nov", "yesterday", "tomorrow"."""
    return at(case, moment).rsplit(" ", 1)[0]


def on_day(case: Case, moment: datetime) -> str:
    """Returns the day of a moment for a sentence: "on 27 Nov", "yesterday"."""
    day = day_of(case, moment)
    return day if day.isalpha() else f"on {day}"


def next_morning(case: Case) -> datetime:
    """Returns when blood is next drawn on the morning round, by the clocks of the patient (F45)."""
    snapshot, latest = case.snapshot, case.sodium.latest
    offset = latest.at.utcoffset() if latest is not None else None
    zone = snapshot.zone if snapshot.zone is not None else offset
    local = local_time(snapshot.now, zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    morning = midnight + case.limits.ward_morning_hours
    return morning if morning > local else morning + DAY


def measured_low(case: Case) -> bool:
    """Returns whether the measured value is low by the profile, before glucose is considered."""
    return case.sodium.latest is not None and case.sodium.measured is not Band.NORMAL


def shown_sodium(case: Case) -> str:
    """Returns the latest sodium as a card writes it; empty without one."""
    return case.shown_sodium


def in_use(case: Case) -> Decimal:
    """Returns the sodium that rules compare: corrected if glucose is high (M5)."""
    sodium = case.effective_sodium
    return Decimal("Infinity") if sodium is None else sodium


def actionable(case: Case) -> bool:
    """Returns whether the latest sodium is recent enough to act on (B.0.2, M17)."""
    return case.sodium.freshness is Freshness.CURRENT


def explained_by_glucose(case: Case) -> bool:
    """Returns whether high glucose alone explains the low sodium (M5)."""
    return case.glucose is not None and case.glucose.explained


def glucose_leads(case: Case) -> bool:
    """Returns whether sodium is only mildly low once it is corrected for glucose (F14).

    It leads too if the formula that fits so high a glucose better makes the sodium normal, and not
    if glucose explains only a small part of a fall.
    """
    shift = case.glucose
    if explained_by_glucose(case) or shift is None or case.sodium.band is not Band.MILD:
        return False
    if shift.katz - latest_sodium(case).value < case.limits.glucose_leads_from:
        return False
    normal = shift.hillier_fits and band_of(shift.hillier, case.limits) is Band.NORMAL
    return normal or case.sodium.measured is not Band.MILD


def direct_value_used(case: Case) -> bool:
    """Returns whether a direct measurement is used, and the laboratory's is far lower (F12)."""
    return case.pseudo is not None and case.pseudo.kind == "direct-ise"


def direct_value_lower(case: Case) -> bool:
    """Returns whether a direct value is far lower: nothing is certain before a repeat (F12)."""
    return case.sodium.other_method is not None and not direct_value_used(case)


def low_protein(case: Case) -> tuple[Analyte, Decimal] | None:
    """Returns a protein so low that the laboratory's sodium reads falsely high, else None (F12)."""
    limits = case.limits
    edges = {
        Analyte.TOTAL_PROTEIN: limits.protein_low_below,
        Analyte.SERUM_ALBUMIN: limits.albumin_low_below,
    }
    for analyte, edge in edges.items():
        reading = case.readings.latest(analyte, limits.measured_days)
        if reading is not None and reading.below(edge):
            return analyte, reading.value
    return None


def lipids(case: Case) -> bool:
    """Returns whether triglycerides are so high that the sodium may be an artefact (F12)."""
    return case.pseudo is not None and case.pseudo.by_lipids


def osmolality_normal(case: Case) -> bool:
    """Returns whether the effective osmolality speaks against low sodium (M6 a)."""
    return case.pseudo is not None and case.pseudo.is_normal


def not_hypotonic(case: Case) -> bool:
    """Returns whether a known osmolality is normal or high: no sodium is then aimed for (F13)."""
    pseudo = case.pseudo
    return pseudo is not None and (pseudo.is_normal or pseudo.is_hypertonic)


def undiluted(case: Case) -> bool:
    """Returns whether the measured osmolality is not low, and the reason is not proven (M6)."""
    return case.pseudo is not None and case.pseudo.is_undiluted


def likely_urea(case: Case) -> bool:
    """Returns whether failing kidneys explain an osmolality of which urea is not known (M6).

    Urea holds no water back: the blood is dilute all the same, until urea is measured.
    """
    pseudo = case.pseudo
    return bool(pseudo and pseudo.is_undiluted and pseudo.no_urea) and kidneys_fail(case)


def undiluted_lines(case: Case) -> list[Line]:
    """Returns that the measured osmolality is not low, and what is to be done first (M6)."""
    pseudo = case.pseudo
    if pseudo is None or not pseudo.is_undiluted:
        return []
    if emergency(case) and names_bolus(case) and not bolus_risen(case):  # never delayed (F36)
        return [line("osmolality-emergency", value=pseudo.shown, keep=True)]
    if likely_urea(case) and not pseudo.drugs:
        return [line("osmolality-urea", value=pseudo.shown, keep=True)]
    if pseudo.drugs:
        drugs = ", ".join(pseudo.drugs)
        return [line("osmolality-unproven-drug", value=pseudo.shown, drug=drugs, keep=True)]
    return [line(f"osmolality-{pseudo.kind}", value=pseudo.shown, keep=True)]


def water_shift(case: Case) -> bool:
    """Returns whether mannitol or its like lowers sodium in a blood that is not dilute (F13)."""
    return case.pseudo is not None and case.pseudo.kind == "shift"


def hypertonic_by_glucose(case: Case) -> bool:
    """Returns whether sodium and its glucose alone make an osmolality above normal (M5, F13)."""
    tonicity = _tonicity(case)
    return tonicity is not None and tonicity >= case.limits.hypertonic_from


def isotonic_by_glucose(case: Case) -> bool:
    """Returns whether sodium and its glucose alone make an osmolality that is not low (F14)."""
    tonicity = _tonicity(case)
    return tonicity is not None and tonicity >= case.limits.pseudo_osmolality_from


def _tonicity(case: Case) -> Decimal | None:
    """Returns the osmolality in mOsm/kg that sodium and a high glucose make; None without one."""
    shift, latest = case.glucose, case.sodium.latest
    if shift is None or latest is None:
        return None
    by_glucose = shift.glucose / case.limits.glucose_per_osmole
    return SODIUM_AND_ANION * latest.value + by_glucose


def not_dilute(case: Case) -> bool:
    """Returns whether water has left the cells, by glucose or by mannitol and its like (F13)."""
    return water_shift(case) or hypertonic_by_glucose(case)


def osmole_lines(case: Case) -> list[Line]:
    """Returns what is done about what draws water out of the cells (F13).

    A single dose is stopped, and failing kidneys keep it. What is needed for long goes on, as
    icodextrin in peritoneal dialysis, and a course of immunoglobulin.
    """
    if case.pseudo is None or not water_shift(case):
        return []
    long_needed = expected_osmoles(case, case.pseudo.drugs)
    single = [drug for drug in case.pseudo.drugs if drug not in long_needed]
    return [*_single_osmole_lines(case, single), *_lasting_osmole_lines(case, long_needed)]


def edema_undiluted(case: Case) -> bool:
    """Returns whether the brain swells although the blood is not dilute (F13)."""
    return case.symptoms.brain_edema and not_hypotonic(case)


def osmole_first_lines(case: Case) -> list[Line]:
    """Returns, for a card that a symptom leads, what is done about mannitol and its like (F13).

    With brain edema it may be the treatment: the neurocritical team decides, unless the kidneys
    keep it. Hypertonic saline is then against the pressure, and aims at no sodium.
    """
    pseudo = case.pseudo
    if pseudo is None or not edema_undiluted(case):
        return osmole_lines(case)
    saline = line("edema-no-sodium-target", value=pseudo.shown, keep=True)
    return [*_osmole_beside_edema(case, pseudo), saline]


def _osmole_beside_edema(case: Case, pseudo: Pseudo) -> list[Line]:
    long_needed = expected_osmoles(case, pseudo.drugs)
    drugs = ", ".join(drug for drug in pseudo.drugs if drug not in long_needed)
    if not drugs:
        return []
    if case.dialysis or not kidneys_fail(case):
        key = "osmole-edema-dialysis" if case.dialysis else "osmole-edema"
        return [line(key, drugs=drugs, value=pseudo.shown, keep=True)]
    return [line("osmole-accumulates", drugs=drugs, value=pseudo.shown, keep=True)]


def expected_osmoles(case: Case, drugs: Iterable[str]) -> list[str]:
    """Returns those of the drugs that are needed for long, so that a small fall is expected.

    Immunoglobulin is one no longer if sodium is far lower, or if failing kidneys keep its sugar.
    """
    sets = case.sets
    small = in_use(case) >= case.limits.osmole_expected_from and not kidneys_fail(case)
    return [
        drug
        for drug in drugs
        if drug in sets.osmole_by_peritoneum or (small and drug in sets.osmole_in_courses)
    ]


def only_expected_osmoles(case: Case) -> bool:
    """Returns whether nothing but such drugs shifts water, and the fall is a small one (F13)."""
    drugs = case.pseudo.drugs if case.pseudo is not None else ()
    small = in_use(case) >= case.limits.osmole_expected_from
    return bool(drugs) and small and expected_osmoles(case, drugs) == list(drugs)


def _single_osmole_lines(case: Case, drugs: list[str]) -> list[Line]:
    if not drugs:
        return []
    stop = line("stop-osmole", drugs=", ".join(drugs), keep=True)
    if case.dialysis:
        return [stop, line("dialysis-clears-osmole", keep=True)]
    return [stop, *lines_of({"dialyze-osmole": kidneys_fail(case)}, keep=True)]


def _lasting_osmole_lines(case: Case, drugs: list[str]) -> list[Line]:
    if not drugs:
        return []
    dwell = any(drug in case.sets.osmole_by_peritoneum for drug in drugs)
    key = "osmole-expected-dwell" if dwell else "osmole-expected"
    if in_use(case) < case.limits.osmole_expected_from:
        key = "osmole-more-dwell"
    return [line(key, drugs=", ".join(drugs), keep=True)]


def osmole_unmeasured(case: Case) -> list[Line]:
    """Returns what may lower the number, if no osmolality tells: protein, icodextrin (F13, M6).

    With symptoms that may need a bolus nothing waits for it, and triglycerides are told too.
    """
    drugs, protein = _unmeasured_osmoles(case), high_protein(case)
    known = case.pseudo is not None and case.pseudo.kind != "hint"
    beside_symptoms = emergency(case) or case.encephalopathy is not None
    fat = beside_symptoms and lipids(case)
    if known or not case.sodium.low or not (drugs or protein or fat):
        return []
    if beside_symptoms:
        return [_artefact_now(drugs, protein)]
    if protein is not None:
        key = "protein-unmeasured-drug" if drugs else "protein-unmeasured"
        facts = {"drugs": ", ".join(drugs)} if drugs else {}
        return [Line(key, {**facts, "value": number(protein)}, keep=True)]
    dwell = any(drug in case.sets.osmole_by_peritoneum for drug in drugs)
    key = "osmole-unmeasured-dwell" if dwell else "osmole-unmeasured"
    return [line(key, drugs=", ".join(drugs), keep=True)]


def _artefact_now(drugs: list[str], protein: Decimal | None) -> Line:
    if protein is not None:
        return line("artefact-now-protein", value=protein, keep=True)
    if not drugs:
        return line("artefact-now-lipids", keep=True)
    return line("artefact-now", drugs=", ".join(drugs), keep=True)


def _unmeasured_osmoles(case: Case) -> list[str]:
    """Returns the drugs that are needed for long and whose osmoles no osmolality has told of.

    Protein of a course of immunoglobulin makes any sodium read low, however low.
    """
    latest, limits = case.sodium.latest, case.limits
    if latest is None:
        return []
    window = case.sodium.age + limits.water_shift_osmolality_hours
    if case.readings.latest(Analyte.SERUM_OSMOLALITY, window) is not None:
        return []
    agents, courses = osmotic_agents(case), case.sets.osmole_in_courses
    return [*dict.fromkeys([*expected_osmoles(case, agents), *(d for d in agents if d in courses)])]


def high_protein(case: Case) -> Decimal | None:
    """Returns a total protein so high that sodium may read low, else None (M6)."""
    if case.pseudo is None or PROTEIN not in case.pseudo.hints:
        return None
    protein = case.readings.latest(Analyte.TOTAL_PROTEIN, case.limits.pseudo_hint_hours)
    return None if protein is None else protein.value


def kidneys_fail(case: Case) -> bool:
    """Returns whether what the kidneys shed stays in the blood: failing, injured, or no urine."""
    problems, window = case.problems, red_flag_window(case)
    acute = problems.has_current(Problem.ACUTE_KIDNEY_INJURY, window)
    injured = acute or creatinine_rise(case, window) is not None
    return injured or kidney_explains(case) or recorded(case, Problem.ANURIA)


def emergency(case: Case) -> bool:
    """Returns whether PV-SYMP leads: low sodium explains severe symptoms, or brain edema (M2)."""
    return case.symptoms.attributable or case.symptoms.brain_edema


def too_mild(case: Case) -> bool:
    """Returns whether severe symptoms are recorded that this sodium does not explain (M2).

    A sodium below mild that only looks low for its glucose keeps the card of its band (M5).
    """
    if not case.symptoms.severe or emergency(case):
        return False
    low_enough = in_use(case) < case.limits.severe_attributable_below
    if case.symptoms.better_cause and low_enough:
        return False  # another cause explains them, and the card of the band says so (F15)
    return case.glucose is None or case.sodium.measured is Band.MILD


def acute_fall_leads(case: Case) -> bool:
    """Returns whether an acute fall is told before the doubt about its sample (F41).

    Without a symptom a sample that was drawn beside an infusion is drawn again first, at any value.
    """
    if case.sodium.acute is None:
        return False
    symptoms = case.symptoms
    felt = bool(symptoms.severe or symptoms.recent or symptoms.gcs_impaired)
    return case.drip is None or felt


def drip_lines(case: Case) -> list[Line]:
    """Returns that the sample is drawn again, if it seems to be of the arm of an infusion (F41).

    Beside symptoms of brain edema it is measured at the bedside, and they are treated meanwhile.
    """
    if case.drip is None:
        return []
    return [line("other-arm-now" if sodium_card_leads(case) else "other-arm", keep=True)]


def sodium_card_leads(case: Case) -> bool:
    """Returns whether PV-SYMP, PV-ENC or PV-ACUTE speaks, which no doubt may outrank (F3)."""
    real = not (below_plausible(case) or explained_by_glucose(case))
    danger = emergency(case) or case.encephalopathy or acute_fall_leads(case)
    return bool(real and danger and case.sodium.low and measured_low(case) and actionable(case))


def below_plausible(case: Case) -> bool:
    """Returns whether the latest value is just below the plausible range: DQ-PLAUS leads (S2)."""
    return case.sodium.latest is not None and case.sodium.latest.below_plausible


def rising_too_fast(case: Case) -> bool:
    """Returns whether sodium rises, or rose lately, faster than the limit."""
    return case.rate.rule == "RATE-OVER"


def rises_fast(case: Case) -> bool:
    """Returns whether sodium rises above the limit or the goal at high risk, or did so lately (F4).

    No advice may then raise it further.
    """
    rises = rising_too_fast(case) or case.rate.level in ("warning", "critical")
    return rises or case.rate.episode is not None


def shown_as_unusable(case: Case, result: Rejected) -> bool:
    """Returns whether an unusable result is recent enough for a card (DQ-UNIT, DQ-PLAUS)."""
    return result.at is not None and case.snapshot.now - result.at <= _recent(case)


def unconfirmed(case: Case) -> bool:
    """Returns whether the newest value is implausible and not confirmed: no plan yet (F44)."""
    rejected = case.sodium.newest_rejected
    implausible = rejected is not None and rejected.why == Unused.IMPLAUSIBLE
    if case.rate.jump is not None or case.drip is not None:
        return True
    return implausible and rejected is not None and shown_as_unusable(case, rejected)


def recently_unusable(case: Case) -> bool:
    """Returns whether a result that could not be used may be a recent one, and the newest."""
    return may_be_unusable_within(case, _recent(case))


def may_be_unusable_within(case: Case, span: timedelta) -> bool:
    """Returns whether a result that may be the newest, and was not used, may be of this span."""
    result = case.sodium.unusable
    if result is None:
        return False
    return result.until is None or case.snapshot.now - result.until <= span


def _recent(case: Case) -> timedelta:
    limits = case.limits
    return limits.current_inpatient_hours if inpatient(case) else limits.current_outpatient_days


# ---- what cards say of the patient behind the sodium


def lines_of(checks: Mapping[str, object], *, keep: bool = False) -> list[Line]:
    """Returns the lines whose check holds, in the order of the table."""
    return [line(key, keep=keep) for key, holds in checks.items() if holds]


def first_symptom(case: Case) -> str:
    """Returns the leading severe symptom as a fact of a card; empty without one."""
    return joined("symptom", case.symptoms.severe[:1])


def lasting_symptom_line(case: Case) -> Line:
    """Returns that a recorded symptom is an emergency only if it goes on, past the limit (F31)."""
    shown = joined("symptom", [with_time(case, symptom) for symptom in case.symptoms.severe[:1]])
    return line("if-it-goes-on", symptom=shown, keep=True)


def symptom_lines(case: Case) -> list[Line]:
    """Returns the recorded symptoms and the coma scale, or that no severe symptom is recorded."""
    symptoms = case.symptoms
    lines = []
    recorded = (*symptoms.severe, *symptoms.moderate, *symptoms.mild)
    if recorded:
        shown = joined("symptom", [with_time(case, symptom) for symptom in recorded])
        lines.append(line("symptoms-recorded", symptoms=shown, keep=True))
    lines += [*past_symptoms(case), *cause_lines(case)]
    if symptoms.gcs_impaired:
        lines.append(line("symptoms-scale", points=str(symptoms.gcs), keep=True))
    elif symptoms.gcs_sedated:
        lines.append(line("symptoms-scale-sedated", points=str(symptoms.gcs), keep=True))
    elif symptoms.gcs_untestable:
        lines.append(line("symptoms-scale-untestable", points=str(symptoms.gcs), keep=True))
    if not lines and case.snapshot.complete("conditions"):
        lines.append(line("symptoms-none"))
    return lines


def eclampsia_lines(case: Case) -> list[Line]:
    """Returns that recorded eclampsia has a treatment of its own (F54)."""
    recorded_now = case.sets.eclampsia.among(frozenset(case.symptoms.severe))
    return [line("eclampsia-recorded", keep=True)] if recorded_now else []


def obstetric_lines(case: Case) -> list[Line]:
    """Returns that a seizure may be eclampsia, or else that obstetrics is called (F54)."""
    if eclampsia_lines(case):
        return eclampsia_lines(case)
    if case.symptoms.seizure_recent and _around_birth(case):
        return [line("eclampsia", keep=True)]
    return lines_of({"pregnant": case.pregnant}, keep=True)


def _around_birth(case: Case) -> bool:
    """Returns whether the patient is pregnant, in labor or shortly after it."""
    sets, problems, limits = case.sets, case.problems, case.limits
    ended = problems.happened(sets.pregnancy_ended, limits.postpartum_days)
    labor = problems.current(sets.obstetric, limits.postpartum_days)
    infused = [e for e in case.exposures.active if e.drug.name in sets.obstetric_drugs]
    return bool(case.pregnant or ended or labor or infused)


def past_symptoms(case: Case) -> list[Line]:
    """Returns the severe symptoms that are older than an over-correction (F4)."""
    if not case.symptoms.before_rise:
        return []
    past = [with_time(case, symptom) for symptom in case.symptoms.before_rise]
    return [line("symptoms-before-rise", symptoms=joined("symptom", past), keep=True)]


def cause_lines(case: Case) -> list[Line]:
    """Returns what explains a severe symptom better than sodium does (F15)."""
    symptoms = case.symptoms
    if not symptoms.better_cause:
        return []
    symptom, cause = joined("symptom", symptoms.explained), symptoms.better_cause
    cause = joined("evidence", [cause])
    return [line("better-cause", symptom=symptom, cause=cause, keep=True)]


def with_time(case: Case, symptom: str) -> str:
    """Returns a symptom with the time of its newest record, if it has one (F32).

    Midnight is how a record keeps a day without a clock.
    """
    times = [
        problem.since
        for problem in case.snapshot.problems
        if symptom in problem.concepts and problem.active and problem.since is not None
    ]
    if not times:
        return symptom
    newest = at(case, max(times))
    shown = day_of(case, max(times)) if newest.endswith(MIDNIGHT) else newest
    return f"{symptom}@{shown}"


SINCE_SETTING = {"acute-too": "acute-too-setting", "order-acute": "order-acute-setting"}


def acute_lines(case: Case) -> list[Line]:
    """Returns that the fall is acute, for a card that something else leads."""
    fall = case.sodium.acute
    if fall is None:
        return []
    return [fall_line(case, fall, "acute-too"), *unbelieved_lines(case)]


def fall_line(case: Case, fall: Fall, key: str) -> Line:
    """Returns the line on an acute fall: in hours, or since before an acute setting (F2)."""
    setting = case.acute_setting
    if fall.since_setting and setting is not None:
        return line(SINCE_SETTING[key], fall=fall.amount, setting=setting.shown, keep=True)
    return line(key, fall=fall.amount, hours=in_hours(fall.over), keep=True)


def unbelieved_lines(case: Case) -> list[Line]:
    """Returns that a fall too large to believe is repeated at once, and treated as acute (F3)."""
    fall, jump = case.sodium.acute, case.rate.jump
    unbelieved = (fall and fall.unbelieved) or (jump and jump.rise < 0)
    return lines_of({"acute-unbelieved": unbelieved}, keep=True)


def setting_lines(case: Case) -> list[Line]:
    """Returns the situation after which low sodium is likely to be acute (F2)."""
    setting = case.acute_setting
    if setting is None:
        return []
    if setting.since is None:
        return [line("acute-setting", setting=setting.shown, keep=True)]
    time = at(case, setting.since)
    return [line("acute-setting-at", setting=setting.shown, time=time, keep=True)]


def names_bolus(case: Case) -> bool:
    """Returns whether a card may name a bolus of hypertonic saline (F13, F42)."""
    if case.symptoms.brain_edema:
        return True
    return in_use(case) < case.limits.bolus_below and not water_shift(case)


def fall_lines(case: Case) -> list[Line]:
    """Returns that even mild low sodium goes with falls, if the patient may fall (S1-15, S2-17).

    A patient who is acutely ill has other worries (F37).
    """
    if case.sodium.band is Band.SEVERE or case.restriction.red_flags or decongesting(case):
        return []
    risk, cramp = case.symptoms.falls_risk, case.symptoms.cramp
    return lines_of({"falls-cramp": risk and cramp, "falls": risk and not cramp})


def rise_by_glucose(case: Case) -> list[Line]:
    """Returns that a falling glucose explains a measured rise, so that it is not too fast."""
    pair = case.rate.by_glucose
    if pair is None or case.rate.rule:
        return []
    hours, rise = in_hours(pair.span), number(pair.measured_rise)
    return [Line("rise-by-glucose", {"rise": rise, "hours": hours, "corrected": number(pair.rise)})]


def bolus_risen(case: Case) -> list[Line]:
    """Returns what replaces a bolus line once the allowance of 24 h is nearly used (F31)."""
    rate, limits = case.rate, case.limits
    if rising_too_fast(case):
        risen = rate.worst.rise if rate.worst else rate.rise_now
        return [line("bolus-risen", rise=risen, keep=True)]
    least = limits.raise_warning_risk_from if case.risk.high else limits.raise_warning_from
    if rate.rise_now < least:
        return []
    return [line("bolus-nearly-risen", rise=rate.rise_now, keep=True)]


def shedding_water(case: Case) -> Decimal | None:
    """Returns the urine osmolality if it shows that the kidney sheds water (F27).

    It does below 100 mOsm/kg, or below 150 if urine sodium is low too. A sodium from which no fast
    rise harms is left out.
    """
    limits, mild = case.limits, case.sodium.band is Band.MILD
    mild = mild or in_use(case) >= limits.shedding_sodium_below
    osmolality = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.shedding_urine_hours)
    if osmolality is None or mild or not case.sodium.low:
        return None
    salt = case.readings.latest(Analyte.URINE_SODIUM, limits.shedding_urine_hours)
    little_salt = salt is not None and salt.below(limits.urine_sodium_from)
    below = limits.shedding_urine_below if little_salt else limits.dilute_urine_below
    return osmolality.value if osmolality.below(below) else None


def acute_water(case: Case) -> Fall | None:
    """Returns the fall of which the record proves that too much water made it within two days (F2).

    It began normal, and the urine is dilute or a setting explains it. A very low value is no risk
    of demyelination then; every other risk means a brain that may have adapted.
    """
    fall = case.sodium.acute
    if fall is None or not fall.from_normal:
        return None
    if not set(case.risk.reasons) <= {Sign.SODIUM_VERY_LOW}:
        return None
    explained = case.acute_setting is not None or bool(drinks_compulsively(case))
    return fall if explained or shedding_water(case) is not None else None


def likely_acute(case: Case) -> bool:
    """Returns whether the brain is in danger and has hardly adapted: no limit holds then (F2).

    Compulsive drinking lasts for years, and proves no short onset without a fall from normal.
    """
    if acute_water(case) is not None:
        return True
    setting = case.acute_setting
    if setting is None or setting.lasts or case.risk.high:
        return False
    return emergency(case) or bool(case.encephalopathy or case.sodium.acute)


def shedding_lines(case: Case, *, order: bool = False) -> list[Line]:
    """Returns that sodium may rise fast by itself, as it does in dilute urine (F27).

    The card of an order says it in fewer words. In an acute fall the water that flows out is the
    cure: nothing is to hold it back (F2).
    """
    osmolality = shedding_water(case)
    if osmolality is not None and likely_acute(case):
        key = "let-water-go" if acute_water(case) else "let-water-go-likely"
        return [line(key, value=osmolality, keep=True)]
    if acute_water(case) is not None:
        return []
    if osmolality is not None:
        key = "shedding-order" if order else "shedding-water"
        return [line(key, value=osmolality, keep=True)]
    cause = will_shed_water(case)
    return [line("will-shed-water", cause=cause, keep=True)] if cause else []


def still_shedding(case: Case) -> Decimal | None:
    """Returns the urine osmolality if the kidney sheds water while sodium rises (F27).

    After a rise that is a higher limit than in a sodium that is low and steady. It says nothing on
    dialysis, and after a documented acute fall a fast rise is wanted.
    """
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.shedding_urine_hours)
    if urine is None or not urine.below(limits.rising_urine_below):
        return None
    return None if case.dialysis or "acute" in case.rate.notes else urine.value


def rises_by_itself(case: Case) -> bool:
    """Returns whether sodium goes on rising without any treatment, so that 4 h are too long."""
    shed = still_shedding(case) if case.rate.rule else shedding_water(case)
    return shed is not None


def will_shed_water(case: Case) -> str:
    """Returns what will make the kidney shed water, as a fact of a card; else "" (F27).

    It is cortisol that begins in adrenal failure, or a thiazide or an antidiuretic that was
    stopped lately.
    """
    if not case.sodium.low or case.sodium.band is Band.MILD:
        return ""
    if case.volume.status is Volume.ADRENAL:
        return joined("evidence", [Sign.CORTISOL_GIVEN]) if _cortisol_begins(case) else ""
    window, sheds = case.limits.diuretic_washout_hours, case.sets.shed_water_when_stopped
    for name, order in stopped_lately(case, case.sets.check_tiers, window):
        if any(drug.name == name and drug.cls in sheds for drug in order.drugs):
            return name
    return ""


def _cortisol_begins(case: Case) -> bool:
    """Returns whether a glucocorticoid is new, or a crisis asks for it."""
    window = case.limits.volume_drug_hours
    given = case.exposures.of(*case.sets.glucocorticoids.members)
    new = [e for e in given if e.since and case.snapshot.now - e.since <= window]
    return bool(new) or bool(adrenal_crisis(case))


def contested_lines(case: Case) -> list[Line]:
    """Returns that the limit of 8 is contested: only in its profile, and not at high risk (F34)."""
    contested = case.limits.rate_contested_margin > 0 and not case.risk.high
    return lines_of({"limit-contested": contested}, keep=True)


def acute_congestion(case: Case) -> str:
    """Returns recorded acute heart failure or pulmonary edema, as a fact of a card; else ""."""
    window = case.limits.overload_recent_days
    recent = case.problems.current(case.sets.acute_congestion, window)
    return joined("evidence", [Sign.ACUTE_CONGESTION]) if recent else ""


def holds_salt(case: Case) -> str:
    """Returns the first active diagnosis under which the body holds salt, as a fact; else "".

    It is a low bar, for a warning in words alone: no age of the diagnosis is too old.
    """
    problems = case.problems.without(case.sets.no_overload.members)
    return joined("evidence", problems.active(case.sets.holds_salt)[:1])


def overload(case: Case) -> str:
    """Returns the congestion that a load of sodium and volume worsens; "" without (F48)."""
    acute = acute_congestion(case)
    if acute or case.volume.status is not Volume.HYPER:
        return acute
    return joined("evidence", case.volume.evidence[:1])


def doubt_lines(case: Case) -> list[Line]:
    """Returns what is uncertain about the latest sodium; these lines are never cut (M5, M6, S3)."""
    lines = result_lines(case)
    other = case.sodium.other_method
    if other:
        time = at(case, other.at, other.day_only)
        key = "doubt-methods-low" if direct_value_used(case) else "doubt-methods-lab"
        if key == "doubt-methods-lab" and low_protein(case):
            key = "doubt-methods-protein"
        lines.append(line(key, na=other.shown, time=time, keep=True))
    shift = case.glucose
    if shift and not shift.explained:
        # The plan already uses the lower of the two corrected values (M5).
        key = "doubt-glucose-loose" if shift.loose_pair else "doubt-glucose"
        lines.append(glucose_line(case, key, shift, keep=True))
    pseudo = case.pseudo
    if pseudo is None:
        return lines
    lines += [*_osmolality_doubts(case, pseudo), *undiluted_lines(case)]
    if pseudo.kind == "direct-ise":
        return lines
    return lines + [_hint(case, hint) for hint in pseudo.hints]


def _hint(case: Case, hint: str) -> Line:
    """Returns what can make sodium read low, with the protein if that was measured (M6)."""
    protein = case.readings.latest(Analyte.TOTAL_PROTEIN, case.limits.pseudo_hint_hours)
    if hint != PROTEIN or protein is None:
        return line(f"doubt-hint-{hint}" if hint != PROTEIN else "doubt-hint-myeloma", keep=True)
    return line("doubt-hint-protein", value=protein.value, keep=True)


def _osmolality_doubts(case: Case, pseudo: Pseudo) -> list[Line]:
    """Returns that the blood is not dilute; after irrigation this is no comfort (F13)."""
    value, drug, time = pseudo.shown, ", ".join(pseudo.drugs), osmolality_time(case, pseudo)
    if pseudo.kind == "osmolality":
        return [line("doubt-osmolality", value=value, keep=True)]
    if pseudo.kind == "isotonic":
        return [line("doubt-isotonic", value=value, time=time, drug=drug, keep=True)]
    if pseudo.kind == "irrigant":
        return [line("doubt-irrigant", value=value, time=time, keep=True)]
    return []


def osmolality_time(case: Case, pseudo: Pseudo) -> str:
    """Returns when the osmolality was measured, as a card writes it (F13)."""
    return "" if pseudo.at is None else at(case, pseudo.at, pseudo.day_only)


def result_lines(case: Case) -> list[Line]:
    """Returns what the result itself leaves open, and that the patient's age is unknown."""
    latest = case.sodium.latest
    if latest is None:
        return []
    doubts = {
        "doubt-preliminary": latest.status == "preliminary",
        "doubt-status": latest.status == "unknown",
        "doubt-unit": latest.unit_missing,
        "doubt-result-time": latest.result_time,
        "doubt-age-unknown": case.age_years is None,
    }
    lines = lines_of(doubts, keep=True)
    if latest.comparator:
        lines.append(line("doubt-bound", na=latest.shown, keep=True))
    return lines


def glucose_line(case: Case, key: str, shift: GlucoseShift, *, keep: bool = False) -> Line:
    """Returns a line with the glucose and the sodium corrected by both formulas."""
    return line(
        key,
        keep=keep,
        glucose=case.as_sent(Analyte.GLUCOSE, shift.glucose),
        katz=shift.katz,
        hillier=shift.hillier,
    )


def drug_lines(case: Case, leave_out: Collection[str] = ()) -> list[Line]:
    """Returns each suspect with start and likelihood, what may worsen it (F50), what is on hold."""
    named = [e for e in case.exposures.suspects if e.drug.name not in leave_out]
    suspected = [e for e in named if e.attribution]
    lines = [_suspect_line(case, e) for e in suspected if not drains(case, e.drug)]
    drained = ", ".join(e.drug.name for e in suspected if drains(case, e.drug))
    lines += [line("drug-drains", drugs=drained)] if drained else []
    antidiuretics = ", ".join(e.drug.name for e in case.exposures.of(DrugClass.VASOPRESSIN))
    if antidiuretics:
        lines.append(line("rises-when-stopped", drug=antidiuretics, keep=True))
    others = ", ".join(e.drug.name for e in case.exposures.more_suspects)
    lines += [line("drugs-possible", drugs=others, keep=True)] if others else []
    begun = [(e.drug.name, e.since) for e in case.exposures.worsening if e.since]
    if begun:
        drugs = ", ".join(f"{drug} ({at(case, since, day_only=True)})" for drug, since in begun)
        lines.append(line("drug-may-worsen", drugs=drugs, keep=True))
    lines += [_given_line(case, drug, when) for drug, when in given_before(case)]
    for drug, order in stopped_lately(case, case.sets.check_tiers, case.limits.stopped_days):
        ended = order.end and at(case, order.end, day_only=True)
        dated = line("drug-stopped", drug=drug, date=ended, keep=True) if ended else None
        lines.append(dated or line("drug-stopped-undated", drug=drug, keep=True))
    watched = case.sets.watched_tiers
    held = sorted(drug.name for drug in case.exposures.on_hold if drug.tier in watched)
    if held:
        shown = held[: int(case.limits.suspects_to)]
        lines.append(line("drug-on-hold", drugs=", ".join(shown)))
    return lines


def _given_line(case: Case, drug: str, moment: datetime) -> Line:
    """Returns a cytotoxic drug that was given and completed; some make the kidney lose salt."""
    loses = drug in case.sets.salt_losing_drugs
    key = "drug-given-salt-loss" if loses else "drug-given"
    return line(key, drug=drug, date=at(case, moment, day_only=True), keep=True)


def _suspect_line(case: Case, suspect: Exposure) -> Line:
    drug = suspect.drug.name
    hormone = suspect.drug.cls == DrugClass.DESMOPRESSIN
    if hormone and case.problems.active(case.sets.insipidus):
        return line("drug-replaces", drug=drug, keep=True)
    if hormone and clamp_runs(case):
        return line("drug-clamps", drug=drug, keep=True)
    if suspect.since is None:
        return line("drug-undated", drug=drug)
    date = at(case, suspect.since, day_only=True)
    gives_way = suspect.drug.tier in case.sets.weak_tiers and pituitary_surgery(case)
    likely = "possible-recent" if gives_way else suspect.attribution
    return line(f"drug-{likely}", drug=drug, date=date)


def started_within(
    case: Case, tiers: TierSet, window: timedelta
) -> list[tuple[datetime, Exposure]]:
    """Returns the drugs of these tiers that were started within the window, with their start."""
    known = [(e.since, e) for e in case.exposures.active if e.since and e.drug.tier in tiers]
    return [(since, e) for since, e in known if case.snapshot.now - since <= window]


def stronger_cause(case: Case) -> bool:
    """Returns whether losses on record explain the sodium better than a weak suspect does (F8)."""
    return bool(case.restriction.fluid) or case.volume.status is Volume.HYPO


def recorded_cause(case: Case) -> str:
    """Returns what is on record and explains the sodium by itself, as a fact of a headline.

    It is polydipsia with a nearly dilute urine (F27), what loses blood, fluid or salt (F6), an
    operation on the pituitary gland (F5), or recorded SIADH.
    """
    if case.volume.drinks:
        return case.volume.drinks
    losses = [told for told in case.restriction.fluid if told.key == LOSSES]
    if losses:
        return str(losses[0].facts["evidence"])
    if pituitary_surgery(case):
        return f"evidence:{Sign.PITUITARY_SURGERY}"
    siadh = case.volume.status is Volume.EUV and Problem.SIADH in case.volume.evidence
    return joined("evidence", [Problem.SIADH]) if siadh else ""


def surgery_lines(case: Case) -> list[Line]:
    """Returns that an operation on the pituitary gland is the likely cause, and what is to come.

    Not while sodium rises too fast, and not of a sodium that may be none.
    """
    done = pituitary_surgery(case)
    doubted = osmolality_normal(case) or undiluted(case) or unconfirmed(case)
    if done is None or doubted or rises_fast(case):
        return []
    if done.at is None:
        return [line("pituitary-undated", keep=True)]
    date = at(case, done.at, day_only=True)
    if done.to_come:
        return [line("pituitary-to-come", date=date, keep=True)]
    return [line("pituitary-late", date=date, keep=True)]


def _drinks_much(case: Case) -> bool:
    """Returns whether the urine is so dilute that no drug that holds water is the cause (F27).

    While sodium rises, it is the end of another cause.
    """
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.dilute_urine_days)
    dilute = urine is not None and urine.below(limits.dilute_urine_below)
    return bool(case.volume.drinks) or (dilute and not case.rate.rule)


def headline_drugs(case: Case) -> list[str]:
    """Returns the suspects that a headline may name.

    A weakly linked drug gives way to a stronger cause, and every drug to a sodium that may be none.
    A diuretic that drains an overload is its treatment; a thiazide begun beside it is named (F48).
    """
    suspected = case.exposures.suspects
    named = [e for e in suspected if not drains(case, e.drug)]
    weak = all(e.drug.tier in case.sets.weak_tiers for e in named)
    stronger = stronger_cause(case) or pituitary_surgery(case) is not None
    if undiluted(case) or _drinks_much(case) or (named and weak and stronger):
        return []
    if len(named) == len(suspected):
        return suspects(case)
    added = [e for e in case.exposures.worsening if e.drug.cls == DrugClass.THIAZIDE]
    return [e.drug.name for e in (named or added)]


def suspects(case: Case) -> list[str]:
    """Returns the names of the drugs that may be the cause, the most likely first."""
    named = [exposure.drug.name for exposure in case.exposures.suspects]
    return named or [drug for drug, _ in given_before(case)]
