"""A drug that can lower sodium is selected: sodium is low, a second drug, or no baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec.structs import replace

from cds_service.engine.finding import Fact, Finding, Indicator, Line, Suggestion
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import ago, in_hours, joined, lasted
from cds_service.knowledge.names import DrugClass, DrugName, Problem
from cds_service.sodium.blamed import Harm, earlier_harm
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import ONE_LOWER
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.results import Freshness
from cds_service.sodium.rules.acute_order import AcuteState, acute_state, sodium_now
from cds_service.sodium.rules.beside_culprit import beside_lines, culprits_beside, pain_options
from cds_service.sodium.rules.bleeding_dose import (
    bleeding_advice,
    bleeding_kidney_lines,
    bleeding_level,
    bleeding_variant,
)
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.braking import (
    VARIANTS,
    Brake,
    brake_lines,
    braked_rise,
    braking,
    is_rising,
)
from cds_service.sodium.rules.desmopressin import told_lines
from cds_service.sodium.rules.follow_up import has_symptom, rate_due, repeat_sodium
from cds_service.sodium.rules.gates import (
    actionable,
    at,
    circulation_fails,
    cirrhosis,
    drinking_lines,
    drinks_compulsively,
    emergency,
    ever_recorded,
    heart_failure,
    in_use,
    inpatient,
    keeps_the_thiazide,
    latest_sodium,
    lines_of,
    recently_unusable,
    recorded,
    require_low,
    require_not_stale,
    require_unexplained_by_glucose,
    rises_fast,
    shown_sodium,
)
from cds_service.sodium.rules.order_helpers import (
    allergies_unread,
    baseline,
    beers_lines,
    beside,
    drug_of,
    is_older,
    is_systemic,
    labor_lines,
    latest_within,
    may_remove,
    on_the_ward,
    raised_potassium,
    recheck,
    recheck_in_hours,
    rechecks,
    recorded_or_reason,
    remove,
    result_doubts,
    saline_beside,
    saline_name,
    sodium_after,
    sodium_below,
    sodium_next_day,
    sodium_today,
    sodium_unread,
    taken,
    watched_drugs_of,
)
from cds_service.sodium.rules.plan import egfr, fluid_beside
from cds_service.sodium.rules.room import day_limit, limit_line
from cds_service.sodium.rules.same_group import replaces, running_of_group, same_group_lines
from cds_service.sodium.rules.thiazide_beside_loop import (
    beside_loop_lines,
    decongests,
    low_potassium_lines,
)
from cds_service.sodium.rules.water_intake import diluting_urine, intake_lines
from cds_service.sodium.snapshot import Order
from cds_service.sodium.tapering import begun_lately
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch

AGAIN = "again"  # the variant of a drug with which sodium was profoundly low before (F24)


def aging_sodium(case: Case) -> bool:
    """Tells whether the latest sodium is too old to act on, but not too old to speak of (M17)."""
    return case.sodium.freshness is Freshness.AGING


def lower_if_aging(case: Case, indicator: Indicator) -> Indicator:
    """Returns the indicator one step lower while the latest sodium is too old to act on (M17)."""
    return ONE_LOWER[indicator] if aging_sodium(case) else indicator


def _repeat_first(case: Case) -> list[Line]:
    return [line("repeat-first", keep=True)] if aging_sodium(case) else []


# Sodium is low or falling (OS-LOW, M12, B.5 rule 3)


def lowering_drugs_of(order: Order) -> tuple[DrugMatch, ...]:
    """Returns the drugs of the order that belong to an alert group (M12)."""
    return tuple(drug for drug in order.drugs if drug.group) if is_systemic(order) else ()


@order_rule("OS-LOW", lowering_drugs_of, otherwise="no-lowering-drug")
def lowering(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if sodium is low or falling; its level depends on drug, sodium and patient (M12)."""
    drug = min(drugs, key=lambda d: (alert_group(case, order, d), d.tier))
    group = alert_group(case, order, drug)
    earlier = next(filter(None, (_earlier_low(case, order, d) for d in drugs)), None)
    if earlier is not None and not (case.sodium.low or case.sodium.falling):
        return earlier
    latest = latest_sodium(case)
    require_not_stale(case)
    require_unexplained_by_glucose(case)
    keeper = _before_it_falls(case, drugs)
    if keeper is not None:
        return keeper
    first = _circulation_first(case, drugs) or _seizure_first(case, order, drugs)
    if first is not None:
        return first
    if drug.cls == DrugClass.LOOP:
        require(not rises_fast(case), "loop-raises")
        require(not _loop_diuretic_treats(case), "loop-treats")
        clearly_low = sodium_below(case, case.limits.lowering_loop_below)
        require(case.sodium.falling or clearly_low, "loop-no-news", na=latest.shown)
    _require_more_than_a_refill(case, order, drug)
    require(not _said_of_cirrhosis(case, order, drug), "diuretic-leads")
    acute = acute_state(case)
    indicator, advice = _indicator(case, group, drug), _advice(case, order, group, drug)
    running = fluid_beside(case, drug) if actionable(case) else []
    if running and indicator == "info":
        indicator = "warning"  # the drug may be needed, and the fluid is not (F28)
    danger = _in_danger(case, order, drug, acute, (group, indicator))
    if danger is not None:
        return danger
    may_wait = group == "A" and not decongests(case, drug)
    if earlier is not None and earlier.variant == AGAIN and may_wait:
        return _again_while_low(case, drug, earlier, indicator)
    return card(
        lower_if_aging(case, indicator),
        _variant(case, order, group, drug),
        drug=drug.name,
        na=latest.shown,
        more_facts=_more_facts(case, order, group, drug),
        do=[*_repeat_first(case), *_danger_now(case, acute), *running, *advice],
        why=_why(case, order, drug),
        offer=_buttons(
            case,
            order,
            drug,
            advice,
            removable=group == "A" and indicator != "info" and not _is_wanted(case, drug),
        ),
    )


