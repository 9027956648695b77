"""Known SIADH in the severe band: its next step and the safety lines share the face (N4)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from tests.sodium.patients import problem, result
from tests.sodium.rules.cases import fired, keys, summary, text_of
from tests.sodium.rules.charts import secreting


def severe(*problems: Any, profile: str = "aasld", **more: Any) -> Finding:
    """The card of the severe band."""
    return fired(secreting(*problems, **more).case(profile))["PV-SEV"]


@pytest.mark.parametrize(
    ("profile", "sodium"),
    [("aasld", "112"), ("aasld", "119"), ("european", "119"), ("european", "124")],
)
def test_the_next_step_stands_beside_the_safety_lines(profile: str, sodium: str) -> None:
    card = severe(profile=profile, sodium=sodium)
    face = card.do[:FACE_BULLETS]
    told = [part.key for line in face for part in line.parts()]
    assert told[0] == "check-symptoms"
    assert told[1].startswith("monitor-severe")
    assert told[2:4] == ["restriction-severe-next", "severe-advice-room"]
    words = text_of(card, face[1])
    assert "alone likely to fail" in words
    assert "plan now urea, or salt tablets with a loop diuretic" in words
    assert not {"restriction-severe", "restriction-next"} & set(keys(card))


@pytest.mark.parametrize("condition", ["heart-failure", "ckd-4-5"])
def test_where_salt_harms_the_next_step_has_none(condition: str) -> None:
    card = severe(problem(condition, days=900), sodium="117")
    assert "restriction-severe-next-no-salt" in keys(card)
    assert "restriction-severe-next" not in keys(card)


def test_a_restriction_that_may_do_keeps_its_own_line() -> None:
    urine = (result("urine-osmolality", 380), result("urine-sodium", 60))
    card = severe(sodium="117", results=urine)
    assert "restriction-severe" in keys(card)
    assert "restriction-severe-next" not in keys(card)


@pytest.mark.parametrize(
    ("sodium", "rule", "headline"),
    [
        (
            "117",
            "PV-SEV",
            "Severe low sodium 117 mmol/L (2 h ago) with SIADH: check symptoms, repeat",
        ),
        ("123", "PV-MOD", "Moderate low sodium 123 mmol/L with SIADH on record, a likely cause"),
    ],
)
def test_the_headline_names_recorded_siadh(sodium: str, rule: str, headline: str) -> None:
    card = fired(secreting(sodium=sodium).case())[rule]
    assert summary(card).startswith(headline)


def test_the_urine_alone_is_named_as_a_pattern() -> None:
    story = secreting(sodium="117")
    unknown = fired(type(story)(sodium="117", setting="inpatient", results=story.results).case())
    assert "with SIADH pattern: check symptoms, repeat now" in summary(unknown["PV-SEV"])
