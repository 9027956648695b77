"""What an answer without cards would hide. Silence may only mean that all was looked at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Literal

from cds_service.engine.finding import Outcome, Silence
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte
from cds_service.sodium.case import Case
from cds_service.sodium.results import Rejected
from cds_service.sodium.snapshot import Missing, Snapshot
from cds_service.sodium.stay import Stay

MEDICINES_UNREAD = (
    "medicines-unread"  # a rule's reason: its question cannot be answered without the list
)
PROBLEMS_UNREAD = "problems-unread"
STAY_UNREAD = "stay-unread"  # a sodium of the stay could not be read: it may have been high or low
RISE_UNREAD = "rise-unread"  # so for one of the last two days: what sodium rose from is not known
SODIUM_UNREAD = "emergency-unread"  # no sodium was read, and a low one would make the order a fault
# "order": a selected order or its medicine was not read; "unidentified": it was, and its code or
# name is not known; "orders": the call brought none at all.
Unlooked = Literal["sodium", "medications", "conditions", "order", "unidentified", "orders"]
_READ_IN_PART = {Missing.TRUNCATED, Missing.IN_PART, Missing.OLDER}
UNREAD = frozenset(Missing) - _READ_IN_PART - {Missing.NOT_APPLICABLE, Missing.UNUSABLE}


def unlooked(
    case: Case, outcomes: Sequence[Outcome], disabled: Collection[str], *, silent: bool
) -> Unlooked | None:
    """Returns what was not read and could have changed the silence of all rules.

    It is None if any rule has spoken.
    A sodium result that could not be used is also named if the client wants no card of the rules
    that have spoken, so that the answer would be `silent`.
    """
    if silent and case.sodium.unusable is not None:
        return "sodium"
    silences = [o for o in outcomes if isinstance(o, Silence)]
    if len(silences) < len(outcomes):
        return None
    reasons = {s.reason for s in silences if s.rule not in disabled}
    found = _unread_order(case.snapshot) or _named_by_rules(reasons)
    if found is not None:
        return found
    why = case.snapshot.missing.get(Analyte.SODIUM)
    cut = why is Missing.TRUNCATED and not _recent_seen(case.snapshot, case.limits)
    return "sodium" if cut or why is Missing.IN_PART else None


def _unread_order(snapshot: Snapshot) -> Unlooked | None:
    """Returns whether a selected order was not read, or is of nothing that is known."""
    selected = [o for o in snapshot.drafts if o.reference in snapshot.selected]
    if any(o.unread for o in selected):
        return "order"
    return "unidentified" if any(o.unidentified for o in selected) else None


def _named_by_rules(reasons: Collection[str]) -> Unlooked | None:
    """Returns what the reasons of silent rules say was not read."""
    if not {STAY_UNREAD, RISE_UNREAD, SODIUM_UNREAD}.isdisjoint(reasons):
        return "sodium"
    if MEDICINES_UNREAD in reasons:
        return "medications"
    return "conditions" if PROBLEMS_UNREAD in reasons else None


def unused_sodium(case: Case, *, going_home: bool) -> Rejected | None:
    """Returns the result that could not be used, and that silence would hide."""
    earlier = Stay(case).unread if going_home else unread_lately(case)
    return case.sodium.unusable or earlier


def unread_lately(case: Case) -> Rejected | None:
    """Returns the newest result of the time in which a rise is looked for that was not read."""
    begins = case.snapshot.now - case.limits.rate_long_window_hours
    return case.sodium.unread_since(begins)


def sodium_missing(snapshot: Snapshot) -> bool:
    """Whether no sodium result was read at all."""
    return snapshot.missing.get(Analyte.SODIUM) in UNREAD


def _recent_seen(snapshot: Snapshot, limits: Limits) -> bool:
    """Whether the results that were cut off are older than anything that rules look at."""
    times = [
        lab.time.at
        for lab in snapshot.labs
        if lab.analyte == Analyte.SODIUM and lab.time is not None
    ]
    newest_first = all(one >= other for one, other in pairwise(times))
    begins = snapshot.now - limits.rate_long_window_hours
    return len(times) > 1 and newest_first and times[-1] < begins
