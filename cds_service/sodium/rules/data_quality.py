"""Is the sodium real, and recent? Its age, glucose, artifacts, units, jumps (B.0.1, M6)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from operator import itemgetter
from typing import NoReturn

from cds_service.engine.finding import Fact, Finding, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import ago, in_hours, number
from cds_service.knowledge.names import Analyte, Unused
from cds_service.sodium.blind_spots import RISE_UNREAD, unread_lately
from cds_service.sodium.case import Case
from cds_service.sodium.drip_arm import Change, DripSample
from cds_service.sodium.glucose import GlucoseShift, Pseudo
from cds_service.sodium.results import Band, band_edges
from cds_service.sodium.rules.book import chart_rule
from cds_service.sodium.rules.desmopressin import told_lines
from cds_service.sodium.rules.follow_up import (
    NOW,
    diabetic_crisis,
    has_mild_symptom,
    has_symptom,
    monitoring,
    osmolality_suggestion,
    repeat_sodium,
    watch,
    workup_suggestions,
)
from cds_service.sodium.rules.gates import (
    actionable,
    acute_lines,
    at,
    below_plausible,
    direct_value_lower,
    direct_value_used,
    drip_lines,
    drug_lines,
    emergency,
    explained_by_glucose,
    first_symptom,
    glucose_leads,
    glucose_line,
    latest_sodium,
    lines_of,
    low_protein,
    measured_low,
    only_expected_osmoles,
    osmolality_time,
    osmole_lines,
    recently_unusable,
    require_actionable,
    require_low,
    require_low_sodium,
    require_not_stale,
    result_lines,
    shown_as_unusable,
    shown_sodium,
    sodium_card_leads,
    started_within,
    suspects,
    symptom_lines,
)
from cds_service.sodium.rules.plan import background_of_plan, plan_lines
from cds_service.sodium.rules.room import limit_line
from cds_service.terminology.types import RecordText

SHOWN_AT_MOST = 12  # characters of a recorded number or unit, so that the summary stays whole


# ---- too old, or missing after a new drug ----


@chart_rule("PV-AGE")
def outdated(case: Case) -> Finding:
    """The card comes if a low sodium is too old to act on; it replaces that of the band (M17)."""
    latest_sodium(case)
    require(measured_low(case), "not-low", na=shown_sodium(case))
    require_low(case)
    require(not actionable(case), "recent-enough")
    require_not_stale(case)
    why = [*symptom_lines(case), *drug_lines(case), *told_lines(case)]
    drugs = suspects(case)
    if case.symptoms.severe:
        return card(
            "warning",
            "symptom",
            na=shown_sodium(case),
            age=ago(case.sodium.age),
            symptom=first_symptom(case),
            do=["repeat-before", line("check-symptoms-now", keep=True)],
            why=why,
            offer=[repeat_sodium(case, priority="stat")],
            drugs=drugs,
        )
    return card(
        "info" if case.sodium.band is Band.MILD else "warning",
        na=shown_sodium(case),
        age=ago(case.sodium.age),
        do=["repeat-before"],
        why=why,
        offer=[repeat_sodium(case, priority="urgent")],
        drugs=drugs,
    )


@chart_rule("PV-DRUGCHK")
def check_due(case: Case) -> Finding:
    """The card comes if no sodium was measured since a drug of the first tier was started."""
    limits, sodium = case.limits, case.sodium
    require(case.snapshot.complete("sodium"), "sodium-unread")
    known = sodium.latest is not None and sodium.age <= limits.drugcheck_sodium_days
    require(not known, "sodium-known", age=ago(sodium.age))
    rejected = sodium.newest_rejected
    told = rejected is not None and shown_as_unusable(case, rejected)
    require(not told and not recently_unusable(case), "sodium-unusable")
    age = case.age_years
    if age is None or age < limits.drugcheck_age_years:
        skip("too-young")
    now = case.snapshot.now
    started = started_within(case, case.sets.check_tiers, limits.drugcheck_started_days)
    since, exposure = max(
        [start for start in started if start[0] <= now],
        key=itemgetter(0),
        default=None,
    ) or _skip_without_new_drug(case)
    drug, date = exposure.drug.name, at(case, since, day_only=True)
    return card(
        "info",
        drug=drug,
        ago=ago(now - since),
        do=["check-sodium", "monitor-new-drug"],
        why=[
            line("started", drug=drug, date=date, keep=True),
            line("older-adult", age=str(age)),
        ],
        offer=[repeat_sodium(case)],
    )


def _skip_without_new_drug(case: Case) -> NoReturn:
    """Skips, and says why no drug counts as started: a list that was not read may hold one."""
    require(case.medicines_known, "list-not-read")
    of_the_tiers = [e for e in case.exposures.active if e.drug.tier in case.sets.check_tiers]
    require(all(e.since for e in of_the_tiers), "start-not-known")
    skip("no-new-drug")


# ---- explained by glucose, or an artifact ----


@chart_rule("PV-GLU")
def glucose_shift(case: Case) -> Finding:
    """The card comes alone if glucose explains the low sodium (M5), or nearly does (F14)."""
    latest = latest_sodium(case)
    require(measured_low(case), "not-low", na=latest.shown)
    near_normal = latest.value >= case.limits.near_normal_from  # F51: silent
    require(not near_normal, "near-normal", na=latest.shown)
    shift = case.glucose or skip("no-glucose-shift")
    require(case.rate.jump is None and case.drip is None, "unconfirmed-leads")
    if glucose_leads(case):
        # The card of the emergency tells the glucose: no other treatment stands before it (F11).
        require(not case.symptoms.brain_edema, "emergency-leads")
        return _nearly_explained(case, shift)
    require(shift.explained, "no-glucose-shift")
    require_not_stale(case)
    due = case.limits.repeat_near_hours
    due, often = _with_glucose(case, due, watch(case, "monitor-glucose", due))
    swells = case.symptoms.brain_edema
    first = [line("pressure-first", keep=True)] if swells else []
    lower = (
        line("pressure-glucose", glucose=case.as_sent(Analyte.GLUCOSE, shift.glucose))
        if swells
        else line("treat-glucose")
    )
    return card(
        "warning" if swells else "info",
        "edema" if swells else "main",
        na=latest.shown,
        glucose=case.as_sent(Analyte.GLUCOSE, shift.glucose),
        katz=shift.katz,
        hillier=shift.hillier,
        do=[*first, lower, often],
        why=[
            glucose_line(case, "formulas", shift),
            *lines_of({"hillier-fits": shift.hillier_fits}),
            *lines_of({"loose-pair": shift.loose_pair}, keep=True),
            *result_lines(case),
            *symptom_lines(case),
        ],
        offer=[repeat_sodium(case, due)],
    )


def _with_glucose(case: Case, due: timedelta, usual: Line) -> tuple[timedelta, Line]:
    """Returns when sodium is due while glucose falls, with its line: sooner in a crisis (F14)."""
    if not diabetic_crisis(case):
        return due, usual
    due = max(case.limits.repeat_crisis_hours - case.sodium.age, NOW)
    return due, watch(case, "monitor-crisis", due)


def _nearly_explained(case: Case, shift: GlucoseShift) -> Finding:
    """Returns the card of a sodium that is only mildly low once glucose is considered (F14)."""
    require_actionable(case)
    limits, unexplained = case.limits, []
    if case.symptoms.severe and not emergency(case):
        unexplained = [line("not-by-sodium", symptom=first_symptom(case), keep=True)]
    due = limits.repeat_near_hours - case.sodium.age
    due, often = _with_glucose(case, due, watch(case, "monitor-glucose-near", due))
    return card(
        "warning",
        "nearly",
        na=latest_sodium(case).shown,
        glucose=case.as_sent(Analyte.GLUCOSE, shift.glucose),
        katz=number(shift.katz, band_edges(limits)),
        hillier=shift.hillier,
        do=[
            *unexplained,
            line("treat-glucose-first", keep=True),
            often,
            *plan_lines(case),
        ],
        why=[*symptom_lines(case), limit_line(case), *background_of_plan(case), *told_lines(case)],
        offer=[repeat_sodium(case, due, "urgent")],
        drugs=suspects(case),
    )


@chart_rule("PV-METHODS")
def direct_value_higher(case: Case) -> Finding:
    """The card comes if a direct measurement is far above the laboratory's: it is used (F12)."""
    latest = latest_sodium(case)
    other = case.sodium.other_method
    if other is None or not direct_value_used(case):
        skip("methods-agree")
    require_actionable(case)
    mild_or_normal = case.sodium.band in (Band.MILD, Band.NORMAL)
    plan = plan_lines(case) if case.sodium.low else []
    return card(
        "info" if mild_or_normal and not has_symptom(case) else "warning",
        direct=latest.shown,
        indirect=other.shown,
        do=[line("use-direct", keep=True), "repeat-both", "monitor-artifact", *plan],
        why=[*symptom_lines(case), *background_of_plan(case), *told_lines(case)],
        offer=[repeat_sodium(case, priority="stat" if case.symptoms.severe else "urgent")],
        drugs=suspects(case),
    )


