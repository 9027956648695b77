"""A large infusion is selected: isotonic in SIADH or overload, or hypotonic (S12, S13)."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from cds_service.engine.finding import Finding, Line, Suggestion
from cds_service.engine.rule import card, line, require
from cds_service.engine.wording import joined
from cds_service.knowledge.names import Analyte, DrugClass, Problem, SalineName
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.desmopressin import wears_off
from cds_service.sodium.exposure import is_diluent
from cds_service.sodium.restriction import likely_insufficient, little_urine_sodium
from cds_service.sodium.results import Band, Reading
from cds_service.sodium.rules.acute_order import AcuteState, acute_state, sodium_now
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.braking import VARIANTS, Brake, brake_lines, braked_rise, braking
from cds_service.sodium.rules.follow_up import makes_no_urine, rate_due, repeat_sodium
from cds_service.sodium.rules.gates import (
    actionable,
    acute_congestion,
    at,
    concentrated_urine,
    emergency,
    holds_salt,
    kidney_order_lines,
    latest_sodium,
    overload,
    recorded,
    require_actionable,
    require_low,
    require_recorded,
    setting_lines,
    shown_sodium,
    symptom_lines,
)
from cds_service.sodium.rules.lowering_drugs import desmopressin_of, desmopressin_purpose
from cds_service.sodium.rules.order_helpers import (
    beside,
    drug_of,
    labor_lines,
    may_remove,
    other_drafts,
    recorded_or_reason,
    remove,
    saline_beside,
    saline_name,
    sodium_in_labor,
    sodium_next_day,
    sodium_today,
    urine_tests,
)
from cds_service.sodium.rules.plan import (
    BESIDE,
    after_failure,
    fluid_beside,
    weak_fluid_lines,
)
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch, Saline

# In these states isotonic saline replaces no lost volume. An unknown one needs an acute setting.
NO_VOLUME_LOST = (Volume.EUV, Volume.CONFLICT, Volume.UNKNOWN)
# Under these the kidney keeps water: the rule of an order sees the order alone.
KEEPERS = (
    DrugClass.DESMOPRESSIN,
    DrugClass.VASOPRESSIN,
    DrugClass.OXYTOCIN,
    DrugClass.CYTOTOXIC,
)
OWN_FLAG = "withheld-isotonic-fluid"  # the red flag that isotonic fluid raises by itself
BY_SEIZURE = (OWN_FLAG, "withheld-heart-rate-high")  # what a seizure raises by itself
# Red flags that a congested heart raises too (F48).
BY_CONGESTION = (
    OWN_FLAG,
    "withheld-bun-creatinine",
    "withheld-bun-creatinine-flow",
    "withheld-creatinine-rise",
    "withheld-heart-rate-high",
)


def isotonic_infusion(order: Order) -> Saline | None:
    """Returns the isotonic fluid of the order; skips if it cannot be a large volume.

    Saline that carries a drug counts by what it brings a day (F23). Lactated Ringer's and its like
    hold no more sodium than saline: where the kidney keeps the water, they lower sodium as well.
    """
    saline = order.saline
    if saline is None and order.balanced and order.route != "local":
        _require_may_be_large(order, order.balanced_volume_ml)
        return Saline(kind="isotonic", volume_ml=order.balanced_volume_ml)
    if saline is None and order.isotonic_carrier_ml is not None and order.route != "local":
        return Saline(kind="isotonic", volume_ml=order.isotonic_carrier_ml)
    if saline is None or saline.kind != "isotonic" or order.route == "local":
        return None
    _require_may_be_large(order, saline.volume_ml)
    return saline


def hypotonic_infusion(order: Order) -> bool:
    """Tells whether it is hypotonic fluid; skips if it cannot be a large volume."""
    weak_saline = order.saline is not None and order.saline.kind == "hypotonic"
    if order.route == "local" or not (order.hypotonic or weak_saline):
        return False
    _require_may_be_large(order, _hypotonic_ml(order))
    return True


def _require_may_be_large(order: Order, volume_ml: Decimal | None) -> None:
    """Skips unless the volume is known, or the order runs into a vein."""
    require(volume_ml is not None or order.route == "iv", "small-volume")


def _hypotonic_ml(order: Order) -> Decimal | None:
    if order.hypotonic_volume_ml is None and order.saline:
        return order.saline.volume_ml
    return order.hypotonic_volume_ml


def _isotonic_name(order: Order) -> str:
    """Returns what a card calls the isotonic fluid: saline, alone or as a carrier, or balanced."""
    unnamed = SalineName.BALANCED if order.balanced else SalineName.ISOTONIC_CARRIER
    return saline_name(order) or f"drugclass:{unnamed}"


@order_rule("OS-ISO", isotonic_infusion, otherwise="not-isotonic")
def isotonic_in_siadh(case: Case, order: Order, saline: Saline) -> Finding:
    """Speaks if isotonic saline is given in SIADH: it may lower sodium further."""
    _require_large_in_low_sodium(case, saline.volume_ml)
    injury = _injured_brain(case) if order.balanced_weak else ""
    if injury and not emergency(case):
        return _weak_fluid_beside_brain_injury(case, injury)
    acute = acute_state(case)
    if acute is not None and acute.symptom and case.volume.status in NO_VOLUME_LOST:
        _require_no_need_of_volume(case, BY_SEIZURE if _urine_keeps_water(case) else (OWN_FLAG,))
        return _isotonic_beside_symptoms(case, order, acute)
    volume = case.volume
    water_kept = volume.status is Volume.EUV or volume.kept_water  # beside vomiting too (F7)
    all_read = case.snapshot.complete("labs")
    require_recorded(case, water_kept, "not-siadh" if all_read else "siadh-unread")
    _require_no_need_of_volume(case)
    evidence = volume.kept_water or joined("evidence", volume.evidence)
    certain = f"evidence:{Problem.SIADH}" in evidence.split("|") or concentrated_urine(case)
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, case.limits.urine_labs_hours)
    weak = urine is not None and urine.below(case.limits.isotonic_saline_osmolality)
    return card(
        "warning" if certain and not weak else "info",
        "main" if urine is None else "known-weak" if weak else "known",
        drug=_isotonic_name(order),
        more_facts={} if urine is None else {"value": urine.value},
        do=[
            line("check-urine-first") if urine is None else _known_urine(case, urine),
            line("if-not-depleted", keep=True),
            *_instead(case),
        ],
        why=[line("judged-euvolemic", evidence=evidence), "salt-leaves-water-stays"],
        offer=_urine_labs(case) if urine is None else [],
    )


def _weak_fluid_beside_brain_injury(case: Case, injury: str) -> Finding:
    """Returns that a balanced fluid weaker than blood harms an injured brain (S13)."""
    return card(
        "warning",
        "brain",
        na=shown_sodium(case),
        why_=injury,
        do=[line("saline-for-the-brain", keep=True)],
        why=["ringer-is-hypotonic"],
        offer=[sodium_today()],
    )


def _urine_labs(case: Case) -> list[Suggestion]:
    """Returns the offer of urine tests, which a patient without urine cannot give."""
    if makes_no_urine(case):
        return []
    return [urine_tests(case)]


def _injured_brain(case: Case) -> str:
    """Returns a recent injury or edema of the brain, as a fact of a card; else "" (S13)."""
    problems, window = case.problems, case.limits.icp_days
    swollen = problems.current(case.sets.brain_edema, window)
    if swollen:
        return joined("symptom", swollen[:1])
    return joined("evidence", problems.dated(case.sets.icp_injury, window)[:1])


def _known_urine(case: Case, urine: Reading) -> Line:
    """Returns what the urine says of isotonic fluid: no more than its osmolality tells (S12)."""
    limits, time = case.limits, at(case, urine.at)
    if urine.above(limits.isotonic_osmolality_above):
        return line("urine-known", value=urine.value, time=time)
    fluid = limits.isotonic_saline_osmolality
    key = "urine-weak" if urine.below(fluid) else "urine-between"
    return line(key, value=urine.value, time=time, fluid=fluid, keep=True)


def _instead(case: Case) -> list[Line]:
    """Returns what is given in SIADH instead, if nothing but this order speaks against it."""
    restriction = case.restriction
    against = [reason for reason in restriction.reasons if reason.key != OWN_FLAG]
    if against or restriction.verdict not in ("offer", "text", "ordered"):
        return []
    fails = likely_insufficient(case) is not None and not wears_off(case)
    after = [after_failure(case)] if fails else []
    if restriction.verdict == "ordered":
        return after
    return [line("instead", ml=case.limits.fluid_ml_day, keep=True), *after]


def _urine_keeps_water(case: Case) -> bool:
    """Returns whether the urine of an emergency shows that isotonic fluid lowers sodium (F1).

    It is concentrated and holds salt: the kidney sheds the salt of the fluid and keeps its water.
    """
    return emergency(case) and concentrated_urine(case) and little_urine_sodium(case) is None


def _isotonic_beside_symptoms(case: Case, order: Order, acute: AcuteState) -> Finding:
    """Returns that isotonic fluid is no treatment of symptoms that may be brain edema (F1)."""
    return card(
        "warning",
        "symptom",
        drug=_isotonic_name(order),
        na=shown_sodium(case),
        symptom=acute.symptom,
        do=[*acute.lines(), *_lowers_by_urine(case), "if-not-depleted"],
        why=setting_lines(case),
        offer=[sodium_now(case)],
    )


def _lowers_by_urine(case: Case) -> list[Line]:
    """Returns that isotonic fluid lowers sodium at this urine, if that is known."""
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, case.limits.urine_labs_hours)
    if urine is None or not concentrated_urine(case):
        return []
    return [line("urine-lowers", value=urine.value, time=at(case, urine.at), keep=True)]


@order_rule("OS-ISO-HYPER", isotonic_infusion, otherwise="not-isotonic")
def isotonic_in_overload(case: Case, order: Order, saline: Saline) -> Finding:
    """Speaks if isotonic saline adds sodium and water to an overloaded patient (F48).

    In acute congestion kidney function and heart rate alone are no sign that volume is needed. If
    the volume status is not known, a diagnosis under which the body holds salt is enough.
    """
    _require_large_in_low_sodium(case, saline.volume_ml)
    condition, unknown = overload(case), case.volume.status is Volume.UNKNOWN
    held = holds_salt(case) if unknown and not condition else ""
    require_recorded(case, condition or held, "not-overloaded")
    congested = acute_congestion(case)
    _require_no_need_of_volume(case, BY_CONGESTION if congested else (OWN_FLAG,))
    return card(
        "warning" if congested else "info",
        "diagnosis" if held else "main",
        drug=_isotonic_name(order),
        condition=condition or held,
        do=[
            *kidney_order_lines(case),
            "examine-volume",
            *(["least-volume"] if held else []),
            "daily-weight",
        ],
        why=[line("recorded-active", evidence=held) if held else line("salt-load")],
    )


@order_rule("OS-HYPOTONIC", hypotonic_infusion, otherwise="not-hypotonic")
def hypotonic(case: Case, order: Order, _hypotonic: bool) -> Finding:
    """Speaks if hypotonic fluid may lower a low sodium further, unless that is its purpose (F4).

    Beside a drug under which the kidney keeps all water it speaks before sodium has fallen (F25).
    """
    keeper = _water_keeper(case, order)
    if not _low_now(case):
        keeper = keeper or _cytotoxic_by_vein(case, order)
        if keeper is not None and not order.tube_water:
            return _before_sodium_falls(case, order, keeper)
    _require_large_in_low_sodium(case, _hypotonic_ml(order))
    state = braking(case)
    require(state != "over", "re-lowering")
    require(not _is_clamp(case, order), "clamp")
    require(not _glucose_needs_it(case), "glucose")
    brings_glucose = order.hypotonic and not order.tube_water
    if not state and brings_glucose and _glucose_was_low(case):
        return _after_low_glucose(case)
    if not state and brings_glucose and recorded(case, Problem.ACUTE_PORPHYRIA):
        return _in_porphyria(case)
    require(not (state == "near" and is_diluent(case, order)), "re-lowering")
    if state == "near" or (state and acute_state(case) is None and not is_diluent(case, order)):
        return _while_rising(case, order, state)
    return _in_low_sodium(case, order, keeper)


def _before_sodium_falls(case: Case, order: Order, keeper: DrugMatch) -> Finding:
    """Returns the card on the fluid beside a drug that keeps water, at a sodium not low (F25)."""
    _require_large_in_sodium_not_high(case, _hypotonic_ml(order))
    require(not braking(case), "re-lowering")
    require(not _glucose_needs_it(case), "glucose")
    return _beside_water_keeper(case, order, keeper)


def _glucose_was_low(case: Case) -> bool:
    """Tells whether glucose was low lately, or may fall again: the drip then keeps it up (B.3)."""
    limits, sets = case.limits, case.sets
    values = case.readings.within(Analyte.GLUCOSE, limits.low_glucose_memory_hours)
    if any(value.below(limits.low_glucose_below) for value in values):
        return True
    recent = case.problems.current(sets.low_glucose, limits.low_glucose_code_hours)
    return bool(recent) or bool(case.problems.active(sets.low_glucose_lasting))


def _after_low_glucose(case: Case) -> Finding:
    """Returns that the glucose stays, in less water: without it glucose falls again (B.3)."""
    acute = acute_state(case)
    return card(
        "info" if acute is None else acute.indicator,
        "low-glucose",
        na=shown_sodium(case),
        do=[
            line("keep-glucose", keep=True),
            *(acute.lines() if acute is not None else []),
            line("count-diluent"),
        ],
        why=["low-glucose-lately", "free-water"],
        offer=[sodium_now(case) if acute is not None else sodium_today()],
    )


def _in_porphyria(case: Case) -> Finding:
    """Returns that glucose, which treats an attack, comes without free water: the order stays."""
    acute = acute_state(case)
    return card(
        "warning" if acute is None else acute.indicator,
        "porphyria",
        na=shown_sodium(case),
        do=[
            *(acute.lines() if acute is not None else []),
            line("glucose-in-saline", keep=True),
            line("count-diluent"),
        ],
        why=["free-water"],
        offer=[sodium_now(case) if acute is not None else sodium_today()],
    )


def _while_rising(case: Case, order: Order, state: Brake) -> Finding:
    """Returns whether the fluid may be a brake that is due, or lowers sodium for nothing (S13)."""
    drug, near = saline_name(order), state == "near"
    variant = VARIANTS.get(state, "brake-early")
    return card(
        "info" if near else "warning",
        variant if drug else f"{variant}-water",
        drug=drug,
        na=shown_sodium(case),
        more_facts=braked_rise(case),
        do=brake_lines(case, state),
        why=["free-water"],
        offer=[
            *([] if state in ("near", "doubted") else _removal(case, order)),
            repeat_sodium(case, rate_due(case), "urgent"),
        ],
    )


def _in_low_sodium(case: Case, order: Order, keeper: DrugMatch | None) -> Finding:
    """Returns the card on hypotonic fluid at a low sodium, by what it is and what is beside it."""
    drug, acute = saline_name(order), acute_state(case)
    if order.alkali:
        return _alkali_in_water(case, order, acute)
    if is_diluent(case, order):
        return _diluent(case, order, acute)
    if acute is not None:
        return _hypotonic_while_acute(case, order, acute)
    if order.tube_water:
        return _water_by_tube(case, order)
    if keeper is not None:
        return _beside_water_keeper(case, order, keeper)
    return card(
        "warning",
        "main" if drug else "water",
        drug=drug,
        na=shown_sodium(case),
        do=[*weak_fluid_lines(case)[:1], "choose-isotonic", "deliberate"],
        why=["free-water"],
        offer=[*_removal(case, order), sodium_today()],
    )


def water_keeper_of(order: Order) -> DrugMatch | None:
    """Returns the drug of the order under which the kidney keeps water."""
    return drug_of(order, *KEEPERS)


@order_rule("OS-KEEPER", water_keeper_of, otherwise="no-water-keeper")
def water_keeper_beside_fluid(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if such a drug is ordered while hypotonic fluid runs, before sodium falls (F28)."""
    require(not recorded_or_reason(case, order, Problem.DIABETES_INSIPIDUS), "replacement")
    running = [told for told in fluid_beside(case, drug) if told.key in BESIDE.values()]
    require(running, "nothing-runs" if case.medicines_known else MEDICINES_UNREAD)
    require(not (case.sodium.low or case.sodium.falling), "low-named")
    _require_large_in_sodium_not_high(case, None)
    rising = case.rate.level is not None or case.rate.rise_now >= case.limits.clamp_rise_from
    require(not rising and case.rate.episode is None, "re-lowering")
    require(not _glucose_needs_it(case), "glucose")
    labors = drug.cls == DrugClass.OXYTOCIN
    begins = [line("keeper-may-begin", drug=drug.name, keep=True)]
    return card(
        "warning",
        drug=drug.name,
        do=[*running, *(labor_lines(case) if labors else begins)],
        why=["free-water"],
        offer=[sodium_today(), sodium_in_labor(case) if labors else sodium_next_day(case)],
    )


