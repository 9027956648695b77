"""Every rule answers every record, and hooks/ has the words of every answer."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache, cached_property
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.engine.finding import Finding
from cds_service.engine.triage import triage
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.sodium.case import Case, assess
from cds_service.sodium.snapshot import (
    LabResult,
    Missing,
    Moment,
    Order,
    Patient,
    Problem,
    Snapshot,
)
from cds_service.terminology.types import DrugMatch
from tests.sodium.cases import NOW
from tests.sodium.rules.cases import HOOKS, detail, outcomes, render, service, shared, summary

PARTS = [name for name, part in vars(Case).items() if isinstance(part, cached_property)]
# Compared by identity; their values decide the other parts.
WITHOUT_EQUALITY = {"readings", "problems", "strict_problems"}


@cache
def knowledge() -> Knowledge:
    return load_knowledge(HOOKS)


ages = st.one_of(st.floats(0, 80), st.floats(0, 24 * 200)).map(lambda h: timedelta(hours=h))
values = st.decimals("60", "200", places=1)
units = {"sodium": ["mmol/L", "mEq/L", "mg/dL", ""], "glucose": ["mg/dL", "mmol/L"]}
others = [
    "serum-osmolality",
    "urine-osmolality",
    "urine-sodium",
    "creatinine",
    "bun",
    "egfr",
    "systolic",
    "gcs",
]


@st.composite
def results(draw: st.DrawFn) -> LabResult:
    analyte = draw(st.sampled_from(["sodium"] * 6 + ["glucose", *others]))
    return LabResult(
        analyte=analyte,
        value=draw(st.one_of(values, st.decimals("0", "900", places=2))),
        unit=draw(st.sampled_from(units.get(analyte, [""]))),
        comparator=draw(st.sampled_from(["", "", "", "<", ">", "<=", ">="])),
        time=Moment(
            at=NOW - draw(ages), day_only=draw(st.booleans()), result_time=draw(st.booleans())
        ),
        status=draw(
            st.sampled_from(["final", "final", "preliminary", "unknown", "corrected", "cancelled"])
        ),
        method=draw(st.sampled_from(["lab", "lab", "poc"])),
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    return Problem(
        concepts=frozenset(
            draw(st.lists(st.sampled_from(sorted(knowledge().terms.concepts)), max_size=2))
        ),
        active=draw(st.booleans()),
        encounter_diagnosis=draw(st.booleans()),
        since=draw(st.one_of(st.none(), ages.map(lambda age: NOW - age))),
    )


@st.composite
def orders(draw: st.DrawFn) -> Order:
    name = draw(st.sampled_from(sorted(knowledge().terms.drugs)))
    drug = knowledge().terms.drugs[name]
    return Order(
        reference=f"MedicationRequest/{name}",
        drugs=(
            DrugMatch(name=name, cls=drug.cls, tier=drug.tier, group=drug.group, evidence="code"),
        ),
        status=draw(st.sampled_from(["active", "on-hold", "completed", ""])),
        intent="order",
        start=draw(st.one_of(st.none(), ages.map(lambda age: NOW - age))),
        stoppable=draw(st.booleans()),
        ingredient_count=draw(st.integers(1, 2)),
    )


snapshots = st.builds(
    Snapshot,
    now=st.just(NOW),
    patient=st.sampled_from([Patient(), Patient(birth_date=date(1950, 1, 1))]),
    setting=st.sampled_from(["inpatient", "outpatient"]),
    labs=st.lists(results(), max_size=8).map(tuple),
    problems=st.lists(problems(), max_size=5).map(tuple),
    read_exposures=st.lists(orders(), max_size=4).map(lambda listed: lambda: tuple(listed)),
    missing=st.dictionaries(
        st.sampled_from(["patient", "labs", "conditions", "medications", "sodium"]),
        st.sampled_from(list(Missing)),
        max_size=2,
    ),
)


@settings(max_examples=250, deadline=None)
@given(snapshot=snapshots, profile=st.sampled_from(["aasld", "european"]))
def test_every_rule_answers_any_record_in_words(snapshot: Any, profile: str) -> None:
    known = knowledge()
    case = assess(snapshot, known.limits[profile], known.sets, known.terms.labs)
    answers = outcomes(case)
    for answer in answers:
        if isinstance(answer, Finding):
            tell(answer)
        else:
            own = service().rules[answer.rule].silence
            assert render(own.get(answer.reason) or shared().silence[answer.reason], answer.facts)
    cards = triage(answers, service().rules, age_known=case.age_years is not None)
    assert len(cards) <= 2
    critical = {a.rule for a in answers if isinstance(a, Finding) and a.indicator == "critical"}
    assert critical <= {f.rule for c in cards for f in (c, *c.absorbed)}


@settings(max_examples=100, deadline=None)
@given(
    snapshot=snapshots,
    profile=st.sampled_from(["aasld", "european"]),
    order=st.permutations(PARTS),
)
def test_the_parts_of_a_case_are_the_same_in_any_order(
    snapshot: Any, profile: str, order: Any
) -> None:
    known = knowledge()
    one, other = (
        assess(snapshot, known.limits[profile], known.sets, known.terms.labs) for _ in range(2)
    )
    asked = {part: getattr(one, part) for part in order}
    expected = {part: getattr(other, part) for part in PARTS}
    for part in set(PARTS) - WITHOUT_EQUALITY:
        assert asked[part] == expected[part], part


@settings(max_examples=250, deadline=None)
@given(snapshot=snapshots, profile=st.sampled_from(["aasld", "european"]))
def test_a_card_that_is_only_counted_is_the_card_that_is_shown(snapshot: Any, profile: str) -> None:
    known, cards = knowledge(), {}
    for worded in (True, False):
        limits = known.limits[profile]
        case = assess(snapshot, limits, known.sets, known.terms.labs, worded=worded)
        answers = outcomes(case)
        age_known = case.age_years is not None
        shown = triage(answers, service().rules, age_known=age_known)
        cards[worded] = ([told(card) for card in shown], [a.rule for a in answers])
    assert cards[False] == cards[True]


def told(card: Finding) -> tuple[object, ...]:
    """What a row of a backtest keeps of a card."""
    merged = tuple(told(one) for one in card.absorbed)
    return card.rule, card.variant, card.indicator, card.slot, card.drugs, merged


def tell(finding: Finding) -> None:
    assert len(summary(finding)) < 140
    assert all(detail(finding))
    for suggestion in finding.suggestions:
        words = shared().suggestions[suggestion.kind]
        assert render(words.label, suggestion.facts)
        assert render(words.description, suggestion.facts)
