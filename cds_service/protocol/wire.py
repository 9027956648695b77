"""The one JSON parser: strict in, compact out. Decimals stay decimals (docs/decisions/0003)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from cds_service.errors import BadRequest

# Longer numbers are no measurement, and arithmetic with a huge exponent would take minutes. They
# arrive as text, which no reader takes for a quantity: one odd element never costs the request.
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
    """A decoder that reads numbers as `decode` does, and of everything else what `shape` names."""
    return msgspec.json.Decoder(shape, float_hook=_number)


_DECODER: msgspec.json.Decoder[Any] = decoder(Any)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode(body: bytes) -> Any:
    """JSON as Python objects; numbers with a point or exponent arrive as Decimal.

    Raises BadRequest on anything that is not strict JSON: NaN, deep nesting, bad UTF-8, a byte order
    mark.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadRequest("The body is not valid JSON.") from None


def encode(value: object) -> bytes:
    """Compact JSON; Decimals as numbers."""
    return _ENCODER.encode(value)
