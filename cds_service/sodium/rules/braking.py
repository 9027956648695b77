"""An order that lowers sodium while it rises: a brake that is due, or a mistake (S13, M13)."""

from __future__ import annotations

from typing import Literal

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.engine.wording import in_hours, number, room_left
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.rules.gates import rising_too_fast, still_shedding, will_shed_water
from cds_service.sodium.rules.room import limit_line, rise_limit, room_of

# "over": above the limit, now or in the last days; "near": a brake may be due; "early": it is not;
# "acute": no rise is to be braked; "doubted": the rise is not proven; "": sodium does not rise.
Brake = Literal["", "over", "near", "early", "acute", "doubted"]
VARIANTS = {"near": "brake", "acute": "brake-acute", "doubted": "brake-doubted"}
# Notes under which a high glucose makes a rise, or hides one: it is what is treated.
BY_GLUCOSE = ("glucose-raised", "glucose-one-end")


def braking(case: Case) -> Brake:
    """Returns what an order that lowers sodium is at the rise that there is (F2, F4, S13)."""
    rate = case.rate
    if rate.episode is None and not is_rising(case):
        return ""
    if rate.may_be_acute and rate.level is not None:
        return "acute"
    if rate.level is not None and (_unconfirmed(case) or made_by_glucose(case)):
        return "doubted"
    if rising_too_fast(case) or (rate.episode is not None and _was_over(case, rate.episode)):
        return "over"
    return "near" if _near(case) else "early"


def _unconfirmed(case: Case) -> bool:
    """Tells whether the rise rests on a value that is to be repeated first (M10 c)."""
    return case.rate.variant == "jump" or case.rate.jump is not None


def made_by_glucose(case: Case) -> bool:
    """Returns whether a high glucose makes a rise, or hides one: it is what is treated (M10 c)."""
    return not set(BY_GLUCOSE).isdisjoint(case.rate.notes) and case.rate.level != "critical"


def is_rising(case: Case) -> bool:
    """Returns whether sodium rises so far that an order may be meant to brake it (S13)."""
    rate = case.rate
    return rate.level is not None or rate.rise_now >= case.limits.clamp_rise_from


def _was_over(case: Case, episode: RatePair) -> bool:
    """Tells whether a remembered rise was above its limit, or is no more the present (F4)."""
    return episode != case.rate.worst or case.rate.rule != "RATE-NEAR"


def _near(case: Case) -> bool:
    """Tells whether the rise is near its limit or goal, or will go on by itself."""
    limits, rate = case.limits, case.rate
    least = limits.raise_warning_risk_from if case.risk.high else limits.raise_warning_from
    if rate.level is not None or rate.rise_now >= least:
        return True
    return still_shedding(case) is not None or bool(will_shed_water(case))


def braked_rise(case: Case) -> dict[str, str]:
    """Returns the rise with its span, as facts of a summary."""
    pair = case.rate.now or case.rate.worst
    if pair is None:
        return {"rise": "0", "hours": "0"}
    edges = (rise_limit(case), case.limits.rate_goal)
    return {"rise": number(pair.rise, edges), "hours": in_hours(pair.span)}


def brake_lines(case: Case, state: Brake) -> list[Line]:
    """Returns which of the two the order is, with the room that is left (F32)."""
    if state == "acute":
        return [line("brake-acute", keep=True)]
    if state == "doubted":
        return [line("brake-repeat" if _unconfirmed(case) else "brake-glucose", keep=True)]
    told = limit_line(case)
    if state == "early":
        return [_with_room(case, "brake-early", "brake-early-unknown"), told, line("brake-if")]
    return [
        _with_room(case, "brake-near", "brake-near-unknown"),
        told,
        line("brake-watch", keep=True),
    ]


def _with_room(case: Case, known: str, unknown: str) -> Line:
    """Returns the first of two lines with the room that is left, the second without it."""
    room = room_of(case)
    if room is None or room.left is None:
        return line(unknown, keep=True)
    return line(known, left=room_left(room.left), keep=True)
