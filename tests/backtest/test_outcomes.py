"""What followed cards, and what no card came before: by hand, and against the truth of invented exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from cds_service.backtest.course import Course, Event
from cds_service.backtest.outcome import Preceded, RuleOutcome, median_of, read_outcomes
from tests.backtest.judged import course, judged, outcomes, people, task
from tests.backtest.small_exports import START, order, patient, result, stay
from tests.exports import Person, Resource
from tests.fhir_resources import pipeline

HOUR = timedelta(hours=1)


def only(resources: list[Resource], rule: str, profile: str = "aasld", **more: Any) -> RuleOutcome:
    """The outcome of one rule under one profile."""
    found = outcomes([patient(), *resources], task(profile, **more))
    (one,) = [o for o in found.rules if o.rule == rule]
    return one


def happened(resources: list[Resource], hours: int, rule: str = "PV-MOD") -> dict[str, int]:
    (window,) = [w for w in only(resources, rule).windows if w.hours == hours]
    return window.happened


def event(resources: list[Resource], kind: str, profile: str = "aasld") -> Preceded | None:
    """The events of one kind, with how many any card preceded."""
    found = outcomes([patient(), *resources], task(profile)).events
    return next((one for one in found if one.kind == kind and one.rule == "any"), None)


# ---- what should not have happened


@pytest.mark.parametrize(
    ("profile", "rise", "hours", "counts"),
    [
        ("aasld", 8, 20, False),  # the limit itself is no over-correction
        ("aasld", 9, 20, True),
        ("european", 10, 20, False),
        ("european", 11, 20, True),
        ("aasld", 9, 25, True),  # 8.6 in a day, estimated between the two as on the card
        ("aasld", 9, 28, False),
        ("aasld", 9, 24, True),
    ],
)
def test_a_rise_above_the_limit_of_the_profile_within_a_day_is_an_over_correction(
    profile: str, rise: int, hours: float, counts: bool
) -> None:
    resources = [stay(-1, 90), result(116, 0), result(116 + rise, hours)]
    assert (event(resources, "over-correction", profile) is not None) is counts


def test_a_rise_from_a_normal_sodium_is_no_over_correction() -> None:
    assert event([result(136, 0), result(147, 10)], "over-correction") is None


def rates(values: list[tuple[float, float]], profile: str) -> tuple[bool, bool]:
    """Whether a rise counts as over-correction, and whether a card of RATE-OVER warns of it."""
    resources = [patient(), *(result(value, hours) for value, hours in values)]
    rows, counts = judged(resources, task(profile))
    warned = [
        card
        for row in rows
        for card in row.cards
        if card.rule == "RATE-OVER" and card.indicator != "info"
    ]
    found = read_outcomes(counts.outcomes).events
    return any(one.kind == "over-correction" for one in found), bool(warned)


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize(
    "values",
    [
        [(125, 0), (131, 14), (133, 18), (143, 42.5)],  # over the limit of 48 h only
        [(114, 0), (118, 14), (119, 18), (131, 42.5)],
        [(114, 0), (118, 10), (124, 20), (126, 30)],
        [(132, 0), (141, 20)],  # above the limit of a day, and no danger
        [(129, 0), (134, 10), (138, 20)],
        [(116, 0), (121, 20)],
        [(112, 0), (127, 70)],
    ],
)
def test_an_over_correction_is_what_the_card_on_the_rate_warns_of(
    values: list[tuple[float, float]], profile: str
) -> None:
    counts, warned = rates(values, profile)
    assert counts is warned


def test_a_rise_over_the_limit_of_two_days_counts() -> None:
    assert rates([(125, 0), (131, 14), (133, 18), (143, 42.5)], "aasld") == (True, True)
    assert rates([(132, 0), (141, 20)], "aasld") == (False, False)


def test_a_card_about_low_sodium_alone_is_no_warning_of_a_rise() -> None:
    """A mild value brings PV-MILD or PV-MOD, which say nothing of how fast sodium may rise."""
    rising = [result(127, 0), result(139, 20)]
    found = event(rising, "over-correction")
    assert found is not None
    assert (found.events, found.preceded) == (1, 0)


def test_two_rises_of_one_episode_are_one_event() -> None:
    rising = [result(116, 0), result(126, 20), result(129, 30), result(136, 44)]
    found = event(rising, "over-correction")
    assert found is not None
    assert found.events == 1


def test_a_card_precedes_an_event_only_if_it_was_there_before_it() -> None:
    """The low value was drawn at 0 h, and known after 1 h, or only after the rise had happened."""
    early = event([result(116, 0, late=1), result(126, 20)], "over-correction")
    late = event([result(116, 0, late=21), result(126, 20)], "over-correction")
    assert early is not None
    assert late is not None
    assert (early.preceded, early.lead_hours, early.missed) == (1, 19, 0)
    assert (late.preceded, late.lead_hours, late.missed) == (0, None, 1)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([(125, 0), (119, 30)], True),
        ([(125, 0), (120, 30)], False),
        ([(119, 0)], False),  # the patient came with it
        ([(125, 0), (119, 8 * 24)], False),  # the earlier value is too old to have warned
        ([(118, 0), (117, 30)], False),
    ],
)
def test_a_fall_below_120_needs_a_higher_value_of_the_days_before(
    values: list[tuple[float, float]], counts: bool
) -> None:
    resources = [result(value, hours) for value, hours in values]
    assert (event(resources, "fall") is not None) is counts


def test_a_low_last_value_of_a_stay_is_low_at_discharge_by_the_profile() -> None:
    left = [stay(-2, 60), result(139, 0), result(135, 50)]
    assert event(left, "low-at-discharge", "aasld") is not None
    assert event(left, "low-at-discharge", "european") is None
    clinic = [stay(-2, 60, class_="AMB"), result(139, 0), result(130, 50)]
    assert event(clinic, "low-at-discharge") is None


def test_who_died_in_hospital_was_not_discharged() -> None:
    died = (START + 60 * HOUR).isoformat()
    found = outcomes([patient(deceasedDateTime=died), stay(-2, 60), result(130, 50)], task("aasld"))
    assert not found.events


def test_a_card_of_the_stay_precedes_the_discharge_and_one_of_last_month_does_not() -> None:
    before = [result(128, -30 * 24), stay(-2, 60), result(139, 0), result(130, 55, late=10)]
    found = event(before, "low-at-discharge")
    assert found is not None
    assert (found.events, found.preceded) == (1, 0)


# ---- what followed a card


def test_what_was_measured_after_a_card_counts_in_its_windows_and_not_before_it() -> None:
    """The card comes at 1 h; the result drawn at 0.5 h is no repeat of what came after it."""
    values = [result(123, 0), result(122, 0.5, late=3), result(124, 8), result(129, 40)]
    assert "repeated" not in happened(values, 6)
    windows = {window.hours: window for window in only(values, "PV-MOD").windows}
    assert (windows[24].lowest, windows[24].highest) == (124, 124)
    assert (windows[48].lowest, windows[48].highest) == (124, 129)


def test_a_second_card_of_the_same_rule_within_days_is_a_repeat() -> None:
    values = [result(123, 0), result(124, 20), result(123, 40), result(123, 24 * 20)]
    found = only(values, "PV-MOD")
    assert (found.patients, found.first, found.repeats) == (1, 2, 2)


def test_a_window_that_ends_after_the_export_was_made_is_not_followed() -> None:
    made = START + 30 * HOUR
    found = only([result(123, 0), result(124, 20)], "PV-MOD", until=made)
    assert {window.hours for window in found.windows} == {6, 24}


THIAZIDE = ("310798", "hydrochlorothiazide 25 MG Oral Tablet")


def thiazide(hours: float, ends: float | None = None, **more: Any) -> Resource:
    if ends is None:
        return order(*THIAZIDE, hours, **more)
    period = {"validityPeriod": {"end": (START + ends * HOUR).isoformat()}}
    return order(*THIAZIDE, hours, status="stopped", dispenseRequest=period, **more)


def test_a_named_drug_that_is_ended_counts_as_stopped_after_its_end() -> None:
    resources = [thiazide(-2000, ends=12), result(123, 0)]
    assert happened(resources, 6)["named"] == 1
    assert "stopped" not in happened(resources, 6)
    assert happened(resources, 24)["stopped"] == 1


def test_a_drug_that_is_ordered_anew_was_not_stopped() -> None:
    resources = [thiazide(-2000, ends=12), thiazide(11), result(123, 0)]
    assert "stopped" not in happened(resources, 24)


def test_restriction_and_saline_count_if_they_are_ordered_after_the_card() -> None:
    restriction = {
        "resourceType": "NutritionOrder",
        "id": "n1",
        "status": "active",
        "intent": "order",
        "patient": {"reference": "Patient/p1"},
        "dateTime": (START + 4 * HOUR).isoformat(),
        "oralDiet": {"type": [{"text": "Fluid restriction 1000 mL/24 h"}]},
    }
    saline = order("313002", "sodium chloride 9 MG/ML Injectable Solution", 20)
    before = order("313002", "sodium chloride 9 MG/ML Injectable Solution", -20)
    assert happened([result(123, 0), restriction, saline], 6).keys() >= {"restricted"}
    assert "saline" not in happened([result(123, 0), before, saline], 6)
    assert happened([result(123, 0), saline], 24)["saline"] == 1


@pytest.mark.parametrize(
    ("code", "what"), [("exp", "died"), ("other-hcf", "transferred"), ("home", "")]
)
def test_death_and_transfer_are_told_by_the_disposition_of_the_stay(code: str, what: str) -> None:
    ended = stay(-2, 20) | {
        "hospitalization": {"dischargeDisposition": {"coding": [{"code": code}]}}
    }
    found = happened([ended, result(123, 0)], 24)
    assert {"died", "transferred"} & found.keys() == ({what} if what else set())


def test_the_median_of_an_even_number_of_values_is_the_mean_of_the_two_in_the_middle() -> None:
    assert median_of({"lead=1": 3, "lead=5": 2, "lead=40": 1}, "lead=") == 3
    assert median_of({"lead=1": 1, "lead=5": 2, "lead=40": 1}, "lead=") == 5
    assert median_of({"n": 4}, "lead=") is None


# ---- the truth of invented exports is found again, and each miss has its reason


class Truth:
    """What is true of some invented patients, and what the backtest finds of them."""

    def __init__(self, number: int) -> None:
        self.known: list[tuple[str, str, datetime, str]] = []
        self.courses: dict[str, Course] = {}
        self.events: dict[str, list[Event]] = {}
        self.records: dict[str, list[Resource]] = {}
        for n in range(number):
            made = Person(11, n, 0, 0.02)
            if made.setting != "acute":
                continue
            made.make()
            self.known += [(made.id, *one) for one in made.events]
            self.records[made.id] = made.resources
            for one in people(made.resources):
                self.courses[one.id] = course(one)
                self.events[one.id] = list(self.courses[one.id].events("european")) + list(
                    self.courses[one.id].over_corrections("aasld")
                )

    def of(self, what: str) -> list[tuple[str, datetime, str]]:
        return [(who, at, detail) for who, kind, at, detail in self.known if kind == what]

    def near(self, who: str, kind: str, at: datetime, within: timedelta) -> bool:
        return any(e.kind == kind and abs(e.at - at) <= within for e in self.events[who])


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(9000)


def test_every_over_correction_of_the_truth_is_found_or_began_at_a_nearly_normal_value(
    truth: Truth,
) -> None:
    why: Counter[str] = Counter()
    harmless = pipeline().knowledge.limits["aasld"].rate_recovered_base_from
    for who, at, detail in truth.of("rise-24h"):
        rise, base = (int(part) for part in detail.split(" from "))
        if rise <= 8:
            why["within the limit"] += 1
        elif base >= harmless:
            why["from a nearly normal value: no card either"] += 1
        else:
            assert truth.near(who, "over-correction", at, timedelta(days=2)), (who, at, detail)
            why["found"] += 1
    assert why["found"] >= 5, why


def test_every_fall_of_the_truth_is_found_or_the_patient_came_with_it(truth: Truth) -> None:
    why: Counter[str] = Counter()
    for who, at, detail in truth.of("below-120"):
        if truth.near(who, "fall", at, timedelta(minutes=1)):
            why["found"] += 1
            continue
        week = truth.courses[who].between(at - timedelta(days=7), at - timedelta(seconds=1))
        assert not [one for one in week if one.value >= 120], (who, at, detail)
        why["came with it"] += 1
    assert why["found"] >= 1, why
    assert why["came with it"] >= 1, why


def test_every_low_discharge_of_the_truth_is_found_and_no_other(truth: Truth) -> None:
    known = {(who, at) for who, at, _ in truth.of("low-at-discharge")}
    found = {
        (who, e.at)
        for who, events in truth.events.items()
        for e in events
        if e.kind == "low-at-discharge"
    }
    assert found == known


def test_what_was_ordered_and_how_stays_ended_is_found(truth: Truth) -> None:
    finds: dict[str, Callable[[Course], list[datetime]]] = {
        "restriction": lambda one: one.restrictions,
        "saline": lambda one: one.salines,
        "death": lambda one: [one.died or START],
        "transfer": lambda one: [ending.at for ending in one.endings],
    }
    for what, find in finds.items():
        known = truth.of(what)
        assert known, what
        for who, at, _ in known:
            found = find(truth.courses[who])
            assert any(abs(one - at) < timedelta(minutes=1) for one in found), (what, who, at)


def test_every_stopped_drug_is_found_unless_the_export_says_neither_when_nor_which(
    truth: Truth,
) -> None:
    why: Counter[str] = Counter()
    for who, at, drug in truth.of("drug-stopped"):
        stops = [s for s in truth.courses[who].stops if s.drug == drug]
        if any(abs(one.at - at) < timedelta(minutes=1) for one in stops):
            why["found"] += 1
            continue
        ends = [
            r["dispenseRequest"]
            for r in truth.records[who]
            if r["resourceType"] == "MedicationRequest"
            and "dispenseRequest" in r
            and drug in str(r)
        ]
        assert not ends, (who, drug, at)
        why["no end in the export, or a code that means nothing"] += 1
    assert why["found"] >= 1, why
