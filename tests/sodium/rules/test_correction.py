"""The cards on a rise that is too fast, or near the limit."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.correction_rate import Ceiling, RateView
from cds_service.sodium.volume import OdsRisk
from tests.sodium.cases import NOW, limits
from tests.sodium.rules.cases import (
    a_case,
    detail,
    exposure,
    fired,
    keys,
    kinds,
    on,
    reason,
    rise,
    slot,
    summary,
)

# One mmol/L above the newest value of the rises below.
CEILING = Ceiling(
    value=rise("7").end.value + 1,
    since=NOW - timedelta(hours=20),
    until=NOW + timedelta(hours=4),
    limit=Decimal(8),
)


def over(variant: Any, level: Any = "critical", **more: Any) -> RateView:
    parts: dict[str, Any] = {"worst": rise("9"), "now": rise("9"), "limit": Decimal(8)}
    return RateView(
        assessable=True, rule="RATE-OVER", level=level, variant=variant, **(parts | more)
    )


def near(variant: Any, level: Any = "info", **more: Any) -> RateView:
    return replace(over(variant, level, **more), rule="RATE-NEAR")


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (over("fast"), "Sodium rose 9 mmol/L in 20 h (limit 8/24 h): too fast, act now"),
        (
            over("slow", "warning"),
            "Sodium rose 9 mmol/L in 20 h (limit 8/24 h): slow correction",
        ),
        (
            over("was", "warning"),
            "Sodium rose 9 mmol/L in 20 h earlier, now 127: do not let it rise again",
        ),
        (
            over("still"),
            "Sodium rose 9 mmol/L in 20 h (limit 8/24 h), now 127: still too high, act now",
        ),
        (
            over("acute", "info"),
            "Sodium rose 9 mmol/L in 20 h after a documented acute fall: recheck, limit less strict",
        ),
        (
            over("jump", "warning"),
            "Sodium jumped 9 mmol/L in 20 h: repeat now before treating as over-correction",
        ),
        (
            over("estimated", worst=rise("9", 24, observed=False, gap=timedelta(hours=40))),
            "Sodium up about 9 mmol/L in 24 h (samples 40 h apart): check pace",
        ),
        (
            over("average", "warning", worst=rise("20", 49, "105", window="average")),
            "Sodium up 9.8 mmol/L per 24 h on average (limit 8/24 h): check pace",
        ),
        (
            over("two-days", worst=rise("18", 44), limit=Decimal(16)),
            "Sodium rose 18 mmol/L in 44 h (limit 16/48 h): too fast, act now",
        ),
    ],
)
def test_each_kind_of_over_correction_has_its_words(rate: RateView, text: str) -> None:
    card = fired(a_case("127", rate=rate))["RATE-OVER"]
    assert summary(card) == text
    assert slot(card) == "rate"
    assert card.indicator == rate.level
    assert kinds(card)[0].startswith("repeat-sodium")


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (
            near("near", now=rise("7"), worst=rise("7"), ceiling=CEILING, latest=rise("7").end),
            "Sodium up 7 mmol/L in 20 h: 1 mmol/L left before the 8/24 h limit",
        ),
        (
            near("near", now=rise("7"), worst=rise("7")),
            "Sodium rose 7 mmol/L in 20 h, near the limit of 8/24 h: check pace",
        ),
        (
            near("goal", "warning", worst=rise("7")),
            "Sodium up 7 mmol/L in 20 h, above the 4-6 goal (max 8/24 h): slow down",
        ),
        (
            near("estimated", worst=rise("7", 24, gap=timedelta(hours=40))),
            "Sodium up about 7 mmol/L in 24 h (samples 40 h apart): check pace",
        ),
        (
            near("was", "warning", worst=rise("7")),
            "Sodium rose 7 mmol/L in 20 h earlier, now 127: do not let it rise again",
        ),
    ],
)
def test_each_kind_of_near_miss_has_its_words(rate: RateView, text: str) -> None:
    card = fired(a_case("127", rate=rate))["RATE-NEAR"]
    assert summary(card) == text
    assert slot(card) == "rate"


def test_a_rise_just_over_the_limit_is_not_rounded_onto_it() -> None:
    card = fired(a_case("126", rate=over("fast", worst=rise("8.04"))))["RATE-OVER"]
    assert "8.04" in summary(card)


def test_the_samples_stand_on_one_line() -> None:
    card = fired(a_case("127", rate=over("fast")))["RATE-OVER"]
    assert "Samples: 118 (yesterday 16:00) · 127 (today 12:00)." in detail(card)


def test_f37_the_limit_names_the_guideline_of_the_profile() -> None:
    assert any(
        "AASLD 2021" in line
        for line in detail(fired(a_case("127", rate=over("fast")))["RATE-OVER"])
    )
    european = fired(a_case("127", profile="european", rate=over("fast", limit=Decimal(10))))[
        "RATE-OVER"
    ]
    assert any("10 mmol/L in the first 24 h, then 8" in line for line in detail(european))


def test_potassium_and_bicarbonate_are_counted() -> None:
    for rate, rule in ((over("fast"), "RATE-OVER"), (near("near"), "RATE-NEAR")):
        assert any(
            "potassium and bicarbonate" in x.lower()
            for x in detail(fired(a_case("127", rate=rate))[rule])
        )


def test_running_drugs_that_raise_sodium_are_named() -> None:
    case = a_case("127", rate=over("fast"), exposures=on(exposure("tolvaptan", "vaptan", None)))
    assert "On the medication list: tolvaptan." in detail(fired(case)["RATE-OVER"])


def test_the_reasons_for_high_risk_are_named() -> None:
    case = a_case("127", rate=near("goal", "warning"), risk=OdsRisk(reasons=("malnutrition",)))
    assert any("malnutrition" in line for line in detail(fired(case)["RATE-NEAR"]))


def test_in_dialysis_the_dialysate_is_checked_and_nothing_is_stopped() -> None:
    card = fired(a_case("127", rate=over("slow", "warning", notes=("dialysis",)), dialysis=True))[
        "RATE-OVER"
    ]
    assert "check-dialysate" in keys(card)
    assert not {"stop-raising", "stop-raising-until"} & set(keys(card))


def test_after_lowering_the_card_warns_of_another_rise() -> None:
    card = fired(a_case("117", rate=over("was", "warning")))["RATE-OVER"]
    assert keys(card)[0] == "keep-down-until"


@pytest.mark.parametrize(
    "note",
    [
        "methods-differ", "preliminary", "status-unknown", "result-time", "jump", "repeat-to-confirm",
        "glucose-shift", "glucose-one-end", "estimated", "dialysis", "acute",
    ],
)  # fmt: skip
def test_every_doubt_about_a_rise_is_shown(note: str) -> None:
    card = fired(a_case("127", rate=over("fast", notes=(note,))))["RATE-OVER"]
    assert f"note-{note}" in keys(card)
    assert detail(card)


@pytest.mark.parametrize(
    ("rate", "why"),
    [
        (RateView(), "one-sample"),
        (RateView(average_per_day=Decimal("4.8")), "samples-far-apart"),
        (RateView(assessable=True, now=rise("5"), limit=limits().rate_limit_day), "within-limit"),
    ],
)
def test_silence_about_the_rise_says_why(rate: RateView, why: str) -> None:
    case = a_case("123", rate=rate)
    assert reason("RATE-OVER", case) == why
    assert reason("RATE-NEAR", case) == why


def test_only_one_of_the_two_rules_speaks() -> None:
    assert reason("RATE-NEAR", a_case("127", rate=over("fast"))) == "other-rate-card"
    assert reason("RATE-OVER", a_case("127", rate=near("near"))) == "other-rate-card"


def test_an_over_correction_to_normal_sodium_still_makes_its_card() -> None:
    assert list(fired(a_case("140", rate=over("fast", worst=rise("28", 20, "112"))))) == [
        "RATE-OVER"
    ]
