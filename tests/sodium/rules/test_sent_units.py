"""F60: a card shows glucose, urea, creatinine, calcium and cortisol in the unit that the site sends."""

from __future__ import annotations

import pytest

from cds_service.engine.cards import Phrases
from cds_service.engine.finding import Finding
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import LabResult
from tests.fhir_resources import pipeline
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, selected

SIADH = problem("siadh", days=5)
CHART, SELECT = "hyponatremia-patient-view", "hyponatremia-order-select"


def ward(sodium: str, *results: LabResult, **more: object) -> Story:
    """An inpatient with these results."""
    return Story(sodium=sodium, setting="inpatient", results=results, **more)  # type: ignore[arg-type]  # keywords of Story


def phrases(service: str) -> Phrases:
    knowledge = pipeline().knowledge
    return Phrases(knowledge, knowledge.services[service])


def told(found: list[Finding], service: str) -> str:
    """All that these cards say, as they are sent."""
    words = phrases(service)
    lines = [words.line(f.rule, line) for f in found for line in (*f.do, *f.why)]
    return " ".join([*(words.summary(f) for f in found), *lines])


def chart(story: Story) -> str:
    case = story.case()
    found = [rule(case) for rule in BOOK.chart.values()]
    return told([f for f in found if isinstance(f, Finding)], CHART)


def order_card(scene: Scene) -> str:
    return told(list(scene.findings().values()), SELECT)


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "shown", "other", "other_unit", "conventional"),
    [
        ("glucose", "33.4", "mmol/L", "33.4 mmol/L", "600", "mg/dL", "600 mg/dL"),
        ("calcium", "3.25", "mmol/L", "3.25 mmol/L", "13.1", "mg/dL", "13.1 mg/dL"),
        ("cortisol", "612", "nmol/L", "612 nmol/L", "22", "ug/dL", "22 ug/dL"),
        ("creatinine", "481", "µmol/L", "481 µmol/L", "5.4", "mg/dL", "5.4 mg/dL"),
    ],
)
def test_a_result_is_shown_in_the_unit_that_was_sent(
    analyte: str,
    value: str,
    unit: str,
    shown: str,
    other: str,
    other_unit: str,
    conventional: str,
) -> None:
    sent = chart(ward("124", result(analyte, value, 1, unit=unit)))
    usual = chart(ward("124", result(analyte, other, 1, unit=other_unit)))

    assert shown in sent
    assert conventional in usual
    assert "mol/L mg" not in sent


def test_a_rise_of_creatinine_is_in_one_unit() -> None:
    text = chart(
        ward(
            "124",
            result("creatinine", "90", 40, unit="umol/L"),
            result("creatinine", "180", 2, unit="umol/L"),
            problems=(SIADH,),
        )
    )

    assert "creatinine rose from 90 µmol/L to 180 µmol/L." in text


def test_the_newest_result_tells_the_unit() -> None:
    old = result("glucose", "33.4", 30, unit="mmol/L")
    new = result("glucose", "620", 1, unit="mg/dL")

    assert "620 mg/dL" in chart(ward("124", old, new))


@pytest.mark.parametrize(("unit", "value"), [("mmol/L", "50"), ("mg/dL", "900")])
def test_an_order_of_saline_names_glucose_so_too(unit: str, value: str) -> None:
    glucose = result("glucose", value, 1, unit=unit)
    text = order_card(Scene(says="", order=saline(), story=ward("128", glucose)))

    assert f"({value} {unit})" in text
    assert f"glucose {value} {unit}:" in text


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "shown"),
    [
        ("creatinine", "480", "umol/L", "Urea at a creatinine of 480 µmol/L"),
        ("bun", "35", "mmol/L", "Urea at a BUN of 35 mmol/L"),
    ],
)
def test_an_order_of_urea_names_the_kidney_so_too(
    analyte: str, value: str, unit: str, shown: str
) -> None:
    story = ward("124", result(analyte, value, 1, unit=unit), problems=(SIADH,))
    text = order_card(Scene(says="", order=selected("urea"), story=story))

    assert shown in text


def test_low_glucose_is_named_so_too() -> None:
    confused = problem("confusion", days=0.05, encounter=True)
    text = chart(ward("122", result("glucose", "2.4", 1, unit="mmol/L"), problems=(confused,)))

    assert "Glucose 2.4 mmol/L" in text
    assert "mg/dL" not in text