def _more_facts(case: Case, order: Order, group: str, drug: DrugMatch) -> dict[str, Fact | str]:
    """Returns what the summary of the variant names besides the drug and the sodium."""
    variant = _variant(case, order, group, drug)
    if variant == "beside":
        return {"partner": culprits_beside(case, drug, group)[0].name}
    return {"age": ago(case.sodium.age)} if variant == "aging" else {}


def _circulation_first(case: Case, drugs: Iterable[DrugMatch]) -> Finding | None:
    """Returns the card of a diuretic in shock: no button keeps it, and none removes it (F56)."""
    diuretics = [drug for drug in drugs if drug.cls in case.sets.diuretics]
    why = circulation_fails(case) if diuretics and not rises_fast(case) else ""
    if not why:
        return None
    return card(
        lower_if_aging(case, "warning"),
        "shock",
        drug=diuretics[0].name,
        na=shown_sodium(case),
        why_=why,
        do=[*_repeat_first(case), line("shock-first", keep=True), "shock-congestion"],
        why=result_doubts(case),
        offer=[sodium_today()],
    )


def _before_it_falls(case: Case, drugs: Iterable[DrugMatch]) -> Finding | None:
    """Returns the card of terlipressin or vasopressin at a sodium that is not low (M12).

    It is given, and sodium is measured. Skips if it runs and that is done already, and any other
    drug at such a sodium.
    """
    if case.sodium.falling or case.sodium.low:
        return None
    keeper = next((drug for drug in drugs if drug.cls == DrugClass.VASOPRESSIN), None)
    if keeper is None:
        require_low(case)
        return None
    require(not _is_watched(case, keeper), "watched", na=shown_sodium(case))
    studied = keeper.name == DrugName.TERLIPRESSIN
    hours = in_hours(case.limits.ward_recheck_hours)
    return card(
        "info",
        "keeper",
        drug=keeper.name,
        na=shown_sodium(case),
        do=[line("keeper-schedule", hours=hours, keep=True), line("keeper-rebound", keep=True)],
        why=lines_of({"keeper-figures": studied}),
        offer=[recheck_in_hours(case)],
    )


def _is_watched(case: Case, drug: DrugMatch) -> bool:
    """Returns whether it runs already and sodium is as recent as the card would ask for."""
    running = taken(case, drug)
    if running is None:
        return False
    limits = case.limits
    begun = case.snapshot.now - running.since if running.since is not None else None
    early = begun is None or begun < limits.repeat_daily_hours
    return case.sodium.age <= (limits.ward_recheck_hours if early else limits.repeat_daily_hours)


def _seizure_first(case: Case, order: Order, drugs: Iterable[DrugMatch]) -> Finding | None:
    """Returns the card of carbamazepine or its like in a seizure that low sodium may have made.

    It is an info, as of every drug against seizures (M12), and never holds one up that is given by
    vein; what it says first is what treats the sodium.
    """
    lowering_it = [drug for drug in drugs if drug.cls == DrugClass.IMINOSTILBENE]
    acute = acute_state(case)
    seizes = emergency(case) and case.symptoms.seizure and order.route != "iv"
    if not lowering_it or acute is None or not seizes:
        return None
    drug = lowering_it[0].name
    goes_on = [line("not-abruptly", drug=drug)] if taken(case, lowering_it[0]) else []
    gently = same_group_lines(case, lowering_it[0]) or goes_on
    return card(
        "info",
        "seizure",
        drug=drug,
        na=shown_sodium(case),
        do=[
            *_repeat_first(case),
            *acute.lines(),
            line("seizure-other-drug", drug=drug, keep=True),
            *gently[-1:],
        ],
        why=_why(case, order, lowering_it[0]),
        offer=[sodium_now(case)],
    )


def _again_while_low(case: Case, drug: DrugMatch, earlier: Finding, usual: Indicator) -> Finding:
    """Returns the card of a drug that is begun again before sodium has recovered from it (F24)."""
    indicator: Indicator = "critical" if usual == "critical" else "warning"
    now = [sodium_today()] if actionable(case) else []
    return replace(
        earlier,
        indicator=indicator,
        do=(*_repeat_first(case), *same_group_lines(case, drug), *earlier.do),
        why=(*earlier.why, *result_doubts(case)),
        suggestions=(*earlier.suggestions, *now),
    )


def _in_danger(
    case: Case,
    order: Order,
    drug: DrugMatch,
    acute: AcuteState | None,
    usual: tuple[str, Indicator],
) -> Finding | None:
    """Returns the card in an acute fall, or in an emergency in which the drug waits; or None."""
    if acute is None:
        return None
    if acute.fall is not None:
        return _while_acute(case, order, drug, acute, usual)
    if _waits_in_an_emergency(case, drug, usual[0]):
        return _in_an_emergency(case, order, drug, acute, usual)
    return None


def _danger_now(case: Case, acute: AcuteState | None) -> list[Line]:
    """Returns that a severe symptom may come of low sodium, beside a drug that may be needed."""
    return acute.lines() if acute is not None and emergency(case) else []


