"""The one JSON parser refuses what is not JSON, and keeps decimals exact."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode, encode


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b"[1,]",
        b'{"a": 1,}',
        b"// comment\n{}",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\\ud800"',
        b"[01]",
        b"[1] x",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_strict_json_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body)


def test_a_decimal_arrives_as_it_was_written() -> None:
    first, second = decode(b"[118.1, 126.1]")
    assert second - first == Decimal("8.0")


@pytest.mark.parametrize(
    "number", [b"1e999", b"1E-245", b"1e99999999999999999999", b"1." + b"1" * 400]
)
def test_a_number_that_no_measurement_has_arrives_as_text_and_costs_nothing_else(
    number: bytes,
) -> None:
    odd, fine = decode(b"[" + number + b", 1.5]")
    assert isinstance(odd, str)
    assert fine == Decimal("1.5")


def test_the_last_of_two_equal_members_counts() -> None:
    assert decode(b'{"a": 1, "a": 2}') == {"a": 2}


def test_decimals_are_sent_as_numbers() -> None:
    assert encode({"value": Decimal("127.50")}) == b'{"value":127.50}'
