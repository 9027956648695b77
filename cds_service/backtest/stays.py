"""Hospital stays and visits by time, read without decoding whole Encounters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec
from msgspec import Raw, Struct, field
from msgspec.structs import replace

from cds_service.backtest.times import DAY, LATER, end_of, when


class Stay(Struct, frozen=True):
    """An Encounter, from its start to its end."""

    start: datetime
    end: datetime
    id: str
    line: bytes
    inpatient: bool
    guessed: bool = False  # its end is not in the export


class _Period(Struct):
    start: str = ""
    end: str = ""


class _Encounter(Struct):
    id: str = ""
    period: _Period | None = None
    class_: Raw = field(default=Raw(b""), name="class")


_encounter = msgspec.json.Decoder(_Encounter).decode


def stays(lines: Iterable[bytes], is_inpatient: Callable[[bytes], bool]) -> list[Stay]:
    """Returns the Encounters that have an id and a start, by time.

    A visit without an end lasts a day; a hospital stay without one lasts until the next stay.
    """
    begun: dict[str, Stay] = {}
    for line in lines:
        stay = _stay(line, is_inpatient)
        if stay is not None:
            begun[stay.id] = stay
    in_order = sorted(begun.values(), key=lambda stay: (stay.start, stay.id))
    return [
        replace(stay, end=_assumed_end(stay, in_order[place + 1 :])) if stay.guessed else stay
        for place, stay in enumerate(in_order)
    ]


def stay_at(stays: Sequence[Stay], now: datetime) -> Stay | None:
    """Returns the Encounter in which a chart would be opened: in hospital, or the newest."""
    open_now = [stay for stay in stays if stay.start <= now <= stay.end]
    return max(open_now, key=lambda stay: (stay.inpatient, stay.start), default=None)


def _stay(line: bytes, is_inpatient: Callable[[bytes], bool]) -> Stay | None:
    try:
        read = _encounter(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    start = when(read.period.start) if read.period is not None else None
    if read.period is None or start is None or not read.id:
        return None
    end = when(read.period.end)
    return Stay(
        start.at,
        end_of(end) if end is not None else LATER,
        read.id,
        line,
        inpatient=is_inpatient(bytes(read.class_)),
        guessed=end is None,
    )


def _assumed_end(stay: Stay, later: Sequence[Stay]) -> datetime:
    if not stay.inpatient:
        return stay.start + DAY
    return next((one.start for one in later if one.inpatient and one.start > stay.start), LATER)