def _waits_in_an_emergency(case: Case, drug: DrugMatch, group: str) -> bool:
    """Returns whether a new drug is not started while low sodium is an emergency (F1, M12).

    What may be needed at once, drains a congested heart or treats the seizure has words of its own.
    """
    if not emergency(case) or group == "C" or taken(case, drug):
        return False
    treats = case.symptoms.seizure and drug.cls in case.sets.antiepileptics
    drains = decongests(case, drug) or _is_kept(case, drug)
    return not (treats or drains or _needed_now(case, drug))


def _in_an_emergency(
    case: Case, order: Order, drug: DrugMatch, acute: AcuteState, usual: tuple[str, Indicator]
) -> Finding:
    """Returns that the symptom is treated first, and a drug that lowers sodium is not begun."""
    group, indicator = usual
    removal = group == "A" and not case.symptoms.seizure and may_remove(case) and actionable(case)
    return card(
        lower_if_aging(case, "warning" if indicator == "info" else indicator),
        "emergency",
        drug=drug.name,
        na=shown_sodium(case),
        symptom=acute.symptom,
        do=[
            *_repeat_first(case),
            *acute.lines(),
            line("not-in-an-emergency", drug=drug.name, keep=True),
            *same_group_lines(case, drug),
            *fluid_beside(case, drug),
        ],
        why=_why(case, order, drug),
        offer=[*([remove(order, drug.name)] if removal else []), sodium_now(case)],
    )


def _while_acute(
    case: Case, order: Order, drug: DrugMatch, acute: AcuteState, usual: tuple[str, Indicator]
) -> Finding:
    """Returns the card in an acute fall: its interval and its urgency hold for each drug (F3)."""
    group, indicator = usual
    calm = drug.cls in case.sets.antiepileptics or drug.cls == DrugClass.ANTIPSYCHOTIC
    treats = _seizures_by_bupropion(case, drug)
    own_words = treats or bool(beside_loop_lines(case, drug))
    fluid = [line("oxytocin-fluid", keep=True)] if drug.cls == DrugClass.OXYTOCIN else []
    same = same_group_lines(case, drug)
    vital = [*same, *_needed_now(case, drug)] or [line("vital-only", drug=drug.name)]
    vital += beside_lines(case, drug, group)
    kept = treats or _is_kept(case, drug)
    removal = group == "A" and not (kept or taken(case, drug) or case.symptoms.seizure)
    return card(
        indicator if calm or indicator == "critical" else "warning",
        "acute",
        drug=drug.name,
        na=shown_sodium(case),
        more_facts=acute.facts,
        do=[
            *acute.lines(),
            *fluid_beside(case, drug),
            *fluid,
            *(_advice(case, order, group, drug) if own_words else vital),
        ],
        why=_why(case, order, drug),
        offer=[
            *([remove(order, drug.name)] if removal and may_remove(case) else []),
            sodium_now(case),
        ],
    )


def _earlier_low(case: Case, order: Order, drug: DrugMatch) -> Finding | None:
    """Returns the card if sodium was once low with this drug, and is not low now (F24)."""
    if taken(case, drug):
        return None
    harm = earlier_harm(case, drug)
    if harm is None:
        return None
    again = _brings_it_back(case, drug, harm)
    date = {"date": at(case, harm.at, day_only=True)} if harm.at else {}
    na = {"na": harm.lowest.shown} if harm.lowest and (again or not harm.cause_known) else {}
    removable = again and alert_group(case, order, drug) == "A" and not case.symptoms.seizure
    removable = removable and not _is_kept(case, drug)
    return card(
        "warning" if again else "info",
        _earlier_variant(harm, again=again),
        drug=drug.name,
        more_facts={**date, **na},
        do=[*_earlier_steps(case, drug, harm, again=again), "watch-for"],
        why=[*beers_lines(case, drug), *allergies_unread(case, drug)],
        offer=[
            *([remove(order, drug.name)] if removable and may_remove(case) else []),
            *([] if actionable(case) else [baseline(case)]),
            recheck_in_hours(case) if again else recheck(case, drug=drug),
        ],
    )


def _brings_it_back(case: Case, drug: DrugMatch, harm: Harm) -> bool:
    """Tells whether sodium was so low with such a drug that a new dose is a danger (F24)."""
    if drug.tier not in case.sets.check_tiers or harm.lowest is None or harm.at is None:
        return False
    return harm.cause_known and harm.lowest.value < case.limits.rechallenge_below


def _earlier_variant(harm: Harm, *, again: bool) -> str:
    if again:
        return AGAIN
    if not harm.cause_known:
        return "earlier-unknown"
    variant = "earlier" if harm.low_sodium else "effect"
    return variant if harm.at else f"{variant}-undated"


def _earlier_steps(case: Case, drug: DrugMatch, harm: Harm, *, again: bool) -> list[str]:
    """Returns what to do; a thiazide lowers sodium again within hours."""
    if again:
        back = ["single-dose"] if drug.cls == DrugClass.THIAZIDE else []
        return [on_the_ward(case, "another-or-early"), *back]
    return ["before-and-after" if harm.low_sodium else "which-effect"]


def alert_group(case: Case, order: Order, drug: DrugMatch) -> str:
    """Returns the alert group: what is given in an emergency is never held up (M12)."""
    emergency = order.route == "iv"
    if drug.cls in case.sets.antiepileptics:
        emergency = emergency or case.symptoms.seizure_recent
    elif drug.cls != DrugClass.ANTIPSYCHOTIC:
        return drug.group
    return "C" if emergency else drug.group


