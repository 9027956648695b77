"""Volume status with the evidence it rests on (B.0.5, M7, M8), and risk of osmotic demyelination."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.sodium.exposure import taken_within
from cds_service.sodium.results import Reading, paired

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


class Volume(StrEnum):
    """In order of precedence."""

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
    against: tuple[
        str, ...
    ] = ()  # the other side of a CONFLICT, or what speaks against a site's own entry
    hint: tuple[str, ...] = ()  # HYPER-weak under UNKNOWN
    by_labs: bool = False  # EUV from urine chemistry alone: "SIADH pattern; ... not excluded"


class OdsRisk(Struct, frozen=True, kw_only=True):
    """Risk of osmotic demyelination (B.0.6): high if any reason is there."""

    reasons: tuple[str, ...] = ()  # keys of words.toml [evidence]

    @property
    def high(self) -> bool:
        """Whether the slower goal applies."""
        return bool(self.reasons)


class _Signs(Struct, frozen=True, kw_only=True):
    """Each class of evidence for itself."""

    salt_wasting: tuple[str, ...]
    adrenal: tuple[str, ...]
    hypo: tuple[str, ...]
    neuro: tuple[str, ...]
    hyper: tuple[str, ...]
    weak: tuple[str, ...]
    siadh: tuple[str, ...]
    pattern: tuple[str, ...]


def volume_status(case: Case) -> VolumeStatus:
    """M8's order: CSW, ADRENAL, CONFLICT, HYPO, NEURO, HYPER, EUV, UNKNOWN."""
    signs = _signs(case)
    if signs.salt_wasting:
        return VolumeStatus(status=Volume.CSW, evidence=signs.salt_wasting)
    if signs.adrenal:
        return VolumeStatus(status=Volume.ADRENAL, evidence=signs.adrenal)
    return _by_evidence(signs)


def _by_evidence(signs: _Signs) -> VolumeStatus:
    if signs.hypo and (signs.hyper or signs.weak):
        return VolumeStatus(
            status=Volume.CONFLICT, evidence=signs.hypo, against=signs.hyper or signs.weak
        )
    if signs.hypo:
        return VolumeStatus(status=Volume.HYPO, evidence=signs.hypo)
    if signs.neuro:
        return VolumeStatus(status=Volume.NEURO, evidence=signs.neuro)
    if signs.hyper:
        return VolumeStatus(status=Volume.HYPER, evidence=signs.hyper)
    if signs.siadh or signs.pattern:
        return VolumeStatus(
            status=Volume.EUV,
            evidence=signs.siadh + signs.pattern,
            hint=signs.weak,
            by_labs=not signs.siadh,
        )
    return VolumeStatus(status=Volume.UNKNOWN, hint=signs.weak)


def _signs(case: Case) -> _Signs:
    limits, sets, problems = case.limits, case.sets, case.problems
    injury = limits.brain_injury_days
    hyper = _overload(case)
    weak = tuple(c for c in _weak_overload(case) if c not in hyper)
    hypo = problems.current(sets.hypovolemia, limits.hypovolemia_days)
    return _Signs(
        salt_wasting=problems.active(sets.salt_wasting)
        + problems.happened(sets.subarachnoid, injury),
        adrenal=problems.active(sets.adrenal),
        hypo=hypo + _depletion_labs(case, overloaded=bool(hyper or weak)),
        neuro=problems.happened(sets.brain_injury, injury),
        hyper=hyper,
        weak=weak,
        siadh=case.strict_problems.current(sets.siadh, limits.siadh_days),
        pattern=() if hyper or weak or hypo else _siadh_pattern(case),
    )


def _overload(case: Case) -> tuple[str, ...]:
    limits, sets, problems = case.limits, case.sets, case.strict_problems
    return problems.current(sets.overload, limits.overload_days) + problems.current(
        sets.overload_recent, limits.overload_recent_days
    )


def _weak_overload(case: Case) -> tuple[str, ...]:
    sets, problems = case.sets, case.strict_problems
    found = (problems.active(s) for s in (sets.overload, sets.overload_recent, sets.overload_weak))
    return tuple(concept for concepts in found for concept in concepts)