def _water_keeper(case: Case, order: Order) -> DrugMatch | None:
    """Returns the drug, beside the order or in it, under which the kidney keeps water (F25).

    In diabetes insipidus it replaces the hormone, and fluid belongs to it.
    """
    if recorded_or_reason(case, order, Problem.DIABETES_INSIPIDUS):
        return None
    wanted = case.sets.antidiuretics
    within = [drug for drug in order.drugs if drug.cls in wanted]
    return next(iter((*beside(case, order, *wanted.members), *within)), None)


def _cytotoxic_by_vein(case: Case, order: Order) -> DrugMatch | None:
    """Returns a cytotoxic drug that is given by vein beside the order (F25).

    Under cyclophosphamide and vincristine the kidney keeps water for a day, from any sodium.
    """
    wanted = case.sets.cytotoxics
    taken = [one for e in case.exposures.of(*wanted.members) for one in e.orders]
    given = [one for one in (*taken, *other_drafts(case, order)) if one.route == "iv"]
    return next((drug for one in given for drug in one.drugs if drug.cls in wanted), None)


def _is_clamp(case: Case, order: Order) -> bool:
    """Tells whether desmopressin beside the order may brake a rise of sodium (S13).

    It does beside hypertonic saline, and by vein if no bleeding is the reason.
    """
    active = [o for e in case.exposures.of(DrugClass.DESMOPRESSIN) for o in e.orders]
    given = [*active, *(d for d in other_drafts(case, order) if desmopressin_of(d))]
    if not given:
        return False
    purposes = [(desmopressin_purpose(case, one), one.route == "iv") for one in given]
    planned = any(aim == "replacement" or (aim == "main" and vein) for aim, vein in purposes)
    return planned or bool(saline_beside(case, order, case.limits.clamp_saline_hours))


