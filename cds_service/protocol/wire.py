"""Reads strict JSON and writes compact JSON; decimals stay decimals (docs/decisions/0003)."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from cds_service.errors import BadRequest

# Longer numbers are not measurements, and arithmetic with a huge exponent would take minutes. They
# are returned as text, which no reader takes for a quantity, so one odd element never costs a call.
_MAX_DIGITS = 50
_MAX_EXPONENT = 50
_BYTE = re.compile(r"\(byte ([0-9]+)\)")


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
    except UnicodeDecodeError:
        raise BadRequest("The body is not valid JSON: it is not UTF-8.") from None
    except RecursionError:
        raise BadRequest("The body is not valid JSON: it is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not valid JSON{_place(body, str(error))}.") from None


def _place(body: bytes, said: str) -> str:
    """Returns where JSON breaks, from what the library says of it, which shows nothing of it."""
    at = _BYTE.search(said)
    if at is None:
        return ": it ends too early" if body else ": it is empty"
    # Of what stands behind the end, the library counts one too far.
    before = body[: int(at[1]) - ("trailing" in said)]
    line = before.count(b"\n") + 1
    column = len(before.rpartition(b"\n")[2].decode(errors="replace")) + 1
    return f": line {line}, column {column}"


def encode(value: object) -> bytes:
    """Returns compact JSON; a Decimal becomes a number."""
    return _ENCODER.encode(value)
