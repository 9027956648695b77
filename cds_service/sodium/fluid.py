"""Whether fluid restriction may be offered (B.2, M9). Doubt withholds it, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import Line
from cds_service.engine.wording import number
from cds_service.sodium.glucose import Pseudo
from cds_service.sodium.rate import RateView
from cds_service.sodium.record import Record
from cds_service.sodium.redflags import harmful_drugs, red_flags, seen
from cds_service.sodium.sodium import Band, Freshness
from cds_service.sodium.symptoms import Symptoms
from cds_service.sodium.volume import Volume, VolumeStatus

REQUIRED_SOURCES = ("patient", "sodium", "conditions", "medications")
RESTRICTED = frozenset(
    {Volume.HYPER, Volume.EUV}
)  # the only states in which restriction helps (M9)
HARMFUL = {
    Volume.CSW: "never-csw",
    Volume.ADRENAL: "never-adrenal",
    Volume.HYPO: "never-hypo",
    Volume.NEURO: "never-neuro",
}


class Restriction(Struct, frozen=True, kw_only=True):
    """The verdict on fluid restriction.

    * offer    an action, with `caveats` for its label, keys of words.toml [lines] ("BP/creatinine not seen")
    * text     conditional words only; `reasons` say why it is no action
    * never    harmful here (CSW, HYPO, ADRENAL, NEURO, severe symptoms, vaptan), whatever the sodium
    * ordered  an active restriction is already there; `reasons` say what speaks against it
    * none     the question does not arise (sodium not low, mild without symptom in EUV, ...)
    """

    verdict: Literal["offer", "text", "never", "ordered", "none"] = "none"
    reasons: tuple[Line, ...] = ()
    caveats: tuple[str, ...] = ()
    likely_insufficient: bool = False  # N4
    red_flags: tuple[Line, ...] = ()  # signs of volume depletion (M9), whatever the verdict


class Findings(Struct, frozen=True, kw_only=True):
    """What else was worked out about the patient, as far as fluid restriction asks for it."""

    symptoms: Symptoms
    volume: VolumeStatus
    rate: RateView
    pseudo: Pseudo | None = None
    pregnant: bool = False
    dialysis: bool = False
    comfort_care: bool = False


def restriction(record: Record, findings: Findings) -> Restriction:
    """B.2's matrix and every reason against it: an action only where nothing speaks against it."""
    flags = tuple(red_flags(record))
    never = tuple(_never(record, findings))
    ordered = _already_ordered(record)
    if never:
        review = (Line("never-but-ordered", keep=True),) if ordered else ()
        return Restriction(verdict="never", reasons=never + review, red_flags=flags)
    if not record.sodium.low:
        shifted = record.glucose is not None and record.glucose.explained
        return Restriction(
            reasons=(Line("withheld-glucose-shift"),) if shifted else (), red_flags=flags
        )
    against = (*_withheld(record, findings), *flags)
    if ordered:
        return Restriction(verdict="ordered", reasons=against, red_flags=flags)
    if _not_wanted(record, findings):
        return Restriction(red_flags=flags)
    if against:
        first = replace(against[0], keep=True)
        return Restriction(verdict="text", reasons=(first, *against[1:]), red_flags=flags)
    return Restriction(
        verdict="offer",
        caveats=tuple(_caveats(record)),
        likely_insufficient=_likely_insufficient(record),
    )


def _never(record: Record, findings: Findings) -> Iterator[Line]:
    """Where restriction does harm, whatever the sodium."""
    volume = findings.volume
    if volume.status in HARMFUL:
        yield Line(HARMFUL[volume.status], {"evidence": _named(volume.evidence)}, keep=True)
    if findings.symptoms.severe:
        yield Line("never-severe", {"symptom": f"symptom:{findings.symptoms.severe[0]}"}, keep=True)
    for drug in harmful_drugs(record)[:1]:
        yield Line("never-vaptan", {"drug": drug}, keep=True)


def _not_wanted(record: Record, findings: Findings) -> bool:
    """EUV, mild, no symptom and sodium not below the limit: nothing to treat (B.2)."""
    value = record.effective_sodium
    return (
        findings.volume.status is Volume.EUV
        and record.sodium.band is Band.MILD
        and not _symptom(findings.symptoms)
        and value is not None
        and value >= record.limits.restriction_euvolemic_below
    )


def _symptom(symptoms: Symptoms) -> bool:
    return bool(symptoms.moderate or symptoms.mild)


def _withheld(record: Record, findings: Findings) -> Iterator[Line]:
    """Every reason against an action beside the red flags, the most telling first."""
    yield from _by_volume(record, findings)
    yield from _by_sources(record)
    yield from _by_state(record, findings)
    yield from _by_sodium(record, findings)