@chart_rule("DQ-METHODS")
def direct_value_is_lower(case: Case) -> Finding:
    """The card comes, conditional, if a direct measurement is far below the laboratory's (F12)."""
    latest = latest_sodium(case)
    other = case.sodium.other_method
    if other is None or not direct_value_lower(case):
        skip("methods-agree")
    require(measured_low(case), "not-low", na=latest.shown)
    require_actionable(case)
    protein = low_protein(case)
    if protein is not None:
        return _falsely_high(case, latest.shown, other.shown, protein)
    return card(
        "warning",
        direct=latest.shown,
        indirect=other.shown,
        do=[line("repeat-now", keep=True), line("if-lower", na=latest.shown, keep=True)],
        why=[*symptom_lines(case), *result_lines(case)],
        offer=[repeat_sodium(case, priority="stat")],
    )


def _falsely_high(
    case: Case, direct: str, indirect: str, protein: tuple[Analyte, Decimal]
) -> Finding:
    """Returns that low protein explains the difference: a repeat gives the same pair (F12)."""
    analyte, value = protein
    return card(
        "warning",
        "protein",
        direct=direct,
        indirect=indirect,
        do=[
            line("believe-direct", lab=f"lab:{analyte}", value=value, keep=True),
            line("plan-by-direct", na=direct, keep=True),
        ],
        why=[*symptom_lines(case), *result_lines(case)],
        offer=[repeat_sodium(case, priority="urgent")],
    )


