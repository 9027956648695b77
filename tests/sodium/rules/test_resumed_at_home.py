"""A drug of home that is resumed after a severe low sodium is no new start (DISCHARGE, F24)."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftLabs, Finding
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Order, Problem
from tests.sodium.patients import Story, ago, order, problem, result

DRUGS = (
    *("hydrochlorothiazide", "indapamide", "chlorthalidone"),
    *("sertraline", "escitalopram", "venlafaxine"),
    *("carbamazepine", "oxcarbazepine"),
)
WEEK = timedelta(days=6)


def evidence(name: str, kind: str) -> tuple[Order, ...]:
    """What shows that the drug was taken at home, and the order that resumes it today."""
    today = order(name, days=0.1, reference="MedicationRequest/today")
    old = order(name, days=200, reference="MedicationRequest/home")
    if kind == "by its words":
        return (replace(today, carries_on=True),)
    if kind == "stopped at the admission":
        return (today, replace(old, status="stopped", end=ago(days=6)))
    return (today, replace(old, status="on-hold" if kind == "on hold" else "stopped"))


KINDS = ("stopped without a date", "stopped at the admission", "on hold", "by its words")


def cards(name: str, kind: str, now: str, *problems: Problem) -> list[Finding]:
    """Sodium was 117 six days ago and has risen slowly; the drug was off and is resumed."""
    story = Story(
        sodium=now,
        setting="inpatient",
        stay_days=6.1,
        results=(result("sodium", 117, 143), result("sodium", 124, 72), result("sodium", now, 30)),
        orders=evidence(name, kind),
        problems=problems,
    )
    found = [rule(story.case()) for rule in BOOK.discharge.values()]
    return [one for one in found if isinstance(one, Finding)]


@pytest.mark.parametrize("kind", ["stopped at the admission", "on hold"])
def test_desmopressin_of_home_is_told_and_its_replacement_is_not(kind: str) -> None:
    """Desmopressin for nocturia that is resumed is a cause; what replaces a hormone goes on."""
    for now in ("131", "137"):
        told = {one.rule: one.variant for one in cards("desmopressin", kind, now)}
        assert told == {"DC-DRUG": "anew"}, now
        replaced = cards("desmopressin", kind, now, problem("diabetes-insipidus", days=900))
        assert "DC-DRUG" not in {one.rule for one in replaced}


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_drug_is_to_be_changed_and_measured_within_days(kind: str) -> None:
    """It is never "started in this stay: go on?", and sodium is due before a week is over."""
    for name, now in product(DRUGS, ("131", "133", "137")):
        found = cards(name, kind, now)
        told = {line.key for one in found for line in one.do}
        assert not {"decide", "decide-gently"} & told, (name, now)
        assert {"anew", "anew-stop", "home", "home-gently"} & told, (name, now)
        assert any(one.indicator == "warning" for one in found), (name, now)
        draws = [a for one in found for s in one.suggestions for a in s.actions]
        labs = [draw for draw in draws if isinstance(draw, DraftLabs)]
        assert labs, (name, now)
        if {"anew", "anew-stop"} & told:
            assert min(draw.after for draw in labs) < WEEK, (name, now)