def _beside_water_keeper(case: Case, order: Order, keeper: DrugMatch) -> Finding:
    """Returns that the fluid, and not the drug beside it, is what to change (F25)."""
    drug = saline_name(order)
    keeps, labors = is_diluent(case, order), keeper.cls == DrugClass.OXYTOCIN
    later = sodium_in_labor(case) if labors else sodium_next_day(case)
    return card(
        "warning",
        "kept" if drug else "kept-water",
        drug=drug,
        partner=keeper.name,
        do=[
            line(_diluent_step(order) if keeps else "isotonic-and-little", keep=True),
            *(labor_lines(case) if labors else _keeper_lines(case, keeper)),
        ],
        why=["free-water"],
        offer=[*_removal_while_kept(case, order), sodium_today(), later],
    )


def _keeper_lines(case: Case, keeper: DrugMatch) -> list[Line]:
    """Returns whether the drug goes on; desmopressin and fluid may belong together."""
    goes_on = line("keeper-needed" if _low_now(case) else "keeper-goes-on", drug=keeper.name)
    return [goes_on] if keeper.cls in case.sets.cytotoxics else [goes_on, line("insipidus-differs")]


def _removal_while_kept(case: Case, order: Order) -> list[Suggestion]:
    """Returns the removal at a low sodium alone: before it has fallen the prescriber decides."""
    return _removal(case, order) if _low_now(case) else []


