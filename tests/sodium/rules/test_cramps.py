"""Cramps beside low sodium: the panel, albumin, and when baclofen may be drafted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cds_service.engine.finding import DraftLabs, DraftOrder
from cds_service.sodium.case import Case
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.rules.plan import baclofen_withheld, cramp_suggestions
from tests.sodium.rules.cases import (
    a_case,
    detail,
    exposure,
    fired,
    glucose,
    keys,
    on,
    problem,
    reading,
)

CRAMP = Symptoms(mild=("cramp",), cramp=True)
FELL = Symptoms(mild=("cramp",), cramp=True, fall_or_fracture=True)
CIRRHOSIS = (problem("cirrhosis"),)


def cirrhotic(na: str = "131", **parts: Any) -> Case:
    base: dict[str, Any] = {"symptoms": CRAMP, "problems": CIRRHOSIS, "readings": {"egfr": "75"}}
    return a_case(na, **(base | parts))


def drafted(case: Case) -> list[str]:
    return [
        a.amount for s in cramp_suggestions(case) for a in s.actions if isinstance(a, DraftOrder)
    ]


def test_cramps_in_cirrhosis_may_be_treated_with_a_low_dose_of_baclofen() -> None:
    case = cirrhotic()
    assert drafted(case) == ["10"]
    assert any(
        "10 mg/day, +10 mg/day each week, at most 30 mg/day" in line for line in detail(only(case))
    )


def test_f17_a_fall_before_65_does_not_withhold_baclofen_nor_does_age_alone() -> None:
    assert drafted(cirrhotic(age_years=64, symptoms=FELL)) == ["10"]
    assert drafted(cirrhotic(age_years=65)) == ["10"]


def only(case: Case) -> Any:
    return next(iter(fired(case).values()))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"readings": {}}, "baclofen-kidney-unknown"),
        ({"readings": {"egfr": "59"}}, "baclofen-kidney"),
        ({"readings": {"egfr": "<60"}}, "baclofen-kidney"),
        ({"dialysis": True}, "baclofen-kidney"),
        (
            {"problems": (*CIRRHOSIS, problem("encephalopathy", active=False))},
            "baclofen-encephalopathy",
        ),
        ({"symptoms": Symptoms(mild=("cramp",), cramp=True, seizure=True)}, "baclofen-seizure"),
        ({"exposures": on(exposure("oxycodone", "opioid", None))}, "baclofen-sedative"),
        ({"exposures": on(exposure("tramadol", "opioid-sodium"))}, "baclofen-sedative"),
        ({"exposures": on(exposure("lorazepam", "benzodiazepine", None))}, "baclofen-sedative"),
        ({"exposures": on(exposure("zolpidem", "z-drug", None))}, "baclofen-sedative"),  # F17
        ({"exposures": on(exposure("gabapentin", "gabapentinoid", None))}, "baclofen-sedative"),
        ({"exposures": on(exposure("quetiapine", "antipsychotic"))}, "baclofen-sedative"),
        (
            {"exposures": on(exposure("rifaximin", "rifaximin", None))},
            "baclofen-encephalopathy-drug",
        ),
        ({"age_years": 65, "symptoms": FELL}, "baclofen-fall"),
        ({"exposures": on(exposure("baclofen", "baclofen", None))}, "baclofen-taken"),
        ({"pregnant": True}, "baclofen-pregnancy"),
        ({"na": "125.9"}, "baclofen-sodium"),
        ({"age_years": None}, "baclofen-unread"),
        ({"missing": {"medications": "failed"}}, "baclofen-unread"),
        ({"missing": {"conditions": "failed"}}, "baclofen-unread"),
        ({"missing": {"labs": "failed"}}, "baclofen-unread"),
    ],
)
def test_baclofen_is_withheld_on_doubt_and_the_card_says_why(
    parts: dict[str, Any], why: str
) -> None:
    case = cirrhotic(**parts)
    withheld = baclofen_withheld(case)
    assert withheld is not None
    assert withheld.key == why
    assert drafted(case) == []
    assert why in keys(only(case))


@pytest.mark.parametrize(
    ("egfr", "line"),
    [
        ("60", "cramp-cirrhosis"),
        (">60", "cramp-cirrhosis"),
        ("59", "cramp-cirrhosis-reduced"),
        ("30", "cramp-cirrhosis-reduced"),
        ("29", "cramp-albumin-only"),
    ],
)
def test_kidney_function_decides_what_the_card_says_of_baclofen(egfr: str, line: str) -> None:
    assert line in keys(only(cirrhotic(readings={"egfr": egfr})))


def test_without_cirrhosis_neither_albumin_nor_baclofen_is_mentioned() -> None:
    case = a_case("131", symptoms=CRAMP, readings={"egfr": "75"})
    assert drafted(case) == []
    assert not any("baclofen" in line or "albumin" in line for line in detail(only(case)))


def test_a_diuretic_with_cramps_in_cirrhosis_brings_the_advice_to_stop_if_incapacitating() -> None:
    assert "cramp-diuretic" in keys(
        only(cirrhotic(exposures=on(exposure("furosemide", "loop", None))))
    )
    assert "cramp-diuretic" not in keys(only(cirrhotic()))


@pytest.mark.parametrize(
    ("setting", "days", "asked"), [("inpatient", 6, 2), ("inpatient", 8, 3), ("outpatient", 29, 2)]
)
def test_the_cramp_panel_skips_what_was_measured_lately(
    setting: str, days: float, asked: int
) -> None:
    known = (reading("potassium", "4", timedelta(days=days)),)
    case = a_case("131", setting=setting, symptoms=CRAMP, labs=known)
    labs = [a for s in cramp_suggestions(case) if s.kind == "cramp-labs" for a in s.actions]
    assert isinstance(labs[0], DraftLabs)
    assert len(labs[0].analytes) == asked


def test_without_cramps_no_card_speaks_of_them() -> None:
    case = a_case("131", problems=CIRRHOSIS, readings={"egfr": "75"})
    assert cramp_suggestions(case) == []
    assert not any("ramp" in line for line in detail(only(case)))


def test_no_baclofen_beside_a_critical_card() -> None:
    assert drafted(cirrhotic("115")) == []


def test_a_glucose_correction_does_not_open_the_way_to_baclofen() -> None:
    shift = glucose("800", "129.2", "134.8", explained=False)
    assert drafted(cirrhotic("118", glucose=shift)) == []
