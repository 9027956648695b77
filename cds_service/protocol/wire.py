"""Reads strict JSON and writes compact JSON; decimals stay decimals (docs/decisions/0003)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from cds_service.errors import BadRequest

# Longer numbers are not measurements, and arithmetic with a huge exponent would take minutes. They
# are returned as text, which no reader takes for a quantity, so one odd element never costs a call.
_MAX_DIGITS = 50
_MAX_EXPONENT = 50


def _number(text: str) -> Decimal | str:
    if len(text) > _MAX_DIGITS:
        return text
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if abs(value.adjusted()) <= _MAX_EXPONENT else text


T = TypeVar("T")


def decoder(shape: type[T]) -> msgspec.json.Decoder[T]:
    """Returns a decoder that reads numbers as `decode` does, and only the members of `shape`."""
    return msgspec.json.Decoder(shape, float_hook=_number)


_DECODER: msgspec.json.Decoder[Any] = decoder(Any)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode(body: bytes) -> Any:
    """Returns JSON as Python objects; numbers with a point or an exponent become Decimal.

    Raises BadRequest for anything that is not strict JSON, such as NaN, deep nesting, bad UTF-8 or
    a byte order mark.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadRequest("The body is not valid JSON.") from None


def encode(value: object) -> bytes:
    """Returns compact JSON; a Decimal becomes a number."""
    return _ENCODER.encode(value)