def _low_now(case: Case) -> bool:
    """Tells whether a sodium that is recent enough to act on is low."""
    return case.sodium.low and actionable(case)


def _water_by_tube(case: Case, order: Order) -> Finding:
    """Returns that water by a feeding tube is free water; the feed is never taken away (F23)."""
    return card(
        "warning",
        "tube",
        na=shown_sodium(case),
        ml=_hypotonic_ml(order) or Decimal(0),
        do=[line("tube-cut", keep=True), "deliberate"],
        why=["free-water"],
        offer=[sodium_today()],
    )


def _diluent(case: Case, order: Order, acute: AcuteState | None) -> Finding:
    """Returns that the diluent of a drug is free water; no button takes it away (F23)."""
    drug = next((d.name for d in order.drugs if d.name not in case.sets.carried_in_saline), "")
    volume = _hypotonic_ml(order)
    much = volume is None or volume >= case.limits.carrier_warning_ml_from
    return card(
        "warning" if much or acute is not None else "info",
        "diluent" if drug else "diluent-water",
        drug=drug,
        na=shown_sodium(case),
        do=[
            *(acute.lines() if acute is not None else []),
            line(_diluent_step(order), keep=True),
            line("count-diluent"),
        ],
        why=["free-water"],
        offer=[sodium_now(case) if acute is not None else sodium_today()],
    )


