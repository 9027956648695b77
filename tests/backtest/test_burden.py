"""The figures of a replay: cards per 100 calls, repeats, bullets and draft orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cds_service.backtest.burden import Answer, SeenCard, burden
from cds_service.feedback.suppression import Grounds
from tests.sodium.cases import NOW, limits


def seen(
    topic: str = "sodiumMild", indicator: str = "info", na: str = "131", **more: Any
) -> SeenCard:
    grounds = Grounds(
        topic=topic, indicator=indicator, rules=frozenset({f"{topic}:main"}), profile="aasld", drugs="d",
        sodium=Decimal(na), band="mild", symptoms=frozenset(), result="r",
    )  # fmt: skip
    parts: dict[str, Any] = {"bullets": 4, "drafts": 1, "slot": "sodium"}
    return SeenCard(topic=topic, indicator=indicator, grounds=grounds, **(parts | more))


def answer(
    hours: float, *cards: SeenCard, patient: str = "p", user: str = "u", **more: Any
) -> Answer:
    return Answer(at=NOW + timedelta(hours=hours), patient=patient, user=user, cards=cards, **more)


def test_cards_are_counted_per_100_calls() -> None:
    figures = burden(
        [
            answer(
                0,
                seen(bullets=2, drafts=0),
                seen("overcorrection", "critical", bullets=6, drafts=3),
            ),
            answer(1, patient="q"),
            answer(2, patient="r", refused=412),
            answer(3, seen("sodiumModerate", "warning"), patient="s"),
        ],
        limits(),
    ).as_json()
    assert (figures["calls"], figures["callsWithCard"], figures["cards"]) == (4, 2, 3)
    assert figures["cardsPer100"] == 75
    assert figures["per100ByIndicator"] == {"critical": 25, "warning": 25, "info": 25}
    assert figures["refused"] == {"412": 1}
    assert figures["bullets"] == {"mean": 4, "median": 4, "most": 6}
    assert figures["draftOrders"] == {"mean": 1.33, "median": 1, "most": 3}
    assert {row["topic"] for row in figures["per100ByTopic"]} == {
        "sodiumMild", "overcorrection", "sodiumModerate",
    }  # fmt: skip


def test_no_call_gives_no_figures_and_no_error() -> None:
    figures = burden([], limits()).as_json()
    assert figures["cardsPer100"] == 0
    assert figures["bullets"] == {}


@pytest.mark.parametrize(
    ("second", "repeats", "unchanged"),
    [
        (answer(12, seen()), 1, 1),
        (answer(12.1, seen()), 1, 0),
        (answer(24, seen()), 1, 0),
        (answer(24.1, seen()), 0, 0),
        (answer(1, seen(), user="v"), 1, 0),
        (answer(1, seen(), user=""), 1, 0),
        (answer(1, seen(), patient="q"), 0, 0),
        (answer(1, seen("sodiumModerate")), 0, 0),
        (answer(1, seen(indicator="warning")), 1, 0),
        (answer(1, seen(na="129.1")), 1, 1),
        (answer(1, seen(na="129")), 1, 0),
        (answer(1, seen(na="132.9")), 1, 1),
        (answer(1, seen(na="133")), 1, 0),
    ],
)
def test_a_repeat_is_the_same_topic_of_the_same_patient_within_24_hours(
    second: Answer, repeats: int, unchanged: int
) -> None:
    figures = burden([second, answer(0, seen())], limits())  # whatever their order
    assert sum(figures.repeats.values()) == repeats
    assert figures.unchanged == unchanged
