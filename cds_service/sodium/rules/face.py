"""How far sodium may rise is read where a card offers what raises it (F1, F2, F32)."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Fact, Line
from cds_service.engine.wording import room_left
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.sodium.rules.gates import acute_water, at, likely_acute, not_hypotonic
from cds_service.sodium.rules.room import ceiling_fact, room_of

RAISES = (
    *("bolus-aasld", "bolus-european", "bolus-now", "give-by-weight", "single-bolus"),
    *("acute-stop", "stop-thiazide", "stop-cirrhosis", "stop-combination", "thiazide-hold"),
    *("hypovolemia-losses", "hypovolemia-replace", "volume-shock", "insipidus-dose"),
    *("overload-albumin", "cirrhosis-kidney-albumin", "adrenal-crisis", "adrenal-treat"),
    *("vomiting-alone", "salt-wasting", "neuro-first", "pause-desmopressin"),
)  # lines about what raises sodium, by the start of their key
RISK = "risk-"  # its line says the goal
CARRIES = ("single-bolus", "monitor-", "sodium-now")  # short lines, the first of which is chosen


def paced(case: Case, do: list[Line]) -> list[Line]:
    """Returns what to do, with the goal and the ceiling of the rise among the first lines.

    They are said if one of these raises sodium and none tells how far. No line is added: one of
    the first says it too.
    """
    face = do[:FACE_BULLETS]
    told = _pace(case, goal=not any(one.key.startswith(RISK) for one in face))
    if told is None or any("ceiling" in one.facts for one in face):
        return do
    raises = [one for one in face if one.key.startswith(RAISES)]
    if not raises:
        return do
    carrier = _carrier(face) or raises[-1]
    return [replace(one, then=told) if one is carrier else one for one in do]


def _carrier(face: list[Line]) -> Line | None:
    found = (one for start in CARRIES for one in face if one.key.startswith(start))
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