def _alkali_in_water(case: Case, order: Order, acute: AcuteState | None) -> Finding:
    """Returns that a bag of bicarbonate or its like is to be made isotonic: it can be (F23)."""
    return card(
        "warning" if acute is None else acute.indicator,
        "alkali",
        drug=order.alkali,
        na=shown_sodium(case),
        do=[
            line("make-isotonic", drug=order.alkali, keep=True),
            *(acute.lines() if acute is not None else []),
            line("count-diluent"),
        ],
        why=["free-water", *(symptom_lines(case) if acute is not None else [])],
        offer=[sodium_now(case) if acute is not None else sodium_today()],
    )


def _diluent_step(order: Order) -> str:
    """Returns the line on a diluent: saline by default, glucose for what fails in saline."""
    return "keep-diluent" if order.needs_glucose else "change-diluent"


def _hypotonic_while_acute(case: Case, order: Order, acute: AcuteState) -> Finding:
    """Returns the card on hypotonic fluid in an acute fall, or beside symptoms of low sodium."""
    drug = saline_name(order)
    return card(
        acute.indicator,
        acute.variant if drug else f"{acute.variant}-water",
        drug=drug,
        na=shown_sodium(case),
        more_facts=acute.facts if acute.variant == "acute" else {"symptom": acute.symptom},
        do=[line("no-hypotonic", keep=True), *weak_fluid_lines(case)[:1], *acute.lines()],
        why=["free-water", *symptom_lines(case)],
        offer=[*_removal(case, order, acute=True), sodium_now(case)],
    )


