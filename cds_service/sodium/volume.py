"""Volume status with its evidence (B.0.5, M7, M8), and the risk of osmotic demyelination."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.knowledge.names import Analyte, Sign
from cds_service.sodium.exposure import taken_within
from cds_service.sodium.results import paired

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


class Volume(StrEnum):
    """The states of volume, in order of precedence."""

    CSW = "csw"
    ADRENAL = "adrenal"
    CONFLICT = "conflict"
    HYPO = "hypo"
    NEURO = "neuro"
    HYPER = "hyper"
    EUV = "euv"
    UNKNOWN = "unknown"


class VolumeStatus(Struct, frozen=True, kw_only=True):
    """The verdict, and the keys of words.toml [evidence] it rests on."""

    status: Volume = Volume.UNKNOWN
    evidence: tuple[str, ...] = ()
    against: tuple[str, ...] = ()  # the other side of a CONFLICT
    hint: tuple[str, ...] = ()  # weak signs of overload under EUV or UNKNOWN
    by_labs: bool = False  # EUV from urine chemistry alone: "SIADH pattern; ... not excluded"


class OdsRisk(Struct, frozen=True, kw_only=True):
    """The risk of osmotic demyelination (B.0.6), which is high if there is any reason."""

    reasons: tuple[str, ...] = ()  # keys of words.toml [evidence]

    @property
    def high(self) -> bool:
        """Whether the slower goal applies."""
        return bool(self.reasons)


def volume_status(case: Case) -> VolumeStatus:
    """Returns the first state of M8's order that has evidence."""
    limits, sets, problems = case.limits, case.sets, case.problems
    injury = limits.brain_injury_days
    wasting = problems.active(sets.salt_wasting) + problems.happened(sets.subarachnoid, injury)
    if wasting:
        return VolumeStatus(status=Volume.CSW, evidence=wasting)
    adrenal = problems.active(sets.adrenal)
    if adrenal:
        return VolumeStatus(status=Volume.ADRENAL, evidence=adrenal)
    overload, weak = _overload(case), _weak_overload(case)
    depletion = problems.current(sets.hypovolemia, limits.hypovolemia_days)
    depletion += _depletion_labs(case, overloaded=bool(overload or weak))
    if depletion and (overload or weak):
        against = overload or weak
        return VolumeStatus(status=Volume.CONFLICT, evidence=depletion, against=against)
    if depletion:
        return VolumeStatus(status=Volume.HYPO, evidence=depletion)
    injured = problems.happened(sets.brain_injury, injury)
    if injured:
        return VolumeStatus(status=Volume.NEURO, evidence=injured)
    if overload:
        return VolumeStatus(status=Volume.HYPER, evidence=overload)
    return _euvolemic(case, weak)


def _euvolemic(case: Case, weak: tuple[str, ...]) -> VolumeStatus:
    """EUV by a recorded SIADH or by urine chemistry; else UNKNOWN."""
    siadh = case.strict_problems.current(case.sets.siadh, case.limits.siadh_days)
    pattern = () if weak else _siadh_pattern(case)
    if not siadh and not pattern:
        return VolumeStatus(status=Volume.UNKNOWN, hint=weak)
    evidence = siadh + pattern
    return VolumeStatus(status=Volume.EUV, evidence=evidence, hint=weak, by_labs=not siadh)


def _overload(case: Case) -> tuple[str, ...]:
    limits, sets, problems = case.limits, case.sets, case.strict_problems
    long_known = problems.current(sets.overload, limits.overload_days)
    return long_known + problems.current(sets.overload_recent, limits.overload_recent_days)


def _weak_overload(case: Case) -> tuple[str, ...]:
    """Problems of overload that are too old or too unspecific to be evidence."""
    sets, strong = case.sets, _overload(case)
    signs = (sets.overload, sets.overload_recent, sets.overload_weak)
    active = [concept for sign in signs for concept in case.strict_problems.active(sign)]
    return tuple([concept for concept in active if concept not in strong])


