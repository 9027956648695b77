"""An operation on the pituitary gland of the last two weeks, after which sodium falls late (F5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.sodium.snapshot import Problem

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

NOT_YET = timedelta(days=1)  # sodium of the first day is that of the infusions


class PituitarySurgery(Struct, frozen=True, kw_only=True):
    """The operation that explains a low sodium, with its day if the record has it."""

    at: datetime | None = None
    to_come: bool = False  # the lowest sodium is still to come


def pituitary_surgery(case: Case) -> PituitarySurgery | None:
    """Returns the operation that explains the low sodium; None without one of two weeks.

    It explains none of the first day, and none that was as low before. While desmopressin replaces
    the hormone its dose is the cause.
    """
    latest = case.sodium.latest
    if latest is None or not case.sodium.low or case.replaces_hormone:
        return None
    done = max((since for since in _dates(case) if since <= latest.at), default=None)
    if done is None:
        return PituitarySurgery() if _in_this_stay(case) else None
    if latest.at - done < NOT_YET or _was_as_low(case, done):
        return None
    days = (case.snapshot.now.date() - done.date()).days
    return PituitarySurgery(at=done, to_come=days <= case.limits.pituitary_nadir_days.days)


def _dates(case: Case) -> list[datetime]:
    """Returns when the operations of the last two weeks were done."""
    earliest = case.snapshot.now - case.limits.pituitary_days
    dates = [entry.since for entry in case.snapshot.problems if _is_operation(case, entry)]
    return [since for since in dates if since is not None and since >= earliest]


def _in_this_stay(case: Case) -> bool:
    """Tells whether an operation without a date is of this stay, which is no older than two weeks.

    The reason of the visit may name an operation that is still to come: sodium fell in the stay.
    """
    begun, latest = case.snapshot.stay_since, case.sodium.latest
    if begun is None or latest is None or case.snapshot.now - begun > case.limits.pituitary_days:
        return False
    named = case.sets.pituitary_surgery.among(case.snapshot.encounter_reasons)
    undated = any(
        entry.encounter_diagnosis and entry.since is None and _is_operation(case, entry)
        for entry in case.snapshot.problems
    )
    return bool(named or undated) and latest.at - begun >= NOT_YET and not _was_as_low(case, begun)


def _is_operation(case: Case, entry: Problem) -> bool:
    return not case.sets.pituitary_surgery.names.isdisjoint(entry.concepts)


def _was_as_low(case: Case, moment: datetime) -> bool:
    """Tells whether the last sodium before this moment was low, and sodium has not fallen since."""
    before = next((s for s in reversed(case.sodium.samples) if s.at < moment), None)
    if before is None or not case.is_low(before):
        return False
    return case.fallen_since(before) < case.limits.attribution_fall_from
