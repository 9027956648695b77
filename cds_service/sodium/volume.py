"""Volume status with its evidence (B.0.5, M7, M8), and the risk of osmotic demyelination."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.engine.wording import joined
from cds_service.knowledge.names import Analyte, Sign
from cds_service.sodium.adrenal import low_cortisol
from cds_service.sodium.depletion import (
    bun_creatinine,
    creatinine_rise,
    fast_heart,
    low_systolic,
    on_diuretic,
    red_flag_window,
    sheds_by_drug,
    urea_explained,
    weight_loss,
)
from cds_service.sodium.exposure import taken_within
from cds_service.sodium.weak_signs import dry_signs, weight_gained, weight_rises

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
    kept_water: str = ""  # or what says that water is kept, as a fact of a card (F7)
    hint: tuple[str, ...] = ()  # weak signs of overload under EUV or UNKNOWN
    low_solute: bool = False  # UNKNOWN: urine sodium is low, the patient dry or eats too little
    shock: tuple[str, ...] = ()  # UNKNOWN, EUV: a low pressure, which no urine overrules (M9)
    dry: tuple[str, ...] = ()  # the same: weak signs of lost volume that count together
    drinks: str = ""  # UNKNOWN: recorded polydipsia with a nearly dilute urine, as a fact (F27)
    potassium: Decimal | None = None  # UNKNOWN: so low that the urine is no SIADH pattern, mmol/L
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
    for judge in (_wasting, _adrenal_failure, _depleted, _injured, _overloaded):
        found = judge(case)
        if found is not None:
            return found
    weak = _weak_overload(case)
    if not weak and low_urine_sodium(case):  # no SIADH, and alone no volume depletion (F16)
        return VolumeStatus(low_solute=True)
    return _euvolemic(case, weak)


def _wasting(case: Case) -> VolumeStatus | None:
    sets, problems = case.sets, case.problems
    bleeds = problems.happened(sets.subarachnoid, case.limits.brain_injury_days)
    wasting = problems.active(sets.salt_wasting) + bleeds
    return VolumeStatus(status=Volume.CSW, evidence=wasting) if wasting else None


def _adrenal_failure(case: Case) -> VolumeStatus | None:
    adrenal = case.problems.active(case.sets.adrenal)
    if not adrenal and low_cortisol(case):
        adrenal = (Sign.CORTISOL_LOW,)  # F5
    return VolumeStatus(status=Volume.ADRENAL, evidence=adrenal) if adrenal else None


def _depleted(case: Case) -> VolumeStatus | None:
    """HYPO, or CONFLICT with signs of overload or, for vomiting alone, of kept water (F7)."""
    against = _overload(case) or _weak_overload(case)
    depletion = case.problems.current(case.sets.hypovolemia, case.limits.hypovolemia_days)
    depletion += _depletion_labs(case, depletion, overloaded=bool(against))
    if not depletion:
        return None
    if against:
        return VolumeStatus(status=Volume.CONFLICT, evidence=depletion, against=against)
    kept = _water_kept(case) if depletion == (Sign.VOMITING,) else ""
    if kept:
        return VolumeStatus(status=Volume.CONFLICT, evidence=depletion, kept_water=kept)
    return VolumeStatus(status=Volume.HYPO, evidence=depletion)


def _injured(case: Case) -> VolumeStatus | None:
    injured = case.problems.happened(case.sets.brain_injury, case.limits.brain_injury_days)
    return VolumeStatus(status=Volume.NEURO, evidence=injured) if injured else None


def _overloaded(case: Case) -> VolumeStatus | None:
    overload = _overload(case)
    return VolumeStatus(status=Volume.HYPER, evidence=overload) if overload else None


def _water_kept(case: Case) -> str:
    """Returns what says that water is kept, so that vomiting may be its symptom, as a fact (F7)."""
    limits, sets = case.limits, case.sets
    siadh = case.problems.current(sets.siadh, limits.siadh_days)
    if siadh:
        return joined("evidence", siadh)
    if _urine_holds_sodium(case):
        return joined("evidence", [Sign.SIADH_PATTERN])
    antidiuretics = [e.drug.name for e in case.exposures.of(*sets.antidiuretics.members)]
    cytotoxics = taken_within(case, sets.cytotoxics, limits.volume_drug_hours)
    named = (*antidiuretics, *cytotoxics)
    if named:
        return named[0]
    if case.sodium.acute is not None:
        return joined("evidence", [Sign.ACUTE_FALL])
    return case.acute_setting.shown if case.acute_setting else ""


def _urine_holds_sodium(case: Case) -> bool:
    """Whether the urine is not dilute and holds sodium."""
    limits, window = case.limits, case.limits.urine_labs_hours
    osmolality = case.readings.latest(Analyte.URINE_OSMOLALITY, window)
    sodium = case.readings.latest(Analyte.URINE_SODIUM, window)
    if osmolality is None or not osmolality.above(limits.urine_osmolality_above):
        return False
    return sodium is not None and sodium.at_least(limits.urine_sodium_from)


def _euvolemic(case: Case, weak: tuple[str, ...]) -> VolumeStatus:
    """EUV by a recorded SIADH or by urine chemistry; else UNKNOWN, also if volume may lack.

    It may by a low pressure, or by weak signs together. Beside signs of overload neither is said.
    """
    siadh = case.strict_problems.current(case.sets.siadh, case.limits.siadh_days)
    shock = () if weak else _shock(case)
    signs = () if shock else dry_signs(case)
    if signs and not weak and weight_rises(case):
        weak = (Sign.WEIGHT_GAIN,)
    dry = () if weak else signs
    pattern = () if weak or signs else _siadh_pattern(case)
    if (shock or signs) and not siadh:
        return VolumeStatus(shock=shock, dry=dry, hint=weak)
    if not siadh:
        drinks, potassium = _drinks(case), _low_potassium(case) if pattern else None
        if drinks or potassium is not None or not pattern:
            return VolumeStatus(hint=weak, drinks=drinks, potassium=potassium)
    evidence = siadh + pattern
    return VolumeStatus(
        status=Volume.EUV,
        evidence=evidence,
        hint=weak,
        shock=shock,
        dry=dry,
        by_labs=not siadh,
    )


def _shock(case: Case) -> tuple[str, ...]:
    """Returns a low pressure, and a fast pulse beside it, which the urine alone cannot overrule."""
    window = red_flag_window(case)
    coded = case.problems.current(case.sets.shock, window)
    if low_systolic(case, window) is None and not coded:
        return ()
    signs = coded or (Sign.HYPOTENSION,)
    return (*signs, Sign.HEART_RATE_HIGH) if fast_heart(case, window) is not None else signs


def _low_potassium(case: Case) -> Decimal | None:
    """Returns a potassium, mmol/L, so low that a diuretic or vomiting may have made this urine."""
    potassium = case.readings.latest(Analyte.POTASSIUM, case.limits.urine_labs_hours)
    if potassium is None or not potassium.below(case.limits.siadh_potassium_below):
        return None
    return potassium.value


def _drinks(case: Case) -> str:
    """Returns recorded polydipsia if the urine is so little concentrated that water explains it."""
    sets, limits = case.sets, case.limits
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.urine_labs_hours)
    if urine is None or not urine.below(limits.polydipsia_urine_below):
        return ""
    named = case.problems.active(sets.compulsive_drinking) + case.problems.active(sets.polydipsia)
    return joined("evidence", named[:1])


def _overload(case: Case) -> tuple[str, ...]:
    limits, sets, problems = case.limits, case.sets, case.strict_problems
    long_known = problems.current(sets.overload, limits.overload_days)
    recent = problems.current(sets.overload_recent, limits.overload_recent_days)
    return long_known + recent + _by_weight(case)


def _by_weight(case: Case) -> tuple[str, ...]:
    """Returns a weight that rose by much while no urine takes the water away, with the reason."""
    anuric = case.strict_problems.active(case.sets.no_urine)
    gained = weight_gained(case) if anuric else None
    return () if gained is None else (Sign.WEIGHT_GAIN, *anuric[:1])


def _weak_overload(case: Case) -> tuple[str, ...]:
    """Problems of overload that are too old or too unspecific to be evidence."""
    sets = case.sets
    signs = (sets.overload, sets.overload_recent, sets.overload_weak)
    active = [concept for sign in signs for concept in case.strict_problems.active(sign)]
    strong = _overload(case) if active else ()
    return tuple([concept for concept in active if concept not in strong])


def _depletion_labs(case: Case, codes: tuple[str, ...], *, overloaded: bool) -> tuple[str, ...]:
    """Laboratory signs of volume depletion, each only beside another sign of it (F16, F40)."""
    signs: tuple[str, ...] = ()
    if not overloaded and low_urine_sodium(case):
        signs += (Sign.URINE_SODIUM_LOW,)
    if _urea_high(case):
        signs += (Sign.BUN_CREATININE_HIGH,)
    beside = len(signs) > 1 or codes or (signs and _circulation_suffers(case))
    return signs if beside else ()


def low_urine_sodium(case: Case) -> bool:
    """Whether urine sodium is low, and neither a diuretic nor much water explains it.

    Without the lists of problems and medicines it could be explained away.
    """
    limits = case.limits
    urine = case.readings.latest(Analyte.URINE_SODIUM, limits.urine_labs_hours)
    if urine is None or not urine.below(limits.urine_sodium_from):
        return False
    return _lists_read(case) and not on_diuretic(case) and not _dilute(case)


def _urea_high(case: Case) -> bool:
    """Whether urea is high for the creatinine, and nothing but lack of fluid explains it (F40)."""
    limits = case.limits
    ratios = bun_creatinine(case, limits.urine_labs_hours)
    if not ratios or ratios[-1] <= limits.bun_creatinine_above:
        return False
    if not _lists_read(case) or on_diuretic(case):
        return False
    return not case.problems.active(case.sets.kidney_failure) and not urea_explained(case)


def _circulation_suffers(case: Case) -> bool:
    """Whether pressure, heart rate, creatinine, weight, weak signs or a red flag say so too."""
    window = red_flag_window(case)
    found = (
        low_systolic(case, window),
        fast_heart(case, window),
        creatinine_rise(case, window),
        weight_loss(case, window),
    )
    is_seen = any(sign is not None for sign in found) or bool(dry_signs(case))
    return is_seen or bool(case.problems.current(case.sets.red_flags, window))


def _dilute(case: Case) -> bool:
    """Whether the urine is so dilute that its sodium is low by dilution alone."""
    limits = case.limits
    osmolality = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.urine_labs_hours)
    return osmolality is not None and osmolality.below(limits.dilute_urine_below)


def _siadh_pattern(case: Case) -> tuple[str, ...]:
    """Urine that is not dilute and holds sodium, by no drug, and a low sodium of the same day."""
    limits, latest = case.limits, case.sodium.latest
    if latest is None or not case.is_low(latest):
        return ()
    if not _urine_holds_sodium(case):
        return ()
    if not _lists_read(case) or sheds_by_drug(case):
        return ()
    window = limits.urine_labs_hours
    urine = [
        case.readings.latest(analyte, window)
        for analyte in (Analyte.URINE_OSMOLALITY, Analyte.URINE_SODIUM)
    ]
    if any(u is not None and abs(u.at - latest.at) > limits.urine_pair_hours for u in urine):
        return ()
    urate = case.readings.latest(Analyte.URATE, window)
    if urate is not None and urate.below(limits.urate_low_below):
        return (Sign.SIADH_PATTERN, Sign.URATE_LOW)
    return (Sign.SIADH_PATTERN,)


def _lists_read(case: Case) -> bool:
    return case.snapshot.complete("conditions", "medications")


def ods_risk(case: Case) -> OdsRisk:
    """Returns why sodium must rise more slowly in this patient, each reason once (B.0.6, S10)."""
    limits, sets, problems, readings = case.limits, case.sets, case.problems, case.readings
    # An acute failure of the liver is no chronic disease of it (F11).
    chronic = problems.without(sets.acute_liver_failure.names)
    reasons = list(chronic.active(sets.demyelination_risk))
    reasons += problems.current(sets.low_potassium, limits.demyelination_hypokalemia_days)
    potassium = readings.latest(Analyte.POTASSIUM, limits.demyelination_potassium_hours)
    low = potassium is not None and potassium.below(limits.demyelination_potassium_below)
    if low and not problems.current(sets.low_potassium, limits.demyelination_hypokalemia_days):
        reasons.append(Sign.POTASSIUM_LOW)  # the code says the same
    index = readings.latest(Analyte.BMI, limits.demyelination_bmi_days)
    if index is not None and index.below(limits.demyelination_bmi_below):
        reasons.append(Sign.BMI_LOW)
    begins = case.snapshot.now - limits.demyelination_episode_days
    lowest = limits.demyelination_sodium_to
    if any(s.at >= begins and s.value <= lowest for s in case.series.samples):
        reasons.append(Sign.SODIUM_VERY_LOW)
    return OdsRisk(reasons=tuple(reasons))
