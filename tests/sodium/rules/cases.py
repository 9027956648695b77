"""Cases for the tests of rules, built part by part, and cards' words as a reader sees them."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from string import Template
from typing import Any

import msgspec

from cds_service.engine.finding import Fact, Finding, Line, Outcome, Silence
from cds_service.knowledge.load import default_hooks_dir
from cds_service.knowledge.words import RuleFile, SharedWords
from cds_service.sodium.case import Case, assess
from cds_service.sodium.correction_rate import RatePair, RateView
from cds_service.sodium.exposure import Attribution, Exposure, Exposures
from cds_service.sodium.glucose import GlucoseShift
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.results import Freshness, Sample, band_of
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import LabResult, Named, Order, Patient, Problem, Setting, Snapshot
from cds_service.sodium.sodium import Fall, SodiumView
from cds_service.sodium.volume import OdsRisk, Volume, VolumeStatus
from cds_service.terminology.types import DrugMatch, RecordText
from tests.sodium.cases import NOW, lab, limits
from tests.sodium.patients import labs, sets

HOOKS = default_hooks_dir()
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@cache
def service() -> RuleFile:
    """The rules about the chart as shipped."""
    text = (HOOKS / "chart.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), RuleFile)


@cache
def shared() -> SharedWords:
    """The words that both services share, as shipped."""
    text = (HOOKS / "knowledge" / "words.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), SharedWords)


def sodium(
    na: str,
    *,
    hours: float = 2,
    profile: str = "aasld",
    katz: str = "",
    sample: dict[str, Any] | None = None,
    **more: Any,
) -> SodiumView:
    """A series with one sodium (or more, given as `samples`), so many hours old and current."""
    comparator = na[0] if na[0] in "<>" else ""
    value = Decimal(na.lstrip("<>"))
    drawn = {"at": NOW - timedelta(hours=hours), "comparator": comparator, **(sample or {})}
    latest = Sample(value=value, shown=na, **drawn)
    measured = band_of(value, limits(profile), comparator)
    band = band_of(Decimal(katz), limits(profile)) if katz else measured
    parts: dict[str, Any] = {
        "samples": (latest,),
        "latest": latest,
        "measured": measured,
        "band": band,
        "age": timedelta(hours=hours),
        "freshness": Freshness.CURRENT,
    }
    return SodiumView(**(parts | more))


def a_case(na: str = "131", **parts: Any) -> Case:
    """An adult in hospital with one sodium of two hours ago, everything read, nothing else recorded.

    `na` "" means no sodium; `setting`, `problems`, `missing`, `labs` go into the snapshot; every other
    name is a part of the Case.
    """
    profile = parts.pop("profile", "aasld")
    setting: Setting = parts.pop("setting", "inpatient")
    snapshot = Snapshot(
        now=NOW,
        zone=timedelta(0),
        patient=Patient(birth_date=date(1976, 3, 1), deceased=parts.pop("deceased", False)),
        setting=setting,
        problems=parts.pop("problems", ()),
        missing=parts.pop("missing", {}),
        labs=parts.pop("labs", ())
        + tuple(reading(analyte, v) for analyte, v in parts.pop("readings", {}).items()),
    )
    base: dict[str, Any] = {
        "age_years": 50,
        "sodium": sodium(na, profile=profile) if na else SodiumView(),
        "glucose": None,
        "pseudo": None,
        "symptoms": Symptoms(),
        "acute_setting": None,
        "volume": VolumeStatus(),
        "risk": OdsRisk(),
        "exposures": Exposures(),
        "rate": RateView(limit=limits(profile).rate_limit_day),
        "restriction": Restriction(),
        "pregnant": False,
        "dialysis": False,
        "comfort_care": False,
    }
    case = assess(parts.pop("snapshot", snapshot), limits(profile), sets(), labs())
    vars(case).update(base | parts)  # given here, so that they are not worked out
    taken = case.exposures.active
    named = Named(classes=frozenset(exposure.drug.cls for exposure in taken), nameless=True)
    vars(case.snapshot).setdefault("named", named)
    return case


def reading(analyte: str, value: str, ago: timedelta = HOUR) -> LabResult:
    """One result in the unit of labs.toml: a value, or a bound such as ">60"."""
    comparator = value[0] if value[0] in "<>" else ""
    return lab(value.lstrip("<>"), ago, analyte=analyte, comparator=comparator)


def problem(*concepts: str, **more: Any) -> Problem:
    """An active problem without a date."""
    parts: dict[str, Any] = {"active": True, "encounter_diagnosis": False, "since": None}
    return Problem(concepts=frozenset(concepts), **(parts | more))


def exposure(
    name: str,
    cls: str,
    attribution: Attribution | None = "possible-recent",
    *,
    tier: str = "T1",
    days: float | None = 20,
    **order: Any,
) -> Exposure:
    """A drug on one active, stoppable prescription."""
    drug = DrugMatch(name=name, cls=cls, tier=tier, group="A", evidence="code")
    since = None if days is None else NOW - timedelta(days=days)
    parts: dict[str, Any] = {
        "status": "active",
        "stoppable": True,
        "start": since,
        "drugs": (drug,),
    }
    one = Order(**({"reference": f"MedicationRequest/{name}"} | parts | order))
    return Exposure(drug=drug, orders=(one,), since=since, attribution=attribution)


def on(*taken: Exposure) -> Exposures:
    """These drugs, all of them active: suspects, drugs that may worsen it, and others."""
    suspected = tuple(e for e in taken if e.attribution not in (None, "may-worsen"))
    worsening = tuple(e for e in taken if e.attribution == "may-worsen")
    return Exposures(active=taken, suspects=suspected, worsening=worsening)


def volume(status: Volume, *evidence: str, **more: Any) -> VolumeStatus:
    """A volume status with its evidence."""
    return VolumeStatus(status=status, evidence=evidence, **more)


def offer(*caveats: str, **more: Any) -> Restriction:
    """Fluid restriction is safe to offer."""
    return Restriction(verdict="offer", caveats=caveats, **more)


def fall(amount: str, hours: float) -> Fall:
    """A fall of sodium that ended now."""
    start = Sample(value=Decimal(140), shown="140", at=NOW - timedelta(hours=hours))
    return Fall(amount=Decimal(amount), over=timedelta(hours=hours), start=start)


def rise(amount: str, hours: float = 20, base: str = "118", **more: Any) -> RatePair:
    """A measured rise to a sample of now."""
    over = timedelta(hours=hours)
    end_value = Decimal(base) + Decimal(amount)
    first = Sample(value=Decimal(base), shown=base, at=NOW - over)
    end = Sample(value=end_value, shown=str(end_value), at=NOW)
    parts: dict[str, Any] = {
        "observed": True,
        "gap": timedelta(0),
        "used": (first, end),
        "base_at": first.at,
    }
    return RatePair(base=Decimal(base), rise=Decimal(amount), end=end, over=over, **(parts | more))


def glucose(value: str, katz: str, hillier: str, *, explained: bool, **more: Any) -> GlucoseShift:
    """A high glucose that belongs to the latest sodium."""
    parts: dict[str, Any] = {"loose_pair": False, "at": NOW - HOUR, "explained": explained}
    values = {"glucose": Decimal(value), "katz": Decimal(katz), "hillier": Decimal(hillier)}
    return GlucoseShift(**(parts | values | more))


def outcomes(case: Case) -> list[Outcome]:
    """What every rule of patient-view says."""
    return [rule(case) for rule in BOOK.chart.values()]


def fired(case: Case) -> dict[str, Finding]:
    """The findings by rule."""
    return {o.rule: o for o in outcomes(case) if isinstance(o, Finding)}


def reason(rule: str, case: Case) -> str:
    """Why the rule stays silent; the test fails where it fires."""
    outcome = BOOK.chart[rule](case)
    assert isinstance(outcome, Silence), f"{rule} fired: {outcome}"
    return outcome.reason


def summary(finding: Finding) -> str:
    """The summary as the card shows it."""
    return render(service().rules[finding.rule].summary[finding.variant], finding.facts)


def slot(finding: Finding) -> str:
    """Which card the finding shares with others, as hooks/ gives it."""
    return service().rules[finding.rule].slot_of(finding.variant)


def text_of(finding: Finding, line: Line) -> str:
    """The line as the card shows it: the rule's own words, else the shared ones."""
    told = render(template_of(finding.rule, line.key), line.facts)
    return told if line.then is None else f"{told} {text_of(finding, line.then)}"