def _by_volume(record: Record, findings: Findings) -> Iterator[Line]:
    volume, limits = findings.volume, record.limits
    if volume.status is Volume.CONFLICT:
        both = {"evidence": _named(volume.evidence), "against": _named(volume.against)}
        yield Line("withheld-volume-conflict", both)
    elif volume.status not in RESTRICTED:
        yield Line("withheld-volume-unknown", {"ml": number(limits.fluid_ml_day)})
    elif volume.against:
        yield Line("withheld-contradiction", {"against": _named(volume.against)})
    sets, problems = record.sets, record.problems
    undated = problems.undated(sets.subarachnoid) + problems.undated(sets.brain_injury)
    if undated:
        yield Line("withheld-brain-undated", {"evidence": _named(undated)})
    mild = record.sodium.band is Band.MILD
    if volume.status is Volume.HYPER and mild and not _symptom(findings.symptoms):
        yield Line("text-hyper-mild")


def _named(evidence: tuple[str, ...]) -> str:
    """Keys of words.toml [evidence] as the card writer translates them."""
    return "|".join(f"evidence:{key}" for key in evidence)


def _by_sources(record: Record) -> Iterator[Line]:
    """What was not read in full must not be taken for absent."""
    for source in REQUIRED_SOURCES:
        if not record.snapshot.complete(source):
            yield Line(f"withheld-{source}-unread")
    if record.age_years is None:
        yield Line("withheld-age-unknown")


def _by_state(record: Record, findings: Findings) -> Iterator[Line]:
    if findings.pregnant or record.problems.undated(record.sets.pregnancy):
        yield Line("withheld-pregnancy")
    if findings.dialysis:
        yield Line("withheld-dialysis")
    if findings.comfort_care or record.problems.active(record.sets.comfort_care):
        yield Line("withheld-comfort-care")
    urine = record.readings.latest("urine-osmolality", record.limits.dilute_urine_days)
    if urine is not None and urine.below(record.limits.dilute_urine_below):
        yield Line("withheld-dilute-urine", {"value": number(urine.value)})


def _by_sodium(record: Record, findings: Findings) -> Iterator[Line]:
    sodium, latest, value = record.sodium, record.sodium.latest, record.effective_sodium
    if latest is None or value is None or _too_old(record):
        yield Line("withheld-sodium-old")
    if latest is not None and _doubtful(record, findings):
        yield Line("withheld-sodium-doubtful")
    if findings.pseudo is not None and findings.pseudo.kind != "hint":
        yield Line("withheld-pseudo")
    if record.glucose is not None and record.glucose.explained:
        yield Line("withheld-glucose-shift")
    if sodium.acute is not None:
        yield Line("withheld-acute")
    if findings.rate.rule == "RATE-OVER" or findings.rate.level in ("warning", "critical"):
        yield Line("withheld-rate")
    edge = record.limits.restriction_near_normal_from
    if value is not None and value >= edge:
        yield Line("withheld-near-normal", {"value": number(value, (edge,))})


def _too_old(record: Record) -> bool:
    """M9: the action needs a younger result than the card does."""
    limits, sodium = record.limits, record.sodium
    if record.snapshot.setting == "inpatient":
        allowed = limits.restriction_inpatient_hours
    elif sodium.band is Band.MILD:
        allowed = limits.restriction_mild_days
    else:
        allowed = limits.restriction_moderate_hours
    return sodium.age > allowed or sodium.freshness is not Freshness.CURRENT


def _doubtful(record: Record, findings: Findings) -> bool:
    """The result itself is to be repeated before anything rests on it."""
    sodium, latest = record.sodium, record.sodium.latest
    if latest is not None and (latest.below_plausible or latest.status == "preliminary"):
        return True
    contradicted = sodium.other_method is not None or sodium.newest_rejected is not None
    return contradicted or findings.rate.jump is not None


def _already_ordered(record: Record) -> bool:
    active = record.sets.active_statuses
    listed = any(o.fluid_restriction and o.status in active for o in record.snapshot.exposures)
    return listed or any(o.fluid_restriction for o in record.snapshot.drafts)


def _caveats(record: Record) -> Iterator[str]:
    """What the label must say was not looked at."""
    if not record.snapshot.complete("labs"):
        yield "caveat-labs"
    blood_pressure, creatinine = seen(record, "systolic"), seen(record, "creatinine")
    if not blood_pressure and not creatinine:
        yield "caveat-bp-creatinine"
    elif not blood_pressure:
        yield "caveat-bp"
    elif not creatinine:
        yield "caveat-creatinine"
    if not record.snapshot.complete("glucose"):
        yield "caveat-glucose"


def _likely_insufficient(record: Record) -> bool:
    """N4: the urine is so concentrated that restriction alone is likely to fail."""
    limits, latest = record.limits, record.sodium.latest
    window = limits.urine_labs_hours
    osmolality = record.readings.latest("urine-osmolality", window)
    if osmolality is not None and osmolality.above(limits.insufficient_osmolality_above):
        return True
    sodium = record.readings.latest("urine-sodium", window)
    potassium = record.readings.latest("urine-potassium", window)
    if latest is None or sodium is None or potassium is None:
        return False
    total: Decimal = sodium.value + potassium.value
    return total / latest.value > limits.insufficient_ratio_above