def _is_kept(case: Case, drug: DrugMatch) -> bool:
    """Tells whether the drug is a thiazide that may drain acute heart failure (F48)."""
    return drug.cls == DrugClass.THIAZIDE and keeps_the_thiazide(case)


def _is_wanted(case: Case, drug: DrugMatch) -> bool:
    """Tells whether no removal is offered: it drains the heart, or the intake is the cause."""
    return _is_kept(case, drug) or diluting_urine(case, drug) is not None


def _loop_diuretic_treats(case: Case) -> bool:
    """Tells whether a loop diuretic is a treatment: overload, SIADH, pulmonary edema."""
    treated = case.volume.status in (Volume.HYPER, Volume.EUV)
    return treated or recorded(case, Problem.ACUTE_HEART_FAILURE)


def _said_of_cirrhosis(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Tells whether OS-DIUR-CRAMP says to hold it: "not a reason to delay" would contradict.

    Into a vein, or beside heart failure, it may be for the lungs, and is not held up.
    """
    if drug.group != "C" or drug.cls not in case.sets.diuretics:
        return False
    for_lungs = order.route == "iv" or heart_failure(case)
    held = actionable(case) and in_use(case) < case.limits.stop_diuretics_below
    return held and cirrhosis(case) and not for_lungs


def _require_more_than_a_refill(case: Case, order: Order, drug: DrugMatch) -> None:
    """Skips a refill unless sodium is clearly low or falling (B.5 rule 3)."""
    if _is_refill(case, order, drug):
        worse = case.sodium.falling or sodium_below(case, case.limits.refill_sodium_below)
        require(worse, "refill", drug=drug.name)


def _is_refill(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Tells whether a drug that is taken for long goes on at no higher dose."""
    exposure = taken(case, drug)
    if exposure is None or exposure.since is None:
        return False
    doses = [o.daily_dose_mg for o in exposure.orders if o.daily_dose_mg is not None]
    if doses and order.daily_dose_mg is not None and order.daily_dose_mg > doses[0]:
        return False
    return case.snapshot.now - exposure.since > case.limits.refill_after_days


def _indicator(case: Case, group: str, drug: DrugMatch) -> Indicator:
    limits = case.limits
    levels: Mapping[str, tuple[tuple[Decimal, Indicator], ...]] = {
        "A": (
            (limits.lowering_critical_below, "critical"),
            (limits.lowering_warning_below, "warning"),
        ),
        "B": ((limits.lowering_b_warning_below, "warning"),),
        "C": (),
    }
    for limit, indicator in levels[group]:
        if sodium_below(case, limit):
            return indicator
    at_risk = any(
        [is_older(case), has_symptom(case), case.sodium.falling, _other_strong_drugs(case, drug)]
    )
    return "warning" if group == "A" and case.sodium.low and at_risk else "info"


def _other_strong_drugs(case: Case, drug: DrugMatch) -> list[str]:
    others = [exposure.drug for exposure in case.exposures.active if exposure.drug.tier == "T1"]
    return [other.name for other in others if other.name != drug.name]


def _others_to_tell(case: Case, drug: DrugMatch, group: str) -> list[str]:
    """Returns the other strong drugs that are taken, without those that the advice names."""
    told = bool(same_group_lines(case, drug))
    named = {other.name for other in running_of_group(case, drug)} if told else set()
    named |= {other.name for other in culprits_beside(case, drug, group)}
    return [name for name in _other_strong_drugs(case, drug) if name not in named]


def _variant(case: Case, order: Order, group: str, drug: DrugMatch) -> str:
    if aging_sodium(case):
        return "aging"
    if group == "C" and _is_chosen(case, order, drug):
        return "choice"
    calm = group == "C" or drug.cls in case.sets.against_infection
    if calm and raised_potassium(case, drug) is None and not _seizures_by_bupropion(case, drug):
        return "check"
    if culprits_beside(case, drug, group):
        return "beside"
    return "falling" if case.sodium.down else "main"


def _is_chosen(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Tells whether carbamazepine or its like is started by mouth: no drug of an emergency."""
    by_mouth = drug.cls == DrugClass.IMINOSTILBENE and order.route != "iv"
    return by_mouth and not taken(case, drug)


def _antiseizure_options(case: Case, order: Order, drug: DrugMatch) -> list[Line]:
    """Returns which drugs against seizures lower sodium less, if it is ordered for seizures."""
    for_seizures = case.symptoms.seizure or Problem.EPILEPSY in order.reasons
    chosen = _is_chosen(case, order, drug)
    return [line("antiseizure-options")] if chosen and for_seizures else []


def _advice(case: Case, order: Order, group: str, drug: DrugMatch) -> list[Line]:
    if group == "C" and _is_chosen(case, order, drug):
        needed = [line("antiseizure-choice", keep=True, drug=drug.name)]
        needed = same_group_lines(case, drug) or needed
        return [*needed, *_antiseizure_options(case, order, drug)]
    if _seizures_by_bupropion(case, drug):
        return [line("bupropion-seizures", keep=True)]
    if raised_potassium(case, drug) is not None:
        return [*_needed_now(case, drug), line("watch-for")]
    beside_loop = beside_loop_lines(case, drug)
    if beside_loop:
        return beside_loop
    if drug.cls == DrugClass.OXYTOCIN:
        return [line("oxytocin-fluid", keep=True), *labor_lines(case)]
    if group == "C" and drug.name in case.sets.hydrated_drugs and order.route == "iv":
        return [line("isotonic-hydration", drug=drug.name, keep=True)]
    if group == "C":
        soon = order.route == "iv" or drug.cls in case.sets.cytotoxics or inpatient(case)
        soon = soon or sodium_below(case, case.limits.lowering_warning_below)
        return [line("check-not-delay" if soon else "check-not-delay-clinic", keep=True)]
    return _elective_advice(case, order, drug)


def _needed_now(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns that a drug which is often needed at once does not wait for sodium (M12).

    A high potassium that it raises comes first.
    """
    potassium = raised_potassium(case, drug)
    if potassium is not None:
        return [line("potassium-first", drug=drug.name, value=potassium.value, keep=True)]
    if drug.cls in case.sets.against_infection:
        return [line("infection-not-delay", keep=True)]
    if drug.cls in case.sets.needed_now and not taken(case, drug):
        return [line("another-or-now", drug=drug.name, keep=True)]
    return []


def _elective_advice(case: Case, order: Order, drug: DrugMatch) -> list[Line]:
    """Returns what to do with a drug that is given in no emergency, as far as the order tells."""
    clearly_low = sodium_below(case, case.limits.lowering_warning_below)
    intake = intake_lines(case, drug)
    if intake and drug.cls not in case.sets.against_infection:
        return [*intake, *_taken_already(case, drug), *pain_options(drug), line("watch-for")]
    lines, same = _needed_now(case, drug) if clearly_low else [], same_group_lines(case, drug)
    beside = beside_lines(case, drug, alert_group(case, order, drug))
    if same and replaces(case, drug):  # the series of sodium stays on the face
        return [*same, *beside, *(lines or _instead(case, order, drug))]
    if lines and drug.cls in case.sets.against_infection:
        return [*lines, *beside, line("watch-for")]
    if lines:
        return [*same, *beside, *pain_options(drug), *lines, line("watch-for")]
    lines = [*_not_now(case, drug, clearly_low=clearly_low), *pain_options(drug)]
    return [*same, *beside, *lines, *_options(case, order, drug), line("watch-for")]


def _not_now(case: Case, drug: DrugMatch, *, clearly_low: bool) -> list[Line]:
    """Returns that another drug is preferred, or that a drug which is taken is not stopped."""
    going_on = _taken_already(case, drug)
    if going_on:
        return going_on
    if not clearly_low:  # only then one may wait a week for the next sodium
        return [line(on_the_ward(case, "another-drug"), drug=drug.name)]
    told = [] if cirrhosis(case) else low_potassium_lines(case, drug, measure=False)
    return [line("another-drug-or-wait", drug=drug.name), *told]


def _taken_already(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns that a drug which is taken is not stopped abruptly, unless begun days ago."""
    if not taken(case, drug) or drug.cls not in case.sets.never_abruptly:
        return []
    key = "begun-lately" if begun_lately(case, drug) else "not-abruptly"
    return [line(key, keep=True, drug=drug.name)]


def _instead(case: Case, order: Order, drug: DrugMatch) -> list[Line]:
    """Returns what is given in the place of a drug whose group may be lowering sodium already."""
    if drug.cls == DrugClass.IMINOSTILBENE:
        return _options(case, order, drug)
    return _options(case, order, drug) or [line("another-group", keep=True)]


def _options(case: Case, order: Order, drug: DrugMatch) -> list[Line]:
    """Returns the drugs of the same purpose that lower sodium less, as far as it is known."""
    if drug.cls in case.sets.antidepressants and not _is_for_pain(case, order, drug):
        harmful = _bupropion_harms(case)
        return [line("no-bupropion" if harmful else "antidepressant-options")]
    return _antiseizure_options(case, order, drug)


def _is_for_pain(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Returns whether pain is its reason, or the only recorded one of a drug that treats pain."""
    mood, pain = case.sets.mood.members, case.sets.pain.members
    if not order.reasons.isdisjoint((*mood, *pain)):
        return order.reasons.isdisjoint(mood)
    treats = drug.cls in case.sets.antidepressants_for_pain and recorded(case, *pain)
    return treats and not ever_recorded(case, *mood)


def _bupropion_harms(case: Case) -> bool:
    return case.symptoms.seizure or recorded(case, *case.sets.seizures_by_bupropion.members)


def _seizures_by_bupropion(case: Case, drug: DrugMatch) -> bool:
    return drug.name == DrugName.BUPROPION and _bupropion_harms(case)


def _why(case: Case, order: Order, drug: DrugMatch) -> list[Line]:
    lines = []
    group = alert_group(case, order, drug)
    fall, others = case.sodium.falling, _others_to_tell(case, drug, group)
    if fall:
        lines.append(line("sodium-falls", amount=fall.amount, over=lasted(fall.over)))
    harm = None if taken(case, drug) else earlier_harm(case, drug)
    if harm and harm.lowest and _brings_it_back(case, drug, harm):
        lines.append(line("fell-with-such", na=harm.lowest.shown, keep=True))
    if others:
        lines.append(line("other-lowering", drugs=", ".join(others)))
    if others or culprits_beside(case, drug, group):
        lines += told_lines(case)
    if order.partners:
        lines.append(line("contains", drug=drug.name, partners=", ".join(order.partners)))
    lines.extend(result_doubts(case))
    clearly_low = sodium_below(case, case.limits.lowering_warning_below)
    advised = drug.cls in case.sets.stopp and not decongests(case, drug)
    if clearly_low and is_older(case) and advised:
        return [*lines, line(f"stopp-{drug.cls}"), *allergies_unread(case, drug)]
    return [*lines, *beers_lines(case, drug), *allergies_unread(case, drug)]


def _buttons(
    case: Case, order: Order, drug: DrugMatch, advice: list[Line], *, removable: bool
) -> list[Suggestion]:
    """Returns a removal only for a new start, never with a seizure code (M12); sodium as said."""
    if not actionable(case):
        return [sodium_today()]
    buttons = []
    new_start = removable and not taken(case, drug)
    if new_start and may_remove(case) and not case.symptoms.seizure:
        buttons.append(remove(order, drug.name))
    switch = replaces(case, drug) and same_group_lines(case, drug)
    later = [] if switch else rechecks(case, order, drug, advice)
    clearly_low = sodium_below(case, case.limits.lowering_warning_below)
    if not later or clearly_low or drug.cls == DrugClass.OXYTOCIN:
        buttons.append(sodium_today())
    return [*buttons, *later]


# Desmopressin while sodium is low: contraindicated, but a treatment in some (OS-DDAVP, M13)

DESMOPRESSIN_ADVICE = {
    "replacement": (line("replacement-never-stop", keep=True), line("check-sodium-dose")),
    "main": (
        line("contraindicated", keep=True),
        line("replacement-keep", keep=True),
    ),
}


def desmopressin_of(order: Order) -> DrugMatch | None:
    """Returns the desmopressin of the order."""
    return drug_of(order, DrugClass.DESMOPRESSIN)


@order_rule("OS-DDAVP", desmopressin_of, otherwise="no-desmopressin")
def desmopressin(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if sodium is low; as info in replacement therapy and in single doses for bleeding."""
    purpose = desmopressin_purpose(case, order)
    if not case.sodium.low and purpose == "main":
        return _against_the_label(case, order, drug)
    if not case.sodium.low and purpose == "bleeding":
        return _before_a_hemostatic_dose(case, order, drug)
    latest, limits = latest_sodium(case), case.limits
    require_not_stale(case)
    require_unexplained_by_glucose(case)
    require_low(case)
    state = braking(case)
    if purpose == "main" and is_rising(case) and drinks_compulsively(case):
        return _brake_of_a_drinker(case, drug)
    require(state != "over", "re-lowering")  # F4
    clamp = _planned_clamp(case, order, drug) if purpose == "main" and not state else None
    if clamp is not None:
        return clamp
    require(not saline_beside(case, order, limits.clamp_saline_hours), "clamp")
    if state and purpose == "main":
        return _while_rising(case, drug, state)
    partners = beside(case, order, *case.sets.forbidden_with_desmopressin.members)
    names = ", ".join(partner.name for partner in partners)
    # Nocturia is no purpose in diabetes insipidus.
    forbidden = [line("label-partners", drugs=names)] if names and purpose == "main" else []
    # In diabetes insipidus the drug is no mistake at any sodium.
    acute = acute_state(case) if purpose != "replacement" else None
    return card(
        _desmopressin_level(case, order, purpose),
        bleeding_variant(case, order) if purpose == "bleeding" else purpose,
        drug=drug.name,
        na=latest.shown,
        do=[
            *(acute.lines() if acute else []),
            *_repeat_first(case),
            *fluid_beside(case, drug),
            *(DESMOPRESSIN_ADVICE.get(purpose) or bleeding_advice(case, order)),
            *([limit_line(case)] if state else []),  # it has its own purpose: how far is left
            *([line(on_the_ward(case, "schedule"))] if purpose == "main" else []),
        ],
        why=[
            *(["label-low-sodium"] if purpose == "main" else []),
            *forbidden,
            *(_also_taken(case, drug) if purpose == "bleeding" else []),
            *result_doubts(case),
        ],
        offer=_desmopressin_buttons(case, order, drug, purpose),
    )


def _desmopressin_level(case: Case, order: Order, purpose: str) -> Indicator:
    """Returns how loud the card is: in diabetes insipidus the drug is no mistake (M13)."""
    if purpose == "replacement":
        return "info"
    if purpose == "bleeding":
        return lower_if_aging(case, bleeding_level(case, order))
    profound = sodium_below(case, case.limits.desmopressin_critical_below)
    return lower_if_aging(case, "critical" if profound else "warning")


def _while_rising(case: Case, drug: DrugMatch, state: Brake) -> Finding:
    """Returns the card on desmopressin in a rise: a brake that may be due, or a mistake (M13)."""
    near = state == "near"
    return card(
        "info" if near else "warning",
        VARIANTS.get(state, "brake-early"),
        drug=drug.name,
        na=shown_sodium(case),
        more_facts=braked_rise(case),
        do=[*brake_lines(case, state), line("replacement-keep")],
        why=["label-low-sodium"],
        offer=[repeat_sodium(case, rate_due(case), "urgent")],
    )


def _planned_clamp(case: Case, order: Order, drug: DrugMatch) -> Finding | None:
    """Speaks of a dose that is begun with hypertonic saline: what the plan takes (F58)."""
    saline = saline_beside(case, order, case.limits.clamp_saline_hours)
    low = actionable(case) and sodium_below(case, case.limits.clamp_sodium_below)
    if not saline or not low or taken(case, drug):
        return None
    return card(
        "info",
        "clamp",
        drug=drug.name,
        partner=saline_name(saline[0]),
        na=shown_sodium(case),
        do=[
            line("clamp-no-water", keep=True),
            *drinking_lines(case),
            line("clamp-checks", limit=day_limit(case), keep=True),
            line("clamp-together", keep=True),
        ],
        why=["clamp-evidence", *result_doubts(case)],
        offer=[sodium_after(case)],
    )


def _brake_of_a_drinker(case: Case, drug: DrugMatch) -> Finding:
    """Speaks of the dose that brakes a rise: who drinks on under it is low again within hours."""
    return card(
        "warning",
        "drinks",
        drug=drug.name,
        more_facts={"evidence": drinks_compulsively(case)},
        do=drinking_lines(case),
        why=[],
        offer=[sodium_today()],
    )


def _before_a_hemostatic_dose(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks of the dose that stops a bleeding also at a normal sodium: it falls within hours."""
    return card(
        "info",
        "hemostatic",
        drug=drug.name,
        do=[
            *bleeding_kidney_lines(case),
            line("bleeding-limit-fluid", keep=True),
            line("bleeding-check", keep=True),
        ],
        why=[line("hemostatic-dose"), *_also_taken(case, drug)],
        offer=[*([] if actionable(case) else [baseline(case)]), sodium_next_day(case)],
    )


def _also_taken(case: Case, drug: DrugMatch) -> list[Line]:
    others = _other_strong_drugs(case, drug)
    return [line("other-lowering", drugs=", ".join(others))] if others else []


def _against_the_label(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks of desmopressin that label or Beers criteria forbid at a normal sodium too (F25)."""
    partners = beside(case, order, *case.sets.forbidden_with_desmopressin.members)
    kidney = egfr(case)
    weak = kidney is not None and kidney.below(case.limits.desmopressin_egfr_below)
    lines = [line("beers-desmopressin")] if is_older(case) else []
    if partners:
        lines.append(line("label-partners", drugs=", ".join(p.name for p in partners)))
    if weak or recorded(case, Problem.CKD_4_5) or case.dialysis:
        lines.append(line("label-kidney", limit=case.limits.desmopressin_egfr_below))
    lines = [*_forbidding_problems(case), *lines]
    harm = None if taken(case, drug) else earlier_harm(case, drug)
    if harm is not None and harm.cause_known and harm.low_sodium:
        lines.insert(0, line("label-history", keep=True))
    require(lines, "not-low", na=shown_sodium(case))
    require(order.route != "iv", "clamp")
    require(not _is_refill(case, order, drug), "refill", drug=drug.name)
    return card(
        "warning",
        "label",
        drug=drug.name,
        do=[*lines, line("replacement-keep", keep=True), line(on_the_ward(case, "schedule"))],
        why=[],
        offer=[sodium_today(), *rechecks(case, order, drug, [line("schedule")])],
    )


def _forbidding_problems(case: Case) -> list[Line]:
    """Returns the recorded problems beside which the label forbids desmopressin for nocturia."""
    found = [p for p in case.sets.desmopressin_forbids.members if ever_recorded(case, p)]
    if not found:
        return []
    return [line("label-problems", evidence=joined("evidence", found), keep=True)]


# What label and boxed warning forbid beside desmopressin for nocturia is selected (F25)


def loop_of(order: Order) -> DrugMatch | None:
    """Returns the loop diuretic of the order."""
    return drug_of(order, DrugClass.LOOP)


def glucocorticoid_of(order: Order) -> DrugMatch | None:
    """Returns the glucocorticoid of the order; by vein it is for an emergency."""
    if order.route == "iv":
        return None
    return drug_of(
        order,
        DrugClass.GLUCOCORTICOID,
        DrugClass.GLUCOCORTICOID_INHALED,
        DrugClass.GLUCOCORTICOID_DEPOT,
    )


@order_rule("OS-LOOP-DDAVP", loop_of, otherwise="no-loop-diuretic")
def loop_beside_desmopressin(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if a loop diuretic is ordered for a patient who takes desmopressin for nocturia."""
    return _beside_desmopressin(case, order, drug)


@order_rule("OS-CORT-DDAVP", glucocorticoid_of, otherwise="no-glucocorticoid", without_sodium=True)
def glucocorticoid_beside_desmopressin(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if a glucocorticoid is ordered for a patient who takes desmopressin for nocturia."""
    return _beside_desmopressin(case, order, drug)


def _beside_desmopressin(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Returns that the two are contraindicated together; replacement and a brake go on (F25)."""
    known = [e for e in case.exposures.of(DrugClass.DESMOPRESSIN) if _is_for_nocturia(e)]
    reason = "no-desmopressin-taken" if case.medicines_known else MEDICINES_UNREAD
    require(known, reason)
    require(not _may_replace_the_hormone(case), "replacement")
    rises = case.rate.rise_now >= case.limits.clamp_rise_from or rises_fast(case)
    require(not rises, "re-lowering")
    require(not taken(case, drug), "already-taken")
    return card(
        "warning",
        drug=drug.name,
        partner=known[0].drug.name,
        do=[line("one-of-both", drug=drug.name, keep=True), line("replacement-goes-on")],
        why=["boxed-warning"],
        offer=[sodium_today()],
    )


def _may_replace_the_hormone(case: Case) -> bool:
    """Tells whether diabetes insipidus is recorded, or a disease that often comes with it.

    Whoever has lost the pituitary takes both drugs for life, and not every chart has the code.
    """
    sets = case.sets
    wanted = (
        *sets.insipidus.members,
        *sets.pituitary_disease.members,
        *sets.pituitary_surgery.members,
    )
    return ever_recorded(case, *wanted)


def _is_for_nocturia(exposure: Exposure) -> bool:
    """Tells whether an order of desmopressin is neither into a vein nor against a bleeding."""
    return any(not (o.route == "iv" or o.hemostatic or o.single_dose) for o in exposure.orders)


def desmopressin_purpose(case: Case, order: Order) -> str:
    """Returns "replacement", "bleeding" (one dose, or by vein), or "main" for all else."""
    if order.hemostatic:
        return "bleeding"
    if recorded_or_reason(case, order, Problem.DIABETES_INSIPIDUS):
        return "replacement"
    bleeding = recorded_or_reason(case, order, Problem.BLEEDING_DISORDER)
    by_vein = order.route == "iv"
    if by_vein and (recorded(case, Problem.CKD_4_5) or case.dialysis):  # uremic bleeding
        bleeding = bleeding or recorded(case, Problem.GI_BLEED, Problem.HEMORRHAGE)
    return "bleeding" if bleeding and (order.single_dose or by_vein) else "main"


def _desmopressin_buttons(
    case: Case, order: Order, drug: DrugMatch, purpose: str
) -> list[Suggestion]:
    """Returns a removal only for a new start, never in replacement, bleeding, neurosurgery."""
    if purpose == "bleeding" and actionable(case):
        acute = case.sodium.acute is not None
        return [sodium_now(case) if acute else sodium_today(), sodium_next_day(case)]
    if purpose != "main" or not actionable(case):
        return [sodium_today()]
    needed = any(
        [
            case.symptoms.neuro_code,
            order.route == "iv",
            recorded(case, Problem.BLEEDING_DISORDER),
            taken(case, drug),
        ]
    )
    removal = [remove(order, drug.name)] if may_remove(case) and not needed else []
    soon = sodium_today() if acute_state(case) is None else sodium_now(case)
    return [*removal, soon, *rechecks(case, order, drug, [line("schedule")])]


# A strong drug is started beside another one, or without a baseline (OS-COMBO, OS-BASE)


@order_rule("OS-COMBO", watched_drugs_of, otherwise="no-strong-drug")
def combination(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if a strong drug of another kind is active or drafted beside the order (S17)."""
    kinds = _strong_kinds(case)
    drug = _strong_drug(case, drugs)
    require(not _stops_a_bleeding(case, order, drug), "single-dose")
    require(not sodium_unread(case), "sodium-unread")
    if drug.cls == DrugClass.DESMOPRESSIN:  # it may be given to brake a rise (F4)
        rises = case.rate.rise_now >= case.limits.clamp_rise_from
        require(not (rises or rises_fast(case)), "re-lowering")
    others = beside(case, order, *kinds)
    partners = [other.name for other in others if kinds[other.cls] != kinds[drug.cls]]
    reason = "no-partner" if case.medicines_known else MEDICINES_UNREAD
    require(partners, reason, drug=drug.name)
    _require_more_than_a_refill(case, order, drug)
    at_risk = is_older(case) or _little_room(case)
    return card(
        lower_if_aging(case, "warning" if at_risk else "info"),
        "low" if case.sodium.low else on_the_ward(case, "main"),
        drugs=[drug.name, partners[0]],
        drug_=drug.name,
        partner=partners[0],
        do=[on_the_ward(case, "sodium-then-again"), "watch-for"],
        why=[
            "weeks-after-second",
            *told_lines(case),
            *beers_lines(case, drug),
            *allergies_unread(case, drug),
        ],
        offer=[*([] if actionable(case) else [baseline(case)]), recheck(case, order, drug)],
    )


def _stops_a_bleeding(case: Case, order: Order, drug: DrugMatch) -> bool:
    """Tells whether it is desmopressin against a bleeding: its own card says when to measure."""
    return drug.cls == DrugClass.DESMOPRESSIN and desmopressin_purpose(case, order) == "bleeding"


def _little_room(case: Case) -> bool:
    """Tells whether a sodium of the last weeks leaves little room for a fall."""
    recent = latest_within(case, case.limits.combination_sodium_days)
    return recent is not None and recent.value <= case.limits.combination_warning_to


def _strong_kinds(case: Case) -> dict[str, str]:
    """Returns what each strong drug class does: two of one kind are no combination."""
    kinds = case.sets.strong_kinds.items()
    return {drug_class: kind for kind, classes in kinds for drug_class in classes.members}


def _strong_drug(case: Case, drugs: Iterable[DrugMatch]) -> DrugMatch:
    """Returns the first drug that lowers sodium often."""
    kinds = _strong_kinds(case)
    return next((drug for drug in drugs if drug.cls in kinds), None) or skip("no-strong-drug")


@order_rule("OS-BASE", watched_drugs_of, otherwise="no-strong-drug")
def no_baseline(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if an older patient starts a strong drug, and no recent sodium is a baseline."""
    limits, latest = case.limits, case.sodium.latest
    drug = _strong_drug(case, drugs)
    require(not _stops_a_bleeding(case, order, drug), "single-dose")
    require(not sodium_unread(case), "sodium-unread")
    require(not recently_unusable(case), "sodium-unusable")
    require(is_older(case), "younger")
    require(not taken(case, drug), "already-taken")
    window = limits.baseline_inpatient_days if inpatient(case) else limits.baseline_outpatient_days
    require(not latest_within(case, window), "baseline-known", na=shown_sodium(case))
    return card(
        "info",
        "main" if latest else "none",
        drug=drug.name,
        years=str(case.age_years),
        more_facts={"age": ago(case.sodium.age)} if latest else {},
        do=[on_the_ward(case, "baseline-then-again"), "watch-for"],
        why=[*(beers_lines(case, drug) or [line("label-baseline")]), *allergies_unread(case, drug)],
        offer=[baseline(case), recheck(case, order, drug)],
    )