@chart_rule("PV-PSEUDO")
def artifact(case: Case) -> Finding:
    """The card comes if the osmolality speaks against low sodium, or is unexplained (M6)."""
    latest_sodium(case)
    require(measured_low(case), "not-low", na=shown_sodium(case))
    pseudo = case.pseudo
    if pseudo is None or pseudo.kind in ("hint", "direct-ise") or explained_by_glucose(case):
        skip("no-artifact")
    require(not pseudo.is_undiluted, "band-card-tells")
    require_actionable(case)
    if pseudo.is_hypertonic:
        return _hypertonic(case, pseudo)
    require(pseudo.is_normal and _replaces_band_card(case), "band-card-tells")
    because = line("because-osmolality", value=pseudo.shown, keep=True)
    return card(
        "info",
        "isotonic" if pseudo.drugs else "main",
        na=shown_sodium(case),
        value=pseudo.shown,
        more_facts=_agent(case, pseudo),
        do=[line("confirm", keep=True), "monitor-artifact"],
        why=[
            *([] if pseudo.drugs else [because]),
            *_meter_lines(case, pseudo),
            *result_lines(case),
            *symptom_lines(case),
        ],
        offer=[osmolality_suggestion(case)],
    )


def _hypertonic(case: Case, pseudo: Pseudo) -> Finding:
    """Returns the card of a true low sodium beside a high osmolality (F13, F49)."""
    expected = only_expected_osmoles(case) and not case.symptoms.severe
    informs = pseudo.kind == "gap" or case.sodium.band is Band.MILD or expected
    lead = line("hypertonic-gap", keep=True)
    if pseudo.kind == "shift":
        lead = line("hypertonic-shift", drugs=", ".join(pseudo.drugs), keep=True)
    return card(
        "info" if informs else "warning",
        pseudo.kind,
        na=shown_sodium(case),
        value=pseudo.shown,
        more_facts=_agent(case, pseudo),
        do=[
            lead,
            *osmole_lines(case),
            *(["monitor-expected"] if expected else ["find-osmoles", "monitor-osmolality"]),
        ],
        why=[*_meter_lines(case, pseudo), *result_lines(case), *symptom_lines(case)],
        offer=[osmolality_suggestion(case)],
    )


def _agent(case: Case, pseudo: Pseudo) -> dict[str, Fact]:
    """Returns the drugs that shift water, and when the osmolality was measured (F13)."""
    if not pseudo.drugs:
        return {}
    return {"drug": ", ".join(pseudo.drugs), "time": osmolality_time(case, pseudo)}


def _meter_lines(case: Case, pseudo: Pseudo) -> list[Line]:
    """Returns that bedside meters may take maltose for glucose (F13)."""
    maltose = [drug for drug in pseudo.drugs if drug in case.sets.maltose]
    return [line("meters", drug=", ".join(maltose), keep=True)] if maltose else []


def _replaces_band_card(case: Case) -> bool:
    """Returns whether normal osmolality replaces the band card: never one of an emergency (M6)."""
    symptoms = case.symptoms
    if symptoms.severe or symptoms.brain_edema or case.sodium.acute:
        return False
    if case.sodium.measured is Band.MODERATE:
        return True
    return case.sodium.measured is Band.MILD and not has_mild_symptom(case)


# ---- a wrong unit, an impossible value, a jump ----


@chart_rule("DQ-UNIT")
def wrong_unit(case: Case) -> Finding:
    """Speaks if the newest sodium has a unit that is not known; it is never converted."""
    return _not_used(case, Unused.UNIT)