def _removal(case: Case, order: Order, *, acute: bool = False) -> list[Suggestion]:
    """Returns the removal of hypotonic fluid alone, if all was read (F23).

    In the mild band it is offered only in an acute fall, or beside symptoms.
    """
    mixed = order.carries or order.tube_water or (order.saline is not None and order.saline.mixture)
    if mixed or not may_remove(case) or _glucose_was_low(case):
        return []
    if case.sodium.band is Band.MILD and not acute:
        return []
    return [remove(order, saline_name(order) or f"drugclass:{SalineName.HYPOTONIC_FLUID}")]


def _require_large_in_low_sodium(case: Case, volume_ml: Decimal | None) -> None:
    """Skips unless a large volume meets a low sodium; an unknown volume is taken as large."""
    _require_large(case, volume_ml)
    latest_sodium(case)
    require_actionable(case)
    require_low(case)


def _require_large_in_sodium_not_high(case: Case, volume_ml: Decimal | None) -> None:
    """Skips unless a large volume meets a sodium that is not high, or not known."""
    _require_large(case, volume_ml)
    latest = case.sodium.latest
    high = latest is not None and latest.value > case.limits.free_water_sodium_above
    require(not high, "not-low", na=shown_sodium(case))


def _require_large(case: Case, volume_ml: Decimal | None) -> None:
    small = volume_ml is not None and volume_ml < case.limits.isotonic_ml_from
    require(not small, "small-volume")


def _require_no_need_of_volume(case: Case, but: Collection[str] = (OWN_FLAG,)) -> None:
    """Skips if a red flag, but for these, says volume may be needed (M9)."""
    flags = [flag for flag in case.restriction.red_flags if flag.key not in but]
    require(not flags and little_urine_sodium(case) is None, "red-flag")


def _glucose_needs_it(case: Case) -> bool:
    """Tells whether glucose is low, or a crisis is treated whose protocol ends in this fluid."""
    reading = case.readings.latest(Analyte.GLUCOSE, case.limits.low_glucose_hours)
    low = reading is not None and reading.below(case.limits.low_glucose_below)
    return low or _in_crisis(case)


def _in_crisis(case: Case) -> bool:
    """Tells whether a crisis is of this encounter or recent: old codes stay on lists for years."""
    earliest = case.snapshot.now - case.limits.restriction_glucose_hours
    for problem in case.snapshot.problems:
        if problem.active and Problem.HYPERGLYCEMIC_CRISIS in problem.concepts:
            recent = problem.since is not None and problem.since >= earliest
            if problem.encounter_diagnosis or recent:
                return True
    return False
