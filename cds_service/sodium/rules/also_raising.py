"""An order that is given for something else raises sodium too, while it rises too fast (F22)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import Fact, Finding, Indicator, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import in_hours, number
from cds_service.knowledge.names import Analyte, DrugClass, DrugName, SalineName
from cds_service.sodium.blind_spots import RISE_UNREAD, unread_lately
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.depletion import low_systolic, red_flag_window
from cds_service.sodium.exposure import is_hypertonic
from cds_service.sodium.results import Band, Freshness
from cds_service.sodium.rules.acute_order import acute_state
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.follow_up import rate_due, repeat_sodium
from cds_service.sodium.rules.gates import (
    EUROPEAN,
    circulation_fails,
    emergency,
    lasting_symptom_line,
    lines_of,
    shown_sodium,
    still_shedding,
)
from cds_service.sodium.rules.order_helpers import (
    drug_of,
    fluid_needed,
    is_systemic,
    may_remove,
    remove,
    remove_restriction,
    saline_name,
)
from cds_service.sodium.rules.ordered_amount import beyond_limit
from cds_service.sodium.rules.plan import adrenal_beside, risk_lines
from cds_service.sodium.rules.potassium import (
    carries_fluid,
    is_potassium,
    measured_potassium,
    potassium_step,
    without_potassium,
)
from cds_service.sodium.rules.room import (
    day_limit,
    limit_line,
    limit_reached,
    passed_limit,
    rise_limit,
    rise_stands,
)
from cds_service.sodium.rules.strong_salts import as_bolus, load_facts, salt_amount, sodium_rich_of
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import RecordText

# Variants of the summary: the order has no name of its own.
BALANCED = "balanced"
RESTRICTION = "restriction"
IN_WEAK_FLUID = (DrugClass.LOOP, DrugClass.POTASSIUM, DrugClass.UREA)
# In a bag that is weaker than blood these lower sodium: there they are no such drugs (F23).
IN_ANY_FLUID = (*IN_WEAK_FLUID, DrugClass.BICARBONATE, DrugClass.SODIUM_PHOSPHATE)
ANY_AMOUNT = (
    DrugClass.LOOP,
    DrugClass.BICARBONATE,
    DrugClass.SODIUM_PHOSPHATE,
    DrugClass.UREA,
)  # raise sodium in any amount that is ordered


def also_raising(order: Order) -> str:
    """Returns what a card calls an order that raises sodium beside its purpose; "" for others."""
    if order.fluid_restriction:
        return RESTRICTION
    if not is_systemic(order):
        return ""
    drug = drug_of(order, *(IN_WEAK_FLUID if order.hypotonic else IN_ANY_FLUID))
    if drug is not None:
        return drug.name
    salt = order.strong_salt or sodium_rich_of(order)
    if salt is not None:
        return salt.name
    cortisol = drug_of(order, DrugClass.GLUCOCORTICOID)
    if cortisol is not None and order.route == "iv":
        return cortisol.name
    saline = order.saline
    if saline is not None and saline.kind == "salt-tablet":
        return DrugName.SODIUM_CHLORIDE
    if saline is not None and saline.kind == "isotonic":
        return saline_name(order) if _may_be_large(order, saline.volume_ml) else ""
    large = order.balanced and _may_be_large(order, order.balanced_volume_ml)
    return BALANCED if large else ""


def _may_be_large(order: Order, volume_ml: Decimal | None) -> bool:
    return volume_ml is not None or order.route == "iv"


@order_rule("OS-RAISE", also_raising, otherwise="not-raising")
def raises_sodium_too(case: Case, order: Order, drug: str) -> Finding:
    """Speaks while sodium rises too fast, or has reached the goal of the day (F22)."""
    acute = drug == RESTRICTION and "acute" in case.rate.notes  # a rise is wanted (M10 c)
    require(not acute, "water-stays-restricted")
    against = without_potassium(case, order, drug)
    if against is not None:
        return against
    pair = _rise(case, order)
    if pair is None or drug_of(order, DrugClass.GLUCOCORTICOID):
        return _before_a_rise(case, order, drug)
    _require_enough(case, order)
    needed = _potassium_needed(case, order)
    loud = case.rate.level in ("warning", "critical") and (not needed or _no_room(case, pair))
    indicator: Indicator = "warning" if loud else "info"
    unnamed = drug if drug in (BALANCED, RESTRICTION) else ""
    restricts = drug == RESTRICTION
    if _stops(case, order, pair):
        return _do_not_give(case, order, drug, pair, indicator)
    return card(
        indicator,
        "needed" if needed else (unnamed or "main"),
        drug="" if unnamed else drug,
        rise=number(pair.rise, (rise_limit(case), case.limits.rate_goal)),
        hours=in_hours(pair.span),
        do=[
            *_strong_salt(case, order),
            _step(case, order),
            *_carried_salt(case, order),
            *(_above_limit(case, pair) or _room(case)),
        ],
        why=[*([] if restricts else _how(order)), *risk_lines(case)],
        offer=[
            *(remove_restriction(case, order) if restricts and loud else []),
            repeat_sodium(case, rate_due(case), "urgent"),
        ],
    )


def _stops(case: Case, order: Order, pair: RatePair) -> bool:
    """Tells whether no room is left for this fluid or salt, and no circulation that needs it.

    Bicarbonate, phosphate and potassium may be needed for what they are, and a loop diuretic for
    the lungs. After an acute fall a rise is wanted, and a jump is repeated first.
    """
    if not rise_stands(case):
        return False
    reached = case.rate.level in ("warning", "critical") and _no_room(case, pair)
    if not (reached or limit_reached(case)):
        return False
    return _is_oral_salt(order) or (_is_plain_fluid(order) and not _circulation_needs(case))


def salt_is_stopped(case: Case, order: Order) -> bool:
    """Returns whether no room is left for these salt tablets, or for this urea."""
    pair = _rise(case, order)
    return pair is not None and _is_oral_salt(order) and _stops(case, order, pair)


def _is_oral_salt(order: Order) -> bool:
    """Tells whether the order is salt tablets or urea, which raise sodium and do nothing else."""
    tablets = order.saline is not None and order.saline.kind == "salt-tablet"
    return tablets or drug_of(order, DrugClass.UREA) is not None


def _is_plain_fluid(order: Order) -> bool:
    """Tells whether the order is isotonic fluid that carries nothing else."""
    return _is_isotonic(order) and not is_potassium(order) and order.strong_salt is None


def _circulation_needs(case: Case) -> bool:
    """Tells whether shock, a low pressure or a bleeding needs fluid, even if sodium rises."""
    window = red_flag_window(case)
    recorded = case.problems.current(case.sets.fluid_in_any_rise, window)
    return bool(recorded or circulation_fails(case)) or low_systolic(case, window) is not None


def _do_not_give(
    case: Case, order: Order, drug: str, pair: RatePair, indicator: Indicator
) -> Finding:
    """Returns the card of a fluid or salt for which no room is left: stop, and what runs too."""
    facts: dict[str, Fact] = {
        "rise": number(pair.rise, (rise_limit(case), case.limits.rate_goal)),
        "hours": in_hours(pair.span),
    }
    salt, urine = _is_oral_salt(order), still_shedding(case)
    named = f"drugclass:{SalineName.BALANCED}" if drug == BALANCED else drug
    removal = [remove(order, named)] if may_remove(case) else []
    urgent = emergency(case)
    if urgent:
        indicator = "critical" if salt else "warning"
    return card(
        indicator,
        "stop-balanced" if drug == BALANCED else "stop",
        drug="" if drug == BALANCED else drug,
        more_facts=facts,
        do=[
            Line("stop-salt" if salt else "do-not-give", facts, keep=True),
            *([lasting_symptom_line(case)] if urgent and case.symptoms.severe else []),
            *([line("sheds-water-too", value=urine, keep=True)] if urine is not None else []),
            *_runs_already(case),
            *(_above_limit(case, pair) or _room(case)),
        ],
        why=[line("sodium-and-potassium"), *risk_lines(case)],
        offer=[*removal, repeat_sodium(case, rate_due(case), "urgent")],
    )


def _runs_already(case: Case) -> list[Line]:
    """Returns the fluids that run already and raise sodium, by name."""
    strong = [order for order in case.running_fluids if is_hypertonic(order)]
    names = [o.fluid_name.value for o in (*strong, *case.raising_fluids) if o.fluid_name]
    if names:
        fluids = RecordText("; ".join(dict.fromkeys(names)))
        return [line("stop-running", fluids=fluids, keep=True)]
    return lines_of({"stop-running-unnamed": strong or case.raising_fluids}, keep=True)


def _strong_salt(case: Case, order: Order) -> list[Line]:
    """Returns how much of a strong sodium salt is ordered, and what counts as one bolus of it."""
    salt, rich = order.strong_salt, sodium_rich_of(order)
    if rich is not None:
        facts = load_facts(case, order, rich)
        return [Line("brought-along", facts, keep=True)] if facts else []
    if salt is None or not is_systemic(order):
        return []
    severe = bool(case.symptoms.severe)
    return [*salt_amount(case, salt, severe=severe), as_bolus(case, salt)]


def _step(case: Case, order: Order) -> Line:
    """Returns the line that says what to do with the order."""
    if order.fluid_restriction:
        return line("hold-restriction", keep=True)
    strong = _strong_salt(case, order)
    if len(strong) > 1:
        spent = beyond_limit(case) and not case.symptoms.severe
        return line("salt-beyond-limit" if spent else "less-of-it", keep=True)
    if is_potassium(order):
        return potassium_step(case, order)
    loop = drug_of(order, DrugClass.LOOP)
    return line("loop-and-water" if loop else "hold-or-count", keep=True)


def _how(order: Order) -> list[str]:
    """Returns how the order raises sodium."""
    return ["loop-sheds-water" if drug_of(order, DrugClass.LOOP) else "sodium-and-potassium"]


def _no_room(case: Case, pair: RatePair) -> bool:
    """Tells whether the rise has reached the limit, so that any further rise passes it."""
    return pair.rise >= rise_limit(case)


def _above_limit(case: Case, pair: RatePair) -> list[Line]:
    """Returns that the limit of the day is passed or reached: sodium may have to be lowered."""
    if case.rate.level not in ("warning", "critical") or case.rate.may_be_acute:
        return []
    if case.rate.rule == "RATE-OVER":
        key, limit = passed_limit(case)
        return [line(f"above-limit{key}", limit=limit, keep=True)]
    return [line("at-limit", limit=rise_limit(case), keep=True)] if _no_room(case, pair) else []


def _room(case: Case) -> list[Line]:
    """Returns how far sodium may still rise, and until when."""
    told = limit_line(case)
    return [told] if "ceiling" in told.facts else []


def _carried_salt(case: Case, order: Order) -> list[Line]:
    """Returns that the saline in which a drug is given raises sodium too, and often more.

    Where volume is lost the fluid stays; and potassium in less fluid would harm the vein and heart.
    """
    volume, potassium = order.isotonic_carrier_ml, is_potassium(order)
    if volume is None and potassium and carries_fluid(order):
        volume = order.saline.volume_ml if order.saline else order.balanced_volume_ml
    if volume is None:
        return []
    if fluid_needed(case):
        return [line("carrier-kept", volume=volume, keep=True)]
    key = "carrier-of-potassium" if potassium else "carrier-counts"
    return [line(key, volume=volume, keep=True)]


def _before_a_rise(case: Case, order: Order, drug: str) -> Finding:
    """Speaks before any rise if one will be fast: no objection, but it is counted (F22).

    A salt as strong as hypertonic saline is no such order: OS-SALTS works out its amount.
    """
    _require_enough(case, order)
    strong = order.strong_salt is not None or sodium_rich_of(order) is not None
    require(not strong or not case.sodium.low, "strong-salt-leads")
    diuresis = _opens_diuresis(case, order)
    dilute = None if diuresis else _urine_that_salt_lets_flow(case, order)
    if dilute is not None:
        return _solute(case, drug, dilute)
    if not (diuresis or _counts(case, order)):
        require(unread_lately(case) is None, RISE_UNREAD)
        skip("not-rising-fast")
    if diuresis and is_potassium(order):  # it is the fluid that is needed
        drug = BALANCED if order.balanced else saline_name(order)
    fluid = drug == BALANCED
    counts = "counts-european" if case.limits.profile == EUROPEAN else "counts"
    variant = "diuresis" if diuresis else counts
    return card(
        "info",
        f"{variant}-balanced" if fluid else variant,
        drug="" if fluid else drug,
        na=shown_sodium(case),
        limit=day_limit(case),
        do=[
            *(adrenal_beside(case) if _is_isotonic(order) else []),
            *_steps_before_a_rise(case, order, diuresis=diuresis),
            *_carried_salt(case, order),
        ],
        why=[line("water-then-shed" if diuresis else "sodium-and-potassium"), *risk_lines(case)],
        offer=[repeat_sodium(case, _soon(case), "urgent")],
    )


def _steps_before_a_rise(case: Case, order: Order, *, diuresis: bool) -> list[Line]:
    """Returns what to do with the order; litres are right only if volume is known to be lost."""
    if is_potassium(order):
        fluid = [line("diuresis-fluid", keep=True)] if diuresis else []
        counts = [] if diuresis else [line("potassium-counts")]
        return [*fluid, potassium_step(case, order), *counts]
    step = "hold-or-count" if _is_isotonic(order) else "count-it"
    return [line("diuresis-ready" if diuresis else step, keep=True)]


def _solute(case: Case, drug: str, urine: Decimal) -> Finding:
    """Returns that salt ends a diet without solute: the kidney then sheds water (F22, F27)."""
    fluid = drug == BALANCED
    return card(
        "warning",
        "solute-balanced" if fluid else "solute",
        drug="" if fluid else drug,
        na=shown_sodium(case),
        value=urine,
        limit=day_limit(case),
        do=[line("solute-hold", keep=True), line("solute-watch", keep=True)],
        why=[line("solute-opens"), *risk_lines(case)],
        offer=[repeat_sodium(case, _soon(case), "urgent")],
    )


def _urine_that_salt_lets_flow(case: Case, order: Order) -> Decimal | None:
    """Returns the osmolality of a dilute urine, if isotonic fluid is given and no volume is lost.

    So it is in who eats little or drinks a lot: the solute of the fluid lets the water flow out.
    In an acute fall, or beside symptoms of it, the danger is brain edema: OS-ISO speaks then (F1).
    """
    may_be_dry = case.volume.shock or case.volume.dry
    if not _is_isotonic(order) or not _very_low(case) or may_be_dry:
        return None
    if acute_state(case) is not None:
        return None
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.urine_labs_hours)
    below = limits.polydipsia_urine_below if case.volume.drinks else limits.dilute_urine_below
    return urine.value if urine is not None and urine.below(below) else None


def _is_isotonic(order: Order) -> bool:
    return order.balanced or (order.saline is not None and order.saline.kind == "isotonic")


def _soon(case: Case) -> timedelta:
    return max(case.limits.repeat_near_hours - case.sodium.age, timedelta(0))


def _opens_diuresis(case: Case, order: Order) -> bool:
    """Tells whether cortisol in adrenal failure, or lost volume, makes the kidney shed water."""
    latest, band = case.sodium.latest, case.sodium.band
    if latest is None or not case.sodium.low or band is Band.MILD:
        return False
    if drug_of(order, DrugClass.GLUCOCORTICOID):
        return case.volume.status is Volume.ADRENAL
    return _is_isotonic(order) and fluid_needed(case) and _very_low(case)


def _counts(case: Case, order: Order) -> bool:
    """Tells whether sodium is very low and the risk of demyelination high (F22).

    In SIADH isotonic fluid lowers sodium, and beside symptoms it is no treatment: OS-ISO says so.
    """
    if order.fluid_restriction or not _very_low(case) or not case.risk.high:
        return False
    if drug_of(order, DrugClass.GLUCOCORTICOID, DrugClass.LOOP):
        return False
    if not _is_isotonic(order):
        return True
    lowers = case.volume.status in (Volume.EUV, Volume.CONFLICT)
    return not lowers and acute_state(case) is None


def _very_low(case: Case) -> bool:
    value = case.effective_sodium
    fresh = case.sodium.freshness is Freshness.CURRENT
    return fresh and value is not None and value < case.limits.raise_counts_below


def _rise(case: Case, order: Order) -> RatePair | None:
    """Returns the rise that is at the level of a warning, or has reached the goal of the day."""
    rate, limits = case.rate, case.limits
    if rate.level in ("warning", "critical"):
        return rate.worst
    least = limits.raise_warning_risk_from if case.risk.high else limits.raise_warning_from
    reached = rate.level is not None and rate.rise_now >= least
    return rate.now if reached or (_is_salt(order) and _at_the_goal(case)) else None


def _at_the_goal(case: Case) -> bool:
    """Tells whether the goal of a high risk is reached from a base that is in danger."""
    now, limits = case.rate.now, case.limits
    if now is None or not case.risk.high:
        return False
    reached = now.rise >= limits.raise_warning_risk_from
    return reached and now.base < limits.rate_danger_base_below


def _is_salt(order: Order) -> bool:
    """Tells whether the order is a salt that is given for something else, and no fluid."""
    salts = (DrugClass.POTASSIUM, DrugClass.BICARBONATE, DrugClass.SODIUM_PHOSPHATE)
    return drug_of(order, *salts) is not None


def _require_enough(case: Case, order: Order) -> None:
    """Skips a small infusion, and potassium by mouth in a small dose; unknown amounts count."""
    volume = order.balanced_volume_ml if order.balanced else None
    if order.saline is not None and order.saline.kind == "isotonic":
        volume = order.saline.volume_ml
    small = volume is not None and volume < case.limits.isotonic_ml_from
    strong = order.strong_salt is not None
    if strong or order.fluid_restriction or drug_of(order, *ANY_AMOUNT):
        return
    dose = order.daily_dose_mg
    if drug_of(order, DrugClass.POTASSIUM):
        by_mouth = order.route != "iv" and dose is not None
        small = by_mouth and dose is not None and dose < case.limits.raise_potassium_mg_from
    require(not small, "small-volume")


def _potassium_needed(case: Case, order: Order) -> bool:
    """Tells whether potassium is so low that it has to be given all the same."""
    if drug_of(order, DrugClass.POTASSIUM) is None:
        return False
    potassium = measured_potassium(case)
    return potassium is not None and potassium.below(case.limits.raise_potassium_needed_below)