def template_of(rule: str, key: str) -> str:
    """The words of a line; a KeyError is a word that is missing in hooks/."""
    own = service().rules[rule].lines
    return own[key] if key in own else shared().lines[key]


def detail(finding: Finding) -> list[str]:
    """Every line of the card."""
    return [text_of(finding, line) for line in (*finding.do, *finding.why)]


def keys(finding: Finding) -> list[str]:
    """The key of every line of the card."""
    return [line.key for line in (*finding.do, *finding.why)]


def part_keys(finding: Finding) -> list[str]:
    """The key of all that the card says, in lines of its own or at the end of another."""
    return [part.key for line in (*finding.do, *finding.why) for part in line.parts()]


def kinds(finding: Finding) -> list[str]:
    """The kind of every button."""
    return [s.kind for s in finding.suggestions]


def render(template: str, facts: Any) -> str:
    """Fill a template; a name without a fact is a KeyError."""
    return Template(template).substitute({name: in_words(fact) for name, fact in facts.items()})


def in_words(fact: Fact) -> str:
    """A fact in words: keys of hooks/ by their prefix, record text as it is."""
    if isinstance(fact, RecordText):
        return fact.value
    return ", ".join(_word(part) for part in fact.split("|"))


def _word(part: str) -> str:
    words = shared()
    tables = {
        "symptom": words.symptoms,
        "evidence": words.evidence,
        "lab": words.labs,
        "line": words.lines,
    }
    kind, colon, key = part.partition(":")
    key, _, time = key.partition("@")
    word = tables[kind][key] if colon and kind in tables else part
    return f"{word} ({time})" if time else word
