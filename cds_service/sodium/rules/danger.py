"""Is the low sodium dangerous now? Emergency, acute fall, and one card a band (B.1, M2, M3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Fact, Finding, Indicator, Line, Suggestion
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import (
    NOW_WORD,
    ago,
    in_hours,
    joined,
    lasted,
    month_name,
    number,
    room_left,
)
from cds_service.knowledge.names import DrugClass, Problem, Sign
from cds_service.sodium.blind_spots import RISE_UNREAD, unread_lately
from cds_service.sodium.case import Case
from cds_service.sodium.consciousness import Encephalopathy
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.exposure import is_hypertonic, stopped_lately
from cds_service.sodium.problems import pressing_rise_began, rise_began
from cds_service.sodium.results import Band
from cds_service.sodium.rules.bolus import (
    bolus_line,
    emergency_bolus,
    is_acute,
    osmolality_first,
    osmolality_first_lines,
    symptom_bolus,
)
from cds_service.sodium.rules.book import chart_rule
from cds_service.sodium.rules.braking import made_by_glucose
from cds_service.sodium.rules.culprits import culprit_lines, culprit_step, culprits
from cds_service.sodium.rules.demyelination import demyelination
from cds_service.sodium.rules.desmopressin import (
    emergency_lines,
    never_stop_lines,
    overshoots,
    pause_lines,
)
from cds_service.sodium.rules.face import paced
from cds_service.sodium.rules.follow_up import (
    NOW,
    cortisol_suggestions,
    emergency_workup,
    has_symptom,
    monitoring,
    rate_due,
    rate_watch,
    repeat_sodium,
    repeat_suggestions,
    same_day,
    soonest,
    steep_fall_lines,
    volume_leaves,
    watch,
    workup_due,
    workup_suggestions,
)
from cds_service.sodium.rules.gates import (
    acute_fall_leads,
    acute_lines,
    acute_water,
    adrenal_crisis,
    at,
    below_plausible,
    bolus_risen,
    cause_lines,
    contested_lines,
    day_of,
    drinking_lines,
    drip_lines,
    eclampsia_lines,
    edema_undiluted,
    emergency,
    fall_lines,
    first_symptom,
    headline_drugs,
    in_use,
    inpatient,
    is_from_before,
    latest_sodium,
    likely_acute,
    lines_of,
    low_glucose_lines,
    names_bolus,
    obstetric_lines,
    on_day,
    osmolality_normal,
    osmole_first_lines,
    osmole_unmeasured,
    palliative_lines,
    past_symptoms,
    recorded_cause,
    require_low_sodium,
    require_no_doubt_leads,
    require_not_outranked,
    rise_by_glucose,
    rises_fast,
    rising_too_fast,
    setting_lines,
    shedding_lines,
    shown_sodium,
    speaks_anew,
    started_within,
    still_shedding,
    surgery_lines,
    suspects,
    symptom_lines,
    too_mild,
    unbelieved_lines,
    unconfirmed,
    undiluted,
    undiluted_lines,
    water_shift,
    water_stays_restricted,
    what_raises,
    will_shed_water,
)
from cds_service.sodium.rules.measured import lithium_lines
from cds_service.sodium.rules.plan import (
    adrenal_first,
    after_surgery,
    background,
    background_of_plan,
    cramp_background,
    cramp_lines,
    cramp_suggestions,
    crisis_lines,
    dialysis_fluid_lines,
    dialysis_lines,
    fluid_lines,
    held_lines,
    insipidus_lines,
    irrigation_lines,
    leading_risk,
    plan_advice,
    plan_lines,
    plan_suggestions,
    potassium_first,
    raised_potassium,
    restriction_lines,
    review_lines,
    risk_lines,
    running_restriction,
    severe_plan,
    shock_lines,
    stop_suggestions,
    strong_fluid_lines,
    volume_first,
    volume_plan,
    volume_state,
    weak_fluid_lines,
    weak_sign_lines,
)
from cds_service.sodium.rules.room import (
    ceiling_fact,
    hold_line,
    limit_line,
    limit_reached,
    plain_limit,
    room_of,
)
from cds_service.sodium.rules.vomiting import (
    dry_by_vomiting,
    thiamine_lines,
    vomiting_lead,
    vomiting_lines,
)
from cds_service.sodium.sodium import Fall, fall_within
from cds_service.terminology.types import RecordText

LISTS = ("medications", "conditions")
PLAIN_VALUE = 8  # characters of a sodium without what was done to it

# ---- what leads every band ----


@chart_rule("PV-SYMP")
def sodium_emergency(case: Case) -> Finding:
    """The card comes if low sodium explains a severe symptom, or with brain edema (M2)."""
    require_low_sodium(case)
    unexplained = "severe-not-attributable" if case.symptoms.severe else "no-severe-symptom"
    require(emergency(case), unexplained)
    edema, dry = case.symptoms.brain_edema, _vomiting_leads(case)
    edema_at_higher_sodium = edema and in_use(case) >= case.limits.brain_edema_critical_below
    return card(
        "warning" if edema_at_higher_sodium else "critical",
        _emergency_variant(case),
        na=shown_sodium(case),
        more_facts=_osmolality(case),
        symptom=first_symptom(case),
        do=paced(
            case,
            [
                *palliative_lines(case),
                *_emergency_lines(case),
                *drip_lines(case),
                *volume_first(case),
                *_untold(list(case.restriction.adrenal), adrenal_first(case)),
                *surgery_lines(case),
                *shedding_lines(case),
                *culprit_lines(case),
                *([] if dry else leading_risk(case)),
                *strong_fluid_lines(case),
                *_untold(
                    _harmful_restriction(case), [*case.restriction.adrenal, *volume_first(case)]
                ),
                *([] if dry or eclampsia_lines(case) else obstetric_lines(case)),
                *lines_of({"cause-later": not dry}),
            ],
        ),
        why=[
            *symptom_lines(case),
            *_limit_if_adapted(case),
            *acute_lines(case),
            *lines_of({"stop-hypotonic": _stops_hypotonic_too(case)}, keep=True),
            *setting_lines(case),
            *weak_sign_lines(case),
            *_emergency_background(case, dry=dry),
        ],
        offer=[
            repeat_sodium(case, priority="stat"),
            *emergency_workup(case),
            *stop_suggestions(case),
        ],
        drugs=suspects(case),
    )


def _emergency_background(case: Case, *, dry: bool) -> list[Line]:
    """Returns the background; if the patient is likely dry, without what says otherwise."""
    told = [one for one in background(case) if one not in undiluted_lines(case)]
    if not dry:
        return told
    untrue = case.sets.not_dry_lines.names
    return [*thiamine_lines(case), *(one for one in told if one.key not in untrue)]


def _emergency_variant(case: Case) -> str:
    """Returns the summary: sodium makes no edema in blood that is not dilute (F13)."""
    if not case.symptoms.brain_edema:
        return "main"
    return "brain-edema-undiluted" if edema_undiluted(case) else "brain-edema"


@chart_rule("PV-ENC")
def possible_brain_edema(case: Case) -> Finding:
    """The card comes if confusion, vomiting or a lowered coma scale may be brain edema (F1)."""
    require_low_sodium(case)
    require(not emergency(case), "emergency-leads")
    require(not below_plausible(case), "implausible-leads", na=shown_sodium(case))
    found = case.encephalopathy or skip("no-such-symptom")
    require(not _is_from_before_the_rise(case, found), "rate-leads")
    bolus, crisis = symptom_bolus(case), adrenal_crisis(case)
    now = [told for told in bolus if told.key.startswith("bolus-now")]
    closely = _closely(case, given=bool(bolus))
    soon = closely if is_acute(case) else []
    what, scale = _what_made_it(case)
    risen = _after_a_rise(case, found)
    return card(
        "critical" if (found.critical or crisis) and not risen else "warning",
        "adrenal" if crisis else "risen" if risen else _made_by(case, found),
        why_=crisis,
        na=shown_sodium(case),
        symptom=joined("symptom", found.symptoms[:2]),
        points=str(found.scale.points) if found.scale else "",
        do=paced(
            case,
            [
                *palliative_lines(case),
                *_after_glucose(case, _examine(case, bolus=bool(bolus), risen=risen)),
                *drip_lines(case),
                *lithium_lines(case),
                *osmolality_first_lines(case),
                *osmole_first_lines(case),
                *osmole_unmeasured(case),
                *weak_fluid_lines(case),
                *dialysis_lines(case),
                *irrigation_lines(case),
                *now,
                *crisis_lines(case),
                *_untold(list(case.restriction.adrenal), adrenal_first(case)),
                *shock_lines(case),
                *(_untold(bolus, now) if bolus else _nearly_used(case)),
                *soon,
                *emergency_lines(case),
                *([] if crisis else volume_plan(case)),
                *volume_first(case),
                *lines_of({"stop-hypotonic": soon and _stops_hypotonic_too(case)}),
                *_untold(closely, soon),
                *surgery_lines(case),
                *_culprits_untold(case),
                *obstetric_lines(case),
                *shedding_lines(case),
                *_face_risk(case),
                what,
                *strong_fluid_lines(case),
            ],
        ),
        why=[
            *scale,
            *cause_lines(case),
            *acute_lines(case),
            *_demyelination(case),
            *lines_of({"stop-hypotonic": not soon and _stops_hypotonic_too(case)}),
            *setting_lines(case),
            *_untold(_harmful_restriction(case), [*case.restriction.adrenal, *volume_first(case)]),
            *_acute_background(case),
        ],
        offer=[
            repeat_sodium(case, priority="stat"),
            *emergency_workup(case),
            *stop_suggestions(case),
        ],
        drugs=suspects(case),
    )


def _made_by(case: Case, found: Encephalopathy) -> str:
    """Returns the summary: the coma scale leads if there is no symptom, or if it is low."""
    if found.scale is None:
        return "main"
    low = found.scale.points <= case.limits.gcs_critical_to
    return "scale" if low or not found.symptoms else "main"


def _examine(case: Case, *, bolus: bool, risen: bool) -> Line:
    """Returns what is examined; on dialysis uremia may be the cause, after a rise demyelination."""
    dialysis = "-dialysis" if case.dialysis else ""
    if risen:
        return line(f"examine-risen{dialysis}", keep=True)
    if is_acute(case) and not dialysis:
        return line("examine-acute", keep=True)
    return line(f"examine-now{dialysis}{'' if bolus else '-no-bolus'}", keep=True)


def _closely(case: Case, *, given: bool) -> list[Line]:
    """Returns the next sodium: after each bolus if one is `given`, and often if acute (F1, F3)."""
    if _overshoot_watch(case):
        return _overshoot_watch(case)
    if not is_acute(case):
        return [watch(case, "sodium-now")]
    return [watch(case, "monitor-emergency" if given else "monitor-shedding")]


def _after_a_rise(case: Case, found: Encephalopathy) -> bool:
    """Returns whether sodium has risen too fast: the symptom is then hardly brain edema (F4)."""
    too_fast = rising_too_fast(case) and case.rate.level in ("warning", "critical")
    return too_fast and not speaks_anew(case, found)


def _is_from_before_the_rise(case: Case, found: Encephalopathy) -> bool:
    """Returns whether the symptoms are older than a rise that is still too fast, or will be (F4).

    The danger is then demyelination.
    """
    critical = rising_too_fast(case) and case.rate.level == "critical"
    began = rise_began(case) if critical else pressing_rise_began(case)
    return is_from_before(case, found, began)


@chart_rule("PV-ACUTE")
def acute_fall(case: Case) -> Finding:
    """The card comes if sodium fell far within two days: the brain has not adapted (M3, F3)."""
    require_low_sodium(case)
    require(not below_plausible(case), "implausible-leads", na=shown_sodium(case))
    fall = case.sodium.acute or skip("no-acute-fall")
    require(acute_fall_leads(case), "unconfirmed-leads")
    critical = in_use(case) < case.limits.acute_critical_below or _has_recent_symptom(case)
    bolus, volume = bolus_line(case), volume_first(case)
    variant, how_long = _fall_since(case, fall)
    return card(
        "critical" if critical else "warning",
        variant,
        fall=fall.amount,
        more_facts=how_long,
        na=shown_sodium(case),
        do=paced(
            case,
            [
                *drip_lines(case),
                *_after_glucose(case, _acute_danger(case)),
                *lithium_lines(case),
                *osmole_first_lines(case),
                *osmole_unmeasured(case),
                *crisis_lines(case),
                *unbelieved_lines(case),
                *shock_lines(case),
                *volume,
                *((bolus_risen(case) or [bolus]) if _bolus_fits(case) else []),
                *irrigation_lines(case),
                *dialysis_lines(case),
                *fluid_lines(case),
                *_stops_and_next(case, given=bool(volume)),
                *obstetric_lines(case),
                *shedding_lines(case),
                *_face_risk(case),
                *_untold(_harmful_restriction(case), [*adrenal_first(case), *volume]),
                *review_lines(case, leave_out=[] if never_stop_lines(case) else culprits(case)),
            ],
        ),
        why=[
            *symptom_lines(case),
            *setting_lines(case),
            *_unsaid(case, _acute_background(case)),
        ],
        offer=[repeat_sodium(case, priority="stat"), *emergency_workup(case)],
        drugs=suspects(case),
    )


def _fall_since(case: Case, fall: Fall) -> tuple[str, dict[str, Fact]]:
    """Returns the summary of an acute fall with its fact: in hours, or since before a setting."""
    setting = case.acute_setting
    if fall.since_setting and setting is not None:
        return "setting", {"setting": setting.shown}
    return "main", {"hours": in_hours(fall.over)}


@chart_rule("PV-RELOWERED")
def re_lowered(case: Case) -> Finding:
    """The card comes if sodium fell after an over-correction: the fall is planned (F4)."""
    require_low_sodium(case)
    require(not emergency(case), "emergency-leads")
    require(not below_plausible(case), "implausible-leads", na=shown_sodium(case))
    require(case.sodium.acute is None, "acute-leads")
    episode = case.rate.episode
    if episode is None or not case.relowered:
        skip("no-over-correction")
    require(not rising_too_fast(case) or case.rate.variant == "was", "rate-leads")
    relowered_due = NOW if case.doubtful else case.limits.repeat_near_hours - case.sodium.age
    until = day_of(case, episode.end.at + case.limits.rate_remembered_days)
    return card(
        "warning",
        na=shown_sodium(case),
        rise=episode.rise,
        date=on_day(case, episode.end.at),
        do=[
            hold_line(case, "keep-down"),
            *_raising_drugs(case),
            line("neuro-checks-until", date=until, keep=True),
            watch(case, "monitor-relowered", relowered_due),
        ],
        why=[_samples_line(case, episode), *symptom_lines(case), *risk_lines(case)],
        offer=[repeat_sodium(case, relowered_due, "urgent")],
    )


def _bolus_fits(case: Case) -> bool:
    """Returns whether an acute fall names a bolus: not if osmolality speaks against low sodium."""
    return names_bolus(case) and not (osmolality_normal(case) or undiluted(case))


def _acute_danger(case: Case) -> Line:
    """Returns that symptoms are looked for, with those that are recorded already."""
    symptoms = case.symptoms
    found = joined("symptom", (*symptoms.severe, *symptoms.moderate, *symptoms.mild)[:2])
    if not found:
        return line("acute-danger", keep=True)
    return line("acute-danger-symptom", symptom=found, keep=True)


def _stops_and_next(case: Case, *, given: bool) -> list[Line]:
    """Returns what is stopped, the next sodium, and pituitary surgery as the cause.

    The surgery is read before a stop that names no drug, and after one that does (F5). If volume is
    `given`, the next sodium is read before the stops.
    """
    stops, held, surgery = _stop_steps(case), held_lines(case), surgery_lines(case)
    next_sodium = watch(case, "monitor-acute")
    if given:
        return [next_sodium, *stops, *held, *surgery]
    if culprit_lines(case) or never_stop_lines(case):
        return [*stops, *held, next_sodium, *surgery]
    rest = [*held, next_sodium]
    return [*surgery, *rest, *stops] if surgery else [*stops, *rest]


def _stop_steps(case: Case) -> list[Line]:
    """Returns what to stop in an acute fall; desmopressin is never the culprit to stop (F1)."""
    never = never_stop_lines(case)
    if never:
        return [line("stop-hypotonic"), *never]
    return culprit_step(case) or [line("acute-stop")]


def _culprits_untold(case: Case) -> list[Line]:
    """Returns the culprits for PV-ENC, whose plan for lost volume says what to stop already."""
    told = [] if adrenal_crisis(case) else volume_plan(case)
    return [culprit for culprit in culprit_lines(case) if culprit not in told]


def _nearly_used(case: Case) -> list[Line]:
    """Returns that the allowance of 24 h is nearly used, where a bolus would have been named (F31).

    Above the limit the card on the rate says what is to be done.
    """
    if not names_bolus(case) or osmolality_normal(case):
        return []
    if rising_too_fast(case) or case.rate.episode is not None:
        return []
    return bolus_risen(case)


def _demyelination(case: Case) -> list[Line]:
    """Returns that symptoms after an over-correction may be demyelination (F4)."""
    episode = case.rate.episode
    if episode is None or episode.end == case.rate.latest:
        return []
    date = on_day(case, episode.end.at)
    return [line("over-corrected", date=date, rise=episode.rise, keep=True)]


def _stops_hypotonic_too(case: Case) -> bool:
    """Returns whether hypotonic fluid is to be stopped and no line on a culprit says so."""
    said = any(told.key.startswith("acute-stop") for told in culprit_lines(case))
    return _may_stop_hypotonic(case) and not said


def _may_stop_hypotonic(case: Case) -> bool:
    """Returns whether hypotonic fluid harms: after an over-correction it is the treatment (F4)."""
    is_acute = case.sodium.acute is not None or case.acute_setting is not None
    return is_acute and case.rate.episode is None


def _what_made_it(case: Case) -> tuple[Line, list[Line]]:
    """Returns what the card rests on with its time: symptoms, and the coma scale beside them."""
    found = case.encephalopathy or skip("no-such-symptom")
    scale = []
    if found.scale is not None:
        points, time = str(found.scale.points), at(case, found.scale.at)
        scale.append(line("symptoms-scale-at", points=points, time=time, keep=True))
    if not found.symptoms:
        return scale[0], []
    shown = joined("symptom", found.symptoms)
    if found.since is None:
        return line("symptoms-recorded", symptoms=shown, keep=True), scale
    time = at(case, found.since)
    return line("symptoms-recorded-at", symptoms=shown, time=time, keep=True), scale


def _acute_background(case: Case) -> list[Line]:
    """Returns the background; a limit or goal of the rise only if the brain may have adapted (F2).

    In an acute setting a very low sodium is no risk by itself.
    """
    dry = weak_sign_lines(case)  # such a card has no whole plan
    if case.sodium.acute is None and case.acute_setting is None:
        return [*_limit_if_adapted(case), *dry, *background(case)]
    lines = [*dry, *background(case)]
    if set(case.risk.reasons) <= {Sign.SODIUM_VERY_LOW}:
        lines = [told for told in lines if told not in risk_lines(case)]
    return [*_limit_if_adapted(case), *lines]


def _limit_if_adapted(case: Case) -> list[Line]:
    """Returns the ceiling of the rise; if the onset was likely under two days, that none holds."""
    if acute_water(case) is not None:
        return [line("no-limit-documented", keep=True)]
    if likely_acute(case):
        return [line("no-limit-acute", keep=True)]
    return [] if water_shift(case) or edema_undiluted(case) else [limit_line(case)]


def _face_risk(case: Case) -> list[Line]:
    """Returns the risk of demyelination (F2).

    In an acute fall a very low sodium alone does not count.
    """
    acute = case.sodium.acute is not None or case.acute_setting is not None
    if acute and set(case.risk.reasons) <= {Sign.SODIUM_VERY_LOW}:
        return []
    return leading_risk(case)


def _has_recent_symptom(case: Case) -> bool:
    """Returns whether a symptom of these days makes an acute fall critical at any value (F3)."""
    symptoms = case.symptoms
    unexplained = [s for s in symptoms.severe if s not in symptoms.explained]
    return bool(unexplained or symptoms.recent or symptoms.gcs_impaired)


def _emergency_lines(case: Case) -> list[Line]:
    """Returns the bolus only if sodium is the likely cause and has not risen too fast (F4).

    In adrenal failure hydrocortisone comes before it (F5). That desmopressin is never stopped is
    read before the next sodium.
    """
    dry = _vomiting_leads(case)
    lead = vomiting_lead(case) if dry else _emergency_lead(case)
    overshoot = _overshoot_watch(case)
    often = "monitor-shedding" if is_acute(case) else "monitor-severe"
    closely = overshoot[0] if overshoot else watch(case, often)
    first = [
        *_after_glucose(case, lead),
        *lithium_lines(case),
        *eclampsia_lines(case),
        *crisis_lines(case),
        *([] if dry else shock_lines(case)),
        *irrigation_lines(case),
        *undiluted_lines(case),
        *osmolality_first_lines(case),
        *osmole_first_lines(case),
        *osmole_unmeasured(case),
        *weak_fluid_lines(case),
    ]
    if _bolus_waits(case):
        return [*first, *emergency_lines(case), *dialysis_lines(case), closely]
    demyelination = _demyelination(case)
    if demyelination:
        return [
            *first,
            *demyelination,
            *emergency_lines(case),
            *dialysis_lines(case),
            closely,
        ]
    risen = bolus_risen(case)
    if risen:
        return [*first, *risen, *emergency_lines(case), *dialysis_lines(case), closely]
    closely = overshoot[0] if overshoot else watch(case, "monitor-emergency")
    if dry:
        risk = leading_risk(case)
        return [*first, *vomiting_lines(case), *emergency_lines(case), *risk, closely]
    bolus = emergency_bolus(case)
    return [*first, bolus, *emergency_lines(case), *dialysis_lines(case), closely]


def _emergency_lead(case: Case) -> Line:
    return line("edema-advice" if case.symptoms.brain_edema else "emergency", keep=True)


def _bolus_waits(case: Case) -> bool:
    """Returns whether sodium is not the likely cause, or its number is doubtful."""
    waits = not case.symptoms.attributable or not names_bolus(case) or edema_undiluted(case)
    return waits or osmolality_first(case)


def _vomiting_leads(case: Case) -> bool:
    """Returns whether lost volume is read before 3 % saline: vomiting may be the cause (F7)."""
    if not dry_by_vomiting(case) or _bolus_waits(case):
        return False
    return not _demyelination(case) and not bolus_risen(case)


def _overshoot_watch(case: Case) -> list[Line]:
    """Returns the next sodium and the ceiling beside desmopressin that wears off (F1)."""
    if not overshoots(case):
        return []
    room = room_of(case)
    if room is None or room.left is None or room.ceiling is None:
        return [watch(case, "monitor-overshoot")]
    ceiling = ceiling_fact(room.ceiling)
    return [line("monitor-overshoot-room", within=NOW, next_=NOW_WORD, ceiling=ceiling, keep=True)]


def _after_glucose(case: Case, lead: Line) -> list[Line]:
    """Returns the first lines of an emergency: a likely adrenal crisis is among the first two."""
    glucose, adrenal = low_glucose_lines(case), adrenal_first(case)
    return [*glucose, *adrenal, lead] if glucose else [lead, *adrenal]


def _harmful_restriction(case: Case) -> list[Line]:
    """Returns the words on fluid restriction only if it harms or is ordered already.

    Its conditions do not belong beside an emergency; a likely adrenal failure does (F5). Where the
    card of a rise says that extra water stays restricted, nothing else is said of it (F27).
    """
    restriction = case.restriction
    if restriction.verdict == "never" and case.rate.rule and water_stays_restricted(case):
        return list(restriction.adrenal)
    if restriction.verdict in ("never", "ordered"):
        return restriction_lines(case)
    return list(restriction.adrenal)


# ---- the bands ----


@chart_rule("PV-SEV")
def severe(case: Case) -> Finding:
    """The card comes in the severe band; it is a warning while sodium rises as planned (S5)."""
    require_low_sodium(case)
    require_not_outranked(case)
    require(case.sodium.band is Band.SEVERE, "not-severe", na=shown_sodium(case))
    require(long_known_since(case) is None, "long-known", na=shown_sodium(case))
    rise, crisis = planned_rise(case), adrenal_crisis(case)
    due = soonest(case, case.limits.rising_fresh_hours - case.sodium.age)
    watched = rise is not None or (case.rate.presses and case.rate.level == "warning")
    indicator: Indicator = "warning" if watched and not crisis else "critical"
    variant = "adrenal" if crisis else _severe_variant(case, rise, indicator)
    if not case.worded:
        return card(indicator, variant, do=(), drugs=suspects(case))
    reasons = _beside_plan(case, _band_reasons(case, critical=not rise))
    # While a correction is under way, how far it may go is read in ten seconds.
    pace = [told for told in reasons if rise and told == limit_line(case)]
    limit, reasons = _limit_and_advice(case, reasons, with_room=not rise)
    before = [
        *low_glucose_lines(case),
        *adrenal_first(case),
        *unexplained_symptom(case),
        *drip_lines(case),
        *palliative_lines(case),
    ]
    return card(
        indicator,
        variant,
        why_=crisis or _severe_cause(case),
        drug_="".join(_severe_drug(case)),
        na=shown_sodium(case),
        age=ago(case.sodium.age),
        more_facts={
            **({"rise": rise.rise, "hours": in_hours(rise.over)} if rise else {}),
            **_osmolality(case),
        },
        do=paced(
            case,
            [
                *before,
                *_severe_face(
                    case,
                    FACE_BULLETS - len(before),
                    line("check-symptoms", keep=True).also(monitoring(case, due if rise else None)),
                    pace,
                    limit,
                ),
                *cramp_lines(case),
            ],
        ),
        why=[
            *(told for told in reasons if told not in pace),
            *plan_advice(case, critical=not rise),
        ],
        offer=[
            *_severe_repeat(case, due if rise else None),
            *cortisol_suggestions(case),
            *workup_suggestions(case, "urgent"),
            *plan_suggestions(case),
            *cramp_suggestions(case),
        ],
        drugs=suspects(case),
    )


def _severe_face(
    case: Case, room: int, check: Line, pace: list[Line], limit: list[Line]
) -> list[Line]:
    """Returns the lines of the severe band: symptoms, then this patient, then what holds for all.

    What holds for all is two lines, so that two of the first four are about the patient. `room` is
    how many of these four are left.
    """
    first, rest = severe_plan(case)
    said = [*_said_before_the_plan(case), *pace]
    patient = [*said, *_untold(_but_artefact(case, first), said)]
    # The risk of demyelination is among the first four (F27); advice gives way to a third line.
    place = max(room - (2 if leading_risk(case) else 1), 0)
    thiamine = leading_risk(case)[1:]
    return [
        check,
        *patient[:place],
        *limit,
        *patient[place:],
        *thiamine,
        *_untold(_but_artefact(case, rest), said),
    ]


def _said_before_the_plan(case: Case) -> list[Line]:
    """Returns what the severe card says of this patient before its plan."""
    return [
        *dialysis_lines(case),
        *volume_first(case),
        *([] if osmolality_normal(case) or unconfirmed(case) else potassium_first(case)),
        *lithium_lines(case),
        *osmole_unmeasured(case),
        *insipidus_lines(case),
        *pause_lines(case),
        *_untold(after_surgery(case), adrenal_first(case)),
        *held_lines(case),
        *shedding_lines(case),
    ]


def _limit_and_advice(
    case: Case, reasons: list[Line], *, with_room: bool
) -> tuple[list[Line], list[Line]]:
    """Returns risk, ceiling and senior advice in one line, and the reasons without the ceiling."""
    risk, advice = leading_risk(case)[:1], lines_of({"severe-advice": inpatient(case)})
    told, room = limit_line(case), room_of(case)
    untold = told not in reasons or room is None or room.left is None
    if untold or not (advice and with_room):
        return ([risk[0].also(advice[0])] if risk and advice else [*risk, *advice]), reasons
    named = {name: told.facts[name] for name in ("ceiling", "until", "left")}
    plain = [plain_limit(case) if one == told else one for one in reasons]
    if not risk:
        return [Line("severe-advice-room", named, keep=True)], plain
    named = {**risk[0].facts, "ceiling": named["ceiling"], "until": named["until"]}
    return [Line("risk-advice-room", named, keep=True)], plain


def _severe_variant(case: Case, rise: RatePair | None, indicator: Indicator) -> str:
    """Returns the summary: a card on the rate that leads says when sodium is measured (F31).

    A measured osmolality that is not low puts the number itself in doubt (M6).
    """
    profile = case.limits.profile
    if case.rate.level == indicator:
        return f"rate-{profile}"
    if rise:
        return f"rising-{profile}"
    if undiluted(case) or osmolality_normal(case):
        return "undiluted"
    named = {"cause": _severe_cause(case), "drug": _severe_drug(case)}
    return f"{'-'.join(key for key, known in named.items() if known) or 'main'}-{profile}"


def _severe_cause(case: Case) -> str:
    """Returns what the headline names, so that no cause is to be looked for; "" without one.

    Beside a drug it has room for few words, and beside a long value for the drug alone.
    """
    if rises_fast(case):
        return ""
    paused = _paused_drug(case)
    causes = [*paused, recorded_cause(case), volume_state(case)]
    if _severe_drug(case):
        narrow = len(shown_sodium(case)) > PLAIN_VALUE
        causes = [one for one in causes if not narrow and _is_short(case, one)]
    return next((one for one in causes if one), "")


def _is_short(case: Case, cause: str) -> bool:
    """Returns whether a cause takes few words: SIADH, a state of volume, or a low pressure."""
    evidence = [joined("evidence", [Problem.SIADH]), joined("evidence", case.volume.shock)]
    return cause.startswith("line:") or cause in evidence


def _severe_drug(case: Case) -> list[str]:
    """Returns the drug that the headline of the severe band says is to be reviewed, if any."""
    if rises_fast(case) or _paused_drug(case):
        return []
    return headline_drugs(case)[:1]


def _paused_drug(case: Case) -> list[str]:
    """Returns desmopressin if it is the likely cause and the card says how it is paused."""
    suspected = [e.drug.name for e in case.exposures.suspects]
    antidiuretic = [e.drug.name for e in case.exposures.of(DrugClass.DESMOPRESSIN)]
    return [drug for drug in antidiuretic if drug in suspected and pause_lines(case)]


def _severe_repeat(case: Case, due: timedelta | None) -> list[Suggestion]:
    """Returns the next sodium: at once, or when a rise under treatment makes it due."""
    if due is None:
        return [repeat_sodium(case, priority="stat")]
    return [] if case.rate.rule else [repeat_sodium(case, due, "urgent")]


def planned_rise(case: Case) -> RatePair | None:
    """Returns the measured rise under treatment that makes the severe card a warning (S5)."""
    pair, limits = case.rate.now, case.limits
    if pair is None or not pair.observed or rising_too_fast(case):
        return None
    if case.sodium.age > limits.rising_fresh_hours:
        return None
    return pair if limits.rising_from <= pair.rise <= limits.rising_to else None


@chart_rule("PV-MOD")
def moderate(case: Case) -> Finding:
    """The card comes in the moderate band, unless osmolality speaks against low sodium (M6 a).

    A value that has long been known and is unchanged is no reason for haste (F21).
    """
    require_low_sodium(case)
    require_not_outranked(case)
    require_no_doubt_leads(case)
    known, crisis = long_known_since(case), adrenal_crisis(case)
    in_band = case.sodium.band is Band.MODERATE
    require(in_band or known, "not-moderate", na=shown_sodium(case))
    require(not osmolality_normal(case), "osmolality-normal")
    drugs = suspects(case)
    usual: Indicator = "info" if known else "warning"
    indicator: Indicator = "critical" if crisis else usual
    variant = _moderate_variant(case, known=known is not None)
    variant = "adrenal" if crisis else f"known-{variant}" if known else variant
    if not case.worded:
        return card(indicator, variant, do=(), drugs=drugs)
    reasons = _beside_plan(case, _band_reasons(case))
    # How far sodium may rise is read in ten seconds, if the first lines have room for it.
    pace = [told for told in reasons if told == limit_line(case)]
    if known and in_use(case) >= case.limits.shedding_sodium_below:
        # From here on no rise to normal harms the brain, so that there is no haste (F21).
        reasons, pace = [told for told in reasons if told not in pace], []
    return card(
        indicator,
        variant,
        why_=crisis or recorded_cause(case),
        na=shown_sodium(case),
        drug_="".join(headline_drugs(case)[:1]),
        more_facts={**({"since": _month(case, known)} if known else {}), **_osmolality(case)},
        do=paced(
            case,
            [
                *low_glucose_lines(case),
                *adrenal_first(case),
                *volume_first(case),
                *_dialysis_fluid_first(case),
                *lithium_lines(case),
                *palliative_lines(case),
                *unexplained_symptom(case),
                *osmole_unmeasured(case),
                *insipidus_lines(case),
                *pause_lines(case),
                *held_lines(case),
                *([] if known else steep_fall_lines(case)),
                *_untold(after_surgery(case), adrenal_first(case)),
                *shedding_lines(case),
                *leading_risk(case),
                *_untold(_but_artefact(case, plan_lines(case)), after_surgery(case)),
                *cramp_lines(case),
                monitoring(case, long_known=known is not None),
                *pace,
            ],
        ),
        why=[*(told for told in reasons if told not in pace), *plan_advice(case)],
        offer=[
            *repeat_suggestions(case, long_known=known is not None),
            *cortisol_suggestions(case),
            *workup_suggestions(case),
            *plan_suggestions(case),
            *cramp_suggestions(case),
        ],
        drugs=drugs,
    )


def _moderate_variant(case: Case, *, known: bool) -> str:
    """Returns the summary: a doubt, else the likely drug, else what is recorded and likely."""
    # A headline does not ask to review what would speed a rise if it were stopped (F4).
    drug = bool(headline_drugs(case)) and not rises_fast(case)
    if known:
        return "drug" if drug else "main"
    if undiluted(case):
        return "undiluted"
    if drug:
        return "drug"
    return "cause" if recorded_cause(case) and not rises_fast(case) else "main"


def long_known_since(case: Case) -> datetime | None:
    """Returns since when a moderately low sodium is known and unchanged; None if it is news (F21).

    A symptom, a new suspect drug, a doubtful result or a list that was not read is news.
    """
    limits, latest = case.limits, case.sodium.latest
    since = case.sodium.stable_since or case.sodium.sparse_since
    if since is None or latest is None or not case.snapshot.complete(*LISTS):
        return None
    below_mild = case.sodium.band in (Band.MODERATE, Band.SEVERE)
    if not below_mild or in_use(case) < limits.long_known_from:
        return None
    if latest.at - since <= limits.long_known_days:
        return None
    new_drug = started_within(case, case.sets.watched_tiers, limits.new_drug_days)
    is_news = has_symptom(case) or new_drug or case.doubtful or case.rate.rule
    return None if is_news else since


def unexplained_symptom(case: Case) -> list[Line]:
    """Returns that a severe symptom has another cause; near normal this is left out (F51)."""
    if not too_mild(case) or near_normal(case):
        return []
    further = line("look-further", symptom=first_symptom(case), keep=True)
    if not case.symptoms.better_cause:
        return [further]
    # A seizure in alcohol withdrawal: the cause first, and the risk of a fast rise (F15).
    return [*cause_lines(case), *risk_lines(case), further]


def _unsaid(case: Case, why: list[Line]) -> list[Line]:
    """Returns these lines without those that the card says among what to do."""
    said = [*unexplained_symptom(case), *held_lines(case), *undiluted_lines(case)]
    hint = "doubt-hint-protein" if osmole_unmeasured(case) else ""
    return [told for told in why if told not in said and told.key != hint]


def _beside_plan(case: Case, why: list[Line]) -> list[Line]:
    """Returns the same for a card with the whole plan, which says a potassium by a drug first."""
    told = {"measured-potassium-drug"} if raised_potassium(case) else set()
    return [one for one in _unsaid(case, why) if one.key not in told]


def _but_artefact(case: Case, plan: list[Line]) -> list[Line]:
    """Returns the plan without what the card says before it: a number too low, adrenal failure.

    In salt wasting it is the volume, which no restriction is to lessen.
    """
    first = [*osmole_unmeasured(case), *adrenal_first(case), *volume_first(case)]
    return _untold(plan, [*first, *_dialysis_fluid_first(case)])


def _dialysis_fluid_first(case: Case) -> list[Line]:
    """Returns the fluid for dialysis that runs; a card on a fast rise names it itself (F26)."""
    return [] if rises_fast(case) else dialysis_fluid_lines(case)


def _untold(lines: list[Line], said: list[Line]) -> list[Line]:
    """Returns these lines without those that are said before."""
    return [told for told in lines if told not in said]


def near_normal(case: Case) -> bool:
    """Returns whether the measured sodium is so near normal that most cards are noise (F51)."""
    return latest_sodium(case).value >= case.limits.near_normal_from


def _month(case: Case, since: datetime) -> str:
    return month_name(since, case.snapshot.now, case.snapshot.zone)


@chart_rule("PV-MILD-SYMP")
def mild_with_symptoms(case: Case) -> Finding:
    """The card comes in the mild band with a symptom that low sodium may cause (M2, F51)."""
    require_low_sodium(case)
    require_not_outranked(case)
    require_no_doubt_leads(case)
    require(case.sodium.band is Band.MILD, "not-mild", na=shown_sodium(case))
    symptom = _leading_symptom(case)
    require(symptom or _fell(case), "no-symptom")
    informs = in_use(case) >= case.limits.mild_workup_below or too_mild(case)
    informs = informs and not volume_leaves(case)
    crisis = adrenal_crisis(case)
    usual: Indicator = "info" if informs else "warning"
    indicator: Indicator = "critical" if crisis else usual
    variant = "adrenal" if crisis else _symptom_variant(case, symptom, informs)
    if not case.worded:
        return card(indicator, variant, do=(), drugs=suspects(case))
    return card(
        indicator,
        variant,
        why_=crisis,
        na=shown_sodium(case),
        symptom=symptom,
        do=[
            *low_glucose_lines(case),
            *adrenal_first(case),
            *volume_first(case),
            *lithium_lines(case),
            *unexplained_symptom(case),
            *lines_of({"same-day": same_day(case)}, keep=True),
            *insipidus_lines(case),
            *pause_lines(case),
            *held_lines(case),
            *steep_fall_lines(case),
            *_untold(after_surgery(case), adrenal_first(case)),
            *_untold(plan_lines(case), _said_first(case)),
            *cramp_lines(case),
            monitoring(case),
        ],
        why=[
            *_beside_plan(case, _band_reasons(case)),
            "no-hypertonic",
            *plan_advice(case),
            *lines_of({"cramp-mechanism": case.symptoms.cramp}),  # S1-2 to S1-4
        ],
        offer=_symptom_drafts(case, informs),
        drugs=suspects(case),
    )


def _said_first(case: Case) -> list[Line]:
    """Returns what a card says before its plan: adrenal failure, lost volume, surgery."""
    return [*adrenal_first(case), *volume_first(case), *after_surgery(case)]


def _fell(case: Case) -> bool:
    """Returns whether a fall or fracture counts; near normal only a recent one does (F51)."""
    if not near_normal(case):
        return case.symptoms.fall_or_fracture
    window = case.limits.near_normal_event_days
    return bool(case.problems.happened(case.sets.fall_or_fracture, window))


def _leading_symptom(case: Case) -> str:
    """Returns the symptom of the summary that this sodium may cause; cramps lead (S15).

    The card answers cramps. A severe symptom is not explained by mild low sodium (M2), and a sign
    of demyelination has a card of its own (F4).
    """
    symptoms, found = case.symptoms, demyelination(case)
    if symptoms.cramp:
        return joined("symptom", [Problem.CRAMP])
    signs = found.signs if found is not None else ()
    named = [one for one in (*symptoms.moderate, *symptoms.mild) if one not in signs]
    return joined("symptom", named[:1])


def _symptom_variant(case: Case, symptom: str, informs: bool) -> str:
    """Returns the summary that names what to do, if the plan is plain."""
    if not symptom:
        return "fall"
    verdict = case.restriction.verdict
    if verdict == "offer" and not informs:
        return "restrict"
    return "never" if verdict == "never" else "main"


def _symptom_drafts(case: Case, informs: bool) -> list[Suggestion]:
    """Returns the buttons; information offers no restriction, and tests only if due (S4)."""
    drafts = [*repeat_suggestions(case), *cortisol_suggestions(case)]
    if not informs or workup_due(case):
        drafts += workup_suggestions(case)
    drafts += stop_suggestions(case) if informs else plan_suggestions(case)
    return drafts + cramp_suggestions(case)


@chart_rule("PV-MILD")
def mild(case: Case) -> Finding:
    """The card comes in the mild band without symptoms, unless it is no news (S18, F21, F51)."""
    require_low_sodium(case)
    require_not_outranked(case)
    require_no_doubt_leads(case)
    require(case.sodium.band is Band.MILD, "not-mild", na=shown_sodium(case))
    require(not (_leading_symptom(case) or _fell(case)), "symptoms-lead")
    require(not osmolality_normal(case), "osmolality-normal")
    usual_in_pregnancy = case.pregnant and in_use(case) >= case.limits.pregnancy_mild_below
    require(not usual_in_pregnancy, "pregnancy", na=shown_sodium(case))
    too_fast = rising_too_fast(case) and case.rate.level in ("warning", "critical")
    require(adrenal_crisis(case) or not too_fast, "rate-leads")
    if case.snapshot.complete(*LISTS):
        # A drug that may have been missed would be news.
        require(not _quiet_near_normal(case), "near-normal", na=shown_sodium(case))
        require(not _quiet_chronic(case), "stable-chronic", na=shown_sodium(case))
    fall, since, drugs = case.sodium.down, case.sodium.stable_since, suspects(case)
    crisis = adrenal_crisis(case)
    pressing = volume_leaves(case) or bool(case.volume.shock)
    usual: Indicator = "warning" if pressing else "info"
    indicator: Indicator = "critical" if crisis else usual
    variant = "adrenal" if crisis else _mild_variant(case)
    if not case.worded:
        return card(indicator, variant, do=(), drugs=drugs)
    return card(
        indicator,
        variant,
        why_=crisis or recorded_cause(case),
        na=shown_sodium(case),
        more_facts={
            **({"fall": fall.amount, "over": lasted(fall.over)} if fall else {}),
            **({"since": _month(case, since)} if since else {}),
            **_osmolality(case),
        },
        drug_="".join(headline_drugs(case)[:1]),
        do=[
            *low_glucose_lines(case),
            *adrenal_first(case),
            *volume_first(case),
            *lithium_lines(case),
            *unexplained_symptom(case),
            *insipidus_lines(case),
            *pause_lines(case),
            *held_lines(case),
            *_untold(after_surgery(case), adrenal_first(case)),
            *_untold(plan_lines(case), _said_first(case)),
            monitoring(case),
        ],
        why=[
            *_beside_plan(case, [*symptom_lines(case), *background(case)]),
            *rise_by_glucose(case),
            *fall_lines(case),
            *plan_advice(case),
        ],
        offer=[
            *repeat_suggestions(case),
            *cortisol_suggestions(case),
            *(workup_suggestions(case) if workup_due(case) else []),
            *plan_suggestions(case),
        ],
        drugs=drugs,
    )


def _quiet_near_normal(case: Case) -> bool:
    """Returns whether a sodium near normal is noise (F51).

    It is not if sodium fell, if a drug that often lowers it is new, if such a drug is taken and
    this is the first low value after a normal one, after pituitary surgery, or if two methods
    disagree.
    """
    limits, samples, latest = case.limits, case.sodium.samples, latest_sodium(case)
    if not near_normal(case) or case.sodium.other_method is not None or surgery_lines(case):
        return False
    window, least = limits.near_normal_fall_hours, limits.near_normal_fall_from
    fell = fall_within(samples, latest, window, least)
    new = started_within(case, case.sets.check_tiers, limits.near_normal_drug_days)
    before = max((s for s in samples if s.at < latest.at), key=lambda s: s.at, default=None)
    first_low = (
        before is not None
        and not case.is_low(before)
        and latest.at - before.at <= limits.near_normal_again_days
    )
    return not (fell or new or (first_low and _strong_drugs(case)))


def _quiet_chronic(case: Case) -> bool:
    """Returns whether a stable value is no news (F21, S18).

    Lower values, and any value beside a drug that often lowers sodium, are told until the reader
    has answered. A drug of the second tier is news if it is new.
    """
    if case.sodium.stable_since is None or in_use(case) < case.limits.stable_quiet_from:
        return False
    new = started_within(case, case.sets.watched_tiers, case.limits.new_drug_days)
    return not (new or _strong_drugs(case))


def _strong_drugs(case: Case) -> list[str]:
    """Returns the drugs that the patient takes and that often lower sodium (tier T1)."""
    return [e.drug.name for e in case.exposures.active if e.drug.tier in case.sets.check_tiers]


def _osmolality(case: Case) -> dict[str, Fact]:
    """Returns the osmolality that is not low, for a headline that doubts the sodium (M6)."""
    pseudo = case.pseudo
    doubted = undiluted(case) or osmolality_normal(case) or edema_undiluted(case)
    return {"value": pseudo.shown} if pseudo is not None and doubted else {}


def _mild_variant(case: Case) -> str:
    """Returns the summary that names harm by restriction, else a fall and the likely drug."""
    if case.restriction.verdict == "never":
        return "never"
    if undiluted(case):
        return "undiluted"
    if case.volume.drinks and not rises_fast(case):
        return "cause"
    trend = "falling" if case.sodium.down else "stable" if case.sodium.stable_since else ""
    if headline_drugs(case) and not rises_fast(case):
        return f"{trend}-drug" if trend else "drug"
    if trend == "falling" and surgery_lines(case):
        return "falling-cause"
    if trend:
        return trend
    return "cause" if recorded_cause(case) and not rises_fast(case) else "main"


def _band_reasons(case: Case, *, critical: bool = False) -> list[Line]:
    """Returns what the card of each band with a symptom or below mild rests on."""
    return [
        *symptom_lines(case),
        *background_of_plan(case),
        *cramp_background(case),
        # A ceiling is for a sodium that is believed (M6 a).
        *([] if osmolality_normal(case) or _steady_outside(case) else [limit_line(case)]),
        *rise_by_glucose(case),
        *_counted_lines(case),
        *([] if critical else fall_lines(case)),
    ]


def _counted_lines(case: Case) -> list[Line]:
    """Returns that potassium or bicarbonate runs once the goal of the day is reached (F22)."""
    rate, sets = case.rate, case.sets
    if rate.rule or case.sodium.band is Band.MILD or not bolus_risen(case):
        return []
    counted = (*sets.counted_in_a_rise.members, DrugClass.BICARBONATE)
    taken = ", ".join(e.drug.name for e in case.exposures.of(*counted))
    return [line("potassium-runs", drugs=taken, keep=True)] if taken else []


def _steady_outside(case: Case) -> bool:
    """Returns whether a mild value of the clinic does not rise: no ceiling of hours (F37)."""
    return not (inpatient(case) or case.rate.rule) and case.sodium.band is Band.MILD


# ---- the correction rate


@chart_rule("RATE-OVER")
def over_corrected(case: Case) -> Finding:
    """The card comes if sodium rose, or is rising, above the limit of the active profile."""
    worst = _worst_rise("RATE-OVER", case)
    return _card(case, worst, [*over_lines(case), rate_watch(case)])


@chart_rule("RATE-NEAR")
def near_limit(case: Case) -> Finding:
    """The card comes if sodium rose above the goal at high risk, or near the limit."""
    worst = _worst_rise("RATE-NEAR", case)
    return _card(case, worst, near_lines(case, rate_watch(case)))


def near_lines(case: Case, next_sodium: Line) -> list[Line]:
    """Returns what to do near the limit, with the next sodium among it."""
    raising = [*_raising_drugs(case), *running_restriction(case), *_keep_antidiuretics(case)]
    if limit_reached(case):
        brake = [*_brake_lines(case), *_stopped_antidiuretic(case)]
        hold = hold_line(case, "stop-raising", what=what_raises(case))
        return [hold, *raising, *brake, next_sodium]
    by_itself = [*_by_itself(case), *_stopped_antidiuretic(case)]
    known = by_itself and not raising and case.medicines_known
    slow = [] if known else [line("slow-down", what=what_raises(case))]
    if case.rate.presses:
        # The limit is a matter of hours: what runs is stopped first, and what comes is got ready.
        ready = [] if by_itself else [line("urine-ready", keep=True)]
        steps = [*by_itself, *(raising or slow), limit_line(case), *ready, next_sodium]
        return [*steps, *(slow if raising else [])]
    # How far sodium may still rise is read in ten seconds, before names that can be many.
    return [*by_itself, *slow, limit_line(case), *raising, next_sodium]


def _by_itself(case: Case) -> list[Line]:
    """Returns that the kidney sheds water or soon will, and what is done about a vaptan (F27)."""
    urine, vaptans = still_shedding(case), case.exposures.of(DrugClass.VAPTAN)
    if vaptans:
        drug = vaptans[0].drug.name
        if urine is None:
            return [line("hold-vaptan", drug=drug, keep=True)]
        return [line("hold-vaptan-shedding", drug=drug, value=urine, keep=True)]
    if urine is not None:
        return [line("sheds-water", value=urine, keep=True), *drinking_lines(case)]
    cause = will_shed_water(case)
    return [line("will-shed-water", cause=cause, keep=True)] if cause else []


def _stopped_antidiuretic(case: Case) -> list[Line]:
    """Returns that an antidiuretic which was stopped lately is why sodium rises (F4, F27)."""
    window, kept = case.limits.diuretic_washout_hours, case.sets.kept_in_a_rise
    names = [
        name
        for name, order in stopped_lately(case, case.sets.check_tiers, window)
        if any(drug.name == name and drug.cls in kept for drug in order.drugs)
    ]
    return [line("stopped-antidiuretic", drugs=", ".join(names), keep=True)] if names else []


def _worst_rise(rule: str, case: Case) -> RatePair:
    """Returns the rise that the card of this rule is about; skip if its card does not come."""
    latest_sodium(case)
    rate = case.rate
    if rate.rule == rule and rate.worst:
        was = rate.variant == "was"
        require(not (was and isinstance(re_lowered(case), Finding)), "relowered-leads")
        # A bolus and "do not let it rise again" are not one voice (F31).
        require(not (was and case.sodium.acute), "acute-leads")
        return rate.worst
    require(not rate.rule, "other-rate-card")
    require(unread_lately(case) is None, RISE_UNREAD)
    if rate.assessable:
        skip("within-limit", rise=rate.rise_now, limit=rate.limit)
    if rate.average_per_day is None:
        skip("one-sample")
    return skip("samples-far-apart", average=rate.average_per_day)


def _card(case: Case, worst: RatePair, do: list[Line]) -> Finding:
    """Returns the card with every fact that one of the summaries may name."""
    rate, limit = case.rate, case.rate.limit
    left = max(limit - rate.rise_now, Decimal(0))
    repeat = repeat_sodium(case, rate_due(case), "urgent")
    if rate.variant == "jump" or rate.jump is not None:
        repeat = repeat_sodium(case, priority="stat")
    ceiling = _limit_if_untold(case, do)
    notes = rate.notes if rate.jump is None else dict.fromkeys((*rate.notes, "jump"))
    return card(
        rate.level or skip("other-rate-card"),
        _rate_variant(case, left),
        # A rise is never rounded onto the limit or the goal.
        rise=number(worst.rise, (limit, case.limits.rate_goal)),
        average=number(worst.per_day, (limit,)),
        hours=in_hours(worst.span),
        gap=in_hours(worst.gap),
        limit=limit,
        left=room_left(left),
        na=shown_sodium(case) or worst.end.shown,
        do=do,
        why=[
            _samples_line(case, worst),
            *past_symptoms(case),
            *(line(f"note-{note}", keep=True) for note in notes if not _is_told(note, do)),
            *([] if "acute-setting" in rate.notes else ceiling),
            *contested_lines(case),
            *risk_lines(case),
        ],
        offer=[repeat],
    )


def _rate_variant(case: Case, left: Decimal) -> str:
    """Returns the summary; it says what is left only if that is the room until a moment (F32)."""
    room, variant = room_of(case), case.rate.variant
    if limit_reached(case) and variant in ("near", "goal"):
        return "reached"
    if variant != "near" or (room is not None and room.left == left):
        return variant
    return "near-earlier"


def _limit_if_untold(case: Case, do: list[Line]) -> list[Line]:
    """Returns the ceiling, or the limit alone if what to do names the value and the time."""
    if any("ceiling" in told.facts for told in do):
        return [] if limit_line(case) in do else [plain_limit(case)]
    return [told for told in [limit_line(case)] if told not in do]


def _is_told(note: str, do: list[Line]) -> bool:
    """Returns whether what to do says already what a note says: the dialysate is to be checked."""
    return note == "dialysis" and any(told.key == "check-dialysate" for told in do)


def over_lines(case: Case) -> list[Line]:
    """Returns what to do above the limit; a rise by dialysis or by a wrong sample comes first."""
    rate = case.rate
    raising = [*_raising_drugs(case), *running_restriction(case), *_keep_antidiuretics(case)]
    if case.dialysis:
        return [line("check-dialysate", keep=True), limit_line(case), line("neuro-checks")]
    if rate.variant == "jump":
        return [
            line("repeat-first", keep=True),
            hold_line(case, "stop-raising", keep=False, what=what_raises(case)),
        ]
    if rate.variant == "contested":
        hold = hold_line(case, "no-further-rise", what=what_raises(case))
        return [hold, *_glucose_first(case), *_by_itself(case), *raising, line("neuro-checks")]
    if rate.level == "info":
        review = hold_line(case, "review-raising", what=what_raises(case))
        return [review, *_glucose_first(case), *_by_itself(case), *raising]
    stop = _stop_line(case)
    # After an acute onset no reflex lowers sodium again (F2), and dextrose feeds a high glucose.
    relower = [] if rate.may_be_acute or made_by_glucose(case) else [line("relower")]
    brake = [] if rate.variant == "was" else _brake_lines(case)
    raising = [*raising, *([] if rate.variant == "was" else _stopped_antidiuretic(case))]
    steps = brake if still_shedding(case) is not None else [*brake, line("consult"), *relower]
    drinking = drinking_lines(case) if brake else []
    glucose = _glucose_first(case)
    return [stop, *glucose, *raising, *drinking, *steps, line("neuro-checks")]


def _glucose_first(case: Case) -> list[Line]:
    return [line("brake-glucose", keep=True)] if made_by_glucose(case) else []


def _stop_line(case: Case) -> Line:
    """Returns that what raises sodium is stopped, or that sodium is not to rise again."""
    if case.rate.variant == "was":
        return hold_line(case, "keep-down")
    return hold_line(case, "stop-raising", what=what_raises(case))


def _brake_lines(case: Case) -> list[Line]:
    """Returns that the kidney sheds water, so that sodium rises further, and what brakes it (F27).

    Beside a vaptan desmopressin does little.
    """
    urine, vaptans = still_shedding(case), case.exposures.of(DrugClass.VAPTAN)
    if urine is None:
        return [line("hold-vaptan", drug=e.drug.name, keep=True) for e in vaptans[:1]]
    if case.rate.may_be_acute:  # a setting is no proof: compulsive drinking lasts for years (F2)
        return [line("consult"), line("brake-if-chronic", value=urine, keep=True)]
    if not vaptans:
        return [line("brake", value=urine, keep=True)]
    return [line("brake-vaptan", value=urine, drug=vaptans[0].drug.name, keep=True)]


def _raising_drugs(case: Case) -> list[Line]:
    """Returns what the patient is given that raises sodium, by name: fluids, then drugs (F22).

    A fluid that a line of its own names is not told again as a drug.
    """
    strong = [order for order in case.running_fluids if is_hypertonic(order)]
    named = {order.reference for order in (*strong, *case.raising_fluids)}
    classes = (*case.sets.raising_drugs.members, *case.sets.counted_in_a_rise.members)
    taken = [
        exposure.drug.name
        for exposure in case.exposures.of(*classes)
        if any(order.reference not in named for order in exposure.orders)
    ]
    dialyzed = dialysis_fluid_lines(case)
    return [*strong_fluid_lines(case), *dialyzed, *_isotonic_and_drugs(case, ", ".join(taken))]


def _isotonic_and_drugs(case: Case, drugs: str) -> list[Line]:
    """Returns the isotonic infusions that run and the drugs, in one line: more follows (F22)."""
    running = case.raising_fluids
    names = dict.fromkeys(order.fluid_name.value for order in running if order.fluid_name)
    fluids = RecordText("; ".join(names))
    potassium = "-potassium" if case.exposures.of(*case.sets.counted_in_a_rise.members) else ""
    if names and drugs:
        return [line("raising-fluids-drugs", fluids=fluids, drugs=drugs, keep=True)]
    if names:
        return [line("raising-fluids", fluids=fluids, keep=True)]
    told = [line("raising-fluids-unnamed", keep=True)] if running else []
    return [*told, *([line(f"raising-drugs{potassium}", drugs=drugs, keep=True)] if drugs else [])]


def _keep_antidiuretics(case: Case) -> list[Line]:
    """Returns that what holds water back is not stopped now: sodium would rise faster still."""
    taken = case.exposures.of(*case.sets.kept_in_a_rise.members)
    if not taken:
        return []
    return [line("keep-antidiuretic", drugs=", ".join(e.drug.name for e in taken), keep=True)]


def _samples_line(case: Case, pair: RatePair) -> Line:
    """Returns the samples that the rise rests on, oldest first."""
    samples = " · ".join(f"{s.shown} ({at(case, s.at, s.day_only)})" for s in pair.used)
    return line("samples" if pair.observed else "samples-estimated", samples=samples, keep=True)
