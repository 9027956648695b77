"""The rules and hooks/ say the same: every key has words, every word is used, nothing is too long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from string import Template
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import cds_service
from cds_service.engine.finding import Fact, Finding, Line, Silence
from cds_service.knowledge.names import Unused
from cds_service.sodium.acute_setting import AcuteSetting
from cds_service.sodium.case import Case
from cds_service.sodium.consciousness import ComaScale, Encephalopathy
from cds_service.sodium.correction_rate import Ceiling, RateVariant, RateView
from cds_service.sodium.glucose import Pseudo
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.results import Freshness, Rejected
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Order
from cds_service.sodium.sodium import SodiumView
from cds_service.sodium.volume import OdsRisk, Volume, VolumeStatus
from cds_service.terminology.types import RecordText, Saline
from tests.examples import SEARCHING
from tests.sodium.cases import NOW, sample
from tests.sodium.rules.cases import (
    HOUR,
    a_case,
    detail,
    exposure,
    fall,
    fired,
    glucose,
    offer,
    on,
    outcomes,
    problem,
    render,
    rise,
    service,
    shared,
    sodium,
    summary,
    template_of,
    text_of,
    volume,
)
from tests.sodium.rules.charts import CHARTS, EUROPEAN_CHARTS

LONGEST_DRUG = "hydrochlorothiazide"
PACKAGE = Path(cds_service.__file__).parent
NOTES = (
    "methods-differ", "preliminary", "status-unknown", "result-time", "jump", "repeat-to-confirm",
    "glucose-shift", "glucose-one-end", "estimated", "dialysis", "acute", "acute-setting",
)  # fmt: skip
BELOW_LIMIT = ("near", "goal")  # variants that a rise above the limit never has
CRAMP = Symptoms(
    mild=("cramp", "fatigue"), moderate=("confusion", "vomiting"), cramp=True, falls_risk=True
)
FALL = Symptoms(fall_or_fracture=True, falls_risk=True)
SEVERE = Symptoms(severe=("respiratory-failure", "traumatic-sah")[:1], attributable=True)
TOO_MILD = Symptoms(severe=("arrest",))
EDEMA = Symptoms(severe=("cerebral-edema",), brain_edema=True)
EXPLAINED = Symptoms(
    severe=("respiratory-failure",), explained=("respiratory-failure",), better_cause="pneumonia"
)
SEDATED = Symptoms(gcs=6, gcs_sedated=True)
UNDER_TUBE = Symptoms(gcs=10, gcs_untestable=True)
SYMPTOMS = (
    Symptoms(),
    CRAMP,
    FALL,
    SEVERE,
    TOO_MILD,
    EDEMA,
    Symptoms(mild=("cramp",), cramp=True, seizure=True),
)
VALUES = ("88", "<110", "118.04", "123.45", "131", "134.95", "140", "")
DRUGS = (
    on(),
    on(
        exposure(LONGEST_DRUG, "thiazide", "probable"),
        exposure("carbamazepine", "iminostilbene", "possible-chronic", days=900),
        exposure("spironolactone", "mra", "possible-recent", tier="T2", days=None),
        exposure("tolvaptan", "vaptan", None),
    ),
    on(
        exposure(
            LONGEST_DRUG, "thiazide", ingredient_count=2, partners=("metoprolol", "amlodipine")
        ),
        exposure("omeprazole", "ppi"),
        exposure("oxycodone", "opioid", None),
        exposure("furosemide", "loop", ingredient_count=2),
    ),
    on(
        exposure("baclofen", "baclofen", None),
        exposure("desmopressin", "desmopressin", "may-worsen"),
    ),
)
LONG_TAKEN = exposure("sertraline", "ssri", "possible-chronic", days=900)
PROBLEMS = (
    (),
    (problem("cirrhosis"),),
    (problem("heart-failure"),),
    (problem("cirrhosis"), problem("encephalopathy", active=False)),
)
RESTRICTIONS = (
    Restriction(),
    offer("caveat-bp"),
    offer(),
    Restriction(verdict="ordered"),
    Restriction(
        verdict="never", reasons=(Line("never-hypo", {"evidence": "evidence:traumatic-sah"}, True),)
    ),
    Restriction(
        verdict="text",
        reasons=(Line("withheld-volume-unknown", {"ml": "1000"}), Line("withheld-rate")),
    ),
)
VOLUMES = [
    volume(Volume.UNKNOWN, hint=("ckd-4-5",)),
    *(volume(v, "traumatic-sah", "vomiting") for v in Volume if v is not Volume.UNKNOWN),
    volume(Volume.EUV, "siadh-pattern", by_labs=True),
    volume(Volume.HYPO, "hypovolemia"),
]
UNCLEAR = [
    VolumeStatus(shock=("orthostatic-hypotension", "heart-rate-high")),
    VolumeStatus(drinks="evidence:psychogenic-polydipsia"),
]
SHEDDING = [
    RateView(
        level="warning", rule="RATE-NEAR", variant="near", worst=rise("6.25"), limit=Decimal(8)
    ),
    RateView(
        level="warning", rule="RATE-OVER", variant="contested", worst=rise("9.25"), limit=Decimal(8)
    ),
    RateView(
        level="critical", rule="RATE-OVER", variant="fast", worst=rise("12.25"), limit=Decimal(8)
    ),
    RateView(
        level="info", rule="RATE-OVER", variant="acute", worst=rise("12.25"), limit=Decimal(8)
    ),
]
ABOUT = rise("18.125", 24, observed=False, gap=timedelta(hours=47.5))
PSEUDOS = (None, Pseudo(kind="osmolality", shown="289.5"), Pseudo(kind="direct-ise", shown="138.5"),
           Pseudo(kind="gap", shown="319.5"),
           Pseudo(kind="shift", shown="315.5", drugs=("mannitol", "intravenous immunoglobulin"), at=NOW - HOUR),
           Pseudo(kind="isotonic", shown="285.5", drugs=("icodextrin", "iodinated contrast"), at=NOW - HOUR),
           Pseudo(kind="irrigant", shown="285.5", at=NOW - HOUR),
           Pseudo(kind="unproven", shown="292.5", hints=("triglyceride",)),
           Pseudo(kind="unproven", shown="292.5", drugs=("intravenous immunoglobulin", "iodinated contrast")),
           Pseudo(kind="hint", shown="", hints=("triglyceride", "protein", "myeloma")))  # fmt: skip


def rates() -> Iterator[RateView]:
    yield RateView()
    yield RateView(average_per_day=Decimal("4.8"))
    yield RateView(assessable=True, now=rise("4.25", 4), limit=Decimal(8))
    yield RateView(jump=rise("14", 3))
    over = rise("14", 3, "112")
    yield RateView(
        jump=over, level="critical", rule="RATE-OVER", variant="fast", worst=over, limit=Decimal(8)
    )
    yield RateView(jump=rise("-14", 3, "140"))
    pair = rise("18.125", 23.75, gap=timedelta(hours=47.5))
    for notes in ((), ("acute",)):  # the limit is told with its time, or is less strict
        yield RateView(
            level="info",
            rule="RATE-OVER",
            variant="acute",
            worst=pair,
            limit=Decimal(16),
            notes=notes,
        )
    # The newest value is no longer above the limit, or the time of the rise is over.
    lower, long_ago = replace(pair.end, value=pair.base), NOW - timedelta(days=9)
    old = replace(pair.end, at=long_ago)
    variants = (
        ("critical", "fast"),
        ("warning", "contested"),
        ("info", "acute"),
        ("warning", "was"),
    )
    for level, variant in variants:
        for latest, base_at in ((lower, pair.base_at), (old, long_ago)):
            yield RateView(
                level=level,  # type: ignore[arg-type]
                rule="RATE-OVER",
                variant=variant,  # type: ignore[arg-type]
                worst=replace(pair, base_at=base_at),
                limit=Decimal(16),
                latest=latest,
            )
    for level, most in product(("warning", "critical"), ("131", "112")):
        ceiling = Ceiling(
            value=Decimal(most),
            since=NOW - timedelta(hours=19),
            until=NOW + timedelta(hours=5),
            limit=Decimal(8),
        )
        yield RateView(
            level=level,  # type: ignore[arg-type]
            rule="RATE-OVER",
            variant="fast",
            worst=pair,
            now=pair,
            limit=Decimal(8),
            ceiling=ceiling,
            latest=pair.end,
        )
    for variant, notes in product(get_args(RateVariant), (NOTES[:4], NOTES[4:8], NOTES[8:])):
        worst = replace(pair, observed=variant != "estimated")
        parts: dict[str, Any] = {
            "variant": variant,
            "worst": worst,
            "limit": Decimal(16),
            "notes": notes,
        }
        if variant not in BELOW_LIMIT:
            yield RateView(level="warning", rule="RATE-OVER", **parts)
        if variant in (*BELOW_LIMIT, "estimated", "was"):
            yield RateView(level="warning", rule="RATE-NEAR", **parts)


def views(na: str, profile: str) -> Iterator[SodiumView]:
    plain = sodium(na, profile=profile) if na else SodiumView()
    yield plain
    if not na:
        yield replace(
            plain, newest_rejected=Rejected(why=Unused.UNIT, shown="1" * 40, unit="z" * 90, at=NOW)
        )
        yield replace(
            plain, newest_rejected=Rejected(why=Unused.UNIT, shown="135", unit="", at=NOW)
        )
        yield replace(
            plain, newest_rejected=Rejected(why=Unused.IMPLAUSIBLE, shown="13", unit="", at=NOW)
        )
        return
    yield replace(
        plain, newest_rejected=Rejected(why=Unused.IMPLAUSIBLE, shown="12.8", unit="mmol/L", at=NOW)
    )
    yield replace(
        plain, newest_rejected=Rejected(why=Unused.UNIT, shown="135", unit="mg/dL", at=NOW)
    )
    yield replace(
        plain, newest_rejected=Rejected(why=Unused.IMPLAUSIBLE, shown="12.8", unit="", at=NOW)
    )
    long_ago = NOW - timedelta(days=200)
    yield replace(
        plain, newest_rejected=Rejected(why=Unused.IMPLAUSIBLE, shown="1", unit="", at=long_ago)
    )
    yield replace(plain, newest_rejected=Rejected(why=Unused.UNIT, shown="1", unit="", at=long_ago))
    yield replace(plain, acute=fall("14.25", 47.5))
    yield replace(plain, falling=fall("14.25", 70), samples=(sample(-40, "131"), *plain.samples))
    yield replace(plain, stable_since=NOW - timedelta(days=40))
    yield replace(plain, stable_since=long_ago)
    yield replace(plain, freshness=Freshness.AGING, age=timedelta(hours=47))
    yield replace(plain, freshness=Freshness.STALE, age=timedelta(days=100))
    yield replace(plain, other_method=sample(-1, "131"))
    doubtful = {"unit_missing": True, "result_time": True, "below_plausible": na == "88"}
    for status in ("preliminary", "unknown"):
        yield sodium(na, profile=profile, sample={"status": status, **doubtful})


Part = tuple[str, str, str]  # profile, sodium, setting
PARTS: tuple[Part, ...] = tuple(product(("aasld", "european"), VALUES, ("inpatient", "outpatient")))
# Every text is shown in these, with and without each fact; `make test` walks through no others.
SOME_PARTS: tuple[Part, ...] = (
    ("european", "131", "outpatient"),
    ("european", "88", "outpatient"),
    ("aasld", "", "inpatient"),
    ("aasld", "123.45", "outpatient"),
    ("aasld", "<110", "inpatient"),
    ("aasld", "134.95", "inpatient"),
    ("european", "123.45", "inpatient"),
)


def parts_of_this_run() -> tuple[Part, ...]:
    """Some parts of the gallery in `make test`, all in `make check-long`."""
    return PARTS if SEARCHING else SOME_PARTS


def gallery(parts: Sequence[Part] = PARTS) -> Iterator[Case]:
    """Cases that walk through every branch, one or two at a time; then charts of stories."""
    yield from (story.case() for story in CHARTS)
    yield from (story.case("european") for story in EUROPEAN_CHARTS)
    for profile, na, setting in parts:
        base: dict[str, Any] = {"profile": profile, "setting": setting}
        for view, symptoms in product(views(na, profile), SYMPTOMS):
            yield a_case(na, **base, sodium=view, symptoms=symptoms)
        for pseudo, symptoms in product(PSEUDOS, SYMPTOMS):
            yield a_case(na, **base, pseudo=pseudo, symptoms=symptoms)
        if na:
            twice = sodium(na, profile=profile, other_method=sample(-1, "112.5"))
            yield a_case(na, **base, sodium=twice, pseudo=PSEUDOS[2])
        yield a_case(na, **base, age_years=None)
        yield from undated_cases(base)
        yield from drowsy_cases(na, base)
        yield from rising_cases(na, base)
        yield from lowered_cases(na, base)
        yield from shedding_cases(na, base)
        yield from planned_cases(na, base)
        yield from treated_cases(na, base)
        yield from stable_cases(na, base)
        if na == "131":
            yield from shifted_cases(na, base)


def drowsy_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    """Symptoms that may be brain edema, in an acute setting and without; and what explains them."""
    scale = ComaScale(points=11, at=NOW, sedated=False)
    both = Encephalopathy(
        symptoms=("headache", "nausea"), scale=scale, critical=True, since=NOW - timedelta(hours=9)
    )
    settings = (
        None,
        AcuteSetting(name="labor", shown="evidence:labor", window=timedelta(hours=48)),
        AcuteSetting(
            name="irrigation", shown="evidence:irrigation", since=NOW, window=timedelta(hours=24)
        ),
    )
    drowsy = (
        both,
        replace(both, since=None, scale=None, critical=False),
        replace(both, symptoms=(), since=None),
        replace(both, scale=replace(scale, points=14)),
    )
    over = RateView(level="critical", rule="RATE-OVER", variant="fast", worst=rise("10"))
    fell = sodium(na, profile=base["profile"], acute=fall("14", 20)) if na else SodiumView()
    torn = replace(fell, acute=replace(fell.acute, unbelieved=True)) if fell.acute else fell
    for found, setting, rate in product(drowsy, settings, (RateView(), over)):
        parts = {"encephalopathy": found, "acute_setting": setting, "rate": rate}
        yield a_case(na, **base, **parts)
        yield a_case(na, **base, **parts, volume=volume(Volume.ADRENAL, "adrenal-crisis"))
        yield a_case(na, **base, **parts, sodium=torn, restriction=RESTRICTIONS[4])
    for setting in settings:
        yield a_case(na, **base, sodium=torn, acute_setting=setting, symptoms=SEVERE)
        yield a_case(na, **base, sodium=torn, acute_setting=setting)
    vomits = Symptoms(moderate=("vomiting",), recent=("vomiting",))
    on_tablets = on(exposure("desmopressin", "desmopressin"))
    vomiting = {"encephalopathy": replace(both, symptoms=("vomiting",)), "symptoms": vomits}
    yield a_case(na, **base, **vomiting, sodium=torn, exposures=on_tablets)
    down = RateView(jump=rise("-14", 3, "140"))
    yield a_case(na, **base, sodium=torn, rate=down)
    for better in (EXPLAINED, SEDATED, UNDER_TUBE):
        yield a_case(na, **base, symptoms=better)
        yield a_case(na, **base, symptoms=better, risk=OdsRisk(reasons=("malnutrition",)))


def stable_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    """Low sodium that has been the same for long, with and without a drug that lowers it."""
    for days, drugs in product((40, 200), (on(), DRUGS[1], on(LONG_TAKEN))) if na else ():
        since = NOW - timedelta(days=days)
        stable = sodium(na, profile=base["profile"], stable_since=since)
        yield a_case(na, **base, sodium=stable, exposures=drugs)
        yield a_case(na, **base, sodium=stable, exposures=drugs, missing={"conditions": "failed"})


def undated_cases(base: dict[str, Any]) -> Iterator[Case]:
    """Older adults without a sodium: the start of a drug, or the list of medicines, is not known."""
    undated = on(exposure("sertraline", "ssri", None, days=None))
    yield a_case("", **base, age_years=70, exposures=undated)
    yield a_case("", **base, age_years=70, missing={"medications": "failed"})


def rising_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    for rate, dialysis in product(rates(), (False, True)):
        parts = {"rate": rate, "dialysis": dialysis}
        yield a_case(na, **base, **parts, exposures=DRUGS[1], symptoms=SEVERE)
        yield a_case(na, **base, **parts, risk=OdsRisk(reasons=("malnutrition",)))
    over = RateView(level="critical", rule="RATE-OVER", variant="fast", worst=rise("10"))
    past = Symptoms(before_rise=("seizure",))
    for drugs in DRUGS[:2]:
        urine = {"urine-osmolality": "60"}
        yield a_case(na, **base, rate=over, readings=urine, exposures=drugs, symptoms=past)


def lowered_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    """Sodium was lowered after an over-correction, which the card on the rate may tell too (F4)."""
    for pair, variant in product((rise("18.125", 23.75), ABOUT), ("was", "still", "goal")):
        rule = "RATE-OVER" if variant == "still" else "RATE-NEAR"
        for told in ("", rule, "RATE-OVER"):
            rate = RateView(
                level="warning" if told else None,
                rule=told,  # type: ignore[arg-type]
                variant="was" if variant == "goal" else variant,  # type: ignore[arg-type]
                worst=pair,
                limit=Decimal(16),
                episode=pair,
            )
            parts = {"rate": rate, "relowered": True, "exposures": DRUGS[1]}
            yield a_case(na, **base, **parts, risk=OdsRisk(reasons=("malnutrition",)))
            yield a_case(na, **base, **parts, symptoms=SEVERE)
            if na and told:
                fell = sodium(na, profile=base["profile"], acute=fall("14", 20))
                yield a_case(na, **base, **parts, sodium=fell)


def shedding_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    """Dilute urine, with each reason for which sodium must rise slowly (F27)."""
    for symptoms, reason in product((Symptoms(), SEVERE), ("malnutrition", "cirrhosis")):
        risk = OdsRisk(reasons=(reason,))
        urine = {"urine-osmolality": "60"}
        yield a_case(na, **base, symptoms=symptoms, risk=risk, readings=urine)
    drugs = (on(), on(exposure("tolvaptan", "vaptan", None, tier="TREAT")))
    for rate, taken, urine in product(SHEDDING, drugs, ({}, {"urine-osmolality": "90"})):
        yield a_case(na, **base, rate=rate, exposures=taken, readings=urine)
    for name, cls, tier in (("lansoprazole", "ppi", "T3"), ("vinblastine", "cytotoxic", "T2")):
        weak = on(exposure(name, cls, tier=tier))
        yield a_case(na, **base, exposures=weak, volume=volume(Volume.HYPO, "gi-bleed"))
    for status in UNCLEAR:
        yield a_case(na, **base, volume=status, readings={"urine-osmolality": "180"})


def planned_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    for restriction, status in product(RESTRICTIONS, VOLUMES):
        yield a_case(na, **base, restriction=restriction, volume=status, problems=PROBLEMS[1])
    for restriction in RESTRICTIONS:
        yield a_case(na, **base, restriction=restriction, symptoms=CRAMP)
    for symptoms in (Symptoms(), CRAMP):
        crisis = volume(Volume.ADRENAL, "adrenal-crisis")
        yield a_case(na, **base, volume=crisis, symptoms=symptoms)
    held = replace(DRUGS[1], on_hold=tuple(e.drug for e in DRUGS[1].active))
    unread = {"NutritionOrder": "not-read", "ServiceRequest": "not-read"}
    impaired = Symptoms(gcs=12, gcs_impaired=True)
    yield a_case(na, **base, exposures=held, symptoms=impaired, restriction=offer(), missing=unread)


def treated_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    for drugs, problems, symptoms in product(DRUGS, PROBLEMS, SYMPTOMS):
        parts = {"exposures": drugs, "problems": problems, "symptoms": symptoms, "age_years": 70}
        for egfr in ("75", "45", "20", "") if problems and symptoms.cramp else ("75",):
            yield a_case(na, **base, **parts, readings={"egfr": egfr} if egfr else {})
        yield a_case(na, **base, **parts, missing={"conditions": "failed", "sodium": "failed"})
        yield a_case(na, **base, **parts, pregnant=True, readings={"egfr": "75"})


def shifted_cases(na: str, base: dict[str, Any]) -> Iterator[Case]:
    down = sodium(na, profile=base["profile"], falling=fall("14.25", 70))
    yield a_case(na, **base, sodium=down, exposures=DRUGS[1])
    high = {"loose_pair": True, "hillier_fits": True}
    explained = glucose("612.5", "139.2", "143.3", explained=True, **high)
    partly = glucose("312.5", "134.4", "136.1", explained=False)
    yield a_case(na, **base, glucose=partly, rate=RateView(jump=rise("-14", 3, "140")))
    for shift in (explained, partly, replace(partly, loose_pair=True)):
        yield a_case(na, **base, glucose=shift)
    for name in (None, RecordText("a bag")):
        weak = Order(reference="MedicationRequest/1", hypotonic=True, fluid_name=name)
        saline = Saline(kind="hypertonic", percent=Decimal(3))
        strong = Order(reference="MedicationRequest/2", saline=saline, fluid_name=name)
        yield a_case(na, **base, running_fluids=(weak, strong))
        yield a_case(na, **base, running_fluids=(replace(weak, carries=True),))
        yield a_case(na, **base, running_fluids=(replace(weak, tube_water=True),))
    nearly = sodium("118.25", profile=base["profile"], katz="134.25")
    shift = glucose("1112.5", "134.25", "142.35", explained=False)
    for symptoms in SYMPTOMS:
        yield a_case("118.25", **base, sodium=nearly, glucose=shift, symptoms=symptoms)
    yield a_case("124", **base, sodium=sodium("124", katz="128"), glucose=partly, symptoms=CRAMP)


@cache
def seen() -> tuple[tuple[Finding, ...], tuple[Silence, ...]]:
    found: list[Finding] = []
    silent: list[Silence] = []
    for case in gallery(parts_of_this_run()):
        for outcome in outcomes(case):
            (found if isinstance(outcome, Finding) else silent).append(outcome)  # type: ignore[arg-type]
    return tuple(found), tuple(silent)


def names(template: str) -> set[str]:
    return set(Template(template).get_identifiers())


def test_every_line_has_words_with_exactly_the_facts_it_is_given() -> None:
    wrong = {
        (finding.rule, line.key)
        for finding in seen()[0]
        for line in (*finding.do, *finding.why)
        if names(template_of(finding.rule, line.key)) != set(line.facts)
    }
    assert wrong == set()


def test_every_summary_has_words_for_its_variant_and_the_facts_they_name() -> None:
    wrong = {
        (finding.rule, finding.variant)
        for finding in seen()[0]
        if not names(service().rules[finding.rule].summary[finding.variant]) <= set(finding.facts)
    }
    assert wrong == set()


def test_every_summary_stays_under_140_characters() -> None:
    long = {summary(f) for f in seen()[0] if len(summary(f)) >= 140}
    assert long == set()


def test_every_silence_has_words_with_exactly_the_facts_it_is_given() -> None:
    wrong = set()
    for silence in seen()[1]:
        own = service().rules[silence.rule].silence
        template = own.get(silence.reason) or shared().silence[silence.reason]
        if not names(template) <= set(silence.facts):
            wrong.add((silence.rule, silence.reason))
    assert wrong == set()


def test_every_button_has_words_with_exactly_the_facts_it_is_given() -> None:
    wrong = set()
    for finding in seen()[0]:
        for s in finding.suggestions:
            words = shared().suggestions[s.kind]
            if names(words.label) | names(words.description) != set(s.facts):
                wrong.add(s.kind)
            render(words.label, s.facts)
    assert wrong == set()


def test_every_fact_of_a_line_has_words() -> None:
    assert all(all(detail(finding)) for finding in seen()[0])


def test_indicators_are_those_that_the_rule_declares() -> None:
    wrong = {
        (f.rule, f.indicator)
        for f in seen()[0]
        if f.indicator not in service().rules[f.rule].indicators
    }
    assert wrong == set()


@pytest.mark.parametrize("rule", BOOK.chart)
def test_every_word_of_a_rule_is_used(rule: str) -> None:
    words = service().rules[rule]
    found = [f for f in seen()[0] if f.rule == rule]
    lines = {line.key for f in found for line in (*f.do, *f.why)}
    silent = {s.reason for s in seen()[1] if s.rule == rule}
    assert set(words.summary) == {f.variant for f in found}
    assert set(words.lines) <= lines
    assert set(words.silence) <= silent
    assert set(words.indicators) >= {f.indicator for f in found}


def test_every_shared_line_is_used_by_a_card_or_named_in_another_module() -> None:
    used = {line.key for f in seen()[0] for line in (*f.do, *f.why)}
    used |= {
        part.removeprefix("line:")
        for f in seen()[0]
        for facts in (*(s.facts for s in f.suggestions), *(x.facts for x in (*f.do, *f.why)))
        for part in spread(facts)
    }
    source = "".join(p.read_text(encoding="utf-8") for p in PACKAGE.rglob("*.py"))
    unused = {
        k for k in set(shared().lines) - used if f'"{k}"' not in source and not composed(k, source)
    }
    assert unused == set()


def composed(key: str, source: str) -> bool:
    """Whether a module builds the key from a prefix: f"withheld-{source}-unread"."""
    parts = key.split("-")
    heads = ("-".join(parts[:i]) for i in range(1, len(parts)))
    return any(re.search(rf'f"{re.escape(head)}-{{', source) for head in heads)


def spread(facts: Any) -> list[str]:
    return [part for fact in facts.values() if isinstance(fact, str) for part in fact.split("|")]


def test_the_rules_of_the_file_are_those_of_the_code() -> None:
    assert set(service().rules) == set(BOOK.chart) | {"PV-UNREADABLE"}


def test_every_card_has_a_button_or_a_line_on_monitoring() -> None:
    idle = [
        f.rule for f in seen()[0] if not f.suggestions and not any("monitor" in x.key for x in f.do)
    ]
    assert idle == []


def test_no_card_that_matters_grows_beyond_what_a_clinician_reads() -> None:
    """Lines that are never cut leave room for the sodium line, the source and the footer (1,500 in all)."""
    for finding in seen()[0]:
        kept = [*finding.do, *(line for line in finding.why if line.keep)]
        size = sum(len(text_of(finding, x)) + 3 for x in kept)
        assert size <= 1250, (finding.rule, size, [x.key for x in kept])


def test_no_rule_proposes_what_only_a_prescriber_may() -> None:
    kinds = {type(a).__name__ for f in seen()[0] for s in f.suggestions for a in s.actions}
    assert kinds == {"DraftLabs", "DraftOrder", "StopOrder"}


@settings(max_examples=200, deadline=None)
@given(
    na=st.sampled_from(VALUES),
    symptoms=st.sampled_from(SYMPTOMS),
    restriction=st.sampled_from(RESTRICTIONS),
    status=st.sampled_from(VOLUMES),
    drugs=st.sampled_from(DRUGS),
    pseudo=st.sampled_from(PSEUDOS),
    age=st.one_of(st.none(), st.integers(18, 110)),
)
def test_any_mixture_of_findings_keeps_the_promises(
    na: str,
    symptoms: Symptoms,
    restriction: Restriction,
    status: Any,
    drugs: Any,
    pseudo: Any,
    age: Any,
) -> None:
    case = a_case(
        na, symptoms=symptoms, restriction=restriction, volume=status, exposures=drugs, pseudo=pseudo,
        age_years=age, problems=PROBLEMS[1], readings={"egfr": "75"},
    )  # fmt: skip
    for finding in fired(case).values():
        kinds = [s.kind for s in finding.suggestions]
        assert len(summary(finding)) < 140
        assert detail(finding)
        if restriction.verdict != "offer" or symptoms.severe:
            assert not any(k.startswith("fluid-restriction") for k in kinds)
        if finding.indicator == "critical":
            assert "baclofen" not in kinds


def test_facts_out_of_the_record_stay_marked_as_such() -> None:
    units: set[Fact] = {f.facts["unit"] for f in seen()[0] if "unit" in f.facts}
    assert not any(isinstance(u, str) for u in units)


def test_the_card_that_sodium_could_not_be_checked_has_its_line() -> None:
    assert set(service().rules["PV-UNREADABLE"].lines) == {"check-chart", "cause"}
    assert names(service().rules["PV-UNREADABLE"].summary["main"]) == {"why"}
