"""Old results, and results that are missing after a new drug."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from cds_service.knowledge.names import Unused
from cds_service.sodium.case import Case
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.results import Freshness, Rejected
from cds_service.sodium.sodium import SodiumView
from tests.sodium.cases import NOW
from tests.sodium.rules.cases import a_case, exposure, fired, kinds, on, reason, sodium, summary

NEW = on(exposure("sertraline", "ssri", None, days=20))


def aging(na: str, hours: float = 30) -> SodiumView:
    return sodium(na, hours=hours, freshness=Freshness.AGING)


@pytest.mark.parametrize(
    ("na", "indicator"), [("118", "warning"), ("123", "warning"), ("131", "info")]
)
def test_an_aging_low_value_asks_only_for_a_repeat(na: str, indicator: str) -> None:
    found = fired(a_case(na, sodium=aging(na)))
    assert list(found) == ["PV-AGE"]
    card = found["PV-AGE"]
    assert card.indicator == indicator
    assert summary(card) == f"Last sodium {na} mmol/L is 30 h old: repeat before acting on it"
    assert kinds(card) == ["repeat-sodium-now"]


def test_an_aging_value_with_a_seizure_is_repeated_at_once() -> None:
    symptoms = Symptoms(severe=("seizure",), attributable=True)
    card = fired(a_case("131", sodium=aging("131"), symptoms=symptoms))["PV-AGE"]
    assert card.indicator == "warning"
    assert summary(card) == "Last sodium 131 mmol/L is 30 h old, seizure recorded: repeat now"
    assert kinds(card) == ["repeat-sodium-stat"]


def test_a_stale_value_is_silent() -> None:
    stale = a_case("128", sodium=sodium("128", hours=100, freshness=Freshness.STALE))
    assert fired(stale) == {}
    assert reason("PV-AGE", stale) == "too-old"


def test_a_current_value_is_not_called_old() -> None:
    assert reason("PV-AGE", a_case("128")) == "recent-enough"


def test_an_aging_normal_value_is_silent() -> None:
    assert reason("PV-AGE", a_case("138", sodium=aging("138"))) == "not-low"


def test_a_new_drug_in_an_older_adult_without_any_sodium_needs_a_check() -> None:
    found = fired(a_case("", age_years=65, exposures=NEW))
    assert list(found) == ["PV-DRUGCHK"]
    card = found["PV-DRUGCHK"]
    assert card.indicator == "info"
    assert (
        summary(card)
        == "sertraline started 20 d ago, no usable sodium result since: consider a check"
    )
    assert kinds(card) == ["repeat-sodium-now"]


def test_a_sodium_of_91_days_ago_is_no_baseline() -> None:
    old = sodium("138", hours=91 * 24, freshness=Freshness.STALE)
    assert "PV-DRUGCHK" in fired(a_case("138", age_years=70, sodium=old, exposures=NEW))


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (a_case("138", age_years=70, exposures=NEW), "sodium-known"),
        (a_case("", age_years=64, exposures=NEW), "too-young"),
        (a_case("", age_years=None, exposures=NEW), "too-young"),
        (a_case("", age_years=70), "no-new-drug"),
        (
            a_case("", age_years=70, exposures=on(exposure("sertraline", "ssri", None, days=31))),
            "no-new-drug",
        ),
        (
            a_case("", age_years=70, exposures=on(exposure("sertraline", "ssri", None, days=None))),
            "start-not-known",
        ),
        (a_case("", age_years=70, missing={"medications": "failed"}), "list-not-read"),
        (
            a_case(
                "",
                age_years=70,
                exposures=on(exposure("omeprazole", "ppi", None, days=5, tier="T3")),
            ),
            "no-new-drug",
        ),
        (a_case("", age_years=70, exposures=NEW, missing={"sodium": "timeout"}), "sodium-unread"),
    ],
)
def test_the_check_does_not_come_without_need(case: Case, why: str) -> None:
    assert reason("PV-DRUGCHK", case) == why


@pytest.mark.parametrize(("setting", "days"), [("inpatient", 1), ("outpatient", 30)])
def test_an_unusable_result_makes_one_card_and_not_two(setting: str, days: float) -> None:
    recent, old = (
        a_case("", age_years=70, setting=setting, sodium=unusable(days + more), exposures=NEW)
        for more in (0, 0.1)
    )
    assert list(fired(recent)) == ["DQ-UNIT"]
    assert reason("PV-DRUGCHK", recent) == "sodium-unusable"
    assert list(fired(old)) == ["PV-DRUGCHK"]


def unusable(days: float) -> SodiumView:
    result = Rejected(why=Unused.UNIT, shown="135", unit="mg/dL", at=NOW - timedelta(days=days))
    return replace(SodiumView(), newest_rejected=result)
