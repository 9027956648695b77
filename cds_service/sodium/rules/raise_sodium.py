"""An order that raises sodium is selected: hypertonic saline or a vaptan (M4, B.0.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType

from msgspec.structs import replace

from cds_service.engine.finding import Fact, Finding, Indicator, Line, Suggestion
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import ago, in_hours, joined, number
from cds_service.knowledge.names import Analyte, DrugClass, Problem
from cds_service.sodium.blind_spots import RISE_UNREAD, unread_lately
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair, first_day_limit
from cds_service.sodium.glucose import GlucoseShift, Pseudo
from cds_service.sodium.results import Band, Sample
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.follow_up import makes_no_urine, workup_suggestions
from cds_service.sodium.rules.gates import (
    EUROPEAN,
    acute_water,
    circulation_fails,
    drinking_lines,
    drip_lines,
    first_symptom,
    glucose_line,
    hypertonic_by_glucose,
    isotonic_by_glucose,
    kidney_order_lines,
    kidneys_shed_nothing,
    lasting_symptom_line,
    likely_acute,
    low_glucose_lines,
    may_be_unusable_within,
    names_bolus,
    not_dilute,
    obstetric_lines,
    on_day,
    osmole_lines,
    overload,
    recorded,
    require_low,
    shedding_lines,
    shown_sodium,
    symptom_lines,
)
from cds_service.sodium.rules.order_helpers import (
    acute_liver_failure,
    beside,
    concentrated_saline,
    for_polycystic_kidney,
    hypertonic_saline,
    is_kept_mixture,
    keep_and_check,
    latest_within,
    may_protect_the_brain,
    may_remove,
    raising_name,
    remove,
    result_doubts,
    saline_beside,
    saline_name,
    sodium_after,
    sodium_at_once,
    sodium_below,
    sodium_unread,
    vaptan_of,
)
from cds_service.sodium.rules.ordered_amount import (
    after_each_bolus,
    bolus_line,
    exceeds,
    infused_lines,
    overdose,
    rate_lines,
    single_bolus,
    too_much,
)
from cds_service.sodium.rules.plan import (
    adrenal_beside,
    restriction_suggestions,
    risk_lines,
    weak_fluid_lines,
)
from cds_service.sodium.rules.room import day_limit, limit_line, rise_limit, rise_stands
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Saline

RISEN_STEP = {
    "reached": "no-further-rise",
    "severe": "specialist-now",
    "severe-over": "only-while-it-lasts",
    "goal": "wait-for-sodium",
    "near": "wait-for-sodium",
    "over": "no-further-rise",
    "earlier": "no-further-rise",
    "earlier-long": "no-further-rise",
    "remembered": "no-further-rise",
    "remembered-severe": "demyelination",
}  # what to do, by the variant of OS-HTS-OVER


NAMES_LIMIT = ("over", "reached", "goal", "near", "earlier", "severe-over")
# The summary of OS-HTS-PSEUDO where saline may be the rescue, by the usual one.
RESCUE_SUMMARY = {
    "main": "rescue",
    "lipids": "rescue",
    "unproven": "unproven-rescue",
}
UNDILUTED = ("unproven", "unproven-rescue")
BOTH_ENDS = 2  # the samples of a rise with none between them


def treat_first(case: Case, order: Order) -> list[Line]:
    """Returns the line that opens a card on hypertonic saline: no card delays a rescue (M4).

    If saline cannot be the rescue, the line says what coma fits instead. A concentrate is never the
    rescue: its line names the fluid to choose (F36).
    """
    if not hypertonic_saline(order):
        return []
    if concentrated_saline(order):
        return [line("concentrate-first", keep=True)]
    other = _other_rescue(case, order)
    return other or [line("treat-first", keep=True), *_clamp_lines(case, order)]


def _clamp_lines(case: Case, order: Order) -> list[Line]:
    """Returns what belongs to desmopressin beside hypertonic saline: no free water (F9)."""
    replaced = recorded(case, Problem.DIABETES_INSIPIDUS)
    clamp = not replaced and case.sodium.low and beside(case, order, DrugClass.DESMOPRESSIN)
    return [line("clamp-no-water", keep=True)] if clamp else []


def _other_rescue(case: Case, order: Order) -> list[Line]:
    """Returns what a coma fits if saline would not help it; empty if saline may be the rescue.

    That is so with a sodium that is not low once it is corrected for glucose, in a blood that is
    not dilute, and while an over-correction is too large. It is not so with brain edema (F11), or
    if no sodium is fresh.
    """
    if latest_within(case, case.limits.hypertonic_sodium_hours) is None or case.doubtful:
        return []
    if _brain_swells(case):
        return []
    shifted = _fits_shift(case)
    if shifted is not None:
        return [shifted]
    pair = _rise_that_counts(case)
    if pair is not None and _still_too_high(case, order, pair):
        return [line("coma-after-rise", rise=_shown_rise(case, pair.rise), keep=True)]
    if case.sodium.measured is Band.NORMAL:
        return [line("coma-not-sodium", keep=True)]
    return []


def _brain_swells(case: Case) -> bool:
    return case.symptoms.icp_indication or case.symptoms.brain_edema


def _fits_shift(case: Case) -> Line | None:
    """Returns what a symptom fits if water left the cells, by its name if one is recorded (F13).

    It is None if the blood is dilute.
    """
    shift, artefact = case.glucose, case.pseudo
    if shift is not None and (not case.sodium.low or hypertonic_by_glucose(case)):
        osmolality, glucose = _high_osmolality(case), {"glucose": _glucose(case, shift)}
        if makes_no_urine(case):
            return _fits(case, "coma-fits-no-urine", glucose)
        if osmolality is None:
            return _fits(case, "coma-fits-glucose", glucose)
        return _fits(case, "coma-fits-osmolality", {**glucose, "value": number(osmolality)})
    if artefact is not None and artefact.kind == "shift":
        facts = {"value": artefact.shown, "agent": ", ".join(artefact.drugs)}
        return _fits(case, "coma-fits-shift", facts)
    return None


def _glucose(case: Case, shift: GlucoseShift) -> str:
    """Returns the glucose as a card writes it."""
    sent = case.as_sent(Analyte.GLUCOSE, shift.glucose)
    return number(sent) if isinstance(sent, Decimal) else sent


FITS_NONE = {
    "coma-fits-glucose": "coma-fits-glucose-none",
    "coma-fits-no-urine": "coma-fits-no-urine-none",
    "coma-fits-osmolality": "coma-fits-osmolality-none",
    "coma-fits-shift": "coma-fits-shift-none",
}  # the same line if no severe symptom is recorded


def _fits(case: Case, key: str, facts: Mapping[str, str]) -> Line:
    symptom = first_symptom(case)
    if not symptom:
        return Line(FITS_NONE[key], facts, keep=True)
    return Line(key, {**facts, "symptom": symptom}, keep=True)


def _still_too_high(case: Case, order: Order, pair: RatePair) -> bool:
    """Tells whether sodium is above the limit of the day, without a severe symptom since then."""
    if case.symptoms.severe:
        return False
    still = case.rate.rule == "RATE-OVER" and case.rate.variant == "still"
    return still or _rise_variant(case, order, pair) == "over"


def _high_osmolality(case: Case) -> Decimal | None:
    """Returns the measured osmolality of these hours if it is above normal."""
    near = case.limits.osmolality_near_hours
    measured = case.readings.latest(Analyte.SERUM_OSMOLALITY, near)
    high = measured is not None and measured.at_least(case.limits.hypertonic_from)
    return measured.value if measured is not None and high else None


# Hypertonic saline or a vaptan: is the sodium fresh, is it true, and does it rise fast already?


@order_rule(
    "OS-HTS-OLD",
    raising_name,
    otherwise="not-raising",
    without_sodium=True,
    names_missing_sodium=True,
)
def no_fresh_sodium(case: Case, order: Order, drug: str) -> Finding:
    """Speaks if no sodium is young enough for this order, or if none could be read (M4, M16)."""
    require(not for_polycystic_kidney(case, order), "polycystic")
    saline = hypertonic_saline(order)
    limit = case.limits.hypertonic_sodium_hours if saline else case.limits.vaptan_sodium_hours
    require(latest_within(case, limit) is None, "fresh", hours=in_hours(limit))
    if _mild_when_last_known(case, order):
        return card(
            "warning",
            "mild",
            drug=drug,
            na=case.sodium.latest.shown if case.sodium.latest else "",
            age=ago(case.sodium.age),
            do=[*treat_first(case, order), "send-now"],
            why=[*symptom_lines(case), *risk_lines(case)],
            offer=[sodium_at_once(order), *_removal_in_mild(case, order)],
        )
    # A card never speaks of a bolus of a vaptan or of a concentrate.
    variant = "bolus" if saline and not concentrated_saline(order) else "other"
    facts: dict[str, Fact | Decimal] = {"hours": in_hours(limit)}
    latest = case.sodium.latest
    if sodium_unread(case):
        variant, facts = f"{variant}-unread", {}
        known = line("unread-is-not-absent")
    elif may_be_unusable_within(case, limit):
        variant, facts = f"{variant}-unusable", {}
        known = line("unusable-is-not-absent")
    elif latest is None:
        known = line("none-on-record")
    else:
        known = line("last-known", na=latest.shown, age=ago(case.sodium.age))
    return card(
        "warning",
        variant,
        drug=drug,
        more_facts=facts,
        do=[*too_much(case, order, one_bolus=True), *treat_first(case, order), "send-now"],
        why=[known],
        offer=[sodium_at_once(order)],
    )


def _mild_when_last_known(case: Case, order: Order) -> bool:
    """Tells whether the last sodium is old and was mildly low, with no reason for saline (F36)."""
    limits, sodium = case.limits, case.sodium
    inside = case.snapshot.setting == "inpatient"
    longest = limits.raising_case_hours if inside else limits.old_sodium_outpatient_days
    return all(
        [
            hypertonic_saline(order) and not _additive(case, order),
            latest_within(case, longest)
            and not latest_within(case, limits.hypertonic_sodium_hours),
            not may_be_unusable_within(case, limits.hypertonic_sodium_hours),
            sodium.band is Band.MILD and sodium.acute is None,
            not (case.symptoms.severe or case.symptoms.icp_indication),
            not acute_liver_failure(case),
            _problems_read(case),
        ]
    )


@order_rule("OS-HTS-GLU", raising_name, otherwise="not-raising")
def explained_by_glucose(case: Case, order: Order, drug: str) -> Finding:
    """Speaks if glucose explains the low value: the number is then no reason for the order (M5)."""
    latest = _sodium_behind_the_order(case, order)
    require(case.drip is None, "unconfirmed-leads")
    shift = case.glucose or skip("no-glucose-shift")
    by_glucose = shift.explained or hypertonic_by_glucose(case)
    require(by_glucose and case.sodium.measured is not Band.NORMAL, "no-glucose-shift")
    return card(
        "warning",
        drug=drug,
        na=latest.shown,
        glucose=case.as_sent(Analyte.GLUCOSE, shift.glucose),
        do=[*treat_first(case, order), "lower-glucose-first"],
        why=[glucose_line(case, "glucose-corrected", shift), *symptom_lines(case)],
        offer=[
            *_sodium_with_the_order(case, order, supported=_is_rescue(case, order)),
            *_removal_unless_neurological(case, order),
        ],
    )


@order_rule("OS-HTS-PSEUDO", raising_name, otherwise="not-raising")
def may_be_artefact(case: Case, order: Order, drug: str) -> Finding:
    """Speaks if the low value may be an artefact of the laboratory method (M6)."""
    latest = _sodium_behind_the_order(case, order)
    if case.drip is not None:
        return _beside_a_drip(case, order, drug, latest)
    artefact = case.pseudo or skip("no-artefact")
    variant, advice = _doubt(case, artefact) or skip("no-artefact")
    if _is_rescue(case, order):
        variant = RESCUE_SUMMARY.get(variant, variant)
    other = case.sodium.other_method
    facts = {
        "methods": {"indirect": other.shown if other else ""},
        "shift": {"value": artefact.shown, "agent": ", ".join(artefact.drugs)},
        **{key: {"value": artefact.shown} for key in UNDILUTED},
    }
    shifted = variant == "shift"
    # Saline does not help in a blood that is not dilute (F13).
    removal = _removal_unless_neurological(case, order) if shifted else []
    return card(
        "warning",
        variant,
        drug=drug,
        na=latest.shown,
        more_facts=facts.get(variant, {}),
        do=[*treat_first(case, order), *(osmole_lines(case) if shifted else []), advice],
        why=[line("artefact-osmolality", value=artefact.shown)] if artefact.explains else [],
        offer=[
            *_sodium_with_the_order(case, order, supported=_is_rescue(case, order)),
            *removal,
        ],
    )


def _beside_a_drip(case: Case, order: Order, drug: str, latest: Sample) -> Finding:
    """Returns that the sample is drawn again from the other arm; a rescue does not wait (F41)."""
    rescue = _is_rescue(case, order)
    return card(
        "warning",
        "drip-rescue" if rescue else "drip",
        drug=drug,
        na=latest.shown,
        do=[*treat_first(case, order), *drip_lines(case)],
        offer=_sodium_with_the_order(case, order, supported=rescue),
    )


def _doubt(case: Case, artefact: Pseudo) -> tuple[str, Line] | None:
    """Returns the summary and the line about a doubtful sodium; None if a hint is no doubt."""
    if artefact.by_lipids:
        return "lipids", line("lipids-direct")
    doubts = {
        "direct-ise": ("methods", line("use-direct")),
        "shift": ("shift", line("not-for-the-number")),
        "osmolality": ("main", line("confirm-direct")),
        "isotonic": ("main", line("confirm-direct")),
        "unproven": ("unproven", line("prove-solute", keep=True)),
    }
    return doubts.get(artefact.kind)


def _sodium_behind_the_order(case: Case, order: Order) -> Sample:
    """Returns the recent sodium; skip if the order is not given for that number."""
    require(not for_polycystic_kidney(case, order), "polycystic")
    pressure = hypertonic_saline(order) and case.symptoms.icp_indication
    require(not pressure, "intracranial-pressure")
    return latest_within(case, case.limits.raising_case_hours) or skip("no-recent-sodium")


@order_rule("OS-VAP-HTS", raising_name, otherwise="not-raising")
def raised_twice(case: Case, order: Order, drug: str) -> Finding:
    """Speaks if a vaptan and hypertonic saline are ordered together; only the vaptan may go."""
    saline = hypertonic_saline(order)
    partner = _other_that_raises(case, order) or skip("no-second-raising-drug")
    if saline:
        rescue = _is_rescue(case, order)
        step = "rescue-first" if rescue else "stop-the-vaptan"
        offer = _own_button(case, order, supported=rescue)
    else:
        step = "one-of-two"
        offer = [] if case.age_years is None else [remove(order, drug)]
    return card(
        "warning" if saline and case.symptoms.severe else "critical",
        "rescue" if _is_rescue(case, order) else "main",
        drugs=[drug, partner],
        drug_=drug,
        partner=partner,
        do=[*treat_first(case, order), step],
        why=["label-no-combination", "count-potassium"],
        offer=offer,
    )


def _other_that_raises(case: Case, order: Order) -> str:
    """Returns the vaptan beside saline, or the saline beside a vaptan; empty without one."""
    if hypertonic_saline(order):
        vaptans = beside(case, order, DrugClass.VAPTAN)
        return vaptans[0].name if vaptans else ""
    others = saline_beside(case, order)
    return saline_name(others[0]) if others else ""


@order_rule("OS-HTS-OVER", raising_name, otherwise="not-raising")
def rising_already(case: Case, order: Order, drug: str) -> Finding:
    """Speaks if sodium rose so far that the order may take it past the limit (M4, B.0.8)."""
    pair = _rise_that_counts(case)
    if pair is None:
        require(unread_lately(case) is None, RISE_UNREAD)
        skip("not-rising", rise=_shown_rise(case, case.rate.rise_now))
    variant = _rise_variant(case, order, pair)
    indicator = _rise_indicator(case, order, pair)
    pair = _as_measured(case, pair) if variant == "over" else pair
    facts: dict[str, Fact | Decimal] = {"rise": _shown_rise(case, pair.rise)}
    if variant in NAMES_LIMIT:
        facts["limit"] = rise_limit(case)
    if variant != "remembered-severe":
        facts["hours"] = in_hours(pair.span)
    if variant.startswith("remembered"):
        facts["date"] = on_day(case, pair.end.at)
    offer = _sodium_with_the_order(case, order, supported=False)
    if indicator == "critical" and _may_remove_raising(case, order):
        offer.append(remove(order, drug))
    return card(
        indicator,
        variant,
        drug=drug,
        more_facts=facts,
        do=[
            *too_much(case, order, one_bolus=False),
            *treat_first(case, order),
            RISEN_STEP[variant],
            *_if_it_goes_on(case, order),
            "recheck-often",
        ],
        why=[
            line(
                "rise-measured" if pair.observed else "rise-estimated",
                keep=True,
                base=pair.base,
                na=pair.end.shown,
                hours=in_hours(pair.over),
            ),
            *symptom_lines(case),
            *_dialysis_lines(case),
            *risk_lines(case),
            "count-potassium",
        ],
        offer=offer,
    )


def _may_remove_raising(case: Case, order: Order) -> bool:
    """Tells whether to offer a removal: never of saline that may protect the brain (F11)."""
    kept = case.symptoms.icp_indication or may_protect_the_brain(case)
    return may_remove(case) and not (hypertonic_saline(order) and (kept or is_kept_mixture(order)))


def _rise_that_counts(case: Case) -> RatePair | None:
    """Returns the rise to the last sample if it is large, else an earlier over-correction (F4)."""
    now, limits = case.rate.now, case.limits
    least = limits.raise_warning_risk_from if case.risk.high else limits.raise_warning_from
    if now and now.rise >= least and not _recovered(case, now):
        return now
    lately = case.rate.worst if case.rate.rule == "RATE-OVER" else None
    return case.rate.episode or lately


def _recovered(case: Case, pair: RatePair) -> bool:
    """Tells whether a rise began normal, or ended normal from nearly normal (B.0.8)."""
    limits = case.limits
    if pair.base > limits.rate_normal_above:
        return True
    began_nearly_normal = pair.base >= limits.rate_recovered_base_from
    return began_nearly_normal and pair.end_value > limits.rate_normal_above


def _as_measured(case: Case, pair: RatePair) -> RatePair:
    """Returns the measured rise of a shorter time if it is above the limit too: it is recognized.

    The estimate of a value 24 h ago is arithmetic.
    """
    if pair.observed or pair.glucose or pair.window != "day" or len(pair.used) <= BOTH_ENDS:
        return pair
    start, end = pair.used[1], pair.end
    rise = end.value - start.value
    if rise <= rise_limit(case):
        return pair
    over = end.at - start.at
    return replace(pair, base=start.value, base_at=start.at, rise=rise, over=over, observed=True)


def _rise_variant(case: Case, order: Order, pair: RatePair) -> str:
    severe = bool(case.symptoms.severe) and not concentrated_saline(order)
    if pair == case.rate.episode and pair.end != case.rate.latest:
        return "remembered-severe" if severe else "remembered"
    spent = rise_stands(case) and pair.rise >= rise_limit(case)
    # A vaptan is no rescue: past the limit it hears what it hears without a symptom.
    if severe and not (spent and vaptan_of(order)):
        return "severe-over" if spent and not case.symptoms.icp_indication else "severe"
    if pair is not case.rate.now:
        return "earlier" if pair.window == "day" else "earlier-long"
    if pair.rise > rise_limit(case):
        return "over"
    if pair.rise == rise_limit(case):
        return "reached"
    return "goal" if case.risk.high and pair.rise > case.limits.rate_goal else "near"


def limit_forbids_vaptan(case: Case, order: Order) -> bool:
    """Returns whether a rise, rather than a severe symptom, is what forbids this vaptan (F22)."""
    pair = _rise_that_counts(case)
    if pair is None or not vaptan_of(order) or not case.symptoms.severe:
        return False
    return rise_stands(case) and pair.rise >= rise_limit(case)


def _if_it_goes_on(case: Case, order: Order) -> list[Line]:
    """Returns that a symptom which lasts is an emergency, on a vaptan that the limit forbids."""
    return [lasting_symptom_line(case)] if limit_forbids_vaptan(case, order) else []


def _rise_indicator(case: Case, order: Order, pair: RatePair) -> Indicator:
    """Returns critical only if the card on the rate is critical too: doubt lowers both.

    A vaptan beside a severe symptom is critical for that alone (OS-VAP-CONTRA).
    """
    if limit_forbids_vaptan(case, order):
        return "critical"
    over = pair.rise > rise_limit(case) and pair.base < case.limits.rate_danger_base_below
    if over and case.rate.level == "critical" and not case.symptoms.severe:
        return "critical"
    return "warning"


def _shown_rise(case: Case, rise: Decimal) -> str:
    """Returns a rise that does not seem to reach a limit by rounding."""
    limits = case.limits
    least = (limits.raise_warning_from, limits.raise_warning_risk_from)
    return number(rise, (rise_limit(case), limits.rate_goal, *least))


def _is_rescue(case: Case, order: Order) -> bool:
    """Tells whether the order may be the rescue from severe symptoms."""
    saline = hypertonic_saline(order) and not concentrated_saline(order)
    return bool(saline and case.symptoms.severe and not _other_rescue(case, order))


def _sodium_with_the_order(case: Case, order: Order, *, supported: bool) -> list[Suggestion]:
    """Returns the first button: sodium after saline, kept only if supported; a vaptan waits."""
    if not hypertonic_saline(order):
        return [sodium_at_once(order)]
    return _own_button(case, order, supported=supported)


# Hypertonic saline alone: does the record support it, and what keeps the patient safe (M4)?


@order_rule("OS-HTS-SEV", hypertonic_saline, otherwise="not-hypertonic")
def severe_symptoms(case: Case, order: Order, saline: Saline) -> Finding:
    """Speaks if severe symptoms are recorded: guardrails, and nothing that reads as a stop."""
    latest = _low_sodium(case, order)
    _require_dilute(case)
    require(case.symptoms.severe, "no-severe-symptom")
    require(not _pressure_leads(case), "intracranial-pressure")
    shift = case.glucose
    if shift is not None and _explains_the_symptoms(case):
        return _glucose_before_saline(case, order, shift)
    if acute_liver_failure(case):
        return _for_the_liver(case, order, saline)
    do = _guardrails(case, saline)
    if not case.symptoms.attributable:
        do.append(line("look-further", na=latest.shown))
    return _saline_card(
        case,
        order,
        "info",
        _severe_summary(case),
        supported=not _eclampsia_alone(case),
        do=do,
        why=_watch(case),
        more_facts=_severe_facts(case),
    )


def _severe_facts(case: Case) -> dict[str, Fact]:
    """Returns the fall of an acute one, and elsewhere the limit of a day."""
    fall = acute_water(case)
    if fall is not None:
        return {"fall": number(fall.amount), "hours": in_hours(fall.over)}
    return {} if likely_acute(case) else {"limit": number(day_limit(case))}


def _severe_summary(case: Case) -> str:
    """Returns the summary: no limit of a day is named where none holds (F2)."""
    if likely_acute(case):
        return "acute" if acute_water(case) else "likely-acute"
    slowly = case.limits.profile == EUROPEAN and case.risk.high
    return "risk" if slowly else "main"


def _for_the_liver(case: Case, order: Order, saline: Saline) -> Finding:
    """Returns that a coma of acute liver failure is brain edema, with a target of its own (F11)."""
    deep = case.sodium.band is not Band.MILD
    return _saline_card(
        case,
        order,
        "info",
        "liver",
        supported=True,
        do=[
            line("liver-brain", keep=True),
            *([bolus_line(case, saline), after_each_bolus(case)] if deep else []),
        ],
        why=[*symptom_lines(case), *result_doubts(case)],
        na=shown_sodium(case),
        symptom=first_symptom(case),
    )


def _eclampsia_alone(case: Case) -> bool:
    """Tells whether the only severe symptom is an eclampsia that this sodium does not explain."""
    eclampsia, symptoms = case.sets.eclampsia, case.symptoms
    return not symptoms.attributable and all(s in eclampsia for s in symptoms.severe)


@order_rule("OS-HTS-ICP", hypertonic_saline, otherwise="not-hypertonic")
def for_pressure(case: Case, order: Order, _saline: Saline) -> Finding:
    """Speaks if the saline is for the brain at a sodium that may be read as its reason (F11)."""
    require(case.symptoms.icp_indication, "no-pressure")
    require(not concentrated_saline(order), "concentrate")
    latest = latest_within(case, case.limits.raising_case_hours) or skip("no-recent-sodium")
    require(case.sodium.measured is not Band.NORMAL, "not-low", na=latest.shown)
    doubt, low = _no_reason_by_water(case), case.sodium.band in (Band.MODERATE, Band.SEVERE)
    if not (doubt or low):
        skip("mild-band" if latest in case.glucose_pairs else "no-glucose", na=latest.shown)
    require(_pressure_leads(case) or not case.symptoms.severe, "severe-symptom")
    swells = case.symptoms.brain_edema
    low_lines = [line("pressure-low", keep=True, na=latest.shown, limit=day_limit(case))]
    return _saline_card(
        case,
        order,
        "info",
        "main" if swells else "injury",
        supported=swells,
        do=[
            line("pressure-team", keep=True),
            *(low_lines if low and not doubt else []),
            *doubt,
        ],
        why=[*symptom_lines(case), *risk_lines(case), *result_doubts(case)],
        na=latest.shown,
        why_=_reason_of_pressure(case),
    )


def _pressure_leads(case: Case) -> bool:
    """Tells whether the pressure is the reason: no symptom of a low sodium beyond it (M4)."""
    return case.symptoms.icp_indication and not _more_than_raised_pressure(case)


def _no_reason_by_water(case: Case) -> list[Line]:
    """Returns what makes the number no sign of too much water: glucose, or another solute."""
    if case.glucose is not None:
        return [
            line(
                "pressure-glucose",
                keep=True,
                glucose=case.as_sent(Analyte.GLUCOSE, case.glucose.glucose),
            )
        ]
    pseudo = case.pseudo
    if pseudo is None or not (pseudo.explains or pseudo.not_dilute or pseudo.is_undiluted):
        return []
    return [line("pressure-osmolality", value=pseudo.shown)]


def _reason_of_pressure(case: Case) -> Fact:
    """Returns brain edema, herniation or the injury of the brain, as a fact of a card."""
    sets, window = case.sets, case.limits.icp_days
    swollen = case.problems.current(sets.brain_edema, window)
    if swollen:
        return joined("symptom", swollen[:1])
    return joined("evidence", case.problems.dated(sets.icp_injury, window)[:1])


def _explains_the_symptoms(case: Case) -> bool:
    """Tells whether glucose keeps the blood from being dilute, and sodium is mild once corrected.

    Below that a seizure may still be of the sodium, and the rescue is not withheld.
    """
    mild = case.sodium.band in (Band.MILD, Band.NORMAL)
    return mild and isotonic_by_glucose(case) and not _brain_swells(case)


def _glucose_before_saline(case: Case, order: Order, shift: GlucoseShift) -> Finding:
    """Returns that the blood is not dilute: such symptoms are no brain edema by sodium (F14)."""
    return card(
        "warning",
        "glucose",
        drug=saline_name(order),
        glucose=case.as_sent(Analyte.GLUCOSE, shift.glucose),
        katz=shift.katz,
        hillier=shift.hillier,
        do=[line("glucose-before", keep=True), *too_much(case, order, one_bolus=True)],
        why=[*symptom_lines(case), *risk_lines(case)],
        offer=[sodium_after(case)],
    )


@order_rule("OS-HTS-ASX", hypertonic_saline, otherwise="not-hypertonic")
def no_severe_symptoms(case: Case, order: Order, saline: Saline) -> Finding:
    """Speaks if sodium is moderately or severely low, or fell quickly, without severe symptoms."""
    latest = _recent_low_sodium(case)
    _require_dilute(case)
    _require_no_other_reason(case)
    acute = case.sodium.acute is not None
    require(acute or case.sodium.band is not Band.MILD, "mild-band", na=latest.shown)
    if concentrated_saline(order):
        return _concentrate_without_reason(case, order, saline)
    severe_band, symptom = case.sodium.band is Band.SEVERE, _moderate_symptom(case)
    do = _guardrails(case, saline)
    if all([case.limits.profile == EUROPEAN, severe_band, symptom]):
        # One bolus is due; the repeated ones are for severe symptoms, which may come (N11).
        do = [single_bolus(case, saline), *do[1:], _if_severe(do[0])]
    if acute:
        do.append(line("acute-fall"))
    supported = _number_counts(case)
    variant, facts = _unrecorded_summary(case)
    if variant == "main" and exceeds(too_much(case, order, one_bolus=True)):
        variant = "above"
    return _saline_card(
        case,
        order,
        "info" if supported or not _problems_read(case) else "warning",
        variant,
        supported=supported,
        keeps=not (case.doubtful or isotonic_by_glucose(case)),
        do=do,
        why=_watch(case),
        na=shown_sodium(case),
        more_facts=facts,
    )


def _number_counts(case: Case) -> bool:
    """Returns whether the number, its fall or what is recorded beside it may ask for saline."""
    value = case.effective_sodium
    low = value is not None and value < case.limits.hypertonic_supported_below
    # As measured it counts no more if glucose alone makes it so low (F14).
    very_low = low or (
        case.glucose is None and sodium_below(case, case.limits.hypertonic_supported_below)
    )
    acute, symptom = case.sodium.acute is not None, _moderate_symptom(case)
    return any([acute, very_low, symptom, acute_liver_failure(case)])


def _concentrate_without_reason(case: Case, order: Order, saline: Saline) -> Finding:
    """Returns that the number is no reason for a concentrate either, beside its strength (F10)."""
    require(order.ingredient_count <= 1 and not saline.mixture, "concentrate")
    unsettled = _number_counts(case) or case.acute_setting is not None or not _problems_read(case)
    require(not unsettled, "concentrate")
    return _saline_card(
        case,
        order,
        "warning",
        "concentrate",
        do=[
            *infused_lines(case, saline),
            line("day-limit-of-concentrate", limit=day_limit(case), keep=True),
        ],
        why=_watch(case),
        na=shown_sodium(case),
    )


def _unrecorded_summary(case: Case) -> tuple[str, dict[str, Fact]]:
    """Returns the summary and its facts: what makes the number count comes first (F1, F2).

    Without any of it the number alone is no indication, and the headline says so before "give now".
    """
    fall, setting = case.sodium.acute, case.acute_setting
    if fall is not None and not fall.since_setting:
        return "acute", {"fall": number(fall.amount), "hours": in_hours(fall.over)}
    if setting is not None:
        return "setting", {"setting": setting.shown}
    if case.symptoms.gcs_impaired:
        return "scale", {"points": str(case.symptoms.gcs)}
    found = case.encephalopathy
    if found is not None and found.symptoms and names_bolus(case):
        return "symptom", {"symptom": joined("symptom", found.symptoms[:1])}
    return "main" if _problems_read(case) else "unread", {}


@order_rule("OS-HTS-MILD", hypertonic_saline, otherwise="not-hypertonic")
def mild(case: Case, order: Order, _saline: Saline) -> Finding:
    """Speaks if sodium is mildly low, did not fall quickly, and no severe symptom is recorded."""
    require(not _additive(case, order), "concentrate")
    latest = _recent_low_sodium(case)
    _require_no_other_reason(case)
    require(case.sodium.band is Band.MILD, "not-mild", na=latest.shown)
    require(case.sodium.acute is None, "not-mild", na=latest.shown)
    require(not _mild_when_last_known(case, order), "old-sodium")
    if acute_liver_failure(case):
        why = [*symptom_lines(case), *result_doubts(case)]
        return _saline_card(
            case, order, "info", "liver", do=["liver-target"], why=why, na=latest.shown
        )
    return _saline_card(
        case,
        order,
        "warning",
        "main" if _problems_read(case) else "unread",
        do=["find-the-cause"],
        why=[*symptom_lines(case), *risk_lines(case), *result_doubts(case)],
        offer=[
            *_removal_in_mild(case, order),
            *workup_suggestions(case)[:1],
            *restriction_suggestions(case),
        ],
        na=latest.shown,
    )


def _removal_in_mild(case: Case, order: Order) -> list[Suggestion]:
    """Returns the removal unless a moderate symptom is recorded (M4)."""
    return [] if _moderate_symptom(case) else _removal(case, order)


def _additive(case: Case, order: Order) -> bool:
    """Tells whether it is a concentrate that is not ordered by itself to raise sodium (F10)."""
    saline = concentrated_saline(order)
    if saline is None:
        return False
    weak = saline.percent is not None and saline.percent < case.limits.additive_percent_from
    return order.ingredient_count > 1 or not weak


@order_rule("OS-HTS-NONE", hypertonic_saline, otherwise="not-hypertonic")
def not_low(case: Case, order: Order, _saline: Saline) -> Finding:
    """Speaks if a fresh sodium is not low. Most concentrates are additives: OS-HTS-CONC."""
    require(not concentrated_saline(order), "concentrate")
    require(not case.symptoms.icp_indication, "intracranial-pressure")
    require(not acute_liver_failure(case), "acute-liver-failure")
    fresh = case.limits.hypertonic_sodium_hours
    latest = latest_within(case, fresh) or skip("no-recent-sodium")
    require(case.sodium.measured is Band.NORMAL, "low", na=latest.shown)
    return _saline_card(
        case,
        order,
        "warning",
        do=[line("pressure-keep", keep=True), "confirm-indication"],
        why=symptom_lines(case),
        offer=_removal_unless_neurological(case, order),
        na=latest.shown,
        age=ago(case.sodium.age),
    )


@order_rule("OS-HTS-CONC", concentrated_saline, otherwise="not-concentrate")
def concentrate(case: Case, order: Order, saline: Saline) -> Finding:
    """Speaks if a concentrate is the only ingredient: dose, dilution and route are the danger."""
    require(order.ingredient_count <= 1, "additive")
    above = overdose(case, order)
    if above is not None:
        return _not_as_ordered(case, order, saline, above)
    amount = too_much(case, order, one_bolus=False)
    told = {key: amount[0].facts[key] for key in ("volume", "boluses")} if amount else {}
    return _saline_card(
        case,
        order,
        "warning",
        "amount" if amount else "main",
        do=[line("dilute", keep=True), line("no-bolus-volume", keep=True)],
        why=risk_lines(case),
        more_facts=told,
    )


def _not_as_ordered(
    case: Case, order: Order, saline: Saline, above: tuple[str, dict[str, Fact]]
) -> Finding:
    """Returns that so much of a concentrate is not given; no button keeps it (F9, F11)."""
    variant, told = above
    return _saline_card(
        case,
        order,
        "critical",
        variant,
        do=[
            *infused_lines(case, saline),
            line("diluted-as-much", keep=True),
            line("no-bolus-volume", keep=True),
        ],
        why=[*symptom_lines(case), *risk_lines(case)],
        offer=_removal_unless_neurological(case, order),
        more_facts=told,
    )


def _low_sodium(case: Case, order: Order) -> Sample:
    """Returns the low sodium by which the order is judged."""
    require(not concentrated_saline(order), "concentrate")
    return _recent_low_sodium(case)


def _recent_low_sodium(case: Case) -> Sample:
    recent = case.limits.raising_case_hours
    latest = latest_within(case, recent) or skip("no-recent-sodium")
    require_low(case)
    return latest


def _require_dilute(case: Case) -> None:
    """Skips if water has left the cells, and no brain edema is a reason of its own (F13)."""
    require(_brain_swells(case) or not not_dilute(case), "not-dilute")


def _require_no_other_reason(case: Case) -> None:
    """Skips if severe symptoms or raised intracranial pressure are a reason for the order."""
    require(not case.symptoms.severe, "severe-symptom")
    require(not case.symptoms.icp_indication, "intracranial-pressure")


def _more_than_raised_pressure(case: Case) -> bool:
    """Tells whether a low sodium goes with a severe symptom beyond the raised pressure itself."""
    symptoms = set(case.symptoms.severe).difference(case.sets.brain_edema.members)
    return bool(symptoms) and case.sodium.band in (Band.MODERATE, Band.SEVERE)


def _problems_read(case: Case) -> bool:
    """Tells whether a symptom that is not recorded may be called not recorded."""
    return case.snapshot.complete("conditions")


def _moderate_symptom(case: Case) -> bool:
    return bool(case.symptoms.moderate) or case.symptoms.gcs_impaired


def _removal(case: Case, order: Order) -> list[Suggestion]:
    kept = may_protect_the_brain(case) or not may_remove(case) or is_kept_mixture(order)
    return [] if kept else [remove(order, saline_name(order))]


def _removal_unless_neurological(case: Case, order: Order) -> list[Suggestion]:
    """Returns the removal of saline if nothing neurological is recorded (M4, F11)."""
    neurological = case.symptoms.neuro_code or case.symptoms.severe
    return [] if neurological or not hypertonic_saline(order) else _removal(case, order)


def _guardrails(case: Case, saline: Saline) -> list[Line]:
    """Returns how to give the saline and when to stop, by the profile in use (A.3)."""
    lines = [bolus_line(case, saline)]
    if saline.percent is None:
        lines.append(line("strength-unknown", keep=True))
    shedding = shedding_lines(case, order=True)
    drinking = drinking_lines(case) if shedding and not likely_acute(case) else []
    return [*lines, *shedding, _stop_line(case), *drinking, after_each_bolus(case)]


def _stop_line(case: Case) -> Line:
    """Returns when to stop, with the limit of the chart's card and its ceiling (F31, F32)."""
    limits = case.limits
    if likely_acute(case):
        key = "stop-when-acute" if acute_water(case) else "stop-when-likely-acute"
        up = "5" if limits.profile == EUROPEAN else f"4-{number(limits.rate_goal)}"
        return line(key, keep=True, up=up)
    if limits.profile != EUROPEAN:
        return line("stop-when", keep=True, limit=day_limit(case), goal=limits.rate_goal)
    said = limit_line(case)
    if said.key in ("ceiling-european", "ceiling-none-european"):
        facts = {**_named(said), "later": number(limits.rate_limit_day)}
        return Line("stop-when-ceiling", facts, keep=True)
    if said.key in ("ceiling-european-risk", "ceiling-none-european-risk"):
        return Line("stop-when-ceiling-risk", _named(said), keep=True)
    day, first = limits.rate_limit_day, first_day_limit(case)
    if day == first:
        return line("stop-when-european-risk", keep=True, limit=day)
    return line("stop-when-european", keep=True, first=first, limit=day)