def _depletion_labs(case: Case, *, overloaded: bool) -> tuple[str, ...]:
    """Laboratory signs of volume depletion; none without the lists that could explain them away."""
    limits, sets = case.limits, case.sets
    if not _lists_read(case) or _on_diuretic(case):
        return ()
    urine = case.readings.latest("urine-sodium", limits.urine_labs_hours)
    found: tuple[str, ...] = ()
    low = urine is not None and urine.below(limits.urine_sodium_from) and not overloaded
    if low and not _dilute(case):
        found += ("urine-sodium-low",)
    explained = case.problems.active(sets.kidney_failure) or case.problems.active(sets.bleeding_gut)
    ratios = bun_creatinine(case, limits.urine_labs_hours)
    if not explained and ratios and ratios[-1] > limits.bun_creatinine_above:
        found += ("bun-creatinine-high",)
    return found


def _dilute(case: Case) -> bool:
    """Whether the urine is so dilute that its sodium is low by dilution (high water or low solute intake)."""
    limits = case.limits
    osmolality = case.readings.latest("urine-osmolality", limits.urine_labs_hours)
    return osmolality is not None and osmolality.below(limits.dilute_urine_below)


def bun_creatinine(case: Case, window: timedelta) -> tuple[Decimal, ...]:
    """BUN:creatinine (mg/mg) of each urea within the window that has a creatinine near it, oldest first."""
    limits, readings = case.limits, case.readings
    near = limits.bun_creatinine_pair_hours
    ratios = []
    for urea in readings.within("bun", window):
        partner = paired(urea, readings.all("creatinine"), near)
        if partner is not None and partner.value > 0 and not urea.comparator.startswith("<"):
            ratios.append(urea.value / partner.value)
    return tuple(ratios)


def _siadh_pattern(case: Case) -> tuple[str, ...]:
    """Urine that is not dilute and holds sodium, beside a low serum sodium of the same day, no diuretic."""
    limits, latest = case.limits, case.sodium.latest
    if not _lists_read(case) or _on_diuretic(case) or latest is None or not case.is_low(latest):
        return ()
    window, near = limits.urine_labs_hours, limits.urine_pair_hours
    osmolality = case.readings.latest("urine-osmolality", window)
    sodium = case.readings.latest("urine-sodium", window)
    if osmolality is None or sodium is None or not osmolality.above(limits.urine_osmolality_above):
        return ()
    same_day = all(abs(r.at - latest.at) <= near for r in (osmolality, sodium))
    if not same_day or not sodium.at_least(limits.urine_sodium_from):
        return ()
    return ("siadh-pattern", *_low_urate(case, window))


def _low_urate(case: Case, window: timedelta) -> tuple[str, ...]:
    urate: Reading | None = case.readings.latest("urate", window)
    return ("urate-low",) if urate is not None and urate.below(case.limits.urate_low_below) else ()


def _lists_read(case: Case) -> bool:
    return case.snapshot.complete("conditions", "medications")


def _on_diuretic(case: Case) -> bool:
    return bool(taken_within(case, case.sets.diuretics, case.limits.diuretic_washout_hours))


def ods_risk(case: Case) -> OdsRisk:
    """Why sodium must rise more slowly in this patient (B.0.6, S10)."""
    limits, sets, problems, readings = case.limits, case.sets, case.problems, case.readings
    reasons = list(problems.active(sets.demyelination_risk))
    reasons += problems.current(sets.low_potassium, limits.demyelination_hypokalemia_days)
    potassium = readings.latest("potassium", limits.demyelination_potassium_hours)
    if potassium is not None and potassium.below(limits.demyelination_potassium_below):
        reasons.append("potassium-low")
    index = readings.latest("bmi", limits.demyelination_bmi_days)
    if index is not None and index.below(limits.demyelination_bmi_below):
        reasons.append("bmi-low")
    if _very_low_sodium(case):
        reasons.append("sodium-very-low")
    return OdsRisk(reasons=tuple(reasons))


def _very_low_sodium(case: Case) -> bool:
    limits = case.limits
    oldest = case.snapshot.now - limits.demyelination_episode_days
    return any(
        s.at >= oldest and s.value <= limits.demyelination_sodium_to for s in case.series.samples
    )
