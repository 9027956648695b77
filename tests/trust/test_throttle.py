"""Callers whose tokens keep failing are held off, and an EHR never because of somebody else (T-31)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.trust.throttle import ADDRESSES, MOST, PROVEN_S, WINDOW_S, FailureLimit, address_of

ATTACKER, EHR = "203.0.113.9", "198.51.100.7"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> FailureLimit:
    return FailureLimit(clock)


def fail(limit: FailureLimit, times: int, address: str = ATTACKER) -> None:
    for _ in range(times):
        limit.failed(address)


def test_t31_an_address_whose_tokens_keep_failing_is_held_off_and_nobody_else(
    limit: FailureLimit,
) -> None:
    fail(limit, MOST - 1)
    assert not limit.holds_off(ATTACKER)
    fail(limit, 1)
    assert limit.holds_off(ATTACKER)
    assert not limit.holds_off(EHR)


def test_it_ends_by_itself_while_the_flood_goes_on(limit: FailureLimit, clock: Clock) -> None:
    fail(limit, MOST)
    asked = 0
    while limit.holds_off(ATTACKER):
        asked += 1
        clock.now += WINDOW_S / 10
    assert asked == 10


def test_t31_an_address_that_an_ehr_proved_is_never_held_off(
    limit: FailureLimit, clock: Clock
) -> None:
    limit.passed(EHR)
    clock.now += PROVEN_S - 1
    fail(limit, 1000, EHR)
    assert not limit.holds_off(EHR)
    clock.now += 1
    fail(limit, MOST, EHR)
    assert limit.holds_off(EHR)


def test_a_token_that_passes_ends_it_at_once(limit: FailureLimit) -> None:
    fail(limit, MOST)
    limit.passed(ATTACKER)
    assert not limit.holds_off(ATTACKER)


def test_where_addresses_are_not_known_nobody_is_held_off(limit: FailureLimit) -> None:
    fail(limit, 1000, "")
    assert not limit.holds_off("")


def test_many_addresses_take_a_bounded_room(limit: FailureLimit) -> None:
    fail(limit, MOST, "first")
    for number in range(ADDRESSES):
        limit.failed(str(number))
    assert not limit.holds_off("first")
    limit.passed("ehr")
    for number in range(ADDRESSES - 1):
        limit.passed(str(number))
    fail(limit, MOST, "ehr")
    assert not limit.holds_off("ehr")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({"proxies": None}, ""),
        ({"proxies": 0}, "10.0.0.1"),
        ({"proxies": 0, "forwarded": EHR}, "10.0.0.1"),
        ({"proxies": 1, "forwarded": EHR}, EHR),
        (
            {"proxies": 1, "forwarded": f"{EHR}, {ATTACKER}"},
            ATTACKER,
        ),  # what a caller writes itself stands before
        ({"proxies": 2, "forwarded": f"{EHR},{ATTACKER}, 10.0.0.2"}, ATTACKER),
        ({"proxies": 1}, ""),
        ({"proxies": 2, "forwarded": EHR}, ""),
        ({"proxies": 1, "forwarded": "unknown"}, ""),
        ({"proxies": 1, "forwarded": f"{EHR}:4711"}, ""),
        ({"proxies": 1, "forwarded": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"),
        ({"proxies": 1, "forwarded": f"::ffff:{EHR}"}, EHR),
        ({"proxies": 0, "peer": ""}, ""),
    ],
)
def test_the_address_is_what_our_own_proxy_saw(said: dict[str, Any], address: str) -> None:
    assert (
        address_of(said.get("peer", "10.0.0.1"), said.get("forwarded", ""), said["proxies"])
        == address
    )