def _named(ceiling: Line) -> dict[str, Fact]:
    """Returns value, time and limit of a ceiling."""
    return {name: ceiling.facts[name] for name in ("ceiling", "until", "limit")}


def _if_severe(bolus: Line) -> Line:
    """Returns the bolus of severe symptoms for a patient who has none yet."""
    key = "give-european-severe" if bolus.key == "give-european" else bolus.key
    return replace(bolus, key=key, keep=False)


def _saline_card(
    case: Case,
    order: Order,
    indicator: Indicator,
    variant: str = "main",
    *,
    do: Iterable[str | Line],
    why: Iterable[str | Line],
    offer: Iterable[Suggestion] = (),
    supported: bool = False,
    keeps: bool = True,
    more_facts: Mapping[str, Fact] = MappingProxyType({}),
    **facts: Fact | Decimal,
) -> Finding:
    """Returns a card with what all on hypertonic saline share: name, first lines, button (M4).

    A card that does not support the order, or rests on a sodium in doubt, keeps it by no button
    (F11). An order of too much is at least a warning (F9).
    """
    amount, congestion = too_much(case, order, one_bolus=supported), overload(case)
    within = [] if amount else rate_lines(case, order)
    caution = "overload-caution-shock" if circulation_fails(case) else "overload-caution"
    wet = [line(caution, condition=congestion, keep=True)] if congestion else []
    return card(
        "warning" if amount and indicator == "info" else indicator,
        variant,
        drug=saline_name(order),
        more_facts={**facts, **more_facts},
        do=[
            *amount,
            *treat_first(case, order),
            *low_glucose_lines(case),
            *adrenal_beside(case),
            *obstetric_lines(case),
            *kidney_order_lines(case),
            *within,
            *wet,
            *_running_water(case, order),
            *do,
        ],
        why=why,
        offer=[*_own_button(case, order, supported=supported and keeps), *offer],
    )


def _own_button(case: Case, order: Order, *, supported: bool) -> list[Suggestion]:
    """Returns the first button: no button keeps what stays in the body, or is too much (F9, F57).

    A seizure does not change that: the card says one bolus, and the order stays as it is. A sodium
    that follows the order would read as going on with an overdose of a concentrate.
    """
    if overdose(case, order) is not None:
        return []
    keeps = (
        supported and not kidneys_shed_nothing(case) and not too_much(case, order, one_bolus=True)
    )
    return [keep_and_check(case) if keeps else sodium_after(case)]


def _running_water(case: Case, order: Order) -> list[Line]:
    """Returns the hypotonic fluid that runs beside the saline, and works against it (F28)."""
    counts = case.sodium.low and not concentrated_saline(order)
    return weak_fluid_lines(case) if counts else []


def _watch(case: Case) -> list[str | Line]:
    """Returns what goes with giving it: symptoms, risk, doubts, and what else raises sodium."""
    known = (*symptom_lines(case), *risk_lines(case), *result_doubts(case))
    return [*known, "count-potassium", "formula-underestimates"]


def _dialysis_lines(case: Case) -> list[Line]:
    return [line("note-dialysis", keep=True)] if case.dialysis else []