@chart_rule("DQ-PLAUS")
def implausible(case: Case) -> Finding:
    """The card comes if a value is impossible, or so low that it is taken as severe (S2)."""
    if not below_plausible(case):
        return _not_used(case, Unused.IMPLAUSIBLE)
    require_low_sodium(case)
    return card(
        "warning",
        "below",
        na=shown_sodium(case),
        do=[
            line("treat-as-severe", keep=True),
            "rule-out-contamination",
            monitoring(case),
            *plan_lines(case),
        ],
        why=[
            *symptom_lines(case),
            *acute_lines(case),
            *background_of_plan(case),
            *told_lines(case),
        ],
        offer=[repeat_sodium(case, priority="stat"), *workup_suggestions(case, "urgent")],
        drugs=suspects(case),
    )


def _not_used(case: Case, why: Unused) -> Finding:
    """Returns that the newest value is not used, and which one is."""
    rejected = case.sodium.newest_rejected
    if rejected is None:
        latest_sodium(case)
    if rejected is None or rejected.why != why:
        skip(f"no-{why}")
    require(shown_as_unusable(case, rejected), "rejected-old")
    unit = rejected.unit.strip()[:SHOWN_AT_MOST]
    value = rejected.shown[:SHOWN_AT_MOST]
    time = at(case, rejected.at) if rejected.at else ""
    used = line("none-used", keep=True)
    latest = case.sodium.latest
    if latest:
        drawn = at(case, latest.at, latest.day_only)
        used = line("used-instead", na=latest.shown, time=drawn, keep=True)
    # The card of a moderate or mild band keeps silent beside an implausible value (F44).
    replaces_band = why is Unused.IMPLAUSIBLE and case.sodium.low and actionable(case)
    is_mild = case.sodium.band is Band.MILD
    return card(
        "warning" if replaces_band and not is_mild else "info",
        "main" if unit else "no-unit",
        value=value,
        unit=RecordText(unit),
        do=["check-chart", *(plan_lines(case) if replaces_band else [])],
        why=[
            line("not-used", value=value, time=time, keep=True),
            used,
            *(symptom_lines(case) if replaces_band else []),
        ],
        offer=[repeat_sodium(case, priority="stat" if replaces_band else "routine")],
    )


@chart_rule("DQ-DELTA")
def jump(case: Case) -> Finding:
    """The card comes if sodium moved faster than it can: the sample is likely to be wrong.

    A fall that makes a card of danger is told there, with the repeat (F3).
    """
    latest_sodium(case)
    if case.drip is not None:
        return _beside_a_drip(case, case.drip)
    pair = case.rate.jump
    if pair is None:
        require(unread_lately(case) is None, RISE_UNREAD)
        skip("no-jump")
    require(not (pair.rise < 0 and sodium_card_leads(case)), "danger-leads")
    critical = case.rate.rule == "RATE-OVER" and case.rate.level == "critical"
    require(not critical, "rate-leads")  # "act now" and "before acting" are no one voice (F31)
    end = at(case, pair.end.at, pair.end.day_only)
    samples = line("jump-samples", from_=pair.base, to=pair.end.shown, time=end, keep=True)
    return card(
        "warning",
        "down" if pair.rise < 0 else "main",
        change=abs(pair.rise),
        hours=in_hours(pair.over),
        do=[line("repeat-at-once", keep=True), *plan_lines(case), "rule-out-contamination"],
        why=[
            samples,
            *_glucose_of_the_jump(case),
            *(symptom_lines(case) if case.sodium.low else []),
        ],
        offer=[repeat_sodium(case, priority="stat")],
    )


def _beside_a_drip(case: Case, drip: DripSample) -> Finding:
    """Returns that the sample is drawn again from the other arm before any of it is believed."""
    shown, glucose = latest_sodium(case).shown, drip.glucose
    return card(
        "warning",
        "drip" if glucose else "drip-plain",
        na=shown,
        more_facts={"glucose": glucose.now} if glucose else {},
        do=[*drip_lines(case), "rule-out-contamination"],
        why=[
            *([_changed(Analyte.GLUCOSE, glucose)] if glucose else []),
            *(_changed(key, one) for key, one in drip.diluted.items()),
            *(symptom_lines(case) if case.sodium.low else []),
        ],
        offer=[repeat_sodium(case, priority="stat")],
    )


def _changed(analyte: Analyte, change: Change) -> Line:
    return line(f"drip-{analyte}", from_=change.before, to=change.now, keep=True)


def _glucose_of_the_jump(case: Case) -> list[Line]:
    """Returns the high glucose beside it: both may come from the arm of an infusion (F41, F44)."""
    if case.glucose is None:
        return []
    return [
        line("jump-glucose", glucose=case.as_sent(Analyte.GLUCOSE, case.glucose.glucose), keep=True)
    ]
