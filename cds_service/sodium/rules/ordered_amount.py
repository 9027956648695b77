"""How much hypertonic saline is ordered, and how large a bolus is (F9, F10)."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from cds_service.engine.finding import Fact, Line
from cds_service.engine.rule import line
from cds_service.engine.wording import number, room_left, saline_of
from cds_service.knowledge.names import Analyte
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import EUROPEAN, likely_acute
from cds_service.sodium.rules.order_helpers import (
    acute_liver_failure,
    concentrated_saline,
    hypertonic_saline,
    latest_within,
    may_protect_the_brain,
)
from cds_service.sodium.rules.room import day_limit
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Saline, StrongSalt

ML_PER_L = Decimal(1000)
UNKNOWN = "ordered-rate-unknown"
ABOVE = ("ordered-rate-above", "ordered-rate-goal", "ordered-rate-none", UNKNOWN)
HOURS_OF_DAY = Decimal(24)
ONE, TENTH = Decimal(1), Decimal("0.1")


def too_much(case: Case, order: Order, *, one_bolus: bool) -> list[Line]:
    """Returns a line if the ordered amount is above three boluses, or above the rise that is left.

    `one_bolus` adds that one bolus is to be ordered: a card that says "not advised" must not (F9).
    """
    saline = hypertonic_saline(order)
    if saline is None:
        return []
    if concentrated_saline(order):
        return _concentrate_amount(case, order, saline)
    if _runs_slowly(case, saline):
        return [told for told in rate_lines(case, order) if told.key in ABOVE]
    if saline.ordered_ml is None or saline.percent is None:
        return []
    return amount_lines(case, saline.ordered_ml, saline.percent, one_bolus=one_bolus)


def exceeds(amount: list[Line]) -> bool:
    """Returns whether these lines say that it is too much; an unknown one says to set an end."""
    return any(told.key != UNKNOWN for told in amount)


def _concentrate_amount(case: Case, order: Order, saline: Saline) -> list[Line]:
    """Returns what a concentrate that is ordered by itself brings, in boluses of 3 % saline (F10).

    One bolus is the most at once; for the brain three may be given. At a normal sodium nothing is
    told.
    """
    alone = order.ingredient_count <= 1 and not saline.mixture
    if not alone or not case.sodium.low or saline.ordered_ml is None or saline.percent is None:
        return []
    rescue = case.symptoms.severe or case.symptoms.icp_indication
    above = None if rescue else ONE
    return amount_lines(case, saline.ordered_ml, saline.percent, one_bolus=False, above=above)


def overdose(case: Case, order: Order) -> tuple[str, dict[str, Fact]] | None:
    """Returns the summary, with its facts, of a concentrate that is not given as ordered (F9).

    It passes the limit of the day by formula, or it holds more than three boluses and no recent
    sodium or no limit is there to judge it by. Severe symptoms and raised pressure need no stop.
    In the mild band OS-HTS-MILD advises against weaker ones in any amount, and leads.
    """
    saline = _ordered_by_itself(order)
    if saline is not None and _mild_speaks(case, saline):
        return None
    volume = None if saline is None else _in_a_day(case, saline)
    if saline is None or saline.percent is None or volume is None or _needs_salt(case):
        return None
    above_three = _boluses(case, volume, saline.percent) > case.limits.ordered_boluses_above
    rise = _rise(case, volume, saline.percent)
    if rise is None or likely_acute(case):
        told = number(_boluses(case, volume, saline.percent))
        return ("boluses", {"boluses": told}) if above_three else None
    left = max(day_limit(case) - max(case.rate.rise_now, Decimal(0)), Decimal(0))
    spared = may_protect_the_brain(case) and not above_three
    if spared or not case.sodium.low or rise <= left:
        return None
    return "above", {"rise": number(rise, (left,)), "left": room_left(left)}


def _mild_speaks(case: Case, saline: Saline) -> bool:
    """Returns whether the card on mild low sodium judges this strength, and may remove it."""
    weak = saline.percent is not None and saline.percent < case.limits.additive_percent_from
    mild = case.sodium.low and case.sodium.band is Band.MILD and case.sodium.acute is None
    return weak and mild and not (case.symptoms.moderate or case.symptoms.gcs_impaired)


def _ordered_by_itself(order: Order) -> Saline | None:
    """Returns the concentrate if it is no part of a mixture."""
    saline = concentrated_saline(order)
    alone = saline is not None and order.ingredient_count <= 1 and not saline.mixture
    return saline if alone else None


def _needs_salt(case: Case) -> bool:
    """Returns whether more salt may be right at once: such a card never stops the order (F9)."""
    rescue = case.symptoms.severe or case.symptoms.icp_indication
    return bool(rescue) or acute_liver_failure(case)


def _boluses(case: Case, volume: Decimal, percent: Decimal) -> Decimal:
    limits = case.limits
    return volume * percent / (limits.bolus_ml * limits.bolus_percent)


def rate_lines(case: Case, order: Order) -> list[Line]:
    """Returns by how much saline that runs for hours raises sodium in a day; else nothing (F9).

    A drip is no number of boluses. Without a recent sodium, or its strength, nothing is computed.
    """
    return [] if concentrated_saline(order) else infused_lines(case, hypertonic_saline(order))


def infused_lines(case: Case, saline: Saline | None) -> list[Line]:
    """Returns the same of a concentrate too: a drip of it is as much saline as any (F10)."""
    limits = case.limits
    if saline is None or not _runs_slowly(case, saline):
        return []
    rate, percent = saline.rate_ml_h or ONE, saline.percent
    volume = _in_a_day(case, saline) or Decimal(0)
    rise = None if percent is None else _rise(case, volume, percent)
    if rise is None:
        return [line(UNKNOWN, rate=rate, keep=True)]
    key = _judged(case, rise)
    kg = weight_kg(case) or limits.body_weight_assumed_kg
    hours = _whole(max(ONE, volume / rate))
    return [line(key, keep=True, rate=rate, rise=rise, hours=hours, kg=kg)]


def _in_a_day(case: Case, saline: Saline) -> Decimal | None:
    """Returns the volume that is given within 24 h; None if neither volume nor rate is told."""
    if not _runs_slowly(case, saline):
        return saline.ordered_ml
    in_day = (saline.rate_ml_h or ONE) * HOURS_OF_DAY
    return in_day if saline.ordered_ml is None else min(saline.ordered_ml, in_day)


def _judged(case: Case, rise: Decimal) -> str:
    """Returns what is said of a drip: if no rise is left, no rate is slow enough (F32).

    A severe symptom may need saline all the same.
    """
    if rise <= _left(case):
        return "ordered-rate"
    risen = max(case.rate.rise_now, Decimal(0))
    if rise + risen <= day_limit(case):
        return "ordered-rate-goal"
    spent = risen >= day_limit(case)
    return "ordered-rate-none" if spent and not case.symptoms.severe else "ordered-rate-above"


def _runs_slowly(case: Case, saline: Saline) -> bool:
    """Tells whether saline runs at a rate for longer than a bolus does."""
    if saline.rate_ml_h is None:
        return False
    hours = Decimal(case.limits.drip_hours_above / timedelta(hours=1))
    return saline.ordered_ml is None or saline.ordered_ml > hours * saline.rate_ml_h


def as_percent(case: Case, salt: StrongSalt) -> Decimal:
    """Returns the percent of sodium chloride that holds as much sodium (F22)."""
    return salt.mmol_per_ml * ML_PER_L / case.limits.sodium_per_percent


def same_as_bolus(case: Case, salt: StrongSalt) -> Decimal:
    """Returns the volume that holds as much sodium as one bolus of 3 % saline, in mL (F22)."""
    limits = case.limits
    return _whole(limits.bolus_ml * limits.bolus_percent / as_percent(case, salt))


def amount_lines(
    case: Case,
    ordered_ml: Decimal,
    percent: Decimal,
    *,
    one_bolus: bool,
    above: Decimal | None = None,
) -> list[Line]:
    """Returns a line if this volume is above `above` boluses (three), or the rise that is left."""
    limits = case.limits
    boluses = _boluses(case, ordered_ml, percent)
    rise, kg = _rise(case, ordered_ml, percent), weight_kg(case)
    fits = rise is None or rise <= _left(case)
    if boluses <= (limits.ordered_boluses_above if above is None else above) and fits:
        return []
    if rise is None:
        said = line("ordered-boluses", keep=True, volume=ordered_ml, boluses=boluses)
        return [said] if one_bolus else []
    key = "ordered-amount" if one_bolus else "ordered-amount-plain"
    kg = kg or limits.body_weight_assumed_kg
    return [line(key, keep=True, volume=ordered_ml, boluses=boluses, rise=rise, kg=kg)]


def beyond_limit(case: Case) -> bool:
    """Returns whether even one bolus of 3 % saline raises sodium by more than is left today."""
    limits = case.limits
    rise = _rise(case, limits.bolus_ml, limits.bolus_percent)
    return rise is not None and rise > _left(case)


def _left(case: Case) -> Decimal:
    """Returns the rise that is left today: at a high risk of demyelination that of the goal."""
    limit = day_limit(case)
    whole = min(limit, case.limits.rate_goal) if case.risk.high else limit
    return whole - max(case.rate.rise_now, Decimal(0))


def _rise(case: Case, volume_ml: Decimal, percent: Decimal) -> Decimal | None:
    """Returns by how much sodium rises, by its formula; None without a sodium of the last day."""
    limits, latest = case.limits, latest_within(case, case.limits.raising_case_hours)
    if latest is None:
        return None
    age, kg = case.age_years, weight_kg(case) or case.limits.body_weight_assumed_kg
    young = age is not None and age < limits.body_water_men_below_years
    man = case.snapshot.patient.sex == "male"
    ratio = limits.body_water_ratio_men if man and young else limits.body_water_ratio
    stronger = percent * limits.sodium_per_percent - latest.value
    return volume_ml / ML_PER_L * stronger / (ratio * kg + ONE)


def weight_kg(case: Case) -> Decimal | None:
    """Returns the last weight in kilograms, if it is recent."""
    reading = case.readings.latest(Analyte.WEIGHT, case.limits.body_weight_days)
    return reading.value if reading is not None and reading.value > 0 else None


def bolus_line(case: Case, saline: Saline) -> Line:
    """Returns the bolus of the profile in the strength of this saline, by weight if it is low."""
    limits, share = case.limits, _share(case, saline)
    drug = bolus_fluid(case, saline)
    small = small_bolus(case, drug, share)
    if small is not None:
        return small
    volume, large = _whole(limits.bolus_ml * share), _whole(limits.bolus_large_ml * share)
    if limits.profile == EUROPEAN:
        return line("give-european", keep=True, drug=drug, volume=volume)
    return line("give-aasld", keep=True, drug=drug, volume=volume, large=large)


def small_bolus(
    case: Case, drug: str, share: Decimal = ONE, *, key: str = "give-by-weight"
) -> Line | None:
    """Returns the bolus of a patient of low weight, in mL and mL/kg; None at a usual weight."""
    limits, kg = case.limits, weight_kg(case)
    if kg is None or kg >= limits.bolus_small_kg_below:
        return None
    each = limits.bolus_ml_per_kg * share
    return line(key, keep=True, drug=drug, each=each, volume=_whole(each * kg), kg=kg)


def single_bolus(case: Case, saline: Saline) -> Line:
    """Returns the single bolus of the European guideline for moderately severe symptoms."""
    limits, kg, share = case.limits, weight_kg(case), _share(case, saline)
    volume = limits.bolus_large_ml * share
    if kg is not None and kg < limits.bolus_small_kg_below:
        volume = min(volume, limits.bolus_ml_per_kg * share * kg)
    fluid = bolus_fluid(case, saline)
    return line("single-bolus", keep=True, drug=fluid, volume=_whole(volume))


def after_each_bolus(case: Case) -> Line:
    """Returns that sodium is measured after each bolus; in Europe before a second one."""
    european = case.limits.profile == EUROPEAN
    return line("sodium-after-each-european" if european else "sodium-after-each")


def bolus_fluid(case: Case, saline: Saline) -> str:
    """Returns the saline that a bolus is made of; 3% if the strength is not known, or is mixed."""
    percent = _strength(saline) or case.limits.bolus_percent
    return saline_of(percent)


def _share(case: Case, saline: Saline) -> Decimal:
    """Returns how much of a volume of 3% saline is given in this strength (F10)."""
    limits, percent = case.limits, _strength(saline)
    if percent is None or limits.bolus_same_percent_from <= percent <= limits.bolus_percent:
        return ONE
    return (limits.bolus_percent / percent).quantize(TENTH, ROUND_HALF_UP)


def _strength(saline: Saline) -> Decimal | None:
    """Returns the strength; None for a bag that is too weak for a bolus, or not computed (F23)."""
    return None if saline.mixture in ("weak", "unknown") else saline.percent


def _whole(volume: Decimal) -> Decimal:
    return volume.quantize(ONE, ROUND_HALF_UP)
