"""Counts what became of patients in the two arms of a randomised roll-out, without patient data.

A patient is in one arm by chance (`shadow_share`), and stays there: in the shadow arm rules are
asked and recorded, and nothing is shown. What fires later is recorded alike in both arms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import sqrt

from msgspec import Struct, field

from cds_service.store.figures import ArmCall

SHOWN, SHADOW = "shown", "shadow"
FOLLOWED = timedelta(hours=168)  # from the first finding; issue 19
_Z = 1.959964  # of a 95 % interval


class Arm(Struct, kw_only=True):
    """The counts of one arm."""

    patients: int = 0
    calls: int = 0
    cards: int = 0  # times a card was shown
    found: int = 0  # patients of whom a rule had something to say
    followed: int = 0  # of those, patients whose first finding is older than FOLLOWED
    seen_again: int = 0  # of those, patients with another call in that time
    later: Counter[str] = field(default_factory=Counter)  # of those, patients by rule fired later


class Difference(Struct, frozen=True, kw_only=True):
    """How much more often something happened in the shown arm, in percentage points."""

    points: float
    least: float  # of the 95 % interval
    most: float


class Arms(Struct, kw_only=True):
    """Both arms; the `moved` were in both, because the share was changed, and count nowhere."""

    shown: Arm = field(default_factory=Arm)
    shadow: Arm = field(default_factory=Arm)
    moved: int = 0

    @property
    def rules(self) -> list[str]:
        """Returns the rules that fired later, the most frequent first."""
        return [rule for rule, _ in (self.shown.later + self.shadow.later).most_common()]

    def difference(self, rule: str) -> Difference | None:
        """Returns the difference for one rule that fired later; None if an arm is empty."""
        return difference(
            (self.shown.later[rule], self.shown.followed),
            (self.shadow.later[rule], self.shadow.followed),
        )

    def add(self, other: Arms) -> None:
        """Adds the arms of another client."""
        self.moved += other.moved
        for mine, theirs in ((self.shown, other.shown), (self.shadow, other.shadow)):
            mine.later.update(theirs.later)
            for name in ("patients", "calls", "cards", "found", "followed", "seen_again"):
                setattr(mine, name, getattr(mine, name) + getattr(theirs, name))


class _Patient(Struct):
    arms: set[str] = field(default_factory=set)
    calls: int = 0
    cards: int = 0
    first: datetime | None = None
    again: bool = False
    later: set[str] = field(default_factory=set)


def arms(calls: Iterable[ArmCall], now: datetime) -> Arms | None:
    """Returns both arms of one client from its calls, oldest first; None without any."""
    patients: dict[str, _Patient] = {}
    for call in calls:
        _take(patients.setdefault(call.patient, _Patient()), call)
    if not patients:
        return None
    found = Arms()
    for patient in patients.values():
        if len(patient.arms) > 1:
            found.moved += 1
        else:
            _count(found.shown if SHOWN in patient.arms else found.shadow, patient, now)
    return found


def _take(patient: _Patient, call: ArmCall) -> None:
    patient.arms.add(call.arm)
    patient.calls += 1
    patient.cards += call.cards
    fired = call.fired.split()
    if patient.first is None:
        patient.first = call.at if fired else None
    elif patient.first < call.at <= patient.first + FOLLOWED:
        patient.again = True
        patient.later.update(fired)


def _count(arm: Arm, patient: _Patient, now: datetime) -> None:
    arm.patients += 1
    arm.calls += patient.calls
    arm.cards += patient.cards
    if patient.first is None:
        return
    arm.found += 1
    if now - patient.first < FOLLOWED:
        return
    arm.followed += 1
    arm.seen_again += patient.again
    arm.later.update(patient.later)


def difference(one: tuple[int, int], other: tuple[int, int]) -> Difference | None:
    """Returns the difference of two shares with its 95 % interval, in percentage points.

    Each is a number of patients and of how many. The interval is Newcombe's method 10 (Stat Med
    1998;17:873), which also holds for small numbers.
    """
    if not one[1] or not other[1]:
        return None
    p, q = one[0] / one[1], other[0] / other[1]
    low_p, high_p = wilson(*one)
    low_q, high_q = wilson(*other)
    return Difference(
        points=100 * (p - q),
        least=100 * (p - q - sqrt((p - low_p) ** 2 + (high_q - q) ** 2)),
        most=100 * (p - q + sqrt((high_p - p) ** 2 + (q - low_q) ** 2)),
    )


def wilson(number: float, whole: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share."""
    share, z2 = number / whole, _Z * _Z
    middle = share + z2 / (2 * whole)
    half = _Z * sqrt(share * (1 - share) / whole + z2 / (4 * whole * whole))
    return (middle - half) / (1 + z2 / whole), (middle + half) / (1 + z2 / whole)