def _depletion_labs(case: Case, *, overloaded: bool) -> tuple[str, ...]:
    """Laboratory signs of volume depletion; without the lists they could be explained away."""
    limits, sets, problems = case.limits, case.sets, case.problems
    if not _lists_read(case) or _on_diuretic(case):
        return ()
    window = limits.urine_labs_hours
    signs: tuple[str, ...] = ()
    urine = case.readings.latest(Analyte.URINE_SODIUM, window)
    low = urine is not None and urine.below(limits.urine_sodium_from)
    if low and not overloaded and not _dilute(case):
        signs += (Sign.URINE_SODIUM_LOW,)
    explained = problems.active(sets.kidney_failure) or problems.active(sets.bleeding_gut)
    ratios = bun_creatinine(case, window)
    if ratios and ratios[-1] > limits.bun_creatinine_above and not explained:
        signs += (Sign.BUN_CREATININE_HIGH,)
    return signs


def _dilute(case: Case) -> bool:
    """Whether the urine is so dilute that its sodium is low by dilution alone."""
    limits = case.limits
    osmolality = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.urine_labs_hours)
    return osmolality is not None and osmolality.below(limits.dilute_urine_below)


def bun_creatinine(case: Case, window: timedelta) -> tuple[Decimal, ...]:
    """Returns BUN:creatinine (mg/mg) of each urea that has a creatinine near it, oldest first."""
    near = case.limits.bun_creatinine_pair_hours
    ratios = []
    for urea in case.readings.within(Analyte.BUN, window):
        creatinine = paired(urea, case.readings.all(Analyte.CREATININE), near)
        if creatinine is None or creatinine.value <= 0 or urea.comparator.startswith("<"):
            continue
        ratios.append(urea.value / creatinine.value)
    return tuple(ratios)


def _siadh_pattern(case: Case) -> tuple[str, ...]:
    """Urine that is not dilute and holds sodium, and a low sodium of the same day, no diuretic."""
    limits, latest = case.limits, case.sodium.latest
    if latest is None or not case.is_low(latest):
        return ()
    if not _lists_read(case) or _on_diuretic(case):
        return ()
    window = limits.urine_labs_hours
    osmolality = case.readings.latest(Analyte.URINE_OSMOLALITY, window)
    sodium = case.readings.latest(Analyte.URINE_SODIUM, window)
    if osmolality is None or not osmolality.above(limits.urine_osmolality_above):
        return ()
    if sodium is None or not sodium.at_least(limits.urine_sodium_from):
        return ()
    if any(abs(urine.at - latest.at) > limits.urine_pair_hours for urine in (osmolality, sodium)):
        return ()
    urate = case.readings.latest(Analyte.URATE, window)
    if urate is not None and urate.below(limits.urate_low_below):
        return (Sign.SIADH_PATTERN, Sign.URATE_LOW)
    return (Sign.SIADH_PATTERN,)


def _lists_read(case: Case) -> bool:
    return case.snapshot.complete("conditions", "medications")


def _on_diuretic(case: Case) -> bool:
    return bool(taken_within(case, case.sets.diuretics, case.limits.diuretic_washout_hours))


def ods_risk(case: Case) -> OdsRisk:
    """Returns why sodium must rise more slowly in this patient (B.0.6, S10)."""
    limits, sets, problems, readings = case.limits, case.sets, case.problems, case.readings
    reasons = list(problems.active(sets.demyelination_risk))
    reasons += problems.current(sets.low_potassium, limits.demyelination_hypokalemia_days)
    potassium = readings.latest(Analyte.POTASSIUM, limits.demyelination_potassium_hours)
    if potassium is not None and potassium.below(limits.demyelination_potassium_below):
        reasons.append(Sign.POTASSIUM_LOW)
    index = readings.latest(Analyte.BMI, limits.demyelination_bmi_days)
    if index is not None and index.below(limits.demyelination_bmi_below):
        reasons.append(Sign.BMI_LOW)
    begins = case.snapshot.now - limits.demyelination_episode_days
    lowest = limits.demyelination_sodium_to
    if any(s.at >= begins and s.value <= lowest for s in case.series.samples):
        reasons.append(Sign.SODIUM_VERY_LOW)
    return OdsRisk(reasons=tuple(reasons))
