"""How far sodium may rise is read where a card offers what raises it (F1, F2, F32)."""

from __future__ import annotations

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Fact, Line
from cds_service.engine.wording import room_left
from cds_service.knowledge.names import LineSet
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import acute_water, at, likely_acute, not_hypotonic
from cds_service.sodium.rules.room import ceiling_fact, room_of


def paced(case: Case, do: list[Line]) -> list[Line]:
    """Returns what to do, with the goal and the ceiling of the rise among the first lines.

    They are said if one of these raises sodium and none tells how far. No line is added: one of
    the first says it too.
    """
    face, sets = do[:FACE_BULLETS], case.sets
    told = _pace(case, goal=not any(_begins(one, sets.goal_lines) for one in face))
    if told is None or any("ceiling" in part.facts for one in face for part in one.parts()):
        return do
    raises = [one for one in face if _begins(one, sets.raising_lines)]
    if not raises:
        return do
    carrier = _carrier(face, sets.carrying_lines) or raises[-1]
    return [one.also(told) if one is carrier else one for one in do]


def _begins(line: Line, starts: LineSet) -> bool:
    """Returns whether the line, or what is said in it too, has a key that begins so."""
    return any(part.key.startswith(tuple(starts.members)) for part in line.parts())


def _carrier(face: list[Line], starts: LineSet) -> Line | None:
    """Returns the line that says the pace too: the first by the order of the set."""
    found = (one for start in starts.members for one in face if one.key.startswith(start))
    return next(found, None)


def _pace(case: Case, *, goal: bool) -> Line | None:
    """Returns how far sodium may rise; None in a mild band at no risk, or if no limit holds.

    At a high risk it names the `goal` too, unless that is said already.
    """
    room = room_of(case)
    if (case.sodium.band is Band.MILD and not case.risk.high) or _no_limit_holds(case):
        return None
    if room is None or room.ceiling is None or room.left is None:
        return None
    facts: dict[str, Fact] = {
        "ceiling": ceiling_fact(room.ceiling),
        "until": at(case, room.ceiling.until),
    }
    if goal and case.risk.high and room.left >= case.limits.rate_goal:
        return Line("pace-goal", facts, keep=True)
    return Line("pace-left", {**facts, "left": room_left(room.left)}, keep=True)


def _no_limit_holds(case: Case) -> bool:
    """Returns whether onset was likely short, or the blood is not dilute (F2, F13)."""
    return likely_acute(case) or acute_water(case) is not None or not_hypotonic(case)
